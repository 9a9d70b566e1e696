//! Actions on a server: what each needs, what it does at once and what it becomes later.

use serde_json::{Value, json};

use super::server::{Next, Server, found};
use super::version::Version;
use super::{Request, admin_only, bad, error, not_found, refused};
use crate::sim::openstack::State;
use crate::sim::openstack::wire::{Answer, Reply};

/// Action, states it needs, task meanwhile, state afterwards, name in the history.
const SIMPLE: &[(&str, &[&str], &str, &str, &str)] = &[
    ("os-start", &["SHUTOFF"], "powering-on", "ACTIVE", "start"),
    ("os-stop", &["ACTIVE", "ERROR"], "powering-off", "SHUTOFF", "stop"),
    ("reboot", &["ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED"], "rebooting", "ACTIVE", "reboot"),
    ("pause", &["ACTIVE"], "pausing", "PAUSED", "pause"),
    ("unpause", &["PAUSED"], "unpausing", "ACTIVE", "unpause"),
    ("suspend", &["ACTIVE"], "suspending", "SUSPENDED", "suspend"),
    ("resume", &["SUSPENDED"], "resuming", "ACTIVE", "resume"),
    ("confirmResize", &["VERIFY_RESIZE"], "resize_confirming", "ACTIVE", "confirmResize"),
    ("revertResize", &["VERIFY_RESIZE"], "resize_reverting", "ACTIVE", "revertResize"),
];

pub(super) fn act(state: &mut State, request: &Request, id: &str) -> Answer {
    let body = request.call.json().map_err(bad)?;
    let asked = body.as_object().and_then(|body| body.iter().next());
    let (action, argument) = asked.ok_or_else(|| refused("There is no such action: None"))?;
    let free = ["lock", "unlock", "os-getConsoleOutput", "os-resetState", "createImage"].contains(&action.as_str());
    let server = found(state, request, id)?;
    if server.locked.is_some() && !request.who.admin && !free {
        return Err(error(409, &format!("Instance {id} is locked")));
    }
    if let Some((_, needs, task, status, name)) = SIMPLE.iter().find(|(known, ..)| known == action) {
        return simple(state, request, id, needs, task, status, name);
    }
    match action.as_str() {
        "lock" => {
            let reason = argument["locked_reason"].as_str().filter(|_| request.version >= Version(73));
            server.locked = Some(reason.map(str::to_string));
            server.record(request, "lock", None);
            Ok(Reply::empty(202))
        }
        "unlock" => {
            server.locked = None;
            server.record(request, "unlock", None);
            Ok(Reply::empty(202))
        }
        "os-getConsoleOutput" => {
            let length = argument["length"].as_u64().or_else(|| argument["length"].as_str()?.parse().ok());
            let lines = [format!("{} login:", server.hostname), format!("booted {}", server.id)];
            let kept = length.map_or(lines.len(), |length| lines.len().min(length as usize));
            Ok(Reply::json(200, json!({"output": lines[lines.len() - kept..].join("\n")})))
        }
        "os-resetState" => {
            admin_only(request, "os-admin-actions:reset_state")?;
            server.status = match argument["state"].as_str() {
                Some("active") => "ACTIVE",
                Some("error") => "ERROR",
                _ => return Err(refused("Invalid input for field/attribute state.")),
            };
            (server.task, server.due) = (None, None);
            Ok(Reply::empty(202))
        }
        "forceDelete" => super::server::delete(state, request, id).map(|_| Reply::empty(202)),
        "createImage" => create_image(state, request, id, argument),
        "addSecurityGroup" | "removeSecurityGroup" => security_group(state, request, id, action, argument),
        "changePassword" => match argument["adminPass"].as_str() {
            Some(_) => Ok(Reply::empty(202)),
            None => Err(refused("'adminPass' is a required property")),
        },
        "resize" => resize(state, request, id, argument),
        "rebuild" => rebuild(state, request, id, argument),
        "os-migrateLive" | "migrate" => {
            admin_only(request, "os-migrate-server:migrate")?;
            Err(refused("No valid host was found. There are not enough hosts available."))
        }
        _ => Err(refused(&format!("There is no such action: {action}"))),
    }
}

fn able(server: &Server, needs: &[&str], verb: &str) -> Result<(), Reply> {
    let cannot = |attribute: &str, state: &str| {
        error(409, &format!("Cannot '{verb}' instance {} while it is in {attribute} {state}", server.id))
    };
    if let Some(task) = server.task {
        return Err(cannot("task_state", task));
    }
    if !needs.contains(&server.status) {
        let state = match server.status {
            "SHUTOFF" => "stopped".to_string(),
            "BUILD" => "building".to_string(),
            status => status.to_lowercase(),
        };
        return Err(cannot("vm_state", &state));
    }
    Ok(())
}

