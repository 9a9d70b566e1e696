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
    /// Whose accounts those are of which nothing else is said: of whoever runs Edge.
    pub person: Option<Arc<str>>,
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
    /// Whose account it is that the site is reached by; `None`: nobody else's.
    pub person: Option<Arc<str>>,
    /// Further accounts, and whose they are.
    pub accounts: IndexMap<Arc<str>, Option<Arc<str>>>,
    /// The sites whose people are let in by federation, and the account that stands for them; `None`: the site's own.
    pub trust: Arc<BTreeMap<SiteId, Option<Arc<str>>>>,
}

/// A site that does not know a person: neither an account of theirs is declared, nor that it trusts their site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distrust {
    pub site: Arc<str>,
    /// The site at which the person is known, and their name, where the inventory says it.
    pub of: Arc<str>,
    pub person: Option<Arc<str>>,
}

impl Distrust {
    pub fn message(&self) -> String {
        let Distrust { site, of, .. } = self;
        let name = self.person.as_ref().map_or(String::new(), |p| format!(", {p}"));
        format!(
            "`{site}` does not accept the person of `{of}`{name}: no account there is theirs, and it does not trust `{of}`"
        )
    }

    /// How it is declared.
    pub fn help(&self) -> [String; 2] {
        let Distrust { site, of, person } = self;
        let person = person.as_deref().unwrap_or("NAME");
        [
            format!(
                "an account of theirs, in edge.yaml: `{site}: {{ accounts: {{ {person}: {{ cloud: ..., person: {person} }} }} }}`"
            ),
            format!("or, where it lets them in by federation: `{site}: {{ trust: [{of}] }}`"),
        ]
    }
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

    /// Whose account the site's own is.
    pub fn person(&self, site: SiteId) -> Option<&Arc<str>> {
        self.get(site)?.person.as_ref().or(self.person.as_ref())
    }

    /// The account at `at` that is used for the person known at `identity`; `None` is the site's own. Both are plain
    /// sites, or composed ones, whose identity service is meant.
    pub fn account(&self, identity: Option<SiteId>, at: SiteId) -> Result<Option<Arc<str>>, Distrust> {
        let Some(identity) = identity.map(|s| self.instance(s, "identity").unwrap_or(s)) else { return Ok(None) };
        let Some(site) = self.get(at) else { return Ok(None) };
        let person = self.person(identity);
        if identity == at || self.person(at) == person {
            return Ok(None);
        }
        let theirs = site.accounts.iter().find(|(_, whose)| whose.as_ref().or(self.person.as_ref()) == person);
        if let Some((account, _)) = theirs {
            return Ok(Some(account.clone()));
        }
        site.trust.get(&identity).cloned().ok_or_else(|| Distrust {
            site: site.name.clone(),
            of: self.name(identity).into(),
            person: person.cloned(),
        })
    }

    /// The first of these service instances that does not accept the person known at `identity`.
    pub fn distrust(&self, identity: SiteId, service: &str, sites: &SiteSet) -> Option<Distrust> {
        let instances = sites.iter().map(|s| self.instance(s, service).unwrap_or(s));
        instances.map(|at| self.account(Some(identity), at)).find_map(Result::err)
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
