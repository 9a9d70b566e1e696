//! An object against a set of fields: which fields it has, how two differ, what is to be taken out.

use serde_json::{Map, Value};

use super::set::Set;
use crate::sim::kubernetes::schema::{How, List, Shape};

/// What a list's item is found by; an error says what it lacks.
pub fn step_of(list: &List, item: &Value) -> Result<String, String> {
    match &list.how {
        How::Set => Ok(format!("v:{item}")),
        How::Map(keys) => {
            let Some(object) = item.as_object() else { return Err("item is not an object".into()) };
            let mut found = Map::new();
            let mut sorted: Vec<&String> = keys.iter().collect();
            sorted.sort();
            for key in sorted {
                let default = || list.item.field(key).and_then(|field| field.default.clone());
                match object.get(key).filter(|value| !value.is_null()).cloned().or_else(default) {
                    Some(value) => drop(found.insert(key.clone(), value)),
                    None if keys.len() > 1 => {}
                    None => {
                        return Err(format!(
                            "associative list with keys has an element that omits key field {key:?} (and doesn't have default value)"
                        ));
                    }
                }
            }
            Ok(format!("k:{}", Value::Object(found)))
        }
        How::Atomic => Err("the items of an atomic list have no path".into()),
    }
}

/// The shape of a list's items where the list is merged item by item.
pub fn merged_list(shape: &Shape) -> Option<&List> {
    match shape {
        Shape::List(list) if list.how != How::Atomic => Some(list),
        _ => None,
    }
}

/// The shape of a key of an object that is merged key by key, and whether its type declares that key.
pub fn inner<'a>(shape: &'a Shape, key: &str) -> Option<(&'a Shape, bool)> {
    const ANY: &Shape = &Shape::Any;
    if shape.is_atomic() {
        return None;
    }
    match shape {
        Shape::Any => Some((ANY, false)),
        Shape::Map(item) => Some((item, false)),
        Shape::Named(_) | Shape::Record(_) => {
            let record = shape.record()?;
            Some(record.fields.get(key).map_or((ANY, false), |field| (&field.shape, true)))
        }
        _ => None,
    }
}

fn merged_map(shape: &Shape) -> bool {
    !shape.is_atomic() && matches!(shape, Shape::Any | Shape::Map(_) | Shape::Named(_) | Shape::Record(_))
}

/// The fields that an applied object has.
pub fn set_of(shape: &Shape, value: &Value) -> Result<Set, String> {
    let mut set = Set::default();
    gather(shape, value, "", &mut set)?;
    Ok(set)
}

fn gather(shape: &Shape, value: &Value, path: &str, set: &mut Set) -> Result<(), String> {
    match value {
        Value::Object(map) if merged_map(shape) => {
            for (key, item) in map {
                let Some((inner, declared)) = inner(shape, key) else { continue };
                let child = set.child(&format!("f:{key}"));
                gather(inner, item, &format!("{path}.{key}"), child)?;
                let nothing = item.is_null() || item.as_object().is_some_and(Map::is_empty);
                child.member |= nothing || !declared;
                if child.is_empty() {
                    set.children.remove(&format!("f:{key}"));
                }
            }
        }
        Value::Array(items) if merged_list(shape).is_some() => {
            let Some(list) = merged_list(shape) else { return Ok(()) };
            for (at, item) in items.iter().enumerate() {
                let step = step_of(list, item).map_err(|why| format!("{path}: element {at}: {why}"))?;
                let child = set.child(&step);
                if child.member && matches!(list.how, How::Map(_)) {
                    let keys = step.strip_prefix("k:").unwrap_or_default();
                    return Err(format!("{path}: duplicate entries for key {keys}"));
                }
                gather(&list.item, item, &format!("{path}[{at}]"), child)?;
                child.member = true;
            }
        }
        _ => set.member = true,
    }
    Ok(())
}

/// How an object differs from what it was.
#[derive(Default)]
pub struct Difference {
    pub changed: Set,
    pub removed: Set,
}

pub fn compare(shape: &Shape, before: &Value, after: &Value) -> Difference {
    let mut difference = Difference::default();
    let mut path = Vec::new();
    differ(shape, Some(before), Some(after), &mut path, &mut difference);
    difference
}

