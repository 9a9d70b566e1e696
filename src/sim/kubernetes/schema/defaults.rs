//! What the API server fills in. Values that are always the same are in `defaults.yaml`; the few that depend on other
//! fields are here.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{Record, Shape};

/// Puts the defaults of `defaults.yaml` into the types that have them.
pub(super) fn install(types: &mut HashMap<&'static str, Record>) {
    let all: HashMap<String, Map<String, Value>> =
        serde_yaml::from_str(include_str!("defaults.yaml")).expect("defaults.yaml is valid");
    for (name, values) in all {
        let record = types.get_mut(name.as_str()).expect("defaults.yaml names types of types.txt");
        for (field, value) in values {
            record.fields.get_mut(&field).expect("defaults.yaml names fields of types.txt").default = Some(value);
        }
    }
}

/// Fills in, from the outside inwards, what was left out.
pub fn fill(shape: &Shape, value: &mut Value) {
    match (shape, value) {
        (Shape::Atomic(inner), value) => fill(inner, value),
        (Shape::Map(item), Value::Object(map)) => map.values_mut().for_each(|inner| fill(item, inner)),
        (Shape::List(list), Value::Array(items)) => items.iter_mut().for_each(|inner| fill(&list.item, inner)),
        (Shape::Named(_) | Shape::Record(_), Value::Object(map)) => {
            let Some(record) = shape.record() else { return };
            for (name, field) in &record.fields {
                if let Some(default) = &field.default
                    && map.get(name).is_none_or(Value::is_null)
                {
                    map.insert(name.clone(), default.clone());
                }
            }
            depending(&record.name, map);
            for (name, inner) in map.iter_mut() {
                if let Some(field) = record.fields.get(name) {
                    fill(&field.shape, inner);
                }
            }
        }
        _ => {}
    }
}

/// Defaults that depend on what else was given.
fn depending(name: &str, map: &mut Map<String, Value>) {
    match name {
        "core.v1.Container" => {
            let image = map.get("image").and_then(Value::as_str).unwrap_or_default();
            let last = image.rsplit('/').next().unwrap_or_default();
            let latest = !image.contains('@') && last.rsplit_once(':').is_none_or(|(_, tag)| tag == "latest");
            map.entry("imagePullPolicy").or_insert_with(|| if latest { "Always" } else { "IfNotPresent" }.into());
        }
        "core.v1.ServicePort" => {
            if let Some(port) = map.get("port").cloned() {
                map.entry("targetPort").or_insert(port);
            }
        }
        "apps.v1.DeploymentStrategy" | "apps.v1.DaemonSetUpdateStrategy"
            if map.get("type").is_some_and(|kind| kind == "RollingUpdate") =>
        {
            let daemons = name == "apps.v1.DaemonSetUpdateStrategy";
            let (surge, unavailable) = if daemons { (json!(0), json!(1)) } else { (json!("25%"), json!("25%")) };
            let rolling = map.entry("rollingUpdate").or_insert_with(|| json!({}));
            if let Some(rolling) = rolling.as_object_mut() {
                rolling.entry("maxSurge").or_insert(surge);
                rolling.entry("maxUnavailable").or_insert(unavailable);
            }
        }
        "apps.v1.StatefulSetUpdateStrategy" if map.get("type").is_some_and(|kind| kind == "RollingUpdate") => {
            map.entry("rollingUpdate").or_insert_with(|| json!({"partition": 0}));
        }
        "batch.v1.JobSpec" => {
            if !map.contains_key("completions") && !map.contains_key("parallelism") {
                map.insert("completions".into(), 1.into());
            }
            map.entry("parallelism").or_insert_with(|| 1.into());
        }
        "core.v1.ServiceSpec" => {
            let kind = map.get("type").and_then(Value::as_str).unwrap_or_default().to_string();
            if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
                map.entry("externalTrafficPolicy").or_insert_with(|| "Cluster".into());
            }
            if kind == "LoadBalancer" {
                map.entry("allocateLoadBalancerNodePorts").or_insert_with(|| true.into());
            }
        }
        "core.v1.PodSpec" => {
            if let Some(account) = map.get("serviceAccountName").cloned() {
                map.insert("serviceAccount".into(), account);
            }
        }
        "core.v1.HTTPGetAction" => {
            map.entry("scheme").or_insert_with(|| "HTTP".into());
            map.entry("path").or_insert_with(|| "/".into());
        }
        // What one may use is by default what one gets.
        "core.v1.ResourceRequirements" => {
            if let Some(Value::Object(limits)) = map.get("limits").cloned() {
                let requests = map.entry("requests").or_insert_with(|| json!({}));
                if let Some(requests) = requests.as_object_mut() {
                    for (what, amount) in limits {
                        requests.entry(what).or_insert(amount);
                    }
                }
            }
        }
        "rbac.v1.Subject" => {
            let group = match map.get("kind").and_then(Value::as_str) {
                Some("User" | "Group") => Some("rbac.authorization.k8s.io"),
                _ => None,
            };
            if let Some(group) = group {
                map.entry("apiGroup").or_insert_with(|| group.into());
            }
        }
        _ => {}
    }
}
