//! What was expected, in the words of a person. LALRPOP lists every token that could come next, often forty;
//! `Wanted` folds that list into the two to five things that could have been meant.

use super::build::{Build, Noted};
use crate::diagnostic::Diagnostic;
use crate::syntax::codes;
use crate::syntax::foreign;
use crate::syntax::token::{self, Class, Tok};
use lalrpop_util::{ErrorRecovery, ParseError};
use std::convert::Infallible;

type Raw = ParseError<usize, Tok, Infallible>;

impl Build<'_> {
    pub fn broken(&mut self, recovery: ErrorRecovery<usize, Tok, Infallible>) {
        self.report(recovery.error);
    }

    pub(super) fn report(&mut self, error: Raw) {
        let (l, r, tok, expected) = match error {
            ParseError::UnrecognizedToken { token: (l, tok, r), expected } => (l, r, Some(tok), expected),
            ParseError::UnrecognizedEof { location, expected } => (location, location, None, expected),
            ParseError::ExtraToken { token: (l, tok, r) } => (l, r, Some(tok), Vec::new()),
            ParseError::InvalidToken { location } => (location, location, None, Vec::new()),
            ParseError::User { error } => match error {},
        };
        let wanted = Wanted::of(&expected);
        // The lexer has balanced the brackets: one that closes where it cannot is left over from recovery.
        let ended = [["a statement"], ["the end of the line"]].iter().any(|t| wanted.tokens == t);
        if ended && tok.is_some_and(Tok::closes) && self.noted.iter().any(|n| n.by_grammar) {
            return;
        }
        // `x ==` and then `}` on the next line: the mistake is where the line ended.
        let before = self.source[..l].trim_end().len();
        let (l, r, tok) = match tok {
            Some(Tok::RBrace)
                if r > l && self.source[before..l].contains('\n') && !self.source[..before].ends_with(['{', ',']) =>
            {
                (before, before, Some(Tok::Newline))
            }
            // A line end is as long as the white space around it; one place is enough.
            Some(Tok::Newline) => (l, l, tok),
            // `} b"` closes `${`.
            Some(Tok::TextMiddle | Tok::TextTail) if r > l => (l, l + 1, tok),
            _ => (l, r, tok),
        };
        let found = match tok {
            None if self.source[l..].trim().is_empty() => "the end".to_string(),
            None | Some(Tok::Newline) => "the end of the line".to_string(),
            // A closing bracket that the lexer supplied has no width.
            Some(_) if l == r => "the end".to_string(),
            Some(_) => format!("`{}`", shortened(&self.source[l..r])),
        };
        let span = self.span(l, r);
        let comma = wanted.tokens.contains(&",");
        let diagnostic = match tok {
            Some(Tok::Select | Tok::OrderBy | Tok::GroupBy) if comma => {
                let message = format!("{found} has commas of its own");
                Diagnostic::new(&codes::QUERY_IN_LIST, span, message).help("put this query in parentheses")
            }
            Some(_) if wanted.tokens == ["a name"] && is_word(&self.source[l..r]) => {
                let message = format!("expected a name, found {found}");
                Diagnostic::new(&codes::RESERVED_WORD, span, message)
                    .help(format!("{found} is a word of the language; in backquotes it can be a name"))
            }
            _ => {
                let message = format!("expected {}, found {found}", wanted.in_words());
                let mut diagnostic = Diagnostic::new(&codes::UNEXPECTED, span, message);
                let goes_on = tok.is_some_and(|t| t != Tok::Newline && !t.closes() && t.continues())
                    && self.source[before..l].contains('\n');
                diagnostic.help.extend(match goes_on {
                    true => Some("a line that begins so goes on with the one before; `;` ends that one".into()),
                    false => self.advice(l),
                });
                diagnostic
            }
        };
        self.noted.push(Noted { diagnostic, by_grammar: true });
    }

    /// What a word of another language is here, at the start of the line or where the parser stopped.
    fn advice(&self, at: usize) -> Option<String> {
        // A long line is not searched again for each of its mistakes.
        let near = (at.saturating_sub(200)..=at).find(|i| self.source.is_char_boundary(*i)).unwrap_or(at);
        let first = match self.source[near..at].rfind('\n') {
            Some(n) => self.source[near + n + 1..].trim_start(),
            None if near == 0 => self.source,
            None => "",
        };
        let word = |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("").to_string();
        let (head, here) = (word(first), word(&self.source[at..]));
        let before = &first[..first.len().saturating_sub(self.source[near..].len() - (at - near))];
        let last = before.trim_end().rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
        foreign::sign(before, &self.source[at..])
            .or_else(|| foreign::word(&head))
            .or_else(|| foreign::word(&here))
            .or_else(|| foreign::word(last))
            .map(str::to_string)
            .or_else(|| foreign::command(before, &here))
    }
}

/// A single word that the lexer can read as a keyword.
fn is_word(text: &str) -> bool {
    !matches!(token::class(text), Class::Plain)
}

/// A long string does not belong in a message.
fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    match line.char_indices().nth(40) {
        None if line.len() == text.len() => line.to_string(),
        None => format!("{line}..."),
        Some((end, _)) => format!("{}...", &line[..end]),
    }
}

/// LALRPOP's list of quoted token names, folded.
///
/// Classes have a telling member: where `"int"` and `"["` can come, an expression can; where `"let"` can, a
/// statement. Where `"=="` can come an operand has just ended: every operator, `.`, `(` and clause is possible
/// then, and none of them is ever what was missing, so only what closes or separates is named.
struct Wanted<'a> {
    tokens: Vec<&'a str>,
}

impl<'a> Wanted<'a> {
    fn of(expected: &'a [String]) -> Wanted<'a> {
        let listed: Vec<&str> = expected.iter().map(|e| e.trim_matches('"')).collect();
        let has = |t: &str| listed.contains(&t);
        let statement = has("let");
        let expression = has("int") && has("[");
        let operand_ended = has(".") || has("&&") || has("@") || has("where");
        let mut tokens = Vec::new();
        if statement {
            tokens.push("a statement");
        } else if expression {
            tokens.push("an expression");
        } else if has("op") {
            tokens.push("a clause");
        } else if has("name") {
            tokens.push("a name");
        }
        // In this order, so that the likeliest comes first.
        let closers: [&str; 6] = [",", ")", "]", "}", ":", "{"];
        tokens.extend(closers.iter().filter(|t| has(t) && !(**t == "{" && expression) && !(**t == "}" && statement)));
        if has("string middle") {
            tokens.push("}");
        }
        if has("newline") && !statement && !has(",") {
            tokens.push("the end of the line");
        }
        let mut words = vec!["->", "else", "in", "of", "on"];
        if operand_ended || expression {
            words = vec!["of", "on"];
        } else if !statement {
            words.extend(["=", "(", "for"]);
        }
        tokens.extend(words.into_iter().filter(|t| has(t)));
        if has("string") && !expression {
            tokens.push("text");
        }
        if tokens.is_empty() && operand_ended {
            tokens.push("an operator");
        }
        tokens.truncate(5);
        Wanted { tokens }
    }

    fn in_words(&self) -> String {
        const PROSE: [&str; 7] =
            ["a statement", "an expression", "a name", "the end of the line", "text", "a clause", "an operator"];
        let word = |t: &&str| if PROSE.contains(t) { t.to_string() } else { format!("`{t}`") };
        match &self.tokens[..] {
            [] => "something else".to_string(),
            [only] => word(only),
            [first @ .., last] => {
                format!("{} or {}", first.iter().map(word).collect::<Vec<_>>().join(", "), word(last))
            }
        }
    }
}
