//! The evaluator: a typed program against a `Host`.
//!
//! `run` walks the statements (`statement.rs`), which evaluate expressions (`expression.rs`), which make steps
//! (`operation.rs`) that the host performs. The one hard idea: expressions that cannot reach the host are evaluated at
//! once, by a plain function; only the others are futures. So a condition over 100,000 sites is a loop.

mod arithmetic;
mod builtin;
pub mod codes;
mod compare;
mod display;
mod documents;
mod expression;
mod failure;
mod field;
mod host;
mod input;
mod json;
mod keep;
mod machine;
mod operation;
mod placement;
mod prefer;
mod query;
mod scope;
mod shape;
mod spread;
mod statement;
mod value;

pub(crate) use compare::like;
pub use compare::{has_secret, unsettled};
pub(crate) use display::{argument_text, bytes_text, harmless};
pub use display::{display, display_table, duration_text, sites_text};
pub use failure::*;
pub use host::*;
pub use input::input_from_text;
pub use json::{from_json, to_json};
pub use keep::{Kept, Plain, PlainFailure, forgotten_secret};
pub use machine::{Frame, Given, MOST_ITEMS, MOST_STEPS, MOST_TEXT, Outcome, run, scope_of};
pub use value::*;

#[cfg(test)]
mod tests;
