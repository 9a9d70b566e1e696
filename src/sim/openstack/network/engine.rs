//! What all kinds share: validation by the table, lists with filters and pages, revisions.

use std::cmp::Ordering;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::kinds::{Form, Given, Kind};
use super::{Network, bad, error, kind as kind_named, quota, refused, rules};
use crate::sim::openstack::identity::Who;
use crate::sim::openstack::wire::{Answer, Call, Object, Reply, boolean, wrapped};
use crate::sim::source::{Source, iso};

const NOT_FILTERS: &[&str] = &["fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir"];
const TAG_FILTERS: &[&str] = &["tags", "tags-any", "not-tags", "not-tags-any"];
const LONGEST_TEXT: usize = 255;

pub(super) fn shown(network: &Network, kind: &Kind, row: &Object, who: &Who, call: &Call) -> Value {
    let mut row = row.clone();
    if kind.plural == "security_groups" {
        let rules = network.resources["security_group_rules"].values();
        let of_group = rules.filter(|rule| rule["security_group_id"] == row["id"]).cloned().map(Value::Object);
        let of_group = Value::Array(of_group.collect());
        row.insert("security_group_rules".into(), of_group);
    }
    if !who.admin {
        row.retain(|name, _| kind.attribute(name).is_none_or(|attribute| attribute.given != Given::Admin));
    }
    let fields: Vec<&str> = call.queries("fields").collect();
    if !fields.is_empty() {
        row.retain(|name, _| fields.contains(&name.as_str()));
    }
    Value::Object(row)
}

pub(super) fn list(network: &Network, kind: &Kind, call: &Call, who: &Who) -> Answer {
    let unknown: Vec<&str> = call
        .query
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| !kind.knows(name) && !NOT_FILTERS.contains(name) && !TAG_FILTERS.contains(name))
        .collect();
    if !unknown.is_empty() {
        let listed = unknown.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        return Err(refused(format!("[{listed}] is invalid attribute for filtering")));
    }
    let mut rows: Vec<&Object> = network.resources[kind.plural]
        .values()
        .filter(|row| network.visible(kind, row, who) && passes(row, call))
        .collect();
    sort(&mut rows, kind, call)?;
    let limit = match call.query("limit") {
        None => None,
        Some(text) => match text.parse::<usize>() {
            Ok(0) => None,
            Ok(limit) => Some(limit),
            Err(_) => return Err(refused(format!("Invalid input for limit. Reason: '{text}' is not a number."))),
        },
    };
    if let Some(marker) = call.query("marker") {
        let at = rows.iter().position(|row| row["id"] == marker);
        let at = at.ok_or_else(|| {
            refused(format!("Invalid input for operation: The resource could not be found by marker {marker}."))
        })?;
        rows.drain(..=at);
    }
    let mut body = json!({});
    if let Some(limit) = limit {
        rows.truncate(limit);
        let mut links = Vec::new();
        // A full page has a next one, even if that will be empty: so Neutron does it.
        if rows.len() == limit
            && let Some(last) = rows.last().and_then(|row| row["id"].as_str())
        {
            links.push(json!({"rel": "next", "href": format!("{}{}", call.base, call.next_link(last))}));
        }
        if !links.is_empty() {
            body[format!("{}_links", kind.plural)] = json!(links);
        }
    }
    body[kind.plural] = rows.iter().map(|row| shown(network, kind, row, who, call)).collect();
    Ok(Reply::json(200, body))
}

fn sort(rows: &mut [&Object], kind: &Kind, call: &Call) -> Result<(), Reply> {
    let directions: Vec<&str> = call.queries("sort_dir").collect();
    let keys: Vec<&str> = call.queries("sort_key").collect();
    if let Some(key) = keys.iter().find(|key| !kind.knows(key)) {
        return Err(refused(format!("['{key}'] is invalid attribute for sort_keys")));
    }
    let compare = |a: &Value, b: &Value| match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => a.as_i64().cmp(&b.as_i64()),
        (a, b) => a.to_string().cmp(&b.to_string()),
    };
    rows.sort_by(|a, b| {
        let orders = keys.iter().enumerate().map(|(at, key)| {
            let order = compare(&a[*key], &b[*key]);
            if directions.get(at) == Some(&"desc") { order.reverse() } else { order }
        });
        orders.fold(Ordering::Equal, Ordering::then)
    });
    Ok(())
}

/// Values of one attribute are alternatives; attributes are conditions that all hold.
fn passes(row: &Object, call: &Call) -> bool {
    let names = call.query.iter().map(|(name, _)| name.as_str());
    names.filter(|name| !NOT_FILTERS.contains(name)).all(|name| {
        if TAG_FILTERS.contains(&name) {
            return call.queries(name).all(|wanted| tagged(row, name, wanted));
        }
        call.queries(name).any(|wanted| equals(name, row.get(name), wanted))
    })
}

