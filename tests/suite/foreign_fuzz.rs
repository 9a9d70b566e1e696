//! What others wrote, mutilated: programs and descriptions through the checker and the compiler of descriptions, files of
//! configuration, scenarios, kept runs. None of it may panic or hang; what cannot be read is said.
//! `PROPTEST_CASES=20000` tries harder.

use crate::support;
use edge::config::{self, Environment};
use edge::run::journal::{Id, Journal, Pace, Past, Record, Store};
use edge::sim::Scenario;
use edge_lang::check::{NoImports, Session, check};
use edge_lang::diagnostic::Diagnostic;
use edge_lang::inventory::{Inventory, Site};
use edge_lang::library::Library;
use edge_lang::span::{FileId, Sources};
use edge_lang::syntax;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::sync::{Arc, LazyLock};

const FILE: FileId = FileId(7);

static LIBRARY: LazyLock<Library> = LazyLock::new(|| edge::stdlib::library(&mut Sources::default(), &[]).0);

fn inventory() -> Inventory {
    let mut inventory = Inventory::default();
    inventory.declared = true;
    for (name, stack) in [("Zone1", "openstack"), ("Zone2", "openstack"), ("A", "openstack"), ("K1", "kubernetes")] {
        inventory.add(Site { name: name.into(), stack: stack.into(), ..Site::default() });
    }
    LIBRARY.complete(&mut inventory);
    inventory
}

/// Every program that there is: of the tests, the examples and the library.
fn programs() -> Vec<String> {
    let folders = ["tests", "examples", "stdlib"].map(|folder| support::root().join(folder));
    folders.iter().flat_map(|folder| support::files(folder, "edge")).map(|path| support::read(&path)).collect()
}

/// Cut, cut out, doubled, swapped, or with something put in.
#[derive(Clone, Debug)]
struct Change {
    how: u8,
    from: Index,
    length: usize,
    to: Index,
    piece: &'static str,
}

const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    ":",
    ",",
    "&&",
    "||",
    "xor",
    "@",
    "!!binary ",
    "&a ",
    "*a",
    "<<: ",
    "\n",
    "\t",
    "- ",
    "null",
    "999999999999999999999",
    "[1-999999]",
    "\u{0}",
];

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = (0u8..5, any::<Index>(), 0usize..80, any::<Index>(), select(&PIECES[..]))
        .prop_map(|(how, from, length, to, piece)| Change { how, from, length, to, piece });
    prop::collection::vec(change, 1..4)
}

fn changed(text: &str, changes: &[Change]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for Change { how, from, length, to, piece } in changes {
        let from = from.index(text.len() + 1);
        let end = (from + length).min(text.len());
        let taken: Vec<char> = text[from..end].to_vec();
        match how {
            0 => text.truncate(from),
            1 => _ = text.drain(from..end),
            2 => _ = text.splice(from..from, piece.chars()),
            3 => _ = text.splice(from..end, piece.chars()),
            _ => {
                let at = to.index(text.len() + 1);
                text.splice(at..at, taken);
            }
        }
    }
    text.into_iter().collect()
}

fn well_said(source: &str, diagnostics: &[Diagnostic]) {
    for d in diagnostics {
        assert!(!d.message.is_empty() && d.message.len() < 600, "{d:?}");
        let fits = |at: u32| source.is_char_boundary(at as usize);
        assert!(d.span.file != FILE || fits(d.span.start) && fits(d.span.end), "{d:?} in {source:?}");
    }
}

/// Checked as a file and as an entry; what is wrong leaves nothing behind.
fn checked(source: &str) {
    let program = syntax::parse(FILE, source).program;
    let inventory = inventory();
    well_said(source, &check(&program, &NoImports, &LIBRARY, &inventory).diagnostics);
    let mut session = Session::new(&inventory);
    let names = session.names();
    let (_, found) = session.check(&program, &NoImports, &LIBRARY);
    if found.iter().any(Diagnostic::is_error) {
        assert_eq!(session.names(), names);
    }
    let middle = (0..=source.len() / 2).rev().find(|i| source.is_char_boundary(*i)).unwrap_or(0);
    session.completions(&LIBRARY, source, middle);
    session.resource_at(&LIBRARY, &source[..middle]);
}

