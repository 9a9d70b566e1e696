//! What the server itself writes into an object on its way in, by kind: identity, addresses, first states.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::suffix;
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::resources::Resource;
use crate::sim::kubernetes::status::{Cause, Status};

/// 10.96.0.0/16, the first addresses kept for the cluster's own services.
const FIRST_SERVICE: u32 = 10;
const MOST_SERVICES: u32 = 65_000;
const NODE_PORTS: std::ops::Range<u32> = 30_000..32_768;

/// An object that is not there yet.
pub fn fresh(state: &mut State, resource: &Resource, object: &mut Value, now: OffsetDateTime) -> Result<(), Status> {
    object["metadata"]["uid"] = state.ids.uuid().into();
    debug_assert!(now.unix_timestamp() > 0);
    match resource.id().as_str() {
        "namespaces" => {
            object["spec"]["finalizers"] = json!(["kubernetes"]);
            object["status"] = json!({"phase": "Active"});
            let name = object["metadata"]["name"].clone();
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
        }
        "secrets" => secret(object),
        "services" => service(state, resource, object)?,
        "pods" => pod(state, object),
        "jobs.batch" => job(object),
        "persistentvolumeclaims" => {
            object["status"] = json!({"phase": "Pending"});
            add_finalizer(object, "kubernetes.io/pvc-protection");
            if object["spec"]["storageClassName"].is_null() {
                let classes = state.store.list("storageclasses.storage.k8s.io", None);
                let mark = "storageclass.kubernetes.io/is-default-class";
                let default =
                    classes.map(|(_, class)| class).find(|class| class["metadata"]["annotations"][mark] == "true");
                if let Some(name) = default.map(|class| class["metadata"]["name"].clone()) {
                    object["spec"]["storageClassName"] = name;
                }
            }
        }
        "persistentvolumes" => {
            let phase = if object["spec"]["claimRef"].is_object() { "Bound" } else { "Available" };
            object["status"] = json!({"phase": phase});
            add_finalizer(object, "kubernetes.io/pv-protection");
        }
        "customresourcedefinitions.apiextensions.k8s.io" => {
            names_of(object);
            add_finalizer(object, "customresourcecleanup.apiextensions.k8s.io");
        }
        "certificatesigningrequests.certificates.k8s.io" => {}
        _ if resource.has("status") && object.get("status").is_none() && resource.custom.is_none() => {
            object["status"] = first_status(&resource.plural);
        }
        _ => {}
    }
    Ok(())
}

fn first_status(plural: &str) -> Value {
    match plural {
        "replicasets" | "statefulsets" | "replicationcontrollers" => json!({"replicas": 0}),
        "daemonsets" => json!({
            "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
        }),
        "ingresses" => json!({"loadBalancer": {}}),
        _ => json!({}),
    }
}

/// An object that is to replace another.
pub fn changed(resource: &Resource, live: &Value, object: &mut Value) {
    match resource.id().as_str() {
        "secrets" => secret(object),
        "services" => {
            // What the server gave is kept by those who do not mention it.
            if live["spec"]["type"] == object["spec"]["type"] || object["spec"]["type"] != "ExternalName" {
                for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"] {
                    if object["spec"][key].is_null() && !live["spec"][key].is_null() {
                        object["spec"][key] = live["spec"][key].clone();
                    }
                }
            }
            let old = live["spec"]["ports"].as_array().cloned().unwrap_or_default();
            let keeps = matches!(object["spec"]["type"].as_str(), Some("NodePort" | "LoadBalancer"));
            for (at, port) in object["spec"]["ports"].as_array_mut().into_iter().flatten().enumerate() {
                let same = old.iter().find(|own| own["port"] == port["port"] && own["protocol"] == port["protocol"]);
                let given = same.map(|own| own["nodePort"].clone()).filter(Value::is_i64);
                match (keeps, given) {
                    (true, Some(given)) if port["nodePort"].is_null() => port["nodePort"] = given,
                    (true, None) if port["nodePort"].is_null() => {
                        let first = i64::from(NODE_PORTS.start) + 2000;
                        let own = live["spec"]["clusterIP"].as_str().unwrap_or_default();
                        let place = own.bytes().fold(0i64, |sum, byte| (sum * 31 + i64::from(byte)) % 700);
                        port["nodePort"] = (first + place + at as i64).into();
                    }
                    (false, _) => drop(port.as_object_mut().and_then(|port| port.shift_remove("nodePort"))),
                    _ => {}
                }
            }
        }
        "customresourcedefinitions.apiextensions.k8s.io" => names_of(object),
        _ => {}
    }
}

fn add_finalizer(object: &mut Value, finalizer: &str) {
    let all = &mut object["metadata"]["finalizers"];
    if !all.is_array() {
        *all = json!([]);
    }
    if let Some(all) = all.as_array_mut().filter(|all| !all.iter().any(|own| own == finalizer)) {
        all.push(finalizer.into());
    }
}

/// Plain text is written in base64, over what is there.
fn secret(object: &mut Value) {
    use base64::Engine;
    let plain = object.as_object_mut().and_then(|map| map.shift_remove("stringData"));
    for (key, value) in plain.as_ref().and_then(Value::as_object).into_iter().flatten() {
        let encoded = base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
        object["data"][key] = encoded.into();
    }
}

