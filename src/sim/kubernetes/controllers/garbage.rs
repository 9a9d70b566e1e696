//! What becomes of dependents when their owner goes, and of owners that wait for them.

use std::sync::Arc;

use serde_json::Value;
use time::OffsetDateTime;

use super::{delete, owners, uid_of};
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::managed::Writer;
use crate::sim::kubernetes::persist::{self, Mode, finalizers, is_deleted};
use crate::sim::kubernetes::store::Key;

/// Whether the object is gone, or going: then no other controller has a say.
pub fn collect(state: &mut State, key: &Key, now: OffsetDateTime) -> bool {
    let Some(object) = state.store.get(key).cloned() else { return true };
    if !is_deleted(&object) {
        let mut all = owners(&object).peekable();
        let owned = all.peek().is_some();
        let alive = all.any(|owner| is_there(state, owner, &key.namespace));
        if owned && !alive {
            delete(state, key, now);
        }
        return owned && !alive;
    }
    if finalizers(&object).any(|own| own == "orphan") {
        for dependent in dependents(state, &object) {
            disown(state, &dependent, uid_of(&object), now);
        }
        finish(state, key, &object, "orphan", now);
    } else if finalizers(&object).any(|own| own == "foregroundDeletion") {
        let waiting: Vec<Key> = dependents(state, &object)
            .into_iter()
            .filter(|dependent| {
                let blocks = |owner: &Value| owner["uid"] == *uid_of(&object) && owner["blockOwnerDeletion"] == true;
                state.store.get(dependent).is_some_and(|dependent| owners(dependent).any(blocks))
            })
            .collect();
        for dependent in dependents(state, &object) {
            delete(state, &dependent, now);
        }
        let left = waiting.iter().any(|dependent| state.store.get(dependent).is_some());
        if !left {
            finish(state, key, &object, "foregroundDeletion", now);
        }
    }
    // Some still have to do something for what they control while it goes.
    state.store.get(key).is_none()
        || !matches!(
            &*key.resource,
            "pods"
                | "namespaces"
                | "persistentvolumeclaims"
                | "persistentvolumes"
                | "customresourcedefinitions.apiextensions.k8s.io"
        )
}

fn dependents(state: &State, owner: &Value) -> Vec<Key> {
    state.work.dependents.get(uid_of(owner)).into_iter().flatten().cloned().collect()
}

/// An owner is there if an object with its uid is; one of the same name is another.
fn is_there(state: &State, owner: &Value, namespace: &str) -> bool {
    let Some(key) = super::owner_key(state, owner, namespace) else {
        // Of a kind that this site does not know: nobody can say that it is gone.
        return true;
    };
    state.store.get(&key).is_some_and(|object| owner["uid"] == *uid_of(object))
}

fn disown(state: &mut State, key: &Key, uid: &str, now: OffsetDateTime) {
    let (Some(before), Some(resource)) = (state.store.get(key).cloned(), state.resource_of(&key.resource)) else {
        return;
    };
    let mut after = (*before).clone();
    if let Some(all) = after["metadata"]["ownerReferences"].as_array_mut() {
        all.retain(|owner| owner["uid"] != *uid);
        if all.is_empty() {
            after["metadata"].as_object_mut().map(|metadata| metadata.shift_remove("ownerReferences"));
        }
    }
    persist::update(state, &resource, &before, after, &Writer::update(super::MANAGER), Mode::Real, now);
}

/// Takes a finalizer away: what it stands for is done.
pub fn finish(state: &mut State, key: &Key, object: &Arc<Value>, finalizer: &str, now: OffsetDateTime) {
    let Some(resource) = state.resource_of(&key.resource) else { return };
    let mut after = (**object).clone();
    if let Some(all) = after["metadata"]["finalizers"].as_array_mut() {
        all.retain(|own| own != finalizer);
        if all.is_empty() {
            after["metadata"].as_object_mut().map(|metadata| metadata.shift_remove("finalizers"));
        }
    }
    persist::update(state, &resource, object, after, &Writer::update(super::MANAGER), Mode::Real, now);
}
