//! OpenStack's protocol: Keystone v3 for who we are and where services are, microversions, paging, extensions.
//!
//! A session holds the token of one account at one site. The hard idea is in `exchange`: to know, whatever goes wrong
//! and whenever, whether the request may have been carried out, and to send again only what cannot act twice.

mod credentials;
mod endpoint;
mod exchange;
mod listing;
mod services;
mod token;

use super::{Account, Answer, Failure, Limits, Rows, ServiceEntry, Session, Surroundings, Upload, complaint};
use crate::config::{Cloud, Connection};
use credentials::{Credentials, Keystone};
use edge_lang::library::{Listing, Request, Version};
use exchange::{Call, Sent};
use futures_util::future::BoxFuture;
use secrecy::ExposeSecret;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use token::Token;
use tokio::time::{Instant, timeout_at};
use url::Url;

/// How long a refusal of our credentials is believed, so that many requests do not lock an account.
const DENIAL: Duration = Duration::from_secs(30);
/// How long a new token is waited for while the old one may still serve.
const RENEWAL: Duration = Duration::from_secs(5);
/// For what is asked outside a call with limits of its own: the catalog, versions, extensions.
const LOOK: Duration = Duration::from_secs(60);

pub struct OpenStack {
    cloud: Cloud,
    credentials: Credentials,
    outside: Surroundings,
    entry: tokio::sync::Mutex<Entry>,
    /// The current token again, to keep it out of messages without waiting for the entry.
    shown: Mutex<Vec<String>>,
    found: Mutex<Found>,
    /// Each has a jitter of its own.
    calls: AtomicU64,
}

/// Held while a token is asked for: the others wait for that one.
#[derive(Default)]
struct Entry {
    token: Option<Arc<Token>>,
    denied: Option<(Instant, Failure)>,
}

/// What a site has told of itself.
#[derive(Default)]
struct Found {
    bases: HashMap<(String, String), Url>,
    versions: HashMap<String, Option<(Version, Version)>>,
    extensions: HashMap<(String, String), BTreeSet<String>>,
}

pub fn open(connection: &Connection, outside: Surroundings) -> Result<Box<dyn Session>, Failure> {
    let cloud = connection.cloud.clone().ok_or_else(|| {
        Failure::Configuration(format!("`{}` has no `cloud`: it names the entry of clouds.yaml", connection.site))
    })?;
    let credentials = Credentials::of(&cloud.auth)
        .map_err(|why| Failure::Configuration(format!("`{}`: cloud `{}`: {why}", connection.site, cloud.name)))?;
    let mut shown: Vec<String> = cloud.auth.exposed().map(str::to_string).collect();
    if let Credentials::Fixed { authorization: Some((_, secret)), .. } = &credentials {
        shown.push(secret.expose_secret().to_string());
    }
    let (entry, found, calls) = Default::default();
    Ok(Box::new(OpenStack { cloud, credentials, outside, entry, shown: Mutex::new(shown), found, calls }))
}

impl Session for OpenStack {
    fn send(&self, request: Request, body: Option<Upload>, limits: Limits) -> BoxFuture<'_, Result<Answer, Failure>> {
        Box::pin(async move {
            let deadline = deadline(limits.time);
            self.answer(request, body, deadline).await.map_err(|f| self.discreet(f))
        })
    }

    fn list(&self, listing: Listing, limits: Limits) -> BoxFuture<'_, Result<Rows, Failure>> {
        Box::pin(async move {
            let deadline = deadline(limits.time);
            self.pages(listing, limits.rows, deadline).await.map_err(|f| self.discreet(f))
        })
    }

    fn account(&self) -> BoxFuture<'_, Result<Account, Failure>> {
        Box::pin(async move {
            let token = self.token(None, deadline(LOOK)).await.map_err(|f| self.discreet(f))?;
            token.map(|t| t.account.clone()).ok_or_else(|| {
                Failure::NotOffered(format!(
                    "the cloud `{}` has no identity service to say who we are",
                    self.cloud.name
                ))
            })
        })
    }

    fn services(&self) -> BoxFuture<'_, Result<Vec<ServiceEntry>, Failure>> {
        Box::pin(async move {
            let token = self.token(None, deadline(LOOK)).await.map_err(|f| self.discreet(f))?;
            let catalog = token.as_ref().map_or(&[][..], |t| &t.catalog);
            let mut entries = Vec::new();
            for entry in catalog {
                let kind = services::official(&entry.kind).to_string();
                let Ok(url) = endpoint::choose(&self.cloud, catalog, &kind) else { continue };
                if entries.iter().all(|e: &ServiceEntry| e.kind != kind) {
                    let region = self.cloud.region.clone();
                    entries.push(ServiceEntry { kind, name: entry.name.clone(), endpoint: url.to_string(), region });
                }
            }
            Ok(entries)
        })
    }

    fn versions(&self, kind: &str) -> BoxFuture<'_, Result<Option<(Version, Version)>, Failure>> {
        let kind = kind.to_string();
        Box::pin(async move { self.range(&kind, deadline(LOOK)).await.map_err(|f| self.discreet(f)) })
    }

    fn has_extension(&self, kind: &str, base: &str, name: &str) -> BoxFuture<'_, Result<bool, Failure>> {
        let (kind, base, name) = (kind.to_string(), base.to_string(), name.to_string());
        Box::pin(async move {
            let key = (kind, base);
            if let Some(known) = self.found().extensions.get(&key) {
                return Ok(known.contains(&name));
            }
            let list = self.extensions(&key.0, &key.1, deadline(LOOK)).await.map_err(|f| self.discreet(f))?;
            let has = list.contains(&name);
            self.found().extensions.insert(key, list);
            Ok(has)
        })
    }
}

