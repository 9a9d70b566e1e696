//! Running an entry: plan, show, ask, do, tell. Reads of an entry that changes nothing are not planned.

use super::dialogue::{Dialogue, Entry, Said};
use super::history::may_hold_secret;
use super::interrupt::{Running, pressed};
use super::watch::{Watch, told_by_summary};
use crate::cli::arguments::Output;
use crate::cli::load::{Text, Trouble};
use crate::cli::progress::Progress;
use crate::cli::run::{self, Parts, Stage, covered, inputs, status_before, status_of};
use crate::cli::summary::Summary;
use crate::cli::{Status, draw, entered, output, recorded};
use crate::run::approval::{Approval, Ask, Everything};
use crate::run::event::Reader;
use crate::run::guards::Guards;
use crate::run::journal::{Before, Store};
use edge_lang::eval::{self, Failure, FailureKind, Given, Scope, StepKind, Value};
use edge_lang::plan::Plan;
use edge_lang::program::{Expr, Input, Program, Statement, StatementKind};
use edge_lang::span::{FileId, Span};
use edge_lang::syntax::ast::{self, StmtKind};
use edge_lang::types::{Name, Type};
use indexmap::IndexMap;
use rustyline::error::ReadlineError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// Outcomes that `:outcomes` lists.
const MOST_OUTCOMES: usize = 20;

enum Ended {
    /// Not approved, or not to be planned: nothing was changed.
    Before(Status),
    /// A plan, or reads alone, stopped by the user.
    Stopped,
    /// Left as it was, by the second Ctrl-C; the journal may have its run.
    Left(Option<Arc<str>>),
    Done(Box<run::Ended>),
}

impl Dialogue {
    /// Checks, plans, asks and runs.
    pub fn enter(&mut self, text: &Text, vars: &[String]) -> Status {
        let Some(entry) = self.check(text, Ok) else { return Status::Wrong };
        let values = match inputs(&entry.program, self.inventory(), vars) {
            Ok(values) => values,
            Err(message) => {
                Trouble::new(message.replace("--var ", "")).print();
                self.go_back(entry.before);
                return Status::Wrong;
            }
        };
        let needed = |i: &&Input| i.default.is_none() && !matches!(i.ty, Type::Optional(_));
        if let Some(input) = entry.program.inputs.iter().filter(needed).find(|i| !values.contains_key(&i.name)) {
            let (name, ty) = (&input.name, &input.ty);
            Trouble::new(format!("the input `{name}` has no value"))
                .help(format!(
                    "`:load FILE {name}=...` gives it one, and so does a default: `input {name}: {ty} = ...`"
                ))
                .print();
            self.go_back(entry.before);
            return Status::Wrong;
        }
        let said = Said {
            text: text.text.clone(),
            scope: self.scope.as_ref().map(|s| s.text.clone()),
            declares: entry.declares,
            changes: entry.program.changes,
            gave: false,
        };
        let (status, stays) = self.run(entry, values);
        if let Some(gave) = stays {
            self.said.push(Said { gave, ..said });
        }
        status
    }

