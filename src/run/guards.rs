//! What the inventory forbids at a site, checked before anything is sent there: for the partner whose site one may use but
//! little. It is effects that are judged, so that a thing that comes along by a bridge, or that `ensure` makes, is made
//! as much as one that is asked for by `create`.

use super::approval::Approval;
use super::codes;
use super::journal::{Entry, Journal};
use super::trouble::Trouble;
use crate::config;
use edge_lang::diagnostic::nearest;
use edge_lang::eval::{Key, Step, StepKind};
use edge_lang::inventory::Inventory;
use edge_lang::library::{Library, Resource};
use edge_lang::model::SiteId;
use edge_lang::plan::{Action, PlannedEffect};
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
pub struct Guards {
    by_site: BTreeMap<Arc<str>, config::Guards>,
    /// What this run has begun of each operation at each site; what is begun again counts once.
    begun: Mutex<Counts>,
}

/// What was begun of what is counted.
pub type Counts = HashMap<Counted, HashSet<Begun>>;

/// The site, and an operation or a resource.
type Counted = (SiteId, String);

/// The step, and the thing that it is about; what comes along is shared by all steps that need it.
type Begun = (Option<Key>, Option<String>);

/// An effect in the words of the inventory.
struct Deed<'a> {
    /// What it is; of a document also the resource of its kind, which says it best and comes first.
    resources: Vec<&'a str>,
    /// The operation as it is written, and what else it comes to.
    operations: Vec<&'a str>,
    /// What comes along with another operation, by its name.
    along: Option<&'a str>,
}

impl<'a> Deed<'a> {
    fn of(step: &'a Step, effect: &'a PlannedEffect) -> Deed<'a> {
        let written = &*step.operation;
        let along = step.kind != StepKind::Copy;
        let (resource, mut operations) = match effect.action {
            Action::Copy { .. } if along => (&*effect.resource, vec!["copy", "create"]),
            Action::Copy { .. } | Action::Create => (&*step.resource, vec![written, "create"]),
            Action::Replace { .. } => (&*step.resource, vec![written, "delete", "create"]),
            Action::Change { .. } if step.document.is_some() => (&*step.resource, vec![written, "set"]),
            _ => (&*step.resource, vec![written]),
        };
        let described = step.document.as_ref().and_then(|document| document.described.as_deref());
        let of_kind = described.filter(|_| resource == &*step.resource);
        let resources = of_kind.into_iter().chain([resource]).collect();
        operations.dedup();
        let along = match effect.action {
            Action::Copy { .. } if along => Some(effect.name.as_deref().unwrap_or("?")),
            _ => None,
        };
        Deed { resources, operations, along }
    }

    fn names(&self) -> impl Iterator<Item = String> {
        self.resources.iter().flat_map(|resource| {
            let each = self.operations.iter().map(move |operation| format!("{resource}.{operation}"));
            each.chain([resource.to_string()])
        })
    }

    /// Why it may not be: of what comes along, it is said what that is.
    fn forbidden(&self, why: String, at: &str) -> Trouble {
        let message = match self.along {
            Some(name) => format!("{} `{name}` would be copied to {at}, and {why}", self.resources[0]),
            None => why,
        };
        Trouble::refused(message).code(&codes::GUARD).help(format!("edge.yaml says so of {at}"))
    }
}

/// What a pattern of the inventory names that is not there: it would never hold.
fn unknown(pattern: &str, stack: &str, library: &Library) -> Option<String> {
    let (resource, operation) = match pattern.split_once('.') {
        Some((resource, operation)) => (resource, Some(operation).filter(|o| *o != "*")),
        None => (pattern, None),
    };
    let near = |word: &str, names: &mut dyn Iterator<Item = &str>| {
        nearest(word, names).map(|near| format!("; is `{near}` meant?")).unwrap_or_default()
    };
    let mut described = library.services.iter().filter(|s| &*s.stack == stack).flat_map(|s| s.resources.values());
    if resource != "*" && library.resource(stack, resource).is_none() {
        let near = near(resource, &mut described.map(|r| &*r.name));
        return Some(format!("`{pattern}` names no resource of `{stack}`{near}"));
    }
    let operation = operation?;
    let of = |r: &&Resource| resource == "*" || &*r.name == resource;
    let known = described.clone().filter(of).flat_map(|r| r.operations.keys().map(|o| &**o)).chain(EFFECTS);
    if known.clone().any(|known| known == operation) {
        return None;
    }
    let near = near(operation, &mut known.into_iter());
    described.next().map(|_| format!("`{pattern}` names no operation{near}"))
}

/// What effects are called beside the operations that bring them about.
const EFFECTS: [&str; 4] = ["create", "copy", "set", "delete"];

impl Guards {
    pub fn new(by_site: BTreeMap<Arc<str>, config::Guards>) -> Guards {
        Guards { by_site, begun: Mutex::default() }
    }

