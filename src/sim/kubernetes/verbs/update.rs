//! PUT and PATCH, server-side apply included.

use std::sync::Arc;

use serde_json::Value;

use super::create::{self, Incoming};
use super::{Place, mode};
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::controllers;
use crate::sim::kubernetes::managed::{self, Ownership, Writer};
use crate::sim::kubernetes::patch::Patch;
use crate::sim::kubernetes::persist::{self, Mode};
use crate::sim::kubernetes::schema::{self, Strange};
use crate::sim::kubernetes::status::{Cause, Status};
use crate::sim::kubernetes::wire::{Answer, Call};
use crate::sim::kubernetes::{table, validate};

pub fn put(state: &mut State, call: &Call, place: &Place) -> Answer {
    let mode = mode(call)?;
    let incoming = create::read(state, call, place, call.object()?)?;
    let live = place.object(state)?;
    let warnings = incoming.warnings.clone();
    let named = incoming.object["metadata"]["resourceVersion"].as_str().is_some_and(|version| !version.is_empty());
    if place.resource.custom.is_some() && !named {
        return Err(create::must_name_version(&place.resource, &place.name));
    }
    let writer = Writer::update(call.manager()).through(&place.sub);
    let stored = replace(state, call, place, &live, incoming, &writer, mode)?;
    Ok(table::shown(call, &place.resource, 200, &stored).warn(&warnings))
}

pub fn patch(state: &mut State, call: &Call, place: &Place) -> Answer {
    let mode = mode(call)?;
    let resource = &place.resource;
    let patch = Patch::read(call, resource)?;
    if let Patch::Apply(applied) = patch {
        return apply(state, call, place, applied, mode);
    }
    let live = place.object(state)?;
    let patched = patch.to(&live, resource, &place.name)?;
    let incoming = create::read(state, call, place, patched)?;
    let warnings = incoming.warnings.clone();
    let writer = Writer::update(call.manager()).through(&place.sub);
    let stored = replace(state, call, place, &live, incoming, &writer, mode)?;
    Ok(table::shown(call, resource, 200, &stored).warn(&warnings))
}

/// Another state of an object that is there, as a client wants it.
fn replace(
    state: &mut State,
    call: &Call,
    place: &Place,
    live: &Arc<Value>,
    incoming: Incoming,
    writer: &Writer,
    mode: Mode,
) -> Result<Arc<Value>, Status> {
    let resource = &place.resource;
    let Incoming { mut object, strange, .. } = incoming;
    let metadata = &object["metadata"];
    if let Some(uid) = metadata["uid"].as_str().filter(|uid| live["metadata"]["uid"] != *uid) {
        let own = live["metadata"]["uid"].as_str().unwrap_or_default();
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {own}");
        return Err(Status::conflict(resource, &place.name, &why));
    }
    let version = metadata["resourceVersion"].as_str().unwrap_or_default();
    if !version.is_empty() && live["metadata"]["resourceVersion"] != *version {
        return Err(Status::modified(resource, &place.name));
    }
    let writes = |key: &str| match place.sub.as_str() {
        "" => !(key == "status" && resource.has("status")),
        "status" => matches!(key, "status"),
        // `finalize` writes the finalizers of a namespace.
        _ => key == "spec",
    };
    keep(live, &mut object, &place.sub, writes);
    schema::fill(&resource.shape, &mut object);
    if place.sub.is_empty() {
        controllers::prepare::changed(resource, live, &mut object);
        validate::check(resource, &object, Some(live), &strange)?;
    }
    Ok(persist::update(state, resource, live, object, writer, mode, call.now))
}

