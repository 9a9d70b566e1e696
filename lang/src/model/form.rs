//! A placement in the shape in which it is evaluated and searched: negation pushed to the leaves, chains
//! flattened, and every leaf a *count*, a set of sites with a test on how many of them have the effect.
//!
//! The hard idea is *tangling*. Where the parts of a formula share no site, what holds for the parts holds for
//! the whole: evaluation by bounds is exact, and outcomes are found part by part. Only parts that share sites
//! need case distinction, so each node knows whether its parts do.

use super::placement::Placement;
use super::set::SiteSet;
use super::site::SiteId;

/// A truth value of strong Kleene logic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    True,
    False,
    Unknown,
}

impl From<bool> for Truth {
    fn from(value: bool) -> Truth {
        if value { Truth::True } else { Truth::False }
    }
}

/// So many strays that are written several times are tried both ways; with more, Kleene's answer stands.
pub const MOST_TRIED: usize = 12;

/// Which numbers of sites a count accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    AtLeast(usize),
    AtMost(usize),
    Exactly(usize),
    NotExactly(usize),
    Odd,
    Even,
}

impl Test {
    /// The smallest accepted number that is not below `count`.
    pub fn next(self, count: usize) -> Option<usize> {
        match self {
            Test::AtLeast(k) => Some(count.max(k)),
            Test::AtMost(k) => (count <= k).then_some(count),
            Test::Exactly(k) => (count <= k).then_some(k),
            Test::NotExactly(k) => Some(if count == k { count + 1 } else { count }),
            Test::Odd => Some(count + usize::from(count.is_multiple_of(2))),
            Test::Even => Some(count + count % 2),
        }
    }

    /// How many numbers right above an accepted one are accepted too.
    pub fn slack(self, count: usize) -> usize {
        match self {
            Test::AtLeast(_) => usize::MAX,
            Test::AtMost(k) => k - count,
            Test::NotExactly(k) if count > k => usize::MAX,
            Test::NotExactly(k) => k - 1 - count,
            Test::Exactly(_) | Test::Odd | Test::Even => 0,
        }
    }

    /// Kleene's answer for `known` sites that have the effect and `open` ones that may.
    pub fn judge(self, known: usize, open: usize) -> Truth {
        match self.next(known) {
            Some(count) if count == known && self.slack(known) >= open => Truth::True,
            Some(count) if count <= known + open => Truth::Unknown,
            _ => Truth::False,
        }
    }

    pub fn negated(self) -> Test {
        match self {
            Test::AtLeast(0) => Test::AtLeast(usize::MAX),
            Test::AtLeast(k) => Test::AtMost(k - 1),
            Test::AtMost(k) => Test::AtLeast(k.saturating_add(1)),
            Test::Exactly(k) => Test::NotExactly(k),
            Test::NotExactly(k) => Test::Exactly(k),
            Test::Odd => Test::Even,
            Test::Even => Test::Odd,
        }
    }
}

/// A formula, or a part of one.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub shape: Shape,
    /// The sites written in it.
    pub sites: SiteSet,
    /// Those written in more than one of its parts: where this is empty, the parts can be looked at one by one.
    pub shared: SiteSet,
}

#[derive(Clone, Debug)]
pub(super) enum Shape {
    Count(Test),
    All(Vec<Form>),
    Any(Vec<Form>),
    /// True when the number of true parts is odd (`odd`), or even.
    Parity {
        parts: Vec<Form>,
        odd: bool,
    },
}

impl Form {
    pub fn of(placement: &Placement) -> Form {
        Form::build(placement, &|site| site, true)
    }

