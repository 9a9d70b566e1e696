//! Operators. What one means is decided by what it joins: `&&` two conditions or two placements, `-` numbers, sets of
//! sites or tables.

mod algebra;
mod arithmetic;
mod comparison;
mod logic;

use super::annotations::converted;
use super::expressions::poison;
use super::known::{Known, Typed};
use super::{Checker, codes};
use crate::diagnostic::Diagnostic;
use crate::program::{Binary, Expr, ExprKind, PlacementOp, Unary};
use crate::span::Span;
use crate::syntax::ast::{self, Op};
use crate::types::Type;

fn is_place(ty: &Type) -> bool {
    matches!(ty, Type::Site | Type::Sites | Type::Choice | Type::Placement)
}

fn is_set(ty: &Type) -> bool {
    matches!(ty, Type::Site | Type::Sites)
}

fn is_table(ty: &Type) -> bool {
    matches!(ty, Type::Table(_) | Type::Replicated(_))
}

impl Checker<'_> {
    pub(super) fn minus(&mut self, times: usize, of: &ast::Expr, span: Span) -> Typed {
        let typed = self.part(of, None);
        match typed.ty().clone() {
            Type::Error => poison(span),
            ty @ (Type::Int | Type::Float | Type::Any) => {
                let known = match typed.known {
                    Known::Int(n) if times % 2 == 1 => n.checked_neg().map_or(Known::Nothing, Known::Int),
                    known => known,
                };
                let mut expr = typed.expr;
                for _ in 0..times % 2 {
                    expr =
                        Expr { kind: ExprKind::Unary { op: Unary::Negate, of: Box::new(expr) }, ty: ty.clone(), span };
                }
                Typed { expr, known }
            }
            ty => {
                let d = Diagnostic::new(&codes::NO_SUCH_OPERATION, span, format!("`-` is not for `{ty}`"));
                let d = if is_set(&ty) { d.help("all sites but this one: `sites - ...`") } else { d };
                self.report(d);
                poison(span)
            }
        }
    }

    pub(super) fn not(&mut self, times: usize, of: &ast::Expr, span: Span) -> Typed {
        let typed = self.part(of, None);
        match typed.ty() {
            Type::Error => poison(span),
            Type::Bool | Type::Any => {
                let typed = converted(typed, &Type::Bool);
                let known = match typed.known {
                    Known::Bool(b) => Known::Bool(b ^ (times % 2 == 1)),
                    _ => Known::Nothing,
                };
                let mut expr = typed.expr;
                for _ in 0..times % 2 {
                    expr = Expr { kind: ExprKind::Unary { op: Unary::Not, of: Box::new(expr) }, ty: Type::Bool, span };
                }
                Typed { expr, known }
            }
            Type::Sites => {
                let set = super::source_form(of);
                self.report(
                    Diagnostic::new(&codes::NOT_OF_SET, span, "`!` is for one site, and this is a set")
                        .help(format!("at none of them: `none of {set}`"))
                        .help(format!("all other sites: `sites - {set}`")),
                );
                poison(span)
            }
            ty if is_place(ty) => {
                let mut typed = typed;
                for _ in 0..times % 2 {
                    typed = self.placement_of(PlacementOp::Not, vec![typed], span);
                }
                typed
            }
            ty => {
                let message = format!("`!` is for conditions and sites, not for `{ty}`");
                let mut d = Diagnostic::new(&codes::NO_SUCH_OPERATION, span, message);
                if is_table(ty) {
                    d = d.help("whether it has rows: `empty(...)`");
                }
                self.report(d);
                poison(span)
            }
        }
    }

    pub(super) fn chain(&mut self, first: &ast::Expr, rest: &[ast::Link], span: Span, wanted: Option<&Type>) -> Typed {
        let unions = rest.iter().all(|l| l.op == Op::Union);
        let placements = matches!(rest[0].op, Op::And | Op::Or | Op::Xor);
        if rest.len() > super::MOST_LINKS && !unions && !placements {
            return self.too_long(span);
        }
        match rest[0].op {
            Op::And | Op::Or | Op::Xor => self.logic(first, rest, span),
            Op::Else | Op::Each => self.alternatives(first, rest, span, wanted),
            _ => {
                // `{}` between set operators is a set.
                let hint =
                    rest.iter().all(|l| matches!(l.op, Op::Union | Op::Meet | Op::Parity)).then_some(Type::Sites);
                let mut left = self.part(first, hint.as_ref());
                if unions && rest.len() > 1 && (is_set(left.ty()) || left.is_error()) {
                    return self.union(left, rest, span);
                }
                if rest.len() > super::MOST_LINKS {
                    return self.too_long(span);
                }
                for link in rest {
                    let right = self.part(&link.right, hint.as_ref());
                    let span = first.span.to(link.right.span);
                    left = self.binary(left, link.op, link.at, right, span);
                }
                left
            }
        }
    }

    pub(super) fn too_long(&mut self, span: Span) -> Typed {
        let message = format!("this has more than {} links", super::MOST_LINKS);
        self.report(Diagnostic::new(&codes::TOO_LARGE, span, message).help("give parts of it names by `let`"));
        poison(span)
    }

    fn alternatives(&mut self, first: &ast::Expr, rest: &[ast::Link], span: Span, wanted: Option<&Type>) -> Typed {
        let mut left = self.part(first, wanted);
        for link in rest {
            let right = self.part(&link.right, wanted);
            if link.op == Op::Each {
                self.error(
                    &codes::NO_SUCH_OPERATION,
                    link.at,
                    "`each` belongs into service descriptions; here it is `for`",
                );
                return poison(span);
            }
            if left.is_error() || right.is_error() {
                left = poison(span);
                continue;
            }
            let ty = match left.ty() {
                Type::Null => right.ty().clone(),
                Type::Any => Type::Any,
                Type::Optional(of) => {
                    let of = (**of).clone();
                    if right.ty().fits(&of) {
                        of
                    } else if *right.ty() == Type::Null || right.ty().present().fits(&of) {
                        Type::optional(of)
                    } else {
                        self.mismatch(right.span(), &of, right.ty(), "what stands after `else`");
                        Type::Error
                    }
                }
                _ => {
                    self.error(
                        &codes::NEVER_NULL,
                        left.span(),
                        "this is never null, so what follows `else` is never used",
                    );
                    left.ty().clone()
                }
            };
            let right = converted(right, &ty);
            let kind = ExprKind::Binary { op: Binary::Else, left: Box::new(left.expr), right: Box::new(right.expr) };
            left = Typed { expr: Expr { kind, ty, span }, known: Known::Nothing };
        }
        left
    }

    fn binary(&mut self, left: Typed, op: Op, at: Span, right: Typed, span: Span) -> Typed {
        if left.is_error() || right.is_error() {
            // The result of a comparison is certain all the same.
            let mut typed = poison(span);
            if op.level() == 3 {
                typed.expr.ty = Type::Bool;
            }
            return typed;
        }
        match op {
            Op::Eq | Op::Ne => self.equality(left, op, right, span),
            Op::Lt | Op::Le | Op::Gt | Op::Ge => self.order(left, op, at, right, span),
            Op::Like => self.like(left, at, right, span),
            Op::In => self.is_in(left, right, span),
            _ if is_set(left.ty()) || is_set(right.ty()) || is_place(left.ty()) || is_place(right.ty()) => {
                self.set_operation(left, op, at, right, span)
            }
            _ if is_table(left.ty()) || is_table(right.ty()) => self.table_operation(left, op, at, right, span),
            _ => self.arithmetic(left, op, at, right, span),
        }
    }

    fn built(op: Binary, left: Typed, right: Typed, ty: Type, span: Span) -> Typed {
        let kind = ExprKind::Binary { op, left: Box::new(left.expr), right: Box::new(right.expr) };
        Typed { expr: Expr { kind, ty, span }, known: Known::Nothing }
    }
}
