//! Expressions. Most kinds evaluate their parts in order and combine the values (`combine`); that is the same whether
//! the parts could be had at once or had to be waited for.

use super::display::text_of;
use super::machine::{Env, Failing, Frame, owed, set, too_large, unknown};
use super::{Failure, MOST_TEXT, SectionKind, Unknown, Value, arithmetic, builtin, codes, compare, display, field};
use super::{operation, placement, query, scope, shape, statement};
use crate::model::SiteSet;
use crate::program::*;
use crate::span::Span;
use crate::types::{Name, Type};
use futures_util::future::BoxFuture;
use indexmap::IndexMap;
use std::sync::Arc;

/// Each kind has a future of its own: one that could be any of them would be as large as the largest, on the stack of
/// every level.
pub(super) fn eval<'a>(env: &'a Env<'a>, frame: &'a Frame, expr: &'a Expr) -> BoxFuture<'a, Result<Value, Failure>> {
    if !shape::needs_host(expr) {
        return Box::pin(std::future::ready(now(env, frame, expr)));
    }
    if let Err(failure) = env.tick(expr.span) {
        return Box::pin(std::future::ready(Err(failure)));
    }
    match &expr.kind {
        ExprKind::Binary { .. } => Box::pin(wait_for_chain(env, frame, expr)),
        ExprKind::Operation(op) => Box::pin(operation::perform(env, frame, op, &expr.ty)),
        ExprKind::Query(q) => Box::pin(query::run(env, frame, q, expr)),
        ExprKind::Call { function, args } => Box::pin(call(env, frame, *function, args, expr.span)),
        ExprKind::Within { scope, of } => Box::pin(within(env, frame, scope, of)),
        ExprKind::FilterSites { of, slot, cond } => Box::pin(filter(env, frame, of, *slot, cond)),
        _ => Box::pin(wait_for_parts(env, frame, expr)),
    }
}

/// An expression that cannot reach the host.
pub(super) fn now(env: &Env<'_>, frame: &Frame, expr: &Expr) -> Result<Value, Failure> {
    env.tick(expr.span)?;
    match &expr.kind {
        ExprKind::Binary { .. } => {
            let (first, rest) = chain(expr);
            let mut value = now(env, frame, first)?;
            for link in rest {
                if decided(&link, &value).is_none() {
                    let right = now(env, frame, link.right)?;
                    value = joined(env, &link, value, right)?;
                }
            }
            Ok(value)
        }
        _ => {
            let values: Result<Vec<Value>, Failure> =
                shape::parts(expr).into_iter().map(|part| now(env, frame, part)).collect();
            combine(env, frame, expr, values?)
        }
    }
}

async fn wait_for_chain(env: &Env<'_>, frame: &Frame, expr: &Expr) -> Result<Value, Failure> {
    let (first, rest) = chain(expr);
    let mut value = eval(env, frame, first).await?;
    for link in rest {
        if decided(&link, &value).is_some() {
            continue;
        }
        let right = match &value {
            // Whether the right side is asked for at all is not known.
            Value::Unknown(what) if matches!(link.op, Binary::And | Binary::Or | Binary::Else) => {
                let title = if link.op == Binary::And { "if" } else { "unless" };
                let env = env.section(SectionKind::Perhaps, format!("{title} {}", what.what), link.right.span);
                eval(&env, frame, link.right).await?
            }
            _ => eval(env, frame, link.right).await?,
        };
        value = joined(env, &link, value, right)?;
    }
    Ok(value)
}

async fn wait_for_parts(env: &Env<'_>, frame: &Frame, expr: &Expr) -> Result<Value, Failure> {
    let mut values = Vec::new();
    for part in shape::parts(expr) {
        values.push(eval(env, frame, part).await?);
    }
    combine(env, frame, expr, values)
}

async fn within(env: &Env<'_>, frame: &Frame, inner: &Expr, of: &Expr) -> Result<Value, Failure> {
    let inner = scope::from_value(env, eval(env, frame, inner).await?, inner.span)?;
    let env = env.within(env.scope.merge(&inner));
    eval(&env, frame, of).await
}

async fn filter(env: &Env<'_>, frame: &Frame, of: &Expr, slot: Slot, cond: &Expr) -> Result<Value, Failure> {
    let of_value = eval(env, frame, of).await?;
    if let Value::Unknown(what) = &of_value {
        return Ok(unknown(&Type::Sites, format!("those of {} that fit", what.what)));
    }
    let sites = placement::to_sites(&of_value, of.span)?;
    let asks = shape::needs_host(cond);
    let (mut frame, mut kept) = (frame.clone(), SiteSet::new());
    for (i, site) in sites.iter().enumerate() {
        set(&mut frame, slot, Value::Site(site));
        let value = match asks {
            false => now(env, &frame, cond)?,
            true => eval(&env.iteration(i), &frame, cond).await?,
        };
        env.breathe().await;
        match truth(env, &value, cond.span)? {
            Ok(true) => {
                kept.insert(site);
            }
            Ok(false) => {}
            Err(what) => return Ok(unknown(&Type::Sites, format!("the sites where {}", what.what))),
        }
    }
    Ok(Value::Sites(kept))
}

