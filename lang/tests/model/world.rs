//! One site as it is, beside what the journal believes of it: what the site, the network and the clock may do next.
//! The world may act and answer, act and lose the answer, lose the request, refuse, make a thing that is broken, be
//! unreachable, or carry a request out late: after the time limit, and after a probe that found nothing.

use std::collections::HashMap;

use edge_lang::model::{Action, Belief, Observation, Placement, Pursuit, Rules, SiteId, State};

/// A site: the belief, and the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    pub belief: Belief,
    /// How many effects are here, and whether the effect is broken.
    pub effects: u8,
    pub broken: bool,
    /// Creates and undos on the wire.
    pub creates: u8,
    pub undos: u8,
    /// Faults that may still happen here.
    pub faults: u8,
}

/// What may happen at a site: what it is, the site after it, and whether it is a fault.
pub type Change = (&'static str, Site, bool);

/// What one exploration assumes of the world, and which rule is switched off.
#[derive(Clone, Copy, Debug, Default)]
pub struct World {
    pub rules: Rules,
    /// A create may be delivered twice.
    pub duplicates: bool,
    pub mutant: Mutant,
}

/// A rule of the pursuit that a test switches off, by changing what the product decides or believes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mutant {
    #[default]
    None,
    FirstProbeBelieved,
    UnknownIsAbsent,
    Resend,
    ProbeThenFence,
    LostUndoKept,
    NameTrusted,
    KeyTrusted,
    EarlyTidy,
    QueuedSend,
    /// Nothing is switched off, but more is demanded.
    NoOverlapExcused,
    NoWatchExcused,
}

/// How beliefs change, as the product says, remembered: each change is asked of a pursuit of one site.
pub struct Changes {
    world: World,
    pursuit: Pursuit,
    observed: HashMap<(Belief, Observation), Belief>,
}

impl Changes {
    pub fn new(world: World) -> Changes {
        let pursuit = Pursuit::new(Placement::Site(SiteId(0)), Vec::new(), believed(world)).expect("one site");
        Changes { world, pursuit, observed: HashMap::new() }
    }

    pub fn seen(&mut self, belief: Belief, observation: Observation) -> Belief {
        let (pursuit, mutant) = (&mut self.pursuit, self.world.mutant);
        *self.observed.entry((belief, observation)).or_insert_with(|| {
            match (mutant, observation, belief.state) {
                (Mutant::FirstProbeBelieved, Observation::Absent, State::Open) => {
                    return Belief { state: State::Cut, loose: false, ..belief };
                }
                (Mutant::ProbeThenFence, Observation::Fenced, State::Soft) => {
                    return Belief { state: State::New, loose: false, ..belief };
                }
                (Mutant::LostUndoKept, Observation::Found, State::Lost) => {
                    return Belief { state: State::There, ..belief };
                }
                (Mutant::LostUndoKept, Observation::Broken, State::Lost) => {
                    return Belief { state: State::There, out: true, broken: true, ..belief };
                }
                (Mutant::LostUndoKept, Observation::Absent, State::Lost) => {
                    return Belief { state: State::Cut, loose: false, ..belief };
                }
                _ => {}
            }
            pursuit.believe(SiteId(0), belief).expect("the site is in the placement");
            pursuit.observe(SiteId(0), observation).expect("the world shows only what can be seen");
            pursuit.belief(SiteId(0)).expect("the site is in the placement")
        })
    }

    pub fn issued(&mut self, belief: Belief, action: &Action) -> Belief {
        if self.world.mutant == Mutant::Resend && belief.state == State::Open {
            return Belief { state: State::Sent, loose: true, ..belief };
        }
        self.pursuit.believe(SiteId(0), belief).expect("the site is in the placement");
        self.pursuit.issued(action).expect("what was decided can be issued");
        let after = self.pursuit.belief(SiteId(0)).expect("the site is in the placement");
        let trusted = self.world.mutant == Mutant::KeyTrusted && matches!(action, Action::Send(_));
        Belief { loose: after.loose && !trusted, ..after }
    }
}

/// The rules by which the pursuit believes; a mutant may believe in better ones than hold.
fn believed(world: World) -> Rules {
    Rules { by_name: world.rules.by_name && world.mutant != Mutant::NameTrusted, ..world.rules }
}

impl Site {
    /// An undo by id dies with its effect.
    fn settled(self, world: World) -> Site {
        match self.effects {
            0 => Site { broken: false, undos: if world.rules.by_name { self.undos } else { 0 }, ..self },
            _ => self,
        }
    }

