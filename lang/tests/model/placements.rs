//! Placements: what they accept, what the minimal outcomes are, what is known while sites are silent.

use edge_lang::model::Placement::{self, *};
use edge_lang::model::{Satisfiability, SiteId, SiteSet, Truth};
use proptest::prelude::*;

use crate::oracle::{self, Mask, formulas, mask, satisfies, set, subsets};

const A: Placement = Site(SiteId(0));
const B: Placement = Site(SiteId(1));
const C: Placement = Site(SiteId(2));

fn not(placement: Placement) -> Placement {
    Not(Box::new(placement))
}

fn minimal(placement: &Placement) -> Vec<Mask> {
    placement.minimal().map(|outcome| mask(&outcome.expect("small formulas are not tangled"))).collect()
}

fn satisfiability(least: &[Mask]) -> Satisfiability {
    match least {
        [] => Satisfiability::Unsatisfiable,
        [0] => Satisfiability::AcceptsNothing,
        _ => Satisfiability::Fine,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn holds_as_defined(placement in formulas(6)) {
        for there in subsets(63) {
            prop_assert_eq!(placement.holds(&set(there)), satisfies(&placement, there));
        }
    }

    #[test]
    fn never_more_certain_than_the_truth(placement in formulas(6), there in 0u32..64, strays in 0u32..64) {
        let strays = strays & !there;
        let truths: Vec<bool> = subsets(strays).map(|more| satisfies(&placement, there | more)).collect();
        match placement.judge(&set(there), &set(strays)) {
            Truth::True => prop_assert!(truths.iter().all(|&truth| truth)),
            Truth::False => prop_assert!(truths.iter().all(|&truth| !truth)),
            Truth::Unknown => {}
        }
        // With few strays the answer is the truth itself.
        prop_assert_eq!(placement.holds_over(&set(there), &set(strays)), truths.iter().all(|&truth| truth));
    }

    #[test]
    fn minimal_outcomes_are_the_oracles(placement in formulas(6)) {
        let order = placement.written_order();
        let least = oracle::minimal(&placement, 0, 0, &order);
        prop_assert_eq!(minimal(&placement), least.clone());
        prop_assert_eq!(placement.satisfiability(), satisfiability(&least));
    }

    #[test]
    fn the_first_is_the_oracles(
        placement in formulas(6), pin in 0u32..64, ban in 0u32..64, seed in Just((0..6).collect::<Vec<u32>>()).prop_shuffle(),
    ) {
        let preference: Vec<SiteId> = seed.into_iter().map(SiteId).collect();
        let sites = mask(&placement.sites());
        let (pin, ban) = (pin & sites & (pin >> 1), ban & !pin & (ban >> 1));
        let least = oracle::minimal(&placement, pin, ban, &preference);
        let first = placement.first_minimal(&set(pin), &set(ban), &preference).unwrap();
        prop_assert_eq!(first.map(|first| mask(&first)), least.first().copied());
    }

    #[test]
    fn survives_writing_and_reading(placement in formulas(6)) {
        let text = serde_json::to_string(&placement).unwrap();
        prop_assert_eq!(serde_json::from_str::<Placement>(&text).unwrap(), placement);
    }
}

#[test]
fn the_table_of_the_model() {
    let clouds = SiteSet::below(5);
    let but_b = clouds.difference(&set(0b10));
    let cases: Vec<(&str, Placement, Vec<Mask>, Vec<Mask>)> = vec![
        // text, placement, all outcomes, minimal outcomes
        ("A && B", And(vec![A, B]), vec![0b11], vec![0b11]),
        ("A || B", Or(vec![A, B]), vec![0b01, 0b10, 0b11], vec![0b01, 0b10]),
        ("A xor B", Xor(vec![A, B]), vec![0b01, 0b10], vec![0b01, 0b10]),
        ("exactly 1 of {A, B, C}", Exactly(1, set(0b111)), vec![0b001, 0b010, 0b100], vec![0b001, 0b010, 0b100]),
        ("(A xor B) xor C", Xor(vec![Xor(vec![A, B]), C]), vec![0b001, 0b010, 0b100, 0b111], vec![0b001, 0b010, 0b100]),
        ("all of {A, C, D, E}", AllOf(but_b.clone()), vec![0b11101], vec![0b11101]),
        ("all of {A, C, D, E} && !B", And(vec![AllOf(but_b), not(B)]), vec![0b11101], vec![0b11101]),
        ("(A && B && C) && !B", And(vec![And(vec![A, B, C]), not(B)]), vec![], vec![]),
        ("all of {}", AllOf(SiteSet::new()), vec![0], vec![0]),
        ("at most 2 of {A, B, C}", AtMost(2, set(0b111)), (0..7).collect(), vec![0]),
        ("!A", not(A), vec![0], vec![0]),
        ("all but 1 of {A, B, C}", AllBut(1, set(0b111)), vec![0b011, 0b101, 0b110, 0b111], vec![0b011, 0b101, 0b110]),
    ];
    for (text, placement, accepted, least) in cases {
        let name = |site: SiteId| char::from(b'A' + site.0 as u8).to_string();
        assert_eq!(placement.display(name).to_string(), text);
        let all = mask(&placement.sites());
        assert_eq!(subsets(all).filter(|w| placement.holds(&set(*w))).collect::<Vec<_>>(), accepted, "{text}");
        assert_eq!(minimal(&placement), least, "{text}");
        assert_eq!(placement.satisfiability(), satisfiability(&least), "{text}");
    }
}

#[test]
fn parity_is_seen() {
    assert!(Xor(vec![Xor(vec![A, B]), C]).is_parity());
    assert!(!Xor(vec![A, B]).is_parity());
}

/// Restated from the Generic Placement Intent of EMCO: `allOf[c1, c2] + anyOf[c3, c4]`.
#[test]
fn a_generic_placement_intent() {
    let intent = And(vec![AllOf(set(0b0011)), AnyOf(set(0b1100))]);
    assert_eq!(minimal(&intent), [0b0111, 0b1011]);
}

#[test]
fn written_order_decides_and_preference_overrides() {
    let first = |placement: &Placement, preference: &[SiteId]| {
        placement.first_minimal(&SiteSet::new(), &SiteSet::new(), preference).unwrap().unwrap()
    };
    assert_eq!(first(&Or(vec![B, A]), &[]), set(0b10));
    assert_eq!(first(&Or(vec![B, A]), &[SiteId(0)]), set(0b01));
    let pinned = not(Xor(vec![C, C])).first_minimal(&set(0b100), &SiteSet::new(), &[]).unwrap();
    assert_eq!(pinned, Some(set(0b100)), "pinned, although it cancels out");
    assert_eq!(first(&Exactly(2, set(0b1111)), &[SiteId(3), SiteId(1)]), set(0b1010));
}

#[test]
fn forms_the_checker_asks_for() {
    let final_ones = [A, AllOf(set(3)), And(vec![A, AllBut(1, set(6)), And(vec![B, C])])];
    assert!(final_ones.iter().all(Placement::is_conjunction));
    assert!([Or(vec![A, B]), And(vec![A, not(B)]), AnyOf(set(3))].iter().all(|p| !p.is_conjunction()));

    assert!([not(A), Or(vec![A, NoneOf(set(3))]), And(vec![Xor(vec![A, B])])].iter().all(Placement::has_not_or_xor));
    assert!([A, And(vec![A, Or(vec![B, C])]), Exactly(1, set(3))].iter().all(|p| !p.has_not_or_xor()));

    let choices = [A, Or(vec![A, Xor(vec![B, C])]), AnyOf(set(3)), Exactly(1, set(7))];
    assert!(choices.iter().all(Placement::is_single));
    // Choices that share sites: as many as it takes.
    let single = [Xor(vec![A, Or(vec![A, B])]), Xor(vec![Or(vec![A, B]), AnyOf(set(6))])];
    assert!(single.iter().all(Placement::is_single));
    let pairs = [Xor(vec![Exactly(1, set(3)), AnyOf(set(3))]), Xor(vec![Exactly(1, set(12)), AnyOf(set(13))])];
    assert!(pairs.iter().all(|p| !p.is_single()));
    assert!([And(vec![A, B]), AllOf(set(1)), Exactly(2, set(7)), AtLeast(1, set(3))].iter().all(|p| !p.is_single()));
}

/// None of these can be enumerated; each has its first outcomes at once.
#[test]
fn large_placements_have_first_outcomes() {
    let all = SiteSet::below(10_000);
    let first_two =
        |placement: &Placement| -> Vec<SiteSet> { placement.minimal().take(2).map(Result::unwrap).collect() };
    let but = |last: usize| {
        let mut set = SiteSet::below(last);
        set.insert(SiteId(last as u32));
        set
    };
    assert_eq!(first_two(&Exactly(1, all.clone())), [set(1), set(2)]);
    assert_eq!(
        first_two(&AtLeast(5_000, all.clone())),
        [SiteSet::below(5_000), but(4_999).difference(&SiteSet::of(SiteId(4_999))).union(&SiteSet::of(SiteId(5_000)))]
    );
    assert_eq!(first_two(&AllOf(all.clone())), std::slice::from_ref(&all));
    let halves = Or(vec![AllOf(SiteSet::below(6_000)), AllOf(all.difference(&SiteSet::below(4_000)))]);
    assert_eq!(first_two(&halves), [SiteSet::below(6_000), all.difference(&SiteSet::below(4_000))]);
    let twice = And(vec![AtLeast(2, SiteSet::below(6_000)), AtLeast(2, all.difference(&SiteSet::below(4_000)))]);
    assert_eq!(twice.minimal().next().unwrap().unwrap(), [0, 1, 6_000, 6_001].map(SiteId).into_iter().collect());
    let spread = And((0..100)
        .map(|i| Exactly(2, all.difference(&SiteSet::below(i * 100)).intersection(&SiteSet::below(i * 100 + 100))))
        .collect());
    assert_eq!(first_two(&spread).len(), 2);
}

#[test]
fn a_conjunction_of_very_many_sites_is_flat() {
    let sites: Vec<Placement> = (0..100_000).map(|site| Site(SiteId(site))).collect();
    let all = And(sites);
    assert_eq!(all.minimal().map(Result::unwrap).collect::<Vec<_>>(), [SiteSet::below(100_000)]);
    assert!(all.holds(&SiteSet::below(100_000)) && !all.holds(&SiteSet::below(99_999)));
}
