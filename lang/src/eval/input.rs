//! `--var name=text`: a text read by the type of its `input`. Simple types are written as on a command line, without
//! quotes; lists and records as in the language.

use super::{Secret, Value};
use crate::inventory::Inventory;
use crate::model::SiteSet;
use crate::span::FileId;
use crate::syntax::ast::{Expr, ExprKind, Item, Key, Literal, Part, StmtKind};
use crate::types::Type;
use std::sync::Arc;
use std::time::Duration;

/// `Err` says what is wrong with the text, without the text of a secret.
pub fn input_from_text(text: &str, ty: &Type, inventory: &Inventory) -> Result<Value, String> {
    let expected = |what: &str| format!("`{}` is not {what}", text.chars().take(80).collect::<String>());
    match ty {
        Type::Optional(_) if text == "null" => Ok(Value::Null),
        Type::Optional(of) => input_from_text(text, of, inventory),
        Type::String => Ok(Value::String(text.into())),
        Type::File => Ok(Value::File(text.into())),
        Type::Secret => Ok(Value::Secret(Secret::new(text))),
        Type::Bool => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(expected("`true` or `false`")),
        },
        // A resource by its name.
        Type::Handle(_) => Ok(Value::String(text.into())),
        Type::Site => site(text.trim(), inventory).map(Value::Site),
        Type::Sites => {
            let inner = text.trim().strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(text);
            let mut sites = SiteSet::new();
            for name in crate::model::names::unfold(inner).map_err(|why| why.to_string())?.iter() {
                match inventory.groups.get(name) {
                    Some(group) => sites.add(group),
                    None => sites.extend([site(name, inventory)?]),
                }
            }
            Ok(Value::Sites(sites))
        }
        Type::Placement | Type::Choice => match input_from_text(text, &Type::Sites, inventory)? {
            Value::Sites(sites) => {
                let placement = match (sites.len(), sites.first()) {
                    (1, Some(site)) => crate::model::Placement::Site(site),
                    _ if *ty == Type::Choice => crate::model::Placement::AnyOf(sites),
                    _ => crate::model::Placement::AllOf(sites),
                };
                Ok(Value::Placement(Arc::new(placement)))
            }
            other => Ok(other),
        },
        _ => {
            let what = format!("a value of type {ty}");
            let expr = expression(text).ok_or_else(|| expected(&what))?;
            let value = literal(&expr).ok_or_else(|| expected(&what))?;
            match fits(&value, ty) {
                true => Ok(widened(value, ty)),
                false => Err(expected(&what)),
            }
        }
    }
}

fn site(name: &str, inventory: &Inventory) -> Result<crate::model::SiteId, String> {
    inventory.id(name).ok_or_else(|| {
        let names = inventory.iter().map(|(_, site)| &*site.name);
        match crate::diagnostic::nearest(name, names) {
            Some(near) => format!("there is no site `{name}`; the nearest name is `{near}`"),
            None => format!("there is no site `{name}`"),
        }
    })
}

fn expression(text: &str) -> Option<Expr> {
    let mut parsed = crate::syntax::parse(FileId::default(), text);
    let statement = parsed.program.pop().filter(|_| parsed.program.is_empty() && parsed.diagnostics.is_empty())?;
    match statement.kind {
        StmtKind::Expr(expr) => Some(expr),
        _ => None,
    }
}

/// What is written out: numbers, texts, lists, records.
fn literal(expr: &Expr) -> Option<Value> {
    Some(match &expr.kind {
        ExprKind::Literal(literal) => match literal {
            Literal::Null => Value::Null,
            Literal::Bool(b) => Value::Bool(*b),
            Literal::Int(i) => Value::Int(*i),
            Literal::Float(f) => Value::Float(*f),
            Literal::Duration(ms) => Value::Duration(Duration::from_millis(*ms)),
            Literal::Size(bytes) => Value::Bytes(*bytes),
            Literal::Percent(p) => Value::Percent(*p),
        },
        ExprKind::Text(parts) => {
            let mut text = String::new();
            for part in parts {
                let Part::Text(piece) = part else { return None };
                text.push_str(piece);
            }
            Value::String(text.into())
        }
        ExprKind::Paren(inner) => return literal(inner),
        ExprKind::Minus { times: 1, of } => match literal(of)? {
            Value::Int(i) => Value::Int(i.checked_neg()?),
            Value::Float(f) => Value::Float(-f),
            _ => return None,
        },
        ExprKind::List(items) => Value::List(Arc::new(items.iter().map(literal).collect::<Option<_>>()?)),
        ExprKind::Braces(items) => {
            let mut record = indexmap::IndexMap::new();
            for item in items {
                let Item::Entry(key, value) = item else { return None };
                let name = match key {
                    Key::Name(name) => name.text.clone(),
                    Key::Text(text) => text.text.clone(),
                    _ => return None,
                };
                record.insert(name, literal(value)?);
            }
            Value::Record(Arc::new(record))
        }
        _ => return None,
    })
}

fn fits(value: &Value, ty: &Type) -> bool {
    match (value, ty) {
        (_, Type::Any | Type::Error) => true,
        (Value::Null, Type::Optional(_) | Type::Null) => true,
        (value, Type::Optional(of)) => fits(value, of),
        (Value::Bool(_), Type::Bool)
        | (Value::Int(_), Type::Int | Type::Float)
        | (Value::Float(_), Type::Float)
        | (Value::String(_), Type::String)
        | (Value::Duration(_), Type::Duration)
        | (Value::Bytes(_), Type::Bytes)
        | (Value::Percent(_), Type::Percent) => true,
        (Value::List(items), Type::List(of)) => items.iter().all(|item| fits(item, of)),
        (Value::Record(record), Type::Map(of)) => record.values().all(|value| fits(value, of)),
        (Value::Record(record), Type::Record(fields)) => {
            fields.iter().all(|(name, ty)| fits(record.get(name).unwrap_or(&Value::Null), ty))
                && record.keys().all(|name| fields.contains_key(name))
        }
        _ => false,
    }
}

fn widened(value: Value, ty: &Type) -> Value {
    match (value, ty.present()) {
        (Value::Int(i), Type::Float) => Value::Float(i as f64),
        (Value::List(items), Type::List(of)) => {
            Value::List(Arc::new(items.iter().map(|item| widened(item.clone(), of)).collect()))
        }
        (value, _) => value,
    }
}
