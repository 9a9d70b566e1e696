//! The functions that are not of a library.

use super::display::text_of;
use super::expression::{kind_words, words, wrong};
use super::machine::{Env, too_large, unknown};
use super::spread::spread;
use super::{Failure, MOST_ITEMS, MOST_TEXT, Value, codes, compare, from_json, placement};
use crate::model::SiteSet;
use crate::program::{Builtin, Expr};
use crate::span::Span;
use std::sync::Arc;

/// Outcomes that `minimal` lists; a placement may have exponentially many.
const MOST_OUTCOMES: usize = 1_000;

pub(super) fn call(
    env: &Env<'_>,
    name: Builtin,
    args: &[Expr],
    values: Vec<Value>,
    expr: &Expr,
) -> Result<Value, Failure> {
    if let Some(Value::Unknown(_)) = values.iter().find(|v| matches!(v, Value::Unknown(_))) {
        let shown: Vec<String> = values.iter().map(|v| words(env, v)).collect();
        return Ok(unknown(&expr.ty, format!("{}({})", name_of(name), shown.join(", "))));
    }
    let at = |i: usize| args.get(i).map_or(expr.span, |e| e.span);
    let mut values = values.into_iter();
    let mut next = || values.next().unwrap_or(Value::Null);
    match name {
        Builtin::File => env.host().file(&string(next(), at(0))?, at(0)).map(Value::File),
        Builtin::Read => {
            let text = env.host().read(&string(next(), at(0))?, at(0))?;
            if text.len() > MOST_TEXT {
                return Err(too_large(at(0), "this file"));
            }
            Ok(Value::String(text))
        }
        Builtin::Secret => env.host().secret(&string(next(), at(0))?, at(0)).map(Value::Secret),
        Builtin::Now => Ok(Value::Duration(env.host().elapsed())),
        Builtin::Empty => size(env, &next(), at(0), expr).map(|n| match n {
            Value::Int(n) => Value::Bool(n == 0),
            other => other,
        }),
        Builtin::Count | Builtin::Len => size(env, &next(), at(0), expr),
        Builtin::Minimal => {
            let formula = placement::to_placement(&next(), at(0))?;
            let mut outcomes = Vec::new();
            for outcome in formula.minimal() {
                let Ok(outcome) = outcome else {
                    let message = "the parts of this placement share too many sites to be worked out";
                    return Err(Failure::new(&codes::TANGLED, at(0), message));
                };
                env.work(16, expr.span)?;
                outcomes.push(Value::Sites(outcome));
                if outcomes.len() > MOST_OUTCOMES {
                    let message = format!("this placement has more than {MOST_OUTCOMES} minimal outcomes");
                    return Err(Failure::new(&codes::TOO_LARGE, at(0), message)
                        .help("`holds(placement, sites)` asks about one of them"));
                }
            }
            Ok(Value::List(Arc::new(outcomes)))
        }
        Builtin::Holds => {
            let formula = placement::to_placement(&next(), at(0))?;
            Ok(Value::Bool(formula.holds(&placement::to_sites(&next(), at(1))?)))
        }
        Builtin::Waves => waves(&next(), &next(), at(0), at(1)),
        Builtin::Spread => {
            let (n, sites, by) = (integer(next(), at(0))?, placement::to_sites(&next(), at(1))?, next());
            let by = if by == Value::Null { None } else { Some(string(by, at(2))?) };
            spread(env, n, &sites, by.as_deref(), expr.span)
        }
        Builtin::Range => {
            let (a, b) = (next(), next());
            let (from, to) = match b {
                Value::Null => (0, integer(a, at(0))?),
                b => (integer(a, at(0))?, integer(b, at(1))?),
            };
            if to.saturating_sub(from) > MOST_ITEMS as i64 {
                return Err(too_large(expr.span, "this list"));
            }
            env.work(to.saturating_sub(from).max(0) as u64 / 8, expr.span)?;
            Ok(Value::List(Arc::new((from..to).map(Value::Int).collect())))
        }
        Builtin::Join => join(env, next(), next(), at(0), at(1)),
        Builtin::Split => {
            let (text, by) = (string(next(), at(0))?, next());
            let by = if by == Value::Null { Arc::from(" ") } else { string(by, at(1))? };
            env.work(text.len() as u64 / 8, expr.span)?;
            let parts: Vec<Value> = match by.is_empty() {
                true => text.chars().take(MOST_ITEMS + 1).map(|c| Value::String(c.to_string().into())).collect(),
                false => text.split(&*by).take(MOST_ITEMS + 1).map(|part| Value::String(part.into())).collect(),
            };
            if parts.len() > MOST_ITEMS {
                return Err(too_large(expr.span, "this list"));
            }
            Ok(Value::List(Arc::new(parts)))
        }
        Builtin::Json => {
            let text = string(next(), at(0))?;
            env.work(text.len() as u64 / 8, expr.span)?;
            serde_json::from_str(&text).map(from_json).map_err(|why| {
                // The text itself may be a secret's neighbour: only the place is said.
                let message = format!("this is not JSON: line {}, column {}", why.line(), why.column());
                Failure::new(&codes::BAD_JSON, at(0), message)
            })
        }
    }
}

