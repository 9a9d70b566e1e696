//! What evaluation carries along: the frame (variables), the environment (scope, position, sections) and the bounds that
//! make every program end: work, depth of calls, size of values.

use super::{
    Failure, FailureKind, Host, Key, Place, Scope, Section, SectionKind, Unknown, Value, codes, expression, scope,
    shape, statement,
};
use crate::model::{SiteId, SiteSet};
use crate::program::{Expr, Program, Slot};
use crate::span::Span;
use crate::types::{Name, Type};
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

/// Bytes of a text.
pub const MOST_TEXT: usize = 16 << 20;
/// Items of a list, rows of a table.
pub const MOST_ITEMS: usize = 1_000_000;
/// Expressions and statements evaluated in one run.
pub const MOST_STEPS: u64 = if cfg!(test) { 2_000_000 } else { 100_000_000 };
/// Nesting of what is being evaluated, over all calls.
const MOST_DEPTH: u32 = 600;
/// Statements, rows and sites between two chances for others to run, and for the run to be stopped.
const BREATH: u64 = 256;

/// The variables of a function call or of the program, by slot.
pub type Frame = Vec<Option<Value>>;

/// What a run leaves: its frame, for the next entry of a REPL, and its value.
pub struct Outcome {
    pub frame: Frame,
    pub result: Result<Value, Failure>,
}

/// What a program is run with.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The values of `input` declarations, by name.
    pub inputs: IndexMap<Name, Value>,
    /// The first slots may have values already, those of earlier entries of a REPL.
    pub frame: Frame,
    /// Around the whole program.
    pub scope: Scope,
}

impl From<IndexMap<Name, Value>> for Given {
    fn from(inputs: IndexMap<Name, Value>) -> Given {
        Given { inputs, ..Given::default() }
    }
}

/// Runs a program.
pub async fn run(program: &Program, given: Given, host: &dyn Host) -> Outcome {
    let Given { inputs, mut frame, scope } = given;
    let run = Run::new(program, host);
    frame.resize(program.slots.max(frame.len()), None);
    let env = Env::new(&run, scope);
    let result = statement::program(&env, &mut frame, inputs).await;
    Outcome { frame, result }
}

/// The scope that an expression says, for the sticky scope of a session. `program` is the last entry: it has the
/// functions.
pub async fn scope_of(program: &Program, frame: &Frame, expr: &Expr, host: &dyn Host) -> Result<Scope, Failure> {
    let run = Run::new(program, host);
    let env = Env::new(&run, Scope::default());
    let value = expression::eval(&env, frame, expr).await?;
    scope::from_value(&env, value, expr.span)
}

pub(super) struct Run<'a> {
    pub program: &'a Program,
    pub host: &'a dyn Host,
    spent: AtomicU64,
    breaths: AtomicU64,
    /// Where a plan changes what resources: what a listing finds there now is not what it will find.
    changed: Mutex<BTreeMap<Name, SiteSet>>,
    /// How deeply each function's body is nested.
    pub nesting: Vec<u32>,
    /// In a plan: statements that cannot be, beside which the others are planned.
    failed: Mutex<Vec<Failure>>,
}

impl<'a> Run<'a> {
    fn new(program: &'a Program, host: &'a dyn Host) -> Run<'a> {
        let nesting = program.functions.iter().map(|f| shape::nesting(&f.body)).collect();
        Run {
            program,
            host,
            spent: AtomicU64::new(0),
            breaths: AtomicU64::new(0),
            changed: Mutex::default(),
            nesting,
            failed: Mutex::default(),
        }
    }
}

impl Run<'_> {
    /// In a plan: notes that a step changes resources of its kind at these sites.
    pub fn will_change(&self, resource: &Name, sites: &SiteSet) {
        let mut changed = self.changed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        changed.entry(resource.clone()).or_default().add(sites);
    }

    /// All that cannot be, as one.
    pub fn failed(&self) -> Option<Failure> {
        let mut failed = self.failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Failure::together(std::mem::take(&mut *failed))
    }

    pub fn changes_at(&self, resource: &Name, sites: &SiteSet) -> bool {
        let changed = self.changed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        changed.get(resource).is_some_and(|at| !at.is_disjoint(sites))
    }
}

#[derive(Clone)]
pub(super) struct Env<'a> {
    pub run: &'a Run<'a>,
    pub scope: Arc<Scope>,
    /// The outermost frame, in a function.
    pub globals: Option<&'a Frame>,
    pub here: Option<SiteId>,
    pub position: Vec<u32>,
    /// Where this strand of the run stands among those that run at once; `counter` numbers what happens in it.
    pub order: Vec<u32>,
    pub counter: Arc<AtomicU32>,
    pub sections: Vec<Arc<Section>>,
    /// Inside `atomic`: what has been completed.
    pub done: Option<&'a Mutex<Vec<Key>>>,
    pub depth: u32,
    /// Where a statement that fails does: in a plan, outside of `try` and functions, it leaves the others to be planned.
    pub failing: Failing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failing {
    Stops,
    IsNoted,
}

/// Statements of a plan that cannot be and are told of.
const MOST_FAILED: usize = 20;

