//! What hangs on a server: metadata, tags, addresses, interfaces, security groups, history.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::server::{Done, found};
use super::version::Version;
use super::{Request, bad, error, not_found, refused, view};
use crate::sim::openstack::State;
use crate::sim::openstack::network::Wanted;
use crate::sim::openstack::wire::{Answer, Object, Reply, strings};
use crate::sim::source::iso_micro;

pub(super) fn answer(state: &mut State, request: &Request, method: &str, id: &str, rest: &[&str]) -> Answer {
    found(state, request, id)?;
    match (method, rest) {
        (_, ["metadata", rest @ ..]) => metadata(state, request, method, id, rest),
        (_, ["tags", rest @ ..]) if request.version >= Version(26) => tags(state, request, method, id, rest),
        ("GET", ["ips"]) => {
            let server = state.compute.servers.get(id).ok_or_else(not_found)?;
            Ok(Reply::json(200, json!({"addresses": view::addresses_shown(state, server)})))
        }
        ("GET", ["os-security-groups"]) => {
            let server = found(state, request, id)?;
            let rows: Vec<Value> = server.security_groups.iter().map(|name| json!({"name": name})).collect();
            Ok(Reply::json(200, json!({"security_groups": rows})))
        }
        ("GET", ["os-volume_attachments"]) => Ok(Reply::json(200, json!({"volumeAttachments": []}))),
        ("GET", ["os-instance-actions"]) => {
            let server = found(state, request, id)?;
            let rows: Vec<Value> = server.actions.iter().rev().map(|done| done_shown(id, done, false)).collect();
            Ok(Reply::json(200, json!({"instanceActions": rows})))
        }
        ("GET", ["os-instance-actions", of]) => {
            let server = found(state, request, id)?;
            let done = server.actions.iter().find(|done| done.request == *of);
            let done =
                done.ok_or_else(|| error(404, &format!("Action for request_id {of} on instance {id} not found")))?;
            Ok(Reply::json(200, json!({"instanceAction": done_shown(id, done, true)})))
        }
        (_, ["os-interface", rest @ ..]) => interfaces(state, request, method, id, rest),
        ("GET", ["diagnostics"]) => Ok(Reply::json(200, json!({"state": "running", "driver": "libvirt"}))),
        _ => Err(not_found()),
    }
}

fn done_shown(server: &str, done: &Done, events: bool) -> Value {
    let mut shown = json!({
        "action": done.action, "instance_uuid": server, "request_id": done.request, "user_id": done.user,
        "project_id": null, "start_time": iso_micro(done.at), "updated_at": iso_micro(done.at),
        "message": done.failure.as_ref().map(|_| "Error"),
    });
    if events {
        let result = if done.failure.is_some() { "Error" } else { "Success" };
        shown["events"] = json!([{
            "event": format!("compute_{}", done.action), "start_time": iso_micro(done.at),
            "finish_time": iso_micro(done.at), "result": result, "details": done.failure, "traceback": null,
        }]);
    }
    shown
}

/// An object all of whose values are strings of at most 255 characters.
pub(super) fn texts(value: Option<&Value>, what: &str) -> Result<IndexMap<String, String>, Reply> {
    let object = match value {
        None | Some(Value::Null) => return Ok(IndexMap::new()),
        Some(Value::Object(object)) => object,
        Some(other) => {
            return Err(refused(&format!(
                "Invalid input for field/attribute {what}. Value: {other}. {other} is not of type 'object'"
            )));
        }
    };
    let read = object.iter().map(|(key, value)| match value {
        Value::String(text) if text.chars().count() <= 255 && (1..=255).contains(&key.chars().count()) => {
            Ok((key.clone(), text.clone()))
        }
        _ => Err(refused(&format!(
            "Invalid input for field/attribute {key}. Value: {value}. {value} is not of type 'string' or too long"
        ))),
    });
    read.collect()
}

pub(super) fn check_tags(tags: &[String]) -> Result<(), Reply> {
    if tags.len() > 50 {
        return Err(refused("The number of tags exceeded the per-server limit 50"));
    }
    let wrong = tags.iter().find(|tag| tag.is_empty() || tag.chars().count() > 60 || tag.contains([',', '/']));
    match wrong {
        Some(tag) => Err(refused(&format!(
            "Invalid input for field/attribute tags. Value: {tag}. '{tag}' has 1 to 60 characters and no , or /"
        ))),
        None => Ok(()),
    }
}

fn metadata(state: &mut State, request: &Request, method: &str, id: &str, rest: &[&str]) -> Answer {
    let limit = state.compute.limits.metadata_items;
    let server = found(state, request, id)?;
    let missing = || error(404, "Metadata item was not found");
    let mut metadata = server.metadata.clone();
    let reply = match (method, rest) {
        ("GET", []) => return Ok(Reply::json(200, json!({"metadata": metadata}))),
        ("GET", [key]) => {
            let value = metadata.get(*key).ok_or_else(missing)?;
            return Ok(Reply::json(200, json!({"meta": {*key: value}})));
        }
        ("POST" | "PUT", []) => {
            let body = request.call.json().map_err(bad)?;
            let given = body.get("metadata").ok_or_else(|| refused("'metadata' is a required property"))?;
            if method == "PUT" {
                metadata.clear();
            }
            metadata.extend(texts(Some(given), "metadata")?);
            Reply::json(200, json!({"metadata": metadata}))
        }
        ("PUT", [key]) => {
            let body = request.call.json().map_err(bad)?;
            let value = texts(body.get("meta"), "meta")?.swap_remove(*key);
            let value = value.ok_or_else(|| refused("Request body and URI mismatch"))?;
            metadata.insert(key.to_string(), value.clone());
            Reply::json(200, json!({"meta": {*key: value}}))
        }
        ("DELETE", [key]) => {
            metadata.shift_remove(*key).ok_or_else(missing)?;
            Reply::empty(204)
        }
        _ => return Err(not_found()),
    };
    if limit >= 0 && metadata.len() as i64 > limit {
        return Err(error(403, "Maximum number of metadata items exceeds quota"));
    }
    server.metadata = metadata;
    server.updated = request.call.now;
    Ok(reply)
}

