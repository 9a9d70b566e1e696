//! Tags of any resource: they cannot be given when it is created, only afterwards.

use serde_json::{Value, json};

use super::engine::touch;
use super::kinds::Kind;
use super::{Network, bad, error, not_found, refused};
use crate::sim::openstack::identity::Who;
use crate::sim::openstack::wire::{Answer, Call, Reply, strings};

/// Tags of one resource, as Neutron limits them.
const MOST: usize = 50;

pub(super) fn answer(
    network: &mut Network,
    call: &Call,
    who: &Who,
    method: &str,
    kind: &Kind,
    id: &str,
    rest: &[&str],
) -> Answer {
    if method == "GET" {
        let tags = network.get(kind, id, who)?["tags"].as_array().cloned().unwrap_or_default();
        return match rest {
            [] => Ok(Reply::json(200, json!({"tags": tags}))),
            [tag] if tags.iter().any(|known| known == tag) => Ok(Reply::empty(204)),
            [tag] => Err(missing(tag)),
            _ => Err(not_found()),
        };
    }
    let row = network.own(kind, id, who)?;
    let mut tags: Vec<Value> = row["tags"].as_array().cloned().unwrap_or_default();
    let reply = match (method, rest) {
        ("PUT", []) => {
            let body = call.json().map_err(bad)?;
            let given = body.as_object().ok_or_else(|| refused("Invalid tags body".into()))?;
            let given = strings(given, "tags").map_err(bad)?.ok_or_else(|| refused("Invalid tags body".into()))?;
            tags = Vec::new();
            for tag in given {
                if !tags.iter().any(|known| *known == tag) {
                    tags.push(json!(tag));
                }
            }
            Reply::json(200, json!({"tags": tags}))
        }
        ("PUT", [tag]) => {
            if !tags.iter().any(|known| known == tag) {
                tags.push(json!(tag));
            }
            Reply::empty(201)
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
    if tags.len() > MOST || tags.iter().any(|tag| tag.as_str().is_none_or(|tag| tag.is_empty() || tag.len() > 255)) {
        return Err(refused(format!("Invalid input for tags. Reason: at most {MOST} tags of 1 to 255 characters.")));
    }
    row.insert("tags".into(), json!(tags));
    touch(row, call.now);
    Ok(reply)
}

fn missing(tag: &str) -> Reply {
    error(404, "TagNotFound", &format!("Tag {tag} could not be found."))
}
