//! Uses of operations: what is given to which parameter, where the operation goes, and what it gives.

mod arguments;
mod calls;

use super::expressions::poison;
use super::known::{Known, KnownScope, Place, Typed};
use super::placements::positive_sites;
use super::targets::{Target, site_expr};
use super::{Checker, Usage, codes, listed, name};
use crate::diagnostic::{Diagnostic, nearest};
use crate::eval::{StepKind, Unreachable};
use crate::library::{Operation, OperationKind, Resource};
use crate::model::Placement;
use crate::program::{self, Expr, ExprKind, PolicyExpr};
use crate::span::Span;
use crate::syntax::ast::{self, Item, Tail};
use crate::types::{Name, Type};
use arguments::Given;
use indexmap::IndexMap;
use std::collections::HashSet;
use std::sync::Arc;

pub(super) fn operation_of<'r>(resource: &'r Resource, operation: &str) -> Option<&'r Operation> {
    resource.operation(operation)
}

/// What `@`, `with` and `if any` say.
#[derive(Default)]
struct Tails {
    at: Option<(Expr, Place)>,
    scope: Option<(Expr, Arc<KnownScope>)>,
    /// The services that the operation's own `@ { ... }` mentions.
    written: Vec<(Name, Span)>,
    policy: PolicyExpr,
    if_any: bool,
    /// The `@` was wrong, and is reported: nothing is said about a missing place.
    broken: bool,
}

