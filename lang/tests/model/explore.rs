//! Every history of one formula: each fault, late request and crash, each order of preference. In every state that
//! is reached the promises are checked (`promises.rs`), and from every state on, once sites answer again, that it ends.

use edge_lang::model::{Action, Belief, Placement, SiteId, SiteSet};

use crate::deciding::Decider;
use crate::formula::name;
use crate::oracle::{Mask, mask, subsets};
use crate::packed::{ByNumber, Goal, History, Index, MOST, Sites, code, first};
use crate::promises::Promises;
use crate::world::World;

/// Kinds of journal entry, for explorations in which some are not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    Answer,
    Send,
    Undo,
    Verdict,
}

pub struct Exploration {
    pub formula: Placement,
    pub world: World,
    pub faults: u8,
    pub crashes: u8,
    /// Entries that are left to the page cache.
    pub lazy: Vec<Entry>,
    /// Only complaints that begin so.
    pub only: &'static str,
}

/// How many histories there are, or the shortest one that goes wrong.
pub type Verdict = Result<usize, Wrong>;

#[derive(Debug)]
pub struct Wrong {
    pub what: String,
    pub history: String,
}

impl Exploration {
    pub fn run(&self) -> Verdict {
        Explorer::new(self).run()
    }
}

/// What happens between one history and the next.
#[derive(Clone, Debug)]
enum Step {
    At(usize, &'static str),
    Runner(Action),
    Crash,
    /// What was not synced is lost.
    CrashAndLoss,
}

struct Successor {
    step: Step,
    next: u64,
    /// It can happen when all is healed: no fault, no crash, the written order of preference.
    healed: bool,
}

struct Explorer<'a> {
    of: &'a Exploration,
    count: usize,
    sites: Sites,
    decider: Decider<'a>,
    promises: Promises,
    /// What was on the disk, by number less one.
    disks: Vec<([Belief; MOST], Goal)>,
    disk_numbers: ByNumber<u64, u32>,
    all: Vec<u64>,
    came: ByNumber<u64, u32>,
    /// The history before, for the account; that of the first ones is themselves.
    from: Vec<u32>,
    /// By history: where its healed successors end among all of those.
    healed_ends: Vec<u32>,
    healed: Vec<u32>,
}

impl<'a> Explorer<'a> {
    fn new(of: &'a Exploration) -> Explorer<'a> {
        let count = of.formula.sites().len();
        assert!(count <= MOST && of.formula.sites() == SiteSet::below(count), "the sites are A, B, ...");
        let spared = inside_all_but(&of.formula);
        Explorer {
            of,
            count,
            sites: Sites::new(of.world, spared != 0),
            decider: Decider::new(&of.formula, of.world, count),
            promises: Promises::of(&of.formula, of.world, spared),
            disks: Vec::new(),
            disk_numbers: Default::default(),
            all: Vec::new(),
            came: Default::default(),
            from: Vec::new(),
            healed_ends: Vec::new(),
            healed: Vec::new(),
        }
    }

    fn run(&mut self) -> Verdict {
        let ensure = self.of.world.rules.ensure;
        for have in subsets(if ensure { (1 << self.count) - 1 } else { 0 }) {
            let mut sites = [0; MOST];
            for (i, site) in sites.iter_mut().enumerate().take(self.count) {
                *site = self.sites.index(first(ensure, (have >> i & 1) as u8, self.of.faults));
            }
            let start =
                History { sites, goal: Goal::Pursuing, told: Goal::Pursuing, crashes: self.of.crashes, disk: 0 };
            self.reach(start.packed(), self.all.len());
        }
        let (mut at, mut nexts) = (0, Vec::new());
        while at < self.all.len() {
            let now = History::unpacked(self.all[at]);
            let complaints = self.promises.complaints(&self.sites_of(&now)[..self.count], now.told);
            if let Some(wrong) = complaints.into_iter().find(|wrong| wrong.starts_with(self.of.only)) {
                return Err(self.wrong(wrong, at));
            }
            nexts.clear();
            self.successors(&now, &mut nexts).map_err(|wrong| self.wrong(wrong, at))?;
            for Successor { next, healed, .. } in &nexts {
                let to = self.reach(*next, at);
                if *healed && to != at as u32 {
                    self.healed.push(to);
                }
            }
            self.healed_ends.push(self.healed.len() as u32);
            at += 1;
        }
        if "P4".starts_with(self.of.only) || "P3/P4".starts_with(self.of.only) {
            self.ends()?;
        }
        Ok(self.all.len())
    }

    /// The number of a history, which `before` leads to.
    fn reach(&mut self, history: u64, before: usize) -> u32 {
        let next = self.all.len() as u32;
        let number = *self.came.entry(history).or_insert(next);
        if number == next {
            self.all.push(history);
            self.from.push(before as u32);
        }
        number
    }

    fn sites_of(&self, now: &History) -> [crate::world::Site; MOST] {
        now.sites.map(|index| self.sites.get(index))
    }

    /// From every history on, with sites that answer: no cycle, and no end with something owed.
    fn ends(&mut self) -> Result<(), Wrong> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut marks = vec![Mark::New; self.all.len()];
        let begin = |at: u32| if at == 0 { 0 } else { self.healed_ends[at as usize - 1] };
        let mut path: Vec<(u32, u32)> = Vec::new();
        for root in 0..self.all.len() as u32 {
            let mut enter = (marks[root as usize] == Mark::New).then_some(root);
            loop {
                if let Some(now) = enter.take() {
                    let history = History::unpacked(self.all[now as usize]);
                    let over = begin(now) == self.healed_ends[now as usize];
                    if over && !self.promises.is_final(&self.sites_of(&history)[..self.count], history.told) {
                        return Err(self.wrong("P3/P4: stops with debts".to_string(), now as usize));
                    }
                    marks[now as usize] = Mark::Open;
                    path.push((now, begin(now)));
                }
                let Some((now, next)) = path.last_mut() else { break };
                if *next == self.healed_ends[*now as usize] {
                    marks[*now as usize] = Mark::Done;
                    path.pop();
                    continue;
                }
                let to = self.healed[*next as usize];
                *next += 1;
                match marks[to as usize] {
                    Mark::New => enter = Some(to),
                    Mark::Done => {}
                    Mark::Open => return Err(self.wrong("P4: goes round for ever".to_string(), root as usize)),
                }
            }
        }
        Ok(())
    }

