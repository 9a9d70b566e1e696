//! The oracle: a placement as the plain list of all outcomes that satisfy it, by the definitions alone.

use edge_lang::model::{Placement, SiteId, SiteSet};
use proptest::prelude::*;

/// A set of sites below 32 as bits.
pub type Mask = u32;

pub fn set(mask: Mask) -> SiteSet {
    (0..32).filter(|bit| mask >> bit & 1 == 1).map(SiteId).collect()
}

pub fn mask(set: &SiteSet) -> Mask {
    set.iter().map(|site| 1 << site.0).sum()
}

/// Whether the operation in effect at exactly `there` satisfies the formula.
pub fn satisfies(placement: &Placement, there: Mask) -> bool {
    let among = |set: &SiteSet| set.iter().filter(|site| there >> site.0 & 1 == 1).count();
    match placement {
        Placement::Site(site) => there >> site.0 & 1 == 1,
        Placement::AllOf(set) => among(set) == set.len(),
        Placement::AnyOf(set) => among(set) >= 1,
        Placement::NoneOf(set) => among(set) == 0,
        Placement::Exactly(k, set) => among(set) == *k,
        Placement::AtLeast(k, set) => among(set) >= *k,
        Placement::AtMost(k, set) => among(set) <= *k,
        Placement::AllBut(n, set) => set.len() - among(set) <= *n,
        Placement::And(parts) => parts.iter().all(|part| satisfies(part, there)),
        Placement::Or(parts) => parts.iter().any(|part| satisfies(part, there)),
        Placement::Xor(parts) => parts.iter().filter(|part| satisfies(part, there)).count() % 2 == 1,
        Placement::Not(part) => !satisfies(part, there),
    }
}

/// All subsets of `all`, by counting.
pub fn subsets(all: Mask) -> impl Iterator<Item = Mask> {
    (0..=all).filter(move |some| some & !all == 0)
}

/// The sites in order, as which outcomes are compared.
pub fn listed(outcome: Mask, order: &[SiteId]) -> Vec<usize> {
    (0..order.len()).filter(|&rank| outcome >> order[rank].0 & 1 == 1).collect()
}

/// The minimal outcomes that contain `pin` and avoid `ban`, in the order that `order` gives to sites.
pub fn minimal(placement: &Placement, pin: Mask, ban: Mask, order: &[SiteId]) -> Vec<Mask> {
    let all = mask(&placement.sites());
    let fit: Vec<Mask> = subsets(all).filter(|w| satisfies(placement, *w) && w & pin == pin && w & ban == 0).collect();
    let mut least: Vec<Mask> = fit.iter().copied().filter(|w| !fit.iter().any(|v| v != w && v & w == *v)).collect();
    least.sort_by_key(|w| listed(*w, order));
    least
}

/// Formulas over `sites` sites, nested up to four deep, tangled more often than people would write them.
pub fn formulas(sites: u32) -> impl Strategy<Value = Placement> {
    let some_sites = move || (0..1u32 << sites).prop_map(set);
    let count = 0..=sites as usize;
    let leaf = prop_oneof![
        4 => (0..sites).prop_map(|site| Placement::Site(SiteId(site))),
        1 => some_sites().prop_map(Placement::AllOf),
        1 => some_sites().prop_map(Placement::AnyOf),
        1 => some_sites().prop_map(Placement::NoneOf),
        2 => (count.clone(), some_sites()).prop_map(|(k, set)| Placement::Exactly(k, set)),
        2 => (count.clone(), some_sites()).prop_map(|(k, set)| Placement::AtLeast(k, set)),
        2 => (count.clone(), some_sites()).prop_map(|(k, set)| Placement::AtMost(k, set)),
        1 => (count, some_sites()).prop_map(|(n, set)| Placement::AllBut(n, set)),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        let parts = || prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            3 => parts().prop_map(Placement::And),
            3 => parts().prop_map(Placement::Or),
            2 => parts().prop_map(Placement::Xor),
            1 => inner.clone().prop_map(|part| Placement::Not(Box::new(part))),
        ]
    })
}
