//! What a person sees while a run works: on a terminal one line per operation that is under way, and a line for all that
//! is out of the ordinary; in a log the latter only. Standard output belongs to results.

use crate::run::event::{Event, EventKind, Reader};
use edge_lang::eval::{Key, duration_text};
use edge_lang::inventory::Inventory;
use edge_lang::model::SiteId;
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub struct Progress {
    inventory: Arc<Inventory>,
    bars: MultiProgress,
    steps: Mutex<HashMap<Key, Step>>,
    terminal: bool,
    prints: Prints,
    kept: Mutex<Vec<String>>,
}

/// Where what the program prints goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prints {
    Output,
    /// Standard output holds a table for other programs.
    Errors,
    /// Into the document that is made of the run.
    Kept,
}

/// Letters of printed texts that are kept.
const MOST_KEPT: usize = 64 << 20;

struct Step {
    title: String,
    bar: Option<ProgressBar>,
    /// The last word of each site.
    sites: Vec<(SiteId, String)>,
}

impl Progress {
    pub fn new(inventory: Arc<Inventory>) -> Progress {
        let terminal = std::io::stderr().is_terminal();
        let (steps, kept) = (Mutex::default(), Mutex::default());
        Progress { inventory, bars: MultiProgress::new(), steps, terminal, prints: Prints::Output, kept }
    }

    pub fn printing(self, prints: Prints) -> Progress {
        Progress { prints, ..self }
    }

    /// What was printed and kept.
    pub fn printed(&self) -> Vec<String> {
        std::mem::take(&mut *self.kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    fn print(&self, text: &str) {
        match self.prints {
            Prints::Output => self.aside(|| anstream::println!("{text}")),
            Prints::Errors => self.aside(|| anstream::eprintln!("{text}")),
            Prints::Kept => {
                let mut kept = self.kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                let so_far: usize = kept.iter().map(String::len).sum();
                match so_far + text.len() <= MOST_KEPT {
                    true => kept.push(text.to_string()),
                    // Nothing is lost: what has no room is said beside the document.
                    false => self.aside(|| anstream::eprintln!("{text}")),
                }
            }
        }
    }

    /// Nothing is left on the terminal.
    pub fn clear(&self) {
        let mut steps = self.steps.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for bar in steps.drain().filter_map(|(_, s)| s.bar) {
            bar.finish_and_clear();
        }
    }

    /// Prints something else, above the lines of what is under way.
    pub fn aside(&self, print: impl FnOnce()) {
        self.bars.suspend(print);
    }

    fn say(&self, line: String) {
        if self.terminal {
            // Above the bars; `println` of a MultiProgress fails only when standard error is gone.
            let _ = self.bars.println(line);
        } else {
            anstream::eprintln!("{line}");
        }
    }

    fn set(&self, key: &Key, site: SiteId, word: String) {
        let mut steps = self.steps.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let Some(step) = steps.get_mut(key) else { return };
        match step.sites.iter_mut().find(|(s, _)| *s == site) {
            Some((_, old)) => *old = word,
            None => step.sites.push((site, word)),
        }
        if let Some(bar) = &step.bar {
            let name = |s: &SiteId| self.inventory.name(*s).to_string();
            let text: Vec<String> = match step.sites.len() {
                0..=4 => step.sites.iter().map(|(s, w)| format!("{}: {w}", name(s))).collect(),
                n => vec![format!("{n} sites, last {}: {}", name(&site), step.sites.last().map_or("", |(_, w)| w))],
            };
            bar.set_message(format!("{}   {}", step.title, text.join("   ")));
        }
    }

    fn end(&self, key: &Key) {
        let mut steps = self.steps.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(bar) = steps.remove(key).and_then(|s| s.bar) {
            bar.finish_and_clear();
        }
    }
}

impl Reader for Progress {
    fn read(&self, event: &Event) {
        let at = |site: &SiteId| self.inventory.name(*site).to_string();
        if let EventKind::Printed { text } = &event.kind {
            self.print(text);
            return;
        }
        let Some(key) = &event.step else { return };
        match &event.kind {
            EventKind::Began { title, .. } => {
                let bar = self.terminal.then(|| {
                    let bar = self.bars.add(ProgressBar::new_spinner());
                    // A template that does not parse would be a mistake of ours; the default does then.
                    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
                        bar.set_style(style);
                    }
                    bar.set_message(title.clone());
                    bar.enable_steady_tick(Duration::from_millis(120));
                    bar
                });
                let mut steps = self.steps.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                steps.insert(key.clone(), Step { title: title.clone(), bar, sites: Vec::new() });
            }
            EventKind::Sent { site, what } => self.set(key, *site, what.clone()),
            EventKind::Waiting { site, why } => self.set(key, *site, why.clone()),
            EventKind::There { site, what } => self.set(key, *site, what.clone()),
            EventKind::Already { site, .. } => self.set(key, *site, "already there".into()),
            EventKind::Copying { to, what, done, total, .. } => {
                let of = total.map_or(String::new(), |t| format!(" of {}", HumanBytes(t)));
                self.set(key, *to, format!("{what} {}{of}", HumanBytes(*done)));
            }
            EventKind::Copied { to, what, bytes, .. } => self.set(key, *to, format!("{what}, {}", HumanBytes(*bytes))),
            EventKind::CopySkipped { to, what, .. } => self.set(key, *to, format!("{what} is there")),
            EventKind::Refused { site, why } => self.say(format!("{}: refused: {why}", at(site))),
            EventKind::Broken { site, why } => self.say(format!("{}: made, but broken: {why}", at(site))),
            EventKind::Silent { site, why } => self.say(format!("{}: no answer: {why}", at(site))),
            EventKind::Unreachable { site, why } => self.say(format!("{}: not reached: {why}", at(site))),
            EventKind::Stopped { site, why } => self.say(format!("{}: {why}", at(site))),
            EventKind::Remembered { site, age, why } => {
                self.say(format!("{}: as last seen {} ago: {why}", at(site), duration_text(*age)));
            }
            EventKind::Found { site } => {
                let steps = self.steps.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                let title = steps.get(key).map_or(String::new(), |step| format!("{}: ", step.title));
                drop(steps);
                self.say(format!("{}: {title}it is there", at(site)));
            }
            EventKind::NotFound { site } => self.set(key, *site, "not there".into()),
            EventKind::Fenced { site, how } => self.say(format!("{}: closed by {how}", at(site))),
            EventKind::Undone { site, what } => self.say(format!("{}: {what}", at(site))),
            EventKind::UndoRefused { site, why } => self.say(format!("{}: cannot be undone: {why}", at(site))),
            EventKind::PutOff { site, why } => self.say(format!("{}: not sent: {why}", at(site))),
            EventKind::Deferred { sites } => {
                let names: Vec<String> = sites.iter().map(|s| at(&s)).collect();
                self.say(format!("left for later at {}", edge_lang::model::names::fold(&names)));
                self.end(key);
            }
            EventKind::Tidying { sites } => {
                let names: Vec<String> = sites.iter().map(|s| at(&s)).collect();
                self.say(format!("tidying {}", edge_lang::model::names::fold(&names)));
            }
            EventKind::Done { .. } | EventKind::Failed { .. } => self.end(key),
            EventKind::Printed { .. } => {}
        }
    }
}
