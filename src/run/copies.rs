//! Copies that bridges make in a run. Two operations that need the same copy share it; it is removed again when all that
//! needed it have failed. A copy is pursued like any operation: half a copy is a broken thing.

use super::effect::{SiteEffect, Times, What};
use super::event::EventKind;
use super::journal::{self, Begin, Entry, Id, Part};
use super::live::{patience, rules};
use super::pursue::{Ended, Left, Seen, Standing, Told, pursue};
use super::resolve::Copy;
use super::trouble::Trouble;
use super::{Due, Owed, Run};
use edge_lang::eval::{Key, Step, StepKind, Unreachable};
use edge_lang::library::render::Row;
use edge_lang::model::{Observation, Placement, SiteId, SiteSet};
use edge_lang::types::Name;
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;

/// What is copied, from where, to where.
type CopyKey = (Name, SiteId, String, SiteId);

#[derive(Default)]
pub struct Copies {
    all: Mutex<HashMap<CopyKey, Arc<tokio::sync::Mutex<Option<Shared>>>>>,
    /// Those that this process pursued and that are no copies: how they stand. Whoever asks for one again goes on with that.
    undone: Mutex<HashMap<Id, (Standing, SiteEffect)>>,
}

struct Shared {
    row: Row,
    effect: SiteEffect,
    users: usize,
    id: Id,
}

/// A copy, as one of its users holds it.
#[derive(Clone)]
pub struct Made {
    pub row: Row,
    key: CopyKey,
    of: Key,
    id: Id,
}

impl Copies {
    fn slot(&self, key: &CopyKey) -> Arc<tokio::sync::Mutex<Option<Shared>>> {
        let mut all = self.all.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        all.entry(key.clone()).or_default().clone()
    }

    fn undone(&self) -> MutexGuard<'_, HashMap<Id, (Standing, SiteEffect)>> {
        self.undone.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// It has failed in this process, which the past does not know.
    fn has_failed(&self, id: &Id) -> bool {
        self.undone().get(id).is_some_and(|((pursuit, _), _)| pursuit.is_failing())
    }
}

/// Makes the copy, or waits for whoever is making it.
pub fn copy<'a>(
    run: &'a Arc<Run>,
    step: &'a Arc<Step>,
    copy: Copy,
    times: Times,
) -> BoxFuture<'a, Result<Made, Trouble>> {
    Box::pin(async move {
        let key = (copy.resource.clone(), copy.from, copy.row.id.clone().unwrap_or_default(), copy.to);
        let slot = run.copies.slot(&key);
        let mut held = slot.lock().await;
        if let Some(shared) = held.as_mut() {
            shared.users += 1;
            run.journal.note(Entry::Uses { of: shared.id.clone(), by: step.key.clone() });
            return Ok(Made { row: shared.row.clone(), key, of: step.key.clone(), id: shared.id.clone() });
        }
        let of = copy;
        let effect = pursued(run, step, &of, times).await?;
        let Some(row) = effect.row().cloned() else { return Err(Trouble::refused("the copy cannot be found")) };
        let id = id(&step.key, &of);
        *held = Some(Shared { row: row.clone(), effect, users: 1, id: id.clone() });
        Ok(Made { row, key, of: step.key.clone(), id })
    })
}

