//! What each kind has of its own: addresses, gateways, the default security group, and what may not be deleted.

use std::net::IpAddr;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::address::{Block, free, number, pools};
use super::engine::{create_one, integer, touch};
use super::kinds::Kind;
use super::{Network, error, kind as kind_named, refused};
use crate::sim::openstack::identity::Who;
use crate::sim::openstack::wire::{Object, Reply, boolean};
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
    for value in row.values_mut() {
        // "True" is what some clients send for a flag.
        if let Some(flag) = value.as_str().filter(|text| ["True", "False"].contains(text)).and_then(boolean) {
            *value = json!(flag);
        }
    }
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

fn is_first_default(network: &Network, row: &Object) -> bool {
    let groups = &network.resources["security_groups"];
    !groups.values().any(|group| group["name"] == "default" && group["project_id"] == row["project_id"])
}

fn subnet(network: &Network, row: &mut Object, given: &Object, who: &Who) -> Result<(), Reply> {
    let parent = row["network_id"].as_str().unwrap_or_default().to_string();
    network.get(kind_named("networks"), &parent, who)?;
    let cidr = row["cidr"].as_str().ok_or_else(|| {
        error(400, "BadRequest", "Bad subnets request: a subnetpool must be specified in the absence of a cidr.")
    })?;
    let block = Block::parse(cidr)
        .ok_or_else(|| refused(format!("Invalid input for cidr. Reason: '{cidr}' is not a valid IP subnet.")))?;
    if integer(&row["ip_version"]) != Some(block.version() as i64) {
        let message = "Invalid input for operation: ip_version does not match cidr.";
        return Err(error(400, "InvalidInput", message));
    }
    for other in network.resources["subnets"].values().filter(|other| other["network_id"] == parent.as_str()) {
        let taken = other["cidr"].as_str().unwrap_or_default();
        if Block::parse(taken).is_some_and(|taken| taken.overlaps(&block)) {
            let message = format!(
                "Invalid input for operation: Requested subnet with cidr: {cidr} for network: {parent} overlaps with another subnet."
            );
            return Err(error(400, "InvalidInput", &message));
        }
    }
    row.insert("ip_version".into(), json!(block.version()));
    row.insert("cidr".into(), json!(block.to_string()));
    if !given.contains_key("gateway_ip") {
        row.insert("gateway_ip".into(), json!(block.first().to_string()));
    }
    let gateway = match row["gateway_ip"].as_str() {
        None => None,
        Some(text) => {
            let address = text.parse::<IpAddr>().ok();
            Some(address.ok_or_else(|| {
                refused(format!("Invalid input for gateway_ip. Reason: '{text}' is not a valid IP address."))
            })?)
        }
    };
    if !row["allocation_pools"].is_array() {
        let pairs = pools(&block, gateway);
        let pairs: Vec<Value> =
            pairs.iter().map(|(from, to)| json!({"start": from.to_string(), "end": to.to_string()})).collect();
        row.insert("allocation_pools".into(), json!(pairs));
    }
    for (from, to) in pools_of(row)? {
        if !block.contains(from) || !block.contains(to) {
            let message = format!("The allocation pool {from}-{to} spans beyond the subnet cidr {block}.");
            return Err(error(400, "OutOfBoundsAllocationPool", &message));
        }
    }
    row.shift_remove("use_default_subnetpool");
    Ok(())
}

fn pools_of(subnet: &Object) -> Result<Vec<(IpAddr, IpAddr)>, Reply> {
    let pairs = subnet["allocation_pools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let read = pairs.iter().map(|pair| {
        let end = |name: &str| pair[name].as_str().and_then(|text| text.parse::<IpAddr>().ok());
        let both = end("start").zip(end("end")).filter(|(from, to)| number(*from) <= number(*to));
        both.filter(|(from, to)| from.is_ipv4() == to.is_ipv4()).ok_or_else(|| {
            refused("Invalid input for allocation_pools. Reason: invalid data format for IP pool.".into())
        })
    });
    read.collect()
}

fn used_addresses(network: &Network, subnet: &str, but: &str) -> Vec<IpAddr> {
    let ports = network.resources["ports"].iter().filter(|(id, _)| *id != but);
    let addresses = ports.flat_map(|(_, port)| port["fixed_ips"].as_array().into_iter().flatten());
    let used = addresses.filter(|address| address["subnet_id"] == subnet);
    used.filter_map(|address| address["ip_address"].as_str()?.parse().ok()).collect()
}

