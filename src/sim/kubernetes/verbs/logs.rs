//! What a container has said: a line when it started, and one a second from then on, without end and from no memory.

use serde_json::Value;
use time::OffsetDateTime;

use super::Place;
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::controllers::time_of;
use crate::sim::kubernetes::status::Status;
use crate::sim::kubernetes::wire::{Answer, Call, Reply};
use crate::sim::source::iso;

/// Lines that are kept, as a log is rotated.
const MOST_LINES: i64 = 1000;

pub fn answer(state: &mut State, call: &Call, place: &Place) -> Answer {
    let pod = place.object(state)?;
    let containers = pod["spec"]["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&str> = containers.iter().filter_map(|container| container["name"].as_str()).collect();
    let name = match (call.query("container").filter(|name| !name.is_empty()), &names[..]) {
        (Some(name), names) if names.contains(&name) => name,
        (Some(name), _) => {
            let message = format!("container {name} is not valid for pod {}", place.name);
            return Err(Status::bad_request(message));
        }
        (None, [only]) => only,
        (None, names) => {
            let message = format!(
                "a container name must be specified for pod {}, choose one of: [{}]",
                place.name,
                names.join(" ")
            );
            return Err(Status::bad_request(message));
        }
    };
    // The log of a pod that is nowhere is empty.
    if !pod["spec"]["nodeName"].is_string() {
        return Ok(Reply::text(204, ""));
    }
    let statuses = pod["status"]["containerStatuses"].as_array().map(Vec::as_slice).unwrap_or_default();
    let own = statuses.iter().find(|status| status["name"] == name).unwrap_or(&Value::Null);
    let running = &own["state"]["running"]["startedAt"];
    let ended = &own["state"]["terminated"];
    let Some(started) = time_of(running).or_else(|| time_of(&ended["startedAt"])) else {
        let reason = own["state"]["waiting"]["reason"].as_str().unwrap_or("ContainerCreating");
        let message = match reason {
            "ContainerCreating" => {
                format!("container {name:?} in pod {:?} is waiting to start: ContainerCreating", place.name)
            }
            _ => format!(
                "container {name:?} in pod {:?} is waiting to start: trying and failing to pull image",
                place.name
            ),
        };
        return Err(Status::bad_request(message));
    };
    if call.flag("previous") {
        let message = format!("previous terminated container {name:?} in pod {:?} not found", place.name);
        return Err(Status::bad_request(message));
    }
    let until = time_of(&ended["finishedAt"]).unwrap_or(call.now);
    Ok(Reply::text(200, lines(call, &place.name, name, started, until)))
}

fn lines(call: &Call, pod: &str, container: &str, started: OffsetDateTime, until: OffsetDateTime) -> String {
    let seconds = (until - started).whole_seconds().max(0);
    let tail = call.query("tailLines").and_then(|text| text.parse::<i64>().ok()).unwrap_or(MOST_LINES);
    let since = call.query("sinceSeconds").and_then(|text| text.parse::<i64>().ok());
    let first = (seconds + 1 - tail.clamp(0, MOST_LINES)).max(0);
    let first = since.map_or(first, |since| first.max((until - started).whole_seconds() - since.max(0)));
    let mut text = String::new();
    for second in first..=seconds {
        let at = started + time::Duration::seconds(second);
        if call.flag("timestamps") {
            text += &format!("{} ", iso(at));
        }
        match second {
            0 => text += &format!("{container} of {pod} started\n"),
            _ => text += &format!("{container} is up for {second} s\n"),
        }
    }
    if let Some(limit) = call.query("limitBytes").and_then(|text| text.parse::<usize>().ok()) {
        let end = (0..=limit.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
    }
    text
}