    fn landed(self, world: World) -> Site {
        let effects = if world.rules.keyed && self.effects > 0 { 1 } else { self.effects + 1 };
        Site { creates: self.creates - 1, effects, ..self }
    }

    /// The site's side of an action of the runner; none where nothing happens now. Probes, fences and quiet times
    /// are answered at once: a lost one changes nothing.
    pub fn act(self, action: &Action, world: World, changes: &mut Changes) -> Option<Site> {
        let here = match (self.effects, self.broken) {
            (0, _) => Observation::Absent,
            (_, true) => Observation::Broken,
            (_, false) => Observation::Found,
        };
        // The changes are asked of a pursuit whose one site is the first.
        let there = |make: fn(SiteId) -> Action| make(SiteId(0));
        let after = match action {
            Action::Send(_) => {
                let belief = changes.issued(self.belief, &there(Action::Send));
                Site { belief, creates: self.creates + 1, ..self }
            }
            Action::Undo(_) => {
                let belief = changes.issued(self.belief, &there(Action::Undo));
                Site { belief, undos: (self.undos + 1).min(2), ..self }
            }
            Action::Fence(_) => {
                let belief = changes.seen(self.belief, Observation::Fenced);
                Site { belief, creates: 0, undos: if world.rules.by_name { 0 } else { self.undos }, ..self }
            }
            // The assumption: nothing is on its way after the quiet time.
            Action::Quiet(_) if self.creates > 0 || self.undos > 0 => return None,
            Action::Quiet(_) if here == Observation::Absent => {
                Site { belief: changes.seen(self.belief, Observation::Quiet), ..self }
            }
            _ => Site { belief: changes.seen(self.belief, here), ..self },
        };
        Some(after.settled(world)).filter(|after| *after != self)
    }

    pub fn next(self, world: World, changes: &mut Changes) -> Vec<Change> {
        let mut next = Vec::new();
        let mut may = |what, after: Site, seen: Option<Observation>, fault: bool| {
            if fault && self.faults == 0 {
                return;
            }
            let belief = seen.map_or(self.belief, |observation| changes.seen(self.belief, observation));
            let faults = self.faults - u8::from(fault);
            next.push((what, Site { belief, faults, ..after }.settled(world), fault));
        };
        use Observation::*;
        let awaits_create = self.belief.state == State::Sent;
        let awaits_undo = matches!(self.belief.state, State::Undoing | State::Again);
        if awaits_create && self.creates > 0 {
            let (landed, dropped) = (self.landed(world), Site { creates: self.creates - 1, ..self });
            may("done", landed, Some(Done), false);
            if !(world.rules.keyed && self.effects > 0) {
                may("refused", dropped, Some(Refused), false);
                may("makes a broken one", Site { broken: true, ..landed }, Some(Broken), false);
            }
            may("acts, answer lost", landed, Some(Silent), true);
            may("request lost", dropped, Some(Silent), true);
            may("is silent, request still on its way", self, Some(Silent), true);
            may("unreachable", dropped, Some(Unreachable), true);
            if world.duplicates {
                let twice = Site { creates: landed.creates + 1, ..landed };
                may("done, request delivered twice", twice, Some(Done), true);
            }
        }
        if self.creates > u8::from(awaits_create) {
            may("LATE request acts", self.landed(world), None, false);
            may("late request dropped", Site { creates: self.creates - 1, ..self }, None, false);
        }
        let fewer = |undos: u8| Site { undos: undos.saturating_sub(1), ..self };
        let gone = Site { effects: self.effects.saturating_sub(1), ..fewer(self.undos) };
        if awaits_undo {
            // Without an undo on the wire its effect is gone: 404, which means undone.
            let gone = if self.undos > 0 { gone } else { self };
            may("undone", gone, Some(Undone), false);
            may("undo acts, answer lost", gone, Some(UndoSilent), true);
            may("undo lost", fewer(self.undos), Some(UndoSilent), true);
            may("undo silent, still on its way", self, Some(UndoSilent), true);
            if self.effects > 0 && self.undos > 0 {
                may("refuses undo", fewer(self.undos), Some(UndoRefused), true);
            }
        }
        if self.undos > u8::from(awaits_undo) {
            may("LATE undo acts", gone, None, false);
            may("late undo dropped", fewer(self.undos), None, false);
        }
        let silent = matches!(self.belief.state, State::Open | State::Soft | State::Shut | State::Cut);
        if silent && !self.belief.out {
            let belief = changes.seen(self.belief, GivenUp);
            next.push(("given up", Site { belief, ..self }, true));
        }
        next
    }
}
