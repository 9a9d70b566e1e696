//! `+`, `-`, `*`, `/` of numbers, texts, lists, durations, sizes and percentages.

use super::super::expressions::poison;
use super::super::known::{Known, Typed};
use super::super::{Checker, codes};
use crate::diagnostic::Diagnostic;
use crate::program::Binary;
use crate::span::Span;
use crate::syntax::ast::Op;
use crate::types::Type;

impl Checker<'_> {
    pub(super) fn arithmetic(&mut self, left: Typed, op: Op, at: Span, right: Typed, span: Span) -> Typed {
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
