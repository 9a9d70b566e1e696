//! Bounds: what must hold for programs that no person would write. What programs mean is in the suites.

use super::*;
use crate::inventory::Inventory;
use crate::program::*;
use crate::span::Span;
use crate::types::{Name, Type};
use futures_util::future::{BoxFuture, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// No sites, no answers.
#[derive(Default)]
struct Nowhere {
    inventory: Inventory,
}

impl Host for Nowhere {
    fn inventory(&self) -> &Inventory {
        &self.inventory
    }
    fn perform(&self, step: Step) -> BoxFuture<'_, Result<Value, Failure>> {
        Box::pin(ready(Err(Failure::new(&codes::NOT_OFFERED, step.span, "nowhere"))))
    }
    fn refresh(&self, value: Value, _: Key) -> BoxFuture<'_, Result<Value, Failure>> {
        Box::pin(ready(Ok(value)))
    }
    fn later(&self, _: Step, _: &Unknown) {}
    fn undo(&self, _: Vec<Key>) -> BoxFuture<'_, Result<String, Failure>> {
        Box::pin(ready(Ok(String::new())))
    }
    fn print(&self, _: &str, _: Span, _: &Place) {}
    fn note(&self, _: &str, _: Span, _: &Place) {}
    fn file(&self, path: &str, _: Span) -> Result<Arc<str>, Failure> {
        Ok(path.into())
    }
    fn read(&self, path: &str, _: Span) -> Result<Arc<str>, Failure> {
        Ok(path.into())
    }
    fn secret(&self, name: &str, _: Span) -> Result<Secret, Failure> {
        Ok(Secret::new(name))
    }
    fn sleep(&self, _: Duration) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
    fn planning(&self) -> bool {
        false
    }
}

fn finished(program: &Program) -> Result<Value, Failure> {
    let host = Nowhere::default();
    let mut future = pin!(run(program, Given::default(), &host));
    loop {
        if let Poll::Ready(outcome) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return outcome.result;
        }
    }
}

fn expr(kind: ExprKind, ty: Type) -> Expr {
    Expr { kind, ty, span: Span::default() }
}

fn int(i: i64) -> Expr {
    expr(ExprKind::Const(Value::Int(i)), Type::Int)
}

fn builtin(name: Builtin, args: Vec<Expr>) -> Expr {
    expr(ExprKind::Builtin { name, args }, Type::Any)
}

fn slot(slot: u32) -> Expr {
    expr(ExprKind::Slot(Slot(slot)), Type::Any)
}

fn statement(kind: StatementKind) -> Statement {
    Statement { kind, span: Span::default() }
}

fn body(body: Block) -> Program {
    Program { body, slots: 16, ..Program::default() }
}

fn code(result: Result<Value, Failure>) -> &'static str {
    result.map_or_else(|failure| failure.code.id, |value| panic!("{value:?}"))
}

/// `fn f(x) { [[[ f(x) ]]] }`: calls at their deepest fit the stack of a thread, and end in a failure.
#[test]
fn endless_recursion_is_a_failure() {
    for nested in [0, 60] {
        let mut inner = expr(ExprKind::Call { function: FunctionId(0), args: vec![slot(0)] }, Type::Any);
        for _ in 0..nested {
            inner = expr(ExprKind::List(vec![inner]), Type::Any);
        }
        let function = Function {
            name: "f".into(),
            params: vec![(Slot(0), "x".into(), Type::Any, None)],
            result: Type::Any,
            body: vec![statement(StatementKind::Expr(inner))],
            slots: 1,
            span: Span::default(),
        };
        let call = expr(ExprKind::Call { function: FunctionId(0), args: vec![int(1)] }, Type::Any);
        let mut program = body(vec![statement(StatementKind::Expr(call))]);
        program.functions.push(Arc::new(function));
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        let result = thread.spawn(move || code(finished(&program))).expect("a thread").join();
        assert_eq!(result.expect("the stack holds"), codes::TOO_DEEP.id);
    }
}

#[test]
fn a_long_chain_costs_no_stack() {
    let mut sum = int(0);
    for _ in 0..20_000 {
        let kind = ExprKind::Binary { op: Binary::Add, left: Box::new(sum), right: Box::new(int(1)) };
        sum = expr(kind, Type::Int);
    }
    let program = body(vec![statement(StatementKind::Expr(sum))]);
    assert_eq!(finished(&program), Ok(Value::Int(20_000)));
    // Freeing so tall a tree is the checker's concern.
    std::mem::forget(program);
}

/// `for a in range(1000000) { for b in range(1000000) { b } }`
#[test]
fn long_work_is_a_failure() {
    let nested = |slot, body| {
        let list = builtin(Builtin::Range, vec![int(1_000_000)]);
        statement(StatementKind::For { parallel: false, slot: Slot(slot), name: "i".into(), list, body })
    };
    let inner = nested(1, vec![statement(StatementKind::Expr(slot(1)))]);
    assert_eq!(code(finished(&body(vec![nested(0, vec![inner])]))), codes::TOO_LONG.id);
}

/// `let a = [a0, a0]`, `let a = [a, a]`, ...: two to the 200th items when written out.
#[test]
fn shared_values_are_shown_within_bounds() {
    let list = |e: Expr| expr(ExprKind::List(vec![e.clone(), e]), Type::Any);
    let mut lines = vec![statement(StatementKind::Let { slot: Slot(0), name: "a".into(), value: list(int(1)) })];
    for i in 1..200 {
        lines.push(statement(StatementKind::Let { slot: Slot(i), name: "a".into(), value: list(slot(i - 1)) }));
    }
    lines.push(statement(StatementKind::Expr(slot(199))));
    // Nested so deeply it is refused, or it is shown in part.
    match finished(&body(lines)) {
        Ok(value) => {
            let text = display(&value, &Inventory::default());
            assert!(text.len() < 2 * MOST_TEXT, "{}", text.len());
            let json = to_json(&value, &Inventory::default()).to_string();
            assert!(json.len() < 8 * MOST_TEXT, "{}", json.len());
        }
        Err(failure) => assert_eq!(failure.code.id, codes::TOO_LARGE.id),
    }
}

#[test]
fn a_tower_of_lists_is_refused() {
    let list = |e: Expr| expr(ExprKind::List(vec![e]), Type::Any);
    let mut lines = vec![statement(StatementKind::Let { slot: Slot(0), name: "a".into(), value: list(int(1)) })];
    for i in 1..5_000 {
        lines.push(statement(StatementKind::Let { slot: Slot(i), name: "a".into(), value: list(slot(i - 1)) }));
    }
    assert_eq!(code(finished(&body(lines))), codes::TOO_LARGE.id);
}

#[test]
fn a_secret_never_shows() {
    let secret = Value::Secret(Secret::new("hunter2"));
    let record = Value::Record(Arc::new([(Name::from("password"), secret.clone())].into_iter().collect()));
    let inventory = Inventory::default();
    for text in [
        display(&record, &inventory),
        to_json(&record, &inventory).to_string(),
        format!("{record:?}"),
        argument_text(&"password".into(), &secret, &inventory),
    ] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    let piece = expr(ExprKind::Const(record), Type::Any);
    let text = expr(ExprKind::Text(vec![Piece::Value(piece)]), Type::String);
    assert_eq!(code(finished(&body(vec![statement(StatementKind::Expr(text))]))), codes::SECRET_SHOWN.id);
}
