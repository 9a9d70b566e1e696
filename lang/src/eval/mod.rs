//! The evaluator: a typed program against a `Host`.

mod failure;
mod host;
mod value;

pub use failure::*;
pub use host::*;
pub use value::*;
