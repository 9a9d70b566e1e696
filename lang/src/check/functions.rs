//! Functions: their types, and the services that they leave to their callers.
//!
//! A body has no scope of its own: where it uses an operation whose service nothing in the body places, the service
//! becomes a *need* of the function, with what the body does there. Each call answers the needs from the scope around
//! it, or hands them on to the function that it stands in.

use super::known::{Known, KnownScope, Typed};
use super::names::{Symbol, SymbolKind, Unused};
use super::statements::Last;
use super::targets::Target;
use super::{Checker, Usage, codes, did_you_mean, listed};
use crate::diagnostic::Diagnostic;
use crate::program::{Expr, ExprKind, Function, FunctionId};
use crate::span::Span;
use crate::syntax::ast::{self, StmtKind};
use crate::types::{Name, Type};
use std::collections::HashSet;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub(super) struct Signature {
    pub name: Name,
    pub params: Arc<Vec<ParamType>>,
    /// `None` while it is not known: not declared, and the body not yet checked.
    pub result: Option<Type>,
    pub needs: Arc<Vec<Target>>,
    /// Functions that it calls whose bodies come later, with the scope of the call.
    later: Vec<(FunctionId, Arc<KnownScope>)>,
    pub checked: bool,
    /// Some operation in it, or in what it calls, is more than a read.
    pub changes: bool,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub(super) struct ParamType {
    pub name: Name,
    pub ty: Type,
    pub optional: bool,
}

/// A body that is being checked.
pub(super) struct Frame {
    pub id: FunctionId,
    pub slots: u32,
    pub needs: Vec<Target>,
    pub changes: bool,
    later: Vec<(FunctionId, Arc<KnownScope>)>,
}

impl std::fmt::Display for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "fn(")?;
        for (i, p) in self.params.iter().enumerate() {
            write!(
                f,
                "{}{}: {}{}",
                if i > 0 { ", " } else { "" },
                p.name,
                p.ty,
                if p.optional { " = ..." } else { "" }
            )?;
        }
        write!(f, ")")?;
        match &self.result {
            Some(Type::Nothing) | None => {}
            Some(result) => write!(f, " -> {result}")?,
        }
        let mut services: Vec<&str> = self.needs.iter().map(|n| &*n.service).collect();
        services.dedup();
        if !services.is_empty() {
            write!(f, " in a scope with {}", services.join(", "))?;
        }
        Ok(())
    }
}

