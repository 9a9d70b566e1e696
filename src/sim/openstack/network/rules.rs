//! What each kind has of its own when it is made, changed or deleted, and what may not be deleted.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::engine::{create_one, touch};
use super::kinds::Kind;
use super::security::{is_first_default, rule};
use super::subnets::{addresses, groups_exist, pools_of, port, subnet};
use super::{Network, error, kind as kind_named};
use crate::sim::openstack::identity::Who;
use crate::sim::openstack::wire::{Object, Reply};
use crate::sim::source::Source;

/// Works out what the client left open and refuses what does not fit.
pub(super) fn complete(
    network: &mut Network,
    kind: &Kind,
    row: &mut Object,
    given: &Object,
    who: &Who,
    now: OffsetDateTime,
    ids: &mut Source,
) -> Result<(), Reply> {
    match kind.plural {
        "networks" => {
            row.insert("provider:segmentation_id".into(), json!(100 + network.resources["networks"].len()));
            row.insert("availability_zones".into(), json!(["nova"]));
            Ok(())
        }
        "subnets" => subnet(network, row, given, who),
        "ports" => port(network, row, given, who, now, ids),
        "routers" => {
            row.insert("availability_zones".into(), json!(["nova"]));
            gateway(network, row)
        }
        "security_groups" if row["name"] == "default" && !is_first_default(network, row) => {
            Err(error(409, "SecurityGroupDefaultAlreadyExists", "Default security group already exists."))
        }
        "security_group_rules" => rule(network, row, who),
        _ => Ok(()),
    }
}

/// What a new resource brings with it.
pub(super) fn created(network: &mut Network, kind: &Kind, row: &Object, now: OffsetDateTime, ids: &mut Source) {
    let id = row["id"].clone();
    match kind.plural {
        "subnets" => {
            let parent = row["network_id"].as_str().unwrap_or_default();
            if let Some(parent) = network.resources["networks"].get_mut(parent) {
                if let Some(subnets) = parent["subnets"].as_array_mut() {
                    subnets.push(id);
                }
                touch(parent, now);
            }
        }
        "security_groups" => {
            let owner = Who {
                user: String::new(),
                project: row["project_id"].as_str().unwrap_or_default().into(),
                admin: true,
            };
            let mut rules = vec![("egress", "IPv4", Value::Null), ("egress", "IPv6", Value::Null)];
            if row["name"] == "default" {
                rules.extend([("ingress", "IPv4", id.clone()), ("ingress", "IPv6", id.clone())]);
            }
            for (direction, ethertype, remote) in rules {
                let rule = json!({"security_group_id": id, "direction": direction, "ethertype": ethertype, "remote_group_id": remote, "description": null});
                // Where the quota of rules is used up the group stays without them.
                let _ = create_one(network, kind_named("security_group_rules"), &rule, &owner, now, ids);
            }
        }
        _ => {}
    }
}

pub(super) fn changing(network: &Network, kind: &Kind, id: &str, change: &Object, who: &Who) -> Result<(), Reply> {
    let Some(row) = network.resources[kind.plural].get(id) else {
        return Ok(());
    };
    let renamed = change.get("name").is_some_and(|name| *name != row["name"]);
    if kind.plural == "security_groups" && row["name"] == "default" && renamed && !who.admin {
        return Err(error(409, "SecurityGroupCannotUpdateDefault", "Updating default security group not allowed."));
    }
    Ok(())
}

/// The changed resource, with what follows from the change.
pub(super) fn changed(network: &Network, kind: &Kind, mut row: Object, change: &Object) -> Result<Object, Reply> {
    match kind.plural {
        "ports" => {
            if change.contains_key("fixed_ips") {
                let parent = row["network_id"].as_str().unwrap_or_default().to_string();
                addresses(network, &mut row, &parent)?;
            }
            groups_exist(network, &row)?;
        }
        "routers" => gateway(network, &mut row)?,
        "subnets" => {
            pools_of(&row)?;
        }
        _ => {}
    }
    Ok(row)
}

