//! Programs evaluated against a table of answers, over tests/eval: the steps in order, what is printed, and the value or
//! the failure; or the plan.

mod host;
mod world;

use crate::support;
use edge::stdlib;
use edge_lang::check::{NoImports, check};
use edge_lang::eval::{Failure, Value, display, input_from_text, run};
use edge_lang::span::Sources;
use edge_lang::syntax;
use host::{Log, TestHost};
use std::future::Future;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

#[test]
fn eval() {
    support::suite("eval", |source, _| evaluated(source));
}

fn evaluated(source: &str) -> String {
    let mut sources = Sources::default();
    let file = sources.add("program.edge", source);
    let (library, _) = stdlib::library(&mut sources, &[]);
    let world = world::world(source);
    let parsed = syntax::parse(file, source);
    let checked = check(&parsed.program, &NoImports, &library, &world.inventory);
    let mut out = support::diagnostics(&sources, &parsed.diagnostics);
    out += &support::diagnostics(&sources, &checked.diagnostics);
    if checked.has_errors() || !parsed.diagnostics.is_empty() {
        return out;
    }
    let mut inputs = indexmap::IndexMap::new();
    for (name, text) in &world.vars {
        let Some(input) = checked.program.inputs.iter().find(|input| *input.name == **name) else { continue };
        match input_from_text(text, &input.ty, &checked.inventory) {
            Ok(value) => _ = inputs.insert(input.name.clone(), value),
            Err(why) => return format!("{out}--var {name}: {why}\n"),
        }
    }
    let host = TestHost { world, inventory: checked.inventory.clone(), log: Mutex::new(Log::default()) };
    let result = finished(run(&checked.program, inputs, &host));
    let log = host.log.into_inner().expect("nobody panicked with it");
    out += &log.text;
    if host.world.plan {
        out += &log.plan.text(&host.inventory);
        // The same plan covers itself, unless something is known only later.
        let covered = log.plan.covers(&log.plan);
        if !covered {
            out += "does not cover itself\n";
        }
    }
    match result {
        Ok(Value::Null) => out,
        Ok(value) => {
            out += "value:\n";
            display(&value, &host.inventory).lines().for_each(|line| out += &format!("  {line}\n"));
            out
        }
        Err(failure) => out + &failed(&failure, &sources, &host.inventory),
    }
}

fn failed(failure: &Failure, sources: &Sources, inventory: &edge_lang::inventory::Inventory) -> String {
    let diagnostics = failure.diagnostics(inventory);
    format!("{:?}:\n{}", failure.kind, support::diagnostics(sources, &diagnostics)).to_lowercase_first()
}

trait LowercaseFirst {
    fn to_lowercase_first(self) -> String;
}

impl LowercaseFirst for String {
    fn to_lowercase_first(mut self) -> String {
        if let Some(first) = self.get_mut(0..1) {
            first.make_ascii_lowercase();
        }
        self
    }
}

/// Nothing here waits for anything but itself, so polling again is enough.
fn finished<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}
