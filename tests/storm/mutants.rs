//! Whether the storm would notice: each deliberate bug of `edge_lang::mutant` has to break a promise at some seed that keeps
//! all of them without it.

use super::drive::{Account, ride};
use super::program::Case;
use super::{number, say};
use edge_lang::mutant::{Mutant, with};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// So many seeds may a bug escape.
const SEEDS: u64 = 10_000;

struct Caught {
    seed: u64,
    broken: String,
}

#[test]
fn mutants() {
    let first = number("EDGE_STORM_FROM").unwrap_or(0);
    let next = AtomicUsize::new(0);
    let escaped = Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let began = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(mutant) = Mutant::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let began = std::time::Instant::now();
                    let caught = hunt(*mutant, first);
                    let took = began.elapsed().as_secs_f64();
                    match caught {
                        Some(Caught { seed, broken }) => {
                            let seeds = seed - first + 1;
                            say(&format!("{mutant:?}: caught by seed {seed}, the {seeds}th, in {took:.1} s: {broken}"));
                        }
                        None => {
                            say(&format!("{mutant:?}: NOT CAUGHT by {SEEDS} seeds, {took:.1} s"));
                            escaped.lock().unwrap_or_else(PoisonError::into_inner).push(*mutant);
                        }
                    }
                }
            });
        }
    });
    say(&format!("{} deliberate bugs in {:.1} s", Mutant::ALL.len(), began.elapsed().as_secs_f64()));
    let escaped = escaped.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(escaped.is_empty(), "no seed notices {escaped:?}");
}

/// The first seed that is wrong with the bug, and right without it.
fn hunt(mutant: Mutant, first: u64) -> Option<Caught> {
    (first..first + SEEDS).find_map(|seed| {
        let case = Case::of(seed);
        let ride = || catch_unwind(AssertUnwindSafe(|| ride(&case, Account::None).broken));
        let broken = with(mutant, ride).unwrap_or_else(|_| vec!["it panics".into()]);
        let broken = broken.into_iter().next()?;
        matches!(ride(), Ok(right) if right.is_empty()).then_some(Caught { seed, broken })
    })
}
