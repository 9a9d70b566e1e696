//! A storm of faults: from a seed come sites, faults, a placement and one operation; what is promised of every run is then
//! held against the sites and their log. `STORM=2000` tries more seeds, `STORM_SEED=7` one of them, and shows it.
//!
//! The hard idea is that the oracle knows nothing of pursuits: it knows truth tables, and looks at the sites after each
//! request that one of them carried out.

use super::super::support;
use super::world::{Snapshot, changes_something};
use crate::storm::formula::{Formula, Random};
use edge::cli::run::{Ended, Stage, covered};
use edge::cli::{Loaded, Text, Workplace};
use edge::config::Environment;
use edge::run::approval::{Approval, Everything};
use edge::run::event::{Event, EventKind, Reader};
use edge::sim::{Scenario, World};
use edge_lang::eval::{FailureKind, Key};
use edge_lang::inventory::Inventory;
use edge_lang::model::SiteSet;
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

const SITES: [&str; 4] = ["A", "B", "C", "D"];
/// What is made, wherever it is made.
const NAME: &str = "it";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Server,
    /// With an image that only the last site has.
    Bridged,
    Image,
    /// What some sites have already is left, and is as good as made.
    Ensured,
    Keypair,
    /// Closed by quiet, and known by its marker.
    Network,
    /// A keypair first, and all or nothing.
    Atomic,
}

#[test]
fn storm() {
    let number = |name: &str| std::env::var(name).ok().map(|v| v.parse::<u64>().expect("a number"));
    let one = number("STORM_SEED");
    let seeds = match one {
        Some(seed) => seed..seed + 1,
        None => 0..number("STORM").unwrap_or(200),
    };
    let mut wrong = Vec::new();
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in seeds {
        let storm = Storm::of(seed);
        match catch_unwind(AssertUnwindSafe(|| storm.rage())) {
            Ok((end, broken, account)) => {
                *ends.entry(end).or_default() += 1;
                if one.is_some() {
                    println!("{account}");
                }
                if !broken.is_empty() {
                    wrong.push(format!("== seed {seed}: {}\n{account}", broken.join("; ")));
                }
            }
            Err(_) => wrong.push(format!("== seed {seed} panicked\n{}", storm.told())),
        }
    }
    println!("{ends:?}");
    assert!(wrong.is_empty(), "{}\n{} seeds are wrong", wrong.join("\n"), wrong.len());
}

struct Storm {
    kind: Kind,
    sites: usize,
    formula: Formula,
    program: String,
    scenario: String,
    heal: Duration,
    planned: bool,
    /// Interrupted after this time.
    stop: Option<Duration>,
    /// How long tidying is waited for at the end.
    grace: Duration,
    /// `overlap: brief`: for a while there may be more than an outcome.
    brief: bool,
}

impl Storm {
    fn of(seed: u64) -> Storm {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        use Kind::*;
        let kind = random.one_of(&[Server, Server, Server, Bridged, Bridged, Image, Ensured, Keypair, Network, Atomic]);
        let sites = 2 + random.below(3) as usize;
        let formula = Formula::random(&mut random, sites);
        let mut with = Vec::new();
        if random.chance(40) {
            with.push(format!("timeout: {}", random.one_of(&["15s", "40s", "3min"])));
        }
        let brief = random.chance(10);
        if brief {
            with.push("overlap: brief".into());
        } else if random.chance(15) {
            with.push("unreachable: defer".into());
        }
        let with = if with.is_empty() { String::new() } else { format!(" with {{ {} }}", with.join(", ")) };
        let at = formula.text(&SITES);
        let last = SITES[sites - 1];
        let program = match kind {
            Server => format!("server.create(\"{NAME}\", flavor: \"tiny\", image: \"small\") @ ({at}){with}\n"),
            Bridged => format!(
                "at {{ image: {last} }} {{ server.create(\"{NAME}\", flavor: \"tiny\", image: \"small\") @ ({at}){with} }}\n"
            ),
            Image => format!("image.create(\"{NAME}\", file: file(\"data/small.img\")) @ ({at}){with}\n"),
            Keypair => {
                format!("keypair.create(\"{NAME}\", public_key: read(\"data/ops.pub\")) @ ({at}){with}\n")
            }
            Ensured => format!("image.ensure(\"{NAME}\", file: file(\"data/small.img\")) @ ({at}){with}\n"),
            Network => format!("network.create(\"{NAME}\") @ ({at}){with}\n"),
            Atomic => format!(
                "atomic {{\n  keypair.create(\"key\", public_key: read(\"data/ops.pub\")) @ {}\n  \
                 server.create(\"{NAME}\", flavor: \"tiny\", image: \"small\") @ ({at})\n}}\n",
                Formula::all((1 << sites) - 1).text(&SITES)
            ),
        };
        let scenario = scenario(&mut random, seed, kind, sites);
        let heal = Duration::from_secs(random.one_of(&[20, 60, 100, 250, 700]));
        let stop = random.chance(15).then(|| Duration::from_millis(random.one_of(&[10, 700, 1_300, 5_000, 40_000])));
        let grace = Duration::from_secs(random.one_of(&[3600, 3600, 5]));
        // Atomic says how by itself, and `!` is about this run, not about what was there before.
        let brief = brief && kind != Atomic;
        Storm { kind, sites, formula, program, scenario, heal, planned: random.chance(25), stop, grace, brief }
    }

