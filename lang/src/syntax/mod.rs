//! From text to tree and back. One lexer serves the parser, the formatter, the REPL, the language server and
//! highlighting; the parser never fails, it returns a tree and a list of diagnostics.
//!
//! The hard idea is the lexer's second pass: it decides what depends on neighbours (which words are keywords, which
//! line ends separate, where a bracket is missing), so that the grammar has nothing to guess.

pub mod ast;
pub mod codes;
pub mod lexer;
pub mod show;
pub mod token;

pub mod foreign;
mod format;
mod parse;

pub use format::{FormatRefused, format};
pub use lexer::{Lexed, MAX_DEPTH, lex};
pub use parse::{Parsed, parse};
pub use token::{Comment, Tok, Token};

use crate::span::Span;

/// The documentation of a declaration: the `##` lines right above the line on which `declaration` begins, without
/// their marks. `comments` are those of the same file, in order, as `lex` and `parse` give them.
pub fn documentation(source: &str, comments: &[Comment], declaration: Span) -> Option<String> {
    let mut above = source.get(..declaration.start as usize)?;
    let mut rest = &comments[..comments.partition_point(|c| c.span.end <= declaration.start)];
    let mut lines = Vec::new();
    while let [before @ .., comment] = rest {
        let between = source.get(comment.span.end as usize..above.len())?;
        let own_line = source[..comment.span.start as usize]
            .rsplit('\n')
            .next()
            .is_none_or(|indent| indent.chars().all(char::is_whitespace));
        // Words may come between: `read` in front of `op`, but no line.
        if !comment.doc || !own_line || between.matches('\n').count() != 1 {
            break;
        }
        let text = source.get(comment.span.start as usize..comment.span.end as usize)?.trim_start_matches('#');
        lines.push(text.strip_prefix(' ').unwrap_or(text).trim_end());
        above = &source[..comment.span.start as usize];
        rest = before;
    }
    lines.reverse();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
