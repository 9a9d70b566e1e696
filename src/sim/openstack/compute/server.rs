//! Servers, from BUILD to gone: what time does to them, and how they are listed, changed and deleted.

use std::cmp::Ordering;

use indexmap::IndexMap;
use regex::Regex;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::flavor::Flavor;
use super::version::Version;
use super::{Page, Request, bad, error, listing, not_found, policy, refused, view};
use crate::sim::openstack::State;
use crate::sim::openstack::wire::{Answer, Object, Reply, boolean, text, wrapped};
use crate::sim::world::ServerSeen;

pub(super) struct Server {
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    pub hostname: String,
    pub user: String,
    pub project: String,
    pub image: Option<String>,
    pub flavor: Flavor,
    pub created: OffsetDateTime,
    pub updated: OffsetDateTime,
    pub launched: Option<OffsetDateTime>,
    /// As shown: `BUILD`, `ACTIVE`, `SHUTOFF`, ...
    pub status: &'static str,
    pub task: Option<&'static str>,
    /// What becomes of it, and when.
    pub due: Option<(OffsetDateTime, Next)>,
    pub fault: Option<String>,
    pub metadata: IndexMap<String, String>,
    pub tags: Vec<String>,
    pub key_name: Option<String>,
    pub user_data: Option<String>,
    pub config_drive: bool,
    pub zone: String,
    pub host: Option<String>,
    /// Ports, and whether compute made them.
    pub ports: Vec<(String, bool)>,
    pub security_groups: Vec<String>,
    pub group: Option<String>,
    /// Locked, perhaps with a reason.
    pub locked: Option<Option<String>>,
    pub reservation: String,
    pub access: (String, String),
    /// Before a resize that awaits confirmation.
    pub resized_from: Option<(Flavor, Option<String>)>,
    pub actions: Vec<Done>,
}

#[derive(Clone)]
pub(super) enum Next {
    Status(&'static str),
    Broken(String),
    Gone,
    Resized(Box<Flavor>, String),
}

/// An entry of the server's own history.
pub(super) struct Done {
    pub request: String,
    pub action: &'static str,
    pub user: String,
    pub at: OffsetDateTime,
    pub failure: Option<String>,
}

/// Entries that a server remembers.
const REMEMBERED: usize = 100;

impl Server {
    pub fn seen(&self) -> ServerSeen {
        ServerSeen {
            id: self.id.clone(),
            name: self.name.clone(),
            status: self.status.to_string(),
            image: self.image.clone(),
            flavor: self.flavor.name.clone(),
            tags: self.tags.clone(),
            metadata: self.metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        }
    }

    pub fn record(&mut self, request: &Request, action: &'static str, failure: Option<String>) {
        if self.actions.len() >= REMEMBERED {
            self.actions.remove(0);
        }
        let (request, user, at) = (request.call.request_id.clone(), request.who.user.clone(), request.call.now);
        self.actions.push(Done { request, action, user, at, failure });
    }
}

/// Lets happen what is due.
pub(in crate::sim::openstack) fn settle(state: &mut State, now: OffsetDateTime) {
    let mut gone = Vec::new();
    for server in state.compute.servers.values_mut() {
        let Some((at, next)) = server.due.take_if(|(at, _)| *at <= now) else {
            continue;
        };
        server.task = None;
        server.updated = at;
        match next {
            Next::Status(status) => {
                if server.status == "BUILD" {
                    server.launched = Some(at);
                }
                server.status = status;
            }
            Next::Broken(why) => {
                server.status = "ERROR";
                server.fault = Some(why);
            }
            Next::Resized(flavor, host) => {
                server.resized_from = Some((std::mem::replace(&mut server.flavor, *flavor), server.host.replace(host)));
                server.status = "VERIFY_RESIZE";
            }
            Next::Gone => gone.push(server.id.clone()),
        }
    }
    for id in gone {
        remove(state, &id, now);
    }
}

fn remove(state: &mut State, id: &str, now: OffsetDateTime) {
    if let Some(server) = state.compute.servers.shift_remove(id) {
        for (port, own) in &server.ports {
            state.network.release_port(port, *own, now);
        }
        if let Some(group) = server.group.and_then(|group| state.compute.groups.get_mut(&group)) {
            group.members.retain(|member| *member != id);
        }
    }
}

/// A server that this user may see.
pub(super) fn found<'a>(state: &'a mut State, request: &Request, id: &str) -> Result<&'a mut Server, Reply> {
    let server = state.compute.servers.get_mut(id);
    let server = server.filter(|server| request.who.admin || server.project == request.who.project);
    server.ok_or_else(|| error(404, &format!("Instance {id} could not be found.")))
}