async fn call(env: &Env<'_>, frame: &Frame, id: FunctionId, args: &[Expr], span: Span) -> Result<Value, Failure> {
    let mut values = Vec::new();
    for arg in args {
        // Of type Nothing: left out.
        values.push(match arg.ty {
            Type::Nothing => None,
            _ => Some(eval(env, frame, arg).await?),
        });
    }
    apply(env, frame, id, values, span).await
}

/// A call with values; what is left out is `None`.
pub(super) async fn apply(
    env: &Env<'_>,
    frame: &Frame,
    id: FunctionId,
    values: Vec<Option<Value>>,
    span: Span,
) -> Result<Value, Failure> {
    let program = env.run.program;
    let (Some(function), Some(nesting)) = (program.functions.get(id.0 as usize), env.run.nesting.get(id.0 as usize))
    else {
        return Err(Failure::new(&codes::NOT_YET, span, "this function is not defined"));
    };
    let mut inner = Frame::new();
    inner.resize(function.slots, None);
    let mut callee = env.deeper(*nesting, span)?;
    callee.globals = Some(env.globals.unwrap_or(frame));
    callee.failing = Failing::Stops;
    callee.position.extend([span.file.0, span.start]);
    let mut values = values.into_iter();
    for (slot, name, ty, default) in &function.params {
        let value = match (values.next().flatten(), default) {
            (Some(value), _) => value,
            (None, Some(default)) => eval(&callee, &inner, default).await?,
            (None, None) if matches!(ty, Type::Optional(_)) => Value::Null,
            (None, None) => {
                let message = format!("`{}` is called without its `{name}`", function.name);
                return Err(Failure::new(&codes::NOT_YET, span, message));
            }
        };
        set(&mut inner, *slot, value);
    }
    statement::block(&callee, &mut inner, &function.body).await
}

/// One link of a chain of operators.
pub(super) struct Link<'e> {
    pub whole: &'e Expr,
    pub op: Binary,
    pub right: &'e Expr,
}

/// `a - b - c` as `a` and its links: a chain is as long as a line, and must not cost a level each.
fn chain(expr: &Expr) -> (&Expr, Vec<Link<'_>>) {
    let (mut first, mut links) = (expr, Vec::new());
    while let ExprKind::Binary { op, left, right } = &first.kind {
        links.push(Link { whole: first, op: *op, right });
        first = left;
    }
    links.reverse();
    (first, links)
}

/// When the left side says it all: it is the value.
fn decided(link: &Link<'_>, left: &Value) -> Option<()> {
    match (link.op, left) {
        (Binary::And, Value::Bool(false)) | (Binary::Or, Value::Bool(true)) => Some(()),
        (Binary::Else, Value::Null | Value::Unknown(_)) => None,
        (Binary::Else, _) => Some(()),
        _ => None,
    }
}

fn joined(env: &Env<'_>, link: &Link<'_>, left: Value, right: Value) -> Result<Value, Failure> {
    let (span, ty) = (link.whole.span, &link.whole.ty);
    match link.op {
        Binary::And | Binary::Or => {
            let neutral = link.op == Binary::And;
            let (a, b) = (truth(env, &left, span)?, truth(env, &right, link.right.span)?);
            Ok(match (a, b) {
                (Ok(a), _) if a != neutral => Value::Bool(a),
                (_, Ok(b)) if b != neutral => Value::Bool(b),
                (Ok(_), Ok(b)) => Value::Bool(b),
                _ => binary_unknown(env, link, &left, &right),
            })
        }
        Binary::Else => match left {
            Value::Null => Ok(right),
            left => Ok(binary_unknown(env, link, &left, &right)),
        },
        _ if matches!(left, Value::Unknown(_)) || matches!(right, Value::Unknown(_)) => {
            Ok(binary_unknown(env, link, &left, &right))
        }
        op => match arithmetic::binary(env, op, &left, &right, ty, span)? {
            Some(value) => Ok(value),
            None => Ok(binary_unknown(env, link, &left, &right)),
        },
    }
}

fn binary_unknown(env: &Env<'_>, link: &Link<'_>, left: &Value, right: &Value) -> Value {
    let what = format!("{} {} {}", words(env, left), arithmetic::sign(link.op), words(env, right));
    unknown(&link.whole.ty, what)
}

