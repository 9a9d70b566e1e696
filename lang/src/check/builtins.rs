//! The functions that belong to the language, and to no library.

use super::annotations::converted;
use super::expressions::poison;
use super::functions::counted;
use super::known::{Known, Typed};
use super::{Checker, codes, did_you_mean};
use crate::diagnostic::Diagnostic;
use crate::program::{Builtin, Expr, ExprKind};
use crate::span::Span;
use crate::syntax::ast;
use crate::types::Type;
use std::sync::Arc;

/// What is asked of an argument.
enum Wanted {
    A(Type),
    /// Something with items: a table, a list, a set, a record, a text.
    Countable,
    /// A list, or a set of sites.
    Items,
    /// Numbers of sites and percentages.
    Sizes,
}

struct Function {
    name: &'static str,
    builtin: Builtin,
    params: &'static [(&'static str, fn() -> Wanted)],
    required: usize,
    result: fn() -> Type,
}

const fn text() -> Wanted {
    Wanted::A(Type::String)
}

const fn int() -> Wanted {
    Wanted::A(Type::Int)
}

static FUNCTIONS: [Function; 15] = [
    Function { name: "file", builtin: Builtin::File, params: &[("path", text)], required: 1, result: || Type::File },
    Function { name: "read", builtin: Builtin::Read, params: &[("path", text)], required: 1, result: || Type::String },
    Function {
        name: "secret",
        builtin: Builtin::Secret,
        params: &[("name", text)],
        required: 1,
        result: || Type::Secret,
    },
    Function {
        name: "empty",
        builtin: Builtin::Empty,
        params: &[("of", || Wanted::Countable)],
        required: 1,
        result: || Type::Bool,
    },
    Function {
        name: "count",
        builtin: Builtin::Count,
        params: &[("of", || Wanted::Countable)],
        required: 1,
        result: || Type::Int,
    },
    Function {
        name: "len",
        builtin: Builtin::Len,
        params: &[("of", || Wanted::Countable)],
        required: 1,
        result: || Type::Int,
    },
    Function {
        name: "minimal",
        builtin: Builtin::Minimal,
        params: &[("placement", || Wanted::A(Type::Placement))],
        required: 1,
        result: || Type::list(Type::Sites),
    },
    Function {
        name: "holds",
        builtin: Builtin::Holds,
        params: &[("placement", || Wanted::A(Type::Placement)), ("sites", || Wanted::A(Type::Sites))],
        required: 2,
        result: || Type::Bool,
    },
    Function {
        name: "waves",
        builtin: Builtin::Waves,
        params: &[("sites", || Wanted::A(Type::Sites)), ("sizes", || Wanted::Sizes)],
        required: 2,
        result: || Type::list(Type::Sites),
    },
    Function {
        name: "spread",
        builtin: Builtin::Spread,
        params: &[("n", int), ("sites", || Wanted::A(Type::Sites)), ("by", text)],
        required: 2,
        result: || Type::Table(Arc::new([("share".into(), Type::Int)].into_iter().collect())),
    },
    Function { name: "now", builtin: Builtin::Now, params: &[], required: 0, result: || Type::Duration },
    Function { name: "json", builtin: Builtin::Json, params: &[("text", text)], required: 1, result: || Type::Any },
    Function {
        name: "join",
        builtin: Builtin::Join,
        params: &[("list", || Wanted::Items), ("by", text)],
        required: 1,
        result: || Type::String,
    },
    Function {
        name: "split",
        builtin: Builtin::Split,
        params: &[("text", text), ("by", text)],
        required: 1,
        result: || Type::list(Type::String),
    },
    Function {
        name: "range",
        builtin: Builtin::Range,
        params: &[("from", int), ("to", int)],
        required: 1,
        result: || Type::list(Type::Int),
    },
];

pub(super) fn find(name: &str) -> Option<Builtin> {
    FUNCTIONS.iter().find(|f| f.name == name).map(|f| f.builtin)
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|f| f.name).chain(["copy"])
}

