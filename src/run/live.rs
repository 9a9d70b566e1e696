//! The host of a run: performs steps at the sites.

use super::abreast::{self, ABREAST, abreast};
use super::effect::{SiteEffect, Times};
use super::event::EventKind;
use super::pursue::{Patience, Seen};
use super::replay::Replay;
use super::{Run, change, codes, finals, read, rows};
use edge_lang::eval::{
    Failure, FailureKind, Host, Key, Place, Secret, Step, StepKind, Unknown, Unreachable, Value, display,
};
use edge_lang::inventory::Inventory;
use edge_lang::library::{Instruction, Method, Resource, Source, Undo};
use edge_lang::model::{Fence, Observation, Overlap, Rules, SiteId, SiteSet};
use edge_lang::program::Statement;
use edge_lang::span::Span;
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub struct Live {
    pub run: Arc<Run>,
    pub(super) replay: Replay,
    /// What completed steps made, for `atomic` to take back.
    completed: Mutex<HashMap<Key, Vec<SiteEffect>>>,
    files: super::files::Files,
    /// Asked before an effect that the plan did not show.
    pub(super) approval: Arc<dyn super::approval::Approval>,
    onlooker: Option<Arc<dyn Onlooker>>,
}

/// Sees values as they come: a prompt shows and remembers them.
pub trait Onlooker: Send + Sync {
    /// A step was answered.
    fn answered(&self, value: &Value);

    /// A statement that is not the last gave a value.
    fn gave(&self, statement: &Statement, value: &Value);
}

/// Without `timeout`: how long a site in trouble is waited for, and something to get ready.
const PATIENCE: Duration = Duration::from_secs(60);
const READY: Duration = Duration::from_secs(30 * 60);
/// One answer.
const ANSWER: Duration = Duration::from_secs(30);
/// The quiet time: services carry out or drop within it what they had received.
const QUIET: Duration = Duration::from_secs(60);

impl Live {
    pub fn new(
        run: Arc<Run>,
        files: super::files::Files,
        approval: Arc<dyn super::approval::Approval>,
        onlooker: Option<Arc<dyn Onlooker>>,
    ) -> Live {
        Live { replay: Replay::of(run.clone()), run, completed: Mutex::default(), files, approval, onlooker }
    }

    async fn carry_out(&self, step: Step) -> Result<Value, Failure> {
        if step.kind != StepKind::Read
            && let Some(value) = change::waiting(&self.run, &step)
        {
            return Ok(value);
        }
        match step.kind {
            StepKind::Read => match change::waiting_read(&step) {
                Some(value) => Ok(value),
                // A site that does not answer must not keep a run from being stopped.
                None => tokio::select! {
                    value = read::perform(&self.run, &step) => value,
                    () = self.run.interrupted() => Err(Failure::new(&codes::INTERRUPTED, step.span, "stopped")
                        .kind(FailureKind::Interrupted)),
                },
            },
            StepKind::Change | StepKind::Ensure => self.change(step).await,
            StepKind::Final => {
                let layers = match change::earlier_subjects(&self.run, &step) {
                    Some(layers) => layers,
                    None => rows::subjects(&self.run, &step).await?,
                };
                finals::perform(&self.run, &Arc::new(step), layers, &self.approval).await
            }
            StepKind::Copy => super::copying::perform(&self.run, &Arc::new(step), &self.approval).await,
        }
    }

    pub(super) fn completed(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Vec<SiteEffect>>> {
        self.completed.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Undoes everything of it; says where it could not.
    pub(super) async fn take_back(&self, effects: impl IntoIterator<Item = SiteEffect>) -> Vec<(SiteId, String)> {
        Self::undo_all(effects.into_iter().collect()).await
    }

    /// As many at once as their step may be at.
    async fn undo_all(effects: Vec<SiteEffect>) -> Vec<(SiteId, String)> {
        let most = effects.first().map_or(ABREAST, |effect| abreast::of(effect.step()));
        let undone = effects.into_iter().map(|mut effect| async move {
            for attempt in 0..4 {
                match effect.undo_alone().await {
                    Seen::Observed(Observation::Undone) => return None,
                    Seen::Observed(Observation::UndoRefused) => break,
                    _ => tokio::time::sleep(Duration::from_secs(1 << attempt)).await,
                }
            }
            Some((effect.atom(), effect.word.clone()))
        });
        abreast(undone.collect(), most).await.into_iter().flatten().collect()
    }
}

impl Host for Live {
    fn inventory(&self) -> &Inventory {
        &self.run.inventory
    }

    fn perform(&self, step: Step) -> BoxFuture<'_, Result<Value, Failure>> {
        Box::pin(async move {
            let step = prepared(&self.run, step)?;
            if let Some(answer) = self.replay.answer(&step.key, step.span) {
                // What it left to be removed is removed all the same.
                if step.changes() && self.run.past.of_step(&step.key).next().is_some() {
                    let _ = self.carry_out(step).await;
                }
                return answer;
            }
            if self.run.is_interrupted() {
                return Err(Failure::new(&codes::INTERRUPTED, step.span, "stopped").kind(FailureKind::Interrupted));
            }
            let (key, kind) = (step.key.clone(), step.kind);
            let result = self.carry_out(step).await;
            if let (Some(onlooker), Ok(value)) = (&self.onlooker, &result) {
                onlooker.answered(value);
            }
            // A change that is done is in the journal by its effects.
            if result.is_err() || matches!(kind, StepKind::Read | StepKind::Final | StepKind::Copy) {
                self.replay.note(&key, &result);
            }
            result
        })
    }

    fn gave(&self, statement: &Statement, value: &Value) {
        if let Some(onlooker) = &self.onlooker {
            onlooker.gave(statement, value);
        }
    }

    fn refresh(&self, value: Value, key: Key) -> BoxFuture<'_, Result<Value, Failure>> {
        Box::pin(async move {
            if let Some(answer) = self.replay.answer(&key, key.call) {
                return answer;
            }
            let result = read::again(&self.run, value, key.call).await;
            self.replay.note(&key, &result);
            result
        })
    }

