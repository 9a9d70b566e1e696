//! Sending: names are looked up, what is taken is refused, what is there is changed, and the instructions carried out.

use super::super::body::{Body, Stop};
use super::super::event::EventKind;
use super::super::instance::Instance;
use super::super::journal::{Entry, Memory};
use super::super::resolve::Copy;
use super::super::trouble::{Kind, Trouble};
use super::super::{Who, planned, resolve};
use super::{SiteEffect, What, before, bridged, operation, past, with_article};
use edge_lang::library::render::{self, Fields, Row, Scope as Known};
use edge_lang::library::{Op, Resource};
use edge_lang::model::Observation;
use edge_lang::mutant::{Mutant, is_on};
use edge_lang::plan::{Action, PlannedEffect};
use edge_lang::types::Name;
use serde_json::Value as Json;
use std::sync::Arc;
use tokio::time::Instant;

impl SiteEffect {
    pub(super) async fn send(&mut self) -> Observation {
        match self.try_send().await {
            Ok(()) => self.there().await,
            Err(stop) => self.stopped(stop).await,
        }
    }

    pub(super) async fn try_send(&mut self) -> Result<(), Stop> {
        if std::mem::take(&mut self.spent) {
            self.attempt += 1;
        }
        let instance = self.open().await.map_err(before)?;
        let resource = instance.resource(&self.resource).map_err(before)?;
        instance.require(resource).await.map_err(before)?;
        let op = operation(resource, &self.operation).map_err(before)?;
        self.arguments(op).await.map_err(before)?;
        if self.step.document.is_some() {
            return self.send_document(&instance, resource, op).await;
        }
        if matches!(self.what, What::Ensure) {
            if let Some(found) = self.found_by_name(&instance, resource).await.map_err(before)? {
                // The name was free when it was asked for, and the older request has come since.
                self.made |= self.making;
                return self.change(&instance, resource, found).await;
            }
            self.making = true;
        } else if op.creates(&resource.name) == Some(&resource.name) && self.row.is_none() {
            self.refuse_taken(&instance, resource).await.map_err(before)?;
        }
        if let Some(subject) = &self.subject {
            let row = instance
                .read(resource, subject.fields.clone(), Fields::new())
                .await
                .map_err(|t| before(t.of_read()))?;
            let Some(row) = row else {
                return Err(Stop::Refused(Trouble::refused(format!("the {} is not there any more", resource.name))));
            };
            self.before = Some(row.fields.clone());
            self.row = Some(row);
        }
        let mut known = self.known(&instance, resource, op).map_err(before)?;
        if let Some(already) = &op.already
            && render::holds(already, &known).map_err(|e| before(e.into()))?
        {
            return Ok(());
        }
        let action = planned::action(&self.step, op, resource);
        if op.creates(&resource.name) == Some(&resource.name) {
            self.bring_referred(&instance, resource, op, &known).await.map_err(before)?;
        }
        self.approve(action).await.map_err(before)?;
        // Before the ticket is made, too: nothing is at a site that the journal does not know of.
        let creates = op.creates(&resource.name).is_some();
        let sends = self.kept_before(creates, resource.fence.is_some());
        if is_on(Mutant::JournalsAfterwards) {
            let went = self.carry_out(&instance, resource, op, known, false).await;
            return self.journal_send(sends).await.and(went);
        }
        self.journal_send(sends).await?;
        self.make_ticket(&instance, resource, op, &mut known).await.map_err(before)?;
        self.carry_out(&instance, resource, op, known, false).await
    }

    pub(super) async fn journal_send(&self, memory: Memory) -> Result<(), Stop> {
        if self.run.is_interrupted() {
            return Err(before(Trouble::unsent()));
        }
        let entry = Entry::Send { of: self.of.clone(), site: self.atom, memory: Box::new(memory) };
        if is_on(Mutant::UnsyncedSend) {
            self.run.journal.note(entry);
            return Ok(());
        }
        self.run.journal.record(entry).await.map_err(|e| before(Trouble::refused(format!("the journal: {e}"))))
    }

