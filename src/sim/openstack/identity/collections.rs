//! Domains, projects, users, groups, roles, regions, services and endpoints: documents with one set of handlers.
//!
//! As Keystone does, unknown filters are ignored and `name` is compared without case, so a client has to compare
//! exactly by itself.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::tokens::Token;
use super::{Assignment, Identity, absent, bad, error, forbidden, not_found};
use crate::sim::openstack::wire::{Answer, Call, Object, Reply, Wrong, boolean, needed, text, wrapped};
use crate::sim::source::Source;

struct Kind {
    plural: &'static str,
    singular: &'static str,
    required: &'static [&'static str],
    /// Set where the client says nothing.
    defaults: &'static [(&'static str, Preset)],
    /// No two with equal values here.
    unique: &'static [&'static str],
    filters: &'static [&'static str],
}

#[derive(Clone, Copy)]
enum Preset {
    Yes,
    No,
    Null,
    Empty,
    DefaultDomain,
}

const KINDS: &[Kind] = &[
    Kind {
        plural: "domains",
        singular: "domain",
        required: &["name"],
        defaults: &[("description", Preset::Empty), ("enabled", Preset::Yes)],
        unique: &["name"],
        filters: &["name", "enabled"],
    },
    Kind {
        plural: "projects",
        singular: "project",
        required: &["name"],
        defaults: &[
            ("domain_id", Preset::DefaultDomain),
            ("parent_id", Preset::DefaultDomain),
            ("description", Preset::Empty),
            ("enabled", Preset::Yes),
            ("is_domain", Preset::No),
        ],
        unique: &["name", "domain_id"],
        filters: &["name", "domain_id", "enabled", "parent_id", "is_domain"],
    },
    Kind {
        plural: "users",
        singular: "user",
        required: &["name"],
        defaults: &[
            ("domain_id", Preset::DefaultDomain),
            ("enabled", Preset::Yes),
            ("password_expires_at", Preset::Null),
        ],
        unique: &["name", "domain_id"],
        filters: &["name", "domain_id", "enabled"],
    },
    Kind {
        plural: "groups",
        singular: "group",
        required: &["name"],
        defaults: &[("domain_id", Preset::DefaultDomain), ("description", Preset::Empty)],
        unique: &["name", "domain_id"],
        filters: &["name", "domain_id"],
    },
    Kind {
        plural: "roles",
        singular: "role",
        required: &["name"],
        defaults: &[("domain_id", Preset::Null), ("description", Preset::Null)],
        unique: &["name"],
        filters: &["name", "domain_id"],
    },
    Kind {
        plural: "regions",
        singular: "region",
        required: &[],
        defaults: &[("description", Preset::Empty), ("parent_region_id", Preset::Null)],
        unique: &[],
        filters: &["parent_region_id"],
    },
    Kind {
        plural: "services",
        singular: "service",
        required: &["type"],
        defaults: &[("enabled", Preset::Yes)],
        unique: &[],
        filters: &["name", "type"],
    },
    Kind {
        plural: "endpoints",
        singular: "endpoint",
        required: &["service_id", "interface", "url"],
        defaults: &[("enabled", Preset::Yes), ("region_id", Preset::Null)],
        unique: &[],
        filters: &["service_id", "interface", "region_id"],
    },
];

pub(super) fn empty() -> IndexMap<&'static str, IndexMap<String, Object>> {
    KINDS.iter().map(|kind| (kind.plural, IndexMap::new())).collect()
}

/// An endpoint of the site itself follows the authority under which the site is reached.
pub(super) fn url(endpoint: &Object, call: &Call) -> String {
    endpoint["url"].as_str().unwrap_or_default().replace("{base}", &call.base)
}

