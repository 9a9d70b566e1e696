//! Statements. In a plan an undecided `if` shows its branches and an undecided loop its body once, each in a section;
//! in a run a decision on what is owed stops the program.

use super::expression::{eval, truth};
use super::machine::{Env, Failing, Frame, owed, set, unknown};
use super::{Failure, FailureKind, Key, Policy, SectionKind, Value, codes, compare, display, query, scope, shape};
use crate::program::{Block, Expr, Slot, Statement, StatementKind};
use crate::span::Span;
use crate::types::{Name, Type};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream;
use indexmap::IndexMap;
use std::sync::Mutex;
use std::time::Duration;

/// Iterations of a `parallel for` that run at once. The executor bounds requests; this bounds memory.
const MOST_AT_ONCE: usize = 1_024;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

pub(super) async fn program(
    env: &Env<'_>,
    frame: &mut Frame,
    mut inputs: IndexMap<Name, Value>,
) -> Result<Value, Failure> {
    let program = env.run.program;
    let env = &env.deeper(shape::nesting(&program.body), Span::default())?;
    let mut missing = Vec::new();
    for input in &program.inputs {
        let value = match (inputs.shift_remove(&input.name), &input.default) {
            (Some(value), _) => value,
            (None, Some(default)) => eval(env, frame, default).await?,
            (None, None) if matches!(input.ty, Type::Optional(_)) => Value::Null,
            (None, None) => {
                let message = format!("the input `{}` has no value", input.name);
                missing.push(
                    Failure::new(&codes::MISSING_INPUT, input.span, message)
                        .help(format!("give it with `--var {}=...`, or give it a default", input.name)),
                );
                continue;
            }
        };
        set(frame, input.slot, value);
    }
    if let Some(failure) = Failure::together(missing) {
        return Err(failure);
    }
    let mut last = Value::Null;
    for (i, statement) in program.body.iter().enumerate() {
        env.breathe().await;
        last = match or_planned_on(env, frame, statement).await {
            Ok(value) => value,
            Err(failure) => {
                let all = env.run.failed().into_iter().chain([failure]).collect();
                return Failure::together(all).map_or(Ok(last), Err);
            }
        };
        if i + 1 < program.body.len() {
            env.run.host.gave(statement, &last);
        }
    }
    match env.run.failed() {
        Some(failure) => Err(failure),
        None => Ok(last),
    }
}

/// What a statement gives. In a plan one that cannot be is noted, and what it would have named is not known.
async fn or_planned_on(env: &Env<'_>, frame: &mut Frame, statement: &Statement) -> Result<Value, Failure> {
    let failure = match run_statement(env, frame, statement).await {
        Ok(value) => return Ok(value),
        Err(failure) => failure,
    };
    env.goes_on(failure)?;
    if let StatementKind::Let { slot, name, value } = &statement.kind {
        set(frame, *slot, unknown(&value.ty, format!("`{name}`, which cannot be")));
    }
    Ok(unknown(&Type::Any, "what cannot be"))
}

/// The value of a block is that of its last statement.
pub(super) fn block<'a>(
    env: &'a Env<'a>,
    frame: &'a mut Frame,
    body: &'a Block,
) -> BoxFuture<'a, Result<Value, Failure>> {
    Box::pin(async move {
        let mut last = Value::Null;
        for statement in body {
            env.breathe().await;
            last = or_planned_on(env, frame, statement).await?;
        }
        Ok(last)
    })
}

/// As with expressions, each kind has a future of its own.
fn run_statement<'a>(
    env: &'a Env<'a>,
    frame: &'a mut Frame,
    statement: &'a Statement,
) -> BoxFuture<'a, Result<Value, Failure>> {
    if let Err(failure) = env.tick(statement.span) {
        return Box::pin(std::future::ready(Err(failure)));
    }
    match &statement.kind {
        StatementKind::Expr(expr) => eval(env, frame, expr),
        StatementKind::Let { slot, value, .. } => Box::pin(define(env, frame, *slot, value)),
        StatementKind::At { scope, body } => Box::pin(at(env, frame, scope, body)),
        StatementKind::If { arms, otherwise } => Box::pin(branch(env, frame, arms, otherwise.as_ref())),
        StatementKind::For { parallel, slot, name, list, body } => {
            Box::pin(repeat(env, frame, *parallel, Loop { slot: *slot, name, list, body }))
        }
        StatementKind::Parallel(body) => Box::pin(at_once(env, frame, body)),
        StatementKind::Atomic(body) => Box::pin(atomic(env, frame, body)),
        StatementKind::Try { body, slot, otherwise } => {
            Box::pin(attempt(env, frame, body, *slot, otherwise, statement.span))
        }
        StatementKind::Assert { cond, within, why } => {
            Box::pin(assert(env, frame, cond, within.as_ref(), why.as_ref(), statement.span))
        }
        StatementKind::Print(expr) => Box::pin(print(env, frame, expr, statement.span)),
    }
}

