//! Objects in the binary form, in which kubectl sends more of them from version to version.
//!
//! It is an envelope (`k8s\0`, then kind and version, then the object), in which fields have numbers for names;
//! `types.txt` has the numbers. Answers are in JSON, which every client takes as well.

use base64::Engine;
use serde_json::{Map, Number, Value, json};

use super::schema::{self, Field, Record, Shape};

const MAGIC: &[u8] = b"k8s\0";
/// Messages lie so deep in each other at most.
const DEEPEST: usize = 64;

/// Numbers and flags of which nothing is another thing than zero, beside those that have a default.
const ZERO_COUNTS: [&str; 7] = [
    "completions",
    "gracePeriodSeconds",
    "minReplicas",
    "parallelism",
    "partition",
    "replicas",
    "ttlSecondsAfterFinished",
];

/// The object in an envelope; none where it is no envelope, or of a type that is not known.
pub fn read(body: &[u8]) -> Option<Value> {
    let envelope = fields(body.strip_prefix(MAGIC)?)?;
    let find = |number: u32| envelope.iter().find(|(own, _)| *own == number)?.1.bytes();
    let about = fields(find(1)?)?;
    let text = |number: u32| {
        let found = about.iter().find(|(own, _)| *own == number)?.1.bytes()?;
        std::str::from_utf8(found).ok()
    };
    let (version, kind) = (text(1)?, text(2)?);
    let (group, version_of) = version.split_once('/').unwrap_or(("core", version));
    let package = group.split('.').next().unwrap_or_default();
    let shape = schema::named(&format!("{package}.{version_of}.{kind}"))
        .or_else(|| schema::named(&format!("meta.v1.{kind}")))?;
    let mut object = message(shape.record()?, find(2)?, 0)?;
    object.insert("kind".into(), kind.into());
    object.insert("apiVersion".into(), version.into());
    Some(Value::Object(object))
}

fn message(record: &Record, bytes: &[u8], depth: usize) -> Option<Map<String, Value>> {
    let mut map = Map::new();
    message_into(record, 0, bytes, depth, &mut map)?;
    Some(map)
}

/// The fields of a message; those of one that JSON does not show go into the same object.
fn message_into(record: &Record, around: u32, bytes: &[u8], depth: usize, map: &mut Map<String, Value>) -> Option<()> {
    if depth > DEEPEST {
        return None;
    }
    for (number, wire) in fields(bytes)? {
        let own = record.fields.iter().find(|(_, field)| field.number == Some((around, number)));
        let Some((name, field)) = own else {
            let inside = around == 0
                && record.fields.values().any(|field| field.number.is_some_and(|(outer, _)| outer == number));
            if let (true, Some(bytes)) = (inside, wire.bytes()) {
                message_into(record, number, bytes, depth + 1, map)?;
            }
            continue;
        };
        add(map, name, field, wire, depth)?;
    }
    Some(())
}

fn add(map: &mut Map<String, Value>, name: &str, field: &Field, wire: Wire, depth: usize) -> Option<()> {
    match field.shape.bare() {
        Shape::List(list) => {
            let all = map.entry(name.to_string()).or_insert_with(|| json!([])).as_array_mut()?;
            all.push(value(&list.item, wire, depth)?);
        }
        Shape::Map(item) => {
            let entry = fields(wire.bytes()?)?;
            let of = |number: u32| entry.iter().find(|(own, _)| *own == number).map(|(_, wire)| *wire);
            let key = std::str::from_utf8(of(1).and_then(Wire::bytes).unwrap_or_default()).ok()?;
            let inner = of(2).map_or_else(|| Some(empty(item)), |wire| value(item, wire, depth))?;
            let all = map.entry(name.to_string()).or_insert_with(|| json!({})).as_object_mut()?;
            all.insert(key.to_string(), inner);
        }
        shape => {
            let value = value(shape, wire, depth)?;
            // What JSON would leave out is sent here as nothing.
            let counts = field.default.is_some() || ZERO_COUNTS.contains(&name);
            let nothing = match &value {
                Value::Null => true,
                Value::String(text) => text.is_empty(),
                Value::Number(number) => number.as_f64() == Some(0.0) && !counts,
                Value::Bool(flag) => !flag && !counts,
                _ => false,
            };
            if !nothing {
                map.insert(name.to_string(), value);
            }
        }
    }
    Some(())
}

