//! A crowd of sites under virtual time: how many requests are on their way at once, at a site and at all of them, and that a
//! slow site, with more to do than there are turns, holds up nobody else.

use edge::cli::run::{Parts, Stage, runtime};
use edge::config::{self, Clouds, Connection};
use edge::drivers::turns::{AllTurns, IN_FLIGHT, OVERALL};
use edge::drivers::{self, Failure, Session, Surroundings};
use edge::run::approval::Everything;
use edge::run::event::{Event, EventKind, Reader};
use edge::run::guards::Guards;
use edge::run::{Sessions, Who};
use edge::transport::{Body, Transport, TransportError, full_body};
use edge_lang::check::{NoImports, check};
use edge_lang::inventory::{Inventory, Site};
use edge_lang::library::{self, Library};
use edge_lang::model::SiteId;
use edge_lang::span::{FileId, Sources};
use edge_lang::syntax;
use futures_util::future::BoxFuture;
use indexmap::IndexMap;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

const SITES: usize = 400;
/// Operations that the slow site is asked for: more than there are turns in all.
const AT_SLOW: usize = OVERALL + 20;
const ANSWER: Duration = Duration::from_millis(50);
const SLOW: Duration = Duration::from_secs(20);
/// Four answers for each of three things at 400 sites, 512 at once, and a little for what is uneven.
const SOON: Duration = Duration::from_secs(2);

#[test]
fn a_slow_site_holds_up_nobody() {
    let network = Network::default();
    let others_done = runtime(true).block_on(async {
        let (done, mut all_done) = watch::channel(None);
        let clock = Arc::new(Clock { began: Instant::now(), there: Mutex::default(), done });
        let library = Arc::new(library());
        let (inventory, clouds) = sites(&library);
        let text = program();
        let parsed = syntax::parse(FileId(1), &text);
        let checked = check(&parsed.program, &NoImports, &library, &inventory);
        let wrong: Vec<_> = parsed.diagnostics.iter().chain(&checked.diagnostics).filter(|d| d.is_error()).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        let (_stop, interrupt) = watch::channel(false);
        let stage = Stage::of(Parts {
            sites: &config::Sites::default(),
            inventory: checked.inventory.clone(),
            library,
            sessions: Arc::new(Opener {
                network: network.clone(),
                inventory: checked.inventory.clone(),
                clouds,
                turns: AllTurns::default(),
                open: Mutex::default(),
            }),
            guards: Arc::new(Guards::new(Default::default())),
            base: Default::default(),
            variables: Default::default(),
            interrupt,
        });
        let stage = stage.named("crowd");
        let ran = stage.carry_out(&checked.program, IndexMap::new(), Box::new(Everything), vec![clock]);
        tokio::select! {
            _ = ran => panic!("the slow site cannot have been done before the others"),
            done = all_done.wait_for(Option::is_some) => done.ok().and_then(|done| *done).expect("it is told"),
        }
    });
    let seen = network.seen();
    let slowest = seen.most[0];
    assert!(others_done < SOON, "{} sites waited {others_done:?} for the slow one", SITES - 1);
    assert_eq!(slowest, IN_FLIGHT, "requests at once at the slow site");
    assert!(seen.most.iter().all(|most| *most <= IN_FLIGHT), "{:?}", seen.most);
    assert_eq!(seen.most_of_all, OVERALL, "requests at once in all");
}

/// Three things at every site but the slow one, and very many at that, all at once.
fn program() -> String {
    let names: Vec<String> = (0..AT_SLOW).map(|i| format!("\"slow{i}\"")).collect();
    let mut text = String::from("parallel {\n");
    for thing in ["a", "b", "c"] {
        let _ = writeln!(text, "  net.create(\"{thing}\") @ all of (sites - S0)");
    }
    let names = names.join(", ");
    text + &format!("  parallel for n in [{names}] {{ net.create(n) @ S0 with {{ timeout: 1h }} }}\n}}\n")
}

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

fn library() -> Library {
    let mut sources = Sources::default();
    let file = sources.add("lab.edge", LAB);
    let parsed = syntax::parse(file, LAB);
    let texts = [library::Text { source: LAB, program: &parsed.program, comments: &parsed.comments }];
    let (library, diagnostics) = library::compile(&texts);
    assert!(parsed.diagnostics.is_empty() && diagnostics.is_empty(), "{:?} {diagnostics:?}", parsed.diagnostics);
    library
}

