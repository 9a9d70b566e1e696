//! What an answer means that is no success. 409 alone means six things, so descriptions say it by status, code and
//! text; here are the rules that hold where they say nothing.

use super::Headers;
use super::evaluate::plain;
use crate::library::{AnswerKind, ErrorShape, On, Source};
use serde_json::Value as Json;

/// What was asked. That something is not there is proof only from itself: elsewhere a 404 may speak of another thing, or
/// of an operation that the version does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The resource's own `get` or `delete`.
    Itself,
    Else,
}

/// `rules` in the order in which they are asked: of the request, the operation, the resource (its shape's last), the
/// service. The first that fits holds. `text` is what the answer says, `code` the service's own code for it.
pub fn classify(status: u16, code: Option<&str>, text: &str, asked: Asked, rules: &[&[On]]) -> AnswerKind {
    if (200..300).contains(&status) {
        return AnswerKind::Done;
    }
    let fits = |on: &&On| {
        on.status == status
            && on.code.as_deref().is_none_or(|c| code == Some(c))
            && on.text.as_deref().is_none_or(|t| contains(text, t))
    };
    if let Some(on) = rules.iter().copied().flatten().find(fits) {
        return on.kind;
    }
    match status {
        401 | 403 => AnswerKind::Denied,
        404 | 410 if asked == Asked::Itself => AnswerKind::Absent,
        408 => AnswerKind::Unknown,
        429 => AnswerKind::Busy,
        300..500 => AnswerKind::Refused,
        _ => AnswerKind::Unknown,
    }
}

/// Message and code of an error, where the service says where they lie (`errors { ... }`).
pub fn complaint(shape: &ErrorShape, body: &Json, headers: &Headers) -> (Option<String>, Option<String>) {
    let find = |source: &Option<Source>| match source.as_ref()? {
        Source::Header(name) => headers.get(&name.to_ascii_lowercase()).cloned(),
        Source::Body { path, .. } => plain(path.iter().try_fold(body, |found, key| found.get(key))?),
        Source::Rest | Source::Whole => None,
    };
    (find(&shape.message), find(&shape.code))
}

/// Who objects, by the message of a `conflict`: what stands in quotes after `with`.
pub fn objecting(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("with \"") {
        rest = &rest[at + "with \"".len()..];
        let Some(end) = rest.find('"') else { break };
        if !found.contains(&&rest[..end]) {
            found.push(&rest[..end]);
        }
        rest = &rest[end + 1..];
    }
    found
}

/// Whatever the case: servers change it between versions.
fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}
