//! What an earlier runner of a run left, made of its entries: each pursuit as it is to be gone on with, the answers by which
//! the program decided, and what was said to the user. Every answer that was awaited is silence.

use super::{Begin, End, Entry, Id, Memory};
use crate::run::guards::Counts;
use edge_lang::eval::{Kept, Key};
use edge_lang::model::{Pursuit, SiteId, SiteSet};
use edge_lang::span::Span;
use indexmap::IndexMap;
use std::collections::{BTreeMap, HashMap, HashSet};

#[derive(Clone, Debug, Default)]
pub struct Past {
    /// In the order in which they began.
    pub pursuits: IndexMap<Id, Pursued>,
    /// The places of those of each step.
    by_step: HashMap<Key, Vec<usize>>,
    pub answers: HashMap<Key, Kept>,
    pub printed: HashSet<(Span, Vec<u32>)>,
    pub files: HashMap<String, String>,
    /// What was begun of what sites allow only so much of.
    pub counted: Counts,
    /// All of it is only taken back.
    pub taking_back: bool,
    pub ended: Option<(End, String)>,
}

/// A pursuit as it was left.
#[derive(Clone, Debug)]
pub struct Pursued {
    pub begin: Begin,
    pub pursuit: Pursuit,
    pub memories: BTreeMap<SiteId, Memory>,
    /// Where something was sent.
    pub touched: SiteSet,
    /// Debts that the user has waived, and why.
    pub waived: BTreeMap<SiteId, String>,
    /// Of a copy: the steps for which it was not made, and which use it too.
    pub users: HashSet<Key>,
}

impl Past {
    /// An error says what is wrong with the journal: it was not written by a run.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Result<Past, String> {
        let mut past = Past::default();
        for entry in entries {
            past.take(entry)?;
        }
        for pursued in past.pursuits.values_mut() {
            pursued.pursuit.crash();
            pursued.pursuit.expect(&pursued.touched);
        }
        Ok(past)
    }

    fn take(&mut self, entry: &Entry) -> Result<(), String> {
        if let Entry::Begin { of, begin } = entry {
            return self.begin(of, begin);
        }
        if let Some(of) = entry.of() {
            let Some(pursued) = self.pursuits.get_mut(of) else {
                return Err("an entry is about an operation that never began".into());
            };
            return pursued.take(entry);
        }
        match entry {
            Entry::Answer { key, answer } => {
                self.answers.insert(key.clone(), answer.clone());
            }
            Entry::Printed { span, order } => {
                self.printed.insert((*span, order.clone()));
            }
            Entry::File { path, seen } => {
                self.files.insert(path.clone(), seen.clone());
            }
            Entry::Counted { site, what, by, thing } => {
                self.counted.entry((*site, what.clone())).or_default().insert((by.clone(), thing.clone()));
            }
            Entry::TakingBack => self.taking_back = true,
            Entry::Ended { end, message } => self.ended = Some((*end, message.clone())),
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, of: &Id, begin: &Begin) -> Result<(), String> {
        // A runner that resumes finds it begun.
        if self.pursuits.contains_key(of) {
            return Ok(());
        }
        let pursuit = Pursuit::new(begin.placement.clone(), begin.preference.clone(), begin.rules)
            .map_err(|e| format!("an operation cannot be read: {e}"))?;
        let pursued = Pursued {
            begin: begin.clone(),
            pursuit,
            memories: BTreeMap::new(),
            touched: SiteSet::new(),
            waived: BTreeMap::new(),
            users: HashSet::new(),
        };
        let (place, _) = self.pursuits.insert_full(of.clone(), pursued);
        self.by_step.entry(of.key.clone()).or_default().push(place);
        Ok(())
    }

    /// The pursuits of a step, copies for it included.
    pub fn of_step<'a>(&'a self, key: &Key) -> impl Iterator<Item = (&'a Id, &'a Pursued)> + use<'a> {
        let places = self.by_step.get(key).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|place| self.pursuits.get_index(*place))
    }

    /// When a step began, among all.
    pub fn place(&self, key: &Key) -> Option<usize> {
        self.by_step.get(key)?.first().copied()
    }

    /// Whether a step that counts uses a copy, and stands.
    pub fn is_used_beside(&self, copy: &Id, counts: impl Fn(&Key) -> bool) -> bool {
        let Some(pursued) = self.pursuits.get(copy) else { return false };
        let stands = |key: &Key| {
            let own = self.of_step(key).filter(|(id, _)| matches!(id.part, super::Part::Layer(_)));
            own.into_iter().any(|(_, p)| !p.pursuit.is_failing() && p.begin.source.is_none() && !p.is_taken_back())
        };
        pursued.users.iter().chain([&copy.key]).any(|key| counts(key) && stands(key))
    }

    /// Whether other steps began after it.
    pub fn has_later(&self, of: &Id) -> bool {
        let last = self.pursuits.last().map(|(id, _)| id);
        last.is_some_and(|last| last.key != of.key)
    }

    /// The first that has failed and is not undone, with others after it that may have used it.
    pub fn doomed(&self) -> Option<&Key> {
        let failing = |(id, p): &(&Id, &Pursued)| {
            let ends = p.pursuit.is_failing() && !p.pursuit.is_told() && self.has_later(id);
            ends && matches!(id.part, super::Part::Layer(_))
        };
        self.pursuits.iter().find(failing).map(|(id, _)| &id.key)
    }

    /// Whether nothing was ever done.
    pub fn is_empty(&self) -> bool {
        self.pursuits.is_empty() && self.answers.is_empty()
    }

    /// The pursuits of which something is owed, with the sites.
    pub fn owed(&self) -> impl Iterator<Item = (&Id, &Pursued, SiteSet)> {
        self.pursuits.iter().map(|(id, p)| (id, p, p.owed())).filter(|(_, _, owed)| !owed.is_empty())
    }
}

