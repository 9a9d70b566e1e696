//! One case: the program is loaded, planned, approved and run as `edge run --yes` does, and all that comes of it is text.

use super::super::support;
use super::world::{Snapshot, masked};
use edge::cli::run::{Ended, Stage, covered, destroys, in_runtime, inputs, status_of};
use edge::cli::{Loaded, Status, Text, Workplace};
use edge::config::Environment;
use edge::run::approval::{Approval, Everything};
use edge::run::event::{Event, EventKind, Reader};
use edge::run::journal::{Entry, Journal, MemoryJournal, Past};
use edge::run::seen::Seen;
use edge::run::trouble::Trouble;
use edge::sim::World;
use edge_lang::eval::{Failure, Step, display};
use edge_lang::plan::PlannedEffect;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// How a case is run.
#[derive(Default)]
pub struct Directions {
    /// `#> again`: a second time, at the same sites.
    again: bool,
    /// `#> destroys N`, as `--destroys N`.
    destroys: Option<usize>,
    /// `#> var NAME=VALUE`, as `--var`.
    vars: Vec<String>,
    /// `#> secret NAME=VALUE`: an environment variable whose value must appear nowhere.
    secrets: BTreeMap<String, String>,
    /// `#> unplanned`: without a plan, everything is approved, as in the REPL under `:auto on`.
    unplanned: bool,
    /// `#> stop 5s`: interrupted after that time.
    stop: Option<Duration>,
    /// `#> heal`: when it has ended all sites are healed, and looked at again ten minutes later.
    heal: bool,
    /// `#> crash 3`: its process dies when so many entries are in the journal, and another resumes the run; once more for
    /// each further number.
    crashes: Vec<usize>,
    /// `#> kill 4s`: its process dies so long after its start, and another resumes the run.
    kill: Option<Duration>,
    /// `#> resume 600s`: so long after its end, and healed, the run is resumed.
    resume: Option<Duration>,
    /// `#> seen`: what sites are seen to have is kept, as beside a journal.
    seen: bool,
    /// `#> undo`: at last it is taken back.
    undo: bool,
    /// `#> after 30s FAULT`: a fault (YAML) injected so long after the start of the run.
    later: Vec<(Duration, String)>,
}

impl Directions {
    pub fn of(source: &str) -> Directions {
        let mut all = Directions::default();
        for line in source.lines().filter_map(|l| l.strip_prefix("#> ")) {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "again" => all.again = true,
                "destroys" => all.destroys = Some(rest.parse().expect("a number")),
                "var" => all.vars.push(rest.into()),
                "secret" => {
                    let (name, value) = rest.split_once('=').expect("NAME=VALUE");
                    all.secrets.insert(name.into(), value.into());
                }
                "unplanned" => all.unplanned = true,
                "stop" => all.stop = Some(seconds(rest)),
                "heal" => all.heal = true,
                "crash" => all.crashes = rest.split(' ').map(|n| n.parse().expect("a number of entries")).collect(),
                "kill" => all.kill = Some(seconds(rest)),
                "resume" => all.resume = Some(seconds(rest)),
                "seen" => all.seen = true,
                "undo" => all.undo = true,
                "after" => {
                    let (time, fault) = rest.split_once(' ').expect("TIME FAULT");
                    all.later.push((seconds(time), fault.into()));
                }
                other => panic!("`#> {other}` is no direction"),
            }
        }
        all
    }

    pub fn crashing(self, crashes: Vec<usize>) -> Directions {
        Directions { crashes, ..self }
    }
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs(text.trim_end_matches('s').parse().expect("seconds, as 30s"))
}

pub struct Scene {
    loaded: Loaded,
}

#[derive(Default)]
struct Printed(Mutex<Vec<String>>);

impl Reader for Printed {
    fn read(&self, event: &Event) {
        if let EventKind::Printed { text } = &event.kind {
            self.0.lock().unwrap().push(text.clone());
        }
    }
}

impl Scene {
    pub fn load(source: &str, path: &Path, directions: &Directions) -> Scene {
        let folder = path.parent().expect("a case is in a folder");
        let stem = path.file_stem().expect("a case has a name").to_string_lossy().into_owned();
        let beside = |ending: &str| Some(format!("{stem}.{ending}")).filter(|f| folder.join(f).exists());
        let environment = Environment {
            variables: directions.secrets.clone(),
            working_directory: folder.to_path_buf(),
            ..Environment::default()
        };
        let inventory = beside("inventory.yaml").map(|f| folder.join(f));
        let workplace = Workplace::new(environment, inventory, Some(beside("yaml").unwrap_or_default()));
        let text = Text { name: "program".into(), base: folder.to_path_buf(), text: source.into() };
        let loaded = workplace.load(text).unwrap_or_else(|e| panic!("{}: {e:?}", path.display()));
        Scene { loaded }
    }

