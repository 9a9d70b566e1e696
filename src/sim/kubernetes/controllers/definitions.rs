//! CustomResourceDefinitions: accepted and established at once, and their objects go before them.

use std::sync::Arc;

use serde_json::Value;
use time::OffsetDateTime;

use super::{delete, garbage, set_condition, write_status};
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::persist::is_deleted;
use crate::sim::kubernetes::resources;
use crate::sim::kubernetes::store::Key;

const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";
const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// The definition of a custom object.
pub fn of(state: &State, key: &Key) -> Option<Key> {
    if *key.resource == *DEFINITIONS {
        // Gone: nothing is served any more.
        return state.custom.contains_key(&key.name).then(|| key.clone());
    }
    state.custom.contains_key(&*key.resource).then(|| Key::new(DEFINITIONS, "", &key.resource))
}

/// Serves what the definitions that are there say.
fn serve(state: &mut State) {
    let all: Vec<(String, Arc<Value>)> =
        state.store.list(DEFINITIONS, None).map(|(key, object)| (key.name.clone(), object.clone())).collect();
    state.custom = all
        .into_iter()
        .map(|(name, definition)| (name, resources::of_definition(&definition).into_iter().map(Arc::new).collect()))
        .collect();
}

pub fn step(state: &mut State, key: &Key, now: OffsetDateTime) {
    let Some(definition) = state.store.get(key).cloned() else { return };
    serve(state);
    if is_deleted(&definition) {
        let objects: Vec<Key> = state.store.list(&key.name, None).map(|(key, _)| key.clone()).collect();
        for object in &objects {
            delete(state, object, now);
        }
        if objects.iter().all(|object| state.store.get(object).is_none()) {
            garbage::finish(state, key, &definition, CLEANUP, now);
            serve(state);
        }
        return;
    }
    let mut status = definition["status"].clone();
    status["acceptedNames"] = definition["spec"]["names"].clone();
    let versions = definition["spec"]["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let stored = versions.iter().find(|version| version["storage"] == true).map(|version| version["name"].clone());
    let known = status["storedVersions"].as_array().cloned().unwrap_or_default();
    let added = stored.filter(|stored| !known.contains(stored));
    status["storedVersions"] = known.into_iter().chain(added).collect();
    let conditions = &mut status["conditions"];
    set_condition(conditions, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now);
    let message = "the initial names have been accepted";
    set_condition(conditions, "Established", "True", "InitialNamesAccepted", message, now);
    write_status(state, "customresourcedefinitions", &definition, status, "kube-apiserver", now);
}