/// Read as each of the files that it might be.
fn read(text: &str) {
    config::clouds_from_text(text);
    _ = config::cluster::from_text(text, "c1");
    _ = config::yaml::documents(text);
    _ = config::yaml::from_json(text);
    _ = Scenario::from_yaml(text);
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str| std::fs::write(folder.path().join(name), text).expect("written");
    ["edge.yaml", "clouds.yaml", "config"].iter().for_each(|name| write(name));
    let environment = Environment {
        working_directory: folder.path().to_path_buf(),
        variables: [("KUBECONFIG".to_string(), folder.path().join("config").display().to_string())].into(),
        ..Environment::default()
    };
    let clouds = config::load_clouds(&environment);
    let sites = config::load_inventory(&environment, None, &clouds);
    for problem in &sites.problems {
        assert!(problem.to_string().len() < 2_000, "{problem}");
    }
    for (_, site) in sites.inventory.iter().take(50) {
        _ = config::connection(&sites, site, None, &clouds, &environment);
    }
}

const FILES: [&str; 6] = [
    "sites:\n  Zone1:\n    cloud: zone1\n    labels: {region: nantes, tier: edge}\n    accounts: {admin: {cloud: zone1-admin}}\n    \
     deny: [server.delete, \"image.*\"]\n    limits: {server.create: 5}\n    in_flight: 4\n  \"edge-[001-050]\":\n    cloud: \"edge-[001-050]\"\n  \
     K1: {context: edge-1}\n  Mix: {compose: {compute: Zone1, image: edge-001}}\ngroups:\n  west: [Zone1, \"edge-[001-010]\"]\n\
     defaults: {timeout: 2min, unreachable: defer, in_flight: 16}\nlibrary: [powerdns.edge]\n",
    "clouds:\n  zone1:\n    region_name: R\n    regions: [A, {name: B, values: {interface: internal}}]\n    auth: &a\n      auth_url: http://127.0.0.1:5000/v3\n      \
     username: u\n      password: \"p\"\n      project_name: x\n      user_domain_id: default\n    verify: no\n  zone2:\n    profile: p\n    auth: {<<: *a, password: q}\n",
    "apiVersion: v1\nkind: Config\ncurrent-context: c1\nclusters:\n- name: k\n  cluster: {server: \"https://127.0.0.1:6443\", certificate-authority-data: QUJD}\n\
     contexts:\n- name: c1\n  context: {cluster: k, user: u, namespace: n}\nusers:\n- name: u\n  user: {token: abc, exec: {command: x, args: [a], env: [{name: a, value: b}]}}\n",
    "seed: 7\ndefaults: {latency: 20ms, timings: {build: 30s}}\nsites:\n  Zone1: {labels: {region: nantes}, quotas: {instances: 2, image_bytes: 1000000}}\n  \
     Zone2: {services: [identity, compute, network], microversion: \"2.60\"}\n  Zone3: {images: [], hosts: [{name: host1, vcpus: 4}]}\n  \
     K1: {stack: kubernetes, cluster: {nodes: 3, start: 2s}}\nfaults:\n  - {site: Zone1, service: compute, method: POST, path: /servers$, do: drop-answer, times: 1}\n  \
     - {site: Zone2, after: 5s, until: 2min, do: freeze}\n  - {method: GET, probability: 0.01, do: {status: 503}}\n",
    "a: &a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\nc: &c [*b, *b, *b, *b]\nd: [*c, *c, *c, *c]\n---\nsites: 3\n",
    "{\"compute\": \"Zone1 || Zone2\", \"image\": {\"at\": [\"Zone1\", 1e400, null, true, \"\\ud83d\\ude00\"]}}",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(64)) })]

    #[test]
    fn mutilated_programs_are_checked(text in select(programs()), changes in changes()) {
        checked(&changed(&text, &changes));
    }

    #[test]
    fn mutilated_descriptions_are_compiled(
        text in select(support::files(&support::root().join("stdlib"), "edge")), changes in changes(),
    ) {
        let text = changed(&support::read(&text), &changes);
        let mut sources = Sources::default();
        let file = sources.add("mine.edge", text.as_str());
        let (library, found) = edge::stdlib::library(&mut sources, &[file]);
        for d in &found {
            prop_assert!(!d.message.is_empty(), "{:?}", d);
        }
        let program = syntax::parse(FILE, "let x = server.list() @ Zone1\nprint x").program;
        check(&program, &NoImports, &library, &inventory());
    }

    #[test]
    fn mutilated_files_are_read(text in select(&FILES[..]), changes in changes()) {
        read(&changed(text, &changes));
    }

    #[test]
    fn a_damaged_journal_is_said_or_read(at in any::<Index>(), bytes in prop::collection::vec(any::<u8>(), 1..40)) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("journal.db"), &*JOURNAL).expect("written");
        let mut damaged = JOURNAL.to_vec();
        let at = at.index(damaged.len() - bytes.len());
        damaged[at..at + bytes.len()].copy_from_slice(&bytes);
        std::fs::write(folder.path().join("journal.db"), damaged).expect("written");
        if let Ok(store) = Store::open(folder.path())
            && let Ok(run) = store.find("abc")
            && let Ok(entries) = store.entries(run.id)
        {
            _ = Past::of(&entries);
        }
    }
}

