//! Placements by truth table, and numbers from a seed.

use std::fmt::Write;

/// SplitMix64.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize].clone()
    }

    /// Some of the bits of `among`, at least one.
    pub fn some(&mut self, among: u32) -> u32 {
        loop {
            let some = self.next() as u32 & among;
            if some != 0 {
                return some;
            }
        }
    }

    fn bit(&mut self, among: u32) -> usize {
        let nth = self.below(u64::from(among.count_ones())) as usize;
        bits(among).nth(nth).expect("so many bits are set")
    }
}

pub fn bits(mask: u32) -> impl Iterator<Item = usize> {
    (0..32).filter(move |i| mask & 1 << i != 0)
}

/// A placement over sites that are bits.
#[derive(Clone, Debug)]
pub enum Formula {
    Site(usize),
    Not(usize),
    And(Vec<Formula>),
    Or(Vec<Formula>),
    Xor(Box<Formula>, Box<Formula>),
    /// `words of S`: from `least` to `most` of them.
    Count {
        words: String,
        least: u32,
        most: u32,
        set: u32,
    },
    AllBut(u32, u32),
}

impl Formula {
    /// Every connective and counting form over some of the sites, one of them or one inside another.
    pub fn random(random: &mut Random, sites: usize) -> Formula {
        let all = (1u32 << sites) - 1;
        match random.below(10) {
            0 => Formula::Site(random.bit(all)),
            1..=3 => Formula::any(random, all, 2),
            _ => Formula::any(random, all, 1),
        }
    }

    fn any(random: &mut Random, among: u32, depth: u32) -> Formula {
        if depth == 0 || among.count_ones() < 2 {
            return Formula::Site(random.bit(among));
        }
        let part = |random: &mut Random| {
            let depth = if random.chance(50) { depth - 1 } else { 0 };
            Formula::any(random, among, depth)
        };
        match random.below(9) {
            0 | 1 => {
                let mut parts = vec![part(random), part(random)];
                if random.chance(30) {
                    parts.push(part(random));
                }
                if random.chance(30) {
                    parts.push(Formula::without(random, among));
                }
                Formula::And(parts)
            }
            2 | 3 => {
                let mut parts = vec![part(random), part(random)];
                if random.chance(30) {
                    parts.push(part(random));
                }
                Formula::Or(parts)
            }
            4 => Formula::Xor(Box::new(part(random)), Box::new(part(random))),
            _ => Formula::counted(random, among),
        }
    }

    fn without(random: &mut Random, among: u32) -> Formula {
        match random.chance(60) {
            true => Formula::Not(random.bit(among)),
            false => Formula::Count { words: "none".into(), least: 0, most: 0, set: random.some(among) },
        }
    }

    fn counted(random: &mut Random, among: u32) -> Formula {
        let set = if random.chance(50) { among } else { random.some(among) };
        let n = set.count_ones();
        let k = 1 + random.below(u64::from(n)) as u32;
        let (words, least, most) = match random.below(6) {
            0 => ("all".into(), n, n),
            1 => ("any".into(), 1, n),
            2 | 3 => (format!("exactly {k}"), k, k),
            4 => (format!("at least {k}"), k, n),
            _ => return Formula::AllBut(random.below(u64::from(n)) as u32, set),
        };
        Formula::Count { words, least, most, set }
    }

    pub fn all(set: u32) -> Formula {
        let n = set.count_ones();
        Formula::Count { words: "all".into(), least: n, most: n, set }
    }

    pub fn holds(&self, there: u32) -> bool {
        let at = |site: &usize| there & 1 << site != 0;
        match self {
            Formula::Site(site) => at(site),
            Formula::Not(site) => !at(site),
            Formula::And(parts) => parts.iter().all(|p| p.holds(there)),
            Formula::Or(parts) => parts.iter().any(|p| p.holds(there)),
            Formula::Xor(a, b) => a.holds(there) != b.holds(there),
            Formula::Count { least, most, set, .. } => (*least..=*most).contains(&(there & set).count_ones()),
            Formula::AllBut(n, set) => (set & !there).count_ones() <= *n,
        }
    }

    /// The sites that it speaks of.
    pub fn sites(&self) -> u32 {
        match self {
            Formula::Site(site) | Formula::Not(site) => 1 << site,
            Formula::And(parts) | Formula::Or(parts) => parts.iter().fold(0, |all, p| all | p.sites()),
            Formula::Xor(a, b) => a.sites() | b.sites(),
            Formula::Count { set, .. } | Formula::AllBut(_, set) => *set,
        }
    }

    /// The sites at which it may put something.
    pub fn positive(&self) -> u32 {
        match self {
            Formula::Site(site) => 1 << site,
            Formula::Not(_) => 0,
            Formula::And(parts) | Formula::Or(parts) => parts.iter().fold(0, |all, p| all | p.positive()),
            // What must not be in one part may be wanted then.
            Formula::Xor(a, b) => a.sites() | b.sites(),
            Formula::Count { most: 0, .. } => 0,
            Formula::Count { set, .. } | Formula::AllBut(_, set) => *set,
        }
    }

    /// Where what is there besides the verdict is left: inside `all but n of`, as a whole or as a part of an `&&`.
    pub fn spared(&self) -> u32 {
        match self {
            Formula::AllBut(_, set) => *set,
            Formula::And(parts) => parts.iter().fold(0, |all, p| all | p.spared()),
            _ => 0,
        }
    }

    /// Whether some outcome has all of these.
    pub fn allows(&self, there: u32) -> bool {
        let all = self.sites();
        let free = all & !there;
        // Every subset of what is free, added.
        let mut more = free;
        loop {
            if self.holds(there | more) {
                return true;
            }
            if more == 0 {
                return false;
            }
            more = (more - 1) & free;
        }
    }

    pub fn text(&self, names: &[&str]) -> String {
        let set = |mask: &u32| {
            let all: Vec<&str> = bits(*mask).filter_map(|i| names.get(i).copied()).collect();
            format!("{{{}}}", all.join(", "))
        };
        let inner = |part: &Formula| {
            let text = part.text(names);
            if matches!(part, Formula::Site(_) | Formula::Not(_)) { text } else { format!("({text})") }
        };
        let joined = |parts: &[Formula], sign: &str| {
            let mut out = String::new();
            for (i, part) in parts.iter().enumerate() {
                let _ = write!(out, "{}{}", if i > 0 { sign } else { "" }, inner(part));
            }
            out
        };
        match self {
            Formula::Site(site) => names[*site].into(),
            Formula::Not(site) => format!("!{}", names[*site]),
            Formula::And(parts) => joined(parts, " && "),
            Formula::Or(parts) => joined(parts, " || "),
            Formula::Xor(a, b) => format!("{} xor {}", inner(a), inner(b)),
            Formula::Count { words, set: mask, .. } => format!("{words} of {}", set(mask)),
            Formula::AllBut(n, mask) => format!("all but {n} of {}", set(mask)),
        }
    }
}
