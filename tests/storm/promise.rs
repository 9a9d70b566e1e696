//! What is promised of every run, held against what the sites have and were asked, after each request that one of them
//! carried out and at the end. It knows truth tables and nothing of pursuits; of the runner it takes only what it *told*, to
//! whoever reads its events or its journal.

use super::formula::{Formula, bits};
use super::site::{Ask, Kind, Maker, SITES, Site};
use std::collections::{BTreeSet, HashMap};

/// One operation that makes something, and what was told of it.
#[derive(Clone, Debug)]
pub struct Watch {
    pub number: u32,
    pub kind: Kind,
    pub name: String,
    /// What it must say to be as it was asked for.
    pub text: Option<&'static str>,
    pub ensure: bool,
    pub brief: bool,
    pub source: Option<usize>,
    /// A later statement may remove it, or an `atomic` take it back.
    pub may_go: bool,
    pub atomics: Vec<u32>,
    pub formula: Formula,
    /// Where it was before the run.
    pub before: u32,
    pub begun: bool,
    pub told: Option<u32>,
    pub failed: bool,
    /// What a deletion was told of: tried, done.
    pub deleting: bool,
    pub deleted: bool,
}

impl Default for Watch {
    fn default() -> Watch {
        Watch {
            number: 0,
            kind: Kind::Vm,
            name: String::new(),
            text: None,
            ensure: false,
            brief: false,
            source: None,
            may_go: false,
            atomics: Vec::new(),
            formula: Formula::Site(0),
            before: 0,
            begun: false,
            told: None,
            failed: false,
            deleting: false,
            deleted: false,
        }
    }
}

#[derive(Default)]
pub struct Promises {
    pub watches: Vec<Watch>,
    /// `atomic` blocks that came to their end.
    pub kept: BTreeSet<u32>,
    pub broken: BTreeSet<String>,
    /// Where something was before the run, that must not go: site, kind, name, and whether it may be changed.
    pub foreign: Vec<(usize, Kind, String)>,
}

/// What a journal says of one operation.
#[derive(Clone, Copy, Default)]
pub struct Known {
    /// Those of its verdict, and where something is owed.
    pub sites: u32,
    pub verdict: bool,
}

/// What is at the sites under the name of one operation.
#[derive(Clone, Copy, Default)]
struct Sight {
    /// As it was asked for, whoever made it.
    good: u32,
    /// Made or changed by the run.
    effects: u32,
    twice: u32,
}

impl Watch {
    fn sight(&self, sites: &[Site]) -> Sight {
        let mut sight = Sight::default();
        for site in sites {
            let bit = 1 << site.place;
            let mut count = 0;
            for thing in site.things.iter().filter(|t| t.kind == self.kind && t.name == self.name) {
                if thing.maker == Maker::Other {
                    // Under a name of its own kind: what is ensured may adopt it.
                    sight.good |= if self.ensure { bit } else { 0 };
                    continue;
                }
                let changed = thing.maker == Maker::Before && thing.text != thing.text_before;
                if self.text.is_none_or(|text| thing.text == text) && !thing.is_going() {
                    sight.good |= bit;
                }
                if thing.maker == Maker::Run {
                    count += 1;
                    sight.effects |= bit;
                } else if changed {
                    sight.effects |= bit;
                }
            }
            if count > 1 {
                sight.twice |= bit;
            }
        }
        sight
    }

    /// As the runner calls the operation.
    fn title(&self) -> String {
        let operation = if self.ensure { "ensure" } else { "create" };
        format!("{}.{operation} {:?}", self.kind.word(), self.name)
    }

    fn described(&self) -> String {
        format!("{} {:?}", self.kind.word(), self.name)
    }
}

impl Promises {
    /// A request is carried out: it is of an operation that has something to do there.
    pub fn asked(&mut self, site: usize, ask: &Ask) {
        let Some(kind) = ask.kind() else { return };
        let Some(name) = ask.name() else { return };
        let bit = 1 << site;
        let mut of_run = false;
        for watch in &self.watches {
            let copied = kind == Kind::Conf && name == "base" && watch.source.is_some();
            if !copied && (kind != watch.kind || name != watch.name) {
                continue;
            }
            of_run = true;
            let formula = &watch.formula;
            let allowed = match (copied, ask.makes()) {
                (true, false) => formula.positive() | watch.source.map_or(0, |s| 1 << s),
                (_, false) if watch.ensure => formula.sites(),
                _ => formula.positive(),
            };
            if allowed & bit != 0 {
                return;
            }
        }
        if of_run {
            let site = SITES[site];
            self.broken.insert(format!("{site} has no part in {} {name:?}: {} {}", kind.word(), ask.method, ask.path));
        }
    }

