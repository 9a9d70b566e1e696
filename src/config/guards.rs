//! Guards: what may be done at a site, of edge.yaml. They are the operator's word against a program's: what is not understood of an
//! entry lets nothing be changed there.

use super::inventory::Sites;
use super::words::{count, words};
use super::yaml::{Kind, Map, Node};
use std::collections::BTreeMap;

/// What may be done at a site; checked before sending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guards {
    /// Nothing is changed there.
    pub protect: bool,
    /// Operations, as `server.create` or `image.*`; empty: all.
    pub allow: Vec<String>,
    pub deny: Vec<String>,
    /// How many of an operation in one run.
    pub limits: BTreeMap<String, u64>,
    /// Requests at once.
    pub in_flight: Option<usize>,
    /// What of the entry is not understood: it may have been meant as a guard, so nothing is changed there.
    pub unclear: Option<String>,
}

impl Guards {
    /// As an entry of sites says it; what is wrong there is noted of it.
    pub(super) fn of(map: &Map, pattern: &str, sites: &mut Sites) -> Guards {
        let truth = |node: &Node| match node.kind {
            Kind::Bool(value) => Some(value),
            _ => None,
        };
        let mut limits = BTreeMap::new();
        if let Some(all) = map.get("limits").and_then(|n| sites.map(n, Some(pattern), "limits")) {
            for key in all.keys() {
                let whole = |n: &Node| n.scalar().and_then(|t| t.parse::<u64>().ok());
                limits.extend(sites.value(&all, Some(pattern), key, "a whole number", whole).map(|n| (key.clone(), n)));
            }
        }
        Guards {
            protect: sites.value(map, Some(pattern), "protect", "true or false", truth).unwrap_or_default(),
            allow: sites.value(map, Some(pattern), "allow", "a list of operations", words).unwrap_or_default(),
            deny: sites.value(map, Some(pattern), "deny", "a list of operations", words).unwrap_or_default(),
            in_flight: sites.value(map, Some(pattern), "in_flight", "a number from 1 on", count),
            limits,
            unclear: None,
        }
    }

    /// The resource and operation that `allow` and `deny` forbid, of all the names that what is done goes by: one is enough
    /// to allow it, and one to deny it.
    pub fn forbids<'a>(&self, resources: &[&'a str], operations: &[&'a str]) -> Option<(&'a str, &'a str)> {
        let named = |pattern: &String, (resource, operation): (&str, &str)| match pattern.split_once('.') {
            Some((r, o)) => (r == "*" || r == resource) && (o == "*" || o == operation),
            None => pattern == "*" || pattern == resource,
        };
        let listed = |list: &[String], deed| list.iter().any(|pattern| named(pattern, deed));
        let mut deeds =
            resources.iter().flat_map(|resource| operations.iter().map(move |operation| (*resource, *operation)));
        let denied = deeds.clone().find(|deed| listed(&self.deny, *deed));
        let allowed = self.allow.is_empty() || deeds.clone().any(|deed| listed(&self.allow, deed));
        denied.or_else(|| deeds.next().filter(|_| !allowed))
    }
}
