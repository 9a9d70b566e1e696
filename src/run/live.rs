//! The host of a run: performs steps at the sites.

use super::effect::{SiteEffect, Times, what_of};
use super::event::EventKind;
use super::pursue::{Deed, Effect, Ended, Patience, Seen, Told, pursue};
use super::{Run, codes, finals, read, rows};
use edge_lang::eval::{
    Failure, FailureKind, Host, Key, Place, Secret, Step, StepKind, Unknown, Unreachable, Value, display,
};
use edge_lang::inventory::Inventory;
use edge_lang::library::render::Row;
use edge_lang::library::{Resource, Source};
use edge_lang::model::{Fence, Observation, Overlap, Placement, Pursuit, Rules, SiteId, SiteSet};
use edge_lang::span::Span;
use futures_util::future::{BoxFuture, join_all};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub struct Live {
    pub run: Arc<Run>,
    /// What completed steps made, for `atomic` to take back.
    completed: Mutex<HashMap<Key, Vec<SiteEffect>>>,
    files: super::files::Files,
    /// Asked before an effect that the plan did not show.
    approval: Arc<dyn super::approval::Approval>,
}

/// An operation that is done: what it made at the sites of its outcome, and where nobody knows.
#[derive(Default)]
pub struct Pursued {
    pub effects: BTreeMap<SiteId, SiteEffect>,
    pub unknown: SiteSet,
}

/// Without `timeout`: how long a site in trouble is waited for, and something to get ready.
const PATIENCE: Duration = Duration::from_secs(60);
const READY: Duration = Duration::from_secs(30 * 60);
/// One answer.
const ANSWER: Duration = Duration::from_secs(30);
/// The quiet time: services carry out or drop within it what they had received.
const QUIET: Duration = Duration::from_secs(60);

impl Live {
    pub fn new(run: Arc<Run>, files: super::files::Files, approval: Arc<dyn super::approval::Approval>) -> Live {
        Live { run, completed: Mutex::default(), files, approval }
    }

    async fn change(&self, step: Step) -> Result<Value, Failure> {
        let step = Arc::new(step);
        let run = &self.run;
        let layers = rows::subjects(run, &step).await?;
        if layers.is_empty() {
            return Ok(rows::nothing(&step));
        }
        let title = title(&step, &run.inventory);
        let place = step.placement.display(|s| run.inventory.name(s).to_string()).to_string();
        run.events.emit(Some(&step.key), EventKind::Began { title: title.clone(), place, span: step.span });
        let pursued = join_all(layers.into_iter().map(|layer| self.pursue(step.clone(), layer))).await;
        let mut effects = Vec::new();
        let mut failures = Vec::new();
        for outcome in pursued {
            match outcome {
                Ok(done) => effects.push(done),
                Err(failure) => failures.push(failure),
            }
        }
        if let Some(failure) = Failure::together(failures) {
            for done in effects {
                self.take_back(done.effects.into_values()).await;
            }
            run.events.emit(Some(&step.key), EventKind::Failed { message: failure.message.clone() });
            return Err(failure);
        }
        let value = rows::value(run, &step, &effects);
        let done: Vec<SiteEffect> = effects.into_iter().flat_map(|e| e.effects.into_values()).collect();
        self.completed().entry(step.key.clone()).or_default().extend(done);
        Ok(value)
    }

