//! Sites: declared by the script, composed of others, and selected from a set by a condition or by name.
//!
//! A condition is evaluated here where it speaks of labels, names and services only: as operations on sets, never site
//! by site, so that `sites[region == "nantes"]` costs the same for ten sites and for a hundred thousand.

use super::annotations::converted;
use super::expressions::poison;
use super::known::{Known, Typed};
use super::queries::RowScope;
use super::{Checker, codes, did_you_mean, listed, name};
use crate::diagnostic::{Diagnostic, nearest};
use crate::eval::Value;
use crate::inventory::Site;
use crate::model::names::unfold_at_most;
use crate::model::{SiteId, SiteSet};
use crate::program::{Binary, Expr, ExprKind, Slot, Unary};
use crate::span::Span;
use crate::syntax::ast;
use crate::syntax::foreign;
use crate::types::{Name, Type};
use std::collections::BTreeMap;
use std::sync::Arc;

/// So many names at most are unfolded from one text.
const MOST_NAMES: usize = 1 << 20;

/// How a site of each stack is reached: what may be given, and what has to be.
const CONNECTIONS: [(&str, &[&str], &[&str]); 3] = [
    ("openstack", &["cloud", "region", "interface"], &["cloud"]),
    ("kubernetes", &["context", "kubeconfig", "namespace"], &["context"]),
    (
        "http",
        &[
            "app", "url", "auth", "header", "username", "token", "password", "api_key", "cacert", "cert", "key",
            "verify",
        ],
        &["app", "url"],
    ),
];

/// Of these a program names the place alone.
const SECRETS: [&str; 3] = ["token", "password", "api_key"];