fn simple(
    state: &mut State,
    request: &Request,
    id: &str,
    needs: &[&str],
    task: &'static str,
    status: &'static str,
    name: &'static str,
) -> Answer {
    let ready = request.call.now + state.compute.timings.action;
    let server = found(state, request, id)?;
    able(server, needs, name)?;
    match name {
        "confirmResize" => server.resized_from = None,
        "revertResize" => {
            if let Some((flavor, host)) = server.resized_from.take() {
                (server.flavor, server.host) = (flavor, host);
            }
        }
        _ => {}
    }
    server.task = Some(task);
    server.due = Some((ready, Next::Status(status)));
    server.record(request, name, None);
    super::settle(state, request.call.now);
    Ok(Reply::empty(if name == "confirmResize" { 204 } else { 202 }))
}

fn resize(state: &mut State, request: &Request, id: &str, argument: &Value) -> Answer {
    let ready = request.call.now + state.compute.timings.action;
    let wanted = argument["flavorRef"].as_str().ok_or_else(|| refused("'flavorRef' is a required property"))?;
    let flavor = state.compute.flavors.get(wanted).filter(|flavor| flavor.visible_to(request.who)).cloned();
    let flavor = flavor.ok_or_else(|| refused(&format!("Flavor {wanted} could not be found.")))?;
    let server = found(state, request, id)?;
    able(server, &["ACTIVE", "SHUTOFF"], "resize")?;
    if server.flavor.id == flavor.id {
        return Err(refused("When resizing, instances must change flavor!"));
    }
    let (from, status) = (server.host.clone(), server.status);
    // Accepted even when there is nowhere to go: only the server's history tells.
    let host = state.compute.host_for(&flavor, from.as_deref());
    let server = found(state, request, id)?;
    server.task = Some("resize_prep");
    match host {
        Some(host) => {
            server.due = Some((ready, Next::Resized(Box::new(flavor), host)));
            server.record(request, "resize", None);
        }
        None => {
            server.due = Some((ready, Next::Status(status)));
            let why = "No valid host was found. No valid host found for resize";
            server.record(request, "resize", Some(why.into()));
        }
    }
    super::settle(state, request.call.now);
    Ok(Reply::empty(202))
}

fn rebuild(state: &mut State, request: &Request, id: &str, argument: &Value) -> Answer {
    let ready = request.call.now + state.compute.timings.build;
    let image = argument["imageRef"].as_str().ok_or_else(|| refused("'imageRef' is a required property"))?;
    let known = state.images.bootable(image, request.who).ok_or_else(|| refused("Cannot find image for rebuild"))?;
    if !known.active {
        return Err(refused(&format!("Image {image} is not active.")));
    }
    let server = found(state, request, id)?;
    able(server, &["ACTIVE", "SHUTOFF", "ERROR"], "rebuild")?;
    server.image = Some(image.to_string());
    if let Some(name) = argument["name"].as_str() {
        server.name = super::server::named(name)?;
    }
    server.status = "REBUILD";
    server.task = Some("rebuilding");
    server.due = Some((ready, Next::Status("ACTIVE")));
    server.record(request, "rebuild", None);
    let server = state.compute.servers.get(id).ok_or_else(not_found)?;
    Ok(Reply::json(202, json!({"server": super::view::full(state, server, request, true)})))
}

fn create_image(state: &mut State, request: &Request, id: &str, argument: &Value) -> Answer {
    let name = argument["name"].as_str().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| refused("'name' is a required property"))?;
    let mut properties = super::part::texts(argument.get("metadata"), "metadata")?;
    let server = found(state, request, id)?;
    able(server, &["ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED"], "createImage")?;
    properties.insert("instance_uuid".into(), id.to_string());
    properties.insert("image_type".into(), "snapshot".into());
    if let Some(base) = &server.image {
        properties.insert("base_image_ref".into(), base.clone());
    }
    server.record(request, "createImage", None);
    let image = state.ids.uuid();
    state.images.snapshot(image.clone(), name, properties, request.who, request.call.now);
    let location = format!("{}/image/images/{image}", request.call.base);
    Ok(if request.version >= Version(45) {
        Reply::json(202, json!({"image_id": image}))
    } else {
        Reply::empty(202).header("location", location)
    })
}

fn security_group(state: &mut State, request: &Request, id: &str, action: &str, argument: &Value) -> Answer {
    let name = argument["name"].as_str().ok_or_else(|| refused("'name' is a required property"))?;
    let State { network, ids, .. } = state;
    let known = network.group(name, request.who, request.call.now, ids);
    known
        .ok_or_else(|| error(404, &format!("Security group {name} not found for project {}.", request.who.project)))?;
    let server = found(state, request, id)?;
    let at = server.security_groups.iter().position(|known| known == name);
    match (action, at) {
        ("addSecurityGroup", None) => server.security_groups.push(name.to_string()),
        ("removeSecurityGroup", Some(at)) => {
            server.security_groups.remove(at);
        }
        ("removeSecurityGroup", None) => {
            return Err(error(404, &format!("Security group {name} not associated with the instance {id}")));
        }
        _ => {}
    }
    Ok(Reply::empty(202))
}
