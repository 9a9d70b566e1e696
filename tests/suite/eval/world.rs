//! The world of a case, written in comments at the top of its program:
//!
//!     # plan                                        plan it instead of running it (`# plan json`: as JSON)
//!     # var count: 3
//!     # site Edge1: region=nantes image network     besides Zone1, Zone2 (nantes) and Zone3 (rennes), which offer all
//!     # rows server Zone1: [{name: "web", status: "ERROR"}]
//!     # refuse server.create Zone1: over quota
//!     # silent Zone3: connection refused
//!     # file ops.pub: ssh-ed25519 AAAA
//!     # after 2 server web: {status: "ACTIVE"}      what the second reading of it finds
//!     # person Zone1: alice                         whose account it is; `# trust Zone2: Zone1` lets those in
//!     # owed Zone2                                  changes there are deferred

use edge_lang::eval::{Value, input_from_text};
use edge_lang::inventory::{Inventory, Site};
use edge_lang::types::Type;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Default)]
pub struct World {
    pub plan: bool,
    pub json: bool,
    pub vars: Vec<(String, String)>,
    pub inventory: Inventory,
    /// By resource and site.
    pub rows: BTreeMap<(String, String), Vec<Record>>,
    /// By `resource.operation` and site.
    pub refused: BTreeMap<(String, String), String>,
    pub silent: BTreeMap<String, Arc<str>>,
    pub files: BTreeMap<String, Arc<str>>,
    /// By resource and name: from which reading on, and the fields that are different then.
    pub after: BTreeMap<(String, String), (usize, Record)>,
    pub owed: Vec<String>,
}

pub type Record = Arc<indexmap::IndexMap<Arc<str>, Value>>;

pub fn world(source: &str) -> World {
    let mut world = World::default();
    for (name, region) in [("Zone1", "nantes"), ("Zone2", "nantes"), ("Zone3", "rennes")] {
        world.inventory.add(site(name, &format!("region={region} identity compute image network")));
    }
    world.inventory.declared = true;
    crate::support::people(source, &mut world.inventory);
    for line in source.lines().map_while(|line| line.strip_prefix("# ")) {
        let (head, text) = line.split_once(": ").unwrap_or((line, ""));
        let words: Vec<&str> = head.split(' ').collect();
        let key = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        match words[..] {
            ["plan", ref form @ ..] => (world.plan, world.json) = (true, *form == ["json"]),
            ["var", name] => world.vars.push(key(name, text)),
            ["site", name] => {
                world.inventory.add(site(name, text));
            }
            ["rows", resource, at] => {
                let Value::List(rows) = value(text) else { panic!("rows are a list: {text}") };
                world.rows.insert(key(resource, at), rows.iter().map(record).collect());
            }
            ["refuse", operation, at] => {
                world.refused.insert(key(operation, at), text.to_owned());
            }
            ["silent", at] => {
                world.silent.insert(at.to_owned(), text.into());
            }
            ["file", name] => {
                world.files.insert(name.to_owned(), text.into());
            }
            ["after", times, resource, name] => {
                let times = times.parse().expect("a number of readings");
                world.after.insert(key(resource, name), (times, record(&value(text))));
            }
            ["owed", at] => world.owed.push(at.to_owned()),
            _ => {}
        }
    }
    world
}

fn site(name: &str, text: &str) -> Site {
    let mut site = Site { name: name.into(), stack: "openstack".into(), services: Some(Vec::new()), ..Site::default() };
    for word in text.split(' ') {
        match word.split_once('=') {
            Some((label, value)) => {
                site.labels.insert(label.into(), value.into());
            }
            None => site.services.get_or_insert_default().push(word.into()),
        }
    }
    site
}

fn value(text: &str) -> Value {
    input_from_text(text, &Type::Any, &Inventory::default()).unwrap_or_else(|why| panic!("{why}"))
}

fn record(value: &Value) -> Record {
    match value {
        Value::Record(record) => record.clone(),
        other => panic!("not a record: {other:?}"),
    }
}
