//! Tokens: by password, by another token, by an application credential; shown, checked and revoked.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::credentials::Credential;
use super::{Identity, absent, bad, error, forbidden, unauthorized};
use crate::sim::openstack::State;
use crate::sim::openstack::wire::{Answer, Call, Object, Reply, Wrong, needed, text};
use crate::sim::source::iso_micro;
use crate::sim::world::Site;

/// Tokens alive at one site; the oldest go first.
const KEPT: usize = 50_000;

#[derive(Clone)]
pub(super) struct Token {
    pub user: String,
    pub project: Option<String>,
    domain: Option<String>,
    system: bool,
    roles: Vec<String>,
    pub admin: bool,
    methods: Vec<&'static str>,
    audit: String,
    issued: OffsetDateTime,
    pub expires: OffsetDateTime,
    /// The application credential that it was made of, and dies with.
    pub credential: Option<String>,
}

/// Who was found, and what they proved it with.
struct Proven {
    user: String,
    method: &'static str,
    credential: Option<Credential>,
    /// Not beyond the token that it was made of.
    until: Option<OffsetDateTime>,
}

pub(super) fn issue(site: &Site, state: &mut State, call: &Call) -> Answer {
    let State { identity, ids, .. } = state;
    let body = call.json().map_err(bad)?;
    let auth = body.get("auth").and_then(Value::as_object).ok_or_else(|| malformed("auth", "request body"))?;
    let proof = auth.get("identity").and_then(Value::as_object).ok_or_else(|| malformed("identity", "auth"))?;
    let proven = prove(identity, proof, call)?;
    let scope = match &proven.credential {
        Some(credential) => Scope::Project(credential.project.clone()),
        None => scope_of(identity, auth.get("scope"), call)?,
    };
    let mut token = Token {
        user: proven.user,
        project: None,
        domain: None,
        system: false,
        roles: Vec::new(),
        admin: false,
        methods: vec![proven.method],
        audit: ids.hex()[..22].to_string(),
        issued: call.now,
        expires: call.now + site.spec.token_lifetime,
        credential: proven.credential.as_ref().map(|credential| credential.id.clone()),
    };
    token.expires = proven.until.map_or(token.expires, |until| until.min(token.expires));
    match scope {
        Scope::None => {}
        Scope::Project(id) => {
            token.roles = identity.roles_of(&token.user, "project", &id);
            token.project = Some(id);
        }
        Scope::Domain(id) => {
            token.roles = identity.roles_of(&token.user, "domain", &id);
            token.domain = Some(id);
        }
        Scope::System => {
            token.roles = identity.roles_of(&token.user, "system", "all");
            token.system = true;
        }
    }
    if let Some(credential) = &proven.credential {
        token.roles.retain(|role| credential.roles.contains(role));
    }
    let scoped = token.project.is_some() || token.domain.is_some() || token.system;
    if scoped && token.roles.is_empty() {
        return Err(unauthorized(call));
    }
    token.admin =
        token.roles.iter().any(|role| identity.get("roles", role).is_some_and(|role| role["name"] == "admin"));
    let id = ids.token();
    let shown = document(identity, &token, call);
    identity.tokens.retain(|_, token| call.now < token.expires);
    if identity.tokens.len() >= KEPT {
        identity.tokens.shift_remove_index(0);
    }
    identity.tokens.insert(id.clone(), token);
    Ok(Reply::json(201, shown).header("x-subject-token", id).header("vary", "X-Auth-Token"))
}

