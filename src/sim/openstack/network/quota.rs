//! How many of each kind a project may have: the scenario's limits, or what an administrator set.

use serde_json::{Value, json};

use super::engine::{integer, used};
use super::kinds::KINDS;
use super::{Network, bad, error, not_found, refused};
use crate::sim::openstack::identity::Who;
use crate::sim::openstack::wire::{Answer, Call, Object, Reply, wrapped};

pub(super) fn room(network: &Network, plural: &str, project: &str, more: usize) -> bool {
    let limit = limit(network, plural, project);
    limit < 0 || (used(network, plural, project) + more) as i64 <= limit
}

fn limit(network: &Network, plural: &str, project: &str) -> i64 {
    let set = network.quotas.get(project).and_then(|own| own.get(plural));
    set.copied().unwrap_or_else(|| preset(network, plural))
}

fn preset(network: &Network, plural: &str) -> i64 {
    match plural {
        "networks" => network.limits.networks,
        "subnets" => network.limits.subnets,
        "ports" => network.limits.ports,
        "routers" => network.limits.routers,
        "security_groups" => network.limits.security_groups,
        "security_group_rules" => network.limits.security_group_rules,
        _ => -1,
    }
}

/// Kinds that other parts of Neutron limit and clients expect to find.
const OTHERS: &[(&str, i64)] = &[("floatingip", 50), ("rbac_policy", 10), ("subnetpool", -1), ("trunk", -1)];

pub(super) fn answer(network: &mut Network, call: &Call, who: &Who, method: &str, rest: &[&str]) -> Answer {
    if let ["tenant" | "project"] = rest {
        return Ok(Reply::json(200, json!({"tenant": {"tenant_id": who.project, "project_id": who.project}})));
    }
    if rest.first().is_some_and(|project| *project != who.project) && !who.admin {
        return Err(error(403, "PolicyNotAuthorized", "rule:get_quota is disallowed by policy"));
    }
    match (method, rest) {
        ("GET", []) => {
            let rows: Vec<Value> = network
                .quotas
                .keys()
                .map(|project| {
                    let mut row = shown(|plural| limit(network, plural, project).into());
                    row["project_id"] = json!(project);
                    row["tenant_id"] = json!(project);
                    row
                })
                .collect();
            Ok(Reply::json(200, json!({"quotas": rows})))
        }
        ("GET", [project]) => {
            Ok(Reply::json(200, json!({"quota": shown(|plural| limit(network, plural, project).into())})))
        }
        ("GET", [_, "default"]) => {
            Ok(Reply::json(200, json!({"quota": shown(|plural| preset(network, plural).into())})))
        }
        ("GET", [project, "details"]) => {
            let row = |plural: &str| json!({"limit": limit(network, plural, project), "used": used(network, plural, project), "reserved": 0});
            let mut quota = shown(row);
            for (name, limit) in OTHERS {
                quota[*name] = json!({"limit": limit, "used": 0, "reserved": 0});
            }
            Ok(Reply::json(200, json!({"quota": quota})))
        }
        ("PUT", [project]) if who.admin => {
            let body = call.json().map_err(bad)?;
            let mut set = Vec::new();
            for (name, value) in wrapped(&body, "quota").map_err(bad)? {
                if ["tenant_id", "project_id", "force", "check_limit"].contains(&name.as_str()) {
                    continue;
                }
                let number = integer(value)
                    .ok_or_else(|| refused(format!("Invalid input for {name}. Reason: not an integer.")))?;
                match KINDS.iter().find(|kind| kind.singular == name) {
                    Some(kind) => set.push((kind.plural.to_string(), number)),
                    None if OTHERS.iter().any(|(other, _)| other == name) => {}
                    None => return Err(refused(format!("Unrecognized attribute(s) '{name}'"))),
                }
            }
            network.quotas.entry(project.to_string()).or_default().extend(set);
            Ok(Reply::json(200, json!({"quota": shown(|plural| limit(network, plural, project).into())})))
        }
        ("DELETE", [project]) if who.admin => match network.quotas.shift_remove(*project) {
            Some(_) => Ok(Reply::empty(204)),
            None => Err(error(404, "TenantQuotaNotFound", &format!("Quota for tenant {project} could not be found."))),
        },
        ("PUT" | "DELETE", _) => Err(error(403, "PolicyNotAuthorized", "rule:update_quota is disallowed by policy")),
        _ => Err(not_found()),
    }
}

fn shown(value: impl Fn(&str) -> Value) -> Value {
    let mut quota: Object = KINDS.iter().map(|kind| (kind.singular.to_string(), value(kind.plural))).collect();
    for (name, limit) in OTHERS {
        quota.insert(name.to_string(), json!(limit));
    }
    Value::Object(quota)
}