async fn define(env: &Env<'_>, frame: &mut Frame, slot: Slot, value: &Expr) -> Result<Value, Failure> {
    let value = eval(env, frame, value).await?;
    set(frame, slot, value);
    Ok(Value::Null)
}

async fn at(env: &Env<'_>, frame: &mut Frame, scope: &Expr, body: &Block) -> Result<Value, Failure> {
    let inner = scope::from_value(env, eval(env, frame, scope).await?, scope.span)?;
    let env = env.within(env.scope.merge(&inner));
    block(&env, frame, body).await
}

async fn repeat(env: &Env<'_>, frame: &mut Frame, parallel: bool, each: Loop<'_>) -> Result<Value, Failure> {
    let items = eval(env, frame, each.list).await?;
    match items_of(env, items, each.list.span)? {
        Ok(items) if parallel => each.at_once(env, frame, items).await?,
        Ok(items) => each.in_order(env, frame, items).await?,
        Err(unknown) => each.undecided(env, frame, &unknown).await?,
    }
    Ok(Value::Null)
}

async fn at_once(env: &Env<'_>, frame: &Frame, body: &Block) -> Result<Value, Failure> {
    let begin = env.next();
    let strands = body.iter().enumerate().map(|(i, statement)| {
        let (env, mut frame) = (env.strand(begin, i), frame.clone());
        async move { run_statement(&env, &mut frame, statement).await.err() }
    });
    let failures = futures_util::future::join_all(strands).await;
    Failure::together(failures.into_iter().flatten().collect()).map_or(Ok(Value::Null), Err)
}

async fn print(env: &Env<'_>, frame: &Frame, expr: &Expr, span: Span) -> Result<Value, Failure> {
    let value = eval(env, frame, expr).await?;
    if let (Some(what), false) = (compare::unsettled(&value), env.planning()) {
        return Err(owed(&what, expr.span));
    }
    let text = match &value {
        // A text of which parts are not known yet says so itself.
        Value::Unknown(what) => match what.what.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(text) => text.to_owned(),
            None => format!("({})", what.what),
        },
        value => display(value, env.host().inventory()),
    };
    env.host().print(&text, span, &env.place());
    Ok(Value::Null)
}

async fn branch(
    env: &Env<'_>,
    frame: &mut Frame,
    arms: &[(Expr, Block)],
    otherwise: Option<&Block>,
) -> Result<Value, Failure> {
    // Set once a condition is unknown: all that follows is undecided too.
    let mut undecided: Option<Env> = None;
    for (cond, body) in arms {
        let here = undecided.as_ref().unwrap_or(env);
        match truth(here, &eval(here, frame, cond).await?, cond.span)? {
            Ok(false) => continue,
            Ok(true) if undecided.is_none() => return block(env, frame, body).await,
            Ok(true) => {
                block(here, &mut frame.clone(), body).await?;
                return Ok(unknown(&Type::Any, "what the branch gives"));
            }
            Err(what) => {
                let inner = here.section(SectionKind::Perhaps, format!("if {}", what.what), cond.span);
                block(&inner, &mut frame.clone(), body).await?;
                let rest = format!("unless {}", what.what);
                undecided = Some(here.section(SectionKind::Perhaps, rest, cond.span));
            }
        }
    }
    match (otherwise, undecided) {
        (Some(body), None) => block(env, frame, body).await,
        (None, None) => Ok(Value::Null),
        (body, Some(env)) => {
            if let Some(body) = body {
                block(&env, &mut frame.clone(), body).await?;
            }
            Ok(unknown(&Type::Any, "what the branch gives"))
        }
    }
}

struct Loop<'p> {
    slot: Slot,
    name: &'p Name,
    list: &'p Expr,
    body: &'p Block,
}

