//! A runner that dies after any number of entries, and another that resumes: what is at the sites then is what an
//! undisturbed run leaves.

use super::scene::{Directions, Scene};
use crate::support;

/// Programs that are done where nothing happens to them: creations, copies, changes, removals, decisions, transactions.
const CASES: [&str; 8] = [
    "either",
    "copy",
    "bridged-handle",
    "ensure-changes",
    "crash-delete",
    "atomic-done",
    "crash-between",
    "crash-read",
];

#[test]
fn a_run_that_dies_at_any_entry_ends_as_if_it_had_not() {
    for case in CASES {
        let path = support::root().join(format!("tests/run/{case}.edge"));
        let source = std::fs::read_to_string(&path).expect("a case");
        let undisturbed = run(&source, &path, Vec::new());
        assert!(undisturbed.contains("\nstatus 0\n"), "{case} is done: {undisturbed}");
        let mut entries = 1;
        loop {
            let crashed = run(&source, &path, vec![entries]);
            assert_eq!(sites(&crashed), sites(&undisturbed), "{case}, after {entries} entries:\n{crashed}");
            assert!(crashed.contains("\nstatus 0\n"), "{case}, after {entries} entries:\n{crashed}");
            if !crashed.contains("crashed after") {
                break;
            }
            entries += 1;
        }
        assert!(entries > 2, "{case} is in the journal");
    }
}

fn run(source: &str, path: &std::path::Path, crashes: Vec<usize>) -> String {
    let directions = Directions::of(source).crashing(crashes);
    Scene::load(source, path, &directions).perform(&directions)
}

fn sites(told: &str) -> &str {
    told.rsplit_once("\nsites\n").map_or("", |(_, sites)| sites)
}
