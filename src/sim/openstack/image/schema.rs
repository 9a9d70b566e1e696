//! The JSON schemas that Glance publishes and some clients read before they show an image.

use serde_json::{Value, json};

use super::error;
use crate::sim::openstack::wire::{Answer, Object, Reply};

/// Name, JSON type, read-only.
pub(super) const BASE: &[(&str, &str, bool)] = &[
    ("id", "string", false),
    ("name", "string", false),
    ("status", "string", true),
    ("visibility", "string", false),
    ("protected", "boolean", false),
    ("os_hidden", "boolean", false),
    ("checksum", "string", true),
    ("os_hash_algo", "string", true),
    ("os_hash_value", "string", true),
    ("owner", "string", false),
    ("size", "integer", true),
    ("virtual_size", "integer", true),
    ("container_format", "string", false),
    ("disk_format", "string", false),
    ("created_at", "string", true),
    ("updated_at", "string", true),
    ("tags", "array", false),
    ("min_ram", "integer", false),
    ("min_disk", "integer", false),
    ("direct_url", "string", true),
    ("locations", "array", true),
    ("self", "string", true),
    ("file", "string", true),
    ("schema", "string", true),
    ("stores", "string", true),
];

pub(super) fn answer(name: &str) -> Answer {
    match name {
        "image" => Ok(Reply::json(200, image())),
        "images" => Ok(Reply::json(200, list("images", image()))),
        "member" => Ok(Reply::json(200, member())),
        "members" => Ok(Reply::json(200, list("members", member()))),
        _ => Err(error(404, "The resource could not be found.")),
    }
}

fn image() -> Value {
    let properties: Object = BASE
        .iter()
        .map(|(name, kind, read_only)| {
            let nullable = *kind == "string" && !["id", "status", "visibility"].contains(name);
            let mut property = if nullable { json!({"type": ["null", kind]}) } else { json!({"type": kind}) };
            if *read_only {
                property["readOnly"] = json!(true);
            }
            if *kind == "array" {
                property["items"] = json!({"type": if *name == "tags" { "string" } else { "object" }});
            }
            (name.to_string(), property)
        })
        .collect();
    json!({
        "name": "image", "properties": properties, "additionalProperties": {"type": "string"},
        "links": [
            {"rel": "self", "href": "{self}"}, {"rel": "enclosure", "href": "{file}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    })
}

fn member() -> Value {
    let text = json!({"type": "string"});
    json!({"name": "member", "properties": {
        "member_id": text, "image_id": text, "created_at": text, "updated_at": text, "schema": text,
        "status": {"type": "string", "enum": ["pending", "accepted", "rejected"]},
    }})
}

fn list(name: &str, row: Value) -> Value {
    let text = json!({"type": "string"});
    json!({
        "name": name,
        "properties": {name: {"type": "array", "items": row}, "first": text, "next": text, "schema": text},
        "links": [
            {"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    })
}
