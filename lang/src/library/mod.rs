//! Service descriptions: from the text of `stdlib/*.edge` to typed operations and request templates.
//!
//! `compile` reads the `service` declarations and reports what is wrong with them; `Library` answers the checker
//! (which operations are there, what do they take and give) and the executor (which requests make them up);
//! `render` turns a template and what is known of an effect into a `Request`, which is data that a driver sends.
//! The one hard idea: a value that nobody gave is *left out*, which is not `null` (`render.rs`).

mod description;
mod protocol;
mod request;

pub use description::*;
pub use protocol::*;
pub use request::*;
