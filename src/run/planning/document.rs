//! What a plan shows of documents, and of what a request refers to: the ConfigMaps and Secrets that come along with a
//! workload. A site is asked to try a document, and does nothing.

use super::super::effect;
use super::super::instance::Instance;
use super::super::planned::{self, Called};
use super::super::refer::{self, Missing};
use super::super::rehearse::{self, Tried};
use super::super::resolve::Spot;
use super::super::trouble::{Kind, Trouble};
use super::{Looked, Planning, as_whom};
use edge_lang::eval::{Document, Step, unsettled};
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
        let shown = if described.is_some_and(planned::has_secrets) { Shown::Names } else { Shown::Whole };
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
                // Its copy lies where the step is, whatever the first lies in.
                let none = Fields::new();
                let called = Called::new(&self.run, spot.who(), copy.to, &copy.resource, &none, name).await;
                self.run.plan_name(called, copy.row.fields.clone());
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
        let called = Called::of_document(instance, &self.run, spot.who(), spot.at, document, &identity).await;
        let (made, gone) = (self.run.is_planned(&called), self.run.is_planned_gone(&called));
        let marker = effect::document::marker(&document.kind, &document.name, &said);
        let mut known =
            Known { args, row: identity.clone(), marker: Some(render::marker_text(&marker)), ..instance.known() };
        render::fill_defaults(&op.params, &mut known)?;
        let brought = self.earlier.brings(spot.at);
        let (mut copies, mut later) = (Vec::new(), SiteSet::new());
        let act = || Action::Act { operation: op.name.to_string(), last: op.is_final() };
        // An earlier step makes it: what this changes of it is not known before.
        let new = || if made { act() } else { Action::Create };
        let unknown = spot.step.arguments_at(spot.atom).get(&document.param).and_then(unsettled).is_some();
        let action = match instance.located(resource, known.clone()).await {
            // Something that an earlier step brings may be what the site does not know yet: a kind, a namespace.
            Err(trouble) if trouble.kind == Kind::Refused && brought => new(),
            Err(trouble) => return Err(trouble),
            Ok(known) => {
                (copies, later) = self.referred(spot, instance, resource, op, &known).await?;
                let now = async || match instance.read(resource, identity.clone(), Fields::new()).await {
                    Err(trouble) if trouble.kind == Kind::Refused && brought => Ok(None),
                    looked => Ok::<_, Trouble>(looked?.filter(|_| !gone)),
                };
                // What is not known yet cannot be tried, nor what is changed of what is not there yet.
                let tried = match unknown || made && now().await?.is_none() {
                    true => Tried::Untried,
                    false => rehearse::attempt(instance, resource, op, known).await?,
                };
                match tried {
                    Tried::Lacking(trouble) if !brought => return Err(trouble),
                    // What would be made is not there, and need not be looked for.
                    Tried::Lacking(_) | Tried::Create => new(),
                    Tried::Untried | Tried::Would(_) => match (now().await?, tried) {
                        (None, _) => new(),
                        (Some(now), Tried::Would(then)) => {
                            match rehearse::differences(instance, resource, &now.fields, &then) {
                                fields if fields.is_empty() => Action::AlreadyThere,
                                fields => Action::Change { fields },
                            }
                        }
                        (Some(_), _) => act(),
                    },
                }
            }
        };
        if action == Action::Create {
            self.earlier.note_brought(spot.at);
            self.run.plan_name(called, Fields::new());
        }
        let own = effect(action);
        copies.push(if own.action.changes() { own.brings(later) } else { own });
        Ok(copies)
    }
}
