//! `edge runs` and `edge show`: what the journal has of runs. No site is asked.

use super::arguments::{Output, Runs, Show};
use super::load::{Trouble, Workplace};
use super::{Status, output, recorded};
use crate::run::journal::{Driver, End, KeptRun, Part, Past, Pursued, Store};
use edge_lang::eval::{Row, Table, Value};
use edge_lang::inventory::Inventory;
use edge_lang::model::{SiteId, SiteSet, Standing, State as Belief};
use serde_json::json;
use std::fmt::Write;
use std::sync::Arc;
use time::OffsetDateTime;
use time::macros::format_description;

pub fn runs(workplace: &Workplace, arguments: Runs) -> Status {
    let table = || -> Result<Value, Trouble> {
        let store = recorded::open(workplace)?;
        let runs = store.runs().map_err(|fault| recorded::unusable(store.folder(), &fault))?;
        let states: Vec<(KeptRun, State)> =
            runs.into_iter().map(|run| (State::of(&store, &run), run)).map(|(state, run)| (run, state)).collect();
        Ok(table_of(states.iter().filter(|(_, state)| arguments.all || state.goes_on())))
    };
    match table() {
        Ok(table) => {
            output::print(&table, &Inventory::default(), arguments.output);
            Status::Done
        }
        Err(trouble) => {
            trouble.print();
            Status::Wrong
        }
    }
}

/// As `edge runs` and `:runs` list them.
pub fn table_of<'a>(runs: impl Iterator<Item = &'a (KeptRun, State)>) -> Value {
    let columns = ["run", "began", "program", "state", "owed"].map(Arc::from).to_vec();
    let row = |(run, state): &(KeptRun, State)| {
        let texts =
            [run.name.clone(), date(run.began), run.record.title.clone(), state.text(), state.owed().to_string()];
        let values = texts.map(|text| Value::String(text.into())).to_vec();
        Row { site: None, values, id: None, pending: false }
    };
    Value::Table(Arc::new(Table { columns, rows: runs.map(row).collect(), ..Table::default() }))
}

/// How a run stands.
pub enum State {
    /// Somebody drives it.
    Driven(String),
    Ended(End, String),
    /// Its process ended without a word.
    BrokenOff(String),
    /// The entries cannot be read, and why.
    Damaged(String),
}

impl State {
    pub fn of(store: &Store, run: &KeptRun) -> State {
        if let Some(driver) = Driver::of(store.folder(), &run.name) {
            return State::Driven(driver);
        }
        match store.past(run.id) {
            Err(fault) => State::Damaged(fault.message),
            Ok(past) => State::of_past(&past, &run.record.sites),
        }
    }

    fn of_past(past: &Past, sites: &[String]) -> State {
        let mut open = SiteSet::new();
        past.owed().for_each(|(_, _, sites)| open.add(&sites));
        let open = names(&open, sites);
        match &past.ended {
            Some((end, message)) if message.is_empty() => State::Ended(*end, open),
            Some((end, message)) => State::Ended(*end, message.clone()),
            None => State::BrokenOff(open),
        }
    }

    /// Whether there is something to resume.
    pub fn goes_on(&self) -> bool {
        match self {
            State::Driven(_) | State::BrokenOff(_) | State::Damaged(_) => true,
            State::Ended(end, owed) => !owed.is_empty() || matches!(end, End::Owed | End::Interrupted),
        }
    }

    pub fn text(&self) -> String {
        match self {
            State::Driven(by) => format!("running, driven by {by}"),
            State::BrokenOff(_) => "broken off".into(),
            State::Damaged(why) => format!("damaged: {why}"),
            State::Ended(end, _) => match end {
                End::Done => "done",
                End::Failed => "failed",
                End::Owed => "owed",
                End::Interrupted => "stopped",
                End::TakenBack => "taken back",
            }
            .into(),
        }
    }

    pub fn owed(&self) -> &str {
        match self {
            State::Ended(_, owed) | State::BrokenOff(owed) => owed,
            State::Driven(_) | State::Damaged(_) => "",
        }
    }
}

pub fn show(workplace: Workplace, arguments: Show) -> Status {
    let shown = || -> Result<String, Trouble> {
        let store = recorded::open(&workplace)?;
        let run = store.find(&arguments.run);
        let run = run.map_err(|f| Trouble::new(f.message).help("`edge runs --all` lists them"))?;
        let past = store.past(run.id).map_err(|fault| recorded::unusable(store.folder(), &fault))?;
        let state = State::of(&store, &run);
        Ok(match arguments.output {
            Output::Table | Output::Csv => text(&run, &state, &past),
            Output::Json => serde_json::to_string_pretty(&json_of(&run, &state, &past)).unwrap_or_default(),
            Output::Yaml => serde_yaml::to_string(&json_of(&run, &state, &past)).unwrap_or_default(),
        })
    };
    match shown() {
        Ok(text) => {
            anstream::println!("{}", text.trim_end());
            Status::Done
        }
        Err(trouble) => {
            trouble.print();
            Status::Wrong
        }
    }
}

