//! Expressions: every name resolved to where its value comes from, or reported.

use super::{Cx, clause};
use crate::library::codes;
use crate::library::expr::{Arithmetic, Comparison, Expr, ExprKind, Function, Link, Member, PathStep, Piece, Root};
use crate::span::Span;
use crate::syntax::ast;
use crate::types::{Name, Type};
use indexmap::IndexMap;
use serde_json::Value as Json;

/// The names that mean something where an expression stands.
#[derive(Clone)]
pub struct Names {
    pub resource: Name,
    pub params: IndexMap<Name, Type>,
    /// Reads that are followed.
    pub followed: Vec<Name>,
    pub place: Place,
    /// How many `each` are around.
    pub each: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Resource,
    Part,
    Bridge,
}

impl Names {
    pub fn new(resource: Name, place: Place) -> Names {
        Names { resource, params: IndexMap::new(), followed: Vec::new(), place, each: 0 }
    }
}

const EVERYWHERE: [(&str, Root); 12] = [
    ("before", Root::Before),
    ("body", Root::Body),
    ("headers", Root::Headers),
    ("answer", Root::Answer),
    ("marker", Root::Marker),
    ("effect", Root::Effect),
    ("account", Root::Account),
    ("version", Root::Version),
    ("self", Root::SelfPath),
    ("kind", Root::Kind),
    // The same, where a parameter is called `kind`.
    ("kinds", Root::Kind),
    ("api", Root::Api),
];
const IN_PARTS: [(&str, Root); 3] = [("item", Root::Item), ("key", Root::Key), ("value", Root::Value)];
const IN_BRIDGES: [(&str, Root); 2] = [("source", Root::Source), ("regions", Root::Regions)];

/// What stands where something could not be read; it was reported.
fn nothing(span: Span) -> Expr {
    Expr { kind: ExprKind::Const(Json::Null), span }
}

pub fn expr(cx: &mut Cx<'_>, names: &mut Names, e: &ast::Expr) -> Expr {
    let kind = match &e.kind {
        ast::ExprKind::Broken => return nothing(e.span),
        ast::ExprKind::Paren(inner) => return expr(cx, names, inner),
        ast::ExprKind::Name(name) => match root(cx, names, name, e.span) {
            Some(root) => ExprKind::Root(root),
            None => return nothing(e.span),
        },
        ast::ExprKind::Literal(literal) => match constant(literal) {
            Some(value) => ExprKind::Const(value),
            None => return foreign(cx, e.span),
        },
        ast::ExprKind::Text(parts) => text(cx, names, parts),
        ast::ExprKind::List(items) => ExprKind::List(items.iter().map(|i| expr(cx, names, i)).collect()),
        ast::ExprKind::Braces(items) => ExprKind::Record(members(cx, names, items)),
        ast::ExprKind::Path { head, suffixes } => return path(cx, names, head, suffixes, e.span),
        ast::ExprKind::Minus { times, of } => match &of.kind {
            ast::ExprKind::Literal(ast::Literal::Int(n)) => {
                let n = if times % 2 == 0 { *n } else { n.wrapping_neg() };
                ExprKind::Const(n.into())
            }
            _ => return foreign(cx, e.span),
        },
        ast::ExprKind::Not { times, of } => {
            let of = expr(cx, names, of);
            if times % 2 == 0 {
                return of;
            }
            ExprKind::Not(Box::new(of))
        }
        ast::ExprKind::Chain { first, rest } => return chain(cx, names, first, rest, e.span),
        ast::ExprKind::Compose(_)
        | ast::ExprKind::Count { .. }
        | ast::ExprKind::Offers(_)
        | ast::ExprKind::Placed { .. }
        | ast::ExprKind::Query { .. } => return foreign(cx, e.span),
    };
    Expr { kind, span: e.span }
}

fn foreign(cx: &mut Cx<'_>, span: Span) -> Expr {
    cx.report(&codes::FOREIGN_EXPRESSION, span, "descriptions have no such expression")
        .help("templates are made of values, records, lists, texts, comparisons, `each` and `else`");
    nothing(span)
}

fn constant(literal: &ast::Literal) -> Option<Json> {
    Some(match literal {
        ast::Literal::Null => Json::Null,
        ast::Literal::Bool(b) => Json::Bool(*b),
        ast::Literal::Int(n) => (*n).into(),
        ast::Literal::Float(x) => (*x).into(),
        ast::Literal::Size(bytes) => (*bytes).into(),
        ast::Literal::Duration(_) | ast::Literal::Percent(_) => return None,
    })
}

