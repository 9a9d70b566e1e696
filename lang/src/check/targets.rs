//! Where an operation goes, and whether it may go there: the rules of a use being well composed, as far as they can be
//! judged before anything runs.

use super::composition::{self, Misplaced};
use super::known::{KnownEntry, KnownScope, Place};
use super::placements::positive_sites;
use super::{Checker, Usage, codes};
use crate::diagnostic::Diagnostic;
use crate::eval::{StepKind, Unreachable};
use crate::model::{Placement, SiteId, SiteSet};
use crate::program::{EntryExpr, Expr, ExprKind, PolicyExpr, ScopeExpr};
use crate::span::Span;
use crate::types::{Name, Type};
use std::sync::Arc;

/// A use of an operation, as far as its place matters: asked where it stands, or at each call of the function that
/// leaves its service open.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    pub service: Name,
    pub resource: Name,
    pub operation: Name,
    pub kind: StepKind,
    pub span: Span,
    pub usage: Usage,
    pub atomic: bool,
    /// Its value is a table in any case.
    pub lists: bool,
    /// What is looked up by name, in the scope.
    pub lookups: Vec<Lookup>,
    pub unreachable: Option<Unreachable>,
    /// Services that may say where it goes instead of its own.
    pub instead: Vec<Name>,
    /// The call of the function that contains it: its name, and where.
    pub call: Option<(Name, Span)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lookup {
    pub resource: Name,
    pub service: Name,
    pub span: Span,
}

impl Target {
    pub fn title(&self) -> String {
        format!("{}.{}", self.resource, self.operation)
    }

    /// Where a mistake about its place is shown.
    fn at(&self, place: Span) -> Span {
        self.call.as_ref().map_or(place, |(_, span)| *span)
    }
}