    /// The instructions; `resumed` when a probe found what the first request makes.
    pub(super) async fn carry_out(
        &mut self,
        instance: &Instance,
        resource: &Resource,
        op: &Op,
        known: Known,
        resumed: bool,
    ) -> Result<(), Stop> {
        let file = self.args.as_ref().and_then(|(_, f)| f.clone());
        let run = self.run.clone();
        let step = self.step.clone();
        let marker = known.marker.clone();
        let made_elsewhere = self.made_elsewhere(op, resource).await.map_err(before)?;
        let target = match &made_elsewhere {
            Some((other, name)) => (&**other, other.resource(name).map_err(before)?),
            None => (instance, resource),
        };
        let mut body = Body {
            op: Some(op),
            target,
            file,
            marker,
            resumed,
            made: resumed,
            busy: Instant::now() + self.times.busy,
            ..Body::new(&run, &step.key, self.atom, instance, resource, known, self.times.ready)
        };
        let went = match &self.what {
            What::Bridge(copy) => {
                let source = Instance::open(&run, copy.from, &copy.service, Who::of(&step), self.times.answer).await;
                let source = source.map_err(before)?;
                bridged(&mut body, op, copy, &source).await
            }
            _ => body.go(&op.body).await,
        };
        let (row, made, begun) = (body.row(), body.made, body.begun);
        self.repeated |= body.repeated;
        self.answer = body.answer.take().or(self.answer.take());
        drop(body);
        // A document about what was there changes it.
        let made = made && !(self.step.document.is_some() && self.before.is_some());
        self.made |= made;
        self.changed |= begun && !made;
        if let Some((other, name)) = made_elsewhere {
            // From here on the effect is what was made: it is read and undone as such.
            self.service = other.service().name.clone();
            self.resource = name;
            self.instance = Some(other);
        }
        let known_id = row.id.is_some() && (self.made || self.row.is_some() || went.is_ok());
        if known_id || !row.fields.is_empty() && self.made {
            self.row = Some(row);
        }
        went
    }

    /// The instructions of an operation that makes a thing, where it is there and becomes another.
    async fn replace(&mut self, instance: &Instance, resource: &Resource, op: &Op, known: Known) -> Result<(), Stop> {
        let run = self.run.clone();
        let step = self.step.clone();
        let mut body = Body {
            op: Some(op),
            begun: true,
            busy: Instant::now() + self.times.busy,
            ..Body::new(&run, &step.key, self.atom, instance, resource, known, self.times.ready)
        };
        let went = body.go(&op.body).await;
        let (row, repeated) = (body.row(), body.repeated);
        drop(body);
        self.repeated |= repeated;
        self.changed = true;
        if went.is_ok() {
            self.row = Some(row);
        }
        went
    }

    /// The service instance and resource of what the operation makes, where it is not its own.
    pub(super) async fn made_elsewhere(
        &self,
        op: &Op,
        resource: &Resource,
    ) -> Result<Option<(Arc<Instance>, Name)>, Trouble> {
        let Some(made) = op.creates(&resource.name).filter(|made| **made != resource.name) else { return Ok(None) };
        let Some(service) = self.run.library.resource(&resource.stack, made).map(|r| r.service.clone()) else {
            return Ok(None);
        };
        let at = Instance::open(&self.run, self.at, &service, Who::of(&self.step), self.times.answer).await?;
        Ok(Some((Arc::new(at), made.clone())))
    }

    pub(super) async fn found_by_name(&self, instance: &Instance, resource: &Resource) -> Result<Option<Row>, Trouble> {
        match self.name() {
            Some(name) if !resource.is_link() => instance.find(resource, &name).await,
            _ if resource.is_link() => {
                let ends = self.ends(resource)?;
                instance.read(resource, ends.clone(), ends).await
            }
            _ => Ok(None),
        }
    }

    /// `create` where the name is taken by something that this run did not make.
    pub(super) async fn refuse_taken(&self, instance: &Instance, resource: &Resource) -> Result<(), Trouble> {
        if matches!(self.what, What::Bridge(_)) {
            return Ok(());
        }
        if resource.is_link() {
            // Making it would replace what is there, and undoing that would remove it.
            let Some(there) = self.found_by_name(instance, resource).await? else { return Ok(()) };
            let name = self.called(resource).or_else(|| render::link_name(resource, &there.fields)).unwrap_or_default();
            let message = format!("{} `{name}` is there already", with_article(&resource.name));
            return Err(Trouble::refused(message).help(format!("`{}.ensure` accepts what is there", resource.name)));
        }
        let Some(name) = self.name() else { return Ok(()) };
        let taken = instance.named(resource, &name).await?;
        let unique = resource.named.as_ref().is_some_and(|n| n.unique);
        let ours = |row: &&Row| !unique && row.id.as_ref().is_some_and(|id| self.run.has_made(self.at, id));
        let Some(row) = taken.iter().find(|row| !ours(row)) else { return Ok(()) };
        let id = row.id.as_deref().unwrap_or("?");
        let message = format!("{} named `{name}` is there already ({id})", with_article(&resource.name));
        Err(Trouble::refused(message).help(format!("`{}.ensure` accepts what is there", resource.name)))
    }

