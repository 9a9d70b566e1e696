//! Requests out of templates. What a person or a site says can end up in a path: every value there is one
//! percent-encoded segment and nothing else, so that no name can lead a request elsewhere.

use super::evaluate::{evaluate, holds, plain};
use super::{RenderError, Scope, kind_of};
use crate::library::expr::{Expr, ExprKind, Piece, Root};
use crate::library::{
    BodyTemplate, ListOp, Listing, Mark, MarkShape, Method, Param, Payload, Request, Resource, Rows, Service, Template,
};
use crate::span::Span;
use serde_json::{Map, Value as Json};
use std::fmt::Write;

/// How a resource is read by itself: most by their path, a link by a search for its ends.
#[derive(Clone, Debug)]
pub enum Look {
    One(Request),
    /// There when one of the rows has its ends (`same_ends`).
    Rows(Listing),
}

/// The request of a template, with the base path and the version of its service.
pub fn render(service: &Service, template: &Template, scope: &Scope) -> Result<Request, RenderError> {
    let payload = match &template.body {
        BodyTemplate::None => Payload::None,
        // A body of which nothing is left is an empty record: the request was written with one.
        BodyTemplate::Json(body) => Payload::Json(evaluate(body, scope)?.unwrap_or_else(|| Json::Object(Map::new()))),
        BodyTemplate::Form(body) => Payload::Form(pairs(body, scope)?),
        BodyTemplate::Send(_) => Payload::Stream,
    };
    Ok(Request {
        service: service.kind.clone().unwrap_or_else(|| service.name.clone()),
        base: service.base.clone(),
        method: template.method,
        path: path(&template.path, scope)?,
        query: template.query.as_ref().map_or(Ok(Vec::new()), |q| pairs(q, scope))?,
        headers: template.headers.as_ref().map_or(Ok(Vec::new()), |h| headers(h, scope))?,
        payload,
        content_type: template.content_type.clone(),
        version: service.speaks.and(scope.version),
        auth: service.auth.clone(),
        errors: service.errors.clone(),
        repeatable: template.repeatable || matches!(template.method, Method::Get | Method::Head | Method::Delete),
        discreet: false,
    })
}

/// Whether a request is still to be sent: `unless` says that it is not. Asked again before every send.
pub fn wanted(template: &Template, scope: &Scope) -> Result<bool, RenderError> {
    template.unless.as_ref().map_or(Ok(true), |unless| holds(unless, scope).map(|skip| !skip))
}

/// The items that a request is sent for, each as `scope.it`; `None` where it is sent once. What is nothing has none.
pub fn items(template: &Template, scope: &Scope) -> Result<Option<Vec<Json>>, RenderError> {
    let Some(each) = &template.each else { return Ok(None) };
    Ok(Some(match evaluate(each, scope)? {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(items)) => items,
        Some(one) => vec![one],
    }))
}

/// The same request, as one who does not let others object (`insist`): where all of them are named as it says.
pub fn insistence(
    template: &Template,
    request: &Request,
    objecting: &[&str],
    scope: &Scope,
) -> Result<Option<Request>, RenderError> {
    let Some((query, over)) = &template.insist else { return Ok(None) };
    let named = |name: &&str| match over.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == over,
    };
    if objecting.is_empty() || !objecting.iter().all(named) {
        return Ok(None);
    }
    let more = pairs(query, scope)?;
    let mut request = request.clone();
    request.query.retain(|(key, _)| more.iter().all(|(k, _)| k != key));
    request.query.extend(more);
    Ok(Some(request))
}

/// The request that tries without doing, where the service can.
pub fn rehearsal(service: &Service, template: &Template, scope: &Scope) -> Result<Option<Request>, RenderError> {
    let Some(query) = &template.rehearse else { return Ok(None) };
    let mut request = render(service, template, scope)?;
    request.query.extend(pairs(query, scope)?);
    Ok(Some(request))
}

/// Adds what the parameters are when they are not given. `fresh_secret()` is evaluated here, once.
pub fn fill_defaults(params: &[Param], scope: &mut Scope) -> Result<(), RenderError> {
    for param in params {
        if let Some(default) = &param.default
            && !scope.args.contains_key(&param.name)
            && let Some(value) = evaluate(default, scope)?
        {
            scope.args.insert(param.name.clone(), value);
        }
    }
    Ok(())
}

