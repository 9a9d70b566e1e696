//! Values from and to JSON: what servers answer, what `json(...)` reads, what `-o json` writes.

use super::compare::MOST_NESTED;
use super::display::{bytes_text, duration_text, text_of};
use super::{Table, Value};
use crate::inventory::Inventory;
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

/// Integers beyond 64 bits become numbers with a fraction.
pub fn from_json(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(b),
        Json::Number(n) => match n.as_i64() {
            Some(i) => Value::Int(i),
            None => n.as_f64().map_or(Value::Null, Value::Float),
        },
        Json::String(text) => Value::String(text.into()),
        Json::Array(items) => Value::List(Arc::new(items.into_iter().map(from_json).collect())),
        Json::Object(members) => {
            Value::Record(Arc::new(members.into_iter().map(|(k, v)| (k.into(), from_json(v))).collect()))
        }
    }
}

/// For people and programs that read results: sites by name, tables in their three parts, no secret.
pub fn to_json(value: &Value, inventory: &Inventory) -> Json {
    let mut budget = 4_000_000;
    write(value, inventory, MOST_NESTED, &mut budget)
}

fn write(value: &Value, inventory: &Inventory, depth: usize, budget: &mut usize) -> Json {
    if depth == 0 || *budget == 0 {
        return json!("…");
    }
    *budget -= 1;
    let mut inner = |value: &Value| write(value, inventory, depth - 1, budget);
    match value {
        Value::Null => Json::Null,
        Value::Bool(b) => json!(b),
        Value::Int(i) => json!(i),
        Value::Float(f) | Value::Percent(f) => json!(f),
        Value::String(text) => json!(&**text),
        Value::Duration(time) => json!(duration_text(*time)),
        Value::Bytes(n) => match i64::try_from(*n) {
            Ok(n) => json!(n),
            Err(_) => json!(bytes_text(*n)),
        },
        Value::Secret(_) => json!("(secret)"),
        Value::Sites(sites) => sites.iter().map(|site| json!(inventory.name(site))).collect(),
        Value::File(_) | Value::Site(_) | Value::Placement(_) | Value::Scope(_) => json!(text_of(value, inventory)),
        Value::List(items) => items.iter().map(inner).collect(),
        Value::Record(record) => {
            Json::Object(record.iter().map(|(name, value)| (name.to_string(), inner(value))).collect())
        }
        Value::Table(table) => table_json(table, inventory, &mut inner),
        Value::Handle(handle) => {
            let mut members = Map::new();
            members.insert("resource".into(), json!(&*handle.resource));
            members.insert("site".into(), json!(inventory.name(handle.site)));
            if !handle.id.is_empty() {
                members.insert("id".into(), json!(&*handle.id));
            }
            if handle.pending {
                members.insert("pending".into(), json!(true));
            }
            for (name, value) in handle.fields.iter() {
                members.entry(&**name).or_insert_with(|| inner(value));
            }
            Json::Object(members)
        }
        Value::Failure(failure) => json!({
            "code": failure.code.id,
            "message": failure.message,
            "sites": failure.sites.iter().map(|(site, text)| json!({"site": inventory.name(*site), "what": text}))
                .collect::<Vec<Json>>(),
        }),
        Value::Unknown(what) => json!({ "known_later": what.what }),
    }
}

fn table_json(table: &Table, inventory: &Inventory, inner: &mut dyn FnMut(&Value) -> Json) -> Json {
    let rows: Vec<Json> = table
        .rows
        .iter()
        .map(|row| {
            let mut members = Map::new();
            if let Some(site) = row.site {
                members.insert("site".into(), json!(inventory.name(site)));
            }
            if let Some(id) = row.id.as_ref().filter(|id| !id.is_empty()) {
                members.insert("id".into(), json!(&**id));
            }
            if row.pending {
                members.insert("pending".into(), json!(true));
            }
            for (name, value) in table.columns.iter().zip(&row.values) {
                members.insert(name.to_string(), inner(value));
            }
            Json::Object(members)
        })
        .collect();
    let names = |sites: &crate::model::SiteSet| -> Vec<String> {
        sites.iter().map(|site| inventory.name(site).to_owned()).collect()
    };
    let unknown: Map<String, Json> =
        table.unknown.iter().map(|(site, why)| (inventory.name(*site).to_owned(), json!(&**why))).collect();
    json!({
        "rows": rows,
        "present": names(&table.present()),
        "absent": names(&table.absent()),
        "unknown": unknown,
    })
}