    fn later(&self, _: Step, _: &Unknown) {}

    fn undo(&self, steps: Vec<Key>) -> BoxFuture<'_, Result<String, Failure>> {
        Box::pin(async move {
            let mut said = Vec::new();
            let mut failures = Vec::new();
            for key in steps {
                let Some(effects) = self.completed().remove(&key) else { continue };
                let names: Vec<&str> = effects.iter().map(|e| self.run.inventory.name(e.atom())).collect();
                let where_to = edge_lang::model::names::fold(&names);
                let what = effects.first().map_or_else(String::new, |e| title(e.step(), &self.run.inventory));
                self.run.note_taken(&key);
                let step = effects.first().map(|e| e.step().clone());
                let left = self.take_back(effects).await;
                let tidied = step.as_ref().map_or(Ok(()), |step| self.tidy_spared(step));
                if let Err(why) = tidied {
                    let message = format!("the journal cannot be read: {why}");
                    failures.push(Failure::new(&codes::JOURNAL, key.call, message).kind(FailureKind::Owed));
                }
                if !left.is_empty() {
                    let mut failure = Failure::new(&codes::NOT_UNDONE, key.call, format!("{what} could not be undone"));
                    failure.sites = left;
                    failures.push(failure.kind(FailureKind::Owed));
                    // The others are taken back all the same, as far as they can be.
                    continue;
                }
                said.push(format!("{what} at {where_to}"));
            }
            let said = said.join(", then ");
            match Failure::together(failures) {
                Some(failure) if said.is_empty() => Err(failure),
                Some(failure) => Err(failure.help(format!("taken back: {said}"))),
                None => Ok(said),
            }
        })
    }

    fn print(&self, text: &str, span: Span, place: &Place) {
        if self.replay.prints(span, &place.order) {
            self.run.events.emit(None, EventKind::Printed { text: text.to_string() });
        }
    }

    fn note(&self, _: &str, _: Span, _: &Place) {}

    fn file(&self, path: &str, span: Span) -> Result<Arc<str>, Failure> {
        let full = self.files.file(path, span)?;
        self.replay.same_file(path, super::files::looks(&full), span)?;
        Ok(full)
    }

    fn read(&self, path: &str, span: Span) -> Result<Arc<str>, Failure> {
        let text = self.files.read(path, span)?;
        self.replay.same_file(path, super::files::fingerprint(&text), span)?;
        Ok(text)
    }

    fn documents(&self, text: &str, span: Span) -> Result<Vec<Value>, Failure> {
        super::files::documents(text, span)
    }

    fn secret(&self, name: &str, span: Span) -> Result<Secret, Failure> {
        self.files.secret(name, span)
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // What was waited for once is not waited for again.
            if self.replay.is_under_way() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(time) => {}
                () = self.run.interrupted() => {}
            }
        })
    }

    fn elapsed(&self) -> Duration {
        self.run.elapsed()
    }

    fn planning(&self) -> bool {
        false
    }
}

/// The step with what the inventory says where the program does not, and with its subject, also where that is a name.
/// Or that the kind of some site has no such operation: two kinds may describe a service of one name.
pub fn prepared(run: &Run, mut step: Step) -> Result<Step, Failure> {
    let lacks = |site: &SiteId| {
        let at = run.inventory.instance(*site, &step.service).and_then(|s| run.inventory.get(s));
        let stack = at.map_or("", |s| &*s.stack);
        !run.library.describing(&step.resource, &step.operation).any(|s| *s.stack == *stack)
    };
    let lacking: SiteSet = step.placement.sites().iter().filter(lacks).collect();
    if let Some(first) = lacking.first() {
        let stack = run.inventory.get(first).map_or("", |s| &*s.stack);
        let at = edge_lang::eval::sites_text(&lacking, &run.inventory);
        let message = format!("{at}: sites of the kind `{stack}` have no `{}.{}`", step.resource, step.operation);
        return Err(Failure::new(&codes::NOT_DESCRIBED, step.at, message)
            .help(format!("`edge doc {}` says what there is", step.resource)));
    }
    step.policy = step.policy.over(&run.defaults);
    if let Some(document) = &mut step.document {
        document.described = run.library.kind_in(&step.service, &document.kind).map(|r| r.name.clone());
    }
    if step.subject.is_none() && step.kind != StepKind::Copy {
        let operation = any_resource(run, &step).and_then(|r| r.operation(&step.operation));
        let subject = operation.and_then(|o| o.subject.clone());
        step.subject = subject.filter(|s| step.arguments.contains_key(s));
    }
    Ok(step)
}

