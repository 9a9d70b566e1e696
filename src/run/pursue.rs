//! From decisions to deeds: does what the pursuit asks for, at all sites at once, and tells it what was seen.
//!
//! The pursuit decides from what is believed and has no sense of time; the clocks are here. A site in trouble (silent or
//! unreachable) is tried again after growing pauses; at the time limit it is given up, or the operation stops and says
//! what is owed where. The hard idea: nothing in this file decides anything about the placement.

use super::Run;
use super::event::EventKind;
use super::journal::Entry;
use edge_lang::eval::{Key, Unreachable};
use edge_lang::model::{Action, Observation, Pursuit, SiteId, SiteSet, Standing, State};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// What the pursuit asks of one site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Send,
    /// Look for it, and see it through if it is there.
    Probe,
    /// Look for it, only to remove it.
    Look,
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
    /// Whether there is something to give back.
    fn holds(&self) -> bool;
    /// Asking the site again would come to the same.
    fn is_hopeless(&self) -> bool;
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
    pub effects: BTreeMap<SiteId, E>,
    /// Outside of the outcome, where it is not known whether something is there.
    pub unknown: SiteSet,
}

/// An undo that is refused so often is left as a debt.
const REFUSALS: u32 = 3;

struct Trouble {
    tries: u32,
    again: Instant,
    /// A request that changes something waits also when the site has answered others since.
    send: Instant,
}

struct Chase<E, M> {
    run: Arc<Run>,
    key: Key,
    pursuit: Pursuit,
    make: M,
    patience: Patience,
    effects: BTreeMap<SiteId, E>,
    trouble: BTreeMap<SiteId, Trouble>,
    /// Sites that were in trouble and have not done what they were asked since.
    suspects: SiteSet,
    /// Sites that have been asked once.
    looked: SiteSet,
    /// Sites that were asked to change something. With `ensure` all others are unknown too, and owe us nothing.
    touched: SiteSet,
    /// How often an undo was refused.
    refusals: BTreeMap<SiteId, u32>,
    busy: SiteSet,
    debtor: u64,
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
        effects: BTreeMap::new(),
        trouble: BTreeMap::new(),
        suspects: SiteSet::new(),
        looked: SiteSet::new(),
        touched: SiteSet::new(),
        refusals: BTreeMap::new(),
        busy: SiteSet::new(),
        debtor: run.debtor(),
        tell: Some(tell),
    };
    run.background(chase.go());
    match told.await {
        Ok(told) => told,
        // The task ended without a word: only if the process is going down.
        Err(_) => Told { ended: Ended::Interrupted(SiteSet::new()), effects: BTreeMap::new(), unknown: SiteSet::new() },
    }
}