    /// `ensure` of what is there: nothing, or the change of what differs.
    pub(super) async fn change(
        &mut self,
        instance: &Arc<Instance>,
        resource: &Resource,
        found: Row,
    ) -> Result<(), Stop> {
        let wanted = self.args.clone().unwrap_or_default().0;
        let differences = render::differences(resource, &wanted, &found.fields);
        let wanted_from = found.fields.clone();
        // What an older request of ours may have changed since is not what was there before.
        if !self.changed {
            self.before = Some(found.fields.clone());
        }
        self.row = Some(found);
        if differences.is_empty() {
            return Ok(());
        }
        if let Some(fixed) = differences.iter().find(|d| d.fixed) {
            let message = format!(
                "{} `{}` is there with another `{}`, which cannot be changed",
                resource.name,
                self.called(resource).unwrap_or_default(),
                fixed.field
            );
            return Err(Stop::Refused(Trouble::refused(message).help("delete it first, or give what it has")));
        }
        let changes = render::changes(resource, &differences, &wanted_from);
        if let Some(field) = changes.impossible.first() {
            return Err(Stop::Refused(Trouble::refused(format!("`{field}` of a {} cannot be changed", resource.name))));
        }
        self.approve(Action::Change { fields: planned::field_changes(resource, &differences) })
            .await
            .map_err(before)?;
        self.journal_send(self.kept_before(false, false)).await?;
        // Also when no answer tells.
        self.changed = true;
        self.apply(instance, resource, changes).await
    }

    /// `set` and parts.
    pub(super) async fn apply(
        &mut self,
        instance: &Arc<Instance>,
        resource: &Resource,
        changes: render::Changes,
    ) -> Result<(), Stop> {
        let Some(row) = self.row.clone() else { return Ok(()) };
        if let Some(set) = resource.ops.get("set").filter(|_| !changes.set.is_empty()) {
            let mut known = self.known(instance, resource, set).map_err(before)?;
            known.args = changes.set;
            if let Some(param) = set.subject(&resource.name) {
                known.args.insert(param.name.clone(), resolve::record(row.clone()));
            }
            let given = |name: &str| known.args.contains_key(name);
            known.version = render::version_for_write(instance.service(), resource, set, given, instance.offered())
                .map_err(|e| before(e.into()))?;
            self.subject = Some(row.clone());
            self.carry_out(instance, resource, set, known, false).await?;
        }
        if let Some(create) = resource.ops.get("create").filter(|_| !changes.create.is_empty()) {
            // Making it again replaces it.
            let mut known = self.known(instance, resource, create).map_err(before)?;
            known.args.extend(changes.create);
            self.replace(instance, resource, create, known).await?;
        }
        for change in changes.parts {
            let part = resource.parts.get(&change.part);
            let template = part.and_then(|p| if change.add { p.add.as_ref() } else { p.remove.as_ref() });
            let Some(template) = template else { continue };
            let version = render::version_for_read(instance.service(), resource, |_| false, None, instance.offered())
                .map_err(|e| before(e.into()))?;
            let known = Known {
                row: row.fields.clone(),
                item: change.item,
                key: change.key,
                value: change.value,
                version,
                ..instance.known()
            };
            let known = instance.located(resource, known).await.map_err(before)?;
            let request = render::render(instance.service(), template, &known).map_err(|e| before(e.into()))?;
            let repeatable = request.repeatable;
            let said = instance.send(request, None, template, None, resource, render::Asked::Else).await;
            self.repeated |= said.as_ref().map_or_else(|t| repeatable && t.kind == Kind::Silent, |said| said.repeated);
            let said = said.map_err(|t| if t.kind == Kind::Refused { Stop::Refused(t) } else { Stop::Silent(t) })?;
            use edge_lang::library::AnswerKind::{Absent, Already, Done, Unknown};
            match said.kind {
                Done | Already | Absent => {}
                Unknown => return Err(Stop::Silent(said.trouble())),
                _ => return Err(Stop::Refused(said.trouble())),
            }
        }
        if let Ok(Some(now)) = instance.read(resource, row.fields.clone(), Fields::new()).await {
            self.row = Some(now);
        }
        Ok(())
    }