    /// Those of an inventory, of which a name that no resource and no operation at its site has makes the site unclear.
    pub fn of(by_site: BTreeMap<Arc<str>, config::Guards>, library: &Library, inventory: &Inventory) -> Guards {
        let mut guards = Guards::new(by_site);
        for (name, own) in &mut guards.by_site {
            let stack = inventory.id(name).and_then(|id| inventory.get(id)).map_or("", |site| &*site.stack);
            let written = own.allow.iter().chain(&own.deny).chain(own.limits.keys());
            let unknown = written.filter_map(|pattern| unknown(pattern, stack, library)).next();
            own.unclear = own.unclear.take().or(unknown);
        }
        guards
    }

    /// An earlier runner of the run has begun these.
    pub fn recall(&self, counts: &Counts) {
        let mut begun = self.begun();
        for (counted, all) in counts {
            begun.entry(counted.clone()).or_default().extend(all.iter().cloned());
        }
    }

    /// The same rules, and as much as has begun: what is counted from here on is counted there only.
    pub fn apart(&self) -> Guards {
        Guards { by_site: self.by_site.clone(), begun: Mutex::new(self.begun().clone()) }
    }

    fn begun(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.begun.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Whether an effect may be at its site at all.
    pub fn check(&self, step: &Step, effect: &PlannedEffect, inventory: &Inventory) -> Result<(), Trouble> {
        let at = inventory.instance(effect.site, &step.service).unwrap_or(effect.site);
        let Some((name, guards)) = self.by_site.get_key_value(inventory.name(at)) else { return Ok(()) };
        if !effect.action.changes() {
            return Ok(());
        }
        let deed = Deed::of(step, effect);
        if let Some(why) = &guards.unclear {
            let message =
                format!("nothing is changed at {name} as long as what is said of it is not understood: {why}");
            return Err(deed.forbidden(message, name));
        }
        if guards.protect {
            return Err(deed.forbidden(format!("{name} is protected: nothing is changed there"), name));
        }
        match guards.forbids(&deed.resources, &deed.operations) {
            Some((resource, operation)) => {
                Err(deed.forbidden(format!("{resource}.{operation} is not allowed at {name}"), name))
            }
            None => Ok(()),
        }
    }

    /// Counts effects of a step against the limits of their sites: all of them, or none where one of them is too much. Gives
    /// those that were not counted before.
    pub fn count<'a>(
        &self,
        step: &Step,
        effects: impl IntoIterator<Item = &'a PlannedEffect>,
        inventory: &Inventory,
    ) -> Result<HashSet<(Counted, Begun)>, Trouble> {
        let mut begun = self.begun();
        let mut fresh: HashSet<(Counted, Begun)> = HashSet::new();
        for effect in effects {
            self.check(step, effect, inventory)?;
            let at = inventory.instance(effect.site, &step.service).unwrap_or(effect.site);
            let Some((name, guards)) = self.by_site.get_key_value(inventory.name(at)) else { continue };
            let deed = Deed::of(step, effect);
            let key = deed.along.is_none().then(|| step.key.clone());
            for counted in deed.names().filter(|counted| guards.limits.contains_key(counted)) {
                let limit = guards.limits[&counted];
                let this = (key.clone(), effect.id.clone().or_else(|| effect.name.clone()));
                let why = format!("{name} allows {limit} of `{counted}` in one run");
                let counter = (at, counted);
                let all = begun.get(&counter);
                if all.is_some_and(|all| all.contains(&this)) || fresh.contains(&(counter.clone(), this.clone())) {
                    continue;
                }
                let more = fresh.iter().filter(|(other, _)| *other == counter).count();
                if (all.map_or(0, HashSet::len) + more) as u64 >= limit {
                    return Err(deed.forbidden(why, name));
                }
                fresh.insert((counter, this));
            }
        }
        for (counter, this) in fresh.iter().cloned() {
            begun.entry(counter).or_default().insert(this);
        }
        Ok(fresh)
    }

    /// Whether a resource may come along to a site with an operation there.
    pub fn may_come_along(&self, site: SiteId, resource: &str, inventory: &Inventory) -> bool {
        let guards = self.by_site.get(inventory.name(site));
        guards
            .is_none_or(|g| !g.protect && g.unclear.is_none() && g.forbids(&[resource], &["copy", "create"]).is_none())
    }
}

/// Guards first, then whoever approves.
pub struct Guarded {
    pub guards: Arc<Guards>,
    pub inventory: Arc<Inventory>,
    /// Knows what was counted, so that a runner that goes on counts it too.
    pub journal: Arc<dyn Journal>,
    pub then: Arc<dyn Approval>,
}

impl Approval for Guarded {
    fn effect<'a>(&'a self, step: &'a Step, effect: &'a PlannedEffect) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async move {
            for ((site, what), (by, thing)) in self.guards.count(step, [effect], &self.inventory)? {
                self.journal.note(Entry::Counted { site, what, by, thing });
            }
            self.then.effect(step, effect).await
        })
    }
}
