//! A service: its own clauses, its shapes, resources and bridges.

use super::expr::{Names, Place};
use super::{Cx, clause, expr, op, resource, template};
use crate::library::codes;
use crate::library::{Bridge, BridgeTry, ErrorShape, Pages, Service};
use crate::span::Span;
use crate::syntax::ast::{self, Line, LineKind, ServicePart};
use crate::types::Name;
use indexmap::IndexMap;

pub fn service(cx: &mut Cx<'_>, written: &ast::Service, span: Span) -> Service {
    let mut service = Service {
        name: written.name.text.clone(),
        stack: written.stack.text.clone(),
        kind: kind(cx, written),
        base: String::new(),
        pages: None,
        speaks: None,
        on: Vec::new(),
        errors: None,
        auth: None,
        resources: IndexMap::new(),
        doc: cx.documentation(span),
        span: written.name.span,
    };
    let mut given: Vec<&str> = Vec::new();
    let mut named = Vec::new();
    let mut bridges = Vec::new();
    for line in &written.lines {
        let (parts, inner) = match &line.kind {
            LineKind::Clause { parts, lines } if !parts.is_empty() => (parts, lines.as_deref()),
            LineKind::Broken(_) | LineKind::Clause { .. } => continue,
            _ => {
                cx.report(&codes::MISPLACED_CLAUSE, line.span, "this belongs into a resource");
                continue;
            }
        };
        let head = &parts[0];
        let word = &*head.word.text;
        if !["on", "shape", "resource", "bridge"].contains(&word) {
            if given.contains(&word) {
                op::repeated(cx, head);
                continue;
            }
            given.push(word);
        }
        match word {
            "base" => {
                clause::only(cx, parts, &[]);
                service.base = clause::text(cx, head).unwrap_or_default();
            }
            "pages by" => {
                clause::only(cx, parts, &[]);
                service.pages = pages(cx, head);
            }
            "speaks" => {
                clause::only(cx, parts, &[".."]);
                let floor = clause::version(cx, head);
                let ceiling = clause::part(parts, "..").map_or(floor, |p| clause::version(cx, p));
                service.speaks = floor.zip(ceiling);
                if service.speaks.is_some_and(|(floor, ceiling)| floor > ceiling) {
                    cx.report(&codes::BAD_VERSION, head.word.span, "the first version is later than the second");
                }
            }
            "on" => service.on.extend(template::on(cx, parts)),
            "errors" => {
                clause::only(cx, parts, &[]);
                service.errors = Some(errors(cx, head));
            }
            "auth" => service.auth = auth(cx, parts),
            "shape" => shape(cx, parts, inner, &mut named),
            "resource" => {
                let lines = inner.unwrap_or_default();
                let of = (&service.name, &service.stack);
                if let Some(found) = resource::resource(cx, parts, lines, of) {
                    if service.resources.contains_key(&found.name) {
                        let message = format!("resource `{}` is described twice", found.name);
                        cx.report(&codes::DECLARED_TWICE, found.span, message);
                    } else {
                        service.resources.insert(found.name.clone(), found);
                    }
                }
            }
            "bridge" => bridges.push((parts, inner.unwrap_or_default())),
            _ => {
                cx.report(&codes::MISPLACED_CLAUSE, head.word.span, format!("`{word}` has no meaning in a service"));
            }
        }
    }
    for (parts, lines) in bridges {
        bridge(cx, &mut service, parts, lines);
    }
    service
}

fn kind(cx: &mut Cx<'_>, written: &ast::Service) -> Option<Name> {
    let value = written.kind.as_ref()?;
    match (value.as_text(), value.as_name()) {
        (Some(text), _) => Some(text.into()),
        (None, Some(name)) if &*name.text == "any" => None,
        _ => {
            cx.report(&codes::CLAUSE_VALUE, value.span, "the kind of a service is a text, or `any`");
            None
        }
    }
}

/// A shape is read with each resource that is like it; here only what is wrong with its head.
fn shape(cx: &mut Cx<'_>, parts: &[ServicePart], inner: Option<&[Line]>, named: &mut Vec<Name>) {
    clause::only(cx, parts, &[]);
    let Some(name) = clause::name(cx, &parts[0]) else { return };
    if inner.is_none() {
        cx.report(&codes::CLAUSE_VALUE, name.span, "a shape has lines in braces");
    }
    if named.contains(&name.text) {
        super::types::twice(cx, &name, "shape");
    }
    named.push(name.text);
}

const PAGES: [(&str, Pages); 5] = [
    ("links", Pages::Links),
    ("next", Pages::Next),
    ("continue", Pages::Continue),
    ("header", Pages::Header),
    ("last", Pages::Last),
];

fn pages(cx: &mut Cx<'_>, part: &ServicePart) -> Option<Pages> {
    let name = clause::name(cx, part)?;
    let found = PAGES.iter().find(|(n, _)| *n == &*name.text).map(|(_, p)| *p);
    if found.is_none() {
        let names = PAGES.map(|(n, _)| n);
        cx.report(&codes::CLAUSE_VALUE, name.span, format!("there is no paging by `{}`", name.text))
            .nearest(&name.text, names)
            .help(format!("it is one of: {}", names.join(", ")));
    }
    found
}

