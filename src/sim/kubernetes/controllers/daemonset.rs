//! DaemonSets: a pod on every node that takes it.

use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    delete, dependents, events, int, is_active, is_available, is_ready, make, name_of, nodes, owned_by, part,
    revisions, suffix, write_status,
};
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::persist::is_deleted;
use crate::sim::kubernetes::resources::known;
use crate::sim::kubernetes::store::Key;

pub fn step(state: &mut State, key: &Key, now: OffsetDateTime) {
    let Some(set) = state.store.get(key).cloned() else { return };
    let revision = revisions::record(state, "daemonsets", &set, now);
    let wanted = places(state, &set);
    let pods = dependents(state, &set, "pods");
    let on = |pod: &Value| pod["spec"]["nodeName"].as_str().unwrap_or_default().to_string();
    for (own, pod) in &pods {
        let finished = matches!(pod["status"]["phase"].as_str(), Some("Failed" | "Succeeded"));
        if !wanted.contains(&on(pod)) || finished {
            delete(state, own, now);
        }
    }
    for node in &wanted {
        // The next one comes when the last has gone.
        if !pods.iter().any(|(_, pod)| on(pod) == *node) {
            add(state, &set, node, &revision, now);
        }
    }
    if set["spec"]["updateStrategy"]["type"] != "OnDelete" {
        let rolling = &set["spec"]["updateStrategy"]["rollingUpdate"];
        let most = part(&rolling["maxUnavailable"], wanted.len() as i64, f64::ceil).max(1);
        let away = pods.iter().filter(|(_, pod)| is_deleted(pod) || !is_ready(pod)).count() as i64;
        let missing = wanted.len() as i64 - pods.len() as i64;
        let mut may = most - away - missing.max(0);
        for (own, pod) in pods.iter().filter(|(_, pod)| is_active(pod) && revisions::of(pod) != revision) {
            // One that does not run is no loss.
            if may > 0 || !is_ready(pod) {
                delete(state, own, now);
                may -= i64::from(is_ready(pod));
            }
        }
    }
    report(state, key, &revision, now);
}

/// The nodes that are to have a pod. A cordon does not keep daemons away.
fn places(state: &State, set: &Value) -> Vec<String> {
    let mut pod = json!({"spec": set["spec"]["template"]["spec"]});
    let tolerate = json!({"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"});
    match pod["spec"]["tolerations"].as_array_mut() {
        Some(all) => all.push(tolerate),
        None => pod["spec"]["tolerations"] = json!([tolerate]),
    }
    let all = state.store.list("nodes", None);
    all.filter(|(_, node)| nodes::takes(node, &pod)).map(|(key, _)| key.name.clone()).collect()
}

fn add(state: &mut State, set: &Arc<Value>, node: &str, revision: &str, now: OffsetDateTime) {
    let template = &set["spec"]["template"];
    let mut metadata = template["metadata"].clone();
    let name = format!("{}-{}", name_of(set), suffix(&mut state.ids));
    metadata["name"] = name.as_str().into();
    metadata["generateName"] = format!("{}-", name_of(set)).into();
    metadata["namespace"] = set["metadata"]["namespace"].clone();
    metadata["labels"]["controller-revision-hash"] = revision.into();
    metadata["ownerReferences"] = owned_by(known("daemonsets"), set);
    let mut spec = template["spec"].clone();
    spec["nodeName"] = node.into();
    if make(state, "pods", json!({"metadata": metadata, "spec": spec}), now).is_some() {
        let message = format!("Created pod: {name}");
        events::say(state, "daemonset-controller", set, "Normal", "SuccessfulCreate", &message, now);
    }
}

fn report(state: &mut State, key: &Key, revision: &str, now: OffsetDateTime) {
    let Some(set) = state.store.get(key).cloned() else { return };
    let pods: Vec<Arc<Value>> =
        dependents(state, &set, "pods").into_iter().map(|(_, pod)| pod).filter(|pod| is_active(pod)).collect();
    let wanted = places(state, &set).len() as i64;
    let least = int(&set["spec"]["minReadySeconds"], 0);
    let mut available = 0i64;
    for pod in &pods {
        match is_available(state, pod, least, now) {
            Ok(true) => available += 1,
            Ok(false) => {}
            Err(at) => state.work.again(key, at),
        }
    }
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let updated = pods.iter().filter(|pod| revisions::of(pod) == revision).count();
    let mut status = json!({
        "currentNumberScheduled": pods.len(),
        "numberMisscheduled": 0,
        "desiredNumberScheduled": wanted,
        "numberReady": ready,
        "observedGeneration": set["metadata"]["generation"],
    });
    let rest = super::counts(&[
        ("updatedNumberScheduled", updated as i64),
        ("numberAvailable", available),
        ("numberUnavailable", (wanted - available).max(0)),
    ]);
    crate::sim::kubernetes::patch::merge(&mut status, &rest);
    write_status(state, "daemonsets", &set, status, super::MANAGER, now);
}
