//! Expressions over a scope. The one hard idea: `None` is *left out*. A member whose value is left out is dropped, and
//! so is a record or list of which nothing is left; `null`, by caller or text, is a value and is sent. In conditions
//! what is left out equals `null`, and no comparison of size holds of it.

use super::{RenderError, Scope, functions, kind_of};
use crate::library::expr::{Arithmetic, Comparison, Expr, ExprKind, Link, Member, PathStep, Piece, Root};
use crate::span::Span;
use serde_json::{Map, Value as Json};

pub(super) type Value = Result<Option<Json>, RenderError>;

pub fn evaluate(expr: &Expr, scope: &Scope) -> Value {
    value(expr, scope, None)
}

/// A condition. What is left out does not hold.
pub fn holds(expr: &Expr, scope: &Scope) -> Result<bool, RenderError> {
    truth(expr, scope, None)
}

fn truth(expr: &Expr, scope: &Scope, it: Option<&Json>) -> Result<bool, RenderError> {
    match value(expr, scope, it)? {
        Some(Json::Bool(b)) => Ok(b),
        None | Some(Json::Null) => Ok(false),
        Some(other) => {
            Err(RenderError::new(expr.span, format!("a condition is true or false, not {}", kind_of(&other))))
        }
    }
}

fn value(expr: &Expr, scope: &Scope, it: Option<&Json>) -> Value {
    let bool = |b: bool| Ok(Some(Json::Bool(b)));
    match &expr.kind {
        ExprKind::Const(json) => Ok(Some(json.clone())),
        ExprKind::Root(root) => Ok(root_value(root, scope, it)),
        ExprKind::Text(pieces) => text(pieces, scope, it, expr.span),
        ExprKind::Path(head, steps) => path(head, steps, scope, it),
        ExprKind::List(items) => {
            let mut list = Vec::with_capacity(items.len());
            for item in items {
                list.extend(value(item, scope, it)?);
            }
            Ok((items.is_empty() || !list.is_empty()).then_some(Json::Array(list)))
        }
        ExprKind::Record(members) => record(members, scope, it),
        ExprKind::Not(of) => bool(!truth(of, scope, it)?),
        ExprKind::And(all) => {
            for e in all {
                if !truth(e, scope, it)? {
                    return bool(false);
                }
            }
            bool(true)
        }
        ExprKind::Or(all) => {
            for e in all {
                if truth(e, scope, it)? {
                    return bool(true);
                }
            }
            bool(false)
        }
        ExprKind::Compare(comparison, left, right) => {
            bool(compare(*comparison, value(left, scope, it)?, value(right, scope, it)?, expr.span)?)
        }
        // Where the service has no versions, no version condition holds.
        ExprKind::Version(comparison, wanted) => bool(scope.version.is_some_and(|have| match comparison {
            Comparison::Equal => have == *wanted,
            Comparison::NotEqual => have != *wanted,
            Comparison::Less => have < *wanted,
            Comparison::LessEqual => have <= *wanted,
            Comparison::Greater => have > *wanted,
            Comparison::GreaterEqual | Comparison::In => have >= *wanted,
        })),
        ExprKind::Arithmetic(first, rest) => arithmetic(first, rest, scope, it),
        ExprKind::Chain(first, rest) => chain(first, rest, scope, it),
        ExprKind::Call(function, args) => {
            let mut given = Vec::with_capacity(args.len());
            for arg in args {
                given.push(value(arg, scope, it)?);
            }
            functions::call(*function, given, scope, expr.span)
        }
    }
}