fn sites(library: &Library) -> (Inventory, Clouds) {
    let mut inventory = Inventory::default();
    inventory.declared = true;
    inventory.described = library.described();
    let mut clouds = String::from("clouds:\n");
    for site in 0..SITES {
        inventory.add(Site { name: format!("S{site}").into(), stack: "openstack".into(), ..Site::default() });
        let _ = writeln!(
            clouds,
            "  S{site}: {{auth: {{auth_url: \"http://s{site}.sim/identity/v3\", username: edge, password: secret, project_name: edge, \
             user_domain_name: Default, project_domain_name: Default}}, region_name: R, identity_api_version: 3}}"
        );
    }
    (inventory, config::clouds_from_text(&clouds))
}

struct Opener {
    network: Network,
    inventory: Arc<Inventory>,
    clouds: Clouds,
    turns: AllTurns,
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
        let turns = self.turns.of(site, IN_FLIGHT);
        let outside = Surroundings { transport: Arc::new(self.network.clone()), turns, seed: u64::from(site.0) };
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

/// When everything is there at every site but the slow one.
struct Clock {
    began: Instant,
    there: Mutex<HashSet<(String, SiteId)>>,
    done: watch::Sender<Option<Duration>>,
}

impl Reader for Clock {
    fn read(&self, event: &Event) {
        let (EventKind::There { site, .. }, Some(step)) = (&event.kind, &event.step) else { return };
        let mut there = self.there.lock().unwrap_or_else(PoisonError::into_inner);
        there.insert((format!("{step:?}"), *site));
        if there.len() == 3 * (SITES - 1) {
            self.done.send_replace(Some(self.began.elapsed()));
        }
    }
}

/// Sites that count what is on its way to them.
#[derive(Clone, Default)]
struct Network(Arc<Mutex<Seen>>);

struct Seen {
    now: Vec<usize>,
    most: Vec<usize>,
    most_of_all: usize,
}

impl Default for Seen {
    fn default() -> Seen {
        Seen { now: vec![0; SITES], most: vec![0; SITES], most_of_all: 0 }
    }
}

impl Network {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for Network {
    fn send(&self, request: http::Request<Body>) -> BoxFuture<'_, Result<http::Response<Body>, TransportError>> {
        Box::pin(async move {
            let host = request.uri().host().unwrap_or_default();
            let site = host.trim_start_matches('s').split('.').next().and_then(|number| number.parse::<usize>().ok());
            let site = site.expect("the host of a site");
            {
                let seen = &mut *self.seen();
                seen.now[site] += 1;
                seen.most[site] = seen.most[site].max(seen.now[site]);
                seen.most_of_all = seen.most_of_all.max(seen.now.iter().sum());
            }
            let path = request.uri().path();
            let slow = site == 0 && !path.ends_with("/auth/tokens");
            tokio::time::sleep(if slow { SLOW } else { ANSWER }).await;
            self.seen().now[site] -= 1;
            Ok(answer(request.method().as_str(), path, site))
        })
    }
}

fn answer(method: &str, path: &str, site: usize) -> http::Response<Body> {
    let net = json!({ "id": "net1", "name": "n", "note": "" });
    let (status, body): (u16, Value) = match method {
        "POST" if path.ends_with("/auth/tokens") => {
            let url = format!("http://s{site}.sim/lab");
            let endpoint = json!({ "interface": "public", "region": "R", "url": url });
            let person = json!({ "id": "u", "name": "edge" });
            let catalog = json!([{ "type": "lab", "name": "lab", "endpoints": [endpoint] }]);
            (201, json!({ "token": { "user": person, "project": person, "catalog": catalog } }))
        }
        "POST" => (201, json!({ "net": net })),
        _ if path.ends_with("/net1") => (200, json!({ "net": net })),
        _ => (200, json!({ "nets": [] })),
    };
    let answer = http::Response::builder().status(status).header("content-type", "application/json");
    answer.header("x-subject-token", "t").body(full_body(body.to_string())).expect("a plain answer")
}
