//! Types, fields and parameters.

use super::clause;
use super::expr::Names;
use super::{Cx, expr};
use crate::library::codes;
use crate::library::{Field, Param, Source};
use crate::syntax::ast;
use crate::types::{Name, Type};
use indexmap::IndexMap;

const BUILT_IN: [(&str, Type); 10] = [
    ("Bool", Type::Bool),
    ("Int", Type::Int),
    ("Float", Type::Float),
    ("String", Type::String),
    ("Bytes", Type::Bytes),
    ("Duration", Type::Duration),
    ("File", Type::File),
    ("Secret", Type::Secret),
    ("Any", Type::Any),
    ("Percent", Type::Percent),
];

pub fn ty(cx: &mut Cx<'_>, written: &ast::Type) -> Type {
    let found = match &written.kind {
        ast::TypeKind::Named(name) => named(cx, name),
        ast::TypeKind::List(of) => Type::list(ty(cx, of)),
        ast::TypeKind::Map(of) => Type::Map(ty(cx, of).into()),
        ast::TypeKind::Record(fields) => {
            let mut members: IndexMap<Name, Type> = IndexMap::new();
            for field in fields {
                let of = ty(cx, &field.ty);
                if members.insert(field.name.text.clone(), of).is_some() {
                    twice(cx, &field.name, "field");
                }
            }
            Type::record(members)
        }
    };
    if written.optional { Type::optional(found) } else { found }
}

fn named(cx: &mut Cx<'_>, name: &ast::Name) -> Type {
    if let Some((_, found)) = BUILT_IN.iter().find(|(n, _)| *n == &*name.text) {
        return found.clone();
    }
    if cx.world.has(&name.text) {
        return Type::Handle(name.text.clone());
    }
    let world = cx.world;
    let candidates = BUILT_IN.iter().map(|(n, _)| *n).chain(world.resources());
    cx.report(&codes::UNKNOWN_TYPE, name.span, format!("there is no type and no resource `{}`", name.text))
        .nearest(&name.text, candidates);
    Type::Error
}

pub fn twice(cx: &mut Cx<'_>, name: &ast::Name, what: &str) {
    cx.report(&codes::DECLARED_TWICE, name.span, format!("{what} `{}` is declared twice", name.text));
}

pub fn field(cx: &mut Cx<'_>, written: &ast::Field) -> Field {
    let mut field = Field {
        name: written.name.text.clone(),
        ty: ty(cx, &written.ty),
        from: Source::Body { path: vec![written.name.text.to_string()], each: None },
        before: None,
        since: None,
        until: None,
        once: false,
        base64: false,
        doc: cx.documentation_of_line(written.name.span),
        span: written.name.span,
    };
    for part in &written.parts {
        match &*part.word.text {
            "from" => {
                if let Some(value) = clause::value(cx, part)
                    && let Some(found) = source(cx, value)
                {
                    field.from = found;
                }
            }
            "when" => {
                if let Some(value) = clause::value(cx, part) {
                    field.before = before(cx, value);
                }
            }
            "as" => match clause::name(cx, part) {
                Some(name) if &*name.text == "base64" => field.base64 = true,
                Some(name) => {
                    cx.report(&codes::CLAUSE_VALUE, name.span, format!("a field is not read as `{}`", name.text))
                        .help("the only one is `as base64`");
                }
                None => {}
            },
            "since" => field.since = clause::version(cx, part),
            "until" => field.until = clause::version(cx, part),
            "once" => {
                clause::bare(cx, part);
                field.once = true;
            }
            _ => clause::misplaced_word(cx, &written.name, &part.word),
        }
    }
    field
}

/// What follows `from`.
fn source(cx: &mut Cx<'_>, value: &ast::Expr) -> Option<Source> {
    if value.as_name().is_some_and(|n| &*n.text == "rest") {
        return Some(Source::Rest);
    }
    if value.as_name().is_some_and(|n| &*n.text == "whole") {
        return Some(Source::Whole);
    }
    if let Some((list, item)) = clause::joined(value, ast::Op::Each) {
        let path = clause::keys(cx, list)?;
        let each = Some(clause::keys(cx, item)?);
        return Some(Source::Body { path, each });
    }
    clause::keys(cx, value).map(source_of)
}

/// `headers."X-Id"` is a header, all else lies in the body.
pub fn source_of(path: Vec<String>) -> Source {
    match &path[..] {
        [headers, name] if headers == "headers" => Source::Header(name.clone()),
        _ => Source::Body { path, each: None },
    }
}

/// `when "2.47" else b`: below the version it is `b`.
fn before(cx: &mut Cx<'_>, value: &ast::Expr) -> Option<(crate::library::Version, Source)> {
    let Some((version, older)) = clause::joined(value, ast::Op::Else) else {
        cx.report(&codes::CLAUSE_VALUE, value.span, "`when` of a field takes a version and an alternative")
            .help("write `from new.place when \"2.47\" else old.place`");
        return None;
    };
    Some((clause::version_of(cx, version)?, source(cx, older)?))
}

/// `as secret`.
fn secret(cx: &mut Cx<'_>, part: &ast::ServicePart) -> bool {
    let Some(kind) = clause::name(cx, part) else { return false };
    if &*kind.text == "secret" {
        return true;
    }
    cx.report(&codes::CLAUSE_VALUE, kind.span, "a parameter is `as secret`, or as it is");
    false
}

pub fn params(cx: &mut Cx<'_>, names: &mut Names, written: &[ast::Param]) -> Vec<Param> {
    let mut params: Vec<Param> = Vec::new();
    for p in written {
        let mut param = Param {
            name: p.name.text.clone(),
            ty: ty(cx, &p.ty),
            default: None,
            since: None,
            until: None,
            needs: None,
            secret: false,
            doc: cx.documentation_of_line(p.name.span),
            span: p.name.span,
        };
        // A default may refer to the parameters before it.
        param.default = p.default.as_ref().map(|e| expr::expr(cx, names, e));
        for part in &p.parts {
            match &*part.word.text {
                "since" => param.since = clause::version(cx, part),
                "until" => param.until = clause::version(cx, part),
                "as" => param.secret = secret(cx, part),
                "needs" => param.needs = clause::name(cx, part).map(|n| n.text),
                _ => clause::misplaced_word(cx, &p.name, &part.word),
            }
        }
        if params.iter().any(|q| q.name == param.name) {
            twice(cx, &p.name, "parameter");
            continue;
        }
        names.params.insert(param.name.clone(), param.ty.clone());
        params.push(param);
    }
    params
}
