//! Keystone v3: who is who, and the catalog.
//!
//! Domains, projects, users, roles and the catalog are documents in collections and share one set of handlers;
//! tokens and application credentials are kept apart, as passwords and secrets are, and never shown.

mod collections;
mod credentials;
mod tokens;

use std::collections::HashMap;

use indexmap::IndexMap;
use serde_json::{Value, json};
use time::OffsetDateTime;

use self::tokens::Token;
use super::wire::{Answer, Call, Object, Reply, Wrong};
use super::{State, prefix};
use crate::sim::source::Source;
use crate::sim::spec::{Service, SiteSpec};
use crate::sim::world::{Site, password_of};

pub(super) struct Identity {
    /// By plural, then by id.
    collections: IndexMap<&'static str, IndexMap<String, Object>>,
    passwords: HashMap<String, String>,
    assignments: Vec<Assignment>,
    tokens: IndexMap<String, Token>,
    credentials: IndexMap<String, credentials::Credential>,
    first_project: String,
    operator: String,
}

#[derive(Clone, PartialEq)]
struct Assignment {
    /// `project`, `domain` or `system`.
    scope: &'static str,
    target: String,
    user: String,
    role: String,
}

/// Whom a valid token speaks for.
#[derive(Clone)]
pub(super) struct Who {
    pub user: String,
    pub project: String,
    pub admin: bool,
}

impl Identity {
    pub fn new(region: &str, spec: &SiteSpec, ids: &mut Source) -> Self {
        let mut identity = Identity {
            collections: collections::empty(),
            passwords: HashMap::new(),
            assignments: Vec::new(),
            tokens: IndexMap::new(),
            credentials: IndexMap::new(),
            first_project: String::new(),
            operator: String::new(),
        };
        identity.seed(
            "domains",
            "default",
            json!({"name": "Default", "description": "The default domain", "enabled": true}),
        );
        for role in ["admin", "member", "reader", "service"] {
            identity.seed("roles", &ids.hex(), json!({"name": role, "domain_id": null, "description": null}));
        }
        for account in &spec.accounts {
            let project = identity.named("projects", &account.project).unwrap_or_else(|| {
                let project = json!({
                    "name": account.project, "domain_id": "default", "description": "", "enabled": true,
                    "is_domain": false, "parent_id": "default",
                });
                identity.seed("projects", &ids.hex(), project)
            });
            let user = identity.named("users", &account.user).unwrap_or_else(|| {
                let user = json!({
                    "name": account.user, "domain_id": "default", "enabled": true, "password_expires_at": null,
                });
                let id = identity.seed("users", &ids.hex(), user);
                identity.passwords.insert(id.clone(), password_of(region, account.password.as_deref()));
                id
            });
            for name in &account.roles {
                let role = identity.named("roles", name).unwrap_or_else(|| {
                    let role = json!({"name": name, "domain_id": null, "description": null});
                    identity.seed("roles", &ids.hex(), role)
                });
                identity.assign(Assignment { scope: "project", target: project.clone(), user: user.clone(), role });
            }
            if identity.first_project.is_empty() {
                identity.first_project = project;
            }
        }
        // What everybody may use belongs to no user: to the administrators' project, or else to the services'.
        let admin = spec.accounts.iter().find(|account| account.roles.iter().any(|role| role == "admin"));
        let owner = admin.map_or("service", |account| account.project.as_str());
        identity.operator = identity.named("projects", owner).unwrap_or_else(|| {
            let project = json!({
                "name": owner, "domain_id": "default", "description": "", "enabled": true, "is_domain": false,
                "parent_id": "default",
            });
            identity.seed("projects", &ids.hex(), project)
        });
        identity.seed("regions", region, json!({"description": "", "parent_region_id": null}));
        for service in Service::ALL.into_iter().filter(|service| spec.offers(*service)) {
            identity.seed_endpoints(region, service, ids);
        }
        identity
    }

    /// Whose the things are that a scenario puts at a site.
    pub fn owner(&self, shared: bool) -> &str {
        if shared { &self.operator } else { &self.first_project }
    }

