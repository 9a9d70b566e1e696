//! From `edge-[001-500]` to five hundred names. What would come out is counted before any of it is made.

use std::collections::HashSet;
use std::fmt;

use super::Names;

/// The most names that [`unfold`] makes of one text.
pub const LARGEST: usize = 1_000_000;

/// The most bytes they may have together, lest a long name be repeated a million times.
const MOST_BYTES: usize = 64 << 20;

/// The most pairs of brackets in one name.
const MOST_DIMENSIONS: usize = 16;

/// Why a text does not unfold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError {
    /// A `[` without `]`, a `]` without `[`, or a `[` inside brackets.
    Brackets {
        item: String,
    },
    /// Nothing before, between or after commas.
    Empty,
    /// Not a number or a range of numbers, between brackets.
    Range {
        range: String,
    },
    /// The range runs backwards.
    Backwards {
        range: String,
    },
    /// The two ends are padded to different widths, as in `[01-010]`.
    Padding {
        range: String,
    },
    TooManyBrackets {
        most: usize,
    },
    TooMany {
        most: usize,
    },
    TooLong {
        most_bytes: usize,
    },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Brackets { item } => write!(f, "the brackets of `{item}` do not match"),
            NameError::Empty => f.write_str("a name is missing beside a comma"),
            NameError::Range { range } => write!(f, "`{range}` is not a range of numbers"),
            NameError::Backwards { range } => write!(f, "the range `{range}` runs backwards"),
            NameError::Padding { range } => write!(f, "the ends of `{range}` are padded to different widths"),
            NameError::TooManyBrackets { most } => write!(f, "a name has more than {most} pairs of brackets"),
            NameError::TooMany { most } => write!(f, "this stands for more than {most} names"),
            NameError::TooLong { most_bytes } => write!(f, "the names are longer than {most_bytes} bytes together"),
        }
    }
}

impl std::error::Error for NameError {}

/// The names that a text stands for, each once, in written order. White space around commas is ignored; an empty
/// text stands for no name.
pub fn unfold(text: &str) -> Result<Names, NameError> {
    unfold_at_most(text, LARGEST)
}

/// As [`unfold`], with a limit of the caller's.
pub fn unfold_at_most(text: &str, most: usize) -> Result<Names, NameError> {
    if text.trim().is_empty() {
        return Ok(Names::default());
    }
    let items = items(text)?;
    let (mut count, mut bytes) = (0usize, 0usize);
    for item in &items {
        let names = item.count();
        count = count.saturating_add(names);
        bytes = bytes.saturating_add(names.saturating_mul(item.longest()));
    }
    if count > most {
        return Err(NameError::TooMany { most });
    }
    if bytes > MOST_BYTES {
        return Err(NameError::TooLong { most_bytes: MOST_BYTES });
    }
    let mut made = Made::with_room(count, bytes);
    items.iter().for_each(|item| item.expand(&mut made));
    let names = made.names();
    if items.len() > 1 || !items[0].is_plain() {
        let mut seen = HashSet::with_capacity(names.len());
        seen.extend(names.iter());
        if seen.len() < names.len() {
            return Ok(names.retained(|name| seen.remove(name)));
        }
    }
    Ok(names)
}

/// The names made so far, in a buffer that is long enough for all.
struct Made {
    bytes: Vec<u8>,
    end: usize,
    ends: Vec<u32>,
}

/// So many bytes are copied at once, the end of a short name or not: to copy a number of bytes that is known while
/// compiling is one instruction, and what is too much is written over by the next name.
const STRIDE: usize = 32;

impl Made {
    fn with_room(count: usize, bytes: usize) -> Made {
        Made { bytes: vec![0; bytes + STRIDE], end: 0, ends: Vec::with_capacity(count) }
    }

