//! Who owns which fields: `managedFields`, kept for updates and decisive for server-side apply.
//!
//! The algorithm is that of structured-merge-diff: an update takes what it changes from everybody; an apply owns what
//! it lists, may not change what others own unless forced, and takes away what it listed before and nobody owns now.

mod fields;
mod set;

use serde_json::{Value, json};
use time::OffsetDateTime;

use self::fields::{compare, merge, set_of, take_out};
use self::set::Set;
use super::resources::Resource;
use super::schema::Shape;
use super::status::{Cause, Status};
use crate::sim::source::iso;

/// Who writes, and through which door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    pub manager: String,
    pub apply: bool,
    pub subresource: String,
}

impl Writer {
    pub fn update(manager: impl Into<String>) -> Writer {
        Writer { manager: manager.into(), apply: false, subresource: String::new() }
    }

    pub fn through(mut self, subresource: &str) -> Writer {
        self.subresource = subresource.into();
        self
    }
}

#[derive(Clone, Debug)]
struct Entry {
    writer: Writer,
    api_version: String,
    time: Option<String>,
    set: Set,
}

/// Entries of one object at most; the oldest updates beyond them become one, as on the real server.
const MOST_UPDATERS: usize = 10;

fn read(object: &Value) -> Option<Vec<Entry>> {
    let entries = match &object["metadata"]["managedFields"] {
        Value::Null => return Some(Vec::new()),
        Value::Array(entries) => entries,
        _ => return None,
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    entries
        .iter()
        .filter(|entry| entry.as_object().is_some_and(|entry| !entry.is_empty()))
        .map(|entry| {
            let apply = match entry["operation"].as_str()? {
                "Apply" => true,
                "Update" => false,
                _ => return None,
            };
            Some(Entry {
                writer: Writer { manager: text(&entry["manager"]), apply, subresource: text(&entry["subresource"]) },
                api_version: text(&entry["apiVersion"]),
                time: entry["time"].as_str().map(str::to_string),
                set: Set::from_fields(&entry["fieldsV1"])?,
            })
        })
        .collect()
}

fn write(object: &mut Value, mut entries: Vec<Entry>) {
    entries.retain(|entry| !entry.set.is_empty());
    let updaters = entries.iter().filter(|entry| !entry.writer.apply).count();
    for _ in MOST_UPDATERS..updaters {
        let mut oldest = entries.iter().enumerate().filter(|(_, entry)| !entry.writer.apply);
        if let (Some((first, _)), Some((second, _))) = (oldest.next(), oldest.next()) {
            let gone = entries.remove(first);
            let kept = &mut entries[second - 1];
            kept.set.union(&gone.set);
            kept.writer.manager = "ancient-changes".into();
        }
    }
    // Appliers first, then by time, as the real server sorts them.
    entries.sort_by(|a, b| b.writer.apply.cmp(&a.writer.apply).then_with(|| a.time.cmp(&b.time)));
    let listed: Vec<Value> = entries
        .iter()
        .map(|entry| {
            let mut shown = json!({
                "manager": entry.writer.manager,
                "operation": if entry.writer.apply { "Apply" } else { "Update" },
                "apiVersion": entry.api_version,
            });
            if let Some(time) = &entry.time {
                shown["time"] = time.as_str().into();
            }
            shown["fieldsType"] = "FieldsV1".into();
            shown["fieldsV1"] = entry.set.to_fields();
            if !entry.writer.subresource.is_empty() {
                shown["subresource"] = entry.writer.subresource.as_str().into();
            }
            shown
        })
        .collect();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.shift_remove("managedFields");
        if !listed.is_empty() {
            metadata.insert("managedFields".into(), listed.into());
        }
    }
}

/// What belongs to nobody: the object's address, and what the server alone writes.
fn strip(set: &mut Set) {
    for path in [&["f:apiVersion"][..], &["f:kind"]] {
        set.remove(path);
    }
    let own = [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "generation",
        "managedFields",
        "resourceVersion",
        "generateName",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ];
    for key in own {
        set.remove(&["f:metadata", &format!("f:{key}")]);
    }
    if let Some(metadata) = set.children.get_mut("f:metadata") {
        metadata.member = false;
        if metadata.is_empty() {
            set.children.remove("f:metadata");
        }
    }
}

