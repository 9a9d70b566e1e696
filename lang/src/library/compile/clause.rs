//! Reading the parts of a clause: its word, the values after it, and the further words that it may have. Every reader
//! reports what it cannot use and answers `None`.

use super::Cx;
use crate::library::codes;
use crate::library::{Method, Version};
use crate::syntax::ast::{Expr, ExprKind, Item, Key, Literal, Name, Op, ServicePart, Suffix};

/// Complains about words of a clause that are not among `allowed`.
pub fn only(cx: &mut Cx<'_>, parts: &[ServicePart], allowed: &[&str]) {
    let Some((head, rest)) = parts.split_first() else { return };
    for part in rest {
        if !allowed.contains(&&*part.word.text) {
            misplaced_word(cx, &head.word, &part.word);
        }
    }
}

pub fn misplaced_word(cx: &mut Cx<'_>, clause: &Name, word: &Name) {
    let message = format!("`{}` has no meaning after `{}`", word.text, clause.text);
    cx.report(&codes::MISPLACED_WORD, word.span, message)
        .help("another clause begins on a line of its own, or after `;`");
}

pub fn part<'a>(parts: &'a [ServicePart], word: &str) -> Option<&'a ServicePart> {
    parts.iter().find(|p| &*p.word.text == word)
}

fn wrong(cx: &mut Cx<'_>, part: &ServicePart, wanted: &str) {
    let span = part.values.first().map_or(part.word.span, |v| v.span);
    let verb = if part.values.is_empty() { "needs" } else { "takes" };
    cx.report(&codes::CLAUSE_VALUE, span, format!("`{}` {verb} {wanted}", part.word.text));
}

/// A word without a value.
pub fn bare(cx: &mut Cx<'_>, part: &ServicePart) {
    if !part.values.is_empty() {
        wrong(cx, part, "no value");
    }
}

pub fn value<'a>(cx: &mut Cx<'_>, part: &'a ServicePart) -> Option<&'a Expr> {
    match &part.values[..] {
        [one] => Some(one),
        _ => {
            wrong(cx, part, "one value");
            None
        }
    }
}

pub fn text(cx: &mut Cx<'_>, part: &ServicePart) -> Option<String> {
    match &part.values[..] {
        [one] if one.as_text().is_some() => one.as_text().map(str::to_string),
        [Expr { kind: ExprKind::Broken, .. }] => None,
        _ => {
            wrong(cx, part, "a text such as `\"name\"`");
            None
        }
    }
}

/// `"a", "b"`.
pub fn texts(cx: &mut Cx<'_>, part: &ServicePart) -> Vec<String> {
    let found: Vec<String> = part.values.iter().filter_map(|v| v.as_text().map(str::to_string)).collect();
    if found.is_empty() || found.len() != part.values.len() {
        wrong(cx, part, "texts, with commas between them");
    }
    found
}

pub fn name(cx: &mut Cx<'_>, part: &ServicePart) -> Option<Name> {
    match &part.values[..] {
        [one] if one.as_name().is_some() => one.as_name(),
        [Expr { kind: ExprKind::Broken, .. }] => None,
        _ => {
            wrong(cx, part, "a name");
            None
        }
    }
}

pub fn names(cx: &mut Cx<'_>, part: &ServicePart) -> Vec<Name> {
    let found: Vec<Name> = part.values.iter().filter_map(Expr::as_name).collect();
    if found.is_empty() || found.len() != part.values.len() {
        wrong(cx, part, "names, with commas between them");
    }
    found
}

/// `{ name, tags }`.
pub fn name_set(cx: &mut Cx<'_>, part: &ServicePart) -> Vec<Name> {
    let mut found = Vec::new();
    match &part.values[..] {
        [Expr { kind: ExprKind::Braces(items), .. }] => {
            for item in items {
                match item {
                    Item::Element(e) if e.as_name().is_some() => found.extend(e.as_name()),
                    Item::Broken(_) => {}
                    _ => wrong(cx, part, "names of fields in braces: `{ name, tags }`"),
                }
            }
        }
        _ => wrong(cx, part, "names of fields in braces: `{ name, tags }`"),
    }
    found
}

/// `{ message: path, code: path }`: the entries of a record, each with a plain name.
pub fn entries<'a>(cx: &mut Cx<'_>, part: &'a ServicePart) -> Vec<(Name, &'a Expr)> {
    let mut found = Vec::new();
    match &part.values[..] {
        [Expr { kind: ExprKind::Braces(items), .. }] => {
            for item in items {
                match item {
                    Item::Entry(Key::Name(name), value) => found.push((name.clone(), value)),
                    Item::Broken(_) => {}
                    _ => wrong(cx, part, "a record: `{ name: value }`"),
                }
            }
        }
        _ => wrong(cx, part, "a record: `{ name: value }`"),
    }
    found
}

pub fn status(cx: &mut Cx<'_>, part: &ServicePart) -> Option<u16> {
    match &part.values[..] {
        [Expr { kind: ExprKind::Literal(Literal::Int(n)), .. }] if (300..600).contains(n) => Some(*n as u16),
        _ => {
            wrong(cx, part, "a status of 300 to 599");
            None
        }
    }
}

pub fn version(cx: &mut Cx<'_>, part: &ServicePart) -> Option<Version> {
    let value = value(cx, part)?;
    version_of(cx, value)
}

/// `"2.52"`.
pub fn version_of(cx: &mut Cx<'_>, value: &Expr) -> Option<Version> {
    let found = value.as_text().and_then(Version::parse);
    if found.is_none() {
        cx.report(&codes::BAD_VERSION, value.span, "expected a version such as `\"2.52\"`")
            .help("versions are texts, because 2.10 is later than 2.9");
    }
    found
}

pub fn method(word: &str) -> Option<Method> {
    [Method::Get, Method::Head, Method::Post, Method::Put, Method::Patch, Method::Delete]
        .into_iter()
        .find(|m| m.text() == word)
}

/// A path of keys: `metadata.annotations."edge/effect"`, or a key alone, `"OS-EXT-STS:task_state"`.
pub fn keys(cx: &mut Cx<'_>, value: &Expr) -> Option<Vec<String>> {
    let found = plain_keys(value);
    if found.is_none() && !matches!(value.kind, ExprKind::Broken) {
        cx.report(&codes::CLAUSE_VALUE, value.span, "expected a path of keys such as `metadata.name`")
            .help("an odd key stands in quotes: `metadata.\"x:y\"`");
    }
    found
}

fn plain_keys(value: &Expr) -> Option<Vec<String>> {
    if let Some(text) = value.as_text() {
        return Some(vec![text.to_string()]);
    }
    match &value.kind {
        ExprKind::Name(name) => Some(vec![name.to_string()]),
        ExprKind::Path { head, suffixes } => {
            let mut keys = plain_keys(head)?;
            for suffix in suffixes {
                keys.push(match suffix {
                    Suffix::Field(name) => name.text.to_string(),
                    Suffix::Key(text) => text.as_text()?.to_string(),
                    Suffix::Call(_) | Suffix::Index(_) => return None,
                });
            }
            Some(keys)
        }
        _ => None,
    }
}

/// `a OP b`, for one operator that is not chained.
pub fn joined(value: &Expr, op: Op) -> Option<(&Expr, &Expr)> {
    match &value.kind {
        ExprKind::Chain { first, rest } => match &rest[..] {
            [link] if link.op == op => Some((first, &link.right)),
            _ => None,
        },
        _ => None,
    }
}