fn gateway(network: &Network, row: &mut Object) -> Result<(), Reply> {
    if row["external_gateway_info"].as_object().is_none_or(|info| info.is_empty()) {
        row.insert("external_gateway_info".into(), Value::Null);
        return Ok(());
    }
    let id = row["external_gateway_info"]["network_id"].as_str().unwrap_or_default().to_string();
    let Some(external) = network.resources["networks"].get(&id) else {
        return Err(super::absent(kind_named("networks"), &id));
    };
    if external["router:external"] != true {
        return Err(error(400, "BadRequest", &format!("Bad router request: Network {id} is not an external network.")));
    }
    let info = &mut row["external_gateway_info"];
    if info.get("enable_snat").is_none() {
        info["enable_snat"] = json!(true);
    }
    if info.get("external_fixed_ips").is_none() {
        info["external_fixed_ips"] = json!([]);
    }
    Ok(())
}

pub(super) fn deleting(network: &Network, kind: &Kind, id: &str) -> Result<(), Reply> {
    let ports = || network.resources["ports"].values();
    let holds = |port: &Object, field: &str, id: &str| {
        port["fixed_ips"].as_array().into_iter().flatten().any(|address| address[field] == id)
    };
    match kind.plural {
        "networks" if ports().any(|port| port["network_id"] == id) => {
            let held = ports().filter(|port| port["network_id"] == id).filter_map(|port| port["id"].as_str());
            let held = held.collect::<Vec<_>>().join(", ");
            let message = format!(
                "Unable to complete operation on network {id}. There are one or more ports still in use on the network, \
                 id for these ports is: {held}."
            );
            Err(error(409, "NetworkInUse", &message))
        }
        "subnets" if ports().any(|port| holds(port, "subnet_id", id)) => Err(error(
            409,
            "SubnetInUse",
            &format!(
                "Unable to complete operation on subnet {id}: One or more ports have an IP allocation from this subnet."
            ),
        )),
        "ports" => {
            let owner = network.resources["ports"].get(id).and_then(|port| port["device_owner"].as_str());
            match owner {
                Some(owner) if owner.starts_with("network:router_") => {
                    let message =
                        format!("Port {id} cannot be deleted directly via the port API: has device owner {owner}.");
                    Err(error(409, "ServicePortInUse", &message))
                }
                _ => Ok(()),
            }
        }
        "routers" if ports().any(|port| port["device_id"] == id) => {
            Err(error(409, "RouterInUse", &format!("Router {id} still has ports")))
        }
        "security_groups" => {
            if network.resources["security_groups"].get(id).is_some_and(|group| group["name"] == "default") {
                return Err(error(
                    409,
                    "SecurityGroupCannotRemoveDefault",
                    "Insufficient rights for removing default security group.",
                ));
            }
            let used = ports().any(|port| {
                port["security_groups"].as_array().is_some_and(|groups| groups.iter().any(|group| group == id))
            });
            if used { Err(error(409, "SecurityGroupInUse", &format!("Security Group {id} in use."))) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

/// What goes with it.
pub(super) fn deleted(network: &mut Network, kind: &Kind, row: &Object, now: OffsetDateTime) {
    let id = &row["id"];
    match kind.plural {
        "networks" => network.resources["subnets"].retain(|_, subnet| subnet["network_id"] != *id),
        "security_groups" => {
            network.resources["security_group_rules"].retain(|_, rule| rule["security_group_id"] != *id)
        }
        "subnets" => {
            let parent = row["network_id"].as_str().unwrap_or_default();
            if let Some(parent) = network.resources["networks"].get_mut(parent) {
                if let Some(subnets) = parent["subnets"].as_array_mut() {
                    subnets.retain(|subnet| subnet != id);
                }
                touch(parent, now);
            }
        }
        _ => {}
    }
}
