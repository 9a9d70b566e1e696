//! OpenStack's protocol: Keystone v3 for who we are and where services are, microversions, paging, extensions.
//!
//! A session holds the token of one account at one site. How a call is sent, and sent again, is `exchange`'s, as for
//! every stack; what is OpenStack's own is the token, the endpoints of the catalog, and the versions.

mod credentials;
mod endpoint;
mod services;
mod token;
mod versions;

use super::complaint::complaint;
use super::exchange::{Call, Nobody, Pass, Passes, Sent, Wire, deadline};
use super::place::{at, host};
use super::secrets::Secrets;
use super::{Account, Answer, Failure, Limits, Rows, ServiceEntry, Session, Surroundings, Upload};
use crate::config::Cloud;
use credentials::{Credentials, Keystone};
use edge_lang::library::{Listing, Request, Version};
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
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
    wire: Wire,
    entry: tokio::sync::Mutex<Entry>,
    found: Mutex<Found>,
}

/// Held while a token is asked for: the others wait for that one.
#[derive(Default)]
struct Entry {
    token: Option<Arc<Token>>,
    /// Tokens so far.
    count: u64,
    denied: Option<(Instant, Failure)>,
}

/// What a site has told of itself.
#[derive(Default)]
struct Found {
    bases: HashMap<(String, String), Url>,
    versions: HashMap<String, Option<(Version, Version)>>,
    extensions: HashMap<(String, String), BTreeSet<String>>,
}

/// `site` is its name, for messages.
pub fn open(site: &str, cloud: &Cloud, outside: Surroundings) -> Result<Box<dyn Session>, Failure> {
    let credentials = Credentials::of(&cloud.auth)
        .map_err(|why| Failure::Configuration(format!("`{site}`: cloud `{}`: {why}", cloud.name)))?;
    let mut own: Vec<SecretString> = cloud.auth.secrets.values().cloned().collect();
    if let Credentials::Fixed { authorization: Some((_, secret)), .. } = &credentials {
        own.push(secret.clone());
    }
    let mut wire = Wire::new(outside, Secrets::new(own));
    wire.answer_time = cloud.api_timeout;
    let (entry, found) = Default::default();
    Ok(Box::new(OpenStack { cloud: cloud.clone(), credentials, wire, entry, found }))
}

impl Passes for OpenStack {
    fn pass(&self, refused: Option<u64>, deadline: Instant) -> BoxFuture<'_, Result<Pass, Failure>> {
        Box::pin(async move {
            let fixed = match &self.credentials {
                Credentials::Keystone(_) => self.token(refused, deadline).await?.map(|token| {
                    Pass::of(HeaderName::from_static("x-auth-token"), token.value.clone(), Some(token.number))
                }),
                Credentials::Fixed { authorization: Some((name, secret)), .. } => {
                    let value = HeaderValue::from_str(secret.expose_secret()).ok();
                    value.map(|value| Pass::of(HeaderName::from_static(name), value, None))
                }
                Credentials::Fixed { authorization: None, .. } => None,
            };
            Ok(fixed.unwrap_or_default())
        })
    }
}

impl Session for OpenStack {
    fn send(&self, request: Request, body: Option<Upload>, limits: Limits) -> BoxFuture<'_, Result<Answer, Failure>> {
        Box::pin(async move {
            let deadline = deadline(limits.time);
            self.answer(request, body, deadline).await.map_err(|f| self.wire.secrets.discreet(f))
        })
    }

    fn list(&self, listing: Listing, limits: Limits) -> BoxFuture<'_, Result<Rows, Failure>> {
        Box::pin(async move {
            let deadline = deadline(limits.time);
            self.pages(listing, limits.rows, deadline).await.map_err(|f| self.wire.secrets.discreet(f))
        })
    }

    fn account(&self) -> BoxFuture<'_, Result<Account, Failure>> {
        Box::pin(async move {
            let token = self.token(None, deadline(LOOK)).await.map_err(|f| self.wire.secrets.discreet(f))?;
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
            let token = self.token(None, deadline(LOOK)).await.map_err(|f| self.wire.secrets.discreet(f))?;
            let catalog = token.as_ref().map_or(&[][..], |t| &t.catalog);
            let mut entries = Vec::new();
            for entry in catalog {
                let kind = services::official(&entry.kind).to_string();
                let Ok(url) = endpoint::choose(&self.cloud, catalog, &kind) else { continue };
                if entries.iter().all(|e: &ServiceEntry| e.kind != kind) {
                    let region = self.cloud.region.clone();
                    entries.push(ServiceEntry {
                        kind,
                        name: entry.name.clone(),
                        endpoint: url.to_string(),
                        region,
                        version: None,
                    });
                }
            }
            Ok(entries)
        })
    }

    fn versions(&self, kind: &str) -> BoxFuture<'_, Result<Option<(Version, Version)>, Failure>> {
        let kind = kind.to_string();
        Box::pin(async move { self.range(&kind, deadline(LOOK)).await.map_err(|f| self.wire.secrets.discreet(f)) })
    }

    fn has_extension(&self, kind: &str, base: &str, name: &str) -> BoxFuture<'_, Result<bool, Failure>> {
        let (kind, base, name) = (kind.to_string(), base.to_string(), name.to_string());
        Box::pin(async move {
            let key = (kind, base);
            if let Some(known) = self.found().extensions.get(&key) {
                return Ok(known.contains(&name));
            }
            let list =
                self.extensions(&key.0, &key.1, deadline(LOOK)).await.map_err(|f| self.wire.secrets.discreet(f))?;
            let has = list.contains(&name);
            self.found().extensions.insert(key, list);
            Ok(has)
        })
    }
}

