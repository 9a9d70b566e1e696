//! The second pass: line ends, brackets, and (in `words`) keywords. It reads pieces once, from left to right, and looks
//! only at its neighbours, so the cost is linear; a text in which a brace is missing is read a second time, and then the
//! indentation says where.

use super::{Lexed, MAX_DEPTH, Piece};
use crate::diagnostic::{Code, Diagnostic, Label};
use crate::span::{FileId, Span};
use crate::syntax::codes;
use crate::syntax::foreign;
use crate::syntax::token::{Tok, Token, continues_clause};

/// A bracket that is open.
#[derive(Clone, Copy)]
pub(super) struct Open {
    tok: Tok,
    place: Span,
    /// The indentation of its line.
    indent: usize,
}

pub(super) struct Arranger<'a> {
    file: FileId,
    pub(super) source: &'a str,
    pub(super) raw: &'a [Piece],
    /// Let a `}` that begins a line close the brace whose line is indented as it is.
    by_indent: bool,
    tokens: Vec<Token>,
    pub(super) stack: Vec<Open>,
    /// How far the present line is indented, in bytes.
    indent: usize,
    /// In a service description: how many brackets were open inside each `{` that holds lines of clauses.
    pub(super) lines: Vec<usize>,
    service_ahead: bool,
    /// The first word of the clause: in `resource r like shape` and `named by name in project` `like` and `in`
    /// are no operators.
    pub(super) head: &'a str,
    lexed: &'a mut Lexed,
}

pub(super) fn arrange(file: FileId, source: &str, raw: &[Piece], by_indent: bool, lexed: &mut Lexed) {
    let arranger = Arranger {
        file,
        source,
        raw,
        by_indent,
        tokens: Vec::with_capacity(raw.len()),
        stack: Vec::new(),
        indent: 0,
        lines: Vec::new(),
        service_ahead: false,
        head: "",
        lexed,
    };
    arranger.run();
}

impl<'a> Arranger<'a> {
    fn run(mut self) {
        let mut i = 0;
        while i < self.raw.len() {
            let piece = self.raw[i];
            let (tok, used) = match piece.tok {
                Some(tok) => (tok, 1),
                None => self.word(i),
            };
            let place = self.span(piece.start, self.raw[i + used - 1].end);
            if piece.after_newline {
                // Only white space stands before it.
                self.indent = piece.start - self.source[..piece.start].rfind('\n').map_or(0, |n| n + 1);
            }
            if let Some(skipped) = self.other_arm(i, tok, place) {
                i = skipped;
                continue;
            }
            if piece.after_newline && tok == Tok::Clause && continues_clause(self.text(i)) {
                // A long request goes on.
            } else if piece.after_newline && !self.tokens.is_empty() {
                self.line_break(tok, place);
            } else if self.separator_forgotten(tok) {
                let help = foreign::word(self.text(i)).map(str::to_string);
                self.error(&codes::NO_SEPARATOR, place, "this belongs on a line of its own, or after `;`")
                    .help
                    .extend(help);
                self.push(Tok::Newline, self.span(piece.start, piece.start));
            }
            if self.is_return(i) {
                let message = "there is no `return`: the value of a function is that of its last statement";
                self.error(&codes::UNEXPECTED, place, message).help.push("leave the word out".into());
                i += used;
                continue;
            }
            if self.by_indent && tok == Tok::RBrace && piece.after_newline {
                self.close_by_indent(place);
            }
            match tok {
                Tok::LParen | Tok::LBracket | Tok::LBrace | Tok::TextHead => {
                    if self.stack.len() == MAX_DEPTH {
                        self.error(&codes::TOO_DEEP, place, format!("more than {MAX_DEPTH} brackets are open here"));
                        self.drop_statement();
                        break;
                    }
                    let lines = tok == Tok::LBrace && self.opens_lines();
                    self.stack.push(Open { tok, place, indent: self.indent });
                    if lines {
                        self.lines.push(self.stack.len());
                        self.service_ahead = false;
                    }
                    self.push(if lines { Tok::LinesBrace } else { tok }, place);
                }
                Tok::RParen | Tok::RBracket | Tok::RBrace | Tok::TextTail => self.close(tok, place),
                _ => {
                    self.service_ahead |= tok == Tok::Service;
                    self.push(tok, place);
                }
            }
            while self.lines.last().is_some_and(|depth| *depth > self.stack.len()) {
                self.lines.pop();
            }
            i += used;
        }
        let end = self.span(self.source.len(), self.source.len());
        while let Some(open) = self.stack.pop() {
            self.unclosed(open, end);
            self.lexed.open_at_end = true;
            self.push(closer(open.tok), end);
        }
        while self.tokens.last().is_some_and(|t| matches!(t.tok, Tok::Newline | Tok::Semicolon)) {
            self.tokens.pop();
        }
        self.lexed.tokens = self.tokens;
    }