fn tags(state: &mut State, request: &Request, method: &str, id: &str, rest: &[&str]) -> Answer {
    let server = found(state, request, id)?;
    let missing = |tag: &str| error(404, &format!("Server {id} has no tag '{tag}'"));
    let mut tags = server.tags.clone();
    let reply = match (method, rest) {
        ("GET", []) => return Ok(Reply::json(200, json!({"tags": tags}))),
        ("GET", [tag]) if tags.iter().any(|known| known == tag) => return Ok(Reply::empty(204)),
        ("GET", [tag]) => return Err(missing(tag)),
        ("PUT", []) => {
            let body = request.call.json().map_err(bad)?;
            let given = body.as_object().ok_or_else(|| refused("'tags' is a required property"))?;
            tags = Vec::new();
            for tag in strings(given, "tags").map_err(bad)?.ok_or_else(|| refused("'tags' is a required property"))? {
                if !tags.contains(&tag) {
                    tags.push(tag);
                }
            }
            Reply::json(200, json!({"tags": tags}))
        }
        ("PUT", [tag]) if tags.iter().any(|known| known == tag) => Reply::empty(204),
        ("PUT", [tag]) => {
            tags.push(tag.to_string());
            Reply::empty(201).header("location", format!("{}{}", request.call.base, request.call.path))
        }
        ("DELETE", []) => {
            tags.clear();
            Reply::empty(204)
        }
        ("DELETE", [tag]) => {
            let at = tags.iter().position(|known| known == tag).ok_or_else(|| missing(tag))?;
            tags.remove(at);
            Reply::empty(204)
        }
        _ => return Err(not_found()),
    };
    check_tags(&tags)?;
    server.tags = tags;
    Ok(reply)
}

fn interfaces(state: &mut State, request: &Request, method: &str, id: &str, rest: &[&str]) -> Answer {
    let shown = |port: &Object| {
        json!({
            "port_id": port["id"], "net_id": port["network_id"], "mac_addr": port["mac_address"],
            "fixed_ips": port["fixed_ips"], "port_state": port["status"],
        })
    };
    let server = found(state, request, id)?;
    let own: Vec<String> = server.ports.iter().map(|(port, _)| port.clone()).collect();
    let (zone, host) = (server.zone.clone(), server.host.clone().unwrap_or_default());
    let State { network, ids, .. } = state;
    let row = |network: &crate::sim::openstack::network::Network, port: &str| network.wired(port).map(shown);
    match (method, rest) {
        ("GET", []) => {
            let rows: Vec<Value> = own.iter().filter_map(|port| row(network, port)).collect();
            Ok(Reply::json(200, json!({"interfaceAttachments": rows})))
        }
        ("GET", [port]) if own.iter().any(|known| known == port) => {
            Ok(Reply::json(200, json!({"interfaceAttachment": row(network, port)})))
        }
        ("POST", []) => {
            let body = request.call.json().map_err(bad)?;
            let given = &body["interfaceAttachment"];
            let mut wanted = Wanted {
                network: String::new(),
                fixed_ip: None,
                security_groups: None,
                device: id.to_string(),
                zone,
                host,
            };
            let (port, made) = match (given["port_id"].as_str(), given["net_id"].as_str()) {
                (Some(port), None) => {
                    let known = network
                        .port(port, request.who)
                        .ok_or_else(|| error(404, &format!("Port id {port} could not be found.")))?;
                    if known["device_id"] != "" {
                        return Err(refused(&format!("Port {port} is still in use.")));
                    }
                    network.bind_port(port, &wanted, request.call.now);
                    (port.to_string(), false)
                }
                (None, Some(net)) => {
                    wanted.network = net.to_string();
                    wanted.fixed_ip = given["fixed_ips"][0]["ip_address"].as_str().map(str::to_string);
                    let made = network.make_port(&wanted, request.who, request.call.now, ids);
                    (made.map_err(|_| refused(&format!("Network {net} could not be found.")))?, true)
                }
                _ => return Err(refused("Must specify one of net_id and port_id")),
            };
            let answer = row(network, &port);
            found(state, request, id)?.ports.push((port, made));
            Ok(Reply::json(200, json!({"interfaceAttachment": answer})))
        }
        ("DELETE", [port]) if own.iter().any(|known| known == port) => {
            let server = found(state, request, id)?;
            let at = server.ports.iter().position(|(known, _)| known == port).ok_or_else(not_found)?;
            let (port, made) = server.ports.remove(at);
            state.network.release_port(&port, made, request.call.now);
            Ok(Reply::empty(202))
        }
        _ => Err(not_found()),
    }
}
