//! From five hundred names to `edge-[001-500]`. Names are parted by the text between their numbers; what is left
//! of each is a point, and points are gathered into ranges dimension by dimension, the last one first.

use std::collections::HashMap;

use super::unfold::push_number;

/// Numbers beyond the last so many of a name, and longer ones, are taken as text.
const MOST_DIMENSIONS: usize = 4;
const MOST_DIGITS: usize = 18;

/// Where a number was, in the text of a group.
const GAP: char = '\u{0}';

/// The names in few words, sorted, each once: `unfold` gives them back. Names with brackets, commas or control
/// characters in them stay as they are.
pub fn fold<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let mut groups = Groups::default();
    for name in names {
        groups.add(name.as_ref());
    }
    let mut items: Vec<(&str, Vec<u8>, Vec<Tile>)> = Vec::new();
    for (text, &index) in &groups.index {
        for (widths, tiles) in tiles(&groups.all[index]) {
            items.push((text, widths, tiles));
        }
    }
    items.sort_unstable_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let mut folded = String::new();
    for (text, widths, tiles) in &items {
        for tile in tiles {
            if !folded.is_empty() {
                folded.push(',');
            }
            write_tile(&mut folded, text, widths, tile);
        }
    }
    folded
}

/// A number as it was written.
#[derive(Clone, Copy)]
struct Number {
    value: u64,
    digits: u8,
    padded: bool,
}

/// The names that differ in their numbers only.
#[derive(Default)]
struct Group {
    dimensions: usize,
    /// The numbers of one name after those of the other.
    numbers: Vec<Number>,
}

#[derive(Default)]
struct Groups {
    index: HashMap<String, usize>,
    all: Vec<Group>,
    /// The last group met, which is mostly the next one too.
    last: Option<(String, usize)>,
}

impl Groups {
    fn add(&mut self, name: &str) {
        let runs = numbers_in(name);
        let index = match &self.last {
            Some((text, index)) if pieces(name, &runs).eq(text.split(GAP)) => *index,
            _ => {
                let text = pieces(name, &runs).collect::<Vec<_>>().join("\u{0}");
                let index = *self.index.entry(text.clone()).or_insert_with(|| {
                    self.all.push(Group { dimensions: runs.iter().flatten().count(), numbers: Vec::new() });
                    self.all.len() - 1
                });
                // A name with a gap of its own has no numbers, and must not pass for one that has.
                self.last = Some((text, index)).filter(|_| !name.contains(GAP));
                index
            }
        };
        self.all[index].numbers.extend(runs.iter().flatten().map(|&(start, end)| {
            let digits = &name.as_bytes()[start..end];
            Number {
                value: digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')),
                digits: digits.len() as u8,
                padded: digits.len() > 1 && digits[0] == b'0',
            }
        }));
    }
}

/// The text before, between and after the numbers of a name.
fn pieces<'a>(name: &'a str, runs: &'a Runs) -> impl Iterator<Item = &'a str> {
    let starts = std::iter::once(0).chain(runs.iter().flatten().map(|run| run.1));
    let ends = runs.iter().flatten().map(|run| run.0).chain(std::iter::once(name.len()));
    starts.zip(ends).map(|(start, end)| &name[start..end])
}

/// Where the numbers of a name start and end.
type Runs = [Option<(usize, usize)>; MOST_DIMENSIONS];

/// The last numbers of a name.
fn numbers_in(name: &str) -> Runs {
    let mut runs = [None; MOST_DIMENSIONS];
    let bytes = name.as_bytes();
    if bytes.iter().any(|b| matches!(b, b'[' | b']' | b',' | 0..=31)) {
        return runs;
    }
    let (mut end, mut free) = (bytes.len(), MOST_DIMENSIONS);
    while free > 0 {
        while end > 0 && !bytes[end - 1].is_ascii_digit() {
            end -= 1;
        }
        let mut start = end;
        while start > 0 && bytes[start - 1].is_ascii_digit() {
            start -= 1;
        }
        if start == end {
            break;
        }
        if end - start <= MOST_DIGITS {
            free -= 1;
            runs[free] = Some((start, end));
        }
        end = start;
    }
    runs
}

/// Ranges of numbers, both ends included, in order.
type Ranges = Vec<(u64, u64)>;

/// A product of ranges, one for each dimension.
type Tile = Vec<Ranges>;

