//! The decisions of the pursuit, for every formula up to three sites and every belief, are those of the reference
//! program: `pursuit.py decisions` writes `decisions.txt`.

use std::collections::HashMap;

use edge_lang::model::{Action, Belief, Fence, Overlap, Pursuit, Rules, State};

use crate::formula::{name, parse};

/// The beliefs of a row, in the order of the reference program.
const KINDS: [(State, bool); 12] = [
    (State::New, false),
    (State::New, true),
    (State::Cut, false),
    (State::Sent, false),
    (State::Open, false),
    (State::Soft, false),
    (State::Shut, false),
    (State::There, false),
    (State::There, true),
    (State::Undoing, false),
    (State::Lost, false),
    (State::Stuck, false),
];

pub fn shown(action: &Action) -> String {
    match action {
        Action::Send(site) => format!("send {}", name(*site)),
        Action::Probe(site) => format!("probe {}", name(*site)),
        Action::Fence(site) => format!("fence {}", name(*site)),
        Action::Quiet(site) => format!("quiet {}", name(*site)),
        Action::Undo(site) => format!("undo {}", name(*site)),
        Action::Done(sites) => format!("done {{{}}}", sites.iter().map(name).collect::<Vec<_>>().join(",")),
        Action::Abandon => "abandon".to_string(),
        Action::Failed => "failed".to_string(),
    }
}

/// One formula against its row of codes; returns how many decisions were compared.
fn compare(formula: &str, codes: &str, meaning: &HashMap<char, String>, rules: Rules, every: usize) -> usize {
    let placement = parse(formula);
    let order = placement.written_order();
    let mut pursuit = Pursuit::new(placement, Vec::new(), rules).unwrap();
    assert_eq!(codes.chars().count(), KINDS.len().pow(order.len() as u32), "{formula}");
    for (row, code) in codes.chars().enumerate().step_by(if order.len() > 2 { every } else { 1 }) {
        let mut rest = row;
        for &site in order.iter().rev() {
            let (state, out) = KINDS[rest % KINDS.len()];
            pursuit.believe(site, Belief { state, out, ..Belief::default() }).unwrap();
            rest /= KINDS.len();
        }
        let decided = pursuit.actions().iter().map(shown).collect::<Vec<_>>().join(", ");
        let beliefs: Vec<Belief> = order.iter().filter_map(|&site| pursuit.belief(site)).collect();
        let expected = ascending(&meaning[&code]);
        assert_eq!(decided, expected, "{formula} under {rules:?} with {beliefs:?}");
    }
    codes.chars().count()
}

/// The reference program lists the sites of an outcome as they are written in the formula; ours ascend.
fn ascending(expected: &str) -> String {
    let Some((before, sites)) = expected.split_once('{') else { return expected.to_string() };
    let mut sites: Vec<&str> = sites.trim_end_matches('}').split(',').collect();
    sites.sort_unstable();
    format!("{before}{{{}}}", sites.join(","))
}

/// One section. The reference program has checked that with the fences *quiet* and *none* it decides as with a
/// *ticket*, but for the word; for those, as for the rarer options, every so many rows of three
/// sites will do.
fn compare_section(section: &str, rules: Rules, word: &str, every: usize) {
    let (mut chosen, mut meaning, mut compared) = (false, HashMap::new(), 0);
    for line in include_str!("decisions.txt").lines() {
        if let Some(title) = line.strip_prefix("# ") {
            chosen = title == section;
        } else if chosen {
            let (left, right) = line.split_once('\t').expect("two columns");
            match left.strip_prefix('=') {
                Some(code) => drop(meaning.insert(code.chars().next().expect("a code"), right.replace("fence", word))),
                None => compared += compare(left, right, &meaning, rules, every),
            }
        }
    }
    assert_eq!(compared, 12 + 5 * 144 + 109 * 1728, "rows of {section}");
}

#[test]
fn with_a_ticket() {
    compare_section("ticket", Rules::default(), "fence", 1);
}

#[test]
fn with_a_quiet_time() {
    compare_section("ticket", Rules { fence: Fence::Quiet, ..Rules::default() }, "quiet", 11);
}

#[test]
fn without_a_fence() {
    compare_section("ticket", Rules { fence: Fence::None, ..Rules::default() }, "probe", 11);
}

#[test]
fn watching() {
    compare_section("watch", Rules { fence: Fence::Watch, ..Rules::default() }, "probe", 1);
}

#[test]
fn sending_before_strays_are_gone() {
    compare_section("ticket overlap", Rules { overlap: Overlap::Brief, ..Rules::default() }, "fence", 5);
}

#[test]
fn with_unique_names() {
    compare_section("none keyed", Rules { fence: Fence::None, keyed: true, ..Rules::default() }, "probe", 5);
}
