//! Plans: what a program would do, as data that is shown, approved, written to a journal and compared with what is done.
//!
//! The evaluator runs the program against a planning host, which looks at the sites and adds here, for every step, the
//! effect at each site. The one hard idea: a plan is an upper bound. What may happen instead (another outcome of the
//! placement) or perhaps (a branch not yet decided) is in it too, and marked so; what is known only later is not, and
//! is asked for again when the run comes to it.

mod approve;
mod content;
mod json;
mod text;

pub use approve::Beyond;
pub use content::{Shown, content};

use crate::eval::{Key, Place, Preferred, SectionKind, Step, StepKind, Unknown, Value, argument_text};
use crate::inventory::Inventory;
use crate::model::{Placement, SiteId, SiteSet};
use crate::span::Span;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// In the order of the program.
    pub entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Sorts entries of strands that ran at once.
    pub order: Vec<u32>,
    /// The undecided branches and loops around it, outermost first.
    pub sections: Vec<PlannedSection>,
    pub span: Span,
    pub content: Content,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    Step(Box<PlannedStep>),
    /// What the program would print, as far as it is known.
    Print(String),
    /// What cannot be judged yet.
    Note(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedSection {
    pub kind: SectionKind,
    pub title: String,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    pub key: Key,
    pub kind: StepKind,
    pub service: String,
    pub resource: String,
    pub operation: String,
    /// Of the resource, where it is known.
    pub name: Option<String>,
    /// `flavor: "tiny"`: arguments in short words, secrets hidden.
    pub arguments: Vec<String>,
    /// The beginning of a document that is to be made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub content: Vec<String>,
    /// The placement as a formula, in words.
    pub placement: String,
    /// The outcome aimed at first.
    pub aimed: SiteSet,
    /// The outcomes that come next, in order; a few of them.
    pub otherwise: Vec<SiteSet>,
    /// There are more than those.
    pub more: bool,
    /// The sites are known only later: in words.
    pub later: Option<String>,
    /// Arguments that are known only later, in words.
    pub unknown: Vec<String>,
    /// What happens at each site, in order; bridges before the effects that need them.
    pub effects: Vec<PlannedEffect>,
    /// From where what is needed may be copied, at the sites that are not among the effects: those of further outcomes.
    #[serde(default, skip_serializing_if = "SiteSet::is_empty")]
    pub brings: SiteSet,
    /// The sites as `prefer` has put them in order, and by what, where it is more than the written order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_by: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preferred: Vec<Preferred>,
}

/// What happens to one resource at one site, as the host found when it looked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedEffect {
    pub site: SiteId,
    pub action: Action,
    pub resource: String,
    pub name: Option<String>,
    /// Of what is there already.
    pub id: Option<String>,
    /// Whose account is used there.
    pub account: Option<String>,
    /// Only if an outcome that is preferred fails.
    pub fallback: bool,
    /// From where what it needs may be copied, where nobody has looked yet what is there.
    #[serde(default, skip_serializing_if = "SiteSet::is_empty")]
    pub brings: SiteSet,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Read,
    Create,
    /// It is there, and as it is asked for.
    AlreadyThere,
    Change {
        fields: Vec<FieldChange>,
    },
    /// Removed and made again.
    Replace {
        fields: Vec<FieldChange>,
    },
    Delete,
    /// Any other operation: `stop`, `scale`.
    Act {
        operation: String,
        /// It cannot be undone.
        last: bool,
    },
    /// By a bridge, from another site.
    Copy {
        from: SiteId,
        /// Bytes, where there is content to be moved.
        size: Option<u64>,
    },
    /// Nothing to do, and why.
    Nothing {
        why: String,
    },
    /// The site does not answer, so that what is there is unknown.
    Silent {
        why: String,
    },
    /// The host sees already that it cannot be: a name that is not there, a guard of the inventory.
    Refused {
        why: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    pub field: String,
    pub from: String,
    pub to: String,
}

/// How much a plan does. What is only perhaps or instead done is counted in `perhaps`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub create: usize,
    pub change: usize,
    pub delete: usize,
    pub copy: usize,
    pub already: usize,
    pub refused: usize,
    pub silent: usize,
    pub perhaps: usize,
    /// Effects that cannot be undone: what `--destroys` must equal.
    pub destroys: usize,
    /// Some steps are known only later, or how often they are done.
    pub open: bool,
    /// The sites at which something is changed.
    pub sites: SiteSet,
    pub destroy_sites: SiteSet,
}

/// Outcomes shown besides the first.
const MOST_OUTCOMES: usize = 3;

impl PlannedEffect {
    pub fn new(site: SiteId, action: Action, resource: impl Into<String>, name: Option<String>) -> PlannedEffect {
        PlannedEffect {
            site,
            action,
            resource: resource.into(),
            name,
            id: None,
            account: None,
            fallback: false,
            brings: SiteSet::new(),
        }
    }

