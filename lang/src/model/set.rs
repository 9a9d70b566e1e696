//! Finite sets of sites, as bits: 100,000 sites are normal, and each operation is a walk over 1,600 words.
//!
//! The one invariant: no zero word at the end. Equal sets are then equal vectors, so `Eq` and `Hash` are those
//! of the words. Sets are ordered as the lists of their sites are: `{0,5} < {1}`, and a beginning comes first.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::site::SiteId;

/// A set of sites.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct SiteSet {
    words: Vec<u64>,
}

/// Larger numbers are refused when a set is read from text, lest one number claim half a gigabyte.
const LARGEST_READ: u32 = 1 << 24;

impl SiteSet {
    pub fn new() -> SiteSet {
        SiteSet::default()
    }

    /// The sites with numbers below `count`.
    pub fn below(count: usize) -> SiteSet {
        let mut words = vec![u64::MAX; count / 64];
        if !count.is_multiple_of(64) {
            words.push((1 << (count % 64)) - 1);
        }
        SiteSet { words }
    }

    pub fn of(site: SiteId) -> SiteSet {
        SiteSet::from_iter([site])
    }

    /// Adds a site; true when it was not there.
    pub fn insert(&mut self, site: SiteId) -> bool {
        let (word, bit) = (site.index() / 64, 1 << (site.index() % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let fresh = self.words[word] & bit == 0;
        self.words[word] |= bit;
        fresh
    }

    /// Removes a site; true when it was there.
    pub fn remove(&mut self, site: SiteId) -> bool {
        let (word, bit) = (site.index() / 64, 1 << (site.index() % 64));
        let was = self.contains(site);
        if was {
            self.words[word] &= !bit;
            self.trim();
        }
        was
    }

    pub fn contains(&self, site: SiteId) -> bool {
        self.words.get(site.index() / 64).is_some_and(|word| word >> (site.index() % 64) & 1 == 1)
    }

    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The site with the smallest number.
    pub fn first(&self) -> Option<SiteId> {
        self.iter().next()
    }

    pub fn union(&self, other: &SiteSet) -> SiteSet {
        let mut all = self.clone();
        all.add(other);
        all
    }

    pub fn intersection(&self, other: &SiteSet) -> SiteSet {
        SiteSet::trimmed(self.words.iter().zip(&other.words).map(|(a, b)| a & b).collect())
    }

    pub fn difference(&self, other: &SiteSet) -> SiteSet {
        let mut rest = self.clone();
        rest.subtract(other);
        rest
    }

    pub fn symmetric_difference(&self, other: &SiteSet) -> SiteSet {
        let (long, short) = if self.words.len() >= other.words.len() { (self, other) } else { (other, self) };
        let mut words = long.words.clone();
        for (a, b) in words.iter_mut().zip(&short.words) {
            *a ^= b;
        }
        SiteSet::trimmed(words)
    }

    /// Union in place.
    pub fn add(&mut self, other: &SiteSet) {
        if other.words.len() > self.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a |= b;
        }
    }

    /// Difference in place.
    pub fn subtract(&mut self, other: &SiteSet) {
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a &= !b;
        }
        self.trim();
    }

    pub fn is_subset(&self, other: &SiteSet) -> bool {
        self.words.len() <= other.words.len() && self.words.iter().zip(&other.words).all(|(a, b)| a & !b == 0)
    }

    pub fn is_disjoint(&self, other: &SiteSet) -> bool {
        self.words.iter().zip(&other.words).all(|(a, b)| a & b == 0)
    }

    /// How many sites two sets have in common, without building the set.
    pub fn common(&self, other: &SiteSet) -> usize {
        self.words.iter().zip(&other.words).map(|(a, b)| (a & b).count_ones() as usize).sum()
    }

    /// The sites in ascending order; `rev` gives them descending.
    pub fn iter(&self) -> Iter<'_> {
        let first = self.words.first().copied().unwrap_or(0);
        let last = if self.words.len() > 1 { self.words[self.words.len() - 1] } else { 0 };
        Iter { words: &self.words, front: 0, low: first, back: self.words.len().saturating_sub(1), high: last }
    }

    /// How long a walk over the set is.
    pub(super) fn words(&self) -> usize {
        self.words.len()
    }

    fn trimmed(words: Vec<u64>) -> SiteSet {
        let mut set = SiteSet { words };
        set.trim();
        set
    }

    fn trim(&mut self) {
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }
}

