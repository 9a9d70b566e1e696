//! A history as one number, so that millions of them fit and compare fast. A site is interned: what may happen to it
//! and what an action makes of it is worked out once, and is an index from then on.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use edge_lang::model::{Action, Belief, Placement, Pursuit, SiteId, State};

use crate::oracle::Mask;
use crate::world::{Changes, Site, World};

/// A hash of numbers: one multiplication, the high bits folded down.
#[derive(Default)]
pub struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only numbers are hashed")
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (number ^ number >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 29;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

pub type ByNumber<K, V> = HashMap<K, V, BuildHasherDefault<Mixer>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Goal {
    Pursuing,
    Failing,
    Failed,
    Done(Mask),
}

impl Goal {
    pub fn code(self) -> u64 {
        match self {
            Goal::Pursuing => 0,
            Goal::Failing => 1,
            Goal::Failed => 2,
            Goal::Done(outcome) => 3 + u64::from(outcome),
        }
    }

    fn of(code: u64) -> Goal {
        match code {
            0 => Goal::Pursuing,
            1 => Goal::Failing,
            2 => Goal::Failed,
            outcome => Goal::Done(outcome as Mask - 3),
        }
    }
}

/// At most so many sites.
pub const MOST: usize = 3;

/// One state of the world and of the runner. Sites that the formula does not have are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    pub sites: [Index; MOST],
    pub goal: Goal,
    /// What the user was told; it differs from the goal only when a verdict was lost. `Pursuing` is nothing.
    pub told: Goal,
    pub crashes: u8,
    /// Beliefs and goal as a crash would find them on the disk, if older than now: their number, or 0.
    pub disk: u32,
}

/// The number of an interned site.
pub type Index = u16;

const SITE: u32 = 12;
const GOAL: u32 = 4;
const CRASHES: u32 = 2;
const DISK: u32 = 64 - MOST as u32 * SITE - 2 * GOAL - CRASHES;

impl History {
    pub fn packed(self) -> u64 {
        let mut all = u64::from(self.disk);
        assert!(all < 1 << DISK && self.crashes < 1 << CRASHES, "too much for a number: {self:?}");
        for (width, part) in [(CRASHES, u64::from(self.crashes)), (GOAL, self.goal.code()), (GOAL, self.told.code())] {
            all = all << width | part;
        }
        for site in self.sites {
            all = all << SITE | u64::from(site);
        }
        all
    }

    pub fn unpacked(mut all: u64) -> History {
        let mut take = |width: u32| {
            let part = all & ((1 << width) - 1);
            all >>= width;
            part
        };
        let mut sites = [0; MOST];
        for site in sites.iter_mut().rev() {
            *site = take(SITE) as Index;
        }
        let (told, goal) = (Goal::of(take(GOAL)), Goal::of(take(GOAL)));
        History { sites, goal, told, crashes: take(CRASHES) as u8, disk: take(DISK) as u32 }
    }
}

/// A belief as a number of seven bits.
pub fn code(belief: Belief) -> u32 {
    (belief.state as u32) << 3 | u32::from(belief.out) << 2 | u32::from(belief.loose) << 1 | u32::from(belief.broken)
}

/// What may happen at a site: what it is, the site after it, whether it is a fault, whether it is learned.
#[derive(Clone, Copy, Debug)]
pub struct Next {
    pub what: &'static str,
    pub site: Index,
    pub fault: bool,
    pub learned: bool,
}

/// All sites met so far, with what becomes of each.
pub struct Sites {
    world: World,
    changes: Changes,
    /// Whether the journal's note that a thing is broken is kept. Only `all but n of` looks at it; without, sites
    /// that differ in nothing else are one.
    broken_noted: bool,
    pub all: Vec<Site>,
    known: HashMap<Site, Index>,
    nexts: Vec<Option<std::rc::Rc<[Next]>>>,
    acts: Vec<[Option<Option<Index>>; 5]>,
    restarts: ByNumber<u32, Index>,
}

impl Sites {
    pub fn new(world: World, broken_noted: bool) -> Sites {
        Sites {
            world,
            changes: Changes::new(world),
            broken_noted,
            all: Vec::new(),
            known: HashMap::new(),
            nexts: Vec::new(),
            acts: Vec::new(),
            restarts: Default::default(),
        }
    }

    pub fn index(&mut self, site: Site) -> Index {
        let belief = Belief { broken: site.belief.broken && self.broken_noted, ..site.belief };
        let site = Site { belief, ..site };
        if let Some(&known) = self.known.get(&site) {
            return known;
        }
        let index = self.all.len();
        assert!(index < 1 << SITE, "more kinds of site than a history has room for");
        self.all.push(site);
        self.nexts.push(None);
        self.acts.push([None; 5]);
        self.known.insert(site, index as Index);
        index as Index
    }

    pub fn get(&self, index: Index) -> Site {
        self.all[usize::from(index)]
    }

    /// What site, network and clock may do.
    pub fn nexts(&mut self, index: Index) -> std::rc::Rc<[Next]> {
        if let Some(known) = &self.nexts[usize::from(index)] {
            return known.clone();
        }
        let before = self.get(index);
        let changes = before.next(self.world, &mut self.changes);
        let nexts = changes.into_iter().map(|(what, after, fault)| {
            let site = self.index(after);
            Next { what, site, fault, learned: self.get(site).belief != before.belief }
        });
        let nexts: std::rc::Rc<[Next]> = nexts.collect();
        self.nexts[usize::from(index)] = Some(nexts.clone());
        nexts
    }

    /// What an action of the runner makes of a site; none where nothing happens now.
    pub fn act(&mut self, index: Index, action: &Action) -> Option<Index> {
        let kind = match action {
            Action::Send(_) => 0,
            Action::Probe(_) => 1,
            Action::Fence(_) => 2,
            Action::Quiet(_) => 3,
            Action::Undo(_) => 4,
            _ => unreachable!("an action at a site"),
        };
        if let Some(known) = self.acts[usize::from(index)][kind] {
            return known;
        }
        let after = self.get(index).act(action, self.world, &mut self.changes);
        let after = after.map(|site| self.index(site)).filter(|&after| after != index);
        self.acts[usize::from(index)][kind] = Some(after);
        after
    }

    /// The site when the runner has stopped and starts again with this belief.
    pub fn restarted(&mut self, index: Index, kept: Belief) -> Index {
        let key = u32::from(index) << 7 | code(kept);
        if let Some(&known) = self.restarts.get(&key) {
            return known;
        }
        let after = self.index(Site { belief: crashed(kept), ..self.get(index) });
        self.restarts.insert(key, after);
        after
    }
}

/// A crash, as the product has it.
fn crashed(belief: Belief) -> Belief {
    let mut pursuit = Pursuit::new(Placement::Site(SiteId(0)), Vec::new(), Default::default()).expect("one site");
    pursuit.believe(SiteId(0), belief).expect("the site is in the placement");
    pursuit.crash();
    pursuit.belief(SiteId(0)).expect("the site is in the placement")
}

/// The site that a run begins with, an effect of an earlier run there or not.
pub fn first(ensure: bool, effects: u8, faults: u8) -> Site {
    let state = if ensure { State::Shut } else { State::New };
    let belief = Belief { state, ..Belief::default() };
    Site { belief, effects, broken: false, creates: 0, undos: 0, faults }
}
