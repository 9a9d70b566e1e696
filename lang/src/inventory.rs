//! The sites that a program can name. Configuration fills it (edge.yaml, clouds.yaml, kubeconfig); the script's own
//! `site` declarations are added to it before checking. Credentials are not here.

use crate::model::{SiteId, SiteSet};
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Inventory {
    sites: IndexMap<Arc<str>, Site>,
    /// Named sets of edge.yaml.
    pub groups: BTreeMap<Arc<str>, SiteSet>,
    /// By stack, the services that the library describes for it; empty where nobody has said.
    pub described: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// From an inventory file: then `sites` may be used in changes, else in reads only.
    pub declared: bool,
}

#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Site {
    pub name: Arc<str>,
    /// `openstack`, `kubernetes`, `http`; empty for a composed site.
    pub stack: Arc<str>,
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// The services that it is known to offer; `None` when nobody has asked it yet.
    pub services: Option<Vec<Arc<str>>>,
    /// A composed site: whose instance each service is.
    pub composed: Option<BTreeMap<Arc<str>, SiteId>>,
    /// How the driver reaches it: `cloud`, `context`, `region`, `url`, ...
    pub connection: BTreeMap<Arc<str>, Arc<str>>,
}

impl Inventory {
    /// Adds a site, or replaces the one of that name under its number.
    pub fn add(&mut self, site: Site) -> SiteId {
        let (index, _) = self.sites.insert_full(site.name.clone(), site);
        SiteId(index as u32)
    }

    pub fn id(&self, name: &str) -> Option<SiteId> {
        self.sites.get_index_of(name).map(|i| SiteId(i as u32))
    }

    pub fn get(&self, site: SiteId) -> Option<&Site> {
        self.sites.get_index(site.0 as usize).map(|(_, s)| s)
    }

    pub fn name(&self, site: SiteId) -> &str {
        self.get(site).map_or("?", |s| &s.name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (SiteId, &Site)> {
        self.sites.values().enumerate().map(|(i, s)| (SiteId(i as u32), s))
    }

    pub fn len(&self) -> usize {
        self.sites.len()
    }

    pub fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }

    /// `sites`: every site but the composed ones.
    pub fn plain(&self) -> SiteSet {
        self.iter().filter(|(_, s)| s.composed.is_none()).map(|(id, _)| id).collect()
    }

    /// The site whose instance of `service` is meant at `site`; `None` where a composed site has no such service.
    pub fn instance(&self, site: SiteId, service: &str) -> Option<SiteId> {
        match &self.get(site)?.composed {
            None => Some(site),
            Some(parts) => parts.get(service).copied(),
        }
    }

    /// Whether `site` offers `service`; `None` when nobody has asked it yet.
    pub fn offers(&self, site: SiteId, service: &str) -> Option<bool> {
        let at = match self.instance(site, service) {
            None => return Some(false),
            Some(at) => self.get(at)?,
        };
        match &at.services {
            Some(list) => Some(list.iter().any(|s| &**s == service)),
            // No site of a kind that has no such service offers it.
            None if self.described.is_empty() => None,
            None => match self.described.get(&at.stack) {
                Some(all) if all.contains(service) => None,
                _ => Some(false),
            },
        }
    }
}
