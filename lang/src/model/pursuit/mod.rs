//! The pursuit of a placement: from what the journal says of each site to what is done next.
//!
//! One pure state machine. The runner asks what is [due](Pursuit::due), journals and takes those actions, tells
//! the pursuit that they were [issued](Pursuit::issued) and what was [observed](Pursuit::observe), and asks again.
//! The decision looks at beliefs and goal alone, so a crash only turns awaited answers into lost ones
//! ([`Pursuit::crash`]), and a run that is resumed goes on as if nothing had happened.
//!
//! What is promised, for every history of lost answers, late requests and crashes: once `done W` is told, W is
//! there and the placement is true; no site ever has two effects; and whatever exists or may still come is in the
//! verdict or still owed ([`Pursuit::standing`]).

mod belief;
mod decide;
mod recall;
mod record;

use std::fmt;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

pub use belief::{Belief, Observation, State};
use decide::{Aim, Beliefs, Step};
pub use recall::Mark;

use super::minimal::Tangled;
use super::placement::Placement;
use super::set::SiteSet;
use super::site::SiteId;
use crate::mutant::{Mutant, is_on};

/// How a silent site is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fence {
    /// Something that only this request needs is destroyed; then a probe is certain.
    #[default]
    Ticket,
    /// Two answered probes, a quiet time apart: certain if a site that answers works off what it had received.
    Quiet,
    /// None: a silent site is never closed.
    None,
    /// None either; but after a probe that finds nothing it counts as absent, and is watched.
    Watch,
}

/// Whether another outcome may be sent to while a stray of the last one is still there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    #[default]
    Never,
    /// Send first and undo afterwards: sooner at the second site, for a while at both.
    Brief,
}

/// What kind of operation is pursued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rules {
    pub fence: Fence,
    #[serde(default)]
    pub overlap: Overlap,
    /// The site keeps the name unique: it may be sent to again unclosed, the second answers "exists".
    #[serde(default)]
    pub keyed: bool,
    /// Undo goes by name, not by the site's own id, or puts back what was: a late undo may take away a later effect.
    #[serde(default)]
    pub by_name: bool,
    /// What is sent may be sent again by who carries it, where no answer comes.
    #[serde(default)]
    pub repeats: bool,
    /// Any site may have the effect from an earlier run, so every site is probed first.
    #[serde(default)]
    pub ensure: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Journal, sync, then send the request. At a site that is cut off: when it is back.
    Send(SiteId),
    /// Look, by a consistent read, for everything that carries the key.
    Probe(SiteId),
    /// Destroy the ticket and have that acknowledged.
    Fence(SiteId),
    /// Probe twice, the quiet time apart.
    Quiet(SiteId),
    /// Journal, sync, then undo. Where an undo was refused: on the next resume.
    Undo(SiteId),
    /// Journal and sync the verdict, then tell it.
    Done(SiteSet),
    /// Journal that no outcome is left; from now on nothing of the operation is sent.
    Abandon,
    /// Journal and sync, then tell that all is undone.
    Failed,
}

/// What the pursuit is at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Goal {
    Pursuing,
    Failing,
    Failed,
    Done(SiteSet),
}

/// How an operation stands, for the report.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Under way, and nothing is in doubt.
    Open,
    /// Under way, and if it stopped here, something would be owed at these sites.
    Unsettled { owed: SiteSet },
    /// No outcome is left; these sites are still to be closed and undone.
    Failing { owed: SiteSet },
    /// Told: nothing of it is there. What is owed is only watched.
    Failed { owed: SiteSet },
    /// Told: in effect at `outcome`. The sites owed are still to be tidied; nothing waits for them.
    Done { outcome: SiteSet, owed: SiteSet },
}

/// Something was said to have happened that cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Impossible {
    /// The placement does not speak of this site.
    ForeignSite(SiteId),
    Observation {
        site: SiteId,
        state: State,
        observation: Observation,
    },
    Action(Action),
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Impossible::ForeignSite(site) => write!(f, "site {} is not in the placement", site.0),
            Impossible::Observation { site, state, observation } => {
                write!(f, "site {} cannot be observed as {observation:?} while it is {state:?}", site.0)
            }
            Impossible::Action(action) => write!(f, "{action:?} is not possible now"),
        }
    }
}

impl std::error::Error for Impossible {}

/// What was sent there, and nobody knows what came of it.
const UNHEARD: [State; 3] = [State::Open, State::Soft, State::Shut];