fn service(state: &mut State, resource: &Resource, object: &mut Value) -> Result<(), Status> {
    object["status"] = json!({"loadBalancer": {}});
    let spec = &mut object["spec"];
    let kind = spec["type"].as_str().unwrap_or_default().to_string();
    if kind == "ExternalName" {
        return Ok(());
    }
    let taken: Vec<Value> =
        state.store.list("services", None).map(|(_, service)| service["spec"]["clusterIP"].clone()).collect();
    match spec["clusterIP"].as_str() {
        Some("None") => {}
        Some(wanted) if !wanted.is_empty() => {
            if taken.contains(&spec["clusterIP"]) {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                let value = json!([object["spec"]["clusterIP"]]);
                let why = "failed to allocate IP: provided IP is already allocated";
                return Err(Status::invalid(resource, name, vec![Cause::invalid("spec.clusterIPs", &value, why)]));
            }
        }
        _ => {
            let address = loop {
                let at = FIRST_SERVICE + state.work.service_addresses % MOST_SERVICES;
                state.work.service_addresses = state.work.service_addresses.wrapping_add(1);
                let address: Value = format!("10.96.{}.{}", at / 256, at % 256).into();
                if !taken.contains(&address) {
                    break address;
                }
            };
            spec["clusterIP"] = address;
        }
    }
    spec["clusterIPs"] = json!([spec["clusterIP"]]);
    spec["ipFamilies"] = json!(["IPv4"]);
    spec["ipFamilyPolicy"] = "SingleStack".into();
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        for port in spec["ports"].as_array_mut().into_iter().flatten() {
            if port["nodePort"].is_null() {
                let at = NODE_PORTS.start + state.work.node_ports % (NODE_PORTS.end - NODE_PORTS.start);
                state.work.node_ports = state.work.node_ports.wrapping_add(1);
                port["nodePort"] = at.into();
            }
        }
    }
    Ok(())
}

fn pod(state: &mut State, object: &mut Value) {
    let every = |list: &Value| list.as_array().map(Vec::as_slice).unwrap_or_default().to_vec();
    let class = quality(&every(&object["spec"]["containers"]));
    object["status"] = json!({"phase": "Pending", "qosClass": class});
    if object["spec"]["serviceAccountName"].is_null() {
        object["spec"]["serviceAccountName"] = "default".into();
        object["spec"]["serviceAccount"] = "default".into();
    }
    for (key, value) in [
        ("enableServiceLinks", json!(true)),
        ("preemptionPolicy", "PreemptLowerPriority".into()),
        ("priority", 0.into()),
    ] {
        if object["spec"][key].is_null() {
            object["spec"][key] = value;
        }
    }
    if object["spec"]["tolerations"].is_null() {
        let tolerate =
            |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
        object["spec"]["tolerations"] =
            json!([tolerate("node.kubernetes.io/not-ready"), tolerate("node.kubernetes.io/unreachable")]);
    }
    if object["spec"]["automountServiceAccountToken"] != false {
        let name = format!("kube-api-access-{}", suffix(&mut state.ids));
        let volume = json!({
            "name": name,
            "projected": {
                "defaultMode": 420,
                "sources": [
                    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                ],
            },
        });
        let mount =
            json!({"name": name, "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"});
        push(&mut object["spec"]["volumes"], volume);
        for container in object["spec"]["containers"].as_array_mut().into_iter().flatten() {
            push(&mut container["volumeMounts"], mount.clone());
        }
    }
}

fn push(list: &mut Value, item: Value) {
    match list.as_array_mut() {
        Some(list) => list.push(item),
        None => *list = json!([item]),
    }
}

fn quality(containers: &[Value]) -> &'static str {
    let asks = |container: &Value, what: &str| container["resources"][what].as_object().is_some_and(|m| !m.is_empty());
    let whole = |container: &Value| {
        let limits = &container["resources"]["limits"];
        limits["cpu"].is_string() && limits["memory"].is_string() && *limits == container["resources"]["requests"]
    };
    if containers.iter().all(whole) {
        "Guaranteed"
    } else if containers.iter().any(|container| asks(container, "limits") || asks(container, "requests")) {
        "Burstable"
    } else {
        "BestEffort"
    }
}

/// A job selects its pods by its own uid, where nobody has said otherwise.
fn job(object: &mut Value) {
    object["status"] = json!({});
    if object["spec"]["manualSelector"] == true {
        return;
    }
    let (uid, name) = (object["metadata"]["uid"].clone(), object["metadata"]["name"].clone());
    object["spec"]["selector"] = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
    let labels = &mut object["spec"]["template"]["metadata"]["labels"];
    for (key, value) in [
        ("batch.kubernetes.io/controller-uid", uid.clone()),
        ("batch.kubernetes.io/job-name", name.clone()),
        ("controller-uid", uid),
        ("job-name", name),
    ] {
        labels[key] = value;
    }
}

/// Names of a definition that follow from its kind.
fn names_of(object: &mut Value) {
    let kind = object["spec"]["names"]["kind"].as_str().unwrap_or_default().to_string();
    if object["spec"]["names"]["singular"].is_null() {
        object["spec"]["names"]["singular"] = kind.to_lowercase().into();
    }
    if object["spec"]["names"]["listKind"].is_null() {
        object["spec"]["names"]["listKind"] = format!("{kind}List").into();
    }
}
