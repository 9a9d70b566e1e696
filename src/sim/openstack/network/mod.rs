//! Neutron v2.0: networks, subnets, ports, routers, security groups and their rules.
//!
//! Resources are documents. What all kinds share is done by `engine` from the table in `kinds`; what a kind has of
//! its own (addresses of a port, rules of a group) is in `rules`.

mod address;
mod engine;
mod kinds;
mod quota;
mod router;
mod rules;
mod security;
mod subnets;
mod tags;

use indexmap::IndexMap;
use serde_json::{Value, json};
use time::OffsetDateTime;

use self::kinds::{KINDS, Kind};
use super::identity::{Identity, Who};
use super::wire::{Answer, Call, Object, Reply, Wrong};
use super::{State, authenticated};
use crate::sim::source::Source;
use crate::sim::spec::{Quotas, SiteSpec};
use crate::sim::world::Site;

#[derive(Clone)]
pub(super) struct Network {
    /// By plural, then by id.
    resources: IndexMap<&'static str, IndexMap<String, Object>>,
    limits: Quotas,
    /// What an administrator set for a project, by project and plural.
    quotas: IndexMap<String, IndexMap<String, i64>>,
    octet: u8,
}

/// A port as compute asks for it.
pub(super) struct Wanted {
    pub network: String,
    pub fixed_ip: Option<String>,
    pub security_groups: Option<Vec<String>>,
    pub device: String,
    pub zone: String,
    pub host: String,
}

impl Network {
    pub fn new(spec: &SiteSpec, identity: &Identity, now: OffsetDateTime, ids: &mut Source) -> Self {
        let mut network = Network {
            resources: KINDS.iter().map(|kind| (kind.plural, IndexMap::new())).collect(),
            limits: spec.quotas.clone(),
            quotas: IndexMap::new(),
            octet: spec.octet.unwrap_or(1),
        };
        // Seeds are made by the handlers that clients use, without limits; a seed they refuse is left out.
        let limits = std::mem::replace(&mut network.limits, unlimited());
        for (place, given) in spec.networks.iter().enumerate() {
            let project = identity.owner(given.shared || given.external).to_string();
            let who = Who { user: String::new(), project, admin: true };
            let document = json!({"name": given.name, "shared": given.shared, "router:external": given.external});
            let Ok(made) = engine::create_one(&mut network, kind("networks"), &document, &who, now, ids) else {
                continue;
            };
            let cidr = given.cidr.clone().unwrap_or_else(|| format!("10.{}.{}.0/24", network.octet, place % 256));
            let subnet = json!({
                "name": format!("{}-subnet", given.name), "network_id": made, "cidr": cidr,
                "ip_version": if cidr.contains(':') { 6 } else { 4 },
            });
            let _ = engine::create_one(&mut network, kind("subnets"), &subnet, &who, now, ids);
        }
        network.limits = limits;
        network
    }

    pub fn seen(&self, plural: &str) -> Vec<Value> {
        let rows = self.resources.get(plural).map(|rows| rows.values().cloned().map(Value::Object).collect());
        rows.unwrap_or_default()
    }

    /// Networks that a project may boot on, its own first.
    pub fn usable(&self, who: &Who) -> Vec<String> {
        let networks = self.resources["networks"].iter();
        let usable = networks.filter(|(_, network)| {
            let own = network["project_id"] == who.project.as_str();
            (own || network["shared"] == true) && network["router:external"] != true && !is_empty(&network["subnets"])
        });
        usable.map(|(id, _)| id.clone()).collect()
    }

    pub fn has_network(&self, id: &str, who: &Who) -> bool {
        self.get(kind("networks"), id, who).is_ok()
    }

    pub fn has_subnet(&self, network: &str) -> bool {
        self.resources["networks"].get(network).is_some_and(|network| !is_empty(&network["subnets"]))
    }

    /// The id of a security group by id or name.
    pub fn group(&mut self, name: &str, who: &Who, now: OffsetDateTime, ids: &mut Source) -> Option<String> {
        security::ensure_default_group(self, &who.project, now, ids);
        let groups = self.resources["security_groups"].iter();
        let mut own = groups.filter(|(_, group)| group["project_id"] == who.project.as_str());
        own.find(|(id, group)| *id == name || group["name"] == name).map(|(id, _)| id.clone())
    }

    pub fn groups_of_port(&self, port: &str) -> Vec<String> {
        let port = self.resources["ports"].get(port);
        let groups = port.and_then(|port| port["security_groups"].as_array()).into_iter().flatten();
        let names = groups.filter_map(|id| self.resources["security_groups"].get(id.as_str()?)?["name"].as_str());
        names.map(str::to_string).collect()
    }

    pub fn port(&self, id: &str, who: &Who) -> Option<&Object> {
        self.get(kind("ports"), id, who).ok()
    }