/// One operation, pursued.
#[derive(Clone, Debug)]
pub struct Pursuit {
    placement: Placement,
    preference: Vec<SiteId>,
    rules: Rules,
    goal: Goal,
    beliefs: Beliefs,
    /// Sites where a probe or a fence is out. Not part of the state that decides: it only keeps `due` from
    /// repeating what is under way.
    asked: SiteSet,
    /// Sites that an earlier runner sent to and stopped before it knew more: until they are looked at they are no less
    /// preferred than one whose answer is awaited. Not part of what is believed: it only orders the outcomes.
    expected: SiteSet,
    aim: Aim,
}

impl Pursuit {
    /// A pursuit of which nothing has been done. Sites that `preference` does not name come last, in written
    /// order. An error where the placement is too tangled to be searched, which `satisfiability` tells earlier.
    pub fn new(placement: Placement, preference: Vec<SiteId>, rules: Rules) -> Result<Pursuit, Tangled> {
        let aim = Aim::of(&placement, &preference);
        aim.outcomes.first(&SiteSet::new(), &SiteSet::new(), None)?;
        let state = if rules.ensure { State::Shut } else { State::New };
        let beliefs = Beliefs::all(aim.outcomes.order().len(), Belief { state, ..Belief::default() });
        Ok(Pursuit {
            placement,
            preference,
            rules,
            goal: Goal::Pursuing,
            beliefs,
            asked: SiteSet::new(),
            expected: SiteSet::new(),
            aim,
        })
    }

    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// The belief about a site of the placement.
    pub fn belief(&self, site: SiteId) -> Option<Belief> {
        self.aim.outcomes.rank_of(site).map(|rank| self.beliefs.get(rank))
    }

    /// The verdict, once told.
    pub fn outcome(&self) -> Option<SiteSet> {
        match &self.goal {
            Goal::Done(outcome) => Some(self.aim.outcomes.sites_of(outcome)),
            _ => None,
        }
    }

    /// The outcome that is aimed at now; none once a verdict is told, or where no outcome is left.
    pub fn wanted(&self) -> Option<SiteSet> {
        if self.goal != Goal::Pursuing {
            return None;
        }
        let wanted = decide::wanted(&self.aim, &self.beliefs, &self.expected, &self.rules);
        wanted.map(|ranks| self.aim.outcomes.sites_of(&ranks))
    }

    /// The decision: all that beliefs and goal call for, in order of preference, whether or not it is already
    /// being done. Nothing means wait. A placement that became too tangled to search waits for ever, and is
    /// reported unsettled.
    pub fn actions(&self) -> Vec<Action> {
        self.actions_that(usize::MAX, |_| true)
    }

