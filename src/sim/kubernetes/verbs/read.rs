//! Getting one object, and listing many in pages.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Place;
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::resources::Resource;
use crate::sim::kubernetes::selectors::{Fields, Labels};
use crate::sim::kubernetes::status::Status;
use crate::sim::kubernetes::store::Key;
use crate::sim::kubernetes::table;
use crate::sim::kubernetes::wire::{Answer, Call, Reply};

pub fn get(state: &mut State, call: &Call, place: &Place) -> Answer {
    let object = place.object(state)?;
    Ok(table::shown(call, &place.resource, 200, &object))
}

/// What a list or a watch is narrowed to.
#[derive(Clone, Debug)]
pub struct Narrowed {
    pub labels: Labels,
    pub fields: Fields,
}

impl Narrowed {
    pub fn of(call: &Call, resource: &Resource) -> Result<Narrowed, Status> {
        Ok(Narrowed {
            labels: Labels::read(call.query("labelSelector").unwrap_or_default())?,
            fields: Fields::read(call.query("fieldSelector").unwrap_or_default(), &resource.id())?,
        })
    }

    pub fn matches(&self, object: &Value) -> bool {
        self.labels.matches(object) && self.fields.matches(object)
    }
}

/// A place in a namespace, or the whole cluster.
pub fn within(place: &Place) -> Option<&str> {
    Some(place.namespace.as_str()).filter(|namespace| !namespace.is_empty())
}

pub fn list(state: &mut State, call: &Call, place: &Place) -> Answer {
    let resource = &place.resource;
    let narrowed = Narrowed::of(call, resource)?;
    let limit: usize = match call.query("limit") {
        None | Some("") => 0,
        Some(text) => text.parse().map_err(|_| Status::bad_request(format!("invalid limit {text:?}")))?,
    };
    let from =
        call.query("continue").filter(|token| !token.is_empty()).map(|token| resume(state, token)).transpose()?;
    if let Some(wanted) = call.query("resourceVersion").and_then(|text| text.parse::<u64>().ok())
        && wanted > state.store.revision()
    {
        let message = format!("Timeout: Too large resource version: {wanted}, current: {}", state.store.revision());
        return Err(Status { code: 504, reason: "Timeout", message, details: Some(json!({"retryAfterSeconds": 1})) });
    }
    let id = resource.id();
    let revision = from.as_ref().map_or_else(|| state.store.revision(), |from| from.0);
    let then: Vec<(Key, Arc<Value>)> = match &from {
        Some((revision, _)) => state.store.list_at(&id, within(place), *revision),
        None => state.store.list(&id, within(place)).map(|(key, object)| (key.clone(), object.clone())).collect(),
    };
    let mut matching = then
        .into_iter()
        .filter(|(key, _)| from.as_ref().is_none_or(|(_, last)| (&key.namespace, &key.name) > (&last.0, &last.1)))
        .filter(|(_, object)| narrowed.matches(object));
    let page: Vec<(Key, Arc<Value>)> =
        if limit > 0 { matching.by_ref().take(limit).collect() } else { matching.by_ref().collect() };
    let rest = matching.count();
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if let Some((last, _)) = page.last().filter(|_| rest > 0) {
        metadata["continue"] = token(revision, last).into();
        metadata["remainingItemCount"] = rest.into();
    }
    let objects: Vec<Arc<Value>> = page.into_iter().map(|(_, object)| object).collect();
    if let Some(how) = table::wanted(call) {
        let body = table::of_list(call, resource, &objects, metadata, how);
        return Ok(Reply::typed(200, "application/json", body.to_string()));
    }
    let items: Vec<Value> = objects.iter().map(|object| versioned(resource, object)).collect();
    let body = json!({
        "kind": resource.list_kind,
        "apiVersion": resource.api_version(),
        "metadata": metadata,
        "items": items,
    });
    Ok(Reply::json(200, &body))
}

/// The object as this version of its resource shows it.
pub fn versioned(resource: &Resource, object: &Value) -> Value {
    let mut object = object.clone();
    object["apiVersion"] = resource.api_version().into();
    object
}

fn token(revision: u64, last: &Key) -> String {
    use base64::Engine;
    let start = json!({"v": "meta.k8s.io/v1", "rv": revision, "start": [last.namespace, last.name]});
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(start.to_string())
}

/// Where a list goes on: its revision, and the last object that was given.
fn resume(state: &State, token: &str) -> Result<(u64, (String, String)), Status> {
    use base64::Engine;
    let read = || {
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).ok()?;
        let start: Value = serde_json::from_slice(&bytes).ok()?;
        let text = |at: usize| start["start"][at].as_str().map(str::to_string);
        Some((start["rv"].as_u64()?, (text(0)?, text(1)?)))
    };
    let (revision, last) =
        read().ok_or_else(|| Status::bad_request("continue key is not valid: it could not be read"))?;
    if revision < state.store.forgotten() || revision > state.store.revision() {
        return Err(Status::expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list \
             without the continue parameter, or use the continue token in this response to retrieve the remainder of \
             the results. Continuing with the provided token results in an inconsistent list - objects that were \
             created, modified, or deleted between the time the first chunk was returned and now may show up in the \
             list.",
        ));
    }
    Ok((revision, last))
}
