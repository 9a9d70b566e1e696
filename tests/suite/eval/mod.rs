//! Programs evaluated against a table of answers, over tests/eval: the steps in order, what is printed, and the value or
//! the failure; or the plan.

mod host;
mod world;

use crate::support;
use edge::stdlib;
use edge_lang::check::{NoImports, check};
use edge_lang::eval::{Failure, Value, display, input_from_text, run};
use edge_lang::library::Library;
use edge_lang::span::Sources;
use edge_lang::syntax;
use host::{Log, TestHost};
use std::future::Future;
use std::pin::pin;
use std::sync::{LazyLock, Mutex};
use std::task::{Context, Poll, Waker};

/// Compiled once; the first text stands for the program, so that the numbers of the files agree.
static LIBRARY: LazyLock<(Library, Sources)> = LazyLock::new(|| {
    let mut sources = Sources::default();
    sources.add("program.edge", "");
    let (library, _) = stdlib::library(&mut sources, &[]);
    (library, sources)
});

#[test]
fn eval() {
    support::suite("eval", |source, _| evaluated(source));
}

/// The first example of a page of `edge explain` makes the mistake that it explains.
#[test]
fn pages_show_their_mistake() {
    // Not seen by evaluating a few lines at sites that answer.
    let elsewhere = ["E0510", "E0513", "E0516", "E0522"];
    let mut wrong = String::new();
    for code in edge_lang::eval::codes::ALL.iter().filter(|code| !elsewhere.contains(&code.id)) {
        let example = support::blocks(code.page, "edge").into_iter().next().map(|(_, text)| text).unwrap_or_default();
        let text = evaluated(&example);
        if !text.contains(code.id) {
            wrong += &format!("== {}\n{example}{text}", code.id);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Every program of the suites that checks can be planned and run, whatever the sites answer, and ends.
#[test]
fn whatever_checks_can_be_planned_and_run() {
    let mut tried = 0;
    for path in support::files(&support::root().join("tests"), "edge") {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with("wrong-") || name.starts_with("broken-") {
            continue;
        }
        let source = support::read(&path);
        for mode in ["# plan\n", ""] {
            let text = evaluated(&format!("{mode}{source}"));
            tried += usize::from(!text.contains(" E01") && !text.contains(" E02"));
        }
    }
    assert!(tried > 80, "only {tried} programs were tried");
}

fn evaluated(source: &str) -> String {
    let (library, texts) = &*LIBRARY;
    let mut sources = Sources::default();
    let file = sources.add("program.edge", source);
    for (_, text) in texts.iter().skip(1) {
        sources.add(text.name.clone(), text.text.clone());
    }
    let world = world::world(source);
    let parsed = syntax::parse(file, source);
    let checked = check(&parsed.program, &NoImports, library, &world.inventory);
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
    let result = finished(run(&checked.program, inputs.into(), &host)).result;
    let log = host.log.into_inner().expect("nobody panicked with it");
    out += &log.text;
    if host.world.plan {
        match host.world.json {
            true => out += &format!("{:#}\n", log.plan.json(&host.inventory, &sources)),
            false => out += &log.plan.text(&host.inventory),
        }
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
