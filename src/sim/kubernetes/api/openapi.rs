//! OpenAPI: what clients read before they send, to know fields, their merge keys, and which parameters a request takes.
//!
//! Written from the same shapes that requests are read by. There are no descriptions.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{discovery, gnostic};
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::resources::Resource;
use crate::sim::kubernetes::schema::{self, How, Merge, Shape};
use crate::sim::kubernetes::status::Status;
use crate::sim::kubernetes::wire::{Answer, Call, Reply};

/// `/openapi/v2`: all groups in one document, in JSON or in the binary form.
pub fn v2(state: &State, call: &Call) -> Answer {
    if call.method != "GET" {
        return Err(Status::not_allowed());
    }
    let mut types = Types { prefix: "#/definitions/", ..Types::default() };
    let mut paths = Map::new();
    for resource in state.resources() {
        types.resource(resource);
        self::paths(state, resource, &mut paths);
    }
    for operation in paths.values_mut().filter_map(Value::as_object_mut).flat_map(|item| item.values_mut()) {
        // The type of a parameter stands in the parameter itself.
        for parameter in operation["parameters"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            if let Some(schema) = parameter.shift_remove("schema") {
                parameter.insert("type".into(), schema["type"].clone());
            }
        }
    }
    let body = json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": format!("v1.{}.0", state.minor)},
        "paths": paths,
        "definitions": types.finish(),
    });
    let binary = call.accepts().any(|(accepted, _)| BINARY.contains(&accepted));
    Ok(match binary {
        true => Reply::typed(200, "application/octet-stream", gnostic::encode(&body)),
        false => Reply::json(200, &body),
    })
}

/// As new clients name it, and as old ones do.
const BINARY: [&str; 2] = [
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
];

/// `/openapi/v3`, and `/openapi/v3/apis/GROUP/VERSION` behind it; `None` where the site is too old.
pub fn v3(state: &State, call: &Call, segments: &[&str]) -> Option<Answer> {
    if state.minor < 27 || call.method != "GET" {
        return None;
    }
    if segments.is_empty() {
        let mut paths = Map::new();
        let all = std::iter::once(String::new()).chain(discovery::groups(state));
        for group in all {
            for version in discovery::versions(state, &group) {
                let path = match group.as_str() {
                    "" => format!("api/{version}"),
                    group => format!("apis/{group}/{version}"),
                };
                let hash = hash(state, &group, &version);
                let url = format!("/openapi/v3/{path}?hash={hash}");
                paths.insert(path, json!({"serverRelativeURL": url}));
            }
        }
        return Some(Ok(Reply::json(200, &json!({"paths": paths}))));
    }
    let (group, version) = match segments {
        ["api", version] => ("", *version),
        ["apis", group, version] => (*group, *version),
        _ => return None,
    };
    let own: Vec<&Resource> = of(state, group, version).collect();
    if own.is_empty() {
        return None;
    }
    let mut types = Types { prefix: "#/components/schemas/", ..Types::default() };
    let mut paths = Map::new();
    for resource in &own {
        types.resource(resource);
        self::paths(state, resource, &mut paths);
    }
    let body = json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": format!("v1.{}.0", state.minor)},
        "paths": paths,
        "components": {"schemas": types.finish()},
    });
    let etag = hash(state, group, version);
    Some(Ok(Reply::json(200, &body).header("etag", format!("\"{etag}\""))))
}

fn of<'a>(state: &'a State, group: &'a str, version: &'a str) -> impl Iterator<Item = &'a Resource> {
    state.resources().map(|own| &**own).filter(move |own| own.group == group && own.version == version)
}

