//! One call to a service, with what may be repeated repeated: until an answer, or until it is certain that there is
//! none within the time limit.
//!
//! `left` is the point of it: once an attempt may have reached the service, every later trouble, even a refused
//! connection, is `Unknown`, because the first attempt may still have been carried out.

use super::{OpenStack, host};
use crate::drivers::backoff::{Backoff, retry_after};
use crate::drivers::body::{self, BodyError, Wanted};
use crate::drivers::{AnswerBody, Failure, Upload};
use crate::transport::{Body, TransportError, empty_body, full_body};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::Value;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

/// Attempts after which a site counts as unreachable, and after which it counts as silent.
const CONNECTIONS: u32 = 3;
const SILENCES: u32 = 3;
const REDIRECTS: u32 = 5;
/// Times that a site may ask to come later.
const POSTPONED: u32 = 30;

pub(super) struct Call {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub payload: Content,
    pub repeatable: bool,
    /// Sent without a token.
    pub anonymous: bool,
    pub wanted: Wanted,
}

pub(super) enum Content {
    None,
    Bytes(Bytes),
    Upload(Upload),
}

pub(super) struct Sent {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: AnswerBody,
    /// Where the answer came from, after redirects.
    pub url: Url,
}

impl Call {
    pub fn new(method: Method, url: Url) -> Call {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::ACCEPT, HeaderValue::from_static("application/json"));
        Call {
            method,
            url,
            headers,
            payload: Content::None,
            repeatable: false,
            anonymous: false,
            wanted: Wanted::ByType,
        }
    }

    pub fn json(&mut self, body: Vec<u8>) {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.payload = Content::Bytes(body.into());
    }

    fn is_read(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }
}

/// What one attempt came to.
enum Attempt {
    Answered(Box<Sent>),
    NotSent(String),
    Lost(String),
    /// Answered by what is not an answer.
    Strange(String),
}

impl OpenStack {
    pub(super) async fn exchange(&self, call: &Call, deadline: Instant) -> Result<Sent, Failure> {
        let mut url = call.url.clone();
        let mut backoff = Backoff::new(self.seed());
        let (mut connections, mut silences, mut redirects, mut postponed) = (0, 0, 0, 0);
        let (mut left, mut renewed, mut broken) = (false, false, None);
        let mut refused = None;
        loop {
            let unknown_if =
                |left: bool, failure: Failure| if left { Failure::Unknown(failure.to_string()) } else { failure };
            let token = match call.anonymous {
                true => None,
                // Boxed: asking for a token is an exchange of its own.
                false => Box::pin(self.token(refused.as_ref(), deadline)).await.map_err(|f| unknown_if(left, f))?,
            };
            let authorization = match (&self.credentials, &token) {
                (_, Some(token)) => Some((HeaderName::from_static("x-auth-token"), token.value.clone())),
                (super::Credentials::Fixed { authorization: Some((name, secret)), .. }, None) => {
                    let value = HeaderValue::from_str(secret.expose_secret()).ok();
                    value.map(|v| (HeaderName::from_static(name), v))
                }
                _ => None,
            };
            match self.attempt(call, &url, authorization, deadline).await {
                Attempt::NotSent(why) => {
                    connections += 1;
                    let failure = unknown_if(left, Failure::NotSent(why));
                    if connections >= CONNECTIONS || !pause(backoff.wait() / 2, deadline).await {
                        return Err(failure);
                    }
                }
                Attempt::Lost(why) => {
                    left = true;
                    silences += 1;
                    if !call.repeatable || silences >= SILENCES || !pause(backoff.wait(), deadline).await {
                        return Err(Failure::Unknown(why));
                    }
                }
                Attempt::Strange(why) => {
                    return Err(if call.is_read() { Failure::Protocol(why) } else { Failure::Unknown(why) });
                }
                Attempt::Answered(sent) => {
                    let status = sent.status.as_u16();
                    if status == 401 && !call.anonymous && !renewed && token.is_some() {
                        renewed = true;
                        refused = token;
                        continue;
                    }
                    if call.is_read() && matches!(status, 301 | 302 | 303 | 307 | 308) {
                        redirects += 1;
                        url = redirected(&url, &sent.headers, redirects).map_err(Failure::Protocol)?;
                        continue;
                    }
                    let asked = retry_after(&sent.headers);
                    if status == 429 || (status == 503 && asked.is_some()) {
                        postponed += 1;
                        let wait = asked.unwrap_or_else(|| backoff.wait());
                        if postponed <= POSTPONED && pause(wait, deadline).await {
                            continue;
                        }
                    } else if status >= 500 {
                        left = true;
                        // The same again is a refusal.
                        let again = call.repeatable && broken != Some(status);
                        broken = Some(status);
                        if again && pause(backoff.wait(), deadline).await {
                            continue;
                        }
                    }
                    let sent = *sent;
                    return Ok(Sent { body: self.without_secrets_in(sent.status, sent.body), ..sent });
                }
            }
        }
    }

