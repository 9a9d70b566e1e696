//! Limits and quotas of compute.

use serde_json::{Value, json};

use super::flavor::Flavor;
use super::version::Version;
use super::{Request, admin_only, bad, error, not_found, refused};
use crate::sim::openstack::State;
use crate::sim::openstack::wire::{Answer, Object, Reply, wrapped};

fn limit(state: &State, project: &str, name: &str) -> i64 {
    let set = state.compute.quotas.get(project).and_then(|own| own.get(name));
    set.copied().unwrap_or_else(|| preset(state, name))
}

fn preset(state: &State, name: &str) -> i64 {
    let limits = &state.compute.limits;
    match name {
        "instances" => limits.instances,
        "cores" => limits.cores,
        "ram" => limits.ram,
        "key_pairs" => limits.key_pairs,
        "metadata_items" => limits.metadata_items,
        "server_groups" => limits.server_groups,
        "server_group_members" => limits.server_group_members,
        "injected_files" => 5,
        "injected_file_content_bytes" => 10_240,
        "injected_file_path_bytes" => 255,
        _ => -1,
    }
}

fn names(version: Version) -> Vec<&'static str> {
    let mut names =
        vec!["instances", "cores", "ram", "metadata_items", "key_pairs", "server_groups", "server_group_members"];
    if version < Version(57) {
        names.extend(["injected_files", "injected_file_content_bytes", "injected_file_path_bytes"]);
    }
    if version < Version(36) {
        names.extend(["fixed_ips", "floating_ips", "security_groups", "security_group_rules"]);
    }
    names
}

/// Instances, cores, MiB.
fn used(state: &State, project: &str) -> [u64; 3] {
    let own = state.compute.servers.values().filter(|server| server.project == project);
    own.fold([0; 3], |[instances, cores, ram], server| {
        [instances + 1, cores + server.flavor.vcpus, ram + server.flavor.ram]
    })
}

/// Is there room for so many more servers of a flavor? The refusal names what there is too little of.
pub(super) fn room(state: &State, request: &Request, flavor: &Flavor, more: u64) -> Result<(), Reply> {
    let project = &request.who.project;
    let wanted = [more, more * flavor.vcpus, more * flavor.ram];
    let names = ["instances", "cores", "ram"];
    let over = |at: &usize| {
        let limit = limit(state, project, names[*at]);
        limit >= 0 && used(state, project)[*at] + wanted[*at] > limit as u64
    };
    let over: Vec<usize> = (0..3).filter(over).collect();
    if over.is_empty() {
        return Ok(());
    }
    let join = |text: &dyn Fn(usize) -> String| over.iter().map(|at| text(*at)).collect::<Vec<_>>().join(", ");
    let (overs, wanted) = (join(&|at| names[at].into()), join(&|at| wanted[at].to_string()));
    let (have, may) =
        (join(&|at| used(state, project)[at].to_string()), join(&|at| limit(state, project, names[at]).to_string()));
    let message = format!("Quota exceeded for {overs}: Requested {wanted}, but already used {have} of {may} {overs}");
    Err(error(403, &message))
}

pub(super) fn limits(state: &State, request: &Request) -> Reply {
    let project = request.call.query("tenant_id").filter(|_| request.who.admin).unwrap_or(&request.who.project);
    let [instances, cores, ram] = used(state, project);
    let groups = state.compute.groups.values().filter(|group| group.project == project).count();
    let limit = |name: &str| limit(state, project, name);
    let mut absolute = json!({
        "maxTotalInstances": limit("instances"), "maxTotalCores": limit("cores"), "maxTotalRAMSize": limit("ram"),
        "maxServerMeta": limit("metadata_items"), "maxTotalKeypairs": limit("key_pairs"),
        "maxServerGroups": limit("server_groups"), "maxServerGroupMembers": limit("server_group_members"),
        "totalInstancesUsed": instances, "totalCoresUsed": cores, "totalRAMUsed": ram, "totalServerGroupsUsed": groups,
    });
    if request.version < Version(57) {
        absolute["maxPersonality"] = json!(5);
        absolute["maxPersonalitySize"] = json!(10_240);
        absolute["maxImageMeta"] = json!(128);
    }
    Reply::json(200, json!({"limits": {"rate": [], "absolute": absolute}}))
}

pub(super) fn answer(state: &mut State, request: &Request, method: &str, project: &str, rest: &[&str]) -> Answer {
    let names = names(request.version);
    if project != request.who.project && rest != ["defaults"] {
        admin_only(request, "os-quota-sets:show")?;
    }
    let shown = |value: &dyn Fn(&str) -> Value| {
        let mut shown: Object = names.iter().map(|name| (name.to_string(), value(name))).collect();
        shown.insert("id".into(), json!(project));
        Value::Object(shown)
    };
    match (method, rest) {
        ("GET", []) => Ok(Reply::json(200, json!({"quota_set": shown(&|name| json!(limit(state, project, name)))}))),
        ("GET", ["defaults"]) => Ok(Reply::json(200, json!({"quota_set": shown(&|name| json!(preset(state, name)))}))),
        ("GET", ["detail"]) => {
            let used = used(state, project);
            let value = |name: &str| {
                let used =
                    ["instances", "cores", "ram"].iter().position(|known| *known == name).map_or(0, |at| used[at]);
                json!({"in_use": used, "limit": limit(state, project, name), "reserved": 0})
            };
            Ok(Reply::json(200, json!({"quota_set": shown(&value)})))
        }
        ("PUT", []) => {
            admin_only(request, "os-quota-sets:update")?;
            let body = request.call.json().map_err(bad)?;
            let mut set = Vec::new();
            for (name, value) in wrapped(&body, "quota_set").map_err(bad)? {
                if name == "force" || name == "tenant_id" {
                    continue;
                }
                if !names.contains(&name.as_str()) {
                    let message = format!(
                        "Invalid input for field/attribute quota_set. Additional properties are not allowed ('{name}' was unexpected)"
                    );
                    return Err(refused(&message));
                }
                let number = value
                    .as_i64()
                    .or_else(|| value.as_str()?.parse().ok())
                    .filter(|number| (-1..=i64::from(i32::MAX)).contains(number));
                set.push((
                    name.clone(),
                    number.ok_or_else(|| {
                        refused(&format!("Invalid input for field/attribute {name}. Value: {value}."))
                    })?,
                ));
            }
            state.compute.quotas.entry(project.to_string()).or_default().extend(set);
            let mut answer = shown(&|name| json!(limit(state, project, name)));
            if let Some(answer) = answer.as_object_mut() {
                answer.shift_remove("id");
            }
            Ok(Reply::json(200, json!({"quota_set": answer})))
        }
        ("DELETE", []) => {
            admin_only(request, "os-quota-sets:delete")?;
            state.compute.quotas.shift_remove(project);
            Ok(Reply::empty(202))
        }
        _ => Err(not_found()),
    }
}
