//! Going through a program again without asking any site, to know the steps of what the journal tells: what it did, in
//! order, and with which arguments. So a run is taken back, and so what used a thing goes before the thing that failed.

use super::change::{self, Recalled};
use super::journal::Part;
use super::live::{Live, prepared};
use super::replay::Replay;
use super::{Run, codes};
use edge_lang::eval::{Failure, FailureKind, Host, Key, Place, Secret, Step, StepKind, Unknown, Value};
use edge_lang::inventory::Inventory;
use edge_lang::model::SiteId;
use edge_lang::span::Span;
use futures_util::future::BoxFuture;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// The host of a walk.
pub struct Walk<'a> {
    live: &'a Live,
    replay: Replay,
    steps: Mutex<Vec<Step>>,
}

/// A thing, as handles name it.
type Thing = (SiteId, String);

impl<'a> Walk<'a> {
    pub fn new(live: &'a Live) -> Walk<'a> {
        Walk { live, replay: Replay::of(live.run.clone()), steps: Mutex::default() }
    }

    fn run(&self) -> &Arc<Run> {
        &self.live.run
    }

    fn steps(&self) -> MutexGuard<'_, Vec<Step>> {
        self.steps.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The steps that the journal knows of, in the order in which they began.
    pub fn into_steps(self) -> Vec<Step> {
        let past = &self.live.run.past;
        let began = |step: &Step| past.place(&step.key).unwrap_or(usize::MAX);
        let mut steps = self.steps.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        steps.sort_by_key(began);
        steps
    }

    fn step(&self, step: Step) -> Result<Value, Failure> {
        let known = self.run().past.of_step(&step.key).next().is_some();
        let answer = self.replay.answer(&step.key, step.span);
        if known {
            self.steps().push(step.clone());
        }
        if let Some(answer) = answer {
            return answer;
        }
        match change::recalled(self.run(), &Arc::new(step.clone())) {
            Some(Recalled::Done(value) | Recalled::Open(value)) if known => Ok(value),
            _ => match change::waiting_read(&step).filter(|_| step.kind == StepKind::Read) {
                Some(value) => Ok(value),
                None => Err(Failure::new(&codes::INTERRUPTED, step.span, "the run did not come to this")
                    .kind(FailureKind::Interrupted)),
            },
        }
    }
}

/// The steps, of those that come after `first`, that used what it made, or what those made; and those that came to no verdict,
/// since the program will not come to them again: it ends at `first`.
pub fn behind<'a>(run: &Arc<Run>, first: &Key, steps: &'a [Step]) -> Vec<&'a Step> {
    let Some(begin) = steps.iter().position(|s| s.key == *first) else { return Vec::new() };
    let mut things = made(run, &steps[begin].key);
    let mut users = Vec::new();
    for step in &steps[begin + 1..] {
        let mut used = HashSet::new();
        for value in step.arguments.values().chain(step.per_site.values().flat_map(|own| own.values())) {
            mentioned(value, &mut used);
        }
        if !used.is_disjoint(&things) || is_open(run, &step.key) {
            things.extend(made(run, &step.key));
            users.push(step);
        }
    }
    users
}

fn is_open(run: &Run, key: &Key) -> bool {
    let layers = run.past.of_step(key).filter(|(id, p)| matches!(id.part, Part::Layer(_)) && !p.begin.last);
    layers.into_iter().any(|(_, p)| !p.pursuit.is_told())
}

fn made(run: &Run, key: &Key) -> HashSet<Thing> {
    let memories = run.past.of_step(key).flat_map(|(_, p)| &p.memories);
    memories.filter_map(|(site, m)| Some((*site, m.row.as_ref()?.id.clone()?))).collect()
}

fn mentioned(value: &Value, things: &mut HashSet<Thing>) {
    match value {
        Value::Handle(handle) => {
            things.insert((handle.site, handle.id.to_string()));
        }
        Value::Table(table) => {
            things.extend(table.rows.iter().filter_map(|r| Some((r.site?, r.id.as_ref()?.to_string()))));
        }
        Value::List(items) => items.iter().for_each(|item| mentioned(item, things)),
        Value::Record(record) => record.values().for_each(|value| mentioned(value, things)),
        _ => {}
    }
}

impl Host for Walk<'_> {
    fn inventory(&self) -> &Inventory {
        &self.run().inventory
    }

    fn perform(&self, step: Step) -> BoxFuture<'_, Result<Value, Failure>> {
        let done = prepared(self.run(), step).and_then(|step| self.step(step));
        Box::pin(std::future::ready(done))
    }

    fn refresh(&self, value: Value, key: Key) -> BoxFuture<'_, Result<Value, Failure>> {
        Box::pin(std::future::ready(self.replay.answer(&key, key.call).unwrap_or(Ok(value))))
    }

    fn later(&self, _: Step, _: &Unknown) {}

    fn undo(&self, _: Vec<Key>) -> BoxFuture<'_, Result<String, Failure>> {
        Box::pin(std::future::ready(Ok(String::new())))
    }

    fn print(&self, _: &str, _: Span, _: &Place) {}

    fn note(&self, _: &str, _: Span, _: &Place) {}

    fn file(&self, path: &str, _: Span) -> Result<Arc<str>, Failure> {
        // It may be gone: nothing is sent again.
        Ok(path.into())
    }

    fn read(&self, path: &str, span: Span) -> Result<Arc<str>, Failure> {
        self.live.read(path, span)
    }

    fn documents(&self, text: &str, span: Span) -> Result<Vec<Value>, Failure> {
        self.live.documents(text, span)
    }

    fn secret(&self, name: &str, span: Span) -> Result<Secret, Failure> {
        self.live.secret(name, span)
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn elapsed(&self) -> Duration {
        self.run().elapsed()
    }

    fn planning(&self) -> bool {
        false
    }
}
