//! Scheduler and kubelet: a pod gets a node, its containers start, run, end.
//!
//! What becomes of a container is in the name of its image, so that a program can ask for it: `broken` cannot be
//! pulled, `unready` runs and is never ready, `failing` ends with an error.

use std::sync::Arc;

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::{condition, events, nodes, set_condition, uid_of};
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::managed::Writer;
use crate::sim::kubernetes::persist::{self, Mode, is_deleted};
use crate::sim::kubernetes::resources::known;
use crate::sim::kubernetes::store::Key;
use crate::sim::source::iso;

const KUBELET: &str = "kubelet";

/// Pods that have not started yet.
pub fn pending(state: &State, namespace: Option<&str>) -> Vec<Key> {
    let all = state.store.list("pods", namespace);
    all.filter(|(_, pod)| pod["status"]["phase"] == "Pending").map(|(key, _)| key.clone()).collect()
}

pub fn step(state: &mut State, key: &Key, now: OffsetDateTime) {
    let Some(pod) = state.store.get(key).cloned() else { return };
    if is_deleted(&pod) {
        return end(state, key, &pod, now);
    }
    if matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) {
        return;
    }
    if !pod["spec"]["nodeName"].is_string() {
        return schedule(state, &pod, now);
    }
    let start = Duration::try_from(state.spec.start).unwrap_or_default();
    let at = state.work.mark(&pod, "scheduled", now) + start;
    if pod["status"]["startTime"].is_null() {
        accept(state, &pod, now);
        state.work.again(key, at);
        return;
    }
    if now < at {
        state.work.again(key, at);
        return;
    }
    run(state, key, &pod, now);
}

