//! Rule 3 of a well-composed use: what an operation depends on is at its own site, or a bridge leads there.
//!
//! Asked before anything runs where both places are known, and again by whoever plans or runs a step, with the places
//! that its values turned out to have.

use crate::inventory::Inventory;
use crate::library::Library;
use crate::model::{SiteId, SiteSet};

/// A dependency that is elsewhere, and that no bridge can bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    pub site: SiteId,
    pub found: SiteId,
}

/// The same in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misplaced {
    pub message: String,
    pub help: String,
}

/// Whether an operation of `service` at `site` can use a `resource` that is at one of `from`; an empty `from` means that
/// it is looked up at the operation's own site. Composed sites stand for the sites whose instances they are made of.
pub fn misplaced(
    library: &Library,
    inventory: &Inventory,
    service: &str,
    site: SiteId,
    resource: &str,
    from: &SiteSet,
) -> Option<Elsewhere> {
    let resource = library.any_resource(resource)?;
    if resource.bridge.is_some() {
        return None;
    }
    // The place where the operation really happens; its neighbours are of that place.
    let own = inventory.instance(site, service)?;
    if from.is_empty() {
        let found = inventory.instance(site, &resource.service)?;
        return (found != own).then_some(Elsewhere { site: own, found });
    }
    let mut instances = from.iter().filter_map(|s| inventory.instance(s, &resource.service));
    let first = instances.next()?;
    (first != own && instances.all(|s| s != own)).then_some(Elsewhere { site: own, found: first })
}

impl Elsewhere {
    /// `server.create at Zone1 expects a network of Zone1, but got one of Zone2`.
    pub fn said(self, inventory: &Inventory, operation: &str, resource: &str) -> Misplaced {
        let (site, found) = (inventory.name(self.site), inventory.name(self.found));
        let article = if resource.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        Misplaced {
            message: format!("{operation} at {site} expects {article} {resource} of {site}, but got one of {found}"),
            help: format!("there is no bridge for a {resource}: use one of {site}, or do this at {found}"),
        }
    }
}