impl<E: Effect, M: Fn(SiteId) -> E + Send + 'static> Chase<E, M> {
    async fn go(mut self) {
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
            if self.tell.is_none() {
                let owed = self.owed();
                let settled = owed.is_empty() && working.is_empty();
                self.run.owe(self.debtor, &self.key, owed);
                if settled {
                    return self.release().await;
                }
            }
            let now = Instant::now();
            if now >= limit && gives_up && self.give_up() {
                continue;
            }
            let idle = working.is_empty();
            if idle && now >= end {
                return self.stop_owing(working).await;
            }
            let idling = self.trouble.iter().filter(|(s, _)| !self.busy.contains(**s));
            let retry = idling.flat_map(|(_, t)| [t.again, t.send]).filter(|t| *t > now).min();
            let wake = [
                retry,
                Some(limit).filter(|limit| gives_up && *limit > now && !self.suspects.is_empty()),
                Some(end).filter(|_| idle && !self.trouble.is_empty()),
            ];
            let wake = wake.into_iter().flatten().min();
            if idle && wake.is_none() {
                return self.stop_owing(working).await;
            }
            let run = self.run.clone();
            tokio::select! {
                // In order, so that a simulated run repeats.
                biased;
                Some((site, effect, seen)) = working.next(), if !idle => self.take_in(site, effect, seen),
                () = tokio::time::sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
                () = run.interrupted() => {
                    drop(working);
                    self.pursuit.crash();
                    let mut owed = self.owed();
                    owed.extend(self.effects.iter().filter(|(_, e)| e.holds()).map(|(s, _)| *s));
                    return self.stop(Ended::Interrupted(owed), FuturesUnordered::new()).await;
                }
            }
        }
    }

    /// Starts every deed that is due, and tells the verdict when there is one.
    async fn start_what_is_due(&mut self, working: &mut Working<E>) -> Result<(), String> {
        'again: loop {
            let now = Instant::now();
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
                let due = |t: &Trouble| if deed == Deed::Send { t.again.max(t.send) } else { t.again };
                let waits = self.trouble.get(&site).is_some_and(|t| due(t) > now);
                if self.busy.contains(site) || waits || working.len() >= self.patience.parallel {
                    continue;
                }
                if deed == Deed::Send && self.pursuit.rules().ensure && !self.has_looked() {
                    continue;
                }
                // A refused undo is a debt, which this run does not press for ever.
                if deed == Deed::Undo && self.refusals.get(&site).is_some_and(|n| *n >= REFUSALS) {
                    continue;
                }
                let deed = if deed == Deed::Probe && self.is_unwanted(site) { Deed::Look } else { deed };
                self.pursuit.issued(&action).map_err(|e| e.to_string())?;
                self.busy.insert(site);
                if matches!(deed, Deed::Send | Deed::Undo) {
                    self.touched.insert(site);
                }
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
                let of_outcome = |site: &SiteId| outcome.contains(*site);
                let sites: Vec<SiteId> = self.effects.keys().copied().filter(of_outcome).collect();
                let effects = sites.into_iter().filter_map(|s| Some((s, self.effects.remove(&s)?))).collect();
                let owed = self.owed();
                let unknown = self.unknown(&outcome);
                if !owed.is_empty() {
                    self.run.events.emit(Some(&self.key), EventKind::Tidying { sites: owed.clone() });
                    self.run.owe(self.debtor, &self.key, owed);
                }
                // Tidying, of what was copied for other sites too, is waited for by nobody.
                self.tell(Told { ended: Ended::Done(outcome), effects, unknown });
            }
            Some(ended) => {
                self.release().await;
                let effects = std::mem::take(&mut self.effects);
                self.tell(Told { ended, effects, unknown: SiteSet::new() });
            }
            None => {}
        }
        Ok(true)
    }

    /// Gives back what was made on behalf of effects that are not there.
    async fn release(&mut self) {
        for effect in self.effects.values_mut() {
            effect.release().await;
        }
    }

    /// `ensure` looks everywhere before it makes anything: where the placement holds, nothing is sent.
    fn has_looked(&mut self) -> bool {
        self.looked.len() == self.pursuit.placement().sites().len()
    }

    /// What is found there will be removed.
    fn is_unwanted(&self, site: SiteId) -> bool {
        let out = self.pursuit.belief(site).is_some_and(|b| b.out);
        out || !matches!(self.pursuit.standing(), Standing::Open | Standing::Unsettled { .. })
    }

    fn unknown(&self, outcome: &SiteSet) -> SiteSet {
        let doubtful = |site: &SiteId| {
            let state = self.pursuit.belief(*site).map(|b| b.state);
            use State::*;
            matches!(state, Some(Open | Soft | Shut | Sent | Lost | Again))
        };
        self.pursuit.placement().sites().difference(outcome).iter().filter(doubtful).collect()
    }

    fn tell(&mut self, told: Told<E>) {
        if let Some(tell) = self.tell.take() {
            // Nobody listens any more only when the process is going down.
            let _ = tell.send(told);
        }
    }

    fn take_in(&mut self, site: SiteId, effect: E, seen: Seen) {
        self.busy.remove(site);
        self.looked.insert(site);
        let hopeless = effect.is_hopeless();
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
            if matches!(seen, Seen::Observed(Observation::Done | Observation::Found)) {
                self.suspects.remove(site);
                self.trouble.remove(&site);
            } else if let Some(trouble) = self.trouble.get_mut(&site) {
                trouble.again = Instant::now();
            }
            return;
        }
        if hopeless {
            // It must still be closed, and is not asked again. Where a probe found it, it is not hopeless.
            let _ = self.pursuit.observe(site, Observation::GivenUp);
        }
        self.suspects.insert(site);
        if seen == Seen::Observed(Observation::UndoRefused) {
            let refusals = self.refusals.entry(site).or_default();
            *refusals += 1;
            if *refusals >= REFUSALS {
                self.trouble.remove(&site);
                return;
            }
        }
        let tries = self.trouble.get(&site).map_or(0, |t| t.tries);
        // Soon after the first time, then after 1, 2, 4, 8, 15 s.
        let pause = match tries {
            0 => Duration::from_millis(200),
            n => Duration::from_secs(1 << (n - 1).min(4)).min(Duration::from_secs(15)),
        };
        let again = Instant::now() + pause;
        self.trouble.insert(site, Trouble { tries: tries + 1, again, send: again });
    }

    /// The time limit: sites in trouble go out of all outcomes. Says whether that changed anything.
    fn give_up(&mut self) -> bool {
        let mut sites: Vec<SiteId> = self.suspects.difference(&self.busy).iter().collect();
        sites.retain(|s| self.pursuit.belief(*s).is_some_and(|b| !b.out));
        sites.retain(|s| self.pursuit.observe(*s, Observation::GivenUp).is_ok());
        !sites.is_empty()
    }

    async fn stop_owing(mut self, working: Working<E>) {
        let owed = self.owed();
        let closed = self.effects.iter_mut().filter(|(site, _)| !owed.contains(**site));
        for (_, effect) in closed {
            effect.release().await;
        }
        if self.tell.is_none() {
            return;
        }
        // `tell` is not yet told: the operation itself is what is owed.
        self.pursuit.crash();
        self.stop(Ended::Unsettled(owed), working).await
    }

    /// Where something of this run is, or may still come, that no verdict covers.
    fn owed(&self) -> SiteSet {
        self.pursuit.owed().intersection(&self.touched)
    }

    async fn stop(mut self, ended: Ended, working: Working<E>) {
        drop(working);
        let owed = match &ended {
            Ended::Unsettled(owed) | Ended::Interrupted(owed) => owed.clone(),
            _ => self.owed(),
        };
        self.run.owe(self.debtor, &self.key, owed);
        let effects = std::mem::take(&mut self.effects);
        self.tell(Told { ended, effects, unknown: SiteSet::new() });
    }
}
