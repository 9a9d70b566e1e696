//! Placement, as far as it tells what compute's hosts hold: providers, inventories, usages, allocations.

use serde_json::{Value, json};

use super::compute::{Host, Used};
use super::wire::{Answer, Call, Object, Reply};
use super::{State, authenticated};
use crate::sim::world::Site;

const FILTERS: &[&str] = &["name", "uuid", "member_of", "resources", "in_tree", "required"];

pub(super) fn answer(site: &Site, state: &mut State, call: &Call) -> Answer {
    let path = call.path();
    if call.method == "GET" && matches!(path[..], [] | [""]) {
        let links = json!([{"rel": "self", "href": ""}]);
        let version =
            json!({"id": "v1.0", "max_version": "1.39", "min_version": "1.0", "status": "CURRENT", "links": links});
        return Ok(Reply::json(200, json!({"versions": [version]})));
    }
    let who = authenticated(site, state, call)?;
    if !who.admin {
        return Err(error(403, "Access was denied to this resource."));
    }
    if call.method != "GET" {
        return Err(error(405, "The method specified is not allowed for this resource."));
    }
    let reply = match &path[..] {
        ["resource_providers"] => {
            if let Some((name, _)) = call.query.iter().find(|(name, _)| !FILTERS.contains(&name.as_str())) {
                let message = format!(
                    "Invalid query string parameters: Additional properties are not allowed ('{name}' was unexpected)"
                );
                return Err(error(400, &message));
            }
            let asked = |host: &Host| {
                call.query("name").is_none_or(|name| host.spec.name == name)
                    && call.query("uuid").is_none_or(|id| host.id == id)
            };
            let rows: Vec<Value> =
                state.compute.hosts().filter(|(host, _)| asked(host)).map(|(host, _)| provider(host)).collect();
            json!({"resource_providers": rows})
        }
        ["resource_providers", id] => provider(found(state, id)?.0),
        ["resource_providers", id, "inventories"] => {
            let (host, _) = found(state, id)?;
            json!({"resource_provider_generation": 1, "inventories": inventories(host)})
        }
        ["resource_providers", id, "usages"] => {
            let (_, used) = found(state, id)?;
            let usages = json!({"VCPU": used.vcpus, "MEMORY_MB": used.ram, "DISK_GB": used.disk});
            json!({"resource_provider_generation": 1, "usages": usages})
        }
        ["resource_providers", id, "allocations"] => {
            let (host, _) = found(state, id)?;
            let allocations: Object = state
                .compute
                .placed(&host.spec.name)
                .map(|(server, vcpus, ram, disk)| (server.to_string(), allocation(vcpus, ram, disk)))
                .collect();
            json!({"resource_provider_generation": 1, "allocations": allocations})
        }
        ["resource_providers", id, "traits"] => {
            found(state, id)?;
            json!({"resource_provider_generation": 1, "traits": []})
        }
        ["resource_providers", id, "aggregates"] => {
            found(state, id)?;
            json!({"resource_provider_generation": 1, "aggregates": []})
        }
        ["allocations", consumer] => {
            let mut allocations = Object::new();
            for (host, _) in state.compute.hosts() {
                let here = state.compute.placed(&host.spec.name).find(|(server, ..)| server == consumer);
                if let Some((_, vcpus, ram, disk)) = here {
                    let mut row = allocation(vcpus, ram, disk);
                    row["generation"] = json!(1);
                    allocations.insert(host.id.clone(), row);
                }
            }
            json!({"allocations": allocations})
        }
        ["resource_classes"] => {
            let row = |name: &&str| json!({"name": name, "links": [{"rel": "self", "href": format!("/placement/resource_classes/{name}")}]});
            let rows: Vec<Value> = ["VCPU", "MEMORY_MB", "DISK_GB"].iter().map(row).collect();
            json!({"resource_classes": rows})
        }
        ["traits"] => json!({"traits": []}),
        _ => return Err(error(404, "The resource could not be found.")),
    };
    Ok(Reply::json(200, reply).header("openstack-api-version", "placement 1.0").header("vary", "openstack-api-version"))
}

fn found<'a>(state: &'a State, id: &str) -> Result<(&'a Host, Used), Reply> {
    let found = state.compute.hosts().find(|(host, _)| host.id == id);
    found.ok_or_else(|| error(404, &format!("No resource provider with uuid {id} found")))
}

fn provider(host: &Host) -> Value {
    let link =
        |rel: &str, tail: &str| json!({"rel": rel, "href": format!("/placement/resource_providers/{}{tail}", host.id)});
    json!({
        "uuid": host.id, "name": host.spec.name, "generation": 1, "parent_provider_uuid": null, "root_provider_uuid": host.id,
        "links": [
            link("self", ""), link("inventories", "/inventories"), link("usages", "/usages"),
            link("aggregates", "/aggregates"), link("traits", "/traits"), link("allocations", "/allocations"),
        ],
    })
}

fn inventories(host: &Host) -> Value {
    let row = |total: u64| json!({"total": total, "reserved": 0, "min_unit": 1, "max_unit": total, "step_size": 1, "allocation_ratio": 1.0});
    json!({"VCPU": row(host.spec.vcpus), "MEMORY_MB": row(host.spec.ram), "DISK_GB": row(host.spec.disk)})
}

fn allocation(vcpus: u64, ram: u64, disk: u64) -> Value {
    json!({"resources": {"VCPU": vcpus, "MEMORY_MB": ram, "DISK_GB": disk}})
}

pub(super) fn error(status: u16, message: &str) -> Reply {
    let title = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason()).unwrap_or("Error");
    let detail = format!("{message}\n\n   ");
    Reply::json(
        status,
        json!({"errors": [{"status": status, "title": title, "detail": detail, "code": "placement.undefined_code"}]}),
    )
}
