//! One execution of a program: its sites, its events, its journal and its interruption, and the loop that goes through the
//! program again as long as what was deferred gets it further.

use super::Status;
use super::load::Loaded;
use super::run::status_of;
use super::summary::Summary;
use crate::config;
use crate::run::approval::{Approval, Everything};
use crate::run::event::{Events, Reader};
use crate::run::files::Files;
use crate::run::guards::{Guarded, Guards};
use crate::run::journal::{Journal, MemoryJournal, Past};
use crate::run::live::{Live, Onlooker};
use crate::run::planning::Planning;
use crate::run::seen::Seen;
use crate::run::taking::Taken;
use crate::run::{self, Owed, Setting};
use crate::sim::World;
use edge_lang::eval::{self, Failure, FailureKind, Frame, Given, Outcome, Value};
use edge_lang::inventory::Inventory;
use edge_lang::plan::Plan;
use edge_lang::program::Program;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What is still being tidied is waited for so long at the end.
pub const GRACE: Duration = Duration::from_secs(5);
/// Whoever comes back to pay or to take back waits for it, also where a site must first have been quiet for a while. Each
/// operation has a time limit of its own within this.
pub const TO_THE_END: Duration = Duration::from_secs(600);

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
    onlooker: Option<Arc<dyn Onlooker>>,
    taking_back: bool,
    /// The plan tells the run.
    silence: run::silence::Silence,
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
    /// What its names mean, for the next entry of a prompt.
    pub frame: Frame,
    /// What was still to be tidied when the run ended.
    pub owed: Vec<Owed>,
    pub status: Status,
    /// Every operation, and what happened at each site.
    pub summary: String,
    /// The same for other programs.
    pub operations: Vec<serde_json::Value>,
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
            guards: Arc::new(Guards::of(sites.guards.clone(), &loaded.library, &inventory)),
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
            onlooker: None,
            taking_back: false,
            silence: run::silence::Silence::default(),
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

    /// Somebody sees what steps and statements give, as they give it.
    pub fn watched(mut self, onlooker: Arc<dyn Onlooker>) -> Stage {
        self.onlooker = Some(onlooker);
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
            silence: self.silence.clone(),
            defaults: self.defaults.clone(),
            interrupt: self.interrupt.clone(),
        })
    }

    pub fn live(&self, run: &Arc<run::Run>, approval: Arc<dyn Approval>) -> Live {
        self.guards.recall(&self.past.counted);
        let (guards, inventory, journal) = (self.guards.clone(), self.inventory.clone(), run.journal.clone());
        let guarded = Guarded { guards, inventory, journal, then: approval };
        Live::new(run.clone(), self.files.clone(), Arc::new(guarded), self.onlooker.clone())
    }

    /// Runs a program whose plan was approved, and waits a little for what is tidied.
    pub async fn carry_out(
        &self,
        program: &Program,
        given: impl Into<Given>,
        approval: Box<dyn Approval>,
        mut readers: Vec<Arc<dyn Reader>>,
    ) -> Ended {
        let given = given.into();
        let summary = Arc::new(Summary::new(self.inventory.clone()));
        readers.push(summary.clone());
        let approval: Arc<dyn Approval> = Arc::from(approval);
        let kept = self.journal.is_some();
        let mut stage = self.clone();
        let journal = stage.journal.get_or_insert_with(|| Arc::new(MemoryJournal::default())).clone();
        let name = stage.name.get_or_insert_with(run_name).clone();
        let mut written = 0;
        let (Outcome { result, frame }, owed) = loop {
            let doomed = stage.past.doomed().cloned();
            stage.taking_back = doomed.is_some();
            let run = stage.run(readers.clone());
            let _leaving = Leaving(run.clone());
            let live = stage.live(&run, approval.clone());
            let (outcome, further) = match &doomed {
                None => (eval::run(program, given.clone(), &live).await, false),
                // What used it goes first; then the program is gone through again, up to the failure.
                Some(key) => {
                    let ended = live.end_doomed(program, given.clone(), key).await;
                    let further = ended.is_ok();
                    (Outcome { result: ended.map(|()| Value::Null), frame: given.frame.clone() }, further)
                }
            };
            let owed = run.finish(self.grace).await;
            if !(further || run.gets_further() || run.is_doomed()) || run.is_interrupted() {
                break (outcome, owed);
            }
            match journal.entries().and_then(|entries| Ok((entries.len(), Past::of(&entries)?))) {
                // Nothing more was written, as on a full disk: it would go on like this for ever.
                Ok((now, _)) if now <= written => break (outcome, owed),
                Ok((now, past)) => (written, stage.past) = (now, Arc::new(past)),
                Err(why) => {
                    tracing::error!(target: "edge", "the journal cannot be read: {why}");
                    break (outcome, owed);
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
        let operations = summary.json(&owed);
        Ended { status, summary: summary.text(&owed, kept), operations, result, frame, owed }
    }

    /// Takes back all that a run did, of which `resuming` said what that was.
    pub async fn take_back(
        &self,
        program: &Program,
        given: impl Into<Given>,
        mut readers: Vec<Arc<dyn Reader>>,
    ) -> (Taken, Vec<Owed>, String) {
        let summary = Arc::new(Summary::new(self.inventory.clone()));
        readers.push(summary.clone());
        let stage = Stage { taking_back: true, ..self.clone() };
        let run = stage.run(readers);
        let _leaving = Leaving(run.clone());
        let live = stage.live(&run, Arc::new(Everything));
        let taken = live.take_all_back(program, given.into()).await;
        let owed = run.finish(self.grace).await;
        let summary = summary.text(&owed, self.name.as_deref());
        (taken, owed, summary)
    }

    /// What a program would do, also as far as it got where it cannot be done.
    pub async fn plan(&self, program: &Program, given: impl Into<Given>) -> (Plan, Result<Value, Failure>) {
        let run = self.run(Vec::new());
        let planning = self.planning(&run);
        let result = eval::run(program, given.into(), &planning).await.result;
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