/// The value of an expression from those of its parts (`shape::parts`, in that order).
fn combine(env: &Env<'_>, frame: &Frame, expr: &Expr, mut values: Vec<Value>) -> Result<Value, Failure> {
    let (span, ty) = (expr.span, &expr.ty);
    match &expr.kind {
        ExprKind::Const(value) => return Ok(value.clone()),
        ExprKind::Slot(slot) => return env.slot(frame, *slot, span).cloned(),
        ExprKind::Global(slot) => return env.global(frame, *slot, span).cloned(),
        ExprKind::Here => {
            return Ok(env.here.map_or_else(|| unknown(&Type::Site, "the site where it takes effect"), Value::Site));
        }
        ExprKind::Text(pieces) => return text(env, pieces, values),
        ExprKind::List(_) => {
            compare::shallow(&values, span)?;
            return Ok(Value::List(Arc::new(values)));
        }
        ExprKind::Record(items) => return record(env, items, values, span, ty),
        ExprKind::Scope(scope) => return scope::build(env, scope, values).map(|s| Value::Scope(Arc::new(s))),
        ExprKind::Field { of, name } => {
            let value = values.pop().unwrap_or(Value::Null);
            return field::field(env, &value, of, name, ty, span);
        }
        ExprKind::Builtin { name, args } => return builtin::call(env, *name, args, values, expr),
        _ => {}
    }
    if let Some(what) = values.iter().find_map(|v| if let Value::Unknown(what) = v { Some(what.clone()) } else { None })
    {
        return Ok(unknown(ty, strict_words(env, expr, &values, &what)));
    }
    let mut values = values.into_iter();
    let mut next = || values.next().unwrap_or(Value::Null);
    match &expr.kind {
        ExprKind::SiteSet(parts) => {
            let mut all = SiteSet::new();
            for part in parts {
                all.add(&placement::to_sites(&next(), part.span)?);
            }
            Ok(Value::Sites(all))
        }
        ExprKind::Index { of, index } => field::index(env, &next(), &next(), of, index.span, span),
        ExprKind::AtSite { .. } => field::at_site(env, &next(), &next(), ty, span),
        ExprKind::Unary { op, .. } => arithmetic::unary(*op, &next(), span),
        ExprKind::Convert(_) => placement::convert(next(), ty, span),
        ExprKind::Placement(op, parts) => {
            let formulas: Result<Vec<_>, Failure> =
                parts.iter().map(|part| placement::to_placement(&next(), part.span)).collect();
            Ok(Value::Placement(Arc::new(placement::connect(*op, formulas?))))
        }
        ExprKind::Count { form, k, of } => {
            let count = k.as_ref().map(|k| (next(), k.span));
            placement::count(*form, count, &next(), of.span)
        }
        ExprKind::NamedSites { names, .. } => placement::named(env, &next(), &next(), names.span),
        ExprKind::Offers { site, service } => {
            let site = placement::to_site(&next(), site.span)?;
            // A site that nobody has asked yet is asked when the operation comes to it.
            Ok(Value::Bool(env.host().inventory().offers(site, service).unwrap_or(true)))
        }
        ExprKind::Label { site, label } => {
            let site = placement::to_site(&next(), site.span)?;
            Ok(field::label(env, site, label))
        }
        _ => Err(Failure::new(&codes::NOT_YET, span, "this has no value")),
    }
}

fn strict_words(env: &Env<'_>, expr: &Expr, values: &[Value], what: &Unknown) -> String {
    match &expr.kind {
        ExprKind::Unary { op: Unary::Not, .. } => format!("not {}", what.what),
        ExprKind::Unary { op: Unary::Negate, .. } => format!("-{}", what.what),
        ExprKind::Index { .. } | ExprKind::NamedSites { .. } => match values {
            [of, index] => format!("{}[{}]", words(env, of), words(env, index)),
            _ => what.what.clone(),
        },
        ExprKind::AtSite { .. } => match values {
            [of, site] => format!("{} at {}", words(env, of), words(env, site)),
            _ => what.what.clone(),
        },
        ExprKind::Count { form, .. } => format!("{} {}", placement::form_words(*form), what.what),
        ExprKind::Label { label, .. } => format!("the {label} of {}", what.what),
        ExprKind::Placement(..) | ExprKind::SiteSet(_) if values.len() > 1 => {
            let parts: Vec<String> = values.iter().map(|v| words(env, v)).collect();
            parts.join(" and ")
        }
        _ => what.what.clone(),
    }
}

