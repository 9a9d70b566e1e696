//! Reading an object by its shape: what it has that the type has not, what has the wrong type, and what is missing.

use serde_json::{Map, Value};

use super::{Record, Shape};

/// What is not as the type has it. Paths are written as the API server writes them: `spec.ports[0].port`.
#[derive(Clone, Debug, Default)]
pub struct Strange {
    pub unknown: Vec<String>,
    /// Path, what was found, what was wanted.
    pub wrong: Vec<Wrong>,
    pub missing: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Wrong {
    pub path: String,
    /// The type that has the field, without its package.
    pub within: String,
    pub found: &'static str,
    pub wanted: &'static str,
}

/// Takes out of `value` what its type does not know, and says what else is wrong. Nulls count as absent.
pub fn conform(shape: &Shape, value: &mut Value) -> Strange {
    let mut strange = Strange::default();
    walk(shape, value, "", "", &mut strange);
    strange
}

fn walk(shape: &Shape, value: &mut Value, path: &str, within: &str, strange: &mut Strange) {
    if value.is_null() {
        return;
    }
    let found = kind_of(value);
    let mut wrong = |wanted| {
        strange.wrong.push(Wrong { path: path.into(), within: within.into(), found, wanted });
    };
    match shape {
        Shape::Atomic(inner) => walk(inner, value, path, within, strange),
        Shape::Any => {}
        Shape::Text | Shape::Time if !value.is_string() => wrong("string"),
        Shape::Bytes if !value.is_string() => wrong("[]uint8"),
        Shape::Bool if !value.is_boolean() => wrong("bool"),
        Shape::Int32 if value.as_i64().is_none_or(|n| i32::try_from(n).is_err()) => wrong("int32"),
        Shape::Int64 if value.as_i64().is_none() => wrong("int64"),
        Shape::Number if !value.is_number() => wrong("float64"),
        Shape::Quantity if !value.is_string() && !value.is_number() => wrong("resource.Quantity"),
        Shape::IntOrString if !value.is_string() && !value.is_i64() => wrong("intstr.IntOrString"),
        Shape::Map(item) => match value.as_object_mut() {
            None => wrong("map"),
            Some(map) => {
                for (key, inner) in map.iter_mut() {
                    walk(item, inner, &join(path, key), within, strange);
                }
            }
        },
        Shape::List(list) => match value.as_array_mut() {
            None => wrong("slice"),
            Some(items) => {
                for (at, inner) in items.iter_mut().enumerate() {
                    walk(&list.item, inner, &format!("{path}[{at}]"), within, strange);
                }
            }
        },
        Shape::Named(_) | Shape::Record(_) => {
            let Some(record) = shape.record() else { return };
            match value.as_object_mut() {
                None => wrong("struct"),
                Some(map) => fields(record, map, path, strange),
            }
        }
        _ => {}
    }
}

fn fields(record: &Record, map: &mut Map<String, Value>, path: &str, strange: &mut Strange) {
    let within = record.name.rsplit('.').next().unwrap_or_default();
    let mut unknown: Vec<String> = Vec::new();
    for (key, value) in map.iter_mut() {
        match record.fields.get(key) {
            Some(field) => walk(&field.shape, value, &join(path, key), within, strange),
            None if record.open => {}
            None => unknown.push(key.clone()),
        }
    }
    for key in unknown {
        map.shift_remove(&key);
        strange.unknown.push(join(path, &key));
    }
    for (key, field) in record.fields.iter().filter(|(_, field)| field.needed) {
        let countable = matches!(field.shape, Shape::Bool | Shape::Int32 | Shape::Int64);
        let lacks = match map.get(key) {
            None | Some(Value::Null) => !countable,
            Some(Value::String(text)) => text.is_empty(),
            _ => false,
        };
        if lacks {
            strange.missing.push(join(path, key));
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_string() } else { format!("{path}.{key}") }
}

/// As encoding/json calls it.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
