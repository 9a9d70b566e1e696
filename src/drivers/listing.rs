//! From a request of the library to a call, and from a listing to its rows, page by page.

use super::body::Wanted;
use super::complaint::complaint;
use super::exchange::{Call, Content, Sent};
use super::paging;
use super::place::{below, host};
use super::{Answer, AnswerBody, Failure, Rows, Upload};
use edge_lang::library::{ErrorShape, Pages, Payload, Request, Rows as RowsAt};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Method};
use serde_json::Value;
use std::collections::HashSet;
use url::Url;

/// Pages that bring no row, one after the other.
const EMPTY_PAGES: usize = 16;
const PAGES: usize = 100_000;
/// Times that a listing which has become too old is begun anew.
const RESTARTS: usize = 3;

/// The request below `base`, as it is sent but for who asks. `reserved` are the headers by which the stack says that:
/// they are not the library's to set.
pub fn call(base: &Url, request: Request, body: Option<Upload>, reserved: &[&str]) -> Result<Call, Failure> {
    let strange = |why: String| Failure::Protocol(why);
    let mut url = below(base, &request.path).map_err(strange)?;
    if !request.query.is_empty() {
        url.query_pairs_mut().extend_pairs(&request.query);
    }
    let method = Method::from_bytes(request.method.text().as_bytes()).unwrap_or(Method::GET);
    let mut call = Call::new(method, url);
    call.repeatable = request.repeatable;
    for (name, value) in &request.headers {
        let parsed = name.parse::<HeaderName>().ok().zip(HeaderValue::from_str(value).ok());
        let (header, value) = parsed.ok_or_else(|| strange(format!("`{name}` is not a header that can be sent")))?;
        if is_ours(&header) || reserved.iter().any(|r| header.as_str().eq_ignore_ascii_case(r)) {
            return Err(strange(format!("the header `{name}` is not the library's to set")));
        }
        call.headers.insert(header, value);
    }
    let stream = HeaderValue::from_static("application/octet-stream");
    if call.headers.get(ACCEPT) == Some(&stream) {
        call.wanted = Wanted::Stream;
    }
    let (content, kind) = match (request.payload, body) {
        (Payload::None, None) => (Content::None, None),
        (Payload::None, Some(_)) => return Err(strange("content was given to a request that takes none".into())),
        (Payload::Json(value), _) => {
            let bytes = serde_json::to_vec(&value).map_err(|e| strange(format!("the body cannot be written: {e}")))?;
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

/// Who we are and where we go are not the business of a library text.
fn is_ours(name: &HeaderName) -> bool {
    [AUTHORIZATION, COOKIE, HOST, CONTENT_LENGTH, TRANSFER_ENCODING].contains(name)
        || matches!(name.as_str(), "proxy-authorization" | "connection" | "upgrade")
}

/// A listing being read, page by page: while there is a `call`, exchange it and let its answer be `read`.
pub struct Paging {
    call: Option<Call>,
    first: Url,
    at: RowsAt,
    pages: Option<Pages>,
    errors: Option<ErrorShape>,
    most: usize,
    rows: Vec<Value>,
    cut: bool,
    seen: HashSet<String>,
    empty: usize,
    restarts: usize,
}

impl Paging {
    /// `call` is the first page's; at most `most` rows are kept.
    pub fn new(mut call: Call, at: RowsAt, pages: Option<Pages>, errors: Option<ErrorShape>, most: usize) -> Paging {
        call.repeatable = true;
        let first = call.url.clone();
        let seen = HashSet::from([first.to_string()]);
        let (rows, cut, empty, restarts) = Default::default();
        Paging { call: Some(call), first, at, pages, errors, most, rows, cut, seen, empty, restarts }
    }

    /// The page that is still to be read.
    pub fn call(&self) -> Option<&Call> {
        self.call.as_ref()
    }

    pub fn read(&mut self, sent: Sent) -> Result<(), Failure> {
        let Some(mut call) = self.call.take() else { return Ok(()) };
        let at = host(&sent.url);
        let wrong = |why: String| Failure::Protocol(format!("the listing of {at}: {why}"));
        let status = sent.status.as_u16();
        // The list that the first page was of is not kept any more.
        if status == 410 && self.pages == Some(Pages::Continue) && call.url != self.first && self.restarts < RESTARTS {
            self.restarts += 1;
            self.empty = 0;
            self.rows.clear();
            self.seen = HashSet::from([self.first.to_string()]);
            call.url = self.first.clone();
            self.call = Some(call);
            return Ok(());
        }
        let mut body = match sent.body {
            AnswerBody::Json(body) if sent.status.is_success() => body,
            // Swift answers an empty listing so.
            AnswerBody::Empty if status == 204 => Value::Null,
            body if sent.status.is_success() => {
                let what = if matches!(body, AnswerBody::Empty) { "empty" } else { "no JSON" };
                return Err(wrong(format!("the answer is {what}")));
            }
            body => {
                let complaint = complaint(status, &sent.headers, &body, self.errors.as_ref());
                return Err(Failure::Refused(status, complaint));
            }
        };
        let rows = if body.is_null() { Some(Vec::new()) } else { paging::rows(&self.at, &mut body) };
        let rows = rows.ok_or_else(|| wrong(format!("no rows under `{}`", self.at.key)))?;
        self.empty = if rows.is_empty() { self.empty + 1 } else { 0 };
        let last =
            rows.last().and_then(|row| ["id", "name"].iter().find_map(|k| row.get(k)?.as_str().map(str::to_string)));
        let room = self.most - self.rows.len();
        self.cut = rows.len() > room;
        self.rows.extend(rows.into_iter().take(room));
        let Some(pages) = self.pages else { return Ok(()) };
        // By the last name alone, the end is an empty page.
        if pages == Pages::Last && self.empty > 0 {
            return Ok(());
        }
        let next = paging::next(pages, &self.at, &body, &sent.headers, last.as_deref());
        let Some(next) = paging::follow(&sent.url, &next).map_err(wrong)? else { return Ok(()) };
        if self.rows.len() >= self.most {
            self.cut = true;
            return Ok(());
        }
        if !self.seen.insert(next.to_string()) || self.empty > EMPTY_PAGES || self.seen.len() > PAGES {
            return Err(wrong("its pages have no end".into()));
        }
        call.url = next;
        self.call = Some(call);
        Ok(())
    }

    pub fn rows(self) -> Rows {
        Rows { rows: self.rows, cut: self.cut, version: None }
    }
}

/// An answer of a stack without versions of its own.
pub fn answer(sent: Sent, request_ids: &[&str]) -> Answer {
    let request_id = request_ids.iter().find_map(|name| sent.headers.get(*name)?.to_str().ok().map(str::to_string));
    let Sent { status, headers, body, repeated, .. } = sent;
    Answer { status: status.as_u16(), headers, body, request_id, version: None, repeated }
}