pub(super) fn answer(
    identity: &mut Identity,
    ids: &mut Source,
    token: &Token,
    call: &Call,
    method: &str,
    path: &[&str],
) -> Answer {
    match (method, path) {
        ("GET", ["auth", "projects"]) => projects_of(identity, &token.user.clone(), call),
        ("GET", ["users", user, "projects"]) if token.admin || *user == token.user => projects_of(identity, user, call),
        ("GET", ["auth", "domains"]) => {
            let rows = identity.collections["domains"].values().map(|domain| shown("domains", domain, call)).collect();
            Ok(listing("domains", rows, call))
        }
        ("POST", ["users", user, "password"]) => own_password(identity, user, call),
        (_, ["projects", target, "users", user, "roles", rest @ ..]) => {
            roles(identity, token, call, method, "project", target, user, rest)
        }
        (_, ["domains", target, "users", user, "roles", rest @ ..]) => {
            roles(identity, token, call, method, "domain", target, user, rest)
        }
        (_, ["system", "users", user, "roles", rest @ ..]) => {
            roles(identity, token, call, method, "system", "all", user, rest)
        }
        ("GET", ["role_assignments"]) => assignments(identity, token, call),
        (_, [plural, rest @ ..]) => {
            let kind = KINDS.iter().find(|kind| kind.plural == *plural).ok_or_else(not_found)?;
            let read_own = method == "GET" && may_read(token, kind, rest);
            if !token.admin && !read_own {
                return Err(forbidden(&policy(kind, method, rest)));
            }
            document(identity, ids, call, method, kind, rest)
        }
        _ => Err(not_found()),
    }
}

fn may_read(token: &Token, kind: &Kind, rest: &[&str]) -> bool {
    match (kind.plural, rest) {
        ("users", [id]) => *id == token.user,
        ("projects", [id]) => token.project.as_deref() == Some(*id),
        ("regions", _) => true,
        _ => false,
    }
}

fn policy(kind: &Kind, method: &str, rest: &[&str]) -> String {
    let verb = match method {
        "GET" if rest.is_empty() => return format!("identity:list_{}", kind.plural),
        "GET" => "get",
        "DELETE" => "delete",
        "PATCH" => "update",
        _ => "create",
    };
    format!("identity:{verb}_{}", kind.singular)
}

fn document(
    identity: &mut Identity,
    ids: &mut Source,
    call: &Call,
    method: &str,
    kind: &'static Kind,
    rest: &[&str],
) -> Answer {
    let wrap = |row: Value| json!({kind.singular: row});
    match (method, rest) {
        ("GET", []) => {
            let rows = identity.collections[kind.plural].values().filter(|row| passes(row, kind, call));
            Ok(listing(kind.plural, rows.map(|row| shown(kind.plural, row, call)).collect(), call))
        }
        ("GET", [id]) => {
            let row = identity.get(kind.plural, id).ok_or_else(|| absent(kind.singular, id))?;
            Ok(Reply::json(200, wrap(shown(kind.plural, row, call))))
        }
        ("POST", []) => create(identity, ids, call, kind, None),
        ("PUT", [id]) if kind.plural == "regions" => create(identity, ids, call, kind, Some(id)),
        ("PATCH", [id]) => update(identity, call, kind, id),
        ("DELETE", [id]) => {
            let row = identity.get(kind.plural, id).ok_or_else(|| absent(kind.singular, id))?;
            if kind.plural == "domains" && row["enabled"] != false {
                return Err(forbidden("Cannot delete a domain that is enabled, please disable it first"));
            }
            identity.collections[kind.plural].shift_remove(*id);
            identity.assignments.retain(|held| held.user != *id && held.target != *id && held.role != *id);
            identity.tokens.retain(|_, token| token.user != *id && token.project.as_deref() != Some(*id));
            identity.credentials.retain(|_, known| known.user != *id && known.project != *id);
            identity.passwords.remove(*id);
            if kind.plural == "services" {
                identity.collections["endpoints"].retain(|_, endpoint| endpoint["service_id"] != **id);
            }
            Ok(Reply::empty(204))
        }
        _ => Err(not_found()),
    }
}

