//! A request as the API server reads it, and its reply.
//!
//! Handlers answer `Result<Reply, Status>`: a refusal is a `Status`, whatever the handler. Only watches have a body
//! that goes on.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;
use time::OffsetDateTime;

use super::protobuf;
use super::status::Status;
use crate::transport::{Body, empty_body, full_body};

pub type Answer = Result<Reply, Status>;

pub struct Call {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub now: OffsetDateTime,
}

impl Call {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// As Go's parser of query parameters reads a flag.
    pub fn flag(&self, name: &str) -> bool {
        self.query(name).is_some_and(|value| !matches!(value, "false" | "0"))
    }

    /// The path below the root, in segments.
    pub fn segments(&self) -> Vec<String> {
        let decoded = |segment: &str| percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned();
        self.path.split('/').filter(|segment| !segment.is_empty()).map(decoded).collect()
    }

    /// Without parameters.
    pub fn content_type(&self) -> &str {
        self.header("content-type").split(';').next().unwrap_or_default().trim()
    }

    /// The body, in JSON or YAML.
    pub fn object(&self) -> Result<Value, Status> {
        match self.content_type() {
            "" | "application/json" => parsed(&self.body),
            "application/yaml" => yaml(&self.body),
            "application/vnd.kubernetes.protobuf" => protobuf::read(&self.body)
                .ok_or_else(|| Status::unsupported_media("application/json, application/yaml")),
            _ => Err(Status::unsupported_media(
                "application/json, application/yaml, application/vnd.kubernetes.protobuf",
            )),
        }
    }

    /// Who writes, as `managedFields` has it.
    pub fn manager(&self) -> String {
        match self.query("fieldManager") {
            Some(manager) if !manager.is_empty() => manager.to_string(),
            _ => {
                let agent = self.header("user-agent").split('/').next().unwrap_or_default();
                let name = if agent.is_empty() { "unknown" } else { agent };
                name.chars().filter(|c| !c.is_control()).take(128).collect()
            }
        }
    }

    /// A media type that the client accepts, and its parameters.
    pub fn accepts(&self) -> impl Iterator<Item = (&str, Vec<(&str, &str)>)> {
        self.header("accept").split(',').map(|one| {
            let mut parts = one.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            (kind, parts.filter_map(|part| part.split_once('=')).collect())
        })
    }
}

pub fn parsed(body: &[u8]) -> Result<Value, Status> {
    serde_json::from_slice(body).map_err(|error| {
        let message = format!("the object provided is unrecognized (must be of type an object): {error}");
        Status::bad_request(message)
    })
}

pub fn yaml(body: &[u8]) -> Result<Value, Status> {
    serde_yaml::from_slice(body).map_err(|error| Status::bad_request(format!("error decoding YAML: {error}")))
}

pub struct Reply {
    pub status: u16,
    pub kind: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Content,
}

pub enum Content {
    Whole(Bytes),
    Stream(Body),
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Reply {
        Reply::typed(status, "application/json", body.to_string())
    }

    pub fn typed(status: u16, kind: &'static str, body: impl Into<Bytes>) -> Reply {
        Reply { status, kind, headers: Vec::new(), body: Content::Whole(body.into()) }
    }

    pub fn text(status: u16, body: impl Into<Bytes>) -> Reply {
        Reply::typed(status, "text/plain; charset=utf-8", body)
    }

    pub fn stream(body: Body) -> Reply {
        Reply { status: 200, kind: "application/json", headers: Vec::new(), body: Content::Stream(body) }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }

    pub fn response(self, method: &str) -> http::Response<Body> {
        let mut response = http::Response::builder().status(self.status).header("content-type", self.kind);
        for (name, value) in self.headers {
            // A value that is no header value came from a client; it is left out.
            if let Ok(value) = http::HeaderValue::from_str(&value) {
                response = response.header(name, value);
            }
        }
        let body = match self.body {
            Content::Whole(bytes) => {
                response = response.header("content-length", bytes.len());
                if method == "HEAD" { empty_body() } else { full_body(bytes) }
            }
            Content::Stream(body) => body,
        };
        response.body(body).unwrap_or_else(|_| {
            let mut response = http::Response::new(empty_body());
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
            response
        })
    }
}

impl From<Status> for Reply {
    fn from(status: Status) -> Reply {
        let reply = Reply::json(status.code, &status.body());
        if status.code == 429 && status.reason == "TooManyRequests" && status.details.is_none() {
            return reply.header("retry-after", "1");
        }
        reply
    }
}
