//! Disruption budgets: how many pods may be evicted now.

use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{is_active, is_ready, part, set_condition, write_status};
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::selectors::Labels;
use crate::sim::kubernetes::store::Key;

pub fn step(state: &mut State, key: &Key, now: OffsetDateTime) {
    let Some(budget) = state.store.get(key).cloned() else { return };
    let labels = Labels::of(&budget["spec"]["selector"]);
    let pods: Vec<Arc<Value>> = state
        .store
        .list("pods", Some(&key.namespace))
        .filter(|(_, pod)| labels.as_ref().is_some_and(|labels| labels.matches(pod)) && is_active(pod))
        .map(|(_, pod)| pod.clone())
        .collect();
    let all = pods.len() as i64;
    let healthy = pods.iter().filter(|pod| is_ready(pod)).count() as i64;
    let wanted = match (&budget["spec"]["minAvailable"], &budget["spec"]["maxUnavailable"]) {
        (Value::Null, Value::Null) => all,
        (Value::Null, most) => (all - part(most, all, f64::ceil)).max(0),
        (least, _) => part(least, all, f64::ceil),
    };
    let allowed = if all == 0 { 0 } else { (healthy - wanted).max(0) };
    let mut status = json!({
        "observedGeneration": budget["metadata"]["generation"],
        "currentHealthy": healthy,
        "desiredHealthy": wanted,
        "disruptionsAllowed": allowed,
        "expectedPods": all,
    });
    let mut conditions = budget["status"]["conditions"].clone();
    let (is, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    set_condition(&mut conditions, "DisruptionAllowed", is, reason, "", now);
    status["conditions"] = conditions;
    write_status(state, "poddisruptionbudgets", &budget, status, super::MANAGER, now);
}
