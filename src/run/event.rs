//! What happens in a run, as one closed enum. Terminal progress, log, JSON output and journal are readers of it.

use edge_lang::eval::Key;
use edge_lang::model::{SiteId, SiteSet};
use edge_lang::span::Span;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Event {
    /// The step it belongs to; `None` for what concerns the run.
    pub step: Option<Key>,
    pub kind: EventKind,
}

#[derive(Clone, Debug)]
pub enum EventKind {
    /// A step begins: `server.create "vm"`, and where.
    Began {
        title: String,
        place: String,
        span: Span,
    },
    /// Something was asked of a site; `what` in a few words: `POST /servers`.
    Sent {
        site: SiteId,
        what: String,
    },
    /// The effect is there.
    There {
        site: SiteId,
        what: String,
    },
    /// It was there before, and nothing was sent.
    Already {
        site: SiteId,
        what: String,
    },
    Refused {
        site: SiteId,
        why: String,
    },
    /// Made, and then failed.
    Broken {
        site: SiteId,
        why: String,
    },
    Silent {
        site: SiteId,
        why: String,
    },
    Unreachable {
        site: SiteId,
        why: String,
    },
    /// The user stopped the run before the site was sent to, or got ready.
    Stopped {
        site: SiteId,
        why: String,
    },
    /// A read goes by what was last seen of it.
    Remembered {
        site: SiteId,
        age: Duration,
        why: String,
    },
    Found {
        site: SiteId,
    },
    NotFound {
        site: SiteId,
    },
    Fenced {
        site: SiteId,
        how: &'static str,
    },
    Undone {
        site: SiteId,
        what: String,
    },
    UndoRefused {
        site: SiteId,
        why: String,
    },
    /// `done` of `total` bytes went from one site (or from a file) to another.
    Copying {
        from: Option<SiteId>,
        to: SiteId,
        what: String,
        done: u64,
        total: Option<u64>,
    },
    Copied {
        from: Option<SiteId>,
        to: SiteId,
        what: String,
        bytes: u64,
    },
    /// The same content was there already.
    CopySkipped {
        from: SiteId,
        to: SiteId,
        what: String,
    },
    Waiting {
        site: SiteId,
        why: String,
    },
    /// The placement holds with this outcome; the step is done.
    Done {
        outcome: SiteSet,
    },
    Failed {
        message: String,
    },
    /// What is still to be removed at sites that the outcome does not contain.
    Tidying {
        sites: SiteSet,
    },
    /// Nothing is sent there before something else is done.
    PutOff {
        site: SiteId,
        why: String,
    },
    /// The program goes on, and these sites are left for later.
    Deferred {
        sites: SiteSet,
    },
    Printed {
        text: String,
    },
}

/// Takes events; must not block.
pub trait Reader: Send + Sync {
    fn read(&self, event: &Event);
}

#[derive(Clone, Default)]
pub struct Events {
    readers: Vec<Arc<dyn Reader>>,
}

impl Events {
    pub fn to(readers: Vec<Arc<dyn Reader>>) -> Events {
        Events { readers }
    }

    pub fn emit(&self, step: Option<&Key>, kind: EventKind) {
        let event = Event { step: step.cloned(), kind };
        for reader in &self.readers {
            reader.read(&event);
        }
    }
}
