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
use std::fmt;
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

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wanted::A(ty) => ty.fmt(f),
            Wanted::Countable => f.write_str("table | list | set | record | text"),
            Wanted::Items => f.write_str("list | set"),
            Wanted::Sizes => f.write_str("[Int | Percent]"),
        }
    }
}

struct Function {
    name: &'static str,
    /// The page in `lang/functions/`.
    doc: &'static str,
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
    Function {
        name: "file",
        doc: include_str!("../../functions/file.md"),
        builtin: Builtin::File,
        params: &[("path", text)],
        required: 1,
        result: || Type::File,
    },
    Function {
        name: "read",
        doc: include_str!("../../functions/read.md"),
        builtin: Builtin::Read,
        params: &[("path", text)],
        required: 1,
        result: || Type::String,
    },
    Function {
        name: "secret",
        doc: include_str!("../../functions/secret.md"),
        builtin: Builtin::Secret,
        params: &[("name", text)],
        required: 1,
        result: || Type::Secret,
    },
    Function {
        name: "empty",
        doc: include_str!("../../functions/empty.md"),
        builtin: Builtin::Empty,
        params: &[("of", || Wanted::Countable)],
        required: 1,
        result: || Type::Bool,
    },
    Function {
        name: "count",
        doc: include_str!("../../functions/count.md"),
        builtin: Builtin::Count,
        params: &[("of", || Wanted::Countable)],
        required: 1,
        result: || Type::Int,
    },
    Function {
        name: "len",
        doc: include_str!("../../functions/len.md"),
        builtin: Builtin::Len,
        params: &[("of", || Wanted::Countable)],
        required: 1,
        result: || Type::Int,
    },
    Function {
        name: "minimal",
        doc: include_str!("../../functions/minimal.md"),
        builtin: Builtin::Minimal,
        params: &[("placement", || Wanted::A(Type::Placement))],
        required: 1,
        result: || Type::list(Type::Sites),
    },
    Function {
        name: "holds",
        doc: include_str!("../../functions/holds.md"),
        builtin: Builtin::Holds,
        params: &[("placement", || Wanted::A(Type::Placement)), ("sites", || Wanted::A(Type::Sites))],
        required: 2,
        result: || Type::Bool,
    },
    Function {
        name: "waves",
        doc: include_str!("../../functions/waves.md"),
        builtin: Builtin::Waves,
        params: &[("sites", || Wanted::A(Type::Sites)), ("sizes", || Wanted::Sizes)],
        required: 2,
        result: || Type::list(Type::Sites),
    },
    Function {
        name: "spread",
        doc: include_str!("../../functions/spread.md"),
        builtin: Builtin::Spread,
        params: &[("n", int), ("sites", || Wanted::A(Type::Sites)), ("by", text)],
        required: 2,
        result: || Type::Table(Arc::new([("share".into(), Type::Int)].into_iter().collect())),
    },
    Function {
        name: "now",
        doc: include_str!("../../functions/now.md"),
        builtin: Builtin::Now,
        params: &[],
        required: 0,
        result: || Type::Duration,
    },
    Function {
        name: "json",
        doc: include_str!("../../functions/json.md"),
        builtin: Builtin::Json,
        params: &[("text", text)],
        required: 1,
        result: || Type::Any,
    },
    Function {
        name: "join",
        doc: include_str!("../../functions/join.md"),
        builtin: Builtin::Join,
        params: &[("list", || Wanted::Items), ("by", text)],
        required: 1,
        result: || Type::String,
    },
    Function {
        name: "split",
        doc: include_str!("../../functions/split.md"),
        builtin: Builtin::Split,
        params: &[("text", text), ("by", text)],
        required: 1,
        result: || Type::list(Type::String),
    },
    Function {
        name: "range",
        doc: include_str!("../../functions/range.md"),
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

/// A function of the language, as a reader wants it.
pub struct FunctionDoc {
    pub name: &'static str,
    /// `spread(n: Int, sites: Sites, by: String?) -> [{share: Int}]`
    pub signature: String,
    pub doc: &'static str,
}

pub fn function_docs() -> impl Iterator<Item = FunctionDoc> {
    FUNCTIONS.iter().map(|function| {
        let params = function.params.iter().enumerate().map(|(i, (name, wanted))| {
            let optional = if i < function.required { "" } else { "?" };
            format!("{name}: {}{optional}", wanted())
        });
        let params = params.collect::<Vec<_>>().join(", ");
        let signature = format!("{}({params}) -> {}", function.name, (function.result)());
        FunctionDoc { name: function.name, signature, doc: function.doc }
    })
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
                        // It may be the one that is missing.
                        broken = true;
                        continue;
                    }
                },
                ast::Arg::Broken(_) => {
                    self.broken = true;
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
