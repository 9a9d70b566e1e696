//! The functions of descriptions. One that is given nothing gives nothing.

use super::evaluate::Value;
use super::{RenderError, Scope, kind_of};
use crate::library::expr::Function;
use crate::span::Span;
use base64::Engine;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

/// The namespace of identifiers that Edge derives (made up once, never to change: a run that is resumed by another
/// version must find what the first one made).
const NAMESPACE: Uuid = Uuid::from_u128(0x3d0c_7f5e_9a41_5b7c_8f20_6edb_1c49_ab07);

pub(super) fn call(function: Function, args: Vec<Option<Json>>, scope: &Scope, span: Span) -> Value {
    let mut args = args.into_iter();
    if function == Function::FreshSecret {
        let secret = scope.fresh_secret.clone().map(Json::String);
        return secret.map(Some).ok_or_else(|| RenderError::new(span, "no fresh secret is at hand here"));
    }
    if function == Function::Concat {
        let mut all: Option<Vec<Json>> = None;
        for given in args.flatten() {
            match given {
                Json::Array(items) => all.get_or_insert_default().extend(items),
                Json::Null => {}
                other => return Err(RenderError::new(span, format!("expected a list, found {}", kind_of(&other)))),
            }
        }
        return Ok(all.map(Json::Array));
    }
    let Some(first) = args.next().flatten() else {
        return Ok(match function {
            Function::Count => Some(0.into()),
            // A patch of which nothing is left is an empty patch.
            Function::Additions => Some(Json::Array(Vec::new())),
            _ => None,
        });
    };
    if first.is_null() {
        return Ok(if function == Function::Count { Some(0.into()) } else { Some(Json::Null) });
    }
    let text = |value: &Json| match value {
        Json::String(text) => Ok(text.clone()),
        other => Err(RenderError::new(span, format!("expected text, found {}", kind_of(other)))),
    };
    let list = |value: Json| match value {
        Json::Array(items) => Ok(items),
        other => Err(RenderError::new(span, format!("expected a list, found {}", kind_of(&other)))),
    };
    Ok(match function {
        Function::Base64 => match first {
            Json::Object(members) => {
                let encoded = members.into_iter().map(|(key, value)| Ok((key, encoded(&text(&value)?))));
                Some(Json::Object(encoded.collect::<Result<_, RenderError>>()?))
            }
            first => Some(encoded(&text(&first)?)),
        },
        Function::Entries => match first {
            Json::Object(members) => {
                Some(members.into_iter().map(|(key, value)| json!({ "key": key, "value": value })).collect())
            }
            other => return Err(RenderError::new(span, format!("expected a record, found {}", kind_of(&other)))),
        },
        Function::Selector => match first {
            Json::Object(members) if !members.is_empty() => {
                let pairs = members.iter().map(|(key, value)| Ok(format!("{key}={}", text(value)?)));
                Some(pairs.collect::<Result<Vec<_>, RenderError>>()?.join(",").into())
            }
            Json::Object(_) => None,
            other => return Err(RenderError::new(span, format!("expected a record, found {}", kind_of(&other)))),
        },
        Function::Regex => Some(escaped(&text(&first)?).into()),
        Function::Uuid => Some(Uuid::new_v5(&NAMESPACE, text(&first)?.as_bytes()).to_string().into()),
        Function::Tail => {
            let text = text(&first)?;
            let path = text.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
            path.rsplit('/').next().filter(|t| !t.is_empty()).map(|t| t.to_string().into())
        }
        Function::Newest => newest(list(first)?),
        Function::Additions => Some(additions(first, span)?),
        Function::Condition => {
            let Some(wanted) = args.next().flatten() else { return Ok(None) };
            list(first)?.into_iter().find(|c| c.get("type") == Some(&wanted))
        }
        Function::Count => match first {
            Json::Array(items) => Some(items.len().into()),
            Json::Object(members) => Some(members.len().into()),
            other => return Err(RenderError::new(span, format!("{} has no count", kind_of(&other)))),
        },
        Function::Those => {
            let (items, chosen) = (list(first)?, args.next().flatten().map(list).transpose()?.unwrap_or_default());
            let (many, answers) = (items.len(), chosen.len());
            if many != answers {
                return Err(RenderError::new(span, format!("{many} items, and {answers} answers to which of them")));
            }
            Some(items.into_iter().zip(chosen).filter(|(_, c)| *c == Json::Bool(true)).map(|(item, _)| item).collect())
        }
        Function::Merge => match args.next().flatten() {
            None | Some(Json::Null) => Some(first),
            Some(over) => Some(merged(first, over)),
        },
        Function::FreshSecret | Function::Concat => None,
    })
}

fn encoded(text: &str) -> Json {
    base64::engine::general_purpose::STANDARD.encode(text).into()
}

/// Every character that regular expressions of any server may read as more than itself.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Documents are bounded in depth where they are read.
fn merged(under: Json, over: Json) -> Json {
    match (under, over) {
        (Json::Object(mut under), Json::Object(over)) => {
            for (key, value) in over {
                if value.is_null() {
                    under.shift_remove(&key);
                } else {
                    let inner = under.get_mut(&key).map(Json::take).unwrap_or(Json::Null);
                    under.insert(key, merged(inner, value));
                }
            }
            Json::Object(under)
        }
        // Laid over nothing, a record loses its nulls all the same.
        (_, over @ Json::Object(_)) => merged(Json::Object(Map::new()), over),
        (_, over) => over,
    }
}

/// By the time of making, as text in one format, which sorts; the last of equals, and of those without a time.
fn newest(items: Vec<Json>) -> Option<Json> {
    let time = |item: &Json| {
        ["created_at", "created", "start_time", "updated_at"]
            .iter()
            .find_map(|key| item.get(key)?.as_str().map(str::to_string))
            .unwrap_or_default()
    };
    items.into_iter().max_by_key(time)
}

/// RFC 6902; `add` replaces what is there, so one operation serves for both.
fn additions(record: Json, span: Span) -> Result<Json, RenderError> {
    let Json::Object(members) = record else {
        return Err(RenderError::new(span, format!("expected a record, found {}", kind_of(&record))));
    };
    let add = |(key, value): (String, Json)| {
        let pointer = format!("/{}", key.replace('~', "~0").replace('/', "~1"));
        json!({ "op": "add", "path": pointer, "value": value })
    };
    Ok(members.into_iter().map(add).collect())
}
