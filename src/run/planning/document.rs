//! What a plan shows of documents, and of what a request refers to: the ConfigMaps and Secrets that come along with a
//! workload. A site is asked to try a document, and does nothing.

use super::super::effect;
use super::super::instance::Instance;
use super::super::planned;
use super::super::refer::{self, Missing};
use super::super::rehearse::{self, Tried};
use super::super::resolve::Spot;
use super::super::trouble::{Kind, Trouble};
use super::{Looked, Planning, as_whom};
use edge_lang::eval::{Document, Step, unsettled};
use edge_lang::library::Resource;
use edge_lang::library::render::{self, Fields, Scope as Known};
use edge_lang::model::SiteSet;
use edge_lang::plan::{self, Action, PlannedEffect, Shown};

impl Planning {
    /// The beginning of what a document says.
    pub(super) fn content(&self, step: &Step) -> Vec<String> {
        let Some(document) = &step.document else { return Vec::new() };
        let own = || step.per_site.values().find_map(|own| own.get(&document.param));
        let Some(said) = step.arguments.get(&document.param).or_else(own) else { return Vec::new() };
        let described = document.described.as_ref().and_then(|name| self.run.library.any_resource(name));
        let secret = |resource: &Resource| resource.fields.values().any(|f| !f.once && planned::holds_secrets(&f.ty));
        let shown = if described.is_some_and(secret) { Shown::Names } else { Shown::Whole };
        plan::content(said, shown, &self.run.inventory)
    }

    /// What a request refers to and has to be copied for it.
    pub(super) async fn referred(
        &self,
        spot: Spot<'_>,
        instance: &Instance,
        resource: &edge_lang::library::Resource,
        op: &edge_lang::library::Op,
        known: &Known,
    ) -> Result<(Vec<PlannedEffect>, SiteSet), Trouble> {
        let (mut copies, mut later) = (Vec::new(), SiteSet::new());
        for (_, missing) in refer::missing(spot, instance, resource, op, known).await? {
            let copy = match missing {
                Missing::Copy(copy) => copy,
                Missing::Later(from) => {
                    later.add(&from);
                    continue;
                }
            };
            let action = Action::Copy { from: copy.from, size: copy.size() };
            if let Some(name) = copy.name() {
                self.run.plan_name(&copy.resource, copy.to, name, copy.row.fields.clone());
            }
            let name = copy.name().map(str::to_string);
            copies.push(as_whom(
                spot.step,
                PlannedEffect::new(spot.atom, action, copy.resource.to_string(), name),
                instance,
            ));
        }
        Ok((copies, later))
    }

    /// What a document would make, or change of what is there: the site is asked to try it.
    pub(super) async fn document(
        &self,
        spot: Spot<'_>,
        instance: &Instance,
        resource: &edge_lang::library::Resource,
        op: &edge_lang::library::Op,
        document: &Document,
        args: Fields,
    ) -> Looked {
        let effect =
            |action| PlannedEffect::new(spot.atom, action, document.kind.to_string(), Some(document.name.to_string()));
        let said = args.get(&document.param).cloned().unwrap_or_default();
        let identity = rehearse::identity(resource, &said)?;
        let of_kind = instance.kind_name(&identity, &document.kind);
        // What is planned is known by its name alone: of another namespace than the step's nothing is.
        let namespace = identity.get("namespace").and_then(serde_json::Value::as_str);
        let own = namespace.is_none() || namespace == spot.step.policy.tenant.as_deref();
        let made = own && self.run.is_planned(&of_kind, spot.at, &document.name);
        let gone = own && self.run.is_planned_gone(&of_kind, spot.at, &document.name);
        let marker = effect::document::marker(&document.kind, &document.name, &said);
        let mut known =
            Known { args, row: identity.clone(), marker: Some(render::marker_text(&marker)), ..instance.known() };
        render::fill_defaults(&op.params, &mut known)?;
        // Something that an earlier step brings may be what the site does not know yet: a kind, a namespace.
        let brought = self.earlier.brings(spot.at);
        let (mut copies, mut later) = (Vec::new(), SiteSet::new());
        let action = match instance.read(resource, identity, Fields::new()).await {
            Err(trouble) if trouble.kind == Kind::Refused && brought => match made {
                true => Action::Act { operation: op.name.to_string(), last: op.is_final() },
                false => Action::Create,
            },
            Err(trouble) => return Err(trouble),
            Ok(now) => {
                (copies, later) = self.referred(spot, instance, resource, op, &known).await?;
                let unknown = spot.step.arguments_at(spot.atom).get(&document.param).and_then(unsettled);
                let now = now.filter(|_| !gone);
                let tried = match unknown {
                    // What is not known yet cannot be tried, nor what is not there yet.
                    Some(_) => Tried::Untried,
                    None if made && now.is_none() => Tried::Untried,
                    None => rehearse::attempt(instance, resource, op, known, now.as_ref().map(|r| &r.fields)).await?,
                };
                match (now.is_some(), tried) {
                    (_, Tried::Lacking(trouble)) if !brought => return Err(trouble),
                    // An earlier step makes it: what this changes of it is not known before.
                    (false, _) if made => Action::Act { operation: op.name.to_string(), last: op.is_final() },
                    (false, _) | (true, Tried::Lacking(_)) => Action::Create,
                    (true, Tried::Would(fields)) if fields.is_empty() => Action::AlreadyThere,
                    (true, Tried::Would(fields)) => Action::Change { fields },
                    (true, Tried::Untried) => Action::Act { operation: op.name.to_string(), last: op.is_final() },
                }
            }
        };
        if action == Action::Create {
            self.earlier.note_brought(spot.at);
            if own {
                self.run.plan_name(&of_kind, spot.at, &document.name, Fields::new());
            }
        }
        let own = effect(action);
        copies.push(if own.action.changes() { own.brings(later) } else { own });
        Ok(copies)
    }
}
