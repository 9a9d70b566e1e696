//! A cluster that begins: what `bootstrap.yaml` lists, and its nodes.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::make;
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::resources;
use crate::sim::source::iso;

/// More nodes than anybody looks at.
const MOST_NODES: u64 = 1000;

pub fn begin(state: &mut State, site: &str, now: OffsetDateTime) {
    let objects: Vec<Value> = serde_yaml::from_str(include_str!("bootstrap.yaml")).expect("bootstrap.yaml is valid");
    for object in objects {
        let kind = object["kind"].as_str().unwrap_or_default().to_string();
        let resource = resources::built_in(u32::MAX).find(|own| own.kind == kind);
        let resource = resource.expect("bootstrap.yaml names kinds of kinds.yaml");
        make(state, &resource.plural, object, now);
    }
    for at in 1..=state.spec.nodes.min(MOST_NODES) {
        let name = format!("{}-node{at}", site.to_lowercase());
        make(state, "nodes", node(&name, at, state.minor, now), now);
    }
}

fn node(name: &str, at: u64, minor: u32, now: OffsetDateTime) -> Value {
    let time = iso(now);
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": time, "lastTransitionTime": time,
        })
    };
    let size = json!({"cpu": "8", "memory": "32Gi", "pods": "110", "ephemeral-storage": "200Gi"});
    json!({
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "beta.kubernetes.io/os": "linux",
                "beta.kubernetes.io/arch": "amd64",
            },
        },
        "spec": {"podCIDR": format!("10.244.{}.0/24", at % 256), "podCIDRs": [format!("10.244.{}.0/24", at % 256)]},
        "status": {
            "capacity": size,
            "allocatable": size,
            "addresses": [
                {"type": "InternalIP", "address": format!("192.0.2.{}", at % 250 + 1)},
                {"type": "Hostname", "address": name},
            ],
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
                condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
            ],
            "nodeInfo": {
                "kubeletVersion": format!("v1.{minor}.0"),
                "kubeProxyVersion": format!("v1.{minor}.0"),
                "osImage": "Simulated Linux",
                "kernelVersion": "6.1.0",
                "containerRuntimeVersion": "containerd://1.7.0",
                "operatingSystem": "linux",
                "architecture": "amd64",
                "machineID": name,
                "systemUUID": name,
                "bootID": name,
            },
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        },
    })
}
