//! Running a program: the executor between the evaluator's steps and the sites.
//!
//!     step ──resolve──> arguments at a site ──pursue──> deeds ──effect──> requests ──session──> answers ──> events
//!
//! `live` performs steps, `planning` only looks; both resolve names and copies in the same way (`resolve`). The hard idea
//! is in `effect`: an operation at one site is a thing that can be sent, probed, fenced and undone, whatever resource it is
//! about, because the library says how.

pub mod approval;
mod body;
mod bridge;
mod copies;
mod copying;
mod effect;
pub mod event;
pub mod files;
mod finals;
pub mod guards;
mod instance;
pub mod journal;
pub mod live;
mod planned;
pub mod planning;
mod prefer;
mod pursue;
mod read;
mod remove;
mod resolve;
mod rows;
mod trouble;
mod upload;

use edge_lang::codes::run as codes;

use crate::drivers::{self, Session};
use edge_lang::eval::{Key, Policy};
use edge_lang::inventory::Inventory;
use edge_lang::library::Library;
use edge_lang::model::{SiteId, SiteSet};
use edge_lang::types::Name;
use event::Events;
use futures_util::future::BoxFuture;
use journal::Journal;
use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Opens sites. One session per site and tenant, made when first needed.
pub trait Sessions: Send + Sync {
    fn session<'a>(
        &'a self,
        site: SiteId,
        tenant: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<dyn Session>, drivers::Failure>>;
}

/// One run of one program.
pub struct Run {
    /// Tells effects of this run from those of all others.
    pub name: Arc<str>,
    pub library: Arc<Library>,
    pub inventory: Arc<Inventory>,
    pub sessions: Arc<dyn Sessions>,
    pub events: Events,
    pub journal: Arc<dyn Journal>,
    /// What the inventory says where the program says nothing.
    pub defaults: Policy,
    copies: copies::Copies,
    /// Of a plan: what would be there by now.
    planned: Mutex<HashSet<(Name, SiteId, String)>>,
    began: Instant,
    interrupt: watch::Receiver<bool>,
    background: Mutex<JoinSet<Option<Owed>>>,
}

/// What an operation still has to remove, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Owed {
    pub key: Key,
    pub sites: SiteSet,
}

/// What makes a run.
pub struct Setting {
    pub name: Arc<str>,
    pub library: Arc<Library>,
    pub inventory: Arc<Inventory>,
    pub sessions: Arc<dyn Sessions>,
    pub events: Events,
    pub journal: Arc<dyn Journal>,
    pub defaults: Policy,
    /// Becomes true when the user stops the run.
    pub interrupt: watch::Receiver<bool>,
}

impl Run {
    pub fn new(setting: Setting) -> Arc<Run> {
        let Setting { name, library, inventory, sessions, events, journal, defaults, interrupt } = setting;
        Arc::new(Run {
            name,
            library,
            inventory,
            sessions,
            events,
            journal,
            defaults,
            copies: copies::Copies::default(),
            planned: Mutex::default(),
            began: Instant::now(),
            interrupt,
            background: Mutex::new(JoinSet::new()),
        })
    }

    fn plan_name(&self, resource: &Name, site: SiteId, name: &str) {
        let mut planned = self.planned.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        planned.insert((resource.clone(), site, name.to_string()));
    }

    /// Whether an earlier step of the plan makes it.
    fn is_planned(&self, resource: &str, site: SiteId, name: &str) -> bool {
        let planned = self.planned.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        !planned.is_empty() && planned.contains(&(resource.into(), site, name.to_string()))
    }

    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Resolves when the user has stopped the run.
    pub async fn interrupted(&self) {
        let mut interrupt = self.interrupt.clone();
        // The sender is gone when nothing can interrupt any more: then never.
        if interrupt.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub fn is_interrupted(&self) -> bool {
        *self.interrupt.borrow()
    }

    /// Work that statements do not wait for.
    fn background(&self, work: impl Future<Output = Option<Owed>> + Send + 'static) {
        let mut background = self.background.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        background.spawn(work);
    }

    /// Waits for what is still being tidied, as long as `grace`; gives what is owed then.
    pub async fn finish(&self, grace: Duration) -> Vec<Owed> {
        let mut background = {
            let mut held = self.background.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            std::mem::take(&mut *held)
        };
        let mut owed = Vec::new();
        let end = Instant::now() + grace;
        while let Ok(Some(joined)) = tokio::time::timeout_at(end, background.join_next()).await {
            owed.extend(joined.ok().flatten());
        }
        background.abort_all();
        owed
    }
}