/// The tiles of a group, for each choice of widths.
fn tiles(group: &Group) -> Vec<(Vec<u8>, Vec<Tile>)> {
    let dimensions = group.dimensions;
    if dimensions == 0 {
        return vec![(Vec::new(), vec![Vec::new()])];
    }
    // Which widths are padded to, by dimension, as bits.
    let mut padded = [0u32; MOST_DIMENSIONS];
    for (i, number) in group.numbers.iter().enumerate().filter(|(_, number)| number.padded) {
        padded[i % dimensions] |= 1 << number.digits;
    }
    let mut parted: Vec<(Vec<u8>, Vec<u64>)> = Vec::new();
    for point in group.numbers.chunks_exact(dimensions) {
        let mut widths = [0u8; MOST_DIMENSIONS];
        for (i, number) in point.iter().enumerate() {
            widths[i] = width(*number, padded[i]);
        }
        let widths = &widths[..dimensions];
        // Few choices of widths occur, so a list will do.
        let at = parted.iter().position(|(theirs, _)| theirs == widths).unwrap_or_else(|| {
            parted.push((widths.to_vec(), Vec::new()));
            parted.len() - 1
        });
        parted[at].1.extend(point.iter().map(|number| number.value));
    }
    parted.into_iter().map(|(widths, values)| (widths, gather(values, dimensions))).collect()
}

/// `500` among `001`, `002`, ... is a number of width 3, and so is `1000`; without them it has none.
fn width(number: Number, padded: u32) -> u8 {
    if number.padded {
        return number.digits;
    }
    let narrower = padded & ((1u64 << (number.digits + 1)) - 1) as u32;
    narrower.checked_ilog2().unwrap_or(0) as u8
}

fn gather(mut values: Vec<u64>, dimensions: usize) -> Vec<Tile> {
    if dimensions == 1 {
        values.sort_unstable();
        values.dedup();
        let mut ranges = Ranges::new();
        values.into_iter().for_each(|value| extend(&mut ranges, (value, value)));
        return vec![vec![ranges]];
    }
    let mut points: Vec<&[u64]> = values.chunks_exact(dimensions).collect();
    if !points.is_sorted() {
        points.sort_unstable();
    }
    points.dedup();
    let mut tiles: Vec<Tile> = Vec::new();
    let last = dimensions - 1;
    let mut start = 0;
    while start < points.len() {
        let prefix = &points[start][..last];
        let mut ranges = Ranges::new();
        let mut end = start;
        while end < points.len() && points[end][..last] == *prefix {
            extend(&mut ranges, (points[end][last], points[end][last]));
            end += 1;
        }
        let mut tile: Tile = prefix.iter().map(|&value| vec![(value, value)]).collect();
        tile.push(ranges);
        tiles.push(tile);
        start = end;
    }
    for dimension in (0..last).rev() {
        tiles = merged(tiles, dimension);
    }
    tiles.sort_unstable();
    tiles
}

/// Joins tiles that differ in one dimension only.
fn merged(mut tiles: Vec<Tile>, dimension: usize) -> Vec<Tile> {
    fn others(tile: &Tile, dimension: usize) -> impl Iterator<Item = &Ranges> {
        tile.iter().enumerate().filter(move |(i, _)| *i != dimension).map(|(_, ranges)| ranges)
    }
    tiles.sort_unstable_by(|a, b| {
        others(a, dimension).cmp(others(b, dimension)).then_with(|| a[dimension].cmp(&b[dimension]))
    });
    let mut joined: Vec<Tile> = Vec::new();
    for tile in tiles {
        match joined.last_mut() {
            Some(before) if others(before, dimension).eq(others(&tile, dimension)) => {
                for &range in &tile[dimension] {
                    extend(&mut before[dimension], range);
                }
            }
            _ => joined.push(tile),
        }
    }
    joined
}

/// Appends a range that starts after the last one.
fn extend(ranges: &mut Ranges, range: (u64, u64)) {
    match ranges.last_mut() {
        Some(last) if last.1 + 1 == range.0 => last.1 = range.1,
        _ => ranges.push(range),
    }
}

fn write_tile(folded: &mut String, text: &str, widths: &[u8], tile: &Tile) {
    if widths.is_empty() {
        return folded.push_str(text);
    }
    let mut dimensions = widths.iter().zip(tile);
    for (i, piece) in text.split(GAP).enumerate() {
        if i > 0
            && let Some((&width, ranges)) = dimensions.next()
        {
            write_ranges(folded, ranges, usize::from(width));
        }
        folded.push_str(piece);
    }
}

fn write_ranges(folded: &mut String, ranges: &Ranges, width: usize) {
    if let [(from, to)] = ranges.as_slice()
        && from == to
    {
        return push_number(folded, *from, width);
    }
    folded.push('[');
    for (i, &(from, to)) in ranges.iter().enumerate() {
        if i > 0 {
            folded.push(',');
        }
        push_number(folded, from, width);
        if to > from {
            folded.push('-');
            push_number(folded, to, width);
        }
    }
    folded.push(']');
}