/// Changes when the document does.
fn hash(state: &State, group: &str, version: &str) -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    hash.update(state.minor.to_be_bytes());
    for resource in of(state, group, version) {
        hash.update(resource.kind.as_bytes());
        hash.update(resource.subs.join(",").as_bytes());
        if let Some(custom) = &resource.custom {
            hash.update(custom.schema.to_string().as_bytes());
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Schemas, and those that they refer to.
#[derive(Default)]
pub(super) struct Types {
    pub prefix: &'static str,
    done: BTreeMap<String, Value>,
    due: Vec<&'static str>,
    /// By the full name of a type, the group, version and kind of the resource that it is.
    kinds: BTreeMap<String, Value>,
}

pub(super) fn kind_of(resource: &Resource) -> Value {
    json!({"group": resource.group, "version": resource.version, "kind": resource.kind})
}

impl Types {
    pub fn resource(&mut self, resource: &Resource) {
        let kind = kind_of(resource);
        match (&resource.custom, &resource.shape) {
            (None, Shape::Named(name)) => {
                self.kinds.insert(schema::full_name(name), json!([kind]));
                self.due.push(name);
            }
            (Some(custom), _) => {
                let reversed: Vec<&str> = resource.group.split('.').rev().collect();
                let name = format!("{}.{}.{}", reversed.join("."), resource.version, resource.kind);
                let mut shown = custom.schema.clone();
                if !shown.is_object() {
                    shown = json!({"type": "object"});
                }
                for (field, value) in [
                    ("apiVersion", json!({"type": "string"})),
                    ("kind", json!({"type": "string"})),
                    ("metadata", self.reference("meta.v1.ObjectMeta")),
                ] {
                    if !shown["properties"].is_object() {
                        shown["properties"] = json!({});
                    }
                    shown["properties"][field] = value;
                }
                self.due.push("meta.v1.ObjectMeta");
                shown["x-kubernetes-group-version-kind"] = json!([kind]);
                self.done.insert(name, shown);
            }
            _ => {}
        }
    }

    /// All of them, by name.
    pub fn finish(mut self) -> Map<String, Value> {
        while let Some(name) = self.due.pop() {
            let full = schema::full_name(name);
            let Some(Shape::Named(name)) = schema::named(name).filter(|_| !self.done.contains_key(&full)) else {
                continue;
            };
            self.done.insert(full.clone(), Value::Null);
            let mut shown = self.record(name);
            if let Some(kinds) = self.kinds.get(&full) {
                shown["x-kubernetes-group-version-kind"] = kinds.clone();
            }
            self.done.insert(full, shown);
        }
        self.done.into_iter().collect()
    }

    fn reference(&self, name: &str) -> Value {
        json!({"$ref": format!("{}{}", self.prefix, schema::full_name(name))})
    }

    fn record(&mut self, name: &'static str) -> Value {
        let shape = Shape::Named(name);
        let Some(record) = shape.record() else { return json!({"type": "object"}) };
        let mut properties = Map::new();
        for (field, of) in &record.fields {
            let mut shown = self.shape(&of.shape);
            if of.retain && matches!(of.shape, Shape::Named(_)) {
                shown["x-kubernetes-patch-strategy"] = "retainKeys".into();
            }
            properties.insert(field.clone(), shown);
        }
        let mut shown = json!({"type": "object", "properties": properties});
        let needed: Vec<&String> = record.fields.iter().filter(|(_, of)| of.needed).map(|(name, _)| name).collect();
        if !needed.is_empty() {
            shown["required"] = json!(needed);
        }
        if record.atomic {
            shown["x-kubernetes-map-type"] = "atomic".into();
        }
        shown
    }

    fn shape(&mut self, shape: &Shape) -> Value {
        match shape {
            Shape::Text => json!({"type": "string"}),
            Shape::Bytes => json!({"type": "string", "format": "byte"}),
            Shape::Time => json!({"type": "string", "format": "date-time"}),
            Shape::Bool => json!({"type": "boolean"}),
            Shape::Int32 => json!({"type": "integer", "format": "int32"}),
            Shape::Int64 => json!({"type": "integer", "format": "int64"}),
            Shape::Number => json!({"type": "number", "format": "double"}),
            Shape::Quantity => json!({"type": "string"}),
            Shape::IntOrString => json!({"type": "string", "format": "int-or-string"}),
            Shape::Any | Shape::Record(_) => json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
            Shape::Named(name) => {
                self.due.push(name);
                self.reference(name)
            }
            Shape::Map(item) => {
                let item = self.shape(item);
                json!({"type": "object", "additionalProperties": item})
            }
            Shape::List(list) => {
                let mut shown = json!({"type": "array", "items": self.shape(&list.item)});
                match &list.how {
                    How::Atomic => shown["x-kubernetes-list-type"] = "atomic".into(),
                    How::Set => shown["x-kubernetes-list-type"] = "set".into(),
                    How::Map(keys) => {
                        shown["x-kubernetes-list-type"] = "map".into();
                        shown["x-kubernetes-list-map-keys"] = json!(keys);
                    }
                }
                if let Some(merge) = &list.merge {
                    shown["x-kubernetes-patch-strategy"] = "merge".into();
                    if let Merge::Key(key) = merge {
                        shown["x-kubernetes-patch-merge-key"] = key.as_str().into();
                    }
                }
                shown
            }
            Shape::Atomic(inner) => {
                let mut shown = self.shape(inner);
                if !matches!(**inner, Shape::Named(_)) {
                    shown["x-kubernetes-map-type"] = "atomic".into();
                }
                shown
            }
        }
    }
}

/// The parameters of a request that changes something.
pub(super) fn parameters(state: &State, patch: bool) -> Vec<&'static str> {
    let mut all = vec!["dryRun", "fieldManager"];
    if state.minor >= 25 {
        all.push("fieldValidation");
    }
    if patch {
        all.push("force");
    }
    all
}

/// Path of the collection, and of one of it.
pub(super) fn addresses(resource: &Resource) -> [String; 2] {
    let root = match resource.group.as_str() {
        "" => format!("/api/{}", resource.version),
        group => format!("/apis/{group}/{}", resource.version),
    };
    let all = match resource.namespaced {
        true => format!("{root}/namespaces/{{namespace}}/{}", resource.plural),
        false => format!("{root}/{}", resource.plural),
    };
    let one = format!("{all}/{{name}}");
    [all, one]
}

fn paths(state: &State, resource: &Resource, paths: &mut Map<String, Value>) {
    let kind = kind_of(resource);
    let operation = |action: &str, names: Vec<&str>| {
        let parameters: Vec<Value> = names
            .iter()
            .map(|name| {
                let kind = if *name == "force" { "boolean" } else { "string" };
                json!({"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": true}})
            })
            .collect();
        json!({
            "operationId": format!("{action}{}", resource.kind),
            "parameters": parameters,
            "responses": {"200": {"description": "OK"}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": kind,
        })
    };
    let [all, one] = addresses(resource);
    let (mut of_all, mut of_one) = (json!({}), json!({}));
    for verb in &resource.verbs {
        match verb.as_str() {
            "list" => of_all["get"] = operation("list", vec!["labelSelector", "fieldSelector", "limit", "continue"]),
            "create" => of_all["post"] = operation("post", parameters(state, false)),
            "deletecollection" => of_all["delete"] = operation("deletecollection", vec!["labelSelector"]),
            "get" => of_one["get"] = operation("get", vec![]),
            "update" => of_one["put"] = operation("put", parameters(state, false)),
            "patch" => of_one["patch"] = operation("patch", parameters(state, true)),
            "delete" => of_one["delete"] = operation("delete", vec!["propagationPolicy"]),
            _ => {}
        }
    }
    paths.insert(all, of_all);
    if of_one.as_object().is_some_and(|all| !all.is_empty()) {
        paths.insert(one, of_one);
    }
}
