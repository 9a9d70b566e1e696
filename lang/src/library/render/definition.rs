//! What a resource is by its definition: in what it differs from what is wanted, and which requests would make it so.
//! `ensure` compares the arguments that were given, a bridge all fields, `undo restore` the row as it was before.
//!
//! `""`, `null`, an empty list and what is not there are equal; lists are sets.

use super::Fields;
use crate::library::{Op, Resource, Undo};
use crate::types::{Name, Type};
use serde_json::Value as Json;
use std::collections::BTreeSet;

#[derive(Clone, PartialEq)]
pub struct Difference {
    pub field: Name,
    /// It cannot be changed: only deleting and creating would.
    pub fixed: bool,
    pub wanted: Json,
    pub found: Json,
}

/// Without the values: a field may be a secret. Who shows them asks the field's type first.
impl std::fmt::Debug for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Difference({}{})", self.field, if self.fixed { ", fixed" } else { "" })
    }
}

/// The fields of the definition that are wanted otherwise. `wanted` is by parameter of `create`, or by field; a
/// resource that a parameter takes is compared with the field of its name, with `_id` or `_name` after it.
pub fn differences(resource: &Resource, wanted: &Fields, found: &Fields) -> Vec<Difference> {
    let mut all = Vec::new();
    for (name, wanted) in wanted {
        let Some((field, fixed, wanted)) = compared(resource, name, wanted) else { continue };
        let found = found.get(&field).cloned().unwrap_or(Json::Null);
        // Of a map only the keys that are wanted, unless it is a part, which is compared whole.
        let part = resource.parts.contains_key(&field);
        let same = match (&wanted, &found) {
            (Json::Object(w), Json::Object(f)) if !part => {
                w.iter().all(|(k, v)| canonical(v) == canonical(f.get(k).unwrap_or(&Json::Null)))
            }
            (w, f) => canonical(w) == canonical(f),
        };
        if !same {
            all.push(Difference { field, fixed, wanted, found });
        }
    }
    all
}

/// The field of the definition that an argument speaks of, whether it is fixed, and the value as the field has it.
fn compared(resource: &Resource, name: &Name, wanted: &Json) -> Option<(Name, bool, Json)> {
    let field = |name: &str| {
        let of = |list: &[Name], fixed| list.iter().find(|n| &***n == name).map(|n| (n.clone(), fixed));
        of(&resource.definition, false).or_else(|| of(&resource.fixed, true))
    };
    if let Some((field, fixed)) = field(name) {
        let value = if takes_resources(resource, name) { as_ids(wanted) } else { wanted.clone() };
        return Some((field, fixed, value));
    }
    for key in ["id", "name"] {
        if let (Some((field, fixed)), Some(value)) = (field(&format!("{name}_{key}")), wanted.get(key)) {
            return Some((field, fixed, value.clone()));
        }
    }
    None
}

fn takes_resources(resource: &Resource, name: &str) -> bool {
    let param = resource.ops.get("create").and_then(|op| op.params.iter().find(|p| &*p.name == name));
    match param.map(|p| p.ty.present()) {
        Some(Type::List(of)) => matches!(&**of, Type::Handle(_)),
        Some(ty) => matches!(ty, Type::Handle(_)),
        None => false,
    }
}

/// A field holds the ids of resources, an argument the resources.
fn as_ids(wanted: &Json) -> Json {
    match wanted {
        Json::Object(record) if record.get("id").is_some_and(Json::is_string) => record["id"].clone(),
        Json::Array(items) => items.iter().map(as_ids).collect(),
        other => other.clone(),
    }
}

/// One text for all values that are equal.
fn canonical(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) if text.is_empty() => String::new(),
        Json::Array(items) if items.is_empty() => String::new(),
        Json::Array(items) => {
            let mut texts: Vec<String> = items.iter().map(canonical).collect();
            texts.sort();
            format!("[{}]", texts.join(","))
        }
        Json::Object(members) => {
            let mut texts: Vec<String> = members
                .iter()
                .map(|(key, value)| (key, canonical(value)))
                .filter(|(_, value)| !value.is_empty())
                .map(|(key, value)| format!("{}:{value}", Json::String(key.clone())))
                .collect();
            texts.sort();
            if texts.is_empty() { String::new() } else { format!("{{{}}}", texts.join(",")) }
        }
        Json::Number(n) => n.as_i64().map_or_else(|| n.to_string(), |n| n.to_string()),
        other => other.to_string(),
    }
}

/// What makes a resource as it is wanted.
#[derive(Clone, Default, PartialEq)]
pub struct Changes {
    /// Arguments of `set`.
    pub set: Fields,
    /// Arguments of `create`, where creating again replaces what is there (it is undone by `restore`).
    pub create: Fields,
    /// Requests of parts, removals first.
    pub parts: Vec<PartChange>,
    /// Fields for which there is neither.
    pub impossible: Vec<Name>,
}

/// One request of a part: put `item`, or `key` with `value`, into a scope and render `add` or `remove`.
#[derive(Clone, PartialEq)]
pub struct PartChange {
    pub part: Name,
    pub add: bool,
    pub item: Option<Json>,
    pub key: Option<Json>,
    pub value: Option<Json>,
}

