//! Deployments: a ReplicaSet for each template, and replicas that move from the old ones to the newest as fast as the
//! strategy lets them.

use std::sync::Arc;

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::{
    condition, counts, dependents, events, hash_of, int, make, name_of, owned_by, part, set_condition_with, write,
    write_status,
};
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::resources::known;
use crate::sim::kubernetes::store::Key;

const REVISION: &str = "deployment.kubernetes.io/revision";
const HASH: &str = "pod-template-hash";
const CONTROLLER: &str = "deployment-controller";

type Sets = Vec<(Key, Arc<Value>)>;

pub fn step(state: &mut State, key: &Key, now: OffsetDateTime) {
    let Some(deployment) = state.store.get(key).cloned() else { return };
    let paused = deployment["spec"]["paused"] == true;
    let (newest, mut old) = divide(state, &deployment);
    let newest = match newest {
        Some(newest) => Some(renumber(state, &deployment, newest, &old, now)),
        None if paused => None,
        None => begin(state, &deployment, &old, now),
    };
    let Some(deployment) = state.store.get(key).cloned() else { return };
    if !paused {
        match deployment["spec"]["strategy"]["type"] == "Recreate" {
            true => recreate(state, &deployment, newest.as_ref(), &old, now),
            false => roll(state, &deployment, newest.as_ref(), &old, now),
        }
        forget(state, &deployment, &old, now);
    } else if let Some((set, _)) = newest.as_ref().or(old.last()) {
        // While it is paused, only its size follows.
        let others: i64 = old.iter().filter(|(other, _)| other != set).map(|(_, set)| size(set)).sum();
        let set = set.clone();
        scale(state, &deployment, &set, (wanted(&deployment) - others).max(0), now);
    }
    old.clear();
    report(state, key, now);
}

fn wanted(deployment: &Value) -> i64 {
    int(&deployment["spec"]["replicas"], 1)
}

fn size(set: &Value) -> i64 {
    int(&set["spec"]["replicas"], 0)
}

fn available(set: &Value) -> i64 {
    int(&set["status"]["availableReplicas"], 0)
}

/// The template without what the controller writes into it.
fn template_of(set: &Value) -> Value {
    let mut template = set["spec"]["template"].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.shift_remove(HASH);
    }
    template
}

/// The ReplicaSet of the present template, and the others, the oldest first.
fn divide(state: &State, deployment: &Value) -> (Option<(Key, Arc<Value>)>, Sets) {
    let mut all: Sets = dependents(state, deployment, "replicasets.apps");
    all.retain(|(_, set)| !crate::sim::kubernetes::persist::is_deleted(set));
    all.sort_by_key(|(key, set)| (revision(set), key.clone()));
    let template = template_of(deployment);
    let at = all.iter().position(|(_, set)| template_of(set) == template);
    let newest = at.map(|at| all.remove(at));
    (newest, all)
}

