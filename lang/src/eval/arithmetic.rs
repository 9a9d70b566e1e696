//! Operators on known values. Integers, sizes and durations are checked: what does not fit is a located failure, never
//! a wrapped number. `None` means that a part deep inside is not known yet.

use super::expression::{kind_words, wrong};
use super::machine::{Env, too_large};
use super::{Failure, MOST_ITEMS, MOST_TEXT, Value, codes, compare, placement, query};
use crate::program::{Binary, Unary};
use crate::span::Span;
use crate::types::Type;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn sign(op: Binary) -> &'static str {
    match op {
        Binary::And => "&&",
        Binary::Or => "||",
        Binary::Equal => "==",
        Binary::NotEqual => "!=",
        Binary::Less => "<",
        Binary::LessEqual => "<=",
        Binary::Greater => ">",
        Binary::GreaterEqual => ">=",
        Binary::Like => "like",
        Binary::In => "in",
        Binary::Add => "+",
        Binary::Subtract | Binary::Difference => "-",
        Binary::Multiply => "*",
        Binary::Divide => "/",
        Binary::Union => "|",
        Binary::Intersect => "&",
        Binary::Parity => "^",
        Binary::Else => "else",
    }
}

pub(super) fn unary(op: Unary, of: &Value, span: Span) -> Result<Value, Failure> {
    match (op, of) {
        (Unary::Not, Value::Bool(b)) => Ok(Value::Bool(!b)),
        (Unary::Not, other) => Err(wrong(other, "true or false", span)),
        (Unary::Negate, Value::Int(i)) => i.checked_neg().map(Value::Int).ok_or_else(|| overflow(span)),
        (Unary::Negate, Value::Float(f)) => Ok(Value::Float(-f)),
        (Unary::Negate, other) => Err(wrong(other, "a number", span)),
    }
}

pub(super) fn binary(
    env: &Env<'_>,
    op: Binary,
    left: &Value,
    right: &Value,
    ty: &Type,
    span: Span,
) -> Result<Option<Value>, Failure> {
    match op {
        Binary::Equal | Binary::NotEqual => {
            let equal = compare::equal(env, left, right, span)?;
            Ok(equal.map(|equal| Value::Bool(equal == (op == Binary::Equal))))
        }
        Binary::Less | Binary::LessEqual | Binary::Greater | Binary::GreaterEqual => {
            let order = compare::order(left, right, span)?;
            Ok(Some(Value::Bool(match op {
                Binary::Less => order.is_lt(),
                Binary::LessEqual => order.is_le(),
                Binary::Greater => order.is_gt(),
                _ => order.is_ge(),
            })))
        }
        Binary::Like => match (left, right) {
            (Value::String(text), Value::String(pattern)) => {
                env.work((text.len() / 16) as u64 * (1 + pattern.len() / 16) as u64, span)?;
                Ok(Some(Value::Bool(compare::like(text, pattern))))
            }
            (Value::Null, Value::String(_)) => Ok(Some(Value::Bool(false))),
            (Value::String(_), other) | (other, _) => Err(wrong(other, "a string", span)),
        },
        Binary::In => compare::contains(env, left, right, span),
        Binary::Union | Binary::Intersect | Binary::Difference | Binary::Parity => sets(env, op, left, right, span),
        Binary::Subtract if matches!(left, Value::Table(_) | Value::Sites(_) | Value::Site(_)) => {
            sets(env, Binary::Difference, left, right, span)
        }
        Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide => {
            numbers(env, op, left, right, ty, span).map(Some)
        }
        Binary::And | Binary::Or | Binary::Else => Err(wrong(left, "true or false", span)),
    }
}

fn sets(env: &Env<'_>, op: Binary, left: &Value, right: &Value, span: Span) -> Result<Option<Value>, Failure> {
    if let (Value::Table(a), Value::Table(b)) = (left, right) {
        return query::combined(env, op, a, b, span);
    }
    let (a, b) = (placement::to_sites(left, span)?, placement::to_sites(right, span)?);
    Ok(Some(Value::Sites(match op {
        Binary::Union => a.union(&b),
        Binary::Intersect => a.intersection(&b),
        Binary::Parity => a.symmetric_difference(&b),
        _ => a.difference(&b),
    })))
}

