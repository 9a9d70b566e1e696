//! A router's interfaces: links that are ports.

use serde_json::json;

use super::engine::create_one;
use super::{Network, bad, error, kind, refused};
use crate::sim::openstack::identity::Who;
use crate::sim::openstack::wire::{Answer, Call, Object, Reply};
use crate::sim::source::Source;

pub(super) fn add(network: &mut Network, call: &Call, who: &Who, router: &str, ids: &mut Source) -> Answer {
    let body = call.json().map_err(bad)?;
    network.own(kind("routers"), router, who)?;
    let port = match (body["subnet_id"].as_str(), body["port_id"].as_str()) {
        (Some(subnet), None) => {
            let known = network.get(kind("subnets"), subnet, who)?;
            let (parent, gateway) = (known["network_id"].clone(), known["gateway_ip"].clone());
            if interface_of(network, router, Some(subnet), None).is_some() {
                let message = format!("Bad router request: Router already has a port on subnet {subnet}.");
                return Err(error(400, "BadRequest", &message));
            }
            let address = match gateway.as_str() {
                Some(gateway) => json!({"subnet_id": subnet, "ip_address": gateway}),
                None => {
                    let message =
                        format!("Bad router request: Subnet for router interface must have a gateway IP: {subnet}.");
                    return Err(error(400, "BadRequest", &message));
                }
            };
            let document =
                json!({"network_id": parent, "fixed_ips": [address], "device_id": router, "security_groups": []});
            create_one(network, kind("ports"), &document, who, call.now, ids)?
        }
        (None, Some(port)) => {
            if network.get(kind("ports"), port, who)?["device_id"] != "" {
                return Err(error(409, "PortInUse", &format!("Port {port} is already in use.")));
            }
            port.to_string()
        }
        (Some(_), Some(_)) => {
            return Err(error(400, "BadRequest", "Bad router request: Cannot specify both subnet-id and port-id."));
        }
        (None, None) => {
            return Err(error(400, "BadRequest", "Bad router request: Either subnet_id or port_id must be specified."));
        }
    };
    if let Some(known) = network.resources["ports"].get_mut(&port) {
        known.insert("device_id".into(), json!(router));
        known.insert("device_owner".into(), json!("network:router_interface"));
        known.insert("status".into(), json!("ACTIVE"));
    }
    Ok(Reply::json(200, link(network, router, &port)))
}

pub(super) fn remove(network: &mut Network, call: &Call, who: &Who, router: &str) -> Answer {
    let body = call.json().map_err(bad)?;
    network.own(kind("routers"), router, who)?;
    let (subnet, port) = (body["subnet_id"].as_str(), body["port_id"].as_str());
    if subnet.is_none() && port.is_none() {
        return Err(refused("Either subnet_id or port_id must be specified".into()));
    }
    let found = interface_of(network, router, subnet, port).ok_or_else(|| {
        let (subnet, port) = (subnet.unwrap_or("None"), port.unwrap_or("None"));
        let message = format!("Router {router} does not have an interface with id {port} on subnet {subnet}");
        error(404, "RouterInterfaceNotFound", &message)
    })?;
    let answer = link(network, router, &found);
    network.resources["ports"].shift_remove(&found);
    Ok(Reply::json(200, answer))
}

fn interface_of(network: &Network, router: &str, subnet: Option<&str>, port: Option<&str>) -> Option<String> {
    let on = |known: &Object, subnet: &str| {
        known["fixed_ips"].as_array().into_iter().flatten().any(|address| address["subnet_id"] == subnet)
    };
    let mut ports = network.resources["ports"].iter();
    let found = ports.find(|(id, known)| {
        known["device_id"] == router
            && port.is_none_or(|port| port == *id)
            && subnet.is_none_or(|subnet| on(known, subnet))
    });
    found.map(|(id, _)| id.clone())
}

fn link(network: &Network, router: &str, port: &str) -> serde_json::Value {
    let known = network.resources["ports"].get(port);
    let subnet = known.map(|known| known["fixed_ips"][0]["subnet_id"].clone()).unwrap_or_default();
    let project = known.map(|known| known["project_id"].clone()).unwrap_or_default();
    let parent = known.map(|known| known["network_id"].clone()).unwrap_or_default();
    json!({
        "id": router, "tenant_id": project, "project_id": project, "port_id": port, "network_id": parent,
        "subnet_id": subnet, "subnet_ids": [subnet],
    })
}
