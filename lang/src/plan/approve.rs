//! Approval covers the effects shown. A run may do less than was approved, never more: what is not here is asked for
//! again, or stops the run.

use super::{Action, Content, Entry, FieldChange, Plan, PlannedEffect, PlannedStep};
use crate::eval::{Key, SectionKind, StepKind};

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
    if let Action::Copy { from, .. } = effect.action
        && step.effects.iter().any(|planned| planned.site == effect.site && planned.brings.contains(from))
    {
        return Ok(());
    }
    let mut beyond = Beyond::Site;
    for planned in &step.effects {
        if planned.site != effect.site || planned.resource != effect.resource || !same_one(planned, effect) {
            continue;
        }
        let shown = no_more(&planned.action, &effect.action) || promised(step, planned, &effect.action);
        if shown && effect.brings.is_subset(&planned.brings) {
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
        // That the site did not answer was shown, and what is to be there: made, or what is there already made so.
        (Action::Silent { .. }, Action::Create | Action::Change { .. } | Action::Act { last: false, .. }) => true,
        (Action::Change { fields: planned }, Action::Change { fields }) => within(planned, fields),
        (Action::Replace { fields: planned }, Action::Replace { fields } | Action::Change { fields }) => {
            within(planned, fields)
        }
        (Action::Act { operation: a, last }, Action::Act { operation: b, last: now }) => a == b && (*last || !now),
        (Action::Copy { from: a, .. }, Action::Copy { from: b, .. }) => a == b,
        _ => false,
    }
}

