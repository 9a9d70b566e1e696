//! An operation at one site: it can be sent, probed, fenced and undone, whatever resource it is about, because the library
//! says how. It owns its identity (key, marker, chosen id, ticket) and what it has made on the way (copies).
//!
//! The hard idea: each deed ends in an observation that is true whatever is still under way. Trouble before anything left is
//! `Unreachable`; after that it is `Silent`, and only a fence and then a probe may say `Absent`.

use super::approval::Approval;
use super::body::{Body, Stop, Waits};
use super::event::EventKind;
use super::instance::Instance;
use super::journal::Entry;
use super::pursue::{Deed, Effect, Seen};
use super::resolve::{self, Argument, Arguments, Copy, Spot};
use super::trouble::{Kind, Trouble};
use super::{Run, bridge, copies, planned};
use edge_lang::eval::{Step, StepKind};
use edge_lang::library::render::{self, Fields, Row, Scope as Known};
use edge_lang::library::{Op, Resource, Undo};
use edge_lang::model::{Observation, SiteId};
use edge_lang::plan::{Action, PlannedEffect};
use edge_lang::types::Name;
use futures_util::future::BoxFuture;
use serde_json::Value as Json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// What the effect is to be.
#[derive(Clone, Debug)]
pub enum What {
    /// The operation of the step.
    Operation,
    /// That a resource is there as described: made, changed or left.
    Ensure,
    /// That a copy of a resource of another site is there.
    Bridge(Copy),
}

#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// For one answer.
    pub answer: Duration,
    /// Until what was accepted is ready.
    pub ready: Duration,
    /// As long as a site may say that it is busy.
    pub busy: Duration,
    /// Between two probes that close a site without a ticket.
    pub quiet: Duration,
}

pub struct SiteEffect {
    run: Arc<Run>,
    step: Arc<Step>,
    what: What,
    /// As the placement names the site, and the site whose service instance it is.
    atom: SiteId,
    at: SiteId,
    service: Name,
    resource: Name,
    operation: Name,
    times: Times,
    instance: Option<Arc<Instance>>,
    attempt: u32,
    /// The identity of this attempt can never serve again.
    spent: bool,
    /// The resource that the operation is about, as it was when the operation began.
    subject: Option<Row>,
    args: Option<(Fields, Option<String>)>,
    /// What is there, as last seen.
    row: Option<Row>,
    before: Option<Fields>,
    /// By this operation, so that undoing it removes it. What was found is left.
    made: bool,
    /// It changed what was there, so that undoing it puts that back.
    changed: bool,
    /// `ensure` found nothing and has asked for it to be made: what is there now is its own.
    making: bool,
    /// How often the site answered that it failed, with the same words.
    failures: u32,
    failure: String,
    ticket: Option<Row>,
    /// A ticket may have been made of which no answer told.
    ticket_lost: bool,
    copies: Vec<copies::Made>,
    approval: Option<Arc<dyn Approval>>,
    pub answer: Option<Json>,
    /// The last trouble, or what is there, in words.
    pub word: String,
    pub help: Option<String>,
    pub refused: bool,
}

impl SiteEffect {
    pub fn new(
        run: Arc<Run>,
        step: Arc<Step>,
        what: What,
        atom: SiteId,
        subject: Option<Row>,
        times: Times,
    ) -> SiteEffect {
        let (service, resource, operation) = match &what {
            What::Bridge(copy) => (copy.service.clone(), copy.resource.clone(), "create".into()),
            What::Ensure => (step.service.clone(), step.resource.clone(), "create".into()),
            What::Operation => (step.service.clone(), step.resource.clone(), step.operation.clone()),
        };
        let at = match &what {
            What::Bridge(copy) => copy.to,
            _ => run.inventory.instance(atom, &service).unwrap_or(atom),
        };
        SiteEffect {
            run,
            step,
            what,
            atom,
            at,
            service,
            resource,
            operation,
            times,
            instance: None,
            attempt: 1,
            spent: false,
            row: subject.clone(),
            subject,
            args: None,
            before: None,
            made: false,
            changed: false,
            making: false,
            failures: 0,
            failure: String::new(),
            ticket: None,
            ticket_lost: false,
            copies: Vec::new(),
            approval: None,
            answer: None,
            word: String::new(),
            help: None,
            refused: false,
        }
    }

    /// Each effect is shown to it before it is sent.
    pub fn approved_by(mut self, approval: Arc<dyn Approval>) -> SiteEffect {
        self.approval = Some(approval);
        self
    }

    pub fn step(&self) -> &Step {
        &self.step
    }

