//! Jobs: pods until enough of them have succeeded, or too many have failed.

use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    condition, counts, delete, dependents, events, int, is_active, is_ready, make, name_of, owned_by, set_condition,
    suffix, write_status,
};
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::resources::known;
use crate::sim::kubernetes::store::Key;
use crate::sim::source::iso;

/// Pods that are made in one step.
const AT_ONCE: i64 = 500;
const CONTROLLER: &str = "job-controller";

pub fn step(state: &mut State, key: &Key, now: OffsetDateTime) {
    let Some(job) = state.store.get(key).cloned() else { return };
    let over = |kind: &str| condition(&job, kind)["status"] == "True";
    if over("Complete") || over("Failed") {
        return;
    }
    let pods: Vec<(Key, Arc<Value>)> = dependents(state, &job, "pods");
    let phase = |wanted: &str| pods.iter().filter(|(_, pod)| pod["status"]["phase"] == wanted).count() as i64;
    let (succeeded, failed) = (phase("Succeeded"), phase("Failed"));
    let active: Vec<&(Key, Arc<Value>)> = pods.iter().filter(|(_, pod)| is_active(pod)).collect();
    let parallelism = int(&job["spec"]["parallelism"], 1).max(0);
    let wanted = job["spec"]["completions"].as_i64();
    let limit = int(&job["spec"]["backoffLimit"], 6);
    let mut status = job["status"].clone();
    if status["startTime"].is_null() && job["spec"]["suspend"] != true {
        status["startTime"] = iso(now).into();
    }
    let enough = match wanted {
        Some(wanted) => succeeded >= wanted,
        None => succeeded > 0 && active.is_empty(),
    };
    let mut running = active.len() as i64;
    if job["spec"]["suspend"] == true {
        for (own, _) in &active {
            delete(state, own, now);
        }
        running = 0;
        set_condition(&mut status["conditions"], "Suspended", "True", "JobSuspended", "Job suspended", now);
    } else if enough {
        status["completionTime"] = iso(now).into();
        set_condition(&mut status["conditions"], "Complete", "True", "", "", now);
        events::say(state, CONTROLLER, &job, "Normal", "Completed", "Job completed", now);
    } else if failed > limit {
        for (own, _) in &active {
            delete(state, own, now);
        }
        running = 0;
        let message = "Job has reached the specified backoff limit";
        set_condition(&mut status["conditions"], "Failed", "True", "BackoffLimitExceeded", message, now);
        events::say(state, CONTROLLER, &job, "Warning", "BackoffLimitExceeded", message, now);
    } else {
        if condition(&job, "Suspended")["status"] == "True" {
            set_condition(&mut status["conditions"], "Suspended", "False", "JobResumed", "Job resumed", now);
        }
        let left = wanted.map_or(parallelism, |wanted| (wanted - succeeded).min(parallelism));
        let missing = if wanted.is_none() && succeeded > 0 { 0 } else { left - running };
        for _ in 0..missing.clamp(0, AT_ONCE) {
            if !add(state, &job, now) {
                break;
            }
            running += 1;
        }
    }
    let ready = active.iter().filter(|(_, pod)| is_ready(pod)).count() as i64;
    if let Some(map) = status.as_object_mut() {
        for field in ["active", "succeeded", "failed", "ready"] {
            map.shift_remove(field);
        }
    }
    let rest = counts(&[("active", running), ("succeeded", succeeded), ("failed", failed)]);
    crate::sim::kubernetes::patch::merge(&mut status, &rest);
    status["ready"] = ready.min(running).into();
    // The step may have been told of by the events that it wrote.
    if let Some(job) = state.store.get(key).cloned() {
        write_status(state, "jobs", &job, status, super::MANAGER, now);
    }
}

fn add(state: &mut State, job: &Arc<Value>, now: OffsetDateTime) -> bool {
    let template = &job["spec"]["template"];
    let name = format!("{}-{}", name_of(job), suffix(&mut state.ids));
    let mut metadata = template["metadata"].clone();
    metadata["name"] = name.as_str().into();
    metadata["generateName"] = format!("{}-", name_of(job)).into();
    metadata["namespace"] = job["metadata"]["namespace"].clone();
    metadata["ownerReferences"] = owned_by(known("jobs"), job);
    let made = make(state, "pods", json!({"metadata": metadata, "spec": template["spec"]}), now).is_some();
    if made {
        let message = format!("Created pod: {name}");
        events::say(state, CONTROLLER, job, "Normal", "SuccessfulCreate", &message, now);
    }
    made
}
