//! The evaluator: a typed program against a `Host`.

mod host;
mod value;

pub use host::*;
pub use value::*;