    pub fn perform(&self, directions: &Directions) -> String {
        let Loaded { sources, checked, .. } = &self.loaded;
        let mut out = String::new();
        let problems: Vec<String> = self.loaded.places.problems().iter().map(|p| p.message.clone()).collect();
        assert!(problems.is_empty(), "{problems:?}");
        if !checked.diagnostics.is_empty() {
            let _ = write!(out, "check\n{}", indented(&support::diagnostics(sources, &checked.diagnostics)));
        }
        if checked.has_errors() {
            out += "status 2\n";
            return out;
        }
        in_runtime(true, async {
            let world = self.loaded.places.world(&checked.inventory).expect("simulated sites");
            let folder = directions.seen.then(|| tempfile::tempdir().expect("a folder"));
            let seen = folder.as_ref().map(|folder| Seen::of(folder.path().into()));
            for time in 0..=usize::from(directions.again) {
                if time > 0 {
                    out += "\n---- again ----\n";
                }
                self.once(&world, directions, &format!("run{time}"), seen.clone(), &mut out).await;
            }
        });
        let text = masked(&out.replace(&*support::root().to_string_lossy(), "ROOT"));
        for secret in directions.secrets.values() {
            assert!(!text.contains(secret.as_str()), "a secret is shown:\n{text}");
        }
        text
    }

    async fn once(
        &self,
        world: &World,
        directions: &Directions,
        name: &str,
        seen: Option<Arc<Seen>>,
        out: &mut String,
    ) {
        let Loaded { sources, checked, .. } = &self.loaded;
        let program = &checked.program;
        let inventory = &checked.inventory;
        let before = Snapshot::of(world);
        world.forget_requests();
        let (stop, interrupt) = watch::channel(false);
        let stage = Stage::new(&self.loaded, Some(world), interrupt).named(name).seeing(seen);
        let vars = inputs(program, inventory, &directions.vars).expect("inputs");
        let say = |out: &mut String, failure: &Failure| {
            let said = support::diagnostics(sources, &failure.diagnostics(inventory));
            let _ = write!(out, "failure\n{}", indented(&said));
        };
        let approval: Box<dyn Approval> = if directions.unplanned {
            Box::new(Everything)
        } else {
            let (plan, result) = stage.plan(program, vars.clone()).await;
            let _ = write!(out, "plan\n{}", indented(&plan.text(inventory)));
            let changed = Snapshot::of(world).since(&before);
            assert!(changed.is_empty(), "planning changes nothing: {changed}");
            if let Err(failure) = result {
                say(out, &failure);
                let _ = writeln!(out, "status {}", status_of(&failure) as u8);
                out.push_str(&Snapshot::requests(world));
                return;
            }
            if let Some(needed) = plan.needs_destroys()
                && let Err(trouble) = destroys(needed, directions.destroys)
            {
                let _ = writeln!(out, "refused\n  {}\n  {}", trouble.message, trouble.help.unwrap_or_default());
                let _ = writeln!(out, "status {}", Status::Wrong as u8);
                return;
            }
            covered(plan, None, inventory.clone())
        };
        let began = tokio::time::Instant::now();
        for (time, fault) in directions.later.clone() {
            let world = world.clone();
            tokio::spawn(async move {
                tokio::time::sleep_until(began + time).await;
                world.inject(serde_yaml::from_str(&fault).expect("a fault"));
            });
        }
        if let Some(time) = directions.stop {
            tokio::spawn(async move {
                tokio::time::sleep_until(began + time).await;
                let _ = stop.send(true);
                stop.closed().await;
            });
        }
        let printed = Arc::new(Printed::default());
        let journal = Arc::new(MemoryJournal::default());
        let approval: Arc<dyn Approval> = Arc::from(approval);
        let mut ended = None;
        let crashes = directions.crashes.iter().map(|n| (Some(*n), None));
        let kill = directions.kill.map(|time| (None, Some(time)));
        for (crash, kill) in crashes.chain(kill).chain([(None, None)]) {
            let past = Past::of(&journal.entries().expect("in memory")).expect("a journal");
            let most = AtomicUsize::new(crash.unwrap_or(usize::MAX));
            let dying = Arc::new(Dying { journal: journal.clone(), most, dead: Notify::new() });
            let stage = stage.clone().journaled(dying.clone()).resuming(past);
            let approval = Box::new(Same(approval.clone()));
            tokio::select! {
                biased;
                () = dying.dead.notified() => {
                    let _ = writeln!(out, "crashed after {}", crash.unwrap_or_default());
                }
                () = tokio::time::sleep(kill.unwrap_or_default()), if kill.is_some() => {
                    dying.most.store(0, Ordering::Relaxed);
                    let _ = writeln!(out, "killed");
                }
                came = stage.carry_out(program, vars.clone(), approval, vec![printed.clone()]) => {
                    ended = Some(came);
                    break;
                }
            }
        }
        let ended = ended.expect("the last runner does not crash");
        self.told(&ended, &printed, out);
        out.push_str(&Snapshot::requests(world));
        let _ = write!(out, "sites\n{}", indented(&Snapshot::of(world).since(&before)));
        let again = || Past::of(&journal.entries().expect("in memory")).expect("a journal");
        if let Some(time) = directions.resume {
            world.sites().for_each(|site| world.heal(&site));
            tokio::time::sleep(time).await;
            world.forget_requests();
            let printed = Arc::new(Printed::default());
            // Whoever stopped the run does not stop the one that goes on.
            let (_going, interrupt) = watch::channel(false);
            let stage = Stage::new(&self.loaded, Some(world), interrupt).named(name);
            let stage = stage.journaled(journal.clone()).resuming(again());
            let approval = Box::new(Same(approval.clone()));
            let ended = stage.carry_out(program, vars.clone(), approval, vec![printed.clone()]).await;
            out.push_str("resumed\n");
            self.told(&ended, &printed, out);
            out.push_str(&Snapshot::requests(world));
            let _ = write!(out, "sites\n{}", indented(&Snapshot::of(world).since(&before)));
        }
        if directions.undo {
            world.forget_requests();
            let stage = stage.clone().journaled(journal.clone()).resuming(again());
            let (taken, _, summary) = stage.take_back(program, vars, Vec::new()).await;
            let said: Vec<String> = taken.said.iter().chain(&taken.stays).cloned().collect();
            let _ = write!(out, "taken back\n{}", indented(&said.join("\n")));
            taken.failures.iter().for_each(|failure| say(out, failure));
            let _ = write!(out, "summary\n{}", indented(&summary));
            out.push_str(&Snapshot::requests(world));
            let _ = write!(out, "sites\n{}", indented(&Snapshot::of(world).since(&before)));
        }
        if directions.heal {
            world.sites().for_each(|site| world.heal(&site));
            tokio::time::sleep(Duration::from_secs(600)).await;
            let _ = write!(out, "sites, healed\n{}", indented(&Snapshot::of(world).since(&before)));
        }
    }

