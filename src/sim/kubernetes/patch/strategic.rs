//! Strategic merge patch: like a merge patch, but lists that have a merge key are merged item by item, and directives
//! (`$patch`, `$deleteFromPrimitiveList`, `$setElementOrder`, `$retainKeys`) say what a merge cannot.

use serde_json::{Map, Value};

use crate::sim::kubernetes::schema::{List, Merge, Shape};

pub fn apply(shape: &Shape, target: &mut Value, patch: &Value) -> Result<(), String> {
    match patch {
        Value::Object(patch) if !target.is_null() && target.is_object() => object(shape, target, patch),
        Value::Object(patch) => {
            *target = Value::Object(Map::new());
            object(shape, target, patch)
        }
        other => {
            *target = other.clone();
            Ok(())
        }
    }
}

fn object(shape: &Shape, target: &mut Value, patch: &Map<String, Value>) -> Result<(), String> {
    match patch.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            let rest = patch.iter().filter(|(key, _)| !key.starts_with('$'));
            *target = Value::Object(rest.map(|(key, value)| (key.clone(), value.clone())).collect());
            return Ok(());
        }
        Some("delete") => {
            *target = Value::Object(Map::new());
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => return Err(format!("unknown patch type: {other}")),
    }
    let Some(map) = target.as_object_mut() else { return Ok(()) };
    if let Some(keep) = patch.get("$retainKeys").and_then(Value::as_array) {
        map.retain(|key, _| keep.iter().any(|kept| kept == key));
    }
    for (key, value) in patch {
        if let Some(field) = key.strip_prefix("$deleteFromPrimitiveList/") {
            let gone = value.as_array().map(Vec::as_slice).unwrap_or_default();
            if let Some(items) = map.get_mut(field).and_then(Value::as_array_mut) {
                items.retain(|item| !gone.contains(item));
            }
            continue;
        }
        if key.starts_with('$') {
            continue;
        }
        let inner = match shape.bare() {
            Shape::Map(item) => Some(&**item),
            _ => shape.field(key).map(|field| &field.shape),
        };
        match (value, inner.map(Shape::bare)) {
            (Value::Null, _) => drop(map.shift_remove(key)),
            (Value::Array(new), Some(Shape::List(list))) if list.merge.is_some() => {
                let old = map.entry(key.clone()).or_insert_with(|| Value::Array(Vec::new()));
                if !old.is_array() {
                    *old = Value::Array(Vec::new());
                }
                if let Some(old) = old.as_array_mut() {
                    items(list, old, new)?;
                }
            }
            (Value::Object(new), _) => {
                let old = map.entry(key.clone()).or_insert(Value::Null);
                if !old.is_object() {
                    *old = Value::Object(Map::new());
                }
                object(inner.unwrap_or(&Shape::Any), old, new)?;
            }
            (value, _) => drop(map.insert(key.clone(), value.clone())),
        }
    }
    for (key, order) in patch {
        let Some(field) = key.strip_prefix("$setElementOrder/") else { continue };
        let list = shape.field(field).map(|field| field.shape.bare());
        if let (Some(Shape::List(list)), Some(items), Some(order)) =
            (list, map.get_mut(field).and_then(Value::as_array_mut), order.as_array())
        {
            sort(list, items, order);
        }
    }
    Ok(())
}

fn items(list: &List, old: &mut Vec<Value>, new: &[Value]) -> Result<(), String> {
    if new.iter().any(|item| item.get("$patch").is_some_and(|how| how == "replace")) {
        let rest = new.iter().filter(|item| item.get("$patch").is_none());
        *old = rest.cloned().collect();
        return Ok(());
    }
    let Some(Merge::Key(key)) = &list.merge else {
        for item in new.iter().filter(|item| !old.contains(item)).cloned().collect::<Vec<_>>() {
            old.push(item);
        }
        return Ok(());
    };
    for item in new {
        let Some(patch) = item.as_object() else { return Err("an item of a merged list is no object".into()) };
        let Some(value) = patch.get(key) else {
            return Err(format!("map: {item} does not contain declared merge key: {key}"));
        };
        let same = |own: &Value| own.get(key) == Some(value);
        match patch.get("$patch").and_then(Value::as_str) {
            Some("delete") => old.retain(|own| !same(own)),
            _ => match old.iter_mut().find(|own| same(own)) {
                Some(own) => object(&list.item, own, patch)?,
                None => {
                    let mut fresh = Value::Object(Map::new());
                    object(&list.item, &mut fresh, patch)?;
                    old.push(fresh);
                }
            },
        }
    }
    Ok(())
}

/// Items in the order that is given; those it does not name stay behind the one that they stood behind.
fn sort(list: &List, items: &mut [Value], order: &[Value]) {
    let place = |item: &Value| match &list.merge {
        Some(Merge::Key(key)) => order.iter().position(|wanted| wanted.get(key) == item.get(key)),
        _ => order.iter().position(|wanted| wanted == item),
    };
    let mut last = 0;
    let mut keyed: Vec<(usize, Value)> = Vec::with_capacity(items.len());
    for item in items.iter() {
        last = place(item).unwrap_or(last);
        keyed.push((last, item.clone()));
    }
    keyed.sort_by_key(|(place, _)| *place);
    for (slot, (_, item)) in items.iter_mut().zip(keyed) {
        *slot = item;
    }
}
