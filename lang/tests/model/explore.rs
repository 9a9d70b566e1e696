//! Every history of one formula: each fault, late request and crash, each order of preference. In every state that
//! is reached the promises are checked:
//!
//! - P1: once `done` is told with outcome W, W is there and the formula is true, whatever late requests still do; once
//!   `failed` is told, nothing is there;
//! - P2: never two effects of the operation at one site;
//! - P3: whatever exists or is on its way is in the told outcome or under an open entry of the journal; when all is
//!   healed the world is exactly the told outcome and nothing is owed;
//! - P4: with sites that answer, every history ends in done or failed: no dead end, no cycle;
//! - P5: a site is written to only if an outcome needs it, probed or undone only if this operation was sent there;
//! - P6: without overlap there is at no moment more than some accepted outcome.

use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

use edge_lang::model::{Action, Belief, Fence, Overlap, Placement, Pursuit, SiteId, State};

use crate::formula::name;
use crate::oracle::{Mask, mask, satisfies, set, subsets};
use crate::world::{Change, Changes, Mutant, Site, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Goal {
    Pursuing,
    Failing,
    Failed,
    Done(Mask),
}

/// Kinds of journal entry, for explorations in which some are not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    Answer,
    Send,
    Undo,
    Verdict,
}

/// Beliefs and goal, as a crash would find them on the disk.
type Synced = (Vec<Belief>, Goal);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct History {
    sites: Vec<Site>,
    goal: Goal,
    /// What the user was told; it differs from the goal only when a verdict was lost.
    told: Option<Goal>,
    crashes: u8,
    /// At the last sync, if older than now.
    disk: Option<Synced>,
}

pub struct Exploration {
    pub formula: Placement,
    pub world: World,
    pub faults: u8,
    pub crashes: u8,
    /// Sites inside `all but n of`, which a verdict leaves as they are, unless broken.
    pub spared: Mask,
    /// Entries that are left to the page cache.
    pub lazy: Vec<Entry>,
    /// Only complaints that begin so.
    pub only: &'static str,
}

/// How many histories there are, or the shortest one that goes wrong.
pub type Verdict = Result<usize, String>;

impl Exploration {
    pub fn run(&self) -> Verdict {
        Explorer::new(self).run()
    }
}

/// Beliefs and goal, and whether all is healed.
type Moment = (Vec<Belief>, Goal, bool);

struct Explorer<'a> {
    of: &'a Exploration,
    world: World,
    count: usize,
    changes: Changes,
    /// What a site may do next.
    nexts: HashMap<Site, Rc<Vec<Change>>>,
    /// One pursuit for each goal and order of preference; beliefs are set before it is asked.
    pursuits: HashMap<Goal, Vec<Pursuit>>,
    decided: HashMap<Moment, Rc<Vec<Action>>>,
    accepted: Vec<bool>,
}

