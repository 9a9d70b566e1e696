//! Reads of single objects that come at once are asked together, as a listing of what they lie in.
//!
//! A few are asked one by one. While those are on their way, further ones of the same collection wait; what has gathered when
//! one of them is answered is answered by one listing, which begins after each was asked and so sees no less than it would
//! have. What holds secrets is never listed for that: it takes another right, and shows more than was asked for. The hard idea
//! is that nobody leads for long: a reader may be dropped at any moment, and none of the others misses it.

use super::{JSON_OR_ANY, Kubernetes, REQUEST_IDS};
use crate::drivers::exchange::Call;
use crate::drivers::listing;
use crate::drivers::place::at;
use crate::drivers::{Answer, AnswerBody};
use edge_lang::library::{Method, Payload, Request};
use http::header::ACCEPT;
use http::{HeaderMap, Method as Verb};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Reads of one collection that are on their way at once, before others wait for them.
const ONE_BY_ONE: usize = 4;
/// Fewer than these are not worth a listing.
const ENOUGH: usize = 4;
/// Of a page at least one object in so many is wanted; else too much is there that is not.
const CROWD: usize = 8;
/// Objects of a page at most, as kubectl asks for them.
const PAGE: usize = 500;

/// By the paths of what was read from.
#[derive(Default)]
pub struct Gathering(Mutex<HashMap<String, Arc<Collection>>>);

struct Collection {
    path: String,
    alone: Arc<Semaphore>,
    /// Held by the one that asks for all; those that came later are behind it.
    turn: tokio::sync::Mutex<()>,
    waiting: Mutex<Vec<Arc<Reader>>>,
    /// A listing does not help: it is forbidden, or there is too much else.
    apart: AtomicBool,
}

struct Reader {
    name: String,
    told: Mutex<Option<Told>>,
}

enum Told {
    Answer(Box<Answer>),
    /// It is to be asked for by itself.
    Apart,
}

/// What becomes of a read.
pub enum Read {
    Answered(Box<Answer>),
    /// It is to be sent; others wait while this is held.
    Alone(Option<OwnedSemaphorePermit>),
}

/// Where a plain read of one object looks: what it lies in, and its name.
pub fn lies(request: &Request) -> Option<(&str, &str)> {
    let plain = request.method == Method::Get && request.query.is_empty() && request.headers.is_empty();
    if !plain || !matches!(request.payload, Payload::None) {
        return None;
    }
    let (collection, name) = request.path.rsplit_once('/')?;
    let below = match collection.strip_prefix("/api/") {
        Some(rest) => rest.split_once('/')?.1,
        None => collection.strip_prefix("/apis/")?.splitn(3, '/').nth(2)?,
    };
    let parts: Vec<&str> = below.split('/').collect();
    let one = matches!(parts[..], [_] | ["namespaces", _, _]) && parts.iter().all(|p| !p.is_empty());
    (one && !name.is_empty()).then_some((collection, name))
}

impl Kubernetes {
    /// A read of one object, together with others that were asked for while it waited.
    pub(super) async fn together(&self, request: &Request, deadline: Instant) -> Read {
        let Some((path, name)) = lies(request).filter(|_| !request.discreet) else { return Read::Alone(None) };
        let among = self.gathering.of(path);
        if among.apart.load(Ordering::Relaxed) {
            return Read::Alone(None);
        }
        if let Ok(alone) = among.alone.clone().try_acquire_owned() {
            return Read::Alone(Some(alone));
        }
        let Ok(name) = percent_decode_str(name).decode_utf8() else { return Read::Alone(None) };
        let reader = Arc::new(Reader { name: name.into_owned(), told: Mutex::default() });
        lock(&among.waiting).push(reader.clone());
        // Whose time is over finds that out by asking.
        let Ok(_turn) = timeout_at(deadline, among.turn.lock()).await else { return Read::Alone(None) };
        if let Some(told) = lock(&reader.told).take() {
            return told.into();
        }
        let Ok(Ok(_alone)) = timeout_at(deadline, among.alone.acquire()).await else { return Read::Alone(None) };
        let mut all = std::mem::take(&mut *lock(&among.waiting));
        // Held by nobody else: its reader has gone.
        all.retain(|other| Arc::strong_count(other) > 1 && !Arc::ptr_eq(other, &reader));
        all.push(reader.clone());
        let mut listed = match all.len() < ENOUGH {
            true => HashMap::new(),
            false => {
                let wanted = all.iter().map(|reader| reader.name.as_str()).collect();
                self.listed(&among, wanted, deadline).await
            }
        };
        for other in &all {
            let told = listed.remove(&other.name).map_or(Told::Apart, |answer| Told::Answer(Box::new(answer)));
            *lock(&other.told) = Some(told);
        }
        let told = lock(&reader.told).take();
        told.map_or(Read::Alone(None), Read::from)
    }

