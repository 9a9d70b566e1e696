//! Comparing values: equality (deep, with a bound on work), order, `in`, `like`; and what of a value is not known yet.

use super::expression::{kind_words, wrong};
use super::machine::Env;
use super::{Failure, Unknown, Value, codes, field, query};
use crate::span::Span;
use crate::types::Type;
use std::cmp::Ordering;
use std::sync::Arc;

/// How deep values are followed: those of servers' JSON are 128 deep at most.
pub(super) const MOST_NESTED: usize = 256;

/// `None` where that is not known yet.
pub(super) fn equal(env: &Env<'_>, a: &Value, b: &Value, span: Span) -> Result<Option<bool>, Failure> {
    equal_to(env, a, b, span, MOST_NESTED)
}

fn equal_to(env: &Env<'_>, a: &Value, b: &Value, span: Span, depth: usize) -> Result<Option<bool>, Failure> {
    env.tick(span)?;
    let Some(depth) = depth.checked_sub(1) else { return Err(super::machine::too_large(span, "this value")) };
    let all = |pairs: &mut dyn Iterator<Item = (&Value, &Value)>| {
        let mut known = Some(true);
        for (a, b) in pairs {
            match equal_to(env, a, b, span, depth)? {
                Some(false) => return Ok(Some(false)),
                None => known = None,
                Some(true) => {}
            }
        }
        Ok(known)
    };
    match (a, b) {
        (Value::Unknown(_), _) | (_, Value::Unknown(_)) => Ok(None),
        (Value::Int(i), Value::Float(f)) | (Value::Float(f), Value::Int(i)) => Ok(Some(*i as f64 == *f)),
        (Value::Site(s), Value::Sites(set)) | (Value::Sites(set), Value::Site(s)) => {
            Ok(Some(set.len() == 1 && set.contains(*s)))
        }
        (Value::List(a), Value::List(b)) => match a.len() == b.len() {
            true => all(&mut a.iter().zip(b.iter())),
            false => Ok(Some(false)),
        },
        (Value::Record(a), Value::Record(b)) => match a.len() == b.len() && a.keys().all(|k| b.contains_key(k)) {
            true => all(&mut a.iter().filter_map(|(k, v)| b.get(k).map(|w| (v, w)))),
            false => Ok(Some(false)),
        },
        // One resource is the same resource, whenever it was looked at.
        (Value::Handle(a), Value::Handle(b)) => match a.pending || b.pending {
            true if Arc::ptr_eq(a, b) => Ok(Some(true)),
            true => Ok(None),
            false => Ok(Some(a.resource == b.resource && a.site == b.site && a.id == b.id)),
        },
        (Value::Table(a), Value::Table(b)) => {
            if a.columns != b.columns || a.rows.len() != b.rows.len() {
                return Ok(Some(false));
            }
            if a.rows.iter().zip(&b.rows).any(|(x, y)| x.site != y.site) {
                return Ok(Some(false));
            }
            all(&mut a.rows.iter().zip(&b.rows).flat_map(|(x, y)| x.values.iter().zip(&y.values)))
        }
        (a, b) => Ok(Some(a == b)),
    }
}

/// The order of two values of one type; null comes last.
pub(super) fn order(a: &Value, b: &Value, span: Span) -> Result<Ordering, Failure> {
    use Value::{Bool, Bytes, Duration, Float, Int, Null, Percent, Site, String};
    Ok(match (a, b) {
        (Null, Null) => Ordering::Equal,
        (Null, _) => Ordering::Greater,
        (_, Null) => Ordering::Less,
        (Int(a), Int(b)) => a.cmp(b),
        (Float(a), Float(b)) | (Percent(a), Percent(b)) => a.total_cmp(b),
        (Int(a), Float(b)) => (*a as f64).total_cmp(b),
        (Float(a), Int(b)) => a.total_cmp(&(*b as f64)),
        (String(a), String(b)) => a.cmp(b),
        (Bool(a), Bool(b)) => a.cmp(b),
        (Duration(a), Duration(b)) => a.cmp(b),
        (Bytes(a), Bytes(b)) => a.cmp(b),
        (Site(a), Site(b)) => a.cmp(b),
        (a, b) => {
            let message = format!("{} and {} have no order", kind_words(a), kind_words(b));
            return Err(Failure::new(&codes::WRONG_KIND, span, message));
        }
    })
}