fn create(identity: &mut Identity, ids: &mut Source, call: &Call, kind: &'static Kind, id: Option<&str>) -> Answer {
    let body = call.json().map_err(bad)?;
    let mut row = wrapped(&body, kind.singular).map_err(bad)?.clone();
    for field in kind.required {
        needed(&row, field).map_err(bad)?;
    }
    let chosen = match kind.plural {
        "regions" => id.map(str::to_string).or(text(&row, "id").map_err(bad)?.map(str::to_string)),
        _ => None,
    };
    for (field, preset) in kind.defaults {
        if !row.contains_key(*field) {
            let value = match preset {
                Preset::Yes => json!(true),
                Preset::No => json!(false),
                Preset::Null => Value::Null,
                Preset::Empty => json!(""),
                Preset::DefaultDomain => json!("default"),
            };
            row.insert(field.to_string(), value);
        }
    }
    if kind.plural == "endpoints" {
        let service = row["service_id"].as_str().unwrap_or_default();
        identity.get("services", service).ok_or_else(|| bad(Wrong(format!("Could not find service: {service}."))))?;
        row.insert("region".into(), row["region_id"].clone());
    }
    let rows = &identity.collections[kind.plural];
    let same = |other: &Object| kind.unique.iter().all(|field| other.get(*field) == row.get(*field));
    if chosen.as_ref().is_some_and(|id| rows.contains_key(id)) || !kind.unique.is_empty() && rows.values().any(same) {
        return Err(error(
            409,
            &format!("Conflict occurred attempting to store {} - Duplicate entry found.", kind.singular),
        ));
    }
    let id = chosen.unwrap_or_else(|| ids.hex());
    if let Some(password) = row.shift_remove("password").and_then(|given| given.as_str().map(str::to_string)) {
        identity.passwords.insert(id.clone(), password);
    }
    row.insert("id".into(), json!(id));
    let answer = json!({kind.singular: shown(kind.plural, &row, call)});
    identity.collections[kind.plural].insert(id, row);
    Ok(Reply::json(201, answer))
}

fn update(identity: &mut Identity, call: &Call, kind: &'static Kind, id: &str) -> Answer {
    let body = call.json().map_err(bad)?;
    let change = wrapped(&body, kind.singular).map_err(bad)?;
    let password = text(change, "password").map_err(bad)?.map(str::to_string);
    let row = identity.collections[kind.plural].get_mut(id).ok_or_else(|| absent(kind.singular, id))?;
    if kind.plural == "users" && password.is_some() {
        identity.tokens.retain(|_, token| token.user != id);
        identity.passwords.insert(id.to_string(), password.unwrap_or_default());
    }
    for (field, value) in change.iter().filter(|(field, _)| !["id", "password"].contains(&field.as_str())) {
        row.insert(field.clone(), value.clone());
    }
    Ok(Reply::json(200, json!({kind.singular: shown(kind.plural, row, call)})))
}

fn own_password(identity: &mut Identity, user: &str, call: &Call) -> Answer {
    let body = call.json().map_err(bad)?;
    let given = wrapped(&body, "user").map_err(bad)?;
    let (old, new) = (needed(given, "original_password").map_err(bad)?, needed(given, "password").map_err(bad)?);
    if identity.passwords.get(user).is_none_or(|known| known != old) {
        return Err(super::unauthorized(call));
    }
    identity.passwords.insert(user.to_string(), new.to_string());
    identity.tokens.retain(|_, token| token.user != user);
    Ok(Reply::empty(204))
}

fn projects_of(identity: &Identity, user: &str, call: &Call) -> Answer {
    let projects = identity.collections["projects"].iter();
    let held = projects.filter(|(id, _)| !identity.roles_of(user, "project", id).is_empty());
    Ok(listing("projects", held.map(|(_, project)| shown("projects", project, call)).collect(), call))
}

