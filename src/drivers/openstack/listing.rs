//! From a request of the library to a call, and from a listing to its rows, page by page.

use super::exchange::{Call, Content, Sent, is_ours};
use super::{OpenStack, endpoint, host, services};
use crate::drivers::body::Wanted;
use crate::drivers::{Answer, AnswerBody, Failure, Rows, Upload, complaint, paging};
use edge_lang::library::{Listing, Pages, Payload, Request, Version};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value;
use std::collections::HashSet;
use tokio::time::Instant;
use url::Url;

/// Pages that bring no row, one after the other.
const EMPTY_PAGES: usize = 16;
const PAGES: usize = 100_000;

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
        let sent = self.exchange(&call, deadline).await?;
        self.version_taken(&kind, version, sent.status, &host(&sent.url), deadline).await?;
        Ok(answer(sent))
    }

    pub(super) async fn pages(&self, listing: Listing, limit: usize, deadline: Instant) -> Result<Rows, Failure> {
        let (kind, version) = (listing.request.service.clone(), listing.request.version);
        let mut call = self.call(listing.request, None, deadline).await?;
        call.repeatable = true;
        let mut result = Rows { rows: Vec::new(), cut: false, version: None };
        let mut seen = HashSet::from([call.url.to_string()]);
        let mut empty = 0;
        loop {
            let sent = self.exchange(&call, deadline).await.map_err(|failure| match failure {
                // A listing changes nothing: that it may have been carried out is of no interest.
                Failure::Unknown(why) => Failure::NotSent(why),
                other => other,
            })?;
            self.version_taken(&kind, version, sent.status, &host(&sent.url), deadline).await?;
            let at = host(&sent.url);
            let wrong = |why: String| Failure::Protocol(format!("the listing of {at}: {why}"));
            let status = sent.status.as_u16();
            result.version = result.version.or_else(|| spoken(&sent.headers));
            let mut body = match sent.body {
                AnswerBody::Json(body) if sent.status.is_success() => body,
                // Swift answers an empty listing so.
                AnswerBody::Empty if status == 204 => Value::Null,
                body if sent.status.is_success() => {
                    let what = if matches!(body, AnswerBody::Empty) { "empty" } else { "no JSON" };
                    return Err(wrong(format!("the answer is {what}")));
                }
                body => return Err(Failure::Refused(status, complaint::complaint(status, &body))),
            };
            let rows = if body.is_null() { Some(Vec::new()) } else { paging::rows(&listing.rows, &mut body) };
            let rows = rows.ok_or_else(|| wrong(format!("no rows under `{}`", listing.rows.key)))?;
            empty = if rows.is_empty() { empty + 1 } else { 0 };
            let last = rows
                .last()
                .and_then(|row| ["id", "name"].iter().find_map(|k| row.get(k)?.as_str().map(str::to_string)));
            let room = limit - result.rows.len();
            result.cut = rows.len() > room;
            result.rows.extend(rows.into_iter().take(room));
            let Some(pages) = listing.pages else { return Ok(result) };
            // By the last name alone, the end is an empty page.
            if pages == Pages::Last && empty > 0 {
                return Ok(result);
            }
            let next = paging::next(pages, &listing.rows, &body, &sent.headers, last.as_deref());
            let Some(next) = paging::follow(&sent.url, &next).map_err(wrong)? else { return Ok(result) };
            if result.rows.len() >= limit {
                result.cut = true;
                return Ok(result);
            }
            if !seen.insert(next.to_string()) || empty > EMPTY_PAGES || seen.len() > PAGES {
                return Err(wrong("its pages have no end".into()));
            }
            call.url = next;
        }
    }

    async fn call(&self, request: Request, body: Option<Upload>, deadline: Instant) -> Result<Call, Failure> {
        let strange = |why: String| Failure::Protocol(why);
        let base = self.base(&request.service, &request.base, deadline).await?;
        let mut url = place(&base, &request.path).map_err(strange)?;
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let method = Method::from_bytes(request.method.text().as_bytes()).unwrap_or(Method::GET);
        let mut call = Call::new(method, url);
        call.repeatable = request.repeatable;
        for (name, value) in &request.headers {
            let parsed = name.parse::<HeaderName>().ok().zip(HeaderValue::from_str(value).ok());
            let (header, value) =
                parsed.ok_or_else(|| strange(format!("`{name}` is not a header that can be sent")))?;
            if is_ours(&header) {
                return Err(strange(format!("the header `{name}` is not the library's to set")));
            }
            call.headers.insert(header, value);
        }
        if let Some(version) = request.version {
            set_version(&mut call.headers, &request.service, version);
        }
        let stream = HeaderValue::from_static("application/octet-stream");
        if call.headers.get(http::header::ACCEPT) == Some(&stream) {
            call.wanted = Wanted::Stream;
        }
        let (content, kind) = match (request.payload, body) {
            (Payload::None, None) => (Content::None, None),
            (Payload::None, Some(_)) => return Err(strange("content was given to a request that takes none".into())),
            (Payload::Json(value), _) => {
                let bytes =
                    serde_json::to_vec(&value).map_err(|e| strange(format!("the body cannot be written: {e}")))?;
                (Content::Bytes(bytes.into()), Some("application/json"))
            }
            (Payload::Form(pairs), _) => {
                let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
                (Content::Bytes(text.into()), Some("application/x-www-form-urlencoded"))
            }
            (Payload::Stream, Some(upload)) => (Content::Upload(upload), Some("application/octet-stream")),
            (Payload::Stream, None) => return Err(strange("nothing was given to send".into())),
        };
        call.payload = content;
        let kind = request.content_type.or(kind.map(str::to_string));
        if let Some(kind) = kind {
            let kind = HeaderValue::from_str(&kind).map_err(|_| strange(format!("`{kind}` is no content type")))?;
            call.headers.insert(CONTENT_TYPE, kind);
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

fn answer(sent: Sent) -> Answer {
    let request_id = ["x-openstack-request-id", "x-compute-request-id", "x-trans-id"]
        .iter()
        .find_map(|name| sent.headers.get(*name)?.to_str().ok().map(str::to_string));
    let version = spoken(&sent.headers);
    Answer { status: sent.status.as_u16(), headers: sent.headers, body: sent.body, request_id, version }
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

/// A path below the base, or a whole URL that the site itself gave: of its own origin only.
fn place(base: &Url, path: &str) -> Result<Url, String> {
    if path.starts_with("http://") || path.starts_with("https://") {
        let url = Url::parse(path).map_err(|_| format!("`{path}` is not a URL"))?;
        return match url.origin() == base.origin() {
            true => Ok(url),
            false => Err(format!("{} leads to another host, {}, which gets no token of ours", host(base), host(&url))),
        };
    }
    let (route, query) = path.split_once('?').map_or((path, None), |(route, query)| (route, Some(query)));
    // A URL's parser takes `..` out together with what is before it, also when it is percent-encoded.
    let dots = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if route.split('/').any(dots) {
        return Err(format!("`{route}` leads out of its place"));
    }
    let slash = if route.starts_with('/') || route.is_empty() { "" } else { "/" };
    let mut url = endpoint::at(base, "");
    url.set_path(&format!("{}{slash}{route}", base.path().trim_end_matches('/')));
    url.set_query(query);
    Ok(url)
}
