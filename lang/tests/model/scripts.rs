//! Pursuits step by step, as data in `scripts.txt`; after each step the pursuit goes through a journal and back.

use edge_lang::model::{Action, Fence, Impossible, Observation, Overlap, Placement, Pursuit, Rules, SiteId, SiteSet};
use edge_lang::model::{Standing, State};

use crate::decisions::shown;
use crate::formula::{name, parse, site};
use crate::oracle::set;

fn observation(text: &str) -> Observation {
    match text {
        "done" => Observation::Done,
        "refused" => Observation::Refused,
        "broken" => Observation::Broken,
        "silent" => Observation::Silent,
        "unreachable" => Observation::Unreachable,
        "back" => Observation::Back,
        "found" => Observation::Found,
        "absent" => Observation::Absent,
        "fenced" => Observation::Fenced,
        "quiet" => Observation::Quiet,
        "undone" => Observation::Undone,
        "undo-refused" => Observation::UndoRefused,
        "given-up" => Observation::GivenUp,
        other => panic!("no observation `{other}`"),
    }
}

fn rules(words: &str) -> Rules {
    let mut rules = Rules::default();
    for word in words.split_whitespace() {
        match word {
            "quiet" => rules.fence = Fence::Quiet,
            "none" => rules.fence = Fence::None,
            "watch" => rules.fence = Fence::Watch,
            "keyed" => rules.keyed = true,
            "ensure" => rules.ensure = true,
            "overlap" => rules.overlap = Overlap::Brief,
            other => panic!("no rule `{other}`"),
        }
    }
    rules
}

/// Takes every action that is due. What waits for a site to be back is due, and is not taken.
fn advance(pursuit: &mut Pursuit) -> Vec<Action> {
    let mut issued: Vec<Action> = Vec::new();
    loop {
        let fresh: Vec<Action> = pursuit.actions().into_iter().filter(|action| !issued.contains(action)).collect();
        if fresh.is_empty() {
            return issued;
        }
        for action in fresh {
            let state = |site: &SiteId| pursuit.belief(*site).unwrap().state;
            let waits = match &action {
                Action::Send(site) => state(site) == State::Cut,
                Action::Undo(site) => state(site) == State::Stuck,
                _ => false,
            };
            if !waits {
                pursuit.issued(&action).unwrap();
            }
            issued.push(action);
        }
    }
}

fn braced(sites: &SiteSet) -> String {
    format!("{{{}}}", sites.iter().map(name).collect::<Vec<_>>().join(","))
}

fn stands(pursuit: &Pursuit) -> String {
    match pursuit.standing() {
        Standing::Open => "open".to_string(),
        Standing::Unsettled { .. } => "unsettled".to_string(),
        Standing::Failing { .. } => "failing".to_string(),
        Standing::Failed { .. } => "failed".to_string(),
        Standing::Done { outcome, owed } if owed.is_empty() => format!("done {}", braced(&outcome)),
        Standing::Done { outcome, owed } => format!("done {}, still to tidy {}", braced(&outcome), braced(&owed)),
    }
}

#[test]
fn as_scripted() {
    let mut played = 0;
    for script in include_str!("scripts.txt").split("\n\n").skip(1) {
        let (title, steps) = script.trim().split_once('\n').expect("a title and steps");
        let (what, _) = title.split_once(" : ").expect("a title");
        let brace = what.rfind('}').unwrap_or(0);
        let (formula, words) = match what[brace..].find(", ") {
            Some(comma) => (&what[..brace + comma], &what[brace + comma + 2..]),
            None => (what, ""),
        };
        let mut pursuit = Pursuit::new(parse(formula), Vec::new(), rules(words)).unwrap();
        for step in steps.lines() {
            let (seen, expected) = step.split_once(" -> ").expect("a step");
            match seen.split_once('=') {
                Some((at, what)) => pursuit.observe(site(at), observation(what)).unwrap(),
                None if seen == "crash" => pursuit.crash(),
                None => assert_eq!(seen, "start"),
            }
            let issued: Vec<String> = advance(&mut pursuit).iter().map(shown).collect();
            let issued = if issued.is_empty() { "wait".to_string() } else { issued.join("; ") };
            assert_eq!(format!("{issued} [{}]", stands(&pursuit)), expected, "{title}: {seen}");
            let journal = serde_json::to_string(&pursuit).unwrap();
            pursuit = serde_json::from_str(&journal).unwrap();
            assert_eq!(serde_json::to_string(&pursuit).unwrap(), journal);
        }
        played += 1;
    }
    assert!(played > 15, "only {played} scripts");
}

