//! Requests with a microversion, and what a site answers that does not have it.

use super::{OpenStack, services};
use crate::drivers::exchange::Call;
use crate::drivers::listing::{self, Paging};
use crate::drivers::place::host;
use crate::drivers::{Answer, Failure, Rows, Upload};
use edge_lang::library::{Listing, Request, Version};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::Instant;

const REQUEST_IDS: [&str; 3] = ["x-openstack-request-id", "x-compute-request-id", "x-trans-id"];
/// How our token is sent.
const RESERVED: [&str; 2] = ["x-auth-token", "x-service-token"];

impl OpenStack {
    pub(super) async fn answer(
        &self,
        request: Request,
        body: Option<Upload>,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let kind = request.service.clone();
        let version = request.version;
        let call = self.call(request, body, deadline).await?;
        let sent = self.wire.exchange(&call, self, deadline).await?;
        self.version_taken(&kind, version, sent.status, &host(&sent.url), deadline).await?;
        let version = spoken(&sent.headers);
        Ok(Answer { version, ..listing::answer(sent, &REQUEST_IDS) })
    }

    pub(super) async fn pages(&self, listing: Listing, most: usize, deadline: Instant) -> Result<Rows, Failure> {
        let Listing { request, rows, pages } = listing;
        let (kind, version) = (request.service.clone(), request.version);
        let errors = request.errors.clone();
        let call = self.call(request, None, deadline).await?;
        let mut spoke = None;
        let mut paging = Paging::new(call, rows, pages, errors, most);
        while let Some(call) = paging.call() {
            let sent = self.wire.exchange(call, self, deadline).await.map_err(Failure::of_read)?;
            self.version_taken(&kind, version, sent.status, &host(&sent.url), deadline).await?;
            spoke = spoke.or_else(|| spoken(&sent.headers));
            paging.read(sent)?;
        }
        Ok(Rows { version: spoke, ..paging.rows() })
    }

    async fn call(&self, request: Request, body: Option<Upload>, deadline: Instant) -> Result<Call, Failure> {
        let base = self.base(&request.service, &request.base, deadline).await?;
        let (kind, version) = (request.service.clone(), request.version);
        let mut call = listing::call(&base, request, body, &RESERVED)?;
        if let Some(version) = version {
            set_version(&mut call.headers, &kind, version);
        }
        Ok(call)
    }

    /// A microversion that the site does not have is told as such, with those that it has.
    async fn version_taken(
        &self,
        kind: &str,
        asked: Option<Version>,
        status: StatusCode,
        at: &str,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let (Some(asked), StatusCode::NOT_ACCEPTABLE) = (asked, status) else { return Ok(()) };
        let has = match self.range(kind, deadline).await? {
            None => "none".to_string(),
            Some((lowest, highest)) if (lowest..=highest).contains(&asked) => return Ok(()),
            Some((lowest, highest)) => format!("{lowest} to {highest}"),
        };
        Err(Failure::NotOffered(format!("{at} does not speak version {asked} of `{kind}`; it speaks {has}")))
    }
}

/// `OpenStack-API-Version: compute 2.37`.
fn spoken(headers: &HeaderMap) -> Option<Version> {
    let text = headers.get("openstack-api-version")?.to_str().ok()?;
    Version::parse(text.split_whitespace().last()?)
}

fn set_version(headers: &mut HeaderMap, kind: &str, version: Version) {
    let name = services::in_version_header(kind);
    if let Ok(value) = HeaderValue::from_str(&format!("{name} {version}")) {
        headers.insert("openstack-api-version", value);
    }
    if let (Some(older), Ok(value)) =
        (services::older_version_header(kind), HeaderValue::from_str(&version.to_string()))
    {
        headers.insert(older, value);
    }
}
