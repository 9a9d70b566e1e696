//! Placements: propositional formulas whose atoms are sites. "The operation is in effect at s" is the atom `s`.
//!
//! This file is the formula as data and what can be said of it at sight; what it evaluates to is in `form.rs`,
//! which outcomes it accepts in `minimal.rs`. Every pass recurses by nesting, never by length: the parser bounds
//! nesting, and a conjunction of 100,000 sites is one flat list.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::form::{Form, Truth};
use super::minimal::{Outcomes, Tangled, first_of};
use super::names;
use super::set::SiteSet;
use super::site::SiteId;

/// A formula over sites.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    Site(SiteId),
    AllOf(SiteSet),
    AnyOf(SiteSet),
    NoneOf(SiteSet),
    Exactly(usize, SiteSet),
    AtLeast(usize, SiteSet),
    AtMost(usize, SiteSet),
    /// Attempted at all of the set; holds when at most so many lack it, refusals and silence both counted. Its
    /// verdict is all that is there, and nothing inside the set is tidied. As a proposition: at least size - n.
    AllBut(usize, SiteSet),
    And(Vec<Placement>),
    Or(Vec<Placement>),
    /// Parity, as in mathematics: true when an odd number of the parts is.
    Xor(Vec<Placement>),
    Not(Box<Placement>),
}

/// Whether an operation can be placed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Satisfiability {
    /// No outcome satisfies it.
    Unsatisfiable,
    /// Doing nothing satisfies it, so nothing would ever be sent.
    AcceptsNothing,
    Fine,
    /// Its parts share so many sites that the search was given up; the writer has to split it.
    Tangled,
}

impl Placement {
    /// Every site the formula speaks of.
    pub fn sites(&self) -> SiteSet {
        let mut sites = SiteSet::new();
        self.each_leaf(&mut |leaf| match leaf {
            Leaf::Site(site) => {
                sites.insert(site);
            }
            Leaf::Set(set) => sites.add(set),
        });
        sites
    }

    /// The sites in the order in which they are first written; those of a set ascend.
    pub fn written_order(&self) -> Vec<SiteId> {
        let (mut seen, mut order) = (SiteSet::new(), Vec::new());
        self.each_leaf(&mut |leaf| match leaf {
            Leaf::Site(site) => {
                if seen.insert(site) {
                    order.push(site);
                }
            }
            Leaf::Set(set) => {
                order.extend(set.difference(&seen).iter());
                seen.add(set);
            }
        });
        order
    }

    /// Whether the formula is true when the operation is in effect at exactly `there`.
    pub fn holds(&self, there: &SiteSet) -> bool {
        self.judge(there, &SiteSet::new()) == Truth::True
    }

    /// Strong Kleene evaluation, by bounds for the counting forms: `there` true, `strays` unknown, the rest false.
    pub fn judge(&self, there: &SiteSet, strays: &SiteSet) -> Truth {
        Form::of(self).judge(there, &strays.difference(there))
    }

    /// Whether the formula is true whichever of `strays` turn out to have the effect too. Kleene evaluation is as
    /// good as truth where each stray is written once; strays written several times are tried both ways, and
    /// beyond [`MOST_TRIED`](super::MOST_TRIED) of them the answer may be a false `false`, never a false `true`.
    pub fn holds_over(&self, there: &SiteSet, strays: &SiteSet) -> bool {
        Form::of(self).holds_over(there, &strays.difference(there))
    }

    pub fn satisfiability(&self) -> Satisfiability {
        match self.first_minimal(&SiteSet::new(), &SiteSet::new(), &[]) {
            Err(Tangled) => Satisfiability::Tangled,
            Ok(None) => Satisfiability::Unsatisfiable,
            Ok(Some(outcome)) if outcome.is_empty() => Satisfiability::AcceptsNothing,
            Ok(Some(_)) => Satisfiability::Fine,
        }
    }

    /// The minimal outcomes, lazily, in written order: `{A,C}` before `{B}` where A is written first. After an
    /// `Err` the iterator ends.
    pub fn minimal(&self) -> impl Iterator<Item = Result<SiteSet, Tangled>> + use<> {
        let outcomes = Outcomes::of(self, &[]);
        let mut stream = outcomes.stream();
        std::iter::from_fn(move || stream.next(&outcomes).map(|found| found.map(|ranks| outcomes.sites_of(&ranks))))
    }

    /// The first of the minimal outcomes that contain `pinned` and avoid `banned`, by `preference` and then by
    /// written order.
    pub fn first_minimal(
        &self,
        pinned: &SiteSet,
        banned: &SiteSet,
        preference: &[SiteId],
    ) -> Result<Option<SiteSet>, Tangled> {
        let outcomes = Outcomes::of(self, preference);
        let found = outcomes.first(&outcomes.ranks_of(pinned), &outcomes.ranks_of(banned), None)?;
        Ok(found.map(|ranks| outcomes.sites_of(&ranks)))
    }

    /// A conjunction of sites, `all of` and `all but`: what an operation that cannot be undone may be placed by.
    pub fn is_conjunction(&self) -> bool {
        match self {
            Placement::Site(_) | Placement::AllOf(_) | Placement::AllBut(..) => true,
            Placement::And(parts) => parts.iter().all(Placement::is_conjunction),
            _ => false,
        }
    }

    /// Whether a verdict may leave what is there outside of it: `all but n of`, as a whole or as a part of an `&&`.
    pub fn spares(&self) -> bool {
        match self {
            Placement::AllBut(..) => true,
            Placement::And(parts) => parts.iter().any(Placement::spares),
            _ => false,
        }
    }

