//! The types of the language. Records and tables are structural; a handle is named by its resource.

use indexmap::IndexMap;
use serde::Serialize;
use std::sync::Arc;

pub type Name = Arc<str>;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Type {
    /// The type of something already reported; agrees with everything.
    Error,
    /// A statement's value: none.
    Nothing,
    Null,
    Bool,
    Int,
    Float,
    String,
    Duration,
    Bytes,
    Percent,
    File,
    Secret,
    Site,
    Sites,
    Choice,
    Placement,
    Scope,
    /// Open JSON: checked as it is used.
    Any,
    List(Arc<Type>),
    Optional(Arc<Type>),
    Record(Arc<IndexMap<Name, Type>>),
    /// `{*: T}`: any keys.
    Map(Arc<Type>),
    /// Rows, each with its site. The columns do not repeat `site`.
    Table(Arc<IndexMap<Name, Type>>),
    /// One resource at one site.
    Handle(Name),
    /// One resource at several sites: a table with `.present`, `.absent`, `.unknown`, `.at(site)`.
    Replicated(Name),
    /// What `else e` of `try` binds: `message`, `code`, `sites`.
    Failure,
}

impl Type {
    pub fn list(of: Type) -> Type {
        Type::List(Arc::new(of))
    }

    /// `T?`; an optional of an optional is one optional.
    pub fn optional(of: Type) -> Type {
        match of {
            Type::Optional(_) | Type::Null | Type::Any | Type::Error => of,
            of => Type::Optional(Arc::new(of)),
        }
    }

    pub fn record(fields: impl IntoIterator<Item = (Name, Type)>) -> Type {
        Type::Record(Arc::new(fields.into_iter().collect()))
    }

    /// The type without its `?`.
    pub fn present(&self) -> &Type {
        match self {
            Type::Optional(of) => of,
            other => other,
        }
    }

    /// May a value of this type stand where `wanted` is asked for? The only conversions are Site to Choice to Placement,
    /// Site to Sites to Placement, and T to T?. A resource parameter also takes a String: that is the checker's to allow.
    pub fn fits(&self, wanted: &Type) -> bool {
        use Type::*;
        match (self, wanted) {
            (Error, _) | (_, Error) | (Any, _) | (_, Any) => true,
            (Site, Sites | Choice | Placement) | (Choice, Placement) | (Sites, Placement) => true,
            (Null, Optional(_)) => true,
            (Optional(a), Optional(b)) => a.fits(b),
            (a, Optional(b)) => a.fits(b),
            (List(a), List(b)) => a.fits(b),
            (Map(a), Map(b)) => a.fits(b),
            (Record(a), Map(b)) => a.values().all(|t| t.fits(b)),
            (Record(a), Record(b)) => {
                b.iter().all(|(k, t)| a.get(k).map_or(matches!(t, Optional(_)), |u| u.fits(t)))
                    && a.keys().all(|k| b.contains_key(k))
            }
            (a, b) => a == b,
        }
    }
}

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fields = |f: &mut std::fmt::Formatter<'_>, fields: &IndexMap<Name, Type>| {
            for (i, (name, ty)) in fields.iter().enumerate() {
                write!(f, "{}{name}: {ty}", if i > 0 { ", " } else { "" })?;
            }
            Ok(())
        };
        match self {
            Type::Error => f.write_str("?"),
            Type::Nothing => f.write_str("nothing"),
            Type::Null => f.write_str("null"),
            Type::List(t) => write!(f, "[{t}]"),
            Type::Optional(t) => write!(f, "{t}?"),
            Type::Map(t) => write!(f, "{{*: {t}}}"),
            Type::Record(r) => {
                f.write_str("{")?;
                fields(f, r)?;
                f.write_str("}")
            }
            Type::Table(columns) => {
                f.write_str("table(")?;
                fields(f, columns)?;
                f.write_str(")")
            }
            Type::Handle(resource) => f.write_str(resource),
            Type::Replicated(resource) => write!(f, "{resource} at several sites"),
            simple => write!(f, "{simple:?}"),
        }
    }
}
