//! Why a statement failed, or could not be finished: the one error of evaluation, of the executor and of `try`.

use super::display::sites_text;
use crate::diagnostic::{Code, Diagnostic};
use crate::inventory::Inventory;
use crate::model::{SiteId, SiteSet};
use crate::span::Span;
use indexmap::IndexMap;

/// Sites of which is said one by one what happened there.
const MOST_ALONE: usize = 8;

#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub code: &'static Code,
    pub message: String,
    pub span: Span,
    pub help: Vec<String>,
    /// What happened at each site that matters.
    pub sites: Vec<(SiteId, String)>,
    pub kind: FailureKind,
    /// Those that are reported with it: of other iterations of a `parallel for`, of other statements of a `parallel`.
    pub also: Vec<Failure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    /// Ended; what could be undone was.
    Failed,
    /// Final operations that some sites refused.
    Partial,
    /// Something is owed: exit status 3.
    Owed,
    /// Stopped by the user.
    Interrupted,
}

impl Failure {
    pub fn new(code: &'static Code, span: Span, message: impl Into<String>) -> Failure {
        Failure {
            code,
            message: message.into(),
            span,
            help: Vec::new(),
            sites: Vec::new(),
            kind: FailureKind::Failed,
            also: Vec::new(),
        }
    }

    pub fn kind(mut self, kind: FailureKind) -> Failure {
        self.kind = kind;
        self
    }

    pub fn help(mut self, text: impl Into<String>) -> Failure {
        self.help.push(text.into());
        self
    }

    pub fn at(mut self, site: SiteId, text: impl Into<String>) -> Failure {
        self.sites.push((site, text.into()));
        self
    }

    /// The sites that it speaks of, those of its companions included.
    pub fn site_set(&self) -> SiteSet {
        let mut all: SiteSet = self.sites.iter().map(|(s, _)| *s).collect();
        for other in &self.also {
            all.add(&other.site_set());
        }
        all
    }

    /// Several as one: the gravest kind, the others beside it, in the order given. `None` of none.
    pub fn together(failures: Vec<Failure>) -> Option<Failure> {
        let kind = failures.iter().map(|f| f.kind).max()?;
        let mut failures = failures.into_iter();
        let mut first = failures.next()?;
        first.kind = kind;
        first.also.extend(failures);
        Some(first)
    }

    /// It and its companions, as what is drawn under the source text; what happened at the sites is a note each.
    pub fn diagnostics(&self, inventory: &Inventory) -> Vec<Diagnostic> {
        let mut diagnostic = Diagnostic::new(self.code, self.span, self.message.clone());
        for (sites, text) in self.gathered() {
            diagnostic = diagnostic.note(format!("{}: {text}", sites_text(&sites, inventory)));
        }
        for help in &self.help {
            diagnostic = diagnostic.help(help.clone());
        }
        let mut all = vec![diagnostic];
        all.extend(self.also.iter().flat_map(|f| f.diagnostics(inventory)));
        all
    }

    /// What happened at each site; of many, those at which the same did are one.
    fn gathered(&self) -> Vec<(SiteSet, &str)> {
        if self.sites.len() <= MOST_ALONE {
            return self.sites.iter().map(|(site, text)| (SiteSet::of(*site), &**text)).collect();
        }
        let mut groups: IndexMap<&str, SiteSet> = IndexMap::new();
        for (site, text) in &self.sites {
            groups.entry(text).or_default().insert(*site);
        }
        groups.into_iter().map(|(text, sites)| (sites, text)).collect()
    }
}
