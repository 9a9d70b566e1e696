//! `value.name`, `value[index]`, `table.at(site)`. A member that an open record does not have is null; a member of null
//! is a failure that names the path.

use super::expression::{words, wrong};
use super::machine::{Env, unknown};
use super::{Failure, Handle, Table, Value, codes, placement, query};
use crate::diagnostic::nearest;
use crate::model::SiteId;
use crate::program::{Expr, ExprKind};
use crate::span::Span;
use crate::types::{Name, Type};
use std::sync::Arc;

pub(super) fn field(
    env: &Env<'_>,
    of: &Value,
    path: &Expr,
    name: &Name,
    ty: &Type,
    span: Span,
) -> Result<Value, Failure> {
    match of {
        Value::Unknown(what) => Ok(unknown(
            ty,
            match (&**name, &what.ty) {
                ("present" | "absent" | "unknown", Type::Table(_) | Type::Replicated(_)) => {
                    format!("the sites where {} is {name}", what.what)
                }
                _ => format!("the {name} of {}", what.what),
            },
        )),
        Value::Handle(handle) => Ok(handle_field(handle, name, ty)),
        Value::Table(table) => table_field(env, table, name, span),
        Value::Record(record) => Ok(record.get(name).cloned().unwrap_or(Value::Null)),
        Value::Site(site) => match &**name {
            "name" => Ok(Value::String(env.host().inventory().name(*site).into())),
            _ => Ok(label(env, *site, name)),
        },
        Value::Failure(failure) => match &**name {
            "message" => Ok(Value::String(failure.message.as_str().into())),
            "code" => Ok(Value::String(failure.code.id.into())),
            "sites" => Ok(Value::Sites(failure.site_set())),
            _ => Err(no_field(of, name, &["message", "code", "sites"], span)),
        },
        Value::Placement(formula) if &**name == "sites" => Ok(Value::Sites(formula.sites())),
        Value::Null => Err(of_null(path, &format!("has no `{name}`"), span)),
        other => Err(no_field(other, name, &[], span)),
    }
}

fn no_field(of: &Value, name: &str, known: &[&str], span: Span) -> Failure {
    let message = format!("{} has no field `{name}`", super::expression::kind_words(of));
    let failure = Failure::new(&codes::NO_SUCH_FIELD, span, message);
    match nearest(name, known.iter().copied()) {
        Some(near) => failure.help(format!("did you mean `{near}`?")),
        None => failure,
    }
}

fn of_null(path: &Expr, what: &str, span: Span) -> Failure {
    let path = path_text(path);
    let subject = if path.is_empty() { "this".to_owned() } else { format!("`{path}`") };
    Failure::new(&codes::OF_NULL, span, format!("{subject} is null and {what}"))
        .help("say what holds instead with `else`, or ask first with `!= null`")
}

/// The fields that lead to a value: `addresses.private`. The variable in front has no name here.
fn path_text(path: &Expr) -> String {
    let (mut names, mut at) = (Vec::new(), path);
    loop {
        match &at.kind {
            ExprKind::Field { of, name } => {
                names.push(name.to_string());
                at = of;
            }
            ExprKind::Index { of, index } => {
                names.push(match &index.kind {
                    ExprKind::Const(Value::Int(i)) => format!("[{i}]"),
                    ExprKind::Const(Value::String(key)) => format!("{key:?}"),
                    _ => "[...]".to_owned(),
                });
                at = of;
            }
            ExprKind::Convert(of) => at = of,
            _ => break,
        }
    }
    names.reverse();
    names.join(".").replace(".[", "[")
}

fn handle_field(handle: &Arc<Handle>, name: &Name, ty: &Type) -> Value {
    let later = || unknown(ty, format!("the {name} of {}", handle_words(handle)));
    match &**name {
        "site" if handle.elsewhere.is_empty() => Value::Site(handle.site),
        "site" => later(),
        "id" if !handle.id.is_empty() => Value::String(handle.id.clone()),
        "id" if handle.pending => later(),
        _ => match handle.fields.get(name) {
            Some(value) => value.clone(),
            None if handle.pending => later(),
            None => Value::Null,
        },
    }
}

/// `server "web"`.
pub(super) fn handle_words(handle: &Handle) -> String {
    match handle.fields.get("name") {
        Some(Value::String(name)) if name.len() <= 60 => format!("{} {name:?}", handle.resource),
        _ if !handle.id.is_empty() => format!("{} {}", handle.resource, handle.id),
        _ => format!("the {}", handle.resource),
    }
}

