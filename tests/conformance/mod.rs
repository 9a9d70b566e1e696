//! What every driver must do, whatever its stack: one set of tests, run on each. See docs/stacks.md.
//!
//! A stack is a record (`Stack`): a server, the words by which programs make, list and remove a thing there, and which
//! requests those are. Whole programs run, in process and under virtual time, through a transport that does harm. A
//! stack that is added is added to `stacks::all`, and by nothing else.

mod checks;
mod cluster;
mod desk;
mod endless;
mod hostile;
mod stacks;

use crate::support;
use edge::cli::run::{Parts, Stage};
use edge::cli::{Status, Text, Workplace};
use edge::config::{Environment, Sites};
use edge::drivers::turns::AllTurns;
use edge::drivers::{Failure, Session, Surroundings};
use edge::run::approval::Everything;
use edge::run::guards::Guards;
use edge::run::{Sessions, Who};
use edge::transport::{Body, Transport};
use edge_lang::eval::{Given, Value, display};
use edge_lang::inventory::Inventory;
use edge_lang::model::SiteId;
use futures_util::future::BoxFuture;
use hostile::Hostile;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// A stack, as far as the tests must know it.
pub struct Stack {
    pub name: &'static str,
    /// What describes it beside the standard library; with the file's name.
    pub described: Option<(&'static str, &'static str)>,
    /// Lines of Rust that were written for it alone, its driver's but not its server's: none for one that is described.
    pub rust: usize,
    /// How a program declares a site of a name.
    pub site: fn(&str) -> String,
    /// Operations on a thing, with `NAME` for its name.
    pub create: &'static str,
    pub ensure: &'static str,
    pub delete: &'static str,
    pub list: &'static str,
    /// The request that makes it, and the one that lists: method, and a regular expression for path and query.
    pub making: (&'static str, &'static str),
    pub listing: (&'static str, &'static str),
    /// Whether what is lost on the way is closed for certain (`fenced by`), and not only by waiting.
    pub ticket: bool,
    /// How the stack refuses: a 4xx, its body, in which `WHY` says why, and the content type of that.
    pub refusal: (u16, &'static str, &'static str),
    /// The page of a list that leads to itself, at this URL; `None` for a stack without pages.
    pub looping: Option<fn(&str) -> http::Response<Body>>,
    /// More things than are on one page.
    pub many: usize,
    /// Two servers, `A` and `B`, each with so many things at the beginning, named `seed-1` and so on.
    pub serve: fn(usize) -> Served,
}

/// Whether a session is opened with the right secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Right,
    Wrong,
}

type Open = dyn Fn(&str, Key, Surroundings) -> Result<Box<dyn Session>, Failure> + Send + Sync;

pub struct Served {
    pub transport: Arc<dyn Transport>,
    pub open: Arc<Open>,
    /// What proves who we are, at A and at B, as it stands in headers.
    pub secrets: fn(&str) -> Vec<String>,
}

/// A stack's servers with a hostile network before them.
pub struct Ground<'a> {
    pub stack: &'a Stack,
    pub served: Served,
    pub network: Arc<Hostile>,
    pub keys: HashMap<String, Key>,
}

/// What became of a program.
#[derive(Debug)]
pub struct Became {
    pub status: Status,
    /// What it gave.
    pub value: String,
    /// The names of the rows, where it gave a table.
    pub names: Vec<String>,
    /// All that was said of what went wrong, and the summary.
    pub said: String,
}

struct Opened {
    open: Arc<Open>,
    network: Arc<Hostile>,
    keys: HashMap<String, Key>,
    inventory: Arc<Inventory>,
    sessions: Mutex<HashMap<SiteId, Arc<dyn Session>>>,
}

impl Sessions for Opened {
    fn session<'a>(&'a self, site: SiteId, _: Who<'a>) -> BoxFuture<'a, Result<Arc<dyn Session>, Failure>> {
        let mut sessions = self.sessions.lock().unwrap();
        let found = match sessions.get(&site) {
            Some(session) => Ok(session.clone()),
            None => {
                let name = self.inventory.name(site).to_string();
                let key = self.keys.get(&name).copied().unwrap_or(Key::Right);
                let outside = surroundings(self.network.clone());
                (self.open)(&name, key, outside).map(Arc::<dyn Session>::from).inspect(|session| {
                    sessions.insert(site, session.clone());
                })
            }
        };
        Box::pin(std::future::ready(found))
    }
}