impl Loop<'_> {
    async fn in_order(&self, env: &Env<'_>, frame: &mut Frame, items: Vec<Value>) -> Result<(), Failure> {
        for (i, item) in items.into_iter().enumerate() {
            set(frame, self.slot, item);
            block(&env.iteration(i), frame, self.body).await?;
        }
        Ok(())
    }

    /// One failed iteration leaves the others alone; all failures are reported, in the order of the list.
    async fn at_once(&self, env: &Env<'_>, frame: &Frame, items: Vec<Value>) -> Result<(), Failure> {
        let begin = env.next();
        let iterations = items.into_iter().enumerate().map(|(i, item)| {
            let (env, mut frame) = (env.strand(begin, i), frame.clone());
            set(&mut frame, self.slot, item);
            async move { block(&env, &mut frame, self.body).await.err().map(|failure| (i, failure)) }
        });
        let failed = stream::iter(iterations).buffer_unordered(MOST_AT_ONCE).filter_map(std::future::ready);
        let mut failed: Vec<(usize, Failure)> = failed.collect().await;
        failed.sort_by_key(|(i, _)| *i);
        match Failure::together(failed.into_iter().map(|(_, failure)| failure).collect()) {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    async fn undecided(&self, env: &Env<'_>, frame: &Frame, items: &super::Unknown) -> Result<(), Failure> {
        let title = format!("for each {} of {}", self.name, items.what);
        let env = env.iteration(0).section(SectionKind::Each, title, self.list.span);
        let mut frame = frame.clone();
        set(&mut frame, self.slot, unknown(&item_type(&items.ty), format!("each {} of {}", self.name, items.what)));
        block(&env, &mut frame, self.body).await?;
        Ok(())
    }
}

/// What a loop goes over; `Err` of what is not known in a plan.
fn items_of(
    env: &Env<'_>,
    list: Value,
    span: Span,
) -> Result<Result<Vec<Value>, std::sync::Arc<super::Unknown>>, Failure> {
    Ok(Ok(match list {
        Value::List(items) => items.to_vec(),
        Value::Sites(sites) => sites.iter().map(Value::Site).collect(),
        Value::Site(site) => vec![Value::Site(site)],
        Value::Table(table) => {
            if !env.planning()
                && let Some(what) = query::pending(&table)
            {
                return Err(owed(&what, span));
            }
            (0..table.rows.len()).map(|i| query::row_value(&table, i)).collect()
        }
        Value::Unknown(what) if env.planning() => return Ok(Err(what)),
        Value::Unknown(what) => return Err(owed(&what, span)),
        other => return Err(super::expression::wrong(&other, "a list, a site set or a table", span)),
    }))
}

fn item_type(list: &Type) -> Type {
    match list.present() {
        Type::List(of) => (**of).clone(),
        Type::Sites | Type::Site => Type::Site,
        Type::Replicated(resource) => Type::Handle(resource.clone()),
        Type::Table(columns) => Type::Record(columns.clone()),
        _ => Type::Any,
    }
}

/// Takes back what was completed when a later statement fails. What is owed or was interrupted stays as it is: the run
/// is not at its end.
async fn atomic(env: &Env<'_>, frame: &mut Frame, body: &Block) -> Result<Value, Failure> {
    let done: Mutex<Vec<Key>> = Mutex::new(Vec::new());
    let result = {
        let inner = Env { done: Some(&done), ..env.clone() };
        block(&inner, frame, body).await
    };
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    match result {
        Err(mut failure) if matches!(failure.kind, FailureKind::Failed | FailureKind::Partial) => {
            done.reverse();
            if done.is_empty() {
                return Err(failure);
            }
            match env.host().undo(done).await {
                Ok(said) if said.is_empty() => {}
                Ok(said) => failure.help.push(format!("taken back: {said}")),
                Err(more) => {
                    failure.kind = failure.kind.max(more.kind);
                    failure.also.push(more);
                }
            }
            Err(failure)
        }
        Err(failure) => Err(failure),
        Ok(value) => {
            if let Some(outer) = env.done {
                outer.lock().unwrap_or_else(std::sync::PoisonError::into_inner).append(&mut done);
            }
            Ok(value)
        }
    }
}

async fn attempt(
    env: &Env<'_>,
    frame: &mut Frame,
    body: &Block,
    slot: Option<Slot>,
    otherwise: &Block,
    span: Span,
) -> Result<Value, Failure> {
    let tried = block(&Env { failing: Failing::Stops, ..env.clone() }, frame, body).await;
    match tried {
        Ok(value) if env.planning() => {
            // What follows a failure is part of what is approved.
            let inner = env.section(SectionKind::Perhaps, "if that fails".into(), span);
            let mut frame = frame.clone();
            if let Some(slot) = slot {
                set(&mut frame, slot, unknown(&Type::Failure, "the failure"));
            }
            block(&inner, &mut frame, otherwise).await?;
            Ok(value)
        }
        Ok(value) => Ok(value),
        Err(failure) if matches!(failure.kind, FailureKind::Owed | FailureKind::Interrupted) => Err(failure),
        Err(failure) => {
            if let Some(slot) = slot {
                set(frame, slot, Value::Failure(std::sync::Arc::new(failure)));
            }
            block(env, frame, otherwise).await
        }
    }
}

async fn assert(
    env: &Env<'_>,
    frame: &Frame,
    cond: &Expr,
    within: Option<&Expr>,
    why: Option<&Expr>,
    span: Span,
) -> Result<Value, Failure> {
    let within = match within {
        None => None,
        Some(expr) => match eval(env, frame, expr).await? {
            Value::Duration(time) => Some(time),
            Value::Unknown(what) if !env.planning() => return Err(owed(&what, expr.span)),
            Value::Unknown(_) => Some(Duration::ZERO),
            other => return Err(super::expression::wrong(&other, "a duration", expr.span)),
        },
    };
    if env.planning() {
        let said = match truth(env, &eval(env, frame, cond).await?, cond.span)? {
            Ok(true) => return Ok(Value::Null),
            Ok(false) => "does not hold now; it is judged when the run comes to it".to_owned(),
            Err(what) => format!("judged when the run comes to it: {}", what.what),
        };
        env.host().note(&format!("assert: {said}"), span, &env.place());
        return Ok(Value::Null);
    }
    let failed = match within {
        None => match judged(env, frame, cond).await? {
            true => return Ok(Value::Null),
            false => None,
        },
        Some(time) => match until_true(env, frame, cond, time).await? {
            Ok(()) => return Ok(Value::Null),
            Err(last) => last,
        },
    };
    let why = match why {
        None => "this does not hold".to_owned(),
        Some(expr) => display(&eval(env, frame, expr).await?, env.host().inventory()),
    };
    let mut failure = Failure::new(&codes::ASSERTION, cond.span, why);
    if let Some(time) = within {
        failure = failure
            .help(format!("it did not come true within {}", display(&Value::Duration(time), env.host().inventory())));
    }
    failure.also.extend(failed);
    Err(failure)
}

async fn judged(env: &Env<'_>, frame: &Frame, cond: &Expr) -> Result<bool, Failure> {
    match truth(env, &eval(env, frame, cond).await?, cond.span)? {
        Ok(holds) => Ok(holds),
        Err(what) => Err(owed(&what, cond.span)),
    }
}

/// Judges the condition again and again, with every handle in it read anew. Failures of it count as false: what is asked
/// may not be there yet. The inner `Err` is the last of them.
async fn until_true(
    env: &Env<'_>,
    frame: &Frame,
    cond: &Expr,
    time: Duration,
) -> Result<Result<(), Option<Failure>>, Failure> {
    let (begin, mut slept, mut pause) = (env.host().elapsed(), Duration::ZERO, FIRST_PAUSE);
    for attempt in 0.. {
        let env = env.iteration(attempt);
        let result = async {
            let mut fresh = frame.clone();
            for slot in shape::slots(cond) {
                if let Some(Some(value @ (Value::Handle(_) | Value::Table(_)))) = frame.get(slot.0 as usize) {
                    let mut key = Key { call: cond.span, position: env.position.clone() };
                    key.position.push(slot.0);
                    let value = env.host().refresh(value.clone(), key).await?;
                    set(&mut fresh, slot, value);
                }
            }
            judged(&env, &fresh, cond).await
        };
        let last = match result.await {
            Ok(true) => return Ok(Ok(())),
            Ok(false) => None,
            Err(failure) if failure.kind == FailureKind::Failed => Some(failure),
            Err(failure) => return Err(failure),
        };
        // A host whose clock stands still must not keep us here.
        let spent = env.host().elapsed().saturating_sub(begin).max(slept);
        if spent >= time {
            return Ok(Err(last));
        }
        let wait = pause.min(time - spent).max(Duration::from_millis(1));
        env.host().sleep(wait).await;
        slept += wait;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
    Ok(Err(None))
}

/// The policy of `atomic`: what does not answer fails.
pub(super) fn atomic_policy(env: &Env<'_>, policy: Policy) -> Policy {
    match env.done {
        Some(_) => Policy { unreachable: Some(super::Unreachable::Fail), ..policy },
        None => policy,
    }
}
