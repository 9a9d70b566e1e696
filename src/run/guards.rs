//! What the inventory forbids at a site, checked before anything is sent there: for the partner whose site one may use but
//! little.

use super::approval::Approval;
use super::trouble::Trouble;
use crate::config;
use edge_lang::eval::Step;
use edge_lang::inventory::Inventory;
use edge_lang::model::SiteId;
use edge_lang::plan::PlannedEffect;
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
pub struct Guards {
    by_site: BTreeMap<Arc<str>, config::Guards>,
    /// How many of each operation this run has begun at each site.
    begun: Mutex<HashMap<(SiteId, String), u64>>,
}

impl Guards {
    pub fn new(by_site: BTreeMap<Arc<str>, config::Guards>) -> Guards {
        Guards { by_site, begun: Mutex::default() }
    }

    fn of(&self, site: SiteId, service: &str, inventory: &Inventory) -> Option<(&Arc<str>, &config::Guards)> {
        let at = inventory.instance(site, service).unwrap_or(site);
        self.by_site.get_key_value(inventory.name(at))
    }

    /// Whether a change may be made there at all.
    pub fn check(&self, step: &Step, site: SiteId, inventory: &Inventory) -> Result<(), Trouble> {
        let Some((name, guards)) = self.of(site, &step.service, inventory) else { return Ok(()) };
        if guards.protect {
            return Err(forbidden(format!("{name} is protected: nothing is changed there")));
        }
        if !guards.permit(&step.resource, &step.operation) {
            return Err(forbidden(format!("{}.{} is not allowed at {name}", step.resource, step.operation)));
        }
        Ok(())
    }

    /// Counts one more of the operation against the site's limits.
    fn count(&self, step: &Step, site: SiteId, inventory: &Inventory) -> Result<(), Trouble> {
        self.check(step, site, inventory)?;
        let Some((name, guards)) = self.of(site, &step.service, inventory) else { return Ok(()) };
        let mut begun = self.begun.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for key in [format!("{}.{}", step.resource, step.operation), step.resource.to_string()] {
            let Some(limit) = guards.limits.get(&key) else { continue };
            let count = begun.entry((site, key.clone())).or_default();
            if *count >= *limit {
                return Err(forbidden(format!("{name} allows {limit} of `{key}` in one run")));
            }
            *count += 1;
        }
        Ok(())
    }
}

fn forbidden(message: String) -> Trouble {
    Trouble::refused(message).help("edge.yaml says so; `edge explain E0614` says more")
}

/// Guards first, then whoever approves.
pub struct Guarded {
    pub guards: Arc<Guards>,
    pub inventory: Arc<Inventory>,
    pub then: Box<dyn Approval>,
}

impl Approval for Guarded {
    fn effect<'a>(&'a self, step: &'a Step, effect: &'a PlannedEffect) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            self.guards.count(step, effect.site, &self.inventory).map_err(|t| t.message)?;
            self.then.effect(step, effect).await
        })
    }
}
