//! `&&`, `||`, `xor`: of conditions they are conditions, of sites placements.

use super::super::annotations::converted;
use super::super::expressions::poison;
use super::super::known::{Form, Known, Typed};
use super::super::{Checker, codes};
use super::is_place;
use crate::diagnostic::Diagnostic;
use crate::model::Placement;
use crate::program::{Binary, Expr, ExprKind, PlacementOp};
use crate::span::Span;
use crate::syntax::ast::{self, Op};
use crate::types::Type;
use std::sync::Arc;

impl Checker<'_> {
    pub(super) fn logic(&mut self, first: &ast::Expr, rest: &[ast::Link], span: Span) -> Typed {
        let outer = self.in_parity;
        let parity = rest.iter().all(|l| l.op == Op::Xor);
        self.in_parity = parity;
        let mut parts = vec![self.part(first, None)];
        parts.extend(rest.iter().map(|l| self.part(&l.right, None)));
        self.in_parity = outer;
        if parts.iter().any(|p| is_place(p.ty())) {
            return self.placements(parts, first, rest, span);
        }
        if parts.iter().all(Typed::is_error) {
            return poison(span);
        }
        if rest.len() > super::super::MOST_LINKS {
            return self.too_long(span);
        }
        let mut parts = parts.into_iter();
        let Some(mut left) = parts.next() else { return poison(span) };
        for (link, right) in rest.iter().zip(parts) {
            let sign = link.op.sign();
            let side = |c: &mut Self, typed: Typed| {
                let optional = matches!(typed.ty(), Type::Optional(of) if **of == Type::Bool);
                if optional { typed } else { c.coerce(typed, &Type::Bool, &format!("what `{sign}` joins")) }
            };
            let (a, b) = (side(self, left), side(self, right));
            let known = match (link.op, &a.known, &b.known) {
                (Op::And, Known::Bool(false), _) | (Op::And, _, Known::Bool(false)) => Known::Bool(false),
                (Op::Or, Known::Bool(true), _) | (Op::Or, _, Known::Bool(true)) => Known::Bool(true),
                (Op::And, Known::Bool(true), Known::Bool(true)) => Known::Bool(true),
                (Op::Or, Known::Bool(false), Known::Bool(false)) => Known::Bool(false),
                _ => Known::Nothing,
            };
            let op = match link.op {
                Op::And => Binary::And,
                Op::Or => Binary::Or,
                _ => Binary::NotEqual,
            };
            let span = first.span.to(link.right.span);
            let kind = ExprKind::Binary { op, left: Box::new(a.expr), right: Box::new(b.expr) };
            left = Typed { expr: Expr { kind, ty: Type::Bool, span }, known };
        }
        left
    }

    fn placements(&mut self, parts: Vec<Typed>, first: &ast::Expr, rest: &[ast::Link], span: Span) -> Typed {
        for part in &parts {
            if !is_place(part.ty()) && !matches!(part.ty(), Type::Error | Type::Any) {
                let message = format!("a placement is made of sites, and this is `{}`", part.ty());
                let mut d = Diagnostic::new(&codes::NOT_A_PLACEMENT, part.span(), message);
                if *part.ty() == Type::String {
                    d = d.help("sites are written without quotes");
                }
                self.report(d);
            }
        }
        if parts.iter().any(|p| !is_place(p.ty()) && *p.ty() != Type::Any) {
            return poison(span);
        }
        let operator = |op| match op {
            Op::And => PlacementOp::And,
            Op::Or => PlacementOp::Or,
            _ => PlacementOp::Xor,
        };
        // Runs of one operator are one formula; a mix was reported by the parser and goes left to right.
        let mut parts = parts.into_iter();
        let (Some(start), Some(link)) = (parts.next(), rest.first()) else { return poison(span) };
        let (mut run, mut current) = (vec![start], link.op);
        for (link, part) in rest.iter().zip(parts) {
            if link.op != current {
                let so_far = self.placement_of(operator(current), std::mem::take(&mut run), first.span.to(link.at));
                run.push(so_far);
                current = link.op;
            }
            run.push(part);
        }
        let whole = self.placement_of(operator(current), run, span);
        let nested = |e: &ast::Expr| matches!(&e.kind, ast::ExprKind::Paren(inner) if is_xor(inner));
        if current == Op::Xor && !self.in_parity && (nested(first) || rest.iter().any(|l| nested(&l.right))) {
            let mut d = Diagnostic::new(
                &codes::PARITY,
                span,
                "`xor` of more than two is true for every odd number of sites, also for three",
            );
            if let Known::Placement(p) = &whole.known {
                let names: Vec<&str> =
                    p.written_order().into_iter().take(8).map(|s| self.state.inventory.name(s)).collect();
                d = d.help(format!("exactly one of them: `exactly 1 of {{{}}}`", names.join(", ")));
            } else {
                d = d.help("exactly one of a set: `exactly 1 of {A, B, C}`");
            }
            self.report(d);
        }
        whole
    }

    pub(in crate::check) fn placement_of(&mut self, op: PlacementOp, parts: Vec<Typed>, span: Span) -> Typed {
        let choices = parts.iter().all(|p| matches!(p.ty(), Type::Site | Type::Choice));
        let statics: Option<Vec<Placement>> = parts.iter().map(|p| p.known.placement().map(|p| (*p).clone())).collect();
        let known = match statics {
            Some(mut all) => Known::Placement(Arc::new(match op {
                PlacementOp::And => Placement::And(all),
                PlacementOp::Or => Placement::Or(all),
                PlacementOp::Xor => Placement::Xor(all),
                PlacementOp::Not => Placement::Not(Box::new(all.pop().unwrap_or(Placement::And(Vec::new())))),
            })),
            None => {
                let mut form = Form::default();
                for part in &parts {
                    let of = part.known.form();
                    form.negates |= of.negates;
                    form.chooses |= of.chooses;
                }
                form.negates |= matches!(op, PlacementOp::Xor | PlacementOp::Not);
                form.chooses |= op != PlacementOp::And;
                Known::Form(form)
            }
        };
        let single = match (op, &known) {
            (PlacementOp::Xor, Known::Placement(placement)) => choices && placement.is_single(),
            (PlacementOp::Or | PlacementOp::Xor, _) => choices,
            (PlacementOp::And | PlacementOp::Not, _) => false,
        };
        let parts = parts.into_iter().map(|p| converted(p, &Type::Placement).expr).collect();
        let ty = if single { Type::Choice } else { Type::Placement };
        Typed { expr: Expr { kind: ExprKind::Placement(op, parts), ty, span }, known }
    }
}

fn is_xor(e: &ast::Expr) -> bool {
    match &e.kind {
        ast::ExprKind::Chain { rest, .. } => rest.iter().all(|l| l.op == Op::Xor),
        ast::ExprKind::Paren(inner) => is_xor(inner),
        _ => false,
    }
}
