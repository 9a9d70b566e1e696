//! Operations: `op stop(server: server) -> server { ... }`, and the instructions that they and `undo`, `delete` and
//! bridges are made of.

use super::expr::Names;
use super::{Cx, clause, expr, template, types};
use crate::library::codes;
use crate::library::expr::Expr;
use crate::library::{FailedWhen, Instruction, On, Op, Template, Undo, Version};
use crate::syntax::ast::{self, Arg, Line, LineKind, ServicePart, Suffix};
use crate::types::Name;

pub struct Declared<'a> {
    pub read: bool,
    pub name: &'a ast::Name,
    pub params: &'a [ast::Param],
    pub result: Option<&'a ast::Type>,
    pub lines: &'a [Line],
}

/// What an operation says beside its instructions.
#[derive(Default)]
struct Sides {
    already: Option<Expr>,
    undo: Option<Undo>,
    on: Vec<On>,
    since: Option<Version>,
    until: Option<Version>,
}

pub fn op(cx: &mut Cx<'_>, mut names: Names, declared: Declared<'_>) -> Op {
    let params = types::params(cx, &mut names, declared.params);
    let result = declared.result.map(|t| types::ty(cx, t));
    let mut sides = Sides::default();
    let mut body = lines(cx, &mut names, declared.lines, Some(&mut sides));
    if declared.read {
        repeatable(&mut body);
    }
    if sides.undo.is_none() && !declared.read {
        let message = format!("`{}` does not say how it is undone", declared.name.text);
        cx.report(&codes::NO_UNDO, declared.name.span, message).help(
            "add `undo delete`, `undo restore`, `undo OPERATION`, `undo { ... }`, `undo none \"why it may stay\"` or \
             `undo final`; or make it a `read op`",
        );
    }
    Op {
        name: declared.name.text.clone(),
        read: declared.read,
        params,
        result,
        body,
        already: sides.already,
        undo: sides.undo.unwrap_or(Undo::Final),
        on: sides.on,
        since: sides.since,
        until: sides.until,
        doc: cx.documentation(declared.name.span),
        span: declared.name.span,
    }
}

/// What changes nothing may be sent again.
fn repeatable(body: &mut [Instruction]) {
    for instruction in body {
        match instruction {
            Instruction::Send(template) => template.repeatable = true,
            Instruction::If { then, otherwise, .. } => {
                repeatable(then);
                repeatable(otherwise);
            }
            _ => {}
        }
    }
}

/// Instructions alone: of `delete { ... }`, `undo { ... }`, and of the tries of a bridge.
pub fn instructions(cx: &mut Cx<'_>, names: &mut Names, written: &[Line]) -> Vec<Instruction> {
    lines(cx, names, written, None)
}

fn lines(cx: &mut Cx<'_>, names: &mut Names, written: &[Line], mut sides: Option<&mut Sides>) -> Vec<Instruction> {
    let mut found = Vec::new();
    for line in written {
        match &line.kind {
            LineKind::Clause { parts, lines: inner } => {
                clause_line(cx, names, parts, inner.as_deref(), sides.as_deref_mut(), &mut found);
            }
            LineKind::If { cond, then, otherwise } => {
                let cond = expr::expr(cx, names, cond);
                let then = lines(cx, names, then, None);
                let otherwise = otherwise.as_ref().map(|l| lines(cx, names, l, None)).unwrap_or_default();
                found.push(Instruction::If { cond, then, otherwise });
            }
            LineKind::Broken(_) => {}
            LineKind::Fields(_) | LineKind::Op { .. } | LineKind::List { .. } | LineKind::Chosen(..) => {
                let span = line.span;
                cx.report(&codes::MISPLACED_CLAUSE, span, "this belongs to a resource, not into an operation");
            }
        }
    }
    found
}

fn clause_line(
    cx: &mut Cx<'_>,
    names: &mut Names,
    parts: &[ServicePart],
    inner: Option<&[Line]>,
    sides: Option<&mut Sides>,
    found: &mut Vec<Instruction>,
) {
    let Some(head) = parts.first() else { return };
    let word = &*head.word.text;
    if let Some(inner) = inner.filter(|_| word != "undo") {
        let span = inner.first().map_or(head.word.span, |l| l.span);
        cx.report(&codes::MISPLACED_CLAUSE, span, format!("`{word}` has no lines of its own"));
    }
    if clause::method(word).is_some() {
        found.extend(template::template(cx, names, parts).map(Instruction::Send));
        return;
    }
    let sole = |cx: &mut Cx<'_>, names: &mut Names| {
        clause::only(cx, parts, &[]);
        clause::value(cx, head).map(|e| expr::expr(cx, names, e))
    };
    match (word, sides) {
        ("follow", _) => {
            if let Some((name, template)) = followed(cx, names, parts) {
                names.followed.push(name.clone());
                found.push(Instruction::Follow { name, template });
            }
        }
        ("wait until", _) => found.extend(sole(cx, names).map(Instruction::WaitUntil)),
        ("ready when", _) => found.extend(sole(cx, names).map(Instruction::Ready)),
        ("ready like", _) => {
            clause::only(cx, parts, &[]);
            match clause::name(cx, head) {
                Some(name) if &*name.text == "kind" => found.push(Instruction::ReadyLike),
                Some(name) => {
                    cx.report(&codes::CLAUSE_VALUE, name.span, "it is ready like its `kind`");
                }
                None => {}
            }
        }
        ("answer", _) => found.extend(sole(cx, names).map(Instruction::Answer)),
        ("failed when", _) => found.extend(failed(cx, names, parts).map(Instruction::Failed)),
        ("call", _) => found.extend(call(cx, names, parts)),
        ("rehearse", _) => {
            let query = clause::part(parts, "query").and_then(|p| template::rehearsal(cx, names, p));
            clause::only(cx, parts, &["query"]);
            match last_request(found) {
                Some(last) => last.rehearse = query,
                None => nothing_before(cx, head),
            }
        }
        ("insist", _) => {
            let insist = template::insistence(cx, names, head, [parts.get(1), parts.get(2)]);
            match last_request(found) {
                Some(last) => last.insist = insist,
                None => nothing_before(cx, head),
            }
        }
        ("on", sides) => {
            if let Some(on) = template::on(cx, parts) {
                match (last_request(found), sides) {
                    (Some(last), _) => last.on.push(on),
                    (None, Some(sides)) => sides.on.push(on),
                    (None, None) => nothing_before(cx, head),
                }
            }
        }
        ("already when", Some(sides)) => {
            let already = sole(cx, names);
            set(cx, head, &mut sides.already, already);
        }
        ("since", Some(sides)) => {
            clause::only(cx, parts, &[]);
            let version = clause::version(cx, head);
            set(cx, head, &mut sides.since, version);
        }
        ("until", Some(sides)) => {
            clause::only(cx, parts, &[]);
            let version = clause::version(cx, head);
            set(cx, head, &mut sides.until, version);
        }
        ("undo", Some(sides)) => {
            let undo = undo(cx, names, parts, inner);
            set(cx, head, &mut sides.undo, undo);
        }
        ("already when" | "since" | "until" | "undo", None) => {
            cx.report(
                &codes::MISPLACED_CLAUSE,
                head.word.span,
                format!("`{word}` is said once of an operation, outside of its blocks"),
            );
        }
        _ => {
            cx.report(&codes::MISPLACED_CLAUSE, head.word.span, format!("`{word}` has no meaning in an operation"));
        }
    }
}