fn numbers(env: &Env<'_>, op: Binary, left: &Value, right: &Value, ty: &Type, span: Span) -> Result<Value, Failure> {
    use Value::{Bytes, Duration, Float, Int, List, Percent, String};
    let fits = |value: Option<Value>| value.ok_or_else(|| overflow(span));
    match (op, left, right) {
        (Binary::Divide, _, Int(0)) => Err(Failure::new(&codes::DIVISION, span, "division by zero")),
        (Binary::Divide, Int(a), Int(b)) if matches!(ty, Type::Float) => Ok(Float(*a as f64 / *b as f64)),
        (_, Int(a), Int(b)) => fits(
            match op {
                Binary::Add => a.checked_add(*b),
                Binary::Subtract => a.checked_sub(*b),
                Binary::Multiply => a.checked_mul(*b),
                _ => a.checked_div(*b),
            }
            .map(Int),
        ),
        (_, Int(_) | Float(_), Int(_) | Float(_)) => Ok(Float(finite(apply(op, number(left), number(right)), span)?)),
        (Binary::Add | Binary::Subtract, Percent(a), Percent(b)) => Ok(Percent(finite(apply(op, *a, *b), span)?)),
        (Binary::Multiply | Binary::Divide, Percent(a), Int(_) | Float(_))
            if !matches!(ty, Type::Int | Type::Float) =>
        {
            Ok(Percent(finite(apply(op, *a, number(right)), span)?))
        }
        // A share of a number: rounded down where it is a count.
        (Binary::Multiply, Percent(p), Int(_) | Float(_)) | (Binary::Multiply, Int(_) | Float(_), Percent(p)) => {
            let of = if matches!(left, Percent(_)) { right } else { left };
            let share = finite(number(of) * p / 100.0, span)?;
            match of {
                Int(_) if !matches!(ty, Type::Float) => whole(share.floor(), span).map(Int),
                _ => Ok(Float(share)),
            }
        }
        (Binary::Divide, Percent(a), Percent(b)) => Ok(Float(finite(a / b, span)?)),
        (Binary::Add, Bytes(a), Bytes(b)) => fits(a.checked_add(*b).filter(|n| *n <= i64::MAX as u64).map(Bytes)),
        (Binary::Subtract, Bytes(a), Bytes(b)) => fits(a.checked_sub(*b).map(Bytes)),
        (Binary::Divide, Bytes(a), Bytes(b)) => Ok(Float(finite(*a as f64 / *b as f64, span)?)),
        (Binary::Multiply, Bytes(a), Percent(p)) | (Binary::Multiply, Percent(p), Bytes(a)) => {
            scaled(*a, p / 100.0, span).map(Bytes)
        }
        (Binary::Multiply, Bytes(a), Int(n)) | (Binary::Multiply, Int(n), Bytes(a)) => {
            fits(u64::try_from(*n).ok().and_then(|n| a.checked_mul(n)).filter(|n| *n <= i64::MAX as u64).map(Bytes))
        }
        (Binary::Multiply, Bytes(a), Float(f)) | (Binary::Multiply, Float(f), Bytes(a)) => {
            scaled(*a, *f, span).map(Bytes)
        }
        (Binary::Divide, Bytes(a), Int(n)) => fits(u64::try_from(*n).ok().and_then(|n| a.checked_div(n)).map(Bytes)),
        (Binary::Divide, Bytes(a), Float(f)) => scaled(*a, 1.0 / f, span).map(Bytes),
        (Binary::Add, Duration(a), Duration(b)) => fits(a.checked_add(*b).map(Duration)),
        (Binary::Subtract, Duration(a), Duration(b)) => fits(a.checked_sub(*b).map(Duration)),
        (Binary::Divide, Duration(a), Duration(b)) => Ok(Float(finite(a.as_secs_f64() / b.as_secs_f64(), span)?)),
        (Binary::Multiply, Duration(a), factor @ (Int(_) | Float(_) | Percent(_)))
        | (Binary::Multiply, factor @ (Int(_) | Float(_) | Percent(_)), Duration(a)) => {
            let factor = if let Percent(p) = factor { p / 100.0 } else { number(factor) };
            stretched(*a, factor, span).map(Duration)
        }
        (Binary::Divide, Duration(a), Int(_) | Float(_)) => stretched(*a, 1.0 / number(right), span).map(Duration),
        (Binary::Add, String(a), String(b)) => {
            if a.len() + b.len() > MOST_TEXT {
                return Err(too_large(span, "this text"));
            }
            env.work((a.len() + b.len()) as u64 / 64, span)?;
            Ok(String(format!("{a}{b}").into()))
        }
        (Binary::Add, List(a), List(b)) => {
            if a.len() + b.len() > MOST_ITEMS {
                return Err(too_large(span, "this list"));
            }
            env.work((a.len() + b.len()) as u64 / 8, span)?;
            Ok(List(Arc::new(a.iter().chain(b.iter()).cloned().collect())))
        }
        _ => {
            let message = format!("`{}` does not go with {} and {}", sign(op), kind_words(left), kind_words(right));
            Err(Failure::new(&codes::WRONG_KIND, span, message))
        }
    }
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Int(i) => *i as f64,
        Value::Float(f) => *f,
        _ => f64::NAN,
    }
}

fn apply(op: Binary, a: f64, b: f64) -> f64 {
    match op {
        Binary::Add => a + b,
        Binary::Subtract => a - b,
        Binary::Multiply => a * b,
        _ => a / b,
    }
}

fn overflow(span: Span) -> Failure {
    Failure::new(&codes::OVERFLOW, span, "the result is out of range")
        .help("integers go to 9223372036854775807; sizes and durations are not negative")
}

fn finite(value: f64, span: Span) -> Result<f64, Failure> {
    match value {
        v if v.is_nan() => Err(Failure::new(&codes::DIVISION, span, "division by zero")),
        v if v.is_infinite() => Err(overflow(span)),
        v => Ok(v),
    }
}

fn whole(value: f64, span: Span) -> Result<i64, Failure> {
    match value {
        v if v >= i64::MIN as f64 && v < i64::MAX as f64 => Ok(v as i64),
        _ => Err(overflow(span)),
    }
}

fn scaled(bytes: u64, factor: f64, span: Span) -> Result<u64, Failure> {
    u64::try_from(whole((bytes as f64 * factor).floor(), span)?).map_err(|_| overflow(span))
}

fn stretched(time: Duration, factor: f64, span: Span) -> Result<Duration, Failure> {
    Duration::try_from_secs_f64(time.as_secs_f64() * factor).map_err(|_| overflow(span))
}