    fn told(&self) -> String {
        let stop = self.stop.map_or(String::new(), |s| format!(", stopped after {s:?}"));
        format!("{}{}healed after {:?}{stop}, grace {:?}\n", self.program, self.scenario, self.heal, self.grace)
    }

    /// How it ended, which promises were broken, and an account of it.
    fn rage(&self) -> (&'static str, Vec<String>, String) {
        let folder = support::root().join("tests/run");
        let scenario = Scenario::from_yaml(&self.scenario).expect("a scenario");
        let environment = Environment { working_directory: folder.clone(), ..Environment::default() };
        let names: String =
            SITES[..self.sites].iter().map(|s| format!("site {s} = openstack(cloud: \"{s}\")\n")).collect();
        let text = Text { name: "storm".into(), base: folder, text: names + &self.program };
        let loaded = Workplace::new(environment, None, Some(String::new())).load(text).expect("a program");
        if loaded.has_errors() {
            // Refused before any request, as parity in disguise and placements of nothing are.
            return ("not accepted", Vec::new(), self.told());
        }
        let world = World::new(scenario);
        edge::cli::run::in_runtime(true, self.run(&loaded, &world))
    }

    async fn run(&self, loaded: &Loaded, world: &World) -> (&'static str, Vec<String>, String) {
        let inventory = loaded.checked.inventory.clone();
        let before = Snapshot::of(world);
        let mut eye = Eye {
            world: world.clone(),
            kind: self.kind,
            sites: self.sites,
            formula: self.formula.clone(),
            brief: self.brief,
            inventory: inventory.clone(),
            before: 0,
            seen: Mutex::default(),
        };
        eye.before = eye.present();
        let eye = Arc::new(eye);
        let watching = eye.clone();
        world.observe(move |_| watching.look());
        let (healing, heal) = (world.clone(), self.heal);
        tokio::spawn(async move {
            tokio::time::sleep(heal).await;
            SITES.iter().for_each(|site| healing.heal(site));
        });
        let (stop, interrupt) = watch::channel(false);
        let stage = Stage::new(loaded, Some(world), interrupt).named("storm").patient(self.grace);
        let program = &loaded.checked.program;
        let mut approval: Box<dyn Approval> = Box::new(Everything);
        if self.planned {
            let (plan, result) = stage.plan(program, IndexMap::new()).await;
            if let Err(failure) = result {
                return ("not planned", Vec::new(), format!("{}{failure:?}", self.told()));
            }
            approval = covered(plan, None, inventory.clone());
        }
        if let Some(time) = self.stop {
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                let _ = stop.send(true);
                stop.closed().await;
            });
        }
        let ran = stage.carry_out(program, IndexMap::new(), approval, vec![eye.clone()]);
        let Ok(ended) = tokio::time::timeout(Duration::from_secs(24 * 3600), ran).await else {
            return ("endless", vec!["it does not end within a day".into()], self.told());
        };
        SITES.iter().for_each(|site| world.heal(site));
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let after = Snapshot::of(world);
        let end = self.judge(&eye, &ended, &before, &after);
        self.containment(&eye);
        let broken = eye.seen.lock().unwrap().all();
        let mut account = self.told();
        let _ = write!(account, "{end}: {:?}\n{}", ended.result, ended.summary);
        let _ = write!(account, "owed {:?}\n{}", ended.owed, Snapshot::requests(world));
        let _ = write!(account, "sites\n{}", after.since(&before));
        (end, broken, account)
    }

    /// What was copied for a site that is in no verdict, and tickets.
    fn litter(&self, ended: &Ended, left: &str, outcome: u32, owed: u32) -> Vec<String> {
        let mut broken = Vec::new();
        for line in left.lines() {
            let bit = SITES.iter().position(|s| line.starts_with(s)).map_or(0, |i| 1 << i);
            if line.contains(" image small") && bit & outcome == 0 && bit & owed == 0 {
                broken.push(format!("a copy for nothing: {line}"));
            }
            // Where all is well again soon, no ticket stays either.
            // `all but` leaves a silent site alone, with the ticket that a late request needs.
            let calm = self.formula.spared() == 0
                && self.heal <= Duration::from_secs(20)
                && self.grace > Duration::from_secs(60);
            if line.contains("server_group") && calm && ended.owed.is_empty() && self.stop.is_none() {
                broken.push(format!("a ticket stays: {line}"));
            }
        }
        broken
    }

    fn judge(&self, eye: &Eye, ended: &Ended, before: &Snapshot, after: &Snapshot) -> &'static str {
        let present = eye.present();
        let owed = ended.owed.iter().fold(0, |all, o| all | eye.mask(&o.sites));
        let told = eye.seen.lock().unwrap().told;
        let left = after.since(before);
        let mut broken = self.litter(ended, &left, told.unwrap_or(0), owed);
        let end = match &ended.result {
            Ok(_) => {
                match told {
                    None => broken.push("done, and no verdict was told".into()),
                    Some(outcome) => {
                        if outcome & !present != 0 {
                            broken.push(format!(
                                "done at {}, and only at {}",
                                self.named(outcome),
                                self.named(present)
                            ));
                        }
                        if present & !outcome & !owed & !eye.before != 0 && self.formula.spared() == 0 {
                            broken.push(format!("left at {}, and not owed", self.named(present & !outcome)));
                        }
                        if !self.formula.holds(present & !owed & !eye.before | outcome) {
                            broken.push(format!("the placement is not true of {}", self.named(present)));
                        }
                    }
                }
                "done"
            }
            Err(failure) if failure.kind == FailureKind::Failed => {
                if told.is_some() {
                    broken.push("failed after a verdict".into());
                }
                let left: Vec<&str> = left.lines().filter(|l| !l.contains("server_group")).collect();
                if !left.is_empty() {
                    broken.push(format!("failed, and left: {}", left.join(", ")));
                }
                if !ended.owed.is_empty() {
                    broken.push(format!("failed, and owed at {}", self.named(owed)));
                }
                "failed"
            }
            Err(failure) => {
                let loose = present & !owed & !eye.before;
                // A keypair that was completed stands, when the run was stopped.
                if loose != 0 && told.is_none() {
                    broken.push(format!("unsettled, and at {} without being owed", self.named(loose)));
                }
                let spoken = eye.mask(&failure.site_set());
                if owed & !spoken != 0 {
                    broken.push(format!("owed at {}, and the failure does not say so", self.named(owed & !spoken)));
                }
                "unsettled"
            }
        };
        eye.seen.lock().unwrap().broken.extend(broken);
        end
    }

    /// No site outside the scope is asked, and none sees another's token.
    fn containment(&self, eye: &Eye) {
        let mut tokens: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        let mut broken = Vec::new();
        for (i, site) in SITES[..self.sites].iter().enumerate() {
            let asked = eye.world.requests(site);
            for token in asked.iter().filter_map(|r| r.token.clone()) {
                tokens.entry(token).or_default().insert(site);
            }
            let source = self.kind == Kind::Bridged && i == self.sites - 1;
            // `ensure` looks everywhere.
            let changed = asked.iter().any(|r| changes_something(&r.method, &r.path));
            let spared = self.kind == Kind::Atomic || self.kind == Kind::Ensured && !changed;
            if !spared && !asked.is_empty() && self.formula.positive() & 1 << i == 0 && !source {
                broken.push(format!("{site} is asked, and no outcome needs it"));
            }
            if source && self.formula.positive() & 1 << i == 0 {
                let changed = asked.iter().find(|r| changes_something(&r.method, &r.path));
                broken.extend(changed.map(|r| format!("the source is changed: {} {}", r.method, r.path)));
            }
        }
        broken.extend(tokens.values().filter(|s| s.len() > 1).map(|s| format!("{s:?} see one token")));
        eye.seen.lock().unwrap().broken.extend(broken);
    }

    fn named(&self, mask: u32) -> String {
        let names: Vec<&str> = (0..self.sites).filter(|i| mask & 1 << i != 0).map(|i| SITES[i]).collect();
        format!("{{{}}}", names.join(", "))
    }
}

