//! The list of images: filters, order, pages.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::{Image, Images, error};
use crate::sim::openstack::identity::Who;
use crate::sim::openstack::wire::{Answer, Call, Reply, boolean};

const NOT_FILTERS: &[&str] = &["limit", "marker", "sort", "sort_key", "sort_dir", "member_status"];
/// Attributes by which Glance sorts.
const SORTS: &[&str] = &["name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at"];

pub(super) fn list(images: &Images, call: &Call, who: &Who) -> Answer {
    let limit = match call.query("limit") {
        None => 25,
        Some(text) => text.parse::<usize>().map_err(|_| error(400, "limit param must be an integer"))?.min(1000),
    };
    let order = order(call)?;
    let mut rows: Vec<(&Image, Value)> = Vec::new();
    for image in images.images.values().filter(|image| listed(image, call, who)) {
        let shown = image.shown();
        if passes(image, &shown, call)? {
            rows.push((image, shown));
        }
    }
    rows.sort_by(|(_, a), (_, b)| {
        let compared = order.iter().map(|(key, descending)| {
            let ordering = compare(&a[key.as_str()], &b[key.as_str()]);
            if *descending { ordering.reverse() } else { ordering }
        });
        compared.fold(Ordering::Equal, Ordering::then)
    });
    let start = match call.query("marker") {
        None => 0,
        Some(marker) => {
            let at = rows.iter().position(|(image, _)| image.id == marker);
            at.ok_or_else(|| error(400, "Invalid marker. Image could not be found."))? + 1
        }
    };
    let more = rows.len() > start + limit;
    let page: Vec<Value> = rows.drain(start..).take(limit).map(|(_, shown)| shown).collect();
    let mut body = json!({"first": first(call), "schema": "/v2/schemas/images"});
    if let Some(last) = page.last().filter(|_| more) {
        body["next"] = json!(call.next_link(last["id"].as_str().unwrap_or_default()).replacen("/image", "", 1));
    }
    body["images"] = json!(page);
    Ok(Reply::json(200, body))
}

fn first(call: &Call) -> String {
    let query = call.query.iter().filter(|(key, _)| key != "marker");
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    if query.is_empty() { "/v2/images".into() } else { format!("/v2/images?{query}") }
}

/// Newest first, unless asked otherwise; ties by creation and id, so that pages are stable.
fn order(call: &Call) -> Result<Vec<(String, bool)>, super::Reply> {
    let mut order = Vec::new();
    if let Some(sort) = call.query("sort") {
        for part in sort.split(',') {
            let (key, direction) = part.split_once(':').unwrap_or((part, "desc"));
            order.push((key.trim().to_string(), direction.trim() == "desc"));
        }
    } else {
        let directions: Vec<&str> = call.queries("sort_dir").collect();
        for (at, key) in call.queries("sort_key").enumerate() {
            let direction = directions.get(at).or(directions.last()).unwrap_or(&"desc");
            order.push((key.to_string(), *direction == "desc"));
        }
    }
    if let Some((key, _)) = order.iter().find(|(key, _)| !SORTS.contains(&key.as_str())) {
        return Err(error(
            400,
            &format!("Invalid sort key: {key}. It must be one of the following: {}.", SORTS.join(", ")),
        ));
    }
    for key in ["created_at", "id"] {
        if !order.iter().any(|(known, _)| known == key) {
            order.push((key.to_string(), true));
        }
    }
    Ok(order)
}

fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_u64().cmp(&b.as_u64()),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (a, b) => a.is_null().cmp(&b.is_null()).reverse(),
    }
}

/// Community images are listed only when asked for, shared ones when accepted.
fn listed(image: &Image, call: &Call, who: &Who) -> bool {
    let own = image.owner == who.project;
    let asked = call.query("visibility");
    let member = image.members.get(&who.project).map(|member| member.status);
    match image.visibility.as_str() {
        "public" => true,
        "community" => own || asked == Some("community") || who.admin,
        "shared" => {
            own || who.admin || member.is_some_and(|status| status == call.query("member_status").unwrap_or("accepted"))
        }
        _ => own || who.admin,
    }
}

fn passes(image: &Image, shown: &Value, call: &Call) -> Result<bool, super::Reply> {
    let mut hidden = false;
    for (key, wanted) in call.query.iter().filter(|(key, _)| !NOT_FILTERS.contains(&key.as_str())) {
        let number = || wanted.parse::<u64>().map_err(|_| error(400, &format!("{key} param must be an integer")));
        let size = image.content.as_ref().map(|content| content.size);
        let passed = match key.as_str() {
            "tag" => image.tags.contains(wanted),
            "size_min" => {
                let least = number()?;
                size.is_some_and(|size| size >= least)
            }
            "size_max" => {
                let most = number()?;
                size.is_some_and(|size| size <= most)
            }
            "visibility" if wanted == "all" => true,
            "os_hidden" => {
                hidden = boolean(wanted).ok_or_else(|| error(400, "Invalid value for os_hidden"))?;
                true
            }
            "protected" => {
                let wanted = boolean(wanted).ok_or_else(|| error(400, "Invalid value for protected"))?;
                image.protected == wanted
            }
            _ => match &shown[key.as_str()] {
                Value::String(value) => match wanted.strip_prefix("in:") {
                    Some(list) => list.split(',').any(|one| one.trim_matches('"') == value),
                    None => value == wanted,
                },
                Value::Number(value) => value.to_string() == *wanted,
                _ => false,
            },
        };
        if !passed {
            return Ok(false);
        }
    }
    Ok(image.hidden == hidden)
}