fn differ(
    shape: &Shape,
    before: Option<&Value>,
    after: Option<&Value>,
    path: &mut Vec<String>,
    difference: &mut Difference,
) {
    let before = before.filter(|value| !value.is_null());
    let after = after.filter(|value| !value.is_null());
    if before == after {
        return;
    }
    let maps = merged_map(shape)
        && before.or(after).is_some_and(Value::is_object)
        && before.is_none_or(Value::is_object)
        && after.is_none_or(Value::is_object);
    if maps {
        let empty = Map::new();
        let (old, new) = (before.and_then(Value::as_object), after.and_then(Value::as_object));
        // What comes or goes as a whole counts itself, where it is no part of its type's fixed frame.
        let frame =
            matches!(shape, Shape::Named(_) | Shape::Record(_)) && path.last().is_some_and(|s| s.starts_with("f:"));
        let bare = |map: Option<&Map<String, Value>>| map.is_some_and(|map| !frame || map.is_empty());
        if old.is_none() && bare(new) {
            difference.changed.insert(path);
        }
        if new.is_none() && bare(old) {
            difference.removed.insert(path);
        }
        let (old, new) = (old.unwrap_or(&empty), new.unwrap_or(&empty));
        for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
            if let Some((inner, _)) = inner(shape, key) {
                path.push(format!("f:{key}"));
                differ(inner, old.get(key), new.get(key), path, difference);
                path.pop();
            }
        }
        return;
    }
    if let Some(list) = merged_list(shape)
        && before.is_none_or(Value::is_array)
        && after.is_none_or(Value::is_array)
    {
        let keyed = |value: Option<&Value>| -> Option<Vec<(String, Value)>> {
            let items = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            items.iter().map(|item| Some((step_of(list, item).ok()?, item.clone()))).collect()
        };
        if let (Some(old), Some(new)) = (keyed(before), keyed(after)) {
            let find = |items: &[(String, Value)], step: &str| {
                items.iter().find(|(own, _)| own == step).map(|(_, item)| item.clone())
            };
            let steps = old.iter().map(|(step, _)| step).chain(new.iter().map(|(step, _)| step));
            let mut done: Vec<&String> = Vec::new();
            for step in steps {
                if done.contains(&step) {
                    continue;
                }
                done.push(step);
                path.push(step.clone());
                let (was, is) = (find(&old, step), find(&new, step));
                if list.how == How::Set || !was.as_ref().or(is.as_ref()).is_some_and(Value::is_object) {
                    match (&was, &is) {
                        (None, Some(_)) => difference.changed.insert(path),
                        (Some(_), None) => difference.removed.insert(path),
                        _ => {}
                    }
                } else {
                    differ(&list.item, was.as_ref(), is.as_ref(), path, difference);
                }
                path.pop();
            }
            return;
        }
    }
    match after {
        Some(_) => difference.changed.insert(path),
        None => difference.removed.insert(path),
    }
}

/// Takes out of an object what was owned and is owned no more.
pub fn take_out(shape: &Shape, value: &mut Value, was: &Set, owned: &Set) {
    match value {
        Value::Object(map) if merged_map(shape) => {
            for (step, set) in &was.children {
                let Some(key) = step.strip_prefix("f:") else { continue };
                match owned.children.get(step) {
                    None => drop(map.shift_remove(key)),
                    Some(owned) => {
                        if let (Some((inner, _)), Some(item)) = (inner(shape, key), map.get_mut(key)) {
                            take_out(inner, item, set, owned);
                        }
                    }
                }
            }
        }
        Value::Array(items) => {
            let Some(list) = merged_list(shape) else { return };
            items.retain_mut(|item| {
                let Ok(step) = step_of(list, item) else { return true };
                match (was.children.get(&step), owned.children.get(&step)) {
                    (None, _) => true,
                    (Some(_), None) => false,
                    (Some(was), Some(owned)) => {
                        take_out(&list.item, item, was, owned);
                        true
                    }
                }
            });
        }
        _ => {}
    }
}

/// What is applied, over what is there.
pub fn merge(shape: &Shape, there: &mut Value, applied: &Value) {
    match (&mut *there, applied) {
        (Value::Object(map), Value::Object(new)) if merged_map(shape) => {
            for (key, item) in new {
                let Some((inner, _)) = inner(shape, key) else { continue };
                match map.get_mut(key) {
                    _ if item.is_null() => drop(map.shift_remove(key)),
                    Some(old) => merge(inner, old, item),
                    None => drop(map.insert(key.clone(), item.clone())),
                }
            }
        }
        (Value::Array(old), Value::Array(new)) if merged_list(shape).is_some() => {
            if let Some(list) = merged_list(shape) {
                *old = merge_lists(list, std::mem::take(old), new);
            }
        }
        _ => *there = applied.clone(),
    }
}

/// The applied items in their order, the others where they stood among them.
fn merge_lists(list: &List, old: Vec<Value>, new: &[Value]) -> Vec<Value> {
    let step = |item: &Value| step_of(list, item).ok();
    let wanted: Vec<Option<String>> = new.iter().map(step).collect();
    let mut old: Vec<(Option<String>, Option<Value>)> = old.into_iter().map(|item| (step(&item), Some(item))).collect();
    let mut out = Vec::with_capacity(old.len() + new.len());
    let mut from = 0;
    for (item, key) in new.iter().zip(&wanted) {
        while let Some((other, value)) = old.get_mut(from).filter(|(other, _)| !wanted.contains(other)) {
            debug_assert!(!wanted.contains(other));
            out.extend(value.take());
            from += 1;
        }
        if old.get(from).is_some_and(|(other, value)| other == key || value.is_none()) {
            from += 1;
        }
        let known = old.iter_mut().find(|(other, value)| other == key && value.is_some());
        match known.and_then(|(_, value)| value.take()) {
            Some(mut merged) if list.how != How::Set => {
                merge(&list.item, &mut merged, item);
                out.push(merged);
            }
            Some(same) => out.push(same),
            // A set has each value once.
            None if list.how == How::Set && out.contains(item) => {}
            None => out.push(item.clone()),
        }
    }
    out.extend(old.into_iter().filter_map(|(_, value)| value));
    out
}