    /// How it ended, and, if what it came to stays, whether its value is `it` now.
    fn run(&mut self, entry: Entry, values: IndexMap<Name, Value>) -> (Status, Option<bool>) {
        let grown = !Arc::ptr_eq(self.inventory(), entry.before.inventory());
        let running = self.begin();
        let stop = running.stop.clone();
        let stage = self.stage(entry.base.clone(), stop.clone());
        let summary = Arc::new(Summary::new(stage.inventory.clone()));
        let progress = Arc::new(Progress::new(stage.inventory.clone()));
        let readers: Vec<Arc<dyn Reader>> = vec![progress.clone(), summary.clone()];
        let watch = Watch::new(self.seen.clone(), progress.clone(), stage.inventory.clone());
        let stage = stage.watched(Arc::new(watch));
        let ended = self.runtime.block_on(self.perform(&entry, values, &stage, running, readers));
        self.interrupts.end();
        self.stopped |= *stop.borrow();
        progress.clear();
        let Entry { program, before, file, imports, .. } = entry;
        let ended = match ended {
            Ended::Done(ended) => ended,
            Ended::Before(status) => {
                self.go_back(before);
                return (status, None);
            }
            Ended::Stopped => {
                anstream::eprintln!("stopped; nothing was changed");
                self.go_back(before);
                return (Status::Failed, None);
            }
            Ended::Left(kept) => {
                anstream::eprint!("{}", summary.text(&[], None));
                anstream::eprintln!(
                    "left as it was: what was under way may be carried out, and {}",
                    match kept {
                        Some(run) => format!("`edge resume {run}` looks after it"),
                        None => "nobody looks after it".to_string(),
                    }
                );
                self.go_back(before);
                return (Status::Owed, None);
            }
        };
        match &ended.result {
            Ok(_) if program.body.last().is_some_and(told_by_summary) => {}
            Ok(value) => output::print(value, &stage.inventory, Output::Table),
            Err(failure) => draw::failure(&self.sources, failure, &stage.inventory),
        }
        anstream::eprint!("{}", ended.summary);
        // Names of a failed entry stay where it came to something; else they mean again what they meant before.
        let earlier = self.frame.len();
        let came_to = grown
            || program.functions.len() > self.program.functions.len()
            || ended.frame.iter().skip(earlier).any(Option::is_some);
        if ended.result.is_err() && !came_to {
            self.go_back(before);
            return (ended.status, None);
        }
        self.frame = ended.frame;
        let gave = ended.result.is_ok_and(|value| self.remember(&program, value));
        self.stays(file, imports, gave);
        self.program = program;
        match ended.owed.is_empty() {
            true => (ended.status, Some(gave)),
            false => (Status::Owed, Some(gave)),
        }
    }

    /// The value of an entry is `it` in those that follow.
    fn remember(&mut self, program: &Program, value: Value) -> bool {
        let Some(StatementKind::Expr(expr)) = program.body.last().map(|s| &s.kind) else { return false };
        if value == Value::Null || matches!(expr.ty, Type::Nothing | Type::Null | Type::Error) {
            return false;
        }
        let Some(slot) = entered::remember(&mut self.session, program) else { return false };
        if self.frame.len() <= slot {
            self.frame.resize(slot + 1, None);
        }
        self.frame[slot] = Some(value);
        true
    }

    /// A statement begins: its sites are there, and Ctrl-C is for it.
    pub(super) fn begin(&mut self) -> Running {
        if let Some(world) = &self.world {
            let _clock = self.runtime.enter();
            self.places.grow(world, self.session.inventory());
        }
        self.opener.follow(self.session.inventory());
        self.interrupts.begin()
    }

    fn stage(&self, base: PathBuf, interrupt: watch::Receiver<bool>) -> Stage {
        Stage::of(Parts {
            sites: &self.places.sites,
            inventory: self.session.inventory().clone(),
            library: self.library.clone(),
            sessions: self.opener.clone(),
            guards: Arc::new(Guards::of(self.places.sites.guards.clone(), &self.library, self.session.inventory())),
            base,
            variables: Arc::new(self.places.environment.variables.clone()),
            interrupt,
        })
        .seeing(self.last_seen.clone())
    }

    pub(super) fn around(&self) -> Scope {
        self.scope.as_ref().map(|s| s.value.clone()).unwrap_or_default()
    }