fn root_value(root: &Root, scope: &Scope, it: Option<&Json>) -> Option<Json> {
    let record =
        |fields: &super::Fields| Json::Object(fields.iter().map(|(k, v)| (k.to_string(), v.clone())).collect());
    let text = |t: &Option<String>| t.clone().map(Json::String);
    match root {
        Root::Param(name) => scope.args.get(name).cloned(),
        // In what is not an operation the arguments name the resource: `name`, or the ends of a link.
        Root::Known(name) => {
            scope.followed.get(name).or_else(|| scope.args.get(name)).or_else(|| scope.row.get(name)).cloned()
        }
        Root::Before => scope.before.as_ref().map(record),
        Root::Body => scope.body.clone(),
        Root::Headers => Some(scope.headers.iter().map(|(k, v)| (k.clone(), Json::String(v.clone()))).collect()),
        Root::Answer => {
            let mut answer = Map::new();
            answer.extend(text(&scope.request_id).map(|id| ("request_id".to_string(), id)));
            Some(Json::Object(answer))
        }
        Root::Marker => text(&scope.marker),
        Root::Effect => text(&scope.effect),
        Root::Account => {
            let mut account = Map::new();
            account.extend(text(&scope.account.user_id).map(|id| ("user_id".to_string(), id)));
            account.extend(text(&scope.account.project_id).map(|id| ("project_id".to_string(), id)));
            Some(Json::Object(account))
        }
        Root::Version => scope.version.map(|v| v.to_string().into()),
        Root::SelfPath => text(&scope.self_path),
        Root::Kind => text(&scope.kind_path),
        Root::Api => text(&scope.api),
        Root::Item => scope.item.clone(),
        Root::Key => scope.key.clone(),
        Root::Value => scope.value.clone(),
        Root::Source => scope.source.as_ref().map(record),
        Root::Regions => Some(scope.regions.iter().cloned().map(Json::String).collect()),
        Root::It => it.or(scope.it.as_ref()).cloned(),
    }
}

fn text(pieces: &[Piece], scope: &Scope, it: Option<&Json>, span: Span) -> Value {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => out += text,
            Piece::Value(e) => match value(e, scope, it)? {
                Some(found) if !found.is_null() => match plain(&found) {
                    Some(text) => out += &text,
                    None => return Err(RenderError::new(span, format!("{} cannot stand in a text", kind_of(&found)))),
                },
                _ => return Ok(None),
            },
        }
    }
    Ok(Some(Json::String(out)))
}

