//! An HTTP application that descriptions know: a base URL, and a secret in a header. There is no catalog, no token and
//! no version; what else its API wants is in the description.
//!
//! The hard idea is small: who asks is said in the way of the description (`auth header "X-Key"`) by the secret of the
//! configuration, and neither knows the other's part.

use super::complaint::complaint;
use super::exchange::{Call, Pass, Passes, Wire, deadline};
use super::kept::Keeper;
use super::listing::{self, Paging};
use super::place::{below, host, web_url};
use super::secrets::Secrets;
use super::{Account, Answer, Failure, Limits, Rows, ServiceEntry, Session, Surroundings, Upload};
use crate::config::{Application, Kept};
use base64::Engine;
use edge_lang::library::{Listing, Request, Version};
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, SERVER};
use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

/// For a look at the site outside a call with limits of its own.
const LOOK: Duration = Duration::from_secs(60);
const REQUEST_IDS: [&str; 3] = ["x-request-id", "x-amzn-requestid", "x-correlation-id"];

struct Http {
    site: String,
    application: Application,
    url: Url,
    secret: Option<Keeper>,
    wire: Wire,
}

/// How who asks is said.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Auth {
    None,
    Bearer,
    Basic,
    Header(HeaderName),
}

/// `site` is its name, for messages.
pub fn open(site: &str, application: &Application, outside: Surroundings) -> Result<Box<dyn Session>, Failure> {
    let wrong = |why: String| Failure::Configuration(format!("`{site}`: {why}"));
    let url = web_url(&application.url, "url").map_err(wrong)?;
    let here = application.secret.iter().filter_map(|s| match &s.kept {
        Kept::Here(secret) => Some(secret.clone()),
        Kept::File(_) => None,
    });
    let wire = Wire::new(outside, Secrets::new(here.collect()));
    let secret = application.secret.as_ref().map(|s| Keeper::new(s.kept.clone()));
    let session = Http { site: site.to_string(), application: application.clone(), url, secret, wire };
    // What cannot work for any service is said at once.
    session.auth(None)?;
    Ok(Box::new(session))
}

/// The way of one service.
struct Way<'a> {
    http: &'a Http,
    auth: Auth,
}

impl Passes for Way<'_> {
    fn pass(&self, refused: Option<u64>, _: Instant) -> BoxFuture<'_, Result<Pass, Failure>> {
        Box::pin(std::future::ready(self.http.pass(&self.auth, refused)))
    }
}

impl Http {
    /// By the site's own word, else by the description's, else by what the secret is called.
    fn auth(&self, described: Option<&(edge_lang::types::Name, String)>) -> Result<Auth, Failure> {
        let wrong = |why: String| Failure::Configuration(format!("`{}`: {why}", self.site));
        let own = &self.application;
        let secret = own.secret.as_ref().map(|s| s.name);
        let kind = match (own.auth.as_deref(), &own.header, described, secret) {
            (Some(kind), ..) => kind,
            (None, Some(_), ..) => "header",
            // A name and a password fit nothing else.
            (None, None, _, Some("password")) => "basic",
            (None, None, Some((kind, _)), _) => kind,
            (None, None, None, Some("token")) => "bearer",
            (None, None, None, _) => "none",
        };
        let needs = |what: &str| match secret {
            Some(_) => Ok(()),
            None => Err(wrong(format!("no credentials are given: {what} is missing"))),
        };
        match kind {
            "none" => Ok(Auth::None),
            "bearer" => needs("`token`").map(|()| Auth::Bearer),
            "basic" => {
                if own.username.is_none() {
                    return Err(wrong("the `username` is missing".into()));
                }
                needs("`password`").map(|()| Auth::Basic)
            }
            "header" => {
                let described = described.map(|(_, header)| header.as_str()).filter(|h| !h.is_empty());
                let name = own.header.as_deref().or(described);
                let name = name.ok_or_else(|| wrong("which `header` the key goes into is not said".into()))?;
                needs("`api_key`")?;
                let header = name.parse().map_err(|_| wrong(format!("`{name}` is not the name of a header")))?;
                Ok(Auth::Header(header))
            }
            other => Err(wrong(format!("there is no `auth` `{other}`: it is none, bearer, basic or header"))),
        }
    }