    /// After a change at some site.
    pub fn look(&mut self, sites: &[Site]) {
        let broken = &mut self.broken;
        for watch in &self.watches {
            let sight = watch.sight(sites);
            let what = watch.described();
            if sight.twice != 0 {
                broken.insert(format!("two of {what} at {}", named(sight.twice)));
            }
            if !watch.brief && !watch.ensure && !watch.formula.allows(sight.effects) {
                broken.insert(format!("{what} is at {}, more than any outcome", named(sight.effects)));
            }
            let Some(outcome) = watch.told.filter(|_| !watch.may_go) else { continue };
            if outcome & !sight.good != 0 {
                broken.insert(format!("{what} was told at {}, and is gone from there", named(outcome & !sight.good)));
            }
            if !watch.brief && !watch.formula.holds(sight.effects | outcome) {
                broken.insert(format!("{what} was told at {}, and is at {}", named(outcome), named(sight.effects)));
            }
        }
        for (site, kind, name) in &self.foreign {
            // What `ensure` adopted may be deleted by its handle.
            if self.watches.iter().any(|w| w.ensure && w.deleting && w.kind == *kind && w.name == *name) {
                continue;
            }
            let there = |t: &&super::site::Thing| t.kind == *kind && t.name == *name && t.maker != Maker::Run;
            if !sites[*site].things.iter().any(|t| there(&t) && !t.is_going()) {
                broken.insert(format!("{} has lost a {} {name:?} that is not ours", SITES[*site], kind.word()));
            }
        }
    }

    /// The runner tells a verdict.
    pub fn told(&mut self, at: usize, outcome: u32, sites: &[Site]) {
        let watch = &mut self.watches[at];
        let sight = watch.sight(sites);
        let what = watch.described();
        if watch.failed {
            self.broken.insert(format!("{what} failed, and is told at {}", named(outcome)));
        }
        if watch.told.is_some_and(|before| before != outcome) {
            self.broken.insert(format!("{what} is told at {} and was told elsewhere before", named(outcome)));
        }
        // Told again by a resumed run: it may have been deleted since.
        if watch.told.is_none() {
            if outcome & !sight.good != 0 {
                self.broken.insert(format!("{what} is told at {}, and is not there", named(outcome & !sight.good)));
            }
            let there = sight.effects & !watch.before | outcome;
            if !watch.formula.holds(outcome) || !watch.brief && !watch.formula.holds(there) {
                self.broken.insert(format!("{what} is told at {} while it is at {}", named(outcome), named(there)));
            }
        }
        watch.told = Some(outcome);
    }

    pub fn failed(&mut self, at: usize, sites: &[Site]) {
        let watch = &mut self.watches[at];
        let sight = watch.sight(sites);
        if watch.told.is_some() {
            self.broken.insert(format!("{} failed after it was told", watch.described()));
        }
        if sight.effects != 0 {
            self.broken.insert(format!("{} failed, and is at {}", watch.described(), named(sight.effects)));
        }
        watch.failed = true;
    }

    /// When a runner ends, however it ends: what is there is in a verdict that it told or under an open entry of its journal,
    /// as `edge show` tells of it.
    pub fn kept(&mut self, known: &HashMap<String, Known>, sites: &[Site]) {
        for watch in &self.watches {
            let known = known.get(&watch.title()).copied().unwrap_or_default();
            let spared = if known.verdict { watch.formula.spared() } else { 0 };
            let lost = watch.sight(sites).effects & !known.sites & !spared;
            if lost != 0 {
                let (what, at) = (watch.described(), named(lost));
                self.broken.insert(format!("{what} is at {at}, and the journal knows nothing of it"));
            }
        }
    }

    /// At the end, when all is well, every debt is paid, and all that was late has come.
    pub fn end(&mut self, sites: &[Site]) {
        let mut broken = Vec::new();
        for watch in &self.watches {
            let sight = watch.sight(sites);
            let what = watch.described();
            let taken_back = watch.atomics.iter().any(|number| !self.kept.contains(number));
            let kept = match watch.told {
                Some(outcome) if watch.deleted => {
                    if sight.effects & outcome != 0 {
                        broken.push(format!("{what} was deleted, and is at {}", named(sight.effects & outcome)));
                    }
                    0
                }
                Some(outcome) if taken_back => {
                    if sight.effects != 0 {
                        broken.push(format!("{what} was taken back, and is at {}", named(sight.effects)));
                    }
                    outcome
                }
                Some(outcome) if watch.deleting => outcome,
                Some(outcome) => {
                    if outcome & !sight.good != 0 {
                        broken.push(format!("{what} is done, and not at {}", named(outcome & !sight.good)));
                    }
                    if !watch.formula.holds(sight.effects | outcome) {
                        broken.push(format!("{what} is done, and is at {}", named(sight.effects)));
                    }
                    outcome
                }
                None => 0,
            };
            let spared = if watch.told.is_some() && !taken_back { watch.formula.spared() } else { 0 };
            let loose = sight.effects & !kept & !spared;
            if loose != 0 {
                let how = if watch.begun { "nobody knows of it" } else { "it was never begun" };
                broken.push(format!("{what} is at {}, and {how}", named(loose)));
            }
        }
        self.broken.extend(broken);
    }
}

pub fn named(mask: u32) -> String {
    let names: Vec<&str> = bits(mask).filter_map(|i| SITES.get(i).copied()).collect();
    format!("{{{}}}", names.join(", "))
}
