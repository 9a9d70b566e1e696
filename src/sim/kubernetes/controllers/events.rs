//! Events: what happened to an object, for people. The same again is counted, not written twice.

use std::collections::{HashMap, VecDeque};

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{make, name_of, uid_of};
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::managed::Writer;
use crate::sim::kubernetes::persist::{self, Mode};
use crate::sim::kubernetes::resources::known;
use crate::sim::kubernetes::store::Key;
use crate::sim::source::iso;

/// Events of a site at most; the oldest go.
const MOST: usize = 1000;

#[derive(Default)]
pub struct Events {
    known: HashMap<(String, String), Key>,
    order: VecDeque<(Key, (String, String))>,
}

/// Who says so, about whom, and what.
pub fn say(
    state: &mut State,
    component: &str,
    about: &Value,
    kind: &str,
    reason: &str,
    message: &str,
    now: OffsetDateTime,
) {
    let same = (uid_of(about).to_string(), format!("{reason}\n{message}"));
    if let Some(key) = state.work.events.known.get(&same)
        && let Some(before) = state.store.get(key).cloned()
    {
        let mut after = (*before).clone();
        after["count"] = (before["count"].as_i64().unwrap_or(1) + 1).into();
        after["lastTimestamp"] = iso(now).into();
        let writer = Writer::update(component);
        persist::update(state, known("events"), &before, after, &writer, Mode::Real, now);
        return;
    }
    let namespace = about["metadata"]["namespace"].as_str().unwrap_or("default").to_string();
    let number = state.ids.next();
    let event = json!({
        "metadata": {"name": format!("{}.{number:016x}", name_of(about)), "namespace": namespace},
        "involvedObject": {
            "kind": about["kind"],
            "namespace": about["metadata"]["namespace"],
            "name": about["metadata"]["name"],
            "uid": about["metadata"]["uid"],
            "apiVersion": about["apiVersion"],
            "resourceVersion": about["metadata"]["resourceVersion"],
        },
        "reason": reason,
        "message": message,
        "source": {"component": component},
        "firstTimestamp": iso(now),
        "lastTimestamp": iso(now),
        "count": 1,
        "type": kind,
        "eventTime": null,
        "reportingComponent": component,
        "reportingInstance": "",
    });
    let Some(event) = make(state, "events", event, now) else { return };
    let key = Key::new("events", &namespace, name_of(&event));
    state.work.events.known.insert(same.clone(), key.clone());
    state.work.events.order.push_back((key, same));
    while state.work.events.order.len() > MOST {
        if let Some((key, same)) = state.work.events.order.pop_front() {
            state.store.remove(&key, now);
            state.work.events.known.remove(&same);
        }
    }
}
