//! What goes wrong at a site, and when.
//!
//! A fault is a rule over requests. The rules of a site are asked in order; delays add up, and the first other rule
//! that applies decides. Counters belong to the rule at one site, so "the second POST" means the second at that site.

use std::time::Duration;

use regex::Regex;
use serde::Deserialize;

use super::source::Source;
use super::spec::{Span, optional_span, span};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Every site, where none is named.
    #[serde(default)]
    pub site: Option<String>,
    /// A service by its catalog type, such as `compute`.
    #[serde(default)]
    pub service: Option<String>,
    #[serde(default)]
    pub method: Option<String>,
    /// A regular expression found anywhere in path and query, such as `/servers$`.
    #[serde(default)]
    pub path: Option<Pattern>,
    /// Only the nth request that matches, counted from 1.
    #[serde(default)]
    pub nth: Option<u64>,
    /// Only so many times.
    #[serde(default)]
    pub times: Option<u64>,
    /// From this time on, since the start of the world.
    #[serde(default, deserialize_with = "span")]
    pub after: Duration,
    #[serde(default, deserialize_with = "optional_span")]
    pub until: Option<Duration>,
    /// By chance, drawn from the scenario's seed: 0 to 1.
    #[serde(default)]
    pub probability: Option<f64>,
    #[serde(rename = "do")]
    pub action: Action,
}

impl Fault {
    /// The whole site, always.
    pub fn at(site: impl Into<String>, action: Action) -> Self {
        Fault {
            site: Some(site.into()),
            service: None,
            method: None,
            path: None,
            nth: None,
            times: None,
            after: Duration::ZERO,
            until: None,
            probability: None,
            action,
        }
    }

    pub fn service(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// # Panics
    /// When `path` is no regular expression.
    pub fn on(mut self, method: impl Into<String>, path: &str) -> Self {
        self.method = Some(method.into());
        self.path = Some(Pattern(Regex::new(path).expect("the path of a fault is a regular expression")));
        self
    }

    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = Some(nth);
        self
    }

    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    pub fn until(mut self, until: Duration) -> Self {
        self.until = Some(until);
        self
    }

    fn lasts(&self, now: Duration) -> bool {
        now >= self.after && self.until.is_none_or(|until| now < until)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern(Regex);

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Regex::new(&text).map(Pattern).map_err(|error| format!("`{text}` is no regular expression: {error}"))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub enum Action {
    /// Nothing listens: the request is not sent.
    Refuse,
    /// Swallowed: never carried out and never answered, until the site is healed, when the connection breaks.
    Hang,
    /// Not answered while it lasts; carried out when it ends, whether or not the client still waits.
    Freeze,
    /// Carried out, then the connection breaks before the answer.
    DropAnswer,
    /// The connection breaks, and nothing is carried out.
    LoseRequest,
    /// Carried out so much later.
    Delay(Duration),
    /// The connection breaks at once, and the request is carried out so much later.
    Late(Duration),
    /// Not carried out; answered with this status.
    Status(u16),
    /// Carried out, and answered with this status all the same.
    ActThenStatus(u16),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Word(String),
    Delay { delay: Span },
    Late { late: Span },
    Status { status: u16 },
    ActThen { act_then: u16 },
}

impl TryFrom<Written> for Action {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        Ok(match written {
            Written::Delay { delay } => Action::Delay(delay.read()?),
            Written::Late { late } => Action::Late(late.read()?),
            Written::Status { status } | Written::ActThen { act_then: status } if !(200..=599).contains(&status) => {
                return Err(format!("the status `{status}` is not between 200 and 599"));
            }
            Written::Status { status } => Action::Status(status),
            Written::ActThen { act_then } => Action::ActThenStatus(act_then),
            Written::Word(word) => match word.as_str() {
                "refuse" => Action::Refuse,
                "hang" => Action::Hang,
                "freeze" => Action::Freeze,
                "drop-answer" => Action::DropAnswer,
                "lose-request" => Action::LoseRequest,
                _ => {
                    return Err(format!(
                        "`{word}` is no fault: refuse, hang, freeze, drop-answer, lose-request, {{delay: 5s}}, \
                         {{late: 5s}}, {{status: 503}}, {{act_then: 503}}"
                    ));
                }
            },
        })
    }
}

/// The rules of one site, with their counters.
#[derive(Default)]
pub(super) struct Faults(Vec<Rule>);

struct Rule {
    fault: Fault,
    matched: u64,
    applied: u64,
}

/// What befalls one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Befalls {
    pub delay: Duration,
    pub action: Option<Action>,
    /// When a freeze ends by itself, since the start of the world.
    pub until: Option<Duration>,
}

impl Faults {
    pub fn add(&mut self, fault: Fault) {
        self.0.push(Rule { fault, matched: 0, applied: 0 });
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Does nothing listen at the site at all, for now?
    pub fn refuses_all(&self, now: Duration) -> bool {
        self.0.iter().any(|Rule { fault, .. }| {
            let narrow = fault.service.is_some() || fault.method.is_some() || fault.path.is_some();
            let counted = fault.nth.is_some() || fault.times.is_some() || fault.probability.is_some();
            fault.action == Action::Refuse && !narrow && !counted && fault.lasts(now)
        })
    }

    pub fn befalls(&mut self, now: Duration, service: &str, method: &str, path: &str, source: &mut Source) -> Befalls {
        let mut befalls = Befalls { delay: Duration::ZERO, action: None, until: None };
        for rule in &mut self.0 {
            if !rule.applies(now, service, method, path, source) {
                continue;
            }
            rule.applied += 1;
            match &rule.fault.action {
                Action::Delay(delay) => befalls.delay += *delay,
                action if befalls.action.is_none() => {
                    befalls.action = Some(action.clone());
                    befalls.until = rule.fault.until;
                    break;
                }
                _ => {}
            }
        }
        befalls
    }
}

impl Rule {
    fn applies(&mut self, now: Duration, service: &str, method: &str, path: &str, source: &mut Source) -> bool {
        let fault = &self.fault;
        let matches = fault.lasts(now)
            && fault.service.as_deref().is_none_or(|wanted| wanted == service)
            && fault.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && fault.path.as_ref().is_none_or(|wanted| wanted.0.is_match(path));
        if !matches {
            return false;
        }
        self.matched += 1;
        fault.nth.is_none_or(|nth| nth == self.matched)
            && fault.times.is_none_or(|times| self.applied < times)
            && fault.probability.is_none_or(|probability| source.unit() < probability)
    }
}
