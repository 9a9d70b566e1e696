//! What the sites' answers, and the steps before, mean for a plan.

use super::instance::Instance;
use super::{Run, Who};
use edge_lang::eval::{Document, Step};
use edge_lang::library::render::{Difference, Fields};
use edge_lang::library::{Op, Resource};
use edge_lang::model::SiteId;
use edge_lang::plan::{Action, FieldChange};
use edge_lang::types::{Name, Type};
use serde_json::Value as Json;
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};

/// What a plan knows a thing by that it makes or deletes. Where kinds are found at the site, names are unique only within
/// something, such as a namespace: that is part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Called {
    resource: Name,
    site: SiteId,
    within: Option<String>,
    name: String,
}

impl Called {
    /// `said`: what is said of the thing, which may be what it lies in; else that is what lies nearest: the tenant's, or
    /// what the site is configured with. Nothing is sent for it.
    pub async fn new(run: &Run, who: Who<'_>, site: SiteId, resource: &Name, said: &Fields, name: &str) -> Called {
        let called = |within| Called { resource: resource.clone(), site, within, name: name.to_string() };
        let Some(stack) = run.inventory.get(site).map(|s| s.stack.clone()) else { return called(None) };
        let any = || run.library.of_any_kind(&stack);
        let described = run.library.resource(&stack, resource).or_else(any).filter(|r| r.kind.is_some());
        let Some(by) = described.and_then(|r| r.named.as_ref()?.within.as_ref()) else { return called(None) };
        if let Some(within) = said.get(by).and_then(Json::as_str).filter(|w| !w.is_empty()) {
            return called(Some(within.to_string()));
        }
        let Ok(session) = run.sessions.session(site, who).await else { return called(None) };
        called(session.account().await.ok().and_then(|account| account.project_id))
    }

    /// A thing of any kind that a document describes: by its own kind.
    pub async fn of_document(
        instance: &Instance,
        run: &Run,
        who: Who<'_>,
        site: SiteId,
        document: &Document,
        said: &Fields,
    ) -> Called {
        let kind = instance.kind_name(said, &document.kind);
        Called::new(run, who, site, &kind, said, &document.name).await
    }
}

/// What the steps of a plan do that a later one has to reckon with.
#[derive(Default)]
pub struct Earlier(Mutex<(HashSet<SiteId>, HashSet<(Name, SiteId, String)>)>);

impl Earlier {
    fn all(&self) -> MutexGuard<'_, (HashSet<SiteId>, HashSet<(Name, SiteId, String)>)> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Something is made there.
    pub fn note_brought(&self, site: SiteId) {
        self.all().0.insert(site);
    }

    pub fn brings(&self, site: SiteId) -> bool {
        self.all().0.contains(&site)
    }

    /// Something that is there is changed: later steps do not find it as it is now.
    pub fn note_change(&self, resource: &Name, at: SiteId, id: &str) {
        self.all().1.insert((resource.clone(), at, id.to_string()));
    }

    pub fn changes(&self, resource: &Name, at: SiteId, id: &str) -> bool {
        self.all().1.contains(&(resource.clone(), at, id.to_string()))
    }
}

/// What an operation is, told in a plan and put to approval in the same words: what makes a thing out of another one is an
/// operation on that one.
pub fn action(step: &Step, op: &Op, resource: &Resource) -> Action {
    match step.subject.is_none() && op.creates(&resource.name).is_some() {
        true => Action::Create,
        false => Action::Act { operation: op.name.to_string(), last: op.is_final() },
    }
}

/// A secret, or something with secrets in it.
pub fn holds_secrets(ty: &Type) -> bool {
    match ty.present() {
        Type::Secret => true,
        Type::Map(of) | Type::List(of) => holds_secrets(of),
        Type::Record(fields) => fields.values().any(holds_secrets),
        _ => false,
    }
}

/// Whether things of the kind hold secrets, beside what is told once.
pub fn has_secrets(resource: &Resource) -> bool {
    resource.fields.values().any(|field| !field.once && holds_secrets(&field.ty))
}

/// Differences as a plan shows them; the values of secrets are not shown.
pub fn field_changes(resource: &Resource, differences: &[Difference]) -> Vec<FieldChange> {
    let change = |d: &Difference| {
        let secret = resource.fields.get(&d.field).is_some_and(|f| holds_secrets(&f.ty));
        let text = |value: &Json| match value {
            _ if secret => "(secret)".to_string(),
            Json::Null => "nothing".to_string(),
            other => other.to_string(),
        };
        FieldChange { field: d.field.to_string(), from: text(&d.found), to: text(&d.wanted) }
    };
    differences.iter().map(change).collect()
}