impl<'a> Explorer<'a> {
    fn new(of: &'a Exploration) -> Explorer<'a> {
        let count = of.formula.sites().len();
        assert!(of.formula.sites() == edge_lang::model::SiteSet::below(count), "the sites are A, B, ...");
        let accepted = (0..1 << count).map(|outcome| satisfies(&of.formula, outcome)).collect();
        Explorer {
            of,
            world: of.world,
            count,
            changes: Changes::new(of.world),
            nexts: HashMap::new(),
            pursuits: HashMap::new(),
            decided: HashMap::new(),
            accepted,
        }
    }

    fn run(&mut self) -> Verdict {
        let mut queue = VecDeque::new();
        let mut all: Vec<Rc<History>> = Vec::new();
        let mut came: HashMap<Rc<History>, usize> = HashMap::new();
        let mut from: Vec<Option<(usize, String)>> = Vec::new();
        let earlier = if self.world.rules.ensure { (1 << self.count) - 1 } else { 0 };
        for have in subsets(earlier) {
            let state = if self.world.rules.ensure { State::Shut } else { State::New };
            let site = |i: usize| Site {
                belief: Belief { state, ..Belief::default() },
                effects: (have >> i & 1) as u8,
                broken: false,
                creates: 0,
                undos: 0,
                faults: self.of.faults,
            };
            let start = Rc::new(History {
                sites: (0..self.count).map(site).collect(),
                goal: Goal::Pursuing,
                told: None,
                crashes: self.of.crashes,
                disk: None,
            });
            came.insert(start.clone(), all.len());
            queue.push_back(all.len());
            all.push(start);
            from.push(None);
        }
        let told = |from: &[Option<(usize, String)>], mut at: usize| {
            let mut steps = Vec::new();
            while let Some((before, step)) = &from[at] {
                steps.push(step.clone());
                at = *before;
            }
            steps.reverse();
            steps.join("; ")
        };
        while let Some(at) = queue.pop_front() {
            let now = all[at].clone();
            if let Some(wrong) = self.complaints(&now).into_iter().find(|wrong| wrong.starts_with(self.of.only)) {
                return Err(format!("{wrong}: {}", told(&from, at)));
            }
            let next = self.successors(&now, false).map_err(|wrong| format!("{wrong}: {}", told(&from, at)))?;
            for (step, next) in next {
                if !came.contains_key(&next) {
                    let next = Rc::new(next);
                    came.insert(next.clone(), all.len());
                    queue.push_back(all.len());
                    all.push(next);
                    from.push(Some((at, step)));
                }
            }
        }
        if "P4".starts_with(self.of.only) || "P3/P4".starts_with(self.of.only) {
            self.ends(&all, &came).map_err(|(wrong, at)| format!("{wrong}: {} (healed)", told(&from, at)))?;
        }
        Ok(all.len())
    }

    /// From every state on, with sites that answer: no cycle, and no end with something owed.
    fn ends(&mut self, all: &[Rc<History>], came: &HashMap<Rc<History>, usize>) -> Result<(), (String, usize)> {
        let mut done: HashSet<Rc<History>> = HashSet::new();
        for (root, start) in all.iter().enumerate() {
            if done.contains(start) {
                continue;
            }
            let mut path: Vec<(Rc<History>, Vec<Rc<History>>)> = Vec::new();
            let mut open: HashSet<Rc<History>> = HashSet::new();
            let mut enter = Some(start.clone());
            loop {
                if let Some(now) = enter.take() {
                    let nexts = self.successors(&now, true).map_err(|wrong| (wrong, root))?;
                    let nexts: Vec<Rc<History>> =
                        nexts.into_iter().map(|(_, next)| Rc::new(next)).filter(|next| *next != now).collect();
                    if nexts.is_empty() && !self.is_final(&now) {
                        return Err(("P3/P4: stops with debts".to_string(), came.get(&now).copied().unwrap_or(root)));
                    }
                    open.insert(now.clone());
                    path.push((now, nexts));
                }
                let Some((now, nexts)) = path.last_mut() else { break };
                match nexts.pop() {
                    Some(next) if done.contains(&next) => {}
                    Some(next) if open.contains(&next) => return Err(("P4: goes round for ever".to_string(), root)),
                    Some(next) => enter = Some(next),
                    None => {
                        open.remove(now);
                        done.insert(now.clone());
                        path.pop();
                    }
                }
            }
        }
        Ok(())
    }

    /// Every step that can follow. Healed: no faults, no crashes, the written order of preference.
    fn successors(&mut self, now: &History, healed: bool) -> Result<Vec<(String, History)>, String> {
        let mut all = Vec::new();
        let beliefs: Vec<Belief> = now.sites.iter().map(|site| site.belief).collect();
        let put = |i: usize, site: Site| {
            let mut sites = now.sites.clone();
            sites[i] = site;
            sites
        };
        // What was journaled is synced, or left to the page cache.
        let after = |entry: Entry, sites: Vec<Site>, goal: Goal, told: Option<Goal>| {
            let kept = || now.disk.clone().or_else(|| Some((beliefs.clone(), now.goal)));
            let disk = if self.of.lazy.contains(&entry) { kept() } else { None };
            History { sites, goal, told, crashes: now.crashes, disk }
        };
        let letter = |i: usize| name(SiteId(i as u32));
        for (i, &site) in now.sites.iter().enumerate() {
            let nexts = match self.nexts.get(&site) {
                Some(nexts) => nexts.clone(),
                None => {
                    let nexts = Rc::new(site.next(self.world, &mut self.changes));
                    self.nexts.insert(site, nexts.clone());
                    nexts
                }
            };
            for &(what, next, _) in nexts.iter().filter(|(_, _, fault)| !(healed && *fault)) {
                let step = format!("{}: {what}", letter(i));
                if next.belief != site.belief {
                    all.push((step, after(Entry::Answer, put(i, next), now.goal, now.told)));
                } else {
                    all.push((step, History { sites: put(i, next), ..now.clone() }));
                }
            }
        }
        for action in self.decide(&beliefs, now.goal, healed).iter() {
            let step = format!("runner: {}", crate::decisions::shown(action));
            let site = match action {
                Action::Done(outcome) => {
                    let goal = Goal::Done(mask(outcome));
                    all.push((step, after(Entry::Verdict, now.sites.clone(), goal, Some(goal))));
                    continue;
                }
                Action::Abandon => {
                    all.push((step, after(Entry::Answer, now.sites.clone(), Goal::Failing, now.told)));
                    continue;
                }
                Action::Failed => {
                    if now.told.is_none() {
                        let told = Some(Goal::Failed);
                        all.push((step, after(Entry::Verdict, now.sites.clone(), Goal::Failed, told)));
                    }
                    continue;
                }
                Action::Send(site)
                | Action::Probe(site)
                | Action::Fence(site)
                | Action::Quiet(site)
                | Action::Undo(site) => *site,
            };
            let before = now.sites[site.index()];
            if !matches!(action, Action::Send(_)) && before.belief.state.is_closed() {
                return Err("P5: touched a site that was never asked".to_string());
            }
            let Some(next) = before.act(action, self.world, &mut self.changes) else { continue };
            let entry = match action {
                Action::Send(_) => Entry::Send,
                Action::Undo(_) => Entry::Undo,
                _ => Entry::Answer,
            };
            all.push((step, after(entry, put(site.index(), next), now.goal, now.told)));
        }
        if now.crashes > 0 && !healed {
            let crash = |(kept, goal): Synced| {
                let back = |(site, belief): (&Site, &Belief)| Site { belief: crashed(*belief), ..*site };
                let sites = now.sites.iter().zip(&kept).map(back).collect();
                History { sites, goal, told: now.told, crashes: now.crashes - 1, disk: None }
            };
            if let Some(old) = &now.disk {
                all.push(("runner: crash, unsynced entries lost".to_string(), crash(old.clone())));
            }
            all.push(("runner: crash".to_string(), crash((beliefs.clone(), now.goal))));
        }
        Ok(all)
    }

    /// What the product decides, over every order in which outcomes may be preferred.
    fn decide(&mut self, beliefs: &[Belief], goal: Goal, healed: bool) -> Rc<Vec<Action>> {
        let moment = (beliefs.to_vec(), goal, healed);
        if let Some(known) = self.decided.get(&moment) {
            return known.clone();
        }
        let (formula, world, count) = (&self.of.formula, self.world, self.count);
        let pursuits = self.pursuits.entry(goal).or_insert_with(|| {
            let orders = if goal == Goal::Pursuing { orders(count) } else { vec![Vec::new()] };
            orders.into_iter().map(|order| at_goal(formula, order, world, goal)).collect()
        });
        let orders = if healed { &mut pursuits[..1] } else { &mut pursuits[..] };
        let mut actions: Vec<Action> = Vec::new();
        for pursuit in orders {
            let seen = |belief: Belief| match (world.mutant, belief.state) {
                (Mutant::UnknownIsAbsent, State::Open | State::Soft) => Belief { state: State::Cut, ..belief },
                _ => belief,
            };
            for (i, &belief) in beliefs.iter().enumerate() {
                pursuit.believe(SiteId(i as u32), seen(belief)).expect("the site is in the placement");
            }
            for action in pursuit.actions() {
                let action = mutated(action, beliefs, goal, world.mutant);
                actions.extend(Some(action).filter(|action| !actions.contains(action)));
            }
        }
        if world.mutant == Mutant::QueuedSend && matches!(goal, Goal::Failing | Goal::Failed) {
            let queued = |belief: &Belief| *belief == Belief { state: State::Cut, ..Belief::default() };
            let sites = (0..count).filter(|&i| queued(&beliefs[i]));
            actions.extend(sites.map(|i| Action::Send(SiteId(i as u32))));
        }
        if world.mutant == Mutant::EarlyTidy && goal == Goal::Pursuing {
            actions = self.early(beliefs).map_or(actions, |done| vec![done]);
        }
        let actions = Rc::new(actions);
        self.decided.insert(moment, actions.clone());
        actions
    }

    /// The mutant that tells a minimal outcome although the formula holds only with more than that.
    fn early(&self, beliefs: &[Belief]) -> Option<Action> {
        let among = |test: &dyn Fn(&Belief) -> bool| -> Mask {
            (0..beliefs.len()).filter(|&i| test(&beliefs[i])).map(|i| 1 << i).sum()
        };
        let there = among(&|b| matches!(b.state, State::There | State::Stuck) && !b.out);
        let unknown = among(&|b| !b.state.is_closed()) & !there;
        let holds = subsets(unknown).all(|more| self.accepted[(there | more) as usize]);
        let least = subsets(there).find(|&w| self.accepted[w as usize]);
        least.filter(|_| holds).map(|w| Action::Done(set(w)))
    }

    /// All that is wrong in this single state.
    fn complaints(&self, now: &History) -> Vec<String> {
        let (mut here, mut wrong): (Mask, Vec<String>) = (0, Vec::new());
        for (i, site) in now.sites.iter().enumerate() {
            let mine = matches!(now.told, Some(Goal::Done(told)) if told >> i & 1 == 1);
            let state = site.belief.state;
            let seen = matches!(state, State::There | State::Stuck);
            if site.effects > 1 {
                wrong.push("P2: two effects at one site".to_string());
            }
            if state.is_closed() && (site.effects > 0 || site.creates > 0) {
                wrong.push("P3: it is there, or may still come, and the journal says absent".to_string());
            }
            if seen && site.effects == 0 {
                wrong.push("P3: the journal says there, and it is not".to_string());
            }
            if mine && (!seen || site.broken) {
                wrong.push("P1: part of the told outcome is in doubt".to_string());
            }
            // An open entry of the journal looks after it.
            let watched = self.world.rules.fence == Fence::Watch && now.told.is_some() && !mine && !state.is_closed();
            if site.effects > 0 && !(watched && self.world.mutant != Mutant::NoWatchExcused) {
                here |= 1 << i;
            }
        }
        match now.told {
            Some(Goal::Done(told)) if told & !here != 0 || !self.accepted[here as usize] => {
                wrong.push(format!("P1: told done {told:b}, the world is {here:b}"));
            }
            Some(Goal::Failed) if here != 0 => wrong.push(format!("P1: told failed, the world is {here:b}")),
            _ => {}
        }
        let rules = self.world.rules;
        let excused = rules.overlap == Overlap::Brief || rules.ensure || rules.fence == Fence::Watch;
        let promised = self.world.mutant == Mutant::NoOverlapExcused || !excused;
        let fits = (0..self.accepted.len()).any(|w| self.accepted[w] && here & !(w as Mask) == 0);
        if promised && !fits {
            wrong.push(format!("P6: {here:b} is there, more than any accepted outcome"));
        }
        wrong
    }

    /// Nothing left to do, and nothing owed.
    fn is_final(&self, now: &History) -> bool {
        let keep = match now.told {
            None => return false,
            Some(Goal::Done(told)) => told,
            Some(_) => 0,
        };
        now.sites.iter().enumerate().all(|(i, site)| {
            let kept = keep >> i & 1 == 1;
            if !kept && keep != 0 && self.of.spared >> i & 1 == 1 {
                return !site.broken && !site.belief.state.is_awaited();
            }
            let watched = self.world.rules.fence == Fence::Watch && site.belief.state == State::Soft;
            site.effects == u8::from(kept) && site.creates == 0 && (kept || site.belief.state.is_closed() || watched)
        })
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

/// A crash, as the product has it.
fn crashed(belief: Belief) -> Belief {
    thread_local! {
        static PURSUIT: std::cell::RefCell<Pursuit> = std::cell::RefCell::new(
            Pursuit::new(Placement::Site(SiteId(0)), Vec::new(), Default::default()).expect("one site"));
    }
    PURSUIT.with_borrow_mut(|pursuit| {
        pursuit.believe(SiteId(0), belief).expect("the site is in the placement");
        pursuit.crash();
        pursuit.belief(SiteId(0)).expect("the site is in the placement")
    })
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
