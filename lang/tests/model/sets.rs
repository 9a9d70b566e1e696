//! Site sets against the sets of the standard library.

use std::collections::BTreeSet;

use edge_lang::model::{SiteId, SiteSet};
use proptest::prelude::*;

type Plain = BTreeSet<u32>;

fn plain() -> impl Strategy<Value = Plain> {
    prop::collection::btree_set(0u32..300, 0..40)
}

fn set(sites: &Plain) -> SiteSet {
    sites.iter().copied().map(SiteId).collect()
}

fn back(set: &SiteSet) -> Plain {
    set.iter().map(|site| site.0).collect()
}

proptest! {
    #[test]
    fn algebra_is_that_of_sets(a in plain(), b in plain()) {
        let (x, y) = (set(&a), set(&b));
        prop_assert_eq!(back(&x.union(&y)), &a | &b);
        prop_assert_eq!(back(&x.intersection(&y)), &a & &b);
        prop_assert_eq!(back(&x.difference(&y)), &a - &b);
        prop_assert_eq!(back(&x.symmetric_difference(&y)), &a ^ &b);
        prop_assert_eq!(x.is_subset(&y), a.is_subset(&b));
        prop_assert_eq!(x.is_disjoint(&y), a.is_disjoint(&b));
        prop_assert_eq!(x.common(&y), (&a & &b).len());
        prop_assert_eq!(x.cmp(&y), a.iter().cmp(b.iter()));
    }

    #[test]
    fn equal_however_made(a in plain(), b in plain()) {
        let mut grown = set(&a);
        for site in &b { grown.insert(SiteId(*site)); }
        for site in &b { prop_assert!(grown.remove(SiteId(*site))); }
        prop_assert_eq!(&grown, &set(&(&a - &b)));
        prop_assert_eq!(grown.is_empty(), (&a - &b).is_empty());
        prop_assert_eq!(grown.len(), (&a - &b).len());
    }

    #[test]
    fn walks_both_ways(a in plain(), front in 0usize..50) {
        let x = set(&a);
        prop_assert!(x.iter().map(|site| site.0).eq(a.iter().copied()));
        prop_assert!(x.iter().rev().map(|site| site.0).eq(a.iter().rev().copied()));
        // From both ends at once, each site comes once.
        let mut walk = x.iter();
        let mut met: Vec<u32> = walk.by_ref().take(front).map(|site| site.0).collect();
        met.extend(walk.rev().map(|site| site.0));
        met.sort_unstable();
        prop_assert!(met.into_iter().eq(a.iter().copied()));
    }

    #[test]
    fn survives_writing_and_reading(a in plain()) {
        let text = serde_json::to_string(&set(&a)).unwrap();
        prop_assert_eq!(serde_json::from_str::<SiteSet>(&text).unwrap(), set(&a));
    }
}

#[test]
fn is_written_as_ranges() {
    assert_eq!(serde_json::to_string(&set(&[0, 1, 2, 7, 100].into())).unwrap(), r#""0-2,7,100""#);
    for wrong in [r#""x""#, r#""3-1""#, r#""0-4294967295""#, r#""-1""#] {
        assert!(serde_json::from_str::<SiteSet>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn below_takes_the_first_sites() {
    for count in [0, 1, 63, 64, 65, 128, 1000] {
        assert!(SiteSet::below(count).iter().map(SiteId::index).eq(0..count));
    }
}
