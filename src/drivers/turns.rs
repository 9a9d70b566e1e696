//! How many requests are on their way at once: at one site, and at all of them together.
//!
//! The hard idea is the order. A request takes its turn at its site first and only then the common one, and both are given in
//! the order in which they were asked for. So of a site that is slow, or that a thousand operations are about, never more than
//! its own few stand in the common queue, and the others pass.

use edge_lang::model::SiteId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};

/// How many requests a site gets at once, if nobody says otherwise.
pub const IN_FLIGHT: usize = 16;
/// And all sites together: each has a connection, of which a process has about a thousand.
pub const OVERALL: usize = 512;

/// The turns of one site.
#[derive(Clone)]
pub struct Turns {
    site: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

/// Held while a request is on its way.
pub struct Turn<'a> {
    _site: SemaphorePermit<'a>,
    _all: SemaphorePermit<'a>,
}

impl Turns {
    pub async fn take(&self) -> Result<Turn<'_>, AcquireError> {
        Ok(Turn { _site: self.site.acquire().await?, _all: self.all.acquire().await? })
    }
}

/// The turns of all sites of a process.
pub struct AllTurns {
    all: Arc<Semaphore>,
    sites: Mutex<HashMap<SiteId, Arc<Semaphore>>>,
}

impl Default for AllTurns {
    fn default() -> AllTurns {
        AllTurns { all: Arc::new(Semaphore::new(OVERALL)), sites: Mutex::default() }
    }
}

impl AllTurns {
    /// Those of a site, which its sessions share; `at_once` counts the first time.
    pub fn of(&self, site: SiteId, at_once: usize) -> Turns {
        let own = self.sites().entry(site).or_insert_with(|| Arc::new(Semaphore::new(at_once.max(1)))).clone();
        Turns { site: own, all: self.all.clone() }
    }

    /// The others are other sites from now on.
    pub fn retain(&self, same: impl Fn(SiteId) -> bool) {
        self.sites().retain(|site, _| same(*site));
    }

    fn sites(&self) -> MutexGuard<'_, HashMap<SiteId, Arc<Semaphore>>> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
