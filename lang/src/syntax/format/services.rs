//! Service descriptions: a line for each clause. A long clause goes on at the words that may begin a line of it.

use super::cursor::{Cursor, Docs};
use super::doc::Doc;
use super::statements::Between;
use crate::syntax::ast::*;
use crate::syntax::token::{continues_clause, is_second_word, stands_alone};

impl<'a> Cursor<'a> {
    pub fn service(&mut self, service: &Service, spread: &mut bool, out: &mut Docs<'a>) {
        for _ in 0..3 {
            self.word(out);
        }
        self.word(out);
        if let Some(kind) = &service.kind {
            self.expr(kind, out);
            out.push(Doc::Space);
        }
        self.line_block(&service.lines, spread, out);
    }

    fn line_block(&mut self, lines: &[Line], spread: &mut bool, out: &mut Docs<'a>) {
        *spread |= self.bracket_crosses_lines() && (!lines.is_empty() || self.holds_comment());
        self.braced(lines, Between::Statements, out, |c, line, out| c.line(line, out));
    }

    fn line(&mut self, line: &Line, out: &mut Docs<'a>) {
        let mut spread = false;
        let mut docs = Vec::new();
        self.line_kind(&line.kind, &mut spread, &mut docs);
        out.push(if spread { Doc::Broken(docs) } else { Doc::Group(docs) });
    }

    fn line_kind(&mut self, kind: &LineKind, spread: &mut bool, out: &mut Docs<'a>) {
        match kind {
            LineKind::Clause { parts, lines } => {
                self.parts(parts, out);
                if let Some(lines) = lines {
                    out.push(Doc::Space);
                    self.line_block(lines, spread, out);
                }
            }
            LineKind::Fields(fields) => {
                self.word(out);
                self.fields(fields, out);
            }
            LineKind::Op { params, result, lines, .. } => {
                self.word(out);
                self.take(out);
                self.params(params, out);
                self.result(result.as_ref(), out);
                out.push(Doc::Space);
                self.line_block(lines, spread, out);
            }
            LineKind::List { params, parts } => {
                self.take(out);
                self.params(params, out);
                out.push(Doc::Space);
                self.parts(parts, out);
            }
            LineKind::Chosen(_, value) => {
                for _ in 0..3 {
                    self.word(out);
                }
                self.expr(value, out);
            }
            LineKind::If { cond, then, otherwise } => {
                self.word(out);
                self.expr(cond, out);
                out.push(Doc::Space);
                self.line_block(then, spread, out);
                if let Some(lines) = otherwise {
                    out.push(Doc::Space);
                    self.word(out);
                    self.line_block(lines, spread, out);
                }
            }
            LineKind::Broken(_) => {}
        }
    }

    fn parts(&mut self, parts: &[ServicePart], out: &mut Docs<'a>) {
        for (n, part) in parts.iter().enumerate() {
            if n > 0 && continues_clause(&part.word.text) {
                let mut docs = Vec::new();
                self.part(part, &mut docs);
                let before = &parts[n - 1];
                let follows = !before.values.is_empty() || stands_alone(&before.word.text) || is_second(part);
                out.push(if !follows {
                    // On the same line this word would be the value of the one before.
                    docs.insert(0, Doc::Line);
                    Doc::Broken(vec![Doc::Nest(docs)])
                } else {
                    Doc::Continue(docs)
                });
            } else {
                // At other words a new clause would begin.
                out.extend((n > 0).then_some(Doc::Space));
                self.part(part, out);
            }
        }
    }

    /// In a list that has line ends of its own.
    pub fn parts_in_list(&mut self, parts: &[ServicePart], out: &mut Docs<'a>) {
        for part in parts {
            out.push(Doc::Space);
            self.part(part, out);
        }
    }

    fn part(&mut self, part: &ServicePart, out: &mut Docs<'a>) {
        self.take(out);
        for (n, value) in part.values.iter().enumerate() {
            if n > 0 {
                self.take(out);
            }
            out.push(Doc::Space);
            self.expr(value, out);
        }
    }
}

/// `rehearse query { ... }`: a word that may come right after another.
fn is_second(part: &ServicePart) -> bool {
    let value = part.values.first().map(|e| &e.kind);
    is_second_word(&part.word.text) && matches!(value, Some(ExprKind::Text(_) | ExprKind::Braces(_)))
}