    fn push(&mut self, name: &Template) {
        let length = name.bytes.len() - STRIDE;
        let mut at = 0;
        while at < length {
            let piece: &[u8; STRIDE] = name.bytes[at..].first_chunk().expect("a template has a stride more");
            *self.bytes[self.end + at..].first_chunk_mut().expect("there is room for all and a stride more") = *piece;
            at += STRIDE;
        }
        self.end += length;
        self.ends.push(self.end as u32);
    }

    /// The name with another last digit. It is not written into the template: what was just written by the byte is slow
    /// to read by the stride.
    fn push_with(&mut self, name: &Template, digit: u8) {
        let at = self.end + name.number - 1;
        self.push(name);
        self.bytes[at] = b'0' + digit;
    }

    fn names(mut self) -> Names {
        self.bytes.truncate(self.end);
        Names::new(self.bytes, self.ends)
    }
}

/// A name in which the number at one place is counted up, followed by `STRIDE` bytes more.
struct Template {
    bytes: Vec<u8>,
    /// Where the number ends.
    number: usize,
}

impl Template {
    fn of(pieces: &[&[u8]], number: usize) -> Template {
        let mut bytes = pieces.concat();
        bytes.resize(bytes.len() + STRIDE, 0);
        Template { bytes, number }
    }

    fn new(before: &[u8], number: u64, width: usize, after: &str) -> Template {
        let mut digits = String::new();
        push_number(&mut digits, number, width);
        Template::of(&[before, digits.as_bytes(), after.as_bytes()], before.len() + digits.len())
    }

    /// The next number of tens, where it has as many digits.
    fn count(&mut self, before: usize) -> bool {
        for digit in self.bytes[before..self.number - 1].iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                return true;
            }
            *digit = b'0';
        }
        false
    }
}

/// One name, or one name with brackets.
struct Item<'a> {
    parts: Vec<Part<'a>>,
}

enum Part<'a> {
    Text(&'a str),
    Ranges(Vec<Range>),
}

struct Range {
    from: u64,
    to: u64,
    step: u64,
    width: usize,
}

impl Item<'_> {
    fn count(&self) -> usize {
        self.parts.iter().fold(1usize, |count, part| match part {
            Part::Text(_) => count,
            Part::Ranges(ranges) => {
                count.saturating_mul(ranges.iter().fold(0, |sum: usize, range| sum.saturating_add(range.count())))
            }
        })
    }

    fn longest(&self) -> usize {
        let length = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::Ranges(ranges) => ranges.iter().map(|range| range.width.max(digits(range.to))).max().unwrap_or(0),
        };
        self.parts.iter().map(length).sum()
    }

    /// Whether no name can come out twice: all ranges go up, and what follows a number does not begin with a digit, so
    /// that other numbers are another text.
    fn is_plain(&self) -> bool {
        let ascends = |ranges: &Vec<Range>| ranges.is_sorted_by(|a, b| a.to < b.from);
        let parted = |next: Option<&Part>| match next {
            None => true,
            Some(Part::Text(text)) => !text.starts_with(|c: char| c.is_ascii_digit()),
            Some(Part::Ranges(_)) => false,
        };
        self.parts.iter().enumerate().all(|(i, part)| match part {
            Part::Text(_) => true,
            Part::Ranges(ranges) => ascends(ranges) && parted(self.parts.get(i + 1)),
        })
    }

    fn expand(&self, made: &mut Made) {
        fn go(parts: &[Part], name: &mut String, made: &mut Made) {
            let length = name.len();
            match parts {
                [] => made.push(&Template::of(&[name.as_bytes()], 0)),
                [Part::Text(text), rest @ ..] => {
                    name.push_str(text);
                    go(rest, name, made);
                }
                [Part::Ranges(ranges)] => ranges.iter().for_each(|range| range.count_up(name, "", made)),
                [Part::Ranges(ranges), Part::Text(after)] => {
                    ranges.iter().for_each(|range| range.count_up(name, after, made));
                }
                [Part::Ranges(ranges), rest @ ..] => {
                    for range in ranges {
                        for number in range.numbers() {
                            push_number(name, number, range.width);
                            go(rest, name, made);
                            name.truncate(length);
                        }
                    }
                }
            }
            name.truncate(length);
        }
        go(&self.parts, &mut String::new(), made);
    }
}