fn set<T>(cx: &mut Cx<'_>, head: &ServicePart, place: &mut Option<T>, value: Option<T>) {
    if place.is_some() {
        repeated(cx, head);
    } else {
        *place = value;
    }
}

pub fn repeated(cx: &mut Cx<'_>, head: &ServicePart) {
    cx.report(&codes::REPEATED_CLAUSE, head.word.span, format!("`{}` is given twice", head.word.text));
}

fn last_request(found: &mut [Instruction]) -> Option<&mut Template> {
    match found.last_mut()? {
        Instruction::Send(template) => Some(template),
        _ => None,
    }
}

fn nothing_before(cx: &mut Cx<'_>, head: &ServicePart) {
    let message = format!("`{}` belongs after a request, and there is none before it", head.word.text);
    cx.report(&codes::MISPLACED_CLAUSE, head.word.span, message);
}

/// `follow tasks GET "/path"`.
pub fn followed(cx: &mut Cx<'_>, names: &mut Names, parts: &[ServicePart]) -> Option<(Name, Template)> {
    let head = &parts[0];
    let name = clause::name(cx, head)?;
    if parts.len() == 1 {
        cx.report(&codes::CLAUSE_VALUE, head.word.span, "`follow` needs a request: `follow tasks GET \"/path\"`");
        return None;
    }
    Some((name.text, template::template(cx, names, &parts[1..])?))
}

/// `failed when status == "ERROR" because fault.message`.
pub fn failed(cx: &mut Cx<'_>, names: &mut Names, parts: &[ServicePart]) -> Option<FailedWhen> {
    clause::only(cx, parts, &["because"]);
    let when = clause::value(cx, &parts[0]).map(|e| expr::expr(cx, names, e))?;
    let because = clause::part(parts, "because").and_then(|p| clause::value(cx, p));
    let because = because.map(|e| expr::expr(cx, names, e));
    Some(FailedWhen { when, because })
}

fn undo(cx: &mut Cx<'_>, names: &mut Names, parts: &[ServicePart], inner: Option<&[Line]>) -> Option<Undo> {
    let head = &parts[0];
    clause::only(cx, parts, &["none"]);
    if let Some(inner) = inner {
        return Some(Undo::Block(instructions(cx, names, inner)));
    }
    if let Some(none) = clause::part(parts, "none") {
        return clause::text(cx, none).map(Undo::None);
    }
    let name = clause::name(cx, head)?;
    Some(match &*name.text {
        "delete" => Undo::Delete,
        "restore" => Undo::Restore,
        "final" => Undo::Final,
        "none" => {
            cx.report(&codes::CLAUSE_VALUE, name.span, "`undo none` needs the reason why it may stay")
                .help("write `undo none \"it runs elsewhere, unharmed\"`, or `undo final` if it cannot be taken back");
            return None;
        }
        _ => Undo::Op(name.text),
    })
}

/// `call resize(server, flavor: before.flavor_name)`.
fn call(cx: &mut Cx<'_>, names: &mut Names, parts: &[ServicePart]) -> Option<Instruction> {
    clause::only(cx, parts, &[]);
    let value = clause::value(cx, &parts[0])?;
    let called = match &value.kind {
        ast::ExprKind::Path { head, suffixes } => match &suffixes[..] {
            [Suffix::Call(args)] => head.as_name().map(|n| (n, args)),
            _ => None,
        },
        _ => None,
    };
    let Some((op, args)) = called else {
        cx.report(&codes::CLAUSE_VALUE, value.span, "`call` takes an operation of this resource: `call start(server)`");
        return None;
    };
    let mut given: Vec<(Option<Name>, Expr)> = Vec::new();
    for arg in args {
        match arg {
            Arg::Positional(e) => given.push((None, expr::expr(cx, names, e))),
            Arg::Named(name, e) => given.push((Some(name.text.clone()), expr::expr(cx, names, e))),
            Arg::Broken(_) => {}
        }
    }
    Some(Instruction::Call { op: op.text, args: given, span: op.span })
}
