//! The services of one simulated OpenStack site, as devstack lays them out: one authority, a path prefix each.
//!
//! A service is a synchronous function from the site's state and a call to a reply. Nothing runs in the background:
//! what time does (a build that ends, a server that vanishes, a token that expires) is worked out from the clock
//! when the next request looks. Only an upload of image data awaits anything.

mod compute;
mod identity;
mod image;
mod network;
mod placement;
mod wire;

use std::sync::Arc;

use http::request::Parts;
use serde_json::{Value, json};
use time::OffsetDateTime;

pub(super) use image::Contents;

use self::wire::{Call, Reply};
use super::exchange::Arriving;
use super::source::Source;
use super::spec::{Service, SiteSpec};
use super::world::{ImageSeen, KeypairSeen, ServerSeen, Site};
use crate::transport::Body;

/// Longest body of a request that is no image data.
const LONGEST_BODY: usize = 1 << 20;

/// All that a site remembers.
pub(super) struct State {
    ids: Source,
    identity: identity::Identity,
    images: image::Images,
    compute: compute::Compute,
    network: network::Network,
}

impl State {
    pub fn new(name: &str, spec: &SiteSpec, now: OffsetDateTime, mut ids: Source, contents: &mut Contents) -> Self {
        let identity = identity::Identity::new(name, spec, &mut ids);
        let images = image::Images::new(spec, &identity, now, &mut ids, contents);
        let network = network::Network::new(spec, &identity, now, &mut ids);
        let compute = compute::Compute::new(spec, &mut ids);
        State { ids, identity, images, compute, network }
    }

    /// Lets happen what is due.
    fn settle(&mut self, now: OffsetDateTime) {
        compute::settle(self, now);
    }

    pub fn servers_seen(&mut self, now: OffsetDateTime) -> Vec<ServerSeen> {
        self.settle(now);
        self.compute.seen()
    }

    pub fn keypairs_seen(&self) -> Vec<KeypairSeen> {
        self.compute.keypairs_seen()
    }

    pub fn flavors_seen(&self) -> Vec<String> {
        self.compute.flavors_seen()
    }

    pub fn server_groups_seen(&self) -> Vec<String> {
        self.compute.groups_seen()
    }

    pub fn images_seen(&self) -> Vec<ImageSeen> {
        self.images.seen()
    }

    pub fn network_seen(&self, plural: &str) -> Vec<Value> {
        self.network.seen(plural)
    }
}

pub(super) async fn answer(site: &Arc<Site>, parts: Parts, mut body: Arriving) -> http::Response<Body> {
    let method = parts.method.to_string();
    let Some((service, rest)) = service_at(parts.uri.path()).filter(|(service, _)| site.spec.offers(*service)) else {
        return nothing_here().response(&method);
    };
    let mut call = Call {
        segments: segments(rest),
        path: parts.uri.path().to_string(),
        query: url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect(),
        method: parts.method.to_string(),
        headers: parts.headers,
        body: bytes::Bytes::new(),
        now: site.clock.now(),
        base: site.base(),
        request_id: format!("req-{}", site.state().ids.uuid()),
    };
    let answer = if service == Service::Image && image::is_upload(&call) {
        image::upload(site, &call, body).await
    } else {
        let mut held = bytes::BytesMut::new();
        loop {
            match body.next().await {
                Some(Ok(bytes)) if held.len() + bytes.len() > LONGEST_BODY => {
                    let reply = refusal(service, 413, "Request is too large.");
                    return finished(reply, service, &call);
                }
                Some(Ok(bytes)) => held.extend_from_slice(&bytes),
                Some(Err(_)) => {
                    return finished(refusal(service, 400, "The request broke off."), service, &call);
                }
                None => break,
            }
        }
        call.body = held.freeze();
        let state = &mut *site.state();
        state.settle(call.now);
        match service {
            Service::Identity => identity::answer(site, state, &call),
            Service::Image => image::answer(site, state, &call),
            Service::Compute => compute::answer(site, state, &call),
            Service::Placement => placement::answer(site, state, &call),
            Service::Network => network::answer(site, state, &call),
        }
    };
    finished(answer.unwrap_or_else(|refused| refused), service, &call)
}

fn finished(reply: Reply, service: Service, call: &Call) -> http::Response<Body> {
    let reply = match service {
        Service::Compute => reply.header("x-compute-request-id", &call.request_id),
        _ => reply,
    };
    reply.header("x-openstack-request-id", &call.request_id).response(&call.method)
}

/// What a fault answers: a refusal in the service's own shape, or what a proxy says when the service is ill.
pub(super) fn failure(parts: &Parts, status: u16) -> http::Response<Body> {
    let title = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason()).unwrap_or("Unknown");
    let service = service_at(parts.uri.path()).map(|(service, _)| service);
    let mut reply = match service {
        Some(service) if status < 500 => refusal(service, status, title),
        _ => Reply::text(
            status,
            "text/html",
            format!(
                "<html><body><h1>{status} {title}</h1>\nNo server is available to handle this request.\n</body></html>\n"
            ),
        ),
    };
    if status == 429 {
        reply = reply.header("retry-after", "1");
    }
    reply.response(parts.method.as_str())
}

pub(super) fn service_of(path: &str) -> &'static str {
    service_at(path).map(|(service, _)| service.kind()).unwrap_or("")
}

/// The path prefix of a service.
fn prefix(service: Service) -> &'static str {
    match service {
        Service::Identity => "/identity",
        Service::Image => "/image",
        Service::Compute => "/compute",
        Service::Placement => "/placement",
        Service::Network => "/networking",
    }
}

fn service_at(path: &str) -> Option<(Service, &str)> {
    Service::ALL.into_iter().find_map(|service| {
        let rest = path.strip_prefix(prefix(service))?;
        (rest.is_empty() || rest.starts_with('/')).then_some((service, rest))
    })
}

fn segments(rest: &str) -> Vec<String> {
    let Some(rest) = rest.strip_prefix('/').filter(|rest| !rest.is_empty()) else {
        return Vec::new();
    };
    rest.split('/')
        .map(|segment| percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect()
}

fn nothing_here() -> Reply {
    Reply::text(
        404,
        "text/html",
        "<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>\n",
    )
}

fn refusal(service: Service, status: u16, message: &str) -> Reply {
    match service {
        Service::Identity => identity::error(status, message),
        Service::Image => image::plain_error(status, message),
        Service::Compute => compute::error(status, message),
        Service::Placement => placement::error(status, message),
        Service::Network => network::error(status, "HTTPError", message),
    }
}

/// What stands before every service but identity: no token, no entry.
fn authenticated(site: &Site, state: &mut State, call: &Call) -> Result<identity::Who, Reply> {
    let token = call.header("x-auth-token").unwrap_or_default();
    state.identity.who(token, call.now).ok_or_else(|| {
        let message = "The request you have made requires authentication.";
        let body = json!({"error": {"code": 401, "title": "Unauthorized", "message": message}});
        Reply::json(401, body).header("www-authenticate", format!("Keystone uri=\"{}/identity\"", site.base()))
    })
}
