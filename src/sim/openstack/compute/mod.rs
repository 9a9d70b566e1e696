//! Nova 2.1 with its microversions, 2.1 to 2.93: servers and what they are made with.
//!
//! The hard part is that one server has many shapes. Every handler gets the version that the request speaks, and
//! asks it wherever Nova's own shapes differ; an operation newer than the version is 404, as an absent thing is.

mod action;
mod create;
mod flavor;
mod group;
mod keypair;
mod operator;
mod part;
mod quota;
mod server;
mod version;
mod view;

use indexmap::IndexMap;
use serde_json::{Value, json};

use self::flavor::Flavor;
use self::group::Group;
use self::keypair::Keypair;
use self::server::Server;
pub(super) use self::server::settle;
use self::version::Version;
use super::identity::Who;
use super::wire::{Answer, Call, Reply, Wrong};
use super::{State, authenticated};
use crate::sim::source::Source;
use crate::sim::spec::{HostSpec, Quotas, SiteSpec, Timings};
use crate::sim::world::{KeypairSeen, ServerSeen, Site};

pub(super) struct Compute {
    servers: IndexMap<String, Server>,
    flavors: IndexMap<String, Flavor>,
    /// By user, then by name.
    keypairs: IndexMap<String, IndexMap<String, Keypair>>,
    groups: IndexMap<String, Group>,
    hosts: Vec<Host>,
    limits: Quotas,
    /// What an administrator set for a project.
    quotas: IndexMap<String, IndexMap<String, i64>>,
    timings: Timings,
    newest: Version,
}

pub(super) struct Host {
    pub spec: HostSpec,
    /// In placement too.
    pub id: String,
    /// Of its compute service.
    pub service: String,
    pub disabled: Option<String>,
}

/// What of a host is in use.
#[derive(Clone, Copy, Default)]
pub(super) struct Used {
    pub vcpus: u64,
    pub ram: u64,
    pub disk: u64,
    pub servers: u64,
}

/// What every handler is given.
struct Request<'a> {
    call: &'a Call,
    who: &'a Who,
    version: Version,
}

impl Compute {
    pub fn new(spec: &SiteSpec, ids: &mut Source) -> Self {
        let flavors = spec.flavors.iter().map(|given| Flavor::seeded(given, ids));
        let host = |spec: &HostSpec, ids: &mut Source| Host {
            spec: spec.clone(),
            id: ids.uuid(),
            service: ids.uuid(),
            disabled: None,
        };
        Compute {
            servers: IndexMap::new(),
            flavors: flavors.map(|flavor| (flavor.id.clone(), flavor)).collect(),
            keypairs: IndexMap::new(),
            groups: IndexMap::new(),
            hosts: spec.hosts.iter().map(|given| host(given, ids)).collect(),
            limits: spec.quotas.clone(),
            quotas: IndexMap::new(),
            timings: spec.timings.clone(),
            newest: Version(spec.max_microversion().unwrap_or(1)),
        }
    }

    pub fn seen(&self) -> Vec<ServerSeen> {
        self.servers.values().map(Server::seen).collect()
    }

    pub fn keypairs_seen(&self) -> Vec<KeypairSeen> {
        let all = self.keypairs.iter().flat_map(|(user, own)| own.values().map(move |keypair| keypair.seen(user)));
        all.collect()
    }

    pub fn flavors_seen(&self) -> Vec<String> {
        self.flavors.values().map(|flavor| flavor.name.clone()).collect()
    }

    pub fn groups_seen(&self) -> Vec<String> {
        self.groups.values().map(|group| group.name.clone()).collect()
    }

    pub fn hosts(&self) -> impl Iterator<Item = (&Host, Used)> {
        self.hosts.iter().map(|host| (host, self.used(&host.spec.name)))
    }

    /// Servers on a host, as placement counts them.
    pub fn placed(&self, host: &str) -> impl Iterator<Item = (&str, u64, u64, u64)> {
        let here = self.servers.values().filter(move |server| server.host.as_deref() == Some(host));
        here.map(|server| (server.id.as_str(), server.flavor.vcpus, server.flavor.ram, server.flavor.disk))
    }

    fn used(&self, host: &str) -> Used {
        self.placed(host).fold(Used::default(), |used, (_, vcpus, ram, disk)| Used {
            vcpus: used.vcpus + vcpus,
            ram: used.ram + ram,
            disk: used.disk + disk,
            servers: used.servers + 1,
        })
    }

    /// The first host with room for a flavor.
    fn host_for(&self, flavor: &Flavor, but: Option<&str>) -> Option<String> {
        let fits = |host: &Host, used: Used| {
            used.vcpus + flavor.vcpus <= host.spec.vcpus
                && used.ram + flavor.ram <= host.spec.ram
                && used.disk + flavor.disk <= host.spec.disk
        };
        let mut able = self.hosts().filter(|(host, used)| host.disabled.is_none() && fits(host, *used));
        able.find(|(host, _)| but != Some(host.spec.name.as_str())).map(|(host, _)| host.spec.name.clone())
    }
}