    async fn perform(
        &self,
        entry: &Entry,
        inputs: IndexMap<Name, Value>,
        stage: &Stage,
        mut running: Running,
        readers: Vec<Arc<dyn Reader>>,
    ) -> Ended {
        let program = &*entry.program;
        let before = |trouble: Trouble| {
            trouble.print();
            Ended::Before(Status::Wrong)
        };
        let (mut stage, mut kept) = (stage.clone(), None);
        let mut approval: Box<dyn Approval> = Box::new(Everything);
        if program.changes {
            // Before anybody is asked.
            let store = match self.store(entry) {
                Ok(store) => store,
                Err(trouble) => return before(trouble),
            };
            let planned = tokio::select! {
                planned = self.plan(program, inputs.clone(), &stage) => planned,
                () = pressed(&mut running.stop) => return Ended::Stopped,
            };
            let plan = match planned.and_then(|plan| self.approved(plan, &stage)) {
                Ok(plan) => plan,
                Err(status) => return Ended::Before(status),
            };
            match store.map(|store| self.keep(store, entry, &inputs, &plan)).transpose() {
                Ok(begun) => kept = begun,
                Err(trouble) => return before(trouble),
            }
            let ask: Option<Ask> = self.interactive.then(|| Arc::new(|question: &str| yes(question)) as Ask);
            approval = covered(plan, ask, stage.inventory.clone());
        }
        if let Some(kept) = &kept {
            stage = stage.named(&kept.name).journaled(kept.journal.clone());
        }
        let work = async {
            let ended = stage.carry_out(program, self.given(inputs), approval, readers).await;
            if let Some(kept) = &kept {
                kept.end(&ended, &stage.inventory).await;
            }
            ended
        };
        let reads = !program.changes;
        let mut stop = running.stop.clone();
        let announced = async {
            pressed(&mut stop).await;
            anstream::eprintln!("stopping; Ctrl-C once more leaves it as it is");
            std::future::pending::<Ended>().await
        };
        tokio::select! {
            () = pressed(&mut running.leave) => Ended::Left(kept.as_ref().map(|kept| kept.name.clone())),
            () = pressed(&mut running.stop), if reads => Ended::Stopped,
            ended = announced, if !reads => ended,
            ended = work => match &ended.result {
                // The run hears of it too, and may be the first; of reads there is nothing that it could tell.
                Err(failure) if reads && failure.kind == FailureKind::Interrupted => Ended::Stopped,
                _ => Ended::Done(Box::new(ended)),
            },
        }
    }

    /// The journal, where changes at these sites are kept.
    fn store(&self, entry: &Entry) -> Result<Option<Store>, Trouble> {
        if !self.workplace.keeps_runs() {
            return Ok(None);
        }
        let may_hold_secret = |file: FileId| self.sources.get(file).is_some_and(|source| may_hold_secret(&source.text));
        let said = self.earlier.iter().filter_map(|before| match before {
            Before::Entry { text, .. } | Before::Scope { text } => Some(FileId(*text)),
            Before::NoScope => None,
        });
        let why = match may_hold_secret(entry.file) {
            true => "in it",
            false if said.into_iter().any(may_hold_secret) => "in what was said before it",
            false => return recorded::open(&self.workplace).map(Some),
        };
        anstream::eprintln!("this entry is not kept in the journal: there may be a secret {why}");
        Ok(None)
    }

    /// Names as they are now, and the scope around an entry.
    fn given(&self, inputs: IndexMap<Name, Value>) -> Given {
        Given { inputs, frame: self.frame.clone(), scope: self.around() }
    }

    async fn plan(&self, program: &Program, inputs: IndexMap<Name, Value>, stage: &Stage) -> Result<Plan, Status> {
        let run = stage.run(Vec::new());
        let planning = stage.planning(&run);
        let outcome = eval::run(program, self.given(inputs), &planning).await;
        match outcome.result {
            Ok(_) => Ok(planning.into_plan()),
            Err(failure) if failure.kind == FailureKind::Interrupted => {
                anstream::eprintln!("stopped; nothing was changed");
                Err(Status::Failed)
            }
            Err(failure) => {
                let plan = planning.into_plan();
                if plan.steps().filter(|(_, step)| step.kind != StepKind::Read).count() > 1 {
                    anstream::eprint!("{}", draw::plan(&plan.text(&stage.inventory), self.folder()));
                }
                draw::failure(&self.sources, &failure, &stage.inventory);
                Err(status_before(&failure))
            }
        }
    }

