//! The prompt.

use crate::cli::{Status, Workplace};

pub fn main(_: Workplace) -> Status {
    Status::Wrong
}
