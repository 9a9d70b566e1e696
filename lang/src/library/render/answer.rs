//! Rows out of answers. A field of the wrong type is an error that says which, never a panic and never a guess: what
//! answers may be another version, or a proxy.

use super::{Fields, Headers, RenderError, kind_of};
use crate::library::{Field, Mark, MarkShape, Resource, Source, Template, Version};
use crate::types::{Name, Type};
use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

/// How every marker begins, so that it is told from what users write.
pub(super) const PREFIX: &str = "edge:";
/// The member that holds a marker in a record.
pub(super) const RECORD_KEY: &str = "edge_effect";

/// A resource as an answer shows it.
#[derive(Clone, Default, PartialEq)]
pub struct Row {
    /// Of a link, its ends; `None` where the answer does not show them.
    pub id: Option<String>,
    /// By field; one that the answer does not have is not there, one that it says to be nothing is `null`. `id` is among
    /// them. A newer row replaces an older one: added to it, what went away would stay.
    pub fields: Fields,
}

/// Names only: a row may hold a secret.
impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Row({:?}, {:?})", self.id, self.fields.keys().collect::<Vec<_>>())
    }
}

/// How much of a row an answer must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// All that is not optional: the answer to a `get`, a row of a `list`.
    Whole,
    /// The id: the answer to a change, which often shows little.
    Partial,
}

/// The resource in the answer to a request: below `one` of the request, else of the resource, if that is there; of a
/// request with `many`, its first row.
pub fn item<'a>(template: Option<&Template>, resource: &Resource, body: &'a Json) -> Option<&'a Json> {
    if let Some(many) = template.and_then(|t| t.many.as_ref()) {
        let first = if many.key.is_empty() { body } else { body.get(&many.key)? }.as_array()?.first()?;
        return Some(many.each.as_ref().and_then(|e| first.get(e)).unwrap_or(first));
    }
    if let Some(one) = template.and_then(|t| t.one.as_ref()) {
        return body.get(one);
    }
    match &resource.one {
        Some(one) => Some(body.get(one).unwrap_or(body)),
        None => Some(body),
    }
}

/// Reads the fields of one resource out of its record in an answer. `version` is the one that was spoken.
pub fn row(
    resource: &Resource,
    record: &Json,
    headers: &Headers,
    version: Option<Version>,
    reading: Reading,
) -> Result<Row, RenderError> {
    if !record.is_object() {
        let message = format!("expected one `{}`, and the site answered {}", resource.name, kind_of(record));
        return Err(RenderError::answer(resource.span, message));
    }
    let unmarked = unmarked(resource, record);
    let mut fields = Fields::new();
    for field in resource.fields.values() {
        let old = field.before.as_ref().filter(|(v, _)| version.is_some_and(|have| have < *v));
        let source = old.map_or(&field.from, |(_, older)| older);
        let found = match source {
            Source::Body { path, each } if field.base64 => at(&unmarked, path, each.as_deref()).map(decoded),
            Source::Header(name) => headers.get(&name.to_ascii_lowercase()).map(|t| header(t, &field.ty)),
            Source::Body { path, each } => at(&unmarked, path, each.as_deref()),
            Source::Rest => Some(rest(resource, &unmarked, &field.ty)),
            Source::Whole => Some(whole(resource, record)),
        };
        match found {
            // `null` is what the site says of an optional field; of another it says nothing.
            Some(Json::Null)
                if !matches!(field.ty, Type::Optional(_) | Type::Any)
                    && reading == Reading::Whole
                    && required(field, version) =>
            {
                return Err(wrong(resource, field, &field.ty, "null"));
            }
            Some(found) => {
                let read = read(found, &field.ty).map_err(|(wanted, found)| wrong(resource, field, &wanted, found))?;
                fields.insert(field.name.clone(), read);
            }
            None if reading == Reading::Whole && required(field, version) => {
                return Err(wrong(resource, field, &field.ty, "nothing"));
            }
            None => {}
        }
    }
    let id = fields.get("id").and_then(super::evaluate::plain);
    if id.is_none() && resource.fields.contains_key("id") && reading == Reading::Whole {
        let message = format!("the site answered a `{}` without an id", resource.name);
        return Err(RenderError::answer(resource.span, message));
    }
    let id = id.or_else(|| super::naming::link_id(resource, &fields));
    Ok(Row { id, fields })
}

