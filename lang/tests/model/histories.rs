//! The promises hold in every history of every small formula; and each rule of the pursuit is there for a reason:
//! switched off, some history goes wrong. (The reference program does the same for all formulas of three sites.)

use edge_lang::model::{Fence, Overlap, Placement, Rules};

use crate::explore::{Entry, Exploration};
use crate::formula::parse;
use crate::oracle::{Mask, mask};
use crate::world::{Mutant, World};

/// Every formula of one or two sites that does not accept doing nothing.
const SMALL: [&str; 6] = ["A", "A && B", "A || B", "!A && B", "A && !B", "A xor B"];

const LARGER: [&str; 4] = ["exactly 1 of {A,B,C}", "at least 2 of {A,B,C}", "(A && !B) || (B && C)", "A && (B xor C)"];

fn explore(formula: &str, rules: Rules, faults: u8, crashes: u8) {
    let world = World { rules, ..World::default() };
    let formula = parse(formula);
    let spared = inside_all_but(&formula);
    let told =
        Exploration { formula: formula.clone(), world, faults, crashes, spared, lazy: Vec::new(), only: "P" }.run();
    let states = told.unwrap_or_else(|wrong| panic!("{formula:?} under {rules:?}: {wrong}"));
    assert!(states > 50, "{formula:?} has only {states} states");
}

fn inside_all_but(formula: &Placement) -> Mask {
    match formula {
        Placement::AllBut(_, set) => mask(set),
        Placement::And(parts) => parts.iter().map(inside_all_but).fold(0, |all, part| all | part),
        _ => 0,
    }
}

#[test]
fn every_history_of_two_sites() {
    for formula in SMALL {
        for fence in [Fence::Ticket, Fence::Quiet, Fence::Watch] {
            explore(formula, Rules { fence, ..Rules::default() }, 1, 1);
        }
        let ticket = Rules::default();
        explore(formula, Rules { overlap: Overlap::Brief, ..ticket }, 1, 1);
        explore(formula, Rules { keyed: true, ..ticket }, 1, 1);
        explore(formula, Rules { by_name: true, ..ticket }, 1, 1);
        explore(formula, Rules { ensure: true, ..ticket }, 1, 1);
    }
}

#[test]
fn every_history_with_two_faults() {
    for formula in ["A && B", "A xor B"] {
        explore(formula, Rules::default(), 2, 1);
    }
    explore("A && B", Rules { keyed: true, ..Rules::default() }, 2, 1);
}

#[test]
fn histories_of_three_sites() {
    for formula in LARGER {
        explore(formula, Rules::default(), 1, 0);
    }
    explore("exactly 2 of {A,B,C}", Rules { by_name: true, ..Rules::default() }, 1, 0);
}

#[test]
fn histories_of_all_but() {
    for formula in ["all but 1 of {A,B}", "A && (all but 1 of {A,B})"] {
        for fence in [Fence::Ticket, Fence::Watch] {
            explore(formula, Rules { fence, ..Rules::default() }, 1, 1);
        }
    }
    for formula in ["all but 1 of {A,B,C}", "(all but 1 of {A,B}) && C", "(all but 1 of {A,B,C}) && !B"] {
        explore(formula, Rules::default(), 1, 0);
    }
}

#[test]
fn unsynced_answers_do_no_harm() {
    for formula in SMALL {
        let world = World::default();
        let lazy = vec![Entry::Answer];
        let told =
            Exploration { formula: parse(formula), world, faults: 1, crashes: 1, spared: 0, lazy, only: "P" }.run();
        assert!(told.is_ok(), "{formula}: {told:?}");
    }
}

/// `rule` is switched off; then some history of `formula` breaks the promise.
fn breaks(rule: World, formula: &str, lazy: &[Entry], promise: &'static str) {
    let formula: Placement = parse(formula);
    let faults = if formula.sites().len() > 2 { 1 } else { 2 };
    let found =
        Exploration { formula, world: rule, faults, crashes: 1, spared: 0, lazy: lazy.to_vec(), only: promise }.run();
    match found {
        Err(history) => assert!(history.starts_with(promise), "{history}"),
        Ok(states) => panic!("{rule:?} is not missed in {states} states"),
    }
}

fn without(mutant: Mutant) -> World {
    World { mutant, ..World::default() }
}

fn fenced(fence: Fence) -> World {
    World { rules: Rules { fence, ..Rules::default() }, ..World::default() }
}

#[test]
fn one_probe_that_finds_nothing_proves_nothing() {
    breaks(without(Mutant::FirstProbeBelieved), "A xor B", &[], "P1");
    breaks(without(Mutant::FirstProbeBelieved), "A && B", &[], "P2");
    breaks(without(Mutant::FirstProbeBelieved), "A && B", &[], "P1: told failed");
}

#[test]
fn unknown_is_not_absent() {
    breaks(without(Mutant::UnknownIsAbsent), "A xor B", &[], "P1");
}

#[test]
fn a_site_is_looked_at_before_it_is_sent_to_again() {
    breaks(without(Mutant::Resend), "A && B", &[], "P2");
}

#[test]
fn overlap_is_more_than_an_outcome_for_a_while() {
    let rules = Rules { overlap: Overlap::Brief, ..Rules::default() };
    breaks(World { rules, mutant: Mutant::NoOverlapExcused, duplicates: false }, "A xor B", &[], "P6");
}

#[test]
fn the_probe_that_counts_comes_after_the_fence() {
    breaks(without(Mutant::ProbeThenFence), "A && B", &[], "P3");
}

#[test]
fn an_effect_whose_undo_is_unanswered_is_never_kept() {
    breaks(without(Mutant::LostUndoKept), "exactly 2 of {A,B,C}", &[], "P1");
}

#[test]
fn a_repeated_undo_by_name_is_not_trusted() {
    let rules = Rules { by_name: true, ..Rules::default() };
    breaks(World { rules, mutant: Mutant::NameTrusted, duplicates: false }, "exactly 2 of {A,B,C}", &[], "P");
}

#[test]
fn a_second_create_of_a_unique_name_closes_nothing() {
    let rules = Rules { fence: Fence::None, keyed: true, ..Rules::default() };
    breaks(World { rules, mutant: Mutant::KeyTrusted, duplicates: false }, "A && B", &[], "P3");
}

#[test]
fn surplus_that_is_needed_stays() {
    breaks(without(Mutant::EarlyTidy), "(A && !B) || (B && C)", &[], "P1");
}

#[test]
fn no_send_is_stored_for_later() {
    breaks(without(Mutant::QueuedSend), "A && B", &[], "P1");
}

#[test]
fn sends_undos_and_verdicts_are_synced() {
    breaks(World::default(), "A && B", &[Entry::Answer, Entry::Send], "P3");
    breaks(World::default(), "exactly 2 of {A,B,C}", &[Entry::Answer, Entry::Undo], "P1");
    breaks(World::default(), "A || B", &[Entry::Answer, Entry::Verdict], "P1: told done");
}

#[test]
fn a_fence_is_needed() {
    breaks(fenced(Fence::None), "A xor B", &[], "P");
    breaks(World { mutant: Mutant::NoWatchExcused, ..fenced(Fence::Watch) }, "A xor B", &[], "P1");
}

#[test]
fn nothing_may_deliver_a_create_twice() {
    breaks(World { duplicates: true, ..World::default() }, "A", &[], "P2");
    let rules = Rules { keyed: true, ..Rules::default() };
    breaks(World { rules, duplicates: true, ..World::default() }, "A && B", &[], "P3");
}
