//! Approval covers the effects shown. A run may do less than was approved, never more: what is not here is asked for
//! again, or stops the run.

use super::{Action, Content, Entry, FieldChange, Plan, PlannedEffect, PlannedStep};
use crate::eval::{Key, SectionKind};

/// Why an effect is more than was approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// No step of the plan is at this place of the program, in this iteration.
    Step,
    /// The plan said that this is known only later.
    Later,
    /// The step was shown, and nothing of this resource at this site.
    Site,
    /// Something else was shown for it.
    Effect,
}

impl Beyond {
    pub fn words(self) -> &'static str {
        match self {
            Beyond::Step => "the plan does not have this step",
            Beyond::Later => "the plan could not show this yet",
            Beyond::Site => "the plan shows nothing of it at this site",
            Beyond::Effect => "the plan shows something else for it",
        }
    }
}

impl Plan {
    /// Whether an effect that is about to be sent is covered by the plan. Undoing is always covered: it is less.
    pub fn approve(&self, key: &Key, effect: &PlannedEffect) -> Result<(), Beyond> {
        if !effect.action.changes() {
            return Ok(());
        }
        let mut beyond = Beyond::Step;
        for (entry, step) in self.steps() {
            match approve_by(entry, step, key, effect) {
                Ok(()) => return Ok(()),
                Err(why) => beyond = nearer(beyond, why),
            }
        }
        Err(beyond)
    }

    /// Everything in `other` is covered: a plan made again may be run under the approval of the first.
    pub fn covers(&self, other: &Plan) -> bool {
        other.steps().all(|(_, step)| {
            step.later.is_none() && step.effects.iter().all(|effect| self.approve(&step.key, effect).is_ok())
        })
    }
}

fn approve_by(entry: &Entry, step: &PlannedStep, key: &Key, effect: &PlannedEffect) -> Result<(), Beyond> {
    debug_assert!(matches!(entry.content, Content::Step(_)));
    if step.key.call != key.call {
        return Err(Beyond::Step);
    }
    // A loop of unknown length was shown once: its iterations were not.
    if step.later.is_some() || entry.sections.iter().any(|section| section.kind == SectionKind::Each) {
        return Err(Beyond::Later);
    }
    if step.key.position != key.position {
        return Err(Beyond::Step);
    }
    let mut beyond = Beyond::Site;
    for planned in &step.effects {
        if planned.site != effect.site || planned.resource != effect.resource || !same_one(planned, effect) {
            continue;
        }
        if no_more(&planned.action, &effect.action) {
            return Ok(());
        }
        beyond = Beyond::Effect;
    }
    Err(beyond)
}

/// By id where both know it, else by name; an effect that names nothing is not the one that was shown with a name.
fn same_one(planned: &PlannedEffect, effect: &PlannedEffect) -> bool {
    match (&planned.id, &effect.id) {
        (Some(a), Some(b)) => a == b,
        _ => planned.name == effect.name,
    }
}

fn no_more(planned: &Action, done: &Action) -> bool {
    match (planned, done) {
        (Action::Create, Action::Create) | (Action::Delete, Action::Delete) => true,
        (Action::Change { fields: planned }, Action::Change { fields }) => within(planned, fields),
        (Action::Replace { fields: planned }, Action::Replace { fields } | Action::Change { fields }) => {
            within(planned, fields)
        }
        (Action::Act { operation: a, last }, Action::Act { operation: b, last: now }) => a == b && (*last || !now),
        (Action::Copy { from: a, .. }, Action::Copy { from: b, .. }) => a == b,
        _ => false,
    }
}

/// Every change was shown, to the same value; from what does not matter, as the site may have changed meanwhile.
fn within(planned: &[FieldChange], done: &[FieldChange]) -> bool {
    done.iter().all(|change| planned.iter().any(|shown| shown.field == change.field && shown.to == change.to))
}

fn nearer(a: Beyond, b: Beyond) -> Beyond {
    let rank = |beyond: Beyond| match beyond {
        Beyond::Step => 0,
        Beyond::Later => 1,
        Beyond::Site => 2,
        Beyond::Effect => 3,
    };
    if rank(b) > rank(a) { b } else { a }
}
