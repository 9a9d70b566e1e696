//! What makes workloads ready: small loops, each over one object, run when something that concerns it has changed or
//! falls due.
//!
//! Nothing waits here. A controller looks at the objects as they are, writes what is to be written now, and says when
//! it wants to look again ([`Work::again`]); its writes make other objects due. All of it is ordered by time and
//! arrival, so the same requests lead to the same objects.

pub mod bootstrap;
mod budgets;
mod daemonset;
mod definitions;
mod deployment;
mod events;
mod garbage;
mod job;
mod namespaces;
mod network;
mod nodes;
mod pods;
pub mod prepare;
mod replicas;
mod revisions;
mod statefulset;
mod volumes;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use indexmap::IndexSet;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::State;
use super::managed::Writer;
use super::persist::{self, Mode};
use super::resources::{Resource, known};
use super::schema;
use super::store::{Change, Key};
use crate::sim::source::Source;

/// Steps of controllers between two looks at the clock. No scenario needs as many; a mistake must not hang the site.
const MOST_STEPS: usize = 200_000;

const MANAGER: &str = "kube-controller-manager";

#[derive(Default)]
pub struct Work {
    /// To be looked at now, in the order in which they came.
    dirty: IndexSet<Key>,
    due: BTreeSet<(OffsetDateTime, Key)>,
    /// Who has an owner, by the owner's uid.
    dependents: HashMap<String, BTreeSet<Key>>,
    /// When something about an object began, by its uid.
    marks: HashMap<(String, &'static str), OffsetDateTime>,
    events: events::Events,
    /// Addresses of services and pods that were given.
    pub service_addresses: u32,
    pub pod_addresses: u32,
    pub node_ports: u32,
}

impl Work {
    pub fn next_due(&self) -> Option<OffsetDateTime> {
        self.due.first().map(|(at, _)| *at)
    }

    fn again(&mut self, key: &Key, at: OffsetDateTime) {
        self.due.insert((at, key.clone()));
    }

    /// When it began: now, if nobody has said so before.
    fn mark(&mut self, object: &Value, what: &'static str, now: OffsetDateTime) -> OffsetDateTime {
        *self.marks.entry((uid_of(object).to_string(), what)).or_insert(now)
    }

