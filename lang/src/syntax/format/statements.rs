//! Statements and blocks. A block stays on one line if it was written so and fits.

use super::cursor::{Cursor, Docs};
use super::doc::Doc;
use crate::syntax::ast::*;
use crate::syntax::token::Tok;

/// What stands between two of a list that has a line for each.
#[derive(Clone, Copy)]
pub enum Between {
    /// Nothing, or `;` on one line.
    Statements,
    /// Nothing, or `,` on one line.
    Entries,
    /// Always `,`; also after the last, if each has a line.
    Commas,
}

impl<'a> Cursor<'a> {
    pub fn program(&mut self, program: &Block, out: &mut Docs<'a>) {
        self.lines(program, Between::Statements, out, |c, s, out| c.statement(s, out));
    }

    /// A line for each, with their comments, and with single empty lines where there were some. Ends before the closing
    /// bracket.
    pub fn lines<T>(
        &mut self,
        items: &[T],
        between: Between,
        out: &mut Docs<'a>,
        mut one: impl FnMut(&mut Self, &T, &mut Docs<'a>),
    ) {
        let mut first = true;
        let mut line = |c: &Self, out: &mut Docs<'a>| {
            if !std::mem::replace(&mut first, false) {
                out.push(if c.blank_line() { Doc::Blank } else { Doc::Line });
            }
        };
        for (n, item) in items.iter().enumerate() {
            while self.comment_ahead() {
                line(self, out);
                self.one_comment(out);
            }
            line(self, out);
            one(self, item, out);
            self.skip_comma();
            let last = n + 1 == items.len();
            match between {
                Between::Statements if !last && self.goes_on() => out.push(Doc::Text(";")),
                Between::Statements if !last => out.push(Doc::IfBroken { broken: "", flat: ";" }),
                Between::Entries if !last => out.push(Doc::IfBroken { broken: "", flat: "," }),
                Between::Commas if !last => out.push(Doc::Text(",")),
                Between::Commas => out.push(Doc::IfBroken { broken: ",", flat: "" }),
                _ => {}
            }
            self.trailing(out);
        }
        while self.comment_ahead() {
            line(self, out);
            self.one_comment(out);
        }
    }

