//! A server as Nova shows it, version by version.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::server::Server;
use super::version::Version;
use super::{Request, links};
use crate::sim::openstack::State;
use crate::sim::source::{iso, iso_micro};

pub(super) struct Address {
    pub ip: String,
    mac: String,
}

/// With the name of its network.
pub(super) fn addresses(state: &State, server: &Server) -> Vec<(String, Address)> {
    // While it is built, compute does not know yet what network gave it.
    if server.status == "BUILD" {
        return Vec::new();
    }
    let mut found = Vec::new();
    for port in server.ports.iter().filter_map(|(id, _)| state.network.wired(id)) {
        let network = state.network.network_name(port["network_id"].as_str().unwrap_or_default());
        let mac = port["mac_address"].as_str().unwrap_or_default().to_string();
        for address in port["fixed_ips"].as_array().into_iter().flatten() {
            let ip = address["ip_address"].as_str().unwrap_or_default().to_string();
            found.push((network.clone(), Address { ip, mac: mac.clone() }));
        }
    }
    found
}

pub(super) fn addresses_shown(state: &State, server: &Server) -> Value {
    let mut networks: IndexMap<String, Vec<Value>> = IndexMap::new();
    for (network, address) in addresses(state, server) {
        let version = if address.ip.contains(':') { 6 } else { 4 };
        networks.entry(network).or_default().push(json!({
            "version": version, "addr": address.ip, "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": address.mac,
        }));
    }
    json!(networks)
}

pub(super) fn brief(server: &Server, request: &Request) -> Value {
    json!({"id": server.id, "name": server.name, "links": links(request.call, "servers", &server.id)})
}

fn vm_state(status: &str) -> &str {
    match status {
        "BUILD" => "building",
        "SHUTOFF" => "stopped",
        "ERROR" => "error",
        "PAUSED" => "paused",
        "SUSPENDED" => "suspended",
        "VERIFY_RESIZE" => "resized",
        _ => "active",
    }
}

/// One server as it is shown, or, if not `alone`, as a row of the detailed list.
pub(super) fn full(state: &State, server: &Server, request: &Request, alone: bool) -> Value {
    let (version, call) = (request.version, request.call);
    let power = match server.status {
        "ACTIVE" | "VERIFY_RESIZE" | "REBOOT" => 1,
        "PAUSED" => 3,
        "SHUTOFF" | "SUSPENDED" => 4,
        _ => 0,
    };
    let image = match &server.image {
        None => json!(""),
        Some(id) => {
            json!({"id": id, "links": [{"rel": "bookmark", "href": format!("{}/compute/images/{id}", call.base)}]})
        }
    };
    let host_id = match &server.host {
        None => String::new(),
        Some(host) => {
            use sha2::Digest;
            let digest = sha2::Sha224::digest(format!("{}{host}", server.project));
            digest.iter().map(|byte| format!("{byte:02x}")).collect()
        }
    };
    let mut shown = json!({
        "id": server.id, "name": server.name, "status": server.status, "tenant_id": server.project,
        "user_id": server.user, "metadata": server.metadata, "hostId": host_id, "image": image,
        "flavor": server.flavor.embedded(request), "created": iso(server.created), "updated": iso(server.updated),
        "addresses": addresses_shown(state, server), "accessIPv4": server.access.0, "accessIPv6": server.access.1,
        "links": links(call, "servers", &server.id), "OS-DCF:diskConfig": "MANUAL",
        "OS-EXT-AZ:availability_zone": if server.host.is_some() { server.zone.as_str() } else { "" },
        "config_drive": if server.config_drive { "True" } else { "" }, "key_name": server.key_name,
        "OS-SRV-USG:launched_at": server.launched.map(iso_micro), "OS-SRV-USG:terminated_at": null,
        "OS-EXT-STS:task_state": server.task, "OS-EXT-STS:vm_state": vm_state(server.status),
        "OS-EXT-STS:power_state": power, "os-extended-volumes:volumes_attached": [],
    });
    let groups: Vec<Value> = server.security_groups.iter().map(|name| json!({"name": name})).collect();
    if !groups.is_empty() {
        shown["security_groups"] = json!(groups);
    }
    if server.status == "ERROR"
        && let Some(why) = &server.fault
    {
        shown["fault"] = json!({"code": 500, "created": iso(server.updated), "message": why});
        if request.who.admin {
            shown["fault"]["details"] = json!(why);
        }
    }
    if ["ACTIVE", "BUILD", "REBOOT", "VERIFY_RESIZE"].contains(&server.status) {
        shown["progress"] = json!(0);
    }
    if request.who.admin {
        shown["OS-EXT-SRV-ATTR:host"] = json!(server.host);
        shown["OS-EXT-SRV-ATTR:instance_name"] = json!(format!("instance-{}", &server.id[..8.min(server.id.len())]));
        shown["OS-EXT-SRV-ATTR:hypervisor_hostname"] = json!(server.host);
        if version >= Version(3) {
            for (name, value) in [
                ("reservation_id", json!(server.reservation)),
                ("launch_index", json!(0)),
                ("hostname", json!(server.hostname)),
                ("kernel_id", json!("")),
                ("ramdisk_id", json!("")),
                ("root_device_name", json!("/dev/vda")),
            ] {
                shown[format!("OS-EXT-SRV-ATTR:{name}")] = value;
            }
            if alone || version < Version(75) {
                shown["OS-EXT-SRV-ATTR:user_data"] = json!(server.user_data);
            }
        }
        if version >= Version(16) {
            shown["host_status"] = json!(if server.host.is_some() { "UP" } else { "" });
        }
    } else if version >= Version(90) {
        shown["OS-EXT-SRV-ATTR:hostname"] = json!(server.hostname);
    }
    if version >= Version(9) {
        shown["locked"] = json!(server.locked.is_some());
    }
    if version >= Version(19) {
        shown["description"] = json!(server.description);
    }
    if version >= Version(26) {
        shown["tags"] = json!(server.tags);
    }
    if version >= Version(63) {
        shown["trusted_image_certificates"] = Value::Null;
    }
    if version >= Version(71) && alone {
        shown["server_groups"] = json!(server.group.iter().collect::<Vec<_>>());
    }
    if version >= Version(73) {
        shown["locked_reason"] = json!(server.locked.clone().flatten());
    }
    shown
}
