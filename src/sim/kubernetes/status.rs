//! What a Kubernetes API server says when it refuses: `Status` objects, with the words of the real one.
//!
//! Clients decide by `reason` and by `details`, and people read `message`; all three are the real server's.

use serde_json::{Value, json};

use super::resources::Resource;

#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    pub code: u16,
    pub reason: &'static str,
    pub message: String,
    pub details: Option<Value>,
}

/// Why a field is not accepted: path, reason, words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    pub field: String,
    pub reason: &'static str,
    pub message: String,
}

impl Cause {
    pub fn required(field: impl Into<String>) -> Cause {
        Cause { field: field.into(), reason: "FieldValueRequired", message: "Required value".into() }
    }

    pub fn invalid(field: impl Into<String>, value: &Value, why: &str) -> Cause {
        Cause { field: field.into(), reason: "FieldValueInvalid", message: format!("Invalid value: {value}: {why}") }
    }

    pub fn forbidden(field: impl Into<String>, why: &str) -> Cause {
        Cause { field: field.into(), reason: "FieldValueForbidden", message: format!("Forbidden: {why}") }
    }

    pub fn unsupported(field: impl Into<String>, value: &str, known: &[&str]) -> Cause {
        let known: Vec<String> = known.iter().map(|word| format!("{word:?}")).collect();
        let message = format!("Unsupported value: {value:?}: supported values: {}", known.join(", "));
        Cause { field: field.into(), reason: "FieldValueNotSupported", message }
    }
}

impl Status {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Status {
        Status { code, reason, message: message.into(), details: None }
    }

    fn of(mut self, resource: &Resource, name: &str) -> Status {
        self.details = Some(details(name, &resource.group, &resource.plural));
        self
    }

    pub fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message,
        });
        if !self.reason.is_empty() {
            body["reason"] = self.reason.into();
        }
        if let Some(details) = &self.details {
            body["details"] = details.clone();
        }
        body["code"] = self.code.into();
        body
    }

    pub fn unauthorized() -> Status {
        Status::new(401, "Unauthorized", "Unauthorized")
    }

    pub fn forbidden(message: impl Into<String>, details: Value) -> Status {
        Status { details: Some(details), ..Status::new(403, "Forbidden", message) }
    }

    pub fn no_such_resource() -> Status {
        let message = "the server could not find the requested resource";
        Status { details: Some(json!({})), ..Status::new(404, "NotFound", message) }
    }

    pub fn not_found(resource: &Resource, name: &str) -> Status {
        Status::new(404, "NotFound", format!("{} {name:?} not found", resource.id())).of(resource, name)
    }

    pub fn exists(resource: &Resource, name: &str) -> Status {
        Status::new(409, "AlreadyExists", format!("{} {name:?} already exists", resource.id())).of(resource, name)
    }

    pub fn conflict(resource: &Resource, name: &str, why: &str) -> Status {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", resource.id());
        Status::new(409, "Conflict", message).of(resource, name)
    }

    pub fn modified(resource: &Resource, name: &str) -> Status {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Status::conflict(resource, name, why)
    }

    /// Other managers own what was applied.
    pub fn apply_conflict(message: String, causes: Vec<Cause>) -> Status {
        Status { details: Some(json!({"causes": listed(&causes)})), ..Status::new(409, "Conflict", message) }
    }

    pub fn invalid(resource: &Resource, name: &str, causes: Vec<Cause>) -> Status {
        let kind = match resource.group.is_empty() {
            true => resource.kind.clone(),
            false => format!("{}.{}", resource.kind, resource.group),
        };
        let each: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        let why = if each.len() == 1 { each[0].clone() } else { format!("[{}]", each.join(", ")) };
        let mut status = Status::new(422, "Invalid", format!("{kind} {name:?} is invalid: {why}"));
        let mut about = details(name, &resource.group, &resource.kind);
        about["causes"] = listed(&causes);
        status.details = Some(about);
        status
    }

    pub fn bad_request(message: impl Into<String>) -> Status {
        Status::new(400, "BadRequest", message)
    }

    pub fn not_allowed() -> Status {
        let message = "the server does not allow this method on the requested resource";
        Status { details: Some(json!({})), ..Status::new(405, "MethodNotAllowed", message) }
    }

    pub fn unsupported_media(accepted: &str) -> Status {
        let message =
            format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
        Status::new(415, "UnsupportedMediaType", message)
    }

    pub fn too_large() -> Status {
        Status::new(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")
    }

    pub fn expired(message: impl Into<String>) -> Status {
        Status::new(410, "Expired", message)
    }

    pub fn too_many(message: impl Into<String>, details: Value) -> Status {
        Status { details: Some(details), ..Status::new(429, "TooManyRequests", message) }
    }

    /// As a server answers that did not foresee this: no reason, no details.
    pub fn internal(message: impl Into<String>) -> Status {
        Status::new(500, "", message)
    }

    pub fn full() -> Status {
        Status::new(500, "", "etcdserver: mvcc: database space exceeded")
    }

    /// What a fault answers.
    pub fn plain(code: u16) -> Status {
        let (reason, message) = match code {
            400 => ("BadRequest", "the server rejected our request for an unknown reason"),
            401 => ("Unauthorized", "Unauthorized"),
            403 => ("Forbidden", "forbidden"),
            404 => ("NotFound", "the server could not find the requested resource"),
            409 => ("Conflict", "the server reported a conflict"),
            410 => ("Expired", "The resourceVersion for the provided watch is too old."),
            429 => ("TooManyRequests", "Too many requests, please try again later."),
            500 => ("InternalError", "Internal error occurred: etcdserver: request timed out"),
            503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
            504 => {
                ("Timeout", "Timeout: request did not complete within requested timeout - context deadline exceeded")
            }
            _ => ("", "an error on the server has prevented the request from succeeding"),
        };
        Status::new(code, reason, message)
    }
}

pub fn details(name: &str, group: &str, kind: &str) -> Value {
    let mut details = json!({});
    if !name.is_empty() {
        details["name"] = name.into();
    }
    if !group.is_empty() {
        details["group"] = group.into();
    }
    details["kind"] = kind.into();
    details
}

fn listed(causes: &[Cause]) -> Value {
    causes.iter().map(|c| json!({"reason": c.reason, "message": c.message, "field": c.field})).collect()
}
