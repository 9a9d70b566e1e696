//! Very many names as one text. A list of owned strings costs an allocation for each, which is most of what unfolding
//! them takes; whoever asks for names looks them up and lets them go.

use std::ops::Index;

/// Names in order, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    text: String,
    /// Where in the text each ends, and the next begins.
    ends: Vec<u32>,
}

impl Names {
    /// Of bytes that are UTF-8 and no more than a `u32` counts.
    pub(super) fn new(bytes: Vec<u8>, ends: Vec<u32>) -> Names {
        debug_assert_eq!(ends.last().copied().unwrap_or(0) as usize, bytes.len());
        Names { text: String::from_utf8(bytes).expect("made of pieces of text and digits"), ends }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        let mut start = 0;
        self.ends.iter().map(move |&end| &self.text[std::mem::replace(&mut start, end as usize)..end as usize])
    }

    /// Those of which the test is true.
    pub(super) fn retained(&self, mut test: impl FnMut(&str) -> bool) -> Names {
        let mut kept = Names { text: String::with_capacity(self.text.len()), ends: Vec::with_capacity(self.len()) };
        for name in self.iter().filter(|name| test(name)) {
            kept.text.push_str(name);
            kept.ends.push(kept.text.len() as u32);
        }
        kept
    }
}

impl Index<usize> for Names {
    type Output = str;

    fn index(&self, at: usize) -> &str {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.text[start as usize..self.ends[at] as usize]
    }
}