fn tagged(row: &Object, filter: &str, wanted: &str) -> bool {
    let has = |tag: &str| row["tags"].as_array().is_some_and(|tags| tags.iter().any(|known| known == tag));
    let (all, any) = (wanted.split(',').all(has), wanted.split(',').any(has));
    match filter {
        "tags" => all,
        "tags-any" => any,
        "not-tags" => !all,
        _ => !any,
    }
}

fn equals(name: &str, value: Option<&Value>, wanted: &str) -> bool {
    match value {
        Some(Value::String(text)) => text == wanted,
        Some(Value::Bool(flag)) => boolean(wanted) == Some(*flag),
        Some(Value::Number(number)) => number.to_string() == wanted,
        Some(Value::Null) | None => wanted.is_empty(),
        Some(Value::Array(list)) if name == "fixed_ips" => {
            let (field, wanted) = wanted.split_once('=').unwrap_or(("ip_address", wanted));
            list.iter().any(|address| address[field] == wanted)
        }
        Some(Value::Array(list)) => list.iter().any(|item| item == wanted),
        Some(Value::Object(_)) => false,
    }
}

/// One, or several at once of which all are made or none.
pub(super) fn create(network: &mut Network, kind: &'static Kind, call: &Call, who: &Who, ids: &mut Source) -> Answer {
    let body = call.json().map_err(bad)?;
    if let Some(many) = body.get(kind.plural).and_then(Value::as_array) {
        let before = network.clone();
        let mut made = Vec::new();
        for one in many {
            match create_one(network, kind, one, who, call.now, ids) {
                Ok(id) => made.push(id),
                Err(refused) => {
                    *network = before;
                    return Err(refused);
                }
            }
        }
        let rows = made.iter().filter_map(|id| network.resources[kind.plural].get(id));
        let rows: Vec<Value> = rows.map(|row| shown(network, kind, row, who, call)).collect();
        return Ok(Reply::json(201, json!({kind.plural: rows})));
    }
    let missing = || refused(format!("Unable to find '{}' in request body", kind.singular));
    let id = create_one(network, kind, body.get(kind.singular).ok_or_else(missing)?, who, call.now, ids)?;
    let row = &network.resources[kind.plural][&id];
    Ok(Reply::json(201, json!({kind.singular: shown(network, kind, row, who, call)})))
}

pub(super) fn create_one(
    network: &mut Network,
    kind: &'static Kind,
    given: &Value,
    who: &Who,
    now: OffsetDateTime,
    ids: &mut Source,
) -> Result<String, Reply> {
    let given = given.as_object().ok_or_else(|| refused("Body contains invalid data".into()))?;
    check(kind, given, who, Given::Created)?;
    let mut row = Object::new();
    for attribute in &kind.attributes {
        let value = match (given.get(attribute.name), &attribute.preset) {
            (Some(value), _) => normal(attribute.form, value),
            (None, None) => {
                let message = format!("Failed to parse request. Required attribute '{}' not specified", attribute.name);
                return Err(refused(message));
            }
            (None, Some(preset)) => preset.clone(),
        };
        row.insert(attribute.name.to_string(), value);
    }
    let named = given.get("project_id").or(given.get("tenant_id")).and_then(Value::as_str);
    let project = named.unwrap_or(&who.project).to_string();
    if project != who.project && !who.admin {
        return Err(error(
            403,
            "PolicyNotAuthorized",
            &format!("(rule:create_{}) is disallowed by policy", kind.singular),
        ));
    }
    if !quota::room(network, kind.plural, &project, 1) {
        return Err(error(409, "OverQuota", &format!("Quota exceeded for resources: ['{}'].", kind.singular)));
    }
    let id = ids.uuid();
    row.insert("id".into(), json!(id));
    row.insert("project_id".into(), json!(project));
    row.insert("tenant_id".into(), json!(project));
    rules::complete(network, kind, &mut row, given, who, now, ids)?;
    row.insert("created_at".into(), json!(iso(now)));
    row.insert("updated_at".into(), json!(iso(now)));
    row.insert(
        "revision_number".into(),
        json!(if ["security_group_rules", "subnets"].contains(&kind.plural) { 0 } else { 1 }),
    );
    row.insert("tags".into(), json!([]));
    let linked = row.clone();
    network.resources[kind.plural].insert(id.clone(), row);
    rules::created(network, kind, &linked, now, ids);
    Ok(id)
}

pub(super) fn update(network: &mut Network, kind: &'static Kind, id: &str, call: &Call, who: &Who) -> Answer {
    let body = call.json().map_err(bad)?;
    let change = wrapped(&body, kind.singular).map_err(bad)?;
    network.own(kind, id, who)?;
    check(kind, change, who, Given::Always)?;
    unchanged_since(network, kind, id, call)?;
    rules::changing(network, kind, id, change, who)?;
    let row = network.own(kind, id, who)?;
    let mut changed = row.clone();
    for (name, value) in change {
        let form = kind.attribute(name).map_or(Form::Text, |attribute| attribute.form);
        changed.insert(name.clone(), normal(form, value));
    }
    let mut changed = rules::changed(network, kind, changed, change)?;
    touch(&mut changed, call.now);
    let answer = json!({kind.singular: shown(network, kind, &changed, who, call)});
    network.resources[kind.plural].insert(id.to_string(), changed);
    Ok(Reply::json(200, answer))
}

