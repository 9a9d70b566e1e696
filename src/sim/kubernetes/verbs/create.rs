//! Creating objects, and what every object goes through on its way in: reading, defaults, preparation, validation.

use serde_json::{Map, Value, json};

use super::{Place, mode};
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::controllers;
use crate::sim::kubernetes::managed::Writer;
use crate::sim::kubernetes::persist::{self, Mode, is_deleted};
use crate::sim::kubernetes::resources::Resource;
use crate::sim::kubernetes::schema::{self, Strange};
use crate::sim::kubernetes::status::{Cause, Status};
use crate::sim::kubernetes::table;
use crate::sim::kubernetes::validate;
use crate::sim::kubernetes::wire::{Answer, Call, Reply};

/// A name that the server completes keeps this much of what it was given.
const LONGEST_PREFIX: usize = 58;

/// An object that can be read, and what was strange in it.
pub struct Incoming {
    pub object: Value,
    pub strange: Strange,
    /// `Warning` headers for the answer.
    pub warnings: Vec<String>,
}

pub fn create(state: &mut State, call: &Call, place: &Place) -> Answer {
    let mode = mode(call)?;
    let mut incoming = read(state, call, place, call.object()?)?;
    let object = &mut incoming.object;
    if object["metadata"]["resourceVersion"].as_str().is_some_and(|version| !version.is_empty()) {
        return Err(Status::bad_request("resourceVersion should not be set on objects to be created"));
    }
    complete_name(state, object);
    let warnings = std::mem::take(&mut incoming.warnings);
    let writer = Writer::update(call.manager());
    let stored = insert(state, call, place, incoming, &writer, mode)?;
    Ok(table::shown(call, &place.resource, 201, &stored).warn(&warnings))
}

fn complete_name(state: &mut State, object: &mut Value) {
    let named = object["metadata"]["name"].as_str().is_some_and(|name| !name.is_empty());
    if let Some(prefix) = object["metadata"]["generateName"].as_str().filter(|prefix| !named && !prefix.is_empty()) {
        let kept: String = prefix.chars().take(LONGEST_PREFIX).collect();
        let name = format!("{kept}{}", controllers::suffix(&mut state.ids));
        object["metadata"]["name"] = name.into();
    }
}

/// Puts an object that is not there yet; also what an apply creates.
pub fn insert(
    state: &mut State,
    call: &Call,
    place: &Place,
    incoming: Incoming,
    writer: &Writer,
    mode: Mode,
) -> Result<std::sync::Arc<Value>, Status> {
    let resource = &place.resource;
    let Incoming { mut object, strange, .. } = incoming;
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_string();
    admit(state, resource, &place.namespace, &name)?;
    schema::fill(&resource.shape, &mut object);
    if resource.has("status") {
        object.as_object_mut().map(|map| map.shift_remove("status"));
    }
    validate::check(resource, &object, None, &strange)?;
    controllers::prepare::fresh(state, resource, &mut object, call.now)?;
    let key = persist::key_of(resource, &object);
    if let Some(there) = state.store.get(&key) {
        let mut status = Status::exists(resource, &name);
        if is_deleted(there) {
            status.message = format!("object is being deleted: {}", status.message);
        }
        return Err(status);
    }
    if state.store.len() >= state.spec.most_objects {
        return Err(Status::full());
    }
    Ok(persist::create(state, resource, object, writer, mode, call.now))
}

/// The namespace must be there, and not be about to end.
fn admit(state: &State, resource: &Resource, namespace: &str, name: &str) -> Result<(), Status> {
    if !resource.namespaced {
        return Ok(());
    }
    let Some(there) = state.get("namespaces", "", namespace) else {
        let namespaces = crate::sim::kubernetes::resources::known("namespaces");
        return Err(Status::not_found(namespaces, namespace));
    };
    if !is_deleted(&there) {
        return Ok(());
    }
    let message = format!(
        "{} {name:?} is forbidden: unable to create new content in namespace {namespace} because it is being terminated",
        resource.id()
    );
    let mut details = crate::sim::kubernetes::status::details(name, &resource.group, &resource.plural);
    details["causes"] = json!([{
        "reason": "NamespaceTerminating",
        "message": format!("namespace {namespace} is being terminated"),
        "field": "metadata.namespace",
    }]);
    Err(Status::forbidden(message, details))
}

