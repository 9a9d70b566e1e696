//! The first pass: characters to pieces, one at a time. Strings are read by hand, because `${ }` nests: a string is cut
//! into head, middles and tail, and a stack remembers which string goes on after a `}`.

use super::{Lexed, Piece};
use crate::diagnostic::{Code, Diagnostic};
use crate::span::{FileId, Span};
use crate::syntax::codes;
use crate::syntax::token::{Comment, Tok};
use logos::Logos;

/// What logos sees. Words are all `Word` here, quotes open a string that `scan` reads by hand.
#[rustfmt::skip]
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r\u{feff}]+")]
enum Raw {
    #[token("\n")] Newline,
    #[regex(r"#[^\n]*", allow_greedy = true)] Comment,
    // A slip: the comments of other languages.
    #[regex(r"//[^\n]*", allow_greedy = true)] #[token("/*")] SlashComment,
    #[regex(r"[\p{Alphabetic}_][\p{Alphabetic}\p{Nd}_]*(-[\p{Alphabetic}\p{Nd}][\p{Alphabetic}\p{Nd}_]*)*")] Word,
    #[regex(r"`[^`\n]+`")] Quoted,
    #[regex(r"[0-9][0-9_]*")] Int,
    #[regex(r"[0-9][0-9_]*\.[0-9][0-9_]*")] Float,
    #[regex(r"[0-9][0-9_]*(\.[0-9]+)?(ms|s|min|h|d)")] Duration,
    #[regex(r"[0-9][0-9_]*(\.[0-9]+)?([kKMGTP]i?)?B")] Size,
    #[regex(r"[0-9][0-9_]*(\.[0-9]+)?%")] Percent,
    // Longer than any of the above when the unit is wrong: `30sec`, `5GiBs`.
    #[regex(r"[0-9][0-9_]*(\.[0-9]+)?[\p{Alphabetic}][\p{Alphabetic}\p{Nd}_]*", priority = 1)] BadUnit,
    #[token("\"")] Quote,
    #[token("\"\"\"")] TripleQuote,
    // Slips, read as what was meant: 'text', “text”.
    #[regex(r"'[^'\n]*'")] #[regex("[\u{201c}\u{201d}][^\u{201c}\u{201d}\n]*[\u{201c}\u{201d}]")] WrongQuotes,
    #[token("(")] LParen, #[token(")")] RParen, #[token("[")] LBracket, #[token("]")] RBracket,
    #[token("...")] Ellipsis, #[token("..")] DotDot,
    #[token("{")] LBrace, #[token("}")] RBrace,
    #[token(",")] Comma, #[token(":")] Colon, #[token(";")] Semicolon, #[token(".")] Dot, #[token("@")] At,
    #[token("=")] Equals, #[token("->")] Arrow, #[token("?")] Question,
    #[token("&&")] AndAnd, #[token("||")] OrOr, #[token("!")] Bang,
    #[token("==")] EqEq, #[token("!=")] NotEq, #[token("<")] Lt, #[token("<=")] Le, #[token(">")] Gt,
    #[token(">=")] Ge,
    #[token("|")] Pipe, #[token("&")] Amp, #[token("^")] Caret, #[token("-")] Minus, #[token("+")] Plus,
    #[token("*")] Star, #[token("/")] Slash,
}

/// Inside `"... ${`: how the string goes on after the matching `}`.
#[derive(Clone, Copy, PartialEq)]
enum Open {
    Brace,
    Text(usize),
    TripleText(usize),
}

