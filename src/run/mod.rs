//! Running a program: the executor between the evaluator's steps and the sites.
//!
//! ```text
//! step ──resolve──> arguments at a site ──pursue──> deeds ──effect──> requests ──session──> answers ──> events
//! ```
//!
//! `live` performs steps, `planning` only looks; both resolve names and copies in the same way (`resolve`). The hard idea
//! is in `effect`: an operation at one site is a thing that can be sent, probed, fenced and undone, whatever resource it is
//! about, because the library says how.

mod abreast;
pub mod approval;
mod body;
mod bridge;
mod change;
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
mod patience;
mod pending;
mod planned;
pub mod planning;
mod prefer;
mod pursue;
mod read;
mod refer;
mod rehearse;
mod remove;
mod replay;
mod resolve;
mod rows;
pub mod seen;
pub mod silence;
pub mod taking;
pub mod trouble;
mod upload;
mod walk;

use edge_lang::codes::run as codes;

use crate::drivers::{self, Session};
use edge_lang::eval::{Key, Policy, Step};
use edge_lang::inventory::Inventory;
use edge_lang::library::Library;
use edge_lang::library::render::Fields;
use edge_lang::model::{SiteId, SiteSet};
use edge_lang::types::Name;
use event::Events;
use futures_util::future::BoxFuture;
use journal::{Journal, Past};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Opens sites. One session per site, account and tenant, made when first needed.
pub trait Sessions: Send + Sync {
    fn session<'a>(&'a self, site: SiteId, who: Who<'a>) -> BoxFuture<'a, Result<Arc<dyn Session>, drivers::Failure>>;
}

/// As whom a site is asked: the person known at a site, in a project or namespace; by default the site's own account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Who<'a> {
    pub identity: Option<SiteId>,
    pub tenant: Option<&'a str>,
}

impl Who<'_> {
    pub fn of(step: &Step) -> Who<'_> {
        Who { identity: step.identity, tenant: step.policy.tenant.as_deref() }
    }
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
    /// What an earlier runner of it left.
    pub past: Arc<Past>,
    /// What sites were last seen to have, where that is kept.
    pub seen: Option<Arc<seen::Seen>>,
    /// What the inventory says where the program says nothing.
    pub defaults: Policy,
    copies: copies::Copies,
    silence: silence::Silence,
    /// Of a plan: what would be there by now, as far as it is known.
    planned: Mutex<HashMap<planned::Called, Option<Fields>>>,
    made: Mutex<HashSet<(SiteId, String)>>,
    /// Steps that were taken back in this process.
    taken: Mutex<HashSet<Key>>,
    /// What was asked for twice under a name that its site keeps unique: while it is there, the older request does nothing.
    unclosed: Mutex<HashSet<(SiteId, Name, String)>>,
    began: Instant,
    interrupt: watch::Receiver<bool>,
    background: Mutex<JoinSet<()>>,
    /// What is open, by who owes it.
    open: Mutex<BTreeMap<u64, Owed>>,
    debtors: AtomicU64,
    /// What was deferred and is done since.
    paid: AtomicU64,
    /// Something that the program went on without has failed.
    doomed: AtomicBool,
    /// Whatever is open is given up and undone.
    taking_back: bool,
}

/// What is still to be done of an operation, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Owed {
    pub key: Key,
    pub title: String,
    pub sites: SiteSet,
    /// The sites whose service instances those are.
    pub at: SiteSet,
    pub due: Due,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It is done or has failed; what is left over is to be removed.
    Tidying,
    /// The program stopped at it.
    Unsettled,
    /// The program went on without it.
    Deferred,
}

/// What makes a run.
pub struct Setting {
    pub name: Arc<str>,
    pub library: Arc<Library>,
    pub inventory: Arc<Inventory>,
    pub sessions: Arc<dyn Sessions>,
    pub events: Events,
    pub journal: Arc<dyn Journal>,
    pub past: Arc<Past>,
    pub seen: Option<Arc<seen::Seen>>,
    pub defaults: Policy,
    /// What the plan of it found silent.
    pub silence: silence::Silence,
    /// All of it is taken back, and nothing begun.
    pub taking_back: bool,
    /// Becomes true when the user stops the run.
    pub interrupt: watch::Receiver<bool>,
}

impl Run {
    pub fn new(setting: Setting) -> Arc<Run> {
        let Setting {
            name,
            library,
            inventory,
            sessions,
            events,
            journal,
            past,
            seen,
            defaults,
            silence,
            taking_back,
            interrupt,
        } = setting;
        Arc::new(Run {
            name,
            library,
            inventory,
            sessions,
            events,
            journal,
            past,
            seen,
            defaults,
            copies: copies::Copies::default(),
            silence,
            planned: Mutex::default(),
            made: Mutex::default(),
            taken: Mutex::default(),
            unclosed: Mutex::default(),
            began: Instant::now(),
            interrupt,
            background: Mutex::new(JoinSet::new()),
            open: Mutex::default(),
            debtors: AtomicU64::new(0),
            paid: AtomicU64::new(0),
            doomed: AtomicBool::new(false),
            taking_back,
        })
    }