/// In a plan, what is planned is taken to be there; in a run, what is owed is unknown.
fn table_field(env: &Env<'_>, table: &Table, name: &Name, span: Span) -> Result<Value, Failure> {
    let owed: crate::model::SiteSet = match env.planning() {
        true => Default::default(),
        false => table.rows.iter().filter(|row| row.pending).filter_map(|row| row.site).collect(),
    };
    match &**name {
        // Rows as they were last seen do not say what is there now.
        "present" => Ok(Value::Sites(table.present().difference(&owed).difference(&table.unknown_sites()))),
        "absent" => Ok(Value::Sites(table.absent())),
        "unknown" => Ok(Value::Sites(table.unknown_sites().union(&owed))),
        "sites" => Ok(Value::Sites(table.asked.union(&table.present()))),
        _ => {
            let message = match table.columns.iter().any(|c| c == name) {
                true => format!("`{name}` is a field of each row, and this is a table"),
                false => format!("a table has no field `{name}`"),
            };
            Err(Failure::new(&codes::NO_SUCH_FIELD, span, message)
                .help("take the row of one site with `.at(site)`, or go through the rows with `for`"))
        }
    }
}

/// A label of a site, or what the inventory says of it; null where it has none.
pub(super) fn label(env: &Env<'_>, site: SiteId, name: &str) -> Value {
    let Some(known) = env.host().inventory().get(site) else { return Value::Null };
    match (known.labels.get(name), name) {
        (Some(text), _) => Value::String(text.clone()),
        (None, "name") => Value::String(known.name.clone()),
        (None, "kind" | "stack") if !known.stack.is_empty() => Value::String(known.stack.clone()),
        _ => Value::Null,
    }
}

pub(super) fn index(
    env: &Env<'_>,
    of: &Value,
    index: &Value,
    path: &Expr,
    at: Span,
    span: Span,
) -> Result<Value, Failure> {
    match (of, index) {
        (Value::List(items), Value::Int(i)) => {
            let found = usize::try_from(*i).ok().and_then(|i| items.get(i));
            found.cloned().ok_or_else(|| no_index(*i, items.len(), "list", at))
        }
        (Value::Table(table), Value::Int(i)) => {
            let found = usize::try_from(*i).ok().filter(|i| *i < table.rows.len());
            found.map(|i| query::row_value(table, i)).ok_or_else(|| no_index(*i, table.rows.len(), "table", at))
        }
        (Value::Record(record), Value::String(key)) => Ok(record.get(key).cloned().unwrap_or(Value::Null)),
        (Value::Null, _) => Err(of_null(path, &format!("has no `[{}]`", words(env, index)), span)),
        (Value::List(_) | Value::Table(_), other) => Err(wrong(other, "an integer", at)),
        (Value::Record(_), other) => Err(wrong(other, "a string", at)),
        (other, _) => Err(wrong(other, "a list or a record", span)),
    }
}

fn no_index(index: i64, length: usize, what: &str, span: Span) -> Failure {
    let failure = Failure::new(&codes::NO_SUCH_INDEX, span, format!("there is no item {index} in this {what}"));
    match length {
        0 => failure.help(format!("the {what} is empty")),
        1 => failure.help("its only item is 0"),
        n => failure.help(format!("its items are 0 to {}", n - 1)),
    }
}

pub(super) fn at_site(env: &Env<'_>, of: &Value, site: &Value, ty: &Type, span: Span) -> Result<Value, Failure> {
    let site = placement::to_site(site, span)?;
    let table = match of {
        Value::Table(table) => table,
        Value::Handle(handle) if handle.site == site => return Ok(of.clone()),
        Value::Handle(handle) => return Err(not_there(env, &handle_words(handle), site, "is not at", span)),
        other => return Err(wrong(other, "a table", span)),
    };
    let rows: Vec<usize> = (0..table.rows.len()).filter(|i| table.rows[*i].site == Some(site)).collect();
    if matches!(ty, Type::Table(_) | Type::Replicated(_)) {
        let mut part = Table { rows: rows.iter().map(|i| table.rows[*i].clone()).collect(), ..(**table).clone() };
        part.asked = part.asked.intersection(&crate::model::SiteSet::of(site));
        part.unknown.retain(|s, _| *s == site);
        return Ok(Value::Table(Arc::new(part)));
    }
    match (rows.first(), table.unknown.get(&site)) {
        (Some(i), _) => Ok(query::row_value(table, *i)),
        (None, Some(why)) => {
            let failure = not_there(env, &query::table_words(table), site, "is unknown at", span);
            Err(failure.at(site, why.to_string()))
        }
        (None, None) if matches!(ty, Type::Optional(_)) => Ok(Value::Null),
        (None, None) => Err(not_there(env, &query::table_words(table), site, "is not at", span)),
    }
}

fn not_there(env: &Env<'_>, what: &str, site: SiteId, how: &str, span: Span) -> Failure {
    let message = format!("{what} {how} `{}`", env.host().inventory().name(site));
    Failure::new(&codes::NO_SUCH_SITE, span, message).help("`.present` is the set of the sites that have it")
}