impl Pursued {
    fn take(&mut self, entry: &Entry) -> Result<(), String> {
        match entry {
            Entry::Send { site, memory, .. } => {
                self.touched.insert(*site);
                self.memories.insert(*site, (**memory).clone());
            }
            Entry::Undo { site, .. } => {
                self.touched.insert(*site);
            }
            Entry::Seen { site, memory, .. } => {
                self.memories.insert(*site, (**memory).clone());
            }
            Entry::Uses { by, .. } => {
                self.users.insert(by.clone());
            }
            Entry::Waived { site, reason, .. } => {
                self.touched.remove(*site);
                self.waived.insert(*site, reason.clone());
            }
            _ => {}
        }
        match entry.mark() {
            Some(mark) => self.pursuit.recall(&mark).map_err(|e| format!("the entries contradict each other: {e}")),
            None => Ok(()),
        }
    }

    /// Where something of it is, or may still come, that no verdict covers; without what was waived.
    pub fn owed(&self) -> SiteSet {
        let owed = match self.begin.last {
            true => self.unfinished(),
            false => {
                let mut owed = self.pursuit.owed();
                owed.add(&self.leaving());
                owed.intersection(&self.touched)
            }
        };
        owed.difference(&self.waived.keys().copied().collect())
    }

    /// Where what was done is taken back again, and not gone yet.
    fn leaving(&self) -> SiteSet {
        let leaving = |site: &SiteId| {
            let state = self.pursuit.belief(*site).map(|b| b.state);
            use edge_lang::model::State::{Again, Lost, Stuck, Undoing};
            matches!(state, Some(Undoing | Lost | Again | Stuck))
        };
        self.touched.iter().filter(leaving).collect()
    }

    /// Where something of it is, or may be; without what was waived.
    pub fn stands(&self) -> SiteSet {
        let stands = |site: &SiteId| self.pursuit.belief(*site).is_some_and(|b| !b.state.is_closed());
        self.touched.iter().filter(stands).collect()
    }

    /// Whether all of its outcome was removed again.
    fn is_taken_back(&self) -> bool {
        let gone = |site: SiteId| self.pursuit.belief(site).is_some_and(|b| b.state.is_closed());
        self.pursuit.outcome().is_some_and(|outcome| outcome.iter().all(gone))
    }

    /// Where it is still to be sent, if it goes as it is aimed at.
    pub fn waits(&self) -> SiteSet {
        let unsent = |site: &SiteId| self.pursuit.belief(*site).is_some_and(|b| b.state.is_closed());
        self.pursuit.wanted().unwrap_or_default().iter().filter(unsent).collect()
    }

    /// Of a final operation: where it was begun, and nobody knows how it ended.
    fn unfinished(&self) -> SiteSet {
        let open = |site: &SiteId| {
            let belief = self.pursuit.belief(*site).unwrap_or_default();
            !belief.out && belief.state != edge_lang::model::State::There
        };
        self.touched.iter().filter(open).collect()
    }
}