fn prove(identity: &Identity, proof: &Object, call: &Call) -> Result<Proven, Reply> {
    let methods = proof.get("methods").and_then(Value::as_array).ok_or_else(|| malformed("methods", "identity"))?;
    let [method] = &methods[..] else {
        return Err(unauthorized(call));
    };
    let part = |name: &str| proof.get(name).and_then(Value::as_object).ok_or_else(|| malformed(name, "identity"));
    match method.as_str() {
        Some("password") => {
            let user = part("password")?.get("user").and_then(Value::as_object);
            let user = user.ok_or_else(|| malformed("user", "password"))?;
            let password = needed(user, "password").map_err(bad)?;
            let id = user_of(identity, user)?.ok_or_else(|| unauthorized(call))?;
            if identity.passwords.get(&id).is_none_or(|known| known != password) || !enabled(identity, "users", &id) {
                return Err(unauthorized(call));
            }
            Ok(Proven { user: id, method: "password", credential: None, until: None })
        }
        Some("token") => {
            let id = needed(part("token")?, "id").map_err(bad)?;
            let token = identity.token(id, call.now).ok_or_else(|| unauthorized(call))?;
            if token.credential.is_some() {
                return Err(forbidden("Using method 'token' with an application credential is not allowed"));
            }
            Ok(Proven { user: token.user.clone(), method: "token", credential: None, until: Some(token.expires) })
        }
        Some("application_credential") => {
            let given = part("application_credential")?;
            let secret = needed(given, "secret").map_err(bad)?;
            let found = match text(given, "id").map_err(bad)? {
                Some(id) => identity.credentials.get(id),
                None => {
                    let name = needed(given, "name").map_err(bad)?;
                    let user =
                        given.get("user").and_then(Value::as_object).ok_or_else(|| malformed("user", "identity"))?;
                    let user = user_of(identity, user)?.ok_or_else(|| unauthorized(call))?;
                    identity.credentials.values().find(|known| known.name == name && known.user == user)
                }
            };
            let valid = found.filter(|known| known.secret == secret && known.expires.is_none_or(|at| call.now < at));
            let known = valid.ok_or_else(|| unauthorized(call))?.clone();
            let until = known.expires;
            Ok(Proven { user: known.user.clone(), method: "application_credential", credential: Some(known), until })
        }
        Some(_) => Err(unauthorized(call)),
        None => Err(malformed("methods", "identity")),
    }
}

enum Scope {
    None,
    Project(String),
    Domain(String),
    System,
}

fn scope_of(identity: &Identity, scope: Option<&Value>, call: &Call) -> Result<Scope, Reply> {
    let scope = match scope {
        None | Some(Value::Null) => return Ok(Scope::None),
        Some(Value::String(word)) if word == "unscoped" => return Ok(Scope::None),
        Some(scope) => scope.as_object().ok_or_else(|| malformed("scope", "auth"))?,
    };
    if let Some(project) = scope.get("project").and_then(Value::as_object) {
        let id = match text(project, "id").map_err(bad)? {
            Some(id) => id.to_string(),
            None => {
                let name = needed(project, "name").map_err(bad)?;
                let domain = domain_of(identity, project.get("domain"))?;
                in_domain(identity, "projects", name, &domain).ok_or_else(|| unauthorized(call))?
            }
        };
        if !enabled(identity, "projects", &id) {
            return Err(unauthorized(call));
        }
        return Ok(Scope::Project(id));
    }
    if let Some(domain) = scope.get("domain") {
        return Ok(Scope::Domain(domain_of(identity, Some(domain))?));
    }
    if scope.contains_key("system") { Ok(Scope::System) } else { Err(malformed("project", "scope")) }
}

fn user_of(identity: &Identity, user: &Object) -> Result<Option<String>, Reply> {
    if let Some(id) = text(user, "id").map_err(bad)? {
        return Ok(identity.get("users", id).map(|_| id.to_string()));
    }
    let name = needed(user, "name").map_err(bad)?;
    let domain = domain_of(identity, user.get("domain"))?;
    Ok(in_domain(identity, "users", name, &domain))
}

/// The domain's id, or a word that is no domain's id when there is none of that name.
fn domain_of(identity: &Identity, domain: Option<&Value>) -> Result<String, Reply> {
    let domain = domain.and_then(Value::as_object).ok_or_else(|| malformed("domain", "user"))?;
    if let Some(id) = text(domain, "id").map_err(bad)? {
        return Ok(id.to_string());
    }
    let name = needed(domain, "name").map_err(bad)?;
    Ok(identity.named("domains", name).unwrap_or_default())
}

fn in_domain(identity: &Identity, plural: &str, name: &str, domain: &str) -> Option<String> {
    let mut found = identity.collections.get(plural)?.iter();
    found.find(|(_, document)| document["name"] == name && document["domain_id"] == domain).map(|(id, _)| id.clone())
}

