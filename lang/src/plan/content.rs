//! What a plan shows of a document that is to be made: its first members, as paths. All of it would be a copy of the text;
//! a few lines let an operator see a wrong image or number before it is sent.

use crate::eval::{Value, argument_text};
use crate::inventory::Inventory;

/// Members that are shown; the others are counted.
const MOST: usize = 8;
/// Members are looked for no deeper.
const DEEPEST: usize = 12;
/// Of what holds secrets only these say what they are.
const OPEN: [&str; 2] = ["type", "immutable"];

/// Whether values may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Whole,
    /// Only what there is: the values are secrets.
    Names,
}

/// `spec.replicas: 3`, in the order of the document, with what describes the thing itself at the end.
pub fn content(document: &Value, shown: Shown, inventory: &Inventory) -> Vec<String> {
    let Value::Record(members) = document else { return Vec::new() };
    let mut found = Leaves { inventory, shown, told: Vec::new(), more: 0 };
    let skipped = |key: &str| matches!(key, "apiVersion" | "kind" | "metadata" | "status");
    for (key, value) in members.iter().filter(|(key, _)| !skipped(key)) {
        found.walk(&named(key), value, 0);
    }
    if let Some(Value::Record(metadata)) = members.get("metadata") {
        for (key, value) in metadata.iter().filter(|(key, _)| matches!(&***key, "namespace" | "labels")) {
            found.walk(&format!("metadata.{}", named(key)), value, 1);
        }
    }
    if found.more > 0 {
        found.told.push(format!("and {} more", found.more));
    }
    found.told
}

struct Leaves<'a> {
    inventory: &'a Inventory,
    shown: Shown,
    told: Vec<String>,
    more: usize,
}

impl Leaves<'_> {
    fn walk(&mut self, path: &str, value: &Value, depth: usize) {
        match value {
            Value::Record(members) if depth < DEEPEST && !members.is_empty() => {
                // What an item is called is in its path.
                let called = |key: &str, value: &Value| {
                    let path = path.rsplit('.').next();
                    key == "name" && matches!(value, Value::String(name) if Some(&*named(name)) == path)
                };
                for (key, value) in members.iter().filter(|(key, value)| !called(key, value)) {
                    self.walk(&format!("{path}.{}", named(key)), value, depth + 1);
                }
            }
            Value::List(items) if depth < DEEPEST && items.iter().any(|item| matches!(item, Value::Record(_))) => {
                for (i, item) in items.iter().enumerate() {
                    let called = match item {
                        Value::Record(members) => members.get("name"),
                        _ => None,
                    };
                    let key = match called {
                        Some(Value::String(name)) => named(name),
                        _ => i.to_string(),
                    };
                    self.walk(&format!("{path}.{key}"), item, depth + 1);
                }
            }
            _ if self.told.len() == MOST => self.more += 1,
            _ if self.shown == Shown::Names && !OPEN.contains(&path) => self.told.push(format!("{path}: (secret)")),
            value => self.told.push(argument_text(&path.into(), value, self.inventory)),
        }
    }
}

fn named(key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "-_".contains(c));
    if plain { key.to_string() } else { format!("{key:?}") }
}
