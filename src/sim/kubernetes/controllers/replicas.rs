//! ReplicaSets, and the ReplicationControllers before them: as many pods as are wanted.

use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    counts, delete, dependents, events, int, is_active, is_available, is_ready, make, name_of, owned_by, suffix,
    write_status,
};
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::resources::known;
use crate::sim::kubernetes::store::Key;

/// Pods that are made in one step; the rest follow in the next.
const AT_ONCE: i64 = 500;

pub fn step(state: &mut State, key: &Key, now: OffsetDateTime) {
    let Some(set) = state.store.get(key).cloned() else { return };
    let plural = if &*key.resource == "replicationcontrollers" { "replicationcontrollers" } else { "replicasets" };
    let wanted = int(&set["spec"]["replicas"], 1);
    let mut pods: Vec<(Key, Arc<Value>)> = dependents(state, &set, "pods");
    pods.retain(|(_, pod)| is_active(pod));
    let missing = wanted - pods.len() as i64;
    for _ in 0..missing.min(AT_ONCE) {
        if !add(state, plural, &set, now) {
            break;
        }
    }
    if missing < 0 {
        // Those that are not ready yet go first, then the youngest.
        pods.sort_by(|(a_key, a), (b_key, b)| {
            let age = |pod: &Value| pod["metadata"]["creationTimestamp"].as_str().unwrap_or_default().to_string();
            is_ready(a).cmp(&is_ready(b)).then_with(|| age(b).cmp(&age(a))).then_with(|| a_key.cmp(b_key))
        });
        for (pod, _) in pods.iter().take((-missing) as usize) {
            delete(state, pod, now);
            let message = format!("Deleted pod: {}", pod.name);
            events::say(state, "replicaset-controller", &set, "Normal", "SuccessfulDelete", &message, now);
        }
    }
    report(state, key, plural, now);
}

fn add(state: &mut State, plural: &str, set: &Arc<Value>, now: OffsetDateTime) -> bool {
    let template = &set["spec"]["template"];
    let mut metadata = template["metadata"].clone();
    metadata["name"] = format!("{}-{}", name_of(set), suffix(&mut state.ids)).into();
    metadata["generateName"] = format!("{}-", name_of(set)).into();
    metadata["namespace"] = set["metadata"]["namespace"].clone();
    metadata["ownerReferences"] = owned_by(known(plural), set);
    let made = make(state, "pods", json!({"metadata": metadata, "spec": template["spec"]}), now);
    if let Some(pod) = &made {
        let message = format!("Created pod: {}", name_of(pod));
        events::say(state, "replicaset-controller", set, "Normal", "SuccessfulCreate", &message, now);
    }
    made.is_some()
}

fn report(state: &mut State, key: &Key, plural: &str, now: OffsetDateTime) {
    let Some(set) = state.store.get(key).cloned() else { return };
    let pods: Vec<Arc<Value>> =
        dependents(state, &set, "pods").into_iter().map(|(_, pod)| pod).filter(|pod| is_active(pod)).collect();
    let least = int(&set["spec"]["minReadySeconds"], 0);
    let mut available = 0;
    for pod in &pods {
        match is_available(state, pod, least, now) {
            Ok(true) => available += 1,
            Ok(false) => {}
            Err(at) => state.work.again(key, at),
        }
    }
    let all = pods.len() as i64;
    let ready = pods.iter().filter(|pod| is_ready(pod)).count() as i64;
    let mut status = json!({"replicas": all});
    let rest = counts(&[("fullyLabeledReplicas", all), ("readyReplicas", ready), ("availableReplicas", available)]);
    crate::sim::kubernetes::patch::merge(&mut status, &rest);
    status["observedGeneration"] = set["metadata"]["generation"].clone();
    write_status(state, plural, &set, status, super::MANAGER, now);
}
