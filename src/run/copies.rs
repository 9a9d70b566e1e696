//! Copies that bridges make in a run. Two operations that need the same copy share it; it is removed again when all that
//! needed it have failed. A copy is pursued like any operation: half a copy is a broken thing.

use super::Run;
use super::effect::{SiteEffect, Times, What};
use super::event::EventKind;
use super::live::{patience, rules};
use super::pursue::{Deed, Effect, Ended, Seen, pursue};
use super::resolve::Copy;
use super::trouble::Trouble;
use edge_lang::eval::{Key, Step};
use edge_lang::library::render::Row;
use edge_lang::model::{Observation, Placement, Pursuit, SiteId, SiteSet};
use edge_lang::types::Name;
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// What is copied, from where, to where.
type CopyKey = (Name, SiteId, String, SiteId);

#[derive(Default)]
pub struct Copies {
    all: Mutex<HashMap<CopyKey, Arc<tokio::sync::Mutex<Option<Shared>>>>>,
}

struct Shared {
    row: Row,
    effect: SiteEffect,
    users: usize,
}

/// A copy, as one of its users holds it.
pub struct Made {
    pub row: Row,
    key: CopyKey,
    of: Key,
}

impl Copies {
    fn slot(&self, key: &CopyKey) -> Arc<tokio::sync::Mutex<Option<Shared>>> {
        let mut all = self.all.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        all.entry(key.clone()).or_default().clone()
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
            return Ok(Made { row: shared.row.clone(), key, of: step.key.clone() });
        }
        let effect = pursued(run, step, &copy, times).await?;
        let Some(row) = effect.row().cloned() else { return Err(Trouble::refused("the copy cannot be found")) };
        *held = Some(Shared { row: row.clone(), effect, users: 1 });
        Ok(Made { row, key, of: step.key.clone() })
    })
}

async fn pursued(run: &Arc<Run>, step: &Arc<Step>, copy: &Copy, times: Times) -> Result<SiteEffect, Trouble> {
    let inventory = &run.inventory;
    let what = format!("{} `{}`", copy.resource, copy.name().unwrap_or("?"));
    let Some(resource) = inventory.get(copy.to).and_then(|s| run.library.resource(&s.stack, &copy.resource)) else {
        return Err(Trouble::refused(format!("no {} at this kind of site", copy.resource)));
    };
    let pursuit = Pursuit::new(Placement::Site(copy.to), vec![copy.to], rules(resource, false, false))
        .map_err(|e| Trouble::refused(e.to_string()))?;
    let make = {
        let (run, step, copy) = (run.clone(), step.clone(), copy.clone());
        move |site| SiteEffect::new(run.clone(), step.clone(), What::Bridge(copy.clone()), site, None, times)
    };
    let mut told = pursue(run, &step.key, pursuit, make, patience(step)).await;
    let effect = told.effects.remove(&copy.to);
    let word = effect.as_ref().map_or_else(String::new, |e| e.word.clone());
    match (told.ended, effect) {
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

/// One user less; the last one takes the copy away.
pub async fn release(run: &Arc<Run>, made: Made) {
    let slot = run.copies.slot(&made.key);
    let mut held = slot.lock().await;
    let Some(shared) = held.as_mut() else { return };
    shared.users = shared.users.saturating_sub(1);
    if shared.users > 0 {
        return;
    }
    let (mut pause, mut refusals) = (Duration::from_millis(200), 0);
    let end = Instant::now() + RELEASE;
    loop {
        match shared.effect.act(Deed::Undo).await {
            Seen::Observed(Observation::Undone) => break *held = None,
            Seen::Observed(Observation::UndoRefused) => refusals += 1,
            _ => {}
        }
        if refusals >= 3 || Instant::now() + pause >= end {
            // It stays, and is owed by the operation that it was made for.
            return run.owe(run.debtor(), &made.of, SiteSet::from_iter([made.key.3]));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(15));
    }
}

/// How long the removal of a copy is tried.
const RELEASE: Duration = Duration::from_secs(90);
