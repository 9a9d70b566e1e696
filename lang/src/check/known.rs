//! What is certain about a value before anything runs, and the checked expression that carries it.

use crate::eval::Unreachable;
use crate::model::{Placement, SiteId, SiteSet};
use crate::program::Expr;
use crate::span::Span;
use crate::types::{Name, Type};
use indexmap::IndexMap;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(super) enum Known {
    #[default]
    Nothing,
    Bool(bool),
    Int(i64),
    Percent(f64),
    Text(Arc<str>),
    Site(SiteId),
    Sites(Arc<SiteSet>),
    Placement(Arc<Placement>),
    /// A placement whose sites are not known, but something of its form is.
    Form(Form),
    Scope(Arc<KnownScope>),
    /// A handle or rows: all sites at which they can be.
    At(Arc<SiteSet>),
}

/// What is surely in a placement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    /// `!`, `none of` or `xor`.
    pub negates: bool,
    /// `||`, `any of` and all else that is no conjunction.
    pub chooses: bool,
}

impl Known {
    pub fn sites(&self) -> Option<Arc<SiteSet>> {
        match self {
            Known::Site(site) => Some(Arc::new(SiteSet::of(*site))),
            Known::Sites(set) => Some(set.clone()),
            _ => None,
        }
    }

    pub fn placement(&self) -> Option<Arc<Placement>> {
        match self {
            Known::Site(site) => Some(Arc::new(Placement::Site(*site))),
            Known::Sites(set) => Some(Arc::new(Placement::AllOf((**set).clone()))),
            Known::Placement(p) => Some(p.clone()),
            _ => None,
        }
    }

    pub fn form(&self) -> Form {
        match self {
            Known::Placement(p) => Form { negates: p.has_not_or_xor(), chooses: !p.is_conjunction() },
            Known::Form(form) => *form,
            _ => Form::default(),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Typed {
    pub expr: Expr,
    pub known: Known,
}

impl Typed {
    pub fn ty(&self) -> &Type {
        &self.expr.ty
    }

    pub fn span(&self) -> Span {
        self.expr.span
    }

    pub fn is_error(&self) -> bool {
        self.expr.ty == Type::Error
    }
}

/// What is known of a scope.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownScope {
    pub entries: IndexMap<Name, KnownEntry>,
    pub everywhere: Option<KnownEntry>,
    /// Parts of it are not known (a parameter of type Scope): it may speak of any service.
    pub open: bool,
    pub identity: Option<(SiteId, Span)>,
}

#[derive(Clone, Debug)]
pub(super) struct KnownEntry {
    pub place: Option<Place>,
    pub unreachable: Option<Unreachable>,
}

/// Where something is to take effect, as far as that is known.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub placement: Option<Arc<Placement>>,
    pub form: Form,
    /// The form gives one handle.
    pub single: bool,
    pub span: Span,
}

impl Place {
    pub fn of(typed: &Typed) -> Place {
        Place {
            placement: typed.known.placement(),
            form: typed.known.form(),
            single: matches!(typed.ty(), Type::Site | Type::Choice),
            span: typed.span(),
        }
    }
}

impl KnownScope {
    pub fn entry(&self, service: &str) -> Option<&KnownEntry> {
        self.entries.get(service).or(self.everywhere.as_ref())
    }

    pub fn place(&self, service: &str) -> Option<&Place> {
        self.entry(service)?.place.as_ref()
    }

    /// As the evaluator does it: the inner entry wins, and what it leaves open stays.
    pub fn merge(self: &Arc<Self>, inner: &KnownScope) -> Arc<KnownScope> {
        let mut merged = KnownScope::clone(self);
        if let Some(everywhere) = &inner.everywhere {
            merged.entries.clear();
            merged.everywhere = Some(everywhere.clone());
        }
        for (service, entry) in &inner.entries {
            let mut entry = entry.clone();
            if let Some(outer) = merged.entry(service) {
                entry.place = entry.place.or_else(|| outer.place.clone());
                entry.unreachable = entry.unreachable.or(outer.unreachable);
            }
            merged.entries.insert(service.clone(), entry);
        }
        if inner.open {
            // Any entry may be another than the one that was there.
            merged.entries.retain(|service, _| inner.entries.contains_key(service));
            merged.everywhere = None;
            merged.open = true;
        }
        merged.identity = inner.identity.or(merged.identity);
        Arc::new(merged)
    }
}
