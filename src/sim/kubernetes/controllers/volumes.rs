//! Claims: each is bound to a volume that is made for it, and stays while a pod uses it; a volume stays while a claim does.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{delete, events, garbage, make, uid_of, write, write_status};
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::persist::{finalizers, is_deleted};
use crate::sim::kubernetes::store::Key;

const CLAIM: &str = "kubernetes.io/pvc-protection";
const VOLUME: &str = "kubernetes.io/pv-protection";

pub fn step(state: &mut State, key: &Key, now: OffsetDateTime) {
    let Some(claim) = state.store.get(key).cloned() else { return };
    if is_deleted(&claim) {
        let uses = |pod: &Value| {
            let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
            let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
            !ended && volumes.into_iter().any(|own| own["persistentVolumeClaim"]["claimName"] == key.name.as_str())
        };
        let used = state.store.list("pods", Some(&key.namespace)).any(|(_, pod)| uses(pod));
        if !used && finalizers(&claim).any(|own| own == CLAIM) {
            garbage::finish(state, key, &claim, CLAIM, now);
            if state.store.get(key).is_none() {
                release(state, &claim, now);
            }
        }
        return;
    }
    if claim["status"]["phase"] == "Bound" {
        return;
    }
    let class = claim["spec"]["storageClassName"].as_str().unwrap_or_default();
    let known = state.get("storageclasses.storage.k8s.io", "", class);
    let Some(class) = known else {
        let message = format!("storageclass.storage.k8s.io \"{class}\" not found");
        events::say(state, "persistentvolume-controller", &claim, "Warning", "ProvisioningFailed", &message, now);
        return;
    };
    let name = format!("pvc-{}", uid_of(&claim));
    let volume = json!({
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": class["provisioner"]}},
        "spec": {
            "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
            "accessModes": claim["spec"]["accessModes"],
            "persistentVolumeReclaimPolicy": class["reclaimPolicy"],
            "storageClassName": claim["spec"]["storageClassName"],
            "claimRef": {
                "kind": "PersistentVolumeClaim",
                "apiVersion": "v1",
                "namespace": key.namespace,
                "name": key.name,
                "uid": uid_of(&claim),
            },
            "hostPath": {"path": format!("/volumes/{name}"), "type": ""},
        },
    });
    if make(state, "persistentvolumes", volume, now).is_none() && state.get("persistentvolumes", "", &name).is_none() {
        return;
    }
    let mut after = (*claim).clone();
    after["spec"]["volumeName"] = name.as_str().into();
    for mark in ["pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller"] {
        after["metadata"]["annotations"][mark] = "yes".into();
    }
    let bound = write(state, "persistentvolumeclaims", &claim, after, now);
    let status = json!({
        "phase": "Bound",
        "accessModes": claim["spec"]["accessModes"],
        "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
    });
    write_status(state, "persistentvolumeclaims", &bound, status, super::MANAGER, now);
}

/// A volume that was deleted goes once it is bound to nothing.
pub fn unused(state: &mut State, key: &Key, now: OffsetDateTime) {
    let Some(volume) = state.store.get(key).cloned() else { return };
    let protected = finalizers(&volume).any(|own| own == VOLUME);
    if is_deleted(&volume) && protected && volume["status"]["phase"] != "Bound" {
        garbage::finish(state, key, &volume, VOLUME, now);
    }
}

/// What was made for a claim goes with it, unless its class says otherwise.
fn release(state: &mut State, claim: &Value, now: OffsetDateTime) {
    let Some(name) = claim["spec"]["volumeName"].as_str() else { return };
    let key = Key::new("persistentvolumes", "", name);
    let Some(volume) = state.store.get(&key).cloned() else { return };
    if volume["spec"]["persistentVolumeReclaimPolicy"] != "Delete" {
        write_status(state, "persistentvolumes", &volume, json!({"phase": "Released"}), super::MANAGER, now);
        return;
    }
    delete(state, &key, now);
    if let Some(volume) = state.store.get(&key).cloned() {
        garbage::finish(state, &key, &volume, VOLUME, now);
    }
}