fn name_of(name: Builtin) -> &'static str {
    match name {
        Builtin::File => "file",
        Builtin::Read => "read",
        Builtin::Empty => "empty",
        Builtin::Count => "count",
        Builtin::Minimal => "minimal",
        Builtin::Holds => "holds",
        Builtin::Waves => "waves",
        Builtin::Spread => "spread",
        Builtin::Now => "now",
        Builtin::Secret => "secret",
        Builtin::Json => "json",
        Builtin::Join => "join",
        Builtin::Split => "split",
        Builtin::Range => "range",
        Builtin::Len => "len",
    }
}

fn string(value: Value, span: Span) -> Result<Arc<str>, Failure> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(wrong(&other, "a string", span)),
    }
}

fn integer(value: Value, span: Span) -> Result<i64, Failure> {
    match value {
        Value::Int(i) => Ok(i),
        other => Err(wrong(&other, "an integer", span)),
    }
}

/// How many items, rows, sites or characters. The rows of a table count although a site that did not answer may have
/// more: `.unknown` says which.
fn size(env: &Env<'_>, value: &Value, span: Span, expr: &Expr) -> Result<Value, Failure> {
    let count = match value {
        Value::List(items) => items.len(),
        Value::Record(record) => record.len(),
        Value::Sites(sites) => sites.len(),
        Value::Site(_) => 1,
        Value::String(text) => text.chars().count(),
        Value::Null => 0,
        Value::Table(table) => match super::query::pending(table) {
            // Owed rows are neither there nor not there.
            Some(what) if !env.planning() => return Ok(unknown(&expr.ty, format!("the number of {}", what.what))),
            _ => table.rows.len(),
        },
        other => {
            let message = format!("{} has no items to count", kind_words(other));
            return Err(Failure::new(&codes::WRONG_KIND, span, message));
        }
    };
    Ok(Value::Int(count as i64))
}

/// Batches, as rolling updates have them: each size is a number of sites or a share of all (rounded down, at least one);
/// the last size repeats until every site is in a wave.
fn waves(sites: &Value, sizes: &Value, at: Span, sizes_at: Span) -> Result<Value, Failure> {
    let sites = placement::to_sites(sites, at)?;
    let Value::List(sizes) = sizes else { return Err(wrong(sizes, "a list of sizes", sizes_at)) };
    let count = sites.len();
    let mut counted = Vec::with_capacity(sizes.len());
    for size in sizes.iter() {
        counted.push(match size {
            Value::Int(n) if *n > 0 => usize::try_from(*n).unwrap_or(usize::MAX),
            Value::Percent(p) if *p > 0.0 => placement::share(*p, count, false, sizes_at)?.max(1),
            Value::Int(_) | Value::Percent(_) => {
                return Err(Failure::new(&codes::BAD_COUNT, sizes_at, "a wave has at least one site"));
            }
            other => return Err(wrong(other, "a number or a percentage", sizes_at)),
        });
    }
    let Some(last) = counted.last().copied() else {
        return Err(Failure::new(&codes::BAD_COUNT, sizes_at, "waves need at least one size"));
    };
    let mut left = sites.iter().peekable();
    let mut sizes = counted.into_iter();
    let mut waves = Vec::new();
    while left.peek().is_some() {
        let wave: SiteSet = left.by_ref().take(sizes.next().unwrap_or(last)).collect();
        waves.push(Value::Sites(wave));
    }
    Ok(Value::List(Arc::new(waves)))
}

fn join(env: &Env<'_>, list: Value, by: Value, at: Span, by_at: Span) -> Result<Value, Failure> {
    let items = match list {
        Value::List(items) => items,
        Value::Sites(sites) => Arc::new(sites.iter().map(Value::Site).collect()),
        other => return Err(wrong(&other, "a list", at)),
    };
    let by = if by == Value::Null { Arc::from(", ") } else { string(by, by_at)? };
    let mut text = String::new();
    for (i, item) in items.iter().enumerate() {
        if compare::has_secret(item) {
            return Err(Failure::new(&codes::SECRET_SHOWN, at, "a secret cannot be part of a text"));
        }
        if let Some(what) = compare::unsettled(item) {
            return Ok(unknown(&crate::types::Type::String, format!("a text with {}", what.what)));
        }
        if i > 0 {
            text.push_str(&by);
        }
        text.push_str(&text_of(item, env.host().inventory()));
        env.tick(at)?;
        if text.len() > MOST_TEXT {
            return Err(too_large(at, "this text"));
        }
    }
    Ok(Value::String(text.into()))
}
