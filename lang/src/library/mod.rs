//! Service descriptions: from the text of `stdlib/*.edge` to typed operations and request templates.
//!
//! `compile` reads the `service` declarations and reports what is wrong with them; `Library` answers the checker
//! (which operations are there, what do they take and give) and the executor (which requests make them up);
//! `render` turns a template and what is known of an effect into a `Request`, which is data that a driver sends, and
//! reads rows out of answers. The one hard idea: a value that nobody gave is *left out*, which is not `null`.

pub mod codes;
mod compile;
mod description;
pub mod expr;
mod operation;
mod protocol;
pub mod render;
mod request;

pub use compile::{Text, compile};
pub use description::*;
pub use operation::*;
pub use protocol::*;
pub use request::*;