pub(super) fn scan(file: FileId, source: &str, lexed: &mut Lexed) -> Vec<Piece> {
    let mut scan = Scan { file, source, raw: Raw::lexer(source), open: Vec::new(), strings: Vec::new(), lexed };
    let mut pieces = Vec::with_capacity(source.len() / 4);
    let mut after_newline = false;
    while let Some(token) = scan.raw.next() {
        let start = scan.raw.span().start;
        let tok = match token {
            Ok(Raw::Newline) => {
                // A `"..."` does not cross lines, not even inside `${ }`.
                while let Some(&last) = scan.strings.last() {
                    let Open::Text(quote) = scan.open[last] else { break };
                    scan.open.truncate(last);
                    scan.strings.pop();
                    scan.unclosed_text(quote, start);
                    pieces.push(Piece { tok: Some(Tok::TextTail), start, end: start, after_newline: false });
                }
                after_newline = true;
                continue;
            }
            Ok(Raw::Comment) => {
                let doc = scan.raw.slice().starts_with("##");
                let span = Span::new(file, start, scan.raw.span().end);
                scan.lexed.comments.push(Comment { span, doc });
                continue;
            }
            Ok(Raw::SlashComment) => {
                scan.foreign_comment();
                continue;
            }
            Ok(Raw::Quote) => Some(scan.text(Quoting::Single, Tok::Text, Tok::TextHead)),
            Ok(Raw::TripleQuote) => Some(scan.text(Quoting::Triple, Tok::Text, Tok::TextHead)),
            Ok(Raw::RBrace) => {
                let opened = scan.open.pop();
                if scan.strings.last() == Some(&scan.open.len()) {
                    scan.strings.pop();
                }
                match opened {
                    Some(Open::Text(_)) => Some(scan.text(Quoting::Single, Tok::TextTail, Tok::TextMiddle)),
                    Some(Open::TripleText(_)) => Some(scan.text(Quoting::Triple, Tok::TextTail, Tok::TextMiddle)),
                    Some(Open::Brace) | None => Some(Tok::RBrace),
                }
            }
            Ok(Raw::LBrace) => {
                scan.open.push(Open::Brace);
                Some(Tok::LBrace)
            }
            Ok(Raw::WrongQuotes) => {
                let slice = scan.raw.slice();
                let text: &str = slice.trim_matches(['\'', '\u{201c}', '\u{201d}']);
                let help = if text.contains(['"', '\\']) { None } else { Some(format!("write `\"{text}\"`")) };
                scan.error(&codes::WRONG_QUOTES, "text is written between straight double quotes", help);
                Some(Tok::Text)
            }
            Ok(Raw::Word) => None,
            Ok(other) => Some(other.into()),
            Err(()) => {
                // One complaint for a run of strange characters.
                let joins = scan.lexed.diagnostics.last().is_some_and(|d| d.span.end as usize == start)
                    && pieces.last().is_some_and(|p: &Piece| p.tok == Some(Tok::Unreadable) && p.end == start);
                if joins {
                    let end = scan.raw.span().end as u32;
                    scan.lexed.diagnostics.last_mut().expect("just seen").span.end = end;
                } else {
                    let help = scan.raw.slice().chars().next().and_then(meant).map(str::to_string);
                    scan.error(&codes::STRANGE_CHARACTER, "this character has no meaning here", help);
                }
                Some(Tok::Unreadable)
            }
        };
        pieces.push(Piece { tok, start, end: scan.raw.span().end, after_newline });
        after_newline = false;
    }
    // Close what the end of the text left open, so that the grammar sees whole strings.
    while let Some(last) = scan.open.pop() {
        if let Open::Text(quote) | Open::TripleText(quote) = last {
            scan.lexed.open_at_end |= matches!(last, Open::TripleText(_));
            let end = source.len();
            scan.unclosed_text(quote, end);
            pieces.push(Piece { tok: Some(Tok::TextTail), start: end, end, after_newline: false });
        }
    }
    pieces
}