/// Unknown parts leave a text unknown; what is known of it is in its description.
fn text(env: &Env<'_>, pieces: &[Piece], values: Vec<Value>) -> Result<Value, Failure> {
    let (mut out, mut described, mut is_unknown) = (String::new(), String::new(), false);
    let mut values = values.into_iter();
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                out.push_str(text);
                described.push_str(text);
            }
            Piece::Value(expr) => {
                let value = values.next().unwrap_or(Value::Null);
                if compare::has_secret(&value) {
                    return Err(Failure::new(&codes::SECRET_SHOWN, expr.span, "a secret cannot be part of a text")
                        .help("give it to the parameter that asks for it as it is"));
                }
                match compare::unsettled(&value) {
                    Some(what) => {
                        is_unknown = true;
                        described += &format!("({})", what.what);
                    }
                    None => {
                        let shown = text_of(&value, env.host().inventory());
                        env.work(shown.len() as u64 / 64, expr.span)?;
                        out.push_str(&shown);
                        described.push_str(if shown.len() < 200 { &shown } else { "…" });
                    }
                }
                if out.len() > MOST_TEXT {
                    return Err(too_large(expr.span, "this text"));
                }
            }
        }
    }
    Ok(match is_unknown {
        true => unknown(&Type::String, format!("\"{described}\"")),
        false => Value::String(out.into()),
    })
}

fn record(env: &Env<'_>, items: &[RecordItem], values: Vec<Value>, span: Span, ty: &Type) -> Result<Value, Failure> {
    let mut record: IndexMap<Name, Value> = IndexMap::new();
    let mut values = values.into_iter();
    let mut next = || values.next().unwrap_or(Value::Null);
    for item in items {
        match item {
            RecordItem::Member(name, _) => {
                record.insert(name.clone(), next());
            }
            RecordItem::Computed(key, _) => {
                let (name, value) = (next(), next());
                match name {
                    Value::String(name) => record.insert(name, value),
                    Value::Unknown(what) => return Ok(unknown(ty, format!("a record with {}", what.what))),
                    other => return Err(wrong(&other, "a string", key.span)),
                };
            }
            RecordItem::Spread(of) => match next() {
                Value::Record(more) => record.extend(more.iter().map(|(k, v)| (k.clone(), v.clone()))),
                Value::Null => {}
                Value::Unknown(what) => return Ok(unknown(ty, format!("a record with {}", what.what))),
                other => return Err(wrong(&other, "a record", of.span)),
            },
        }
        env.tick(span)?;
        if record.len() > super::MOST_ITEMS {
            return Err(too_large(span, "this record"));
        }
    }
    compare::shallow(record.values(), span)?;
    Ok(Value::Record(Arc::new(record)))
}

/// A condition's answer; `Err` of what is not known in a plan. In a run that is owed, and stops it.
pub(super) fn truth(env: &Env<'_>, value: &Value, span: Span) -> Result<Result<bool, Arc<Unknown>>, Failure> {
    match value {
        Value::Bool(holds) => Ok(Ok(*holds)),
        Value::Unknown(what) if env.planning() => Ok(Err(what.clone())),
        Value::Unknown(what) => Err(owed(what, span)),
        other => Err(wrong(other, "true or false", span)),
    }
}

pub(super) fn wrong(found: &Value, wanted: &str, span: Span) -> Failure {
    Failure::new(&codes::WRONG_KIND, span, format!("this is {}, and {wanted} is expected", kind_words(found)))
}

/// What a value is, with its article.
pub(super) fn kind_words(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Int(_) => "an integer",
        Value::Float(_) => "a number with a fraction",
        Value::String(_) => "a string",
        Value::Duration(_) => "a duration",
        Value::Bytes(_) => "a size",
        Value::Percent(_) => "a percentage",
        Value::File(_) => "a file",
        Value::Secret(_) => "a secret",
        Value::Site(_) => "a site",
        Value::Sites(_) => "a site set",
        Value::Placement(_) => "a placement",
        Value::Scope(_) => "a scope",
        Value::List(_) => "a list",
        Value::Record(_) => "a record",
        Value::Table(_) => "a table",
        Value::Handle(_) => "a resource",
        Value::Failure(_) => "a failure",
        Value::Unknown(_) => "not known yet",
    }
}

/// A value in a few words, for the descriptions of unknowns.
pub(super) fn words(env: &Env<'_>, value: &Value) -> String {
    let text = match value {
        Value::Unknown(what) => return what.what.clone(),
        Value::String(text) if text.len() > 60 => return "a long text".into(),
        Value::String(text) => return format!("{text:?}"),
        Value::Handle(handle) => return field::handle_words(handle),
        Value::Table(table) => return query::table_words(table),
        Value::List(items) if items.len() > 8 => return format!("a list of {}", items.len()),
        Value::Record(_) => return "a record".into(),
        other => display(other, env.host().inventory()),
    };
    if text.chars().count() > 60 { kind_words(value).into() } else { text }
}
