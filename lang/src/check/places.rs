//! What is asked of the inventory again and again, as bit sets that are made once: who offers a service, whose stack
//! knows a resource, who has a label.

use crate::inventory::Inventory;
use crate::library::Library;
use crate::model::SiteSet;
use crate::types::{Name, Type};
use indexmap::IndexMap;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Default)]
pub(super) struct Places {
    plain: Option<Arc<SiteSet>>,
    composed: Option<Arc<SiteSet>>,
    offers: HashMap<Name, Arc<Offers>>,
    labels: Option<Arc<Labels>>,
    lacking: HashMap<(Name, Name), Arc<SiteSet>>,
    columns: HashMap<Name, Arc<IndexMap<Name, Type>>>,
}

/// Sites that surely offer a service, and those that surely do not; the others have not been asked.
pub(super) struct Offers {
    pub yes: SiteSet,
    pub no: SiteSet,
}

pub(super) type Labels = IndexMap<Name, IndexMap<Name, SiteSet>>;

impl Places {
    pub fn plain(&mut self, inventory: &Inventory) -> Arc<SiteSet> {
        self.plain.get_or_insert_with(|| Arc::new(inventory.plain())).clone()
    }

    pub fn composed(&mut self, inventory: &Inventory) -> Arc<SiteSet> {
        let all = || inventory.iter().filter(|(_, s)| s.composed.is_some()).map(|(id, _)| id).collect();
        self.composed.get_or_insert_with(|| Arc::new(all())).clone()
    }

    pub fn offers(&mut self, inventory: &Inventory, service: &Name) -> Arc<Offers> {
        let all = || {
            let (mut yes, mut no) = (SiteSet::new(), SiteSet::new());
            for (id, _) in inventory.iter() {
                match inventory.offers(id, service) {
                    Some(true) => _ = yes.insert(id),
                    Some(false) => _ = no.insert(id),
                    None => {}
                }
            }
            Arc::new(Offers { yes, no })
        };
        self.offers.entry(service.clone()).or_insert_with(all).clone()
    }

    pub fn labels(&mut self, inventory: &Inventory) -> Arc<Labels> {
        let all = || {
            let mut labels = Labels::new();
            for (id, site) in inventory.iter() {
                for (label, value) in &site.labels {
                    labels.entry(label.clone()).or_default().entry(value.clone()).or_default().insert(id);
                }
            }
            Arc::new(labels)
        };
        self.labels.get_or_insert_with(all).clone()
    }

    /// The sites whose stack does not describe a resource, or not this operation of it.
    pub fn lacking(
        &mut self,
        inventory: &Inventory,
        library: &Library,
        resource: &Name,
        operation: &Name,
    ) -> Arc<SiteSet> {
        let all = || {
            let services: Vec<(&str, &str)> =
                library.describing(resource, operation).map(|s| (&*s.stack, &*s.name)).collect();
            let has = |site: &crate::inventory::Site| match &site.composed {
                None => services.iter().any(|(stack, _)| *stack == &*site.stack),
                Some(parts) => services.iter().any(|(stack, service)| {
                    parts.get(*service).and_then(|s| inventory.get(*s)).is_some_and(|s| &*s.stack == *stack)
                }),
            };
            Arc::new(inventory.iter().filter(|(_, s)| !has(s)).map(|(id, _)| id).collect())
        };
        self.lacking.entry((resource.clone(), operation.clone())).or_insert_with(all).clone()
    }

    /// The columns of a resource's rows, without `site`.
    pub fn columns(&mut self, library: &Library, resource: &Name) -> Arc<IndexMap<Name, Type>> {
        let all = || {
            let mut columns = library.any_resource(resource).map(|r| r.columns()).unwrap_or_default();
            columns.shift_remove("site");
            Arc::new(columns)
        };
        self.columns.entry(resource.clone()).or_insert_with(all).clone()
    }
}