    fn all_planned(&self) -> MutexGuard<'_, HashMap<planned::Called, Option<Fields>>> {
        self.planned.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn plan_name(&self, called: planned::Called, fields: Fields) {
        self.all_planned().entry(called).or_default().get_or_insert_default().extend(fields);
    }

    /// An earlier step of the plan deletes it.
    fn plan_gone(&self, called: planned::Called) {
        self.all_planned().insert(called, None);
    }

    fn is_planned_gone(&self, called: &planned::Called) -> bool {
        self.all_planned().get(called).is_some_and(Option::is_none)
    }

    /// What an earlier step of the plan makes it to be.
    fn planned(&self, called: &planned::Called) -> Option<Fields> {
        self.all_planned().get(called).cloned().flatten()
    }

    /// Whether an earlier step of the plan makes it.
    fn is_planned(&self, called: &planned::Called) -> bool {
        self.all_planned().get(called).is_some_and(Option::is_some)
    }

    /// Whether the service instance that the site stands for did not answer just now.
    fn is_silent(&self, site: SiteId, service: &str) -> bool {
        self.silence.of(self.inventory.instance(site, service).unwrap_or(site), service).is_some()
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

    /// Waits so long, or until the run is stopped; says whether it was not.
    async fn pause(&self, time: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.interrupted() => false,
            () = tokio::time::sleep(time) => true,
        }
    }

    pub fn is_interrupted(&self) -> bool {
        *self.interrupt.borrow()
    }

    /// Work that statements do not wait for.
    fn background(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut background = self.background.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        background.spawn(work);
    }

    /// Waits for what is still being tidied, as long as `grace`; gives what is owed then.
    pub async fn finish(&self, grace: Duration) -> Vec<Owed> {
        let end = Instant::now() + grace;
        // Tidying may begin further work.
        loop {
            let mut background = {
                let mut held = self.background.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                std::mem::take(&mut *held)
            };
            if background.is_empty() {
                break;
            }
            while let Ok(Some(_)) = tokio::time::timeout_at(end, background.join_next()).await {}
            background.abort_all();
        }
        self.open().values().cloned().collect()
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, Owed>> {
        self.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn debtor(&self) -> u64 {
        self.debtors.fetch_add(1, Ordering::Relaxed)
    }

    /// From now on this is all that `debtor` owes; nothing, when there are no sites.
    fn owe(&self, debtor: u64, owed: Owed) {
        match owed.sites.is_empty() {
            true => self.open().remove(&debtor),
            false => self.open().insert(debtor, owed),
        };
    }

    /// What was deferred at a site before `debtor` began comes first there.
    fn comes_first(&self, at: SiteId, debtor: u64) -> Option<String> {
        let open = self.open();
        let (_, first) = open.range(..debtor).find(|(_, o)| o.due == Due::Deferred && o.at.contains(at))?;
        Some(format!("{} comes first, which is owed here", first.title))
    }

    fn note_paid(&self) {
        self.paid.fetch_add(1, Ordering::Relaxed);
    }

    fn note_doomed(&self) {
        self.doomed.store(true, Ordering::Relaxed);
    }

    /// Something that the program went on without has failed: what used it goes first.
    pub fn is_doomed(&self) -> bool {
        self.doomed.load(Ordering::Relaxed)
    }

    /// Ends all that is under way in the background, as the end of the process would.
    pub fn leave(&self) {
        let mut background = self.background.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        background.abort_all();
    }

    /// Something that the program went on without is done since: gone through again, the program gets further.
    pub fn gets_further(&self) -> bool {
        self.paid.load(Ordering::Relaxed) > 0
    }

    /// Where something of a step is open.
    fn owed_of(&self, key: &Key) -> SiteSet {
        let mut all = SiteSet::new();
        self.open().values().filter(|o| o.key == *key).for_each(|o| all.add(&o.sites));
        all
    }

    fn note_taken(&self, key: &Key) {
        self.taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(key.clone());
    }

    /// Whether a step for which a copy was not made, or an earlier runner's, still needs it.
    fn is_used_beside(&self, copy: &journal::Id, by: &Key) -> bool {
        let taken = self.taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.past.is_used_beside(copy, |key| key != by && !taken.contains(key))
    }

    /// It was asked for twice, and the older request may still come.
    fn note_unclosed(&self, at: SiteId, resource: &Name, id: &str) {
        self.unclosed().insert((at, resource.clone(), id.to_string()));
    }

    fn unclosed(&self) -> MutexGuard<'_, HashSet<(SiteId, Name, String)>> {
        self.unclosed.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A thing that this run made: its own name is not taken by it.
    fn note_made(&self, site: SiteId, id: &str) {
        self.made.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert((site, id.to_string()));
    }

    fn has_made(&self, site: SiteId, id: &str) -> bool {
        self.made.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).contains(&(site, id.to_string()))
    }
}
