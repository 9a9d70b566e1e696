//! An operation at one site: it can be sent, probed, fenced and undone, whatever resource it is about, because the library
//! says how. It owns its identity (key, marker, chosen id, ticket) and what it has made on the way (copies).
//!
//! The hard idea: each deed ends in an observation that is true whatever is still under way. Trouble before anything left is
//! `Unreachable`; after that it is `Silent`, and only a fence and then a probe may say `Absent`.

pub mod document;
mod probe;
mod remember;
mod send;
mod ticket;
mod undo;

use super::approval::Approval;
use super::body::{Body, Stop};
use super::event::EventKind;
use super::instance::Instance;
use super::journal::{Id, Memory};
use super::pursue::{Deed, Effect, Seen};
use super::refer::{self, Missing};
use super::resolve::{self, Argument, Arguments, Copy, Spot};
use super::trouble::{Kind, Trouble};
use super::{Run, Who, bridge, copies, rehearse};
use edge_lang::diagnostic::Code;
use edge_lang::eval::{Step, StepKind};
use edge_lang::library::render::{self, Fields, Row, Scope as Known};
use edge_lang::library::{Op, Resource};
use edge_lang::model::SiteId;
use edge_lang::types::Name;
use futures_util::future::BoxFuture;
use serde_json::Value as Json;
use std::sync::Arc;
use std::time::Duration;
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

#[derive(Clone)]
pub struct SiteEffect {
    run: Arc<Run>,
    /// The pursuit that it is of.
    of: Id,
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
    /// Nothing of `before` is secret.
    open: bool,
    /// Of a document: what was there before it is known.
    seen: bool,
    /// What it refers to is there.
    brought: bool,
    /// By this operation, so that undoing it removes it. What was found is left.
    made: bool,
    /// It changed what was there, so that undoing it puts that back.
    changed: bool,
    /// `ensure` found nothing and has asked for it to be made: what is there now is its own.
    making: bool,
    /// An undo left everything as it was found.
    left_all: bool,
    /// What the last deed sent was sent more than once, and an earlier attempt may still be carried out.
    repeated: bool,
    /// How often the site answered that it failed, with the same words.
    failures: u32,
    failure: String,
    ticket: Option<Row>,
    /// A ticket may have been made of which no answer told.
    ticket_lost: bool,
    copies: Vec<copies::Made>,
    /// What an earlier runner of the run copied for it is not among them yet.
    forgot_copies: bool,
    approval: Option<Arc<dyn Approval>>,
    pub answer: Option<Json>,
    /// The last trouble, or what is there, in words.
    pub word: String,
    pub help: Option<String>,
    pub refused: bool,
    /// Of the refusal, where it is more than the site's own.
    pub code: Option<&'static Code>,
}

impl SiteEffect {
    pub fn new(
        run: Arc<Run>,
        of: Id,
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
        // An earlier runner of this run may have made one and stopped before anything else.
        let ticket_lost = !run.past.is_empty();
        SiteEffect {
            run,
            of,
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
            open: false,
            seen: false,
            brought: false,
            made: false,
            changed: false,
            making: false,
            left_all: false,
            repeated: false,
            failures: 0,
            failure: String::new(),
            ticket: None,
            ticket_lost,
            copies: Vec::new(),
            forgot_copies: false,
            approval: None,
            answer: None,
            word: String::new(),
            help: None,
            refused: false,
            code: None,
        }
    }

    /// Each effect is shown to it before it is sent.
    pub fn approved_by(mut self, approval: Arc<dyn Approval>) -> SiteEffect {
        self.approval = Some(approval);
        self
    }

    pub fn step(&self) -> &Arc<Step> {
        &self.step
    }

    pub fn atom(&self) -> SiteId {
        self.atom
    }

    pub fn row(&self) -> Option<&Row> {
        self.row.as_ref()
    }

    /// Whether a request that changes the site may have arrived.
    pub fn changed(&self) -> bool {
        self.made || self.changed
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
        let opened = Instance::open(&self.run, self.at, &self.service, Who::of(&self.step), self.times.answer).await?;
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
        if let (Some(document), Some(said)) = (&self.step.document, self.document()) {
            return document::marker(&document.kind, &document.name, said);
        }
        match self.what {
            What::Ensure => {
                let name = self.name().or_else(|| {
                    let resource = self.described()?;
                    render::link_id(resource, &self.ends(resource).ok()?)
                });
                hashed(&format!("ensure {} {}", self.resource, name.unwrap_or_default()))
            }
            _ => self.identity(),
        }
    }

    /// The name that it is to have.
    fn name(&self) -> Option<String> {
        let [by] = &self.described()?.named.as_ref()?.by[..] else { return None };
        let given = self.args.as_ref().and_then(|(args, _)| args.get(by));
        // Of what an earlier runner of the run made, only the row is known.
        let known = self.args.is_none().then(|| self.row.as_ref()?.fields.get(by)).flatten();
        given.or(known)?.as_str().map(str::to_string)
    }

