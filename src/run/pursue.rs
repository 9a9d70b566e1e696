//! From decisions to deeds: does what the pursuit asks for, at all sites at once, and tells it what was seen.
//!
//! The pursuit decides from what is believed and has no sense of time; the clocks are here. A site in trouble (silent or
//! unreachable) is tried again after growing pauses; at the time limit it is given up, or the operation stops and says
//! what is owed where. The hard idea: nothing in this file decides anything about the placement.

use super::event::EventKind;
use super::journal::Entry;
use super::{Owed, Run};
use edge_lang::eval::{Key, Unreachable};
use edge_lang::model::{Action, Observation, Pursuit, SiteId, SiteSet};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// What the pursuit asks of one site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Send,
    Probe,
    Fence,
    Quiet,
    Undo,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    Observed(Observation),
    /// No answer, and so nothing learnt: to be tried again.
    Nothing,
}

/// The operation at one site: does deeds; keeps ids, arguments and tickets between them.
pub trait Effect: Send + 'static {
    fn act(&mut self, deed: Deed) -> BoxFuture<'_, Seen>;
    /// The site is in no outcome and nothing of the effect is there: gives back what was made on its behalf.
    fn release(&mut self) -> BoxFuture<'_, ()>;
}

#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the start: when sites in trouble are given up (`fail`) or left (`defer`).
    pub limit: Duration,
    /// After that, or after the verdict: for closing and tidying.
    pub closing: Duration,
    pub unreachable: Unreachable,
    /// Sites in flight at once.
    pub parallel: usize,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    Done(SiteSet),
    Failed,
    /// Stopped with something owed at these sites.
    Unsettled(SiteSet),
    Interrupted(SiteSet),
    /// The journal could not be written; nothing was done that it does not know of.
    Unjournaled(String),
}

/// What is told of an operation, once; with the effects of the outcome, or all of them where there is none.
pub struct Told<E> {
    pub ended: Ended,
    pub effects: HashMap<SiteId, E>,
}

struct Trouble {
    tries: u32,
    again: Instant,
}

struct Chase<E, M> {
    run: Arc<Run>,
    key: Key,
    pursuit: Pursuit,
    make: M,
    patience: Patience,
    effects: HashMap<SiteId, E>,
    trouble: HashMap<SiteId, Trouble>,
    busy: SiteSet,
    tell: Option<oneshot::Sender<Told<E>>>,
}

type Working<E> = FuturesUnordered<BoxFuture<'static, (SiteId, E, Seen)>>;

/// Pursues until a verdict, the time limit or an interruption. What the verdict does not contain is tidied afterwards, in a
/// task of the run that nothing waits for.
pub async fn pursue<E: Effect>(
    run: &Arc<Run>,
    key: &Key,
    pursuit: Pursuit,
    make: impl Fn(SiteId) -> E + Send + 'static,
    patience: Patience,
) -> Told<E> {
    let (tell, told) = oneshot::channel();
    let chase = Chase {
        run: run.clone(),
        key: key.clone(),
        pursuit,
        make,
        patience,
        effects: HashMap::new(),
        trouble: HashMap::new(),
        busy: SiteSet::new(),
        tell: Some(tell),
    };
    run.background(chase.go());
    match told.await {
        Ok(told) => told,
        // The task ended without a word: only if the process is going down.
        Err(_) => Told { ended: Ended::Interrupted(SiteSet::new()), effects: HashMap::new() },
    }
}