async fn pursued(run: &Arc<Run>, step: &Arc<Step>, copy: &Copy, times: Times) -> Result<SiteEffect, Trouble> {
    let inventory = &run.inventory;
    let what = format!("{} `{}`", copy.resource, copy.name().unwrap_or("?"));
    let Some(resource) = inventory.get(copy.to).and_then(|s| run.library.resource(&s.stack, &copy.resource)) else {
        return Err(Trouble::refused(format!("no {} at this kind of site", copy.resource)));
    };
    let id = id(&step.key, copy);
    let source = inventory.get(copy.from).and_then(|s| run.library.resource(&s.stack, &copy.resource));
    let begin = Begin {
        title: format!("copy of {what}"),
        place: inventory.name(copy.to).to_string(),
        span: step.span,
        placement: Placement::Site(copy.to),
        preference: vec![copy.to],
        rules: rules(resource, "create", StepKind::Copy),
        last: false,
        subjects: Default::default(),
        source: Some(journal::Source {
            service: copy.service.to_string(),
            row: journal::Known::of(&copy.row, source.or(Some(resource))),
        }),
    };
    let make = {
        let (run, step, copy, id) = (run.clone(), step.clone(), copy.clone(), id.clone());
        let what = What::Bridge(copy);
        move |site| SiteEffect::new(run.clone(), id.clone(), step.clone(), what.clone(), site, None, times)
    };
    // A copy is what its operation waits for: it is never put off by itself.
    let patience = super::pursue::Patience { unreachable: Unreachable::Fail, ..patience(step) };
    let left = run.copies.undone().remove(&id);
    let left = left.map(|(standing, effect)| Left { standing, effects: [(copy.to, effect)].into() });
    let pursued = pursue(run, id.clone(), begin, make, patience, left).await;
    let Told { ended, mut effects, left, .. } = pursued.map_err(|e| Trouble::refused(e.to_string()))?;
    let effect = effects.remove(&copy.to);
    if let (Some(standing), Some(effect)) = (left, &effect) {
        run.copies.undone().insert(id, (standing, effect.clone()));
    }
    let word = effect.as_ref().map_or_else(String::new, |e| e.word.clone());
    match (ended, effect) {
        (Ended::Done(_), Some(effect)) => {
            let bytes = copy.size().unwrap_or(0);
            run.events.emit(Some(&step.key), EventKind::Copied { from: Some(copy.from), to: copy.to, what, bytes });
            Ok(effect)
        }
        (Ended::Failed, _) => {
            Err(Trouble::refused(format!("{what} could not be copied from {}: {word}", inventory.name(copy.from))))
        }
        _ => Err(Trouble::silent(format!("{what} is not copied yet: {word}"))),
    }
}

fn id(key: &Key, copy: &Copy) -> Id {
    let (resource, id) = (copy.resource.to_string(), copy.row.id.clone().unwrap_or_default());
    Id { key: key.clone(), part: Part::Copy { resource, from: copy.from, id, to: copy.to } }
}

/// The copies that an earlier runner of the run made for a step at a site, or had begun to. Those that failed or are
/// removed again are no copies any more.
pub async fn recall(run: &Arc<Run>, step: &Arc<Step>, at: SiteId, times: Times) -> Result<Vec<Made>, Trouble> {
    let mut recalled = Vec::new();
    for (id, past) in run.past.of_step(&step.key) {
        let (Part::Copy { resource, from, to, .. }, Some(source)) = (&id.part, &past.begin.source) else { continue };
        let gone = past.pursuit.is_failing() || past.pursuit.belief(*to).is_none_or(|b| b.state.is_closed());
        if *to != at || gone && past.pursuit.is_told() || run.copies.has_failed(id) {
            continue;
        }
        let (service, resource) = (source.service.as_str().into(), resource.as_str().into());
        let again = Copy { service, resource, from: *from, to: *to, row: source.row.row() };
        recalled.push(copy(run, step, again, times).await?);
    }
    Ok(recalled)
}

/// One user less; the last one takes the copy away.
pub async fn release(run: &Arc<Run>, made: Made) {
    let slot = run.copies.slot(&made.key);
    let mut held = slot.lock().await;
    let Some(shared) = held.as_mut() else { return };
    shared.users = shared.users.saturating_sub(1);
    // Users of an earlier runner count, too.
    if shared.users > 0 || run.is_used_beside(&made.id, &made.of) {
        return;
    }
    let (mut pause, mut refusals) = (Duration::from_millis(200), 0);
    let end = Instant::now() + RELEASE;
    loop {
        match shared.effect.undo_alone().await {
            Seen::Observed(Observation::Undone) => break *held = None,
            Seen::Observed(Observation::UndoRefused) => refusals += 1,
            _ => {}
        }
        if refusals >= 3 || Instant::now() + pause >= end {
            // It stays, and is owed by the operation that it was made for.
            let sites = SiteSet::of(made.key.3);
            let title = format!("copy of {}", made.key.0);
            let owed = Owed { key: made.of.clone(), title, at: sites.clone(), sites, due: Due::Tidying };
            return run.owe(run.debtor(), owed);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(15));
    }
}

/// How long the removal of a copy is tried.
const RELEASE: Duration = Duration::from_secs(90);