    /// Sends once and reads the answer.
    async fn attempt(
        &self,
        call: &Call,
        url: &Url,
        authorization: Option<(HeaderName, HeaderValue)>,
        deadline: Instant,
    ) -> Attempt {
        let at = host(url);
        let request = match request(call, url, authorization).await {
            Ok(request) => request,
            Err(why) => return Attempt::NotSent(why),
        };
        let turn = match timeout_at(deadline, self.outside.in_flight.acquire()).await {
            Ok(Ok(turn)) if Instant::now() < deadline => turn,
            _ => return Attempt::NotSent(format!("no time left to ask {at}")),
        };
        // The user's own limit for one answer; sending an image may take longer.
        let deadline = match self.cloud.api_timeout.and_then(|time| Instant::now().checked_add(time)) {
            Some(sooner) if !matches!(call.payload, Content::Upload(_)) => sooner.min(deadline),
            _ => deadline,
        };
        let response = match timeout_at(deadline, self.outside.transport.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(TransportError::NotSent(why))) => return Attempt::NotSent(naming(&at, why)),
            Ok(Err(TransportError::Lost(why))) => return Attempt::Lost(naming(&at, why)),
            Err(_) => return Attempt::Lost(format!("no answer from {at} within the time limit")),
        };
        let (parts, body) = response.into_parts();
        let read = timeout_at(deadline, body::read(parts.status, &parts.headers, body, call.wanted)).await;
        drop(turn);
        match read {
            Ok(Ok(body)) => Attempt::Answered(Box::new(Sent {
                status: parts.status,
                headers: parts.headers,
                body,
                url: url.clone(),
            })),
            Ok(Err(BodyError::Cut(why))) => Attempt::Lost(naming(&at, format!("the answer broke off: {why}"))),
            Ok(Err(BodyError::TooLarge(limit))) => {
                Attempt::Strange(format!("the answer of {at} is larger than {} MiB", limit >> 20))
            }
            Ok(Err(BodyError::NotJson(why))) => Attempt::Strange(format!("the answer of {at} is not JSON: {why}")),
            Err(_) => Attempt::Lost(format!("the answer of {at} did not end within the time limit")),
        }
    }

    fn seed(&self) -> u64 {
        self.outside.seed.wrapping_add(self.calls.fetch_add(1, Ordering::Relaxed))
    }

    /// An error that repeats our token does not carry it on.
    fn without_secrets_in(&self, status: StatusCode, body: AnswerBody) -> AnswerBody {
        fn walk(value: &mut Value, clean: &impl Fn(&str) -> String) {
            match value {
                Value::String(text) => *text = clean(text),
                Value::Array(items) => items.iter_mut().for_each(|v| walk(v, clean)),
                Value::Object(map) => map.values_mut().for_each(|v| walk(v, clean)),
                _ => {}
            }
        }
        match body {
            body if status.is_success() => body,
            AnswerBody::Json(mut value) => {
                walk(&mut value, &|text| self.without_secrets(text));
                AnswerBody::Json(value)
            }
            AnswerBody::Text(text) => AnswerBody::Text(self.without_secrets(&text)),
            other => other,
        }
    }
}

/// The host, unless the transport's message has it already.
fn naming(host: &str, why: String) -> String {
    if why.contains(host) { why } else { format!("{host}: {why}") }
}

/// Waits, unless the time limit comes first.
async fn pause(time: Duration, deadline: Instant) -> bool {
    match Instant::now().checked_add(time) {
        Some(then) if then < deadline => {
            sleep(time).await;
            true
        }
        _ => false,
    }
}

/// Where a GET is sent on to: the same origin only, because the token goes along.
fn redirected(url: &Url, headers: &HeaderMap, redirects: u32) -> Result<Url, String> {
    let at = host(url);
    let location = headers.get(LOCATION).and_then(|l| l.to_str().ok());
    let target = location.and_then(|l| url.join(l).ok()).ok_or_else(|| format!("{at} redirects to nowhere"))?;
    if target.origin() != url.origin() {
        let to = format!("{}://{}", target.scheme(), host(&target));
        return Err(format!("{at} redirects to {to}, which is another site as far as credentials go"));
    }
    if redirects > REDIRECTS {
        return Err(format!("{at} redirects without end"));
    }
    Ok(target)
}

async fn request(
    call: &Call,
    url: &Url,
    authorization: Option<(HeaderName, HeaderValue)>,
) -> Result<http::Request<Body>, String> {
    let (body, length): (Body, Option<u64>) = match &call.payload {
        Content::None if call.is_read() || call.method == Method::DELETE => (empty_body(), None),
        Content::None => (empty_body(), Some(0)),
        Content::Bytes(bytes) => (full_body(bytes.clone()), Some(bytes.len() as u64)),
        Content::Upload(upload) => {
            let body = (upload.open)().await.map_err(|e| format!("what is to be sent cannot be read: {e}"))?;
            (body, upload.length)
        }
    };
    let mut request = http::Request::builder()
        .method(call.method.clone())
        .uri(url.as_str())
        .body(body)
        .map_err(|_| format!("the URL for {} cannot be sent", host(url)))?;
    *request.headers_mut() = call.headers.clone();
    if let Some(length) = length {
        request.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    if let Some((name, mut value)) = authorization {
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}

/// Headers that a library text may not set: who we are and where we go are not its business.
pub(super) fn is_ours(name: &HeaderName) -> bool {
    [AUTHORIZATION, http::header::HOST, CONTENT_LENGTH, http::header::TRANSFER_ENCODING].contains(name)
        || matches!(name.as_str(), "x-auth-token" | "x-service-token")
}
