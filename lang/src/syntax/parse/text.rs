//! Strings, from source to value: quotes off, margin off, escapes replaced.
//!
//! In a `"""` text the first line end is not part of the value, and the indentation that all lines share, the line of
//! the closing quotes included, is taken off; so a text can be indented as its statement is. Escapes are replaced
//! afterwards: `\t` is text, not indentation.

pub(super) const ESCAPES: &str = "the escapes are `\\n` `\\t` `\\r` `\\\\` `\\\"` `\\$` and `\\u{1f600}`";

/// A token of a string: from its opening quote or `}` to its closing quote or `${`.
pub(super) struct Piece<'a> {
    pub at: usize,
    pub raw: &'a str,
}

/// A place in the source, and what is wrong there.
pub(super) struct Problem {
    pub start: usize,
    pub end: usize,
    pub message: String,
}

/// The values of all pieces of one string.
pub(super) fn values(pieces: &[Piece]) -> (Vec<String>, Vec<Problem>) {
    let mut problems = Vec::new();
    let first = pieces.first().map_or("", |p| p.raw);
    let triple = first.starts_with("\"\"\"");
    let quote = if triple { "\"\"\"" } else { "\"" };
    if !triple && !first.starts_with('"') {
        // 'text' and “text”, which were reported.
        return (pieces.iter().map(|p| unquoted(p.raw).to_string()).collect(), problems);
    }
    let bare: Vec<Piece> = pieces.iter().enumerate().map(|(i, p)| bare(p, i == 0, quote)).collect();
    let margin = if triple { Margin::of(&bare) } else { Margin::default() };
    let last = bare.len() - 1;
    let mut values = Vec::with_capacity(bare.len());
    for (i, piece) in bare.iter().enumerate() {
        let mut value = String::with_capacity(piece.raw.len());
        if triple {
            for (line, at, whole) in margin.lines(piece, i == 0, i == last) {
                unescape(line, at, &mut value, &mut problems);
                if whole {
                    value.push('\n');
                }
            }
        } else {
            unescape(piece.raw, piece.at, &mut value, &mut problems);
        }
        values.push(value);
    }
    (values, problems)
}

fn unquoted(raw: &str) -> &str {
    let mut chars = raw.chars();
    chars.next();
    chars.next_back();
    chars.as_str()
}

/// Without quotes, `}` and `${`. Only a closing quote that is not escaped is one: the string may not be closed.
fn bare<'a>(piece: &Piece<'a>, first: bool, quote: &str) -> Piece<'a> {
    let opening = if first { quote } else { "}" };
    let raw = piece.raw.strip_prefix(opening).unwrap_or(piece.raw);
    let at = piece.at + piece.raw.len() - raw.len();
    let mut end = raw.len();
    let mut i = 0;
    while let Some(n) = raw[i..].find(['"', '\\', '$']) {
        i += n;
        let rest = &raw[i..];
        if rest.starts_with(quote) || rest.starts_with("${") {
            end = i;
            break;
        }
        let mut chars = rest.chars();
        if chars.next() == Some('\\') {
            chars.next();
        }
        i = raw.len() - chars.as_str().len();
    }
    Piece { at, raw: &raw[..end] }
}

#[derive(Default)]
struct Margin<'a> {
    shared: &'a str,
    /// The text begins on the line after the quotes.
    below: bool,
}

impl<'a> Margin<'a> {
    fn of(pieces: &[Piece<'a>]) -> Margin<'a> {
        let below = pieces[0].raw.split_once('\n').is_some_and(|(line, _)| line.trim().is_empty());
        let mut shared: Option<&str> = None;
        for piece in pieces {
            let mut lines = piece.raw.split('\n').enumerate().peekable();
            while let Some((n, line)) = lines.next() {
                // The first line of a piece goes on with what stood before it.
                if n == 0 {
                    continue;
                }
                let ends_here = lines.peek().is_none();
                let indent = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
                // An empty line says nothing; `${` and the closing quotes do.
                if line.trim().is_empty() && !ends_here {
                    continue;
                }
                shared = Some(match shared {
                    None => indent,
                    Some(before) => common(before, indent),
                });
            }
        }
        Margin { shared: shared.unwrap_or(""), below }
    }

    /// The lines of a piece without the margin: text, place, and whether a line end follows.
    fn lines(&self, piece: &Piece<'a>, first: bool, last: bool) -> Vec<(&'a str, usize, bool)> {
        let mut lines = Vec::new();
        let mut at = piece.at;
        let mut rest = piece.raw.split('\n').enumerate().peekable();
        while let Some((n, line)) = rest.next() {
            let whole = rest.peek().is_some();
            let start = at;
            at += line.len() + 1;
            if n == 0 && first && self.below {
                continue;
            }
            let line = if whole { line.strip_suffix('\r').unwrap_or(line) } else { line };
            let text = match n {
                0 => line,
                _ => line.strip_prefix(self.shared).unwrap_or_else(|| line.trim_start_matches([' ', '\t'])),
            };
            let blank = n > 0 && text.trim().is_empty() && (whole || last);
            let text = if blank { "" } else { text };
            lines.push((text, start + line.len() - text.len(), whole));
        }
        lines
    }
}

fn common<'a>(a: &'a str, b: &str) -> &'a str {
    let length = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    &a[..length]
}

fn unescape(raw: &str, at: usize, value: &mut String, problems: &mut Vec<Problem>) {
    let mut rest = raw;
    while let Some(n) = rest.find('\\') {
        value.push_str(&rest[..n]);
        let escape = &rest[n + 1..];
        let start = at + raw.len() - rest.len() + n;
        let (meant, length) = match escape.chars().next() {
            Some('n') => (Some('\n'), 1),
            Some('t') => (Some('\t'), 1),
            Some('r') => (Some('\r'), 1),
            Some(c @ ('\\' | '"' | '$')) => (Some(c), 1),
            Some('u') => unicode(escape),
            Some(c) => (None, c.len_utf8()),
            None => (None, 0),
        };
        match meant {
            Some(c) => value.push(c),
            None => problems.push(Problem {
                start,
                end: start + 1 + length,
                message: match escape.get(..length) {
                    Some(text) if length > 0 => format!("`\\{text}` is no escape"),
                    _ => "nothing follows this `\\`".into(),
                },
            }),
        }
        rest = &escape[length..];
    }
    value.push_str(rest);
}

/// `u{1f600}`: the character, and the length of what was read.
fn unicode(escape: &str) -> (Option<char>, usize) {
    let Some(digits) = escape.strip_prefix("u{") else { return (None, 1) };
    let length = digits.bytes().take_while(u8::is_ascii_hexdigit).count();
    if digits.as_bytes().get(length) != Some(&b'}') {
        return (None, 2 + length);
    }
    let code = u32::from_str_radix(&digits[..length], 16).ok();
    (code.and_then(char::from_u32), length + 3)
}
