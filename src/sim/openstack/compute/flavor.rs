//! Flavors: immutable but for their description and extra specs.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::part::texts;
use super::server::only;
use super::version::Version;
use super::{Page, Request, admin_only, bad, error, links, listing, not_found, refused};
use crate::sim::openstack::State;
use crate::sim::openstack::identity::Who;
use crate::sim::openstack::wire::{Answer, Reply, boolean, count, flag, needed, text, wrapped};
use crate::sim::source::Source;
use crate::sim::spec::FlavorSpec;

#[derive(Clone)]
pub(super) struct Flavor {
    pub id: String,
    pub name: String,
    pub vcpus: u64,
    /// MiB.
    pub ram: u64,
    /// GiB.
    pub disk: u64,
    ephemeral: u64,
    /// MiB.
    swap: u64,
    factor: f64,
    description: Option<String>,
    public: bool,
    /// Projects that may use it when it is not public.
    access: Vec<String>,
    specs: IndexMap<String, String>,
}

impl Flavor {
    pub fn seeded(spec: &FlavorSpec, ids: &mut Source) -> Self {
        Flavor {
            id: spec.id.clone().unwrap_or_else(|| ids.uuid()),
            name: spec.name.clone(),
            vcpus: spec.vcpus,
            ram: spec.ram,
            disk: spec.disk,
            ephemeral: 0,
            swap: 0,
            factor: 1.0,
            description: None,
            public: true,
            access: Vec::new(),
            specs: IndexMap::new(),
        }
    }

    pub fn visible_to(&self, who: &Who) -> bool {
        self.public || who.admin || self.access.contains(&who.project)
    }

    /// As a server shows it: by reference, and from 2.47 by value.
    pub fn embedded(&self, request: &Request) -> Value {
        if request.version < Version(47) {
            let href = format!("{}/compute/flavors/{}", request.call.base, self.id);
            return json!({"id": self.id, "links": [{"rel": "bookmark", "href": href}]});
        }
        json!({
            "vcpus": self.vcpus, "ram": self.ram, "disk": self.disk, "ephemeral": self.ephemeral, "swap": self.swap,
            "original_name": self.name, "extra_specs": self.specs,
        })
    }

    fn brief(&self, request: &Request) -> Value {
        let mut shown = json!({"id": self.id, "name": self.name, "links": links(request.call, "flavors", &self.id)});
        if request.version >= Version(55) {
            shown["description"] = json!(self.description);
        }
        shown
    }

    fn full(&self, request: &Request) -> Value {
        let swap = if self.swap == 0 && request.version < Version(75) { json!("") } else { json!(self.swap) };
        let mut shown = json!({
            "id": self.id, "name": self.name, "ram": self.ram, "disk": self.disk, "swap": swap,
            "OS-FLV-EXT-DATA:ephemeral": self.ephemeral, "OS-FLV-DISABLED:disabled": false, "vcpus": self.vcpus,
            "os-flavor-access:is_public": self.public, "rxtx_factor": self.factor,
            "links": links(request.call, "flavors", &self.id),
        });
        if request.version >= Version(55) {
            shown["description"] = json!(self.description);
        }
        if request.version >= Version(61) {
            shown["extra_specs"] = json!(self.specs);
        }
        shown
    }
}

pub(super) fn answer(state: &mut State, request: &Request, method: &str, path: &[&str]) -> Answer {
    match (method, path) {
        ("GET", []) => list(state, request, false),
        ("GET", ["detail"]) => list(state, request, true),
        ("POST", []) => create(state, request),
        ("GET", [id]) => Ok(Reply::json(200, json!({"flavor": found(state, request, id)?.full(request)}))),
        ("PUT", [id]) if request.version >= Version(55) => {
            admin_only(request, "os-flavor-manage:update")?;
            let body = request.call.json().map_err(bad)?;
            let change = wrapped(&body, "flavor").map_err(bad)?;
            only(change, |key| key == "description", "flavor")?;
            let flavor = found(state, request, id)?;
            flavor.description = text(change, "description").map_err(bad)?.map(str::to_string);
            Ok(Reply::json(200, json!({"flavor": flavor.full(request)})))
        }
        ("DELETE", [id]) => {
            admin_only(request, "os-flavor-manage:delete")?;
            found(state, request, id)?;
            state.compute.flavors.shift_remove(*id);
            Ok(Reply::empty(202))
        }
        (_, [id, "os-extra_specs", rest @ ..]) => specs(state, request, method, id, rest),
        ("GET", [id, "os-flavor-access"]) => {
            admin_only(request, "os-flavor-access")?;
            let flavor = found(state, request, id)?;
            if flavor.public {
                return Err(error(404, "Access list not available for public flavors."));
            }
            Ok(access(flavor))
        }
        ("POST", [id, "action"]) => change_access(state, request, id),
        _ => Err(not_found()),
    }
}

