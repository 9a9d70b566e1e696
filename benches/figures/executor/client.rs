//! Edge: checker, evaluator, pursuit, executor, driver and transport, one statement at every site. What is measured begins
//! when library, inventory and program are there; sessions, clients and connections are part of it.

use super::{cpu, tell};
use crate::process::Folder;
use edge::cli::run::{Parts, Stage, runtime};
use edge::config::{self, Clouds, Connection};
use edge::drivers::turns::{AllTurns, IN_FLIGHT};
use edge::drivers::{self, Failure, Session, Surroundings};
use edge::run::approval::Everything;
use edge::run::event::{Event, EventKind, Reader};
use edge::run::guards::Guards;
use edge::run::journal::{Pace, Record, Store};
use edge::run::{Sessions, Who};
use edge::transport::network::{Networks, Settings};
use edge_lang::check::{NoImports, check};
use edge_lang::inventory::{Inventory, Site};
use edge_lang::library::{self, Library};
use edge_lang::model::SiteId;
use edge_lang::span::{FileId, Sources};
use edge_lang::syntax;
use futures_util::future::{BoxFuture, ready};
use indexmap::IndexMap;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Keystone's tokens and one resource, closed by quiet and known by its marker.
const LAB: &str = r#"
service lab for openstack "lab" {
  base "/v1"
  resource net at "/nets" {
    one "net"; many "nets"
    named by name; found by { name: name }
    marked at note found by { note: marker }
    fields { id: String, name: String, note: String? }
    definition { } fixed { name }
    op create(name: String) -> net { POST "/nets" json { net: { name } }; undo delete }
  }
}
"#;

pub fn alone(arguments: &[String]) {
    let [port, sites, abreast, journal] = arguments else { panic!("a port, sites, how many at once, a journal") };
    let library = Arc::new(library());
    let count: usize = sites.parse().expect("a number");
    let (inventory, clouds) = inventory(count, port, &library);
    let text = format!("net.create(\"n\") @ all of sites with {{ parallel: {abreast} }}\n");
    let parsed = syntax::parse(FileId(1), &text);
    let checked = check(&parsed.program, &NoImports, &library, &inventory);
    let wrong: Vec<_> = parsed.diagnostics.iter().chain(&checked.diagnostics).filter(|d| d.is_error()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let opener = Opener {
        inventory: checked.inventory.clone(),
        clouds,
        turns: AllTurns::default(),
        networks: Networks::default(),
        open: Mutex::default(),
    };
    let (_stop, interrupt) = watch::channel(false);
    let stage = Stage::of(Parts {
        sites: &config::Sites::default(),
        inventory: checked.inventory.clone(),
        library,
        sessions: Arc::new(opener),
        guards: Arc::new(Guards::new(Default::default())),
        base: Default::default(),
        variables: Default::default(),
        interrupt,
    });
    let folder = Folder::new("executor");
    let stage = match journal.as_str() {
        "disk" => {
            let mut store = Store::open(&folder.0).expect("a journal");
            let run = store.begin("bench", &record(), &[]).expect("a run");
            stage.named("bench").journaled(Arc::new(store.journal(run, Pace::Gathered).expect("a journal")))
        }
        _ => stage.named("bench"),
    };
    let clock = Arc::new(Clock { began: Instant::now(), others: Mutex::default() });
    let before = cpu();
    let ended = runtime(false).block_on(async {
        stage.carry_out(&checked.program, IndexMap::new(), Box::new(Everything), vec![clock.clone()]).await
    });
    let others = *clock.others.lock().unwrap_or_else(PoisonError::into_inner);
    tell(clock.began, before, others);
    assert!(ended.result.is_ok() && ended.owed.is_empty(), "{:?} {:?}", ended.result, ended.owed);
}

/// When the last site but the first was done.
struct Clock {
    began: Instant,
    others: Mutex<Duration>,
}

impl Reader for Clock {
    fn read(&self, event: &Event) {
        if let EventKind::There { site, .. } = &event.kind
            && site.0 != 0
        {
            *self.others.lock().unwrap_or_else(PoisonError::into_inner) = self.began.elapsed();
        }
    }
}

fn library() -> Library {
    let mut sources = Sources::default();
    let file = sources.add("lab.edge", LAB);
    let parsed = syntax::parse(file, LAB);
    let texts = [library::Text { source: LAB, program: &parsed.program, comments: &parsed.comments }];
    let (library, diagnostics) = library::compile(&texts);
    assert!(parsed.diagnostics.is_empty() && diagnostics.is_empty(), "{:?} {diagnostics:?}", parsed.diagnostics);
    library
}

fn inventory(count: usize, port: &str, library: &Library) -> (Inventory, Clouds) {
    let mut inventory = Inventory::default();
    inventory.declared = true;
    inventory.described = library.described();
    let mut clouds = String::from("clouds:\n");
    for site in 0..count {
        let name = format!("site{site}");
        let _ = writeln!(
            clouds,
            "  {name}: {{auth: {{auth_url: \"http://127.0.0.1:{port}/{site}/identity/v3\", username: edge, password: secret, \
             project_name: edge, user_domain_name: Default, project_domain_name: Default}}, region_name: R, \
             identity_api_version: 3}}"
        );
        inventory.add(Site { name: name.into(), stack: "openstack".into(), ..Site::default() });
    }
    (inventory, config::clouds_from_text(&clouds))
}

fn record() -> Record {
    Record {
        title: "bench".into(),
        version: String::new(),
        sources: Vec::new(),
        imports: Vec::new(),
        library: Vec::new(),
        base: Default::default(),
        inventory: String::new(),
        sites: Vec::new(),
        inputs: Vec::new(),
        secrets: Vec::new(),
        plan: None,
        simulated: false,
        entered: None,
    }
}

/// As the program opens its sites: each its own session.
struct Opener {
    inventory: Arc<Inventory>,
    clouds: Clouds,
    turns: AllTurns,
    networks: Networks,
    open: Mutex<HashMap<SiteId, Arc<dyn Session>>>,
}

impl Opener {
    fn open(&self, site: SiteId) -> Result<Arc<dyn Session>, Failure> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = open.get(&site) {
            return Ok(session.clone());
        }
        let name = self.inventory.name(site);
        let cloud = self.clouds.get(name, None).cloned().expect("each site has its cloud");
        let network = self.networks.of(&Settings::default()).map_err(Failure::Configuration)?;
        let outside = Surroundings {
            transport: Arc::new(network),
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
        Box::pin(ready(self.open(site)))
    }
}
