//! What the evaluator asks of the world. Planning, running, resuming and testing differ in their host and in nothing
//! else. The one hard idea is `Value::Unknown`: what a plan cannot know yet, and what is owed in a run, is a value that
//! flows through the program; a plan shows what depends on it, a run stops only where a decision needs it.

use super::{Failure, Policy, Secret, Unknown, Value};
use crate::inventory::Inventory;
use crate::library::Version;
use crate::model::{Placement, SiteId};
use crate::program::Statement;
use crate::span::Span;
use crate::types::{Name, Type};
use futures_util::future::BoxFuture;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One operation at a placement, as data: steps print, serialise and diff.
#[derive(Clone, Debug)]
pub struct Step {
    pub key: Key,
    pub place: Place,
    /// The target service.
    pub service: Name,
    pub resource: Name,
    pub operation: Name,
    pub kind: StepKind,
    /// By parameter name, without those that use `here`; a resource is a handle, a table of handles, or a name. Left-out
    /// parameters are not here. Of `copy`: `of`, a table or a handle.
    pub arguments: IndexMap<Name, Value>,
    /// The arguments that use `here`, for each site of the placement.
    pub per_site: BTreeMap<SiteId, IndexMap<Name, Value>>,
    /// The parameter whose handle or rows the operation is about; each row of a table is acted on at its own site.
    pub subject: Option<Name>,
    /// Of a document: what it is.
    pub document: Option<Document>,
    /// Where it takes effect. For an operation on a handle or on rows: all of their sites.
    pub placement: Placement,
    /// Where dependencies are looked up; a service not mentioned is local to the site of the operation.
    pub dependencies: BTreeMap<Name, Placement>,
    /// `identity: Z`: whose account.
    pub identity: Option<SiteId>,
    pub policy: Policy,
    /// What the function of `prefer` gave for the sites of the placement, in the order that follows from it.
    pub preferred: Vec<Preferred>,
    /// Whether the placement's form gives one handle or the replicated one.
    pub single: bool,
    /// `if any`: an empty placement is fine. The evaluator answers those itself, so a host never sees one.
    pub if_any: bool,
    /// Inside `atomic`: unreachable means fail, whatever the inventory says (`policy.unreachable` says so already).
    pub atomic: bool,
    /// The highest version that the given parameters ask for.
    pub since: Option<Version>,
    /// Of the whole operation; `at` is the span of its placement.
    pub span: Span,
    pub at: Span,
    pub result: Type,
}

impl Step {
    /// All arguments as they are at one site.
    pub fn arguments_at(&self, site: SiteId) -> IndexMap<Name, Value> {
        let mut all = self.arguments.clone();
        if let Some(own) = self.per_site.get(&site) {
            all.extend(own.iter().map(|(k, v)| (k.clone(), v.clone())));
        }
        all
    }

    /// Whether it may change something.
    pub fn changes(&self) -> bool {
        self.kind != StepKind::Read
    }
}

/// A site in the order of preference, and why it stands there.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Preferred {
    pub site: SiteId,
    pub why: String,
}

/// What a document describes, as it says itself. The document is the argument `param`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub param: Name,
    pub kind: Arc<str>,
    pub name: Arc<str>,
    /// The resource that describes its kind, where one does.
    pub described: Option<Name>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// `list`, `show`, a `read op`.
    Read,
    /// `create` and every op that makes or changes something.
    Change,
    Ensure,
    /// Cannot be undone.
    Final,
    /// The bridge, called by hand.
    Copy,
}

/// Names an effect within a run: the place in the program, and how it was come to: a number for each loop (the
/// iteration), two for each call of a function (file and byte of the call), outermost first. Stable between the plan,
/// the run and the resumed run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Key {
    /// Where the operation stands in the text.
    pub call: Span,
    pub position: Vec<u32>,
}

/// Where in the course of the program something happens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place {
    /// Sorts what is done at once (`parallel for`) as if it were done in written order.
    pub order: Vec<u32>,
    /// The undecided branches and loops around it, outermost first. Only in plans.
    pub sections: Vec<Arc<Section>>,
}

/// A part of a plan of which it is not known whether, or how often, it will be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub kind: SectionKind,
    /// `if vm.status == "ACTIVE"`, `for s in have.absent`.
    pub title: String,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SectionKind {
    /// Run once or not at all: a branch of an `if`, what follows `try`.
    Perhaps,
    /// Run any number of times: the body of a loop.
    Each,
}

pub trait Host: Send + Sync {
    fn inventory(&self) -> &Inventory;

    /// Performs a step and gives its value: a handle, a replicated handle (table), a table, or what a `read op` answers.
    /// A planning host gives handles and rows that are `pending`, with the fields that it knows, and `Value::Unknown`
    /// for what it cannot know.
    fn perform(&self, step: Step) -> BoxFuture<'_, Result<Value, Failure>>;

    /// Reads a handle, or the rows of a table of resources, again by id, for `assert ... within`; what is gone is null, or
    /// a row less. Other values come back as they are. Never asked while planning. `key` names this reading in the run.
    fn refresh(&self, value: Value, key: Key) -> BoxFuture<'_, Result<Value, Failure>>;

    /// Planning only: a step whose sites are not known yet. `step.placement` is `all of {}`.
    fn later(&self, step: Step, placement: &Unknown);

    /// Takes completed steps back, in this order; the text says what it undid, one line.
    fn undo(&self, steps: Vec<Key>) -> BoxFuture<'_, Result<String, Failure>>;

    fn print(&self, text: &str, span: Span, place: &Place);

    /// What a statement at the top that is not the last one gave: a prompt shows it.
    fn gave(&self, _statement: &Statement, _value: &Value) {}

    /// Planning only: something worth saying in the plan, such as an `assert` that cannot be judged yet.
    fn note(&self, text: &str, span: Span, place: &Place);

    /// `file("image.qcow2")`: the path as it will be opened, relative to the source that says it. A file that is not there
    /// is a failure, before anything is sent.
    fn file(&self, path: &str, span: Span) -> Result<Arc<str>, Failure>;

    /// Text of a file beside the program, for `read("ops.pub")`. At most `super::MOST_TEXT` bytes.
    fn read(&self, path: &str, span: Span) -> Result<Arc<str>, Failure>;

    /// The documents of a text, in order: YAML where the host reads it, else JSON.
    fn documents(&self, text: &str, span: Span) -> Result<Vec<Value>, Failure> {
        match serde_json::from_str(text) {
            Ok(json) => Ok(vec![super::from_json(json)]),
            Err(why) => {
                let message = format!("this is no document: line {}, column {}", why.line(), why.column());
                Err(Failure::new(&super::codes::BAD_DOCUMENT, span, message))
            }
        }
    }

    /// `secret("NAME")`.
    fn secret(&self, name: &str, span: Span) -> Result<Secret, Failure>;

    /// Waits, for `assert ... within`; a planning host does not.
    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()>;

    /// Time since the run began.
    fn elapsed(&self) -> Duration;

    /// True when answers of changes are not known: both branches of an `if` on an unknown are shown, an `assert` that
    /// depends on one is not judged. In a run an unknown means something owed, and a decision on it stops the program.
    fn planning(&self) -> bool;
}