    /// Shows the plan where it is about changes, and asks where it makes some.
    fn approved(&self, plan: Plan, stage: &Stage) -> Result<Plan, Status> {
        let about_changes = plan.steps().any(|(_, step)| step.kind != StepKind::Read);
        if about_changes {
            anstream::eprint!("{}", draw::plan(&plan.text(&stage.inventory), self.folder()));
        }
        let refused = |status: Status| {
            anstream::eprintln!("nothing was changed");
            Err(status)
        };
        match plan.needs_destroys() {
            Some(needed) if self.interactive => {
                let question = format!("This destroys {needed} things that cannot be brought back. How many? ");
                if ask_line(&question).as_deref().map(str::trim) != Some(needed.to_string().as_str()) {
                    return refused(Status::Failed);
                }
            }
            Some(needed) => {
                anstream::eprintln!("error: this destroys {needed} things at several sites; nothing was changed");
                anstream::eprintln!(
                    "help: `edge run` does it, with --destroys {needed}; a prompt over a pipe does not"
                );
                return Err(Status::Failed);
            }
            None if self.auto || !plan.changes() && !plan.counts().open => {}
            None if self.interactive => {
                if !yes("Do this?") {
                    return refused(Status::Failed);
                }
            }
            None => {
                anstream::eprintln!("error: nobody is here to approve the plan; nothing was changed");
                anstream::eprintln!("help: after `:auto on`, what a plan shows is done without asking");
                return Err(Status::Failed);
            }
        }
        Ok(plan)
    }

    /// What an entry would do. Nothing of it stays.
    pub fn show_plan(&mut self, text: &Text) -> Status {
        let Some(entry) = self.check(text, Ok) else { return Status::Wrong };
        let status = match self.looked_at(&entry.program, &entry.base, |this, stage, program| {
            Box::pin(this.plan(program, IndexMap::new(), stage))
        }) {
            Ok(plan) => {
                anstream::print!("{}", draw::plan(&plan.text(self.inventory()), self.folder()));
                Status::Done
            }
            Err(status) => status,
        };
        self.go_back(entry.before);
        status
    }

    /// The type of an expression, without any request.
    pub fn show_type(&mut self, text: &Text) -> Status {
        let Some(entry) = self.check(text, one_expression) else { return Status::Wrong };
        if let Some(StatementKind::Expr(expr)) = entry.program.body.last().map(|s| &s.kind) {
            anstream::println!("{}", expr.ty);
        }
        self.go_back(entry.before);
        Status::Done
    }

    /// The minimal outcomes of a placement.
    pub fn show_outcomes(&mut self, text: &Text) -> Status {
        let Some(entry) = self.check(text, as_placement) else { return Status::Wrong };
        let program = &entry.program;
        let found = match program.body.last().map(|s| &s.kind) {
            Some(StatementKind::Let { value, .. }) => self.value(program, value, &entry.base),
            _ => Err(Status::Wrong),
        };
        let status = match found {
            Ok(Value::Placement(placement)) => {
                self.list_outcomes(&placement);
                Status::Done
            }
            Ok(_) => {
                Trouble::new("the sites of this placement are known only later").print();
                Status::Failed
            }
            Err(status) => status,
        };
        self.go_back(entry.before);
        status
    }

    fn list_outcomes(&self, placement: &edge_lang::model::Placement) {
        let inventory = self.inventory();
        let mut outcomes = placement.minimal();
        for outcome in outcomes.by_ref().take(MOST_OUTCOMES) {
            match outcome {
                Ok(sites) if sites.is_empty() => anstream::println!("nowhere"),
                Ok(sites) => anstream::println!("{}", eval::sites_text(&sites, inventory)),
                Err(_) => anstream::println!("the parts of this placement share too many sites to be worked out"),
            }
        }
        if outcomes.next().is_some() {
            anstream::println!("and more");
        }
    }

