//! What is given to which parameter of an operation, and what of it refers to resources.

use super::super::annotations::{converted, mend};
use super::super::functions::counted;
use super::super::known::{Known, Typed};
use super::super::targets::Lookup;
use super::super::{Checker, codes, did_you_mean, listed};
use crate::diagnostic::Diagnostic;
use crate::library::Param;
use crate::model::SiteSet;
use crate::program::Expr;
use crate::span::Span;
use crate::syntax::ast;
use crate::types::{Name, Type};
use indexmap::IndexMap;
use std::sync::Arc;

/// Arguments by parameter.
#[derive(Default)]
pub(super) struct Given {
    pub args: IndexMap<Name, Typed>,
    pub per_site: bool,
}

pub(super) struct Dependency {
    pub param: Name,
    pub lookup: Lookup,
    /// By name: in the scope; else a handle.
    pub by_name: bool,
    pub from: Option<Arc<SiteSet>>,
}

impl Checker<'_> {
    /// The arguments of an operation, by parameter.
    pub(super) fn arguments(
        &mut self,
        title: &str,
        params: &[Param],
        args: &[ast::Arg],
        at: Span,
        span: Span,
    ) -> Given {
        let mut given = Given::default();
        let mut next = 0;
        let mut named: Option<Span> = None;
        let mut broken = false;
        for arg in args {
            let (param, value) = match arg {
                ast::Arg::Broken(_) => {
                    self.broken = true;
                    broken = true;
                    continue;
                }
                ast::Arg::Positional(value) => {
                    if let Some(first) = named {
                        self.report(
                            Diagnostic::new(
                                &codes::POSITIONAL_AFTER,
                                value.span,
                                "an argument without a name stands before those with one",
                            )
                            .other(first, "the first with a name"),
                        );
                    }
                    next += 1;
                    let Some(param) = params.get(next - 1) else {
                        self.part(value, None);
                        if next == params.len() + 1 {
                            let message = format!("`{title}` takes {}", counted(params.len(), "argument"));
                            let names = listed(params.iter().map(|p| &*p.name), 16);
                            let d = Diagnostic::new(&codes::TOO_MANY_ARGUMENTS, value.span, message);
                            self.report(if params.is_empty() { d } else { d.help(format!("they are {names}")) });
                        }
                        continue;
                    };
                    (param, value)
                }
                ast::Arg::Named(name, value) => {
                    named = named.or(Some(name.span));
                    let Some(param) = params.iter().find(|p| p.name == name.text) else {
                        let message = format!("`{title}` has no parameter `{}`", name.text);
                        let d = Diagnostic::new(&codes::UNKNOWN_PARAMETER, name.span, message);
                        let near = did_you_mean(d.clone(), &name.text, params.iter().map(|p| &*p.name));
                        let d = match near == d && !params.is_empty() {
                            true => d.help(format!("it has {}", listed(params.iter().map(|p| &*p.name), 16))),
                            false => near,
                        };
                        self.report(d);
                        self.part(value, None);
                        // It may be the one that is missing.
                        broken = true;
                        continue;
                    };
                    (param, value)
                }
            };
            let outer = self.here.replace(false);
            let typed = self.argument(title, param, value);
            given.per_site |= std::mem::replace(&mut self.here, outer) == Some(true);
            if given.args.insert(param.name.clone(), typed).is_some() {
                let message = format!("`{}` is given twice", param.name);
                self.error(&codes::ARGUMENT_TWICE, value.span, message);
            }
        }
        let missing: Vec<&Param> =
            params.iter().filter(|p| p.required() && !given.args.contains_key(&p.name)).collect();
        if !missing.is_empty() && !broken {
            let names = listed(missing.iter().map(|p| &*p.name), 8);
            let of = if args.is_empty() { span } else { at };
            let example: Vec<String> = missing.iter().map(|p| format!("{}: ...", p.name)).collect();
            self.report(
                Diagnostic::new(&codes::MISSING_ARGUMENT, of, format!("`{title}` needs {names}"))
                    .help(format!("write `{title}({})`", example.join(", "))),
            );
        }
        given
    }

    fn argument(&mut self, title: &str, param: &Param, value: &ast::Expr) -> Typed {
        let typed = self.part(value, Some(&param.ty));
        if argument_fits(typed.ty(), &param.ty) {
            return if names_resource(&param.ty) { typed } else { converted(typed, &param.ty) };
        }
        // As it is: what is sent is what was meant, and nobody sees it.
        if param.secret && *typed.ty().present() == Type::Secret {
            return typed;
        }
        let (wanted, found) = (param.ty.present(), typed.ty());
        let wants = match wanted {
            Type::Handle(r) => {
                format!("{} {r}, or the name of one", if r.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" })
            }
            other => format!("`{other}`"),
        };
        let message = format!("`{}` of `{title}` is to be {wants}, but this is `{found}`", param.name);
        let mut d = Diagnostic::new(&codes::WRONG_ARGUMENT, typed.span(), message);
        let of_resource = |ty: &Type| matches!(ty, Type::Handle(_) | Type::Replicated(_));
        if let Some(help) = mend(wanted, found) {
            d = d.help(help);
        } else if *found == Type::Nothing {
            d = d.help("this gives no value");
        } else if matches!((wanted, found), (Type::Handle(_), Type::Table(_))) {
            d = d.help("rows are resources until `select`, `group by` or `join` makes others of them");
        } else if matches!(wanted, Type::String) && of_resource(found) {
            d = d.help("its name is `.name`, its id `.id`");
        }
        self.report(d);
        Typed { expr: Expr { ty: Type::Error, ..typed.expr }, known: Known::Nothing }
    }

    /// What the arguments refer to.
    pub(super) fn dependencies(&self, params: &[Param], given: &Given, subject: Option<&Name>) -> Vec<Dependency> {
        let mut all = Vec::new();
        for param in params {
            let Some(typed) = given.args.get(&param.name) else { continue };
            if subject == Some(&param.name) || *typed.ty() == Type::Error || *typed.ty() == Type::Null {
                continue;
            }
            let Some(resource) = resource_of(&param.ty).and_then(|r| self.library.any_resource(r)) else { continue };
            let from = match &typed.known {
                Known::At(sites) => Some(sites.clone()),
                _ => None,
            };
            let by_name = names_by_text(typed.ty());
            let lookup =
                Lookup { resource: resource.name.clone(), service: resource.service.clone(), span: typed.span() };
            all.push(Dependency { param: param.name.clone(), lookup, by_name, from });
        }
        all
    }
}

/// The resource that a parameter takes, also in a list.
fn resource_of(ty: &Type) -> Option<&Name> {
    match ty.present() {
        Type::Handle(resource) | Type::Replicated(resource) => Some(resource),
        Type::List(of) => resource_of(of),
        _ => None,
    }
}

fn names_resource(ty: &Type) -> bool {
    resource_of(ty).is_some()
}

fn names_by_text(ty: &Type) -> bool {
    match ty.present() {
        Type::String => true,
        Type::List(of) => names_by_text(of),
        _ => false,
    }
}

/// As `Type::fits`, and a resource may also be given by its name or id, or as rows that have one at each site.
fn argument_fits(found: &Type, wanted: &Type) -> bool {
    match (found, wanted) {
        (Type::Null, Type::Optional(_)) => true,
        (Type::Optional(found), Type::Optional(wanted)) => argument_fits(found, wanted),
        (found, Type::Optional(wanted)) => argument_fits(found, wanted),
        (Type::String, Type::Handle(_)) => true,
        (Type::Replicated(a), Type::Handle(b)) => a == b,
        (Type::List(found), Type::List(wanted)) => argument_fits(found, wanted),
        _ => found.fits(wanted),
    }
}
