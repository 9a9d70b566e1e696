//! One summary at the end: every operation, and what happened at each site; equal words of many sites in one line.

use crate::run::event::{Event, EventKind, Reader};
use crate::run::{Due, Owed};
use edge_lang::eval::{Key, duration_text, sites_text};
use edge_lang::inventory::Inventory;
use edge_lang::model::{SiteId, SiteSet};
use indexmap::IndexMap;
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex};

pub struct Summary {
    inventory: Arc<Inventory>,
    steps: Mutex<IndexMap<Key, Step>>,
}

#[derive(Default)]
struct Step {
    title: String,
    sites: IndexMap<SiteId, Vec<String>>,
    outcome: Option<SiteSet>,
    failed: bool,
}

/// Sites of one step that have a line of their own.
const MOST_LINES: usize = 12;

/// Of one step at one site.
const MOST_WORDS: usize = 24;
const LEFT_OUT: &str = "…";

impl Summary {
    pub fn new(inventory: Arc<Inventory>) -> Summary {
        Summary { inventory, steps: Mutex::default() }
    }

    /// `kept`: the name under which the journal holds the run.
    pub fn text(&self, owed: &[Owed], kept: Option<&str>) -> String {
        let mut out = String::new();
        let steps = self.steps.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let owes = |key: &Key| owed.iter().any(|o| o.key == *key);
        for (key, step) in steps.iter().filter(|(key, s)| !s.sites.is_empty() || owes(key)) {
            let state = match (&step.outcome, state(step, key, owed)) {
                (Some(outcome), _) if !outcome.is_empty() => {
                    format!("done at {}", sites_text(outcome, &self.inventory))
                }
                (_, state) => state.to_string(),
            };
            out += &format!("{}: {state}\n", step.title);
            for (sites, words) in self.gathered(step) {
                out += &format!("  {sites}  {words}\n");
            }
            for owed in owed.iter().filter(|o| o.key == *key) {
                let sites = sites_text(&owed.sites, &self.inventory);
                out += &format!("  owed at {sites}: {}\n", due(owed));
            }
        }
        if !owed.is_empty() {
            let mut sites = SiteSet::new();
            owed.iter().for_each(|o| sites.add(&o.sites));
            out += &match kept {
                Some(run) => {
                    let sites = sites_text(&sites, &self.inventory);
                    format!("owed at {sites}: `edge resume {run}` pays it, `edge show {run}` says what it is\n")
                }
                None => {
                    "nothing is kept of this run: what is owed carries `edge:` where it is, to be removed by hand\n"
                        .into()
                }
            };
        }
        out
    }

    /// Each operation, what happened at each site, and what is owed.
    pub fn json(&self, owed: &[Owed]) -> Vec<Json> {
        let steps = self.steps.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let name = |site: &SiteId| self.inventory.name(*site).to_string();
        let names = |sites: &SiteSet| sites.iter().map(|site| json!(name(&site))).collect::<Vec<_>>();
        let told = steps.iter().filter(|(key, s)| !s.sites.is_empty() || owed.iter().any(|o| o.key == **key));
        let one = |(key, step): (&Key, &Step)| {
            let mut sites: Vec<_> = step.sites.iter().collect();
            sites.sort_by_key(|(site, _)| **site);
            let owed = owed.iter().filter(|o| o.key == *key);
            json!({
                "operation": step.title,
                "state": state(step, key, &owed.clone().cloned().collect::<Vec<_>>()),
                "done_at": step.outcome.as_ref().map(names).unwrap_or_default(),
                "sites": Json::Object(sites.into_iter().map(|(site, words)| (name(site), json!(words))).collect()),
                "owed": owed.map(|o| json!({ "sites": names(&o.sites), "what": due(o) })).collect::<Vec<_>>(),
            })
        };
        told.map(one).collect()
    }

