//! Drivers through their door, a `Session`: OpenStack's against the simulated sites under virtual time (`simulated`)
//! and against answers that no decent site gives (`odd`), those of Kubernetes and of
//! HTTP applications (`kubernetes`, `gathering`, `watching`, `http_application`), and what is
//! below them over real sockets (`sockets`).

mod gathering;
mod http_application;
mod kubernetes;
mod odd;
mod pure;
mod simulated;
mod sockets;
mod watching;

use edge::config::{Auth, Cloud, Connection, Tls};
use edge::drivers::turns::{AllTurns, Turns};
use edge::drivers::{Limits, Session, Surroundings};
use edge::transport::Transport;
use edge_lang::library::{Listing, Method, Pages, Payload, Request, Rows, Version};
use edge_lang::model::SiteId;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A cloud by its `auth`: the type, and values.
pub fn cloud(kind: &str, values: &[(&str, &str)]) -> Cloud {
    let mut auth = Auth { kind: kind.into(), ..Auth::default() };
    values.iter().for_each(|(key, value)| auth.set(key, (*value).to_string()));
    Cloud {
        name: "cloud".into(),
        region: None,
        one_of_many: false,
        auth,
        interfaces: vec!["public".into()],
        tls: Tls::default(),
        services: BTreeMap::new(),
        api_timeout: None,
        file: None,
        line: 0,
    }
}

/// Of one site alone.
pub fn turns(at_once: usize) -> Turns {
    AllTurns::default().of(SiteId(0), at_once)
}

pub fn open(cloud: Cloud, transport: Arc<dyn Transport>) -> Box<dyn Session> {
    let outside = Surroundings { transport, turns: turns(4), seed: 7 };
    edge::drivers::open(&Connection::openstack("site", cloud), outside).unwrap_or_else(|e| panic!("{e}"))
}

pub fn limits(seconds: u64) -> Limits {
    Limits { time: Duration::from_secs(seconds), rows: 10_000 }
}

pub fn request(method: Method, service: &str, path: &str) -> Request {
    let base = match service {
        "image" => "/v2",
        "network" => "/v2.0",
        "identity" => "/v3",
        _ => "",
    };
    Request {
        service: service.into(),
        base: base.into(),
        method,
        path: path.into(),
        query: Vec::new(),
        headers: Vec::new(),
        payload: Payload::None,
        content_type: None,
        version: None,
        auth: None,
        errors: None,
        repeatable: matches!(method, Method::Get | Method::Head | Method::Delete),
        discreet: false,
    }
}

pub fn get(service: &str, path: &str) -> Request {
    request(Method::Get, service, path)
}

pub fn post(service: &str, path: &str, body: Value) -> Request {
    Request { payload: Payload::Json(body), ..request(Method::Post, service, path) }
}

pub fn at(version: &str, request: Request) -> Request {
    Request { version: Version::parse(version), ..request }
}

pub fn listing(service: &str, path: &str, key: &str, pages: Pages) -> Listing {
    Listing { request: get(service, path), rows: Rows { key: key.into(), each: None }, pages: Some(pages) }
}
