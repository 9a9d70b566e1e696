//! Cases in which what is there comes to be in the way: chance alone seldom makes them.
//!
//! The first sites of the order of preference fall out one after the other, so that the last is made instead; then it is removed
//! again for the sake of those, and that is not answered; and then one of them is back.

use super::formula::{Formula, Random};
use super::program::{Case, Make, Statement};
use super::site::Kind;
use super::weather::{Fault, On, What, When};
use std::time::Duration;

pub enum Contest {
    InTheWay,
    Surplus,
}

/// One seed of 64 each.
pub fn of(seed: u64) -> Option<Contest> {
    match seed % 64 {
        31 => Some(Contest::InTheWay),
        47 => Some(Contest::Surplus),
        _ => None,
    }
}

/// There is more than some outcome needs, and it holds only with all of it: the first site does what it is asked for and does
/// not say so, the two others are asked instead, and when all is seen, the first is an outcome by itself, as long as nothing is
/// at the second; but there something is.
pub fn surplus(case: &mut Case, random: &mut Random) {
    let zero = Duration::ZERO;
    case.sites = case.sites.max(3);
    case.build.resize(case.sites, zero);
    case.linger.resize(case.sites, zero);
    let alone = Formula::And(vec![Formula::Site(0), Formula::Not(1)]);
    let together = Formula::And(vec![Formula::Site(1), Formula::Site(2)]);
    let formula = Formula::Or(vec![alone, together]);
    let kind = random.one_of(&[Kind::Vm, Kind::Net, Kind::Disk, Kind::Key]);
    let with = vec!["timeout: 3min".to_string()];
    case.statements =
        vec![Statement::Make(Make { number: 1, kind, ensure: false, formula, with, net: None, conf: None })];
    let on_make = |site, what| Fault { site, on: On::Make, when: When::First(1), what };
    let unheard = random.one_of(&[What::Mute, What::AnswerLost, What::Late(Duration::from_millis(500))]);
    case.weather.truncate(1);
    case.weather.insert(0, on_make(0, unheard));
    case.weather.insert(0, on_make(2, What::Slow(Duration::from_secs(random.one_of(&[1, 5, 20])))));
    case.heal = Duration::from_secs(random.one_of(&[100, 250]));
    case.stop = None;
}

pub fn stage(case: &mut Case, random: &mut Random) {
    case.sites = case.sites.max(3);
    let zero = Duration::ZERO;
    case.build.resize(case.sites, zero);
    case.linger.resize(case.sites, zero);
    let last = case.sites - 1;
    let late = [What::Frozen, What::Frozen, What::Late(Duration::from_secs(70)), What::Late(Duration::from_secs(150))];
    let late = random.one_of(&late);
    let mut kind = match late {
        What::Frozen => random.one_of(&[Kind::Vm, Kind::Net, Kind::Disk, Kind::Key, Kind::Key]),
        _ => random.one_of(&[Kind::Vm, Kind::Net, Kind::Disk]),
    };
    let k = last as u32;
    let formula = Formula::Count { words: format!("exactly {k}"), least: k, most: k, set: (1 << case.sites) - 1 };
    let mut with = vec!["timeout: 3min".to_string()];
    if random.chance(80) {
        with.push("overlap: brief".into());
    }
    let until =
        |random: &mut Random, all: &[u64]| When::During(Duration::ZERO, Duration::from_secs(random.one_of(all)));
    let everything = |site, when, what| Fault { site, on: On::Everything, when, what };
    let out = random.one_of(&[What::Unreachable, What::Lost]);
    case.weather.truncate(2);
    case.weather.insert(0, everything(0, until(random, &[20, 35, 50, 70]), out));
    case.weather.insert(0, everything(1, until(random, &[70, 110, 150]), What::Swallowed));
    let removal = Fault { site: last, on: On::Unmake, when: When::First(1 + random.below(2) as u32), what: late };
    case.weather.insert(0, removal);
    case.heal = Duration::from_secs(random.one_of(&[100, 250, 700]));
    case.stop = None;
    // What goes by its name alone, and a connection that breaks: whoever carries the removal would send it again by himself.
    if late != What::Frozen {
        kind = random.one_of(&[Kind::Key, kind]);
    }
    let make = Make { number: 1, kind, ensure: false, formula, with, net: None, conf: None };
    case.statements = vec![Statement::Make(make)];
}