    /// `rename` gives sites the numbers under which they are searched.
    pub fn build(placement: &Placement, rename: &dyn Fn(SiteId) -> SiteId, positive: bool) -> Form {
        let count = |test: Test, set: &SiteSet| {
            Form::count(if positive { test } else { test.negated() }, set.iter().map(rename).collect())
        };
        match placement {
            Placement::Site(site) => count(Test::AtLeast(1), &SiteSet::of(*site)),
            Placement::AllOf(set) => count(Test::AtLeast(set.len()), set),
            Placement::AnyOf(set) => count(Test::AtLeast(1), set),
            Placement::NoneOf(set) => count(Test::AtMost(0), set),
            Placement::Exactly(k, set) => count(Test::Exactly(*k), set),
            Placement::AtLeast(k, set) => count(Test::AtLeast(*k), set),
            Placement::AtMost(k, set) => count(Test::AtMost(*k), set),
            Placement::AllBut(n, set) => count(Test::AtLeast(set.len().saturating_sub(*n)), set),
            Placement::Not(part) => Form::build(part, rename, !positive),
            Placement::And(parts) => Form::junction(parts, rename, positive, positive),
            Placement::Or(parts) => Form::junction(parts, rename, positive, !positive),
            Placement::Xor(parts) => Form::parity(parts, rename, positive),
        }
    }

    pub fn count(test: Test, sites: SiteSet) -> Form {
        Form { shape: Shape::Count(test), sites, shared: SiteSet::new() }
    }

    /// Plain sites are gathered: a conjunction of 100,000 of them becomes two counts, whatever their order.
    fn junction(parts: &[Placement], rename: &dyn Fn(SiteId) -> SiteId, positive: bool, all: bool) -> Form {
        let (mut there, mut not_there, mut rest) = (SiteSet::new(), SiteSet::new(), Vec::new());
        for part in parts {
            if let Some((site, is_there)) = literal(part, positive) {
                if is_there { &mut there } else { &mut not_there }.insert(rename(site));
                continue;
            }
            let part = Form::build(part, rename, positive);
            match part.shape {
                Shape::All(inner) if all => rest.extend(inner),
                Shape::Any(inner) if !all => rest.extend(inner),
                _ => rest.push(part),
            }
        }
        if !there.is_empty() {
            let test = Test::AtLeast(if all { there.len() } else { 1 });
            rest.push(Form::count(test, there));
        }
        if !not_there.is_empty() {
            let test = Test::AtMost(if all { 0 } else { not_there.len() - 1 });
            rest.push(Form::count(test, not_there));
        }
        let neutral = if all { Test::AtMost(0) } else { Test::AtLeast(1) };
        Form::joined(rest, neutral, if all { Shape::All } else { Shape::Any })
    }

    /// Equal sites of a parity cancel, so what is gathered is a symmetric difference.
    fn parity(parts: &[Placement], rename: &dyn Fn(SiteId) -> SiteId, positive: bool) -> Form {
        let (mut gathered, mut odd, mut rest) = (SiteSet::new(), positive, Vec::new());
        for part in parts {
            if let Some((site, is_there)) = literal(part, true) {
                odd ^= !is_there;
                if !gathered.insert(rename(site)) {
                    gathered.remove(rename(site));
                }
                continue;
            }
            let part = Form::build(part, rename, true);
            match part.shape {
                Shape::Count(test @ (Test::Odd | Test::Even)) => {
                    odd ^= test == Test::Even;
                    gathered = gathered.symmetric_difference(&part.sites);
                }
                Shape::Parity { parts: inner, odd: inner_odd } => {
                    odd ^= !inner_odd;
                    rest.extend(inner);
                }
                _ => rest.push(part),
            }
        }
        if rest.is_empty() {
            return Form::count(if odd { Test::Odd } else { Test::Even }, gathered);
        }
        if !gathered.is_empty() {
            rest.push(Form::count(Test::Odd, gathered));
        }
        Form::joined(rest, Test::AtLeast(1), |parts| Shape::Parity { parts, odd })
    }

    fn joined(mut parts: Vec<Form>, neutral: Test, shape: impl FnOnce(Vec<Form>) -> Shape) -> Form {
        if parts.is_empty() {
            return Form::count(neutral, SiteSet::new());
        }
        let shape = shape(std::mem::take(&mut parts));
        let (parts, single) = match &shape {
            Shape::All(parts) | Shape::Any(parts) => (parts, parts.len() == 1),
            Shape::Parity { parts, odd } => (parts, parts.len() == 1 && *odd),
            Shape::Count(_) => unreachable!("a count has no parts"),
        };
        if single {
            return parts[0].clone();
        }
        let (sites, shared) = gather(parts);
        Form { shape, sites, shared }
    }

