//! The contract between the executor and the stacks. A driver knows a stack's protocol (authentication, catalog,
//! versions, paging, error shapes) and no resource by name; what is particular to a resource is in the library.
//!
//! What the executor must know after an exchange is only: was it answered, certainly not sent, or is its effect unknown.

pub mod backoff;
pub mod body;
pub mod complaint;
mod exchange;
mod http;
mod kept;
mod kubernetes;
mod listing;
mod openstack;
pub mod paging;
mod place;
mod secrets;
pub mod turns;

use crate::config::{Connection, Way};
use crate::transport::{Body, Transport};
use edge_lang::library::{Listing, Request, Version};
use futures_util::future::BoxFuture;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a session has of the outside.
#[derive(Clone)]
pub struct Surroundings {
    pub transport: Arc<dyn Transport>,
    /// The sessions of one site share them.
    pub turns: turns::Turns,
    /// For the jitter of what is sent again.
    pub seed: u64,
}

/// Opens a session by the site's stack: each is a folder here, and a line. Nothing is sent before it is used.
pub fn open(connection: &Connection, outside: Surroundings) -> Result<Box<dyn Session>, Failure> {
    let site = &connection.site;
    match &connection.way {
        Way::OpenStack(cloud) => openstack::open(site, cloud, outside),
        Way::Kubernetes(cluster) => kubernetes::open(site, cluster, outside),
        Way::Http(application) => http::open(site, application, outside),
    }
}

/// One account at one site. Never shared between sites; what it knows of credentials never leaves it.
pub trait Session: Send + Sync {
    /// One request of the library, authenticated, at the service's endpoint, in the version it asks for. Sends again by
    /// itself only what cannot act twice: a few times where there was no connection, after 429 and after 503 with
    /// `Retry-After`, once after 401 with a new token, and `repeatable` requests after silence or once after a 5xx; all
    /// within `limits.time`. An answer of any status is `Ok`; of an error status its body is whole and has no stream.
    /// Bytes are wanted as a stream, whatever their type, where the request's `accept` is `application/octet-stream`.
    fn send(&self, request: Request, body: Option<Upload>, limits: Limits) -> BoxFuture<'_, Result<Answer, Failure>>;

    /// Follows the pages of a listing; at most `limits.rows` rows.
    fn list(&self, listing: Listing, limits: Limits) -> BoxFuture<'_, Result<Rows, Failure>>;

    /// Has the site tell when what a read asks for is another than in this answer, and waits so long for that; no request
    /// leaves before it is polled, and what is dropped is watched no longer. `None` where a stack has no such thing, or not
    /// for this: it is then read again and again.
    fn watch(&self, _: &Request, _: &serde_json::Value, _: Duration) -> Option<BoxFuture<'_, Watched>> {
        None
    }

    /// Who we are there, after the first authentication.
    fn account(&self) -> BoxFuture<'_, Result<Account, Failure>>;

    /// The services that the site lists and we can reach, by their official types: `block-storage`, also where the catalog
    /// says `volumev3`. A request may name a service by any of its names.
    fn services(&self) -> BoxFuture<'_, Result<Vec<ServiceEntry>, Failure>>;

    /// The microversions of a service: lowest and highest; `None` where it has none.
    fn versions(&self, kind: &str) -> BoxFuture<'_, Result<Option<(Version, Version)>, Failure>>;

    /// Whether the service lists an extension.
    fn has_extension(&self, kind: &str, base: &str, name: &str) -> BoxFuture<'_, Result<bool, Failure>>;

    /// Where a kind of thing is, and perhaps one of that kind, where a stack's kinds are found at the site: what
    /// descriptions call `kind`, `self` and `api`. What was found is kept; of a kind that is not known the site is asked
    /// again, for it may be new. Where the site has no such kind: `NotOffered`.
    fn locate(&self, object: Object) -> BoxFuture<'_, Result<Located, Failure>> {
        let message = format!("there is no looking up of kinds such as `{}` at this kind of site", object.kind);
        Box::pin(std::future::ready(Err(Failure::NotOffered(message))))
    }
}

/// One thing, or all of its kind, as a description or a document names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The kind of the service (the API group; the one without a name is `core`). `None`: whichever has the kind.
    pub group: Option<String>,
    /// As a document says it, `apps/v1`: then this version and no other; else that which the site prefers.
    pub api: Option<String>,
    /// `Deployment`. Where a person wrote it, also in the plural, in small letters, or as the site abbreviates it.
    pub kind: String,
    pub within: Within,
    pub name: Option<String>,
}

