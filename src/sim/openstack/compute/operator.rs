//! What operators look at: zones, hypervisors, compute services.

use serde_json::{Value, json};

use super::version::Version;
use super::{Host, Request, Used, admin_only, bad, error, not_found, refused};
use crate::sim::openstack::State;
use crate::sim::openstack::wire::{Answer, Reply};
use crate::sim::source::iso_micro;

pub(super) fn answer(state: &mut State, request: &Request, method: &str, path: &[&str]) -> Answer {
    match (method, path) {
        ("GET", ["os-availability-zone"]) => Ok(Reply::json(200, json!({"availabilityZoneInfo": [zone(Value::Null)]}))),
        ("GET", ["os-availability-zone", "detail"]) => {
            admin_only(request, "os-availability-zone:detail")?;
            let hosts = state.compute.hosts.iter().map(|host| {
                let service = json!({"nova-compute": {"available": host.disabled.is_none(), "active": true, "updated_at": iso_micro(request.call.now)}});
                (host.spec.name.clone(), service)
            });
            let hosts: serde_json::Map<String, Value> = hosts.collect();
            Ok(Reply::json(200, json!({"availabilityZoneInfo": [zone(json!(hosts))]})))
        }
        ("GET", ["extensions"]) => Ok(Reply::json(200, json!({"extensions": []}))),
        ("GET", ["os-aggregates"]) => {
            admin_only(request, "os-aggregates:index")?;
            Ok(Reply::json(200, json!({"aggregates": []})))
        }
        ("GET", ["os-hypervisors"]) => hypervisors(state, request, false),
        ("GET", ["os-hypervisors", "detail"]) => hypervisors(state, request, true),
        ("GET", ["os-hypervisors", id]) => {
            admin_only(request, "os-hypervisors:show")?;
            let found = state.compute.hosts().enumerate().find(|(at, (host, _))| shown_id(*at, host, request) == **id);
            let (at, (host, used)) =
                found.ok_or_else(|| error(404, &format!("Hypervisor with ID '{id}' could not be found.")))?;
            Ok(Reply::json(200, json!({"hypervisor": hypervisor(at, host, used, request, true)})))
        }
        ("GET", ["os-services"]) => {
            admin_only(request, "os-services:list")?;
            let rows: Vec<Value> =
                state.compute.hosts.iter().enumerate().map(|(at, host)| service(at, host, request)).collect();
            Ok(Reply::json(200, json!({"services": rows})))
        }
        ("PUT", ["os-services", id]) if request.version >= Version(53) => {
            admin_only(request, "os-services:update")?;
            let body = request.call.json().map_err(bad)?;
            let found = state.compute.hosts.iter_mut().enumerate().find(|(_, host)| host.service == **id);
            let (at, host) = found.ok_or_else(|| error(404, &format!("Service {id} could not be found.")))?;
            match body["status"].as_str() {
                Some("disabled") => {
                    host.disabled = Some(body["disabled_reason"].as_str().unwrap_or_default().to_string())
                }
                Some("enabled") => host.disabled = None,
                _ => return Err(refused("Invalid input for field/attribute status.")),
            }
            Ok(Reply::json(200, json!({"service": service(at, host, request)})))
        }
        _ => Err(not_found()),
    }
}

fn zone(hosts: Value) -> Value {
    json!({"zoneName": "nova", "zoneState": {"available": true}, "hosts": hosts})
}

/// A number until 2.52, then a UUID.
fn shown_id(at: usize, host: &Host, request: &Request) -> Value {
    if request.version >= Version(53) { json!(host.id) } else { json!((at + 1).to_string()) }
}

fn hypervisors(state: &State, request: &Request, detail: bool) -> Answer {
    admin_only(request, "os-hypervisors:list")?;
    let hosts = state.compute.hosts().enumerate();
    let rows: Vec<Value> = hosts.map(|(at, (host, used))| hypervisor(at, host, used, request, detail)).collect();
    Ok(Reply::json(200, json!({"hypervisors": rows})))
}

fn hypervisor(at: usize, host: &Host, used: Used, request: &Request, detail: bool) -> Value {
    let mut shown = json!({
        "id": if request.version >= Version(53) { json!(host.id) } else { json!(at + 1) },
        "hypervisor_hostname": host.spec.name, "state": "up",
        "status": if host.disabled.is_some() { "disabled" } else { "enabled" },
    });
    if !detail {
        return shown;
    }
    shown["hypervisor_type"] = json!("QEMU");
    shown["hypervisor_version"] = json!(7_002_000);
    shown["host_ip"] = json!("127.0.0.1");
    shown["service"] = json!({
        "host": host.spec.name, "disabled_reason": host.disabled,
        "id": if request.version >= Version(53) { json!(host.service) } else { json!(at + 1) },
    });
    if request.version >= Version(88) {
        shown["uptime"] = Value::Null;
    } else {
        let free = |all: u64, used: u64| all.saturating_sub(used);
        for (name, value) in [
            ("vcpus", host.spec.vcpus),
            ("vcpus_used", used.vcpus),
            ("memory_mb", host.spec.ram),
            ("memory_mb_used", used.ram),
            ("free_ram_mb", free(host.spec.ram, used.ram)),
            ("local_gb", host.spec.disk),
            ("local_gb_used", used.disk),
            ("free_disk_gb", free(host.spec.disk, used.disk)),
            ("disk_available_least", free(host.spec.disk, used.disk)),
            ("running_vms", used.servers),
            ("current_workload", 0),
        ] {
            shown[name] = json!(value);
        }
        shown["cpu_info"] = if request.version >= Version(28) { json!({}) } else { json!("{}") };
    }
    shown
}

fn service(at: usize, host: &Host, request: &Request) -> Value {
    json!({
        "id": if request.version >= Version(53) { json!(host.service) } else { json!(at + 1) },
        "binary": "nova-compute", "host": host.spec.name, "zone": "nova", "state": "up", "forced_down": false,
        "status": if host.disabled.is_some() { "disabled" } else { "enabled" },
        "disabled_reason": host.disabled, "updated_at": iso_micro(request.call.now),
    })
}