fn wrong(resource: &Resource, field: &Field, wanted: &Type, found: &str) -> RenderError {
    let message = format!("expected {wanted} in `{}.{}`, and the site answered {found}", resource.name, field.name);
    RenderError::answer(field.span, message)
}

fn required(field: &Field, version: Option<Version>) -> bool {
    let offered = field.since.is_none_or(|since| version.is_some_and(|v| v >= since))
        && field.until.is_none_or(|until| version.is_none_or(|v| v <= until));
    offered && !field.once && !matches!(field.ty, Type::Optional(_) | Type::Any)
}

/// A header is text; of a number or truth it is read as such.
fn header(text: &str, ty: &Type) -> Json {
    match ty.present() {
        Type::String | Type::Secret => text.into(),
        _ => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    }
}

fn at(record: &Json, path: &[String], each: Option<&[String]>) -> Option<Json> {
    let mut found = record;
    for key in path {
        found = match found {
            Json::Array(items) => items.get(key.parse::<usize>().ok()?)?,
            other => other.get(key)?,
        };
    }
    match each {
        None => Some(found.clone()),
        Some(each) => {
            let items = found.as_array()?.iter();
            Some(items.filter_map(|i| at(i, each, None)).collect())
        }
    }
}

/// Every key that no field names, and `ignore` does not match. In a map of one type, `null` is what is not there.
fn rest(resource: &Resource, record: &Json, ty: &Type) -> Json {
    let named = |key: &str| {
        resource.fields.values().flat_map(|f| std::iter::once(&f.from).chain(f.before.as_ref().map(|(_, s)| s))).any(
            |source| match source {
                Source::Body { path, .. } => matches!(&path[..], [only] if only == key),
                Source::Header(_) | Source::Rest | Source::Whole => false,
            },
        )
    };
    let open = matches!(ty.present(), Type::Any);
    let mut rest: Map<String, Json> = record
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, value)| !named(key) && !ignored(resource, key) && (open || !value.is_null()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    for path in resource.ignore.iter().filter(|p| p.contains('.')) {
        let keys: Vec<&str> = path.split('.').collect();
        remove(&mut rest, &keys);
    }
    Json::Object(rest)
}

/// All of the record, but for what is the server's own.
fn whole(resource: &Resource, record: &Json) -> Json {
    let mut members = record.as_object().cloned().unwrap_or_default();
    members.retain(|key, _| !ignored(resource, key));
    for path in resource.ignore.iter().filter(|p| p.contains('.')) {
        let keys: Vec<&str> = path.split('.').collect();
        remove(&mut members, &keys);
    }
    Json::Object(members)
}

/// What is no base64 of a text stays as it is.
fn decoded(value: Json) -> Json {
    use base64::Engine;
    match value {
        Json::String(text) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(&text).ok();
            bytes.and_then(|b| String::from_utf8(b).ok()).unwrap_or(text).into()
        }
        Json::Array(items) => items.into_iter().map(decoded).collect(),
        Json::Object(members) => members.into_iter().map(|(k, v)| (k, decoded(v))).collect(),
        other => other,
    }
}

fn ignored(resource: &Resource, key: &str) -> bool {
    resource.ignore.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => key.starts_with(start),
        None => key == pattern,
    })
}

fn remove(record: &mut Map<String, Json>, path: &[&str]) {
    match path {
        [] => {}
        [last] => {
            record.shift_remove(*last);
        }
        [first, more @ ..] => {
            if let Some(Json::Object(inner)) = record.get_mut(*first) {
                remove(inner, more);
            }
        }
    }
}

