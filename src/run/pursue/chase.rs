//! The loop around a pursuit, and its clocks.

use super::super::Run;
use super::super::journal::{Entry, Id, Part};
use super::{Deed, Effect, Ended, Left, Patience, Seen, Told};
use edge_lang::eval::Unreachable;
use edge_lang::model::{Action, Belief, Observation, Pursuit, SiteId, SiteSet, Standing, State};
use edge_lang::mutant::{Mutant, is_on};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// An undo that is refused so often is left as a debt.
const REFUSALS: u32 = 3;

pub(super) struct Trouble {
    tries: u32,
    again: Instant,
    /// A request that changes something waits also when the site has answered others since.
    send: Instant,
}

pub(super) struct Chase<E, M> {
    pub run: Arc<Run>,
    pub id: Id,
    pub title: String,
    pub pursuit: Pursuit,
    make: M,
    pub patience: Patience,
    pub effects: BTreeMap<SiteId, E>,
    trouble: BTreeMap<SiteId, Trouble>,
    /// Sites that were in trouble and have not done what they were asked since.
    suspects: SiteSet,
    /// Those of them where nothing was sent, because something else comes first.
    behind: SiteSet,
    /// Sites that have been asked once.
    looked: SiteSet,
    /// Sites that were asked to change something. With `ensure` all others are unknown too, and owe us nothing.
    pub touched: SiteSet,
    /// How often an undo was refused.
    refusals: BTreeMap<SiteId, u32>,
    busy: SiteSet,
    pub debtor: u64,
    pub tell: Option<oneshot::Sender<Told<E>>>,
    /// The program went on without it.
    pub deferred: bool,
    /// An earlier runner's program did.
    pub holding: bool,
    /// It has failed, and others go first.
    pub doomed: bool,
}

pub(super) type Working<E> = FuturesUnordered<BoxFuture<'static, (SiteId, E, Seen)>>;

/// None where the whole operation is meant.
fn deed_of(action: &Action) -> Option<(SiteId, Deed)> {
    match action {
        Action::Send(site) => Some((*site, Deed::Send)),
        Action::Probe(site) => Some((*site, Deed::Probe)),
        Action::Fence(site) => Some((*site, Deed::Fence)),
        Action::Quiet(site) => Some((*site, Deed::Quiet)),
        Action::Undo(site) => Some((*site, Deed::Undo)),
        Action::Done(_) | Action::Failed | Action::Abandon => None,
    }
}

/// Until when.
struct Clocks {
    /// When sites in trouble are given up, or the operation is deferred.
    limit: Instant,
    /// When it stops.
    end: Option<Instant>,
    gives_up: bool,
}

