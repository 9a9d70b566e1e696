//! Placements by truth table, and numbers from a seed.

use std::fmt::Write;

/// SplitMix64.
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
}

/// A placement over sites that are bits.
#[derive(Clone, Debug)]
pub enum Formula {
    Site(usize),
    Not(usize),
    And(Vec<Formula>),
    Or(Vec<Formula>),
    Xor(usize, usize),
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
    pub fn random(random: &mut Random, sites: usize) -> Formula {
        let (a, b) = two(random, sites);
        let all = (1u32 << sites) - 1;
        let (k, n) = (1 + random.below(sites as u64 - 1) as u32, sites as u32);
        let count = |words: String, least, most| Formula::Count { words, least, most, set: all };
        match random.below(14) {
            0 => Formula::Site(a),
            1 => Formula::And(vec![Formula::Site(a), Formula::Site(b)]),
            2 | 3 => Formula::Or(vec![Formula::Site(a), Formula::Site(b)]),
            4 | 5 => Formula::Xor(a, b),
            6 => count("all".into(), n, n),
            7 => count("any".into(), 1, n),
            8 | 9 => count(format!("exactly {k}"), k, k),
            10 => count(format!("at least {k}"), k, n),
            11 => Formula::AllBut(1, all),
            12 if sites > 2 => {
                let c = (0..sites).find(|c| *c != a && *c != b).expect("a third site");
                Formula::And(vec![Formula::Or(vec![Formula::Site(a), Formula::Site(c)]), Formula::Not(b)])
            }
            _ if sites > 2 => {
                let c = (0..sites).find(|c| *c != a && *c != b).expect("a third site");
                let both = Formula::And(vec![Formula::Site(a), Formula::Site(b)]);
                match random.chance(50) {
                    true => Formula::Or(vec![both, Formula::Site(c)]),
                    false => Formula::And(vec![Formula::Xor(a, b), Formula::Site(c)]),
                }
            }
            _ => Formula::And(vec![Formula::Site(a), Formula::Not(b)]),
        }
    }

    pub fn all(sites: usize) -> Formula {
        Formula::Count { words: "all".into(), least: sites as u32, most: sites as u32, set: (1 << sites) - 1 }
    }

    pub fn holds(&self, there: u32) -> bool {
        let at = |site: &usize| there & 1 << site != 0;
        match self {
            Formula::Site(site) => at(site),
            Formula::Not(site) => !at(site),
            Formula::And(parts) => parts.iter().all(|p| p.holds(there)),
            Formula::Or(parts) => parts.iter().any(|p| p.holds(there)),
            Formula::Xor(a, b) => at(a) != at(b),
            Formula::Count { least, most, set, .. } => (*least..=*most).contains(&(there & set).count_ones()),
            Formula::AllBut(n, set) => (set & !there).count_ones() <= *n,
        }
    }

    /// The sites at which it may put something.
    pub fn positive(&self) -> u32 {
        match self {
            Formula::Site(site) => 1 << site,
            Formula::Not(_) => 0,
            Formula::And(parts) | Formula::Or(parts) => parts.iter().fold(0, |all, p| all | p.positive()),
            Formula::Xor(a, b) => 1 << a | 1 << b,
            Formula::Count { set, .. } | Formula::AllBut(_, set) => *set,
        }
    }

    /// Whether what is there besides the verdict is left.
    pub fn spares(&self) -> bool {
        matches!(self, Formula::AllBut(..))
    }

    pub fn text(&self, names: &[&str]) -> String {
        let set = |mask: &u32| {
            let all: Vec<&str> = (0..names.len()).filter(|i| mask & 1 << i != 0).map(|i| names[i]).collect();
            format!("{{{}}}", all.join(", "))
        };
        let joined = |parts: &[Formula], sign: &str| {
            let mut out = String::new();
            for (i, part) in parts.iter().enumerate() {
                let text = part.text(names);
                let text = if matches!(part, Formula::Site(_) | Formula::Not(_)) { text } else { format!("({text})") };
                let _ = write!(out, "{}{text}", if i > 0 { sign } else { "" });
            }
            out
        };
        match self {
            Formula::Site(site) => names[*site].into(),
            Formula::Not(site) => format!("!{}", names[*site]),
            Formula::And(parts) => joined(parts, " && "),
            Formula::Or(parts) => joined(parts, " || "),
            Formula::Xor(a, b) => format!("{} xor {}", names[*a], names[*b]),
            Formula::Count { words, set: mask, .. } => format!("{words} of {}", set(mask)),
            Formula::AllBut(n, mask) => format!("all but {n} of {}", set(mask)),
        }
    }
}

fn two(random: &mut Random, sites: usize) -> (usize, usize) {
    let a = random.below(sites as u64) as usize;
    let b = (a + 1 + random.below(sites as u64 - 1) as usize) % sites;
    (a, b)
}
