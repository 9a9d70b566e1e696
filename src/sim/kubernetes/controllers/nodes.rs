//! Nodes: who cannot be scheduled upon says so by a taint. Their kubelets are in `pods`.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::write;
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::store::Key;

const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

pub fn step(state: &mut State, key: &Key, now: OffsetDateTime) {
    let Some(node) = state.store.get(key).cloned() else { return };
    let cordoned = node["spec"]["unschedulable"] == true;
    let taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let tainted = taints.iter().any(|taint| taint["key"] == UNSCHEDULABLE);
    if cordoned == tainted {
        return;
    }
    let mut after = (*node).clone();
    let mut taints: Vec<Value> = taints.into_iter().filter(|taint| taint["key"] != UNSCHEDULABLE).collect();
    if cordoned {
        taints.push(json!({"key": UNSCHEDULABLE, "effect": "NoSchedule"}));
    }
    match taints.is_empty() {
        true => drop(after["spec"].as_object_mut().and_then(|spec| spec.shift_remove("taints"))),
        false => after["spec"]["taints"] = taints.into(),
    }
    write(state, "nodes", &node, after, now);
}

/// Whether a pod may be put on a node.
pub fn takes(node: &Value, pod: &Value) -> bool {
    let wanted = pod["spec"]["nodeSelector"].as_object().into_iter().flatten();
    let labels = &node["metadata"]["labels"];
    let selected = wanted.into_iter().all(|(key, value)| labels.get(key) == Some(value));
    let taints = node["spec"]["taints"].as_array().into_iter().flatten();
    let tolerations = pod["spec"]["tolerations"].as_array().map(Vec::as_slice).unwrap_or_default();
    let bears = |taint: &Value| {
        tolerations.iter().any(|own| {
            let key = own["key"].is_null() || own["key"] == taint["key"];
            let value = own["operator"] == "Exists" || own["value"] == taint["value"];
            key && value && (own["effect"].is_null() || own["effect"] == taint["effect"])
        })
    };
    let mut hard = taints.filter(|taint| matches!(taint["effect"].as_str(), Some("NoSchedule" | "NoExecute")));
    selected && hard.all(bears)
}