fn found<'a>(state: &'a mut State, request: &Request, id: &str) -> Result<&'a mut Flavor, Reply> {
    let flavor = state.compute.flavors.get_mut(id).filter(|flavor| flavor.visible_to(request.who));
    flavor.ok_or_else(|| error(404, &format!("Flavor {id} could not be found.")))
}

/// There is no filter by name: one that is sent is ignored, as Nova does.
fn list(state: &State, request: &Request, detail: bool) -> Answer {
    let call = request.call;
    let number = |name: &str| match call.query(name) {
        None => Ok(0),
        Some(text) => text.parse::<u64>().map_err(|_| refused(&format!("Invalid {name} filter [{text}]"))),
    };
    let (ram, disk) = (number("minRam")?, number("minDisk")?);
    let public = match call.query("is_public") {
        None if request.who.admin => Some(true),
        Some(text) if request.who.admin && text.eq_ignore_ascii_case("none") => None,
        Some(text) if request.who.admin => {
            Some(boolean(text).ok_or_else(|| refused(&format!("Invalid is_public filter [{text}]")))?)
        }
        _ => None,
    };
    let mut flavors: Vec<&Flavor> = state
        .compute
        .flavors
        .values()
        .filter(|flavor| flavor.ram >= ram && flavor.disk >= disk && flavor.visible_to(request.who))
        .filter(|flavor| public.is_none_or(|public| flavor.public == public))
        .collect();
    let key = call.query("sort_key").unwrap_or("flavorid");
    match key {
        "flavorid" | "id" => flavors.sort_by(|a, b| a.id.cmp(&b.id)),
        "name" => flavors.sort_by(|a, b| a.name.cmp(&b.name)),
        "memory_mb" | "ram" => flavors.sort_by_key(|flavor| flavor.ram),
        "vcpus" => flavors.sort_by_key(|flavor| flavor.vcpus),
        "root_gb" | "disk" => flavors.sort_by_key(|flavor| flavor.disk),
        "created_at" | "updated_at" | "swap" | "ephemeral_gb" | "rxtx_factor" | "is_public" | "disabled"
        | "vcpu_weight" => {}
        _ => return Err(refused(&format!("Invalid input for query parameters sort_key. Value: {key}"))),
    }
    if call.query("sort_dir") == Some("desc") {
        flavors.reverse();
    }
    let (page, full) = Page::of(call)?.cut(flavors, |flavor| &flavor.id)?;
    let last = page.last().filter(|_| full).map(|flavor| flavor.id.clone());
    let rows = page.into_iter().map(|flavor| if detail { flavor.full(request) } else { flavor.brief(request) });
    Ok(listing(call, "flavors", rows.collect(), last.as_deref()))
}