fn enabled(identity: &Identity, plural: &str, id: &str) -> bool {
    identity.get(plural, id).is_some_and(|document| document.get("enabled") != Some(&Value::Bool(false)))
}

fn malformed(what: &str, within: &str) -> Reply {
    bad(Wrong(format!(
        "Expecting to find {what} in {within}. The server could not comply with the request since it is either \
         malformed or otherwise incorrect. The client is assumed to be in error."
    )))
}

/// The token that a request is about; others' are for administrators.
fn subject<'a>(identity: &'a Identity, token: &Token, call: &'a Call) -> Result<(&'a str, &'a Token), Reply> {
    let id = call.header("x-subject-token").ok_or_else(|| error(400, "X-Subject-Token header is required"))?;
    let subject = identity.token(id, call.now).ok_or_else(|| absent("token", "the given token"))?;
    if subject.user != token.user && !token.admin {
        return Err(forbidden("identity:validate_token"));
    }
    Ok((id, subject))
}

pub(super) fn show(identity: &Identity, token: &Token, call: &Call) -> Answer {
    let (id, subject) = subject(identity, token, call)?;
    Ok(Reply::json(200, document(identity, subject, call)).header("x-subject-token", id).header("vary", "X-Auth-Token"))
}

pub(super) fn revoke(identity: &mut Identity, token: &Token, call: &Call) -> Answer {
    let id = subject(identity, token, call)?.0.to_string();
    identity.tokens.shift_remove(&id);
    Ok(Reply::empty(204))
}

fn document(identity: &Identity, token: &Token, call: &Call) -> Value {
    let domain = |id: &str| json!({"id": id, "name": identity.get("domains", id).map(|domain| &domain["name"])});
    let name = |plural: &str, id: &str| identity.get(plural, id).map(|document| document["name"].clone());
    let domain_in = |plural: &str, id: &str| {
        domain(identity.get(plural, id).and_then(|document| document["domain_id"].as_str()).unwrap_or("default"))
    };
    let mut shown = json!({
        "methods": token.methods,
        "user": {
            "domain": domain_in("users", &token.user), "id": token.user, "name": name("users", &token.user),
            "password_expires_at": null,
        },
        "audit_ids": [token.audit],
        "expires_at": format!("{}Z", iso_micro(token.expires)),
        "issued_at": format!("{}Z", iso_micro(token.issued)),
    });
    let roles: Vec<Value> =
        token.roles.iter().map(|id| json!({"id": id, "name": name("roles", id).unwrap_or_default()})).collect();
    if let Some(project) = &token.project {
        shown["project"] =
            json!({"domain": domain_in("projects", project), "id": project, "name": name("projects", project)});
        shown["is_domain"] = json!(false);
    }
    if let Some(id) = &token.domain {
        shown["domain"] = domain(id);
    }
    if token.system {
        shown["system"] = json!({"all": true});
    }
    if !roles.is_empty() {
        shown["roles"] = json!(roles);
        if call.query("nocatalog").is_none() {
            shown["catalog"] = catalog(identity, call);
        }
    }
    if let Some(credential) = token.credential.as_ref().and_then(|id| identity.credentials.get(id)) {
        shown["application_credential"] =
            json!({"id": credential.id, "name": credential.name, "restricted": !credential.unrestricted});
    }
    json!({"token": shown})
}

pub(super) fn catalog(identity: &Identity, call: &Call) -> Value {
    let endpoints = |service: &str| -> Vec<Value> {
        let all = identity.collections["endpoints"].values();
        let of_service = all.filter(|endpoint| endpoint["service_id"] == service && endpoint["enabled"] != false);
        let shown = of_service.map(|endpoint| {
            json!({
                "id": endpoint["id"], "interface": endpoint["interface"], "region_id": endpoint.get("region_id"),
                "region": endpoint.get("region_id"), "url": super::collections::url(endpoint, call),
            })
        });
        shown.collect()
    };
    let services = identity.collections["services"].iter().filter(|(_, service)| service["enabled"] != false);
    let entries = services.map(|(id, service)| {
        json!({"endpoints": endpoints(id), "id": id, "type": service["type"], "name": service.get("name")})
    });
    Value::Array(entries.collect())
}