impl<'a> Env<'a> {
    fn new(run: &'a Run<'a>, scope: Scope) -> Env<'a> {
        Env {
            run,
            scope: Arc::new(scope),
            globals: None,
            here: None,
            position: Vec::new(),
            order: Vec::new(),
            counter: Arc::new(AtomicU32::new(0)),
            sections: Vec::new(),
            done: None,
            depth: 0,
            failing: if run.host.planning() { Failing::IsNoted } else { Failing::Stops },
        }
    }

    pub fn host(&self) -> &'a dyn Host {
        self.run.host
    }

    pub fn planning(&self) -> bool {
        self.run.host.planning()
    }

    /// Of a plan: what sites and files say against one statement is no reason not to look at the next.
    pub fn goes_on(&self, failure: Failure) -> Result<(), Failure> {
        let told = failure.code.id.starts_with("E06") && failure.kind != FailureKind::Interrupted;
        let mut failed = self.run.failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.failing == Failing::Stops || !told || failed.len() >= MOST_FAILED {
            return Err(failure);
        }
        failed.push(failure);
        Ok(())
    }

    /// One unit of work. The counter is what makes every program end.
    pub fn tick(&self, span: Span) -> Result<(), Failure> {
        self.work(1, span)
    }

    pub fn work(&self, units: u64, span: Span) -> Result<(), Failure> {
        if self.run.spent.fetch_add(units, Ordering::Relaxed) > MOST_STEPS {
            return Err(Failure::new(&codes::TOO_LONG, span, format!("stopped after {MOST_STEPS} evaluations"))
                .help("a loop or a function repeats more often than a program over sites needs"));
        }
        Ok(())
    }

    /// Lets others run now and then, so that a long computation can be stopped.
    pub async fn breathe(&self) {
        if self.run.breaths.fetch_add(1, Ordering::Relaxed) % BREATH != BREATH - 1 {
            return;
        }
        let mut yielded = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }

    /// In the iteration of a loop; what happens there comes in the course of this strand.
    pub fn iteration(&self, index: usize) -> Env<'a> {
        let mut env = self.clone();
        env.position.push(u32::try_from(index).unwrap_or(u32::MAX));
        env
    }

    /// The strands of what runs at once: each has a counter of its own.
    pub fn strand(&self, begin: u32, index: usize) -> Env<'a> {
        let mut env = self.iteration(index);
        env.order.extend([begin, u32::try_from(index).unwrap_or(u32::MAX)]);
        env.counter = Arc::new(AtomicU32::new(0));
        env
    }

    pub fn next(&self) -> u32 {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }

    pub fn place(&self) -> Place {
        let mut order = self.order.clone();
        order.push(self.next());
        Place { order, sections: self.sections.clone() }
    }

    pub fn section(&self, kind: SectionKind, title: String, span: Span) -> Env<'a> {
        let mut env = self.clone();
        env.sections.push(Arc::new(Section { kind, title, span }));
        env
    }

    pub fn within(&self, scope: Scope) -> Env<'a> {
        Env { scope: Arc::new(scope), ..self.clone() }
    }

    /// Deeper by so many levels.
    pub fn deeper(&self, levels: u32, span: Span) -> Result<Env<'a>, Failure> {
        let depth = self.depth.saturating_add(levels);
        if depth > MOST_DEPTH {
            return Err(Failure::new(&codes::TOO_DEEP, span, "functions call each other too deeply")
                .help("a function that calls itself needs a condition that ends it"));
        }
        Ok(Env { depth, ..self.clone() })
    }

    pub fn slot<'f>(&self, frame: &'f Frame, slot: Slot, span: Span) -> Result<&'f Value, Failure> {
        frame.get(slot.0 as usize).and_then(Option::as_ref).ok_or_else(|| not_yet(span))
    }

    pub fn global<'f>(&self, frame: &'f Frame, slot: Slot, span: Span) -> Result<&'f Value, Failure>
    where
        'a: 'f,
    {
        self.slot(self.globals.unwrap_or(frame), slot, span)
    }
}

fn not_yet(span: Span) -> Failure {
    Failure::new(&codes::NOT_YET, span, "this has no value yet")
        .help("the statements of `parallel` run at once, and a function sees what was defined before its call")
}

pub(super) fn set(frame: &mut Frame, slot: Slot, value: Value) {
    let index = slot.0 as usize;
    if index >= frame.len() {
        frame.resize(index + 1, None);
    }
    frame[index] = Some(value);
}

/// An unknown of a type, described by at most a line.
pub(super) fn unknown(ty: &Type, what: impl Into<String>) -> Value {
    let mut what = what.into();
    if what.chars().count() > 160 {
        what = what.chars().take(159).chain(['…']).collect();
    }
    Value::Unknown(Arc::new(Unknown { ty: ty.clone(), what }))
}

/// A run stopped by a decision on something owed.
pub(super) fn owed(what: &Unknown, span: Span) -> Failure {
    Failure::new(&codes::OWED, span, format!("this waits for {}", what.what)).kind(FailureKind::Owed)
}

pub(super) fn too_large(span: Span, what: &str) -> Failure {
    Failure::new(&codes::TOO_LARGE, span, format!("{what} is too large"))
}
