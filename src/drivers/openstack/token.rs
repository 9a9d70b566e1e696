//! What Keystone gives for credentials: a token, who we are, and the catalog.
//!
//! When a token is renewed is told by its own span of life from the moment it came, not by dates: the clocks of a site
//! and of this machine need not agree.

use crate::drivers::Account;
use http::HeaderValue;
use serde_json::Value;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

pub struct Token {
    /// Of this session's tokens, from 1; 0 until it is the session's.
    pub number: u64,
    /// Marked sensitive.
    pub value: HeaderValue,
    /// From here on a new one is better.
    pub renew: Option<Instant>,
    pub account: Account,
    pub catalog: Vec<CatalogEntry>,
}

#[derive(Clone, Debug)]
pub struct CatalogEntry {
    pub kind: String,
    pub name: String,
    pub endpoints: Vec<Endpoint>,
}

#[derive(Clone, Debug)]
pub struct Endpoint {
    pub interface: String,
    pub region: Option<String>,
    pub url: String,
}

/// Before its end, so that no request meets it on its way.
const MARGIN: Duration = Duration::from_secs(60);

impl Token {
    /// Reads Keystone's answer, which came just now; `None` where it is not one.
    pub fn read(subject: &HeaderValue, body: &Value) -> Option<Token> {
        let token = body.get("token")?;
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_string);
        let user = token.get("user")?;
        let project = token.get("project");
        let account = Account {
            user: text(user, "name").unwrap_or_default(),
            user_id: text(user, "id").unwrap_or_default(),
            project: project.and_then(|p| text(p, "name")),
            project_id: project.and_then(|p| text(p, "id")),
        };
        let moment = |key: &str| OffsetDateTime::parse(token.get(key)?.as_str()?, &Rfc3339).ok();
        let life: Option<Duration> = match (moment("issued_at"), moment("expires_at")) {
            (Some(issued), Some(expires)) => Some((expires - issued).try_into().unwrap_or(Duration::ZERO)),
            _ => None,
        };
        let renew = life.and_then(|life| Instant::now().checked_add(life - MARGIN.min(life / 10)));
        let empty = Vec::new();
        let entries = token.get("catalog").and_then(Value::as_array).unwrap_or(&empty);
        let catalog = entries.iter().filter_map(|entry| {
            let endpoints = entry.get("endpoints").and_then(Value::as_array).unwrap_or(&empty);
            let endpoints = endpoints.iter().filter_map(|e| {
                let region = text(e, "region").or_else(|| text(e, "region_id"));
                Some(Endpoint { interface: text(e, "interface")?, region, url: text(e, "url")? })
            });
            let name = text(entry, "name").unwrap_or_default();
            Some(CatalogEntry { kind: text(entry, "type")?, name, endpoints: endpoints.collect() })
        });
        let mut value = subject.clone();
        value.set_sensitive(true);
        Some(Token { number: 0, value, renew, account, catalog: catalog.collect() })
    }

    pub fn is_old(&self) -> bool {
        self.renew.is_some_and(|renew| Instant::now() >= renew)
    }
}