impl<E: Effect, M: Fn(SiteId) -> E + Send + 'static> Chase<E, M> {
    /// Returns what is still owed when it stops.
    async fn go(mut self) -> Option<Owed> {
        let mut working: Working<E> = FuturesUnordered::new();
        let mut limit = Instant::now() + self.patience.limit;
        let mut end = match self.patience.unreachable {
            Unreachable::Defer => limit,
            _ => limit + self.patience.closing,
        };
        let mut gives_up = self.patience.unreachable != Unreachable::Defer;
        loop {
            let untold = self.tell.is_some();
            if let Err(why) = self.start_what_is_due(&mut working).await {
                return self.stop(Ended::Unjournaled(why), working).await;
            }
            if untold && self.tell.is_none() {
                // Told: from here on only tidying, with a time of its own.
                gives_up = false;
                limit = Instant::now();
                end = limit + self.patience.closing;
            }
            if self.tell.is_none() && self.pursuit.owed().is_empty() && working.is_empty() {
                return None;
            }
            let now = Instant::now();
            if now >= limit && gives_up && self.give_up() {
                continue;
            }
            let idle = working.is_empty();
            if idle && now >= end {
                return self.stop_owing(working).await;
            }
            let retry = self.trouble.iter().filter(|(s, _)| !self.busy.contains(**s)).map(|(_, t)| t.again).min();
            let wake = [
                retry.filter(|t| *t > now),
                Some(limit).filter(|limit| gives_up && *limit > now && !self.trouble.is_empty()),
                Some(end).filter(|_| idle && !self.trouble.is_empty()),
            ];
            let wake = wake.into_iter().flatten().min();
            if idle && wake.is_none() {
                return self.stop_owing(working).await;
            }
            let run = self.run.clone();
            tokio::select! {
                Some((site, effect, seen)) = working.next(), if !idle => self.take_in(site, effect, seen),
                () = tokio::time::sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
                () = run.interrupted() => {
                    drop(working);
                    self.pursuit.crash();
                    let owed = self.pursuit.owed();
                    return self.stop(Ended::Interrupted(owed), FuturesUnordered::new()).await;
                }
            }
        }
    }

    /// Starts every deed that is due, and tells the verdict when there is one.
    async fn start_what_is_due(&mut self, working: &mut Working<E>) -> Result<(), String> {
        'again: loop {
            for action in self.pursuit.actions() {
                let (site, deed) = match &action {
                    Action::Send(s) => (*s, Deed::Send),
                    Action::Probe(s) => (*s, Deed::Probe),
                    Action::Fence(s) => (*s, Deed::Fence),
                    Action::Quiet(s) => (*s, Deed::Quiet),
                    Action::Undo(s) => (*s, Deed::Undo),
                    Action::Done(_) | Action::Failed | Action::Abandon => {
                        if self.conclude(&action).await? {
                            continue 'again;
                        }
                        continue;
                    }
                };
                let waits = self.trouble.get(&site).is_some_and(|t| t.again > Instant::now());
                if self.busy.contains(site) || waits || working.len() >= self.patience.parallel {
                    continue;
                }
                self.pursuit.issued(&action).map_err(|e| e.to_string())?;
                self.busy.insert(site);
                let mut effect = self.effects.remove(&site).unwrap_or_else(|| (self.make)(site));
                working.push(Box::pin(async move {
                    let seen = effect.act(deed).await;
                    (site, effect, seen)
                }));
            }
            return Ok(());
        }
    }

    /// Journals, then tells. Says whether there is more to decide.
    async fn conclude(&mut self, action: &Action) -> Result<bool, String> {
        let key = self.key.clone();
        let (entry, ended) = match action {
            Action::Done(outcome) => {
                (Entry::Verdict { key, outcome: Some(outcome.clone()) }, Some(Ended::Done(outcome.clone())))
            }
            Action::Failed => (Entry::Verdict { key, outcome: None }, Some(Ended::Failed)),
            _ => (Entry::Failing { key }, None),
        };
        if ended.is_some() && self.tell.is_none() {
            return Ok(false);
        }
        self.run.journal.record(entry).await?;
        self.pursuit.issued(action).map_err(|e| e.to_string())?;
        match ended {
            Some(Ended::Done(outcome)) => {
                self.run.events.emit(Some(&self.key), EventKind::Done { outcome: outcome.clone() });
                let of_outcome = |site: &SiteId| outcome.contains(*site);
                let sites: Vec<SiteId> = self.effects.keys().copied().filter(of_outcome).collect();
                let effects = sites.into_iter().filter_map(|s| Some((s, self.effects.remove(&s)?))).collect();
                let owed = self.pursuit.owed();
                if !owed.is_empty() {
                    self.run.events.emit(Some(&self.key), EventKind::Tidying { sites: owed });
                }
                // Where something is still to be undone, that comes first.
                for (site, effect) in &mut self.effects {
                    if !self.pursuit.owed().contains(*site) {
                        effect.release().await;
                    }
                }
                self.tell(Told { ended: Ended::Done(outcome), effects });
            }
            Some(ended) => {
                for effect in self.effects.values_mut() {
                    effect.release().await;
                }
                let effects = std::mem::take(&mut self.effects);
                self.tell(Told { ended, effects });
            }
            None => {}
        }
        Ok(true)
    }

    fn tell(&mut self, told: Told<E>) {
        if let Some(tell) = self.tell.take() {
            // Nobody listens any more only when the process is going down.
            let _ = tell.send(told);
        }
    }

    fn take_in(&mut self, site: SiteId, effect: E, seen: Seen) {
        self.busy.remove(site);
        self.effects.insert(site, effect);
        let troubled = match seen {
            Seen::Nothing => true,
            Seen::Observed(observation) => {
                let taken = self.pursuit.observe(site, observation);
                if let Err(impossible) = &taken {
                    // A mistake of ours; the belief stays, and what it calls for is done again.
                    tracing::error!(target: "edge", "{impossible}");
                }
                taken.is_err()
                    || matches!(
                        observation,
                        Observation::Silent
                            | Observation::Unreachable
                            | Observation::UndoSilent
                            | Observation::UndoRefused
                    )
            }
        };
        if !troubled {
            self.trouble.remove(&site);
            return;
        }
        let tries = self.trouble.get(&site).map_or(0, |t| t.tries);
        // Soon after the first time, then after 1, 2, 4, 8, 15 s.
        let pause = match tries {
            0 => Duration::from_millis(200),
            n => Duration::from_secs(1 << (n - 1).min(4)).min(Duration::from_secs(15)),
        };
        self.trouble.insert(site, Trouble { tries: tries + 1, again: Instant::now() + pause });
    }

    /// The time limit: sites in trouble go out of all outcomes. Says whether that changed anything.
    fn give_up(&mut self) -> bool {
        let mut sites: Vec<SiteId> = self.trouble.keys().copied().filter(|s| !self.busy.contains(*s)).collect();
        sites.retain(|s| self.pursuit.belief(*s).is_some_and(|b| !b.out));
        sites.retain(|s| self.pursuit.observe(*s, Observation::GivenUp).is_ok());
        !sites.is_empty()
    }

    async fn stop_owing(mut self, working: Working<E>) -> Option<Owed> {
        let owed = self.pursuit.owed();
        if self.tell.is_none() {
            return Some(Owed { key: self.key, sites: owed });
        }
        // `tell` is not yet told: the operation itself is what is owed.
        self.pursuit.crash();
        self.stop(Ended::Unsettled(owed), working).await
    }

    async fn stop(mut self, ended: Ended, working: Working<E>) -> Option<Owed> {
        drop(working);
        let owed = self.pursuit.owed();
        let effects = std::mem::take(&mut self.effects);
        self.tell(Told { ended, effects });
        Some(Owed { key: self.key, sites: owed }).filter(|o| !o.sites.is_empty())
    }
}
