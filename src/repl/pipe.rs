//! Entries from standard input where nobody types. A statement ends where the next line shows that it has ended, as in a
//! file: a line that begins with `@` or `where` goes on with the one before. An empty line ends it at once.

use edge_lang::span::FileId;
use edge_lang::syntax::{Tok, lex, parse};
use std::io::{BufRead, Read};

/// Bytes of one entry. Each line of it has all before it read again.
const MOST: usize = 256 << 10;

pub struct Pipe<R> {
    input: R,
    /// A line that showed that the entry before it had ended.
    ahead: Option<String>,
    ended: bool,
}

impl<R: BufRead> Pipe<R> {
    pub fn new(input: R) -> Pipe<R> {
        Pipe { input, ahead: None, ended: false }
    }

    /// The next entry or command; `None` at the end.
    pub fn next(&mut self) -> Result<Option<String>, String> {
        let mut entry = String::new();
        loop {
            let Some(line) = self.line()? else {
                return Ok((!entry.trim().is_empty()).then_some(entry));
            };
            if entry.trim().is_empty() {
                if line.trim_start().starts_with(':') {
                    return Ok(Some(line));
                }
                entry = if is_nothing(&line) { String::new() } else { line };
                continue;
            }
            if !parse(FileId(0), &entry).incomplete {
                if line.trim().is_empty() {
                    return Ok(Some(entry));
                }
                if line.trim_start().starts_with(':') || begins_anew(&entry, &line) {
                    self.ahead = Some(line);
                    return Ok(Some(entry));
                }
            }
            entry = entry + "\n" + &line;
            if entry.len() > MOST {
                return Err(format!("an entry is longer than {} KiB; `:load` reads a file of any size", MOST >> 10));
            }
        }
    }

    fn line(&mut self) -> Result<Option<String>, String> {
        if let Some(line) = self.ahead.take() {
            return Ok(Some(line));
        }
        if self.ended {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let mut limited = (&mut self.input).take(MOST as u64 + 1);
        limited.read_until(b'\n', &mut bytes).map_err(|e| format!("standard input cannot be read: {e}"))?;
        if bytes.len() > MOST {
            return Err(format!("a line is longer than {} KiB; `:load` reads a file of any size", MOST >> 10));
        }
        self.ended = bytes.is_empty();
        let text = String::from_utf8(bytes).map_err(|_| "standard input is not text in UTF-8".to_string())?;
        Ok((!self.ended).then(|| text.trim_end_matches(['\n', '\r']).to_string()))
    }
}

/// Whether a text says nothing: white space and comments.
pub fn is_nothing(text: &str) -> bool {
    let lexed = lex(FileId(0), text);
    lexed.tokens.iter().all(|t| matches!(t.tok, Tok::Newline | Tok::Semicolon)) && lexed.diagnostics.is_empty()
}

/// Whether a line after a complete entry begins a new one.
fn begins_anew(entry: &str, line: &str) -> bool {
    let joint = entry.len() as u32;
    let whole = format!("{entry}\n{line}");
    let tokens = lex(FileId(0), &whole).tokens;
    // A comment alone decides nothing.
    let Some(first) = tokens.iter().position(|t| t.span.start > joint && t.tok != Tok::Newline) else { return false };
    first > 0 && matches!(tokens[first - 1].tok, Tok::Newline | Tok::Semicolon)
}

#[cfg(test)]
mod tests {
    use super::Pipe;

    fn entries(text: &str) -> Vec<String> {
        let mut pipe = Pipe::new(text.as_bytes());
        std::iter::from_fn(|| pipe.next().expect("a short text")).collect()
    }

    #[test]
    fn a_statement_ends_where_the_next_line_shows_it() {
        assert_eq!(entries("let a = 1\nlet b = 2\n"), ["let a = 1", "let b = 2"]);
        assert_eq!(
            entries("server.list()\n  @ A\nwhere x == 1\nprint 1"),
            ["server.list()\n  @ A\nwhere x == 1", "print 1"]
        );
        assert_eq!(entries("if x {\n\n  y\n}\nelse {\n z }\na"), ["if x {\n\n  y\n}\nelse {\n z }", "a"]);
        assert_eq!(entries("let t = \"\"\"\n:help\n\"\"\"\n:help\n"), ["let t = \"\"\"\n:help\n\"\"\"", ":help"]);
    }

    #[test]
    fn comments_and_empty_lines_are_no_entries() {
        assert_eq!(entries("# one\n\n# two\na\n# three\n@ B\n\n\n# four\n"), ["a\n# three\n@ B"]);
        assert_eq!(entries(""), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_finished_is_an_entry_too() {
        assert_eq!(entries("let a = [1,\n2"), ["let a = [1,\n2"]);
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let long = "x".repeat(super::MOST + 10);
        assert!(Pipe::new(long.as_bytes()).next().is_err());
    }
}
