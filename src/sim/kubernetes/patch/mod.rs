//! The kinds of patches that say what to change: JSON patch, merge patch, strategic merge patch.
//!
//! Server-side apply is no such patch: it says what is wanted (see `managed`).

mod strategic;

use serde_json::{Map, Value};

use super::resources::Resource;
use super::status::{Cause, Status};
use super::wire::{Call, parsed, yaml};

pub enum Patch {
    Json(Vec<Value>),
    Merge(Value),
    Strategic(Value),
    Apply(Value),
}

impl Patch {
    pub fn read(call: &Call, resource: &Resource) -> Result<Patch, Status> {
        match call.content_type() {
            "application/json-patch+json" => match parsed(&call.body)? {
                Value::Array(operations) if operations.len() <= 10_000 => Ok(Patch::Json(operations)),
                _ => Err(Status::bad_request("error decoding patch: it is not a list of operations")),
            },
            "application/merge-patch+json" => parsed(&call.body).map(Patch::Merge),
            "application/strategic-merge-patch+json" if resource.custom.is_none() => {
                parsed(&call.body).map(Patch::Strategic)
            }
            "application/apply-patch+yaml" => yaml(&call.body).map(Patch::Apply),
            _ => {
                let strategic = if resource.custom.is_none() { "application/strategic-merge-patch+json, " } else { "" };
                Err(Status::unsupported_media(&format!(
                    "application/json-patch+json, application/merge-patch+json, {strategic}application/apply-patch+yaml"
                )))
            }
        }
    }

    /// The object after the patch.
    pub fn to(&self, object: &Value, resource: &Resource, name: &str) -> Result<Value, Status> {
        let mut object = object.clone();
        match self {
            Patch::Json(operations) => {
                for operation in operations {
                    operate(&mut object, operation).map_err(|why| {
                        let mut status = Status::invalid(resource, name, vec![]);
                        status.message =
                            format!("the server rejected our request due to an error in our request: {why}");
                        status.details = Some(serde_json::json!({"causes": [{"message": why}]}));
                        status
                    })?;
                }
            }
            Patch::Merge(patch) => merge(&mut object, patch),
            Patch::Strategic(patch) => strategic::apply(&resource.shape, &mut object, patch)
                .map_err(|why| Status::invalid(resource, name, vec![Cause::invalid("patch", patch, &why)]))?,
            Patch::Apply(_) => unreachable!("an apply is merged by its owners"),
        }
        Ok(object)
    }
}

/// RFC 7386.
pub fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(map) = target.as_object_mut() else { return };
    for (key, value) in patch {
        match value {
            Value::Null => drop(map.shift_remove(key)),
            value => merge(map.entry(key.clone()).or_insert(Value::Null), value),
        }
    }
}

/// RFC 6902.
fn operate(object: &mut Value, operation: &Value) -> Result<(), String> {
    let text = |key: &str| operation.get(key).and_then(Value::as_str);
    let path = text("path").ok_or("an operation without `path`")?;
    let value = || operation.get("value").cloned().ok_or_else(|| format!("{path:?}: an operation without `value`"));
    let from = || text("from").ok_or_else(|| format!("{path:?}: an operation without `from`"));
    let missing = || format!("{path:?}: path does not exist");
    match text("op").unwrap_or_default() {
        "add" => add(object, path, value()?),
        "remove" => take(object, path).map(|_| ()),
        "replace" => {
            *object.pointer_mut(path).ok_or_else(missing)? = value()?;
            Ok(())
        }
        "move" => {
            let moved = take(object, from()?)?;
            add(object, path, moved)
        }
        "copy" => {
            let copied = object.pointer(from()?).cloned().ok_or_else(missing)?;
            add(object, path, copied)
        }
        "test" if object.pointer(path).unwrap_or(&Value::Null) == &value()? => Ok(()),
        "test" => Err(format!("testing value {path} failed: test failed")),
        other => Err(format!("unexpected kind of operation: {other:?}")),
    }
}

fn parent<'a>(object: &'a mut Value, path: &str) -> Result<(&'a mut Value, String), String> {
    let (above, last) = path.rsplit_once('/').ok_or_else(|| format!("{path:?} is no path"))?;
    let parent = object.pointer_mut(above).ok_or_else(|| format!("{path:?}: path does not exist"))?;
    Ok((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn add(object: &mut Value, path: &str, value: Value) -> Result<(), String> {
    if path.is_empty() {
        *object = value;
        return Ok(());
    }
    let (parent, last) = parent(object, path)?;
    match parent {
        Value::Object(map) => drop(map.insert(last, value)),
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => {
            let at = last.parse().ok().filter(|at| *at <= items.len());
            items.insert(at.ok_or_else(|| format!("{path:?}: no such index"))?, value);
        }
        _ => return Err(format!("{path:?}: path does not exist")),
    }
    Ok(())
}

fn take(object: &mut Value, path: &str) -> Result<Value, String> {
    let (parent, last) = parent(object, path)?;
    let missing = || format!("remove operation does not apply: doc is missing path: {path:?}");
    match parent {
        Value::Object(map) => map.shift_remove(&last).ok_or_else(missing),
        Value::Array(items) => {
            let at = last.parse().ok().filter(|at| *at < items.len()).ok_or_else(missing)?;
            Ok(items.remove(at))
        }
        _ => Err(missing()),
    }
}
