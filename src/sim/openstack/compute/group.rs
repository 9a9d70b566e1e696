//! Server groups. A server that names a deleted one is refused, which makes them tickets.

use serde_json::{Value, json};

use super::version::Version;
use super::{Request, bad, error, not_found, refused};
use crate::sim::openstack::State;
use crate::sim::openstack::wire::{Answer, Reply, needed, text, wrapped};

pub(super) struct Group {
    id: String,
    pub name: String,
    policy: String,
    rules: Value,
    user: String,
    pub project: String,
    pub members: Vec<String>,
}

const POLICIES: &[&str] = &["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"];

pub(super) fn answer(state: &mut State, request: &Request, method: &str, path: &[&str]) -> Answer {
    let who = request.who;
    match (method, path) {
        ("GET", []) => {
            let all = who.admin && request.call.query("all_projects").is_some();
            let rows: Vec<Value> = state
                .compute
                .groups
                .values()
                .filter(|group| all || group.project == who.project)
                .map(|group| shown(group, request))
                .collect();
            Ok(Reply::json(200, json!({"server_groups": rows})))
        }
        ("POST", []) => create(state, request),
        ("GET", [id]) => Ok(Reply::json(200, json!({"server_group": shown(found(state, request, id)?, request)}))),
        ("DELETE", [id]) => {
            found(state, request, id)?;
            state.compute.groups.shift_remove(*id);
            Ok(Reply::empty(204))
        }
        _ => Err(not_found()),
    }
}

fn found<'a>(state: &'a State, request: &Request, id: &str) -> Result<&'a Group, Reply> {
    let group = state.compute.groups.get(id).filter(|group| request.who.admin || group.project == request.who.project);
    group.ok_or_else(|| error(404, &format!("Instance group {id} could not be found.")))
}

fn create(state: &mut State, request: &Request) -> Answer {
    let body = request.call.json().map_err(bad)?;
    let given = wrapped(&body, "server_group").map_err(bad)?;
    let name = needed(given, "name").map_err(bad)?.to_string();
    let policy = if request.version >= Version(64) {
        if given.contains_key("policies") {
            return Err(refused(
                "Invalid input for field/attribute server_group. Additional properties are not allowed ('policies' was unexpected)",
            ));
        }
        text(given, "policy").map_err(bad)?.map(str::to_string)
    } else {
        match given.get("policies").and_then(Value::as_array).map(Vec::as_slice) {
            Some([policy]) => policy.as_str().map(str::to_string),
            _ => None,
        }
    };
    let policy = policy.filter(|policy| {
        POLICIES.contains(&policy.as_str()) && (request.version >= Version(15) || !policy.starts_with("soft"))
    });
    let policy =
        policy.ok_or_else(|| refused("Invalid input for field/attribute policies. One known policy is required"))?;
    let project = request.who.project.clone();
    let limit = state.compute.limits.server_groups;
    let own = state.compute.groups.values().filter(|group| group.project == project).count();
    if limit >= 0 && own as i64 >= limit {
        return Err(error(403, "Quota exceeded, too many server groups."));
    }
    let rules = given.get("rules").filter(|rules| rules.is_object()).cloned().unwrap_or_else(|| json!({}));
    let group = Group {
        id: state.ids.uuid(),
        name,
        policy,
        rules,
        user: request.who.user.clone(),
        project,
        members: Vec::new(),
    };
    let answer = json!({"server_group": shown(&group, request)});
    state.compute.groups.insert(group.id.clone(), group);
    Ok(Reply::json(200, answer))
}

fn shown(group: &Group, request: &Request) -> Value {
    let mut shown = json!({"id": group.id, "name": group.name, "members": group.members});
    if request.version >= Version(64) {
        shown["policy"] = json!(group.policy);
        shown["rules"] = group.rules.clone();
    } else {
        shown["policies"] = json!([group.policy]);
        shown["metadata"] = json!({});
    }
    if request.version >= Version(13) {
        shown["project_id"] = json!(group.project);
        shown["user_id"] = json!(group.user);
    }
    shown
}
