//! Answers as a journal keeps them, so that a resumed run decides as it did before. Exact, unlike `to_json`; and without
//! secrets, which come back as values that are not known any more.

use super::{Failure, FailureKind, Handle, Row, Scope, Table, Unknown, Value};
use crate::model::{Placement, SiteId, SiteSet};
use crate::span::Span;
use crate::types::{Name, Type};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a step gave, or why it failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    Value(Plain),
    Failure(Box<PlainFailure>),
}

/// A value that is whole: nothing of it is pending or known later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plain {
    Null,
    Bool(bool),
    Int(i64),
    /// By its bits: JSON has no infinity.
    Float(u64),
    Text(Arc<str>),
    Duration(Duration),
    Bytes(u64),
    Percent(u64),
    File(Arc<str>),
    Secret,
    Site(SiteId),
    Sites(SiteSet),
    Placement(Arc<Placement>),
    List(Vec<Plain>),
    Record(IndexMap<Name, Plain>),
    Handle {
        resource: Name,
        site: SiteId,
        id: Arc<str>,
        fields: IndexMap<Name, Plain>,
    },
    Table {
        resource: Option<Name>,
        columns: Vec<Name>,
        rows: Vec<(Option<SiteId>, Option<Arc<str>>, Vec<Plain>)>,
        asked: SiteSet,
        unknown: BTreeMap<SiteId, Arc<str>>,
    },
    Scope(Arc<Scope>),
    Failure(Box<PlainFailure>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlainFailure {
    code: String,
    message: String,
    span: Span,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    help: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sites: Vec<(SiteId, String)>,
    partial: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    also: Vec<PlainFailure>,
}

impl Plain {
    /// `None`: something of it is pending or known later.
    pub fn of(value: &Value) -> Option<Plain> {
        plain(value)
    }

    /// An error names a code that this version does not have.
    pub fn value(&self) -> Result<Value, String> {
        value(self)
    }
}

impl Kept {
    /// `None`: it is not at its end, and will be asked for again.
    pub fn of(answer: &Result<Value, Failure>) -> Option<Kept> {
        match answer {
            Ok(value) => Some(Kept::Value(plain(value)?)),
            Err(failure) => Some(Kept::Failure(Box::new(plain_failure(failure)?))),
        }
    }

    /// An error names a code that this version does not have.
    pub fn answer(&self) -> Result<Result<Value, Failure>, String> {
        match self {
            Kept::Value(plain) => Ok(Ok(value(plain)?)),
            Kept::Failure(plain) => Ok(Err(failure(plain)?)),
        }
    }
}

fn plain(value: &Value) -> Option<Plain> {
    Some(match value {
        Value::Null => Plain::Null,
        Value::Bool(b) => Plain::Bool(*b),
        Value::Int(i) => Plain::Int(*i),
        Value::Float(f) => Plain::Float(f.to_bits()),
        Value::String(text) => Plain::Text(text.clone()),
        Value::Duration(time) => Plain::Duration(*time),
        Value::Bytes(n) => Plain::Bytes(*n),
        Value::Percent(f) => Plain::Percent(f.to_bits()),
        Value::File(path) => Plain::File(path.clone()),
        Value::Secret(_) => Plain::Secret,
        Value::Site(site) => Plain::Site(*site),
        Value::Sites(sites) => Plain::Sites(sites.clone()),
        Value::Placement(placement) => Plain::Placement(placement.clone()),
        Value::List(items) => Plain::List(items.iter().map(plain).collect::<Option<_>>()?),
        Value::Record(record) => Plain::Record(plain_fields(record)?),
        Value::Handle(handle) if handle.pending => return None,
        Value::Handle(handle) => Plain::Handle {
            resource: handle.resource.clone(),
            site: handle.site,
            id: handle.id.clone(),
            fields: plain_fields(&handle.fields)?,
        },
        Value::Table(table) => Plain::Table {
            resource: table.resource.clone(),
            columns: table.columns.clone(),
            rows: table.rows.iter().map(plain_row).collect::<Option<_>>()?,
            asked: table.asked.clone(),
            unknown: table.unknown.clone(),
        },
        Value::Failure(failure) => Plain::Failure(Box::new(plain_failure(failure)?)),
        Value::Scope(scope) if scope.is_whole() => Plain::Scope(scope.clone()),
        Value::Scope(_) | Value::Unknown(_) => return None,
    })
}

fn plain_fields(fields: &IndexMap<Name, Value>) -> Option<IndexMap<Name, Plain>> {
    fields.iter().map(|(name, value)| Some((name.clone(), plain(value)?))).collect()
}

fn plain_row(row: &Row) -> Option<(Option<SiteId>, Option<Arc<str>>, Vec<Plain>)> {
    if row.pending {
        return None;
    }
    Some((row.site, row.id.clone(), row.values.iter().map(plain).collect::<Option<_>>()?))
}

fn plain_failure(failure: &Failure) -> Option<PlainFailure> {
    let partial = match failure.kind {
        FailureKind::Failed => false,
        FailureKind::Partial => true,
        // The run is not at its end.
        FailureKind::Owed | FailureKind::Interrupted => return None,
    };
    Some(PlainFailure {
        code: failure.code.id.to_string(),
        message: failure.message.clone(),
        span: failure.span,
        help: failure.help.clone(),
        sites: failure.sites.clone(),
        partial,
        also: failure.also.iter().map(plain_failure).collect::<Option<_>>()?,
    })
}

fn value(plain: &Plain) -> Result<Value, String> {
    Ok(match plain {
        Plain::Null => Value::Null,
        Plain::Bool(b) => Value::Bool(*b),
        Plain::Int(i) => Value::Int(*i),
        Plain::Float(bits) => Value::Float(f64::from_bits(*bits)),
        Plain::Text(text) => Value::String(text.clone()),
        Plain::Duration(time) => Value::Duration(*time),
        Plain::Bytes(n) => Value::Bytes(*n),
        Plain::Percent(bits) => Value::Percent(f64::from_bits(*bits)),
        Plain::File(path) => Value::File(path.clone()),
        Plain::Secret => forgotten_secret(),
        Plain::Site(site) => Value::Site(*site),
        Plain::Sites(sites) => Value::Sites(sites.clone()),
        Plain::Placement(placement) => Value::Placement(placement.clone()),
        Plain::List(items) => Value::List(Arc::new(items.iter().map(value).collect::<Result<_, _>>()?)),
        Plain::Record(record) => Value::Record(Arc::new(fields(record)?)),
        Plain::Handle { resource, site, id, fields: own } => Value::Handle(Arc::new(Handle {
            resource: resource.clone(),
            site: *site,
            id: id.clone(),
            fields: Arc::new(fields(own)?),
            pending: false,
            elsewhere: SiteSet::new(),
        })),
        Plain::Table { resource, columns, rows, asked, unknown } => Value::Table(Arc::new(Table {
            resource: resource.clone(),
            columns: columns.clone(),
            rows: rows.iter().map(row).collect::<Result<_, _>>()?,
            asked: asked.clone(),
            unknown: unknown.clone(),
        })),
        Plain::Scope(scope) => Value::Scope(scope.clone()),
        Plain::Failure(plain) => Value::Failure(Arc::new(failure(plain)?)),
    })
}

/// A secret of an answer that was given in an earlier part of the run: whoever needs it waits, and is told for what.
pub fn forgotten_secret() -> Value {
    let what = "a secret that a site told only the first part of this run; no journal keeps secrets".to_string();
    Value::Unknown(Arc::new(Unknown { ty: Type::Secret, what }))
}

fn fields(plain: &IndexMap<Name, Plain>) -> Result<IndexMap<Name, Value>, String> {
    plain.iter().map(|(name, plain)| Ok((name.clone(), value(plain)?))).collect()
}

fn row((site, id, values): &(Option<SiteId>, Option<Arc<str>>, Vec<Plain>)) -> Result<Row, String> {
    let values = values.iter().map(value).collect::<Result<_, _>>()?;
    Ok(Row { site: *site, values, id: id.clone(), pending: false })
}

fn failure(plain: &PlainFailure) -> Result<Failure, String> {
    let Some(code) = crate::codes::all().find(|code| code.id == plain.code) else {
        return Err(format!("this version of edge has no diagnostic {}", plain.code));
    };
    let kind = if plain.partial { FailureKind::Partial } else { FailureKind::Failed };
    Ok(Failure {
        code,
        message: plain.message.clone(),
        span: plain.span,
        help: plain.help.clone(),
        sites: plain.sites.clone(),
        kind,
        also: plain.also.iter().map(failure).collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Secret;
    use super::*;

    fn through(answer: &Result<Value, Failure>) -> Result<Value, Failure> {
        let kept = Kept::of(answer).expect("it is whole");
        let text = serde_json::to_string(&kept).expect("it can be written");
        let read: Kept = serde_json::from_str(&text).expect("it can be read");
        read.answer().expect("its codes are known")
    }

    #[test]
    fn what_is_kept_comes_back_as_it_was() {
        let record = Value::Record(Arc::new(IndexMap::from([
            ("inf".into(), Value::Float(f64::INFINITY)),
            ("time".into(), Value::Duration(Duration::from_millis(1500))),
            ("at".into(), Value::Sites(SiteSet::below(3))),
        ])));
        let row = Row { site: Some(SiteId(2)), values: vec![record.clone(), Value::Null], id: None, pending: false };
        let table = Value::Table(Arc::new(Table {
            columns: vec!["a".into(), "b".into()],
            rows: vec![row],
            asked: SiteSet::below(4),
            unknown: BTreeMap::from([(SiteId(3), "no answer".into())]),
            resource: Some("server".into()),
        }));
        for value in [record, table, Value::Bytes(1 << 60), Value::Percent(12.5), Value::String("a \u{1F600}".into())] {
            assert_eq!(through(&Ok(value.clone())), Ok(value));
        }
        let failed = Failure::new(&super::super::codes::ASSERTION, Span::default(), "no").at(SiteId(1), "why");
        assert_eq!(through(&Err(failed.clone())), Err(failed));
    }

    #[test]
    fn a_secret_is_not_kept_and_what_is_pending_neither() {
        let record = IndexMap::from([("password".into(), Value::Secret(Secret::new("hunter2")))]);
        let kept = Kept::of(&Ok(Value::Record(Arc::new(record)))).expect("it is whole");
        assert!(!serde_json::to_string(&kept).expect("it can be written").contains("hunter2"));
        let Ok(Ok(Value::Record(back))) = kept.answer() else { panic!("a record comes back") };
        assert!(matches!(back["password"], Value::Unknown(_)), "it is not taken for null");
        assert_eq!(Kept::of(&Ok(forgotten_secret())), None);
        let owed = Failure::new(&super::super::codes::OWED, Span::default(), "later").kind(FailureKind::Owed);
        assert_eq!(Kept::of(&Err(owed)), None);
    }
}