#[test]
fn what_cannot_be_is_an_error() {
    let mut pursuit = Pursuit::new(parse("A && B"), Vec::new(), Rules::default()).unwrap();
    let (a, z) = (site("A"), site("Z"));
    assert_eq!(pursuit.observe(z, Observation::Done), Err(Impossible::ForeignSite(z)));
    let early = pursuit.observe(a, Observation::Done).unwrap_err();
    assert_eq!(early.to_string(), "site 0 cannot be observed as Done while it is New");
    for action in [
        Action::Probe(a),
        Action::Fence(a),
        Action::Undo(a),
        Action::Done(set(1)),
        Action::Failed,
        Action::Send(z),
        Action::Done(SiteSet::of(z)),
    ] {
        assert!(pursuit.issued(&action).is_err(), "{action:?}");
    }
    pursuit.issued(&Action::Send(a)).unwrap();
    assert!(pursuit.issued(&Action::Send(a)).is_err());
    pursuit.issued(&Action::Abandon).unwrap();
    assert!(pursuit.issued(&Action::Send(site("B"))).is_err(), "nothing is sent once it is failing");
    assert!(pursuit.issued(&Action::Abandon).is_err());
}

#[test]
fn every_observation_of_every_belief_is_answered() {
    let observations = [
        "done",
        "refused",
        "broken",
        "silent",
        "unreachable",
        "back",
        "found",
        "absent",
        "fenced",
        "quiet",
        "undone",
        "undo-refused",
        "given-up",
    ];
    let mut pursuit = Pursuit::new(parse("A"), Vec::new(), Rules::default()).unwrap();
    let (mut possible, mut not) = (0, 0);
    for state in State::ALL {
        for what in observations {
            let belief = edge_lang::model::Belief { state, ..Default::default() };
            pursuit.believe(site("A"), belief).unwrap();
            match pursuit.observe(site("A"), observation(what)) {
                Ok(()) => possible += 1,
                Err(_) => {
                    assert_eq!(pursuit.belief(site("A")), Some(belief), "an error changes nothing");
                    not += 1;
                }
            }
        }
    }
    assert_eq!(possible + not, State::ALL.len() * observations.len());
    assert!(possible > 30 && not > 60, "{possible} {not}");
}

#[test]
fn what_is_under_way_is_not_due_again() {
    let mut pursuit = Pursuit::new(parse("A xor B"), Vec::new(), Rules::default()).unwrap();
    let a = site("A");
    pursuit.issued(&Action::Send(a)).unwrap();
    pursuit.observe(a, Observation::Silent).unwrap();
    assert_eq!(pursuit.due(), [Action::Probe(a)]);
    pursuit.issued(&Action::Probe(a)).unwrap();
    assert_eq!(pursuit.due(), []);
    assert_eq!(pursuit.actions(), [Action::Probe(a)]);
    // The probe went unanswered: nothing is known that was not, and it is due again.
    pursuit.observe(a, Observation::Unreachable).unwrap();
    assert_eq!(pursuit.due(), [Action::Probe(a)]);
    pursuit.issued(&Action::Probe(a)).unwrap();
    pursuit.crash();
    assert_eq!(pursuit.due(), [Action::Probe(a)]);
}

