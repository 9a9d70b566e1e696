//! Operations as programs see them. Those that a description writes and those that every resource has by itself
//! (`list`, `show`, `ensure`, `delete`) look the same here, so that the checker needs no special case.

use super::{Param, Resource};
use crate::span::Span;
use crate::types::{Name, Type};
use indexmap::IndexMap;

#[derive(Clone, Debug)]
pub struct Operation {
    pub name: Name,
    pub kind: OperationKind,
    pub params: Vec<Param>,
    /// The parameter that is the resource itself: the operation goes where that is.
    pub subject: Option<Name>,
    /// Of one site; over several, handles are replicated and tables joined.
    pub result: Type,
    /// The parameter that is the thing itself, written out as documents: each is an effect of its own, at the service that
    /// its group is.
    pub documents: Option<Name>,
    /// Where it says that it may be left: `undo none "why"`. Warned about in `atomic` and before another site is tried.
    pub left: Option<String>,
    pub doc: String,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    Read,
    Change,
    Ensure,
    /// Cannot be undone.
    Final,
}

impl Operation {
    pub fn param(&self, name: &str) -> Option<&Param> {
        self.params.iter().find(|p| &*p.name == name)
    }
}

impl Resource {
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.get(name)
    }

    /// The columns of a listing, and the fields of a handle: all but what is told only once.
    pub fn columns(&self) -> IndexMap<Name, Type> {
        self.fields.values().filter(|f| !f.once).map(|f| (f.name.clone(), f.ty.clone())).collect()
    }

    /// The type of a field of a handle.
    pub fn field_type(&self, name: &str) -> Option<Type> {
        match self.fields.get(name) {
            Some(field) => Some(field.ty.clone()),
            None if name == "id" => Some(Type::String),
            None => None,
        }
    }

    /// It has no name of its own: its ends name it (`named by router, subnet`).
    pub fn is_link(&self) -> bool {
        self.named.as_ref().is_some_and(|n| n.by.len() > 1)
    }
}