#[expect(clippy::too_many_arguments, reason = "the ends of a link, as its path names them")]
fn roles(
    identity: &mut Identity,
    token: &Token,
    call: &Call,
    method: &str,
    scope: &'static str,
    target: &str,
    user: &str,
    rest: &[&str],
) -> Answer {
    if !token.admin {
        return Err(forbidden("identity:grants"));
    }
    identity.get("users", user).ok_or_else(|| absent("user", user))?;
    if scope != "system" {
        let plural = if scope == "project" { "projects" } else { "domains" };
        identity.get(plural, target).ok_or_else(|| absent(scope, target))?;
    }
    let [role] = rest else {
        if method != "GET" || !rest.is_empty() {
            return Err(not_found());
        }
        let held = identity.roles_of(user, scope, target);
        let rows =
            held.iter().filter_map(|id| identity.get("roles", id)).map(|role| shown("roles", role, call)).collect();
        return Ok(listing("roles", rows, call));
    };
    identity.get("roles", role).ok_or_else(|| absent("role", role))?;
    let link = Assignment { scope, target: target.to_string(), user: user.to_string(), role: role.to_string() };
    let held = identity.assignments.contains(&link);
    match method {
        "PUT" => identity.assign(link),
        "GET" | "DELETE" if !held => {
            return Err(error(
                404,
                &format!("Could not find role assignment with role: {role}, user or group: {user}, {scope}: {target}."),
            ));
        }
        "DELETE" => identity.assignments.retain(|other| *other != link),
        "GET" => {}
        _ => return Err(not_found()),
    }
    Ok(Reply::empty(204))
}

fn assignments(identity: &Identity, token: &Token, call: &Call) -> Answer {
    if !token.admin && call.query("user.id") != Some(&token.user) {
        return Err(forbidden("identity:list_role_assignments"));
    }
    let asked = |name: &str, value: &str| call.query(name).is_none_or(|wanted| wanted == value);
    let named = call.query("include_names").is_some();
    let entity = |plural: &str, id: &str| {
        let mut entity = json!({"id": id});
        if named && let Some(document) = identity.get(plural, id) {
            entity["name"] = document["name"].clone();
            if plural != "roles" && plural != "domains" {
                entity["domain"] = json!({"id": "default", "name": "Default"});
            }
        }
        entity
    };
    let rows = identity.assignments.iter().filter(|held| {
        asked("user.id", &held.user)
            && asked("role.id", &held.role)
            && call.query("scope.project.id").is_none_or(|id| held.scope == "project" && held.target == id)
            && call.query("scope.domain.id").is_none_or(|id| held.scope == "domain" && held.target == id)
            && call.query("scope.system").is_none_or(|_| held.scope == "system")
    });
    let rows = rows.map(|held| {
        let scope = match held.scope {
            "project" => json!({"project": entity("projects", &held.target)}),
            "domain" => json!({"domain": entity("domains", &held.target)}),
            _ => json!({"system": {"all": true}}),
        };
        json!({"role": entity("roles", &held.role), "user": entity("users", &held.user), "scope": scope, "links": {}})
    });
    Ok(listing("role_assignments", rows.collect(), call))
}

fn passes(row: &Object, kind: &Kind, call: &Call) -> bool {
    kind.filters.iter().filter_map(|field| Some((field, call.query(field)?))).all(|(field, wanted)| {
        match row.get(*field) {
            Some(Value::String(value)) if *field == "name" => value.to_lowercase() == wanted.to_lowercase(),
            Some(Value::String(value)) => value == wanted,
            Some(Value::Bool(value)) => boolean(wanted) == Some(*value),
            _ => false,
        }
    })
}

fn shown(plural: &str, row: &Object, call: &Call) -> Value {
    let mut row = row.clone();
    let id = row.get("id").and_then(Value::as_str).unwrap_or_default().to_string();
    row.insert("links".into(), json!({"self": format!("{}/identity/v3/{plural}/{id}", call.base)}));
    if ["projects", "users", "roles"].contains(&plural) {
        row.entry("options").or_insert_with(|| json!({}));
    }
    if plural == "projects" {
        row.entry("tags").or_insert_with(|| json!([]));
    }
    if plural == "endpoints" {
        row.insert("url".into(), json!(url(&row, call)));
    }
    Value::Object(row)
}

fn listing(plural: &str, rows: Vec<Value>, call: &Call) -> Reply {
    let links = json!({"next": null, "self": format!("{}{}", call.base, call.path), "previous": null});
    Reply::json(200, json!({plural: rows, "links": links}))
}
