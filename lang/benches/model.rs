//! How long the model takes on very many sites: `cargo bench -p edge-lang --bench model`. Each line is the best of
//! several rounds.

// A benchmark reads the clock; the crate itself does not.
#![allow(clippy::disallowed_methods)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use edge_lang::model::{Action, Observation, Placement, Pursuit, Rules, SiteId, SiteSet, names};

fn report<T>(what: &str, mut work: impl FnMut() -> T) {
    let mut best = Duration::MAX;
    for _ in 0..7 {
        let began = Instant::now();
        black_box(work());
        best = best.min(began.elapsed());
    }
    println!("{what:<58} {:>10.3} ms", best.as_secs_f64() * 1e3);
}

fn every(step: usize) -> SiteSet {
    (0..100_000).step_by(step).map(|site| SiteId(site as u32)).collect()
}

fn main() {
    let (a, b) = (every(2), every(3));
    report("100,000 sites: union", || a.union(&b));
    report("100,000 sites: intersection", || a.intersection(&b));
    report("100,000 sites: difference", || a.difference(&b));
    report("100,000 sites: symmetric difference", || a.symmetric_difference(&b));
    report("100,000 sites: walk", || a.iter().count());

    for text in ["edge-[000001-100000]", "r[1-100]n[1-1000]"] {
        let listed = names::unfold(text).expect("a bench unfolds");
        report(&format!("{text}: unfold"), || names::unfold(text));
        report(&format!("{text}: fold"), || names::fold(listed.iter()));
    }

    let sites = SiteSet::below(10_000);
    let planned = [
        ("exactly 1 of 10,000", Placement::Exactly(1, sites.clone())),
        ("at least 5,000 of 10,000", Placement::AtLeast(5_000, sites)),
        ("all of 100,000", Placement::AllOf(SiteSet::below(100_000))),
        ("100,000 sites joined by &&", Placement::And((0..100_000).map(|s| Placement::Site(SiteId(s))).collect())),
    ];
    for (what, placement) in planned {
        let begin = || Pursuit::new(placement.clone(), Vec::new(), Rules::default()).expect("it is not tangled");
        report(&format!("{what}: begin and plan"), || begin().actions());
        let mut pursuit = begin();
        for action in pursuit.actions() {
            pursuit.issued(&action).expect("it was decided");
            if let Action::Send(site) = action {
                pursuit.observe(site, Observation::Silent).expect("it was sent");
            }
        }
        report(&format!("{what}: decide when all are silent"), || pursuit.actions());
    }
}
