//! The log of a run: what was sent, undone and decided, in order. Whatever exists or may still come is in a verdict or
//! under an open entry here.
//!
//! `Send`, `Undo` and `Verdict` are awaited before the next step is taken: on disk that is the moment they are synced. All
//! others may be lost; the site is then merely unknown again. This journal is in memory: it lives as long as the process.

use edge_lang::eval::Key;
use edge_lang::model::{SiteId, SiteSet};
use futures_util::future::BoxFuture;
use std::sync::Mutex;

#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// A request that makes or changes something leaves for a site. `ticket` is the name of what only it needs.
    Send { key: Key, site: SiteId, attempt: u32, ticket: Option<String> },
    /// An effect was seen, under this id.
    There { key: Key, site: SiteId, id: String },
    /// The site refused, or nothing of the effect is there and nothing can come.
    Absent { key: Key, site: SiteId },
    /// A removal leaves for a site.
    Undo { key: Key, site: SiteId, id: String },
    /// No outcome is left: nothing of the operation is ever sent again.
    Failing { key: Key },
    /// Told to the user, never changed. `None`: failed.
    Verdict { key: Key, outcome: Option<SiteSet> },
}

pub trait Journal: Send + Sync {
    /// Returns when the entry will survive.
    fn record(&self, entry: Entry) -> BoxFuture<'_, Result<(), String>>;
}

#[derive(Default)]
pub struct MemoryJournal {
    entries: Mutex<Vec<Entry>>,
}

impl MemoryJournal {
    pub fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

impl Journal for MemoryJournal {
    fn record(&self, entry: Entry) -> BoxFuture<'_, Result<(), String>> {
        self.entries.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(entry);
        Box::pin(std::future::ready(Ok(())))
    }
}
