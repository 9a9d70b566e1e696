//! The decision: from beliefs and goal to the actions that are due, with no other memory.
//!
//! Everything is a set of sites, so a decision over 100,000 sites is some dozens of walks over words. Sites are
//! ranks throughout, in the order of preference.

use super::belief::{Belief, State};
use super::{Fence, Goal, Overlap, Rules};
use crate::model::form::{Form, Truth};
use crate::model::minimal::{Outcomes, Tangled, first_of};
use crate::model::placement::Placement;
use crate::model::set::SiteSet;
use crate::model::site::SiteId;
use crate::mutant::{Mutant, is_on};
use std::ops::ControlFlow;

/// The beliefs about all sites, by site and by state.
#[derive(Clone, Debug)]
pub(super) struct Beliefs {
    each: Vec<Belief>,
    states: [SiteSet; State::ALL.len()],
    out: SiteSet,
    broken: SiteSet,
}

impl Beliefs {
    pub fn all(count: usize, belief: Belief) -> Beliefs {
        let mut states: [SiteSet; State::ALL.len()] = Default::default();
        let chosen = |on: bool| if on { SiteSet::below(count) } else { SiteSet::new() };
        states[belief.state as usize] = SiteSet::below(count);
        Beliefs { each: vec![belief; count], states, out: chosen(belief.out), broken: chosen(belief.broken) }
    }

    pub fn get(&self, rank: SiteId) -> Belief {
        self.each[rank.index()]
    }

    pub fn set(&mut self, rank: SiteId, belief: Belief) {
        let was = std::mem::replace(&mut self.each[rank.index()], belief);
        if was.state != belief.state {
            self.states[was.state as usize].remove(rank);
            self.states[belief.state as usize].insert(rank);
        }
        for (set, on) in [(&mut self.out, belief.out), (&mut self.broken, belief.broken)] {
            if on {
                set.insert(rank)
            } else {
                set.remove(rank)
            };
        }
    }

    pub fn len(&self) -> usize {
        self.each.len()
    }

    /// The sites in any of these states.
    pub fn among(&self, states: &[State]) -> SiteSet {
        let mut sites = SiteSet::new();
        for &state in states {
            sites.add(&self.states[state as usize]);
        }
        sites
    }
}

/// An action, by rank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Send(SiteId),
    Probe(SiteId),
    Fence(SiteId),
    Quiet(SiteId),
    Undo(SiteId),
    Done(SiteSet),
    Abandon,
    Failed,
}

/// What is pursued: a placement, with what `all but n of` adds to being a proposition.
#[derive(Clone, Debug)]
pub(super) struct Aim {
    pub outcomes: Outcomes,
    /// The sites under `all but n of`, where that is the placement or one of its conjuncts: attempted at all.
    attempted: SiteSet,
    /// The other conjuncts.
    rest: Form,
}

impl Aim {
    pub fn of(placement: &Placement, preference: &[SiteId]) -> Aim {
        let outcomes = Outcomes::of(placement, preference);
        let (mut attempted, mut rest) = (SiteSet::new(), Vec::new());
        part_all_but(placement, &mut attempted, &mut rest);
        let attempted = outcomes.ranks_of(&attempted);
        let rest = match attempted.is_empty() {
            true => Form::of(&Placement::And(Vec::new())),
            false => outcomes.form_of(&Placement::And(rest)),
        };
        Aim { outcomes, attempted, rest }
    }

    /// What was made is taken back, and with it what a verdict would leave.
    pub fn spare_nothing(&mut self) {
        self.attempted = SiteSet::new();
    }

    /// The sites that a verdict leaves as they are although they are not in it: nothing inside `all but n of` is
    /// tidied, except what is broken or has an undo on its way, and what the rest of the placement excludes.
    pub fn spared(&self, verdict: &SiteSet, beliefs: &Beliefs) -> SiteSet {
        let mut spared = self.attempted.difference(verdict);
        spared.subtract(&beliefs.broken);
        spared.subtract(&beliefs.among(&[State::Undoing, State::Lost, State::Again]));
        if !spared.is_empty() && !self.outcomes.form.holds_over(verdict, &spared) {
            spared.subtract(&self.rest.sites);
        }
        spared
    }
}

