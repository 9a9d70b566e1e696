//! What the product decides in a state, over every order in which outcomes may be preferred; and what a mutant, with
//! one rule switched off, decides instead.

use std::rc::Rc;

use edge_lang::model::{Action, Belief, Placement, Pursuit, SiteId, State};

use crate::oracle::{Mask, satisfies, set, subsets};
use crate::packed::{ByNumber, Goal, code};
use crate::world::{Mutant, World};

/// An action that is due under some order of preference, and whether it is under the written one.
#[derive(Clone, Debug)]
pub struct Due {
    pub action: Action,
    pub written: bool,
}

pub struct Decider<'a> {
    formula: &'a Placement,
    world: World,
    count: usize,
    /// By goal: one pursuit for each order of preference. Beliefs are set before it is asked.
    pursuits: ByNumber<u64, Vec<Pursuit>>,
    decided: ByNumber<u64, Rc<[Due]>>,
}

impl<'a> Decider<'a> {
    pub fn new(formula: &'a Placement, world: World, count: usize) -> Decider<'a> {
        Decider { formula, world, count, pursuits: Default::default(), decided: Default::default() }
    }

    pub fn decide(&mut self, beliefs: &[Belief], goal: Goal) -> Rc<[Due]> {
        let moment = beliefs.iter().fold(goal.code(), |all, &belief| all << 7 | u64::from(code(belief)));
        if let Some(known) = self.decided.get(&moment) {
            return known.clone();
        }
        let actions = self.anew(beliefs, goal);
        self.decided.insert(moment, actions.clone());
        actions
    }

    fn anew(&mut self, beliefs: &[Belief], goal: Goal) -> Rc<[Due]> {
        let (formula, world, count) = (self.formula, self.world, self.count);
        let pursuits = self.pursuits.entry(goal.code()).or_insert_with(|| {
            // Only while outcomes are chosen among does it matter which is preferred.
            let orders = if goal == Goal::Pursuing { orders(count) } else { vec![Vec::new()] };
            orders.into_iter().map(|order| at_goal(formula, order, world, goal)).collect()
        });
        let mut due: Vec<Due> = Vec::new();
        for (order, pursuit) in pursuits.iter_mut().enumerate() {
            for (i, &belief) in beliefs.iter().enumerate() {
                pursuit.believe(SiteId(i as u32), seen(belief, world.mutant)).expect("the site is in the placement");
            }
            for action in pursuit.actions() {
                let action = mutated(action, beliefs, goal, world.mutant);
                if !due.iter().any(|due| due.action == action) {
                    due.push(Due { action, written: order == 0 });
                }
            }
        }
        if world.mutant == Mutant::QueuedSend && matches!(goal, Goal::Failing | Goal::Failed) {
            let queued = |belief: &Belief| *belief == Belief { state: State::Cut, ..Belief::default() };
            let sites = (0..count).filter(|&i| queued(&beliefs[i]));
            due.extend(sites.map(|i| Due { action: Action::Send(SiteId(i as u32)), written: true }));
        }
        if world.mutant == Mutant::EarlyTidy && goal == Goal::Pursuing {
            due = self.early(beliefs).map_or(due, |action| vec![Due { action, written: true }]);
        }
        due.into()
    }

    /// The mutant that tells a minimal outcome although the formula holds only with more than that.
    fn early(&self, beliefs: &[Belief]) -> Option<Action> {
        let among = |test: &dyn Fn(&Belief) -> bool| -> Mask {
            (0..beliefs.len()).filter(|&i| test(&beliefs[i])).map(|i| 1 << i).sum()
        };
        let there = among(&|b| matches!(b.state, State::There | State::Stuck) && !b.out);
        let unknown = among(&|b| !b.state.is_closed()) & !there;
        let holds = subsets(unknown).all(|more| satisfies(self.formula, there | more));
        let least = subsets(there).find(|&w| satisfies(self.formula, w));
        least.filter(|_| holds).map(|w| Action::Done(set(w)))
    }
}

/// What a mutant takes for true.
fn seen(belief: Belief, mutant: Mutant) -> Belief {
    match (mutant, belief.state) {
        (Mutant::UnknownIsAbsent, State::Open | State::Soft) => Belief { state: State::Cut, ..belief },
        _ => belief,
    }
}

/// A decision of a mutant, which knows the real beliefs.
fn mutated(action: Action, beliefs: &[Belief], goal: Goal, mutant: Mutant) -> Action {
    match (mutant, action) {
        // A site that is believed absent is sent to only once it is; until then it is probed and closed.
        (Mutant::UnknownIsAbsent, Action::Send(site)) => match beliefs[site.index()].state {
            State::Open => Action::Probe(site),
            State::Soft => Action::Fence(site),
            _ => Action::Send(site),
        },
        (Mutant::Resend, Action::Probe(site))
            if goal == Goal::Pursuing && beliefs[site.index()].state == State::Open =>
        {
            Action::Send(site)
        }
        (Mutant::LostUndoKept, Action::Undo(site)) if beliefs[site.index()].state == State::Lost => Action::Probe(site),
        (_, action) => action,
    }
}

/// A pursuit that has come to this goal by the way every runner takes.
fn at_goal(formula: &Placement, order: Vec<SiteId>, world: World, goal: Goal) -> Pursuit {
    let mut pursuit = Pursuit::new(formula.clone(), order, world.rules).expect("small formulas are not tangled");
    let mut come = |action| pursuit.issued(&action).expect("the way to the goal");
    match goal {
        Goal::Pursuing => {}
        Goal::Failing => come(Action::Abandon),
        Goal::Failed => {
            come(Action::Abandon);
            come(Action::Failed);
        }
        Goal::Done(outcome) => {
            for site in &set(outcome) {
                let there = Belief { state: State::There, ..Belief::default() };
                pursuit.believe(site, there).expect("the site is in the placement");
            }
            pursuit.issued(&Action::Done(set(outcome))).expect("the way to the goal");
        }
    }
    pursuit
}

/// Every order of so many sites, the written one first.
fn orders(count: usize) -> Vec<Vec<SiteId>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in orders(count - 1) {
        for at in (0..count).rev() {
            let mut order = shorter.clone();
            order.insert(at, SiteId(count as u32 - 1));
            all.push(order);
        }
    }
    all
}
