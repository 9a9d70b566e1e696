//! Putting objects: generations, ownership, revisions, and the end of what is being deleted.

use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::State;
use super::managed::{self, Writer};
use super::resources::Resource;
use super::store::Key;
use crate::sim::source::iso;

/// Whether a request is carried out, or only judged (`dryRun=All`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Real,
    Dry,
}

pub fn key_of(resource: &Resource, object: &Value) -> Key {
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
    Key::new(&resource.id(), if resource.namespaced { text("namespace") } else { "" }, text("name"))
}

pub fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

pub fn is_deleted(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// A new object, complete but for what the server gives it: identity, time, first generation, owners of its fields.
pub fn create(
    state: &mut State,
    resource: &Resource,
    mut object: Value,
    writer: &Writer,
    mode: Mode,
    now: OffsetDateTime,
) -> Arc<Value> {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for own in ["resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"] {
            metadata.shift_remove(own);
        }
        metadata.insert("uid".into(), state.ids.uuid().into());
        metadata.insert("creationTimestamp".into(), iso(now).into());
        if resource.generations {
            metadata.insert("generation".into(), 1.into());
        }
    }
    if !writer.apply {
        managed::track(&resource.shape, &resource.api_version(), None, &mut object, writer, now);
    }
    store(state, resource, object, mode, now)
}

/// Another state of an object that is there. What is the same is not written again.
pub fn update(
    state: &mut State,
    resource: &Resource,
    before: &Arc<Value>,
    mut after: Value,
    writer: &Writer,
    mode: Mode,
    now: OffsetDateTime,
) -> Arc<Value> {
    let own = ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"];
    if after["metadata"].is_object() {
        for key in own {
            match before["metadata"].get(key) {
                Some(value) => after["metadata"][key] = value.clone(),
                None => drop(after["metadata"].as_object_mut().and_then(|metadata| metadata.shift_remove(key))),
            }
        }
        after["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
    }
    if resource.generations && spec_differs(before, &after) {
        let generation = before["metadata"]["generation"].as_i64().unwrap_or(0);
        after["metadata"]["generation"] = (generation + 1).into();
    }
    if !writer.apply {
        managed::track(&resource.shape, &resource.api_version(), Some(before), &mut after, writer, now);
    }
    let ends = is_deleted(&after) && finalizers(&after).next().is_none() && !lingers(resource, &after);
    if ends {
        if mode == Mode::Real {
            state.store.remove(&key_of(resource, before), now);
        }
        return Arc::new(after);
    }
    if same(before, &after) {
        return before.clone();
    }
    store(state, resource, after, mode, now)
}

/// Deleted, and kept for another reason than its finalizers: a pod in its grace, a namespace with its contents.
fn lingers(resource: &Resource, object: &Value) -> bool {
    match resource.id().as_str() {
        "pods" => object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) > 0,
        "namespaces" => object["spec"]["finalizers"].as_array().is_some_and(|all| !all.is_empty()),
        _ => false,
    }
}

fn store(state: &mut State, resource: &Resource, mut object: Value, mode: Mode, now: OffsetDateTime) -> Arc<Value> {
    sort_front(&mut object);
    match mode {
        Mode::Dry => Arc::new(object),
        Mode::Real => state.store.put(key_of(resource, &object), object, now),
    }
}

/// Kind and version first, then metadata, as everybody writes them.
fn sort_front(object: &mut Value) {
    if let Some(map) = object.as_object_mut() {
        for key in ["metadata", "kind", "apiVersion"] {
            if let Some(value) = map.shift_remove(key) {
                map.shift_insert(0, key.into(), value);
            }
        }
    }
}

fn spec_differs(before: &Value, after: &Value) -> bool {
    let own = |key: &str| matches!(key, "metadata" | "status" | "apiVersion" | "kind");
    let keys = |object: &Value| -> Vec<String> {
        object.as_object().into_iter().flatten().map(|(key, _)| key.clone()).filter(|key| !own(key)).collect()
    };
    keys(before).iter().chain(&keys(after)).any(|key| before.get(key) != after.get(key))
}

/// Equal but for the times in the entries of owners.
fn same(before: &Value, after: &Value) -> bool {
    let timeless = |object: &Value| {
        let mut object = object.clone();
        for entry in object["metadata"]["managedFields"].as_array_mut().into_iter().flatten() {
            if let Some(entry) = entry.as_object_mut() {
                entry.shift_remove("time");
            }
        }
        object
    };
    before == after || timeless(before) == timeless(after)
}

/// Marks an object as being deleted.
pub fn mark_deleted(
    state: &mut State,
    resource: &Resource,
    before: &Arc<Value>,
    grace: i64,
    finalizer: Option<&str>,
    now: OffsetDateTime,
) -> Arc<Value> {
    let mut object = (**before).clone();
    if !is_deleted(before) || before["metadata"]["deletionGracePeriodSeconds"].as_i64().is_some_and(|old| grace < old) {
        object["metadata"]["deletionTimestamp"] = iso(now + time::Duration::seconds(grace)).into();
        object["metadata"]["deletionGracePeriodSeconds"] = grace.into();
        if resource.generations && !is_deleted(before) {
            let generation = before["metadata"]["generation"].as_i64().unwrap_or(0);
            object["metadata"]["generation"] = (generation + 1).into();
        }
    }
    if let Some(finalizer) = finalizer
        && !finalizers(before).any(|own| own == finalizer)
    {
        if !object["metadata"]["finalizers"].is_array() {
            object["metadata"]["finalizers"] = json!([]);
        }
        if let Some(all) = object["metadata"]["finalizers"].as_array_mut() {
            all.push(finalizer.into());
        }
    }
    if resource.id() == "namespaces" {
        object["status"]["phase"] = "Terminating".into();
    }
    if **before == object {
        return before.clone();
    }
    store(state, resource, object, Mode::Real, now)
}
