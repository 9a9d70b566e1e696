//! Runs a case: the real evaluator, executor and driver against the sites of the storm, under virtual time.

use super::disk::{Book, Disk};
use super::ether::Ether;
use super::formula::Random;
use super::program::Case;
use super::promise::{self, Promises};
use super::site::{Maker, SITES};
use edge::cli::run::{Parts, Stage, runtime};
use edge::config::{self, Clouds, Connection};
use edge::drivers::turns::{AllTurns, IN_FLIGHT};
use edge::drivers::{self, Failure, Session, Surroundings};
use edge::run::approval::Everything;
use edge::run::event::{Event, EventKind, Reader};
use edge::run::guards::Guards;
use edge::run::journal::Past;
use edge::run::{Sessions, Who};
use edge_lang::check::{Imports, check};
use edge_lang::eval::{FailureKind, Key};
use edge_lang::inventory::{Inventory, Site as Known};
use edge_lang::library::{self, Library};
use edge_lang::model::{SiteId, SiteSet};
use edge_lang::program::Program;
use edge_lang::span::{FileId, Sources};
use edge_lang::syntax;
use futures_util::future::BoxFuture;
use indexmap::IndexMap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// What all cases share.
struct House {
    library: Arc<Library>,
    inventory: Inventory,
    clouds: Clouds,
}

fn house() -> &'static House {
    static HOUSE: OnceLock<House> = OnceLock::new();
    HOUSE.get_or_init(|| {
        let text = include_str!("lab.edge");
        let mut sources = Sources::default();
        let file = sources.add("lab.edge", text);
        let parsed = syntax::parse(file, text);
        let texts = [library::Text { source: text, program: &parsed.program, comments: &parsed.comments }];
        let (library, diagnostics) = library::compile(&texts);
        assert!(parsed.diagnostics.is_empty() && diagnostics.is_empty(), "{:?} {diagnostics:?}", parsed.diagnostics);
        let mut inventory = Inventory::default();
        inventory.declared = true;
        inventory.described = library.described();
        let mut clouds = String::from("clouds:\n");
        for name in SITES {
            inventory.add(Known { name: name.into(), stack: "openstack".into(), ..Known::default() });
            let host = name.to_lowercase();
            clouds += &format!(
                "  {name}:\n    auth: {{auth_url: \"http://{host}.sim/identity/v3\", username: edge, password: secret-of-{name}-password, project_name: edge, \
                 user_domain_name: Default, project_domain_name: Default}}\n    region_name: {name}\n    identity_api_version: 3\n"
            );
        }
        House { library: Arc::new(library), inventory, clouds: config::clouds_from_text(&clouds) }
    })
}

struct NoImports;

impl Imports for NoImports {
    fn open(&self, _: FileId, _: &str) -> Result<(FileId, &syntax::ast::Block), String> {
        Err("there are none".into())
    }
}

/// The program of a case; an error where it is refused before anything is sent, as placements of nothing are.
fn checked(text: &str) -> Result<(Program, Arc<Inventory>), String> {
    let house = house();
    let file = FileId(1);
    let parsed = syntax::parse(file, text);
    let checked = check(&parsed.program, &NoImports, &house.library, &house.inventory);
    match parsed.diagnostics.iter().chain(&checked.diagnostics).find(|d| d.is_error()) {
        Some(wrong) => Err(format!("{} {}", wrong.code.id, wrong.message)),
        None => Ok((checked.program, checked.inventory)),
    }
}

/// Sessions of one runner.
struct Opener {
    door: super::ether::Door,
    turns: AllTurns,
    open: Mutex<HashMap<SiteId, Arc<dyn Session>>>,
}

impl Opener {
    fn open(&self, site: SiteId) -> Result<Arc<dyn Session>, Failure> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = open.get(&site) {
            return Ok(session.clone());
        }
        let name = SITES[site.index()];
        let cloud = house().clouds.get(name, None).cloned().expect("each site has its cloud");
        let outside = Surroundings {
            transport: Arc::new(self.door.clone()),
            turns: self.turns.of(site, IN_FLIGHT),
            seed: u64::from(site.0),
        };
        let session: Arc<dyn Session> = Arc::from(drivers::open(&Connection::openstack(name, cloud), outside)?);
        open.insert(site, session.clone());
        Ok(session)
    }
}

impl Sessions for Opener {
    fn session<'a>(&'a self, site: SiteId, _: Who<'a>) -> BoxFuture<'a, Result<Arc<dyn Session>, Failure>> {
        Box::pin(std::future::ready(self.open(site)))
    }
}

/// Hears what a run tells.
struct Ear {
    ether: Ether,
    /// The program, in which a step says where it stands.
    text: String,
    /// Which operation a step is, by its title.
    steps: Mutex<HashMap<Key, Heard>>,
    /// Of the runner that is heard.
    book: Mutex<Option<Arc<Book>>>,
}