/// Watches the sites.
struct Eye {
    world: World,
    kind: Kind,
    sites: usize,
    formula: Formula,
    brief: bool,
    inventory: Arc<Inventory>,
    /// Where it was before the run.
    before: u32,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The verdict.
    told: Option<u32>,
    /// What is watched.
    step: Option<Key>,
    broken: BTreeSet<String>,
}

impl Seen {
    fn all(&mut self) -> Vec<String> {
        std::mem::take(&mut self.broken).into_iter().collect()
    }
}

impl Eye {
    fn count(&self, site: &str) -> usize {
        match self.kind {
            Kind::Server | Kind::Bridged | Kind::Atomic => {
                self.world.servers(site).iter().filter(|s| s.name == NAME).count()
            }
            Kind::Image | Kind::Ensured => {
                self.world.images(site).iter().filter(|i| i.name.as_deref() == Some(NAME)).count()
            }
            Kind::Keypair => self.world.keypairs(site).iter().filter(|k| k.name == NAME).count(),
            Kind::Network => {
                self.world.network_resources(site, "networks").iter().filter(|n| n["name"] == NAME).count()
            }
        }
    }

    fn present(&self) -> u32 {
        (0..self.sites).filter(|i| self.count(SITES[*i]) > 0).fold(0, |all, i| all | 1 << i)
    }

