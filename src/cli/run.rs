//! `edge run`: check, plan, approve, execute, report.

use super::arguments::{How, Output, Run};
use super::keeping::Keeping;
use super::load::{Loaded, Text, Trouble, Workplace};
use super::progress::Progress;
use super::summary::Summary;
use super::{Status, draw, output, recorded};
use crate::config;
use crate::run::approval::{Approval, Ask, ByPlan, Everything};
use crate::run::event::{Events, Reader};
use crate::run::files::Files;
use crate::run::guards::{Guarded, Guards};
use crate::run::journal::{Journal, MemoryJournal, Past};
use crate::run::live::Live;
use crate::run::planning::Planning;
use crate::run::seen::Seen;
use crate::run::taking::Taken;
use crate::run::{self, Owed, Setting};
use crate::sim::World;
use edge_lang::eval::{self, Failure, FailureKind, Value, input_from_text};
use edge_lang::inventory::Inventory;
use edge_lang::plan::{Action, Plan};
use edge_lang::program::Program;
use edge_lang::types::Name;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
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
    if loaded.has_errors() {
        loaded.places.report();
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

/// Sites, events and interruption of one execution.
#[derive(Clone)]
pub struct Stage {
    pub inventory: Arc<Inventory>,
    pub guards: Arc<Guards>,
    pub files: Files,
    loaded_library: Arc<edge_lang::library::Library>,
    sessions: Arc<dyn run::Sessions>,
    defaults: eval::Policy,
    interrupt: watch::Receiver<bool>,
    name: Option<Arc<str>>,
    grace: Duration,
    journal: Option<Arc<dyn Journal>>,
    past: Arc<Past>,
    seen: Option<Arc<Seen>>,
    taking_back: bool,
}

/// When nobody waits for a run any more, nothing of it goes on.
pub struct Leaving(pub Arc<run::Run>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// What became of a program.
pub struct Ended {
    pub result: Result<Value, Failure>,
    /// What was still to be tidied when the run ended.
    pub owed: Vec<Owed>,
    pub status: Status,
    /// Every operation, and what happened at each site.
    pub summary: String,
}

/// What a stage is made of.
pub struct Parts<'a> {
    pub sites: &'a config::Sites,
    pub inventory: Arc<Inventory>,
    pub library: Arc<edge_lang::library::Library>,
    pub sessions: Arc<dyn run::Sessions>,
    pub guards: Arc<Guards>,
    pub base: PathBuf,
    /// Where `secret(...)` looks.
    pub variables: Arc<BTreeMap<String, String>>,
    pub interrupt: watch::Receiver<bool>,
}

impl Stage {
    pub fn new(loaded: &Loaded, world: Option<&World>, interrupt: watch::Receiver<bool>) -> Stage {
        let inventory = loaded.checked.inventory.clone();
        let sites = &loaded.places.sites;
        Stage::of(Parts {
            sites,
            library: loaded.library.clone(),
            sessions: Arc::new(loaded.places.opener(&inventory, world)),
            guards: Arc::new(Guards::new(sites.guards.clone())),
            base: loaded.base.clone(),
            variables: Arc::new(loaded.places.environment.variables.clone()),
            inventory,
            interrupt,
        })
    }

    pub fn of(parts: Parts<'_>) -> Stage {
        let Parts { sites, inventory, library, sessions, guards, base, variables, interrupt } = parts;
        let defaults = eval::Policy {
            timeout: sites.defaults.timeout,
            unreachable: sites.defaults.unreachable,
            ..eval::Policy::default()
        };
        Stage {
            inventory,
            guards,
            files: Files { base, variables },
            loaded_library: library,
            sessions,
            defaults,
            interrupt,
            name: None,
            grace: GRACE,
            journal: None,
            past: Arc::default(),
            seen: None,
            taking_back: false,
        }
    }

    /// Under this name, so that a run can be repeated exactly. No two runs at the same sites may share one.
    pub fn named(mut self, name: &str) -> Stage {
        self.name = Some(name.into());
        self
    }

    /// Writes what it does there, not to memory alone.
    pub fn journaled(mut self, journal: Arc<dyn Journal>) -> Stage {
        self.journal = Some(journal);
        self
    }

    /// Goes on with what an earlier runner of the run left, under its name.
    pub fn resuming(mut self, past: Past) -> Stage {
        self.past = Arc::new(past);
        self
    }

    /// Keeps what sites are seen to have, and may read by it.
    pub fn seeing(mut self, seen: Option<Arc<Seen>>) -> Stage {
        self.seen = seen;
        self
    }

    /// What is still being tidied is waited for so long at the end.
    pub fn patient(mut self, grace: Duration) -> Stage {
        self.grace = grace;
        self
    }

    pub fn run(&self, readers: Vec<Arc<dyn Reader>>) -> Arc<run::Run> {
        run::Run::new(Setting {
            name: self.name.clone().unwrap_or_else(run_name),
            library: self.loaded_library.clone(),
            inventory: self.inventory.clone(),
            sessions: self.sessions.clone(),
            events: Events::to(readers),
            journal: self.journal.clone().unwrap_or_else(|| Arc::new(MemoryJournal::default())),
            past: self.past.clone(),
            seen: self.seen.clone(),
            taking_back: self.taking_back,
            defaults: self.defaults.clone(),
            interrupt: self.interrupt.clone(),
        })
    }

    pub fn live(&self, run: &Arc<run::Run>, approval: Arc<dyn Approval>) -> Live {
        let guarded = Guarded { guards: self.guards.clone(), inventory: self.inventory.clone(), then: approval };
        Live::new(run.clone(), self.files.clone(), Arc::new(guarded))
    }

    /// Runs a program whose plan was approved, and waits a little for what is tidied.
    pub async fn carry_out(
        &self,
        program: &Program,
        inputs: IndexMap<Name, Value>,
        approval: Box<dyn Approval>,
        mut readers: Vec<Arc<dyn Reader>>,
    ) -> Ended {
        let summary = Arc::new(Summary::new(self.inventory.clone()));
        readers.push(summary.clone());
        let approval: Arc<dyn Approval> = Arc::from(approval);
        let kept = self.journal.is_some();
        let mut stage = self.clone();
        let journal = stage.journal.get_or_insert_with(|| Arc::new(MemoryJournal::default())).clone();
        let name = stage.name.get_or_insert_with(run_name).clone();
        let mut written = 0;
        let (result, owed) = loop {
            let doomed = stage.past.doomed().cloned();
            stage.taking_back = doomed.is_some();
            let run = stage.run(readers.clone());
            let _leaving = Leaving(run.clone());
            let live = stage.live(&run, approval.clone());
            let (result, further) = match &doomed {
                None => (eval::run(program, inputs.clone(), &live).await, false),
                // What used it goes first; then the program is gone through again, up to the failure.
                Some(key) => match live.end_doomed(program, inputs.clone(), key).await {
                    Ok(()) => (Ok(Value::Null), true),
                    Err(failure) => (Err(failure), false),
                },
            };
            let owed = run.finish(self.grace).await;
            if !(further || run.gets_further() || run.is_doomed()) || run.is_interrupted() {
                break (result, owed);
            }
            match journal.entries().and_then(|entries| Ok((entries.len(), Past::of(&entries)?))) {
                // Nothing more was written, as on a full disk: it would go on like this for ever.
                Ok((now, _)) if now <= written => break (result, owed),
                Ok((now, past)) => (written, stage.past) = (now, Arc::new(past)),
                Err(why) => {
                    tracing::error!(target: "edge", "the journal cannot be read: {why}");
                    break (result, owed);
                }
            }
        };
        let deferred = owed.iter().any(|o| o.due == run::Due::Deferred);
        let stopped = |failure: &Failure| failure.kind == FailureKind::Interrupted;
        let status = match &result {
            Ok(_) if deferred => Status::Owed,
            Ok(_) => Status::Done,
            // It goes on where it was stopped.
            Err(failure) if kept && stopped(failure) => Status::Owed,
            Err(failure) => status_of(failure),
        };
        let kept = kept.then_some(&*name);
        Ended { status, summary: summary.text(&owed, kept), result, owed }
    }

    /// Takes back all that a run did, of which `resuming` said what that was.
    pub async fn take_back(
        &self,
        program: &Program,
        inputs: IndexMap<Name, Value>,
        mut readers: Vec<Arc<dyn Reader>>,
    ) -> (Taken, Vec<Owed>, String) {
        let summary = Arc::new(Summary::new(self.inventory.clone()));
        readers.push(summary.clone());
        let stage = Stage { taking_back: true, ..self.clone() };
        let run = stage.run(readers);
        let _leaving = Leaving(run.clone());
        let live = stage.live(&run, Arc::new(Everything));
        let taken = live.take_all_back(program, inputs).await;
        let owed = run.finish(self.grace).await;
        let summary = summary.text(&owed, self.name.as_deref());
        (taken, owed, summary)
    }

    /// What a program would do, also as far as it got where it cannot be done.
    pub async fn plan(&self, program: &Program, inputs: IndexMap<Name, Value>) -> (Plan, Result<Value, Failure>) {
        let run = self.run(Vec::new());
        let planning = self.planning(&run);
        let result = eval::run(program, inputs, &planning).await;
        (planning.into_plan(), result)
    }

    pub fn planning(&self, run: &Arc<run::Run>) -> Planning {
        Planning::new(run.clone(), self.files.clone(), &self.guards)
    }
}

/// Tells the effects of this run from those of all others.
pub(super) fn run_name() -> Arc<str> {
    uuid::Uuid::new_v4().simple().to_string()[..12].into()
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
    let kept = match store.map(|store| Keeping::begin(store, loaded, &inputs, plan.as_ref())).transpose() {
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
    inputs: IndexMap<Name, Value>,
    approval: Box<dyn Approval>,
    kept: Option<&Keeping>,
    format: Output,
) -> Status {
    let stage = match kept {
        Some(kept) => stage.named(&kept.name).journaled(kept.journal.clone()),
        None => stage,
    };
    let progress = Arc::new(Progress::new(stage.inventory.clone()));
    let ended = stage.carry_out(&loaded.checked.program, inputs, approval, vec![progress.clone()]).await;
    progress.clear();
    match &ended.result {
        Ok(value) => output::print(value, &stage.inventory, format),
        Err(failure) => draw::failure(&loaded.sources, failure, &stage.inventory),
    }
    if format == Output::Table || ended.result.is_err() || !ended.owed.is_empty() {
        anstream::eprint!("{}", ended.summary);
    }
    if let Some(kept) = kept {
        kept.end(&ended, &stage.inventory).await;
    }
    ended.status
}

/// What is still being tidied is waited for so long at the end.
pub const GRACE: Duration = Duration::from_secs(5);

pub fn status_of(failure: &Failure) -> Status {
    match failure.kind {
        FailureKind::Failed | FailureKind::Partial => Status::Failed,
        FailureKind::Owed => Status::Owed,
        FailureKind::Interrupted if failure.sites.is_empty() => Status::Failed,
        FailureKind::Interrupted => Status::Owed,
    }
}

/// Plans, shows the plan and asks. `None`: nothing is to be run.
async fn approved(
    loaded: &Loaded,
    stage: &Stage,
    inputs: &IndexMap<Name, Value>,
    how: &How,
) -> Result<Option<Plan>, Status> {
    let plan = make_plan(loaded, stage, inputs.clone()).await?;
    let text = draw::plan(&plan.text(&stage.inventory), &loaded.places.environment.working_directory);
    if how.dry_run {
        anstream::print!("{text}");
        return Ok(None);
    }
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

pub async fn make_plan(loaded: &Loaded, stage: &Stage, inputs: IndexMap<Name, Value>) -> Result<Plan, Status> {
    let (plan, result) = stage.plan(&loaded.checked.program, inputs).await;
    match result {
        Ok(_) => Ok(plan),
        Err(failure) => {
            draw::failure(&loaded.sources, &failure, &stage.inventory);
            Err(status_of(&failure))
        }
    }
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