fn empty(shape: &Shape) -> Value {
    match shape.bare() {
        Shape::List(_) => json!([]),
        _ => "".into(),
    }
}

fn value(shape: &Shape, wire: Wire, depth: usize) -> Option<Value> {
    let text = |wire: Wire| Some(std::str::from_utf8(wire.bytes()?).ok()?.to_string());
    let part = |number: u32| {
        let all = fields(wire.bytes()?)?;
        Some(all.iter().find(|(own, _)| *own == number).map(|(_, wire)| *wire))
    };
    Some(match shape.bare() {
        Shape::Text => text(wire)?.into(),
        Shape::Bytes => base64::engine::general_purpose::STANDARD.encode(wire.bytes()?).into(),
        Shape::Bool => (wire.number()? != 0).into(),
        // A negative one takes all 64 bits.
        Shape::Int32 | Shape::Int64 => (wire.number()? as i64).into(),
        Shape::Number => Number::from_f64(f64::from_bits(wire.number()?)).map(Value::Number)?,
        Shape::Quantity => part(1)?.map_or(Some(String::new()), text)?.into(),
        Shape::IntOrString => match part(1)?.and_then(Wire::number).unwrap_or(0) {
            0 => (part(2)?.and_then(Wire::number).unwrap_or(0) as i64).into(),
            _ => part(3)?.map_or(Some(String::new()), text)?.into(),
        },
        Shape::Time => match part(1)?.and_then(Wire::number) {
            None => Value::Null,
            Some(seconds) => {
                let at = time::OffsetDateTime::from_unix_timestamp(seconds as i64).ok()?;
                crate::sim::source::iso(at).into()
            }
        },
        Shape::Any => match part(1)?.and_then(Wire::bytes) {
            Some(raw) => serde_json::from_slice(raw).ok()?,
            None => Value::Null,
        },
        shape @ (Shape::Named(_) | Shape::Record(_)) => {
            Value::Object(message(shape.record()?, wire.bytes()?, depth + 1)?)
        }
        // A list that is the value of a map is wrapped in a message of its own.
        Shape::List(list) => {
            let items = fields(wire.bytes()?)?;
            items.into_iter().map(|(_, wire)| value(&list.item, wire, depth + 1)).collect::<Option<Vec<_>>>()?.into()
        }
        Shape::Map(_) | Shape::Atomic(_) => return None,
    })
}

/// What stands behind a number.
#[derive(Clone, Copy)]
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Wire<'a> {
    fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Wire::Bytes(bytes) => Some(bytes),
            Wire::Number(_) => None,
        }
    }

    fn number(self) -> Option<u64> {
        match self {
            Wire::Number(number) => Some(number),
            Wire::Bytes(_) => None,
        }
    }
}

fn fields(mut bytes: &[u8]) -> Option<Vec<(u32, Wire<'_>)>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let wire = match tag & 7 {
            0 => Wire::Number(varint(&mut bytes)?),
            1 => {
                let (eight, rest) = bytes.split_first_chunk::<8>()?;
                bytes = rest;
                Wire::Number(u64::from_le_bytes(*eight))
            }
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (inside, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Wire::Bytes(inside)
            }
            5 => {
                let (four, rest) = bytes.split_first_chunk::<4>()?;
                bytes = rest;
                Wire::Number(u64::from(u32::from_le_bytes(*four)))
            }
            _ => return None,
        };
        all.push((u32::try_from(tag >> 3).ok()?, wire));
    }
    Some(all)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