    pub fn atom(&self) -> SiteId {
        self.atom
    }

    pub fn row(&self) -> Option<&Row> {
        self.row.as_ref()
    }

    /// The library's description of what is there, for building handles.
    pub fn described(&self) -> Option<&Resource> {
        let stack = &self.run.inventory.get(self.at)?.stack;
        self.run.library.resource(stack, &self.resource)
    }

    async fn open(&mut self) -> Result<Arc<Instance>, Trouble> {
        if let Some(instance) = &self.instance {
            return Ok(instance.clone());
        }
        let tenant = self.step.policy.tenant.as_deref();
        let opened = Instance::open(&self.run, self.at, &self.service, tenant, self.times.answer).await?;
        let instance = Arc::new(opened);
        self.instance = Some(instance.clone());
        Ok(instance)
    }

    /// Identifies the effect; another attempt has another, so that what is found is of the attempt that it was sent by.
    fn identity(&self) -> String {
        let site = self.run.inventory.name(self.at);
        let key = &self.step.key;
        let call = (key.call.file.0, key.call.start);
        let of = match &self.what {
            What::Bridge(copy) => format!("{} from {} {:?}", copy.resource, copy.from.0, copy.row.id),
            _ => self.subject.as_ref().and_then(|r| r.id.clone()).unwrap_or_default(),
        };
        hashed(&format!("{} {call:?} {:?} {site} {of} {}", self.run.name, key.position, self.attempt))
    }

    /// What is left in what is made. For `ensure` it is the same in every run: what an earlier run made is adopted.
    fn marker(&self) -> String {
        match self.what {
            What::Ensure => hashed(&format!("ensure {} {}", self.resource, self.name().unwrap_or_default())),
            _ => self.identity(),
        }
    }

    /// The name that it is to have.
    fn name(&self) -> Option<String> {
        let by = self.described()?.named.as_ref()?.by.first()?;
        let (args, _) = self.args.as_ref()?;
        args.get(by)?.as_str().map(str::to_string)
    }

    fn emit(&self, kind: EventKind) {
        self.run.events.emit(Some(&self.step.key), kind);
    }

    /// Arguments at this site; what has to be copied here is copied.
    async fn arguments(&mut self, op: &Op) -> Result<(), Trouble> {
        if self.args.is_some() {
            return Ok(());
        }
        if let Some(source) = copy_fields(&self.what) {
            let instance = self.open().await?;
            let args = render::copied_arguments(instance.resource(&self.resource)?, &source);
            self.args = Some((args, None));
            return Ok(());
        }
        let run = self.run.clone();
        let step = self.step.clone();
        let spot = Spot { run: &run, step: &step, atom: self.atom, at: self.at, time: self.times.answer };
        let Arguments { all, file } = resolve::resolve(spot, &op.params).await?;
        let mut args = Fields::new();
        for (name, argument) in all {
            let value = self.bring(argument).await?;
            args.insert(name, value);
        }
        self.args = Some((args, file));
        Ok(())
    }

    async fn bring(&mut self, argument: Argument) -> Result<Json, Trouble> {
        match argument {
            Argument::Ready(value) => Ok(value),
            Argument::Many(many) => {
                let mut list = Vec::new();
                for one in many {
                    list.push(Box::pin(self.bring(one)).await?);
                }
                Ok(Json::Array(list))
            }
            Argument::Copy(copy) => {
                let made = copies::copy(&self.run, &self.step, copy, self.times).await?;
                let value = resolve::record(made.row.clone());
                self.copies.push(made);
                Ok(value)
            }
        }
    }

    fn known(&self, instance: &Instance, resource: &Resource, op: &Op) -> Result<Known, Trouble> {
        let (args, _) = self.args.clone().unwrap_or_default();
        let identity = self.identity();
        let given = |name: &str| args.contains_key(name);
        let version = render::version_for_write(instance.service(), resource, op, given, instance.offered())?;
        let mut known = Known {
            version,
            marker: Some(render::marker_text(&self.marker())),
            effect: Some(identity),
            fresh_secret: Some(Uuid::new_v4().simple().to_string()),
            ..instance.known()
        };
        if let Some(row) = &self.row {
            known.row = row.fields.clone();
        }
        known.before = self.before.clone();
        if let (Some(subject), Some(param)) = (&self.subject, op.subject(&resource.name)) {
            known.args.insert(param.name.clone(), resolve::record(subject.clone()));
        }
        known.args.extend(args);
        if let (None, Some((field, chosen))) = (&self.row, &resource.chosen)
            && op.creates(&resource.name) == Some(&resource.name)
            && let Some(id) = render::evaluate(chosen, &known)?
        {
            known.row.insert(field.clone(), id);
        }
        render::fill_defaults(&op.params, &mut known)?;
        Ok(known)
    }

