//! What a plan shows and who agrees to it: `--yes`, `--destroys`, or whoever sits at the terminal. Nothing is sent before.

use super::arguments::{How, Output};
use super::load::{Loaded, Trouble};
use super::report::{self, Report};
use super::run::status_before;
use super::stage::Stage;
use super::{Status, draw};
use crate::run::approval::{Approval, Ask, ByPlan};
use edge_lang::eval::{self, Failure, StepKind, Value};
use edge_lang::inventory::Inventory;
use edge_lang::plan::{Action, Plan};
use edge_lang::types::Name;
use indexmap::IndexMap;
use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;

/// Plans, shows the plan and asks. `None`: nothing is to be run.
pub(super) async fn approved(
    loaded: &Loaded,
    stage: &Stage,
    inputs: &IndexMap<Name, Value>,
    how: &How,
) -> Result<Option<Plan>, Status> {
    let folder = &loaded.places.environment.working_directory;
    let plan = match make_plan(loaded, stage, inputs.clone()).await {
        Ok(plan) => plan,
        Err(unplanned) if how.dry_run => return Err(unplanned.show(loaded, stage, how.output)),
        Err(unplanned) => {
            if unplanned.says_more() {
                anstream::eprint!("{}", draw::plan(&unplanned.plan.text(&stage.inventory), folder));
            }
            return Err(unplanned.report(loaded, stage, how.output));
        }
    };
    if how.dry_run {
        show(&plan, None, loaded, how.output).map_err(|trouble| {
            trouble.print();
            Status::Wrong
        })?;
        return Ok(None);
    }
    let text = draw::plan(&plan.text(&stage.inventory), folder);
    if how.output == Output::Table || !how.yes {
        anstream::eprint!("{text}");
    }
    let counts = plan.counts();
    if let Some(needed) = plan.needs_destroys()
        && how.destroys != Some(usize::MAX)
    {
        match how.destroys {
            None if !how.yes && interactive() => {
                if ask_line(&format!("This destroys {needed} things that cannot be brought back. How many? ")).trim()
                    != needed.to_string()
                {
                    anstream::eprintln!("nothing was changed");
                    return Err(Status::Failed);
                }
                return Ok(Some(plan));
            }
            given => {
                if let Err(trouble) = destroys(needed, given) {
                    trouble.print();
                    return Err(Status::Wrong);
                }
            }
        }
    }
    if how.yes || !plan.changes() && !counts.open {
        return Ok(Some(plan));
    }
    if !interactive() {
        anstream::eprintln!("error: nobody is here to approve the plan; nothing was changed");
        anstream::eprintln!("help: --yes does what the plan shows, --dry-run only shows it");
        return Err(Status::Wrong);
    }
    if !yes("Do this?") {
        anstream::eprintln!("nothing was changed");
        return Err(Status::Failed);
    }
    Ok(Some(plan))
}

/// What the plan shows is approved; for more, whoever is there is asked.
pub fn by_plan(loaded: &Loaded, plan: Plan, asks: Asks) -> Box<dyn Approval> {
    let ask: Option<Ask> =
        (asks == Asks::Somebody && interactive()).then(|| Arc::new(|question: &str| yes(question)) as Ask);
    covered(plan, ask, loaded.checked.inventory.clone())
}

/// Who is asked for what the plan does not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    Somebody,
    /// `--yes`.
    Nobody,
}

impl Asks {
    pub fn unless(yes: bool) -> Asks {
        if yes { Asks::Nobody } else { Asks::Somebody }
    }
}

