//! From a request to what is asked of which resource, and whether it may be asked.

mod create;
mod delete;
mod logs;
mod read;
mod review;
mod scale;
mod update;
mod watching;

use std::sync::Arc;

use serde_json::Value;

use super::State;
use super::access::{self, Deed, Who};
use super::api::{discovery, openapi};
use super::persist::Mode;
use super::resources::Resource;
use super::status::Status;
use super::store::Key;
use super::wire::{Answer, Call, Reply};
use crate::sim::world::Site;

/// Where a request goes.
struct Place {
    resource: Arc<Resource>,
    /// Empty: the whole cluster.
    namespace: String,
    name: String,
    sub: String,
}

impl Place {
    fn key(&self) -> Key {
        Key::new(&self.resource.id(), &self.namespace, &self.name)
    }

    /// The object, or that there is none.
    fn object(&self, state: &State) -> Result<Arc<Value>, Status> {
        let found = state.store.get(&self.key()).cloned();
        found.ok_or_else(|| Status::not_found(&self.resource, &self.name))
    }
}

pub(super) fn respond(site: &Arc<Site>, state: &mut State, call: &Call) -> Answer {
    let segments = call.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let who = access::who(state, call)?;
    match segments[..] {
        ["api" | "apis", ..] => {}
        ["version"] => {
            access::reads_path(state, &who, &call.path)?;
            return Ok(Reply::json(200, &discovery::version(state)));
        }
        ["openapi", "v2"] => {
            access::reads_path(state, &who, &call.path)?;
            return openapi::v2(state, call);
        }
        ["openapi", "v3", ref rest @ ..] => {
            access::reads_path(state, &who, &call.path)?;
            return openapi::v3(state, call, rest).unwrap_or_else(|| Ok(not_a_page()));
        }
        ["healthz" | "livez" | "readyz", ..] => return Ok(Reply::text(200, "ok")),
        _ => return Ok(not_a_page()),
    }
    let rest = match segments[..] {
        ["api", "v1", ref rest @ ..] if !rest.is_empty() => ("", "v1", rest),
        ["apis", group, version, ref rest @ ..] if !rest.is_empty() => (group, version, rest),
        _ => {
            access::reads_path(state, &who, &call.path)?;
            if call.method != "GET" {
                return Err(Status::not_allowed());
            }
            return discovery::answer(state, call, &segments).unwrap_or_else(|| Ok(not_a_page()));
        }
    };
    let (group, version, rest) = rest;
    if !discovery::versions(state, group).iter().any(|own| own == version) {
        return Ok(not_a_page());
    }
    let place = place(state, group, version, rest)?;
    let verb = verb(call, &place);
    let full = if place.sub.is_empty() {
        place.resource.plural.clone()
    } else {
        format!("{}/{}", place.resource.plural, place.sub)
    };
    let deed = Deed { verb, group, resource: &full, namespace: &place.namespace, name: &place.name };
    access::require(state, &who, &place.resource, &deed)?;
    carry_out(site, state, call, &who, &place, verb)
}

/// What a path without anything behind it is answered with.
fn not_a_page() -> Reply {
    Reply::text(404, "404 page not found\n")
}

fn place(state: &State, group: &str, version: &str, rest: &[&str]) -> Result<Place, Status> {
    let (namespace, rest) = match rest {
        // These are the namespace's own.
        ["namespaces", _] | ["namespaces", _, "status" | "finalize"] if group.is_empty() => ("", rest),
        ["namespaces", namespace, inner @ ..] if !inner.is_empty() => (*namespace, inner),
        _ => ("", rest),
    };
    let (plural, name, sub) = match rest {
        [plural] => (*plural, "", ""),
        [plural, name] => (*plural, *name, ""),
        [plural, name, sub] => (*plural, *name, *sub),
        _ => return Err(Status::no_such_resource()),
    };
    let resource = state.resource(group, version, plural).ok_or_else(Status::no_such_resource)?;
    if (!namespace.is_empty() && !resource.namespaced) || (!sub.is_empty() && !resource.has(sub)) {
        return Err(Status::no_such_resource());
    }
    if resource.namespaced && namespace.is_empty() && !name.is_empty() {
        return Err(Status::no_such_resource());
    }
    let (namespace, name, sub) = (namespace.to_string(), name.to_string(), sub.to_string());
    Ok(Place { resource, namespace, name, sub })
}

fn verb(call: &Call, place: &Place) -> &'static str {
    match (call.method.as_str(), place.name.is_empty()) {
        ("GET", false) => "get",
        ("GET", true) if call.flag("watch") => "watch",
        ("GET", true) => "list",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", false) => "delete",
        ("DELETE", true) => "deletecollection",
        _ => "",
    }
}

fn carry_out(site: &Arc<Site>, state: &mut State, call: &Call, who: &Who, place: &Place, verb: &str) -> Answer {
    let resource = &place.resource;
    if resource.group == "authorization.k8s.io" || resource.group == "authentication.k8s.io" {
        return if verb == "create" { review::answer(state, call, who, place) } else { Err(Status::not_allowed()) };
    }
    match (place.sub.as_str(), verb) {
        ("", _) if !verb.is_empty() && !resource.can(verb) => Err(Status::not_allowed()),
        ("log", "get") => logs::answer(state, call, place),
        ("scale", "get") => scale::get(state, place),
        ("scale", "update" | "patch") => scale::change(state, call, place),
        ("eviction", "create") => delete::evict(state, call, place),
        ("token", "create") => review::token(state, call, place),
        ("binding", "create") => Err(Status::conflict(resource, &place.name, "pod is already assigned to a node")),
        ("log" | "scale" | "eviction" | "token" | "binding", _) => Err(Status::not_allowed()),
        (_, "get") => read::get(state, call, place),
        ("", "list") => read::list(state, call, place),
        ("", "watch") => watching::watch(site, state, call, place),
        ("", "create") if place.name.is_empty() => create::create(state, call, place),
        (_, "update") => update::put(state, call, place),
        (_, "patch") if place.sub != "finalize" => update::patch(state, call, place),
        ("", "delete") => delete::delete(state, call, place),
        ("", "deletecollection") => delete::collection(state, call, place),
        _ => Err(Status::not_allowed()),
    }
}

fn mode(call: &Call) -> Result<Mode, Status> {
    match call.query("dryRun") {
        None | Some("") => Ok(Mode::Real),
        Some("All") => Ok(Mode::Dry),
        Some(other) => {
            Err(Status::bad_request(format!("invalid dryRun: Unsupported value: {other:?}: supported values: \"All\"")))
        }
    }
}