    fn told(&self, ended: &Ended, printed: &Printed, out: &mut String) {
        let inventory = &self.loaded.checked.inventory;
        for text in printed.0.lock().unwrap().iter() {
            let _ = write!(out, "printed\n{}", indented(text));
        }
        match &ended.result {
            Ok(value) => {
                let _ = write!(out, "value\n{}", indented(&display(value, inventory)));
            }
            Err(failure) => {
                let said = support::diagnostics(&self.loaded.sources, &failure.diagnostics(inventory));
                let _ = write!(out, "failure\n{}", indented(&said));
            }
        }
        let _ = writeln!(out, "status {}", ended.status as u8);
        let _ = write!(out, "summary\n{}", indented(&ended.summary));
    }
}

/// The journal of a process that dies when it would write one entry too many.
struct Dying {
    journal: Arc<MemoryJournal>,
    most: AtomicUsize,
    dead: Notify,
}

impl Dying {
    fn dies(&self) -> bool {
        let dies = self.journal.entries().expect("in memory").len() >= self.most.load(Ordering::Relaxed);
        if dies {
            self.dead.notify_one();
        }
        dies
    }
}

impl Journal for Dying {
    fn record(&self, entry: Entry) -> BoxFuture<'_, Result<(), String>> {
        match self.dies() {
            true => Box::pin(std::future::pending()),
            false => self.journal.record(entry),
        }
    }

    fn note(&self, entry: Entry) {
        if !self.dies() {
            self.journal.note(entry);
        }
    }

    fn entries(&self) -> Result<Vec<Entry>, String> {
        self.journal.entries()
    }
}

/// One approval for every runner of a run.
struct Same(Arc<dyn Approval>);

impl Approval for Same {
    fn effect<'a>(&'a self, step: &'a Step, effect: &'a PlannedEffect) -> BoxFuture<'a, Result<(), Trouble>> {
        self.0.effect(step, effect)
    }
}

fn indented(text: &str) -> String {
    let lines = text.trim_end_matches('\n').lines().map(|l| format!("  {l}").trim_end().to_string() + "\n");
    lines.collect()
}