    fn mask(&self, sites: &SiteSet) -> u32 {
        let bit = |site| SITES.iter().position(|s| *s == self.inventory.name(site)).map_or(0, |i| 1 << i);
        sites.iter().fold(0, |all, site| all | bit(site))
    }

    /// After each request that a site carried out.
    fn look(&self) {
        let seen = &mut *self.seen.lock().unwrap();
        for site in &SITES[..self.sites] {
            if self.count(site) > 1 {
                seen.broken.insert(format!("two at {site}"));
            }
        }
        let present = self.present();
        if self.before & !present != 0 {
            seen.broken.insert(format!("what was there before is gone at {:b}", self.before & !present));
        }
        // What was there before counts where it is wanted, and is no effect elsewhere.
        let present = match seen.told {
            Some(outcome) => present & !self.before | outcome & present,
            None => present & !self.before,
        };
        let within = (0..1u32 << self.sites).any(|w| self.formula.holds(w) && present & !w == 0);
        if !within && !self.brief {
            seen.broken.insert(format!("more than any outcome: {present:b}"));
        }
        if seen.told.is_some() && !self.formula.holds(present) && !self.brief {
            seen.broken.insert(format!("told, and not true any more: {present:b}"));
        }
    }
}

impl Reader for Eye {
    fn read(&self, event: &Event) {
        if let EventKind::Began { title, .. } = &event.kind
            && title.contains(&format!("{NAME:?}"))
        {
            self.seen.lock().unwrap().step = event.step.clone();
        }
        let EventKind::Done { outcome } = &event.kind else { return };
        // The keypair's verdict is not the one that is watched.
        if self.seen.lock().unwrap().step != event.step {
            return;
        }
        let outcome = self.mask(outcome);
        let present = self.present() & (!self.before | outcome);
        let seen = &mut *self.seen.lock().unwrap();
        if outcome & !present != 0 || !self.formula.holds(outcome) {
            seen.broken.insert(format!("told {outcome:b} while at {present:b}"));
        }
        if !self.formula.holds(present) && !self.brief {
            seen.broken.insert(format!("told {outcome:b}, and the placement is not true of {present:b}"));
        }
        seen.told = Some(outcome);
    }
}