    /// What a listing tells of these objects, as each would have been answered. Of what is not in it nothing is known.
    async fn listed(
        &self,
        among: &Collection,
        mut wanted: HashSet<&str>,
        deadline: Instant,
    ) -> HashMap<String, Answer> {
        let mut told = HashMap::new();
        let mut next: Option<String> = None;
        let base = self.url.path().trim_end_matches('/');
        loop {
            let mut url = at(&self.url, &format!("{base}{}", among.path));
            // No more than is read for them in any case.
            let page = (wanted.len() * CROWD).min(PAGE);
            url.query_pairs_mut().append_pair("limit", &page.to_string());
            if let Some(next) = &next {
                url.query_pairs_mut().append_pair("continue", next);
            }
            let mut call = Call::new(Verb::GET, url);
            call.repeatable = true;
            call.headers.insert(ACCEPT, JSON_OR_ANY);
            let Ok(sent) = self.wire.exchange(&call, self, deadline).await else { return told };
            let answer = listing::answer(sent, &REQUEST_IDS);
            if matches!(answer.status, 401 | 403 | 404 | 405) {
                among.apart.store(true, Ordering::Relaxed);
            }
            let refused = !answer.ok();
            let AnswerBody::Json(mut page) = answer.body else { return told };
            // What the site could not tell this time it may tell the next.
            let items = page.get_mut("items").filter(|_| !refused).and_then(Value::as_array_mut);
            let Some(items) = items else { return told };
            let (items, before) = (std::mem::take(items), wanted.len());
            let shown = items.len();
            for mut item in items {
                let name = item.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_string();
                if !wanted.remove(name.as_str()) {
                    continue;
                }
                complete(&mut item, &page);
                told.insert(name, answered(200, item, answer.request_id.clone()));
            }
            next = page.pointer("/metadata/continue").and_then(Value::as_str).map(str::to_string);
            match &next {
                Some(token) if !token.is_empty() => {}
                _ => {
                    let absent = |name: &str| answered(404, missing(&among.path, name), answer.request_id.clone());
                    told.extend(wanted.iter().map(|name| (name.to_string(), absent(name))));
                    return told;
                }
            }
            if wanted.is_empty() {
                return told;
            }
            if (before - wanted.len()) * CROWD < shown {
                among.apart.store(true, Ordering::Relaxed);
                return told;
            }
        }
    }
}

/// The items of a list of one kind do not say what they are; the list does.
fn complete(item: &mut Value, list: &Value) {
    let Some(item) = item.as_object_mut() else { return };
    let text = |key: &str| list.get(key).and_then(Value::as_str);
    if let (None, Some(kind)) = (item.get("kind"), text("kind").and_then(|kind| kind.strip_suffix("List"))) {
        item.insert("kind".into(), kind.into());
    }
    if let (None, Some(api)) = (item.get("apiVersion"), text("apiVersion")) {
        item.insert("apiVersion".into(), api.into());
    }
}

/// As a site says that it has none of that name.
fn missing(collection: &str, name: &str) -> Value {
    let plural = collection.rsplit('/').next().unwrap_or_default();
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("{plural} \"{name}\" not found"), "reason": "NotFound", "code": 404,
    })
}

fn answered(status: u16, body: Value, request_id: Option<String>) -> Answer {
    let body = AnswerBody::Json(body);
    Answer { status, headers: HeaderMap::new(), body, request_id, version: None, repeated: false }
}

impl Gathering {
    fn of(&self, path: &str) -> Arc<Collection> {
        let new = || {
            Arc::new(Collection {
                path: path.to_string(),
                alone: Arc::new(Semaphore::new(ONE_BY_ONE)),
                turn: tokio::sync::Mutex::default(),
                waiting: Mutex::default(),
                apart: AtomicBool::new(false),
            })
        };
        lock(&self.0).entry(path.to_string()).or_insert_with(new).clone()
    }
}

impl From<Told> for Read {
    fn from(told: Told) -> Read {
        match told {
            Told::Answer(answer) => Read::Answered(answer),
            Told::Apart => Read::Alone(None),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
