//! `edge run`: check, plan, approve, execute, report.

use super::arguments::{How, Output, Run};
use super::consent::approved;
pub use super::consent::{Asks, by_plan, covered, destroys, interactive, make_plan, yes};
use super::keeping::Keeping;
use super::load::{Loaded, Text, Workplace};
use super::progress::{Prints, Progress};
use super::recorded::Start;
use super::report::{self, Report};
pub(super) use super::stage::run_name;
pub use super::stage::{Ended, GRACE, Leaving, Parts, Stage, TO_THE_END};
use super::{Status, draw, output, recorded};
use crate::run::approval::{Approval, Everything};
use edge_lang::codes::run::{NO_FILE, NO_SECRET};
use edge_lang::eval::codes::MISSING_INPUT;
use edge_lang::eval::{Failure, FailureKind, Given, Value, input_from_text};
use edge_lang::inventory::Inventory;
use edge_lang::program::Program;
use edge_lang::types::Name;
use indexmap::IndexMap;
use std::sync::Arc;
use tokio::sync::watch;

pub fn run(workplace: Workplace, arguments: Run) -> Status {
    match workplace.text(&arguments.text) {
        Ok(text) => run_loaded(workplace, text, arguments.how),
        Err(trouble) => {
            trouble.print();
            Status::Wrong
        }
    }
}

pub fn run_text(workplace: Workplace, name: &str, text: String, how: How) -> Status {
    let base = workplace.environment.working_directory.clone();
    run_loaded(workplace, Text { name: name.into(), base, text }, how)
}

fn run_loaded(workplace: Workplace, text: Text, how: How) -> Status {
    let loaded = match workplace.load(text) {
        Ok(loaded) => loaded,
        Err(trouble) => {
            trouble.print();
            return Status::Wrong;
        }
    };
    match loaded.has_errors() {
        true => loaded.places.report(),
        false => loaded.places.report_inventory(),
    }
    if let Err(status) = loaded.report() {
        return status;
    }
    let inputs = match inputs(&loaded.checked.program, &loaded.checked.inventory, &how.vars) {
        Ok(inputs) => inputs,
        Err(message) => {
            anstream::eprintln!("error: {message}");
            return Status::Wrong;
        }
    };
    in_runtime(loaded.places.simulated(), execute(&workplace, &loaded, inputs, how))
}

/// Simulated sites have virtual time: what would be waited for is passed over.
pub fn in_runtime<T>(simulated: bool, work: impl Future<Output = T>) -> T {
    runtime(simulated).block_on(work)
}

pub fn runtime(simulated: bool) -> tokio::runtime::Runtime {
    let runtime = match simulated {
        true => tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build(),
        false => tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build(),
    };
    runtime.expect("the runtime starts with the process")
}

/// The values that `--var` gives to `input` declarations.
pub fn inputs(program: &Program, inventory: &Inventory, vars: &[String]) -> Result<IndexMap<Name, Value>, String> {
    let mut inputs = IndexMap::new();
    for var in vars {
        let (name, text) = var.split_once('=').ok_or_else(|| format!("`--var {var}` is not NAME=VALUE"))?;
        let Some(input) = program.inputs.iter().find(|i| &*i.name == name) else {
            let known = program.inputs.iter().map(|i| &*i.name);
            return Err(match edge_lang::diagnostic::nearest(name, known.clone()) {
                Some(near) => format!("the program has no input `{name}`; is `{near}` meant?"),
                None => format!("the program has no input `{name}`; it has: {}", known.collect::<Vec<_>>().join(", ")),
            });
        };
        let value = input_from_text(text, &input.ty, inventory).map_err(|why| format!("`--var {name}`: {why}"))?;
        inputs.insert(input.name.clone(), value);
    }
    Ok(inputs)
}

/// Ctrl-C once, or SIGTERM, stops the run when what is in flight has been answered; Ctrl-C twice ends the process.
pub fn interruption() -> watch::Receiver<bool> {
    let (stop, interrupt) = watch::channel(false);
    tokio::spawn(async move {
        asked_to_stop().await;
        let _ = stop.send(true);
        anstream::eprintln!("stopping when what is under way is answered; Ctrl-C once more ends at once");
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(130);
        }
    });
    interrupt
}