pub fn surroundings(transport: Arc<dyn Transport>) -> Surroundings {
    Surroundings { transport, turns: AllTurns::default().of(SiteId(0), 4), seed: 7 }
}

impl<'a> Ground<'a> {
    pub fn new(stack: &'a Stack, seeds: usize) -> Ground<'a> {
        let served = (stack.serve)(seeds);
        let network = Arc::new(Hostile::before(served.transport.clone()));
        Ground { stack, served, network, keys: HashMap::new() }
    }

    /// A statement with `NAME` for the thing's name, after the declarations that it needs.
    pub fn program(&self, statement: &str) -> String {
        let sites: String = ["A", "B"].map(|name| format!("site {name} = {}\n", (self.stack.site)(name))).concat();
        let described = self.stack.described.map_or("", |(_, text)| text);
        format!("{described}\n{sites}{}\n", statement.replace("NAME", "\"one\""))
    }

    pub async fn run(&self, statement: &str) -> Became {
        let environment = Environment::default();
        let base = environment.working_directory.clone();
        let text = Text { name: self.stack.name.into(), base: base.clone(), text: self.program(statement) };
        let loaded = Workplace::new(environment, None, None).load(text).unwrap_or_else(|t| panic!("{}", t.message));
        assert!(!loaded.has_errors(), "{}", support::diagnostics(&loaded.sources, &loaded.checked.diagnostics));
        let (_stop, interrupt) = watch::channel(false);
        let inventory = loaded.checked.inventory.clone();
        let sessions = Opened {
            open: self.served.open.clone(),
            network: self.network.clone(),
            keys: self.keys.clone(),
            inventory: inventory.clone(),
            sessions: Mutex::default(),
        };
        let stage = Stage::of(Parts {
            sites: &Sites::default(),
            inventory: inventory.clone(),
            library: loaded.library.clone(),
            sessions: Arc::new(sessions),
            guards: Arc::new(Guards::default()),
            base,
            variables: Arc::default(),
            interrupt,
        });
        let stage = stage.patient(Duration::from_secs(900));
        let ended = stage.carry_out(&loaded.checked.program, Given::default(), Box::new(Everything), Vec::new()).await;
        let mut said = ended.summary;
        let value = match ended.result {
            Ok(value) => value,
            Err(failure) => {
                said += &format!("{} {}\n", failure.code.id, failure.message);
                for (site, why) in &failure.sites {
                    said += &format!("  {}: {why}\n", inventory.name(*site));
                }
                Value::Null
            }
        };
        Became { status: ended.status, value: display(&value, &inventory), names: names(&value), said }
    }

    /// What is at a site, asked of it without harm.
    pub async fn there(&self, site: &str) -> Vec<String> {
        self.network.heal();
        let became = self.run(&format!("{} @ {site} select name", self.stack.list)).await;
        assert_eq!(became.status, Status::Done, "{}", became.said);
        let mut names = became.names;
        names.sort();
        names
    }
}

fn names(value: &Value) -> Vec<String> {
    let Value::Table(table) = value else { return Vec::new() };
    let Some(at) = table.columns.iter().position(|c| &**c == "name") else { return Vec::new() };
    let text = |value: &Value| match value {
        Value::String(text) => text.to_string(),
        other => format!("{other:?}"),
    };
    table.rows.iter().filter_map(|row| row.values.get(at).map(text)).collect()
}

/// All checks on all stacks; what is wrong is told together.
#[test]
fn every_driver() {
    let mut wrong = String::new();
    for stack in stacks::all() {
        let named = std::env::var("CASE").ok();
        if named.is_some_and(|name| !stack.name.contains(&name)) {
            continue;
        }
        let failed = checks::all(&stack);
        let described = stack.described.map_or(0, |(_, text)| text.lines().filter(|l| !l.trim().is_empty()).count());
        println!(
            "{}: {} checks, {} failed; {described} lines of .edge, {} lines of Rust",
            stack.name,
            checks::COUNT,
            failed.len(),
            stack.rust
        );
        failed.iter().for_each(|(check, why)| wrong += &format!("{} {check}: {why}\n", stack.name));
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
