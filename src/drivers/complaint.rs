//! What an error body says, in one line. Every service has a shape of its own, some have two; none is trusted to be
//! short, to be text, or to be free of terminal escapes.

use super::{Answer, AnswerBody, Complaint};
use edge_lang::library::ErrorShape;
use edge_lang::library::render::{self, Headers};
use http::HeaderMap;
use serde_json::Value;

const LONGEST: usize = 400;

impl Answer {
    /// What is wrong, by the place where the service says it, by the body, or else by the status.
    pub fn complaint(&self, shape: Option<&ErrorShape>) -> Complaint {
        complaint(self.status, &self.headers, &self.body, shape)
    }
}

pub fn complaint(status: u16, headers: &HeaderMap, body: &AnswerBody, shape: Option<&ErrorShape>) -> Complaint {
    let (message, code) = shape.map_or((None, None), |shape| described(shape, headers, body));
    let found = match body {
        AnswerBody::Json(value) => of_json(value),
        AnswerBody::Text(text) => Complaint { code: None, message: of_text(text) },
        AnswerBody::Empty | AnswerBody::Stream(_) => Complaint::default(),
    };
    let found = Complaint { code: code.or(found.code), message: message.unwrap_or(found.message) };
    // WebOb puts tags into JSON too.
    let message = one_line(&if found.message.contains("<br") { of_text(&found.message) } else { found.message });
    let message = if message.is_empty() { reason(status) } else { message };
    // "409 Conflict" is the status once more.
    let code = found.code.map(|c| one_line(&c)).filter(|c| !c.is_empty() && !c.starts_with(&status.to_string()));
    Complaint { code, message }
}

/// Message and code from where the description says that they lie.
fn described(shape: &ErrorShape, headers: &HeaderMap, body: &AnswerBody) -> (Option<String>, Option<String>) {
    let headers: Headers =
        headers.iter().filter_map(|(k, v)| Some((k.as_str().to_string(), v.to_str().ok()?.to_string()))).collect();
    let json = if let AnswerBody::Json(json) = body { json } else { &Value::Null };
    let (message, code) = render::complaint(shape, json, &headers);
    (message.filter(|m| !m.is_empty()), code.filter(|c| !c.is_empty()))
}

fn reason(status: u16) -> String {
    let known = http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason());
    known.map_or_else(|| format!("status {status}"), |reason| reason.to_lowercase())
}

fn of_json(value: &Value) -> Complaint {
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).map(str::to_string);
    let Value::Object(map) = value else {
        return Complaint { code: None, message: value.as_str().map_or_else(|| value.to_string(), str::to_string) };
    };
    // Placement, keystone's newer ones, registries: the first says it.
    if let Some(Value::Array(errors)) = map.get("errors")
        && let Some(first) = errors.first()
    {
        let title = text(first, "title").or_else(|| text(first, "message"));
        let detail = text(first, "detail").filter(|d| Some(d) != title.as_ref());
        let message = match (title, detail) {
            (Some(title), Some(detail)) => format!("{title}: {detail}"),
            (title, detail) => title.or(detail).unwrap_or_else(|| first.to_string()),
        };
        return Complaint { code: text(first, "code"), message };
    }
    for (key, inner) in map {
        match (key.as_str(), inner) {
            ("NeutronError", Value::Object(_)) => {
                let message = text(inner, "message").unwrap_or_default();
                let detail = text(inner, "detail").filter(|d| !d.is_empty());
                let message = detail.map_or(message.clone(), |detail| format!("{message} ({detail})"));
                return Complaint { code: text(inner, "type"), message };
            }
            (
                "NeutronError" | "error" | "message" | "faultstring" | "error_message" | "detail",
                Value::String(said),
            ) => {
                // Ironic's older ones hold JSON in text.
                if let Ok(nested @ Value::Object(_)) = serde_json::from_str(said) {
                    return of_json(&nested);
                }
                // Kubernetes' `Conflict` and `Forbidden` are of several kinds, which their causes tell apart.
                let causes = map.get("details").and_then(|d| d.get("causes")).and_then(Value::as_array);
                let cause = causes.and_then(|c| c.iter().find_map(|c| text(c, "reason")));
                let code = cause.or_else(|| text(value, "reason")).or_else(|| text(value, "code"));
                let code = code.or_else(|| text(value, "title"));
                let code = code.or_else(|| text(value, "type"));
                return Complaint { code, message: said.clone() };
            }
            (_, Value::Object(_)) if inner.get("message").is_some_and(Value::is_string) => {
                let message = text(inner, "message").unwrap_or_default();
                // Nova names the fault by the key; keystone's key says nothing, its title does.
                let code = if key == "error" {
                    text(inner, "title").or_else(|| text(inner, "type"))
                } else {
                    Some(key.clone())
                };
                return Complaint { code, message };
            }
            _ => {}
        }
    }
    let known = ["description", "title", "reason"].iter().find_map(|key| text(value, key));
    Complaint { code: None, message: known.unwrap_or_else(|| value.to_string()) }
}

fn of_text(text: &str) -> String {
    if !text.contains('<') {
        return text.to_string();
    }
    let lower = text.to_ascii_lowercase();
    // `to_ascii_lowercase` moves no byte.
    let body = lower.find("<body").map_or(text, |at| &text[at..]);
    let mut plain = String::new();
    let mut rest = body;
    while let Some(at) = rest.find('<') {
        plain.push_str(&rest[..at]);
        plain.push(' ');
        let tag = rest[at..].to_ascii_lowercase();
        let closing = ["<script", "<style"].iter().find(|t| tag.starts_with(**t)).map(|t| format!("</{}", &t[1..]));
        let after = closing.and_then(|c| tag.find(&c)).unwrap_or(0);
        match rest[at + after..].find('>') {
            Some(end) => rest = &rest[at + after + end + 1..],
            None => {
                rest = "";
                break;
            }
        }
        if plain.len() > 16 * LONGEST {
            break;
        }
    }
    plain.push_str(rest);
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&nbsp;", " ")];
    entities.iter().fold(plain, |text, (entity, char)| text.replace(entity, char)).replace("&amp;", "&")
}

/// White space to single blanks, no control characters, not endless.
pub fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > LONGEST {
            let mut end = LONGEST;
            while !line.is_char_boundary(end) {
                end -= 1;
            }
            line.truncate(end);
            line.push('…');
            break;
        }
    }
    line
}
