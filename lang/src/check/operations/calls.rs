//! What is placed beside operations of resources: calls of functions, and `copy`, the bridge called by hand.

use super::super::expressions::poison;
use super::super::known::Typed;
use super::super::{Checker, codes, name};
use super::arguments::Given;
use crate::diagnostic::Diagnostic;
use crate::eval::StepKind;
use crate::library::{Operation, OperationKind};
use crate::program::{Expr, ExprKind, FunctionId, PolicyExpr};
use crate::span::Span;
use crate::syntax::ast::{self, Item, Tail};
use crate::types::Type;
use indexmap::IndexMap;
use std::sync::Arc;

impl Checker<'_> {
    /// `f(args) @ scope`
    pub(in crate::check) fn placed_call(
        &mut self,
        id: FunctionId,
        args: &[ast::Arg],
        span: Span,
        tails: &[Tail],
    ) -> Typed {
        if tails.is_empty() {
            return self.call_function(id, args, span, None);
        }
        let mut policy = PolicyExpr::default();
        let mut at = None;
        for tail in tails {
            match tail {
                Tail::At(e) => at = at.or(Some(e)),
                Tail::With(e) => policy = self.policy_braces(e),
                Tail::IfAny => {}
            }
        }
        let Some(e) = at else {
            let d = Diagnostic::new(
                &codes::NOTHING_TO_PLACE,
                span,
                "`with` says how an operation is done, and this is a call",
            );
            self.report(d.help("give a scope as well: `f() @ Zone1 with { ... }`"));
            return self.call_function(id, args, span, None);
        };
        let (scope, known, written) = match &e.kind {
            ast::ExprKind::Braces(items) if items.iter().any(|i| !matches!(i, Item::Element(_) | Item::Broken(_))) => {
                let written = self.written_entries(e);
                let (scope, known) = self.scope_items(items, e.span);
                (scope, known, written)
            }
            _ => {
                let typed = self.part(e, Some(&Type::Placement));
                let (scope, known) = self.as_scope(typed, policy, e.span);
                (scope, known, Vec::new())
            }
        };
        let call = self.call_function(id, args, span, Some((&known, &written)));
        let ty = call.expr.ty.clone();
        let kind = ExprKind::Within { scope: Box::new(scope), of: Box::new(call.expr) };
        Typed { expr: Expr { kind, ty, span }, known: call.known }
    }

    /// `copy(rows) @ ...`: the bridge of a resource, called by hand.
    pub(in crate::check) fn copy(&mut self, name_: &ast::Name, args: &[ast::Arg], span: Span, tails: &[Tail]) -> Typed {
        let library = self.library;
        let [ast::Arg::Positional(value)] = args else {
            let d = Diagnostic::new(
                &codes::MISSING_ARGUMENT,
                name_.span,
                "`copy` takes one thing: a resource, or rows of one",
            );
            self.report(d.help("write `copy(flavor.list() @ Zone1) @ Zone3`"));
            self.arguments_alone(args);
            self.tails_alone(tails);
            return poison(span);
        };
        let usage = self.usage;
        let typed = self.part(value, None);
        let tails = self.tails(tails);
        let resource = match typed.ty() {
            Type::Handle(r) | Type::Replicated(r) => library.any_resource(r),
            Type::Error => return poison(span),
            other => {
                let message = format!("`copy` takes a resource, or rows of one, and this is `{other}`");
                let mut d = Diagnostic::new(&codes::WRONG_ARGUMENT, typed.span(), message);
                if matches!(other, Type::Table(_)) {
                    d = d.help("rows are resources until `select`, `group by` or `join` makes others of them");
                }
                self.report(d);
                return poison(span);
            }
        };
        let Some(resource) = resource else { return poison(span) };
        if resource.bridge.is_none() {
            let message = format!("there is no bridge for a {}, so it cannot be copied", resource.name);
            self.error(&codes::NO_BRIDGE, typed.span(), message);
            return poison(span);
        }
        let op = Operation {
            name: name("copy"),
            kind: OperationKind::Change,
            params: Vec::new(),
            subject: None,
            result: Type::Handle(resource.name.clone()),
            documents: None,
            left: None,
            doc: String::new(),
            span: resource.span,
        };
        let many = matches!(typed.ty(), Type::Replicated(_));
        let given = Given { args: IndexMap::from([(name("of"), typed)]), per_site: false };
        let mut used = self.use_of(resource, &op, given, tails, usage, span);
        if let ExprKind::Operation(op) = &mut used.expr.kind {
            let op = Arc::make_mut(op);
            op.kind = StepKind::Copy;
            op.single &= !many;
        }
        if many {
            used.expr.ty = Type::Replicated(resource.name.clone());
        }
        used
    }
}