pub(super) fn show(state: &mut State, request: &Request, id: &str) -> Answer {
    found(state, request, id)?;
    let server = state.compute.servers.get(id).ok_or_else(not_found)?;
    Ok(Reply::json(200, json!({"server": view::full(state, server, request, true)})))
}

pub(super) fn delete(state: &mut State, request: &Request, id: &str) -> Answer {
    let delay = state.compute.timings.delete;
    let server = found(state, request, id)?;
    if server.locked.is_some() && !request.who.admin {
        return Err(error(409, &format!("Instance {id} is locked")));
    }
    if server.task != Some("deleting") {
        server.record(request, "delete", None);
        server.task = Some("deleting");
        server.due = Some((request.call.now + delay, Next::Gone));
    }
    if delay.is_zero() {
        remove(state, id, request.call.now);
    }
    Ok(Reply::empty(204))
}

pub(super) fn update(state: &mut State, request: &Request, id: &str) -> Answer {
    let body = request.call.json().map_err(bad)?;
    let change = wrapped(&body, "server").map_err(bad)?;
    let version = request.version;
    let allowed = |key: &str| match key {
        "name" | "OS-DCF:diskConfig" | "accessIPv4" | "accessIPv6" => true,
        "description" => version >= Version(19),
        "hostname" => version >= Version(90),
        _ => false,
    };
    only(change, allowed, "server")?;
    let server = found(state, request, id)?;
    if let Some(name) = text(change, "name").map_err(bad)? {
        server.name = named(name)?;
    }
    if change.contains_key("description") {
        server.description = text(change, "description").map_err(bad)?.map(str::to_string);
    }
    if let Some(hostname) = text(change, "hostname").map_err(bad)? {
        server.hostname = hostname.to_string();
    }
    if let Some(address) = text(change, "accessIPv4").map_err(bad)? {
        server.access.0 = address.to_string();
    }
    if let Some(address) = text(change, "accessIPv6").map_err(bad)? {
        server.access.1 = address.to_string();
    }
    server.updated = request.call.now;
    show(state, request, id)
}

/// As Nova's schemas say it of a key that they do not have.
pub(super) fn only(object: &Object, allowed: impl Fn(&str) -> bool, what: &str) -> Result<(), Reply> {
    match object.keys().find(|key| !allowed(key)) {
        None => Ok(()),
        Some(key) => {
            let message = format!(
                "Invalid input for field/attribute {what}. Additional properties are not allowed ('{key}' was unexpected)"
            );
            Err(refused(&message))
        }
    }
}

pub(super) fn named(name: &str) -> Result<String, Reply> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 255 {
        return Err(refused(&format!(
            "Invalid input for field/attribute name. Value: {name}. '{name}' has not 1 to 255 characters"
        )));
    }
    Ok(name.to_string())
}

const NOT_FILTERS: &[&str] = &["limit", "marker", "sort_key", "sort_dir", "all_tenants", "deleted"];
const FILTERS: &[&str] = &[
    "name",
    "status",
    "vm_state",
    "task_state",
    "flavor",
    "image",
    "host",
    "project_id",
    "tenant_id",
    "user_id",
    "uuid",
    "ip",
    "ip6",
    "changes-since",
    "changes-before",
    "reservation_id",
    "availability_zone",
    "key_name",
    "hostname",
    "node",
    "power_state",
    "tags",
    "tags-any",
    "not-tags",
    "not-tags-any",
    "locked",
    "description",
    "soft_deleted",
    "config_drive",
];

pub(super) fn list(state: &mut State, request: &Request, detail: bool) -> Answer {
    let (call, who, version) = (request.call, request.who, request.version);
    if version >= Version(75)
        && let Some((key, _)) =
            call.query.iter().find(|(key, _)| !FILTERS.contains(&key.as_str()) && !NOT_FILTERS.contains(&key.as_str()))
    {
        let message = format!(
            "Invalid input for query parameters {key}. Additional properties are not allowed ('{key}' was unexpected)"
        );
        return Err(refused(&message));
    }
    if who.admin && call.query("metadata").is_some() {
        return Err(refused("Invalid filter: metadata"));
    }
    let all = match call.query("all_tenants") {
        None => false,
        Some("") => true,
        Some(text) => boolean(text)
            .ok_or_else(|| refused(&format!("Invalid input for query parameters all_tenants. Value: {text}")))?,
    };
    if all && !who.admin {
        return Err(policy("servers:index:get_all_tenants"));
    }
    let name = match call.query("name") {
        None => None,
        Some(pattern) => {
            Some(Regex::new(pattern).map_err(|_| refused(&format!("Invalid regular expression in name: {pattern}")))?)
        }
    };
    let mut servers: Vec<&Server> =
        state.compute.servers.values().filter(|server| all || server.project == who.project).collect();
    servers.retain(|server| name.as_ref().is_none_or(|pattern| pattern.is_match(&server.name)));
    servers.retain(|server| passes(state, server, request));
    sort(&mut servers, request)?;
    let (page, full) = Page::of(call)?.cut(servers, |server| &server.id)?;
    let last = page.last().filter(|_| full).map(|server| server.id.clone());
    let rows = page
        .into_iter()
        .map(|server| if detail { view::full(state, server, request, false) } else { view::brief(server, request) });
    Ok(listing(call, "servers", rows.collect(), last.as_deref()))
}