    /// Every step that can follow.
    fn successors(&mut self, now: &History, all: &mut Vec<Successor>) -> Result<(), String> {
        let sites = self.sites_of(now);
        let beliefs = sites.map(|site| site.belief);
        let beliefs = &beliefs[..self.count];
        let put = |i: usize, site: Index| {
            let mut next = *now;
            next.sites[i] = site;
            next
        };
        for i in 0..self.count {
            for next in self.sites.nexts(now.sites[i]).iter() {
                let after = put(i, next.site);
                let after = if next.learned { self.journaled(Entry::Answer, now, beliefs, after) } else { after };
                all.push(Successor { step: Step::At(i, next.what), next: after.packed(), healed: !next.fault });
            }
        }
        for due in self.decider.decide(beliefs, now.goal).iter() {
            let (entry, next) = match &due.action {
                Action::Done(outcome) => {
                    let goal = Goal::Done(mask(outcome));
                    (Entry::Verdict, History { goal, told: goal, ..*now })
                }
                Action::Abandon => (Entry::Answer, History { goal: Goal::Failing, ..*now }),
                Action::Failed if now.told != Goal::Pursuing => continue,
                Action::Failed => (Entry::Verdict, History { goal: Goal::Failed, told: Goal::Failed, ..*now }),
                action @ (Action::Send(site)
                | Action::Probe(site)
                | Action::Fence(site)
                | Action::Quiet(site)
                | Action::Undo(site)) => {
                    self.promises.permits(action, site.index(), sites[site.index()])?;
                    let Some(after) = self.sites.act(now.sites[site.index()], action) else { continue };
                    let entry = match action {
                        Action::Send(_) => Entry::Send,
                        Action::Undo(_) => Entry::Undo,
                        _ => Entry::Answer,
                    };
                    (entry, put(site.index(), after))
                }
            };
            let next = self.journaled(entry, now, beliefs, next).packed();
            all.push(Successor { step: Step::Runner(due.action.clone()), next, healed: due.written });
        }
        if now.crashes > 0 {
            if now.disk > 0 {
                let (kept, goal) = self.disks[now.disk as usize - 1];
                let next = self.crashed(now, &kept, goal);
                all.push(Successor { step: Step::CrashAndLoss, next, healed: false });
            }
            let next = self.crashed(now, beliefs, now.goal);
            all.push(Successor { step: Step::Crash, next, healed: false });
        }
        Ok(())
    }

    /// What was journaled is synced, or left to the page cache.
    fn journaled(&mut self, entry: Entry, now: &History, beliefs: &[Belief], next: History) -> History {
        if !self.of.lazy.contains(&entry) {
            return History { disk: 0, ..next };
        }
        if now.disk > 0 {
            return next;
        }
        let key = beliefs.iter().fold(now.goal.code(), |all, &belief| all << 7 | u64::from(code(belief)));
        let fresh = self.disks.len() as u32 + 1;
        let disk = *self.disk_numbers.entry(key).or_insert(fresh);
        if disk == fresh {
            let mut kept = [Belief::default(); MOST];
            kept[..beliefs.len()].copy_from_slice(beliefs);
            self.disks.push((kept, now.goal));
        }
        History { disk, ..next }
    }

    fn crashed(&mut self, now: &History, kept: &[Belief], goal: Goal) -> u64 {
        let mut sites = now.sites;
        for (site, &kept) in sites.iter_mut().zip(kept).take(self.count) {
            *site = self.sites.restarted(*site, kept);
        }
        History { sites, goal, crashes: now.crashes - 1, disk: 0, ..*now }.packed()
    }

    /// The way to a history that goes wrong, its steps found again.
    fn wrong(&mut self, what: String, mut at: usize) -> Wrong {
        let mut steps = Vec::new();
        while self.from[at] as usize != at {
            let before = self.from[at] as usize;
            let mut nexts = Vec::new();
            // A step that breaks a promise by itself may be among them; those before it lead here all the same.
            let _ = self.successors(&History::unpacked(self.all[before]), &mut nexts);
            let step = nexts.into_iter().find(|next| next.next == self.all[at]).expect("it was reached from there");
            steps.push(match step.step {
                Step::At(i, what) => format!("{}: {what}", name(SiteId(i as u32))),
                Step::Runner(action) => format!("runner: {}", crate::decisions::shown(&action)),
                Step::Crash => "runner: crash".to_string(),
                Step::CrashAndLoss => "runner: crash, unsynced entries lost".to_string(),
            });
            at = before;
        }
        steps.reverse();
        Wrong { what, history: steps.join("; ") }
    }
}

fn inside_all_but(formula: &Placement) -> Mask {
    match formula {
        Placement::AllBut(_, set) => mask(set),
        Placement::And(parts) => parts.iter().map(inside_all_but).fold(0, |all, part| all | part),
        _ => 0,
    }
}