fn deadline(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now + Duration::from_secs(86_400 * 365))
}

fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or("?");
    url.port().map_or_else(|| name.to_string(), |port| format!("{name}:{port}"))
}

impl OpenStack {
    /// The token to use: the one at hand, unless it is old or the one that was just refused. `None` where there is no
    /// identity service.
    async fn token(&self, refused: Option<&Arc<Token>>, deadline: Instant) -> Result<Option<Arc<Token>>, Failure> {
        let Credentials::Keystone(keystone) = &self.credentials else { return Ok(None) };
        let waited = || Failure::NotSent(format!("no token from {} within the time limit", host(&keystone.url)));
        let mut entry = timeout_at(deadline, self.entry.lock()).await.map_err(|_| waited())?;
        if let Some(token) = &entry.token
            && !token.is_old()
            && refused.is_none_or(|r| !Arc::ptr_eq(r, token))
        {
            return Ok(Some(token.clone()));
        }
        if let Some((when, failure)) = &entry.denied
            && when.elapsed() < DENIAL
        {
            return Err(failure.clone());
        }
        // An old token that nobody refused still serves for a little while, if there is no new one to be had.
        let old = entry.token.clone().filter(|t| refused.is_none_or(|r| !Arc::ptr_eq(r, t)));
        let patience = if old.is_some() { deadline.min(Instant::now() + RENEWAL) } else { deadline };
        match self.authenticate(keystone, patience).await {
            Err(Failure::NotSent(_)) if old.is_some() => Ok(old),
            Ok(token) => {
                let token = Arc::new(token);
                self.keep_secret(&token);
                *entry = Entry { token: Some(token.clone()), denied: None };
                Ok(Some(token))
            }
            Err(failure) => {
                if matches!(failure, Failure::Denied(_)) {
                    *entry = Entry { token: None, denied: Some((Instant::now(), failure.clone())) };
                }
                Err(failure)
            }
        }
    }

    async fn authenticate(&self, keystone: &Keystone, deadline: Instant) -> Result<Token, Failure> {
        let url = endpoint::at(&keystone.url, &format!("{}/auth/tokens", keystone.url.path()));
        let body = serde_json::to_vec(&keystone.request()).unwrap_or_default();
        let at = host(&url);
        let mut call = Call::new(http::Method::POST, url);
        call.json(body);
        // A token asked for twice is two tokens, which harms nobody.
        call.repeatable = true;
        call.anonymous = true;
        // Nothing of the caller's has been sent yet.
        let sent = self.exchange(&call, deadline).await.map_err(|failure| match failure {
            Failure::Unknown(why) => Failure::NotSent(why),
            other => other,
        })?;
        let complaint = complaint::complaint(sent.status.as_u16(), &sent.body);
        let said = &complaint.message;
        match (sent.status.as_u16(), &sent.body) {
            (200 | 201, super::AnswerBody::Json(body)) => {
                let subject = sent.headers.get("x-subject-token");
                let token = subject.and_then(|subject| Token::read(subject, body));
                token.ok_or_else(|| {
                    Failure::Protocol(format!("{at} answers, but not with a token of the Identity API v3"))
                })
            }
            (200..=299, _) => Err(Failure::Protocol(format!("{at} answers, but not as the Identity API v3 does"))),
            (401 | 403, _) => Err(Failure::Denied(format!("{at} does not accept {}: {said}", keystone.person()))),
            (429 | 500.., _) => Err(Failure::NotSent(format!("{at} gives no token: {said}"))),
            (404, _) => {
                Err(Failure::Configuration(format!("no Identity API v3 at {at}{}: {said}", keystone.url.path())))
            }
            (status, _) => {
                Err(Failure::Configuration(format!("{at} refuses the request for a token ({status}): {said}")))
            }
        }
    }

