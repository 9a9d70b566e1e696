//! Programs on simulated sites, in process and under virtual time: checked, planned, and run under what the plan shows.
//!
//! Each run has a world of its own. Files that a program names are beside `examples/`.

use crate::support;
use edge::cli::run::{Stage, covered, in_runtime, inputs};
use edge::cli::{Text, Workplace};
use edge::config::Environment;
use edge::run::event::{Event, EventKind, Reader};
use edge_lang::diagnostic::Diagnostic;
use edge_lang::eval::{Failure, Value, display};
use edge_lang::span::Sources;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// What became of a program.
#[derive(Default)]
pub struct Ran {
    pub sources: Sources,
    pub diagnostics: Vec<Diagnostic>,
    /// The text of the plan, where planning came to an end.
    pub plan: String,
    pub printed: Vec<String>,
    /// The value of the last statement, as the command prints it.
    pub value: String,
    pub failure: Option<Failure>,
    /// What did not let it begin.
    pub trouble: Option<String>,
}

impl Ran {
    /// The codes of all that is wrong, in order.
    pub fn codes(&self) -> Vec<&str> {
        let mut failures: Vec<&Failure> = self.failure.iter().collect();
        let mut codes: Vec<&str> = self.diagnostics.iter().map(|d| d.code.id).collect();
        while let Some(failure) = failures.pop() {
            codes.push(failure.code.id);
            failures.extend(&failure.also);
        }
        codes
    }

    /// All that is wrong, in words.
    pub fn wrong(&self) -> String {
        let mut out = support::diagnostics(&self.sources, &self.diagnostics);
        if let Some(failure) = &self.failure {
            out += &format!("{} {}\n", failure.code.id, failure.message);
            out += &failure.sites.iter().map(|(site, why)| format!("    {site:?}: {why}\n")).collect::<String>();
        }
        out += &self.trouble.iter().map(|t| format!("{t}\n")).collect::<String>();
        out
    }
}

/// How a program is run.
#[derive(Clone, Copy, Default)]
pub struct How<'a> {
    /// A scenario file, by its path or its name in `examples/`; by default Zone1, Zone2 and Zone3.
    pub scenario: &'a str,
    /// An edge.yaml.
    pub inventory: Option<&'a str>,
    /// `NAME=VALUE`, for the inputs of the program.
    pub vars: &'a [&'a str],
    /// Parse and check, and no more.
    pub check_only: bool,
}

#[derive(Default)]
struct Printed(Mutex<Vec<String>>);

impl Reader for Printed {
    fn read(&self, event: &Event) {
        if let EventKind::Printed { text } = &event.kind {
            self.0.lock().expect("no reader panics").push(text.clone());
        }
    }
}

pub fn run(name: &str, program: &str, how: How<'_>) -> Ran {
    let base = support::root().join("examples");
    let environment = Environment { working_directory: base.clone(), ..Environment::default() };
    let workplace = Workplace::new(environment, how.inventory.map(Into::into), Some(how.scenario.into()));
    let loaded = match workplace.load(Text { name: name.into(), base, text: program.into() }) {
        Ok(loaded) => loaded,
        Err(trouble) => return Ran { trouble: Some(trouble.message), ..Ran::default() },
    };
    let wrong = loaded.has_errors();
    let mut ran =
        Ran { sources: loaded.sources.clone(), diagnostics: loaded.checked.diagnostics.clone(), ..Ran::default() };
    if wrong || how.check_only {
        return ran;
    }
    let program = &loaded.checked.program;
    let vars: Vec<String> = how.vars.iter().map(|v| v.to_string()).collect();
    let given = match inputs(program, &loaded.checked.inventory, &vars) {
        Ok(given) => given,
        Err(message) => return Ran { trouble: Some(message), ..ran },
    };
    in_runtime(true, async {
        let world = loaded.places.world(&loaded.checked.inventory);
        let (_stop, interrupt) = watch::channel(false);
        let stage = Stage::new(&loaded, world.as_ref(), interrupt);
        let (plan, planned) = stage.plan(program, given.clone()).await;
        ran.plan = plan.text(&stage.inventory);
        if let Err(failure) = planned {
            ran.failure = Some(failure);
            return;
        }
        let approval = covered(plan, None, stage.inventory.clone());
        let printed = Arc::new(Printed::default());
        match stage.carry_out(program, given, approval, vec![printed.clone()]).await.result {
            Ok(Value::Null) => {}
            Ok(value) => ran.value = display(&value, &stage.inventory),
            Err(failure) => ran.failure = Some(failure),
        }
        ran.printed = std::mem::take(&mut *printed.0.lock().expect("no reader panics"));
    });
    ran
}