    pub fn parts(&self) -> &[Form] {
        match &self.shape {
            Shape::Count(_) => &[],
            Shape::All(parts) | Shape::Any(parts) | Shape::Parity { parts, .. } => parts,
        }
    }

    /// Strong Kleene: `there` has the effect, `strays` may, the rest has not. The two are disjoint.
    pub fn judge(&self, there: &SiteSet, strays: &SiteSet) -> Truth {
        match &self.shape {
            Shape::Count(test) => test.judge(self.sites.common(there), self.sites.common(strays)),
            Shape::All(parts) => Form::fold(parts, there, strays, Truth::False, Truth::True),
            Shape::Any(parts) => Form::fold(parts, there, strays, Truth::True, Truth::False),
            Shape::Parity { parts, odd } => {
                let mut is_odd = false;
                for part in parts {
                    match part.judge(there, strays) {
                        Truth::Unknown => return Truth::Unknown,
                        truth => is_odd ^= truth == Truth::True,
                    }
                }
                Truth::from(is_odd == *odd)
            }
        }
    }

    fn fold(parts: &[Form], there: &SiteSet, strays: &SiteSet, decisive: Truth, neutral: Truth) -> Truth {
        let mut all = neutral;
        for part in parts {
            match part.judge(there, strays) {
                truth if truth == decisive => return decisive,
                Truth::Unknown => all = Truth::Unknown,
                _ => {}
            }
        }
        all
    }

    /// True whichever of `strays` turn out to have the effect, as far as [`MOST_TRIED`] allows.
    pub fn holds_over(&self, there: &SiteSet, strays: &SiteSet) -> bool {
        self.settled(there, strays) == Truth::True
    }

    /// As [`Form::judge`], with the strays that are written several times tried both ways.
    pub fn settled(&self, there: &SiteSet, strays: &SiteSet) -> Truth {
        let kleene = self.judge(there, strays);
        if kleene != Truth::Unknown {
            return kleene;
        }
        let tried: Vec<SiteId> = self.repeated(strays).iter().take(MOST_TRIED + 1).collect();
        if tried.is_empty() || tried.len() > MOST_TRIED {
            return Truth::Unknown;
        }
        self.both_ways(there.clone(), strays.clone(), &tried)
    }

    fn both_ways(&self, there: SiteSet, mut strays: SiteSet, tried: &[SiteId]) -> Truth {
        match (self.judge(&there, &strays), tried.split_first()) {
            (Truth::Unknown, Some((site, rest))) => {
                strays.remove(*site);
                let with = there.union(&SiteSet::of(*site));
                let without = self.both_ways(there, strays.clone(), rest);
                if without != Truth::Unknown && self.both_ways(with, strays, rest) == without {
                    without
                } else {
                    Truth::Unknown
                }
            }
            (truth, _) => truth,
        }
    }

    /// The strays that are written more than once, at whatever depth.
    fn repeated(&self, strays: &SiteSet) -> SiteSet {
        let mut found = self.shared.intersection(strays);
        for part in self.parts() {
            if !part.sites.is_disjoint(strays) {
                found.add(&part.repeated(strays));
            }
        }
        found
    }
}

/// All sites of the parts, and those of more than one.
fn gather(parts: &[Form]) -> (SiteSet, SiteSet) {
    let (mut sites, mut shared) = (SiteSet::new(), SiteSet::new());
    for part in parts {
        if part.sites.len() > 64 {
            shared.add(&sites.intersection(&part.sites));
            sites.add(&part.sites);
            continue;
        }
        // Many small parts over many sites: word by word would be quadratic.
        for site in &part.sites {
            if !sites.insert(site) {
                shared.insert(site);
            }
        }
    }
    (sites, shared)
}

/// The site of a formula that is one site, or its negation (`false`).
fn literal(placement: &Placement, positive: bool) -> Option<(SiteId, bool)> {
    match placement {
        Placement::Site(site) => Some((*site, positive)),
        Placement::Not(part) => literal(part, !positive),
        _ => None,
    }
}