    fn completed(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Vec<SiteEffect>>> {
        self.completed.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// One pursuit: an effect at each site of the placement, about at most one thing there.
    async fn pursue(&self, step: Arc<Step>, subjects: HashMap<SiteId, Row>) -> Result<Pursued, Failure> {
        let run = &self.run;
        let named = step.subject.as_ref().and_then(|s| step.arguments.get(s));
        let placement = match named {
            // An operation on things goes where they are, all of them; on a name, where the scope says.
            Some(value) if !matches!(value, Value::String(_)) => Placement::AllOf(subjects.keys().copied().collect()),
            _ => step.placement.clone(),
        };
        let Some(resource) = any_resource(run, &step) else {
            return Err(Failure::new(&codes::NOT_DESCRIBED, step.span, format!("no resource `{}`", step.resource)));
        };
        let rules = rules(resource, step.kind == StepKind::Ensure, step.policy.overlap == Some(true));
        let order = super::prefer::order(run, &step, &placement).await?;
        let pursuit = Pursuit::new(placement, order, rules)
            .map_err(|e| Failure::new(&edge_lang::eval::codes::TANGLED, step.at, e.to_string()))?;
        let make = {
            let (run, step, approval) = (run.clone(), step.clone(), self.approval.clone());
            let times = times(&step);
            move |site| {
                let subject = subjects.get(&site).cloned();
                SiteEffect::new(run.clone(), step.clone(), what_of(&step), site, subject, times)
                    .approved_by(approval.clone())
            }
        };
        let Told { ended, effects, unknown } = pursue(run, &step.key, pursuit, make, patience(&step)).await;
        match ended {
            Ended::Done(outcome) => {
                run.events.emit(Some(&step.key), EventKind::Done { outcome: outcome.clone() });
                Ok(Pursued { effects, unknown })
            }
            // What was copied for it and could not be removed again.
            Ended::Failed if !run.owed_of(&step.key).is_empty() => {
                Err(failure(run, &step, Ended::Unsettled(run.owed_of(&step.key)), &effects))
            }
            ended => Err(failure(run, &step, ended, &effects)),
        }
    }

    /// Undoes everything of it; says where it could not.
    async fn take_back(&self, effects: impl IntoIterator<Item = SiteEffect>) -> Vec<(SiteId, String)> {
        Self::undo_all(effects.into_iter().collect()).await
    }

    async fn undo_all(effects: Vec<SiteEffect>) -> Vec<(SiteId, String)> {
        let undone = effects.into_iter().map(|mut effect| async move {
            for attempt in 0..4 {
                match effect.act(Deed::Undo).await {
                    Seen::Observed(Observation::Undone) => return None,
                    Seen::Observed(Observation::UndoRefused) => break,
                    _ => tokio::time::sleep(Duration::from_secs(1 << attempt)).await,
                }
            }
            Some((effect.atom(), effect.word.clone()))
        });
        join_all(undone).await.into_iter().flatten().collect()
    }
}

impl Host for Live {
    fn inventory(&self) -> &Inventory {
        &self.run.inventory
    }

    fn perform(&self, step: Step) -> BoxFuture<'_, Result<Value, Failure>> {
        Box::pin(async move {
            if self.run.is_interrupted() {
                return Err(Failure::new(&codes::INTERRUPTED, step.span, "stopped").kind(FailureKind::Interrupted));
            }
            let step = prepared(&self.run, step);
            match step.kind {
                // A site that does not answer must not keep a run from being stopped.
                StepKind::Read => tokio::select! {
                    value = read::perform(&self.run, &step) => value,
                    () = self.run.interrupted() => Err(Failure::new(&codes::INTERRUPTED, step.span, "stopped")
                        .kind(FailureKind::Interrupted)),
                },
                StepKind::Change | StepKind::Ensure => self.change(step).await,
                StepKind::Final => {
                    let layers = rows::subjects(&self.run, &step).await?;
                    finals::perform(&self.run, &Arc::new(step), layers, &self.approval).await
                }
                StepKind::Copy => super::copying::perform(&self.run, &Arc::new(step), &self.approval).await,
            }
        })
    }

    fn refresh(&self, value: Value, span: Span) -> BoxFuture<'_, Result<Value, Failure>> {
        Box::pin(read::again(&self.run, value, span))
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
                let left = self.take_back(effects).await;
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

    fn print(&self, text: &str, _: Span, _: &Place) {
        self.run.events.emit(None, EventKind::Printed { text: text.to_string() });
    }

    fn note(&self, _: &str, _: Span, _: &Place) {}

    fn file(&self, path: &str, span: Span) -> Result<Arc<str>, Failure> {
        self.files.file(path, span)
    }

    fn read(&self, path: &str, span: Span) -> Result<Arc<str>, Failure> {
        self.files.read(path, span)
    }

    fn secret(&self, name: &str, span: Span) -> Result<Secret, Failure> {
        self.files.secret(name, span)
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
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
pub fn prepared(run: &Run, mut step: Step) -> Step {
    step.policy = step.policy.over(&run.defaults);
    if step.subject.is_none() && step.kind != StepKind::Copy {
        let operation = any_resource(run, &step).and_then(|r| r.operation(&step.operation));
        let subject = operation.and_then(|o| o.subject.clone());
        step.subject = subject.filter(|s| step.arguments.contains_key(s));
    }
    step
}

/// The rules of a pursuit about a resource, as the library describes it.
pub fn rules(resource: &Resource, ensure: bool, overlap: bool) -> Rules {
    let path = |name: &str| match resource.fields.get(name).map(|f| &f.from) {
        Some(Source::Body { path, each: None }) => Some(path.clone()),
        _ => None,
    };
    let by = resource.named.as_ref().and_then(|n| n.by.first());
    let by_name = by.is_some_and(|by| path("id").is_some() && path("id") == path(by)) || resource.is_link();
    let unique = resource.named.as_ref().is_some_and(|n| n.unique);
    Rules {
        fence: if resource.fence.is_some() { Fence::Ticket } else { Fence::Quiet },
        overlap: if overlap { Overlap::Brief } else { Overlap::Never },
        // Without marker and chosen id, the name that the site keeps unique says what is ours.
        keyed: unique && resource.marks.is_empty() && resource.chosen.is_none(),
        by_name,
        ensure,
    }
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
    let parallel = step.policy.parallel.map_or(256, |p| (p as usize).max(1));
    Patience { limit, closing: limit.max(QUIET + ANSWER), unreachable, parallel }
}

pub fn any_resource<'a>(run: &'a Run, step: &Step) -> Option<&'a Resource> {
    let stack = step.placement.sites().iter().next().and_then(|s| run.inventory.instance(s, &step.service));
    let stack = stack.and_then(|s| run.inventory.get(s)).map(|s| s.stack.clone());
    stack.and_then(|s| run.library.resource(&s, &step.resource)).or_else(|| run.library.any_resource(&step.resource))
}

/// `server.create "vm"`.
pub fn title(step: &Step, inventory: &Inventory) -> String {
    let name = step.arguments.get("name").or_else(|| step.subject.as_ref().and_then(|s| step.arguments.get(s)));
    let name = match name {
        Some(Value::String(text)) => format!(" {text:?}"),
        Some(Value::Handle(handle)) => match handle.fields.get("name") {
            Some(name) => format!(" {:?}", display(name, inventory)),
            None => String::new(),
        },
        _ => String::new(),
    };
    format!("{}.{}{name}", step.resource, step.operation)
}

/// What is told when an operation did not come to its verdict.
fn failure(run: &Run, step: &Step, ended: Ended, effects: &BTreeMap<SiteId, SiteEffect>) -> Failure {
    let title = title(step, &run.inventory);
    let folded = |sites: &SiteSet| edge_lang::eval::sites_text(sites, &run.inventory);
    let open = match &ended {
        Ended::Unsettled(owed) | Ended::Interrupted(owed) => owed.clone(),
        _ => SiteSet::new(),
    };
    let mut failure = match ended {
        Ended::Failed | Ended::Done(_) => {
            Failure::new(&codes::FAILED, step.span, format!("{title} failed, and nothing of it is left"))
        }
        Ended::Unsettled(owed) if owed.is_empty() => {
            Failure::new(&codes::UNSETTLED, step.span, format!("{title} is not done: sites do not answer"))
                .kind(FailureKind::Owed)
        }
        Ended::Unsettled(owed) => {
            let message = format!("{title} is unsettled: something of it may be at {}", folded(&owed));
            Failure::new(&codes::UNSETTLED, step.span, message)
                .kind(FailureKind::Owed)
                .help("when the sites answer again, look for it there and remove it by hand: what is owed is not kept after this run")
        }
        Ended::Interrupted(owed) if owed.is_empty() => {
            Failure::new(&codes::INTERRUPTED, step.span, format!("{title} was stopped; nothing of it is left"))
                .kind(FailureKind::Interrupted)
        }
        Ended::Interrupted(owed) => {
            let message = format!("{title} was stopped; something of it may be at {}", folded(&owed));
            Failure::new(&codes::INTERRUPTED, step.span, message).kind(FailureKind::Interrupted)
        }
        Ended::Unjournaled(why) => {
            Failure::new(&codes::JOURNAL, step.span, format!("the journal cannot be written: {why}"))
        }
    };
    let sites: Vec<&SiteEffect> = effects.values().filter(|e| !e.word.is_empty()).collect();
    let silent: SiteSet = open.difference(&sites.iter().map(|e| e.atom()).collect());
    failure.sites.extend(sites.iter().map(|e| (e.atom(), e.word.clone())));
    failure.sites.extend(silent.iter().map(|s| (s, "it was being asked".to_string())));
    failure.sites.sort_by_key(|(s, _)| *s);
    // The same help from many sites is said once.
    let mut helps: Vec<String> = sites.iter().filter_map(|e| e.help.clone()).collect();
    helps.dedup();
    failure.help.extend(helps.into_iter().take(3));
    failure
}
