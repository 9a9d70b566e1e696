//! What must not be repeated: a site may write our own password into its error.

use super::{AnswerBody, Failure};
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Shorter ones would take words apart, and are not given away by a message.
const SHORTEST: usize = 4;
/// Of those that are renewed, the last ones.
const RECENT: usize = 4;

/// The secrets of one session: those of its configuration, and the latest that it was given.
#[derive(Default)]
pub struct Secrets {
    own: Vec<SecretString>,
    recent: Mutex<VecDeque<SecretString>>,
}

impl Secrets {
    pub fn new(own: Vec<SecretString>) -> Secrets {
        Secrets { own, recent: Mutex::default() }
    }

    /// A new token, or a file's new content.
    pub fn keep(&self, secret: SecretString) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.iter().any(|known| known.expose_secret() == secret.expose_secret()) {
            return;
        }
        if recent.len() == RECENT {
            recent.pop_front();
        }
        recent.push_back(secret);
    }

    /// The text without any of them.
    pub fn without(&self, text: &str) -> String {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let all = self.own.iter().chain(recent.iter()).map(|s| s.expose_secret());
        all.filter(|s| s.len() >= SHORTEST).fold(text.to_string(), |text, secret| text.replace(secret, "***"))
    }

    /// A failure without anything that could be used to get in, whatever a site wrote into its answer.
    pub fn discreet(&self, failure: Failure) -> Failure {
        failure.map(|message| self.without(message))
    }

    /// An error's body that repeats one does not carry it on.
    pub fn without_in(&self, status: StatusCode, body: AnswerBody) -> AnswerBody {
        fn walk(value: &mut Value, clean: &impl Fn(&str) -> String) {
            match value {
                Value::String(text) => *text = clean(text),
                Value::Array(items) => items.iter_mut().for_each(|v| walk(v, clean)),
                Value::Object(map) => map.values_mut().for_each(|v| walk(v, clean)),
                _ => {}
            }
        }
        match body {
            body if status.is_success() => body,
            AnswerBody::Json(mut value) => {
                walk(&mut value, &|text| self.without(text));
                AnswerBody::Json(value)
            }
            AnswerBody::Text(text) => AnswerBody::Text(self.without(&text)),
            other => other,
        }
    }
}
