//! A request as the services read it and the reply they give, apart from any HTTP library.
//!
//! Handlers answer `Result<Reply, Reply>`: an error is a reply like any other, in the shape of its service.

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::transport::{Body, empty_body, full_body};

pub(super) type Answer = Result<Reply, Reply>;
pub(super) type Object = Map<String, Value>;

pub(super) struct Call {
    pub method: String,
    /// As sent, without the query.
    pub path: String,
    /// What follows the service's prefix, decoded; a trailing slash is an empty last segment.
    pub segments: Vec<String>,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub now: OffsetDateTime,
    pub request_id: String,
    /// Scheme and authority under which the client reaches the site.
    pub base: String,
}

impl Call {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn queries<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn path(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    pub fn json(&self) -> Result<Value, Wrong> {
        serde_json::from_slice(&self.body).map_err(|_| Wrong("Malformed request body".into()))
    }

    /// This list's address with another marker.
    pub fn next_link(&self, marker: &str) -> String {
        let mut query: Vec<(&str, &str)> =
            self.query.iter().filter(|(key, _)| key != "marker").map(|(k, v)| (k.as_str(), v.as_str())).collect();
        query.push(("marker", marker));
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        format!("{}?{query}", self.path)
    }
}

/// What is wrong with what the client sent; each service wraps it in its own kind of 400.
#[derive(Debug)]
pub(super) struct Wrong(pub String);

/// The object under `key` of a body, as in `{"server": {..}}`.
pub(super) fn wrapped<'a>(body: &'a Value, key: &str) -> Result<&'a Object, Wrong> {
    body.get(key)
        .ok_or_else(|| Wrong(format!("'{key}' is a required property")))?
        .as_object()
        .ok_or_else(|| Wrong(format!("Invalid input for field/attribute {key}. It is not of type 'object'")))
}

pub(super) fn text<'a>(object: &'a Object, key: &str) -> Result<Option<&'a str>, Wrong> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(wrong_type(key, other, "string")),
    }
}

pub(super) fn needed<'a>(object: &'a Object, key: &str) -> Result<&'a str, Wrong> {
    text(object, key)?.ok_or_else(|| Wrong(format!("'{key}' is a required property")))
}

pub(super) fn flag(object: &Object, key: &str) -> Result<Option<bool>, Wrong> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(Value::String(text)) => boolean(text).map(Some).ok_or_else(|| wrong_type(key, &object[key], "boolean")),
        Some(other) => Err(wrong_type(key, other, "boolean")),
    }
}

/// A count: not negative, and small enough to be added up without overflow.
pub(super) fn count(object: &Object, key: &str) -> Result<Option<u64>, Wrong> {
    let read = match object.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.parse().ok(),
        Some(other) => other.as_u64(),
    };
    match read.filter(|count| *count <= i32::MAX as u64) {
        Some(count) => Ok(Some(count)),
        None => Err(wrong_type(key, &object[key], "integer")),
    }
}

pub(super) fn strings(object: &Object, key: &str) -> Result<Option<Vec<String>>, Wrong> {
    let list = match object.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(list)) => list,
        Some(other) => return Err(wrong_type(key, other, "array")),
    };
    let texts =
        list.iter().map(|item| item.as_str().map(str::to_string).ok_or_else(|| wrong_type(key, item, "string")));
    texts.collect::<Result<_, _>>().map(Some)
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "t" | "y" => Some(true),
        "false" | "0" | "no" | "off" | "f" | "n" => Some(false),
        _ => None,
    }
}

pub(super) fn wrong_type(key: &str, value: &Value, kind: &str) -> Wrong {
    let mut shown: String = value.to_string().chars().take(100).collect();
    shown = shown.replace('"', "'");
    Wrong(format!("Invalid input for field/attribute {key}. Value: {shown}. {shown} is not of type '{kind}'"))
}

pub(super) struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Content,
}

pub(super) enum Content {
    Empty,
    Json(Box<Value>),
    Text(&'static str, String),
    /// Data in pieces, of that many bytes together.
    Chunks(Vec<Bytes>, u64),
}

impl Reply {
    pub fn json(status: u16, body: Value) -> Self {
        Reply { status, headers: Vec::new(), body: Content::Json(Box::new(body)) }
    }

    pub fn empty(status: u16) -> Self {
        Reply { status, headers: Vec::new(), body: Content::Empty }
    }

    pub fn text(status: u16, kind: &'static str, body: impl Into<String>) -> Self {
        Reply { status, headers: Vec::new(), body: Content::Text(kind, body.into()) }
    }

    pub fn chunks(chunks: Vec<Bytes>, size: u64) -> Self {
        Reply { status: 200, headers: Vec::new(), body: Content::Chunks(chunks, size) }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// As HTTP; the answer to HEAD has no body.
    pub fn response(self, method: &str) -> http::Response<Body> {
        let mut response = http::Response::builder().status(self.status);
        for (name, value) in self.headers {
            // A value that is no header value came from a client; it is left out.
            if let Ok(value) = http::HeaderValue::from_str(&value) {
                response = response.header(name, value);
            }
        }
        let (kind, bytes, size) = match self.body {
            Content::Empty => (None, full(Bytes::new()), 0),
            Content::Json(value) => {
                let text = value.to_string();
                let size = text.len() as u64;
                (Some("application/json"), full(text.into()), size)
            }
            Content::Text(kind, text) => {
                let size = text.len() as u64;
                (Some(kind), full(text.into()), size)
            }
            Content::Chunks(chunks, size) => {
                let frames = chunks.into_iter().map(|chunk| Ok(http_body::Frame::data(chunk)));
                let body = StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
                (Some("application/octet-stream"), body, size)
            }
        };
        if let Some(kind) = kind {
            response = response.header("content-type", kind);
        }
        if self.status != 204 {
            response = response.header("content-length", size);
        }
        let body = if method == "HEAD" { empty_body() } else { bytes };
        response.body(body).unwrap_or_else(|_| {
            let mut response = http::Response::new(empty_body());
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
            response
        })
    }
}

fn full(bytes: Bytes) -> Body {
    full_body(bytes)
}