impl Ear {
    fn listens_to(&self, book: &Arc<Book>) {
        *self.book.lock().unwrap_or_else(PoisonError::into_inner) = Some(book.clone());
    }
}

#[derive(Clone, Copy)]
enum Heard {
    Make(usize),
    Delete(usize),
    Else,
}

impl Reader for Ear {
    fn read(&self, event: &Event) {
        // The dead tell nothing; but what is printed has come so far, and is not printed again.
        let printed = matches!(event.kind, EventKind::Printed { .. });
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if !printed && book.is_none_or(|book| book.is_dead()) {
            return;
        }
        let mut state = self.ether.state();
        state.catch_up();
        if state.trace.is_some() {
            state.note(|| format!("  * {}", said(&event.kind)));
        }
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        if let EventKind::Printed { text } = &event.kind {
            if let Some(number) = text.strip_prefix("kept ").and_then(|n| n.parse().ok()) {
                state.promises.kept.insert(number);
            }
            return;
        }
        let Some(key) = &event.step else { return };
        if let EventKind::Began { title, span, .. } = &event.kind {
            let (operation, name) = title.split_once(' ').unwrap_or((title, ""));
            let (kind, operation) = operation.split_once('.').unwrap_or((operation, ""));
            let name = name.trim_matches('"');
            let watches = &mut state.promises.watches;
            let heard = match operation {
                "create" | "ensure" => {
                    let at = watches.iter().position(|w| w.name == name && w.kind.word() == kind);
                    let at = at.expect("the program makes nothing else");
                    watches[at].begun = true;
                    Heard::Make(at)
                }
                "delete" => {
                    let variable = self.text.get(span.start as usize..span.end as usize).and_then(variable);
                    let at = watches.iter().position(|w| Some(w.number) == variable).expect("it names a variable");
                    watches[at].deleting = true;
                    watches[at].may_go = true;
                    Heard::Delete(at)
                }
                _ => Heard::Else,
            };
            steps.insert(key.clone(), heard);
            return;
        }
        match (&event.kind, steps.get(key)) {
            (EventKind::Done { outcome }, Some(Heard::Make(at))) => {
                state.promises.told(*at, mask(outcome), &state.sites)
            }
            (EventKind::Done { .. }, Some(Heard::Delete(at))) => state.promises.watches[*at].deleted = true,
            (EventKind::Failed { message }, Some(Heard::Make(at)))
                if message.ends_with("failed, and nothing of it is left") =>
            {
                state.promises.failed(*at, &state.sites);
            }
            _ => {}
        }
    }
}

/// The number of `vm.delete(x3)`.
fn variable(text: &str) -> Option<u32> {
    text.split_once("(x")?.1.split_once(')')?.0.parse().ok()
}

fn said(kind: &EventKind) -> String {
    let text = format!("{kind:?}");
    text.chars().take(160).collect()
}

fn mask(sites: &SiteSet) -> u32 {
    sites.iter().fold(0, |all, site| all | 1 << site.index())
}

pub struct Ran {
    pub end: &'static str,
    pub broken: Vec<String>,
    pub requests: u64,
    /// Written to the journal.
    pub entries: u64,
    pub trace: String,
}

/// By the title of an operation; copies have none of their own.
fn known(past: &Past) -> HashMap<String, promise::Known> {
    let mut known: HashMap<String, promise::Known> = HashMap::new();
    for pursued in past.pursuits.values().filter(|p| p.begin.source.is_none()) {
        let outcome = pursued.pursuit.outcome();
        let of = known.entry(pursued.begin.title.clone()).or_default();
        of.verdict |= outcome.is_some();
        of.sites |= mask(&outcome.unwrap_or_default()) | mask(&pursued.owed());
    }
    known
}

/// So often is a run resumed when all is well.
const LIVES: usize = 4;

/// Whether a readable account of it is kept.
#[derive(Clone, Copy, PartialEq)]
pub enum Account {
    None,
    Whole,
}

pub fn ride(case: &Case, account: Account) -> Ran {
    let text = case.text();
    let (program, inventory) = match checked(&text) {
        Ok(checked) => checked,
        Err(why) => return Ran { end: "not accepted", broken: Vec::new(), requests: 0, entries: 0, trace: why },
    };
    runtime(true).block_on(weather(case, text, &program, &inventory, account))
}