/// Approves what the plan shows; for more, asks whoever is there.
pub fn covered(plan: Plan, ask: Option<Ask>, inventory: Arc<Inventory>) -> Box<dyn Approval> {
    let describe = Box::new(move |step: &eval::Step, effect: &edge_lang::plan::PlannedEffect| {
        let name = effect.name.as_deref().map_or(String::new(), |n| format!(" {n:?}"));
        if let Action::Copy { from, .. } = effect.action {
            let (from, to) = (inventory.name(from), inventory.name(effect.site));
            return format!("copy {}{name} from {from} to {to}", effect.resource);
        }
        format!("{}.{}{name} at {}", effect.resource, step.operation, inventory.name(effect.site))
    });
    Box::new(ByPlan { plan, ask, describe, asking: tokio::sync::Mutex::new(()) })
}

/// A program that cannot be, and what of it can be planned.
pub struct Unplanned {
    pub plan: Plan,
    pub failure: Failure,
}

impl Unplanned {
    /// Whether there is a plan beside the failure.
    fn says_more(&self) -> bool {
        self.plan.steps().any(|(_, step)| step.kind != StepKind::Read)
    }

    /// The plan on standard output, as far as there is one, and what is wrong.
    pub fn show(&self, loaded: &Loaded, stage: &Stage, format: Output) -> Status {
        if self.says_more() || report::is_document(format) {
            let _ = show(&self.plan, Some(&self.failure), loaded, format);
        }
        draw::failure(&loaded.sources, &self.failure, &stage.inventory);
        status_before(&self.failure)
    }

    /// What is wrong, of a run that never began.
    fn report(&self, loaded: &Loaded, stage: &Stage, format: Output) -> Status {
        draw::failure(&loaded.sources, &self.failure, &stage.inventory);
        let status = status_before(&self.failure);
        let report = Report {
            status,
            run: None,
            printed: Vec::new(),
            value: serde_json::Value::Null,
            operations: Vec::new(),
            failure: Some(&self.failure),
        };
        report::print(&report.json(&loaded.sources, &stage.inventory), format);
        status
    }
}

pub async fn make_plan(loaded: &Loaded, stage: &Stage, inputs: IndexMap<Name, Value>) -> Result<Plan, Box<Unplanned>> {
    let (plan, result) = stage.plan(&loaded.checked.program, inputs).await;
    match result {
        Ok(_) => Ok(plan),
        Err(failure) => Err(Box::new(Unplanned { plan, failure })),
    }
}

/// A plan on standard output.
pub fn show(plan: &Plan, failure: Option<&Failure>, loaded: &Loaded, format: Output) -> Result<(), Trouble> {
    let inventory = &loaded.checked.inventory;
    match format {
        Output::Table => {
            let folder = &loaded.places.environment.working_directory;
            anstream::print!("{}", draw::plan(&plan.text(inventory), folder));
        }
        Output::Json | Output::Yaml => {
            let mut document = plan.json(inventory, &loaded.sources);
            if let (Some(failure), Some(members)) = (failure, document.as_object_mut()) {
                members.insert("errors".into(), report::errors(failure, &loaded.sources, inventory).into());
            }
            report::print(&document, format);
        }
        Output::Csv => return Err(Trouble::new("a plan is no table: table, json and yaml are its formats")),
    }
    Ok(())
}

/// Whether as much was said to be destroyed as the plan destroys.
pub fn destroys(needed: usize, given: Option<usize>) -> Result<(), Trouble> {
    match given {
        Some(given) if given == needed => Ok(()),
        Some(given) => {
            Err(Trouble::new(format!("--destroys {given}, and the plan destroys {needed}; nothing was changed")))
        }
        None => Err(Trouble::new(format!("the plan destroys {needed} things at several sites; nothing was changed"))
            .help(format!("say so with --destroys {needed}"))),
    }
}

pub fn interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

pub fn yes(question: &str) -> bool {
    matches!(ask_line(&format!("{question} [y/N] ")).trim().to_lowercase().as_str(), "y" | "yes")
}

fn ask_line(question: &str) -> String {
    anstream::eprint!("{question}");
    let _ = std::io::stderr().flush();
    let mut line = String::new();
    // No answer is no approval.
    let _ = std::io::stdin().lock().read_line(&mut line);
    line
}