    /// The URL under which the paths of a service stand.
    async fn base(&self, kind: &str, base: &str, deadline: Instant) -> Result<Url, Failure> {
        let key = (kind.to_string(), base.to_string());
        if let Some(known) = self.found().bases.get(&key) {
            return Ok(known.clone());
        }
        let endpoint = self.endpoint(kind, deadline).await?;
        let url = match endpoint::with_base(&endpoint, base) {
            Some(url) => url,
            None => {
                let document = self.document(&endpoint::documents(&endpoint)[0], deadline).await?;
                let offered = document.map(|d| endpoint::offered(&d)).unwrap_or_default();
                endpoint::best(&offered).map_or_else(|| endpoint.clone(), |best| endpoint::place(&endpoint, best))
            }
        };
        self.found().bases.insert(key, url.clone());
        Ok(url)
    }

    async fn endpoint(&self, kind: &str, deadline: Instant) -> Result<Url, Failure> {
        if let Credentials::Fixed { endpoint, .. } = &self.credentials {
            let override_of = endpoint::settings(&self.cloud, kind).find_map(|s| s.endpoint.as_deref());
            let named = override_of.and_then(|text| Url::parse(text).ok());
            return Ok(named.unwrap_or_else(|| endpoint.clone()));
        }
        let token = self.token(None, deadline).await?;
        let catalog = token.as_ref().map_or(&[][..], |t| &t.catalog);
        endpoint::choose(&self.cloud, catalog, kind).map_err(Failure::NotOffered)
    }

    async fn range(&self, kind: &str, deadline: Instant) -> Result<Option<(Version, Version)>, Failure> {
        if let Some(known) = self.found().versions.get(kind) {
            return Ok(*known);
        }
        let endpoint = self.endpoint(kind, deadline).await?;
        let mut range = None;
        for url in endpoint::documents(&endpoint) {
            let Some(document) = self.document(&url, deadline).await? else { continue };
            let offered = endpoint::offered(&document);
            // Of several, the one that the endpoint itself is.
            let own = offered
                .iter()
                .find(|o| o.path.as_deref().map(|p| p.trim_end_matches('/')) == Some(url.path().trim_end_matches('/')));
            if let Some(found) = own.or_else(|| endpoint::best(&offered)) {
                range = found.range;
                break;
            }
        }
        self.found().versions.insert(kind.to_string(), range);
        Ok(range)
    }

    /// A version document, answered 200 or 300; `None` where there is none.
    async fn document(&self, url: &Url, deadline: Instant) -> Result<Option<Value>, Failure> {
        let sent = self.read(url.clone(), deadline).await?;
        match (sent.status.as_u16(), sent.body) {
            (200 | 203 | 300, super::AnswerBody::Json(document)) => Ok(Some(document)),
            _ => Ok(None),
        }
    }

    async fn extensions(&self, kind: &str, base: &str, deadline: Instant) -> Result<BTreeSet<String>, Failure> {
        let base = self.base(kind, base, deadline).await?;
        let sent = self.read(endpoint::at(&base, &format!("{}/extensions", base.path())), deadline).await?;
        match (sent.status.as_u16(), sent.body) {
            (200, super::AnswerBody::Json(body)) => {
                let list = body.get("extensions").and_then(Value::as_array);
                let aliases = list.into_iter().flatten().filter_map(|e| e.get("alias").and_then(Value::as_str));
                Ok(aliases.map(str::to_string).collect())
            }
            // A service without the list has none.
            (404, _) => Ok(BTreeSet::new()),
            (status, body) => Err(Failure::Refused(status, complaint::complaint(status, &body))),
        }
    }

    async fn read(&self, url: Url, deadline: Instant) -> Result<Sent, Failure> {
        let mut call = Call::new(http::Method::GET, url);
        call.repeatable = true;
        self.exchange(&call, deadline).await.map_err(|failure| match failure {
            Failure::Unknown(why) => Failure::NotSent(why),
            other => other,
        })
    }

    /// A failure without anything that could be used to get in, whatever a site wrote into its answer.
    fn discreet(&self, failure: Failure) -> Failure {
        failure.map(|message| self.without_secrets(message))
    }

    fn without_secrets(&self, message: &str) -> String {
        let secrets = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        // Very short ones would take words apart, and are not given away by a message.
        secrets
            .iter()
            .filter(|s| s.len() > 3)
            .fold(message.to_string(), |text, secret| text.replace(secret.as_str(), "***"))
    }

    fn keep_secret(&self, token: &Token) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(value) = token.value.to_str() {
            // The configuration's own, and the latest tokens.
            let own = self.cloud.auth.secrets.len();
            if shown.len() > own + 4 {
                shown.remove(own);
            }
            shown.push(value.to_string());
        }
    }

    fn found(&self) -> std::sync::MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