/// All rows of a resource, with what the list's parameters say; `narrowed` adds to the query.
pub fn listing(
    service: &Service,
    resource: &Resource,
    scope: &Scope,
    narrowed: Option<&Expr>,
) -> Result<Listing, RenderError> {
    let list = list_of(resource)?;
    let request = render(service, &list.template, scope)?;
    narrow(service, resource, list, request, narrowed, scope)
}

fn list_of(resource: &Resource) -> Result<&ListOp, RenderError> {
    let cannot = || RenderError::new(resource.span, format!("`{}` cannot be listed", resource.name));
    resource.list.as_ref().ok_or_else(cannot)
}

fn narrow(
    service: &Service,
    resource: &Resource,
    list: &ListOp,
    mut request: Request,
    narrowed: Option<&Expr>,
    scope: &Scope,
) -> Result<Listing, RenderError> {
    if let Some(narrowed) = narrowed {
        let more = pairs(narrowed, scope)?;
        request.query.retain(|(key, _)| more.iter().all(|(k, _)| k != key));
        request.query.extend(more);
    }
    rows_of(service, resource, &list.template, request)
}

fn rows_of(
    service: &Service,
    resource: &Resource,
    template: &Template,
    request: Request,
) -> Result<Listing, RenderError> {
    let rows = template.many.as_ref().or(resource.many.as_ref()).cloned();
    let rows: Rows = rows.ok_or_else(|| RenderError::new(template.span, "it is not said where the rows lie"))?;
    Ok(Listing { request, rows, pages: service.pages })
}

/// The rows among which one of that name is, if any is; `scope.args` holds the name, as `name` or whatever it is called.
/// The filter is a help only: compare with `has_name`.
pub fn found_by_name(service: &Service, resource: &Resource, scope: &Scope) -> Result<Listing, RenderError> {
    listing(service, resource, scope, resource.found_by.as_ref())
}

/// The rows among which those that carry `scope.marker` are: compare with `carries_marker`. `scope.args` holds what the
/// creating request was made of.
pub fn found_by_marker(
    service: &Service,
    resource: &Resource,
    mark: &Mark,
    scope: &Scope,
) -> Result<Listing, RenderError> {
    let mut scope = scope.clone();
    // The search may ask for the marked member as it was sent: `found by { description: description }`.
    if let (MarkShape::Suffix, [member], Some(marker)) = (mark.shape, &mark.at[..], scope.marker.clone()) {
        let written = scope.args.get(&**member).and_then(Json::as_str).unwrap_or_default();
        let whole = suffixed(written, &marker);
        scope.args.insert(member.as_str().into(), whole.into());
    }
    let list = list_of(resource)?;
    // What the list calls by the name of an ingredient need not be it: `labels` are a selector there, and a record here.
    let mut of_list = scope.clone();
    of_list
        .args
        .retain(|name, value| plain(value).is_some() || list.params.iter().all(|p| p.name != *name || !p.plain()));
    let request = render(service, &list.template, &of_list)?;
    narrow(service, resource, list, request, mark.found_by.as_ref(), &scope)
}

/// How the resource is read by itself: `scope.row` holds its id, or its ends.
pub fn look(service: &Service, resource: &Resource, scope: &Scope) -> Result<Look, RenderError> {
    let Some(get) = &resource.get else {
        return Err(RenderError::new(resource.span, format!("`{}` cannot be read by itself", resource.name)));
    };
    if resource.is_link() && resource.found_by.is_some() && !scope.row.contains_key("id") {
        return found_by_name(service, resource, scope).map(Look::Rows);
    }
    let request = render(service, get, scope)?;
    Ok(match &get.many {
        Some(_) => Look::Rows(rows_of(service, resource, get, request)?),
        None => Look::One(request),
    })
}