fn part_all_but(placement: &Placement, attempted: &mut SiteSet, rest: &mut Vec<Placement>) {
    match placement {
        Placement::AllBut(_, set) => attempted.add(set),
        Placement::And(parts) => parts.iter().for_each(|part| part_all_but(part, attempted, rest)),
        _ => rest.push(placement.clone()),
    }
}

/// Takes an action that is due, and says whether more are wanted: of a thousand that are, somebody may have room for one.
pub(super) type Taker<'a> = &'a mut dyn FnMut(Step) -> ControlFlow<()>;

/// The actions that are due, in order of rank. An error where the placement is too tangled to go on. Sites that are
/// `expected` to answer are preferred as if nothing were known against them.
pub(super) fn decide(
    aim: &Aim,
    beliefs: &Beliefs,
    expected: &SiteSet,
    goal: &Goal,
    rules: &Rules,
    take: Taker<'_>,
) -> Result<(), Tangled> {
    match goal {
        Goal::Pursuing => return pursue(aim, beliefs, expected, rules, take),
        Goal::Done(verdict) => {
            let mut kept = verdict.clone();
            kept.add(&aim.spared(verdict, beliefs));
            let _ = tidy(beliefs, &kept, rules, take);
        }
        Goal::Failing => {
            let forgets = is_on(Mutant::ForgetsUndo);
            if !forgets && tidy(beliefs, &SiteSet::new(), rules, take).is_break() {
                return Ok(());
            }
            if is_on(Mutant::SendsWhenBack) {
                beliefs.among(&[State::Cut]).iter().for_each(|rank| _ = take(Step::Send(rank)));
            }
            // What is only watched counts as closed, and is removed all the same.
            if forgets || closed(beliefs, rules).len() == beliefs.len() {
                let _ = take(Step::Failed);
            }
        }
        Goal::Failed => _ = tidy(beliefs, &SiteSet::new(), rules, take),
    }
    Ok(())
}

/// The sites that count as closed: those that are, and with the fence *watch* those that are watched.
fn closed(beliefs: &Beliefs, rules: &Rules) -> SiteSet {
    let mut closed = beliefs.among(&[State::New, State::Cut]);
    closed.add(&watched(beliefs, rules));
    closed
}

fn watched(beliefs: &Beliefs, rules: &Rules) -> SiteSet {
    if rules.fence == Fence::Watch { beliefs.among(&[State::Soft]) } else { SiteSet::new() }
}

/// Close and undo everything but what is kept.
fn tidy(beliefs: &Beliefs, kept: &SiteSet, rules: &Rules, take: Taker<'_>) -> ControlFlow<()> {
    let mut sites = beliefs.among(&[State::There, State::Stuck, State::Open, State::Soft, State::Shut, State::Lost]);
    sites.subtract(kept);
    sites.iter().filter_map(|rank| remove(rank, beliefs.get(rank), rules)).try_for_each(take)
}

/// The next step towards knowing.
fn learn(rank: SiteId, belief: Belief, rules: &Rules) -> Option<Step> {
    match (belief.state, rules.fence) {
        (State::Open | State::Shut, _) => Some(Step::Probe(rank)),
        (State::Soft, Fence::Ticket) => Some(Step::Fence(rank)),
        (State::Soft, Fence::Quiet) => Some(Step::Quiet(rank)),
        (State::Soft, Fence::None | Fence::Watch) => Some(Step::Probe(rank)),
        (State::Lost, _) if is_on(Mutant::KeepsAfterUndo) => Some(Step::Probe(rank)),
        (State::Lost, _) => Some(Step::Undo(rank)),
        _ => None,
    }
}

