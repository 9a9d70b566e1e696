//! Subnets and the addresses that their ports have.

use std::net::IpAddr;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::address::{Block, free, number, pools};
use super::engine::integer;
use super::security::ensure_default_group;
use super::{Network, error, kind as kind_named, refused};
use crate::sim::openstack::identity::Who;
use crate::sim::openstack::wire::{Object, Reply};
use crate::sim::source::Source;

pub(super) fn subnet(network: &Network, row: &mut Object, given: &Object, who: &Who) -> Result<(), Reply> {
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

pub(super) fn pools_of(subnet: &Object) -> Result<Vec<(IpAddr, IpAddr)>, Reply> {
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

pub(super) fn port(
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

pub(super) fn groups_exist(network: &Network, row: &Object) -> Result<(), Reply> {
    for group in row["security_groups"].as_array().into_iter().flatten() {
        let id = group.as_str().unwrap_or_default();
        if !network.resources["security_groups"].contains_key(id) {
            return Err(super::absent(kind_named("security_groups"), id));
        }
    }
    Ok(())
}

/// Gives a port its addresses: those it asks for, or one of the network's first subnet of each version.
pub(super) fn addresses(network: &Network, row: &mut Object, parent: &str) -> Result<(), Reply> {
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