/// Where nobody has looked, the operation was shown by its name, whether it makes something there or changes it; of `ensure`
/// it was said so. Where what it is about is not there yet, or not known, it is shown by its name too, whatever it changes.
fn promised(step: &PlannedStep, planned: &PlannedEffect, done: &Action) -> bool {
    match (&planned.action, done) {
        (Action::Act { last: false, .. }, Action::Change { .. }) => true,
        (Action::Act { last: false, .. }, Action::Create) => planned.fallback,
        (Action::Create, Action::Change { .. }) => step.kind == StepKind::Ensure && planned.fallback,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{SiteId, SiteSet};
    use crate::plan::PlannedSection;
    use crate::span::{FileId, Span};

    fn key(at: usize, position: &[u32]) -> Key {
        Key { call: Span::new(FileId(0), at, at + 1), position: position.to_vec() }
    }

    fn effect(site: u32, action: Action) -> PlannedEffect {
        PlannedEffect::new(SiteId(site), action, "server", Some("vm".into()))
    }

    fn copy(from: u32) -> Action {
        Action::Copy { from: SiteId(from), size: None }
    }

    fn change(field: &str, to: &str) -> Action {
        Action::Change { fields: vec![FieldChange { field: field.into(), from: "?".into(), to: to.into() }] }
    }

    fn plan(key: Key, effects: Vec<PlannedEffect>, sections: &[SectionKind]) -> Plan {
        let span = key.call;
        let section = |kind: &SectionKind| PlannedSection { kind: *kind, title: "?".into(), span };
        let step = PlannedStep {
            key,
            kind: StepKind::Change,
            service: "compute".into(),
            resource: "server".into(),
            operation: "create".into(),
            name: Some("vm".into()),
            content: Vec::new(),
            arguments: Vec::new(),
            placement: String::new(),
            aimed: SiteSet::new(),
            otherwise: Vec::new(),
            more: false,
            later: None,
            unknown: Vec::new(),
            effects,
            brings: SiteSet::new(),
            preferred_by: None,
            preferred: Vec::new(),
        };
        let sections = sections.iter().map(section).collect();
        Plan { entries: vec![Entry { order: vec![0], sections, span, content: Content::Step(Box::new(step)) }] }
    }

    #[test]
    fn never_more_than_was_shown() {
        let shown = plan(key(1, &[0]), vec![effect(1, Action::Create), effect(2, Action::Create).fallback()], &[]);
        let at = |position: &[u32], effect: PlannedEffect| shown.approve(&key(1, position), &effect);
        assert_eq!(at(&[0], effect(1, Action::Create)), Ok(()));
        assert_eq!(at(&[0], effect(2, Action::Create)), Ok(()), "another outcome was shown");
        assert_eq!(at(&[0], effect(1, Action::AlreadyThere)), Ok(()), "less");
        assert_eq!(at(&[0], effect(3, Action::Create)), Err(Beyond::Site));
        assert_eq!(at(&[0], effect(1, Action::Delete)), Err(Beyond::Effect));
        assert_eq!(at(&[1], effect(1, Action::Create)), Err(Beyond::Step), "another iteration");
        assert_eq!(shown.approve(&key(2, &[0]), &effect(1, Action::Create)), Err(Beyond::Step));
        let other = PlannedEffect { name: Some("other".into()), ..effect(1, Action::Create) };
        assert_eq!(at(&[0], other), Err(Beyond::Site), "another name");
    }

    #[test]
    fn what_was_there_is_not_made_without_asking() {
        let shown = plan(key(1, &[]), vec![effect(1, Action::AlreadyThere)], &[]);
        assert_eq!(shown.approve(&key(1, &[]), &effect(1, Action::Create)), Err(Beyond::Effect));
    }

    #[test]
    fn a_site_that_was_silent_may_answer_later() {
        let shown = plan(key(1, &[]), vec![effect(1, Action::Silent { why: "no answer".into() })], &[]);
        assert_eq!(shown.approve(&key(1, &[]), &effect(1, Action::Create)), Ok(()));
        assert_eq!(shown.approve(&key(1, &[]), &effect(1, change("size", "4"))), Ok(()), "it had one already");
        assert_eq!(shown.approve(&key(1, &[]), &effect(1, Action::Delete)), Err(Beyond::Effect));
        let replaced = Action::Replace { fields: Vec::new() };
        assert_eq!(shown.approve(&key(1, &[]), &effect(1, replaced)), Err(Beyond::Effect));
    }

    #[test]
    fn an_ensure_that_comes_to_another_site_may_change_what_is_there() {
        let mut shown = plan(key(1, &[]), vec![effect(1, Action::Create), effect(2, Action::Create).fallback()], &[]);
        let changed = |site| effect(site, change("size", "4"));
        assert_eq!(shown.approve(&key(1, &[]), &changed(2)), Err(Beyond::Effect), "`create` changes nothing");
        for entry in &mut shown.entries {
            if let Content::Step(step) = &mut entry.content {
                step.kind = StepKind::Ensure;
            }
        }
        assert_eq!(shown.approve(&key(1, &[]), &changed(2)), Ok(()));
        assert_eq!(shown.approve(&key(1, &[]), &changed(1)), Err(Beyond::Effect), "there it was looked at");
    }

    #[test]
    fn changes_go_to_the_values_shown() {
        let shown = plan(key(1, &[]), vec![effect(1, change("size", "4"))], &[]);
        let ask = |action| shown.approve(&key(1, &[]), &effect(1, action));
        assert_eq!(ask(change("size", "4")), Ok(()));
        assert_eq!(ask(change("size", "5")), Err(Beyond::Effect));
        assert_eq!(ask(change("name", "4")), Err(Beyond::Effect));
    }

    #[test]
    fn deletes_are_of_the_one_that_was_shown() {
        let shown = plan(key(1, &[]), vec![effect(1, Action::Delete).id("a")], &[]);
        assert_eq!(shown.approve(&key(1, &[]), &effect(1, Action::Delete).id("a")), Ok(()));
        assert_eq!(shown.approve(&key(1, &[]), &effect(1, Action::Delete).id("b")), Err(Beyond::Site));
    }

    #[test]
    fn an_open_loop_approves_nothing_and_a_branch_does() {
        let create = effect(1, Action::Create);
        let looped = plan(key(1, &[0]), vec![create.clone()], &[SectionKind::Each]);
        assert_eq!(looped.approve(&key(1, &[0]), &create), Err(Beyond::Later));
        assert!(looped.counts().open);
        let branched = plan(key(1, &[0]), vec![create.clone()], &[SectionKind::Perhaps]);
        assert_eq!(branched.approve(&key(1, &[0]), &create), Ok(()));
        assert_eq!((branched.counts().create, branched.counts().perhaps), (0, 1));
    }

    #[test]
    fn what_nobody_looked_at_was_shown_by_its_name() {
        let apply = || Action::Act { operation: "apply".into(), last: false };
        let shown = plan(key(1, &[]), vec![effect(1, apply()), effect(2, apply()).fallback()], &[]);
        let ask = |effect| shown.approve(&key(1, &[]), &effect);
        assert_eq!(ask(effect(2, Action::Create)), Ok(()));
        assert_eq!(ask(effect(2, change("size", "4"))), Ok(()));
        assert_eq!(ask(effect(2, Action::Delete)), Err(Beyond::Effect));
        assert_eq!(ask(effect(1, Action::Create)), Err(Beyond::Effect), "there it was looked at");
    }

    #[test]
    fn a_copy_is_shown_or_said_to_be_possible() {
        let image = |site, from| PlannedEffect::new(SiteId(site), copy(from), "image", Some("cirros".into()));
        let bringing = effect(2, Action::Create).fallback().brings(SiteSet::of(SiteId(3)));
        let shown = plan(key(1, &[]), vec![image(1, 3), effect(1, Action::Create), bringing.clone()], &[]);
        let ask = |effect: &PlannedEffect| shown.approve(&key(1, &[]), effect);
        assert_eq!(ask(&image(1, 3)), Ok(()));
        assert_eq!(ask(&image(1, 2)), Err(Beyond::Effect), "from another site");
        assert_eq!(ask(&image(2, 3)), Ok(()), "what is needed there");
        assert_eq!(ask(&image(2, 1)), Err(Beyond::Site));
        assert_eq!(ask(&image(3, 1)), Err(Beyond::Site));
        assert!(shown.covers(&shown));
        let more = plan(key(1, &[]), vec![bringing.brings(SiteSet::of(SiteId(4)))], &[]);
        assert!(!shown.covers(&more));
    }

    #[test]
    fn destroys_are_counted_over_sites() {
        let one = plan(key(1, &[]), vec![effect(1, Action::Delete)], &[]);
        assert_eq!(one.needs_destroys(), None);
        let last = Action::Act { operation: "reboot".into(), last: true };
        let two = plan(key(1, &[]), vec![effect(1, Action::Delete), effect(2, last)], &[]);
        assert_eq!(two.needs_destroys(), Some(2));
    }

    #[test]
    fn a_plan_survives_serialising() {
        let shown = plan(key(1, &[0]), vec![effect(1, change("a", "b"))], &[SectionKind::Each]);
        let text = serde_json::to_string(&shown).expect("plain data");
        assert_eq!(serde_json::from_str::<Plan>(&text).expect("what was written"), shown);
    }
}