fn port(
    network: &mut Network,
    row: &mut Object,
    given: &Object,
    who: &Who,
    now: OffsetDateTime,
    ids: &mut Source,
) -> Result<(), Reply> {
    let parent = row["network_id"].as_str().unwrap_or_default().to_string();
    let secured = network.get(kind_named("networks"), &parent, who)?["port_security_enabled"] != false;
    addresses(network, row, &parent)?;
    if !row["mac_address"].is_string() {
        let n = ids.next();
        let mac = format!("fa:16:3e:{:02x}:{:02x}:{:02x}", n as u8, (n >> 8) as u8, (n >> 16) as u8);
        row.insert("mac_address".into(), json!(mac));
    }
    if !given.contains_key("port_security_enabled") {
        row.insert("port_security_enabled".into(), json!(secured));
    }
    if !row["security_groups"].is_array() {
        let project = row["project_id"].as_str().unwrap_or_default().to_string();
        let group = ensure_default_group(network, &project, now, ids);
        let unsecured = row["port_security_enabled"] == false;
        row.insert("security_groups".into(), if unsecured { json!([]) } else { json!([group]) });
    }
    groups_exist(network, row)?;
    for field in ["binding:profile", "binding:vif_details"] {
        if row[field].is_null() {
            row.insert(field.into(), json!({}));
        }
    }
    Ok(())
}

fn groups_exist(network: &Network, row: &Object) -> Result<(), Reply> {
    for group in row["security_groups"].as_array().into_iter().flatten() {
        let id = group.as_str().unwrap_or_default();
        if !network.resources["security_groups"].contains_key(id) {
            return Err(super::absent(kind_named("security_groups"), id));
        }
    }
    Ok(())
}

