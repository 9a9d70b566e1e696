//! Which service instances did not answer lately, so that what can be done elsewhere does not wait for them again.
//!
//! It is only a matter of preference and of what a plan looks at: a site that is needed is asked all the same, and what a
//! silent site may still do is the pursuit's concern.

use super::trouble::{Kind, Trouble};
use edge_lang::model::{Placement, SiteId};
use edge_lang::types::Name;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;

/// For so long; then it is asked as if nothing were known of it.
const LATELY: Duration = Duration::from_secs(60);

/// A site and its service.
type At = (SiteId, Name);

#[derive(Clone, Default)]
pub struct Silence(Arc<Mutex<HashMap<At, (Instant, Trouble)>>>);

impl Silence {
    fn known(&self) -> MutexGuard<'_, HashMap<At, (Instant, Trouble)>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What became of a question.
    pub fn heard<T>(&self, site: SiteId, service: &Name, of: &Result<T, Trouble>) {
        match of {
            Err(trouble) if trouble.kind != Kind::Refused && !trouble.answered => {
                self.known().insert((site, service.clone()), (Instant::now(), trouble.clone()));
            }
            _ => {
                self.known().remove(&(site, service.clone()));
            }
        }
    }

    /// Why it did not answer, if it did not.
    pub fn of(&self, site: SiteId, service: &str) -> Option<Trouble> {
        let known = self.known();
        let (when, trouble) = known.get(&(site, Name::from(service)))?;
        (when.elapsed() < LATELY).then(|| trouble.clone())
    }

    /// The order of preference, sites that are silent last. An empty one is the order in which they are written.
    pub fn last(&self, order: Vec<SiteId>, placement: &Placement, is_silent: impl Fn(SiteId) -> bool) -> Vec<SiteId> {
        if self.known().is_empty() {
            return order;
        }
        let all = if order.is_empty() { placement.written_order() } else { order.clone() };
        let (silent, others): (Vec<SiteId>, Vec<SiteId>) = all.into_iter().partition(|site| is_silent(*site));
        match silent.is_empty() {
            true => order,
            false => others.into_iter().chain(silent).collect(),
        }
    }
}