fn text(cx: &mut Cx<'_>, names: &mut Names, parts: &[ast::Part]) -> ExprKind {
    if let [ast::Part::Text(text)] = parts {
        return ExprKind::Const(text.clone().into());
    }
    let piece = |p: &ast::Part| match p {
        ast::Part::Text(text) => Piece::Text(text.clone()),
        ast::Part::Expr(e) => Piece::Value(expr(cx, names, e)),
    };
    ExprKind::Text(parts.iter().map(piece).collect())
}

fn root(cx: &mut Cx<'_>, names: &Names, name: &Name, span: Span) -> Option<Root> {
    let special = |table: &[(&'static str, Root)]| table.iter().find(|(n, _)| *n == &**name).map(|(_, r)| r.clone());
    if &**name == "it" && names.each > 0 {
        return Some(Root::It);
    }
    if names.params.contains_key(name) {
        return Some(Root::Param(name.clone()));
    }
    let local: &[(&str, Root)] = match names.place {
        Place::Resource => &[],
        Place::Part => &IN_PARTS,
        Place::Bridge => &IN_BRIDGES,
    };
    if let Some(root) = special(local) {
        return Some(root);
    }
    if names.followed.contains(name) || cx.world.knows(&names.resource, name) {
        return Some(Root::Known(name.clone()));
    }
    if let Some(root) = special(&EVERYWHERE) {
        return Some(root);
    }
    let world = cx.world;
    let candidates: Vec<&str> = names
        .params
        .keys()
        .chain(&names.followed)
        .map(|n| &**n)
        .chain(world.known(&names.resource))
        .chain(local.iter().chain(&EVERYWHERE).map(|(n, _)| *n))
        .collect();
    cx.report(&codes::UNKNOWN_TEMPLATE_NAME, span, format!("`{name}` is no parameter and no field here"))
        .nearest(name, candidates);
    None
}

fn members(cx: &mut Cx<'_>, names: &mut Names, items: &[ast::Item]) -> Vec<Member> {
    let mut found: Vec<Member> = Vec::new();
    for item in items {
        let (key, member) = match item {
            ast::Item::Element(e) => match e.as_name() {
                Some(name) => (Some(name.clone()), Member::Named(name.text.clone(), expr(cx, names, e))),
                None => {
                    cx.report(&codes::FOREIGN_EXPRESSION, e.span, "a record has members such as `name: value`");
                    continue;
                }
            },
            ast::Item::Entry(ast::Key::Name(name) | ast::Key::Text(name), value) => {
                (Some(name.clone()), Member::Named(name.text.clone(), expr(cx, names, value)))
            }
            ast::Item::Entry(ast::Key::Computed(key), value) => {
                (None, Member::Computed(expr(cx, names, key), expr(cx, names, value)))
            }
            ast::Item::Spread(e) => (None, Member::Spread(expr(cx, names, e))),
            ast::Item::Service(name, value) => {
                cx.report(
                    &codes::FOREIGN_EXPRESSION,
                    name.span.to(value.span),
                    "a record has members such as `name: value`",
                )
                .help(format!("write `{}: {{ ... }}`", name.text));
                continue;
            }
            ast::Item::Broken(_) => continue,
        };
        if let Some(key) = key
            && found.iter().any(|m| matches!(m, Member::Named(n, _) if *n == key.text))
        {
            super::types::twice(cx, &key, "member");
            continue;
        }
        found.push(member);
    }
    found
}

fn path(cx: &mut Cx<'_>, names: &mut Names, head: &ast::Expr, suffixes: &[ast::Suffix], span: Span) -> Expr {
    let (mut of, rest) = match (&head.kind, suffixes) {
        (ast::ExprKind::Name(name), [ast::Suffix::Call(args), rest @ ..]) => {
            (call(cx, names, name, args, head.span), rest)
        }
        _ => (expr(cx, names, head), suffixes),
    };
    let mut steps = Vec::new();
    for suffix in rest {
        match suffix {
            ast::Suffix::Field(name) => steps.push(PathStep::Member(name.text.clone(), name.span)),
            ast::Suffix::Key(key) => match key.as_text() {
                Some(text) => steps.push(PathStep::Member(text.into(), key.span)),
                None => steps.push(PathStep::Index(expr(cx, names, key))),
            },
            ast::Suffix::Index(index) => steps.push(PathStep::Index(expr(cx, names, index))),
            ast::Suffix::Call(_) => {
                cx.report(&codes::UNKNOWN_FUNCTION, span, "values of descriptions have no functions of their own");
            }
        }
    }
    if let Some(PathStep::Member(field, at)) = steps.first() {
        check_field(cx, names, &of, field, *at);
    }
    if !steps.is_empty() {
        of = Expr { kind: ExprKind::Path(Box::new(of), steps), span };
    }
    of
}

/// `flavor.id`: a handle has the fields of its resource.
fn check_field(cx: &mut Cx<'_>, names: &Names, of: &Expr, field: &Name, at: Span) {
    let resource: Name = match &of.kind {
        ExprKind::Root(Root::Param(name)) => match names.params.get(name).map(Type::present) {
            Some(Type::Handle(resource)) => resource.clone(),
            _ => return,
        },
        ExprKind::Root(Root::Before | Root::Source) => names.resource.clone(),
        ExprKind::Root(Root::Known(name)) if cx.world.has(name) && !names.followed.contains(name) => return,
        _ => return,
    };
    let world = cx.world;
    if &**field != "region" && &**field != "site" && !world.knows(&resource, field) {
        cx.report(&codes::UNKNOWN_RESOURCE_FIELD, at, format!("`{resource}` has no field `{field}`"))
            .nearest(field, world.known(&resource));
    }
}

fn call(cx: &mut Cx<'_>, names: &mut Names, name: &Name, args: &[ast::Arg], span: Span) -> Expr {
    let Some((_, function, wanted)) = Function::ALL.iter().find(|(n, ..)| *n == &**name) else {
        cx.report(&codes::UNKNOWN_FUNCTION, span, format!("descriptions have no function `{name}`"))
            .nearest(name, Function::ALL.iter().map(|(n, ..)| *n));
        return nothing(span);
    };
    let mut given = Vec::new();
    for arg in args {
        match arg {
            ast::Arg::Positional(e) => given.push(expr(cx, names, e)),
            ast::Arg::Named(n, _) => {
                cx.report(&codes::UNKNOWN_FUNCTION, n.span, format!("`{name}` takes no named arguments"));
                return nothing(span);
            }
            ast::Arg::Broken(_) => return nothing(span),
        }
    }
    if given.len() != *wanted {
        let message = format!("`{name}` takes {}, not {}", counted(*wanted), given.len());
        cx.report(&codes::UNKNOWN_FUNCTION, span, message);
        return nothing(span);
    }
    Expr { kind: ExprKind::Call(*function, given), span }
}

fn counted(n: usize) -> String {
    match n {
        0 => "no argument".to_string(),
        1 => "one argument".to_string(),
        n => format!("{n} arguments"),
    }
}

/// Operators of one level; the parser has reported a mix of them.
fn chain(cx: &mut Cx<'_>, names: &mut Names, first: &ast::Expr, rest: &[ast::Link], span: Span) -> Expr {
    use ast::Op;
    let Some(link) = rest.first() else { return expr(cx, names, first) };
    let kind = match link.op {
        Op::And | Op::Or => {
            let mut all = vec![expr(cx, names, first)];
            all.extend(rest.iter().map(|l| expr(cx, names, &l.right)));
            if link.op == Op::And { ExprKind::And(all) } else { ExprKind::Or(all) }
        }
        Op::Eq | Op::Ne | Op::Lt | Op::Le | Op::Gt | Op::Ge | Op::In => {
            let comparison = match link.op {
                Op::Eq => Comparison::Equal,
                Op::Ne => Comparison::NotEqual,
                Op::Lt => Comparison::Less,
                Op::Le => Comparison::LessEqual,
                Op::Gt => Comparison::Greater,
                Op::Ge => Comparison::GreaterEqual,
                _ => Comparison::In,
            };
            let left = expr(cx, names, first);
            if matches!(left.kind, ExprKind::Root(Root::Version)) && comparison != Comparison::In {
                match clause::version_of(cx, &link.right) {
                    Some(version) => ExprKind::Version(comparison, version),
                    None => return nothing(span),
                }
            } else {
                let right = expr(cx, names, &link.right);
                ExprKind::Compare(comparison, Box::new(left), Box::new(right))
            }
        }
        Op::Plus | Op::Minus | Op::Times | Op::Divide => {
            let first = expr(cx, names, first);
            let rest = rest.iter().filter_map(|l| {
                let op = match l.op {
                    Op::Plus => Arithmetic::Add,
                    Op::Minus => Arithmetic::Subtract,
                    Op::Times => Arithmetic::Multiply,
                    Op::Divide => Arithmetic::Divide,
                    _ => return None,
                };
                Some((op, expr(cx, names, &l.right)))
            });
            ExprKind::Arithmetic(Box::new(first), rest.collect())
        }
        Op::Else | Op::Each => {
            let first = expr(cx, names, first);
            let mut links = Vec::new();
            for link in rest {
                if link.op == Op::Each {
                    names.each += 1;
                    links.push((Link::Each, expr(cx, names, &link.right)));
                    names.each -= 1;
                } else {
                    links.push((Link::Else, expr(cx, names, &link.right)));
                }
            }
            ExprKind::Chain(Box::new(first), links)
        }
        Op::Xor | Op::Like | Op::Union | Op::Meet | Op::Parity => return foreign(cx, link.at),
    };
    Expr { kind, span }
}