/// What was meant by a character that keyboards, chat programs and papers put in its place.
fn meant(character: char) -> Option<&'static str> {
    Some(match character {
        '\u{2013}' | '\u{2014}' | '\u{2212}' => "this is a dash; a minus is written `-`",
        '\u{a0}' | '\u{202f}' | '\u{2009}' => "this is a space of another kind; write a plain space",
        '\u{200b}'..='\u{200f}' | '\u{2060}' => "this character cannot be seen; delete it",
        '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' | '\'' => {
            "text is written between straight double quotes, `\"text\"`"
        }
        '\u{2026}' => "three dots are written `...`",
        '\u{2192}' => "an arrow is written `->`",
        '\u{2260}' => "this is written `!=`",
        '\u{2264}' => "this is written `<=`",
        '\u{2265}' => "this is written `>=`",
        '\u{2227}' => "this is written `&&`",
        '\u{2228}' => "this is written `||`",
        '\u{2295}' => "this is written `xor`",
        '\u{ac}' => "this is written `!`",
        '\u{222a}' => "this is written `|`",
        '\u{2229}' => "this is written `&`",
        '\u{d7}' => "this is written `*`",
        '`' => "a name in backquotes ends on the same line, and has at least one character",
        '%' => "a percentage is written without a space, `5%`",
        '$' => "text in a string is filled in with `${expr}`; elsewhere a name stands alone",
        '\\' => "a line goes on after an operator or inside brackets; no mark is needed",
        '~' => "a pattern is compared with `like`",
        _ => return None,
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Quoting {
    Single,
    Triple,
}

struct Scan<'a> {
    file: FileId,
    source: &'a str,
    raw: logos::Lexer<'a, Raw>,
    open: Vec<Open>,
    /// Where in `open` the strings are.
    strings: Vec<usize>,
    lexed: &'a mut Lexed,
}

impl Scan<'_> {
    fn error(&mut self, code: &'static Code, message: &str, help: Option<String>) {
        let span = Span::new(self.file, self.raw.span().start, self.raw.span().end);
        let mut diagnostic = Diagnostic::new(code, span, message);
        diagnostic.help.extend(help);
        self.lexed.diagnostics.push(diagnostic);
    }

    fn unclosed_text(&mut self, start: usize, end: usize) {
        let span = Span::new(self.file, start, end);
        let text = &self.source[start..end];
        let help = if text.starts_with("\"\"\"") {
            "a text of several lines ends with `\"\"\"`"
        } else {
            "a string ends with `\"` on its own line; a text of several lines stands between `\"\"\"`"
        };
        let message = "this string is not closed";
        self.lexed.diagnostics.push(Diagnostic::new(&codes::UNCLOSED_TEXT, span, message).help(help));
    }

    /// `// text` and `/* text */` are stepped over.
    fn foreign_comment(&mut self) {
        if self.raw.slice().starts_with("/*") {
            let length = self.raw.remainder().find("*/").map_or(self.raw.remainder().len(), |n| n + 2);
            self.raw.bump(length);
        }
        self.error(
            &codes::FOREIGN_COMMENT,
            "this is not a comment",
            Some("a comment begins with `#` and ends with its line".into()),
        );
    }

    /// Reads string text up to its closing quote or its next `${`, and says which.
    fn text(&mut self, quoting: Quoting, closed: Tok, interpolated: Tok) -> Tok {
        let rest = self.raw.remainder();
        let bytes = rest.as_bytes();
        let triple = quoting == Quoting::Triple;
        let mut at = 0;
        while at < bytes.len() {
            match bytes[at] {
                b'\\' => {
                    let escaped = rest[at + 1..].chars().next().filter(|c| triple || *c != '\n');
                    at += 1 + escaped.map_or(0, char::len_utf8);
                }
                b'"' if !triple => {
                    self.raw.bump(at + 1);
                    return closed;
                }
                b'"' if rest[at..].starts_with("\"\"\"") => {
                    self.raw.bump(at + 3);
                    return closed;
                }
                b'$' if bytes.get(at + 1) == Some(&b'{') => {
                    let quote = self.raw.span().start;
                    self.strings.push(self.open.len());
                    self.open.push(if triple { Open::TripleText(quote) } else { Open::Text(quote) });
                    self.raw.bump(at + 2);
                    return interpolated;
                }
                b'\n' if !triple => break,
                _ => at += 1,
            }
        }
        let start = self.raw.span().start;
        self.raw.bump(at.min(bytes.len()));
        self.lexed.open_at_end |= triple;
        // Inside `${ }` the string around it will be reported; the quote seen here was most likely its end.
        if self.strings.is_empty() {
            self.unclosed_text(start, self.raw.span().end);
        }
        closed
    }
}

impl From<Raw> for Tok {
    fn from(raw: Raw) -> Tok {
        match raw {
            Raw::Quoted | Raw::Word => Tok::Name,
            // The parser reads the number and says what is wrong with its unit.
            Raw::Int | Raw::BadUnit => Tok::Int,
            Raw::Float => Tok::Float,
            Raw::Duration => Tok::Duration,
            Raw::Size => Tok::Size,
            Raw::Percent => Tok::Percent,
            Raw::Quote | Raw::TripleQuote | Raw::WrongQuotes => Tok::Text,
            Raw::Newline | Raw::Comment | Raw::SlashComment => Tok::Newline,
            Raw::LParen => Tok::LParen,
            Raw::RParen => Tok::RParen,
            Raw::LBracket => Tok::LBracket,
            Raw::RBracket => Tok::RBracket,
            Raw::LBrace => Tok::LBrace,
            Raw::RBrace => Tok::RBrace,
            Raw::Comma => Tok::Comma,
            Raw::Colon => Tok::Colon,
            Raw::Semicolon => Tok::Semicolon,
            Raw::Dot => Tok::Dot,
            Raw::Ellipsis => Tok::Ellipsis,
            // `speaks "2.1" .. "2.96"`; nothing else has ranges.
            Raw::DotDot => Tok::Clause,
            Raw::At => Tok::At,
            Raw::Equals => Tok::Equals,
            Raw::Arrow => Tok::Arrow,
            Raw::Question => Tok::Question,
            Raw::AndAnd => Tok::AndAnd,
            Raw::OrOr => Tok::OrOr,
            Raw::Bang => Tok::Bang,
            Raw::EqEq => Tok::EqEq,
            Raw::NotEq => Tok::NotEq,
            Raw::Lt => Tok::Lt,
            Raw::Le => Tok::Le,
            Raw::Gt => Tok::Gt,
            Raw::Ge => Tok::Ge,
            Raw::Pipe => Tok::Pipe,
            Raw::Amp => Tok::Amp,
            Raw::Caret => Tok::Caret,
            Raw::Minus => Tok::Minus,
            Raw::Plus => Tok::Plus,
            Raw::Star => Tok::Star,
            Raw::Slash => Tok::Slash,
        }
    }
}
