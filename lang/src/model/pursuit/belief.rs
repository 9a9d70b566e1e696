//! What the journal says of one site, and what an action or an observation makes of it.
//!
//! The hard idea is that silence is never absence: a request that was not answered may still be carried out, also
//! after a probe that found nothing. So between `Open` and `Cut` lie two more states, and only a fence leads on.

use serde::{Deserialize, Serialize};

use super::{Action, Rules};
use crate::mutant::{Mutant, is_on};

/// Where one site stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing of the operation is here, and nothing on its way: closed.
    #[default]
    New,
    /// Closed likewise; but the site did not answer, or had to be fenced.
    Cut,
    /// The request is out, its answer awaited.
    Sent,
    /// No answer within the time limit: it may be there, it may still come.
    Open,
    /// A probe found nothing, but the request may still come.
    Soft,
    /// Fenced: nothing comes any more; what came is to be probed.
    Shut,
    /// The effect was seen.
    There,
    /// The effect is there, and its undo was refused.
    Stuck,
    /// An undo is out, its answer awaited.
    Undoing,
    /// An undo went unanswered: the effect is doomed, and never kept.
    Lost,
    /// A further undo is out.
    Again,
}

impl State {
    pub const ALL: [State; 11] = [
        State::New,
        State::Cut,
        State::Sent,
        State::Open,
        State::Soft,
        State::Shut,
        State::There,
        State::Stuck,
        State::Undoing,
        State::Lost,
        State::Again,
    ];

    /// Nothing is there and nothing can still arrive.
    pub fn is_closed(self) -> bool {
        matches!(self, State::New | State::Cut)
    }

    /// A request has an answer coming, or the time limit.
    pub fn is_awaited(self) -> bool {
        matches!(self, State::Sent | State::Undoing | State::Again)
    }
}

/// The belief about one site. It changes by [`Belief::after`] and [`Belief::seen`] only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Belief {
    pub state: State,
    /// Never again in an outcome: it refused, made a broken thing, or was given up.
    #[serde(default)]
    pub out: bool,
    /// An older request to this site may still be carried out.
    #[serde(default)]
    pub loose: bool,
    /// What is there was accepted and then failed.
    #[serde(default)]
    pub broken: bool,
}

/// What was learned about one site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// The request took effect.
    Done,
    /// The request was definitively refused.
    Refused,
    /// What the request made, or what a probe found, is broken.
    Broken,
    /// No answer within the time limit, to whatever was asked.
    Silent,
    /// No connection: a create was not sent. An undo counts as lost all the same, a probe as not made.
    Unreachable,
    /// A site that was cut off answers again.
    Back,
    /// A probe found the effect.
    Found,
    /// A probe found nothing.
    Absent,
    /// What the request needed is destroyed, and that was acknowledged.
    Fenced,
    /// Two answered probes, the quiet time apart, found nothing.
    Quiet,
    /// The undo is confirmed, or its effect is gone.
    Undone,
    /// The undo was not answered.
    UndoSilent,
    /// The undo was definitively refused.
    UndoRefused,
    /// Policy takes the site out.
    GivenUp,
    /// A request was sent more than once, and all but the last may still be carried out. What it came to is told next.
    Repeated,
}

impl Belief {
    /// Nothing more is there, except perhaps what an older request may still make.
    fn emptied(self) -> Belief {
        Belief { state: if self.loose { State::Soft } else { State::New }, broken: false, ..self }
    }

    fn closed(self) -> Belief {
        Belief { state: State::Cut, loose: false, ..self }
    }

    /// The belief once an action on this site was taken; none where the action makes no sense.
    pub(super) fn after(self, action: &Action, rules: &Rules) -> Option<Belief> {
        use State::*;
        let to = |state| Belief { state, ..self };
        match (action, self.state) {
            (Action::Send(_), New | Cut) => Some(Belief { loose: false, ..to(Sent) }),
            (Action::Send(_), Soft) if rules.keyed => Some(Belief { loose: !is_on(Mutant::TrustsKey), ..to(Sent) }),
            (Action::Undo(_), There | Stuck) => Some(to(Undoing)),
            // An undo by name that went unanswered may still take away what comes next under that name.
            (Action::Undo(_), Lost) if is_on(Mutant::TrustsName) => Some(to(Again)),
            (Action::Undo(_), Lost) => Some(Belief { loose: self.loose || rules.by_name, ..to(Again) }),
            (Action::Probe(_), Lost) if is_on(Mutant::KeepsAfterUndo) => Some(self),
            (Action::Probe(_), Open | Soft | Shut) | (Action::Fence(_) | Action::Quiet(_), Soft) => Some(self),
            _ => None,
        }
    }

    /// The belief after an observation; none where that cannot be observed.
    pub(super) fn seen(self, observation: Observation) -> Option<Belief> {
        use Observation as O;
        use State::*;
        let to = |state| Belief { state, ..self };
        Some(match (observation, self.state) {
            (O::Done, Sent) | (O::Found, Open | Soft | Shut) => to(There),
            (O::Found, Lost) if is_on(Mutant::KeepsAfterUndo) => to(There),
            (O::Absent, Lost) if is_on(Mutant::KeepsAfterUndo) => self.closed(),
            (O::Refused, Sent) => Belief { out: true, ..self.emptied() },
            (O::Broken, Sent | Open | Soft | Shut) => Belief { out: true, broken: true, ..to(There) },
            (O::Silent, Sent) => to(Open),
            (O::Silent | O::UndoSilent | O::Unreachable, Undoing | Again) => to(Lost),
            (O::Unreachable, Sent) if self.loose => to(Soft),
            (O::Unreachable, Sent) => to(Cut),
            (O::Silent | O::Unreachable, Open | Soft | Shut) => self,
            (O::Back, Cut) => to(New),
            (O::Absent, Open) if is_on(Mutant::FirstProbe) => self.closed(),
            (O::Absent, Open | Soft) => to(Soft),
            (O::Absent, Shut) | (O::Quiet, Soft) => self.closed(),
            (O::Fenced, Soft) if is_on(Mutant::ProbeBeforeFence) => self.closed(),
            (O::Fenced, Soft) => Belief { loose: false, ..to(Shut) },
            (O::Undone, Undoing | Again | Stuck) => self.emptied(),
            (O::UndoRefused, Undoing) if !self.loose => to(Stuck),
            (O::UndoRefused, Undoing | Again) => to(Lost),
            (O::GivenUp, Open | Soft | Shut | Cut) => Belief { out: true, ..self },
            (O::Repeated, Sent | Open | Soft | Shut | Undoing | Again) => {
                Belief { loose: self.loose || !is_on(Mutant::HidesRepeats), ..self }
            }
            _ => return None,
        })
    }

    /// Answers that were awaited when the runner stopped will not be heard, nor how often it was sent.
    pub(super) fn crashed(self, rules: &Rules) -> Belief {
        let repeated = self.state == State::Sent && rules.repeats;
        let state = match self.state {
            State::Sent if is_on(Mutant::ResendsOnResume) => State::New,
            State::Sent => State::Open,
            State::Undoing | State::Again => State::Lost,
            state => state,
        };
        Belief { state, loose: self.loose || repeated, ..self }
    }
}
