//! What goes wrong between the runner and the sites, as data: each fault befalls some requests to one site.

use super::formula::Random;
use super::site::Ask;
use std::fmt;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Fault {
    pub site: usize,
    pub on: On,
    pub when: When,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Everything,
    Make,
    Unmake,
    Change,
    Look,
    Ticket,
    Login,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Always,
    /// Counted from 1, of those that it is about.
    Nth(u32),
    First(u32),
    During(Duration, Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Nothing listens.
    Unreachable,
    /// The connection breaks; nothing is carried out.
    Lost,
    /// Never answered, never carried out.
    Swallowed,
    /// Carried out; then the connection breaks.
    AnswerLost,
    /// Carried out, never answered.
    Mute,
    /// Carried out so much later, and answered then.
    Slow(Duration),
    /// Carried out so much later; the connection breaks at once.
    Late(Duration),
    /// Never answered; carried out when all is well again.
    Frozen,
    /// Carried out, answered, and delivered once more so much later. Only what is idempotent.
    Twice(Duration),
    Answer(u16),
    /// Carried out, and answered with that all the same.
    ActsAndAnswers(u16),
    /// What is made will break.
    Breaks,
    /// No token is known any more.
    Forgets,
}

impl On {
    pub fn covers(self, ask: &Ask) -> bool {
        use super::site::Kind::Pass;
        match self {
            On::Everything => true,
            On::Make => ask.makes() && ask.kind() != Some(Pass),
            On::Unmake => ask.method == "DELETE" && ask.kind() != Some(Pass),
            On::Change => ask.changes() && !ask.makes() && ask.method != "DELETE",
            On::Look => ask.method == "GET",
            On::Ticket => ask.kind() == Some(Pass),
            On::Login => ask.is_login(),
        }
    }
}

impl Fault {
    pub fn random(random: &mut Random, sites: usize) -> Fault {
        let site = random.below(sites as u64) as usize;
        let span = |random: &mut Random| {
            Duration::from_millis(random.one_of(&[100, 1_000, 5_000, 20_000, 35_000, 70_000, 150_000]))
        };
        if random.chance(20) {
            // A partition.
            let from = Duration::from_millis(random.one_of(&[0, 0, 30, 400, 2_000, 20_000, 40_000]));
            let when = When::During(from, from + span(random));
            let what = random.one_of(&[What::Unreachable, What::Swallowed, What::Frozen, What::Lost]);
            return Fault { site, on: On::Everything, when, what };
        }
        let on = random.one_of(&[
            On::Make,
            On::Make,
            On::Make,
            On::Make,
            On::Unmake,
            On::Unmake,
            On::Change,
            On::Look,
            On::Ticket,
            On::Login,
            On::Everything,
        ]);
        let when = match random.below(6) {
            0 => When::Always,
            1 | 2 => When::First(1 + random.below(2) as u32),
            3 => When::Nth(1 + random.below(3) as u32),
            _ => {
                let from = Duration::from_millis(random.one_of(&[0, 0, 10, 200, 1_000, 20_000]));
                When::During(from, from + span(random))
            }
        };
        let what = match random.below(14) {
            0 => What::Unreachable,
            1 => What::Lost,
            2 => What::Swallowed,
            3 | 4 => What::AnswerLost,
            5 => What::Mute,
            6 => What::Slow(span(random)),
            7 | 8 => What::Late(span(random)),
            9 => What::Frozen,
            10 => What::Twice(span(random)),
            11 => What::Answer(Self::status(random, on)),
            12 => What::ActsAndAnswers(random.one_of(&[500, 502, 503])),
            _ if on == On::Make => random.one_of(&[What::Breaks, What::Breaks, What::Answer(403)]),
            _ => What::Forgets,
        };
        Fault { site, on, when, what }
    }

    /// Nobody can believe a proxy that says that something is not there: only of what is to be made.
    fn status(random: &mut Random, on: On) -> u16 {
        match on {
            On::Make => random.one_of(&[403, 400, 404, 409, 429, 500, 503]),
            On::Unmake | On::Change | On::Ticket => random.one_of(&[403, 409, 429, 500, 503]),
            On::Look | On::Login | On::Everything => random.one_of(&[429, 500, 503]),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}: {:?} {:?}: {:?}", super::site::SITES[self.site], self.on, self.when, self.what)
    }
}