async fn weather(case: &Case, text: String, program: &Program, inventory: &Arc<Inventory>, account: Account) -> Ran {
    let promises = Promises {
        watches: case.watches(),
        foreign: case
            .before
            .iter()
            .filter(|p| p.maker == Maker::Before)
            .map(|p| (p.site, p.kind, p.name.clone()))
            .collect(),
        ..Promises::default()
    };
    let ether = Ether::new(case.sites(), case.weather.clone(), case.heal, case.latency, promises);
    if account == Account::Whole {
        ether.state().trace = Some(String::new());
    }
    for present in case.before.iter().filter(|p| !p.at.is_zero()) {
        let (ether, present) = (ether.clone(), present.clone());
        tokio::spawn(async move {
            tokio::time::sleep(present.at).await;
            let mut state = ether.state();
            state.note(|| {
                format!("somebody makes {} {:?} at {}", present.kind.word(), present.name, SITES[present.site])
            });
            state.sites[present.site].put(present.kind, &present.name, present.text, present.maker);
            state.promises.foreign.push((present.site, present.kind, present.name));
        });
    }
    let ear = Arc::new(Ear { ether: ether.clone(), text, steps: Mutex::default(), book: Mutex::default() });
    let disk = Disk::default();
    let mut random = Random(case.heal.as_millis() as u64 ^ case.latency);
    let mut entries = 0;
    let mut last = None;
    for life in 0..case.troubles.len() + LIVES {
        let trouble = case.troubles.get(life).copied();
        let book = Arc::new(Book::new(disk.clone(), ether.clone(), trouble, case.slow_disk));
        ear.listens_to(&book);
        let (stop, interrupt) = watch::channel(false);
        // When all is well there is time to pay.
        let healed = ether.state().now() >= case.heal;
        let grace = if healed { Duration::from_secs(3600) } else { case.grace };
        let past = match Past::of(&disk.entries()) {
            Ok(past) => past,
            Err(why) => {
                ether.state().promises.broken.insert(format!("the journal contradicts itself: {why}"));
                break;
            }
        };
        let stage = Stage::of(Parts {
            sites: &config::Sites::default(),
            inventory: inventory.clone(),
            library: house().library.clone(),
            sessions: Arc::new(Opener { door: ether.door(), turns: AllTurns::default(), open: Mutex::default() }),
            guards: Arc::new(Guards::new(Default::default())),
            base: Default::default(),
            variables: Default::default(),
            interrupt,
        });
        let stage = stage.named("storm").patient(grace).journaled(book.clone()).resuming(past);
        if let (0, Some(time)) = (life, case.stop) {
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                let _ = stop.send(true);
                stop.closed().await;
            });
        }
        let ran = stage.carry_out(program, IndexMap::new(), Box::new(Everything), vec![ear.clone()]);
        let ran = tokio::time::timeout(Duration::from_secs(24 * 3600), ran);
        let ended = tokio::select! {
            biased;
            () = book.death() => None,
            ended = ran => Some(ended),
        };
        entries += book.written();
        ether.state().kill();
        match ended.filter(|_| !book.is_dead()) {
            None => disk.crash(&mut random),
            Some(Err(_)) => {
                ether.state().promises.broken.insert("it does not end within a day".into());
                break;
            }
            Some(Ok(ended)) => {
                let settled = ended.owed.is_empty()
                    && ended
                        .result
                        .as_ref()
                        .map_or_else(|f| matches!(f.kind, FailureKind::Failed | FailureKind::Partial), |_| true);
                let healed = ether.state().now() >= case.heal;
                ether.state().note(|| format!("  ends: {:?}, owed {:?}", ended.result, ended.owed));
                last = Some(ended);
                if settled {
                    break;
                }
                if !healed {
                    let heal = case.heal;
                    let now = ether.state().now();
                    tokio::time::sleep(heal.saturating_sub(now)).await;
                }
            }
        }
        if let Ok(past) = Past::of(&disk.entries()) {
            let mut state = ether.state();
            let state = &mut *state;
            state.catch_up();
            state.promises.kept(&known(&past), &state.sites);
        }
        tokio::time::sleep(case.rest).await;
    }
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let mut state = ether.state();
    state.kill();
    state.catch_up();
    let end = match last.as_ref().map(|ended| &ended.result) {
        None => "never ended",
        Some(Ok(_)) => "done",
        Some(Err(failure)) => match failure.kind {
            FailureKind::Failed | FailureKind::Partial => "failed",
            FailureKind::Owed => "unsettled",
            FailureKind::Interrupted => "stopped",
        },
    };
    let state = &mut *state;
    if let Some(ended) = &last
        && (!ended.owed.is_empty() || !matches!(end, "done" | "failed"))
    {
        let why = match &ended.result {
            Err(failure) => failure.message.clone(),
            Ok(_) => format!("{:?}", ended.owed),
        };
        state.promises.broken.insert(format!("all is well, and after {LIVES} times of resuming it is {end}: {why}"));
    }
    state.promises.look(&state.sites);
    state.promises.end(&state.sites);
    if account == Account::Whole {
        state.note(|| end.to_string());
        for site in &state.sites {
            for thing in &site.things {
                let line = format!(
                    "{} has {} {:?} {} {:?}",
                    SITES[site.place],
                    thing.kind.word(),
                    thing.name,
                    thing.id,
                    thing.maker
                );
                if let Some(trace) = &mut state.trace {
                    *trace += &format!("{line}\n");
                }
            }
        }
    }
    let broken = std::mem::take(&mut state.promises.broken).into_iter().collect();
    Ran { end, broken, requests: state.requests, entries, trace: state.trace.take().unwrap_or_default() }
}