async fn asked_to_stop() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => if pressed.is_ok() { return },
            _ = terminate.recv() => return,
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        // No signal can be heard: nothing stops it but the end of the process.
        std::future::pending::<()>().await;
    }
}

async fn execute(workplace: &Workplace, loaded: &Loaded, inputs: IndexMap<Name, Value>, how: How) -> Status {
    let program = &loaded.checked.program;
    // Before anything is sent, and before anybody is asked.
    let store = match program.changes && !how.dry_run && workplace.keeps_runs() {
        false => None,
        true => match recorded::open(workplace) {
            Ok(store) => Some(store),
            Err(trouble) => {
                trouble.print();
                return Status::Wrong;
            }
        },
    };
    let world = loaded.places.world(&loaded.checked.inventory);
    let stage = Stage::new(loaded, world.as_ref(), interruption()).seeing(recorded::seen(workplace));
    let plan = if program.changes || how.dry_run {
        match approved(loaded, &stage, &inputs, &how).await {
            Ok(Some(plan)) => Some(plan),
            Ok(None) => return Status::Done,
            Err(status) => return status,
        }
    } else {
        None
    };
    let kept = match store.map(|store| Keeping::begin(store, &Start::of(loaded), &inputs, plan.as_ref())).transpose() {
        Ok(kept) => kept,
        Err(trouble) => {
            trouble.print();
            return Status::Wrong;
        }
    };
    let approval: Box<dyn Approval> = match plan {
        Some(plan) => by_plan(loaded, plan, Asks::unless(how.yes)),
        None => Box::new(Everything),
    };
    drive(loaded, stage, inputs, approval, kept.as_ref(), how.output).await
}

/// Carries a program out, or goes on with it, and says what came of it.
pub async fn drive(
    loaded: &Loaded,
    stage: Stage,
    given: impl Into<Given>,
    approval: Box<dyn Approval>,
    kept: Option<&Keeping>,
    format: Output,
) -> Status {
    let stage = match kept {
        Some(kept) => stage.named(&kept.name).journaled(kept.journal.clone()),
        None => stage,
    };
    let prints = match format {
        Output::Table => Prints::Output,
        Output::Csv => Prints::Errors,
        Output::Json | Output::Yaml => Prints::Kept,
    };
    let progress = Arc::new(Progress::new(stage.inventory.clone()).printing(prints));
    let mut ended = stage.carry_out(&loaded.checked.program, given, approval, vec![progress.clone()]).await;
    progress.clear();
    if !loaded.checked.program.changes
        && let Err(failure) = &ended.result
    {
        ended.status = status_before(failure);
    }
    if let Err(failure) = &ended.result {
        draw::failure(&loaded.sources, failure, &stage.inventory);
    }
    match &ended.result {
        _ if report::is_document(format) => {
            let report = Report {
                status: ended.status,
                run: kept.map(|kept| &*kept.name),
                printed: progress.printed(),
                value: ended.result.as_ref().map_or(serde_json::Value::Null, |v| output::json_of(v, &stage.inventory)),
                operations: std::mem::take(&mut ended.operations),
                failure: ended.result.as_ref().err(),
            };
            report::print(&report.json(&loaded.sources, &stage.inventory), format);
        }
        Ok(value) => output::print(value, &stage.inventory, format),
        Err(_) => {}
    }
    if format == Output::Table || ended.result.is_err() || !ended.owed.is_empty() {
        anstream::eprint!("{}", ended.summary);
    }
    if let Some(kept) = kept {
        kept.end(&ended, &stage.inventory).await;
    }
    ended.status
}

/// What the command line or the files beside the program lack: found before anything was sent.
pub fn status_before(failure: &Failure) -> Status {
    fn lacks(failure: &Failure) -> bool {
        let usage = [&MISSING_INPUT, &NO_FILE, &NO_SECRET];
        usage.iter().any(|code| failure.code.id == code.id) && failure.also.iter().all(lacks)
    }
    if lacks(failure) { Status::Wrong } else { status_of(failure) }
}

pub fn status_of(failure: &Failure) -> Status {
    match failure.kind {
        FailureKind::Failed | FailureKind::Partial => Status::Failed,
        FailureKind::Owed => Status::Owed,
        FailureKind::Interrupted if failure.sites.is_empty() => Status::Failed,
        FailureKind::Interrupted => Status::Owed,
    }
}