impl<E: Effect, M: Fn(SiteId) -> E + Send + 'static> Chase<E, M> {
    pub fn new(
        run: Arc<Run>,
        (id, title): (Id, String),
        left: Left<E>,
        make: M,
        patience: Patience,
        tell: oneshot::Sender<Told<E>>,
    ) -> Chase<E, M> {
        let Left { standing: (pursuit, touched), effects } = left;
        Chase {
            id,
            title,
            pursuit,
            make,
            patience,
            trouble: BTreeMap::new(),
            suspects: SiteSet::new(),
            behind: SiteSet::new(),
            looked: effects.keys().copied().collect(),
            effects,
            touched,
            refusals: BTreeMap::new(),
            busy: SiteSet::new(),
            debtor: run.debtor(),
            tell: Some(tell),
            deferred: false,
            holding: false,
            doomed: false,
            run,
        }
    }

    pub fn holding(self, holding: bool) -> Chase<E, M> {
        let holding = holding && !self.pursuit.is_failing();
        Chase { holding, ..self }
    }

    pub fn without_waiting_for(mut self, silent: &SiteSet) -> Chase<E, M> {
        self.looked = self.looked.union(silent);
        self
    }

    pub async fn go(mut self) {
        let mut working: Working<E> = FuturesUnordered::new();
        let mut clocks = self.clocks();
        let mut told = false;
        let mut stopping = false;
        self.tell_again();
        loop {
            // Also where what was in flight has ended for that reason: nothing else is begun then.
            stopping |= self.run.is_interrupted();
            if !stopping && let Err(why) = self.start_what_is_due(&mut working).await {
                return self.stop(Ended::Unjournaled(why), working).await;
            }
            if self.doomed {
                self.run.note_doomed();
                stopping = true;
            }
            if !told && self.pursuit.is_told() {
                // From here on only tidying, with a time of its own.
                told = true;
                let now = Instant::now();
                clocks = Clocks { limit: now, end: Some(now + self.patience.closing), gives_up: false };
            }
            if self.tell.is_none() {
                self.owe();
                if self.pursuit.is_told() && self.owed().is_empty() && working.is_empty() {
                    return self.release().await;
                }
            }
            let now = Instant::now();
            if now >= clocks.limit && self.expect_nothing_more() {
                continue;
            }
            if now >= clocks.limit && clocks.gives_up && self.give_up() {
                continue;
            }
            let idle = working.is_empty();
            if idle && stopping {
                return self.stop_interrupted().await;
            }
            if idle && self.is_put_off(now >= clocks.limit) {
                self.defer();
                clocks.end = None;
                continue;
            }
            if idle && clocks.end.is_some_and(|end| now >= end) {
                return self.stop_owing(working).await;
            }
            let idling = self.trouble.iter().filter(|(s, _)| !self.busy.contains(**s));
            let retry = idling.flat_map(|(_, t)| [t.again, t.send]).filter(|t| *t > now).min();
            let limits = clocks.gives_up || self.may_defer();
            let wake = [
                retry.filter(|_| !stopping),
                Some(clocks.limit).filter(|limit| limits && *limit > now && !self.suspects.is_empty()),
                Some(clocks.limit).filter(|limit| *limit > now && !self.pursuit.expected().is_empty()),
                clocks.end.filter(|_| idle && !self.trouble.is_empty()),
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
                () = run.interrupted(), if !stopping => stopping = true,
                () = tokio::time::sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
            }
        }
    }

    fn clocks(&self) -> Clocks {
        let limit = Instant::now() + self.patience.limit;
        match self.patience.unreachable {
            // What it is at the limit is what it is left at.
            Unreachable::Defer => Clocks { limit, end: Some(limit), gives_up: false },
            _ => Clocks { limit, end: Some(limit + self.patience.closing), gives_up: true },
        }
    }

    /// Starts every deed that is due, and tells the verdict when there is one.
    async fn start_what_is_due(&mut self, working: &mut Working<E>) -> Result<(), String> {
        'again: loop {
            let now = Instant::now();
            let room = self.patience.parallel.saturating_sub(working.len());
            let sends = !self.pursuit.rules().ensure || self.has_looked();
            let ready = |action: &Action| match deed_of(action) {
                Some((_, Deed::Send)) if !sends => false,
                Some((site, deed)) => room > 0 && self.is_ready(site, deed, now),
                None => true,
            };
            for action in self.pursuit.actions_that(room.max(1), ready) {
                let Some((site, deed)) = deed_of(&action) else {
                    if self.conclude(&action).await? {
                        continue 'again;
                    }
                    continue;
                };
                let deed = if deed == Deed::Probe && self.is_unwanted(site) { Deed::Look } else { deed };
                self.pursuit.issued(&action).map_err(|e| e.to_string())?;
                self.busy.insert(site);
                let mut effect = self.effects.remove(&site).unwrap_or_else(|| (self.make)(site));
                let behind = match deed {
                    Deed::Send => effect.waits_for().or_else(|| self.comes_first(effect.at())),
                    _ => None,
                };
                match &behind {
                    Some(_) => self.behind.insert(site),
                    None => self.behind.remove(site),
                };
                if behind.is_none() && matches!(deed, Deed::Send | Deed::Undo) {
                    self.touched.insert(site);
                }
                working.push(Box::pin(async move {
                    let seen = match behind {
                        Some(why) => {
                            effect.put_off(why);
                            Seen::Observed(Observation::Unreachable)
                        }
                        None => effect.act(deed).await,
                    };
                    (site, effect, seen)
                }));
            }
            return Ok(());
        }
    }

    fn is_ready(&self, site: SiteId, deed: Deed, now: Instant) -> bool {
        let due = |t: &Trouble| if deed == Deed::Send { t.again.max(t.send) } else { t.again };
        let waits = self.trouble.get(&site).is_some_and(|t| due(t) > now);
        // A refused undo is a debt, which this run does not press for ever.
        let is_debt = deed == Deed::Undo && self.refusals.get(&site).is_some_and(|n| *n >= REFUSALS);
        !(self.busy.contains(site) || waits || is_debt)
    }

    /// What was deferred earlier comes first; a copy is part of the operation that it is made for.
    fn comes_first(&self, at: SiteId) -> Option<String> {
        match self.id.part {
            Part::Layer(_) => self.run.comes_first(at, self.debtor),
            Part::Copy { .. } => None,
        }
    }

    /// `ensure` looks everywhere before it makes anything: where the placement holds, nothing is sent.
    fn has_looked(&self) -> bool {
        self.looked.len() == self.pursuit.placement().sites().len()
    }

    /// What is found there will be removed.
    fn is_unwanted(&self, site: SiteId) -> bool {
        let out = self.pursuit.belief(site).is_some_and(|b| b.out);
        out || !matches!(self.pursuit.standing(), Standing::Open | Standing::Unsettled { .. })
    }

    fn take_in(&mut self, site: SiteId, mut effect: E, seen: Seen) {
        if effect.take_repeated()
            && let Err(impossible) = self.pursuit.observe(site, Observation::Repeated)
        {
            tracing::error!(target: "edge", "{impossible}");
        }
        self.busy.remove(site);
        self.looked.insert(site);
        let hopeless = effect.is_hopeless();
        let left_all = effect.left_all();
        self.effects.insert(site, effect);
        let troubled = match seen {
            Seen::Nothing => true,
            Seen::Observed(observation) => {
                let taken = self.pursuit.observe(site, observation);
                if observation == Observation::Undone && left_all {
                    self.nothing_left(site);
                }
                self.note_closed(site, observation);
                match &taken {
                    Ok(()) => self.note(site, observation),
                    // A mistake of ours; the belief stays, and what it calls for is done again.
                    Err(impossible) => tracing::error!(target: "edge", "{impossible}"),
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
            if self.pursuit.observe(site, Observation::GivenUp).is_ok() {
                self.note(site, Observation::GivenUp);
            }
        }
        self.suspects.insert(site);
        self.pursuit.expect_no_more(site);
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

    /// `ensure` left what it had found, and never sent anything there: no undo that was lost can still take it away, and
    /// what a probe finds there is no effect.
    fn nothing_left(&mut self, site: SiteId) {
        let belief = self.pursuit.belief(site).unwrap_or_default();
        if belief.state == State::Soft {
            let closed = Belief { state: State::New, loose: false, ..belief };
            // The site is one of the placement.
            let _ = self.pursuit.believe(site, closed);
        }
    }

    /// The time limit: what an earlier runner sent and nobody found so far is not waited for any more. Says whether that
    /// changed anything. What was found is getting ready, and has a time of its own.
    fn expect_nothing_more(&mut self) -> bool {
        let mut sites: Vec<SiteId> = self.pursuit.expected().iter().collect();
        sites.retain(|s| self.pursuit.belief(*s).is_some_and(|b| b.state == State::Soft));
        sites.iter().for_each(|site| self.pursuit.expect_no_more(*site));
        !sites.is_empty()
    }

    /// The time limit: sites in trouble go out of all outcomes. Says whether that changed anything.
    fn give_up(&mut self) -> bool {
        let mut sites: Vec<SiteId> = self.suspects.difference(&self.busy).iter().collect();
        sites.retain(|s| self.pursuit.belief(*s).is_some_and(|b| !b.out));
        sites.retain(|s| self.pursuit.observe(*s, Observation::GivenUp).is_ok());
        for site in &sites {
            self.note(*site, Observation::GivenUp);
        }
        !sites.is_empty()
    }

    /// As long as an older request may still come, what is found was made or changed by it, and has to go back to what was
    /// there before it; after that, what is found is somebody else's.
    fn note_closed(&mut self, site: SiteId, observation: Observation) {
        use Observation::{Absent, Quiet, Undone, Unreachable};
        let closed = self.pursuit.belief(site).is_some_and(|b| b.state.is_closed());
        if let (true, Absent | Quiet | Undone | Unreachable, Some(effect)) =
            (closed, observation, self.effects.get_mut(&site))
        {
            effect.closed();
        }
    }

    /// What was observed, and what is believed since. If this is lost, the site is merely unknown again.
    fn note(&self, site: SiteId, observation: Observation) {
        let memory = self.effects.get(&site).map(Effect::memory).unwrap_or_default();
        let belief = self.pursuit.belief(site).unwrap_or_default();
        let of = self.id.clone();
        self.run.journal.note(Entry::Seen { of, site, observation, belief, memory: Box::new(memory) });
    }

    fn may_defer(&self) -> bool {
        self.patience.unreachable == Unreachable::Defer && self.tell.is_some() && !self.pursuit.is_failing()
    }

    /// Whether it is time to go on without it: the limit is over, or all that it waits for is not before its turn.
    fn is_put_off(&self, over: bool) -> bool {
        self.may_defer() && !self.suspects.is_empty() && (over || self.suspects.is_subset(&self.behind))
    }

    /// Where something of this run is, or may still come, that no verdict covers.
    pub fn owed(&self) -> SiteSet {
        if is_on(Mutant::DropsDebt) {
            return SiteSet::new();
        }
        self.pursuit.owed().intersection(&self.touched)
    }
}
