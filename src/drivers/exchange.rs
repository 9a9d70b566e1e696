//! One call to a service, with what may be repeated repeated: until an answer, or until it is certain that there is
//! none within the time limit.
//!
//! `left` is the point of it: once an attempt may have reached the service, every later trouble, even a refused
//! connection, is `Unknown`, because the first attempt may still have been carried out.

use super::backoff::{Backoff, retry_after};
use super::body::{self, BodyError, Wanted};
use super::place::{host, redirected};
use super::secrets::Secrets;
use super::{AnswerBody, Failure, Surroundings, Upload};
use crate::transport::{Body, TransportError, empty_body, full_body};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

/// Attempts after which a site counts as unreachable, and after which it counts as silent.
const CONNECTIONS: u32 = 3;
const SILENCES: u32 = 3;
/// Times that a site may ask to come later.
const POSTPONED: u32 = 30;

pub struct Call {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub payload: Content,
    pub repeatable: bool,
    pub wanted: Wanted,
}

pub enum Content {
    None,
    Bytes(Bytes),
    Upload(Upload),
}

pub struct Sent {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: AnswerBody,
    /// Where the answer came from, after redirects.
    pub url: Url,
    /// An earlier attempt may have been carried out, or may be yet.
    pub repeated: bool,
}

impl Call {
    pub fn new(method: Method, url: Url) -> Call {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Call { method, url, headers, payload: Content::None, repeatable: false, wanted: Wanted::ByType }
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

/// What proves to a site who asks: headers of every attempt.
#[derive(Clone, Default)]
pub struct Pass {
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Told to `Passes` when the site refuses this one; `None` where there is no other to be had.
    pub number: Option<u64>,
}

impl Pass {
    /// Of one header, which is never shown.
    pub fn of(name: HeaderName, mut value: HeaderValue, number: Option<u64>) -> Pass {
        value.set_sensitive(true);
        Pass { headers: vec![(name, value)], number }
    }
}

/// Where passes come from. It may take exchanges of its own.
pub trait Passes: Send + Sync {
    /// The one for the next attempt. After the site has refused the one of that number, another, or the same if there
    /// is no other.
    fn pass(&self, refused: Option<u64>, deadline: Instant) -> BoxFuture<'_, Result<Pass, Failure>>;
}

/// For what is asked of everybody.
pub struct Nobody;

impl Passes for Nobody {
    fn pass(&self, _: Option<u64>, _: Instant) -> BoxFuture<'_, Result<Pass, Failure>> {
        Box::pin(std::future::ready(Ok(Pass::default())))
    }
}

/// The way to one site.
pub struct Wire {
    pub outside: Surroundings,
    /// The user's own limit for one answer.
    pub answer_time: Option<Duration>,
    pub secrets: Secrets,
    /// Each call has a jitter of its own.
    calls: AtomicU64,
}

impl Wire {
    pub fn new(outside: Surroundings, secrets: Secrets) -> Wire {
        Wire { outside, answer_time: None, secrets, calls: AtomicU64::new(0) }
    }

    pub async fn exchange(&self, call: &Call, passes: &dyn Passes, deadline: Instant) -> Result<Sent, Failure> {
        let mut url = call.url.clone();
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let mut backoff = Backoff::new(self.outside.seed.wrapping_add(number));
        let (mut connections, mut silences, mut redirects, mut postponed) = (0, 0, 0, 0);
        let (mut left, mut broken) = (false, None);
        let mut refused: Option<u64> = None;
        loop {
            let unknown_if =
                |left: bool, failure: Failure| if left { Failure::Unknown(failure.to_string()) } else { failure };
            let repeated = left;
            let pass = passes.pass(refused, deadline).await.map_err(|f| unknown_if(left, f))?;
            match self.attempt(call, &url, &pass, deadline).await {
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
                    if status == 401 && refused.is_none() && pass.number.is_some() {
                        let other = passes.pass(pass.number, deadline).await.map_err(|f| unknown_if(left, f))?;
                        if other.number != pass.number {
                            refused = pass.number;
                            continue;
                        }
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
                    return Ok(Sent { body: self.secrets.without_in(sent.status, sent.body), repeated, ..sent });
                }
            }
        }
    }

    /// Reads what the site tells of itself: that the question may have arrived is of no interest.
    pub async fn read(&self, url: Url, passes: &dyn Passes, deadline: Instant) -> Result<Sent, Failure> {
        let mut call = Call::new(Method::GET, url);
        call.repeatable = true;
        self.exchange(&call, passes, deadline).await.map_err(Failure::of_read)
    }

    /// Sends once and reads the answer.
    async fn attempt(&self, call: &Call, url: &Url, pass: &Pass, deadline: Instant) -> Attempt {
        let at = host(url);
        let request = match request(call, url, pass).await {
            Ok(request) => request,
            Err(why) => return Attempt::NotSent(why),
        };
        let turn = match timeout_at(deadline, self.outside.turns.take()).await {
            Ok(Ok(turn)) if Instant::now() < deadline => turn,
            _ => return Attempt::NotSent(format!("no time left to ask {at}")),
        };
        // Sending an image may take longer than one answer may.
        let deadline = match self.answer_time.and_then(|time| Instant::now().checked_add(time)) {
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
                repeated: false,
            })),
            Ok(Err(BodyError::Cut(why))) => Attempt::Lost(naming(&at, format!("the answer broke off: {why}"))),
            Ok(Err(BodyError::TooLarge(limit))) => {
                Attempt::Strange(format!("the answer of {at} is larger than {} MiB", limit >> 20))
            }
            Ok(Err(BodyError::NotJson(why))) => Attempt::Strange(format!("the answer of {at} is not JSON: {why}")),
            Err(_) => Attempt::Lost(format!("the answer of {at} did not end within the time limit")),
        }
    }
}

/// The host, unless the transport's message has it already.
fn naming(host: &str, why: String) -> String {
    if why.contains(host) { why } else { format!("{host}: {why}") }
}

/// When a call that may take so long has to be over.
pub fn deadline(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now + Duration::from_secs(86_400 * 365))
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

async fn request(call: &Call, url: &Url, pass: &Pass) -> Result<http::Request<Body>, String> {
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
    for (name, value) in &pass.headers {
        request.headers_mut().append(name, value.clone());
    }
    Ok(request)
}