    // ---- send -------------------------------------------------------------------------------------------------

    async fn send(&mut self) -> Observation {
        match self.try_send().await {
            Ok(()) => self.there().await,
            Err(stop) => self.stopped(stop).await,
        }
    }

    async fn try_send(&mut self) -> Result<(), Stop> {
        if std::mem::take(&mut self.spent) {
            self.attempt += 1;
        }
        let instance = self.open().await.map_err(before)?;
        let resource = instance.resource(&self.resource).map_err(before)?;
        instance.require(resource).await.map_err(before)?;
        let op = operation(resource, &self.operation).map_err(before)?;
        self.arguments(op).await.map_err(before)?;
        if matches!(self.what, What::Ensure) {
            if let Some(found) = self.found_by_name(&instance, resource).await.map_err(before)? {
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
        let action = match op.creates(&resource.name) {
            Some(_) => Action::Create,
            None => Action::Act { operation: op.name.to_string(), last: op.is_final() },
        };
        self.approve(action).await.map_err(before)?;
        self.make_ticket(&instance, resource, op, &mut known).await.map_err(before)?;
        let ticket = self.ticket.as_ref().and_then(|t| t.id.clone());
        let entry = Entry::Send { key: self.step.key.clone(), site: self.atom, attempt: self.attempt, ticket };
        self.run.journal.record(entry).await.map_err(|e| before(Trouble::refused(format!("the journal: {e}"))))?;
        self.carry_out(&instance, resource, op, known, false).await
    }

    /// The instructions; `resumed` when a probe found what the first request makes.
    async fn carry_out(
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
            run: &run,
            key: &step.key,
            site: self.atom,
            instance,
            resource,
            op: Some(op),
            target,
            known,
            file,
            marker,
            resumed,
            begun: false,
            existed: false,
            made: resumed,
            deadline: Instant::now() + self.times.ready,
            busy: Instant::now() + self.times.busy,
            waits: Waits::default(),
            answer: None,
        };
        let went = match &self.what {
            What::Bridge(copy) => {
                let source =
                    Instance::open(&run, copy.from, &copy.service, step.policy.tenant.as_deref(), self.times.answer)
                        .await;
                let source = source.map_err(before)?;
                bridged(&mut body, op, copy, &source).await
            }
            _ => body.go(&op.body).await,
        };
        let (row, made, begun) = (body.row(), body.made, body.begun);
        self.answer = body.answer.take().or(self.answer.take());
        drop(body);
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

    /// The service instance and resource of what the operation makes, where it is not its own.
    async fn made_elsewhere(&self, op: &Op, resource: &Resource) -> Result<Option<(Arc<Instance>, Name)>, Trouble> {
        let Some(made) = op.creates(&resource.name).filter(|made| **made != resource.name) else { return Ok(None) };
        let Some(service) = self.run.library.resource(&resource.stack, made).map(|r| r.service.clone()) else {
            return Ok(None);
        };
        let tenant = self.step.policy.tenant.as_deref();
        let at = Instance::open(&self.run, self.at, &service, tenant, self.times.answer).await?;
        Ok(Some((Arc::new(at), made.clone())))
    }

    async fn found_by_name(&self, instance: &Instance, resource: &Resource) -> Result<Option<Row>, Trouble> {
        match self.name() {
            Some(name) if !resource.is_link() => instance.find(resource, &name).await,
            _ if resource.is_link() => {
                let args = self.args.clone().unwrap_or_default().0;
                instance.read(resource, args.clone(), args).await
            }
            _ => Ok(None),
        }
    }

    /// `create` where the name is taken by something that this run did not make.
    async fn refuse_taken(&self, instance: &Instance, resource: &Resource) -> Result<(), Trouble> {
        if matches!(self.what, What::Bridge(_)) {
            return Ok(());
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
    async fn change(&mut self, instance: &Arc<Instance>, resource: &Resource, found: Row) -> Result<(), Stop> {
        let wanted = self.args.clone().unwrap_or_default().0;
        let differences = render::differences(resource, &wanted, &found.fields);
        let wanted_from = found.fields.clone();
        self.before = Some(found.fields.clone());
        self.row = Some(found);
        if differences.is_empty() {
            return Ok(());
        }
        if let Some(fixed) = differences.iter().find(|d| d.fixed) {
            let message = format!(
                "{} `{}` is there with another `{}`, which cannot be changed",
                resource.name,
                self.name().unwrap_or_default(),
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
        let entry = Entry::Send { key: self.step.key.clone(), site: self.atom, attempt: self.attempt, ticket: None };
        self.run.journal.record(entry).await.map_err(|e| before(Trouble::refused(format!("the journal: {e}"))))?;
        // Also when no answer tells.
        self.changed = true;
        self.apply(instance, resource, changes).await
    }

    /// `set` and parts.
    async fn apply(
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
            let request = render::render(instance.service(), template, &known).map_err(|e| before(e.into()))?;
            let said = instance.send(request, None, template, None, resource, render::Asked::Else).await;
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
    async fn there(&mut self) -> Observation {
        self.drop_ticket();
        self.refused = false;
        let id = self.row.as_ref().and_then(|r| r.id.clone()).unwrap_or_default();
        let status = self.row.as_ref().and_then(|r| r.fields.get("status")).and_then(Json::as_str).map(str::to_string);
        let status = status.map(|s| format!(", {s}")).unwrap_or_default();
        if self.made {
            self.run.note_made(self.at, &id);
        }
        let entry = Entry::There { key: self.step.key.clone(), site: self.atom, id: id.clone() };
        // If this is lost, the site is merely unknown again.
        let _ = self.run.journal.record(entry).await;
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

    async fn stopped(&mut self, stop: Stop) -> Observation {
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
        self.refused = matches!(observation, Observation::Refused | Observation::Broken);
        let why = trouble.message;
        self.emit(match observation {
            Observation::Unreachable => EventKind::Unreachable { site, why },
            Observation::Silent => EventKind::Silent { site, why },
            Observation::Broken => EventKind::Broken { site, why },
            _ => EventKind::Refused { site, why },
        });
        if self.refused {
            self.drop_ticket();
        }
        if observation == Observation::Refused {
            let _ = self.run.journal.record(Entry::Absent { key: self.step.key.clone(), site }).await;
        }
        observation
    }

    async fn approve(&self, action: Action) -> Result<(), Trouble> {
        let Some(approval) = &self.approval else { return Ok(()) };
        let name = self.name().or_else(|| {
            let row = self.subject.as_ref()?;
            Some(row.fields.get("name")?.as_str()?.to_string())
        });
        let mut effect = PlannedEffect::new(self.atom, action, self.resource.to_string(), name);
        if let Some(id) = self.subject.as_ref().and_then(|r| r.id.clone()) {
            effect = effect.id(id);
        }
        approval.effect(&self.step, &effect).await
    }

    // ---- tickets ----------------------------------------------------------------------------------------------

    /// Makes the ingredient that only this request needs, where the library names one and the user gave none.
    async fn make_ticket(
        &mut self,
        instance: &Instance,
        resource: &Resource,
        op: &Op,
        known: &mut Known,
    ) -> Result<(), Trouble> {
        let Some(fence) = &resource.fence else { return Ok(()) };
        let Some(param) = fence.param.as_ref().filter(|p| op.params.iter().any(|q| q.name == **p)) else {
            return Ok(());
        };
        if known.args.contains_key(param) {
            return Ok(());
        }
        // The request that it was made for did not leave.
        if let Some(ticket) = &self.ticket {
            known.args.insert(param.clone(), resolve::record(ticket.clone()));
            return Ok(());
        }
        let Ok(ingredient) = instance.resource(&fence.resource) else { return Ok(()) };
        let Some(create) = ingredient.ops.get("create") else { return Ok(()) };
        let name = self.ticket_name();
        if self.ticket_lost
            && let Some(row) = instance.named(ingredient, &name).await?.into_iter().next()
        {
            self.ticket_lost = false;
            known.args.insert(param.clone(), resolve::record(row.clone()));
            self.ticket = Some(row);
            return Ok(());
        }
        let mut with = Known { args: Fields::from_iter([("name".into(), name.clone().into())]), ..instance.known() };
        let given = |n: &str| n == "name";
        with.version = render::version_for_write(instance.service(), ingredient, create, given, instance.offered())?;
        render::fill_defaults(&create.params, &mut with)?;
        let run = self.run.clone();
        let step = self.step.clone();
        let mut body = Body {
            run: &run,
            key: &step.key,
            site: self.atom,
            instance,
            resource: ingredient,
            op: Some(create),
            target: (instance, ingredient),
            known: with,
            file: None,
            marker: None,
            resumed: false,
            begun: false,
            existed: false,
            made: false,
            deadline: Instant::now() + self.times.answer,
            busy: Instant::now() + self.times.answer,
            waits: Waits::default(),
            answer: None,
        };
        match body.go(&create.body).await {
            Ok(()) => {
                let row = body.row();
                known.args.insert(param.clone(), resolve::record(row.clone()));
                self.ticket = Some(row);
                Ok(())
            }
            Err(Stop::NotReached(t)) => Err(t),
            // Whether it was made is not known. It is harmless, and its name tells whose it is.
            Err(Stop::Silent(t)) => {
                self.ticket_lost = true;
                Err(Trouble { kind: Kind::NotReached, ..t })
            }
            // The site makes none (a quota): the site is closed by quiet then.
            Err(Stop::Refused(_) | Stop::Broken(_)) => Ok(()),
        }
    }

    fn ticket_name(&self) -> String {
        format!("edge-{}", self.identity())
    }

    /// The request was answered: nobody needs the ticket any more, and nobody waits until it is gone.
    fn drop_ticket(&mut self) {
        let lost = std::mem::take(&mut self.ticket_lost).then(|| self.ticket_name());
        let ticket = self.ticket.take();
        let Some(instance) = self.instance.clone().filter(|_| ticket.is_some() || lost.is_some()) else { return };
        let (run, key, site) = (self.run.clone(), self.step.key.clone(), self.atom);
        let (resource, time) = (self.resource.clone(), self.times.answer);
        let work = async move {
            let Ok(resource) = instance.resource(&resource) else { return };
            let Some(fence) = &resource.fence else { return };
            let Ok(ingredient) = instance.resource(&fence.resource) else { return };
            let mut pause = Duration::from_millis(500);
            for _ in 0..8 {
                let gone = async {
                    let mut all: Vec<Row> = ticket.iter().cloned().collect();
                    if let Some(name) = &lost {
                        all.extend(instance.named(ingredient, name).await?);
                    }
                    for row in &all {
                        super::remove::delete(&run, &key, site, &instance, ingredient, row, time).await?;
                    }
                    Ok::<_, Trouble>(())
                };
                match gone.await {
                    Ok(()) => return,
                    Err(trouble) => {
                        tracing::warn!(target: "edge", site = %instance.site_name, "a ticket stays: {}", trouble.message);
                    }
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(15));
            }
        };
        self.run.background(work);
    }

    async fn destroy(&mut self, ticket: &Row) -> Result<(), Trouble> {
        let instance = self.open().await?;
        let resource = instance.resource(&self.resource)?;
        let Some(fence) = &resource.fence else { return Ok(()) };
        let ingredient = instance.resource(&fence.resource)?;
        super::remove::delete(&self.run, &self.step.key, self.atom, &instance, ingredient, ticket, self.times.answer)
            .await
    }

    async fn fence(&mut self) -> Seen {
        let fenced = async {
            let instance = self.open().await?;
            let resource = instance.resource(&self.resource)?;
            let chosen = resource.fence.as_ref().is_some_and(|f| f.param.is_none());
            if chosen && resource.chosen.is_some() {
                return self.burn_id(&instance, resource).await.map(|()| Some("using up its id"));
            }
            match self.ticket.clone() {
                Some(ticket) => {
                    self.destroy(&ticket).await?;
                    self.ticket = None;
                    Ok(Some("destroying its ticket"))
                }
                None => Ok(None),
            }
        };
        let fenced: Result<Option<&'static str>, Trouble> = fenced.await;
        match fenced {
            Ok(Some(how)) => {
                self.emit(EventKind::Fenced { site: self.atom, how });
                Seen::Observed(Observation::Fenced)
            }
            // No ticket was made: what is left is to be quiet.
            Ok(None) => self.quiet().await,
            Err(trouble) => self.unanswered(trouble),
        }
    }

    /// Makes and deletes the thing of the chosen id, which can then never be made again.
    async fn burn_id(&mut self, instance: &Arc<Instance>, resource: &Resource) -> Result<(), Trouble> {
        let op = operation(resource, "create")?;
        let mut known = self.known(instance, resource, op)?;
        // Without content: the id is all that matters.
        known.args =
            Fields::from_iter([("name".into(), known.args.get("name").cloned().unwrap_or_else(|| "edge".into()))]);
        render::fill_defaults(&op.params, &mut known)?;
        let run = self.run.clone();
        let step = self.step.clone();
        let mut body = Body {
            run: &run,
            key: &step.key,
            site: self.atom,
            instance,
            resource,
            op: Some(op),
            target: (instance, resource),
            known,
            file: None,
            marker: None,
            resumed: false,
            begun: false,
            existed: false,
            made: false,
            deadline: Instant::now() + self.times.answer,
            busy: Instant::now() + self.times.answer,
            waits: Waits::default(),
            answer: None,
        };
        match body.begin(&op.body).await {
            // The request itself came first, or the id was used up before: the probe tells which.
            Ok(()) if body.existed => {}
            Ok(()) => {
                let found = body.row();
                let time = self.times.answer;
                super::remove::delete(&self.run, &self.step.key, self.atom, instance, resource, &found, time).await?;
            }
            Err(Stop::Refused(t) | Stop::NotReached(t) | Stop::Silent(t) | Stop::Broken(t)) => return Err(t),
        }
        self.spent = true;
        Ok(())
    }

    /// Two answered probes, the quiet time apart.
    async fn quiet(&mut self) -> Seen {
        match self.probe().await {
            Seen::Observed(Observation::Absent) => {}
            other => return other,
        }
        self.emit(EventKind::Waiting { site: self.atom, why: format!("quiet for {} s", self.times.quiet.as_secs()) });
        tokio::time::sleep(self.times.quiet).await;
        match self.probe().await {
            Seen::Observed(Observation::Absent) => {
                self.emit(EventKind::Fenced { site: self.atom, how: "waiting until nothing can be under way" });
                self.attempt += 1;
                Seen::Observed(Observation::Quiet)
            }
            other => other,
        }
    }

    // ---- probe ------------------------------------------------------------------------------------------------

    async fn probe(&mut self) -> Seen {
        let probed = self.look().await;
        match probed {
            Ok(None) => {
                // What is there and differs is no news: it is about to be changed.
                if !matches!(self.what, What::Ensure) || self.row.is_none() {
                    self.emit(EventKind::NotFound { site: self.atom });
                }
                Seen::Observed(Observation::Absent)
            }
            Ok(Some(Ok(()))) => {
                self.emit(EventKind::Found { site: self.atom });
                self.there().await;
                Seen::Observed(Observation::Found)
            }
            Ok(Some(Err(Stop::Broken(trouble)))) => {
                self.word = trouble.message.clone();
                self.help = trouble.help;
                self.refused = true;
                self.drop_ticket();
                self.emit(EventKind::Broken { site: self.atom, why: trouble.message });
                Seen::Observed(Observation::Broken)
            }
            Ok(Some(Err(Stop::NotReached(t) | Stop::Silent(t) | Stop::Refused(t)))) | Err(t) => self.unanswered(t),
        }
    }

    /// Whether something is there, to be removed: it need not be good.
    async fn find(&mut self) -> Seen {
        let found = async {
            let instance = self.open().await?;
            let resource = instance.resource(&self.resource)?;
            let op = operation(resource, &self.operation)?;
            if self.subject.is_some() || matches!(self.what, What::Ensure) && !self.making {
                return Ok(self.look().await?.is_some());
            }
            self.arguments(op).await?;
            let known = self.known(&instance, resource, op)?;
            let found = self.find_ours(&instance, resource, &known).await?;
            let there = found.is_some();
            if there {
                self.row = found;
                self.made = true;
            }
            Ok::<_, Trouble>(there)
        };
        match found.await {
            Ok(true) => {
                self.emit(EventKind::Found { site: self.atom });
                Seen::Observed(Observation::Found)
            }
            Ok(false) => {
                self.emit(EventKind::NotFound { site: self.atom });
                Seen::Observed(Observation::Absent)
            }
            Err(trouble) => self.unanswered(trouble),
        }
    }

    /// `None`: nothing there. Else whether it got ready.
    async fn look(&mut self) -> Result<Option<Result<(), Stop>>, Trouble> {
        let instance = self.open().await?;
        let resource = instance.resource(&self.resource)?;
        let op = operation(resource, &self.operation)?;
        self.arguments(op).await?;
        if matches!(self.what, What::Ensure) && !self.making {
            return self.look_for_ensured(&instance, resource).await;
        }
        if self.subject.is_some() {
            return self.look_at_subject(&instance, resource, op).await;
        }
        let known = self.known(&instance, resource, op)?;
        let Some(row) = self.find_ours(&instance, resource, &known).await? else { return Ok(None) };
        self.row = Some(row.clone());
        self.made = true;
        let known = Known { row: row.fields, ..known };
        Ok(Some(self.carry_out(&instance, resource, op, known, true).await))
    }

    /// What carries the key; of several the first is kept and the others are removed.
    async fn find_ours(
        &mut self,
        instance: &Instance,
        resource: &Resource,
        known: &Known,
    ) -> Result<Option<Row>, Trouble> {
        if known.row.contains_key("id") {
            return instance.read(resource, known.row.clone(), known.args.clone()).await;
        }
        if let (Some(mark), Some(marker)) = (render::mark_for(resource, instance.offered()), &known.marker) {
            let mut ours = instance.marked(resource, mark, marker, &known.args).await?.into_iter();
            let first = ours.next();
            for twin in ours {
                super::remove::delete(
                    &self.run,
                    &self.step.key,
                    self.atom,
                    instance,
                    resource,
                    &twin,
                    self.times.answer,
                )
                .await?;
            }
            return Ok(first);
        }
        // The name was free before the request was sent, and the site keeps it unique.
        self.found_by_name(instance, resource).await
    }

    async fn look_for_ensured(
        &mut self,
        instance: &Arc<Instance>,
        resource: &Resource,
    ) -> Result<Option<Result<(), Stop>>, Trouble> {
        let Some(found) = self.found_by_name(instance, resource).await? else { return Ok(None) };
        let wanted = self.args.clone().unwrap_or_default().0;
        let same = render::differences(resource, &wanted, &found.fields).is_empty();
        let before = found.fields.clone();
        self.row = Some(found);
        if self.before.is_none() && !self.made {
            self.before = Some(before);
        }
        // What differs is not there as it is asked for: sending changes it.
        Ok(same.then_some(Ok(())))
    }

    /// An operation on something that is there: whether it is as the operation would leave it.
    async fn look_at_subject(
        &mut self,
        instance: &Instance,
        resource: &Resource,
        op: &Op,
    ) -> Result<Option<Result<(), Stop>>, Trouble> {
        let Some(subject) = self.subject.clone() else { return Ok(None) };
        let Some(row) = instance.read(resource, subject.fields, Fields::new()).await? else {
            let gone = Trouble::refused(format!("the {} is not there any more", resource.name));
            return Ok(Some(Err(Stop::Broken(gone))));
        };
        self.row = Some(row);
        let known = self.known(instance, resource, op)?;
        let done = match &op.already {
            Some(already) => render::holds(already, &known)?,
            None => false,
        };
        Ok(done.then_some(Ok(())))
    }

    fn unanswered(&mut self, trouble: Trouble) -> Seen {
        self.word = trouble.message.clone();
        self.emit(EventKind::Silent { site: self.atom, why: trouble.message });
        Seen::Nothing
    }

    // ---- undo -------------------------------------------------------------------------------------------------

    async fn undo(&mut self) -> Seen {
        let id = self.row.as_ref().and_then(|r| r.id.clone()).unwrap_or_default();
        let entry = Entry::Undo { key: self.step.key.clone(), site: self.atom, id };
        if let Err(why) = self.run.journal.record(entry).await {
            return self.unanswered(Trouble::refused(format!("the journal: {why}")));
        }
        match self.try_undo().await {
            Ok(what) => {
                self.row = self.subject.clone();
                self.made = false;
                self.changed = false;
                // Why it was refused or broken is worth more than that it is gone.
                if !self.refused {
                    self.word = what.clone();
                }
                self.drop_ticket();
                self.emit(EventKind::Undone { site: self.atom, what });
                self.release().await;
                Seen::Observed(Observation::Undone)
            }
            Err(Stop::Refused(t) | Stop::Broken(t)) => {
                self.word = format!("cannot be undone: {}", t.message);
                self.emit(EventKind::UndoRefused { site: self.atom, why: t.message });
                Seen::Observed(Observation::UndoRefused)
            }
            Err(Stop::NotReached(t) | Stop::Silent(t)) => {
                self.emit(EventKind::Silent { site: self.atom, why: t.message });
                Seen::Observed(Observation::UndoSilent)
            }
        }
    }

    async fn try_undo(&mut self) -> Result<String, Stop> {
        let instance = self.open().await.map_err(Stop::Silent)?;
        let resource = instance.resource(&self.resource).map_err(Stop::Refused)?;
        let name = self.name().map(|n| format!(" `{n}`")).unwrap_or_default();
        if self.made {
            let Some(row) = self.row.clone() else { return Ok("nothing to remove".into()) };
            let gone = super::remove::delete(
                &self.run,
                &self.step.key,
                self.atom,
                &instance,
                resource,
                &row,
                self.times.ready,
            )
            .await;
            gone.map_err(|t| if t.kind == Kind::Refused { Stop::Refused(t) } else { Stop::Silent(t) })?;
            return Ok(format!("{}{name} removed again", resource.name));
        }
        if !self.changed {
            return Ok(format!("{}{name} left as it was found", resource.name));
        }
        let op = operation(resource, &self.operation).map_err(Stop::Refused)?;
        let known = self.known(&instance, resource, op).map_err(Stop::Refused)?;
        let restore = matches!(self.what, What::Ensure) || matches!(op.undo, Undo::Restore);
        match &op.undo {
            _ if restore => {
                let (Some(before), Some(row)) = (self.before.clone(), self.row.clone()) else {
                    return Ok("nothing to put back".into());
                };
                let changes = render::restoration(resource, &before, &row.fields);
                self.apply(&instance, resource, changes).await?;
                Ok(format!("{}{name} put back as it was", resource.name))
            }
            Undo::Op(name) => {
                let back = operation(resource, name).map_err(Stop::Refused)?;
                self.carry_out(&instance, resource, back, known, false).await?;
                Ok(format!("{} taken back by `{name}`", self.operation))
            }
            Undo::Block(instructions) => {
                let run = self.run.clone();
                let step = self.step.clone();
                let mut body = Body {
                    run: &run,
                    key: &step.key,
                    site: self.atom,
                    instance: &instance,
                    resource,
                    op: None,
                    target: (&instance, resource),
                    known,
                    file: None,
                    marker: None,
                    resumed: false,
                    begun: false,
                    existed: false,
                    made: false,
                    deadline: Instant::now() + self.times.ready,
                    busy: Instant::now() + self.times.busy,
                    waits: Waits::default(),
                    answer: None,
                };
                body.go(instructions).await?;
                Ok(format!("{} taken back", self.operation))
            }
            Undo::None(why) => Ok(format!("{} stays: {why}", self.operation)),
            Undo::Final => Err(Stop::Refused(Trouble::refused("it cannot be undone"))),
            Undo::Delete | Undo::Restore => Ok("nothing to take back".into()),
        }
    }
}

impl Effect for SiteEffect {
    fn act(&mut self, deed: Deed) -> BoxFuture<'_, Seen> {
        Box::pin(async move {
            match deed {
                Deed::Send => Seen::Observed(self.send().await),
                Deed::Probe => self.probe().await,
                Deed::Look => self.find().await,
                Deed::Fence => self.fence().await,
                Deed::Quiet => self.quiet().await,
                Deed::Undo => self.undo().await,
            }
        })
    }

    fn release(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.drop_ticket();
            for made in std::mem::take(&mut self.copies) {
                copies::release(&self.run, made).await;
            }
        })
    }

    fn holds(&self) -> bool {
        !self.copies.is_empty()
    }

    fn is_hopeless(&self) -> bool {
        self.failures >= 2
    }
}

/// The thing, then its content, then that it is ready and the same.
async fn bridged<'a>(body: &mut Body<'a>, op: &'a Op, copy: &Copy, source: &Instance) -> Result<(), Stop> {
    let Some(described) = body.resource.bridge.as_ref() else {
        return Err(Stop::Refused(Trouble::refused("it cannot be copied")));
    };
    body.known.source = Some(copy.row.fields.clone());
    // Without waiting: what is made first has no content yet.
    body.begin(&op.body).await?;
    bridge::fill(body, copy, source, described).await?;
    body.settle().await?;
    bridge::verify(body, copy, described)
}

fn copy_fields(what: &What) -> Option<Fields> {
    match what {
        What::Bridge(copy) => Some(copy.row.fields.clone()),
        _ => None,
    }
}

fn hashed(text: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, text.as_bytes()).simple().to_string()
}

/// Trouble while nothing of the effect has been sent.
fn before(trouble: Trouble) -> Stop {
    match trouble.kind {
        Kind::Refused => Stop::Refused(trouble),
        Kind::NotReached | Kind::Silent => Stop::NotReached(trouble),
    }
}

fn operation<'a>(resource: &'a Resource, name: &str) -> Result<&'a Op, Trouble> {
    resource
        .ops
        .get(name)
        .ok_or_else(|| Trouble::refused(format!("{} has no `{name}` at sites of this kind", resource.name)))
}

/// `an image`.
pub fn with_article(name: &str) -> String {
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {name}")
}

/// `stop` was done: `stop done`; regular verbs get their ending.
fn past(operation: &str) -> String {
    match operation {
        "create" => "created".into(),
        "set" => "changed".into(),
        other => format!("{} done", other.replace('_', " ")),
    }
}

/// Whether the step makes something new at each site, rather than acting on what is there.
pub fn what_of(step: &Step) -> What {
    if step.kind == StepKind::Ensure { What::Ensure } else { What::Operation }
}