    fn marked(&mut self, object: &Value, what: &'static str, at: OffsetDateTime) {
        self.marks.insert((uid_of(object).to_string(), what), at);
    }
}

pub fn settle(state: &mut State, now: OffsetDateTime) {
    let mut at = now;
    for _ in 0..MOST_STEPS {
        route(state);
        if let Some(key) = state.work.dirty.shift_remove_index(0) {
            step(state, &key, at);
            continue;
        }
        match state.work.due.first() {
            Some((due, _)) if *due <= now => {
                at = *due;
                if let Some((_, key)) = state.work.due.pop_first() {
                    state.work.dirty.insert(key);
                }
            }
            _ => return,
        }
    }
}

/// Whom the changes since the last look concern.
fn route(state: &mut State) {
    for change in std::mem::take(&mut state.store.touched) {
        follow_owners(state, &change);
        let Some(object) = change.after.as_ref().or(change.before.as_ref()) else { continue };
        let key = &change.key;
        let mut concerned: Vec<Key> = vec![key.clone()];
        concerned.extend(owners(object).filter_map(|owner| owner_key(state, owner, &key.namespace)));
        let of = |state: &State, resource: &str, namespace: Option<&str>| -> Vec<Key> {
            state.store.list(resource, namespace).map(|(key, _)| key.clone()).collect()
        };
        let namespace = Some(key.namespace.as_str());
        match &*key.resource {
            "pods" => {
                concerned.extend(of(state, "services", namespace));
                concerned.extend(of(state, "poddisruptionbudgets.policy", namespace));
                concerned.extend(of(state, "persistentvolumeclaims", namespace));
                if change.after.is_none() {
                    concerned.extend(pods::pending(state, None));
                }
            }
            "configmaps" | "secrets" | "persistentvolumeclaims" => concerned.extend(pods::pending(state, namespace)),
            "nodes" => {
                concerned.extend(pods::pending(state, None));
                concerned.extend(of(state, "daemonsets.apps", None));
            }
            _ => {}
        }
        if change.after.is_none() {
            if &*key.resource == "services" {
                // Endpoints name no owner, and go with their service all the same.
                state.store.remove(&Key::new("endpoints", &key.namespace, &key.name), change.at);
            }
            let uid = uid_of(object).to_string();
            state.work.marks.retain(|(of, _), _| *of != uid);
            concerned.extend(state.work.dependents.remove(&uid).into_iter().flatten());
            if let Some(definition) = definitions::of(state, key) {
                concerned.push(definition);
            }
            concerned.push(Key::new("namespaces", "", &key.namespace));
        }
        state.work.dirty.extend(concerned);
    }
}

fn follow_owners(state: &mut State, change: &Change) {
    let uids = |object: &Option<Arc<Value>>| -> Vec<String> {
        let owners = object.iter().flat_map(|object| owners(object));
        owners.filter_map(|owner| owner["uid"].as_str()).map(str::to_string).collect()
    };
    let (before, after) = (uids(&change.before), uids(&change.after));
    for uid in before.iter().filter(|uid| !after.contains(uid)) {
        if let Some(all) = state.work.dependents.get_mut(uid) {
            all.remove(&change.key);
            if all.is_empty() {
                state.work.dependents.remove(uid);
            }
        }
    }
    for uid in after {
        state.work.dependents.entry(uid).or_default().insert(change.key.clone());
    }
}

fn step(state: &mut State, key: &Key, now: OffsetDateTime) {
    if garbage::collect(state, key, now) {
        return;
    }
    match &*key.resource {
        "pods" => pods::step(state, key, now),
        "replicasets.apps" | "replicationcontrollers" => replicas::step(state, key, now),
        "deployments.apps" => deployment::step(state, key, now),
        "statefulsets.apps" => statefulset::step(state, key, now),
        "daemonsets.apps" => daemonset::step(state, key, now),
        "jobs.batch" => job::step(state, key, now),
        "services" => network::service(state, key, now),
        "ingresses.networking.k8s.io" => network::ingress(state, key, now),
        "persistentvolumeclaims" => volumes::step(state, key, now),
        "persistentvolumes" => volumes::unused(state, key, now),
        "poddisruptionbudgets.policy" => budgets::step(state, key, now),
        "namespaces" => namespaces::step(state, key, now),
        "nodes" => nodes::step(state, key, now),
        "customresourcedefinitions.apiextensions.k8s.io" => definitions::step(state, key, now),
        _ => {}
    }
}

// What all of them use.

pub fn uid_of(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

pub fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

pub fn time_of(value: &Value) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(value.as_str()?, &time::format_description::well_known::Rfc3339).ok()
}

fn owners(object: &Value) -> impl Iterator<Item = &Value> {
    object["metadata"]["ownerReferences"].as_array().into_iter().flatten()
}

fn owner_key(state: &State, owner: &Value, namespace: &str) -> Option<Key> {
    let (group_version, kind) = (owner["apiVersion"].as_str()?, owner["kind"].as_str()?);
    let group = group_version.split_once('/').map_or("", |(group, _)| group);
    let resource = state.resources().find(|own| own.kind == kind && own.group == group)?;
    let namespace = if resource.namespaced { namespace } else { "" };
    Some(Key::new(&resource.id(), namespace, owner["name"].as_str()?))
}

/// The objects of a resource that an object owns.
fn dependents(state: &State, owner: &Value, resource: &str) -> Vec<(Key, Arc<Value>)> {
    let all = state.work.dependents.get(uid_of(owner)).into_iter().flatten();
    let own = all.filter(|key| &*key.resource == resource);
    own.filter_map(|key| Some((key.clone(), state.store.get(key)?.clone()))).collect()
}

/// How an owner is named in what it owns.
fn owned_by(resource: &Resource, owner: &Value) -> Value {
    json!([{
        "apiVersion": resource.api_version(),
        "kind": resource.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": true,
        "blockOwnerDeletion": true,
    }])
}

/// Five characters that are no words, as the server completes names.
pub fn suffix(source: &mut Source) -> String {
    const SAFE: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut bits = source.next();
    let mut next = || {
        let letter = SAFE[(bits % SAFE.len() as u64) as usize] as char;
        bits /= SAFE.len() as u64;
        letter
    };
    (0..5).map(|_| next()).collect()
}

/// The same few letters for the same value.
fn hash_of(value: &Value, letters: usize) -> String {
    use sha2::{Digest, Sha256};
    const SAFE: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let digest = Sha256::digest(value.to_string().as_bytes());
    digest.iter().take(letters).map(|byte| SAFE[*byte as usize % SAFE.len()] as char).collect()
}

/// As the digest of an image looks.
fn digest_of(image: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(image.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Puts a new object, if there is room and no other of that name.
fn make(state: &mut State, plural: &str, mut object: Value, now: OffsetDateTime) -> Option<Arc<Value>> {
    let resource = known(plural);
    object["kind"] = resource.kind.clone().into();
    object["apiVersion"] = resource.api_version().into();
    schema::fill(&resource.shape, &mut object);
    prepare::fresh(state, resource, &mut object, now).ok()?;
    let key = persist::key_of(resource, &object);
    if state.store.get(&key).is_some() || state.store.len() >= state.spec.most_objects {
        return None;
    }
    Some(persist::create(state, resource, object, &Writer::update(MANAGER), Mode::Real, now))
}

/// Writes an object that a controller has changed.
fn write(state: &mut State, plural: &str, before: &Arc<Value>, after: Value, now: OffsetDateTime) -> Arc<Value> {
    persist::update(state, known(plural), before, after, &Writer::update(MANAGER), Mode::Real, now)
}

/// Writes a status; what has not changed is not written.
fn write_status(
    state: &mut State,
    plural: &str,
    before: &Arc<Value>,
    status: Value,
    manager: &str,
    now: OffsetDateTime,
) -> Arc<Value> {
    if before["status"] == status {
        return before.clone();
    }
    let mut after = (**before).clone();
    after["status"] = status;
    let writer = Writer::update(manager).through("status");
    persist::update(state, known(plural), before, after, &writer, Mode::Real, now)
}

/// Deletes as a client would who gives it the time it asks for.
fn delete(state: &mut State, key: &Key, now: OffsetDateTime) {
    let (Some(object), Some(resource)) = (state.store.get(key).cloned(), state.resource_of(&key.resource)) else {
        return;
    };
    if persist::is_deleted(&object) {
        return;
    }
    let grace = match &*key.resource {
        "pods" if object["spec"]["nodeName"].is_string() => {
            object["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30)
        }
        _ => 0,
    };
    if grace > 0 || persist::finalizers(&object).next().is_some() {
        persist::mark_deleted(state, &resource, &object, grace, None, now);
    } else {
        state.store.remove(key, now);
    }
}

/// A condition, as it is written when it changes; its time is that of its last change of status.
fn set_condition(conditions: &mut Value, kind: &str, status: &str, reason: &str, message: &str, now: OffsetDateTime) {
    set_condition_with(conditions, kind, status, reason, message, now, &[]);
}

/// The same; `stamps` are further times that move with every change of reason or message.
fn set_condition_with(
    conditions: &mut Value,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: OffsetDateTime,
    stamps: &[&str],
) {
    let time: Value = crate::sim::source::iso(now).into();
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let Some(all) = conditions.as_array_mut() else { return };
    let mut fresh = json!({"type": kind, "status": status, "lastTransitionTime": time});
    for stamp in stamps {
        fresh[*stamp] = time.clone();
    }
    if !reason.is_empty() {
        fresh["reason"] = reason.into();
    }
    if !message.is_empty() {
        fresh["message"] = message.into();
    }
    match all.iter_mut().find(|own| own["type"] == kind) {
        None => all.push(fresh),
        Some(own) => {
            let moved = own["status"] != status;
            if !moved && own["reason"] == fresh["reason"] && own["message"] == fresh["message"] {
                return;
            }
            if !moved {
                fresh["lastTransitionTime"] = own["lastTransitionTime"].clone();
            }
            *own = fresh;
        }
    }
}

fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    conditions.iter().find(|own| own["type"] == kind).unwrap_or(&Value::Null)
}

fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready")["status"] == "True"
}

/// Running, or about to.
fn is_active(pod: &Value) -> bool {
    !persist::is_deleted(pod) && !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// Ready for as long as the workload wants; else when it will be.
fn is_available(state: &mut State, pod: &Value, least: i64, now: OffsetDateTime) -> Result<bool, OffsetDateTime> {
    if !is_ready(pod) {
        return Ok(false);
    }
    let since = state.work.mark(pod, "ready", now);
    let at = since + Duration::seconds(least);
    if now >= at { Ok(true) } else { Err(at) }
}

/// A count or a part of all, as in `25%`.
fn part(value: &Value, all: i64, rounding: fn(f64) -> f64) -> i64 {
    match value {
        Value::String(text) => {
            let percent: f64 = text.trim_end_matches('%').parse().unwrap_or(0.0);
            rounding(all as f64 * percent / 100.0) as i64
        }
        value => value.as_i64().unwrap_or(0),
    }
}

fn int(value: &Value, otherwise: i64) -> i64 {
    value.as_i64().unwrap_or(otherwise)
}

/// Without the counts that are zero, as the server writes a status.
fn counts(pairs: &[(&str, i64)]) -> Value {
    let some = pairs.iter().filter(|(_, count)| *count != 0);
    Value::Object(some.map(|(key, count)| (key.to_string(), Value::from(*count))).collect())
}