/// The next step towards absent.
fn remove(rank: SiteId, belief: Belief, rules: &Rules) -> Option<Step> {
    match belief.state {
        State::There | State::Stuck => Some(Step::Undo(rank)),
        _ => learn(rank, belief, rules),
    }
}

/// What the beliefs amount to.
struct Sight {
    there: SiteSet,
    /// There or perhaps there, in an outcome or not.
    present: SiteSet,
    /// Sites that are to be known better before anything is undone.
    unsure: bool,
    pin: SiteSet,
    ban: SiteSet,
    /// Silent and unreachable sites, to be preferred last.
    tired: SiteSet,
}

impl Sight {
    fn of(beliefs: &Beliefs, expected: &SiteSet, rules: &Rules) -> Sight {
        use State::*;
        let watched = watched(beliefs, rules);
        let there = beliefs.among(&[There, Stuck]).difference(&beliefs.out);
        // A broken thing is present too: it has to go.
        let mut present = SiteSet::below(beliefs.len()).difference(&closed(beliefs, rules));
        if is_on(Mutant::UnknownIsAbsent) {
            present.subtract(&beliefs.among(&[Open, Soft]));
        }
        let unsure = beliefs.among(&[Sent, Open, Soft, Shut, Undoing, Lost, Again]);
        let ban = if rules.keyed { beliefs.out.clone() } else { beliefs.out.union(&watched) };
        Sight {
            there,
            present,
            unsure: !unsure.is_subset(&watched),
            pin: beliefs.among(&[Stuck]).difference(&ban),
            ban,
            tired: beliefs.among(&[Open, Soft, Shut, Lost, Cut]).difference(expected),
        }
    }
}

fn pursue(aim: &Aim, beliefs: &Beliefs, expected: &SiteSet, rules: &Rules, take: Taker<'_>) -> Result<(), Tangled> {
    let sight = Sight::of(beliefs, expected, rules);
    if let Some(verdict) = verdict(aim, beliefs, &sight, rules) {
        let _ = take(Step::Done(verdict));
        return Ok(());
    }
    let Some(wanted) = candidate(aim, &sight, rules)? else {
        let _ = take(Step::Abandon);
        return Ok(());
    };
    let form = &aim.outcomes.form;
    let harmless = form.holds_over(&wanted, &sight.present.difference(&wanted)) || is_on(Mutant::Overlaps);
    let mut sites = beliefs.among(&[State::Open, State::Soft, State::Shut, State::Lost]);
    if harmless || rules.overlap == Overlap::Brief {
        sites.add(&beliefs.among(&[State::New, State::Cut]).intersection(&wanted));
    }
    if !harmless {
        sites.add(&beliefs.among(&[State::There, State::Stuck]).difference(&wanted));
    }
    let may_send = harmless || rules.overlap == Overlap::Brief;
    let mut steps = sites.iter().filter_map(|rank| {
        let belief = beliefs.get(rank);
        if wanted.contains(rank) {
            // Not where an older undo by name may still come: it would take away what is made now.
            let again = rules.keyed && !(rules.by_name && belief.loose);
            let sendable = belief.state.is_closed() || again && belief.state == State::Soft;
            return if sendable && may_send { Some(Step::Send(rank)) } else { learn(rank, belief, rules) };
        }
        // Know first: only what is known to be in the way is undone.
        match !harmless && (belief.out || !sight.unsure) {
            true => remove(rank, belief, rules),
            false => learn(rank, belief, rules),
        }
    });
    let _ = steps.try_for_each(take);
    Ok(())
}

/// The outcome that is aimed at; what is too tangled to be searched has none.
pub(super) fn wanted(aim: &Aim, beliefs: &Beliefs, expected: &SiteSet, rules: &Rules) -> Option<SiteSet> {
    candidate(aim, &Sight::of(beliefs, expected, rules), rules).ok().flatten()
}