    /// Whether it contains `!`, `none of` or `xor`, which a read cannot bring about.
    pub fn has_not_or_xor(&self) -> bool {
        match self {
            Placement::Not(_) | Placement::NoneOf(_) | Placement::Xor(_) => true,
            Placement::And(parts) | Placement::Or(parts) => parts.iter().any(Placement::has_not_or_xor),
            _ => false,
        }
    }

    /// Whether it reads as the choice of one site: a site, or `||`, `xor`, `any of`, `exactly 1 of` of choices. Where choices
    /// share sites, an outcome of `xor` may be more than one: `(exactly 1 of {A, B}) xor (A || B)` is {A, B}.
    pub fn is_single(&self) -> bool {
        match self {
            Placement::Site(_) | Placement::AnyOf(_) | Placement::Exactly(1, _) => true,
            Placement::Or(parts) => parts.iter().all(Placement::is_single),
            Placement::Xor(parts) if parts.iter().all(Placement::is_single) => {
                let apart: usize = parts.iter().map(|part| part.sites().len()).sum();
                apart == self.sites().len() || self.has_single_outcomes()
            }
            _ => false,
        }
    }

    /// An outcome of several sites is minimal if none of them is one by itself.
    fn has_single_outcomes(&self) -> bool {
        let form = Form::of(self);
        let alone = |site: &SiteId| form.judge(&SiteSet::of(*site), &SiteSet::new()) == Truth::True;
        let alone = form.sites.iter().filter(alone).collect();
        matches!(first_of(&form, &SiteSet::new(), &alone, None), Ok(None))
    }

    /// A chain of three or more `xor`, nested or not: parity, which is seldom meant.
    pub fn is_parity(&self) -> bool {
        fn terms(placement: &Placement) -> usize {
            match placement {
                Placement::Xor(parts) => parts.iter().map(terms).sum(),
                _ => 1,
            }
        }
        matches!(self, Placement::Xor(_)) && terms(self) > 2
    }

    /// The formula as text, with the names that `name` gives to sites. Sets of many sites are folded.
    pub fn display<F: Fn(SiteId) -> String>(&self, name: F) -> Shown<'_, F> {
        Shown { placement: self, name }
    }

    fn each_leaf<'a>(&'a self, visit: &mut impl FnMut(Leaf<'a>)) {
        match self {
            Placement::Site(site) => visit(Leaf::Site(*site)),
            Placement::AllOf(set) | Placement::AnyOf(set) | Placement::NoneOf(set) => visit(Leaf::Set(set)),
            Placement::Exactly(_, set)
            | Placement::AtLeast(_, set)
            | Placement::AtMost(_, set)
            | Placement::AllBut(_, set) => visit(Leaf::Set(set)),
            Placement::And(parts) | Placement::Or(parts) | Placement::Xor(parts) => {
                parts.iter().for_each(|part| part.each_leaf(visit));
            }
            Placement::Not(part) => part.each_leaf(visit),
        }
    }
}

enum Leaf<'a> {
    Site(SiteId),
    Set(&'a SiteSet),
}

/// A placement with the names of its sites.
pub struct Shown<'a, F> {
    placement: &'a Placement,
    name: F,
}

impl<F: Fn(SiteId) -> String> fmt::Display for Shown<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_placement(f, self.placement, &self.name)
    }
}

/// Sets larger than this are written folded, as `edge-[001-500]`.
const LISTED: usize = 4;

fn write_placement(f: &mut fmt::Formatter<'_>, placement: &Placement, name: &impl Fn(SiteId) -> String) -> fmt::Result {
    let set = |sites: &SiteSet| {
        let listed: Vec<String> = sites.iter().map(name).collect();
        format!("{{{}}}", if listed.len() > LISTED { names::fold(&listed) } else { listed.join(", ") })
    };
    match placement {
        Placement::Site(site) => f.write_str(&name(*site)),
        Placement::AllOf(sites) => write!(f, "all of {}", set(sites)),
        Placement::AnyOf(sites) => write!(f, "any of {}", set(sites)),
        Placement::NoneOf(sites) => write!(f, "none of {}", set(sites)),
        Placement::Exactly(k, sites) => write!(f, "exactly {k} of {}", set(sites)),
        Placement::AtLeast(k, sites) => write!(f, "at least {k} of {}", set(sites)),
        Placement::AtMost(k, sites) => write!(f, "at most {k} of {}", set(sites)),
        Placement::AllBut(n, sites) => write!(f, "all but {n} of {}", set(sites)),
        Placement::And(parts) => write_chain(f, parts, " && ", "all of {}", name),
        Placement::Or(parts) => write_chain(f, parts, " || ", "any of {}", name),
        Placement::Xor(parts) => write_chain(f, parts, " xor ", "any of {}", name),
        Placement::Not(part) => {
            f.write_str("!")?;
            write_part(f, part, name, matches!(**part, Placement::Site(_) | Placement::Not(_)))
        }
    }
}

fn write_chain(
    f: &mut fmt::Formatter<'_>,
    parts: &[Placement],
    operator: &str,
    empty: &str,
    name: &impl Fn(SiteId) -> String,
) -> fmt::Result {
    if parts.is_empty() {
        return f.write_str(empty);
    }
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            f.write_str(operator)?;
        }
        let bare = parts.len() == 1 || !matches!(part, Placement::And(_) | Placement::Or(_) | Placement::Xor(_));
        write_part(f, part, name, bare)?;
    }
    Ok(())
}

fn write_part(
    f: &mut fmt::Formatter<'_>,
    part: &Placement,
    name: &impl Fn(SiteId) -> String,
    bare: bool,
) -> fmt::Result {
    if bare {
        return write_placement(f, part, name);
    }
    f.write_str("(")?;
    write_placement(f, part, name)?;
    f.write_str(")")
}