/// Gives a port its addresses: those it asks for, or one of the network's first subnet of each version.
fn addresses(network: &Network, row: &mut Object, parent: &str) -> Result<(), Reply> {
    let own = row["id"].as_str().unwrap_or_default().to_string();
    let subnets: Vec<(&String, &Object)> =
        network.resources["subnets"].iter().filter(|(_, subnet)| subnet["network_id"] == parent).collect();
    let wanted: Vec<(Option<String>, Option<IpAddr>)> = match row["fixed_ips"].as_array() {
        Some(list) => {
            let read = list.iter().map(|one| {
                let address = match one["ip_address"].as_str() {
                    None => None,
                    Some(text) => Some(text.parse::<IpAddr>().map_err(|_| {
                        refused(format!("Invalid input for fixed_ips. Reason: '{text}' is not a valid IP address."))
                    })?),
                };
                Ok((one["subnet_id"].as_str().map(str::to_string), address))
            });
            read.collect::<Result<_, Reply>>()?
        }
        None => {
            let first = |version: u64| subnets.iter().find(|(_, subnet)| subnet["ip_version"] == version);
            [4, 6].into_iter().filter_map(first).map(|(id, _)| (Some(id.to_string()), None)).collect()
        }
    };
    let mut given = Vec::new();
    for (subnet, address) in wanted {
        let fits =
            |block: Option<Block>| address.is_none_or(|address| block.is_some_and(|block| block.contains(address)));
        let found = subnets.iter().find(|(id, known)| {
            subnet.as_ref().is_none_or(|wanted| wanted == *id) && fits(known["cidr"].as_str().and_then(Block::parse))
        });
        let Some((id, known)) = found else {
            let message = "IP address is not a valid IP for any of the subnets on the specified network.";
            return Err(error(400, "InvalidIpForNetwork", message));
        };
        let used = used_addresses(network, id, &own);
        let address = match address {
            Some(address) if used.contains(&address) => {
                return Err(error(
                    409,
                    "IpAddressAlreadyAllocated",
                    &format!("IP address {address} already allocated in subnet {id}"),
                ));
            }
            Some(address) => address,
            None => free(&pools_of(known)?, &used).ok_or_else(|| {
                error(
                    409,
                    "IpAddressGenerationFailure",
                    &format!("No more IP addresses available on network {parent}."),
                )
            })?,
        };
        given.push(json!({"subnet_id": id, "ip_address": address.to_string()}));
    }
    row.insert("fixed_ips".into(), json!(given));
    Ok(())
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

fn rule(network: &Network, row: &mut Object, who: &Who) -> Result<(), Reply> {
    let group = row["security_group_id"].as_str().unwrap_or_default();
    network.get(kind_named("security_groups"), group, who)?;
    if !["ingress", "egress"].contains(&row["direction"].as_str().unwrap_or_default()) {
        return Err(refused(format!(
            "Invalid input for direction. Reason: '{}' is not in ['ingress', 'egress'].",
            row["direction"]
        )));
    }
    let ethertype = match row["ethertype"].as_str().unwrap_or_default().to_lowercase().as_str() {
        "ipv4" => "IPv4",
        "ipv6" => "IPv6",
        other => return Err(refused(format!("Invalid input for ethertype. Reason: '{other}' is not IPv4 or IPv6."))),
    };
    row.insert("ethertype".into(), json!(ethertype));
    // Numbers are kept as text, and names in lower case.
    let protocol = match &row["protocol"] {
        Value::String(text) if text == "any" => Value::Null,
        Value::String(text) => json!(text.to_lowercase()),
        Value::Number(number) => json!(number.to_string()),
        _ => Value::Null,
    };
    row.insert("protocol".into(), protocol);
    let (low, high) = (integer(&row["port_range_min"]), integer(&row["port_range_max"]));
    if low.zip(high).is_some_and(|(low, high)| low > high) && row["protocol"] != "icmp" {
        let message = "For TCP/UDP protocols, port_range_min must be <= port_range_max";
        return Err(error(400, "SecurityGroupInvalidPortRange", message));
    }
    if (low.is_some() || high.is_some()) && row["protocol"].is_null() {
        let message = "Must also specify protocol if port range is given.";
        return Err(error(400, "SecurityGroupProtocolRequiredWithPorts", message));
    }
    row.insert("port_range_min".into(), json!(low));
    row.insert("port_range_max".into(), json!(high));
    if let Some(prefix) = row["remote_ip_prefix"].as_str().map(str::to_string) {
        let block = Block::parse(&prefix).or_else(|| Block::parse(&format!("{prefix}/32")));
        let block = block.ok_or_else(|| {
            refused(format!("Invalid input for remote_ip_prefix. Reason: '{prefix}' is not a valid CIDR."))
        })?;
        row.insert("remote_ip_prefix".into(), json!(block.to_string()));
        row.insert("normalized_cidr".into(), json!(block.to_string()));
    }
    let ends = [
        "security_group_id",
        "direction",
        "ethertype",
        "protocol",
        "port_range_min",
        "port_range_max",
        "remote_ip_prefix",
        "remote_group_id",
    ];
    let twin = network.resources["security_group_rules"]
        .iter()
        .find(|(_, other)| ends.iter().all(|end| other[*end] == row[*end]));
    match twin {
        Some((id, _)) => {
            let message = format!("Security group rule already exists. Rule id is {id}.");
            Err(error(409, "SecurityGroupRuleExists", &message))
        }
        None => Ok(()),
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
                let rule = json!({"security_group_id": id, "direction": direction, "ethertype": ethertype, "remote_group_id": remote});
                // Where the quota of rules is used up the group stays without them.
                let _ = create_one(network, kind_named("security_group_rules"), &rule, &owner, now, ids);
            }
        }
        _ => {}
    }
}

/// Every project has it from the moment that anybody looks.
pub(super) fn ensure_default_group(
    network: &mut Network,
    project: &str,
    now: OffsetDateTime,
    ids: &mut Source,
) -> Option<String> {
    let groups = &network.resources["security_groups"];
    let known = groups.iter().find(|(_, group)| group["name"] == "default" && group["project_id"] == project);
    if let Some((id, _)) = known {
        return Some(id.clone());
    }
    let owner = Who { user: String::new(), project: project.to_string(), admin: true };
    let group = json!({"name": "default", "description": "Default security group"});
    create_one(network, kind_named("security_groups"), &group, &owner, now, ids).ok()
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

pub(super) fn deleting(network: &Network, kind: &Kind, id: &str) -> Result<(), Reply> {
    let ports = || network.resources["ports"].values();
    let holds = |port: &Object, field: &str, id: &str| {
        port["fixed_ips"].as_array().into_iter().flatten().any(|address| address[field] == id)
    };
    match kind.plural {
        "networks" if ports().any(|port| port["network_id"] == id) => Err(error(
            409,
            "NetworkInUse",
            &format!(
                "Unable to complete operation on network {id}. There are one or more ports still in use on the network."
            ),
        )),
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