/// What this door does not write stays as it is.
fn keep(live: &Value, object: &mut Value, sub: &str, writes: impl Fn(&str) -> bool) {
    let Some(map) = object.as_object_mut() else { return };
    let was = live.as_object().into_iter().flatten();
    let kept: Vec<(String, Value)> = was.filter(|(key, _)| !writes(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
    map.retain(|key, _| writes(key) || key == "metadata" || (sub.is_empty() && key != "status"));
    for (key, value) in kept {
        if sub.is_empty() && key != "status" {
            continue;
        }
        let entries = (key == "metadata").then(|| map.get("metadata").and_then(|m| m.get("managedFields")).cloned());
        map.insert(key, value);
        if let Some(Some(entries)) = entries {
            map["metadata"]["managedFields"] = entries;
        }
    }
}

fn apply(state: &mut State, call: &Call, place: &Place, applied: Value, mode: Mode) -> Answer {
    let resource = &place.resource;
    let manager = call.query("fieldManager").unwrap_or_default();
    if manager.is_empty() {
        let cause = Cause {
            field: "fieldManager".into(),
            reason: "FieldValueRequired",
            message: "Required value: is required for apply patch".into(),
        };
        let mut status = Status::invalid(resource, "", vec![cause]);
        status.message =
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"
                .into();
        return Err(status);
    }
    if applied["metadata"].get("managedFields").is_some_and(|entries| !entries.is_null()) {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    let mut applied = applied;
    for key in ["kind", "apiVersion"] {
        if !applied[key].is_string() {
            let message = format!(
                "error decoding patch: Object '{}' is missing",
                if key == "kind" { "Kind" } else { "apiVersion" }
            );
            return Err(Status::bad_request(message));
        }
    }
    create::address(place, &mut applied)?;
    typed(place, &applied)?;
    let writer = Writer { manager: manager.to_string(), apply: true, subresource: place.sub.clone() };
    let ownership = if call.flag("force") { Ownership::Force } else { Ownership::Respect };
    let live = state.store.get(&place.key()).cloned();
    let uid = applied["metadata"]["uid"].as_str();
    if let (Some(uid), None) = (uid, &live) {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: ");
        return Err(Status::conflict(resource, &place.name, &why));
    }
    match live {
        Some(live) => {
            let merged = managed::apply(resource, &resource.shape, &live, &applied, &writer, ownership, call.now)?;
            let mut object = merged;
            if applied["metadata"]["resourceVersion"].is_null() {
                object["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
            }
            let strange = create::stored(resource, &mut object);
            let incoming = Incoming { object, strange, warnings: Vec::new() };
            let stored = replace(state, call, place, &live, incoming, &writer, mode)?;
            Ok(table::shown(call, resource, 200, &stored))
        }
        None if place.sub.is_empty() => {
            let empty = serde_json::json!({"metadata": {}});
            let mut object = managed::apply(resource, &resource.shape, &empty, &applied, &writer, ownership, call.now)?;
            let strange: Strange = create::stored(resource, &mut object);
            let incoming = Incoming { object, strange, warnings: Vec::new() };
            let stored = create::insert(state, call, place, incoming, &writer, mode)?;
            Ok(table::shown(call, resource, 201, &stored))
        }
        None => Err(Status::not_found(resource, &place.name)),
    }
}

/// What an applied object has that its type does not know, or not so, is an error without a reason: so real servers do.
fn typed(place: &Place, applied: &Value) -> Result<(), Status> {
    let resource = &place.resource;
    let mut copy = applied.clone();
    let strange = schema::conform(&resource.shape, &mut copy);
    let mut errors: Vec<String> = Vec::new();
    let prefix = |path: &str| format!(".{path}");
    for wrong in &strange.wrong {
        let wanted = match wrong.wanted {
            "int32" | "int64" | "float64" => "numeric",
            "bool" => "boolean",
            "slice" => "list",
            "struct" => "map",
            other => other,
        };
        errors.push(format!("{}: expected {wanted}, got &{{{}}}", prefix(&wrong.path), wrong.found));
    }
    errors.extend(strange.unknown.iter().map(|path| format!("{}: field not declared in schema", prefix(path))));
    if errors.is_empty() {
        return Ok(());
    }
    let text = |key: &str| applied["metadata"][key].as_str().unwrap_or_default();
    let title = format!("({}/{}; {}, Kind={})", text("namespace"), text("name"), resource.api_version(), resource.kind);
    let why = if errors.len() == 1 { errors.remove(0) } else { format!("errors:\n  {}", errors.join("\n  ")) };
    Err(Status::internal(format!("failed to create typed patch object {title}: {why}")))
}