impl Checker<'_> {
    pub(super) fn declare_site(&mut self, name: &ast::Name, value: &ast::Expr, labels: Option<&ast::Expr>) {
        let labels = labels.map(|l| self.label_values(l)).unwrap_or_default();
        let before = self.state.inventory.id(&name.text);
        let mut site = Site { name: name.text.clone(), labels, ..Site::default() };
        match &value.kind {
            ast::ExprKind::Compose(inner) => {
                let parts = self.composition(inner);
                self.refuse_circle(name, &parts);
                site.composed = Some(parts);
            }
            ast::ExprKind::Path { head, suffixes } => match (&head.kind, &suffixes[..]) {
                (ast::ExprKind::Name(stack), [ast::Suffix::Call(args)]) => {
                    let stack = ast::Name { text: stack.clone(), span: head.span };
                    self.connection(&stack, args, value.span, &mut site);
                }
                _ => self.no_site(value.span),
            },
            ast::ExprKind::Broken => {}
            ast::ExprKind::Braces(_) => {
                let message = "this does not say how a site is reached";
                let d = Diagnostic::new(&codes::NOT_A_SITE, value.span, message);
                self.report(d.help("a site made of services of others is written `compose { compute: A, image: B }`"));
            }
            _ => self.no_site(value.span),
        }
        // A site of the inventory may be described anew, and so may one of an earlier entry; a script says each of its
        // own once.
        let anew = self.state.earlier_sites.remove(&name.text);
        if before.is_some() && !anew && self.state.declared_sites.contains_key(&name.text) {
            let first = self.state.declared_sites[&name.text];
            self.report(
                Diagnostic::new(
                    &codes::DEFINED_TWICE,
                    name.span,
                    format!("the site `{}` is declared twice", name.text),
                )
                .other(first, "first here")
                .help("give one of them another name"),
            );
        }
        self.state.declared_sites.insert(name.text.clone(), name.span);
        Arc::make_mut(&mut self.state.inventory).add(site);
        self.places = super::places::Places::default();
    }

    /// What a site is made of is made of nothing itself, also when the site is described anew.
    fn refuse_circle(&mut self, name: &ast::Name, parts: &BTreeMap<Name, SiteId>) {
        let Some(site) = self.state.inventory.id(&name.text) else { return };
        let used = |parts: &BTreeMap<Name, SiteId>| parts.values().any(|part| *part == site);
        let composed = |other: &&Site| other.composed.as_ref().is_some_and(used);
        let of = match used(parts) {
            true => Some(name.text.clone()),
            false => self.state.inventory.iter().map(|(_, other)| other).find(composed).map(|other| other.name.clone()),
        };
        if let Some(of) = of {
            let message = match of == name.text {
                true => format!("`{of}` would be made of itself"),
                false => format!("`{}` cannot be composed: `{of}` is made of it", name.text),
            };
            let d = Diagnostic::new(&codes::BAD_COMPOSITION, name.span, message);
            self.report(d.help("give the composed site a name of its own"));
        }
    }

    fn no_site(&mut self, span: Span) {
        self.report(
            Diagnostic::new(&codes::NOT_A_SITE, span, "this does not say how a site is reached")
                .help("write `openstack(cloud: \"...\")`, `kubernetes(context: \"...\")`, `http(app: \"...\", url: \"...\")` or `compose { ... }`"),
        );
    }

    fn label_values(&mut self, labels: &ast::Expr) -> BTreeMap<Name, Name> {
        let mut all = BTreeMap::new();
        let ast::ExprKind::Braces(items) = &labels.kind else { return all };
        for item in items {
            let (key, value) = match item {
                ast::Item::Entry(ast::Key::Name(key) | ast::Key::Text(key), value) => (key, value),
                ast::Item::Broken(_) => continue,
                ast::Item::Element(e) | ast::Item::Spread(e) | ast::Item::Entry(_, e) | ast::Item::Service(_, e) => {
                    self.report(
                        Diagnostic::new(&codes::BAD_LABEL, e.span, "a label is a name and a value")
                            .help("write `region: \"nantes\"`"),
                    );
                    continue;
                }
            };
            let text = match &value.kind {
                ast::ExprKind::Literal(ast::Literal::Int(n)) => n.to_string(),
                ast::ExprKind::Literal(ast::Literal::Bool(b)) => b.to_string(),
                ast::ExprKind::Broken => continue,
                _ => match value.as_text() {
                    Some(text) => text.to_string(),
                    None => {
                        self.report(
                            Diagnostic::new(
                                &codes::BAD_LABEL,
                                value.span,
                                "the value of a label is a text, a number, `true` or `false`",
                            )
                            .help("labels are known before anything runs"),
                        );
                        continue;
                    }
                },
            };
            if all.insert(key.text.clone(), name(&text)).is_some() {
                self.error(&codes::KEY_TWICE, key.span, format!("the label `{}` is given twice", key.text));
            }
        }
        all
    }

    fn connection(&mut self, stack: &ast::Name, args: &[ast::Arg], span: Span, site: &mut Site) {
        let known = CONNECTIONS.iter().find(|(s, ..)| *s == &*stack.text);
        let described = self.library.services.iter().any(|s| s.stack == stack.text);
        if known.is_none() && !described {
            let d = Diagnostic::new(
                &codes::UNKNOWN_STACK,
                stack.span,
                format!("there is no kind of site `{}`", stack.text),
            );
            let d = did_you_mean(d, &stack.text, CONNECTIONS.iter().map(|(s, ..)| *s));
            self.report(d);
        }
        site.stack = stack.text.clone();
        for arg in args {
            let (key, value) = match arg {
                ast::Arg::Named(key, value) => (key, value),
                ast::Arg::Positional(value) => {
                    let first = known.map_or("url", |(_, all, _)| all[0]);
                    self.report(
                        Diagnostic::new(&codes::BAD_CONNECTION, value.span, "what is given here needs a name")
                            .help(format!("write `{first}: ...`")),
                    );
                    continue;
                }
                ast::Arg::Broken(_) => continue,
            };
            if let Some((_, allowed, _)) = known
                && !allowed.contains(&&*key.text)
            {
                let message = format!("a site of `{}` has no `{}`", stack.text, key.text);
                let d = Diagnostic::new(&codes::BAD_CONNECTION, key.span, message);
                let d = match &*key.text {
                    "password" | "token" | "username" | "auth_url" => d.help(
                        "credentials stay in clouds.yaml, in kubeconfig or in edge.yaml: a script only names the entry",
                    ),
                    other => did_you_mean(d, other, allowed.iter().copied())
                        .help(format!("there are {}", listed(*allowed, 6))),
                };
                self.report(d);
                continue;
            }
            let written = match &value.kind {
                ast::ExprKind::Literal(ast::Literal::Bool(b)) => Some(b.to_string()),
                _ => value.as_text().map(str::to_string),
            };
            match written {
                Some(text)
                    if SECRETS.contains(&&*key.text) && !text.starts_with("env:") && !text.starts_with("file:") =>
                {
                    let message = format!("a secret such as `{}` is not written in a program", key.text);
                    self.report(
                        Diagnostic::new(&codes::BAD_CONNECTION, value.span, message)
                            .help(format!("write where it is: `{0}: \"env:NAME\"` or `{0}: \"file:PATH\"`", key.text)),
                    );
                }
                Some(text) => {
                    if site.connection.insert(key.text.clone(), name(&text)).is_some() {
                        self.error(&codes::KEY_TWICE, key.span, format!("`{}` is given twice", key.text));
                    }
                }
                None if matches!(value.kind, ast::ExprKind::Broken) => {}
                None => self.error(
                    &codes::BAD_CONNECTION,
                    value.span,
                    format!("`{}` is a plain text: sites are known before anything runs", key.text),
                ),
            }
        }
        let unknown = |a: &ast::Arg| match (a, known) {
            (ast::Arg::Named(n, _), Some((_, allowed, _))) => !allowed.contains(&&*n.text),
            _ => true,
        };
        if args.iter().any(unknown) {
            return;
        }
        for needed in known.map_or(&[][..], |(_, _, needed)| needed) {
            let given = args.iter().any(|a| matches!(a, ast::Arg::Named(n, _) if &*n.text == *needed));
            if !given {
                let message = format!("a site of `{}` needs `{needed}`", stack.text);
                self.report(
                    Diagnostic::new(&codes::BAD_CONNECTION, span, message)
                        .help(format!("write `{}({needed}: \"...\")`", stack.text)),
                );
            }
        }
        site.services = self.library.services_of(site);
    }

    fn composition(&mut self, of: &ast::Expr) -> BTreeMap<Name, SiteId> {
        let mut parts = BTreeMap::new();
        let ast::ExprKind::Braces(items) = &of.kind else { return parts };
        for item in items {
            let (service, value) = match item {
                ast::Item::Entry(ast::Key::Name(key) | ast::Key::Text(key), value) => (key, value),
                ast::Item::Broken(_) => continue,
                ast::Item::Element(e) | ast::Item::Spread(e) | ast::Item::Entry(_, e) | ast::Item::Service(_, e) => {
                    self.report(
                        Diagnostic::new(&codes::BAD_COMPOSITION, e.span, "a site is composed of services of sites")
                            .help("write `compute: Zone1`"),
                    );
                    continue;
                }
            };
            if !self.library.has_service(&service.text) {
                self.unknown_service(service);
                self.part(value, Some(&Type::Site));
                continue;
            }
            let typed = self.part(value, Some(&Type::Site));
            match typed.known {
                Known::Site(site) => {
                    let Some(instance) = self.state.inventory.instance(site, &service.text) else {
                        let (site, service) = (self.state.inventory.name(site).to_string(), &service.text);
                        let message = format!("`{site}` is composed, and has no `{service}`");
                        self.error(&codes::BAD_COMPOSITION, value.span, message);
                        continue;
                    };
                    if self.state.inventory.offers(instance, &service.text) == Some(false) {
                        let site = self.state.inventory.name(site);
                        let message = format!("`{site}` does not offer `{}`", service.text);
                        self.error(&codes::NOT_OFFERED, value.span, message);
                    }
                    if parts.insert(service.text.clone(), instance).is_some() {
                        let message = format!("`{}` is given twice", service.text);
                        self.error(&codes::KEY_TWICE, service.span, message);
                    }
                }
                _ if typed.is_error() => {}
                _ => {
                    let message = format!("a service is taken from one site, and this is `{}`", typed.ty());
                    self.error(&codes::BAD_COMPOSITION, value.span, message);
                }
            }
        }
        parts
    }

    pub(super) fn unknown_service(&mut self, service: &ast::Name) {
        let d =
            Diagnostic::new(&codes::UNKNOWN_SERVICE, service.span, format!("there is no service `{}`", service.text));
        let all = self.library.service_names().map(|n| &**n);
        // A resource for its service is the usual slip: `server: Zone1`.
        let d = match self.library.any_resource(&service.text) {
            Some(r) => d.help(format!("`{}` is a resource of the service `{}`", r.name, r.service)),
            None => match foreign::service(&service.text) {
                Some(known) if self.library.service_names().any(|name| **name == *known) => {
                    d.help(format!("this service is called `{known}`"))
                }
                Some(known) => d.help(format!(
                    "`{known}` is not described here; `service {known} for openstack {{ ... }}` would do that"
                )),
                None => did_you_mean(d, &service.text, all),
            },
        };
        self.report(d);
    }

    /// `{A, B}`: the union of sites and sets.
    pub(super) fn site_set(&mut self, elements: Vec<Typed>, span: Span) -> Typed {
        let mut known = Some(SiteSet::new());
        let mut exprs = Vec::with_capacity(elements.len());
        let mut poisoned = false;
        for element in elements {
            match element.ty() {
                Type::Site | Type::Sites => {}
                Type::Error => poisoned = true,
                Type::Any => {}
                other => {
                    let message = format!("a set in braces is one of sites, and this is `{other}`");
                    let mut d = Diagnostic::new(&codes::NOT_A_SET, element.span(), message);
                    d = match other {
                        Type::String => d.help("sites are written without quotes; a list of texts is `[\"a\", \"b\"]`"),
                        Type::Choice | Type::Placement => {
                            d.help("a placement is no set: sets are joined by `|`, `&`, `-`")
                        }
                        _ => d.help("a list is written `[a, b]`, a record `{name: value}`"),
                    };
                    self.report(d);
                    poisoned = true;
                }
            }
            match (&mut known, element.known.sites()) {
                (Some(all), Some(set)) => all.add(&set),
                _ => known = None,
            }
            exprs.push(converted(element, &Type::Sites).expr);
        }
        if poisoned {
            return poison(span);
        }
        let known = known.map_or(Known::Nothing, |set| Known::Sites(Arc::new(set)));
        Typed { expr: Expr { kind: ExprKind::SiteSet(exprs), ty: Type::Sites, span }, known }
    }

    /// `offers compute`, inside a condition on sites.
    pub(super) fn offers(&mut self, service: &ast::Name, span: Span) -> Typed {
        if !self.library.has_service(&service.text) {
            self.unknown_service(service);
            return Typed { expr: Expr { ty: Type::Bool, ..poison(span).expr }, known: Known::Nothing };
        }
        let Some(slot) = self.rows.iter().rev().find_map(RowScope::site_slot) else {
            self.report(
                Diagnostic::new(&codes::OFFERS_OUTSIDE, span, "`offers` is asked of the sites of a set")
                    .help(format!("the sites that offer it: `sites[offers {}]`", service.text)),
            );
            return poison(span);
        };
        let site = Box::new(Expr { kind: ExprKind::Slot(slot), ty: Type::Site, span });
        let kind = ExprKind::Offers { site, service: service.text.clone() };
        Typed { expr: Expr { kind, ty: Type::Bool, span }, known: Known::Nothing }
    }

    /// `S[...]`: by name where it is a text, else by a condition.
    pub(super) fn select_sites(&mut self, of: Typed, index: &ast::Expr, span: Span) -> Typed {
        let of = converted(of, &Type::Sites);
        if let Some(text) = index.as_text() {
            return self.sites_by_name(of, text, index, span);
        }
        self.filter_sites(of, index, span)
    }

    /// `S[condition]`, `S where condition`.
    pub(super) fn filter_sites(&mut self, of: Typed, cond: &ast::Expr, span: Span) -> Typed {
        let slot = self.slot();
        self.rows.push(RowScope::site(slot));
        let cond = self.part(cond, None);
        self.rows.pop();
        if let Type::String = cond.ty() {
            let names = Box::new(cond.expr);
            let kind = ExprKind::NamedSites { of: Box::new(of.expr), names };
            return Typed { expr: Expr { kind, ty: Type::Sites, span }, known: Known::Nothing };
        }
        let cond = self.coerce(cond, &Type::Bool, "a condition");
        let known = match of.known.sites() {
            Some(universe) if !cond.is_error() => {
                self.sites_where(&cond.expr, slot, &universe).map_or(Known::Nothing, |s| Known::Sites(Arc::new(s)))
            }
            _ => Known::Nothing,
        };
        let kind = ExprKind::FilterSites { of: Box::new(of.expr), slot, cond: Box::new(cond.expr) };
        Typed { expr: Expr { kind, ty: Type::Sites, span }, known }
    }

    fn sites_by_name(&mut self, of: Typed, text: &str, index: &ast::Expr, span: Span) -> Typed {
        let known = match of.known.sites() {
            Some(universe) => match unfold_at_most(text, MOST_NAMES) {
                Ok(names) => {
                    let id = |n: &str| self.state.inventory.id(n).filter(|s| universe.contains(*s));
                    if let Some(missing) = names.iter().find(|&n| id(n).is_none()) {
                        let message = format!("no site of this set is called `{missing}`");
                        let d = Diagnostic::new(&codes::NO_SUCH_SITES, index.span, message);
                        let d = match missing.contains('*') {
                            true => d.help(format!("a pattern is written `sites[name like {missing:?}]`")),
                            false => {
                                let all = universe.iter().take(5000).map(|s| self.state.inventory.name(s));
                                did_you_mean(d, missing, all)
                            }
                        };
                        self.report(d);
                        return poison(span);
                    }
                    let found: SiteSet = names.iter().filter_map(id).collect();
                    Known::Sites(Arc::new(found))
                }
                Err(why) => {
                    self.error(&codes::NO_SUCH_SITES, index.span, format!("`{text}` is no list of names: {why}"));
                    return poison(span);
                }
            },
            None => Known::Nothing,
        };
        let names = Box::new(self.part(index, None).expr);
        let kind = ExprKind::NamedSites { of: Box::new(of.expr), names };
        Typed { expr: Expr { kind, ty: Type::Sites, span }, known }
    }

    /// A label as a name in a condition on sites.
    pub(super) fn label(&mut self, slot: Slot, label: &Arc<str>, span: Span) -> Option<Typed> {
        let site = Expr { kind: ExprKind::Slot(slot), ty: Type::Site, span };
        if matches!(&**label, "name" | "kind") {
            return Some(site_field(site, label, span));
        }
        let labels = self.places.labels(&self.state.inventory);
        labels.contains_key(label).then(|| {
            let kind = ExprKind::Label { site: Box::new(site), label: label.clone() };
            Typed { expr: Expr { kind, ty: Type::optional(Type::String), span }, known: Known::Nothing }
        })
    }

    /// The sites of `universe` for which a condition holds; `None` where that is not known yet.
    fn sites_where(&mut self, cond: &Expr, slot: Slot, universe: &SiteSet) -> Option<SiteSet> {
        let is_site = |e: &Expr| matches!(e.kind, ExprKind::Slot(s) if s == slot);
        match &cond.kind {
            ExprKind::Const(Value::Bool(true)) => Some(universe.clone()),
            ExprKind::Const(Value::Bool(false)) => Some(SiteSet::new()),
            ExprKind::Unary { op: Unary::Not, of } => Some(universe.difference(&self.sites_where(of, slot, universe)?)),
            ExprKind::Binary { op: Binary::And, left, right } => {
                let left = self.sites_where(left, slot, universe);
                let right = self.sites_where(right, slot, universe);
                Some(left?.intersection(&right?))
            }
            ExprKind::Binary { op: Binary::Or, left, right } => {
                let left = self.sites_where(left, slot, universe);
                let right = self.sites_where(right, slot, universe);
                Some(left?.union(&right?))
            }
            ExprKind::Offers { site, service } if is_site(site) => {
                let offers = self.places.offers(&self.state.inventory, service);
                let yes = universe.intersection(&offers.yes);
                (yes.len() + universe.common(&offers.no) == universe.len()).then_some(yes)
            }
            ExprKind::Binary { op: op @ (Binary::Equal | Binary::NotEqual), left, right } => {
                let found = self.sites_equal(left, right, slot, universe)?;
                Some(if *op == Binary::Equal { found } else { universe.difference(&found) })
            }
            ExprKind::Binary { op: Binary::In, left, right } => {
                let ExprKind::List(items) = &right.kind else { return None };
                let mut found = SiteSet::new();
                for item in items {
                    found.add(&self.sites_equal(left, item, slot, universe)?);
                }
                Some(found)
            }
            ExprKind::Binary { op: Binary::Like, left, right } => {
                let ExprKind::Const(Value::String(pattern)) = &right.kind else { return None };
                match &left.kind {
                    ExprKind::Field { of, name } if is_site(of) && &**name == "name" => {
                        let named = |s: &SiteId| crate::eval::like(self.state.inventory.name(*s), pattern);
                        Some(universe.iter().filter(named).collect())
                    }
                    ExprKind::Label { site, label } if is_site(site) => {
                        let labels = self.places.labels(&self.state.inventory);
                        let values = labels.get(label)?;
                        let mut found = SiteSet::new();
                        for (_, sites) in values.iter().filter(|(v, _)| crate::eval::like(v, pattern)) {
                            found.add(sites);
                        }
                        Some(found.intersection(universe))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn sites_equal(&mut self, left: &Expr, right: &Expr, slot: Slot, universe: &SiteSet) -> Option<SiteSet> {
        let (asked, value) = match (&left.kind, &right.kind) {
            (_, ExprKind::Const(value)) => (left, (value, right.span)),
            (ExprKind::Const(value), _) => (right, (value, left.span)),
            _ => return None,
        };
        let is_site = |e: &Expr| matches!(e.kind, ExprKind::Slot(s) if s == slot);
        match (&asked.kind, value) {
            (ExprKind::Label { site, label }, (Value::String(text), span)) if is_site(site) => {
                let labels = self.places.labels(&self.state.inventory);
                let values = labels.get(label)?;
                match values.get(text) {
                    Some(sites) => Some(sites.intersection(universe)),
                    None => {
                        let message = format!("no site has `{label}: {text:?}`");
                        let mut d = Diagnostic::new(&codes::NO_SUCH_VALUE, span, message);
                        d = match nearest(text, values.keys().map(|v| &**v)) {
                            Some(near) => d.help(format!("did you mean `{near:?}`?")),
                            None => d.help(format!("there are {}", listed(values.keys(), 6))),
                        };
                        self.report(d);
                        None
                    }
                }
            }
            (ExprKind::Label { site, label }, (Value::Null, _)) if is_site(site) => {
                let labels = self.places.labels(&self.state.inventory);
                let mut without = universe.clone();
                labels.get(label)?.values().for_each(|sites| without.subtract(sites));
                Some(without)
            }
            (ExprKind::Field { of, name }, (Value::String(text), span)) if is_site(of) && &**name == "name" => {
                match self.state.inventory.id(text) {
                    Some(id) => Some(SiteSet::of(id).intersection(universe)),
                    None => {
                        let d = Diagnostic::new(&codes::NO_SUCH_VALUE, span, format!("no site is called {text:?}"));
                        let all = self.state.inventory.iter().take(5000).map(|(_, s)| &*s.name);
                        let d = did_you_mean(d, text, all);
                        self.report(d);
                        None
                    }
                }
            }
            (ExprKind::Field { of, name }, (Value::String(text), _)) if is_site(of) && &**name == "kind" => {
                let inventory = &self.state.inventory;
                Some(universe.iter().filter(|s| inventory.get(*s).is_some_and(|s| s.stack == *text)).collect())
            }
            _ => None,
        }
    }
}

/// `.name` and `.kind` of a site.
pub(super) fn site_field(site: Expr, field: &Arc<str>, span: Span) -> Typed {
    let kind = ExprKind::Field { of: Box::new(site), name: field.clone() };
    Typed { expr: Expr { kind, ty: Type::String, span }, known: Known::Nothing }
}
