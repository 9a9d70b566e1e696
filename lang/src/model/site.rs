//! The number of a site.
//!
//! The inventory numbers its sites once, in written order; everything below the checker speaks of sites by
//! number, and only what prints for people turns numbers back into names.

use serde::{Deserialize, Serialize};

/// A site, by its place in the inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SiteId(pub u32);

impl SiteId {
    /// The number as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) fn at(index: usize) -> SiteId {
        SiteId(u32::try_from(index).expect("a site number fits in 32 bits"))
    }
}
