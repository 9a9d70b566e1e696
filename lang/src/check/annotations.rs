//! Types as written in programs, and how one type is turned into another.
//!
//! `image` is one image at one site, `images` is images at several: a replicated handle, or a listing.

use super::known::Typed;
use super::{Checker, codes, did_you_mean};
use crate::diagnostic::Diagnostic;
use crate::program::{Expr, ExprKind};
use crate::syntax::ast;
use crate::types::{Name, Type};
use indexmap::IndexMap;

const SIMPLE: [(&str, Type); 15] = [
    ("Bool", Type::Bool),
    ("Int", Type::Int),
    ("Float", Type::Float),
    ("String", Type::String),
    ("Duration", Type::Duration),
    ("Bytes", Type::Bytes),
    ("Percent", Type::Percent),
    ("File", Type::File),
    ("Secret", Type::Secret),
    ("Site", Type::Site),
    ("Sites", Type::Sites),
    ("Placement", Type::Placement),
    ("Choice", Type::Choice),
    ("Scope", Type::Scope),
    ("Any", Type::Any),
];

impl Checker<'_> {
    pub(super) fn annotation(&mut self, ty: &ast::Type) -> Type {
        let of = match &ty.kind {
            ast::TypeKind::Named(name) => self.named_type(name),
            ast::TypeKind::List(of) => Type::list(self.annotation(of)),
            ast::TypeKind::Map(of) => Type::Map(self.annotation(of).into()),
            ast::TypeKind::Record(fields) => {
                let mut record: IndexMap<Name, Type> = IndexMap::new();
                for field in fields {
                    let ty = self.annotation(&field.ty);
                    if record.insert(field.name.text.clone(), ty).is_some() {
                        let text = &field.name.text;
                        self.error(&codes::KEY_TWICE, field.name.span, format!("the field `{text}` is given twice"));
                    }
                }
                Type::Record(record.into())
            }
        };
        if ty.optional { Type::optional(of) } else { of }
    }

    fn named_type(&mut self, name: &ast::Name) -> Type {
        let text = &*name.text;
        if let Some((_, ty)) = SIMPLE.iter().find(|(n, _)| *n == text) {
            return ty.clone();
        }
        if self.library.any_resource(text).is_some() {
            return Type::Handle(name.text.clone());
        }
        if let Some(one) = text.strip_suffix('s')
            && let Some(resource) = self.library.any_resource(one)
        {
            return Type::Replicated(resource.name.clone());
        }
        let known = SIMPLE.iter().map(|(n, _)| *n).chain(self.library.resource_names().map(|n| &**n));
        let d = Diagnostic::new(&codes::UNKNOWN_TYPE, name.span, format!("there is no type `{text}`"));
        let d = match text {
            "string" | "str" | "Str" | "Text" => d.help("did you mean `String`?"),
            "bool" | "boolean" | "Boolean" => d.help("did you mean `Bool`?"),
            "int" | "integer" | "Integer" | "Number" | "number" => d.help("did you mean `Int`?"),
            "Table" | "table" => d.help("a listing of images has the type `images`, and so has each resource"),
            _ => did_you_mean(d, text, known),
        };
        self.report(d);
        Type::Error
    }

    /// `typed` as a `wanted`, or a report that it is none. `what` begins the message: `flavor`, `the condition`.
    pub(super) fn coerce(&mut self, typed: Typed, wanted: &Type, what: &str) -> Typed {
        if typed.ty() == wanted {
            return typed;
        }
        if !typed.ty().fits(wanted) {
            self.mismatch(typed.span(), wanted, typed.ty(), what);
            return Typed { expr: Expr { ty: Type::Error, ..typed.expr }, ..typed };
        }
        converted(typed, wanted)
    }
}

/// A value that fits, as the type wanted; written out where it becomes another value or has to be looked at.
pub(super) fn converted(typed: Typed, wanted: &Type) -> Typed {
    let same = match (typed.ty(), wanted) {
        (Type::Error, _) | (_, Type::Error) | (_, Type::Any) => true,
        (Type::Null, _) => true,
        (found, wanted) => found == wanted || found == wanted.present(),
    };
    if same {
        return typed;
    }
    let span = typed.span();
    let expr = Expr { kind: ExprKind::Convert(Box::new(typed.expr)), ty: wanted.clone(), span };
    Typed { expr, known: typed.known }
}

/// How a value of one type becomes one of another, where there is a usual way.
pub(super) fn mend(wanted: &Type, found: &Type) -> Option<String> {
    Some(match (wanted, found) {
        (wanted, Type::Optional(of)) if of.fits(wanted) => {
            "it may be null: give a value for that case, `x else ...`".to_string()
        }
        (Type::File, Type::String) => "a file of this machine is written `file(\"path\")`".to_string(),
        (Type::Secret, Type::String) => "a secret is named, not written: `secret(\"NAME\")`".to_string(),
        (Type::Site, Type::Choice) => "a choice is no site until it is made: name one site".to_string(),
        (Type::Site, Type::Sites) => "a set of sites is no site: name one, or use `for s in ...`".to_string(),
        (Type::Site | Type::Sites | Type::Choice | Type::Placement, Type::String) => {
            "sites are written without quotes".to_string()
        }
        (Type::Sites, Type::Choice | Type::Placement) => {
            "a placement is no set: sets are joined by `|`, `&`, `-`, placements by `&&`, `||`, `xor`, `!`".to_string()
        }
        (Type::Choice, Type::Sites | Type::Placement) => "one site of a set is chosen by `any of`".to_string(),
        (Type::Handle(_), Type::Replicated(_)) => {
            "this is at several sites: take the one of a site with `.at(Zone1)`".to_string()
        }
        (Type::Duration, Type::Int) => "durations have a unit: `30s`, `5min`, `2h`".to_string(),
        (Type::Bytes, Type::Int) => "sizes have a unit: `512MiB`, `10GB`".to_string(),
        (Type::Percent, Type::Int) => "percentages are written `10%`".to_string(),
        (Type::String, Type::Int | Type::Float | Type::Bool | Type::Site) => "as text it is `\"${...}\"`".to_string(),
        (Type::List(of), found) if found.fits(of) => "a list of one is written `[x]`".to_string(),
        _ => return None,
    })
}