impl Checker<'_> {
    pub(super) fn builtin(&mut self, builtin: Builtin, name: &ast::Name, args: &[ast::Arg], span: Span) -> Typed {
        let Some(function) = FUNCTIONS.iter().find(|f| f.builtin == builtin) else { return poison(span) };
        if let ("count", []) = (function.name, args) {
            self.report(
                Diagnostic::new(
                    &codes::AGGREGATE_OUTSIDE,
                    span,
                    "`count()` of a group stands in `select`, as a column of its own",
                )
                .help("the number of rows of a table is `count(table)`"),
            );
            return poison(span);
        }
        let mut given: Vec<Option<Typed>> = function.params.iter().map(|_| None).collect();
        let (mut next, mut broken) = (0, false);
        for arg in args {
            let (index, value) = match arg {
                ast::Arg::Positional(value) => {
                    next += 1;
                    (next - 1, value)
                }
                ast::Arg::Named(named, value) => match function.params.iter().position(|(p, _)| *p == &*named.text) {
                    Some(index) => (index, value),
                    None => {
                        let message = format!("`{}` has no parameter `{}`", function.name, named.text);
                        let d = Diagnostic::new(&codes::UNKNOWN_PARAMETER, named.span, message);
                        let d = did_you_mean(d, &named.text, function.params.iter().map(|(p, _)| *p));
                        self.report(d);
                        self.part(value, None);
                        continue;
                    }
                },
                ast::Arg::Broken(_) => {
                    broken = true;
                    continue;
                }
            };
            let Some((param, wanted)) = function.params.get(index) else {
                self.part(value, None);
                if index == function.params.len() {
                    let message = format!("`{}` takes {}", function.name, counted(index, "argument"));
                    self.error(&codes::TOO_MANY_ARGUMENTS, value.span, message);
                }
                continue;
            };
            let typed = self.builtin_argument(function, param, &wanted(), value);
            if given[index].replace(typed).is_some() {
                self.error(&codes::ARGUMENT_TWICE, value.span, format!("`{param}` is given twice"));
            }
        }
        let missing: Vec<&str> = function
            .params
            .iter()
            .zip(&given)
            .take(function.required)
            .filter(|(_, g)| g.is_none())
            .map(|((p, _), _)| *p)
            .collect();
        if !missing.is_empty() && !broken {
            let message = format!("`{}` needs {}", function.name, super::listed(missing, 4));
            self.error(&codes::MISSING_ARGUMENT, name.span, message);
            return Typed { expr: Expr { ty: (function.result)(), ..poison(span).expr }, known: Known::Nothing };
        }
        let args = given.into_iter().flatten().map(|t| t.expr).collect();
        let kind = ExprKind::Builtin { name: builtin, args };
        Typed { expr: Expr { kind, ty: (function.result)(), span }, known: Known::Nothing }
    }

    fn builtin_argument(&mut self, function: &Function, param: &str, wanted: &Wanted, value: &ast::Expr) -> Typed {
        let what = format!("`{param}` of `{}`", function.name);
        match wanted {
            Wanted::A(ty) => self.expect(value, ty, &what),
            Wanted::Sizes => {
                let typed = self.part(value, None);
                let fine = match typed.ty() {
                    Type::List(of) => matches!(**of, Type::Int | Type::Percent | Type::Any | Type::Error),
                    Type::Any | Type::Error => true,
                    _ => false,
                };
                if !fine {
                    let message = format!("{what} is a list of numbers and percentages, and this is `{}`", typed.ty());
                    let d = Diagnostic::new(&codes::WRONG_TYPE, typed.span(), message);
                    self.report(d.help("write `[1, 10%, 100%]`"));
                }
                typed
            }
            Wanted::Countable => {
                let typed = self.part(value, None);
                let fine = matches!(
                    typed.ty().present(),
                    Type::Table(_)
                        | Type::Replicated(_)
                        | Type::List(_)
                        | Type::Sites
                        | Type::Site
                        | Type::Map(_)
                        | Type::Record(_)
                        | Type::String
                        | Type::Any
                        | Type::Error
                );
                if !fine {
                    let message = format!(
                        "`{}` counts the rows of a table, the items of a list or the sites of a set, and this is `{}`",
                        function.name,
                        typed.ty()
                    );
                    let mut d = Diagnostic::new(&codes::WRONG_TYPE, typed.span(), message);
                    if let Type::Handle(_) = typed.ty() {
                        d = d.help("this is one resource, which is there");
                    }
                    self.report(d);
                }
                typed
            }
            Wanted::Items => {
                let typed = self.part(value, None);
                match typed.ty() {
                    Type::List(of) if **of == Type::Secret => {
                        self.error(&codes::SECRET_SHOWN, typed.span(), "a secret cannot be part of a text");
                        typed
                    }
                    Type::List(_) | Type::Any | Type::Error | Type::Sites => typed,
                    Type::Site => converted(typed, &Type::Sites),
                    other => {
                        let message = format!("{what} is a list, and this is `{other}`");
                        self.error(&codes::WRONG_TYPE, typed.span(), message);
                        typed
                    }
                }
            }
        }
    }
}