    /// `{`, a line for each, `}`. The line ends belong to the group around it.
    pub fn braced<T>(
        &mut self,
        items: &[T],
        between: Between,
        out: &mut Docs<'a>,
        one: impl FnMut(&mut Self, &T, &mut Docs<'a>),
    ) {
        self.take(out);
        let mut inner = Vec::new();
        self.trailing(&mut inner);
        if items.is_empty() && inner.is_empty() && !self.comment_ahead() {
            self.take(out);
            return;
        }
        inner.push(Doc::Line);
        self.lines(items, between, &mut inner, one);
        out.push(Doc::Nest(inner));
        out.push(Doc::Line);
        self.take(out);
    }

    /// A block, and whether it must be spread over lines.
    fn block(&mut self, block: &Block, spread: &mut bool, out: &mut Docs<'a>) {
        *spread |= self.bracket_crosses_lines() && (!block.is_empty() || self.holds_comment());
        self.braced(block, Between::Statements, out, |c, s, out| c.statement(s, out));
    }

    pub fn statement(&mut self, statement: &Stmt, out: &mut Docs<'a>) {
        // All blocks of one statement are laid out alike.
        let mut spread = false;
        let mut docs = Vec::new();
        self.kind(&statement.kind, &mut spread, &mut docs);
        out.push(if spread { Doc::Broken(docs) } else { Doc::Group(docs) });
    }

    fn kind(&mut self, kind: &StmtKind, spread: &mut bool, out: &mut Docs<'a>) {
        match kind {
            StmtKind::Expr(e) => self.expr(e, out),
            StmtKind::Let { ty, value, .. } => {
                self.word(out);
                self.take(out);
                self.annotation(ty.as_ref(), out);
                out.push(Doc::Space);
                self.word(out);
                self.expr(value, out);
            }
            StmtKind::Site { value, labels, .. } => {
                self.word(out);
                self.word(out);
                self.word(out);
                self.expr(value, out);
                if let Some(labels) = labels {
                    out.push(Doc::Space);
                    self.expr(labels, out);
                }
            }
            StmtKind::Scope { entries, .. } => {
                self.word(out);
                self.word(out);
                self.expr(entries, out);
            }
            StmtKind::At { scope, body } => {
                self.word(out);
                self.at_scope(scope, out);
                out.push(Doc::Space);
                self.block(body, spread, out);
            }
            StmtKind::Fn { params, result, body, .. } => {
                self.word(out);
                self.take(out);
                self.params(params, out);
                self.result(result.as_ref(), out);
                out.push(Doc::Space);
                self.block(body, spread, out);
            }
            StmtKind::If { arms, otherwise } => {
                for (n, (cond, body)) in arms.iter().enumerate() {
                    if n > 0 {
                        out.push(Doc::Space);
                        self.word(out);
                    }
                    self.word(out);
                    self.expr(cond, out);
                    out.push(Doc::Space);
                    self.block(body, spread, out);
                }
                if let Some(body) = otherwise {
                    out.push(Doc::Space);
                    self.word(out);
                    self.block(body, spread, out);
                }
            }
            StmtKind::For { parallel, list, body, .. } => {
                for _ in 0..if *parallel { 4 } else { 3 } {
                    self.word(out);
                }
                self.expr(list, out);
                out.push(Doc::Space);
                self.block(body, spread, out);
            }
            StmtKind::Parallel(body) | StmtKind::Atomic(body) => {
                self.word(out);
                self.block(body, spread, out);
            }
            StmtKind::Try { body, name, otherwise } => {
                self.word(out);
                self.block(body, spread, out);
                out.push(Doc::Space);
                self.word(out);
                if name.is_some() {
                    self.word(out);
                }
                self.block(otherwise, spread, out);
            }
            StmtKind::Assert { cond, within, why } => {
                self.word(out);
                self.expr(cond, out);
                let mut rest = Vec::new();
                if let Some(within) = within {
                    rest.push(Doc::Line);
                    self.word(&mut rest);
                    self.expr(within, &mut rest);
                }
                if let Some(why) = why {
                    self.take(&mut rest);
                    rest.push(Doc::Line);
                    self.expr(why, &mut rest);
                }
                out.push(Doc::Group(vec![Doc::Nest(rest)]));
            }
            StmtKind::Print(e) | StmtKind::Import(e) => {
                self.word(out);
                self.expr(e, out);
            }
            StmtKind::Input { ty, default, .. } => {
                self.word(out);
                self.take(out);
                self.annotation(Some(ty), out);
                self.default(default.as_ref(), out);
            }
            StmtKind::Service(service) => self.service(service, spread, out),
            // A program with mistakes is not laid out.
            StmtKind::Broken(_) => {}
        }
    }

    /// `local`, a placement, `{ compute: A }`, or entries without braces.
    fn at_scope(&mut self, scope: &Expr, out: &mut Docs<'a>) {
        match &scope.kind {
            ExprKind::Braces(entries) if self.peek() != Some(Tok::LBrace) => {
                for (n, entry) in entries.iter().enumerate() {
                    if n > 0 {
                        self.word(out);
                    }
                    self.item(entry, out);
                }
            }
            _ => self.expr(scope, out),
        }
    }

    pub fn params(&mut self, params: &[Param], out: &mut Docs<'a>) {
        self.list(params, out, |c, param, out| {
            c.take(out);
            c.annotation(Some(&param.ty), out);
            c.default(param.default.as_ref(), out);
            c.parts_in_list(&param.parts, out);
        });
    }

    pub fn result(&mut self, result: Option<&Type>, out: &mut Docs<'a>) {
        if let Some(ty) = result {
            out.push(Doc::Space);
            self.word(out);
            self.ty(ty, out);
        }
    }

    fn annotation(&mut self, ty: Option<&Type>, out: &mut Docs<'a>) {
        if let Some(ty) = ty {
            self.word(out);
            self.ty(ty, out);
        }
    }

    fn default(&mut self, value: Option<&Expr>, out: &mut Docs<'a>) {
        if let Some(value) = value {
            out.push(Doc::Space);
            self.word(out);
            self.expr(value, out);
        }
    }

    fn ty(&mut self, ty: &Type, out: &mut Docs<'a>) {
        match &ty.kind {
            TypeKind::Named(_) => self.take(out),
            TypeKind::List(inner) => {
                self.take(out);
                self.ty(inner, out);
                self.take(out);
            }
            TypeKind::Map(inner) => {
                self.take(out);
                self.take(out);
                self.word(out);
                self.ty(inner, out);
                self.take(out);
            }
            TypeKind::Record(fields) => self.fields(fields, out),
        }
        if ty.optional {
            self.take(out);
        }
    }

    /// `{ name: Type, ... }`
    pub fn fields(&mut self, fields: &[Field], out: &mut Docs<'a>) {
        let spread = self.line_ends_after_next();
        let mut docs = Vec::new();
        self.braced(fields, Between::Entries, &mut docs, |c, field, out| {
            c.take(out);
            c.annotation(Some(&field.ty), out);
            c.parts_in_list(&field.parts, out);
        });
        out.push(if spread && !fields.is_empty() { Doc::Broken(docs) } else { Doc::Group(docs) });
    }
}
