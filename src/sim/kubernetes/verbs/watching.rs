//! Watches: a body that goes on, a line of JSON for each change.
//!
//! A watch sleeps until something changes or falls due. It holds no lock and no place in a queue: it reads the changes
//! after its revision, and ends with `410 Gone` when they are forgotten.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep_until};

use super::Place;
use super::read::{Narrowed, versioned, within};
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::resources::Resource;
use crate::sim::kubernetes::status::Status;
use crate::sim::kubernetes::table::{self, Wanted};
use crate::sim::kubernetes::wire::{Answer, Call, Reply};
use crate::sim::stack;
use crate::sim::world::Site;
use crate::transport::BoxError;

/// When nobody says how long.
const LASTS: Duration = Duration::from_secs(1800);
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Between two bookmarks.
const BOOKMARK: Duration = Duration::from_secs(60);

struct Watch {
    site: Arc<Site>,
    resource: Arc<Resource>,
    namespace: Option<String>,
    narrowed: Narrowed,
    table: Option<Wanted>,
    /// Columns are told once.
    columns_told: bool,
    /// Changes up to here were told.
    told: u64,
    lines: VecDeque<Bytes>,
    ends: Instant,
    bookmark: Option<Instant>,
    changed: Receiver<u64>,
    over: bool,
}

pub fn watch(site: &Arc<Site>, state: &mut State, call: &Call, place: &Place) -> Answer {
    let resource = &place.resource;
    if call.flag("sendInitialEvents") {
        let message = "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is \
                       forbidden for watch unless the WatchList feature gate is enabled";
        let mut status = Status::invalid(resource, "", vec![]);
        status.message = message.into();
        return Err(status);
    }
    let narrowed = Narrowed::of(call, resource)?;
    let seconds = call.query("timeoutSeconds").and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let from = match call.query("resourceVersion") {
        None | Some("" | "0") => None,
        Some(text) => Some(text.parse::<u64>().map_err(|_| {
            Status::bad_request(format!(
                "resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"
            ))
        })?),
    };
    let stack::State::Kubernetes(cluster) = site.stack() else { return Err(Status::no_such_resource()) };
    let now = Instant::now();
    let mut watch = Watch {
        site: site.clone(),
        resource: resource.clone(),
        namespace: within(place).map(str::to_string),
        narrowed,
        table: table::wanted(call),
        columns_told: false,
        told: from.unwrap_or_else(|| state.store.revision()),
        lines: VecDeque::new(),
        ends: now + seconds.unwrap_or(LASTS).min(LONGEST),
        bookmark: call.flag("allowWatchBookmarks").then_some(now + BOOKMARK),
        changed: cluster.changed.subscribe(),
        over: false,
    };
    if from.is_none() {
        let there: Vec<Arc<Value>> = state
            .store
            .list(&resource.id(), watch.namespace.as_deref())
            .filter(|(_, object)| watch.narrowed.matches(object))
            .map(|(_, object)| object.clone())
            .collect();
        for object in there {
            watch.tell("ADDED", &object, call.now);
        }
    }
    let frames = futures_util::stream::unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        Some((Ok::<_, BoxError>(Frame::data(line)), watch))
    });
    Ok(Reply::stream(StreamBody::new(frames).boxed_unsync()))
}

impl Watch {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            if self.over {
                return None;
            }
            // Marked before the state is read: what changes meanwhile wakes the wait below.
            self.changed.borrow_and_update();
            let site = self.site.clone();
            let stack::State::Kubernetes(cluster) = site.stack() else { return None };
            let due = {
                let state = &mut *cluster.state();
                state.settle(cluster.clock.now());
                cluster.announce(state);
                self.catch_up(state, cluster.clock.now());
                controllers_due(state, cluster.clock.now())
            };
            if !self.lines.is_empty() {
                continue;
            }
            let now = Instant::now();
            if now >= self.ends || self.site.refuses_all() {
                return None;
            }
            let until = [due, self.bookmark].into_iter().flatten().fold(self.ends, Instant::min);
            tokio::select! {
                changed = self.changed.changed() => if changed.is_err() { return None },
                () = sleep_until(until) => {}
            }
        }
    }

    fn catch_up(&mut self, state: &State, now: OffsetDateTime) {
        let Some(changes) = state.store.since(self.told) else {
            let mut status =
                Status::expired(format!("too old resource version: {} ({})", self.told, state.store.forgotten()));
            status.reason = "Expired";
            self.line("ERROR", status.body());
            self.over = true;
            return;
        };
        let id = self.resource.id();
        let own: Vec<_> = changes
            .filter(|change| *change.key.resource == *id)
            .filter(|change| self.namespace.as_ref().is_none_or(|namespace| change.key.namespace == *namespace))
            .map(|change| (change.before.clone(), change.after.clone(), change.revision))
            .collect();
        self.told = state.store.revision();
        for (before, after, revision) in own {
            let was = before.as_ref().is_some_and(|object| self.narrowed.matches(object));
            let is = after.as_ref().is_some_and(|object| self.narrowed.matches(object));
            match (was, is, after) {
                (false, true, Some(object)) => self.tell("ADDED", &object, now),
                (true, true, Some(object)) => self.tell("MODIFIED", &object, now),
                (true, false, _) => {
                    if let Some(before) = before {
                        // It leaves with the revision at which it left.
                        let mut last = (*before).clone();
                        last["metadata"]["resourceVersion"] = revision.to_string().into();
                        self.tell("DELETED", &Arc::new(last), now);
                    }
                }
                _ => {}
            }
        }
        if let Some(at) = self.bookmark
            && Instant::now() >= at
        {
            self.bookmark = Some(Instant::now() + BOOKMARK);
            let object = json!({
                "kind": self.resource.kind,
                "apiVersion": self.resource.api_version(),
                "metadata": {"resourceVersion": self.told.to_string(), "creationTimestamp": null},
            });
            self.line("BOOKMARK", object);
        }
    }

    fn tell(&mut self, what: &str, object: &Arc<Value>, now: OffsetDateTime) {
        let shown = match self.table {
            None => versioned(&self.resource, object),
            Some(how) => {
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                let mut table = table::of_watch(&self.resource, object, metadata, how, now);
                if std::mem::replace(&mut self.columns_told, true) {
                    table["columnDefinitions"] = Value::Null;
                }
                table
            }
        };
        self.line(what, shown);
    }

    fn line(&mut self, what: &str, object: Value) {
        self.lines.push_back(format!("{}\n", json!({"type": what, "object": object})).into());
    }
}

/// When something falls due by itself.
fn controllers_due(state: &State, now: OffsetDateTime) -> Option<Instant> {
    let due = state.work.next_due()?;
    let wait = Duration::try_from(due - now).unwrap_or_default();
    Some(Instant::now() + wait)
}