    /// Sites with the same history in one line, ids left out where they differ.
    fn gathered(&self, step: &Step) -> Vec<(String, String)> {
        let one_each = step.sites.len() <= MOST_LINES;
        let mut groups: IndexMap<String, SiteSet> = IndexMap::new();
        // Sites answer in any order; a summary has one.
        let mut sites: Vec<_> = step.sites.iter().collect();
        sites.sort_by_key(|(site, _)| **site);
        for (site, words) in sites {
            let words = words.join("; ");
            let words = if one_each { words } else { without_ids(&words) };
            groups.entry(words).or_default().insert(*site);
        }
        groups.into_iter().map(|(words, sites)| (sites_text(&sites, &self.inventory), words)).collect()
    }

    fn add(&self, key: &Key, site: SiteId, word: String) {
        let mut steps = self.steps.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let words = steps.entry(key.clone()).or_default().sites.entry(site).or_default();
        if words.last() != Some(&word) {
            words.push(word);
        }
        // A long trouble is told by its beginning and its end, and that something is left out.
        if words.len() > MOST_WORDS {
            if words[MOST_WORDS / 2] != LEFT_OUT {
                words.insert(MOST_WORDS / 2, LEFT_OUT.into());
            }
            words.remove(MOST_WORDS / 2 + 1);
        }
    }
}

fn state(step: &Step, key: &Key, owed: &[Owed]) -> &'static str {
    let mut owed = owed.iter().filter(|o| o.key == *key).peekable();
    match (&step.outcome, step.failed, owed.peek().is_some()) {
        (Some(_), ..) => "done",
        (None, _, true) if owed.any(|o| o.due == Due::Deferred) => "left for later",
        (None, _, true) => "not settled",
        (None, true, false) => "failed",
        (None, false, false) => "not done",
    }
}

fn due(owed: &Owed) -> &'static str {
    match owed.due {
        Due::Tidying => "what is left over is to be removed",
        Due::Unsettled => "what is there is not settled",
        Due::Deferred => "it is to be done when it can be",
    }
}

fn without_ids(words: &str) -> String {
    let mut out = String::new();
    let mut depth = 0;
    for c in words.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out.trim_end().to_string()
}

impl Reader for Summary {
    fn read(&self, event: &Event) {
        let Some(key) = &event.step else { return };
        match &event.kind {
            EventKind::Began { title, .. } => {
                let mut steps = self.steps.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                steps.entry(key.clone()).or_default().title = title.clone();
            }
            EventKind::There { site, what } | EventKind::Already { site, what } | EventKind::Undone { site, what } => {
                self.add(key, *site, what.clone());
            }
            EventKind::Refused { site, why } => self.add(key, *site, format!("refused: {why}")),
            EventKind::Broken { site, why } => self.add(key, *site, format!("made, but broken: {why}")),
            EventKind::Silent { site, why } => self.add(key, *site, format!("no answer ({why})")),
            EventKind::Unreachable { site, why } => self.add(key, *site, format!("not reached ({why})")),
            EventKind::Stopped { site, why } => self.add(key, *site, why.clone()),
            EventKind::Remembered { site, age, why } => {
                self.add(key, *site, format!("as last seen {} ago ({why})", duration_text(*age)));
            }
            EventKind::PutOff { site, why } => self.add(key, *site, format!("not sent: {why}")),
            EventKind::NotFound { site } => self.add(key, *site, "looked: nothing there".into()),
            EventKind::Fenced { site, how } => self.add(key, *site, format!("closed by {how}")),
            EventKind::UndoRefused { site, why } => self.add(key, *site, format!("cannot be undone: {why}")),
            EventKind::Copied { from, to, what, .. } => {
                let from = from.map_or(String::new(), |f| format!(" from {}", self.inventory.name(f)));
                self.add(key, *to, format!("{what} copied{from}"));
            }
            EventKind::Done { outcome } => {
                let mut steps = self.steps.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                let step = steps.entry(key.clone()).or_default();
                let mut all = step.outcome.take().unwrap_or_default();
                all.add(outcome);
                step.outcome = Some(all);
            }
            EventKind::Failed { .. } => {
                let mut steps = self.steps.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                let step = steps.entry(key.clone()).or_default();
                step.failed = true;
                step.outcome = None;
            }
            _ => {}
        }
    }
}