#[test]
fn what_a_runner_left_is_looked_for_before_another_outcome_is_gone_for() {
    let (a, b) = (site("A"), site("B"));
    let stopped = |formula: &str| {
        let mut pursuit = Pursuit::new(parse(formula), Vec::new(), Rules::default()).unwrap();
        pursuit.issued(&Action::Send(a)).unwrap();
        pursuit.crash();
        pursuit.expect(&SiteSet::of(a));
        pursuit
    };
    let mut silent = stopped("A || B");
    assert_eq!(silent.wanted(), Some(SiteSet::of(a)));
    assert_eq!(silent.actions(), [Action::Probe(a)]);
    silent.observe(a, Observation::Unreachable).unwrap();
    assert_eq!(silent.actions(), [Action::Probe(a), Action::Send(b)]);
    // Nothing found is not yet nothing there.
    let mut lost = stopped("A || B");
    for (observation, next) in [
        (Observation::Absent, Action::Fence(a)),
        (Observation::Fenced, Action::Probe(a)),
        (Observation::Absent, Action::Send(b)),
    ] {
        lost.observe(a, observation).unwrap();
        assert_eq!(lost.actions(), [next]);
    }
    let mut given_up = stopped("A || B");
    given_up.observe(a, Observation::Absent).unwrap();
    given_up.expect_no_more(a);
    assert_eq!(given_up.actions(), [Action::Fence(a), Action::Send(b)]);
    // What belongs to the same outcome waits for nobody.
    assert_eq!(stopped("A && B").actions(), [Action::Probe(a), Action::Send(b)]);
    // Nothing is expected where nothing was sent, or nothing is open.
    let mut known = Pursuit::new(parse("A || B"), Vec::new(), Rules::default()).unwrap();
    known.expect(&SiteSet::from_iter([a, b]));
    assert!(known.expected().is_empty());
}

#[test]
fn preference_overrides_written_order() {
    let pursuit = Pursuit::new(parse("A || B"), vec![site("B")], Rules::default()).unwrap();
    assert_eq!(pursuit.actions(), [Action::Send(site("B"))]);
    let written = Pursuit::new(parse("B || A"), Vec::new(), Rules::default()).unwrap();
    assert_eq!(written.actions(), [Action::Send(site("B"))]);
}

#[test]
fn a_record_that_cannot_be_is_refused() {
    let mut pursuit = Pursuit::new(parse("A || B"), Vec::new(), Rules::default()).unwrap();
    pursuit.issued(&Action::Send(site("A"))).unwrap();
    let journal = serde_json::to_string(&pursuit).unwrap();
    for (good, bad) in [(r#""pursuing""#, r#"{"done":"0"}"#), (r#""0"]"#, r#""7"]"#), (r#""1"]"#, r#"""]"#)] {
        let changed = journal.replace(good, bad);
        assert_ne!(changed, journal);
        assert!(serde_json::from_str::<Pursuit>(&changed).is_err(), "{changed}");
    }
}

#[test]
fn very_many_sites() {
    let all = SiteSet::below(100_000);
    let mut pursuit = Pursuit::new(Placement::AllOf(all.clone()), Vec::new(), Rules::default()).unwrap();
    let sends = pursuit.actions();
    assert_eq!(sends.len(), 100_000);
    sends.iter().for_each(|send| pursuit.issued(send).unwrap());
    for site in all.iter().skip(1) {
        pursuit.observe(site, Observation::Done).unwrap();
    }
    assert_eq!(pursuit.actions(), []);
    pursuit.observe(SiteId(0), Observation::Silent).unwrap();
    assert_eq!(pursuit.actions(), [Action::Probe(SiteId(0))]);
    let journal = serde_json::to_string(&pursuit).unwrap();
    assert!(journal.len() < 1000, "equal beliefs are one entry: {} bytes", journal.len());
    let mut pursuit: Pursuit = serde_json::from_str(&journal).unwrap();
    pursuit.observe(SiteId(0), Observation::Found).unwrap();
    assert_eq!(pursuit.actions(), [Action::Done(all)]);
}

#[test]
fn counting_forms_over_very_many_sites() {
    let sites = SiteSet::below(10_000);
    let plan = |placement: Placement| Pursuit::new(placement, Vec::new(), Rules::default()).unwrap().actions();
    assert_eq!(plan(Placement::Exactly(1, sites.clone())), [Action::Send(SiteId(0))]);
    assert_eq!(plan(Placement::AtLeast(2_500, sites.clone())).len(), 2_500);
    // With one site silent another is looked for, or not, as the form demands.
    for (placement, next) in [
        (Placement::AtLeast(1, sites.clone()), vec![Action::Probe(SiteId(0)), Action::Send(SiteId(1))]),
        (Placement::Exactly(1, sites), vec![Action::Probe(SiteId(0))]),
    ] {
        let mut pursuit = Pursuit::new(placement, Vec::new(), Rules::default()).unwrap();
        pursuit.issued(&Action::Send(SiteId(0))).unwrap();
        pursuit.observe(SiteId(0), Observation::Silent).unwrap();
        assert_eq!(pursuit.actions(), next);
    }
}