    pub(super) fn scope_value(&mut self, expr: &Expr, base: &Path) -> Result<Scope, Status> {
        let (program, expr) = (self.program.clone(), expr.clone());
        self.looked_at(&program, base, |this, stage, program| {
            Box::pin(async move {
                let run = stage.run(Vec::new());
                let planning = stage.planning(&run);
                let found = eval::scope_of(program, &this.frame, &expr, &planning).await;
                found.map_err(|failure| this.told(&failure, stage))
            })
        })
    }

    /// What an expression of a program that was just checked is now.
    fn value(&mut self, program: &Arc<Program>, expr: &Expr, base: &Path) -> Result<Value, Status> {
        let program = Program {
            functions: program.functions.clone(),
            body: vec![Statement { kind: StatementKind::Expr(expr.clone()), span: expr.span }],
            inputs: Vec::new(),
            slots: program.slots,
            changes: false,
        };
        self.looked_at(&program, base, |this, stage, program| {
            Box::pin(async move {
                let run = stage.run(Vec::new());
                let planning = stage.planning(&run);
                let outcome = eval::run(program, this.given(IndexMap::new()), &planning).await;
                outcome.result.map_err(|failure| this.told(&failure, stage))
            })
        })
    }

    fn folder(&self) -> &Path {
        &self.places.environment.working_directory
    }

    fn told(&self, failure: &Failure, stage: &Stage) -> Status {
        draw::failure(&self.sources, failure, &stage.inventory);
        status_of(failure)
    }

    /// Does what changes nothing; Ctrl-C ends it at once.
    fn looked_at<T>(
        &mut self,
        program: &Program,
        base: &Path,
        look: impl for<'a> FnOnce(
            &'a Dialogue,
            &'a Stage,
            &'a Program,
        ) -> futures_util::future::LocalBoxFuture<'a, Result<T, Status>>,
    ) -> Result<T, Status> {
        let mut running = self.begin();
        let stage = self.stage(base.to_path_buf(), running.stop.clone());
        let found = self.runtime.block_on(async {
            tokio::select! {
                found = look(self, &stage, program) => found,
                () = pressed(&mut running.stop) => {
                    anstream::eprintln!("stopped");
                    Err(Status::Failed)
                }
            }
        });
        self.interrupts.end();
        found
    }
}

fn one_expression(program: ast::Block) -> Result<ast::Block, Trouble> {
    match &program[..] {
        [ast::Stmt { kind: StmtKind::Expr(_), .. }] => Ok(program),
        _ => Err(Trouble::new("one expression is expected here")),
    }
}

/// `φ` as `let _ = φ` of type Placement, so that a site or a set is one too.
fn as_placement(program: ast::Block) -> Result<ast::Block, Trouble> {
    let mut program = one_expression(program)?;
    let Some(ast::Stmt { kind: StmtKind::Expr(value), span }) = program.pop() else { return Ok(program) };
    let name = |text: &str| ast::Name { text: text.into(), span: Span { end: span.start, ..span } };
    let ty = ast::Type { kind: ast::TypeKind::Named(name("Placement")), optional: false, span };
    Ok(vec![ast::Stmt { kind: StmtKind::Let { name: name("placement"), ty: Some(ty), value }, span }])
}

pub fn yes(question: &str) -> bool {
    let answer = ask_line(&format!("{question} [y/N] ")).unwrap_or_default();
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// Ctrl-C and Ctrl-D are no answer.
fn ask_line(question: &str) -> Option<String> {
    match rustyline::DefaultEditor::new().and_then(|mut editor| editor.readline(question)) {
        Ok(line) => Some(line),
        Err(ReadlineError::Interrupted | ReadlineError::Eof) => None,
        Err(error) => {
            anstream::eprintln!("error: the answer cannot be read: {error}");
            None
        }
    }
}