    /// It is there and good.
    pub(super) async fn there(&mut self) -> Observation {
        self.drop_ticket();
        self.refused = false;
        let id = self.row.as_ref().and_then(|r| r.id.clone()).unwrap_or_default();
        let status = self.row.as_ref().and_then(|r| r.fields.get("status")).and_then(Json::as_str).map(str::to_string);
        let status = status.map(|s| format!(", {s}")).unwrap_or_default();
        if self.made {
            self.run.note_made(self.at, &id);
        }
        let done = past(&self.step.operation);
        self.word = match (self.made, self.changed) {
            (true, _) => format!("created{status} ({id})"),
            (false, true) if matches!(self.what, What::Ensure) => format!("changed{status} ({id})"),
            (false, true) => format!("{done}{status} ({id})"),
            (false, false) => format!("already there{status} ({id})"),
        };
        // Of a copy, its user tells.
        if matches!(self.what, What::Bridge(_)) {
            return Observation::Done;
        }
        let (site, what) = (self.atom, self.word.clone());
        self.emit(if self.made || self.changed {
            EventKind::There { site, what }
        } else {
            EventKind::Already { site, what }
        });
        Observation::Done
    }

    pub(super) async fn stopped(&mut self, stop: Stop) -> Observation {
        let site = self.atom;
        if let Stop::Silent(trouble) = &stop {
            let same = trouble.answered && trouble.message == self.failure;
            self.failures = if same { self.failures + 1 } else { u32::from(trouble.answered) };
            self.failure = trouble.message.clone();
        }
        let (trouble, observation) = match stop {
            Stop::NotReached(t) => (t, Observation::Unreachable),
            Stop::Silent(t) => (t, Observation::Silent),
            Stop::Refused(t) => (t, Observation::Refused),
            Stop::Broken(t) => (t, Observation::Broken),
        };
        self.word = trouble.message.clone();
        self.help = trouble.help.clone();
        self.code = trouble.code;
        self.refused = matches!(observation, Observation::Refused | Observation::Broken);
        let why = trouble.message;
        self.emit(match observation {
            _ if trouble.stopped => EventKind::Stopped { site, why },
            Observation::Unreachable => EventKind::Unreachable { site, why },
            Observation::Silent => EventKind::Silent { site, why },
            Observation::Broken => EventKind::Broken { site, why },
            _ => EventKind::Refused { site, why },
        });
        if self.refused {
            self.drop_ticket();
        }
        observation
    }

    /// What is made at the site for the operation is an effect like its own.
    pub(super) async fn approve_copy(&self, copy: &Copy) -> Result<(), Trouble> {
        let Some(approval) = &self.approval else { return Ok(()) };
        let action = Action::Copy { from: copy.from, size: copy.size() };
        let name = copy.name().map(str::to_string);
        let effect = PlannedEffect::new(self.atom, action, copy.resource.to_string(), name);
        approval.effect(&self.step, &effect).await
    }

    pub(super) async fn approve(&self, action: Action) -> Result<(), Trouble> {
        let Some(approval) = &self.approval else { return Ok(()) };
        // An operation on a thing is told by that thing, whatever it makes of it.
        let name = match &self.subject {
            Some(row) => row.fields.get("name").and_then(Json::as_str).map(str::to_string),
            None => None,
        };
        let name = name.or_else(|| self.described().and_then(|r| self.called(r)));
        let (resource, name) = match &self.step.document {
            Some(document) => (document.kind.to_string(), Some(document.name.to_string())),
            None => (self.resource.to_string(), name),
        };
        let mut effect = PlannedEffect::new(self.atom, action, resource, name);
        if let Some(id) = self.subject.as_ref().and_then(|r| r.id.clone()) {
            effect = effect.id(id);
        }
        approval.effect(&self.step, &effect).await
    }
}