/// A journal with one run in it, as it is on disk.
static JOURNAL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    {
        let mut store = Store::open(folder.path()).expect("a journal");
        let record = Record {
            title: "p.edge".into(),
            version: "0".into(),
            sources: Vec::new(),
            imports: Vec::new(),
            library: Vec::new(),
            base: Default::default(),
            inventory: String::new(),
            sites: vec!["A".into()],
            inputs: Vec::new(),
            secrets: Vec::new(),
            plan: None,
            simulated: false,
            entered: None,
        };
        let run = store.begin("abc", &record, &["text".into()]).expect("a run");
        let journal = store.journal(run, Pace::AtOnce).expect("a journal");
        let key = edge_lang::eval::Key { call: edge_lang::span::Span::new(FileId(0), 0, 1), position: vec![1] };
        let of = Id::layer(&key, 0);
        let wait = |entry| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(journal.record(entry)).expect("it is written");
        };
        for n in 0..20 {
            let outcome = (n % 2 == 0).then(|| edge_lang::model::SiteSet::of(edge_lang::model::SiteId(0)));
            wait(edge::run::journal::Entry::Verdict { of: of.clone(), outcome });
        }
    }
    std::fs::read(folder.path().join("journal.db")).expect("the file")
});

/// Much of one thing: as long to read as it is large, and no more.
#[test]
fn large_files_are_read() {
    let many = |head: &str, line: &str, n: usize| head.to_string() + &line.repeat(n);
    for text in [
        many("sites:\n", "  \"a[1-1000]\": {cloud: x}\n", 300),
        many("clouds:\n", "  a: {auth: {auth_url: x}}\n", 5_000),
        many("a: ", "[", 50_000),
        many("a: ", "{a: ", 50_000),
        many("", "- ", 50_000),
        many("a: &a x\nb: [", "*a, ", 20_000),
        many("", "? ", 20_000),
        many("faults:\n", "  - {do: hang}\n", 5_000),
        (0..5_000)
            .fold("contexts:\n".to_string(), |text, n| text + &format!("- {{name: c{n}, context: {{cluster: c}}}}\n")),
        "x".repeat(1_000_000),
        format!("sites: {{\"{}\": {{cloud: x}}}}", "[1-2]".repeat(1_000)),
    ] {
        read(&text);
    }
}

/// Programs that are much of one thing, through the checker.
#[test]
fn large_programs_are_checked() {
    let session = Arc::new(inventory());
    for text in [
        format!("let a = {}", "[".repeat(100_000)),
        format!("let a = {{{}}}", "Zone1, ".repeat(50_000)),
        format!("print {}1", "1 + ".repeat(50_000)),
        format!("let p = Zone1{}", " || Zone2".repeat(20_000)),
        format!("let p = {}", "!".repeat(5_000) + "Zone1"),
        (0..5_000)
            .map(|n| format!("let v{n} = {}\n", if n == 0 { "1".into() } else { format!("v{}", n - 1) }))
            .collect(),
        (0..3_000).map(|n| format!("fn f{n}() {{ f{}() }}\n", n + 1)).collect(),
        (0..3_000).map(|n| format!("site S{n} = compose {{ compute: Zone1, image: Zone2 }}\n")).collect(),
        format!("server.list() @ Zone1 {}", "where name == \"x\" ".repeat(5_000)),
        format!("print \"{}\"", "${1}".repeat(50_000)),
        format!("at Zone1 {{{}{}", "at Zone2 {".repeat(5_000), "}".repeat(5_001)),
        format!("let r = {{{}}}", (0..20_000).map(|n| format!("k{n}: {n}, ")).collect::<String>()),
        format!("let x = sites[\"Zone[1-1000000]\"]{}", "[\"Zone1\"]".repeat(500)),
        "let = \n".repeat(20_000),
        "nosuch\n".repeat(20_000),
    ] {
        let program = syntax::parse(FILE, &text).program;
        well_said(&text, &check(&program, &NoImports, &LIBRARY, &session).diagnostics);
    }
}
