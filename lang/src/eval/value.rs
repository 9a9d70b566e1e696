//! Values at run time. Large ones are shared, so that iterations and sites can each have their own copy cheaply.

use crate::model::{Placement, SiteId, SiteSet};
use crate::types::{Name, Type};
use indexmap::IndexMap;
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
    pub fields: Arc<IndexMap<Name, Value>>,
    /// Planned or owed: it will be there, and its fields are not known.
    pub pending: bool,
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
    /// One per column.
    pub values: Vec<Value>,
    /// Set while the row is a resource.
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope {
    pub entries: IndexMap<Name, Entry>,
    pub identity: Option<SiteId>,
    pub tenant: Option<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub at: Option<Arc<Placement>>,
    pub policy: Policy,
}

/// What nobody said is `None`: the inventory's default, then the built-in one, holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    pub timeout: Option<Duration>,
    pub unreachable: Option<Unreachable>,
    pub prefer: Option<Arc<str>>,
    pub tenant: Option<Arc<str>>,
    pub overlap: bool,
    /// Sites in flight at once, for this operation.
    pub parallel: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    Fail,
    Defer,
    Skip,
}