fn scenario(random: &mut Random, seed: u64, kind: Kind, sites: usize) -> String {
    let mut out = format!("seed: {seed}\nsites:\n");
    for (i, site) in SITES[..sites].iter().enumerate() {
        let mut spec = Vec::new();
        let has = kind != Kind::Bridged || i == sites - 1;
        let mut images = Vec::new();
        if has {
            images.push("{name: small, size: 700}".to_string());
        }
        if kind == Kind::Ensured && random.chance(40) {
            images.push(format!("{{name: {NAME}, size: 600}}"));
        }
        spec.push(format!("images: [{}]", images.join(", ")));
        if random.chance(30) {
            spec.push(format!("timings: {{build: {}}}", random.one_of(&["0", "200ms", "10s", "50s"])));
        }
        if random.chance(10) {
            spec.push("quotas: {instances: 0, images: 1, key_pairs: 0}".into());
        } else if random.chance(8) {
            spec.push("hosts: []".into());
        }
        if random.chance(10) {
            spec.push(format!("latency: {}", random.one_of(&["100ms", "2s"])));
        }
        if random.chance(5) {
            spec.push("token_lifetime: 5s".into());
        }
        let _ = writeln!(out, "  {site}: {{{}}}", spec.join(", "));
    }
    out += "faults:\n";
    for _ in 0..2 + random.below(6) {
        let site = SITES[random.below(sites as u64) as usize];
        let _ = writeln!(out, "  - {{site: {site}, {}}}", fault(random, kind));
    }
    out
}

fn fault(random: &mut Random, kind: Kind) -> String {
    let make = match kind {
        Kind::Server | Kind::Bridged | Kind::Atomic => "method: POST, path: /servers$, ",
        Kind::Network => "method: POST, path: /networks$, ",
        Kind::Image | Kind::Ensured => "method: POST, path: /images$, ",
        Kind::Keypair => "method: POST, path: keypairs$, ",
    };
    let data = match kind {
        Kind::Image | Kind::Ensured | Kind::Bridged => "method: PUT, path: /file$, ",
        _ => make,
    };
    let services = match kind {
        Kind::Image | Kind::Ensured => "service: image, ",
        Kind::Network => "service: network, ",
        _ => "service: compute, ",
    };
    let quiet = matches!(kind, Kind::Keypair | Kind::Network | Kind::Atomic);
    let places = [
        make,
        make,
        make,
        data,
        "method: DELETE, ",
        "method: DELETE, ",
        "method: GET, ",
        services,
        "method: POST, ",
        "",
    ];
    let mut at = random.one_of(&places);
    let action = match random.below(9) {
        0 => "refuse".to_string(),
        1 | 2 => "drop-answer".into(),
        3 => "lose-request".into(),
        4 => format!("{{delay: {}}}", random.one_of(&["500ms", "5s", "20s", "45s"])),
        5 => format!("{{status: {}}}", random.one_of(&["403", "500", "503", "429", "404", "409", "401"])),
        6 | 7 => "freeze".into(),
        _ => "hang".into(),
    };
    // A proxy that says that things are not there, or are in the way, can be believed by nobody: only of what is made.
    if action.contains("404") || action.contains("409") {
        at = make;
    }
    // Without a ticket a site is closed by quiet, and that rests on the site answering in order: only all of it freezes.
    if quiet && action == "freeze" {
        at = "";
    }
    let mut when = String::new();
    match random.below(5) {
        0 => when += "times: 1, ",
        1 => when += "nth: 2, ",
        2 => when += &format!("until: {}, ", random.one_of(&["5s", "30s", "70s", "150s"])),
        3 => when += &format!("after: {}, ", random.one_of(&["1s", "2s", "20s", "40s"])),
        _ => {}
    }
    if quiet && action == "freeze" && !when.starts_with("until") && !when.starts_with("after") {
        when.clear();
    }
    format!("{at}{when}do: {action}")
}
