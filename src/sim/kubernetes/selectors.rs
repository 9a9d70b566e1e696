//! Label and field selectors: what they mean, and what is no selector.

use serde_json::Value;

use super::status::Status;

#[derive(Clone, Debug, Default)]
pub struct Labels(Vec<Requirement>);

#[derive(Clone, Debug)]
struct Requirement {
    key: String,
    wanted: Wanted,
}

#[derive(Clone, Debug)]
enum Wanted {
    In(Vec<String>),
    NotIn(Vec<String>),
    There,
    Absent,
    Above(i64),
    Below(i64),
}

impl Labels {
    /// `app=web,tier in (a,b),!old`.
    pub fn read(text: &str) -> Result<Labels, Status> {
        let wrong = || Status::bad_request(format!("unable to parse requirement: {text:?} is no label selector"));
        let mut all = Vec::new();
        for part in split(text) {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            let requirement = if let Some(key) = part.strip_prefix('!') {
                Requirement { key: key.trim().into(), wanted: Wanted::Absent }
            } else if let Some((key, value)) = part.split_once("!=") {
                Requirement { key: key.trim().into(), wanted: Wanted::NotIn(vec![value.trim().into()]) }
            } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                Requirement { key: key.trim().into(), wanted: Wanted::In(vec![value.trim().into()]) }
            } else if let Some((key, value)) = part.split_once('>') {
                Requirement {
                    key: key.trim().into(),
                    wanted: Wanted::Above(value.trim().parse().map_err(|_| wrong())?),
                }
            } else if let Some((key, value)) = part.split_once('<') {
                Requirement {
                    key: key.trim().into(),
                    wanted: Wanted::Below(value.trim().parse().map_err(|_| wrong())?),
                }
            } else if let Some(inside) = part.strip_suffix(')') {
                let (head, values) = inside.split_once('(').ok_or_else(wrong)?;
                let values = values.split(',').map(|value| value.trim().to_string()).collect();
                let words: Vec<&str> = head.split_whitespace().collect();
                match words[..] {
                    [key, "in"] => Requirement { key: key.into(), wanted: Wanted::In(values) },
                    [key, "notin"] => Requirement { key: key.into(), wanted: Wanted::NotIn(values) },
                    _ => return Err(wrong()),
                }
            } else {
                Requirement { key: part.into(), wanted: Wanted::There }
            };
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
            if requirement.key.is_empty() || !requirement.key.chars().all(plain) {
                return Err(wrong());
            }
            all.push(requirement);
        }
        Ok(Labels(all))
    }

    /// A `LabelSelector` of an object: an empty one selects everything, an absent one nothing.
    pub fn of(selector: &Value) -> Option<Labels> {
        let selector = selector.as_object()?;
        let mut all = Labels::of_map(selector.get("matchLabels").unwrap_or(&Value::Null)).0;
        for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let key = expression["key"].as_str()?.to_string();
            let values = expression["values"].as_array().into_iter().flatten();
            let values = values.filter_map(Value::as_str).map(str::to_string).collect();
            let wanted = match expression["operator"].as_str()? {
                "In" => Wanted::In(values),
                "NotIn" => Wanted::NotIn(values),
                "Exists" => Wanted::There,
                "DoesNotExist" => Wanted::Absent,
                _ => return None,
            };
            all.push(Requirement { key, wanted });
        }
        Some(Labels(all))
    }

    /// Labels that must be there, as a service selects its pods.
    pub fn of_map(map: &Value) -> Labels {
        let pairs = map.as_object().into_iter().flatten();
        let each = pairs.map(|(key, value)| Requirement {
            key: key.clone(),
            wanted: Wanted::In(vec![value.as_str().unwrap_or_default().into()]),
        });
        Labels(each.collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn matches(&self, object: &Value) -> bool {
        self.matches_map(&object["metadata"]["labels"])
    }

    pub fn matches_map(&self, labels: &Value) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.get(&requirement.key).and_then(Value::as_str);
            let number = value.and_then(|value| value.parse::<i64>().ok());
            match &requirement.wanted {
                Wanted::In(values) => value.is_some_and(|value| values.iter().any(|v| v == value)),
                Wanted::NotIn(values) => value.is_none_or(|value| values.iter().all(|v| v != value)),
                Wanted::There => value.is_some(),
                Wanted::Absent => value.is_none(),
                Wanted::Above(bound) => number.is_some_and(|number| number > *bound),
                Wanted::Below(bound) => number.is_some_and(|number| number < *bound),
            }
        })
    }
}

/// At commas that are outside of parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// Requirements on single fields.
#[derive(Clone, Debug, Default)]
pub struct Fields(Vec<(String, String, bool)>);

/// What may be selected by, besides name and namespace, of which resource.
const SELECTABLE: &[(&str, &[&str])] = &[
    (
        "pods",
        &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
        ],
    ),
    ("namespaces", &["status.phase"]),
    ("nodes", &["spec.unschedulable"]),
    ("secrets", &["type"]),
    ("jobs.batch", &["status.successful"]),
    ("replicasets.apps", &["status.replicas"]),
    (
        "events",
        &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
    ),
];

impl Fields {
    pub fn read(text: &str, resource: &str) -> Result<Fields, Status> {
        let mut all = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (key, value, equal) = if let Some((key, value)) = part.split_once("!=") {
                (key, value, false)
            } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (key, value, true)
            } else {
                let message = format!("invalid selector: {part:?}; can't understand {part:?}");
                return Err(Status::bad_request(message));
            };
            let own = SELECTABLE.iter().find(|(of, _)| *of == resource).map(|(_, fields)| *fields).unwrap_or_default();
            if !matches!(key, "metadata.name" | "metadata.namespace") && !own.contains(&key) {
                return Err(Status::bad_request(format!("field label not supported: {key}")));
            }
            all.push((key.to_string(), value.to_string(), equal));
        }
        Ok(Fields(all))
    }

    pub fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|(key, wanted, equal)| {
            let mut value = object;
            for step in key.split('.') {
                value = value.get(step).unwrap_or(&Value::Null);
            }
            let text = match value {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (text == *wanted) == *equal
        })
    }
}