impl OpenStack {
    /// The token to use: the one at hand, unless it is old or the one that was just refused. `None` where there is no
    /// identity service.
    async fn token(&self, refused: Option<u64>, deadline: Instant) -> Result<Option<Arc<Token>>, Failure> {
        let Credentials::Keystone(keystone) = &self.credentials else { return Ok(None) };
        let waited = || Failure::NotSent(format!("no token from {} within the time limit", host(&keystone.url)));
        let mut entry = timeout_at(deadline, self.entry.lock()).await.map_err(|_| waited())?;
        let good = |token: &Arc<Token>| refused != Some(token.number);
        if let Some(token) = &entry.token
            && !token.is_old()
            && good(token)
        {
            return Ok(Some(token.clone()));
        }
        if let Some((when, failure)) = &entry.denied
            && when.elapsed() < DENIAL
        {
            return Err(failure.clone());
        }
        // An old token that nobody refused still serves for a little while, if there is no new one to be had.
        let old = entry.token.clone().filter(good);
        let patience = if old.is_some() { deadline.min(Instant::now() + RENEWAL) } else { deadline };
        match self.authenticate(keystone, patience).await {
            Err(Failure::NotSent(_)) if old.is_some() => Ok(old),
            Ok(token) => {
                let count = entry.count + 1;
                let token = Arc::new(Token { number: count, ..token });
                if let Ok(value) = token.value.to_str() {
                    self.wire.secrets.keep(value.into());
                }
                *entry = Entry { token: Some(token.clone()), count, denied: None };
                Ok(Some(token))
            }
            Err(failure) => {
                if matches!(failure, Failure::Denied(_)) {
                    entry.token = None;
                    entry.denied = Some((Instant::now(), failure.clone()));
                }
                Err(failure)
            }
        }
    }

    async fn authenticate(&self, keystone: &Keystone, deadline: Instant) -> Result<Token, Failure> {
        let url = at(&keystone.url, &format!("{}/auth/tokens", keystone.url.path()));
        let body = serde_json::to_vec(&keystone.request()).unwrap_or_default();
        let here = host(&url);
        let mut call = Call::new(http::Method::POST, url);
        call.json(body);
        // A token asked for twice is two tokens, which harms nobody.
        call.repeatable = true;
        // Nothing of the caller's has been sent yet.
        let sent = self.wire.exchange(&call, &Nobody, deadline).await.map_err(Failure::of_read)?;
        let complaint = complaint(sent.status.as_u16(), &sent.headers, &sent.body, None);
        let said = &complaint.message;
        match (sent.status.as_u16(), &sent.body) {
            (200 | 201, super::AnswerBody::Json(body)) => {
                let subject = sent.headers.get("x-subject-token");
                let token = subject.and_then(|subject| Token::read(subject, body));
                token.ok_or_else(|| {
                    Failure::Protocol(format!("{here} answers, but not with a token of the Identity API v3"))
                })
            }
            (200..=299, _) => Err(Failure::Protocol(format!("{here} answers, but not as the Identity API v3 does"))),
            (401 | 403, _) => Err(Failure::Denied(format!("{here} does not accept {}: {said}", keystone.person()))),
            (429 | 500.., _) => Err(Failure::NotSent(format!("{here} gives no token: {said}"))),
            (404, _) => {
                Err(Failure::Configuration(format!("no Identity API v3 at {here}{}: {said}", keystone.url.path())))
            }
            (status, _) => {
                Err(Failure::Configuration(format!("{here} refuses the request for a token ({status}): {said}")))
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
        let sent = self.read(at(&base, &format!("{}/extensions", base.path())), deadline).await?;
        match (sent.status.as_u16(), sent.body) {
            (200, super::AnswerBody::Json(body)) => {
                let list = body.get("extensions").and_then(Value::as_array);
                let aliases = list.into_iter().flatten().filter_map(|e| e.get("alias").and_then(Value::as_str));
                Ok(aliases.map(str::to_string).collect())
            }
            // A service without the list has none.
            (404, _) => Ok(BTreeSet::new()),
            (status, body) => Err(Failure::Refused(status, complaint(status, &sent.headers, &body, None))),
        }
    }

    async fn read(&self, url: Url, deadline: Instant) -> Result<Sent, Failure> {
        self.wire.read(url, self, deadline).await
    }

    fn found(&self) -> std::sync::MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