/// Puts the marker into the creating request, where the mark says. Within the wrapper, if the resource has one.
pub fn place_marker(request: &mut Request, resource: &Resource, mark: &Mark, marker: &str) -> Result<(), RenderError> {
    let wrong = |what: &str| {
        RenderError::new(
            resource.span,
            format!("the request that makes `{}` cannot carry a marker: {what}", resource.name),
        )
    };
    let Payload::Json(Json::Object(body)) = &mut request.payload else { return Err(wrong("its body is no record")) };
    let inside = match &resource.one {
        Some(one) if body.get(one).is_some_and(Json::is_object) => body.get_mut(one).and_then(Json::as_object_mut),
        _ => Some(body),
    };
    let (Some(mut inside), Some((last, before))) = (inside, mark.at.split_last()) else {
        return Err(wrong("there is no place for it"));
    };
    for key in before {
        let next = inside.entry(key.clone()).or_insert_with(|| Json::Object(Map::new()));
        inside = next.as_object_mut().ok_or_else(|| wrong(&format!("`{key}` is no record")))?;
    }
    let place = inside.entry(last.clone()).or_insert(Json::Null);
    match (mark.shape, &mut *place) {
        (MarkShape::Whole, place) => *place = marker.into(),
        (MarkShape::Item, Json::Null) => *place = Json::Array(vec![marker.into()]),
        (MarkShape::Item, Json::Array(items)) => {
            if !items.iter().any(|i| i == marker) {
                items.push(marker.into());
            }
        }
        (MarkShape::Suffix, Json::Null) => *place = suffixed("", marker).into(),
        (MarkShape::Suffix, Json::String(text)) => *text = suffixed(text, marker),
        (MarkShape::Record, place) => {
            if place.is_null() {
                *place = Json::Object(Map::new());
            }
            let Json::Object(record) = place else { return Err(wrong(&format!("`{last}` is no record"))) };
            record.insert(super::answer::RECORD_KEY.to_string(), marker.into());
        }
        (_, other) => return Err(wrong(&format!("`{last}` is {}", kind_of(other)))),
    }
    Ok(())
}

fn suffixed(text: &str, marker: &str) -> String {
    if text.is_empty() { marker.to_string() } else { format!("{text} {marker}") }
}

fn path(expr: &Expr, scope: &Scope) -> Result<String, RenderError> {
    let whole;
    let pieces = match &expr.kind {
        ExprKind::Const(Json::String(text)) => return Ok(text.clone()),
        ExprKind::Text(pieces) => pieces,
        _ => {
            whole = [Piece::Value(expr.clone())];
            &whole[..]
        }
    };
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => out += text,
            Piece::Value(e) => {
                let found = evaluate(e, scope)?;
                let Some(text) = found.as_ref().and_then(plain) else {
                    let found = found.as_ref().map_or("nothing", kind_of);
                    return Err(RenderError::new(e.span, format!("a part of the path is {found}")));
                };
                if is_path(e) { out += &text } else { segment(&mut out, &text, e.span)? }
            }
        }
    }
    Ok(out)
}

/// What the driver or the site itself gave as a path or URL.
fn is_path(e: &Expr) -> bool {
    let head = match &e.kind {
        ExprKind::Path(head, _) => &head.kind,
        kind => kind,
    };
    matches!(head, ExprKind::Root(Root::SelfPath | Root::Kind | Root::Headers))
}

fn segment(out: &mut String, text: &str, span: Span) -> Result<(), RenderError> {
    // Servers and proxies resolve these before they look at anything else, some also behind a slash that was encoded.
    if text.split(['/', '\\']).any(|part| matches!(part, "." | "..")) || text.is_empty() {
        return Err(RenderError::new(span, format!("`{text}` cannot be a part of a path")));
    }
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    Ok(())
}

/// A record as pairs: a list is its key once for each item. Neither a query nor a header can say `null`: it is left out.
fn pairs(expr: &Expr, scope: &Scope) -> Result<Vec<(String, String)>, RenderError> {
    let mut found = Vec::new();
    let members = match evaluate(expr, scope)? {
        None => return Ok(found),
        Some(Json::Object(members)) => members,
        Some(other) => {
            return Err(RenderError::new(expr.span, format!("expected a record, found {}", kind_of(&other))));
        }
    };
    for (key, value) in members {
        let values = match value {
            Json::Array(items) => items,
            one => vec![one],
        };
        for value in values {
            if value.is_null() {
                continue;
            }
            let Some(text) = plain(&value) else {
                return Err(RenderError::new(
                    expr.span,
                    format!("`{key}` is {}, and cannot be sent so", kind_of(&value)),
                ));
            };
            found.push((key.clone(), text));
        }
    }
    Ok(found)
}

fn headers(expr: &Expr, scope: &Scope) -> Result<Vec<(String, String)>, RenderError> {
    let found = pairs(expr, scope)?;
    for (key, value) in &found {
        let name = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        if !name || value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(RenderError::new(expr.span, format!("header `{}` cannot be sent", key.escape_debug())));
        }
    }
    Ok(found)
}
