//! Operators. What one means is decided by what it joins: `&&` two conditions or two placements, `-` numbers, sets of
//! sites or tables.

use super::annotations::converted;
use super::expressions::poison;
use super::known::{Form, Known, Typed};
use super::{Checker, codes};
use crate::diagnostic::Diagnostic;
use crate::model::{Placement, SiteSet};
use crate::program::{Binary, Expr, ExprKind, PlacementOp, Unary};
use crate::span::Span;
use crate::syntax::ast::{self, Op};
use crate::types::Type;
use std::sync::Arc;

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

    /// `A | B | C`: one set, however many there are.
    fn union(&mut self, first: Typed, rest: &[ast::Link], span: Span) -> Typed {
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

    pub(super) fn too_long(&mut self, span: Span) -> Typed {
        let message = format!("this has more than {} links", super::MOST_LINKS);
        self.report(Diagnostic::new(&codes::TOO_LARGE, span, message).help("give parts of it names by `let`"));
        poison(span)
    }

    fn logic(&mut self, first: &ast::Expr, rest: &[ast::Link], span: Span) -> Typed {
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
        if rest.len() > super::MOST_LINKS {
            return self.too_long(span);
        }
        let mut parts = parts.into_iter();
        let mut left = parts.next().expect("a chain has a first part");
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
        let mut run = vec![parts.next().expect("a chain has a first part")];
        let mut current = rest[0].op;
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

    pub(super) fn placement_of(&mut self, op: PlacementOp, parts: Vec<Typed>, span: Span) -> Typed {
        let single = matches!(op, PlacementOp::Or | PlacementOp::Xor)
            && parts.iter().all(|p| matches!(p.ty(), Type::Site | Type::Choice));
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
        let parts = parts.into_iter().map(|p| converted(p, &Type::Placement).expr).collect();
        let ty = if single { Type::Choice } else { Type::Placement };
        Typed { expr: Expr { kind: ExprKind::Placement(op, parts), ty, span }, known }
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

    fn equality(&mut self, left: Typed, op: Op, right: Typed, span: Span) -> Typed {
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
                format!("{} and {} are never equal", super::a(&a), super::a(&b)),
            );
            if handles {
                d = d.help("compare its `.name` or its `.id`");
            } else if matches!((&a, &b), (Type::Site, Type::String) | (Type::String, Type::Site)) {
                d = d.help("the name of a site is `.name`; a site itself is written without quotes");
            }
            self.report(d);
        }
        self.warn_same_column(&left, &right, span);
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

    fn order(&mut self, left: Typed, op: Op, at: Span, right: Typed, span: Span) -> Typed {
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
            if let Some(help) = super::annotations::mend(a, b).or_else(|| super::annotations::mend(b, a)) {
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

    fn like(&mut self, left: Typed, at: Span, right: Typed, span: Span) -> Typed {
        let text = |t: &Typed| matches!(t.ty().present(), Type::String | Type::Any);
        if !text(&left) || !text(&right) {
            let message = format!("`like` compares a text with a pattern, not `{}` with `{}`", left.ty(), right.ty());
            let mut d = Diagnostic::new(&codes::NO_SUCH_OPERATION, at, message);
            if is_set(left.ty()) {
                d = d.help("sites by name: `sites[name like \"edge-*\"]`");
            }
            self.report(d);
        }
        Self::built(Binary::Like, left, right, Type::Bool, span)
    }

    fn is_in(&mut self, left: Typed, right: Typed, span: Span) -> Typed {
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
                self.error(&codes::NO_SUCH_OPERATION, right.span(), message);
                Type::Any
            }
        };
        let item = left.ty().present();
        if !item.fits(&of) && !of.fits(item) {
            let message = format!("{} is never among `{of}`", super::a(item));
            self.error(&codes::NEVER_EQUAL, span, message);
        }
        Self::built(Binary::In, left, right, Type::Bool, span)
    }

    fn set_operation(&mut self, left: Typed, op: Op, at: Span, right: Typed, span: Span) -> Typed {
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

    fn table_operation(&mut self, left: Typed, op: Op, at: Span, right: Typed, span: Span) -> Typed {
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
            let only = |x: &indexmap::IndexMap<_, _>, y: &indexmap::IndexMap<std::sync::Arc<str>, Type>| {
                let names: Vec<std::sync::Arc<str>> = x.keys().filter(|k| !y.contains_key(*k)).cloned().collect();
                super::listed(names, 4)
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

    fn arithmetic(&mut self, left: Typed, op: Op, at: Span, right: Typed, span: Span) -> Typed {
        use Type::*;
        let ty = match (left.ty(), op, right.ty()) {
            (Any, ..) | (.., Any) => Some(Any),
            (Int, Op::Plus | Op::Minus | Op::Times, Int) => Some(Int),
            (Int, Op::Divide, Int) => Some(Int),
            (Int | Float, Op::Plus | Op::Minus | Op::Times | Op::Divide, Int | Float) => Some(Float),
            (String, Op::Plus, String) => Some(String),
            (List(a), Op::Plus, List(b)) if b.fits(a) => Some(left.ty().clone()),
            (List(a), Op::Plus, List(b)) if a.fits(b) => Some(right.ty().clone()),
            (Duration, Op::Plus | Op::Minus, Duration) => Some(Duration),
            (Bytes, Op::Plus | Op::Minus, Bytes) => Some(Bytes),
            (Percent, Op::Plus | Op::Minus, Percent) => Some(Percent),
            (Duration | Bytes, Op::Times, Int | Float) => Some(left.ty().clone()),
            (Duration | Bytes | Percent, Op::Divide, Int | Float) => Some(left.ty().clone()),
            (Int | Float, Op::Times, Duration | Bytes) => Some(right.ty().clone()),
            (Duration, Op::Divide, Duration) | (Bytes, Op::Divide, Bytes) => Some(Float),
            (Duration | Bytes, Op::Times, Percent) => Some(left.ty().clone()),
            (Percent, Op::Times, Duration | Bytes) => Some(right.ty().clone()),
            (Int | Float, Op::Times, Percent) | (Percent, Op::Times, Int | Float) => Some(Float),
            _ => Option::None,
        };
        let Some(ty) = ty else {
            let (a, b) = (left.ty(), right.ty());
            let mut d = Diagnostic::new(
                &codes::NO_SUCH_OPERATION,
                at,
                format!("`{}` does not join `{a}` and `{b}`", op.sign()),
            );
            if matches!(a, Optional(_) | Null) || matches!(b, Optional(_) | Null) {
                d = d.help("it may be null: give a value for that case, `(x else ...)`");
            } else if *a == String || *b == String {
                d = d.help("values are put into text by `\"${...}\"`");
            }
            self.report(d);
            return poison(span);
        };
        let known = match (&left.known, op, &right.known) {
            (Known::Int(a), Op::Plus, Known::Int(b)) => a.checked_add(*b).map_or(Known::Nothing, Known::Int),
            (Known::Int(a), Op::Minus, Known::Int(b)) => a.checked_sub(*b).map_or(Known::Nothing, Known::Int),
            (Known::Int(a), Op::Times, Known::Int(b)) => a.checked_mul(*b).map_or(Known::Nothing, Known::Int),
            _ => Known::Nothing,
        };
        if op == Op::Divide && matches!(right.known, Known::Int(0)) {
            self.error(&codes::DIVISION_BY_ZERO, right.span(), "nothing can be divided by 0");
        }
        let binary = match op {
            Op::Plus => Binary::Add,
            Op::Minus => Binary::Subtract,
            Op::Times => Binary::Multiply,
            _ => Binary::Divide,
        };
        Typed { known, ..Self::built(binary, left, right, ty, span) }
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

fn is_xor(e: &ast::Expr) -> bool {
    match &e.kind {
        ast::ExprKind::Chain { rest, .. } => rest.iter().all(|l| l.op == Op::Xor),
        ast::ExprKind::Paren(inner) => is_xor(inner),
        _ => false,
    }
}