    /// Forgets the statement around the outermost bracket: nothing that could be said about the rest of it helps.
    fn drop_statement(&mut self) {
        let Some(outermost) = self.stack.first() else { return };
        let start = outermost.place.start;
        self.stack.clear();
        while self
            .tokens
            .last()
            .is_some_and(|t| t.span.start >= start || !matches!(t.tok, Tok::Newline | Tok::Semicolon))
        {
            self.tokens.pop();
        }
    }

    fn push(&mut self, tok: Tok, place: Span) {
        if tok == Tok::Semicolon || tok == Tok::RBrace {
            while self.last() == Some(Tok::Newline) {
                self.tokens.pop();
            }
        }
        self.tokens.push(Token { tok, span: place });
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start, end)
    }

    fn error(&mut self, code: &'static Code, place: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.lexed.diagnostics.push(Diagnostic::new(code, place, message));
        self.lexed.diagnostics.last_mut().expect("just pushed")
    }

    /// `open` has no partner; `before` is where it would have had to be closed at the latest.
    fn unclosed(&mut self, open: Open, before: Span) {
        let sign = match closer(open.tok) {
            Tok::RParen => ")",
            Tok::RBracket => "]",
            _ => "}",
        };
        let text = format!("a `{sign}` is missing before this");
        self.error(&codes::UNCLOSED, open.place, "this is never closed").others.push(Label { span: before, text });
    }

    /// Closes the innermost bracket, which was forgotten, where the last token ends.
    fn close_forgotten(&mut self, before: Span) {
        let Some(open) = self.stack.pop() else { return };
        self.unclosed(open, before);
        let end = self.tokens.last().map_or(0, |t| t.span.end as usize);
        self.push(closer(open.tok), self.span(end, end));
    }

    pub(super) fn last(&self) -> Option<Tok> {
        self.tokens.last().map(|t| t.tok)
    }

    pub(super) fn last_text(&self) -> &'a str {
        self.tokens.last().map_or("", |t| &self.source[t.span.start as usize..t.span.end as usize])
    }

    pub(super) fn text(&self, i: usize) -> &'a str {
        self.raw.get(i).map_or("", |p| &self.source[p.start..p.end])
    }

    /// Does this `{` hold lines of clauses? After a value or `undo` it does, after a word it is a record.
    fn opens_lines(&self) -> bool {
        if self.lines.is_empty() {
            return self.service_ahead;
        }
        let before = self.tokens.len().checked_sub(2).map(|i| self.tokens[i].tok);
        self.lines.last() == Some(&self.stack.len())
            && match self.last() {
                Some(Tok::Clause) => {
                    matches!(self.last_text(), "undo" | "delete" | "resource" | "shape" | "bridge" | "part")
                }
                // The type was forgotten.
                Some(Tok::Arrow) => true,
                Some(Tok::Else) => before == Some(Tok::RBrace),
                Some(last) => last.ends_operand(),
                None => false,
            }
    }

    /// A line ended before `tok`: does it separate?
    fn line_break(&mut self, tok: Tok, place: Span) {
        if tok.begins_statement() {
            // Inside ( or [ a statement cannot begin: the bracket was forgotten.
            while self.stack.last().is_some_and(|open| open.tok != Tok::LBrace) {
                self.close_forgotten(place);
            }
        } else if self.stack.last().is_some_and(|open| open.tok != Tok::LBrace) || tok.continues() {
            return;
        }
        let last = self.tokens.last().expect("not the first line");
        let separates = match last.tok {
            Tok::Newline | Tok::Semicolon | Tok::LBrace | Tok::LinesBrace => false,
            before => {
                let clause = self.lines.last() == Some(&self.stack.len())
                    && matches!(tok, Tok::Clause | Tok::Method | Tok::Op | Tok::ReadOp | Tok::Fields | Tok::Chosen);
                clause || tok.begins_statement() || !before.wants_more()
            }
        };
        if separates {
            let span = self.span(last.span.end as usize, place.start as usize);
            self.tokens.push(Token { tok: Tok::Newline, span });
        }
    }

    /// `} print 2`, `let a = 1 let b = 2`: nothing continues this way, so the separator is supplied here;
    /// left to the parser, its recovery would reopen the block that was just closed.
    fn separator_forgotten(&self, tok: Tok) -> bool {
        use Tok::*;
        let Some(last) = self.last().filter(|t| t.ends_operand()) else { return false };
        if self.stack.last().is_some_and(|open| open.tok != LBrace) {
            return false;
        }
        matches!(tok, Let | Fn | If | Atomic | Try | Assert | Print)
            || last == RBrace
                && (tok.begins_statement()
                    || matches!(tok, Name | Text | TextHead | Int | Float | Duration | Size | Percent | Bang))
    }

    /// `} except Exception as e {`, `} elif x {`: read as what is written here, and said once. Gives where to go on.
    fn other_arm(&mut self, i: usize, tok: Tok, place: Span) -> Option<usize> {
        let word = self.text(i);
        if tok != Tok::Name || self.last() != Some(Tok::RBrace) || !self.lines.is_empty() {
            return None;
        }
        if self.stack.last().is_some_and(|open| open.tok != Tok::LBrace) {
            return None;
        }
        // The block that follows on the line. Of what is to be caught only words are read over.
        let line = self.raw[i + 1..].iter().take_while(|p| !p.after_newline);
        let words = |p: &&Piece| matches!(p.tok, None | Some(Tok::LParen | Tok::RParen | Tok::Comma));
        let read = i + 1 + line.clone().take_while(words).count();
        let block = |at: usize| self.raw.get(at).is_some_and(|p| p.tok == Some(Tok::LBrace) && !p.after_newline);
        let sign = |p: &Piece| matches!(p.tok, Some(Tok::Equals | Tok::Dot | Tok::Colon | Tok::At));
        if self.raw.get(i + 1).is_some_and(sign) || !line.clone().any(|p| p.tok == Some(Tok::LBrace)) {
            return None;
        }
        match word {
            "elif" | "elsif" | "elseif" | "elseIf" => {
                self.error(&codes::UNEXPECTED, place, format!("`{word}` is written `else if`"));
                let (start, end) = (place.start as usize, place.end as usize);
                self.push(Tok::Else, self.span(start, start + 2));
                self.push(Tok::If, self.span(start + 2, end));
                Some(i + 1)
            }
            "except" | "catch" | "rescue" | "finally" if block(read) => {
                let (message, help) = match word {
                    "finally" => {
                        ("there is no `finally`".into(), "what is to be done in any case stands behind the block")
                    }
                    _ => (
                        format!("`{word}` is written `else`"),
                        "this is written `try { ... } else e { ... }`; `e.message` says what it was",
                    ),
                };
                let whole = self.span(place.start as usize, self.raw[read - 1].end);
                self.error(&codes::UNEXPECTED, whole, message).help.push(help.into());
                self.push(Tok::Else, place);
                // Of what it is to be is not asked: the last word is the name.
                let names = (i + 1..read).rev().find(|at| self.raw[*at].tok.is_none());
                if let Some(at) = names {
                    let place = self.span(self.raw[at].start, self.raw[at].end);
                    self.push(Tok::Name, place);
                }
                Some(read)
            }
            _ => None,
        }
    }

    /// `return x`, as the beginning of a statement.
    fn is_return(&self, i: usize) -> bool {
        let opens = matches!(self.last(), None | Some(Tok::Newline | Tok::Semicolon | Tok::LBrace));
        let value = |p: &Piece| match p.tok {
            None | Some(Tok::Text | Tok::TextHead | Tok::Int | Tok::Float | Tok::Duration | Tok::Size) => true,
            Some(tok) => matches!(tok, Tok::Percent | Tok::LBracket | Tok::LBrace | Tok::Bang | Tok::Minus),
        };
        let next = self.raw.get(i + 1).filter(|p| !p.after_newline);
        self.raw[i].tok.is_none() && self.text(i) == "return" && opens && next.is_some_and(value)
    }

    fn close_by_indent(&mut self, before: Span) {
        let depth = self.stack.iter().rposition(|open| open.tok == Tok::LBrace && open.indent == self.indent);
        let Some(depth) = depth else { return };
        while self.stack.len() > depth + 1 {
            self.close_forgotten(before);
        }
        if self.last() == Some(Tok::Newline) {
            self.tokens.pop();
        }
    }

    /// A closing bracket: closes what was forgotten inside it, or is itself one too many.
    fn close(&mut self, tok: Tok, place: Span) {
        let Some(depth) = self.stack.iter().rposition(|open| closer(open.tok) == tok) else {
            self.error(&codes::STRAY_CLOSER, place, "nothing is open that this could close");
            return;
        };
        while self.stack.len() > depth + 1 {
            self.close_forgotten(place);
        }
        self.stack.pop();
        self.push(tok, place);
    }
}

fn closer(open: Tok) -> Tok {
    match open {
        Tok::LParen => Tok::RParen,
        Tok::LBracket => Tok::RBracket,
        Tok::TextHead => Tok::TextTail,
        _ => Tok::RBrace,
    }
}