    /// A port's network, mac and addresses.
    pub fn wired(&self, port: &str) -> Option<&Object> {
        self.resources["ports"].get(port)
    }

    pub fn network_name(&self, id: &str) -> String {
        let network = self.resources["networks"].get(id);
        network.and_then(|network| network["name"].as_str()).unwrap_or(id).to_string()
    }

    /// Is there room for so many more?
    pub fn room_for(&self, plural: &str, project: &str, more: usize) -> bool {
        quota::room(self, plural, project, more)
    }

    pub fn make_port(
        &mut self,
        wanted: &Wanted,
        who: &Who,
        now: OffsetDateTime,
        ids: &mut Source,
    ) -> Result<String, Reply> {
        let mut document = json!({"network_id": wanted.network, "device_id": wanted.device});
        if let Some(address) = &wanted.fixed_ip {
            document["fixed_ips"] = json!([{"ip_address": address}]);
        }
        if let Some(groups) = &wanted.security_groups {
            document["security_groups"] = json!(groups);
        }
        let id = engine::create_one(self, kind("ports"), &document, who, now, ids)?;
        self.bind_port(&id, wanted, now);
        Ok(id)
    }

    /// The port is the server's from now on.
    pub fn bind_port(&mut self, id: &str, wanted: &Wanted, now: OffsetDateTime) {
        if let Some(port) = self.resources["ports"].get_mut(id) {
            port.insert("device_id".into(), json!(wanted.device));
            port.insert("device_owner".into(), json!(format!("compute:{}", wanted.zone)));
            port.insert("binding:host_id".into(), json!(wanted.host));
            port.insert("binding:vif_type".into(), json!("ovs"));
            port.insert("status".into(), json!("ACTIVE"));
            engine::touch(port, now);
        }
    }

    /// The server is gone: its own ports go with it, those that it was given stay.
    pub fn release_port(&mut self, id: &str, own: bool, now: OffsetDateTime) {
        if own {
            self.resources["ports"].shift_remove(id);
        } else if let Some(port) = self.resources["ports"].get_mut(id) {
            for field in ["device_id", "device_owner", "binding:host_id"] {
                port.insert(field.into(), json!(""));
            }
            port.insert("binding:vif_type".into(), json!("unbound"));
            port.insert("status".into(), json!("DOWN"));
            engine::touch(port, now);
        }
    }

    fn get(&self, kind: &Kind, id: &str, who: &Who) -> Result<&Object, Reply> {
        let row = self.resources[kind.plural].get(id).filter(|row| self.visible(kind, row, who));
        row.ok_or_else(|| absent(kind, id))
    }

    fn own(&mut self, kind: &Kind, id: &str, who: &Who) -> Result<&mut Object, Reply> {
        self.get(kind, id, who)?;
        let row = self.resources[kind.plural].get_mut(id);
        let row = row.filter(|row| who.admin || row["project_id"] == who.project.as_str());
        row.ok_or_else(|| {
            error(403, "PolicyNotAuthorized", &format!("rule:update_{} is disallowed by policy", kind.singular))
        })
    }

    fn visible(&self, kind: &Kind, row: &Object, who: &Who) -> bool {
        let shared = |network: Option<&Object>| {
            network.is_some_and(|network| network["shared"] == true || network["router:external"] == true)
        };
        who.admin
            || row["project_id"] == who.project.as_str()
            || kind.plural == "networks" && shared(Some(row))
            || kind.plural == "subnets"
                && shared(self.resources["networks"].get(row["network_id"].as_str().unwrap_or_default()))
    }
}

fn kind(plural: &str) -> &'static Kind {
    KINDS.iter().find(|kind| kind.plural == plural).expect("callers name kinds of the table")
}

fn is_empty(list: &Value) -> bool {
    list.as_array().is_none_or(Vec::is_empty)
}

fn unlimited() -> Quotas {
    let none = -1;
    Quotas {
        networks: none,
        subnets: none,
        ports: none,
        routers: none,
        security_groups: none,
        security_group_rules: none,
        ..Quotas::default()
    }
}

