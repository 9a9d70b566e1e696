//! The structural schema of a CustomResourceDefinition, as a [`Shape`].

use std::sync::Arc;

use serde_json::Value;

use super::{Field, How, List, Record, Shape, named};

/// A schema may be so deep; what lies deeper is taken as it comes.
const DEEPEST: usize = 64;

/// Of a custom object: its schema, with the metadata that every object has.
pub fn object(schema: Option<&Value>) -> Shape {
    let mut record = match schema.map(|schema| shape(schema, 0)) {
        Some(Shape::Record(record)) => Arc::unwrap_or_clone(record),
        _ => Record { open: true, ..Record::default() },
    };
    for field in ["apiVersion", "kind"] {
        let field_of = Field { number: None, needed: false, shape: Shape::Text, default: None, retain: false };
        record.fields.insert(field.into(), field_of);
    }
    let metadata = named("meta.v1.ObjectMeta").expect("every object has metadata");
    record.fields.insert(
        "metadata".into(),
        Field { number: None, needed: false, shape: metadata, default: None, retain: false },
    );
    Shape::Record(Arc::new(record))
}

fn shape(schema: &Value, depth: usize) -> Shape {
    let flag = |key: &str| schema.get(key).and_then(Value::as_bool).unwrap_or(false);
    let text = |key: &str| schema.get(key).and_then(Value::as_str).unwrap_or_default();
    if depth > DEEPEST {
        return Shape::Any;
    }
    if flag("x-kubernetes-int-or-string") {
        return Shape::IntOrString;
    }
    let atomic = |shape: Shape| match text("x-kubernetes-map-type") {
        "atomic" => Shape::Atomic(Arc::new(shape)),
        _ => shape,
    };
    match text("type") {
        "string" if text("format") == "byte" => Shape::Bytes,
        "string" => Shape::Text,
        "boolean" => Shape::Bool,
        "integer" if text("format") == "int32" => Shape::Int32,
        "integer" => Shape::Int64,
        "number" => Shape::Number,
        "array" => {
            let item = schema.get("items").map_or(Shape::Any, |items| shape(items, depth + 1));
            let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
            let how = match text("x-kubernetes-list-type") {
                "set" => How::Set,
                "map" => {
                    let keys = keys.into_iter().flatten().filter_map(Value::as_str);
                    How::Map(keys.map(str::to_string).collect())
                }
                _ => How::Atomic,
            };
            Shape::List(Arc::new(List { item, how, merge: None }))
        }
        "object" => {
            let open = flag("x-kubernetes-preserve-unknown-fields") || flag("x-kubernetes-embedded-resource");
            match (schema.get("properties").and_then(Value::as_object), schema.get("additionalProperties")) {
                (Some(properties), _) => {
                    let needed: Vec<&str> = schema
                        .get("required")
                        .and_then(Value::as_array)
                        .map(|list| list.iter().filter_map(Value::as_str).collect())
                        .unwrap_or_default();
                    let fields = properties.iter().map(|(name, inner)| {
                        let field = Field {
                            number: None,
                            needed: needed.contains(&name.as_str()),
                            shape: shape(inner, depth + 1),
                            default: inner.get("default").cloned(),
                            retain: false,
                        };
                        (name.clone(), field)
                    });
                    let record = Record { name: String::new(), fields: fields.collect(), atomic: false, open };
                    atomic(Shape::Record(Arc::new(record)))
                }
                (None, Some(Value::Object(_))) => {
                    atomic(Shape::Map(Arc::new(shape(&schema["additionalProperties"], depth + 1))))
                }
                (None, Some(Value::Bool(true))) => atomic(Shape::Map(Arc::new(Shape::Any))),
                _ if open => Shape::Any,
                _ => atomic(Shape::Record(Arc::new(Record::default()))),
            }
        }
        _ => Shape::Any,
    }
}
