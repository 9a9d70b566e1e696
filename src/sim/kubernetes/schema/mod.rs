//! The shape of objects: which fields a type has, which are needed, and how its lists are merged.
//!
//! Built-in types come from `types.txt`; those of a CustomResourceDefinition are read from its structural schema
//! (`custom`). Both are the same [`Shape`], so that reading, merging and ownership know only one kind of schema.

mod check;
pub mod custom;
mod defaults;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use indexmap::IndexMap;
use serde_json::Value;

pub use check::{Strange, conform};
pub use defaults::fill;

#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    Text,
    Bytes,
    Bool,
    Int32,
    Int64,
    Number,
    Quantity,
    IntOrString,
    Time,
    /// Anything; objects in it are merged key by key, lists as a whole.
    Any,
    /// A built-in type by its name.
    Named(&'static str),
    Record(Arc<Record>),
    Map(Arc<Shape>),
    List(Arc<List>),
    /// Merged and owned as a whole.
    Atomic(Arc<Shape>),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    pub name: String,
    pub fields: IndexMap<String, Field>,
    /// Merged and owned as a whole.
    pub atomic: bool,
    /// Unknown fields are kept, as `x-kubernetes-preserve-unknown-fields` says.
    pub open: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// In the binary form: of the message around it that JSON does not show, if there is one, and its own.
    pub number: Option<(u32, u32)>,
    pub needed: bool,
    pub shape: Shape,
    pub default: Option<Value>,
    /// A strategic merge patch may say which keys are to stay.
    pub retain: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct List {
    pub item: Shape,
    pub how: How,
    /// The key by which a strategic merge patch finds an item.
    pub merge: Option<Merge>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum How {
    Atomic,
    Set,
    Map(Vec<String>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Merge {
    Key(String),
    /// Of scalars: each once.
    Values,
}

impl Shape {
    /// The fields, of a type that has fields.
    pub fn record(&self) -> Option<&Record> {
        match self {
            Shape::Named(name) => TYPES.get(name),
            Shape::Record(record) => Some(record),
            Shape::Atomic(inner) => inner.record(),
            _ => None,
        }
    }

    pub fn field(&self, name: &str) -> Option<&Field> {
        self.record()?.fields.get(name)
    }

    /// Without the mark that it is merged as a whole.
    pub fn bare(&self) -> &Shape {
        match self {
            Shape::Atomic(inner) => inner,
            other => other,
        }
    }

    pub fn is_atomic(&self) -> bool {
        match self {
            Shape::Atomic(_) => true,
            Shape::List(list) => list.how == How::Atomic,
            Shape::Named(_) | Shape::Record(_) => self.record().is_some_and(|record| record.atomic),
            _ => false,
        }
    }
}

/// The name in OpenAPI of a built-in type.
pub fn full_name(short: &str) -> String {
    match short.split('.').next() {
        Some("meta") => format!("io.k8s.apimachinery.pkg.apis.{short}"),
        Some("apiextensions") => format!("io.k8s.apiextensions-apiserver.pkg.apis.{short}"),
        _ => format!("io.k8s.api.{short}"),
    }
}

/// A built-in type.
pub fn named(name: &str) -> Option<Shape> {
    TYPES.get_key_value(name).map(|(name, _)| Shape::Named(name))
}

static TYPES: LazyLock<HashMap<&'static str, Record>> = LazyLock::new(|| {
    let mut types = read(include_str!("types.txt"));
    defaults::install(&mut types);
    types
});

fn read(text: &'static str) -> HashMap<&'static str, Record> {
    let mut types: HashMap<&'static str, Record> = HashMap::new();
    let mut current = "";
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix(' ') {
            None => {
                current = line.strip_suffix(" atomic").unwrap_or(line);
                let record = Record { name: current.into(), atomic: line != current, ..Record::default() };
                types.insert(current, record);
            }
            Some(field) => {
                let (number, field) = field.split_once(' ').expect("types.txt: a field has a number");
                let (around, own) = number.split_once('.').unwrap_or(("0", number));
                let (name, rest) = field.split_once(' ').expect("types.txt: a field has a type");
                let (shape, words) = shape(rest);
                let field = Field {
                    number: around.parse().ok().zip(own.parse().ok()),
                    needed: name.ends_with('!'),
                    shape,
                    default: None,
                    retain: words.contains(&"retain"),
                };
                let record = types.get_mut(current).expect("types.txt: a field follows its type");
                record.fields.insert(name.trim_end_matches('!').into(), field);
            }
        }
    }
    types
}

/// A type as it is written, and the words behind it.
fn shape(text: &'static str) -> (Shape, Vec<&'static str>) {
    let closing = match text.as_bytes()[0] {
        b'[' => matching(text, b'[', b']'),
        b'{' => matching(text, b'{', b'}'),
        _ => text.find(' ').unwrap_or(text.len()),
    };
    let (body, rest) = text.split_at(closing);
    let words: Vec<&'static str> = rest.split_whitespace().collect();
    let value = |prefix: &str| words.iter().find_map(|word| word.strip_prefix(prefix));
    let plain = match body {
        "string" => Shape::Text,
        "bytes" => Shape::Bytes,
        "bool" => Shape::Bool,
        "int32" => Shape::Int32,
        "int64" => Shape::Int64,
        "number" => Shape::Number,
        "quantity" => Shape::Quantity,
        "int-or-string" => Shape::IntOrString,
        "time" => Shape::Time,
        "any" => Shape::Any,
        _ if body.starts_with('[') => {
            let item = shape(&body[1..body.len() - 1]).0;
            let how = match value("map=") {
                Some(keys) => How::Map(keys.split(',').map(str::to_string).collect()),
                None if words.contains(&"set") => How::Set,
                None => How::Atomic,
            };
            let merge = match value("merge=") {
                Some(key) => Some(Merge::Key(key.into())),
                None => words.contains(&"merge").then_some(Merge::Values),
            };
            Shape::List(Arc::new(List { item, how, merge }))
        }
        _ if body.starts_with('{') => Shape::Map(Arc::new(shape(&body[1..body.len() - 1]).0)),
        name => Shape::Named(name),
    };
    let plain = if words.contains(&"atomic") { Shape::Atomic(Arc::new(plain)) } else { plain };
    (plain, words)
}

/// Behind the bracket that closes the first one.
fn matching(text: &str, open: u8, close: u8) -> usize {
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte == open {
            depth += 1;
        } else if byte == close {
            depth -= 1;
            if depth == 0 {
                return at + 1;
            }
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_type_is_there() {
        let mut seen = 0;
        for (name, record) in TYPES.iter() {
            for (field, Field { shape, .. }) in &record.fields {
                let mut inner = shape;
                while let Shape::List(_) | Shape::Map(_) | Shape::Atomic(_) = inner {
                    inner = match inner {
                        Shape::List(list) => &list.item,
                        Shape::Map(item) | Shape::Atomic(item) => item,
                        other => other,
                    };
                }
                if let Shape::Named(wanted) = inner {
                    seen += 1;
                    assert!(named(wanted).is_some(), "{name}.{field}: {wanted}");
                }
            }
        }
        assert!(seen > 400, "{seen} are named");
    }
}