/// `errors { message: path, code: headers."X" }`, evaluated over the body and headers of an error.
fn errors(cx: &mut Cx<'_>, head: &ServicePart) -> ErrorShape {
    let mut shape = ErrorShape { message: None, code: None };
    for (name, value) in clause::entries(cx, head) {
        let place = match &*name.text {
            "message" => &mut shape.message,
            "code" => &mut shape.code,
            other => {
                cx.report(
                    &codes::CLAUSE_VALUE,
                    name.span,
                    format!("an error has a `message` and a `code`, no `{other}`"),
                );
                continue;
            }
        };
        if let Some(keys) = clause::keys(cx, value) {
            *place = Some(super::types::source_of(keys));
        }
    }
    shape
}

/// `auth header "X-API-Key"`, `auth basic`.
fn auth(cx: &mut Cx<'_>, parts: &[ServicePart]) -> Option<(Name, String)> {
    clause::only(cx, parts, &["header"]);
    match clause::part(parts, "header") {
        Some(part) => Some(("header".into(), clause::text(cx, part)?)),
        None => clause::name(cx, &parts[0]).map(|kind| (kind.text, String::new())),
    }
}

fn bridge(cx: &mut Cx<'_>, service: &mut Service, parts: &[ServicePart], lines: &[Line]) {
    clause::only(cx, parts, &[]);
    let Some(name) = clause::name(cx, &parts[0]) else { return };
    let Some(resource) = service.resources.get_mut(&name.text) else {
        let message = format!("service `{}` has no resource `{}`", service.name, name.text);
        cx.report(&codes::UNKNOWN_DESCRIBED, name.span, message)
            .nearest(&name.text, service.resources.keys().map(|k| &**k));
        return;
    };
    let mut names = Names::new(name.text.clone(), Place::Bridge);
    let mut bridge = Bridge {
        same: None,
        recreate: false,
        failed: None,
        ignore: Vec::new(),
        tries: Vec::new(),
        stream: None,
        refers_to: Vec::new(),
        span: name.span,
    };
    for line in lines {
        let LineKind::Clause { parts, lines: inner } = &line.kind else {
            if !matches!(line.kind, LineKind::Broken(_)) {
                cx.report(&codes::MISPLACED_CLAUSE, line.span, "this has no meaning in a bridge");
            }
            continue;
        };
        let Some(head) = parts.first() else { continue };
        match &*head.word.text {
            "same when" => {
                clause::only(cx, parts, &[]);
                bridge.same = clause::value(cx, head).map(|e| expr::expr(cx, &mut names, e));
            }
            "recreate" => {
                clause::only(cx, parts, &[]);
                clause::bare(cx, head);
                bridge.recreate = true;
            }
            "failed when" => bridge.failed = op::failed(cx, &mut names, parts),
            "ignore" => {
                clause::only(cx, parts, &[]);
                let fields = clause::names(cx, head);
                for field in &fields {
                    if !resource.definition.contains(&field.text) && !resource.fixed.contains(&field.text) {
                        let message = format!("`{}` is no field of the definition of `{}`", field.text, resource.name);
                        cx.report(&codes::UNKNOWN_RESOURCE_FIELD, field.span, message)
                            .nearest(&field.text, resource.definition.iter().chain(&resource.fixed).map(|n| &**n));
                    }
                }
                bridge.ignore = fields.into_iter().map(|n| n.text).collect();
            }
            "try" => {
                clause::only(cx, parts, &["when"]);
                let Some(title) = clause::text(cx, head) else { continue };
                let when = clause::part(parts, "when").and_then(|p| clause::value(cx, p));
                let when = when.map(|e| expr::expr(cx, &mut names, e));
                let body = op::instructions(cx, &mut names, inner.as_deref().unwrap_or_default());
                bridge.tries.push(BridgeTry { name: title, when, body });
            }
            "stream" => match parts.iter().position(|p| &*p.word.text == "to") {
                Some(to) => {
                    let from = template::template(cx, &mut names, &parts[1..to]);
                    let into = template::template(cx, &mut names, &parts[to + 1..]);
                    bridge.stream = from.zip(into);
                }
                None => {
                    cx.report(&codes::CLAUSE_VALUE, head.word.span, "`stream` needs both ends")
                        .help("write `stream GET \"/from\" to PUT \"/into\"`");
                }
            },
            "refers to" => {
                clause::only(cx, parts, &["in"]);
                let place = clause::part(parts, "in").and_then(|p| clause::value(cx, p));
                let path = place.and_then(|v| clause::keys(cx, v)).unwrap_or_default();
                for other in clause::names(cx, head) {
                    bridge.refers_to.push((other.text, path.clone()));
                }
            }
            word => {
                let message = format!("`{word}` has no meaning in a bridge");
                cx.report(&codes::MISPLACED_CLAUSE, head.word.span, message);
            }
        }
    }
    if resource.bridge.is_some() {
        super::types::twice(cx, &name, "bridge of");
    } else {
        resource.bridge = Some(bridge);
    }
}