/// The namespace that is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Within {
    /// The session's own: of the tenant, else of the configuration, else the stack's default.
    #[default]
    Own,
    Named(String),
    /// Every one: of listings.
    All,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// `core`, `apps`.
    pub group: String,
    /// `v1`, `apps/v1`: the version that the paths are of.
    pub api: String,
    /// As documents write it: `Deployment`.
    pub kind: String,
    /// Percent-encoded, from the root of the site: all of the kind (where they are made and listed), and the one, if it
    /// was named.
    pub all: String,
    pub one: Option<String>,
    /// The namespace; `None` of a kind that is in none, and of all namespaces.
    pub within: Option<String>,
}

/// What a watch came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// It may be another now.
    Changed,
    /// The time is over, and nothing was told.
    Same,
    /// It cannot be told, at least not now.
    Unable,
}

#[derive(Clone, Debug)]
pub struct Limits {
    /// For the whole call, its repetitions included.
    pub time: Duration,
    pub rows: usize,
}

/// Bytes to send. `open` is called once per attempt, so that an upload can be repeated.
pub struct Upload {
    pub length: Option<u64>,
    pub open: Box<dyn Fn() -> BoxFuture<'static, Result<Body, std::io::Error>> + Send + Sync>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub user: String,
    pub user_id: String,
    pub project: Option<String>,
    pub project_id: Option<String>,
}

/// `alice@shop`.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.project {
            Some(project) => write!(f, "{}@{project}", self.user),
            None => f.write_str(&self.user),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEntry {
    pub kind: String,
    pub name: String,
    pub endpoint: String,
    pub region: Option<String>,
    /// What the site says that it is, where versions are not negotiated: `v1`, `PowerDNS/4.7.3`.
    pub version: Option<String>,
}

pub struct Answer {
    pub status: u16,
    pub headers: ::http::HeaderMap,
    pub body: AnswerBody,
    pub request_id: Option<String>,
    /// The version that was spoken.
    pub version: Option<Version>,
    /// It was sent more than once: an earlier attempt may have been carried out, or may be yet.
    pub repeated: bool,
}

impl Answer {
    pub fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

pub enum AnswerBody {
    Empty,
    Json(serde_json::Value),
    Text(String),
    /// Anything that is neither JSON nor text, unread: image data. Only of a 2xx.
    Stream(Body),
}

/// What an error body says, whatever its shape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Complaint {
    /// `OverQuota`, `FieldManagerConflict`, ... where the body has one.
    pub code: Option<String>,
    /// One line, without markup.
    pub message: String,
}

pub struct Rows {
    pub rows: Vec<serde_json::Value>,
    /// There were more than the limit.
    pub cut: bool,
    /// The version that was spoken.
    pub version: Option<Version>,
}

/// Why there is no answer. Messages are one line, name the host, and never hold a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing reached the service.
    NotSent(String),
    /// It may have been carried out.
    Unknown(String),
    /// The site does not accept us: wrong password, no role, expired application credential.
    Denied(String),
    /// The site has no such service, or not in the version asked for.
    NotOffered(String),
    /// A listing's or a read's answer of an error status.
    Refused(u16, Complaint),
    /// The configuration of the site cannot work: a missing password, a certificate file that is not there.
    Configuration(String),
    /// Not what the protocol says: not JSON, a page that leads to another host, more than the limit.
    Protocol(String),
}

impl Failure {
    /// Of what changes nothing: that it may have arrived is of no interest.
    pub fn of_read(self) -> Failure {
        match self {
            Failure::Unknown(why) => Failure::NotSent(why),
            other => other,
        }
    }

    /// The same, with its message changed.
    pub fn map(self, change: impl FnOnce(&str) -> String) -> Failure {
        match self {
            Failure::NotSent(m) => Failure::NotSent(change(&m)),
            Failure::Unknown(m) => Failure::Unknown(change(&m)),
            Failure::Denied(m) => Failure::Denied(change(&m)),
            Failure::NotOffered(m) => Failure::NotOffered(change(&m)),
            Failure::Configuration(m) => Failure::Configuration(change(&m)),
            Failure::Protocol(m) => Failure::Protocol(change(&m)),
            Failure::Refused(status, c) => Failure::Refused(status, Complaint { message: change(&c.message), ..c }),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::NotSent(m)
            | Failure::Unknown(m)
            | Failure::Denied(m)
            | Failure::NotOffered(m)
            | Failure::Configuration(m)
            | Failure::Protocol(m) => f.write_str(m),
            Failure::Refused(status, complaint) => write!(f, "{status}: {}", complaint.message),
        }
    }
}
