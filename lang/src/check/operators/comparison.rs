//! Comparisons, `like` and `in`: what is never true is said before it runs.

use super::super::annotations::{converted, mend};
use super::super::known::Typed;
use super::super::{Checker, codes};
use super::{is_place, is_set};
use crate::diagnostic::Diagnostic;
use crate::eval::Value;
use crate::program::{Binary, ExprKind};
use crate::span::Span;
use crate::syntax::ast::Op;
use crate::types::Type;

/// A text that stands there as it is.
fn written(typed: &Typed) -> Option<std::sync::Arc<str>> {
    match &typed.expr.kind {
        ExprKind::Const(Value::String(text)) => Some(text.clone()),
        _ => None,
    }
}

impl Checker<'_> {
    pub(super) fn equality(&mut self, left: Typed, op: Op, right: Typed, span: Span) -> Typed {
        let (a, b) = (left.ty().present().clone(), right.ty().present().clone());
        let numbers = |t: &Type| matches!(t, Type::Int | Type::Float);
        let null = |t: &Type| *t == Type::Null;
        let alike = a.fits(&b) || b.fits(&a) || null(&a) || null(&b) || (numbers(&a) && numbers(&b));
        // A handle is equal to one by its id, and is also known by its name.
        let handles = matches!((&a, &b), (Type::Handle(_), Type::String) | (Type::String, Type::Handle(_)));
        if a == Type::Secret || b == Type::Secret {
            self.error(
                &codes::SECRET_SHOWN,
                span,
                "a secret cannot be compared: the answer would give it away bit by bit",
            );
        } else if !alike || handles {
            let mut d = Diagnostic::new(
                &codes::NEVER_EQUAL,
                span,
                format!("{} and {} are never equal", super::super::a(&a), super::super::a(&b)),
            );
            if handles {
                d = d.help("compare its `.name` or its `.id`");
            } else if matches!((&a, &b), (Type::Site, Type::String) | (Type::String, Type::Site)) {
                d = d.help("the name of a site is `.name`; a site itself is written without quotes");
            }
            self.report(d);
        }
        self.warn_same_column(&left, &right, span);
        for (text, at) in [&left, &right].into_iter().filter_map(|t| Some((written(t)?, t.span()))) {
            if text.contains('*') && text.len() > 1 && text.chars().all(|c| c.is_alphanumeric() || "*-_.".contains(c)) {
                self.report(
                    Diagnostic::new(&codes::DEAD_PATTERN, at, "`==` compares letter by letter, `*` too")
                        .help(format!("a pattern is compared by `like`: `like \"{text}\"`")),
                );
            }
        }
        let (left, right) = match (is_place(&a), is_place(&b)) {
            (true, true) if a != b => {
                let wider = if a.fits(&b) { b } else { a };
                (converted(left, &wider), converted(right, &wider))
            }
            _ => (left, right),
        };
        let op = if op == Op::Eq { Binary::Equal } else { Binary::NotEqual };
        Self::built(op, left, right, Type::Bool, span)
    }

    pub(super) fn order(&mut self, left: Typed, op: Op, at: Span, right: Typed, span: Span) -> Typed {
        let (a, b) = (left.ty().present(), right.ty().present());
        let ordered = match (a, b) {
            (Type::Any, _) | (_, Type::Any) => true,
            (Type::Int | Type::Float, Type::Int | Type::Float) => true,
            // Sizes in rows are plain numbers of bytes.
            (Type::Int, Type::Bytes) | (Type::Bytes, Type::Int) => true,
            (a, b) => a == b && matches!(a, Type::String | Type::Duration | Type::Bytes | Type::Percent),
        };
        if !ordered {
            let message = format!("`{}` does not compare `{a}` with `{b}`", op.sign());
            let mut d = Diagnostic::new(&codes::NO_SUCH_OPERATION, at, message);
            if let Some(help) = mend(a, b).or_else(|| mend(b, a)) {
                d = d.help(help);
            }
            self.report(d);
        }
        let op = match op {
            Op::Lt => Binary::Less,
            Op::Le => Binary::LessEqual,
            Op::Gt => Binary::Greater,
            _ => Binary::GreaterEqual,
        };
        Self::built(op, left, right, Type::Bool, span)
    }

    pub(super) fn like(&mut self, left: Typed, at: Span, right: Typed, span: Span) -> Typed {
        let text = |t: &Typed| matches!(t.ty().present(), Type::String | Type::Any);
        if !text(&left) || !text(&right) {
            let message = format!("`like` compares a text with a pattern, not `{}` with `{}`", left.ty(), right.ty());
            let mut d = Diagnostic::new(&codes::NO_SUCH_OPERATION, at, message);
            if is_set(left.ty()) {
                d = d.help("sites by name: `sites[name like \"edge-*\"]`");
            }
            self.report(d);
        }
        if let Some(text) = written(&right)
            && !text.contains(['*', '?'])
            && text.contains(['%', '^', '$'])
        {
            let meant = text.replace(".*", "*").replace('%', "*");
            let meant = meant.trim_start_matches('^').trim_end_matches('$');
            self.report(
                Diagnostic::new(&codes::DEAD_PATTERN, right.span(), "in a pattern `*` is any text, `?` any character")
                    .help(format!("write `like \"{meant}\"`")),
            );
        }
        Self::built(Binary::Like, left, right, Type::Bool, span)
    }

    pub(super) fn is_in(&mut self, left: Typed, right: Typed, span: Span) -> Typed {
        let of = match right.ty().present() {
            Type::List(of) => (**of).clone(),
            Type::Sites => Type::Site,
            Type::Map(_) => Type::String,
            Type::Any => Type::Any,
            Type::String => {
                self.report(
                    Diagnostic::new(
                        &codes::NO_SUCH_OPERATION,
                        right.span(),
                        "`in` looks into a list or a set, and this is one text",
                    )
                    .help("a list is written `[\"a\", \"b\"]`; a part of a text is found by `like \"*part*\"`"),
                );
                Type::Any
            }
            other => {
                let message = format!("`in` looks into a list or a set of sites, and this is `{other}`");
                let mut d = Diagnostic::new(&codes::NO_SUCH_OPERATION, right.span(), message);
                if matches!(other, Type::Site) {
                    d = d.help("a set of one site is `{A}`; where an operation goes is written `server.list() @ A`");
                }
                self.report(d);
                Type::Any
            }
        };
        let item = left.ty().present();
        if !item.fits(&of) && !of.fits(item) {
            let message = format!("{} is never among `{of}`", super::super::a(item));
            self.error(&codes::NEVER_EQUAL, span, message);
        }
        Self::built(Binary::In, left, right, Type::Bool, span)
    }
}
