//! Using a description: requests out of templates, rows out of answers, and the judgements between them (is it ready,
//! what does this refusal mean, in what does it differ). Everything here is a pure function of a `Scope`, which holds
//! what is known of one effect; an executor only sequences them.
//!
//! Errors never show values, because any of them may be a secret.

mod answer;
mod definition;
mod evaluate;
mod functions;
mod meaning;
mod naming;
mod request;
mod scope;
mod version;

pub use answer::{Reading, Row, carries_marker, item, marker_text, row};
pub use definition::{Changes, Difference, PartChange, changes, copied_arguments, differences, restoration};
pub use evaluate::{evaluate, holds, plain};
pub use meaning::{Asked, classify, complaint, objecting};
pub use naming::{Chosen, choose, ends, has_name, link_id, link_name, looks_like_id, same_ends, with_ends};
pub use request::{
    Look, fill_defaults, found_by_marker, found_by_name, insistence, items, listing, look, place_marker, rehearsal,
    render, wanted,
};
pub use scope::{Account, Fields, Headers, Scope};
pub use version::{TooOld, lowest_version, mark_for, version_for_read, version_for_write};

use super::codes;
use crate::diagnostic::Code;
use crate::span::Span;

/// Why a template could not be used, or an answer not be read; the place is in the description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderError {
    pub code: &'static Code,
    pub message: String,
    pub span: Span,
}

impl RenderError {
    fn new(span: Span, message: impl Into<String>) -> RenderError {
        RenderError { code: &codes::CANNOT_RENDER, message: message.into(), span }
    }

    fn answer(span: Span, message: impl Into<String>) -> RenderError {
        RenderError { code: &codes::UNEXPECTED_ANSWER, message: message.into(), span }
    }
}

impl std::fmt::Display for RenderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RenderError {}

/// What a JSON value is, in a person's words.
fn kind_of(value: &serde_json::Value) -> &'static str {
    use serde_json::Value as Json;
    match value {
        Json::Null => "null",
        Json::Bool(_) => "true or false",
        Json::Number(n) if n.is_f64() => "a fraction",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a record",
    }
}