    /// The same of a link: its ends.
    fn called(&self, resource: &Resource) -> Option<String> {
        self.name().or_else(|| render::link_name(resource, &self.args.as_ref().and(self.ends(resource).ok())?))
    }

    /// The arguments, and the ends of a link that they leave open.
    fn ends(&self, resource: &Resource) -> Result<Fields, Trouble> {
        let args = self.args.clone().unwrap_or_default().0;
        match resource.ops.get(&*self.operation) {
            Some(op) => Ok(render::ends(resource, &op.params, &args)?),
            None => Ok(args),
        }
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
        self.recall_copies().await?;
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
            Argument::Ready(value) | Argument::Later(value, _) => Ok(value),
            Argument::Many(many) => {
                let mut list = Vec::new();
                for one in many {
                    list.push(Box::pin(self.bring(one)).await?);
                }
                Ok(Json::Array(list))
            }
            Argument::Copy(copy) => {
                self.approve_copy(&copy).await?;
                let made = copies::copy(&self.run, &self.step, copy, self.times).await?;
                let value = resolve::record(made.row.clone());
                self.copies.push(made);
                Ok(value)
            }
        }
    }

    /// What the request refers to by name and is said to be elsewhere comes along.
    async fn bring_referred(
        &mut self,
        instance: &Instance,
        resource: &Resource,
        op: &Op,
        known: &Known,
    ) -> Result<(), Trouble> {
        if self.brought || matches!(self.what, What::Bridge(_)) {
            return Ok(());
        }
        let run = self.run.clone();
        let step = self.step.clone();
        let spot = Spot { run: &run, step: &step, atom: self.atom, at: self.at, time: self.times.answer };
        for (step, missing) in refer::missing(spot, instance, resource, op, known).await? {
            // What is there only later is in plans.
            let Missing::Copy(copy) = missing else { continue };
            self.approve_copy(&copy).await?;
            let made = copies::copy(&self.run, &Arc::new(step), copy, self.times).await?;
            self.copies.push(made);
        }
        self.brought = true;
        Ok(())
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
        } else if let Some(document) = self.document() {
            known.row = rehearse::identity(resource, document)?;
        }
        known.before = self.before.clone();
        if let (Some(subject), Some(param)) = (&self.subject, op.subject(&resource.name)) {
            known.args.insert(param.name.clone(), resolve::record(subject.clone()));
        }
        known.args.extend(args);
        // A link is read by its ends.
        for end in resource.named.iter().filter(|n| n.by.len() > 1).flat_map(|n| &n.by) {
            if let (false, Some(value)) = (known.row.contains_key(end), known.args.get(end)) {
                known.row.insert(end.clone(), value.clone());
            }
        }
        if let (None, Some((field, chosen))) = (&self.row, &resource.chosen)
            && op.creates(&resource.name) == Some(&resource.name)
            && let Some(id) = render::evaluate(chosen, &known)?
        {
            known.row.insert(field.clone(), id);
        }
        render::fill_defaults(&op.params, &mut known)?;
        Ok(known)
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
            // What cannot be found again now is asked for when the run is resumed.
            if let Err(trouble) = self.recall_copies().await {
                tracing::warn!(target: "edge", "a copy stays: {}", trouble.message);
            }
            for made in std::mem::take(&mut self.copies) {
                copies::release(&self.run, made).await;
            }
        })
    }

    fn holds(&self) -> bool {
        !self.copies.is_empty()
    }

    fn memory(&self) -> Memory {
        self.kept()
    }

    fn remember(&mut self, memory: &Memory) {
        self.recall(memory);
    }

    fn at(&self) -> SiteId {
        self.at
    }

    fn is_silent(&self) -> bool {
        self.run.is_silent(self.atom, &self.step.service)
    }

    fn waits_for(&self) -> Option<String> {
        resolve::pending_at(&self.step, self.atom)
    }

    fn put_off(&mut self, why: String) {
        self.word = why.clone();
        self.emit(EventKind::PutOff { site: self.atom, why });
    }

    fn closed(&mut self) {
        (self.made, self.changed, self.making) = (false, false, false);
        // Of a document and of what an operation is about, that is asked for again before it is sent.
        if matches!(self.what, What::Ensure) && self.step.document.is_none() {
            self.before = None;
        }
    }

    fn left_all(&self) -> bool {
        self.left_all
    }

    fn take_repeated(&mut self) -> bool {
        std::mem::take(&mut self.repeated)
    }

    fn note_unclosed(&self) {
        if let Some(id) = self.row.as_ref().and_then(|row| row.id.as_ref()) {
            self.run.note_unclosed(self.at, &self.resource, id);
        }
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
        .ok_or_else(|| Trouble::not_described(format!("{} has no `{name}` at sites of this kind", resource.name)))
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
