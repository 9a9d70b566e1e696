//! The parser never fails: a tree and a list of diagnostics. LALRPOP's types stay in this folder and the grammar.
//!
//! The grammar gets one top-level statement at a time, so that whatever recovery makes of a broken one cannot reach
//! the next. The hard part is not parsing but saying what was expected, see `expected`.

pub(super) mod build;
mod expected;
mod literal;
mod text;

use super::ast::Block;
use super::codes;
use super::lexer::{self, Lexed};
use super::token::{Comment, Tok, Token};
use crate::diagnostic::Diagnostic;
use crate::span::FileId;
use build::{Build, Noted};
use lalrpop_util::lalrpop_mod;

lalrpop_mod!(
    #[allow(clippy::all, unused)]
    grammar,
    "/syntax/grammar.rs"
);

#[derive(Clone, Debug)]
pub struct Parsed {
    pub program: Block,
    pub comments: Vec<Comment>,
    /// In the order of the text; all are errors.
    pub diagnostics: Vec<Diagnostic>,
    /// More lines could mend every error: a REPL asks for one. False for a text that is merely wrong.
    pub incomplete: bool,
}

pub fn parse(file: FileId, source: &str) -> Parsed {
    parse_lexed(file, source, lexer::lex(file, source))
}

pub(super) fn parse_lexed(file: FileId, source: &str, lexed: Lexed) -> Parsed {
    let mut b = Build::new(file, source);
    let parser = grammar::ProgramParser::new();
    let mut program = Vec::new();
    for statement in statements(&lexed.tokens) {
        let tokens = statement.iter().map(|t| Ok((t.span.start as usize, t.tok, t.span.end as usize)));
        match parser.parse(&mut b, tokens) {
            Ok(block) => program.extend(block),
            // Not reached while `Stmt` can be `!`; kept because a tree is promised.
            Err(error) => b.report(error),
        }
    }
    // Where the text ends, comments and supplied brackets aside.
    let end = lexed.tokens.iter().rev().find(|t| t.span.start < t.span.end).map_or(0, |t| t.span.end);
    let noted = merge(source, lexed.diagnostics, b.noted);
    let at_end = |n: &Noted| n.by_grammar && n.diagnostic.span.start >= end;
    let unclosed = |n: &Noted| [&codes::UNCLOSED, &codes::UNCLOSED_TEXT].contains(&n.diagnostic.code);
    let open = lexed.open_at_end || noted.iter().any(at_end);
    let incomplete = open && noted.iter().all(|n| at_end(n) || unclosed(n));
    let diagnostics = noted.into_iter().map(|n| n.diagnostic).collect();
    Parsed { program, comments: lexed.comments, diagnostics, incomplete }
}

/// Cuts at the separators outside all brackets.
fn statements(tokens: &[Token]) -> impl Iterator<Item = &[Token]> {
    let mut depth = 0usize;
    tokens
        .split(move |t| {
            if t.tok.opens() {
                depth += 1;
            } else if t.tok.closes() {
                depth = depth.saturating_sub(1);
            }
            depth == 0 && matches!(t.tok, Tok::Newline | Tok::Semicolon)
        })
        .filter(|s| !s.is_empty())
}

/// All complaints in the order of the text, one per place. The grammar's complaint about a token that the lexer
/// already explained says nothing new.
fn merge(source: &str, lexical: Vec<Diagnostic>, by_parser: Vec<Noted>) -> Vec<Noted> {
    // Where the lexer complained, as intervals in order that do not touch.
    let mut places: Vec<(u32, u32)> = lexical.iter().map(|d| (d.span.start, d.span.end)).collect();
    places.sort_unstable();
    places.dedup_by(|next, kept| {
        let touches = next.0 <= kept.1;
        if touches {
            kept.1 = kept.1.max(next.1);
        }
        touches
    });
    let explained = |n: &Noted| {
        let start = n.diagnostic.span.start;
        let after = places.partition_point(|place| place.0 <= start);
        // `x = )`: what is missing before a stray bracket stands in its place.
        let ahead = places.get(after).is_some_and(|next| {
            let between = source.get(start as usize..next.0 as usize);
            n.diagnostic.span.start == n.diagnostic.span.end
                && between.is_some_and(|text| text.trim().is_empty() && !text.contains('\n'))
        });
        n.by_grammar && (ahead || after > 0 && start <= places[after - 1].1)
    };
    let lexical = lexical.into_iter().map(|diagnostic| Noted { diagnostic, by_grammar: false });
    let mut noted: Vec<Noted> = lexical.chain(by_parser.into_iter().filter(|n| !explained(n))).collect();
    noted.sort_by_key(|n| (n.diagnostic.span.start, n.diagnostic.span.end));
    noted.dedup_by_key(|n| n.diagnostic.span.start);
    noted
}