pub(super) fn delete(network: &mut Network, kind: &'static Kind, id: &str, call: &Call, who: &Who) -> Answer {
    network.own(kind, id, who)?;
    unchanged_since(network, kind, id, call)?;
    rules::deleting(network, kind, id)?;
    if let Some(row) = network.resources[kind.plural].shift_remove(id) {
        rules::deleted(network, kind, &row, call.now);
    }
    Ok(Reply::empty(204))
}

/// `If-Match: revision_number=N`, where the client says so.
fn unchanged_since(network: &Network, kind: &Kind, id: &str, call: &Call) -> Result<(), Reply> {
    let Some(condition) = call.header("if-match") else {
        return Ok(());
    };
    let expected =
        condition.trim_matches('"').strip_prefix("revision_number=").and_then(|text| text.parse::<i64>().ok());
    let expected = expected.ok_or_else(|| refused("Bad format, expected: revision_number=INTEGER".into()))?;
    let current = network.resources[kind.plural].get(id).and_then(|row| row["revision_number"].as_i64()).unwrap_or(0);
    if expected != current {
        let message = format!("Constrained to {expected}, but current revision is {current}");
        return Err(error(412, "RevisionNumberConstraintFailed", &message));
    }
    Ok(())
}

pub(super) fn touch(row: &mut Object, now: OffsetDateTime) {
    let revision = row["revision_number"].as_i64().unwrap_or(0) + 1;
    row.insert("revision_number".into(), json!(revision));
    row.insert("updated_at".into(), json!(iso(now)));
}

/// Are these attributes the client's to give, and of their form? The first wrong one is told.
fn check(kind: &Kind, given: &Object, who: &Who, when: Given) -> Result<(), Reply> {
    for (name, value) in given {
        let Some(attribute) = kind.attribute(name) else {
            return Err(if kind.knows(name) {
                refused(format!(
                    "Attribute '{name}' not allowed in {}",
                    if when == Given::Created { "POST" } else { "PUT" }
                ))
            } else {
                refused(format!("Unrecognized attribute(s) '{name}'"))
            });
        };
        let allowed = match attribute.given {
            Given::Never => false,
            Given::Created => when == Given::Created,
            Given::Always => true,
            Given::Admin if who.admin => true,
            Given::Admin => {
                let message =
                    format!("(rule:create_{0} and rule:create_{0}:{name}) is disallowed by policy", kind.singular);
                return Err(error(403, "PolicyNotAuthorized", &message));
            }
        };
        if !allowed {
            let verb = if when == Given::Created { "POST" } else { "PUT" };
            return Err(refused(format!("Attribute '{name}' not allowed in {verb}")));
        }
        let right = match attribute.form {
            Form::Text => value.as_str().is_some_and(|text| text.len() <= LONGEST_TEXT),
            Form::Maybe => {
                value.is_null() || value.is_number() || value.as_str().is_some_and(|text| text.len() <= LONGEST_TEXT)
            }
            Form::Bool => value.is_boolean() || value.as_str().is_some_and(|text| boolean(text).is_some()),
            Form::Int => integer(value).is_some(),
            Form::MaybeInt => value.is_null() || integer(value).is_some(),
            Form::List => value.is_array(),
            Form::Object => value.is_object() || value.is_null(),
        };
        if !right {
            let shown: String = value.to_string().chars().take(100).collect();
            return Err(refused(format!("Invalid input for {name}. Reason: '{shown}' is not valid.")));
        }
    }
    // What others see of a network is the administrator's to say.
    for name in ["shared", "router:external", "is_default"] {
        let asked = given.get(name).map(|value| normal(Form::Bool, value));
        if kind.plural == "networks" && asked == Some(Value::Bool(true)) && !who.admin {
            let message = format!("(rule:create_network and rule:create_network:{name}) is disallowed by policy");
            return Err(error(403, "PolicyNotAuthorized", &message));
        }
    }
    Ok(())
}

/// Flags and numbers may come as words.
fn normal(form: Form, value: &Value) -> Value {
    match form {
        Form::Bool => value.as_str().and_then(boolean).map(Value::Bool).unwrap_or_else(|| value.clone()),
        Form::Int | Form::MaybeInt => integer(value).map(Value::from).unwrap_or_else(|| value.clone()),
        _ => value.clone(),
    }
}

pub(super) fn integer(value: &Value) -> Option<i64> {
    let number = value.as_i64().or_else(|| value.as_str()?.parse().ok())?;
    (-1..=i64::from(i32::MAX)).contains(&number).then_some(number)
}

/// How many of a kind a project has.
pub(super) fn used(network: &Network, plural: &str, project: &str) -> usize {
    network.resources[kind_named(plural).plural].values().filter(|row| row["project_id"] == project).count()
}
