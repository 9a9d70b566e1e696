//! Services and what is behind them: endpoints of the pods that they select; addresses of load balancers.

use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{dependents, hash_of, is_active, is_ready, make, name_of, owned_by, write, write_status};
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::resources::known;
use crate::sim::kubernetes::selectors::Labels;
use crate::sim::kubernetes::store::Key;

pub fn service(state: &mut State, key: &Key, now: OffsetDateTime) {
    let Some(service) = state.store.get(key).cloned() else { return };
    if service["spec"]["type"] == "LoadBalancer" && service["status"]["loadBalancer"]["ingress"].is_null() {
        let last = u64::from(hash_of(&service["metadata"]["uid"], 1).bytes().next().unwrap_or(b'b'));
        let status = json!({"loadBalancer": {"ingress": [{"ip": format!("198.51.100.{last}"), "ipMode": "VIP"}]}});
        write_status(state, "services", &service, status, "cloud-controller-manager", now);
    }
    let selector = &service["spec"]["selector"];
    if selector.as_object().is_none_or(|labels| labels.is_empty()) {
        return;
    }
    let labels = Labels::of_map(selector);
    let pods: Vec<Arc<Value>> = state
        .store
        .list("pods", Some(&key.namespace))
        .filter(|(_, pod)| labels.matches(pod) && is_active(pod) && pod["status"]["podIP"].is_string())
        .map(|(_, pod)| pod.clone())
        .collect();
    endpoints(state, key, &service, &pods, now);
    slice(state, &service, &pods, now);
}

fn reference(pod: &Value) -> Value {
    json!({
        "kind": "Pod",
        "namespace": pod["metadata"]["namespace"],
        "name": pod["metadata"]["name"],
        "uid": pod["metadata"]["uid"],
    })
}

/// A service's port as its pods have it.
fn ports(service: &Value, pods: &[Arc<Value>]) -> Value {
    let of_pod = |name: &str| {
        let containers = pods.first().and_then(|pod| pod["spec"]["containers"].as_array()).into_iter().flatten();
        let mut ports = containers.flat_map(|container| container["ports"].as_array().into_iter().flatten());
        ports.find(|port| port["name"] == name).map(|port| port["containerPort"].clone())
    };
    let all = service["spec"]["ports"].as_array().into_iter().flatten().filter_map(|port| {
        let number = match &port["targetPort"] {
            Value::String(name) => of_pod(name)?,
            Value::Null => port["port"].clone(),
            number => number.clone(),
        };
        let mut shown = json!({"port": number, "protocol": port["protocol"]});
        if port["name"].is_string() {
            shown["name"] = port["name"].clone();
        }
        Some(shown)
    });
    all.collect()
}

fn endpoints(state: &mut State, key: &Key, service: &Value, pods: &[Arc<Value>], now: OffsetDateTime) {
    let of = |wanted: bool| -> Vec<Value> {
        let some = pods.iter().filter(|pod| is_ready(pod) == wanted);
        some.map(|pod| {
            json!({"ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"], "targetRef": reference(pod)})
        })
        .collect()
    };
    let (ready, unready) = (of(true), of(false));
    let mut subset = json!({});
    if !ready.is_empty() {
        subset["addresses"] = ready.into();
    }
    if !unready.is_empty() {
        subset["notReadyAddresses"] = unready.into();
    }
    let subsets = match subset.as_object().is_some_and(|subset| subset.is_empty()) {
        true => Value::Null,
        false => {
            subset["ports"] = ports(service, pods);
            json!([subset])
        }
    };
    let own = Key::new("endpoints", &key.namespace, &key.name);
    match state.store.get(&own).cloned() {
        Some(before) => {
            if before["subsets"] != subsets {
                let mut after = (*before).clone();
                match subsets.is_null() {
                    true => drop(after.as_object_mut().and_then(|map| map.shift_remove("subsets"))),
                    false => after["subsets"] = subsets,
                }
                write(state, "endpoints", &before, after, now);
            }
        }
        None => {
            let mut made = json!({
                "metadata": {
                    "name": key.name,
                    "namespace": key.namespace,
                    "labels": service["metadata"]["labels"],
                },
            });
            if made["metadata"]["labels"].is_null() {
                made["metadata"].as_object_mut().map(|metadata| metadata.shift_remove("labels"));
            }
            if !subsets.is_null() {
                made["subsets"] = subsets;
            }
            make(state, "endpoints", made, now);
        }
    }
}

fn slice(state: &mut State, service: &Arc<Value>, pods: &[Arc<Value>], now: OffsetDateTime) {
    if state.minor < 21 {
        return;
    }
    let endpoints: Vec<Value> = pods
        .iter()
        .map(|pod| {
            json!({
                "addresses": [pod["status"]["podIP"]],
                "conditions": {"ready": is_ready(pod), "serving": is_ready(pod), "terminating": false},
                "nodeName": pod["spec"]["nodeName"],
                "targetRef": reference(pod),
            })
        })
        .collect();
    let mut ports = ports(service, pods);
    for port in ports.as_array_mut().into_iter().flatten().filter(|port| port["name"].is_null()) {
        port["name"] = "".into();
    }
    match dependents(state, service, "endpointslices.discovery.k8s.io").into_iter().next() {
        Some((_, before)) => {
            if before["endpoints"] != json!(endpoints) || before["ports"] != ports {
                let mut after = (*before).clone();
                after["endpoints"] = endpoints.into();
                after["ports"] = ports;
                write(state, "endpointslices", &before, after, now);
            }
        }
        None => {
            let name = format!("{}-{}", name_of(service), super::suffix(&mut state.ids));
            let slice = json!({
                "metadata": {
                    "name": name,
                    "generateName": format!("{}-", name_of(service)),
                    "namespace": service["metadata"]["namespace"],
                    "labels": {
                        "kubernetes.io/service-name": name_of(service),
                        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                    },
                    "ownerReferences": owned_by(known("services"), service),
                },
                "addressType": "IPv4",
                "endpoints": endpoints,
                "ports": ports,
            });
            make(state, "endpointslices", slice, now);
        }
    }
}

/// Somebody listens for it.
pub fn ingress(state: &mut State, key: &Key, now: OffsetDateTime) {
    let Some(ingress) = state.store.get(key).cloned() else { return };
    if ingress["status"]["loadBalancer"]["ingress"].is_null() {
        let status = json!({"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}]}});
        write_status(state, "ingresses", &ingress, status, "ingress-controller", now);
    }
}