pub(super) fn answer(site: &Site, state: &mut State, call: &Call) -> Answer {
    let path = call.path();
    let method = if call.method == "HEAD" { "GET" } else { call.method.as_str() };
    let newest = state.compute.newest;
    match (method, &path[..]) {
        ("GET", [] | [""]) => return Ok(Reply::json(200, version::all(call, newest))),
        ("GET", ["v2.1"] | ["v2.1", ""]) => return Ok(Reply::json(200, version::current(call, newest))),
        _ => {}
    }
    let who = authenticated(site, state, call)?;
    let version = version::asked(call, newest)?;
    let ["v2.1", rest @ ..] = &path[..] else {
        return Err(not_found());
    };
    let request = Request { call, who: &who, version };
    let answer = respond(state, &request, method, rest);
    let spoken = |reply: Reply| {
        let text = version.to_string();
        let reply = reply.header("openstack-api-version", format!("compute {text}"));
        reply
            .header("x-openstack-nova-api-version", text)
            .header("vary", "OpenStack-API-Version, X-OpenStack-Nova-API-Version")
    };
    answer.map(spoken).map_err(spoken)
}

fn respond(state: &mut State, request: &Request, method: &str, path: &[&str]) -> Answer {
    let version = request.version;
    match (method, path) {
        ("GET", ["servers"]) => server::list(state, request, false),
        ("GET", ["servers", "detail"]) => server::list(state, request, true),
        ("POST", ["servers"]) => create::create(state, request),
        ("GET", ["servers", id]) => server::show(state, request, id),
        ("PUT", ["servers", id]) => server::update(state, request, id),
        ("DELETE", ["servers", id]) => server::delete(state, request, id),
        ("POST", ["servers", id, "action"]) => action::act(state, request, id),
        (_, ["servers", id, rest @ ..]) => part::answer(state, request, method, id, rest),
        (_, ["flavors", rest @ ..]) => flavor::answer(state, request, method, rest),
        (_, ["os-keypairs", rest @ ..]) => keypair::answer(state, request, method, rest),
        (_, ["os-server-groups", rest @ ..]) => group::answer(state, request, method, rest),
        ("GET", ["limits"]) => Ok(quota::limits(state, request)),
        (_, ["os-quota-sets", project, rest @ ..]) => quota::answer(state, request, method, project, rest),
        ("GET", ["images" | "os-networks", ..]) if version >= Version(36) => Err(not_found()),
        _ => operator::answer(state, request, method, path),
    }
}

pub(super) fn error(status: u16, message: &str) -> Reply {
    let name = match status {
        400 => "badRequest",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "itemNotFound",
        405 => "badMethod",
        409 => "conflictingRequest",
        413 | 429 => "overLimit",
        415 => "badMediaType",
        501 => "notImplemented",
        503 => "serviceUnavailable",
        _ => "computeFault",
    };
    Reply::json(status, json!({name: {"code": status, "message": message}}))
}

fn bad(wrong: Wrong) -> Reply {
    error(400, &wrong.0)
}

fn refused(message: &str) -> Reply {
    error(400, message)
}

fn not_found() -> Reply {
    error(404, "The resource could not be found.")
}

/// Not this user's to do.
fn policy(rule: &str) -> Reply {
    error(403, &format!("Policy doesn't allow os_compute_api:{rule} to be performed."))
}

fn admin_only(request: &Request, rule: &str) -> Result<(), Reply> {
    if request.who.admin { Ok(()) } else { Err(policy(rule)) }
}

fn links(call: &Call, collection: &str, id: &str) -> Value {
    json!([
        {"rel": "self", "href": format!("{}/compute/v2.1/{collection}/{id}", call.base)},
        {"rel": "bookmark", "href": format!("{}/compute/{collection}/{id}", call.base)},
    ])
}

/// Where a list begins and how long a page is.
struct Page {
    limit: usize,
    marker: Option<String>,
}

const LONGEST_PAGE: usize = 1000;

impl Page {
    fn of(call: &Call) -> Result<Self, Reply> {
        let limit = match call.query("limit") {
            None => LONGEST_PAGE,
            Some(text) => text.parse::<usize>().map_err(|_| refused("limit param must be an integer"))?,
        };
        let limit = if limit == 0 { LONGEST_PAGE } else { limit.min(LONGEST_PAGE) };
        Ok(Page { limit, marker: call.query("marker").map(str::to_string) })
    }

    /// The page's part of the rows, and whether a next one may follow.
    fn cut<T>(&self, rows: Vec<T>, id: impl Fn(&T) -> &str) -> Result<(Vec<T>, bool), Reply> {
        let start = match &self.marker {
            None => 0,
            Some(marker) => {
                let at = rows.iter().position(|row| id(row) == marker);
                at.ok_or_else(|| refused(&format!("marker [{marker}] not found")))? + 1
            }
        };
        let page: Vec<T> = rows.into_iter().skip(start).take(self.limit).collect();
        let full = page.len() == self.limit;
        Ok((page, full))
    }
}

/// `{"servers": [..], "servers_links": [..]}`
fn listing(call: &Call, name: &str, rows: Vec<Value>, last: Option<&str>) -> Reply {
    let mut body = json!({name: rows});
    if let Some(last) = last {
        let href = format!("{}{}", call.base, call.next_link(last));
        body[format!("{name}_links")] = json!([{"rel": "next", "href": href}]);
    }
    Reply::json(200, body)
}