fn text(run: &KeptRun, state: &State, past: &Past) -> String {
    let mut out = format!("run {}, {}, began {}: {}\n", run.name, run.record.title, date(run.began), state.text());
    for (id, pursued) in &past.pursuits {
        let indent = if matches!(id.part, Part::Copy { .. }) { "  " } else { "" };
        let _ = writeln!(out, "{indent}{} @ {}: {}", pursued.begin.title, pursued.begin.place, standing(pursued, run));
        for site in sites_of(pursued) {
            let name = site_name(site, &run.record.sites);
            let _ = writeln!(out, "{indent}  {name}  {}", site_words(pursued, site));
        }
        let owed = pursued.owed();
        for site in &owed {
            let (name, operation) = (site_name(site, &run.record.sites), operation_name(&pursued.begin.title));
            let _ = writeln!(out, "{indent}  owed at {name}, as {name}/{operation}: {}", why(pursued, site));
        }
        for site in pursued.waits().difference(&owed).iter() {
            let name = site_name(site, &run.record.sites);
            let operation = operation_name(&pursued.begin.title);
            let _ = writeln!(out, "{indent}  owed at {name}, as {name}/{operation}: it is not sent yet");
        }
        for (site, reason) in &pursued.waived {
            let _ = writeln!(out, "{indent}  given up at {}: {reason}", site_name(*site, &run.record.sites));
        }
    }
    if state.goes_on() && !matches!(state, State::Driven(_)) {
        let _ = writeln!(out, "`edge resume {0}` goes on with it, `edge undo {0}` takes it back", run.name);
    }
    out
}

/// `server.create "vm"` as it is named on a command line: `server.create:vm`.
pub fn operation_name(title: &str) -> String {
    match title.split_once(" \"") {
        Some((operation, name)) => format!("{operation}:{}", name.trim_end_matches('"')),
        None => title.replace(' ', "-"),
    }
}

/// The sites of which something is told.
fn sites_of(pursued: &Pursued) -> Vec<SiteId> {
    pursued.memories.iter().filter(|(_, m)| !m.word.is_empty()).map(|(site, _)| *site).collect()
}

fn site_words(pursued: &Pursued, site: SiteId) -> String {
    pursued.memories.get(&site).map(|m| m.word.clone()).unwrap_or_default()
}

fn standing(pursued: &Pursued, run: &KeptRun) -> String {
    if pursued.begin.last {
        return if pursued.owed().is_empty() { "ended".into() } else { "not ended everywhere".into() };
    }
    match pursued.pursuit.standing() {
        Standing::Done { outcome, .. } => format!("done at {}", names(&outcome, &run.record.sites)),
        Standing::Failed { .. } => "failed".into(),
        Standing::Failing { .. } => "failed, and not undone everywhere".into(),
        Standing::Open | Standing::Unsettled { .. } => "open".into(),
    }
}

fn why(pursued: &Pursued, site: SiteId) -> &'static str {
    use Belief::*;
    match pursued.pursuit.belief(site).map(|b| b.state) {
        Some(Sent | Open) => "a request was sent, and no answer told what became of it",
        Some(Soft | Shut) => "nothing was found there, and what was sent may still arrive",
        Some(There) => "it is there, and not wanted, or not yet part of an outcome",
        Some(Stuck) => "it is there, and the site refuses to remove it",
        Some(Undoing | Lost | Again) => "it is being removed, and no answer told that it is gone",
        Some(New | Cut) | None => "it is not at its end",
    }
}

fn json_of(run: &KeptRun, state: &State, past: &Past) -> serde_json::Value {
    let sites = &run.record.sites;
    let listed = |set: &SiteSet| set.iter().map(|s| site_name(s, sites).to_string()).collect::<Vec<_>>();
    let operations: Vec<serde_json::Value> = past
        .pursuits
        .values()
        .map(|pursued| {
            let told: serde_json::Map<String, serde_json::Value> = sites_of(pursued)
                .into_iter()
                .map(|site| {
                    let memory = pursued.memories.get(&site);
                    let id = memory.and_then(|m| m.row.as_ref()?.id.clone());
                    (site_name(site, sites).to_string(), json!({ "word": site_words(pursued, site), "id": id }))
                })
                .collect();
            let owed: serde_json::Map<String, serde_json::Value> =
                pursued.owed().iter().map(|s| (site_name(s, sites).to_string(), json!(why(pursued, s)))).collect();
            json!({
                "operation": pursued.begin.title,
                "name": operation_name(&pursued.begin.title),
                "placement": pursued.begin.place,
                "standing": standing(pursued, run),
                "sites": told,
                "owed": owed,
                "not_sent": listed(&pursued.waits()),
            })
        })
        .collect();
    json!({
        "run": run.name,
        "program": run.record.title,
        "began": date(run.began),
        "version": run.record.version,
        "state": state.text(),
        "goes_on": state.goes_on(),
        "owed": state.owed(),
        "operations": operations,
    })
}

fn names(set: &SiteSet, sites: &[String]) -> String {
    let names: Vec<&str> = set.iter().map(|site| site_name(site, sites)).collect();
    edge_lang::model::names::fold(&names)
}

fn site_name(site: SiteId, sites: &[String]) -> &str {
    sites.get(site.0 as usize).map_or("?", String::as_str)
}

fn date(milliseconds: i64) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    let at = OffsetDateTime::from_unix_timestamp(milliseconds / 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    at.format(&format).unwrap_or_default()
}