/// What has no name is called by what it was given: a rule, a link between two things.
fn ends(step: &Step, inventory: &Inventory) -> Option<String> {
    const MOST: usize = 60;
    if step.subject.is_some() || !matches!(&*step.operation, "create" | "ensure" | "delete") {
        return None;
    }
    let end = |value: &Value| match value {
        Value::Handle(handle) => handle.fields.get("name").map(|name| display(name, inventory)),
        Value::String(_) | Value::Int(_) => Some(display(value, inventory)),
        _ => None,
    };
    let ends: Vec<String> = step.arguments.values().filter_map(end).collect();
    let ends = ends.join(" ");
    match ends.chars().count() {
        0 => None,
        n if n > MOST => Some(ends.chars().take(MOST - 1).chain(['…']).collect()),
        _ => Some(ends),
    }
}

/// Whether the site knows the resource by its name alone, which may be another thing's by the time that a request arrives.
pub fn goes_by_name(resource: &Resource) -> bool {
    let path = |name: &str| match resource.fields.get(name).map(|f| &f.from) {
        Some(Source::Body { path, each: None }) => Some(path.clone()),
        _ => None,
    };
    let by = resource.named.as_ref().and_then(|n| n.by.first());
    by.is_some_and(|by| path("id").is_some() && path("id") == path(by)) || resource.is_link()
}

/// The rules of a pursuit of an operation, as the library describes it. Of `ensure`, which makes or changes, that is `create`.
pub fn rules(resource: &Resource, op: &str, kind: StepKind) -> Rules {
    let op = resource.ops.get(op);
    let ensure = kind == StepKind::Ensure;
    let puts_back = ensure || op.is_some_and(|op| !matches!(op.undo, Undo::Delete));
    let set = resource.ops.get("set").filter(|_| ensure);
    let unique = resource.named.as_ref().is_some_and(|n| n.unique);
    Rules {
        fence: if resource.fence.is_some() { Fence::Ticket } else { Fence::Quiet },
        overlap: Overlap::Never,
        // Without marker and chosen id, the name that the site keeps unique says what is ours.
        keyed: unique && resource.marks.is_empty() && resource.chosen.is_none(),
        by_name: puts_back || goes_by_name(resource),
        repeats: op.into_iter().chain(set).any(|op| may_repeat(&op.body)),
        ensure,
    }
}

/// Whether something that changes the site is sent again by the driver where it is not answered.
fn may_repeat(body: &[Instruction]) -> bool {
    body.iter().any(|instruction| match instruction {
        Instruction::Send(template) => template.repeatable && template.method != Method::Get,
        Instruction::If { then, otherwise, .. } => may_repeat(then) || may_repeat(otherwise),
        _ => false,
    })
}

pub fn times(step: &Step) -> Times {
    let ready = step.policy.timeout.unwrap_or(READY);
    let busy = step.policy.timeout.unwrap_or(PATIENCE);
    Times { answer: step.policy.timeout.map_or(ANSWER, |t| t.min(ANSWER)), ready, busy, quiet: QUIET }
}

pub fn patience(step: &Step) -> Patience {
    let unreachable = step.policy.unreachable.unwrap_or(Unreachable::Fail);
    // `skip`: a site in trouble is not waited for at all.
    let limit = match unreachable {
        Unreachable::Skip => Duration::ZERO,
        _ => step.policy.timeout.unwrap_or(PATIENCE),
    };
    Patience { limit, closing: limit.max(QUIET + ANSWER), unreachable, parallel: super::abreast::of(step) }
}

pub fn any_resource<'a>(run: &'a Run, step: &Step) -> Option<&'a Resource> {
    let stack = step.placement.sites().iter().next().and_then(|s| run.inventory.instance(s, &step.service));
    let stack = stack.and_then(|s| run.inventory.get(s)).map(|s| s.stack.clone());
    stack.and_then(|s| run.library.resource(&s, &step.resource)).or_else(|| run.library.any_resource(&step.resource))
}

/// `server.create "vm"`.
pub fn title(step: &Step, inventory: &Inventory) -> String {
    if let Some(document) = &step.document {
        return format!("{} of {} {:?}", step.operation, document.kind, document.name);
    }
    let name = step.arguments.get("name").or_else(|| step.subject.as_ref().and_then(|s| step.arguments.get(s)));
    let name = match name {
        Some(Value::String(text)) => format!(" {text:?}"),
        Some(Value::Handle(handle)) => match handle.fields.get("name") {
            Some(name) => format!(" {:?}", display(name, inventory)),
            None => String::new(),
        },
        _ => ends(step, inventory).map_or(String::new(), |ends| format!(" {ends:?}")),
    };
    format!("{}.{}{name}", step.resource, step.operation)
}