    pub fn id(mut self, id: impl Into<String>) -> PlannedEffect {
        self.id = Some(id.into());
        self
    }

    pub fn account(mut self, account: impl Into<String>) -> PlannedEffect {
        self.account = Some(account.into());
        self
    }

    /// What it needs may be copied from there: known when the site is looked at.
    pub fn brings(mut self, from: SiteSet) -> PlannedEffect {
        self.brings = from;
        self
    }

    /// Only where a preferred outcome fails.
    pub fn fallback(mut self) -> PlannedEffect {
        self.fallback = true;
        self
    }
}

impl Action {
    /// Whether something is sent that changes a site.
    pub fn changes(&self) -> bool {
        matches!(
            self,
            Action::Create
                | Action::Change { .. }
                | Action::Replace { .. }
                | Action::Delete
                | Action::Act { .. }
                | Action::Copy { .. }
        )
    }

    pub fn is_final(&self) -> bool {
        matches!(self, Action::Delete | Action::Replace { .. } | Action::Act { last: true, .. })
    }
}

impl PlannedStep {
    /// What a step says of itself, before anybody has looked at a site.
    pub fn of(step: &Step, inventory: &Inventory) -> PlannedStep {
        let name_of = |value: &Value| match value {
            Value::String(text) => Some(text.to_string()),
            Value::Handle(handle) => match handle.fields.get("name") {
                Some(Value::String(name)) => Some(name.to_string()),
                _ if !handle.id.is_empty() => Some(handle.id.to_string()),
                _ => None,
            },
            _ => None,
        };
        let named = step.subject.as_deref().unwrap_or("name");
        let (mut arguments, mut unknown) = (Vec::new(), Vec::new());
        for (parameter, value) in &step.arguments {
            if let Value::Unknown(what) = value {
                unknown.push(format!("{parameter}: {}", what.what));
            } else if step.document.as_ref().is_some_and(|d| d.param == *parameter) {
                // What it says is not shown: the changes are.
            } else if parameter.as_ref() != named {
                arguments.push(argument_text(parameter, value, inventory));
            }
        }
        // `here`: one site's value stands for those of all.
        if let Some((site, own)) = step.per_site.first_key_value() {
            arguments.extend(own.iter().map(|(parameter, value)| {
                let text = argument_text(parameter, value, inventory);
                format!("{text} at {}, each site its own", inventory.name(*site))
            }));
        }
        let (aimed, mut otherwise, more) = outcomes(&step.placement);
        // What is not there yet may turn out to be elsewhere; what is done to it goes along.
        if let Some(Value::Handle(handle)) = step.arguments.get(named) {
            otherwise.extend(handle.elsewhere.iter().take(MOST_OUTCOMES).map(SiteSet::of));
        }
        PlannedStep {
            key: step.key.clone(),
            kind: step.kind,
            service: step.service.to_string(),
            resource: step.document.as_ref().map_or(step.resource.to_string(), |d| d.kind.to_string()),
            operation: step.operation.to_string(),
            name: match &step.document {
                Some(document) => Some(document.name.to_string()),
                None => step.arguments.get(named).and_then(name_of),
            },
            arguments,
            content: Vec::new(),
            placement: step.placement.display(|site| inventory.name(site).to_owned()).to_string(),
            aimed,
            otherwise,
            more,
            later: None,
            unknown,
            effects: Vec::new(),
            brings: SiteSet::new(),
            preferred_by: None,
            preferred: Vec::new(),
        }
    }

    /// The order that `prefer` came to.
    pub fn preferring(mut self, by: &str, order: Vec<Preferred>) -> PlannedStep {
        if !order.is_empty() {
            self.preferred_by = Some(by.to_string());
            self.preferred = order;
        }
        self
    }

    /// The effects that its kind promises at the sites aimed at, where nobody has looked.
    pub fn promised(&self) -> Vec<PlannedEffect> {
        let action = match (self.kind, self.operation.as_str()) {
            (StepKind::Read, _) => Action::Read,
            (StepKind::Change, "create") | (StepKind::Ensure | StepKind::Copy, _) => Action::Create,
            (StepKind::Final, "delete") => Action::Delete,
            (kind, operation) => Action::Act { operation: operation.to_owned(), last: kind == StepKind::Final },
        };
        let effect = |site| PlannedEffect::new(site, action.clone(), self.resource.clone(), self.name.clone());
        let first = self.aimed.iter().map(effect);
        let others: SiteSet = self.otherwise.iter().flat_map(SiteSet::iter).collect();
        first.chain(others.difference(&self.aimed).iter().map(|site| effect(site).fallback())).collect()
    }
}

