//! Requests as written: `POST "/servers" json { ... } unless status == "ACTIVE"`.

use super::expr::Names;
use super::{Cx, clause, expr};
use crate::library::codes;
use crate::library::expr::{Expr, ExprKind, Piece, Root};
use crate::library::{AnswerKind, BodyTemplate, Method, On, Rows, Template};
use crate::span::Span;
use crate::syntax::ast::{self, ServicePart};
use serde_json::Value as Json;

/// Reads one request from parts that begin with its method. Words that no request has are reported.
pub fn template(cx: &mut Cx<'_>, names: &mut Names, parts: &[ServicePart]) -> Option<Template> {
    let (head, rest) = parts.split_first()?;
    let Some(method) = clause::method(&head.word.text) else {
        let message = format!("expected a request such as `GET \"/path\"`, found `{}`", head.word.text);
        cx.report(&codes::CLAUSE_VALUE, head.word.span, message);
        return None;
    };
    // For each item of a list, which is `it` in the request.
    let each = rest.iter().find(|p| &*p.word.text == "over").and_then(|p| clause::value(cx, p));
    let each = each.filter(|_| rest.iter().all(|p| &*p.word.text != "insist")).map(|e| expr::expr(cx, names, e));
    names.each += usize::from(each.is_some());
    let template = request(cx, names, method, head, rest);
    names.each -= usize::from(each.is_some());
    template.map(|template| Template { each, ..template })
}

fn request(
    cx: &mut Cx<'_>,
    names: &mut Names,
    method: Method,
    head: &ServicePart,
    rest: &[ServicePart],
) -> Option<Template> {
    let path = clause::value(cx, head).map(|e| expr::expr(cx, names, e))?;
    let mut template = plain(method, path, head.word.span);
    let mut rest = rest.iter();
    while let Some(part) = rest.next() {
        let mut value = |cx: &mut Cx<'_>| clause::value(cx, part).map(|e| expr::expr(cx, names, e));
        match &*part.word.text {
            "query" => template.query = value(cx),
            "headers" => template.headers = value(cx),
            "unless" => template.unless = value(cx),
            word @ ("json" | "form" | "send") => {
                if !matches!(template.body, BodyTemplate::None) {
                    cx.report(&codes::REPEATED_CLAUSE, part.word.span, "a request has one body");
                }
                if let Some(body) = value(cx) {
                    template.body = match word {
                        "json" => BodyTemplate::Json(body),
                        "form" => BodyTemplate::Form(body),
                        _ => BodyTemplate::Send(body),
                    };
                }
            }
            "as" => template.content_type = clause::text(cx, part),
            "one" => template.one = clause::text(cx, part),
            "many" => template.many = rows(cx, part),
            "repeatable" => {
                clause::bare(cx, part);
                template.repeatable = true;
            }
            "entire" => {
                clause::bare(cx, part);
                template.entire = true;
            }
            "rehearse" => {
                clause::bare(cx, part);
                match rest.next() {
                    Some(query) if &*query.word.text == "query" => template.rehearse = rehearsal(cx, names, query),
                    other => {
                        let span = other.map_or(part.word.span, |p| p.word.span);
                        cx.report(&codes::CLAUSE_VALUE, span, "`rehearse` needs a `query`");
                    }
                }
            }
            "over" => {}
            "insist" => {
                clause::bare(cx, part);
                let (query, over) = (rest.next(), rest.next());
                template.insist = insistence(cx, names, part, [query, over]);
            }
            _ => clause::misplaced_word(cx, &head.word, &part.word),
        }
    }
    Some(template)
}

/// The query of `rehearse query { ... }`.
pub fn rehearsal(cx: &mut Cx<'_>, names: &mut Names, query: &ServicePart) -> Option<Expr> {
    clause::value(cx, query).map(|e| expr::expr(cx, names, e))
}