    /// The first of them, at most so many, that somebody is ready for.
    pub fn actions_that(&self, most: usize, ready: impl Fn(&Action) -> bool) -> Vec<Action> {
        let mut actions = Vec::new();
        let site = |rank: SiteId| self.aim.outcomes.order()[rank.index()];
        let named = |step| match step {
            Step::Send(rank) => Action::Send(site(rank)),
            Step::Probe(rank) => Action::Probe(site(rank)),
            Step::Fence(rank) => Action::Fence(site(rank)),
            Step::Quiet(rank) => Action::Quiet(site(rank)),
            Step::Undo(rank) => Action::Undo(site(rank)),
            Step::Done(ranks) => Action::Done(self.aim.outcomes.sites_of(&ranks)),
            Step::Abandon => Action::Abandon,
            Step::Failed => Action::Failed,
        };
        let mut take = |step| {
            let action = named(step);
            if ready(&action) {
                actions.push(action);
            }
            if actions.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        // What is too tangled has none.
        let _ = decide::decide(&self.aim, &self.beliefs, &self.expected, &self.goal, &self.rules, &mut take);
        actions
    }

    /// The actions, without the probes and fences that are out.
    pub fn due(&self) -> Vec<Action> {
        let mut actions = self.actions();
        actions.retain(|action| match action {
            Action::Probe(site) | Action::Fence(site) | Action::Quiet(site) => {
                !self.aim.outcomes.rank_of(*site).is_some_and(|rank| self.asked.contains(rank))
            }
            _ => true,
        });
        actions
    }

    /// The action is journaled and on its way (or told, for `Done`, `Abandon` and `Failed`).
    pub fn issued(&mut self, action: &Action) -> Result<(), Impossible> {
        let impossible = || Impossible::Action(action.clone());
        match action {
            Action::Send(site)
            | Action::Probe(site)
            | Action::Fence(site)
            | Action::Quiet(site)
            | Action::Undo(site) => {
                let rank = self.rank(*site)?;
                let may_send = self.goal == Goal::Pursuing || is_on(Mutant::SendsWhenBack);
                if matches!(action, Action::Send(_)) && !may_send {
                    return Err(impossible());
                }
                let belief = self.beliefs.get(rank).after(action, &self.rules).ok_or_else(impossible)?;
                self.beliefs.set(rank, belief);
                match belief.state.is_awaited() {
                    true => self.asked.remove(rank),
                    false => self.asked.insert(rank),
                };
            }
            Action::Done(outcome) => {
                let ranks = self.aim.outcomes.ranks_of(outcome);
                let there = self.beliefs.among(&[State::There, State::Stuck]);
                if self.goal != Goal::Pursuing || ranks.len() != outcome.len() || !ranks.is_subset(&there) {
                    return Err(impossible());
                }
                self.goal = Goal::Done(ranks);
            }
            Action::Abandon if self.goal == Goal::Pursuing => self.goal = Goal::Failing,
            Action::Failed if self.goal == Goal::Failing => self.goal = Goal::Failed,
            Action::Abandon | Action::Failed => return Err(impossible()),
        }
        Ok(())
    }

    /// Something was learned about a site.
    pub fn observe(&mut self, site: SiteId, observation: Observation) -> Result<(), Impossible> {
        let rank = self.rank(site)?;
        let belief = self.beliefs.get(rank);
        let Some(seen) = belief.seen(observation) else {
            return Err(Impossible::Observation { site, state: belief.state, observation });
        };
        self.beliefs.set(rank, seen);
        self.asked.remove(rank);
        let silent = matches!(observation, Observation::Silent | Observation::Unreachable);
        if silent || seen.out || !UNHEARD.contains(&seen.state) {
            self.expected.remove(rank);
        }
        Ok(())
    }

    /// A runner that stopped sent to these sites: where it is not known what came of it, that is to be looked for before
    /// anything else is gone for.
    pub fn expect(&mut self, sites: &SiteSet) {
        let out = |rank: SiteId| self.beliefs.get(rank).out;
        let unheard = self.beliefs.among(&UNHEARD).intersection(&self.aim.outcomes.ranks_of(sites));
        self.expected = unheard.iter().filter(|rank| !out(*rank)).collect();
    }

    /// The site does not answer, or what may still come there has been waited for long enough.
    pub fn expect_no_more(&mut self, site: SiteId) {
        if let Some(rank) = self.aim.outcomes.rank_of(site) {
            self.expected.remove(rank);
        }
    }

    /// Where an earlier runner sent to, and this one has yet to learn what came of it.
    pub fn expected(&self) -> SiteSet {
        self.aim.outcomes.sites_of(&self.expected)
    }

    /// Sets what the journal says of a site: for a runner that finds a site's belief written down rather than the
    /// observations that led to it.
    pub fn believe(&mut self, site: SiteId, belief: Belief) -> Result<(), Impossible> {
        let rank = self.rank(site)?;
        self.beliefs.set(rank, belief);
        self.asked.remove(rank);
        Ok(())
    }

    /// The runner stopped: awaited answers will not be heard, and nothing is out any more.
    pub fn crash(&mut self) {
        for rank in &self.beliefs.among(&[State::Sent, State::Undoing, State::Again]) {
            self.beliefs.set(rank, self.beliefs.get(rank).crashed(&self.rules));
        }
        self.asked = SiteSet::new();
    }

    pub fn standing(&self) -> Standing {
        let mut open = SiteSet::below(self.beliefs.len());
        open.subtract(&self.beliefs.among(&[State::New, State::Cut]));
        let owed = |open: &SiteSet| self.aim.outcomes.sites_of(open);
        match &self.goal {
            Goal::Done(outcome) => {
                open.subtract(outcome);
                open.subtract(&self.aim.spared(outcome, &self.beliefs));
                Standing::Done { outcome: self.aim.outcomes.sites_of(outcome), owed: owed(&open) }
            }
            Goal::Failed => Standing::Failed { owed: owed(&open) },
            Goal::Failing => Standing::Failing { owed: owed(&open) },
            Goal::Pursuing => {
                let doubtful = [State::Open, State::Soft, State::Shut, State::Lost, State::Stuck];
                match self.beliefs.among(&doubtful).is_empty() {
                    true => Standing::Open,
                    false => Standing::Unsettled { owed: owed(&open) },
                }
            }
        }
    }

    /// The sites where something is, or may still come, that no verdict covers.
    pub fn owed(&self) -> SiteSet {
        match self.standing() {
            Standing::Done { owed, .. }
            | Standing::Unsettled { owed }
            | Standing::Failing { owed }
            | Standing::Failed { owed } => owed,
            Standing::Open => {
                let mut open = SiteSet::below(self.beliefs.len());
                open.subtract(&self.beliefs.among(&[State::New, State::Cut]));
                self.aim.outcomes.sites_of(&open)
            }
        }
    }

    fn rank(&self, site: SiteId) -> Result<SiteId, Impossible> {
        self.aim.outcomes.rank_of(site).ok_or(Impossible::ForeignSite(site))
    }
}