/// The outcome aimed at first, those that follow, and whether there are more.
fn outcomes(placement: &Placement) -> (SiteSet, Vec<SiteSet>, bool) {
    // Attempted everywhere, whatever it needs.
    if let Placement::AllBut(_, sites) = placement {
        return (sites.clone(), Vec::new(), false);
    }
    let mut minimal = placement.minimal().map_while(Result::ok);
    let first = minimal.next().unwrap_or_default();
    let mut others: Vec<SiteSet> = minimal.take(MOST_OUTCOMES + 1).collect();
    let more = others.len() > MOST_OUTCOMES;
    others.truncate(MOST_OUTCOMES);
    (first, others, more)
}

impl Plan {
    pub fn new() -> Plan {
        Plan::default()
    }

    /// A step, and what the host found it would do.
    pub fn step(&mut self, step: &Step, effects: Vec<PlannedEffect>, inventory: &Inventory) {
        self.looked_at(step, PlannedStep::of(step, inventory), effects);
    }

    /// The same of a step that somebody has already put into words.
    pub fn looked_at(&mut self, step: &Step, mut planned: PlannedStep, effects: Vec<PlannedEffect>) {
        // The host knows what `prefer` chose.
        let aimed: SiteSet = effects.iter().filter(|e| !e.fallback && e.action.changes()).map(|e| e.site).collect();
        if step.placement.holds(&aimed) {
            planned.otherwise.retain(|outcome| *outcome != aimed);
            if planned.aimed != aimed {
                let first = std::mem::replace(&mut planned.aimed, aimed);
                planned.otherwise.insert(0, first);
            }
        }
        planned.effects = effects;
        self.push(&step.place, step.span, Content::Step(Box::new(planned)));
    }

    /// A step whose sites are known only later (`Host::later`).
    pub fn later(&mut self, step: &Step, placement: &Unknown, inventory: &Inventory) {
        let planned = PlannedStep { later: Some(placement.what.clone()), ..PlannedStep::of(step, inventory) };
        self.push(&step.place, step.span, Content::Step(Box::new(planned)));
    }

    pub fn print(&mut self, text: &str, span: Span, place: &Place) {
        self.push(place, span, Content::Print(text.to_owned()));
    }

    pub fn note(&mut self, text: &str, span: Span, place: &Place) {
        self.push(place, span, Content::Note(text.to_owned()));
    }

    fn push(&mut self, place: &Place, span: Span, content: Content) {
        let sections = place.sections.iter().map(|section| PlannedSection {
            kind: section.kind,
            title: section.title.clone(),
            span: section.span,
        });
        let entry = Entry { order: place.order.clone(), sections: sections.collect(), span, content };
        // Mostly at the end: strands that run at once are the exception.
        let at = self.entries.partition_point(|other| other.order <= entry.order);
        self.entries.insert(at, entry);
    }

    pub fn steps(&self) -> impl Iterator<Item = (&Entry, &PlannedStep)> {
        self.entries.iter().filter_map(|entry| match &entry.content {
            Content::Step(step) => Some((entry, &**step)),
            _ => None,
        })
    }

    /// Whether running it would send anything that changes a site; what is known only later may.
    pub fn changes(&self) -> bool {
        self.steps().any(|(_, step)| {
            step.effects.iter().any(|effect| effect.action.changes())
                || (step.later.is_some() && step.kind != StepKind::Read)
        })
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (entry, step) in self.steps() {
            let often = entry.sections.iter().any(|section| section.kind == SectionKind::Each);
            if step.kind != StepKind::Read && (often || step.later.is_some()) {
                counts.open = true;
            }
            for effect in step.effects.iter().filter(|_| step.kind != StepKind::Read) {
                if effect.action.is_final() && !effect.fallback {
                    counts.destroys += 1;
                    counts.destroy_sites.insert(effect.site);
                }
                if effect.fallback || !entry.sections.is_empty() {
                    counts.perhaps += usize::from(effect.action.changes());
                    continue;
                }
                *match effect.action {
                    Action::Create => &mut counts.create,
                    Action::Change { .. } | Action::Act { .. } | Action::Replace { .. } => &mut counts.change,
                    Action::Delete => &mut counts.delete,
                    Action::Copy { .. } => &mut counts.copy,
                    Action::AlreadyThere | Action::Nothing { .. } => &mut counts.already,
                    Action::Refused { .. } => &mut counts.refused,
                    Action::Silent { .. } => &mut counts.silent,
                    Action::Read => continue,
                } += 1;
                if effect.action.changes() {
                    counts.sites.insert(effect.site);
                }
            }
        }
        counts
    }

    /// Final operations at more than one site: then `--destroys` must be given, equal to `counts().destroys`.
    pub fn needs_destroys(&self) -> Option<usize> {
        let counts = self.counts();
        (counts.destroy_sites.len() > 1).then_some(counts.destroys)
    }
}