impl Checker<'_> {
    /// `of @ ... with ... if any`
    pub(super) fn placed(&mut self, of: &ast::Expr, tails: &[Tail], span: Span) -> Typed {
        match &of.kind {
            ast::ExprKind::Path { head, suffixes } => {
                let mut typed = self.path(head, suffixes, of.span, tails);
                typed.expr.span = span;
                typed
            }
            ast::ExprKind::Paren(inner) if matches!(inner.kind, ast::ExprKind::Path { .. }) => {
                self.placed(inner, tails, span)
            }
            _ => {
                let typed = self.part(of, None);
                if typed.is_error() {
                    self.tails_alone(tails);
                } else {
                    self.nothing_to_place(tails);
                }
                poison(span)
            }
        }
    }

    pub(super) fn operation(
        &mut self,
        resource: &ast::Name,
        operation: &ast::Name,
        args: &[ast::Arg],
        span: Span,
        tails: &[Tail],
    ) -> Typed {
        let library = self.library;
        let Some(of) = library.any_resource(&resource.text) else { return poison(span) };
        let Some(op) = operation_of(of, &operation.text) else {
            let message = format!("`{}` has no operation `{}`", of.name, operation.text);
            let d = Diagnostic::new(&codes::UNKNOWN_OPERATION, operation.span, message);
            let names: Vec<&str> = of.operations.keys().map(|n| &**n).collect();
            let d = match &*operation.text {
                "get" | "find" | "describe" if names.contains(&"show") => d.help("did you mean `show`?"),
                "remove" | "destroy" if names.contains(&"delete") => d.help("did you mean `delete`?"),
                "add" | "make" | "new" | "boot" | "upload" if names.contains(&"create") => {
                    d.help("did you mean `create`?")
                }
                text => match nearest(text, names.iter().copied()) {
                    Some(near) => d.help(format!("did you mean `{near}`?")),
                    None => d.help(format!("it has {}", listed(names, 12))),
                },
            };
            self.report(d);
            self.arguments_alone(args);
            self.tails_alone(tails);
            return poison(span);
        };
        let title = format!("{}.{}", of.name, op.name);
        let usage = self.usage;
        let given = self.arguments(&title, &op.params, args, operation.span, span);
        if self.is_another(of, op, &given) {
            self.tails_alone(tails);
            return poison(span);
        }
        let tails = self.tails(tails);
        // Of what it is about nothing is known: neither is where it goes.
        let subject = op.subject.as_ref().and_then(|name| given.args.get(name));
        if subject.is_some_and(Typed::is_error) {
            return poison(span);
        }
        self.use_of(of, op, given, tails, usage, span)
    }

    fn tails(&mut self, tails: &[Tail]) -> Tails {
        let mut out = Tails { if_any: tails.iter().any(|t| matches!(t, Tail::IfAny)), ..Tails::default() };
        let mut placed = false;
        for tail in tails {
            match tail {
                Tail::IfAny => {}
                Tail::With(with) => out.policy = self.policy_braces(with),
                // A second `@` was reported by the parser.
                Tail::At(e) if placed => _ = self.part(e, None),
                Tail::At(e) => {
                    placed = true;
                    self.tail_at(e, &mut out);
                }
            }
        }
        out
    }

    fn tail_at(&mut self, e: &ast::Expr, out: &mut Tails) {
        if let ast::ExprKind::Braces(items) = &e.kind
            && items.iter().any(|i| !matches!(i, Item::Element(_) | Item::Broken(_)))
        {
            out.written = self.written_entries(e);
            out.scope = Some(self.scope_items(items, e.span));
            return;
        }
        if let Some(text) = e.as_text() {
            self.quoted_site(text, e.span);
            out.broken = true;
            return;
        }
        let typed = self.part(e, Some(&Type::Placement));
        if *typed.ty() == Type::Scope {
            out.scope = Some(self.as_scope(typed, PolicyExpr::default(), e.span));
            return;
        }
        match self.as_placement(typed, out.if_any) {
            Some(at) => out.at = Some(at),
            None => out.broken = true,
        }
    }

    /// Where documents or the resource itself may stand, no other resource may.
    fn is_another(&mut self, of: &Resource, op: &Operation, given: &Given) -> bool {
        let Some((param, typed)) = op.documents.as_ref().and_then(|p| Some((p, given.args.get(p)?))) else {
            return false;
        };
        let (Type::Handle(other) | Type::Replicated(other)) = typed.ty().present() else { return false };
        if *other == of.name {
            return false;
        }
        let message = format!("`{param}` of `{}.{}` is to be documents, but this is `{other}`", of.name, op.name);
        let d = Diagnostic::new(&codes::WRONG_ARGUMENT, typed.span(), message);
        self.report(d.help(format!("`{other}.{}(...)` is of a {other}", op.name)));
        true
    }

    /// A use of an operation whose parts are checked: where it goes, whether it may, what it gives.
    fn use_of(&mut self, of: &Resource, op: &Operation, given: Given, tails: Tails, usage: Usage, span: Span) -> Typed {
        let kind = match op.kind {
            OperationKind::Read => StepKind::Read,
            OperationKind::Change => StepKind::Change,
            OperationKind::Ensure => StepKind::Ensure,
            OperationKind::Final => StepKind::Final,
        };
        let itself = |typed: &Typed| matches!(typed.ty().present(), Type::Handle(_) | Type::Replicated(_));
        let documents = op.documents.as_ref().filter(|p| given.args.get(*p).is_none_or(|typed| !itself(typed)));
        let subject = op.subject.as_ref().filter(|_| documents.is_none());
        let subject = subject.and_then(|name| given.args.get(name).map(|typed| (name, typed)));
        let subject =
            subject.filter(|(_, t)| matches!(t.ty().present(), Type::Handle(_) | Type::Replicated(_) | Type::Any));
        let by_handle = subject.is_some_and(|(_, t)| !matches!(t.ty(), Type::Any));
        let dependencies = self.dependencies(&op.params, &given, op.subject.as_ref());
        let mut target = Target {
            service: of.service.clone(),
            resource: of.name.clone(),
            operation: op.name.clone(),
            kind,
            span,
            usage,
            atomic: self.atomic,
            lists: !matches!(op.result, Type::Handle(_)),
            lookups: dependencies.iter().filter(|d| d.by_name).map(|d| d.lookup.clone()).collect(),
            unreachable: tails.policy.unreachable,
            call: None,
            instead: documents.map_or(Vec::new(), |_| self.services_of_documents(of)),
        };
        let scope = match &tails.scope {
            Some((_, known)) => self.scope.merge(known),
            None => self.scope.clone(),
        };
        if !tails.written.is_empty() {
            let mut used: HashSet<Name> = HashSet::from([target.service.clone()]);
            used.extend(dependencies.iter().map(|d| d.lookup.service.clone()));
            used.extend(target.instead.iter().cloned());
            used.extend(self.referred(of, op, documents));
            used.extend(op.params.iter().filter(|p| given.args.contains_key(&p.name)).filter_map(|p| p.needs.clone()));
            self.unused_entries(&tails.written, &used, &format!("`{}`", target.title()));
        }
        let mut at = tails.at;
        let place = match (subject.filter(|_| by_handle), &at) {
            (Some((_, subject)), given) => Some(self.place_of_subject(subject, given.as_ref().map(|(_, p)| p))),
            (None, Some((_, place))) => Some(place.clone()),
            (None, None) => scope.place(&target.service).cloned(),
        };
        let place = place.or_else(|| self.place_of_documents(&target, &scope));
        target.unreachable = target.unreachable.or_else(|| scope.entry(&target.service).and_then(|e| e.unreachable));
        let place = match place {
            Some(place) => {
                self.judge_target(&target, &place, &scope);
                self.judge_atomic(&target);
                if let Some(placement) = &place.placement {
                    let sites = positive_sites(placement);
                    for dependency in dependencies.iter().filter(|d| !d.by_name) {
                        if let Some(from) = &dependency.from {
                            let lookup = &dependency.lookup;
                            self.judge_dependency(&target, &lookup.resource, &sites, from, lookup.span);
                        }
                    }
                }
                Some(place)
            }
            None if tails.broken => None,
            None => match (&*target.service == "identity").then_some(scope.identity).flatten() {
                // The service that knows the person is that of the person's site.
                Some((site, span)) => {
                    let place = Place {
                        placement: Some(Arc::new(Placement::Site(site))),
                        form: Default::default(),
                        single: true,
                        span,
                    };
                    at = Some((site_expr(site, span), place.clone()));
                    self.judge_target(&target, &place, &scope);
                    Some(place)
                }
                None => self.answer_need(target.clone(), &scope).map(|site| {
                    let placement = Some(Arc::new(Placement::Site(site)));
                    let place = Place { placement, form: Default::default(), single: true, span };
                    at = Some((site_expr(site, span), place.clone()));
                    place
                }),
            },
        };
        if let Some(why) = &op.left
            && (self.atomic || place.as_ref().is_some_and(|p| p.form.chooses))
        {
            let what = if self.atomic { "inside `atomic`" } else { "before another site is tried" };
            self.report(
                Diagnostic::new(&codes::LEFT_BEHIND, span, format!("`{}` is not taken back {what}", target.title()))
                    .help(format!("the library says of it: {why}")),
            );
        }
        if kind != StepKind::Read
            && let Some((_, place)) = &at
        {
            self.judge_found_sites(place);
        }
        let single = match (&place, by_handle) {
            (_, true) => !matches!(subject.map(|(_, t)| t.ty()), Some(Type::Replicated(_))),
            _ if documents.is_some() => false,
            (Some(place), false) => place.single,
            // In a scope that is not known here: as its value is used; the evaluator asks the placement.
            (None, false) => usage != Usage::Dropped,
        };
        let (ty, known) = result_of(of, op, single, tails.if_any, place.as_ref());
        let ty = match tails.policy.unreachable {
            Some(Unreachable::Stale) => self.stale_rows(of, op, ty, span),
            _ => ty,
        };
        let per_site = given.per_site;
        let since = op.params.iter().filter(|p| given.args.contains_key(&p.name)).filter_map(|p| p.since).max();
        let operation = program::Operation {
            service: target.service,
            resource: target.resource,
            name: target.operation,
            kind,
            subject: subject.map(|(name, _)| name.clone()),
            args: given.args.into_iter().map(|(n, t)| (n, t.expr)).collect(),
            at: at.map(|(e, _)| e),
            scope: tails.scope.map(|(e, _)| e),
            policy: tails.policy,
            if_any: tails.if_any,
            per_site,
            single,
            since,
            documents: documents.map(|param| Arc::new(self.documents(of, param))),
            dependencies: dependencies
                .into_iter()
                .map(|d| (d.param, d.lookup.service))
                .chain(self.referred(of, op, documents).into_iter().map(|service| (name("refers to"), service)))
                .collect(),
            span,
        };
        self.state.changes |= operation.kind != StepKind::Read;
        if let Some(frame) = self.functions.last_mut() {
            frame.changes |= operation.kind != StepKind::Read;
        }
        Typed { expr: Expr { kind: ExprKind::Operation(Arc::new(operation)), ty, span }, known }
    }

    /// What a listing gives whose rows may be old: records with their age. They are no resources, so nothing can be done
    /// to what may be gone, or be another by now.
    fn stale_rows(&mut self, of: &Resource, op: &Operation, ty: Type, span: Span) -> Type {
        if !matches!(op.result, Type::Table(_)) {
            let message = format!("`{}.{}` is no listing, and only a listing may be old", of.name, op.name);
            self.report(
                Diagnostic::new(&codes::STALE, span, message)
                    .help(format!("`{}.list() ... with {{ unreachable: stale }}` gives rows with their age", of.name)),
            );
            return ty;
        }
        let mut columns = (*self.places.columns(self.library, &of.name)).clone();
        columns.insert(name("id"), Type::String);
        columns.insert(name("age"), Type::Duration);
        Type::Table(Arc::new(columns))
    }

    /// The services that may say where a document goes, beside the operation's own.
    fn services_of_documents(&self, of: &Resource) -> Vec<Name> {
        self.documents(of, &of.name).services.into_iter().map(|(_, service)| service).collect()
    }

    fn documents(&self, of: &Resource, param: &Name) -> program::Documents {
        let services = self.library.services.iter().filter(|s| s.stack == of.stack);
        let services = services.filter_map(|s| Some((s.kind.clone()?, s.name.clone()))).collect();
        program::Documents { param: param.clone(), services, order: of.order.clone() }
    }

    /// Documents whose groups have places of their own: each is judged, and one of them stands for all.
    fn place_of_documents(&mut self, target: &Target, scope: &KnownScope) -> Option<Place> {
        let mut first = None;
        for service in &target.instead {
            let Some(place) = scope.entries.get(service).and_then(|e| e.place.clone()) else { continue };
            if first.is_some() {
                self.judge_target(target, &place, scope);
            }
            first = first.or(Some(place));
        }
        first
    }

    /// The services of what an operation's request may refer to by name, so that it has to come along.
    fn referred(&self, of: &Resource, op: &Operation, documents: Option<&Name>) -> Vec<Name> {
        let all = self.library.services.iter().filter(|s| s.stack == of.stack).flat_map(|s| s.resources.values());
        let referring: Vec<&Resource> = match documents {
            Some(_) if op.kind == OperationKind::Final => Vec::new(),
            Some(_) => all.collect(),
            None if &*op.name == "create" || &*op.name == "ensure" => vec![of],
            None => Vec::new(),
        };
        let mut services: Vec<Name> = Vec::new();
        for (resource, _) in referring.iter().filter_map(|r| r.bridge.as_ref()).flat_map(|b| &b.refers_to) {
            if let Some(found) = self.library.resource(&of.stack, resource)
                && !services.contains(&found.service)
            {
                services.push(found.service.clone());
            }
        }
        services
    }

    /// An operation on a handle or on rows goes where they are.
    fn place_of_subject(&mut self, subject: &Typed, at: Option<&Place>) -> Place {
        let single = !matches!(subject.ty(), Type::Replicated(_));
        let sites = match &subject.known {
            Known::At(sites) => Some(sites.clone()),
            _ => None,
        };
        if let (Some(sites), Some(Place { placement: Some(given), span, .. })) = (&sites, at) {
            let asked = given.sites();
            if !asked.is_subset(sites) {
                let elsewhere = self.some_names(&asked.difference(sites));
                let there = self.some_names(sites);
                self.report(
                    Diagnostic::new(&codes::ELSEWHERE, *span, format!("this is at {there}, and not at {elsewhere}"))
                        .other(subject.span(), "an operation on it goes where it is")
                        .help("leave the `@` out"),
                );
            }
        }
        let placement = sites.and_then(|sites| match (single, sites.len()) {
            (true, 1) => sites.first().map(Placement::Site),
            (true, _) => None,
            (false, _) => Some(Placement::AllOf((*sites).clone())),
        });
        Place { placement: placement.map(Arc::new), form: Default::default(), single, span: subject.span() }
    }

    /// Without an inventory file `sites` is whatever was found on this machine: to be looked at, not to be changed.
    /// A program that names each of them knows what it does.
    fn judge_found_sites(&mut self, place: &Place) {
        if self.state.inventory.declared {
            return;
        }
        let Some(placement) = &place.placement else { return };
        let all = match &**placement {
            Placement::AllOf(set) | Placement::AnyOf(set) | Placement::AllBut(_, set) => set,
            _ => return,
        };
        let plain = self.places.plain(&self.state.inventory);
        let declared = |s| self.state.declared_sites.contains_key(self.state.inventory.name(s));
        let meant = |s| declared(s) || self.state.named_sites.contains(s);
        if *all == *plain && all.len() > 1 && !all.iter().all(meant) {
            self.report(
                Diagnostic::new(
                    &codes::FOUND_SITES,
                    place.span,
                    "these are all sites that were found on this machine, and this changes something",
                )
                .help(
                    "name the sites, or write them down once with `edge init`: with edge.yaml `sites` is what it says",
                ),
            );
        }
    }

    /// `apply(...)`: an operation that one resource alone has needs no resource before it.
    pub(super) fn resource_of_operation(&self, operation: &str) -> Option<Name> {
        let mut found: Option<&Resource> = None;
        for resource in self.library.services.iter().flat_map(|s| s.resources.values()) {
            let own = resource.ops.contains_key(operation)
                && !matches!(operation, "create" | "delete" | "list" | "show" | "ensure");
            if own || resource.operation(operation).is_some_and(|op| op.documents.is_some()) {
                match found {
                    Some(other) if other.name != resource.name => return None,
                    _ => found = Some(resource),
                }
            }
        }
        found.map(|r| r.name.clone())
    }
}

/// What an operation gives, by the form of its placement.
fn result_of(of: &Resource, op: &Operation, single: bool, if_any: bool, place: Option<&Place>) -> (Type, Known) {
    let sites = place.and_then(|p| p.placement.as_ref()).map(|p| Arc::new(positive_sites(p)));
    let at = sites.map_or(Known::Nothing, Known::At);
    match &op.result {
        Type::Handle(resource) if single => {
            let handle = Type::Handle(resource.clone());
            (if if_any { Type::optional(handle) } else { handle }, at)
        }
        Type::Handle(resource) => (Type::Replicated(resource.clone()), at),
        // Rows of the resource, whole.
        Type::Table(_) => (Type::Replicated(of.name.clone()), at),
        Type::Nothing => (Type::Nothing, Known::Nothing),
        other if single => (other.clone(), Known::Nothing),
        other => (Type::Table(Arc::new(IndexMap::from([(name("value"), other.clone())]))), at),
    }
}