/// A scalar as text; `None` for lists, records and null.
pub fn plain(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Bool(b) => Some(b.to_string()),
        Json::Number(n) => Some(n.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn path(head: &Expr, steps: &[PathStep], scope: &Scope, it: Option<&Json>) -> Value {
    // Headers are found whatever their case.
    let headers = matches!(head.kind, ExprKind::Root(Root::Headers));
    let Some(mut found) = value(head, scope, it)? else { return Ok(None) };
    for step in steps {
        let next = match step {
            PathStep::Member(name, span) => match found {
                Json::Object(mut members) if headers => members.remove(&name.to_ascii_lowercase()),
                Json::Object(mut members) => members.swap_remove(&**name),
                Json::Null => None,
                // A field that holds an id stands for the resource.
                Json::String(text) if matches!(&**name, "id" | "name") => Some(Json::String(text)),
                other => return Err(RenderError::new(*span, format!("{} has no `{name}`", kind_of(&other)))),
            },
            PathStep::Index(index) => {
                let Some(at) = value(index, scope, it)? else { return Ok(None) };
                match (found, at) {
                    (Json::Array(mut items), Json::Number(n)) => {
                        let n = n.as_u64().and_then(|n| usize::try_from(n).ok());
                        n.filter(|n| *n < items.len()).map(|n| items.swap_remove(n))
                    }
                    (Json::Object(mut members), Json::String(key)) => members.swap_remove(&key),
                    (Json::Null, _) => None,
                    (other, _) => {
                        return Err(RenderError::new(index.span, format!("{} has no such item", kind_of(&other))));
                    }
                }
            }
        };
        match next {
            Some(next) => found = next,
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

fn record(members: &[Member], scope: &Scope, it: Option<&Json>) -> Value {
    let mut found = Map::new();
    // A record that was written with members and has none left is left out; an empty one that was spread is not.
    let mut kept = members.is_empty();
    for member in members {
        let (key, given, span) = match member {
            Member::Named(name, e) => (name.to_string(), value(e, scope, it)?, e.span),
            Member::Computed(key, e) => {
                let name = value(key, scope, it)?.as_ref().and_then(plain);
                let Some(name) = name else {
                    return Err(RenderError::new(key.span, "a key is a text, and this one is not"));
                };
                (name, value(e, scope, it)?, key.span)
            }
            Member::Spread(e) => {
                match value(e, scope, it)? {
                    None | Some(Json::Null) => {}
                    Some(Json::Object(more)) => {
                        kept = true;
                        for (key, given) in more {
                            insert(&mut found, key, given, e.span)?;
                        }
                    }
                    Some(other) => {
                        return Err(RenderError::new(
                            e.span,
                            format!("`...` spreads a record, not {}", kind_of(&other)),
                        ));
                    }
                }
                continue;
            }
        };
        if let Some(given) = given {
            kept = true;
            insert(&mut found, key, given, span)?;
        }
    }
    Ok(kept.then_some(Json::Object(found)))
}

fn insert(members: &mut Map<String, Json>, key: String, value: Json, span: Span) -> Result<(), RenderError> {
    if members.contains_key(&key) {
        return Err(RenderError::new(span, format!("`{key}` is given twice")));
    }
    members.insert(key, value);
    Ok(())
}

fn chain(first: &Expr, rest: &[(Link, Expr)], scope: &Scope, it: Option<&Json>) -> Value {
    let mut found = value(first, scope, it)?;
    for (link, e) in rest {
        found = match (link, found) {
            (Link::Else, None) => value(e, scope, it)?,
            (Link::Each, Some(Json::Array(items))) => {
                let mut list = Vec::with_capacity(items.len());
                for item in &items {
                    list.extend(value(e, scope, Some(item))?);
                }
                Some(Json::Array(list))
            }
            (Link::Each, Some(Json::Null)) => Some(Json::Null),
            (Link::Each, Some(one)) => value(e, scope, Some(&one))?,
            (_, found) => found,
        };
    }
    Ok(found)
}

fn compare(comparison: Comparison, left: Option<Json>, right: Option<Json>, span: Span) -> Result<bool, RenderError> {
    use std::cmp::Ordering;
    let left = left.unwrap_or(Json::Null);
    let right = right.unwrap_or(Json::Null);
    let order = match comparison {
        Comparison::Equal => return Ok(equal(&left, &right)),
        Comparison::NotEqual => return Ok(!equal(&left, &right)),
        Comparison::In => {
            return match &right {
                Json::Array(items) => Ok(items.iter().any(|i| equal(i, &left))),
                Json::Null => Ok(false),
                other => Err(RenderError::new(span, format!("`in` asks a list, not {}", kind_of(other)))),
            };
        }
        _ => match (&left, &right) {
            (Json::Null, _) | (_, Json::Null) => return Ok(false),
            (Json::Number(a), Json::Number(b)) => number(a).partial_cmp(&number(b)),
            (Json::String(a), Json::String(b)) => Some(a.cmp(b)),
            (a, b) => {
                let message = format!("{} and {} cannot be compared by size", kind_of(a), kind_of(b));
                return Err(RenderError::new(span, message));
            }
        },
    };
    let Some(order) = order else { return Ok(false) };
    Ok(match comparison {
        Comparison::Less => order == Ordering::Less,
        Comparison::LessEqual => order != Ordering::Greater,
        Comparison::Greater => order == Ordering::Greater,
        _ => order != Ordering::Less,
    })
}

fn number(n: &serde_json::Number) -> f64 {
    n.as_f64().unwrap_or(f64::NAN)
}

/// As values, so that 1 and 1.0 are equal.
fn equal(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a == b || number(a) == number(b),
        (a, b) => a == b,
    }
}

fn arithmetic(first: &Expr, rest: &[(Arithmetic, Expr)], scope: &Scope, it: Option<&Json>) -> Value {
    let whole = |e: &Expr| -> Result<Option<i64>, RenderError> {
        match value(e, scope, it)? {
            None | Some(Json::Null) => Ok(None),
            Some(found) => match found.as_i64() {
                Some(n) => Ok(Some(n)),
                None => Err(RenderError::new(e.span, format!("expected a whole number, found {}", kind_of(&found)))),
            },
        }
    };
    let Some(mut sum) = whole(first)? else { return Ok(None) };
    for (op, e) in rest {
        let Some(n) = whole(e)? else { return Ok(None) };
        let result = match op {
            Arithmetic::Add => sum.checked_add(n),
            Arithmetic::Subtract => sum.checked_sub(n),
            Arithmetic::Multiply => sum.checked_mul(n),
            Arithmetic::Divide => sum.checked_div(n),
        };
        sum = result.ok_or_else(|| RenderError::new(e.span, "the result is no whole number, or too large"))?;
    }
    Ok(Some(sum.into()))
}