/// The sites of a set, ascending.
pub struct Iter<'a> {
    words: &'a [u64],
    /// The word being read from the front and what is left of it; likewise from the back. Where both are at one
    /// word, `low` holds what is left of it.
    front: usize,
    low: u64,
    back: usize,
    high: u64,
}

impl Iterator for Iter<'_> {
    type Item = SiteId;

    fn next(&mut self) -> Option<SiteId> {
        while self.low == 0 {
            if self.front >= self.back {
                return None;
            }
            self.front += 1;
            self.low = if self.front == self.back { self.high } else { self.words[self.front] };
        }
        let bit = self.low.trailing_zeros() as usize;
        self.low &= self.low - 1;
        Some(SiteId::at(self.front * 64 + bit))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<SiteId> {
        while self.front < self.back {
            if self.high != 0 {
                let bit = 63 - self.high.leading_zeros() as usize;
                self.high &= !(1 << bit);
                return Some(SiteId::at(self.back * 64 + bit));
            }
            self.back -= 1;
            self.high = if self.back == self.front { 0 } else { self.words[self.back] };
        }
        if self.low == 0 {
            return None;
        }
        let bit = 63 - self.low.leading_zeros() as usize;
        self.low &= !(1 << bit);
        Some(SiteId::at(self.front * 64 + bit))
    }
}

impl<'a> IntoIterator for &'a SiteSet {
    type Item = SiteId;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl FromIterator<SiteId> for SiteSet {
    fn from_iter<I: IntoIterator<Item = SiteId>>(sites: I) -> SiteSet {
        let mut set = SiteSet::new();
        set.extend(sites);
        set
    }
}

impl Extend<SiteId> for SiteSet {
    fn extend<I: IntoIterator<Item = SiteId>>(&mut self, sites: I) {
        for site in sites {
            self.insert(site);
        }
    }
}

impl Ord for SiteSet {
    fn cmp(&self, other: &SiteSet) -> Ordering {
        let longest = self.words.len().max(other.words.len());
        let word = |set: &SiteSet, at: usize| set.words.get(at).copied().unwrap_or(0);
        let Some(at) = (0..longest).find(|&at| word(self, at) != word(other, at)) else { return Ordering::Equal };
        // Up to the lowest differing site both lists are equal; who has it goes first, unless the other ends there.
        let bit = (word(self, at) ^ word(other, at)).trailing_zeros();
        let ends = |set: &SiteSet| word(set, at) >> bit == 0 && set.words.len() <= at + 1;
        match word(self, at) >> bit & 1 == 1 {
            true if ends(other) => Ordering::Greater,
            true => Ordering::Less,
            false if ends(self) => Ordering::Less,
            false => Ordering::Greater,
        }
    }
}

impl PartialOrd for SiteSet {
    fn partial_cmp(&self, other: &SiteSet) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for SiteSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", self.ranges())
    }
}

impl SiteSet {
    /// `0-3,7`: how a set is written to a journal.
    fn ranges(&self) -> String {
        let (mut text, mut sites) = (String::new(), self.iter().peekable());
        while let Some(from) = sites.next() {
            let mut to = from;
            while let Some(next) = sites.next_if(|next| next.0 == to.0 + 1) {
                to = next;
            }
            let comma = if text.is_empty() { "" } else { "," };
            text += &if from == to { format!("{comma}{}", from.0) } else { format!("{comma}{}-{}", from.0, to.0) };
        }
        text
    }

    fn parse(text: &str) -> Option<SiteSet> {
        let mut set = SiteSet::new();
        for range in text.split(',').filter(|range| !range.is_empty()) {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            let (from, to) = (from.parse::<u32>().ok()?, to.parse::<u32>().ok()?);
            if from > to || to > LARGEST_READ {
                return None;
            }
            set.extend((from..=to).map(SiteId));
        }
        Some(set)
    }
}

impl Serialize for SiteSet {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&self.ranges())
    }
}

impl<'de> Deserialize<'de> for SiteSet {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<SiteSet, D::Error> {
        let text = String::deserialize(input)?;
        SiteSet::parse(&text).ok_or_else(|| de::Error::custom(format!("`{text}` is not a set of site numbers")))
    }
}
