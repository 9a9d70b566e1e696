//! Security groups: the default one that every project has, and what a rule may say.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::address::Block;
use super::engine::{create_one, integer};
use super::{Network, error, kind as kind_named, refused};
use crate::sim::openstack::identity::Who;
use crate::sim::openstack::wire::{Object, Reply};
use crate::sim::source::Source;

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

pub(super) fn is_first_default(network: &Network, row: &Object) -> bool {
    let groups = &network.resources["security_groups"];
    !groups.values().any(|group| group["name"] == "default" && group["project_id"] == row["project_id"])
}

pub(super) fn rule(network: &Network, row: &mut Object, who: &Who) -> Result<(), Reply> {
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