/// `insist query { ... } over "edge*"`.
pub fn insistence(
    cx: &mut Cx<'_>,
    names: &mut Names,
    head: &ServicePart,
    parts: [Option<&ServicePart>; 2],
) -> Option<(Expr, String)> {
    match parts {
        [Some(query), Some(over)] if &*query.word.text == "query" && &*over.word.text == "over" => {
            rehearsal(cx, names, query).zip(clause::text(cx, over))
        }
        _ => {
            cx.report(&codes::CLAUSE_VALUE, head.word.span, "`insist` needs a `query`, and over whom")
                .help("write `insist query { force: true } over \"name*\"`");
            None
        }
    }
}

pub fn plain(method: Method, path: Expr, span: Span) -> Template {
    Template {
        method,
        path,
        query: None,
        headers: None,
        body: BodyTemplate::None,
        content_type: None,
        one: None,
        many: None,
        unless: None,
        repeatable: false,
        entire: false,
        rehearse: None,
        insist: None,
        each: None,
        on: Vec::new(),
        span,
    }
}

/// `METHOD "/p"` and `METHOD "/p/${id}"`, which `at "/p"` stands for.
pub fn at(method: Method, path: &str, with_id: bool, span: Span) -> Template {
    let kind = if with_id {
        let id = Expr { kind: ExprKind::Root(Root::Known("id".into())), span };
        ExprKind::Text(vec![Piece::Text(format!("{path}/")), Piece::Value(id)])
    } else {
        ExprKind::Const(Json::String(path.to_string()))
    };
    plain(method, Expr { kind, span }, span)
}

/// A request to a path that the driver finds.
pub fn found(method: Method, root: Root, span: Span) -> Template {
    let piece = Piece::Value(Expr { kind: ExprKind::Root(root), span });
    plain(method, Expr { kind: ExprKind::Text(vec![piece]), span }, span)
}

/// `many "keypairs" each "keypair"`.
pub fn rows(cx: &mut Cx<'_>, part: &ServicePart) -> Option<Rows> {
    let value = clause::value(cx, part)?;
    if let Some(key) = value.as_text() {
        return Some(Rows { key: key.to_string(), each: None });
    }
    if let Some((list, item)) = clause::joined(value, ast::Op::Each)
        && let (Some(key), Some(each)) = (list.as_text(), item.as_text())
    {
        return Some(Rows { key: key.to_string(), each: Some(each.to_string()) });
    }
    cx.report(&codes::CLAUSE_VALUE, value.span, "`many` takes the key of the list: `many \"servers\"`")
        .help("where each item is wrapped again: `many \"keypairs\" each \"keypair\"`");
    None
}

const KINDS: [(&str, AnswerKind); 8] = [
    ("refused", AnswerKind::Refused),
    ("denied", AnswerKind::Denied),
    ("absent", AnswerKind::Absent),
    ("exists", AnswerKind::Exists),
    ("already", AnswerKind::Already),
    ("busy", AnswerKind::Busy),
    ("stale", AnswerKind::Stale),
    ("conflict", AnswerKind::Conflict),
];

/// `on 409 text "task_state" -> busy`; without a status, `on text "x" -> busy`, any 4xx.
pub fn on(cx: &mut Cx<'_>, parts: &[ServicePart]) -> Option<On> {
    clause::only(cx, parts, &["text", "code", "->"]);
    let status = clause::status(cx, &parts[0])?;
    let code = clause::part(parts, "code").and_then(|p| clause::text(cx, p));
    let text = clause::part(parts, "text").and_then(|p| clause::text(cx, p));
    let Some(arrow) = clause::part(parts, "->") else {
        cx.report(&codes::CLAUSE_VALUE, parts[0].word.span, "`on` does not say what the answer means")
            .help("write `on 409 -> busy`");
        return None;
    };
    let kind = clause::name(cx, arrow)?;
    let Some((_, kind)) = KINDS.iter().find(|(n, _)| *n == &*kind.text) else {
        let names = KINDS.map(|(n, _)| n);
        cx.report(&codes::UNKNOWN_ANSWER_KIND, kind.span, format!("an answer cannot mean `{}`", kind.text))
            .nearest(&kind.text, names)
            .help(format!("it means one of: {}", names.join(", ")));
        return None;
    };
    Some(On { status, code, text, kind: *kind })
}
