//! Application credentials: a user's own, for one project, with a secret that is told once.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::tokens::Token;
use super::{Identity, absent, bad, error, forbidden, not_found};
use crate::sim::openstack::wire::{Answer, Call, Reply, Wrong, flag, needed, text, wrapped};
use crate::sim::source::{Source, iso_micro};

#[derive(Clone)]
pub(super) struct Credential {
    pub id: String,
    pub name: String,
    description: Option<String>,
    pub user: String,
    pub project: String,
    /// Ids.
    pub roles: Vec<String>,
    pub secret: String,
    pub expires: Option<OffsetDateTime>,
    pub unrestricted: bool,
}

pub(super) fn answer(
    identity: &mut Identity,
    ids: &mut Source,
    token: &Token,
    call: &Call,
    method: &str,
    user: &str,
    rest: &[&str],
) -> Answer {
    if token.user != user && !(token.admin && method != "POST") {
        return Err(forbidden("identity:application_credentials"));
    }
    match (method, rest) {
        ("POST", []) => create(identity, ids, token, call),
        ("GET", []) => {
            let named = |known: &&Credential| call.query("name").is_none_or(|name| known.name == name);
            let own = identity.credentials.values().filter(|known| known.user == user).filter(named);
            let rows: Vec<Value> = own.map(|known| shown(identity, known)).collect();
            let links = json!({"self": format!("{}{}", call.base, call.path), "previous": null, "next": null});
            Ok(Reply::json(200, json!({"application_credentials": rows, "links": links})))
        }
        ("GET", [id]) => match identity.credentials.get(*id).filter(|known| known.user == user) {
            Some(known) => Ok(Reply::json(200, json!({"application_credential": shown(identity, known)}))),
            None => Err(absent("Application Credential", id)),
        },
        ("DELETE", [id]) => {
            if identity.credentials.get(*id).is_none_or(|known| known.user != user) {
                return Err(absent("Application Credential", id));
            }
            identity.credentials.shift_remove(*id);
            identity.tokens.retain(|_, token| token.credential.as_deref() != Some(*id));
            Ok(Reply::empty(204))
        }
        _ => Err(not_found()),
    }
}

fn create(identity: &mut Identity, ids: &mut Source, token: &Token, call: &Call) -> Answer {
    let body = call.json().map_err(bad)?;
    let given = wrapped(&body, "application_credential").map_err(bad)?;
    let name = needed(given, "name").map_err(bad)?;
    let project = token.project.clone().ok_or_else(|| bad(Wrong("a project-scoped token is required".into())))?;
    if token.credential.is_some() {
        return Err(forbidden("identity:create_application_credential"));
    }
    if identity.credentials.values().any(|known| known.user == token.user && known.name == name) {
        let message = "Conflict occurred attempting to store application_credential - Duplicate entry found with name";
        return Err(error(409, &format!("{message} {name}.")));
    }
    let held = identity.roles_of(&token.user, "project", &project);
    let roles = match given.get("roles").and_then(Value::as_array) {
        None => held,
        Some(wanted) => {
            let mut roles = Vec::new();
            for role in wanted {
                let id = match (role["id"].as_str(), role["name"].as_str()) {
                    (Some(id), _) => Some(id.to_string()),
                    (None, Some(name)) => identity.named("roles", name),
                    (None, None) => None,
                };
                let role = id.filter(|id| held.contains(id));
                roles.push(role.ok_or_else(|| bad(Wrong("Invalid application credential: role not held".into())))?);
            }
            roles
        }
    };
    let expires = match text(given, "expires_at").map_err(bad)? {
        None => None,
        Some(at) => Some(moment(at).ok_or_else(|| bad(Wrong(format!("Invalid expires_at `{at}`"))))?),
    };
    let credential = Credential {
        id: ids.hex(),
        name: name.to_string(),
        description: text(given, "description").map_err(bad)?.map(str::to_string),
        user: token.user.clone(),
        project,
        roles,
        secret: text(given, "secret").map_err(bad)?.map(str::to_string).unwrap_or_else(|| ids.token()),
        expires,
        unrestricted: flag(given, "unrestricted").map_err(bad)?.unwrap_or(false),
    };
    let mut document = shown(identity, &credential);
    document["secret"] = json!(credential.secret);
    identity.credentials.insert(credential.id.clone(), credential);
    Ok(Reply::json(201, json!({"application_credential": document})))
}

fn moment(text: &str) -> Option<OffsetDateTime> {
    let zoned = OffsetDateTime::parse(text, &Rfc3339);
    zoned.or_else(|_| OffsetDateTime::parse(&format!("{text}Z"), &Rfc3339)).ok()
}

fn shown(identity: &Identity, known: &Credential) -> Value {
    let roles: Vec<Value> = known
        .roles
        .iter()
        .map(|id| json!({"id": id, "name": identity.get("roles", id).map(|role| &role["name"]), "domain_id": null, "description": null, "options": {}}))
        .collect();
    json!({
        "id": known.id, "name": known.name, "description": known.description, "project_id": known.project,
        "user_id": known.user, "roles": roles, "expires_at": known.expires.map(iso_micro),
        "unrestricted": known.unrestricted, "access_rules": [], "system": null,
    })
}