pub(super) fn contains(env: &Env<'_>, item: &Value, of: &Value, span: Span) -> Result<Option<Value>, Failure> {
    Ok(Some(Value::Bool(match of {
        Value::Sites(set) => match item {
            Value::Site(site) => set.contains(*site),
            Value::Sites(part) => part.is_subset(set),
            other => return Err(wrong(other, "a site", span)),
        },
        Value::List(items) => {
            let mut known = true;
            for other in items.iter() {
                match equal(env, item, other, span)? {
                    Some(true) => return Ok(Some(Value::Bool(true))),
                    Some(false) => {}
                    None => known = false,
                }
            }
            if !known {
                return Ok(None);
            }
            false
        }
        Value::Record(record) => match item {
            Value::String(key) => record.contains_key(key),
            other => return Err(wrong(other, "a string", span)),
        },
        Value::String(text) => match item {
            Value::String(part) => text.contains(&**part),
            other => return Err(wrong(other, "a string", span)),
        },
        Value::Null => false,
        other => return Err(wrong(other, "a list, a site set, a record or a string", span)),
    })))
}

/// `*` stands for any text, `?` for one character; the rest for itself.
pub(crate) fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let (mut t, mut p) = (0, 0);
    // Where the last `*` stands, and what it has swallowed up to.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => (t, p) = (t + 1, p + 1),
            _ => match star {
                Some((at, swallowed)) => {
                    star = Some((at, swallowed + 1));
                    (t, p) = (swallowed + 1, at + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// The first part of a value that is not known yet, planned resources included.
pub fn unsettled(value: &Value) -> Option<Arc<Unknown>> {
    let mut found = None;
    walk(value, &mut |part| {
        found = match part {
            Value::Unknown(what) => Some(what.clone()),
            Value::Handle(handle) if handle.pending => {
                let what = field::handle_words(handle);
                Some(Arc::new(Unknown { ty: Type::Handle(handle.resource.clone()), what }))
            }
            Value::Table(table) => query::pending(table),
            _ => None,
        };
        found.is_some()
    });
    found
}

/// A resource is written by its name alone, whatever secrets its fields hold.
pub fn has_secret(value: &Value) -> bool {
    match value {
        Value::Handle(_) => false,
        value => walk(value, &mut |part| matches!(part, Value::Secret(_))),
    }
}

/// A value that is nested too deeply to be printed, compared and freed by recursion is refused when it is made.
pub(super) fn shallow<'v>(parts: impl IntoIterator<Item = &'v Value>, span: Span) -> Result<(), Failure> {
    let mut left: Vec<(&Value, usize)> = parts.into_iter().map(|part| (part, 1)).collect();
    // What is wide is seldom deep; enough of it is looked at.
    let mut budget = left.len() + 10_000;
    while let Some((value, depth)) = left.pop() {
        let Some(rest) = budget.checked_sub(1) else { return Ok(()) };
        budget = rest;
        if depth > MOST_NESTED {
            return Err(super::machine::too_large(span, "this value").help("it is nested too deeply"));
        }
        match value {
            Value::List(items) => left.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Record(record) => left.extend(record.values().map(|item| (item, depth + 1))),
            _ => {}
        }
    }
    Ok(())
}

/// Whether some part is what is looked for. Shared parts may be met again and again, so the walk is bounded: what is
/// larger is shown in parts only anyway.
fn walk(value: &Value, found: &mut dyn FnMut(&Value) -> bool) -> bool {
    let (mut left, mut budget) = (vec![value], 4_000_000usize);
    while let Some(value) = left.pop() {
        if found(value) {
            return true;
        }
        let Some(rest) = budget.checked_sub(1) else { return false };
        budget = rest;
        match value {
            Value::List(items) => left.extend(items.iter()),
            Value::Record(record) => left.extend(record.values()),
            Value::Table(table) => left.extend(table.rows.iter().flat_map(|row| &row.values)),
            Value::Handle(handle) => left.extend(handle.fields.values()),
            _ => {}
        }
    }
    false
}