/// A pod in its grace: it stops as fast as the scenario says, if it is given the time.
fn end(state: &mut State, key: &Key, pod: &Arc<Value>, now: OffsetDateTime) {
    let grace = Duration::seconds(pod["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0));
    let stop = Duration::try_from(state.spec.stop).unwrap_or_default();
    let at = state.work.mark(pod, "deleted", now) + stop.min(grace);
    if now < at {
        return state.work.again(key, at);
    }
    let mut after = (**pod).clone();
    if grace.is_zero() {
        return;
    }
    // The kubelet's own deletion, without grace.
    after["metadata"]["deletionGracePeriodSeconds"] = 0.into();
    if persist::finalizers(pod).next().is_none() {
        state.store.remove(key, now);
    } else {
        state.store.put(key.clone(), after, now);
    }
}

fn schedule(state: &mut State, pod: &Arc<Value>, now: OffsetDateTime) {
    let mut load: Vec<(usize, String)> = Vec::new();
    let nodes: Vec<Arc<Value>> = state.store.list("nodes", None).map(|(_, node)| node.clone()).collect();
    for node in nodes.iter().filter(|node| node["spec"]["unschedulable"] != true && nodes::takes(node, pod)) {
        let name = super::name_of(node);
        let there = state.store.list("pods", None).filter(|(_, other)| other["spec"]["nodeName"] == *name).count();
        load.push((there, name.to_string()));
    }
    load.sort();
    let Some((_, node)) = load.first() else {
        let message =
            format!("0/{} nodes are available: no node matches the pod's selectors and tolerations.", nodes.len());
        let mut status = pod["status"].clone();
        set_condition(&mut status["conditions"], "PodScheduled", "False", "Unschedulable", &message, now);
        if status != pod["status"] {
            write(state, pod, status, "kube-scheduler", now);
            events::say(state, "default-scheduler", pod, "Warning", "FailedScheduling", &message, now);
        }
        return;
    };
    let mut after = (**pod).clone();
    after["spec"]["nodeName"] = node.as_str().into();
    let writer = Writer::update("kube-scheduler");
    let bound = persist::update(state, known("pods"), pod, after, &writer, Mode::Real, now);
    let message = format!(
        "Successfully assigned {}/{} to {node}",
        pod["metadata"]["namespace"].as_str().unwrap_or_default(),
        super::name_of(pod)
    );
    events::say(state, "default-scheduler", &bound, "Normal", "Scheduled", &message, now);
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    pod["spec"]["containers"].as_array().into_iter().flatten()
}

/// The kubelet has seen it.
fn accept(state: &mut State, pod: &Arc<Value>, now: OffsetDateTime) {
    let mut status = pod["status"].clone();
    status["phase"] = "Pending".into();
    status["startTime"] = iso(now).into();
    let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
    if let Some(node) = state.get("nodes", "", node) {
        status["hostIP"] = node["status"]["addresses"][0]["address"].clone();
    }
    let conditions = &mut status["conditions"];
    set_condition(conditions, "PodScheduled", "True", "", "", now);
    set_condition(conditions, "Initialized", "True", "", "", now);
    let names: Vec<&str> = containers(pod).filter_map(|container| container["name"].as_str()).collect();
    let message = format!("containers with unready status: [{}]", names.join(" "));
    set_condition(conditions, "Ready", "False", "ContainersNotReady", &message, now);
    set_condition(conditions, "ContainersReady", "False", "ContainersNotReady", &message, now);
    let waiting = containers(pod).map(|container| waiting(container, "ContainerCreating", None));
    status["containerStatuses"] = waiting.collect();
    write(state, pod, status, KUBELET, now);
}

fn waiting(container: &Value, reason: &str, message: Option<&str>) -> Value {
    let mut why = json!({"reason": reason});
    if let Some(message) = message {
        why["message"] = message.into();
    }
    json!({
        "name": container["name"], "image": container["image"], "imageID": "", "ready": false, "started": false,
        "restartCount": 0, "lastState": {}, "state": {"waiting": why},
    })
}

/// What is to be said of a container now.
enum Fate {
    Waits { reason: &'static str, message: String },
    Runs { ready: bool },
    Ended { code: i64 },
}

fn run(state: &mut State, key: &Key, pod: &Arc<Value>, now: OffsetDateTime) {
    if let Some(message) = unmounted(state, pod) {
        events::say(state, KUBELET, pod, "Warning", "FailedMount", &message, now);
        return;
    }
    let restarts = pod["spec"]["restartPolicy"] != "Never" && pod["spec"]["restartPolicy"] != "OnFailure";
    let work = Duration::try_from(state.spec.work).unwrap_or_default();
    let mut status = pod["status"].clone();
    let old = pod["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
    let mut all = Vec::new();
    let mut again: Option<OffsetDateTime> = None;
    let (mut ready, mut ended, mut failed, mut running) = (true, true, false, false);
    let mut said: Vec<(&str, &str, String)> = Vec::new();
    for container in containers(pod) {
        let image = container["image"].as_str().unwrap_or_default();
        let before = old.iter().find(|own| own["name"] == container["name"]).cloned().unwrap_or(Value::Null);
        let same = before["image"] == container["image"];
        let started = before["state"]["running"]["startedAt"].clone();
        let runs = same && started.is_string();
        let fate = if before["state"]["terminated"].is_object() {
            Fate::Ended { code: before["state"]["terminated"]["exitCode"].as_i64().unwrap_or(0) }
        } else if image.contains("broken") {
            Fate::Waits { reason: "ImagePullBackOff", message: format!("Back-off pulling image \"{image}\"") }
        } else if let Some(message) = unconfigured(state, pod, container) {
            Fate::Waits { reason: "CreateContainerConfigError", message }
        } else if restarts {
            match image.contains("failing") {
                true => Fate::Waits {
                    reason: "CrashLoopBackOff",
                    message: "back-off 5m0s restarting failed container".into(),
                },
                false => Fate::Runs { ready: !image.contains("unready") },
            }
        } else {
            let until = state.work.mark(pod, "running", now) + work;
            if runs && now >= until {
                Fate::Ended { code: i64::from(image.contains("failing")) }
            } else {
                again = Some(until.max(now));
                Fate::Runs { ready: true }
            }
        };
        let restarted = before["restartCount"].as_i64().unwrap_or(0);
        let mut shown = json!({
            "name": container["name"], "image": image, "imageID": "", "ready": false, "started": false,
            "restartCount": restarted, "lastState": before.get("lastState").cloned().unwrap_or_else(|| json!({})),
        });
        match fate {
            Fate::Waits { reason, message } => {
                (ready, ended) = (false, false);
                match reason {
                    "ImagePullBackOff" => {
                        let why = format!("Failed to pull image \"{image}\": not found");
                        said.push(("Warning", "Failed", why));
                        said.push(("Normal", "BackOff", message.clone()));
                    }
                    "CrashLoopBackOff" => said.push(("Warning", "BackOff", message.clone())),
                    _ => said.push(("Warning", "Failed", format!("Error: {message}"))),
                }
                shown["state"] = json!({"waiting": {"reason": reason, "message": message}});
            }
            Fate::Runs { ready: good } => {
                (ready, ended, running) = (ready && good, false, true);
                shown["ready"] = good.into();
                shown["started"] = true.into();
                shown["containerID"] = format!("containerd://{}", uid_of(pod)).into();
                shown["imageID"] = format!("{image}@sha256:{}", super::digest_of(image)).into();
                let since = if runs { started } else { iso(now).into() };
                if !runs {
                    let name = container["name"].as_str().unwrap_or_default();
                    said.push(("Normal", "Pulled", format!("Container image \"{image}\" already present on machine")));
                    said.push(("Normal", "Created", format!("Created container {name}")));
                    said.push(("Normal", "Started", format!("Started container {name}")));
                    if before["state"]["running"].is_object() {
                        shown["restartCount"] = (restarted + 1).into();
                    }
                }
                shown["state"] = json!({"running": {"startedAt": since}});
            }
            Fate::Ended { code } => {
                ready = false;
                failed |= code != 0;
                let was = &before["state"]["terminated"];
                shown["state"] = match was.is_object() {
                    true => before["state"].clone(),
                    false => json!({"terminated": {
                        "exitCode": code,
                        "reason": if code == 0 { "Completed" } else { "Error" },
                        "startedAt": started,
                        "finishedAt": iso(now),
                    }}),
                };
            }
        }
        all.push(shown);
    }
    status["containerStatuses"] = all.into();
    if running && status["podIP"].is_null() {
        let at = state.work.pod_addresses % 60_000;
        state.work.pod_addresses = state.work.pod_addresses.wrapping_add(1);
        let address: Value = format!("10.244.{}.{}", at / 250, at % 250 + 2).into();
        status["podIPs"] = json!([{"ip": address}]);
        status["podIP"] = address;
    }
    status["phase"] = match (ended, failed, running) {
        (true, true, _) => "Failed",
        (true, false, _) => "Succeeded",
        (_, _, true) => "Running",
        _ => pod["status"]["phase"].as_str().unwrap_or("Pending"),
    }
    .into();
    judge(&mut status, pod, ready, ended, now);
    if ready && condition(pod, "Ready")["status"] != "True" {
        state.work.marked(pod, "ready", now);
    }
    if status != pod["status"] {
        write(state, pod, status, KUBELET, now);
        for (kind, reason, message) in said {
            events::say(state, KUBELET, pod, kind, reason, &message, now);
        }
    }
    if let Some(at) = again.filter(|_| !ended) {
        state.work.again(key, at);
    }
}

fn judge(status: &mut Value, pod: &Value, ready: bool, ended: bool, now: OffsetDateTime) {
    let names: Vec<&str> = containers(pod).filter_map(|container| container["name"].as_str()).collect();
    let unready = format!("containers with unready status: [{}]", names.join(" "));
    let (state, reason, message) = match (ready, ended) {
        (true, _) => ("True", "", ""),
        (_, true) => ("False", "PodCompleted", ""),
        _ => ("False", "ContainersNotReady", unready.as_str()),
    };
    set_condition(&mut status["conditions"], "Ready", state, reason, message, now);
    set_condition(&mut status["conditions"], "ContainersReady", state, reason, message, now);
}

/// A volume whose source is not there keeps the whole pod from starting.
fn unmounted(state: &State, pod: &Value) -> Option<String> {
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
    for volume in pod["spec"]["volumes"].as_array().into_iter().flatten() {
        let sources = [
            ("configmaps", &volume["configMap"], "name", "configmap"),
            ("secrets", &volume["secret"], "secretName", "secret"),
            ("persistentvolumeclaims", &volume["persistentVolumeClaim"], "claimName", "persistentvolumeclaim"),
        ];
        for (resource, source, key, word) in sources {
            let Some(name) = source[key].as_str().filter(|_| source["optional"] != true) else { continue };
            let there = state.get(resource, namespace, name);
            let bound = |claim: &Value| resource != "persistentvolumeclaims" || claim["status"]["phase"] == "Bound";
            if !there.as_deref().is_some_and(bound) {
                let volume = volume["name"].as_str().unwrap_or_default();
                return Some(format!("MountVolume.SetUp failed for volume \"{volume}\" : {word} \"{name}\" not found"));
            }
        }
    }
    None
}

/// An environment that refers to what is not there keeps its container from starting.
fn unconfigured(state: &State, pod: &Value, container: &Value) -> Option<String> {
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
    let lacks = |resource: &str, word: &str, source: &Value| {
        let name = source["name"].as_str().filter(|_| source["optional"] != true)?;
        let Some(there) = state.get(resource, namespace, name) else {
            return Some(format!("{word} \"{name}\" not found"));
        };
        let key = source["key"].as_str()?;
        let has = there["data"].get(key).is_some() || there["binaryData"].get(key).is_some();
        (!has).then(|| format!("couldn't find key {key} in {word} {namespace}/{name}"))
    };
    for from in container["envFrom"].as_array().into_iter().flatten() {
        let missing = lacks("configmaps", "configmap", &from["configMapRef"])
            .or_else(|| lacks("secrets", "secret", &from["secretRef"]));
        if missing.is_some() {
            return missing;
        }
    }
    for variable in container["env"].as_array().into_iter().flatten() {
        let from = &variable["valueFrom"];
        let missing = lacks("configmaps", "configmap", &from["configMapKeyRef"])
            .or_else(|| lacks("secrets", "secret", &from["secretKeyRef"]));
        if missing.is_some() {
            return missing;
        }
    }
    None
}

fn write(state: &mut State, pod: &Arc<Value>, status: Value, manager: &str, now: OffsetDateTime) {
    super::write_status(state, "pods", pod, status, manager, now);
}