    fn seed_endpoints(&mut self, region: &str, service: Service, ids: &mut Source) {
        let (name, version) = match service {
            Service::Identity => ("keystone", ""),
            Service::Image => ("glance", ""),
            Service::Compute => ("nova", "/v2.1"),
            Service::Placement => ("placement", ""),
            Service::Network => ("neutron", ""),
        };
        let document = json!({"name": name, "type": service.kind(), "enabled": true, "description": ""});
        let id = self.seed("services", &ids.hex(), document);
        for interface in ["public", "internal", "admin"] {
            let document = json!({
                "service_id": id, "interface": interface, "region": region, "region_id": region, "enabled": true,
                "url": format!("{{base}}{}{version}", prefix(service)),
            });
            self.seed("endpoints", &ids.hex(), document);
        }
    }

    fn seed(&mut self, plural: &'static str, id: &str, document: Value) -> String {
        if let (Value::Object(mut document), Some(collection)) = (document, self.collections.get_mut(plural)) {
            document.insert("id".into(), id.into());
            collection.insert(id.to_string(), document);
        }
        id.to_string()
    }

    fn get(&self, plural: &str, id: &str) -> Option<&Object> {
        self.collections.get(plural)?.get(id)
    }

    fn named(&self, plural: &str, name: &str) -> Option<String> {
        let (id, _) = self.collections.get(plural)?.iter().find(|(_, document)| document["name"] == name)?;
        Some(id.clone())
    }

    fn assign(&mut self, assignment: Assignment) {
        if !self.assignments.contains(&assignment) {
            self.assignments.push(assignment);
        }
    }

    fn roles_of(&self, user: &str, scope: &str, target: &str) -> Vec<String> {
        let held = self.assignments.iter().filter(|a| a.user == user && a.scope == scope && a.target == target);
        held.map(|a| a.role.clone()).collect()
    }

    pub fn who(&mut self, token: &str, now: OffsetDateTime) -> Option<Who> {
        let token = self.token(token, now)?;
        Some(Who { user: token.user.clone(), project: token.project.clone().unwrap_or_default(), admin: token.admin })
    }

    fn token(&self, id: &str, now: OffsetDateTime) -> Option<&Token> {
        self.tokens.get(id).filter(|token| now < token.expires)
    }
}

pub(super) fn answer(site: &Site, state: &mut State, call: &Call) -> Answer {
    let path = call.path();
    let method = match call.method.as_str() {
        "HEAD" => "GET",
        method => method,
    };
    match (method, &path[..]) {
        ("GET", []) => return Ok(Reply::json(300, json!({"versions": {"values": [version(call)]}}))),
        ("GET", ["v3"] | ["v3", ""]) => return Ok(Reply::json(200, json!({"version": version(call)}))),
        ("POST", ["v3", "auth", "tokens"]) => return tokens::issue(site, state, call),
        _ => {}
    }
    let State { identity, ids, .. } = state;
    let subject = call.header("x-auth-token").unwrap_or_default();
    let token = identity.token(subject, call.now).cloned().ok_or_else(|| unauthorized(call))?;
    match (method, &path[..]) {
        ("GET", ["v3", "auth", "tokens"]) => tokens::show(identity, &token, call),
        ("DELETE", ["v3", "auth", "tokens"]) => tokens::revoke(identity, &token, call),
        ("GET", ["v3", "auth", "catalog"]) => {
            let links = json!({"self": format!("{}/identity/v3/auth/catalog", call.base)});
            Ok(Reply::json(200, json!({"catalog": tokens::catalog(identity, call), "links": links})))
        }
        (_, ["v3", "users", user, "application_credentials", rest @ ..]) => {
            credentials::answer(identity, ids, &token, call, method, user, rest)
        }
        (_, ["v3", rest @ ..]) => collections::answer(identity, ids, &token, call, method, rest),
        _ => Err(not_found()),
    }
}

fn version(call: &Call) -> Value {
    json!({
        "id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": format!("{}/identity/v3/", call.base)}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    })
}

pub(super) fn error(status: u16, message: &str) -> Reply {
    let title = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason()).unwrap_or("Error");
    Reply::json(status, json!({"error": {"code": status, "message": message, "title": title}}))
}

fn bad(wrong: Wrong) -> Reply {
    error(400, &wrong.0)
}

fn unauthorized(call: &Call) -> Reply {
    error(401, "The request you have made requires authentication.")
        .header("www-authenticate", format!("Keystone uri=\"{}/identity\"", call.base))
}

fn forbidden(action: &str) -> Reply {
    error(403, &format!("You are not authorized to perform the requested action: {action}."))
}

fn not_found() -> Reply {
    error(404, "The resource could not be found.")
}

fn absent(kind: &str, id: &str) -> Reply {
    error(404, &format!("Could not find {kind}: {id}."))
}
