//! Keypairs: a user's own, named, and nothing but the name identifies them.

use base64::Engine;
use md5::{Digest, Md5};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::version::Version;
use super::{Page, Request, bad, error, listing, not_found, policy, refused};
use crate::sim::openstack::State;
use crate::sim::openstack::wire::{Answer, Reply, needed, text, wrapped};
use crate::sim::source::iso_micro;
use crate::sim::world::KeypairSeen;

pub(super) struct Keypair {
    name: String,
    public_key: String,
    fingerprint: String,
    kind: String,
    created: OffsetDateTime,
}

impl Keypair {
    pub fn seen(&self, user: &str) -> KeypairSeen {
        KeypairSeen { user: user.into(), name: self.name.clone(), fingerprint: self.fingerprint.clone() }
    }
}

pub(super) fn answer(state: &mut State, request: &Request, method: &str, path: &[&str]) -> Answer {
    let user = match request.call.query("user_id") {
        Some(other) if request.version >= Version(10) && other != request.who.user => {
            if !request.who.admin {
                return Err(policy("os-keypairs:index"));
            }
            other.to_string()
        }
        _ => request.who.user.clone(),
    };
    let absent = |name: &str| error(404, &format!("Keypair {name} not found for user {user}"));
    match (method, path) {
        ("GET", []) => {
            let own: Vec<&Keypair> =
                state.compute.keypairs.get(&user).into_iter().flat_map(|own| own.values()).collect();
            let page = if request.version >= Version(35) {
                Page::of(request.call)?
            } else {
                Page { limit: usize::MAX, marker: None }
            };
            let (own, full) = page.cut(own, |known| &known.name)?;
            let last = own.last().filter(|_| full).map(|known| known.name.clone());
            let rows = own.iter().map(|known| {
                let mut row =
                    json!({"name": known.name, "public_key": known.public_key, "fingerprint": known.fingerprint});
                if request.version >= Version(2) {
                    row["type"] = json!(known.kind);
                }
                json!({"keypair": row})
            });
            Ok(listing(request.call, "keypairs", rows.collect(), last.as_deref()))
        }
        ("POST", []) => create(state, request, user),
        ("GET", [name]) => {
            let known = state.compute.keypairs.get(&user).and_then(|own| own.get(*name)).ok_or_else(|| absent(name))?;
            let mut shown = full(known, &user, request);
            shown["created_at"] = json!(iso_micro(known.created));
            shown["updated_at"] = Value::Null;
            shown["deleted_at"] = Value::Null;
            shown["deleted"] = json!(false);
            shown["id"] = json!(1);
            shown["user_id"] = json!(user);
            Ok(Reply::json(200, json!({"keypair": shown})))
        }
        ("DELETE", [name]) => {
            let own = state.compute.keypairs.get_mut(&user);
            own.and_then(|own| own.shift_remove(*name)).ok_or_else(|| absent(name))?;
            Ok(Reply::empty(if request.version >= Version(2) { 204 } else { 202 }))
        }
        _ => Err(not_found()),
    }
}

fn create(state: &mut State, request: &Request, asked: String) -> Answer {
    let body = request.call.json().map_err(bad)?;
    let given = wrapped(&body, "keypair").map_err(bad)?;
    let name = needed(given, "name").map_err(bad)?;
    if name.trim().is_empty() || name.len() > 255 {
        return Err(refused(&format!("Invalid input for field/attribute name. Value: {name}.")));
    }
    let user = match text(given, "user_id").map_err(bad)?.filter(|_| request.version >= Version(10)) {
        Some(other) if other != request.who.user && !request.who.admin => return Err(policy("os-keypairs:create")),
        Some(other) => other.to_string(),
        None => asked,
    };
    let kind = text(given, "type").map_err(bad)?.unwrap_or("ssh").to_string();
    let Some(public_key) = text(given, "public_key").map_err(bad)? else {
        // From 2.92 on Nova generates none either; a key made here could not be told from a real one.
        return Err(refused("Invalid input for field/attribute keypair. 'public_key' is a required property"));
    };
    let fingerprint = fingerprint(public_key, &kind)
        .ok_or_else(|| refused("Keypair data is invalid: failed to generate fingerprint"))?;
    let limit = state.compute.limits.key_pairs;
    let own = state.compute.keypairs.entry(user.clone()).or_default();
    if own.contains_key(name) {
        return Err(error(409, &format!("Key pair '{name}' already exists.")));
    }
    if limit >= 0 && own.len() as i64 >= limit {
        return Err(error(403, "Quota exceeded, too many key pairs."));
    }
    let known = Keypair {
        name: name.to_string(),
        public_key: public_key.to_string(),
        fingerprint,
        kind,
        created: request.call.now,
    };
    let shown = full(&known, &user, request);
    own.insert(name.to_string(), known);
    Ok(Reply::json(if request.version >= Version(2) { 201 } else { 200 }, json!({"keypair": shown})))
}

fn full(known: &Keypair, user: &str, request: &Request) -> Value {
    let mut shown = json!({
        "name": known.name, "public_key": known.public_key, "fingerprint": known.fingerprint, "user_id": user,
    });
    if request.version >= Version(2) {
        shown["type"] = json!(known.kind);
    }
    shown
}

/// The md5 of the key itself, as pairs of digits with colons between.
fn fingerprint(public_key: &str, kind: &str) -> Option<String> {
    let data = match kind {
        "x509" => public_key.as_bytes().to_vec(),
        _ => base64::engine::general_purpose::STANDARD.decode(public_key.split_whitespace().nth(1)?).ok()?,
    };
    let pairs: Vec<String> = Md5::digest(data).iter().map(|byte| format!("{byte:02x}")).collect();
    Some(pairs.join(":"))
}
