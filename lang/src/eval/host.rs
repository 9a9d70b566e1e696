//! What the evaluator asks of the world. Planning, running, resuming and testing differ in their host and in nothing
//! else.

use super::{Policy, Value};
use crate::inventory::Inventory;
use crate::library::Library;
use crate::model::{Placement, SiteId, SiteSet};
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
    pub resource: Name,
    pub operation: Name,
    pub kind: StepKind,
    /// By parameter name; a resource is a handle, a table of handles, or a name. Left-out parameters are not here.
    pub arguments: IndexMap<Name, Value>,
    /// Where it takes effect. For an operation on a handle or on rows: all of their sites.
    pub placement: Placement,
    /// Where dependencies are looked up; a service not mentioned is local to the site of the operation.
    pub dependencies: BTreeMap<Name, Placement>,
    /// `identity: Z`: whose account.
    pub identity: Option<SiteId>,
    pub policy: Policy,
    /// Whether the placement's form gives one handle or the replicated one.
    pub single: bool,
    /// `if any`: an empty placement is fine.
    pub if_any: bool,
    /// Of the whole operation; `at` is the span of its placement.
    pub span: Span,
    pub at: Span,
    /// `here` in arguments: evaluated again for each site by the host through this closure of values, per site.
    pub per_site: BTreeMap<SiteId, IndexMap<Name, Value>>,
    pub result: Type,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Names an effect within a run: the place in the program and the loop positions around it. Stable between the plan, the
/// run and the resumed run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Where the operation stands in the text.
    pub call: Span,
    pub position: Vec<u32>,
}

/// Why a statement failed, or could not be finished.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub code: &'static crate::diagnostic::Code,
    pub message: String,
    pub span: Span,
    pub help: Vec<String>,
    /// What happened at each site that matters.
    pub sites: Vec<(SiteId, String)>,
    pub kind: FailureKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Ended; what could be undone was.
    Failed,
    /// Final operations that some sites refused.
    Partial,
    /// Something is owed: exit status 3.
    Owed,
    /// Stopped by the user.
    Interrupted,
}

pub trait Host: Send + Sync {
    fn library(&self) -> &Library;
    fn inventory(&self) -> &Inventory;

    /// Performs a step and gives its value: a handle, a replicated handle (table), a table, or what a `read op` answers.
    fn perform(&self, step: Step) -> BoxFuture<'_, Result<Value, Failure>>;

    /// Takes completed steps back, in this order; says what it undid.
    fn undo(&self, steps: Vec<Key>) -> BoxFuture<'_, Result<(), Failure>>;

    fn print(&self, text: &str, span: Span);

    /// Text of a file beside the program, for `read("ops.pub")`.
    fn read(&self, path: &str, span: Span) -> Result<Arc<str>, Failure>;

    /// Waits, for `assert ... within`; a planning host does not.
    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()>;

    /// Time since the run began.
    fn elapsed(&self) -> Duration;

    /// True when answers of changes are not known: both branches of an `if` on an unknown are shown, an `assert` is not
    /// evaluated.
    fn planning(&self) -> bool;

    /// The evaluator shows both branches of `if`, a loop of unknown length once: the host groups steps under this title.
    fn section(&self, title: &str, span: Span);

    /// Sites in the order that `prefer: NAME` gives.
    fn prefer<'a>(&'a self, rule: &'a str, sites: &'a SiteSet, step: &'a Step) -> BoxFuture<'a, Result<Vec<SiteId>, Failure>>;
}