/// The first minimal outcome that holds over the strays. Where the search for it is given up there is none: then
/// the pursuit learns about the strays first, and only waits longer.
fn first_holding(form: &Form, pin: &SiteSet, ban: &SiteSet, strays: &SiteSet) -> Option<SiteSet> {
    first_of(form, pin, ban, Some(strays)).unwrap_or(None)
}

/// What is there, if the placement is true of it whatever the strays turn out to be: a minimal outcome where one
/// is there in full, else all that is there.
fn verdict(aim: &Aim, beliefs: &Beliefs, sight: &Sight, rules: &Rules) -> Option<SiteSet> {
    let form = &aim.outcomes.form;
    let mut elsewhere = SiteSet::below(beliefs.len()).difference(&sight.there);
    elsewhere.add(&sight.ban);
    if aim.attempted.is_empty() {
        let found = match is_on(Mutant::TidiesEarly) && form.holds_over(&sight.there, &sight.present) {
            true => first_of(form, &sight.pin, &elsewhere, None).unwrap_or(None),
            false => first_holding(form, &sight.pin, &elsewhere, &sight.present),
        };
        if found.is_some() {
            return found;
        }
    } else {
        // Attempted at all: nothing is told while a site that is aimed at has yet to be asked, or to answer.
        let mut waiting = beliefs.among(&[State::New, State::Sent, State::Undoing, State::Again]);
        waiting.subtract(&beliefs.out);
        let waiting = waiting.intersection(&aim.attempted);
        let pin = sight.pin.intersection(&aim.rest.sites);
        if let Some(found) = first_holding(&aim.rest, &pin, &elsewhere, &sight.present)
            && let available = SiteSet::below(beliefs.len()).difference(&sight.ban)
            && aim.widen(&found, &available).is_some_and(|aimed_at| aimed_at.is_disjoint(&waiting))
            && let Some(all) = aim.widen(&found, &sight.there.difference(&sight.ban))
            && form.holds_over(&all, &sight.present.difference(&all))
        {
            return Some(all);
        }
        // Where the rest cannot be had together with enough of the attempted sites, another outcome is aimed at.
        if candidate(aim, sight, rules).ok().flatten().is_none_or(|aimed_at| !aimed_at.is_disjoint(&waiting)) {
            return None;
        }
    }
    let holds = form.holds_over(&sight.there, &sight.present.difference(&sight.there));
    holds.then(|| sight.there.clone())
}

/// The outcome that is aimed at: the first that avoids silent and unreachable sites and that strays cannot spoil,
/// else the first.
fn candidate(aim: &Aim, sight: &Sight, rules: &Rules) -> Result<Option<SiteSet>, Tangled> {
    let form = &aim.outcomes.form;
    let fresh = sight.ban.union(&sight.tired);
    let search = |form: &Form, pin: &SiteSet| {
        let found = match rules.overlap {
            Overlap::Brief => first_of(form, pin, &fresh, None)?,
            Overlap::Never => first_holding(form, pin, &fresh, &sight.present),
        };
        if found.is_some() { Ok(found) } else { first_of(form, pin, &sight.ban, None) }
    };
    let Some(least) = search(form, &sight.pin)? else { return Ok(None) };
    if aim.attempted.is_empty() {
        return Ok(Some(least));
    }
    let mut all = SiteSet::below(aim.outcomes.order().len());
    all.subtract(&sight.ban);
    let rest = search(&aim.rest, &sight.pin.intersection(&aim.rest.sites))?;
    Ok(rest.and_then(|rest| aim.widen(&rest, &all)).or(Some(least)))
}

impl Aim {
    /// An outcome of the rest, and all of the attempted sites that are `available`, as far as the rest allows.
    fn widen(&self, rest: &SiteSet, available: &SiteSet) -> Option<SiteSet> {
        let more = self.attempted.intersection(available);
        let accepted = |all: SiteSet| (self.outcomes.form.judge(&all, &SiteSet::new()) == Truth::True).then_some(all);
        accepted(rest.union(&more)).or_else(|| accepted(rest.union(&more.difference(&self.rest.sites))))
    }
}