fn create(state: &mut State, request: &Request) -> Answer {
    admin_only(request, "os-flavor-manage:create")?;
    let body = request.call.json().map_err(bad)?;
    let given = wrapped(&body, "flavor").map_err(bad)?;
    let allowed = |key: &str| {
        let base = [
            "name",
            "id",
            "flavorid",
            "ram",
            "vcpus",
            "disk",
            "swap",
            "OS-FLV-EXT-DATA:ephemeral",
            "rxtx_factor",
            "os-flavor-access:is_public",
        ];
        base.contains(&key) || key == "description" && request.version >= Version(55)
    };
    only(given, allowed, "flavor")?;
    let name = needed(given, "name").map_err(bad)?;
    let number = |key: &str| count(given, key).map_err(bad);
    let required = |key: &str| {
        number(key)?.ok_or_else(|| {
            refused(&format!("Invalid input for field/attribute flavor. '{key}' is a required property"))
        })
    };
    let id = match given.get("id").or_else(|| given.get("flavorid")) {
        None | Some(Value::Null) => state.ids.uuid(),
        Some(Value::Number(id)) => id.to_string(),
        Some(Value::String(id)) if id == "auto" => state.ids.uuid(),
        Some(Value::String(id)) => id.clone(),
        Some(other) => return Err(refused(&format!("Invalid input for field/attribute id. Value: {other}."))),
    };
    let flavor = Flavor {
        name: name.to_string(),
        vcpus: required("vcpus")?,
        ram: required("ram")?,
        disk: required("disk")?,
        ephemeral: number("OS-FLV-EXT-DATA:ephemeral")?.unwrap_or(0),
        swap: match given.get("swap") {
            Some(Value::String(text)) if text.is_empty() => 0,
            _ => number("swap")?.unwrap_or(0),
        },
        factor: match given.get("rxtx_factor") {
            Some(Value::String(text)) => text.parse().unwrap_or(1.0),
            Some(value) => value.as_f64().unwrap_or(1.0),
            None => 1.0,
        },
        description: text(given, "description").map_err(bad)?.map(str::to_string),
        public: flag(given, "os-flavor-access:is_public").map_err(bad)?.unwrap_or(true),
        access: Vec::new(),
        specs: IndexMap::new(),
        id,
    };
    if flavor.vcpus == 0 || flavor.ram == 0 {
        return Err(refused("Invalid input for field/attribute vcpus. 0 is less than the minimum of 1"));
    }
    if state.compute.flavors.values().any(|known| known.name == flavor.name) {
        return Err(error(409, &format!("Flavor with name {} already exists.", flavor.name)));
    }
    if state.compute.flavors.contains_key(&flavor.id) {
        return Err(error(409, &format!("Flavor with ID {} already exists.", flavor.id)));
    }
    let shown = flavor.full(request);
    state.compute.flavors.insert(flavor.id.clone(), flavor);
    Ok(Reply::json(200, json!({"flavor": shown})))
}

fn specs(state: &mut State, request: &Request, method: &str, id: &str, rest: &[&str]) -> Answer {
    if method != "GET" {
        admin_only(request, "os-flavor-extra-specs")?;
    }
    let flavor = found(state, request, id)?;
    let missing = |key: &str| error(404, &format!("Flavor {id} has no extra specs with key {key}."));
    match (method, rest) {
        ("GET", []) => Ok(Reply::json(200, json!({"extra_specs": flavor.specs}))),
        ("POST", []) => {
            let body = request.call.json().map_err(bad)?;
            let given = texts(body.get("extra_specs"), "extra_specs")?;
            flavor.specs.extend(given.clone());
            Ok(Reply::json(200, json!({"extra_specs": given})))
        }
        ("GET", [key]) => {
            let value = flavor.specs.get(*key).ok_or_else(|| missing(key))?;
            Ok(Reply::json(200, json!({*key: value})))
        }
        ("PUT", [key]) => {
            let body = request.call.json().map_err(bad)?;
            let value = texts(Some(&body), "extra_specs")?.swap_remove(*key);
            let value = value.ok_or_else(|| refused("Request body and URI mismatch"))?;
            flavor.specs.insert(key.to_string(), value.clone());
            Ok(Reply::json(200, json!({*key: value})))
        }
        ("DELETE", [key]) => {
            flavor.specs.shift_remove(*key).ok_or_else(|| missing(key))?;
            Ok(Reply::empty(200))
        }
        _ => Err(not_found()),
    }
}

fn access(flavor: &Flavor) -> Reply {
    let rows: Vec<Value> =
        flavor.access.iter().map(|project| json!({"flavor_id": flavor.id, "tenant_id": project})).collect();
    Reply::json(200, json!({"flavor_access": rows}))
}

fn change_access(state: &mut State, request: &Request, id: &str) -> Answer {
    admin_only(request, "os-flavor-access")?;
    let body = request.call.json().map_err(bad)?;
    let flavor = found(state, request, id)?;
    if let Some(project) = body["addTenantAccess"]["tenant"].as_str() {
        if flavor.access.iter().any(|known| known == project) {
            return Err(error(
                409,
                &format!("Flavor access already exists for flavor {id} and project {project} combination."),
            ));
        }
        flavor.access.push(project.to_string());
    } else if let Some(project) = body["removeTenantAccess"]["tenant"].as_str() {
        let at = flavor.access.iter().position(|known| known == project);
        flavor.access.remove(
            at.ok_or_else(|| error(404, &format!("Flavor access not found for {id} / {project} combination.")))?,
        );
    } else {
        return Err(refused("There is no such action"));
    }
    Ok(access(flavor))
}