/// `found` is the row in which the differences were found.
pub fn changes(resource: &Resource, differences: &[Difference], found: &Fields) -> Changes {
    let replaced = resource.ops.get("create").filter(|op| matches!(op.undo, Undo::Restore));
    let mut changes = Changes::default();
    for d in differences.iter().filter(|d| !d.fixed) {
        if resource.parts.contains_key(&d.field) {
            match part_changes(resource, d) {
                Some(parts) => changes.parts.extend(parts),
                None => changes.impossible.push(d.field.clone()),
            }
        } else if resource.ops.get("set").is_some_and(|op| takes(op, &d.field)) {
            changes.set.insert(d.field.clone(), d.wanted.clone());
        } else if replaced.is_some_and(|op| takes(op, &d.field)) {
            changes.create.insert(d.field.clone(), d.wanted.clone());
        } else {
            changes.impossible.push(d.field.clone());
        }
    }
    changes.parts.sort_by_key(|p| p.add);
    if let Some(op) = replaced.filter(|_| !changes.create.is_empty()) {
        for param in &op.params {
            if let (false, Some(value)) = (changes.create.contains_key(&param.name), found.get(&param.name)) {
                changes.create.insert(param.name.clone(), value.clone());
            }
        }
    }
    changes
}

fn takes(op: &Op, field: &str) -> bool {
    op.params.iter().any(|p| &*p.name == field)
}

fn part_changes(resource: &Resource, d: &Difference) -> Option<Vec<PartChange>> {
    let part = resource.parts.get(&d.field)?;
    let change = |add: bool| PartChange { part: d.field.clone(), add, item: None, key: None, value: None };
    let mut all = Vec::new();
    match (&d.wanted, &d.found) {
        (Json::Object(_), _) | (_, Json::Object(_)) => {
            let empty = serde_json::Map::new();
            let (wanted, found) = (d.wanted.as_object().unwrap_or(&empty), d.found.as_object().unwrap_or(&empty));
            for key in found.keys().filter(|k| !wanted.contains_key(*k)) {
                all.push(PartChange { key: Some(key.clone().into()), ..change(false) });
            }
            for (key, value) in wanted.iter().filter(|(k, v)| found.get(*k) != Some(*v)) {
                all.push(PartChange { key: Some(key.clone().into()), value: Some(value.clone()), ..change(true) });
            }
        }
        (wanted, found) => {
            let items = |v: &Json| v.as_array().cloned().unwrap_or_default();
            let (wanted, found) = (items(wanted), items(found));
            let texts = |list: &[Json]| list.iter().map(canonical).collect::<BTreeSet<_>>();
            let (have, want) = (texts(&found), texts(&wanted));
            let gone = found.iter().filter(|i| !want.contains(&canonical(i)));
            all.extend(gone.map(|i| PartChange { item: Some(i.clone()), ..change(false) }));
            let new = wanted.iter().filter(|i| !have.contains(&canonical(i)));
            all.extend(new.map(|i| PartChange { item: Some(i.clone()), ..change(true) }));
        }
    }
    let possible = all.iter().all(|c| if c.add { part.add.is_some() } else { part.remove.is_some() });
    possible.then_some(all)
}

/// What puts the definition back as it was (`undo restore`). What was not there before is deleted instead.
pub fn restoration(resource: &Resource, before: &Fields, now: &Fields) -> Changes {
    let was = resource.definition.iter().filter(|f| &***f != "rest");
    let wanted: Fields = was.map(|f| (f.clone(), before.get(f).cloned().unwrap_or(Json::Null))).collect();
    let mut changes = changes(resource, &differences(resource, &wanted, now), now);
    // Keys of a map that came with the change: a map that is no part can only be put back as a whole.
    for field in resource.definition.iter().filter(|f| !resource.parts.contains_key(*f)) {
        let (was, is) = (before.get(field), now.get(field));
        if let (Some(Json::Object(was)), Some(Json::Object(is))) = (was, is)
            && is.keys().any(|k| !was.contains_key(k))
            && resource.ops.get("set").is_some_and(|op| takes(op, field))
        {
            changes.set.insert(field.clone(), Json::Object(was.clone()));
        }
    }
    changes
}

/// The arguments with which `create` makes a copy of a row of another site: its definition, but for what the bridge
/// leaves out and for secrets.
pub fn copied_arguments(resource: &Resource, source: &Fields) -> Fields {
    let Some(create) = resource.ops.get("create") else { return Fields::new() };
    let ignored = resource.bridge.as_ref().map(|b| &b.ignore[..]).unwrap_or_default();
    let copied = |name: &Name| resource.definition.contains(name) || resource.fixed.contains(name);
    create
        .params
        .iter()
        .filter(|p| copied(&p.name) && !ignored.contains(&p.name) && *p.ty.present() != Type::Secret)
        .filter_map(|p| Some((p.name.clone(), source.get(&p.name).filter(|v| !canonical(v).is_empty())?.clone())))
        .collect()
}
