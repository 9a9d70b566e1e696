//! Values at run time. Large ones are shared, so that iterations and sites can each have their own copy cheaply.

use crate::model::{Placement, SiteId, SiteSet};
use crate::program::FunctionId;
use crate::span::Span;
use crate::types::{Name, Type};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(Arc<str>),
    Duration(Duration),
    /// A size in bytes.
    Bytes(u64),
    /// 10% is 10.0.
    Percent(f64),
    /// A file of the machine that runs the program, not yet read.
    File(Arc<str>),
    Secret(Secret),
    Site(SiteId),
    Sites(SiteSet),
    Placement(Arc<Placement>),
    Scope(Arc<Scope>),
    List(Arc<Vec<Value>>),
    Record(Arc<IndexMap<Name, Value>>),
    Table(Arc<Table>),
    Handle(Arc<Handle>),
    Failure(Arc<super::Failure>),
    /// What a plan cannot know yet: its type, and what it will be, in words (`the id of vm`).
    Unknown(Arc<Unknown>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Unknown {
    pub ty: Type,
    pub what: String,
}

/// Never prints. Whoever sends it asks for it by `reveal`.
#[derive(Clone, PartialEq)]
pub struct Secret(Arc<str>);

impl Secret {
    pub fn new(text: impl Into<Arc<str>>) -> Secret {
        Secret(text.into())
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// One resource at one site: its id, and its fields as last seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Handle {
    pub resource: Name,
    pub site: SiteId,
    pub id: Arc<str>,
    /// Of a pending one: those that are known already, by what it was asked to be.
    pub fields: Arc<IndexMap<Name, Value>>,
    /// Planned or owed: it will be there, and its id and the fields that are missing here are not known yet.
    pub pending: bool,
    /// While pending: the other sites where it may turn out to be (`A || B` aims at A). Then its site is not known.
    pub elsewhere: SiteSet,
}

/// Rows of many sites. A replicated handle is a table whose rows have handles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The resource that the rows are, when they are still whole rows of one.
    pub resource: Option<Name>,
    /// Without `site`.
    pub columns: Vec<Name>,
    pub rows: Vec<Row>,
    /// The sites that were asked.
    pub asked: SiteSet,
    /// Those of them that did not answer, and why.
    pub unknown: BTreeMap<SiteId, Arc<str>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// `None` for rows that are of no single site (of a `group by`).
    pub site: Option<SiteId>,
    /// One per column; `Value::Unknown` where it is not known yet.
    pub values: Vec<Value>,
    /// Set while the row is a resource; empty while pending.
    pub id: Option<Arc<str>>,
    pub pending: bool,
}

impl Table {
    /// The sites that have rows.
    pub fn present(&self) -> SiteSet {
        self.rows.iter().filter_map(|r| r.site).collect()
    }

    pub fn unknown_sites(&self) -> SiteSet {
        self.unknown.keys().copied().collect()
    }

    /// The sites that answered and have no rows.
    pub fn absent(&self) -> SiteSet {
        self.asked.difference(&self.present()).difference(&self.unknown_sites())
    }
}

/// Services to placements, with policy: the value of `{ compute: Zone1, image { at: B } }`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scope {
    pub entries: IndexMap<Name, Entry>,
    /// Of every service that `entries` do not mention: `at Zone1 { ... }`.
    pub everywhere: Option<Entry>,
    pub identity: Option<SiteId>,
    pub tenant: Option<Arc<str>>,
    /// Identity or tenant are not known yet.
    #[serde(skip)]
    pub later: Option<Arc<Unknown>>,
}

impl Scope {
    /// Whether all of it is known.
    pub fn is_whole(&self) -> bool {
        self.later.is_none() && self.entries.values().chain(&self.everywhere).all(|entry| entry.later.is_none())
    }

    /// What holds for a service.
    pub fn entry(&self, service: &str) -> Option<&Entry> {
        self.entries.get(service).or(self.everywhere.as_ref())
    }

    /// `inner` merged into this one, entry by entry; the inner entry wins, and what it leaves open stays. One that is for
    /// every service replaces all entries.
    pub fn merge(&self, inner: &Scope) -> Scope {
        let mut merged = self.clone();
        if let Some(everywhere) = &inner.everywhere {
            merged.entries.clear();
            merged.everywhere = Some(everywhere.clone());
        }
        for (service, entry) in &inner.entries {
            let entry = match merged.entries.get(service) {
                Some(outer) => {
                    let place = if entry.at.is_some() || entry.later.is_some() { entry } else { outer };
                    Entry { at: place.at.clone(), later: place.later.clone(), policy: entry.policy.over(&outer.policy) }
                }
                None => entry.clone(),
            };
            merged.entries.insert(service.clone(), entry);
        }
        merged.identity = inner.identity.or(merged.identity);
        merged.tenant = inner.tenant.clone().or(merged.tenant);
        merged.later = inner.later.clone().or(merged.later);
        merged
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub at: Option<Arc<Placement>>,
    /// Instead of `at`: a plan does not know it yet.
    #[serde(skip)]
    pub later: Option<Arc<Unknown>>,
    pub policy: Policy,
}

impl Policy {
    /// This one, and what it does not say from `outer`.
    pub fn over(&self, outer: &Policy) -> Policy {
        Policy {
            timeout: self.timeout.or(outer.timeout),
            unreachable: self.unreachable.or(outer.unreachable),
            prefer: self.prefer.clone().or_else(|| outer.prefer.clone()),
            tenant: self.tenant.clone().or_else(|| outer.tenant.clone()),
            overlap: self.overlap.or(outer.overlap),
            parallel: self.parallel.or(outer.parallel),
        }
    }
}

/// What nobody said is `None`: the inventory's default, then the built-in one, holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    pub timeout: Option<Duration>,
    pub unreachable: Option<Unreachable>,
    pub prefer: Option<Prefer>,
    pub tenant: Option<Arc<str>>,
    /// `overlap: brief`.
    pub overlap: Option<bool>,
    /// Sites in flight at once, for this operation.
    pub parallel: Option<u32>,
}

/// In which order the sites of a placement are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Prefer {
    Written,
    Inventory,
    /// How soon a site answers.
    Latency,
    /// By what a function gives for each site, least first; called where the span says.
    By(FunctionId, Name, Span),
}

impl Prefer {
    pub fn name(&self) -> &str {
        match self {
            Prefer::Written => "written",
            Prefer::Inventory => "inventory",
            Prefer::Latency => "latency",
            Prefer::By(_, name, _) => name,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unreachable {
    Fail,
    Defer,
    Skip,
    /// Of a listing: rows as they were last seen stand in for those of a site that does not answer.
    Stale,
}
