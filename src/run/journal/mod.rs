//! The log of a run: what was sent, undone and decided, in order. Whatever exists or may still come is in a verdict or
//! under an open entry here, and a run that stopped goes on from here.
//!
//! The hard idea is that a journal is one ordered log of which only an end can be lost. `Send`, `Undo` and `Verdict` are
//! awaited before the next step is taken: on disk that is the moment they, and all before them, are synced. All others may
//! be lost with what follows them; the site is then merely unknown again. No entry holds a secret: what the library types
//! as one is taken out where an entry is made (`memory.rs`).

mod disk;
mod driver;
mod memory;
mod past;
mod store;

pub use disk::{DiskJournal, Pace};
pub use driver::Driver;
pub use memory::{Known, Memory, forget_secrets, hidden, hide, lacks_secret};
pub use past::{Past, Pursued};
pub use store::{Before, Entered, Fault, Kept as KeptRun, Record, Slot, Store, hash};
pub(super) use store::{private_file, private_folder};

use edge_lang::eval::{Kept, Key};
use edge_lang::model::{Belief, Mark, Observation, Placement, Rules, SiteId, SiteSet};
use edge_lang::span::Span;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// One pursuit of a run: that of a step, or of a copy that a step needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id {
    pub key: Key,
    pub part: Part,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// An operation on rows is as many pursuits as it has rows at one site.
    Layer(u32),
    /// Of the resource with this id at `from`.
    Copy { resource: String, from: SiteId, id: String, to: SiteId },
}

impl Id {
    pub fn layer(key: &Key, layer: usize) -> Id {
        Id { key: key.clone(), part: Part::Layer(u32::try_from(layer).unwrap_or(u32::MAX)) }
    }
}

/// How a pursuit begins: all that it is decided from, and what a person reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// `server.create "vm"`.
    pub title: String,
    /// The placement, in words.
    pub place: String,
    pub span: Span,
    pub placement: Placement,
    pub preference: Vec<SiteId>,
    pub rules: Rules,
    /// It cannot be undone: carried out site by site, as far as it goes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub last: bool,
    /// What it is about, where that was there before.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub subjects: BTreeMap<SiteId, Known>,
    /// Of a copy: what is copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
}

/// A resource at the site from which it is copied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    pub service: String,
    pub row: Known,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    Begin {
        of: Id,
        begin: Box<Begin>,
    },
    /// Synced. A request that makes or changes something leaves for a site.
    Send {
        of: Id,
        site: SiteId,
        memory: Box<Memory>,
    },
    /// Synced. A removal leaves for a site; `id` is the site's own.
    Undo {
        of: Id,
        site: SiteId,
        id: String,
    },
    /// Something was observed of a site, and this is believed of it now.
    Seen {
        of: Id,
        site: SiteId,
        observation: Observation,
        belief: Belief,
        memory: Box<Memory>,
    },
    /// No outcome is left: nothing of the operation is ever sent again.
    Failing {
        of: Id,
    },
    /// Synced, then told, never changed. `None`: failed.
    Verdict {
        of: Id,
        outcome: Option<SiteSet>,
    },
    /// Synced. The user has waived what is owed there.
    Waived {
        of: Id,
        site: SiteId,
        reason: String,
    },
    /// A step uses a copy that was made for another: it is not removed as long as one of them stands.
    Uses {
        of: Id,
        by: Key,
    },
    /// Something was begun of which a site allows only so many in one run.
    Counted {
        /// The operation or the resource, at the site.
        site: SiteId,
        what: String,
        /// The step, and the thing that it is about; what comes along with steps is of none.
        by: Option<Key>,
        thing: Option<String>,
    },
    /// What a read gave, or how a step failed: the program decides by it.
    Answer {
        key: Key,
        answer: Kept,
    },
    /// A text was printed; it is not printed again.
    Printed {
        span: Span,
        order: Vec<u32>,
    },
    /// A file was used, and had this content or this size and age.
    File {
        path: String,
        seen: String,
    },
    /// Synced. From now on all of the run is only taken back.
    TakingBack,
    /// How the run ended; what is owed is in the entries before.
    Ended {
        end: End,
        message: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Done,
    Failed,
    /// It goes on with what is owed.
    Owed,
    Interrupted,
    /// All that it did is undone.
    TakenBack,
}

impl Entry {
    /// Whether it must survive before the next step is taken.
    pub fn is_synced(&self) -> bool {
        matches!(
            self,
            Entry::Send { .. }
                | Entry::Undo { .. }
                | Entry::Verdict { .. }
                | Entry::Waived { .. }
                | Entry::TakingBack
                | Entry::Ended { .. }
        )
    }

    /// The pursuit that it is about.
    pub fn of(&self) -> Option<&Id> {
        match self {
            Entry::Begin { of, .. }
            | Entry::Send { of, .. }
            | Entry::Undo { of, .. }
            | Entry::Seen { of, .. }
            | Entry::Failing { of }
            | Entry::Verdict { of, .. }
            | Entry::Uses { of, .. }
            | Entry::Waived { of, .. } => Some(of),
            Entry::Counted { .. }
            | Entry::Answer { .. }
            | Entry::Printed { .. }
            | Entry::File { .. }
            | Entry::TakingBack
            | Entry::Ended { .. } => None,
        }
    }

    /// What it says to the pursuit.
    pub fn mark(&self) -> Option<Mark> {
        match self {
            Entry::Send { site, .. } => Some(Mark::Sent(*site)),
            Entry::Undo { site, .. } => Some(Mark::Undoing(*site)),
            Entry::Seen { site, belief, .. } => Some(Mark::Stands(*site, *belief)),
            // Whoever waives it says that nothing of it is there, or that it does not matter.
            Entry::Waived { site, .. } => Some(Mark::Stands(*site, Belief { out: true, ..Belief::default() })),
            Entry::Failing { .. } => Some(Mark::Failing),
            Entry::Verdict { outcome: Some(outcome), .. } => Some(Mark::Done(outcome.clone())),
            Entry::Verdict { outcome: None, .. } => Some(Mark::Failed),
            _ => None,
        }
    }
}

/// Where entries go.
pub trait Journal: Send + Sync {
    /// Returns when the entry, and all before it, will survive.
    fn record(&self, entry: Entry) -> BoxFuture<'_, Result<(), String>>;

    /// Written in its turn, and not waited for: it may be lost, with all that follows.
    fn note(&self, entry: Entry);

    /// All entries of the run so far.
    fn entries(&self) -> Result<Vec<Entry>, String>;
}

/// Lives as long as the process. That of simulated sites, and of tests.
#[derive(Default)]
pub struct MemoryJournal {
    entries: Mutex<Vec<Entry>>,
}

impl MemoryJournal {
    /// With what an earlier runner wrote.
    pub fn of(entries: Vec<Entry>) -> MemoryJournal {
        MemoryJournal { entries: Mutex::new(entries) }
    }
}

impl Journal for MemoryJournal {
    fn record(&self, entry: Entry) -> BoxFuture<'_, Result<(), String>> {
        self.note(entry);
        Box::pin(std::future::ready(Ok(())))
    }

    fn note(&self, entry: Entry) {
        self.entries.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(entry);
    }

    fn entries(&self) -> Result<Vec<Entry>, String> {
        Ok(self.entries.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone())
    }
}
