//! From text to the tokens that the parser, the formatter, the highlighter and the REPL all read.
//!
//! Two passes. `scan` is context-free: logos, plus strings, which it cuts into pieces around `${ }`.
//! `arrange` decides everything that depends on neighbours, so that the grammar does not have to:
//!
//! - which words are keywords here and names there (`limit 3` and `x.limit`), see `words`;
//! - which line ends separate (`Tok::Newline`) and which are layout, see `Arranger::line_break`;
//! - that brackets balance: a missing or stray bracket is reported here, and the parser never sees one.
//!
//! Every byte of the text is in a token, a comment or white space, so the text can be printed back.

mod arrange;
mod scan;
mod words;

use super::codes;
use super::token::{Comment, Tok, Token};
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span};

/// Open brackets allowed at once; bounds the depth of the tree, and so every recursion over it.
pub const MAX_DEPTH: usize = 200;

#[derive(Debug, Default)]
pub struct Lexed {
    pub tokens: Vec<Token>,
    pub comments: Vec<Comment>,
    pub diagnostics: Vec<Diagnostic>,
    /// The text stops inside a bracket or a `"""`: a REPL asks for another line.
    pub open_at_end: bool,
}

pub fn lex(file: FileId, source: &str) -> Lexed {
    let mut lexed = Lexed::default();
    // Spans are 32 bits wide.
    if source.len() > u32::MAX as usize {
        let message = "this text is larger than 4 GiB";
        lexed.diagnostics.push(Diagnostic::new(&codes::TEXT_TOO_LARGE, Span::new(file, 0, 0), message));
        return lexed;
    }
    let raw = scan::scan(file, source, &mut lexed);
    let scanned = lexed.diagnostics.len();
    arrange::arrange(file, source, &raw, false, &mut lexed);
    let brace_missing = |d: &Diagnostic| d.code == &codes::UNCLOSED && source[d.span.start as usize..].starts_with('{');
    if lexed.diagnostics[scanned..].iter().any(brace_missing) {
        // Only now, in a text known to be wrong, is indentation asked where the brace is missing.
        lexed.diagnostics.truncate(scanned);
        arrange::arrange(file, source, &raw, true, &mut lexed);
    }
    lexed
}

/// What the first pass hands to the second.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// `None` for a word that `arrange` has yet to judge.
    tok: Option<Tok>,
    start: usize,
    end: usize,
    after_newline: bool,
}