impl Checker<'_> {
    /// Makes the functions of a block known before its statements are checked.
    pub(super) fn hoist(&mut self, block: &[ast::Stmt]) {
        for statement in block {
            let StmtKind::Fn { name, params, result, .. } = &statement.kind else { continue };
            let params = params
                .iter()
                .map(|p| ParamType {
                    name: p.name.text.clone(),
                    ty: self.annotation(&p.ty),
                    optional: p.default.is_some() || matches!(p.ty, ast::Type { optional: true, .. }),
                })
                .collect();
            let result = result.as_ref().map(|t| self.annotation(t));
            let id = FunctionId(self.state.signatures.len() as u32);
            self.refuse_second(name);
            self.state.signatures.push(Signature {
                name: name.text.clone(),
                params: Arc::new(params),
                result,
                needs: Arc::default(),
                later: Vec::new(),
                checked: false,
                changes: false,
                span: name.span,
            });
            self.state.functions.push(Arc::new(Function {
                name: name.text.clone(),
                params: Vec::new(),
                result: Type::Error,
                body: Vec::new(),
                slots: 0,
                span: statement.span,
            }));
            self.state.names.add(Symbol {
                name: name.text.clone(),
                span: name.span,
                kind: SymbolKind::Function(id),
                level: self.functions.len(),
                used: false,
            });
        }
    }

    pub(super) fn function(
        &mut self,
        name: &ast::Name,
        params: &[ast::Param],
        result: Option<&ast::Type>,
        body: &ast::Block,
        span: Span,
    ) {
        let Some(id) = self.hoisted(name) else { return };
        let signature = self.state.signatures[id.0 as usize].clone();
        let outer_scope = std::mem::take(&mut self.scope);
        let outer_rows = std::mem::take(&mut self.rows);
        let outer_atomic = std::mem::replace(&mut self.atomic, false);
        let outer_here = self.here.take();
        self.functions.push(Frame { id, slots: 0, needs: Vec::new(), changes: false, later: Vec::new() });
        let declared = result.and(signature.result.clone());
        let (typed_params, body, ty) = self.block_of_names(|c| {
            let mut typed = Vec::new();
            for (param, of) in params.iter().zip(&*signature.params) {
                let what = format!("`{}`", param.name.text);
                let default = param.default.as_ref().map(|e| c.expect(e, &of.ty, &what).expr);
                let slot = c.declare(&param.name, of.ty.clone(), Known::Nothing, Unused::Fine);
                typed.push((slot, of.name.clone(), of.ty.clone(), default));
            }
            let (body, ty) = c.statements(body, &Last::Result(declared.clone()));
            (typed, body, ty)
        });
        let frame = self.functions.pop().expect("the frame pushed above");
        self.scope = outer_scope;
        self.rows = outer_rows;
        self.atomic = outer_atomic;
        self.here = outer_here;
        if let (Some(wanted), Some(annotation)) = (&declared, result)
            && ty == Type::Nothing
            && *wanted != Type::Error
        {
            self.report(
                Diagnostic::new(
                    &codes::NO_RESULT,
                    annotation.span,
                    format!("`{}` is to give {}, but its body does not end with one", name.text, super::a(wanted)),
                )
                .help("the value of the last statement is the result"),
            );
        }
        let result = declared.unwrap_or(ty);
        let signature = &mut self.state.signatures[id.0 as usize];
        signature.result = Some(result.clone());
        signature.needs = Arc::new(frame.needs);
        signature.later = frame.later;
        signature.checked = true;
        signature.changes = frame.changes;
        self.state.functions[id.0 as usize] = Arc::new(Function {
            name: name.text.clone(),
            params: typed_params,
            result,
            body,
            slots: frame.slots as usize,
            span,
        });
    }

    /// The function that was hoisted for this very declaration.
    fn hoisted(&self, name: &ast::Name) -> Option<FunctionId> {
        let found = match self.state.names.declared_at(&name.text, name.span)?.kind {
            SymbolKind::Function(id) => Some(id),
            SymbolKind::Variable { .. } => None,
        };
        found.filter(|id| !self.state.signatures[id.0 as usize].checked)
    }

    /// `f(args)`, in the scope that is around it; `own` is the scope of its own `@`.
    pub(super) fn call_function(
        &mut self,
        id: FunctionId,
        args: &[ast::Arg],
        span: Span,
        own: Option<(&KnownScope, &[(Name, Span)])>,
    ) -> Typed {
        let signature = self.state.signatures[id.0 as usize].clone();
        let args = self.function_arguments(&signature, args, span);
        let recursive = self.functions.iter().any(|f| f.id == id);
        let ty = match &signature.result {
            Some(ty) => ty.clone(),
            None if self.functions.is_empty() => Type::Error,
            None => {
                let d = Diagnostic::new(
                    &codes::RESULT_UNKNOWN,
                    span,
                    if recursive {
                        format!("`{}` calls itself, so the type of its result has to be written", signature.name)
                    } else {
                        format!(
                            "`{}` is defined further down, so the type of its result is not known here",
                            signature.name
                        )
                    },
                );
                let help = format!("write it: `fn {}(...) -> Type {{ ... }}`", signature.name);
                self.report(d.other(signature.span, "defined here").help(help));
                Type::Error
            }
        };
        let scope = match own {
            Some((known, _)) => self.scope.merge(known),
            None => self.scope.clone(),
        };
        // Of a function that is defined further down it is not known yet.
        let changes = self.state.changing.contains(&id) || signature.changes || !signature.checked && !recursive;
        self.state.changes |= self.state.changing.contains(&id);
        if let Some(frame) = self.functions.last_mut() {
            frame.changes |= changes;
        }
        let mut call = Expr { kind: ExprKind::Call { function: id, args }, ty, span };
        if !signature.checked {
            match self.functions.last_mut() {
                Some(frame) if !recursive && signature.result.is_some() => frame.later.push((id, scope.clone())),
                Some(_) => {}
                None => {
                    let message = format!("`{}` is called before it is defined", signature.name);
                    self.report(
                        Diagnostic::new(&codes::CALLED_BEFORE, span, message)
                            .other(signature.span, "defined here")
                            .help("move the definition above the call"),
                    );
                }
            }
            return Typed { expr: call, known: Known::Nothing };
        }
        let needs = self.needs(id, span);
        if let Some((_, written)) = own {
            let mut used: HashSet<Name> = needs.iter().map(|n| n.service.clone()).collect();
            used.extend(needs.iter().flat_map(|n| n.lookups.iter().map(|l| l.service.clone())));
            used.extend(needs.iter().flat_map(|n| n.instead.iter().cloned()));
            self.unused_entries(written, &used, &format!("`{}`", signature.name));
        }
        let mut only: Vec<(Name, crate::model::SiteId)> = Vec::new();
        let usage = self.usage;
        for need in needs.iter() {
            let mut target = need.clone();
            target.call = Some((signature.name.clone(), span));
            target.atomic |= self.atomic;
            // The value of the function's last operation is only as needed as the call's own.
            if target.usage == Usage::Result {
                target.usage = usage;
            }
            if let Some(site) = self.answer_need(target, &scope)
                && !only.iter().any(|(s, _)| *s == need.service)
            {
                only.push((need.service.clone(), site));
            }
        }
        if !only.is_empty() {
            call = self.within_only_site(call, only);
        }
        Typed { expr: call, known: Known::Nothing }
    }

    /// The needs of a function, those of later functions that it calls included.
    fn needs(&mut self, id: FunctionId, span: Span) -> Arc<Vec<Target>> {
        let signature = &self.state.signatures[id.0 as usize];
        if signature.later.is_empty() {
            return signature.needs.clone();
        }
        let mut all = (*signature.needs).clone();
        let mut seen = HashSet::from([id]);
        let mut open: Vec<(FunctionId, Arc<KnownScope>)> = signature.later.clone();
        let mut complete = true;
        while let Some((next, scope)) = open.pop() {
            if !seen.insert(next) {
                continue;
            }
            let callee = self.state.signatures[next.0 as usize].clone();
            if !callee.checked {
                complete = false;
                if self.functions.is_empty() {
                    let (f, g) = (self.state.signatures[id.0 as usize].name.clone(), &callee.name);
                    self.report(
                        Diagnostic::new(
                            &codes::CALLED_BEFORE,
                            span,
                            format!("`{f}` calls `{g}`, which is defined further down"),
                        )
                        .other(callee.span, "defined here")
                        .help("move the definition above the call"),
                    );
                }
                continue;
            }
            for need in callee.needs.iter() {
                if scope.place(&need.service).is_none() && !scope.open && !all.contains(need) {
                    all.push(need.clone());
                }
            }
            open.extend(callee.later.iter().map(|(f, inner)| (*f, scope.merge(inner))));
        }
        let all = Arc::new(all);
        if complete {
            let signature = &mut self.state.signatures[id.0 as usize];
            signature.needs = all.clone();
            signature.later.clear();
        }
        all
    }

    fn function_arguments(&mut self, signature: &Signature, args: &[ast::Arg], span: Span) -> Vec<Expr> {
        let params = signature.params.clone();
        let mut given: Vec<Option<Expr>> = params.iter().map(|_| None).collect();
        let mut next = 0;
        let mut broken = false;
        for arg in args {
            let (index, value) = match arg {
                ast::Arg::Broken(_) => {
                    self.broken = true;
                    broken = true;
                    continue;
                }
                ast::Arg::Positional(value) => {
                    next += 1;
                    (next - 1, value)
                }
                ast::Arg::Named(name, value) => match params.iter().position(|p| p.name == name.text) {
                    Some(index) => (index, value),
                    None => {
                        self.expr(value, None);
                        let message = format!("`{}` has no parameter `{}`", signature.name, name.text);
                        let d = Diagnostic::new(&codes::UNKNOWN_PARAMETER, name.span, message)
                            .other(signature.span, "defined here");
                        let d = did_you_mean(d, &name.text, params.iter().map(|p| &*p.name));
                        self.report(d);
                        // It may be the one that is missing.
                        broken = true;
                        continue;
                    }
                },
            };
            let Some(param) = params.get(index) else {
                self.expr(value, None);
                if index == params.len() {
                    let message = format!("`{}` takes {}", signature.name, counted(params.len(), "argument"));
                    self.report(
                        Diagnostic::new(&codes::TOO_MANY_ARGUMENTS, value.span, message)
                            .other(signature.span, "defined here"),
                    );
                }
                continue;
            };
            let typed = self.expect(value, &param.ty, &format!("`{}`", param.name));
            if given[index].is_some() {
                self.error(&codes::ARGUMENT_TWICE, value.span, format!("`{}` is given twice", param.name));
            }
            given[index] = Some(typed.expr);
        }
        let missing: Vec<&str> =
            params.iter().zip(&given).filter(|(p, g)| g.is_none() && !p.optional).map(|(p, _)| &*p.name).collect();
        if !missing.is_empty() && !broken {
            let message = format!("`{}` needs {}", signature.name, listed(missing, 6));
            self.report(Diagnostic::new(&codes::MISSING_ARGUMENT, span, message).other(signature.span, "defined here"));
        }
        let absent = |span| Expr { kind: ExprKind::Const(crate::eval::Value::Null), ty: Type::Nothing, span };
        given.into_iter().map(|g| g.unwrap_or_else(|| absent(span))).collect()
    }
}

pub(super) fn counted(n: usize, noun: &str) -> String {
    match n {
        0 => format!("no {noun}s"),
        1 => format!("one {noun}"),
        n => format!("{n} {noun}s"),
    }
}