fn passes(state: &State, server: &Server, request: &Request) -> bool {
    let (call, admin) = (request.call, request.who.admin);
    let addressed = |wanted: &str| {
        let pattern = Regex::new(wanted).ok();
        view::addresses(state, server)
            .iter()
            .any(|(_, address)| pattern.as_ref().is_some_and(|pattern| pattern.is_match(&address.ip)))
    };
    call.query.iter().all(|(key, wanted)| match key.as_str() {
        "status" => server.status.eq_ignore_ascii_case(wanted),
        "flavor" => server.flavor.id == *wanted,
        "image" => server.image.as_deref() == Some(wanted),
        "uuid" => server.id == *wanted,
        "ip" | "ip6" => addressed(wanted),
        "user_id" if admin || request.version >= Version(83) => server.user == *wanted,
        "project_id" | "tenant_id" if admin => server.project == *wanted,
        "host" | "node" if admin => server.host.as_deref() == Some(wanted),
        "key_name" if admin || request.version >= Version(83) => server.key_name.as_deref() == Some(wanted),
        "availability_zone" if admin || request.version >= Version(83) => server.zone == *wanted,
        "locked" if request.version >= Version(73) => boolean(wanted) == Some(server.locked.is_some()),
        "tags" if request.version >= Version(26) => {
            wanted.split(',').all(|tag| server.tags.iter().any(|known| known == tag))
        }
        "tags-any" if request.version >= Version(26) => {
            wanted.split(',').any(|tag| server.tags.iter().any(|known| known == tag))
        }
        "not-tags" if request.version >= Version(26) => {
            !wanted.split(',').all(|tag| server.tags.iter().any(|known| known == tag))
        }
        "not-tags-any" if request.version >= Version(26) => {
            !wanted.split(',').any(|tag| server.tags.iter().any(|known| known == tag))
        }
        "changes-since" => moment(wanted).is_none_or(|since| server.updated >= since),
        "changes-before" if request.version >= Version(66) => {
            moment(wanted).is_none_or(|before| server.updated <= before)
        }
        "deleted" => boolean(wanted) != Some(true),
        _ => true,
    })
}

fn moment(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok()
}

/// Newest first, unless asked otherwise.
fn sort(servers: &mut [&Server], request: &Request) -> Result<(), Reply> {
    let directions: Vec<&str> = request.call.queries("sort_dir").collect();
    let mut keys: Vec<(&str, bool)> = Vec::new();
    for (at, key) in request.call.queries("sort_key").enumerate() {
        keys.push((key, directions.get(at).copied().unwrap_or("desc") == "desc"));
    }
    keys.push(("created_at", true));
    keys.push(("uuid", true));
    let value = |server: &Server, key: &str| -> Option<Value> {
        Some(match key {
            "created_at" => json!(server.created.unix_timestamp_nanos().to_string()),
            "updated_at" => json!(server.updated.unix_timestamp_nanos().to_string()),
            "display_name" | "name" => json!(server.name),
            "uuid" | "id" => json!(server.id),
            "status" | "vm_state" => json!(server.status),
            "host" | "node" => json!(server.host.clone().unwrap_or_default()),
            "key_name" => json!(server.key_name.clone().unwrap_or_default()),
            "project_id" => json!(server.project),
            "user_id" => json!(server.user),
            "image_ref" => json!(server.image.clone().unwrap_or_default()),
            "availability_zone" => json!(server.zone),
            "task_state" => json!(server.task.unwrap_or_default()),
            "launched_at" | "instance_type_id" | "power_state" | "hostname" | "locked" => json!(""),
            _ => return None,
        })
    };
    if let Some((key, _)) =
        keys.iter().find(|(key, _)| servers.first().is_some_and(|server| value(server, key).is_none()))
    {
        return Err(refused(&format!("Invalid input for query parameters sort_key. Value: {key}")));
    }
    servers.sort_by(|a, b| {
        let orders = keys.iter().map(|(key, descending)| {
            let (a, b) = (value(a, key), value(b, key));
            let order = a.as_ref().and_then(Value::as_str).cmp(&b.as_ref().and_then(Value::as_str));
            if *descending { order.reverse() } else { order }
        });
        orders.fold(Ordering::Equal, Ordering::then)
    });
    Ok(())
}