    fn pass(&self, auth: &Auth, refused: Option<u64>) -> Result<Pass, Failure> {
        let Some(keeper) = self.secret.as_ref().filter(|_| *auth != Auth::None) else { return Ok(Pass::default()) };
        let (secret, number) = keeper.get(refused)?;
        self.wire.secrets.keep(secret.clone());
        let (name, value): (HeaderName, SecretString) = match auth {
            Auth::None => return Ok(Pass::default()),
            Auth::Bearer => (AUTHORIZATION, format!("Bearer {}", secret.expose_secret()).into()),
            Auth::Basic => {
                let user = self.application.username.as_deref().unwrap_or_default();
                let both = format!("{user}:{}", secret.expose_secret());
                let both: SecretString = base64::engine::general_purpose::STANDARD.encode(both).into();
                self.wire.secrets.keep(both.clone());
                (AUTHORIZATION, format!("Basic {}", both.expose_secret()).into())
            }
            Auth::Header(name) => (name.clone(), secret),
        };
        let value = HeaderValue::from_str(value.expose_secret()).map_err(|_| {
            Failure::Configuration(format!("`{}`: the secret holds characters that no header can", self.site))
        })?;
        Ok(Pass::of(name, value, number))
    }

    fn way(&self, request: &Request) -> Result<Way<'_>, Failure> {
        Ok(Way { http: self, auth: self.auth(request.auth.as_ref())? })
    }

    /// The URL below which the paths of a service are.
    fn base(&self, request: &Request) -> Result<Url, Failure> {
        if *request.service != *self.application.app {
            let (site, app) = (&self.site, &self.application.app);
            return Err(Failure::NotOffered(format!("`{site}` is `{app}`, and no `{}`", request.service)));
        }
        let base = request.base.trim_matches('/');
        if self.url.path().trim_end_matches('/').ends_with(&format!("/{base}")) || base.is_empty() {
            return Ok(self.url.clone());
        }
        below(&self.url, base).map_err(Failure::Protocol)
    }

    fn call(&self, request: Request, body: Option<Upload>, way: &Way<'_>) -> Result<Call, Failure> {
        let reserved = match &way.auth {
            Auth::Header(name) => vec![name.as_str()],
            _ => Vec::new(),
        };
        listing::call(&self.base(&request)?, request, body, &reserved)
    }

    async fn answer(&self, request: Request, body: Option<Upload>, deadline: Instant) -> Result<Answer, Failure> {
        let way = self.way(&request)?;
        let call = self.call(request, body, &way)?;
        Ok(listing::answer(self.wire.exchange(&call, &way, deadline).await?, &REQUEST_IDS))
    }

    async fn pages(&self, listing: Listing, most: usize, deadline: Instant) -> Result<Rows, Failure> {
        let Listing { request, rows, pages } = listing;
        let way = self.way(&request)?;
        let errors = request.errors.clone();
        let call = self.call(request, None, &way)?;
        let mut paging = Paging::new(call, rows, pages, errors, most);
        while let Some(call) = paging.call() {
            let sent = self.wire.exchange(call, &way, deadline).await.map_err(Failure::of_read)?;
            paging.read(sent)?;
        }
        Ok(paging.rows())
    }

    /// What the application says that it is. Any answer shows that it is there; that it refuses our secret, at its
    /// root, shows only where the way to say it is known without a description.
    async fn look(&self) -> Result<Option<String>, Failure> {
        let way = Way { http: self, auth: self.auth(None)? };
        let sent = self.wire.read(self.url.clone(), &way, deadline(LOOK)).await?;
        let complaint = |status| complaint(status, &sent.headers, &sent.body, None);
        match sent.status.as_u16() {
            status @ (401 | 403) if way.auth != Auth::None => {
                let why = complaint(status).message;
                Err(Failure::Denied(format!("{} does not accept us: {why}", host(&self.url))))
            }
            status @ 500.. => Err(Failure::Refused(status, complaint(status))),
            _ => {
                let server = sent.headers.get(SERVER).and_then(|s| s.to_str().ok());
                Ok(server.and_then(|s| s.split_whitespace().next()).map(|s| s.chars().take(60).collect()))
            }
        }
    }
}

impl Session for Http {
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
        let user = self.application.username.clone().unwrap_or_default();
        Box::pin(std::future::ready(Ok(Account { user_id: user.clone(), user, project: None, project_id: None })))
    }

    fn services(&self) -> BoxFuture<'_, Result<Vec<ServiceEntry>, Failure>> {
        Box::pin(async move {
            let version = self.look().await.map_err(|f| self.wire.secrets.discreet(f))?;
            let app = &self.application;
            let known = if app.services.is_empty() { std::slice::from_ref(&app.app) } else { &app.services[..] };
            let entry = |kind: &String| ServiceEntry {
                kind: kind.clone(),
                name: app.app.clone(),
                endpoint: self.url.to_string(),
                region: None,
                version: version.clone(),
            };
            Ok(known.iter().map(entry).collect())
        })
    }

    fn versions(&self, _: &str) -> BoxFuture<'_, Result<Option<(Version, Version)>, Failure>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn has_extension(&self, _: &str, _: &str, _: &str) -> BoxFuture<'_, Result<bool, Failure>> {
        Box::pin(std::future::ready(Ok(false)))
    }
}