/// Reads a body as an object of the place's kind.
pub fn read(state: &State, call: &Call, place: &Place, object: Value) -> Result<Incoming, Status> {
    let resource = &place.resource;
    let mut object = object;
    address(place, &mut object)?;
    let strange = schema::conform(&resource.shape, &mut object);
    let title = format!("{} in version {:?} cannot be handled as a {}", resource.kind, resource.version, resource.kind);
    if let Some(wrong) = strange.wrong.first().filter(|_| resource.custom.is_none()) {
        let message = format!(
            "{title}: json: cannot unmarshal {} into Go struct field {}.{} of type {}",
            wrong.found, wrong.within, wrong.path, wrong.wanted
        );
        return Err(Status::bad_request(message));
    }
    let unknown: Vec<String> = strange.unknown.iter().map(|path| format!("unknown field {path:?}")).collect();
    let mut warnings = Vec::new();
    // Older servers drop what they do not know, and say nothing.
    if state.minor >= 25 && !unknown.is_empty() {
        match call.query("fieldValidation").unwrap_or("Warn") {
            "Strict" => {
                let message = format!("{title}: strict decoding error: {}", unknown.join(", "));
                return Err(Status::bad_request(message));
            }
            "Ignore" => {}
            _ => warnings = unknown,
        }
    }
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    Ok(Incoming { object, strange, warnings })
}

/// Kind, version, namespace and name are those of the request's path.
pub fn address(place: &Place, object: &mut Value) -> Result<(), Status> {
    let resource = &place.resource;
    let Some(map) = object.as_object_mut() else {
        return Err(Status::bad_request("the object provided is unrecognized (must be of type an object)"));
    };
    let text =
        |map: &Map<String, Value>, key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
    let (kind, version) = (text(map, "kind"), text(map, "apiVersion"));
    if resource.custom.is_some() && kind.is_empty() {
        let message = format!("Object 'Kind' is missing in '{}'", clipped(&Value::Object(map.clone())));
        return Err(Status::bad_request(message));
    }
    if !kind.is_empty() && kind != resource.kind {
        let message = format!(
            "{kind} in version {version:?} cannot be handled as a {}: no kind {kind:?} is registered for version {version:?}",
            resource.kind
        );
        return Err(Status::bad_request(message));
    }
    if !version.is_empty() && version != resource.api_version() {
        let message = format!(
            "the API version in the data ({version}) does not match the expected API version ({})",
            resource.api_version()
        );
        return Err(Status::bad_request(message));
    }
    map.insert("kind".into(), resource.kind.clone().into());
    map.insert("apiVersion".into(), resource.api_version().into());
    let metadata = map.entry("metadata").or_insert_with(|| json!({}));
    let Some(metadata) = metadata.as_object_mut() else { return Ok(()) };
    let own = text(metadata, "namespace");
    if resource.namespaced {
        if !own.is_empty() && own != place.namespace {
            let message = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(Status::bad_request(message));
        }
        metadata.insert("namespace".into(), place.namespace.clone().into());
    } else {
        metadata.shift_remove("namespace");
    }
    let name = text(metadata, "name");
    if !place.name.is_empty() && name != place.name {
        if name.is_empty() {
            metadata.insert("name".into(), place.name.clone().into());
        } else {
            let message =
                format!("the name of the object ({name}) does not match the name on the URL ({})", place.name);
            return Err(Status::bad_request(message));
        }
    }
    Ok(())
}

fn clipped(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}

impl Reply {
    pub fn warn(self, warnings: &[String]) -> Reply {
        warnings.iter().fold(self, |reply, warning| {
            let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
            reply.header("warning", format!("299 - \"{quoted}\""))
        })
    }
}

/// An object that contradicts its type is refused when it is stored, not when it is read, where its type is custom.
pub fn stored(resource: &Resource, object: &mut Value) -> Strange {
    schema::conform(&resource.shape, object)
}

pub fn must_name_version(resource: &Resource, name: &str) -> Status {
    let cause = Cause {
        field: "metadata.resourceVersion".into(),
        reason: "FieldValueInvalid",
        message: "Invalid value: 0x0: must be specified for an update".into(),
    };
    Status::invalid(resource, name, vec![cause])
}