impl Range {
    fn count(&self) -> usize {
        usize::try_from((self.to - self.from) / self.step).unwrap_or(usize::MAX).saturating_add(1)
    }

    fn numbers(&self) -> impl Iterator<Item = u64> {
        (self.from..=self.to).step_by(self.step as usize)
    }

    /// All names that differ in this number only, the last of their numbers.
    fn count_up(&self, before: &str, after: &str, made: &mut Made) {
        let of = |number| Template::new(before.as_bytes(), number, self.width, after);
        if self.step > 1 {
            return self.numbers().for_each(|number| made.push(&of(number)));
        }
        let (mut name, mut number) = (of(self.from), self.from);
        loop {
            let tens = number - number % 10;
            for digit in number % 10..=(self.to - tens).min(9) {
                made.push_with(&name, digit as u8);
            }
            number = tens + 10;
            if number > self.to {
                break;
            }
            if !name.count(before.len()) {
                name = of(number);
            }
        }
    }
}

/// Appends a number, padded with zeros.
pub(super) fn push_number(text: &mut String, number: u64, width: usize) {
    let mut buffer = [b'0'; 20];
    let (mut at, mut rest) = (buffer.len(), number);
    while rest > 0 || at == buffer.len() {
        at -= 1;
        buffer[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let at = at.min(buffer.len().saturating_sub(width));
    text.push_str(str::from_utf8(&buffer[at..]).expect("digits are ASCII"));
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// The items between the commas that are not in brackets.
fn items(text: &str) -> Result<Vec<Item<'_>>, NameError> {
    let (mut items, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '[' | ']' if inside == (c == '[') => {
                return Err(NameError::Brackets { item: shortened(text[start..].trim()) });
            }
            '[' | ']' => inside = c == '[',
            ',' if !inside => {
                items.push(item(text[start..at].trim())?);
                start = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err(NameError::Brackets { item: shortened(text[start..].trim()) });
    }
    items.push(item(text[start..].trim())?);
    Ok(items)
}

/// Brackets are known to match.
fn item(text: &str) -> Result<Item<'_>, NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once('[') {
        let (inside, after) = after.split_once(']').unwrap_or((after, ""));
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        parts.push(Part::Ranges(inside.split(',').map(|range| self::range(range.trim())).collect::<Result<_, _>>()?));
        rest = after;
    }
    if parts.iter().filter(|part| matches!(part, Part::Ranges(_))).count() > MOST_DIMENSIONS {
        return Err(NameError::TooManyBrackets { most: MOST_DIMENSIONS });
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(Item { parts })
}

/// `7`, `1-20`, `001-500`, `0-10/2`
fn range(text: &str) -> Result<Range, NameError> {
    let wrong = || NameError::Range { range: shortened(text) };
    let number = |digits: &str| match digits.bytes().all(|b| b.is_ascii_digit()) && digits.len() <= 18 {
        true => digits.parse::<u64>().map_err(|_| wrong()),
        false => Err(wrong()),
    };
    let (ends, step) = text.split_once('/').unwrap_or((text, "1"));
    let (from, to) = ends.split_once('-').unwrap_or((ends, ends));
    let range = Range { from: number(from)?, to: number(to)?, step: number(step)?, width: padding(from) };
    if range.step == 0 {
        return Err(wrong());
    }
    if range.from > range.to {
        return Err(NameError::Backwards { range: shortened(text) });
    }
    let same_width = from.len() == to.len() || padding(to) == 0 && to.len() > from.len();
    if !same_width {
        return Err(NameError::Padding { range: shortened(text) });
    }
    Ok(range)
}

/// The width to which a number is padded; 0 where it is not.
fn padding(digits: &str) -> usize {
    if digits.len() > 1 && digits.starts_with('0') { digits.len() } else { 0 }
}

/// What a message quotes of a text of any length.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_string(),
    }
}
