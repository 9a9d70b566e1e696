//! The algebras of site sets and of tables: union, what both share, difference, parity.

use super::super::annotations::converted;
use super::super::expressions::poison;
use super::super::known::{Known, Typed};
use super::super::{Checker, codes, listed};
use super::{is_place, is_set, is_table};
use crate::diagnostic::Diagnostic;
use crate::model::SiteSet;
use crate::program::{Binary, Expr};
use crate::span::Span;
use crate::syntax::ast::{self, Op};
use crate::types::Type;
use std::sync::Arc;

impl Checker<'_> {
    /// `A | B | C`: one set, however many there are.
    pub(super) fn union(&mut self, first: Typed, rest: &[ast::Link], span: Span) -> Typed {
        let mut parts = vec![first];
        for link in rest {
            let part = self.part(&link.right, Some(&Type::Sites));
            if is_set(part.ty()) || matches!(part.ty(), Type::Error | Type::Any) {
                parts.push(part);
                continue;
            }
            // Says what is wrong with it.
            let left = Typed { expr: Expr { ty: Type::Sites, ..poison(span).expr }, known: Known::Nothing };
            parts.push(self.set_operation(left, Op::Union, link.at, part, span));
        }
        self.site_set(parts, span)
    }

    pub(super) fn set_operation(&mut self, left: Typed, op: Op, at: Span, right: Typed, span: Span) -> Typed {
        for side in [&left, &right] {
            if !is_set(side.ty()) && *side.ty() != Type::Any {
                let message = format!("`{}` is for sets of sites, and this is `{}`", op.sign(), side.ty());
                let mut d = Diagnostic::new(&codes::NO_SUCH_OPERATION, side.span(), message);
                if is_place(side.ty()) {
                    d = d.help("placements are joined by `&&`, `||`, `xor`, and `!` takes one away");
                }
                self.report(d);
                return poison(span);
            }
        }
        let binary = match op {
            Op::Union => Binary::Union,
            Op::Meet => Binary::Intersect,
            Op::Minus => Binary::Difference,
            Op::Parity => Binary::Parity,
            _ => {
                let message = format!("`{}` is not for sites", op.sign());
                let mut d = Diagnostic::new(&codes::NO_SUCH_OPERATION, at, message);
                if op == Op::Plus {
                    d = d.help("the union of sets is written `|`");
                }
                self.report(d);
                return poison(span);
            }
        };
        let (a, b) = (left.known.sites(), right.known.sites());
        if let (Type::Site, Type::Site, Op::Meet, Known::Site(x), Known::Site(y)) =
            (left.ty(), right.ty(), op, &left.known, &right.known)
            && x != y
        {
            let (x, y) = (self.state.inventory.name(*x), self.state.inventory.name(*y));
            self.report(
                Diagnostic::new(
                    &codes::EMPTY_MEET,
                    span,
                    format!("`&` is what two sets share, and `{x}` and `{y}` share nothing"),
                )
                .help(format!("at both of them: `{x} && {y}`"))
                .help(format!("the set of both: `{{{x}, {y}}}`")),
            );
            return poison(span);
        }
        let known = match (a, b) {
            (Some(a), Some(b)) => Known::Sites(Arc::new(set_of(op, &a, &b))),
            _ => Known::Nothing,
        };
        let (left, right) = (converted(left, &Type::Sites), converted(right, &Type::Sites));
        Typed { known, ..Self::built(binary, left, right, Type::Sites, span) }
    }

    pub(super) fn table_operation(&mut self, left: Typed, op: Op, at: Span, right: Typed, span: Span) -> Typed {
        let binary = match op {
            Op::Union => Binary::Union,
            Op::Meet => Binary::Intersect,
            Op::Minus => Binary::Difference,
            _ => {
                let message = format!("`{}` is not for tables: they are joined by `|`, `&` and `-`", op.sign());
                self.error(&codes::NO_SUCH_OPERATION, at, message);
                return poison(span);
            }
        };
        let (Some(a), Some(b)) = (self.columns_of(left.ty()), self.columns_of(right.ty())) else {
            let other = if is_table(left.ty()) { &right } else { &left };
            let message = format!("`{}` joins two tables, and this is `{}`", op.sign(), other.ty());
            self.error(&codes::NO_SUCH_OPERATION, other.span(), message);
            return poison(span);
        };
        let same =
            a.len() == b.len() && a.iter().all(|(name, ty)| b.get(name).is_some_and(|t| t.fits(ty) || ty.fits(t)));
        if !same {
            let only = |x: &indexmap::IndexMap<_, _>, y: &indexmap::IndexMap<Arc<str>, Type>| {
                let names: Vec<Arc<str>> = x.keys().filter(|k| !y.contains_key(*k)).cloned().collect();
                listed(names, 4)
            };
            let mut d = Diagnostic::new(
                &codes::COLUMNS_DIFFER,
                span,
                format!("`{}` is for tables of the same columns", op.sign()),
            );
            let (left_only, right_only) = (only(&a, &b), only(&b, &a));
            if !left_only.is_empty() {
                d = d.other(left.span(), format!("only here: {left_only}"));
            }
            if !right_only.is_empty() {
                d = d.other(right.span(), format!("only here: {right_only}"));
            }
            self.report(d.help("`select` the same columns of both"));
            return poison(span);
        }
        let ty = if left.ty() == right.ty() { left.ty().clone() } else { Type::Table(a) };
        Self::built(binary, left, right, ty, span)
    }
}

fn set_of(op: Op, a: &SiteSet, b: &SiteSet) -> SiteSet {
    match op {
        Op::Union => a.union(b),
        Op::Meet => a.intersection(b),
        Op::Minus => a.difference(b),
        _ => a.symmetric_difference(b),
    }
}
