//! StatefulSets: pods with names and claims of their own, one after the other.

use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    counts, delete, dependents, events, int, is_available, is_ready, make, name_of, owned_by, revisions, write_status,
};
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::persist::is_deleted;
use crate::sim::kubernetes::resources::known;
use crate::sim::kubernetes::store::Key;

/// Pods that are made in one step where they need not wait for each other.
const AT_ONCE: i64 = 500;
const CONTROLLER: &str = "statefulset-controller";

pub fn step(state: &mut State, key: &Key, now: OffsetDateTime) {
    let Some(set) = state.store.get(key).cloned() else { return };
    let revision = revisions::record(state, "statefulsets", &set, now);
    let wanted = int(&set["spec"]["replicas"], 1);
    let parallel = set["spec"]["podManagementPolicy"] == "Parallel";
    let mut pods = numbered(state, &set);
    let mut settled = true;
    let mut made = 0;
    for at in 0..wanted {
        match pods.iter().find(|(number, _, _)| *number == at) {
            Some((_, own, pod)) => {
                if matches!(pod["status"]["phase"].as_str(), Some("Failed" | "Succeeded")) && !is_deleted(pod) {
                    delete(state, own, now);
                }
                settled &= is_ready(pod) && !is_deleted(pod);
            }
            None => {
                settled = false;
                made += 1;
                if made > AT_ONCE || !add(state, &set, at, &revision, now) {
                    break;
                }
            }
        }
        if !settled && !parallel {
            break;
        }
    }
    pods.sort_by_key(|(number, _, _)| -number);
    // The highest goes first, and alone.
    for (_, own, pod) in pods.iter().filter(|(number, _, _)| *number >= wanted) {
        if !is_deleted(pod) {
            delete(state, own, now);
            say(
                state,
                &set,
                "SuccessfulDelete",
                &format!("delete Pod {} in StatefulSet {} successful", own.name, key.name),
                now,
            );
        }
        if !parallel {
            settled = false;
            break;
        }
    }
    if settled && set["spec"]["updateStrategy"]["type"] != "OnDelete" {
        let partition = int(&set["spec"]["updateStrategy"]["rollingUpdate"]["partition"], 0);
        let old = pods
            .iter()
            .find(|(number, _, pod)| *number < wanted && *number >= partition && revisions::of(pod) != revision);
        if let Some((_, own, _)) = old {
            delete(state, own, now);
        }
    }
    report(state, key, &revision, now);
}

/// Its pods, by their numbers.
fn numbered(state: &State, set: &Value) -> Vec<(i64, Key, Arc<Value>)> {
    let prefix = format!("{}-", name_of(set));
    let mut pods: Vec<(i64, Key, Arc<Value>)> = dependents(state, set, "pods")
        .into_iter()
        .filter_map(|(key, pod)| Some((key.name.strip_prefix(&prefix)?.parse().ok()?, key, pod)))
        .collect();
    pods.sort_by_key(|(number, _, _)| *number);
    pods
}

fn say(state: &mut State, set: &Value, reason: &str, message: &str, now: OffsetDateTime) {
    events::say(state, CONTROLLER, set, "Normal", reason, message, now);
}

fn add(state: &mut State, set: &Arc<Value>, at: i64, revision: &str, now: OffsetDateTime) -> bool {
    let name = format!("{}-{at}", name_of(set));
    let template = &set["spec"]["template"];
    let mut spec = template["spec"].clone();
    for claim in set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
        let short = name_of(claim).to_string();
        let full = format!("{short}-{name}");
        let mut metadata = claim["metadata"].clone();
        metadata["name"] = full.as_str().into();
        metadata["namespace"] = set["metadata"]["namespace"].clone();
        metadata["labels"] = set["spec"]["selector"]["matchLabels"].clone();
        make(state, "persistentvolumeclaims", json!({"metadata": metadata, "spec": claim["spec"]}), now);
        let volume = json!({"name": short, "persistentVolumeClaim": {"claimName": full}});
        match spec["volumes"].as_array_mut() {
            Some(volumes) => {
                volumes.retain(|own| own["name"] != short.as_str());
                volumes.push(volume);
            }
            None => spec["volumes"] = json!([volume]),
        }
    }
    spec["hostname"] = name.as_str().into();
    spec["subdomain"] = set["spec"]["serviceName"].clone();
    let mut metadata = template["metadata"].clone();
    metadata["name"] = name.as_str().into();
    metadata["namespace"] = set["metadata"]["namespace"].clone();
    metadata["labels"]["controller-revision-hash"] = revision.into();
    metadata["labels"]["statefulset.kubernetes.io/pod-name"] = name.as_str().into();
    metadata["labels"]["apps.kubernetes.io/pod-index"] = at.to_string().into();
    metadata["ownerReferences"] = owned_by(known("statefulsets"), set);
    let made = make(state, "pods", json!({"metadata": metadata, "spec": spec}), now).is_some();
    if made {
        let message = format!("create Pod {name} in StatefulSet {} successful", name_of(set));
        say(state, set, "SuccessfulCreate", &message, now);
    }
    made
}

fn report(state: &mut State, key: &Key, revision: &str, now: OffsetDateTime) {
    let Some(set) = state.store.get(key).cloned() else { return };
    let pods = numbered(state, &set);
    let wanted = int(&set["spec"]["replicas"], 1);
    let least = int(&set["spec"]["minReadySeconds"], 0);
    let mut available = 0;
    for (_, _, pod) in &pods {
        match is_available(state, pod, least, now) {
            Ok(true) => available += 1,
            Ok(false) => {}
            Err(at) => state.work.again(key, at),
        }
    }
    let updated = pods.iter().filter(|(_, _, pod)| revisions::of(pod) == revision).count() as i64;
    let ready = pods.iter().filter(|(_, _, pod)| is_ready(pod)).count() as i64;
    let before = set["status"]["currentRevision"].as_str().filter(|text| !text.is_empty()).unwrap_or(revision);
    let done = updated == wanted && pods.len() as i64 == wanted && ready == wanted;
    let current = if done { revision } else { before };
    let mut status = json!({
        "observedGeneration": set["metadata"]["generation"],
        "replicas": pods.len(),
    });
    let of_current = pods.iter().filter(|(_, _, pod)| revisions::of(pod) == current).count() as i64;
    let rest = counts(&[("readyReplicas", ready), ("currentReplicas", of_current), ("updatedReplicas", updated)]);
    crate::sim::kubernetes::patch::merge(&mut status, &rest);
    status["currentRevision"] = current.into();
    status["updateRevision"] = revision.into();
    status["collisionCount"] = 0.into();
    status["availableReplicas"] = available.into();
    write_status(state, "statefulsets", &set, status, super::MANAGER, now);
}