fn revision(object: &Value) -> i64 {
    object["metadata"]["annotations"][REVISION].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A first ReplicaSet of a template.
fn begin(state: &mut State, deployment: &Arc<Value>, old: &Sets, now: OffsetDateTime) -> Option<(Key, Arc<Value>)> {
    let number = old.iter().map(|(_, set)| revision(set)).max().unwrap_or(0) + 1;
    let template = template_of(deployment);
    let hash = hash_of(&template, 10);
    let mut template = template;
    template["metadata"]["labels"][HASH] = hash.as_str().into();
    let mut selector = deployment["spec"]["selector"].clone();
    selector["matchLabels"][HASH] = hash.as_str().into();
    let mut spec = json!({"replicas": 0, "selector": selector, "template": template});
    if let Some(least) = deployment["spec"].get("minReadySeconds") {
        spec["minReadySeconds"] = least.clone();
    }
    let set = json!({
        "metadata": {
            "name": format!("{}-{hash}", name_of(deployment)),
            "namespace": deployment["metadata"]["namespace"],
            "labels": template["metadata"]["labels"],
            "annotations": annotations(deployment, number),
            "ownerReferences": owned_by(known("deployments"), deployment),
        },
        "spec": spec,
    });
    let made = make(state, "replicasets", set, now)?;
    state.work.marked(deployment, "progress", now);
    number_deployment(state, deployment, number, now);
    let key = crate::sim::kubernetes::persist::key_of(known("replicasets"), &made);
    Some((key, made))
}

fn annotations(deployment: &Value, number: i64) -> Value {
    let mut all = deployment["metadata"]["annotations"].clone();
    if let Some(map) = all.as_object_mut() {
        map.shift_remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    let wanted = wanted(deployment);
    let surge = part(&deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"], wanted, f64::ceil);
    all["deployment.kubernetes.io/desired-replicas"] = wanted.to_string().into();
    all["deployment.kubernetes.io/max-replicas"] = (wanted + surge).to_string().into();
    all[REVISION] = number.to_string().into();
    all
}

fn number_deployment(state: &mut State, deployment: &Arc<Value>, number: i64, now: OffsetDateTime) {
    if revision(deployment) != number {
        let mut after = (**deployment).clone();
        after["metadata"]["annotations"][REVISION] = number.to_string().into();
        write(state, "deployments", deployment, after, now);
    }
}

/// A template that comes back is the newest again.
fn renumber(
    state: &mut State,
    deployment: &Arc<Value>,
    newest: (Key, Arc<Value>),
    old: &Sets,
    now: OffsetDateTime,
) -> (Key, Arc<Value>) {
    let (key, mut set) = newest;
    let highest = old.iter().map(|(_, set)| revision(set)).max().unwrap_or(0);
    if revision(&set) <= highest {
        let mut after = (*set).clone();
        after["metadata"]["annotations"][REVISION] = (highest + 1).to_string().into();
        set = write(state, "replicasets", &set, after, now);
        state.work.marked(deployment, "progress", now);
    }
    number_deployment(state, deployment, revision(&set), now);
    (key, set)
}

fn scale(state: &mut State, deployment: &Arc<Value>, key: &Key, to: i64, now: OffsetDateTime) {
    let Some(set) = state.store.get(key).cloned() else { return };
    let from = size(&set);
    if from == to {
        return;
    }
    let mut after = (*set).clone();
    after["spec"]["replicas"] = to.into();
    let fresh = annotations(deployment, revision(&set));
    for own in ["deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/max-replicas"] {
        after["metadata"]["annotations"][own] = fresh[own].clone();
    }
    write(state, "replicasets", &set, after, now);
    let way = if to > from { "up" } else { "down" };
    let message = format!("Scaled {way} replica set {} from {from} to {to}", key.name);
    events::say(state, CONTROLLER, deployment, "Normal", "ScalingReplicaSet", &message, now);
}

fn recreate(
    state: &mut State,
    deployment: &Arc<Value>,
    newest: Option<&(Key, Arc<Value>)>,
    old: &Sets,
    now: OffsetDateTime,
) {
    for (key, _) in old {
        scale(state, deployment, key, 0, now);
    }
    let left = old.iter().any(|(_, set)| {
        dependents(state, set, "pods")
            .iter()
            .any(|(_, pod)| !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")))
    });
    if left {
        // Pods that are ending tell their ReplicaSet, not us.
        let soon = now + Duration::try_from(state.spec.stop).unwrap_or_default() + Duration::milliseconds(1);
        let own = crate::sim::kubernetes::persist::key_of(known("deployments"), deployment);
        state.work.again(&own, soon);
    } else if let Some((key, _)) = newest {
        scale(state, deployment, key, wanted(deployment), now);
    }
}

fn roll(
    state: &mut State,
    deployment: &Arc<Value>,
    newest: Option<&(Key, Arc<Value>)>,
    old: &Sets,
    now: OffsetDateTime,
) {
    let Some((new_key, newest)) = newest else { return };
    let wanted = wanted(deployment);
    let rolling = &deployment["spec"]["strategy"]["rollingUpdate"];
    let surge = part(&rolling["maxSurge"], wanted, f64::ceil);
    let unavailable = match part(&rolling["maxUnavailable"], wanted, f64::floor).min(wanted) {
        0 if surge == 0 => 1,
        some => some,
    };
    let total: i64 = size(newest) + old.iter().map(|(_, set)| size(set)).sum::<i64>();
    let up = match size(newest) {
        more if more > wanted => wanted,
        some => (some + (wanted + surge - total).max(0)).min(wanted),
    };
    scale(state, deployment, new_key, up, now);
    let Some(newest) = state.store.get(new_key).cloned() else { return };
    let mut total = size(&newest) + old.iter().map(|(_, set)| size(set)).sum::<i64>();
    let least = wanted - unavailable;
    let mut may_go = total - least - (size(&newest) - available(&newest)).max(0);
    // What does not run anyway goes first.
    for (key, set) in old {
        let idle = (size(set) - available(set)).clamp(0, may_go.max(0));
        if idle > 0 {
            scale(state, deployment, key, size(set) - idle, now);
            may_go -= idle;
            total -= idle;
        }
    }
    let mut running = available(&newest) + old.iter().map(|(_, set)| available(set)).sum::<i64>() - least;
    for (key, _) in old {
        let Some(set) = state.store.get(key).cloned() else { continue };
        let go = size(&set).min(running.max(0)).min((total - least).max(0));
        if go > 0 {
            scale(state, deployment, key, size(&set) - go, now);
            running -= go;
            total -= go;
        }
    }
}

/// Old ReplicaSets beyond the history that is kept.
fn forget(state: &mut State, deployment: &Arc<Value>, old: &Sets, now: OffsetDateTime) {
    let keep = int(&deployment["spec"]["revisionHistoryLimit"], 10).max(0) as usize;
    let done = condition(deployment, "Progressing")["reason"] == "NewReplicaSetAvailable";
    let idle: Vec<&Key> = old
        .iter()
        .filter(|(_, set)| size(set) == 0 && int(&set["status"]["replicas"], 0) == 0)
        .map(|(key, _)| key)
        .collect();
    for key in idle.iter().take(idle.len().saturating_sub(keep)).filter(|_| done) {
        super::delete(state, key, now);
    }
}

fn report(state: &mut State, key: &Key, now: OffsetDateTime) {
    let Some(deployment) = state.store.get(key).cloned() else { return };
    let (newest, old) = divide(state, &deployment);
    let count = |field: &str| -> i64 { newest.iter().chain(&old).map(|(_, set)| int(&set["status"][field], 0)).sum() };
    let (all, ready, able) = (count("replicas"), count("readyReplicas"), count("availableReplicas"));
    let updated = newest.as_ref().map_or(0, |(_, set)| int(&set["status"]["replicas"], 0));
    let wanted = wanted(&deployment);
    let mut status = json!({"observedGeneration": deployment["metadata"]["generation"]});
    let rest = counts(&[
        ("replicas", all),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", able),
        ("unavailableReplicas", (all.max(wanted) - able).max(0)),
    ]);
    crate::sim::kubernetes::patch::merge(&mut status, &rest);
    let mut conditions = deployment["status"]["conditions"].clone();
    let stamps = ["lastUpdateTime"];
    let rolling = &deployment["spec"]["strategy"]["rollingUpdate"];
    let least = match deployment["spec"]["strategy"]["type"] == "RollingUpdate" {
        true => wanted - part(&rolling["maxUnavailable"], wanted, f64::floor).min(wanted),
        false => wanted,
    };
    let (is, reason, message) = match able >= least {
        true => ("True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
        false => ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."),
    };
    set_condition_with(&mut conditions, "Available", is, reason, message, now, &stamps);
    let name = newest.as_ref().map(|(key, _)| key.name.clone()).unwrap_or_default();
    let complete = updated == wanted && all == wanted && able == wanted;
    let moved = ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"]
        .iter()
        .any(|field| status[*field] != deployment["status"][*field]);
    let was = condition(&deployment, "Progressing")["reason"].as_str().unwrap_or_default().to_string();
    let progress = if moved && !complete {
        state.work.marked(&deployment, "progress", now);
        now
    } else {
        state.work.mark(&deployment, "progress", now)
    };
    let deadline = progress + Duration::seconds(int(&deployment["spec"]["progressDeadlineSeconds"], 600));
    let said = if deployment["spec"]["paused"] == true {
        Some(("Unknown", "DeploymentPaused", "Deployment is paused".to_string()))
    } else if complete {
        Some(("True", "NewReplicaSetAvailable", format!("ReplicaSet \"{name}\" has successfully progressed.")))
    } else if was == "NewReplicaSetAvailable" && !moved && newest.is_some() {
        None
    } else if now >= deadline {
        Some(("False", "ProgressDeadlineExceeded", format!("ReplicaSet \"{name}\" has timed out progressing.")))
    } else {
        state.work.again(key, deadline);
        Some(("True", "ReplicaSetUpdated", format!("ReplicaSet \"{name}\" is progressing.")))
    };
    if let Some((is, reason, message)) = said {
        set_condition_with(&mut conditions, "Progressing", is, reason, &message, now, &stamps);
    }
    status["conditions"] = conditions;
    write_status(state, "deployments", &deployment, status, super::MANAGER, now);
}
