//! Why something that was asked of a site did not come about, in the three ways that matter to a pursuit: nothing was sent,
//! nobody knows, or the site said no.

use super::codes;
use crate::drivers::Failure;
use edge_lang::diagnostic::Code;
use edge_lang::library::render::{RenderError, TooOld};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub kind: Kind,
    /// One line; names what was asked for, not the site.
    pub message: String,
    pub help: Option<String>,
    /// The site did answer: that it failed, so that nobody knows what it did.
    pub answered: bool,
    /// The user stopped the run, which says nothing of the site.
    pub stopped: bool,
    /// Of a refusal that is more than a site's own no.
    pub code: Option<&'static Code>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing reached the site.
    NotReached,
    /// It may have been carried out.
    Silent,
    /// Definitely not done, and trying again will not help.
    Refused,
}

impl Trouble {
    pub fn refused(message: impl Into<String>) -> Trouble {
        let message = message.into();
        Trouble { kind: Kind::Refused, message, help: None, answered: false, stopped: false, code: None }
    }

    pub fn silent(message: impl Into<String>) -> Trouble {
        Trouble { kind: Kind::Silent, ..Trouble::refused(message) }
    }

    /// The run was stopped before anything was sent.
    pub fn unsent() -> Trouble {
        Trouble { kind: Kind::NotReached, stopped: true, ..Trouble::refused("stopped before it was sent") }
    }

    /// The run was stopped while what was sent was getting ready.
    pub fn unready() -> Trouble {
        Trouble { kind: Kind::Silent, stopped: true, ..Trouble::refused("stopped while it was getting ready") }
    }

    pub fn help(mut self, text: impl Into<String>) -> Trouble {
        self.help = Some(text.into());
        self
    }

    /// The library has no such thing for sites of this kind.
    pub fn not_described(message: impl Into<String>) -> Trouble {
        Trouble::refused(message).code(&codes::NOT_DESCRIBED)
    }

    pub fn code(mut self, code: &'static Code) -> Trouble {
        self.code = Some(code);
        self
    }

    /// Of a read: whatever became of it, nothing was changed.
    pub fn of_read(mut self) -> Trouble {
        if self.kind == Kind::Silent {
            self.kind = Kind::NotReached;
        }
        self
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        let kind = match failure {
            Failure::NotSent(_) => Kind::NotReached,
            Failure::Unknown(_) => Kind::Silent,
            Failure::Denied(_)
            | Failure::NotOffered(_)
            | Failure::Refused(..)
            | Failure::Configuration(_)
            | Failure::Protocol(_) => Kind::Refused,
        };
        let message = match &failure {
            Failure::Refused(401 | 403, complaint) => format!("denied: {}", complaint.message),
            other => other.to_string(),
        };
        Trouble { kind, help: remedy(&failure).map(str::to_string), ..Trouble::refused(message) }
    }
}

/// What to do about it, where that does not depend on what was asked for.
fn remedy(failure: &Failure) -> Option<&'static str> {
    Some(match failure {
        Failure::NotSent(_) | Failure::Unknown(_) => {
            "`edge sites` says which sites answer; `timeout: ...` waits longer, `unreachable: defer` goes on later"
        }
        Failure::Denied(_) | Failure::Refused(401, _) => {
            "`edge sites` says as whom each site takes you; the account is the one that its configuration names"
        }
        Failure::Refused(403, _) => {
            "this account may not do that there; another may: `identity` in the scope, `accounts` in edge.yaml"
        }
        Failure::NotOffered(_) => {
            "`edge sites` says what each site offers; `sites[offers ...]` are those that have a service"
        }
        Failure::Refused(..) | Failure::Configuration(_) | Failure::Protocol(_) => return None,
    })
}

/// The code of a failure that came of refusals: theirs, where they have one and agree.
pub fn code_of(refusals: impl IntoIterator<Item = Option<&'static Code>>, otherwise: &'static Code) -> &'static Code {
    let mut codes = refusals.into_iter();
    match codes.next().flatten() {
        Some(first) if codes.all(|c| c == Some(first)) => first,
        _ => otherwise,
    }
}

/// A description that cannot be used with what is known, or an answer that cannot be read.
impl From<RenderError> for Trouble {
    fn from(error: RenderError) -> Trouble {
        Trouble::refused(error.message)
    }
}

impl From<TooOld> for Trouble {
    fn from(error: TooOld) -> Trouble {
        Trouble::refused(error.to_string())
    }
}