pub(super) fn answer(site: &Site, state: &mut State, call: &Call) -> Answer {
    let path = call.path();
    let method = if call.method == "HEAD" { "GET" } else { call.method.as_str() };
    if method == "GET" && matches!(path[..], [] | [""]) {
        let links = json!([{"rel": "self", "href": format!("{}/networking/v2.0/", call.base)}]);
        return Ok(Reply::json(200, json!({"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]})));
    }
    let who = authenticated(site, state, call)?;
    let State { network, ids, .. } = state;
    let ["v2.0", rest @ ..] = &path[..] else {
        return Err(not_found());
    };
    match (method, rest) {
        ("GET", [] | [""]) => Ok(Reply::json(200, json!({"resources": resources(call)}))),
        ("GET", ["extensions"]) => Ok(Reply::json(200, json!({"extensions": extensions()}))),
        ("GET", ["extensions", alias]) => {
            let found = extensions().into_iter().find(|extension| extension["alias"] == **alias);
            let found = found
                .ok_or_else(|| error(404, "HTTPNotFound", &format!("Extension with alias {alias} does not exist")))?;
            Ok(Reply::json(200, json!({"extension": found})))
        }
        (_, ["quotas", rest @ ..]) => quota::answer(network, call, &who, method, rest),
        ("GET", ["availability_zones"]) => Ok(Reply::json(
            200,
            json!({"availability_zones": [
                {"name": "nova", "resource": "network", "state": "available"},
                {"name": "nova", "resource": "router", "state": "available"},
            ]}),
        )),
        ("PUT", ["routers", id, "add_router_interface"]) => router::add(network, call, &who, id, ids),
        ("PUT", ["routers", id, "remove_router_interface"]) => router::remove(network, call, &who, id),
        (_, [path, id, "tags", rest @ ..]) if KINDS.iter().any(|kind| kind.path == *path) => {
            let kind = KINDS.iter().find(|kind| kind.path == *path).ok_or_else(not_found)?;
            tags::answer(network, call, &who, method, kind, id, rest)
        }
        (_, [path, rest @ ..]) => {
            let kind = KINDS.iter().find(|kind| kind.path == *path).ok_or_else(not_found)?;
            if kind.plural == "security_groups" {
                security::ensure_default_group(network, &who.project, call.now, ids);
            }
            match (method, rest) {
                ("GET", []) => engine::list(network, kind, call, &who),
                ("POST", []) => engine::create(network, kind, call, &who, ids),
                ("GET", [id]) => {
                    let row = network.get(kind, id, &who)?;
                    Ok(Reply::json(200, json!({kind.singular: engine::shown(network, kind, row, &who, call)})))
                }
                ("PUT", [id]) => engine::update(network, kind, id, call, &who),
                ("DELETE", [id]) => engine::delete(network, kind, id, call, &who),
                _ => Err(not_found()),
            }
        }
        _ => Err(not_found()),
    }
}

fn resources(call: &Call) -> Vec<Value> {
    let row = |kind: &Kind| {
        let links = json!([{"rel": "self", "href": format!("{}/networking/v2.0/{}", call.base, kind.path)}]);
        json!({"name": kind.singular, "collection": kind.plural, "links": links})
    };
    KINDS.iter().map(row).collect()
}

fn extensions() -> Vec<Value> {
    let names = [
        ("availability_zone", "Availability Zone"),
        ("binding", "Port Binding"),
        ("external-net", "Neutron external network"),
        ("extra_dhcp_opt", "Neutron Extra DHCP options"),
        ("network_availability_zone", "Network Availability Zone"),
        ("net-mtu", "Network MTU"),
        ("pagination", "Pagination support"),
        ("port-security", "Port Security"),
        ("project-id", "project_id field enabled"),
        ("provider", "Provider Network"),
        ("quotas", "Quota management support"),
        ("revision-if-match", "If-Match constraints based on revision_number"),
        ("router", "Neutron L3 Router"),
        ("security-group", "security-group"),
        ("sorting", "Sorting support"),
        ("standard-attr-description", "standard-attr-description"),
        ("standard-attr-revisions", "Resource revision numbers"),
        ("standard-attr-tag", "Tag support for resources with standard attribute"),
        ("standard-attr-timestamp", "Resource timestamps"),
        ("stateful-security-group", "Stateful security group"),
    ];
    let row = |(alias, name): (&str, &str)| json!({"alias": alias, "name": name, "description": name, "updated": "2016-01-01T00:00:00-00:00", "links": []});
    names.into_iter().map(row).collect()
}

pub(super) fn error(status: u16, kind: &str, message: &str) -> Reply {
    Reply::json(status, json!({"NeutronError": {"type": kind, "message": message, "detail": ""}}))
}

fn bad(wrong: Wrong) -> Reply {
    error(400, "HTTPBadRequest", &wrong.0)
}

fn refused(message: String) -> Reply {
    error(400, "HTTPBadRequest", &message)
}

fn absent(kind: &Kind, id: &str) -> Reply {
    let what = match kind.plural {
        "security_groups" => "Security group".to_string(),
        "security_group_rules" => "Security group rule".to_string(),
        _ => kind.name.to_string(),
    };
    let message = match kind.plural {
        "security_groups" | "security_group_rules" => format!("{what} {id} does not exist"),
        _ => format!("{what} {id} could not be found."),
    };
    error(404, &format!("{}NotFound", kind.name), &message)
}

fn not_found() -> Reply {
    error(404, "HTTPNotFound", "The resource could not be found.")
}