/// Writes down who now owns what, after `before` was changed to `after`. `after` brings the entries that its writer
/// left; entries that cannot be read are those of `before`.
pub fn track(
    shape: &Shape,
    api_version: &str,
    before: Option<&Value>,
    after: &mut Value,
    writer: &Writer,
    now: OffsetDateTime,
) {
    let nothing = json!({});
    let was = before.unwrap_or(&nothing);
    let sent = after["metadata"].get("managedFields").is_some();
    let mut entries = match read(after) {
        Some(entries) if sent => entries,
        _ => read(was).unwrap_or_default(),
    };
    let mut difference = compare(shape, was, after);
    strip(&mut difference.changed);
    strip(&mut difference.removed);
    let own = own_entry(&mut entries, writer, api_version);
    for (at, entry) in entries.iter_mut().enumerate().filter(|(at, _)| *at != own) {
        debug_assert!(at != own);
        entry.set = entry.set.difference(&difference.changed).difference(&difference.removed);
    }
    let entry = &mut entries[own];
    let had = entry.set.clone();
    entry.set = entry.set.difference(&difference.removed);
    entry.set.union(&difference.changed);
    if entry.set != had || !difference.changed.is_empty() {
        entry.time = Some(iso(now));
    }
    write(after, entries);
}

fn own_entry(entries: &mut Vec<Entry>, writer: &Writer, api_version: &str) -> usize {
    let found =
        entries.iter().position(|entry| entry.writer == *writer && (writer.apply || entry.api_version == api_version));
    found.unwrap_or_else(|| {
        let api_version = api_version.to_string();
        entries.push(Entry { writer: writer.clone(), api_version, time: None, set: Set::default() });
        entries.len() - 1
    })
}

/// What an apply does about fields that others own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    Respect,
    Force,
}

/// The object after an apply of `applied` over `live`, its entries written; not yet defaulted or validated.
pub fn apply(
    resource: &Resource,
    shape: &Shape,
    live: &Value,
    applied: &Value,
    writer: &Writer,
    ownership: Ownership,
    now: OffsetDateTime,
) -> Result<Value, Status> {
    let title = || {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let (namespace, name) = (text(&applied["metadata"]["namespace"]), text(&applied["metadata"]["name"]));
        format!("({namespace}/{name}; {}, Kind={})", resource.api_version(), resource.kind)
    };
    let wrong = |why: String| Status::internal(format!("failed to create typed patch object {}: {why}", title()));
    let mut wanted = set_of(shape, applied).map_err(wrong)?;
    // What names the object stays, though nobody owns it.
    let listed = wanted.clone();
    strip(&mut wanted);
    if resource.has("status") && writer.subresource.is_empty() {
        wanted.remove(&["f:status"]);
    }
    let mut entries = read(live).unwrap_or_default();
    let own = own_entry(&mut entries, writer, &resource.api_version());
    let last = std::mem::replace(&mut entries[own].set, wanted.clone());
    let changed_own = last != wanted;

    let mut merged = live.clone();
    merge(shape, &mut merged, applied);
    let mut owned = listed;
    entries.iter().for_each(|entry| owned.union(&entry.set));
    take_out(shape, &mut merged, &last, &owned);

    let mut difference = compare(shape, live, &merged);
    strip(&mut difference.changed);
    strip(&mut difference.removed);
    let mut conflicts: Vec<(Writer, String, Set)> = Vec::new();
    for (at, entry) in entries.iter_mut().enumerate() {
        if at == own {
            continue;
        }
        let both = entry.set.intersection(&difference.changed);
        if !both.is_empty() {
            match ownership {
                Ownership::Force => entry.set = entry.set.difference(&both),
                Ownership::Respect => conflicts.push((entry.writer.clone(), entry.api_version.clone(), both)),
            }
        }
        entry.set = entry.set.difference(&difference.removed);
    }
    if !conflicts.is_empty() {
        return Err(conflict(&conflicts));
    }
    let entry = &mut entries[own];
    entry.api_version = resource.api_version();
    if changed_own || !difference.changed.is_empty() || !difference.removed.is_empty() || entry.time.is_none() {
        entry.time = Some(iso(now));
    }
    write(&mut merged, entries);
    Ok(merged)
}

fn conflict(conflicts: &[(Writer, String, Set)]) -> Status {
    let shown = |writer: &Writer, api_version: &str| {
        let mut text = format!("{:?}", writer.manager);
        if !writer.subresource.is_empty() {
            text += &format!(" with subresource {:?}", writer.subresource);
        }
        if !writer.apply {
            text += &format!(" using {api_version}");
        }
        text
    };
    let mut causes = Vec::new();
    let mut parts = Vec::new();
    for (writer, api_version, set) in conflicts {
        let who = shown(writer, api_version);
        let paths = set.paths();
        parts.push(format!("conflicts with {who}:"));
        parts.extend(paths.iter().map(|path| format!("- {path}")));
        causes.extend(paths.into_iter().map(|field| Cause {
            field,
            reason: "FieldManagerConflict",
            message: format!("conflict with {who}"),
        }));
    }
    let message = match &causes[..] {
        [one] => format!("Apply failed with 1 conflict: {}: {}", one.message, one.field),
        many => format!("Apply failed with {} conflicts: {}", many.len(), parts.join("\n")),
    };
    Status::apply_conflict(message, causes)
}
