//! `x.field`, `x.method(...)` and `x[index]`: what a value of each type has.

use super::annotations::converted;
use super::expressions::poison;
use super::known::{Known, Typed};
use super::{Checker, a, codes, did_you_mean, listed, name};
use crate::diagnostic::Diagnostic;
use crate::program::{Builtin, Expr, ExprKind};
use crate::span::Span;
use crate::syntax::ast;
use crate::types::{Name, Type};
use indexmap::IndexMap;
use std::sync::Arc;

/// What tables and replicated handles have beside their columns.
pub(super) const TABLE_FIELDS: [&str; 4] = ["present", "absent", "unknown", "sites"];

impl Checker<'_> {
    pub(super) fn field(&mut self, of: Typed, field: &Arc<str>, span: Span) -> Typed {
        let whole = of.span().to(span);
        let ty = of.ty().clone();
        let found: Option<(Type, Known)> = match &ty {
            Type::Error => return poison(whole),
            Type::Any => Some((Type::Any, Known::Nothing)),
            Type::Optional(inner) => {
                let d = Diagnostic::new(&codes::PERHAPS_NULL, of.span(), format!("this may be null: it is `{inner}?`"));
                self.report(d.help(format!("give a value for that case: `(x else ...).{field}`")));
                return poison(whole);
            }
            Type::Site => return self.site_field(of, field, span),
            Type::Handle(resource) => match &**field {
                "site" => {
                    let known = match &of.known {
                        Known::At(sites) if sites.len() == 1 => sites.first().map_or(Known::Nothing, Known::Site),
                        _ => Known::Nothing,
                    };
                    Some((Type::Site, known))
                }
                _ => {
                    let ty = self.library.any_resource(resource).and_then(|r| r.field_type(field));
                    ty.map(|ty| (ty, Known::Nothing))
                }
            },
            Type::Replicated(_) | Type::Table(_) if TABLE_FIELDS.contains(&&**field) => {
                let known = match (&of.known, &**field) {
                    (Known::At(sites), "sites") => Known::Sites(sites.clone()),
                    _ => Known::Nothing,
                };
                Some((Type::Sites, known))
            }
            Type::Record(fields) => fields.get(field).map(|t| (t.clone(), Known::Nothing)),
            Type::Map(inner) => Some((Type::optional((**inner).clone()), Known::Nothing)),
            Type::Failure => match &**field {
                "message" | "code" => Some((Type::String, Known::Nothing)),
                "sites" => Some((Type::Sites, Known::Nothing)),
                _ => None,
            },
            _ => None,
        };
        let Some((ty, known)) = found else {
            self.no_field(&of, field, span);
            return poison(whole);
        };
        let kind = ExprKind::Field { of: Box::new(of.expr), name: field.clone() };
        Typed { expr: Expr { kind, ty, span: whole }, known }
    }

    fn site_field(&mut self, of: Typed, field: &Arc<str>, span: Span) -> Typed {
        let whole = of.span().to(span);
        if matches!(&**field, "name" | "kind") {
            return super::sites::site_field(of.expr, field, whole);
        }
        let labels = self.places.labels(&self.state.inventory);
        let Some(values) = labels.get(field) else {
            let d = Diagnostic::new(&codes::NO_SUCH_LABEL, span, format!("no site has a label `{field}`"));
            let d = did_you_mean(d, field, labels.keys().map(|l| &**l).chain(["name", "kind"]));
            self.report(d);
            return poison(whole);
        };
        if let Known::Site(site) = of.known
            && !values.values().any(|sites| sites.contains(site))
        {
            let site = self.state.inventory.name(site);
            let message = format!("`{site}` has no label `{field}`");
            self.error(&codes::NO_SUCH_LABEL, span, message);
            return poison(whole);
        }
        let kind = ExprKind::Label { site: Box::new(of.expr), label: field.clone() };
        let label = Expr { kind, ty: Type::optional(Type::String), span: whole };
        // A site without the label is a located failure, not an empty text.
        converted(Typed { expr: label, known: Known::Nothing }, &Type::String)
    }

    fn no_field(&mut self, of: &Typed, field: &str, span: Span) {
        let ty = of.ty();
        let missing = || Diagnostic::new(&codes::UNKNOWN_FIELD, span, format!("{} has no field `{field}`", a(ty)));
        let d = match ty {
            Type::Handle(resource) => {
                let columns = self.places.columns(self.library, resource);
                let is_operation = self
                    .library
                    .any_resource(resource)
                    .is_some_and(|r| super::operations::operation_of(r, field).is_some());
                if is_operation {
                    missing().help(format!("the operation is written `{resource}.{field}(...)`"))
                } else {
                    did_you_mean(missing(), field, columns.keys().map(|c| &**c).chain(["site", "id"]))
                }
            }
            Type::Replicated(resource) => {
                let columns = self.places.columns(self.library, resource);
                if columns.contains_key(field) || matches!(field, "id" | "site") {
                    let message = format!("`{field}` is of one {resource}, and these are of several sites");
                    Diagnostic::new(&codes::FIELD_OF_MANY, span, message)
                        .help(format!("the one of a site: `.at(Zone1).{field}`"))
                        .help(format!("of all: `for x in ... {{ x.{field} }}`, or `select {field}`"))
                } else {
                    let of_one = columns.keys().map(|c| &**c).chain(["id"]);
                    did_you_mean(missing(), field, TABLE_FIELDS.iter().copied().chain(of_one))
                }
            }
            Type::Table(columns) if columns.contains_key(field) || field == "site" => {
                Diagnostic::new(&codes::FIELD_OF_MANY, span, format!("`{field}` is of one row, and this is a table"))
                    .help(format!("of all rows: `for row in ... {{ row.{field} }}`, or `select {field}`"))
            }
            Type::Table(_) => did_you_mean(missing(), field, TABLE_FIELDS.iter().copied()),
            Type::Record(fields) => did_you_mean(missing(), field, fields.keys().map(|f| &**f)),
            Type::Failure => missing().help("it has `message`, `code` and `sites`"),
            Type::List(_) => missing().help("an item of a list is `list[0]`, their number `count(list)`"),
            Type::Sites => missing().help("of each site: `for s in ... { s.name }`; their number: `count(...)`"),
            Type::Choice | Type::Placement => missing().help("which outcomes it accepts is said by `minimal(...)`"),
            Type::String if matches!(field, "length" | "len" | "size") => missing().help("its length is `len(...)`"),
            _ => missing(),
        };
        self.report(d);
    }

    /// `x.at(Zone1)` and `x.count()`.
    pub(super) fn method(&mut self, of: Typed, method: &ast::Name, args: &[ast::Arg], span: Span) -> Typed {
        let ty = of.ty().clone();
        match (&*method.text, &ty) {
            (_, Type::Error) => {
                self.arguments_alone(args);
                poison(span)
            }
            ("at", Type::Replicated(_) | Type::Table(_)) => self.row_at(of, method, args, span),
            ("count", Type::Replicated(_) | Type::Table(_) | Type::List(_) | Type::Sites) if args.is_empty() => {
                let kind = ExprKind::Builtin { name: Builtin::Count, args: vec![of.expr] };
                Typed { expr: Expr { kind, ty: Type::Int, span }, known: Known::Nothing }
            }
            _ => {
                let message = format!("{} has no operation `{}`", a(&ty), method.text);
                let mut d = Diagnostic::new(&codes::UNKNOWN_METHOD, method.span, message);
                d = match &ty {
                    Type::Handle(r) | Type::Replicated(r)
                        if self
                            .library
                            .any_resource(r)
                            .is_some_and(|r| super::operations::operation_of(r, &method.text).is_some()) =>
                    {
                        d.help(format!("write `{r}.{}(...)` with this as its argument", method.text))
                    }
                    Type::Replicated(_) | Type::Table(_) => d.help("a table has `.at(site)` and `.count()`"),
                    Type::List(_) if matches!(&*method.text, "append" | "push" | "add" | "extend") => {
                        d.help("lists are joined by `+`: `xs + [x]` is a new one")
                    }
                    _ if super::builtins::find(&method.text).is_some() => {
                        d.help(format!("write `{}(...)` with this as its argument", method.text))
                    }
                    _ => d,
                };
                self.report(d);
                self.arguments_alone(args);
                poison(span)
            }
        }
    }

    fn row_at(&mut self, of: Typed, method: &ast::Name, args: &[ast::Arg], span: Span) -> Typed {
        let [ast::Arg::Positional(site)] = args else {
            let d = Diagnostic::new(&codes::MISSING_ARGUMENT, method.span, "`at` takes one site");
            self.report(d.help("write `.at(Zone1)`"));
            self.arguments_alone(args);
            return poison(span);
        };
        let site = self.expect(site, &Type::Site, "the site");
        if let (Known::At(sites), Known::Site(s)) = (&of.known, &site.known)
            && !sites.contains(*s)
        {
            let message = format!("this is not at `{}`", self.state.inventory.name(*s));
            let d = Diagnostic::new(&codes::NOT_AT_SITE, site.span(), message)
                .help(format!("it is placed at {}", self.some_names(sites)));
            self.report(d);
        }
        let ty = match of.ty() {
            Type::Replicated(resource) => Type::Handle(resource.clone()),
            Type::Table(columns) => row_type(columns),
            _ => Type::Error,
        };
        let known = match &site.known {
            Known::Site(s) => Known::At(Arc::new(crate::model::SiteSet::of(*s))),
            _ => Known::Nothing,
        };
        let kind = ExprKind::AtSite { of: Box::new(of.expr), site: Box::new(site.expr) };
        Typed { expr: Expr { kind, ty, span }, known }
    }

    /// `x[index]`.
    pub(super) fn index(&mut self, of: Typed, index: &ast::Expr, span: Span) -> Typed {
        match of.ty() {
            Type::Error => {
                // The index may be a condition that only makes sense with the set.
                poison(span)
            }
            Type::Site | Type::Sites => self.select_sites(of, index, span),
            _ => {
                let index = self.part(index, None);
                self.index_value(of, index, span)
            }
        }
    }

    pub(super) fn index_value(&mut self, of: Typed, index: Typed, span: Span) -> Typed {
        let ty = match of.ty() {
            Type::Error => return poison(span),
            Type::Any => {
                if !matches!(index.ty(), Type::Int | Type::String | Type::Any | Type::Error) {
                    self.mismatch(index.span(), &Type::String, index.ty(), "an index");
                }
                Type::Any
            }
            Type::List(of) => {
                let of = (**of).clone();
                if !index.ty().fits(&Type::Int) {
                    self.mismatch(index.span(), &Type::Int, index.ty(), "an index of a list");
                }
                of
            }
            Type::Map(of) => {
                let of = Type::optional((**of).clone());
                if !index.ty().fits(&Type::String) {
                    self.mismatch(index.span(), &Type::String, index.ty(), "a key");
                }
                of
            }
            Type::Record(fields) => {
                let Known::Text(key) = &index.known else {
                    let d = Diagnostic::new(
                        &codes::NOT_INDEXED,
                        index.span(),
                        "a field of a record is named in the program",
                    );
                    self.report(d.help(format!("it has {}", listed(fields.keys(), 6))));
                    return poison(span);
                };
                let key = key.clone();
                return self.field(of, &key, index.span());
            }
            other => {
                let mut d = Diagnostic::new(&codes::NOT_INDEXED, span, format!("{} has no `[...]`", a(other)));
                d = match other {
                    Type::Replicated(_) | Type::Table(_) => {
                        d.help("rows are chosen by `where`, the one of a site by `.at(Zone1)`")
                    }
                    Type::Optional(_) => d.help("it may be null: give a value for that case, `(x else ...)`"),
                    _ => d,
                };
                self.report(d);
                return poison(span);
            }
        };
        let kind = ExprKind::Index { of: Box::new(of.expr), index: Box::new(index.expr) };
        Typed { expr: Expr { kind, ty, span }, known: Known::Nothing }
    }

    /// The columns of a table or of rows of a resource.
    pub(super) fn columns_of(&mut self, ty: &Type) -> Option<Arc<IndexMap<Name, Type>>> {
        match ty {
            Type::Table(columns) => Some(columns.clone()),
            Type::Replicated(resource) => Some(self.places.columns(self.library, resource)),
            _ => None,
        }
    }
}

/// A row as a record: its columns and its site.
pub(super) fn row_type(columns: &IndexMap<Name, Type>) -> Type {
    let mut row = columns.clone();
    row.insert(name("site"), Type::Site);
    Type::Record(Arc::new(row))
}