/// The record without our own markers: they are not the user's to see, to compare or to copy.
fn unmarked(resource: &Resource, record: &Json) -> Json {
    let mut record = record.clone();
    for mark in &resource.marks {
        let Some((last, before)) = mark.at.split_last() else { continue };
        let mut inside = Some(&mut record);
        for key in before {
            inside = inside.and_then(|i| i.get_mut(key));
        }
        let Some(Json::Object(inside)) = inside else { continue };
        match (mark.shape, inside.get_mut(last)) {
            (MarkShape::Whole, Some(_)) => {
                inside.shift_remove(last);
            }
            (MarkShape::Item, Some(Json::Array(items))) => {
                items.retain(|i| !i.as_str().is_some_and(|t| t.starts_with(PREFIX)));
            }
            (MarkShape::Suffix, Some(Json::String(text))) => {
                if let Some((written, _)) = split_suffix(text) {
                    *text = written.to_string();
                }
            }
            (MarkShape::Record, Some(Json::Object(inner))) => {
                inner.shift_remove(RECORD_KEY);
            }
            _ => {}
        }
    }
    record
}

/// `text edge:KEY` as text and marker.
fn split_suffix(text: &str) -> Option<(&str, &str)> {
    let (written, marker) = match text.rfind(&format!(" {PREFIX}")) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => ("", text),
    };
    (marker.starts_with(PREFIX) && !marker.contains(char::is_whitespace)).then_some((written, marker))
}

/// The marker of an effect: `scope.marker`.
pub fn marker_text(key: &str) -> String {
    format!("{PREFIX}{key}")
}

/// Whether the record in an answer carries the marker, compared exactly; the filter of the search may have been ignored.
pub fn carries_marker(mark: &Mark, record: &Json, marker: &str) -> bool {
    let Some(found) = at(record, &mark.at, None) else { return false };
    match (mark.shape, &found) {
        (MarkShape::Whole, Json::String(text)) => text == marker,
        (MarkShape::Item, Json::Array(items)) => items.iter().any(|i| i == marker),
        (MarkShape::Suffix, Json::String(text)) => split_suffix(text).is_some_and(|(_, m)| m == marker),
        (MarkShape::Record, Json::Object(record)) => record.get(RECORD_KEY).is_some_and(|m| m == marker),
        _ => false,
    }
}

/// The value as the type reads it, or what was expected and what was found.
fn read(value: Json, ty: &Type) -> Result<Json, (Type, &'static str)> {
    let wrong = |value: &Json| Err((ty.clone(), kind_of(value)));
    match (ty, value) {
        (Type::Optional(_), Json::Null) => Ok(Json::Null),
        (Type::Optional(of), value) => read(value, of),
        (Type::Any | Type::Error, value) => Ok(value),
        // A secret need not be a text.
        (Type::Secret, value @ (Json::Object(_) | Json::Array(_))) => Ok(value),
        (Type::Bool, value @ Json::Bool(_)) => Ok(value),
        (Type::Int, Json::Number(n)) if n.is_i64() => Ok(Json::Number(n)),
        (Type::Bytes, Json::Number(n)) if n.is_u64() => Ok(Json::Number(n)),
        (Type::Float | Type::Percent | Type::Duration, value @ Json::Number(_)) => Ok(value),
        (Type::String | Type::Secret | Type::File | Type::Handle(_), value @ Json::String(_)) => Ok(value),
        (Type::List(of), Json::Array(items)) => items.into_iter().map(|i| read(i, of)).collect(),
        (Type::Map(of), Json::Object(members)) => {
            let read: Result<Map<String, Json>, _> =
                members.into_iter().map(|(k, v)| read(v, of).map(|v| (k, v))).collect();
            read.map(Json::Object)
        }
        (Type::Record(fields), Json::Object(members)) => record(members, fields),
        (_, value) => wrong(&value),
    }
}

fn record(mut members: Map<String, Json>, fields: &IndexMap<Name, Type>) -> Result<Json, (Type, &'static str)> {
    let mut found = Map::new();
    for (name, ty) in fields {
        let value = members.shift_remove(&**name).unwrap_or(Json::Null);
        found.insert(name.to_string(), read(value, ty)?);
    }
    Ok(Json::Object(found))
}