impl Checker<'_> {
    /// The rules about places. `place` is what `@`, a scope or a subject gave.
    pub(super) fn judge_target(&mut self, target: &Target, place: &Place, scope: &KnownScope) {
        let span = target.at(place.span);
        let title = target.title();
        let with_call = |d: Diagnostic| match &target.call {
            Some((function, _)) => d.other(target.span, format!("`{function}` does this here")),
            None => d,
        };
        if target.kind == StepKind::Read && place.form.negates {
            self.report(with_call(
                Diagnostic::new(
                    &codes::READ_NEGATES,
                    span,
                    format!("`{title}` reads, and a read cannot make something absent"),
                )
                .help("`!`, `none of` and `xor` are for changes; a read takes a site, a set, `||` or `any of`"),
            ));
        }
        if target.kind == StepKind::Final && place.form.chooses {
            self.report(with_call(
                Diagnostic::new(
                    &codes::FINAL_CHOICE,
                    span,
                    format!("`{title}` cannot be undone, so it is placed at all of the sites or at none"),
                )
                .help("it takes a site, a set, `&&`, `all of` or `all but`"),
            ));
        }
        let skips = target.unreachable == Some(Unreachable::Skip) && target.kind != StepKind::Read;
        if let Some(placement) = &place.placement {
            if skips && cannot_do_without_one(placement) {
                self.report(with_call(
                    Diagnostic::new(&codes::SKIP_CHANGE, span, format!("`{title}` changes something, and this placement does not hold without a site that is skipped"))
                        .help("use `unreachable: defer`, or a placement that allows it: `all but 1 of ...`, `any of ...`"),
                ));
            }
            let sites = positive_sites(placement);
            self.judge_sites(target, &sites, span);
            self.judge_lookups(target, &sites, scope);
            self.judge_trust(target, &placement.sites(), scope, span);
        }
        if !place.single
            && target.usage == Usage::Value
            && !target.lists
            && let Some((function, span)) = target.call.clone()
        {
            let message =
                format!("`{function}` uses what `{title}` gives as one, and here it is placed at several sites");
            self.report(
                Diagnostic::new(&codes::ONE_EXPECTED, span, message)
                    .other(target.span, "used here")
                    .help(format!("give one site for `{}`: `any of ...`, or a loop over the sites", target.service)),
            );
        }
    }

    /// Each site that is touched, also to look something up, accepts the person that the scope names.
    fn judge_trust(&mut self, target: &Target, sites: &SiteSet, scope: &KnownScope, span: Span) {
        let Some((identity, named)) = scope.identity else { return };
        let mut touched = vec![(target.service.clone(), sites.clone(), span)];
        for lookup in target.lookups.iter().filter(|l| l.service != target.service) {
            let place = scope.place(&lookup.service).and_then(|p| Some((p.placement.as_ref()?.sites(), p.span)));
            let (sites, span) = place.unwrap_or((sites.clone(), span));
            touched.push((lookup.service.clone(), sites, span));
        }
        for (service, sites, span) in touched {
            let Some(distrust) = self.state.inventory.distrust(identity, &service, &sites) else { continue };
            let mut d =
                Diagnostic::new(&codes::DISTRUST, span, distrust.message()).other(named, "the person is named here");
            d.help.extend(distrust.help());
            if let Some((function, _)) = &target.call {
                d = d.other(target.span, format!("`{function}` does this here"));
            }
            self.report(d);
            return;
        }
    }

    /// Every site offers the service, by a stack that knows the resource, and no instance is meant twice.
    fn judge_sites(&mut self, target: &Target, sites: &SiteSet, span: Span) {
        let lacking = self.places.lacking(&self.state.inventory, self.library, &target.resource, &target.operation);
        let title = target.title();
        let with_call = |d: Diagnostic| match &target.call {
            Some((function, _)) => d.other(target.span, format!("`{function}` does this here")),
            None => d,
        };
        let wrong = sites.intersection(&lacking);
        if let Some(first) = wrong.first() {
            let inventory = &self.state.inventory;
            let d = match inventory.get(first).filter(|s| s.composed.is_some()) {
                Some(site) => Diagnostic::new(
                    &codes::NOT_OFFERED,
                    span,
                    format!("`{}` is composed without `{}`, which `{title}` needs", site.name, target.service),
                ),
                None => {
                    let stack = inventory.get(first).map_or("", |s| &*s.stack);
                    if stack.is_empty() {
                        // What the site is could not be read.
                        return;
                    }
                    let mut stacks: Vec<&str> =
                        self.library.describing(&target.resource, &target.operation).map(|s| &*s.stack).collect();
                    stacks.dedup();
                    // Where the stack has the resource, it is the operation that is missing.
                    let what = match self.library.resource(stack, &target.resource) {
                        Some(_) => format!("`{title}` is an operation of"),
                        None => format!("`{}` is a resource of", target.resource),
                    };
                    let help = match stacks[..] {
                        [one] => format!("the sites that have it: `sites[kind == {one:?}]`"),
                        _ => format!("the sites that offer it: `sites[offers {}]`", target.service),
                    };
                    let at = self.some_names(&wrong);
                    let kind = if wrong.len() == 1 {
                        format!("{at} is a site of `{stack}`")
                    } else {
                        format!("{at} are of other kinds")
                    };
                    Diagnostic::new(
                        &codes::OTHER_STACK,
                        span,
                        format!("{what} {}, and {kind}", super::listed(stacks, 3)),
                    )
                    .help(help)
                }
            };
            self.report(with_call(d));
            return;
        }
        let offers = self.places.offers(&self.state.inventory, &target.service);
        if !sites.is_disjoint(&offers.no) {
            let wrong = sites.intersection(&offers.no);
            let at = self.some_names(&wrong);
            let verb = if wrong.len() == 1 { "does" } else { "do" };
            let message = format!("{at} {verb} not offer `{}`, which `{title}` needs", target.service);
            let mut d = Diagnostic::new(&codes::NOT_OFFERED, span, message)
                .help(format!("the sites that offer it: `sites[offers {}]`", target.service));
            if offers.yes.is_empty() {
                d.help.clear();
            }
            self.report(with_call(d));
        }
        let composed = self.places.composed(&self.state.inventory);
        if !sites.is_disjoint(&composed) {
            self.judge_instances(target, sites, &composed, span);
        }
    }

    /// A composed site and one that it takes the service from would be the same instance, twice.
    fn judge_instances(&mut self, target: &Target, sites: &SiteSet, composed: &SiteSet, span: Span) {
        let inventory = &self.state.inventory;
        for site in sites.intersection(composed).iter() {
            let Some(instance) = inventory.instance(site, &target.service) else { continue };
            let twin = sites.iter().find(|s| *s != site && inventory.instance(*s, &target.service) == Some(instance));
            if let Some(twin) = twin {
                let (a, b) = (inventory.name(site), inventory.name(twin));
                let message = format!(
                    "`{a}` and `{b}` are the same `{}`: that of `{}`",
                    target.service,
                    inventory.name(instance)
                );
                self.report(Diagnostic::new(&codes::SAME_INSTANCE, span, message).help("name it once"));
                return;
            }
        }
    }

    /// What is looked up by name comes from the operation's site or over a bridge.
    fn judge_lookups(&mut self, target: &Target, sites: &SiteSet, scope: &KnownScope) {
        for lookup in &target.lookups {
            if lookup.service == target.service {
                continue;
            }
            let from = match scope.entries.get(&lookup.service) {
                Some(KnownEntry { place: Some(Place { placement: Some(p), .. }), .. }) => p.sites(),
                Some(_) => continue,
                None if scope.open => continue,
                // Local to the site of the operation; a composed site may lead elsewhere.
                None => {
                    let composed = self.places.composed(&self.state.inventory);
                    if sites.is_disjoint(&composed) {
                        continue;
                    }
                    SiteSet::new()
                }
            };
            self.judge_dependency(target, &lookup.resource, sites, &from, lookup.span);
        }
    }

    /// A dependency at sites `from` for an operation at each of `sites`: the same service instance there, or a bridge.
    pub(super) fn judge_dependency(
        &mut self,
        target: &Target,
        resource: &Name,
        sites: &SiteSet,
        from: &SiteSet,
        span: Span,
    ) {
        if self.library.any_resource(resource).is_some_and(|r| r.bridge.is_some()) {
            return;
        }
        // Nothing to be said of most sites: the dependency can be there as well.
        let suspicious = if from.is_empty() { sites.clone() } else { sites.difference(from) };
        for site in suspicious.iter() {
            let found =
                composition::misplaced(self.library, &self.state.inventory, &target.service, site, resource, from);
            if let Some(Misplaced { message, help }) =
                found.map(|m| m.said(&self.state.inventory, &target.title(), resource))
            {
                let at = target.call.as_ref().map_or(span, |(_, s)| *s);
                let mut d = Diagnostic::new(&codes::NO_BRIDGE, at, message).help(help);
                if target.call.is_some() {
                    d = d.other(span, "needed here");
                }
                self.report(d);
                return;
            }
        }
    }

    /// Answers a need from a scope, or hands it on to the function around the call. Gives a site where the service is
    /// open and only one site is known.
    pub(super) fn answer_need(&mut self, target: Target, scope: &Arc<KnownScope>) -> Option<SiteId> {
        let place = scope
            .place(&target.service)
            .or_else(|| target.instead.iter().find_map(|s| scope.entries.get(s)?.place.as_ref()));
        match place.cloned() {
            Some(place) => {
                let unreachable = scope.entry(&target.service).and_then(|e| e.unreachable);
                let target = Target { unreachable: target.unreachable.or(unreachable), ..target };
                self.judge_target(&target, &place, scope);
                self.judge_atomic(&target);
                None
            }
            None if scope.open => None,
            None => {
                if let Some(frame) = self.functions.last_mut() {
                    let target = Target { call: None, ..target };
                    if !frame.needs.contains(&target) {
                        frame.needs.push(target);
                    }
                    return None;
                }
                let Some(site) = self.only_site(&target) else {
                    self.no_scope(&target);
                    return None;
                };
                let span = target.span;
                let placement = Some(Arc::new(Placement::Site(site)));
                let place = Place { placement, form: Default::default(), single: true, span };
                self.judge_target(&target, &place, scope);
                self.judge_atomic(&target);
                Some(site)
            }
        }
    }

    pub(super) fn judge_atomic(&mut self, target: &Target) {
        if target.kind == StepKind::Final && (target.atomic || self.atomic) {
            let span = target.at(target.span);
            let title = target.title();
            let mut d = Diagnostic::new(
                &codes::FINAL_IN_ATOMIC,
                span,
                format!("`{title}` cannot be undone, so it cannot stand in `atomic`"),
            )
            .help("put it behind the block: then it is done once all else has been");
            if let Some((function, _)) = &target.call {
                d = d.other(target.span, format!("`{function}` does this here"));
            }
            self.report(d);
        }
    }

    /// The one site that is known, where it is one.
    fn only_site(&mut self, _: &Target) -> Option<SiteId> {
        let plain = self.places.plain(&self.state.inventory);
        (plain.len() == 1).then(|| plain.first()).flatten()
    }

    fn no_scope(&mut self, target: &Target) {
        let title = target.title();
        let service = &target.service;
        let plain = self.places.plain(&self.state.inventory);
        let example = plain.first().map_or("Zone1", |s| self.state.inventory.name(s)).to_string();
        let d = match &target.call {
            Some((function, span)) => Diagnostic::new(
                &codes::NEED_OPEN,
                *span,
                format!("`{function}` leaves `{service}` to its caller, and there is no scope here that places it"),
            )
            .other(target.span, "needed here")
            .help(format!("for this call: `{function}(...) @ {{ {service}: {example} }}`"))
            .help(format!("for several: `at {example} {{ ... }}`")),
            None => {
                Diagnostic::new(&codes::NO_SCOPE, target.span, format!("nothing says where `{title}` is to happen"))
                    .help(match &*target.operation {
                        "copy" => format!("for this copy: `copy(...) @ {example}`"),
                        _ => format!("for this operation: `{title}(...) @ {example}`"),
                    })
                    .help(format!("for several: `at {example} {{ ... }}`"))
            }
        };
        let d = match plain.is_empty() {
            true => {
                d.help("no site is known: `edge init` writes edge.yaml, and a script may declare `site ...` itself")
            }
            false => d,
        };
        self.report(d);
    }

    /// A call whose open services the only known site serves, written out.
    pub(super) fn within_only_site(&mut self, call: Expr, only: Vec<(Name, SiteId)>) -> Expr {
        let (span, ty) = (call.span, call.ty.clone());
        let entries = only
            .into_iter()
            .map(|(service, site)| {
                let at = site_expr(site, span);
                (service, EntryExpr { at: Some(at), policy: PolicyExpr::default(), span })
            })
            .collect();
        let scope = ScopeExpr { entries, ..ScopeExpr::default() };
        let scope = Expr { kind: ExprKind::Scope(Arc::new(scope)), ty: Type::Scope, span };
        Expr { kind: ExprKind::Within { scope: Box::new(scope), of: Box::new(call) }, ty, span }
    }
}

/// A site as the placement of an operation.
pub(super) fn site_expr(site: SiteId, span: Span) -> Expr {
    let of = Expr { kind: ExprKind::Const(crate::eval::Value::Site(site)), ty: Type::Site, span };
    Expr { kind: ExprKind::Convert(Box::new(of)), ty: Type::Placement, span }
}

/// Conjunctions do not hold when one of their sites is left out.
fn cannot_do_without_one(placement: &Placement) -> bool {
    match placement {
        Placement::Site(_) => true,
        Placement::AllOf(set) => !set.is_empty(),
        Placement::And(parts) => parts.iter().any(cannot_do_without_one),
        _ => false,
    }
}
