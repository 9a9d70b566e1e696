//! A set of fields of an object: the tree that `managedFields` shows as FieldsV1.
//!
//! A step is written as FieldsV1 writes it: `f:NAME`, `k:{KEYS}` for an item by its keys, `v:VALUE` for one by its
//! value. A node is a member of the set, or leads to members, or both.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Set {
    pub member: bool,
    pub children: BTreeMap<String, Set>,
}

/// A set that came from a client may be so deep.
const DEEPEST: usize = 200;

impl Set {
    pub fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    pub fn child(&mut self, step: &str) -> &mut Set {
        self.children.entry(step.to_string()).or_default()
    }

    pub fn insert(&mut self, path: &[String]) {
        let mut at = self;
        for step in path {
            at = at.child(step);
        }
        at.member = true;
    }

    pub fn remove(&mut self, path: &[&str]) {
        match path {
            [] => *self = Set::default(),
            [first, rest @ ..] => {
                if let Some(child) = self.children.get_mut(*first) {
                    child.remove(rest);
                    if child.is_empty() {
                        self.children.remove(*first);
                    }
                }
            }
        }
    }

    pub fn union(&mut self, other: &Set) {
        self.member |= other.member;
        for (step, set) in &other.children {
            self.child(step).union(set);
        }
    }

    pub fn intersection(&self, other: &Set) -> Set {
        let children = self.children.iter().filter_map(|(step, set)| {
            let both = set.intersection(other.children.get(step)?);
            (!both.is_empty()).then(|| (step.clone(), both))
        });
        Set { member: self.member && other.member, children: children.collect() }
    }

    pub fn difference(&self, other: &Set) -> Set {
        let children = self.children.iter().filter_map(|(step, set)| {
            let rest = match other.children.get(step) {
                Some(other) => set.difference(other),
                None => set.clone(),
            };
            (!rest.is_empty()).then(|| (step.clone(), rest))
        });
        Set { member: self.member && !other.member, children: children.collect() }
    }

    /// The members, as paths like `.spec.ports[port=80,protocol="TCP"].name`.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect("", &mut paths);
        paths
    }

    fn collect(&self, prefix: &str, paths: &mut Vec<String>) {
        if self.member {
            paths.push(prefix.to_string());
        }
        for (step, set) in &self.children {
            set.collect(&format!("{prefix}{}", shown(step)), paths);
        }
    }

    pub fn to_fields(&self) -> Value {
        let mut map = Map::new();
        if self.member && !self.children.is_empty() {
            map.insert(".".into(), Value::Object(Map::new()));
        }
        for (step, set) in &self.children {
            map.insert(step.clone(), set.to_fields());
        }
        Value::Object(map)
    }

    /// None for what is no FieldsV1.
    pub fn from_fields(fields: &Value) -> Option<Set> {
        let mut set = Set::read(fields, 0)?;
        // The empty set is `{}`, too.
        set.member = false;
        Some(set)
    }

    fn read(fields: &Value, depth: usize) -> Option<Set> {
        let map = fields.as_object()?;
        if depth > DEEPEST {
            return None;
        }
        let mut set = Set { member: map.is_empty() || map.contains_key("."), children: BTreeMap::new() };
        for (step, inner) in map.iter().filter(|(step, _)| *step != ".") {
            if !["f:", "k:", "v:", "i:"].iter().any(|kind| step.starts_with(kind)) {
                return None;
            }
            set.children.insert(step.clone(), Set::read(inner, depth + 1)?);
        }
        Some(set)
    }
}

fn shown(step: &str) -> String {
    let (kind, rest) = step.split_at(2.min(step.len()));
    match kind {
        "f:" => format!(".{rest}"),
        "k:" => {
            let keys: Map<String, Value> = serde_json::from_str(rest).unwrap_or_default();
            let each: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("[{}]", each.join(","))
        }
        "v:" => format!("[={rest}]"),
        _ => format!("[{rest}]"),
    }
}
