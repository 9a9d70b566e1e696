//! Objects as a server prints them: tables, where the client asks for them.
//!
//! Columns are data (`kinds.yaml`, or a CustomResourceDefinition); what a cell shows that is no plain field is worked
//! out in `cells`.

mod cells;

use std::sync::Arc;

use serde_json::{Value, json};

use super::resources::{Column, Resource};
use super::wire::{Call, Reply};
use time::OffsetDateTime;

/// How much of each object its row carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Metadata,
    Object,
    Nothing,
}

/// Whether the client would rather have a table.
pub fn wanted(call: &Call) -> Option<Wanted> {
    let (kind, parameters) = call.accepts().next()?;
    let table = kind == "application/json" && parameters.contains(&("as", "Table"));
    table.then(|| match call.query("includeObject") {
        Some("Object") => Wanted::Object,
        Some("None") => Wanted::Nothing,
        _ => Wanted::Metadata,
    })
}

/// One object, as an answer.
pub fn shown(call: &Call, resource: &Resource, status: u16, object: &Arc<Value>) -> Reply {
    match wanted(call) {
        Some(how) => {
            let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
            let table = of_list(call, resource, std::slice::from_ref(object), metadata, how);
            Reply::json(status, &table)
        }
        None => {
            let mut object = (**object).clone();
            object["apiVersion"] = resource.api_version().into();
            Reply::json(status, &object)
        }
    }
}

pub fn of_list(call: &Call, resource: &Resource, objects: &[Arc<Value>], metadata: Value, how: Wanted) -> Value {
    let rows: Vec<Value> = objects.iter().map(|object| row(resource, object, how, call.now)).collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": definitions(resource),
        "rows": rows,
    })
}

pub fn of_watch(resource: &Resource, object: &Value, metadata: Value, how: Wanted, now: OffsetDateTime) -> Value {
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": definitions(resource),
        "rows": [row(resource, object, how, now)],
    })
}

fn definitions(resource: &Resource) -> Value {
    let name = json!({
        "name": "Name",
        "type": "string",
        "format": "name",
        "description": "Name must be unique within a namespace.",
        "priority": 0,
    });
    let own = resource.columns.iter().map(|column| {
        json!({
            "name": column.name,
            "type": if column.kind == "date" { "date" } else { &column.kind },
            "format": "",
            "description": column.description,
            "priority": i32::from(column.wide),
        })
    });
    (!resource.unnamed).then_some(name).into_iter().chain(own).collect()
}

fn row(resource: &Resource, object: &Value, how: Wanted, now: OffsetDateTime) -> Value {
    let name = (!resource.unnamed).then(|| object["metadata"]["name"].clone());
    let own = resource.columns.iter().map(|column| cell(column, object, now));
    let cells: Vec<Value> = name.into_iter().chain(own).collect();
    let mut row = json!({"cells": cells});
    match how {
        Wanted::Nothing => {}
        Wanted::Object => {
            row["object"] = object.clone();
            row["object"]["apiVersion"] = resource.api_version().into();
        }
        Wanted::Metadata => {
            row["object"] = json!({
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": object["metadata"],
            });
        }
    }
    row
}

fn cell(column: &Column, object: &Value, now: OffsetDateTime) -> Value {
    match column.path.strip_prefix('@') {
        Some(named) => cells::named(named, object, now),
        None => {
            let value = at(object, column.path.trim_start_matches('.'));
            match (column.kind.as_str(), value) {
                // kubectl shows a date by its age.
                ("date", Value::String(text)) => cells::since(&Value::from(text.as_str()), now),
                (_, Value::Null) => Value::Null,
                ("string", value @ (Value::Object(_) | Value::Array(_))) => value.to_string().into(),
                (_, value) => value.clone(),
            }
        }
    }
}

/// A field by its dotted path; `[0]` and `[?(@.k=="v")]` as additional columns of definitions use them.
fn at<'a>(object: &'a Value, path: &str) -> &'a Value {
    const NOTHING: &Value = &Value::Null;
    let mut value = object;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let (name, index) = step.split_once('[').map_or((step, None), |(name, rest)| (name, Some(rest)));
        if !name.is_empty() {
            value = value.get(name).unwrap_or(NOTHING);
        }
        if let Some(index) = index.map(|rest| rest.trim_end_matches(']')) {
            value = index.parse::<usize>().ok().and_then(|at| value.get(at)).unwrap_or(NOTHING);
        }
    }
    value
}
