//! What the inventory forbids at a site, checked before anything is sent there: for the partner whose site one may use but
//! little.

use super::approval::Approval;
use super::codes;
use super::trouble::Trouble;
use crate::config;
use edge_lang::eval::{Key, Step, StepKind};
use edge_lang::inventory::Inventory;
use edge_lang::model::SiteId;
use edge_lang::plan::{Action, PlannedEffect};
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
pub struct Guards {
    by_site: BTreeMap<Arc<str>, config::Guards>,
    /// What this run has begun of each operation at each site; what is begun again counts once.
    begun: Mutex<HashMap<(SiteId, String), HashSet<Begun>>>,
}

/// The step, and the thing that it is about.
type Begun = (Key, Option<String>);

impl Guards {
    /// The same rules, for a run of which nothing has begun.
    pub fn anew(&self) -> Guards {
        Guards::new(self.by_site.clone())
    }

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

    /// Whether an effect of the step may be sent: what it brings along is no operation of its own.
    fn admit(&self, step: &Step, effect: &PlannedEffect, inventory: &Inventory) -> Result<(), Trouble> {
        match effect.action {
            Action::Copy { .. } if step.kind != StepKind::Copy => self.check(step, effect.site, inventory),
            _ => self.count(step, effect, inventory),
        }
    }

    /// Counts one more of the operation against the site's limits.
    pub fn count(&self, step: &Step, effect: &PlannedEffect, inventory: &Inventory) -> Result<(), Trouble> {
        let site = effect.site;
        self.check(step, site, inventory)?;
        let Some((name, guards)) = self.of(site, &step.service, inventory) else { return Ok(()) };
        let mut begun = self.begun.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for key in [format!("{}.{}", step.resource, step.operation), step.resource.to_string()] {
            let Some(limit) = guards.limits.get(&key) else { continue };
            let all = begun.entry((site, key.clone())).or_default();
            let this = (step.key.clone(), effect.id.clone());
            if !all.contains(&this) && all.len() as u64 >= *limit {
                return Err(forbidden(format!("{name} allows {limit} of `{key}` in one run")));
            }
            all.insert(this);
        }
        Ok(())
    }
}

fn forbidden(message: String) -> Trouble {
    Trouble::refused(message).code(&codes::GUARD).help("edge.yaml says so")
}

/// Guards first, then whoever approves.
pub struct Guarded {
    pub guards: Arc<Guards>,
    pub inventory: Arc<Inventory>,
    pub then: Arc<dyn Approval>,
}

impl Approval for Guarded {
    fn effect<'a>(&'a self, step: &'a Step, effect: &'a PlannedEffect) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async move {
            self.guards.admit(step, effect, &self.inventory)?;
            self.then.effect(step, effect).await
        })
    }
}
