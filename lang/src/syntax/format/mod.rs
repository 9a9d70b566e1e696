//! `edge fmt`: one canonical layout. The tree says where lines may end, the tokens say what stands there, so that
//! nothing is written that was not read; commas, `;` and line ends aside, which separate.
//!
//! The hard part is trust: the result is read again, and refused unless tree and comments are the same.
//!
//! What is kept as it was written: the order of everything, strings, single empty lines, and whether a block or a record
//! was spread over lines. Whatever does not fit into 110 columns is broken at its outermost brackets or operators.

mod cursor;
mod doc;
mod erase;
mod expressions;
mod services;
mod statements;

use super::codes;
use super::lexer::lex;
use super::parse::{Parsed, parse_lexed};
use super::token::Token;
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span};
use cursor::Cursor;

const MOST_ROUNDS: usize = 6;

/// Nothing was formatted: the text has mistakes, or its layout would have changed what it says.
#[derive(Clone, Debug)]
pub struct FormatRefused {
    pub diagnostics: Vec<Diagnostic>,
}

pub fn format(file: FileId, source: &str) -> Result<String, FormatRefused> {
    let lexed = lex(file, source);
    let mut tokens = lexed.tokens.clone();
    let parsed = parse_lexed(file, source, lexed);
    if !parsed.diagnostics.is_empty() {
        return Err(FormatRefused { diagnostics: parsed.diagnostics });
    }
    let mut formatted = layout(source, &tokens, &parsed);
    // A comment in an odd place can be moved to a line of its own, which is then a reason for another layout.
    for round in 1..=MOST_ROUNDS {
        let lexed = lex(file, &formatted);
        tokens.clone_from(&lexed.tokens);
        let again = parse_lexed(file, &formatted, lexed);
        if let Some(span) = changed(file, source, &parsed, &formatted, &again) {
            let message = "the layout of this would change the program, so nothing was written";
            let diagnostic = Diagnostic::new(&codes::LAYOUT_CHANGED, span, message)
                .help("this is a fault of `edge fmt`: please report it");
            return Err(FormatRefused { diagnostics: vec![diagnostic] });
        }
        let next = layout(&formatted, &tokens, &again);
        // What is given back has been read again.
        if next == formatted || round == MOST_ROUNDS {
            break;
        }
        formatted = next;
    }
    Ok(formatted)
}

fn layout(source: &str, tokens: &[Token], parsed: &Parsed) -> String {
    let mut cursor = Cursor::new(source, tokens, &parsed.comments);
    let mut docs = Vec::new();
    cursor.program(&parsed.program, &mut docs);
    doc::print(&docs)
}

/// The place of the first statement or comment that the formatted text does not say in the same way.
fn changed(file: FileId, source: &str, before: &Parsed, formatted: &str, after: &Parsed) -> Option<Span> {
    let end = Span::new(file, source.len(), source.len());
    let pairs = before.program.iter().zip(&after.program);
    if let Some((statement, _)) = pairs.into_iter().find(|(a, b)| !erase::same(a, b)) {
        return Some(statement.span);
    }
    if before.program.len() != after.program.len() || !after.diagnostics.is_empty() {
        return Some(before.program.get(after.program.len()).map_or(end, |s| s.span));
    }
    let text = |source: &'_ str, span: Span| source[span.start as usize..span.end as usize].trim_end().to_string();
    let comments = before.comments.iter().zip(&after.comments);
    for (a, b) in comments {
        if text(source, a.span) != text(formatted, b.span) {
            return Some(a.span);
        }
    }
    (before.comments.len() != after.comments.len()).then_some(end)
}
