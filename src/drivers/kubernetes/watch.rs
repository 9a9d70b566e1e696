//! Watches: a site tells that what was read has changed, so that nobody has to ask again and again.
//!
//! What it tells is not read: that it tells something is enough, and the object is then read as always. So a watch keeps nothing
//! of what comes, whatever comes. It begins after the revision that was read, so nothing is missed in between. The hard idea is
//! that it is never relied upon: it ends by itself in time, a site that has none is asked again and again as any other, and of a
//! site that says nothing it is known no more than before.

use super::gather::lies;
use super::{JSON_OR_ANY, Kubernetes};
use crate::drivers::body::Wanted;
use crate::drivers::{AnswerBody, Watched};
use edge_lang::library::{Method, Payload, Request};
use http::header::ACCEPT;
use http_body_util::BodyExt;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};

/// Watches of one session at once: each holds a stream of a connection that others share.
const AT_ONCE: usize = 16;
/// Watches that end at once, one after the other, before it is no longer tried.
const FLEETING: usize = 3;
/// Between two watches of the same.
const AGAIN: Duration = Duration::from_secs(1);
/// Paths that are remembered as not to be watched.
const MOST: usize = 1000;

pub struct Watching {
    turns: Semaphore,
    /// We may not, or the site cannot.
    unable: Mutex<HashSet<String>>,
}

impl Default for Watching {
    fn default() -> Watching {
        Watching { turns: Semaphore::new(AT_ONCE), unable: Mutex::default() }
    }
}

/// The watch of what a read has answered, after the revision of that answer.
pub fn of(read: &Request, answer: &Value) -> Option<Request> {
    if read.method != Method::Get || read.discreet || !matches!(read.payload, Payload::None) {
        return None;
    }
    let revision = answer.pointer("/metadata/resourceVersion").and_then(Value::as_str).filter(|r| !r.is_empty())?;
    let mut watch = read.clone();
    if !answer.get("items").is_some_and(Value::is_array) {
        let (collection, name) = lies(read)?;
        let name = percent_decode_str(name).decode_utf8().ok()?;
        watch.path = collection.to_string();
        watch.query.push(("fieldSelector".into(), format!("metadata.name={name}")));
    }
    watch.query.retain(|(name, _)| !matches!(&**name, "limit" | "continue"));
    watch.query.push(("watch".into(), "1".into()));
    watch.query.push(("resourceVersion".into(), revision.to_string()));
    Some(watch)
}

/// How a watch ended.
enum End {
    Told,
    /// The site closed it.
    Closed,
    Late,
    /// Not this time, or never.
    Unable(bool),
}

impl Kubernetes {
    pub(super) async fn watched(&self, watch: Request, time: Duration) -> Watched {
        let Ok(_turn) = self.watching.turns.try_acquire() else { return Watched::Unable };
        if self.watching.unable.lock().unwrap_or_else(PoisonError::into_inner).contains(&watch.path) {
            return Watched::Unable;
        }
        let end = Instant::now() + time;
        let mut fleeting = 0;
        loop {
            let began = Instant::now();
            match self.watch_once(&watch, end).await {
                End::Told => return Watched::Changed,
                End::Late => return Watched::Same,
                End::Unable(ever) => {
                    let mut unable = self.watching.unable.lock().unwrap_or_else(PoisonError::into_inner);
                    if ever && unable.len() < MOST {
                        unable.insert(watch.path);
                    }
                    return Watched::Unable;
                }
                End::Closed => {
                    fleeting = if began.elapsed() < AGAIN { fleeting + 1 } else { 0 };
                    if fleeting >= FLEETING {
                        return Watched::Unable;
                    }
                    if Instant::now() + AGAIN >= end {
                        return Watched::Same;
                    }
                    sleep(AGAIN).await;
                }
            }
        }
    }

    async fn watch_once(&self, watch: &Request, end: Instant) -> End {
        let mut request = watch.clone();
        // The site ends it by itself, should we not.
        let left = end.saturating_duration_since(Instant::now()).as_secs() + 1;
        request.query.push(("timeoutSeconds".into(), left.to_string()));
        let Ok(mut call) = self.call(request, None) else { return End::Unable(true) };
        call.headers.insert(ACCEPT, JSON_OR_ANY);
        call.wanted = Wanted::Stream;
        call.repeatable = false;
        let sent = match timeout_at(end, self.wire.exchange(&call, self, end)).await {
            Err(_) => return End::Late,
            Ok(Err(_)) if Instant::now() >= end => return End::Late,
            Ok(Err(_)) => return End::Unable(false),
            Ok(Ok(sent)) => sent,
        };
        let mut body = match (sent.status.as_u16(), sent.body) {
            // Too old: what is there now has to be read.
            (410, _) => return End::Told,
            (200, AnswerBody::Stream(body)) => body,
            (200, AnswerBody::Empty) => return End::Closed,
            (status, _) => return End::Unable(matches!(status, 401 | 403 | 404 | 405)),
        };
        loop {
            match timeout_at(end, body.frame()).await {
                Err(_) => return End::Late,
                Ok(None | Some(Err(_))) => return End::Closed,
                Ok(Some(Ok(frame))) => {
                    let says = |bytes: &bytes::Bytes| bytes.iter().any(|byte| !byte.is_ascii_whitespace());
                    if frame.data_ref().is_some_and(says) {
                        return End::Told;
                    }
                }
            }
        }
    }
}
