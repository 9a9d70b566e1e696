//! Scopes: which service is taken from where, under which policy.

use super::annotations::converted;
use super::known::{Known, KnownEntry, KnownScope, Place, Typed};
use super::{Checker, codes, listed};
use crate::diagnostic::{Diagnostic, nearest};
use crate::eval::Unreachable;
use crate::program::{EntryExpr, Expr, ExprKind, PolicyExpr, ScopeExpr};
use crate::span::Span;
use crate::syntax::ast::{self, Item, Key};
use crate::types::{Name, Type};
use indexmap::IndexMap;
use std::collections::HashSet;
use std::sync::Arc;

/// What a block of a service can say; `at` only there, the others also in `with { ... }`.
pub(super) const POLICY: [&str; 7] = ["at", "prefer", "timeout", "unreachable", "tenant", "overlap", "parallel"];
const UNREACHABLE: [(&str, Unreachable); 4] = [
    ("fail", Unreachable::Fail),
    ("defer", Unreachable::Defer),
    ("skip", Unreachable::Skip),
    ("stale", Unreachable::Stale),
];

/// A scope that says nothing, after a mistake; it is open, so that nothing is missed in it.
pub(super) fn nothing(span: Span) -> (Expr, Arc<KnownScope>) {
    let kind = ExprKind::Scope(Arc::new(ScopeExpr::default()));
    (Expr { kind, ty: Type::Scope, span }, Arc::new(KnownScope { open: true, ..KnownScope::default() }))
}

impl Checker<'_> {
    /// The scope of `at ...` or of a function's `@`: a name, braces, or a placement for every service.
    pub(super) fn scope_around(&mut self, e: &ast::Expr) -> (Expr, Arc<KnownScope>) {
        let (of, policy) = match &e.kind {
            ast::ExprKind::Placed { of, tails } => {
                let mut policy = PolicyExpr::default();
                for tail in tails {
                    match tail {
                        ast::Tail::With(with) => policy = self.policy_braces(with),
                        ast::Tail::IfAny => {}
                        ast::Tail::At(at) => _ = self.part(at, None),
                    }
                }
                (&**of, policy)
            }
            _ => (e, PolicyExpr::default()),
        };
        let typed = self.part(of, Some(&Type::Scope));
        self.as_scope(typed, policy, e.span)
    }

    pub(super) fn as_scope(&mut self, typed: Typed, policy: PolicyExpr, span: Span) -> (Expr, Arc<KnownScope>) {
        match typed.ty() {
            Type::Error => nothing(span),
            Type::Scope | Type::Any => {
                let known = match typed.known {
                    Known::Scope(ref known) => known.clone(),
                    _ => Arc::new(KnownScope { open: true, ..KnownScope::default() }),
                };
                (converted(typed, &Type::Scope).expr, known)
            }
            Type::Site | Type::Sites | Type::Choice | Type::Placement => {
                let mut place = Place::of(&typed);
                if !self.judge_placement(&place, false) {
                    // Said; the rules about places have nothing to add.
                    (place.placement, place.form) = (None, Default::default());
                }
                let unreachable = self.of_scope(&policy, span);
                let entry = EntryExpr { at: Some(converted(typed, &Type::Placement).expr), policy, span };
                let known = KnownScope {
                    everywhere: Some(KnownEntry { place: Some(place), unreachable }),
                    ..KnownScope::default()
                };
                let scope = ScopeExpr { everywhere: Some(entry), ..ScopeExpr::default() };
                (Expr { kind: ExprKind::Scope(Arc::new(scope)), ty: Type::Scope, span }, Arc::new(known))
            }
            other => {
                let message = format!("a scope is to be here, and this is `{other}`");
                self.report(
                    Diagnostic::new(&codes::NOT_A_SCOPE, typed.span(), message)
                        .help("a scope says where services are: `{ compute: Zone1, image: Zone2 }`, or one place for all: `Zone1`"),
                );
                nothing(span)
            }
        }
    }

    pub(super) fn scope_items(&mut self, items: &[Item], span: Span) -> (Expr, Arc<KnownScope>) {
        let mut scope = ScopeExpr::default();
        let mut known = KnownScope::default();
        let mut seen: IndexMap<Name, Span> = IndexMap::new();
        for item in items {
            let (key, value, block) = match item {
                Item::Entry(Key::Name(key) | Key::Text(key), value) => (key, value, self.is_policy_block(value)),
                Item::Service(service, policy) => (service, policy, true),
                Item::Broken(_) => continue,
                Item::Element(e) | Item::Entry(Key::Computed(_), e) | Item::Spread(e) => {
                    self.report(
                        Diagnostic::new(&codes::MIXED_BRACES, e.span, "a scope has entries of services")
                            .help("write `compute: Zone1`; one place for every service is written without braces"),
                    );
                    continue;
                }
            };
            if let Some(first) = seen.insert(key.text.clone(), key.span) {
                self.report(
                    Diagnostic::new(&codes::KEY_TWICE, key.span, format!("`{}` is given twice", key.text))
                        .other(first, "first here"),
                );
            }
            match &*key.text {
                "tenant" if !block => scope.tenant = Some(self.expect(value, &Type::String, "`tenant`").expr),
                "identity" if !block => {
                    if let Some((expr, site)) = self.identity(value) {
                        scope.identity = Some(expr);
                        known.identity = site.map(|s| (s, value.span));
                    }
                }
                _ => {
                    if !self.library.has_service(&key.text) {
                        self.unknown_service_key(key, block);
                        self.part(value, Some(&Type::Scope));
                        known.open = true;
                        continue;
                    }
                    let (entry, of) = if block { self.block_entry(value) } else { self.plain_entry(value) };
                    scope.entries.push((key.text.clone(), entry));
                    known.entries.insert(key.text.clone(), of);
                }
            }
        }
        (Expr { kind: ExprKind::Scope(Arc::new(scope)), ty: Type::Scope, span }, Arc::new(known))
    }

    fn unknown_service_key(&mut self, key: &ast::Name, block: bool) {
        if !block && POLICY.contains(&&*key.text) {
            self.report(
                Diagnostic::new(&codes::UNKNOWN_SERVICE, key.span, format!("`{}` is said for a service", key.text))
                    .help(format!(
                        "write `compute {{ {}: ... }}`, or `with {{ {}: ... }}` after the placement",
                        key.text, key.text
                    )),
            );
            return;
        }
        self.unknown_service(key);
    }

    fn is_policy_block(&self, value: &ast::Expr) -> bool {
        let ast::ExprKind::Braces(items) = &value.kind else { return false };
        items.iter().any(|i| matches!(i, Item::Entry(Key::Name(k) | Key::Text(k), _) if POLICY.contains(&&*k.text)))
    }

    fn identity(&mut self, value: &ast::Expr) -> Option<(Expr, Option<crate::model::SiteId>)> {
        if let Some(text) = value.as_text() {
            self.quoted_site(text, value.span);
            return None;
        }
        let typed = self.part(value, Some(&Type::Site));
        match typed.ty() {
            Type::Error => None,
            Type::Site | Type::Any => {
                let site = match typed.known {
                    Known::Site(s) => Some(s),
                    _ => None,
                };
                Some((converted(typed, &Type::Site).expr, site))
            }
            other => {
                self.report(
                    Diagnostic::new(
                        &codes::IDENTITY_ONE_SITE,
                        typed.span(),
                        format!("`identity` names one site, and this is `{other}`"),
                    )
                    .help("it says whose account is used: that of the person known at this site"),
                );
                None
            }
        }
    }

    fn plain_entry(&mut self, value: &ast::Expr) -> (EntryExpr, KnownEntry) {
        let empty = |span| {
            let place = Some(Place { placement: None, form: Default::default(), single: true, span });
            let entry = EntryExpr { at: None, policy: PolicyExpr::default(), span };
            (entry, KnownEntry { place, unreachable: None })
        };
        if let Some(text) = value.as_text() {
            self.quoted_site(text, value.span);
            return empty(value.span);
        }
        let (of, with) = match &value.kind {
            ast::ExprKind::Placed { of, tails } => (&**of, &tails[..]),
            _ => (value, &[][..]),
        };
        let mut policy = PolicyExpr::default();
        for tail in with {
            match tail {
                ast::Tail::With(with) => policy = self.policy_braces(with),
                ast::Tail::IfAny => {}
                ast::Tail::At(at) => self.nothing_to_place(&[ast::Tail::At(at.clone())]),
            }
        }
        let Some((expr, place)) = self.placement(of, false) else { return empty(value.span) };
        let unreachable = self.of_scope(&policy, value.span);
        let entry = EntryExpr { at: Some(expr), policy, span: value.span };
        (entry, KnownEntry { place: Some(place), unreachable })
    }

    fn block_entry(&mut self, value: &ast::Expr) -> (EntryExpr, KnownEntry) {
        let (at, policy) = self.policy_items(value, true);
        let place = at.as_ref().map(|(_, place)| place.clone());
        let unreachable = self.of_scope(&policy, value.span);
        let entry = EntryExpr { at: at.map(|(expr, _)| expr), policy, span: value.span };
        (entry, KnownEntry { place, unreachable })
    }

    /// An expression that says where: of type Placement, and what is known of it. `None` where it is no placement.
    pub(super) fn placement(&mut self, e: &ast::Expr, if_any: bool) -> Option<(Expr, Place)> {
        if let Some(text) = e.as_text() {
            self.quoted_site(text, e.span);
            return None;
        }
        let typed = self.part(e, Some(&Type::Placement));
        self.as_placement(typed, if_any)
    }

    pub(super) fn as_placement(&mut self, typed: Typed, if_any: bool) -> Option<(Expr, Place)> {
        match typed.ty() {
            Type::Error => return None,
            Type::Site | Type::Sites | Type::Choice | Type::Placement | Type::Any => {}
            other => {
                let message = format!("a placement is to be here, and this is `{other}`");
                let mut d = Diagnostic::new(&codes::NOT_A_PLACEMENT, typed.span(), message);
                d = match other {
                    Type::Replicated(_) | Type::Table(_) => {
                        d.help("its sites are `.present`, `.absent`, `.unknown` and `.sites`")
                    }
                    Type::Handle(_) => d.help("its site is `.site`"),
                    Type::List(of) if matches!(**of, Type::Site) => d.help("a set of sites is written `{A, B}`"),
                    Type::String => d.help("sites are written without quotes"),
                    _ => d,
                };
                self.report(d);
                return None;
            }
        }
        let mut place = Place::of(&typed);
        if !self.judge_placement(&place, if_any) {
            // Said; the rules about places have nothing to add.
            (place.placement, place.form) = (None, Default::default());
        }
        Some((converted(typed, &Type::Placement).expr, place))
    }

    /// `"Zone1"` where a site is meant, as it stands in JSON.
    pub(super) fn quoted_site(&mut self, text: &str, span: Span) {
        let mut d = Diagnostic::new(
            &codes::QUOTED_SITE,
            span,
            format!("{text:?} is a text, and a site or placement is to be here"),
        );
        let bare = text.replace("&&", " && ").replace("||", " || ");
        let bare = bare.split_whitespace().collect::<Vec<_>>().join(" ");
        if !bare.is_empty() {
            d = d.help(format!("drop the quotes: `{bare}`"));
        }
        self.report(d);
    }

    /// What the policy of a scope says of silent sites. Not that old rows will do: it changes what a listing is, so each
    /// listing says it for itself.
    fn of_scope(&mut self, policy: &PolicyExpr, span: Span) -> Option<Unreachable> {
        if policy.unreachable == Some(Unreachable::Stale) {
            self.report(
                Diagnostic::new(&codes::STALE, span, "`unreachable: stale` is said by each listing, not by a scope")
                    .help("write it behind the listing: `server.list() @ Zone1 with { unreachable: stale }`"),
            );
            return None;
        }
        policy.unreachable
    }

    pub(super) fn policy_braces(&mut self, with: &ast::Expr) -> PolicyExpr {
        self.policy_items(with, false).1
    }

    fn policy_items(&mut self, braces: &ast::Expr, in_scope: bool) -> (Option<(Expr, Place)>, PolicyExpr) {
        let mut at = None;
        let mut policy = PolicyExpr::default();
        let ast::ExprKind::Braces(items) = &braces.kind else { return (at, policy) };
        let mut seen: IndexMap<Name, Span> = IndexMap::new();
        for item in items {
            let (key, value) = match item {
                Item::Entry(Key::Name(key) | Key::Text(key), value) => (key, value),
                Item::Broken(_) => continue,
                Item::Element(e) | Item::Entry(Key::Computed(_), e) | Item::Spread(e) | Item::Service(_, e) => {
                    self.report(
                        Diagnostic::new(&codes::UNKNOWN_POLICY, e.span, "a policy has keys with values")
                            .help(format!("there are {}", listed(POLICY, 8))),
                    );
                    continue;
                }
            };
            if let Some(first) = seen.insert(key.text.clone(), key.span) {
                self.report(
                    Diagnostic::new(&codes::KEY_TWICE, key.span, format!("`{}` is given twice", key.text))
                        .other(first, "first here"),
                );
            }
            match &*key.text {
                "at" if in_scope => at = self.placement(value, false),
                "at" => {
                    self.report(
                        Diagnostic::new(&codes::UNKNOWN_POLICY, key.span, "`with` says how, not where")
                            .help("where is said by `@`"),
                    );
                }
                "timeout" => {
                    policy.timeout =
                        Some(self.expect_policy(value, &Type::Duration, "`timeout`", "such as `30s` or `2min`"))
                }
                "tenant" => {
                    policy.tenant =
                        Some(self.expect_policy(value, &Type::String, "`tenant`", "a project or a namespace"))
                }
                "parallel" => {
                    policy.parallel =
                        Some(self.expect_policy(value, &Type::Int, "`parallel`", "the number of sites at once"));
                }
                "overlap" => policy.overlap = self.overlap(value),
                "unreachable" => policy.unreachable = self.word(value, "unreachable", &UNREACHABLE),
                "prefer" => policy.prefer = self.preference(value),
                other => {
                    let d = Diagnostic::new(&codes::UNKNOWN_POLICY, key.span, format!("there is no policy `{other}`"));
                    let d = match nearest(other, POLICY) {
                        Some(near) => d.help(format!("did you mean `{near}`?")),
                        None => d.help(format!("there are {}", listed(POLICY, 8))),
                    };
                    self.report(d);
                    self.part(value, None);
                }
            }
        }
        (at, policy)
    }

    fn expect_policy(&mut self, value: &ast::Expr, wanted: &Type, what: &str, such: &str) -> Expr {
        let typed = self.part(value, Some(wanted));
        let negative = matches!(typed.known, Known::Int(n) if n < 1);
        if !typed.ty().fits(wanted) || negative {
            let message = match negative {
                true => format!("{what}, {such}, is at least 1"),
                false => format!("{what} is to be {}, {such}, and not `{}`", super::a(wanted), typed.ty()),
            };
            self.error(&codes::BAD_POLICY, typed.span(), message);
        }
        converted(typed, wanted).expr
    }

    fn overlap(&mut self, value: &ast::Expr) -> Option<Expr> {
        let brief = self.word(value, "overlap", &[("brief", true), ("none", false)])?;
        let kind = ExprKind::Const(crate::eval::Value::Bool(brief));
        Some(Expr { kind, ty: Type::Bool, span: value.span })
    }

    /// A value that is one of a few words; in quotes they are understood too, with a hint.
    pub(super) fn word<T: Clone>(&mut self, value: &ast::Expr, key: &str, words: &[(&str, T)]) -> Option<T> {
        let written: Option<Name> = match &value.kind {
            ast::ExprKind::Name(name) => Some(name.clone()),
            ast::ExprKind::Broken => return None,
            _ => None,
        };
        if let Some(found) = written.as_ref().and_then(|w| words.iter().find(|(n, _)| *n == &**w)) {
            return Some(found.1.clone());
        }
        let all = listed(words.iter().map(|(n, _)| *n), 8);
        let mut d = Diagnostic::new(&codes::BAD_POLICY, value.span, format!("`{key}` is one of {all}"));
        let text = written.as_deref().or(value.as_text());
        if let Some(text) = text {
            if value.as_text().is_some_and(|t| words.iter().any(|(n, _)| *n == t)) {
                d = d.help(format!("drop the quotes: `{text}`"));
            } else if let Some(near) = nearest(text, words.iter().map(|(n, _)| *n)) {
                d = d.help(format!("did you mean `{near}`?"));
            }
        }
        self.report(d);
        None
    }

    /// Entries of an operation's own `@ { ... }` that it never uses.
    pub(super) fn unused_entries(&mut self, written: &[(Name, Span)], used: &HashSet<Name>, what: &str) {
        for (service, span) in written {
            if used.contains(service) {
                continue;
            }
            let mut uses: Vec<&Name> = used.iter().collect();
            uses.sort();
            let d =
                Diagnostic::new(&codes::UNUSED_ENTRY, *span, format!("{what} does not use the service `{service}`"));
            let d = match uses.is_empty() {
                true => d.help("remove this entry"),
                false => d.help(format!("remove this entry; what is used here is {}", listed(uses, 6))),
            };
            self.report(d);
        }
    }

    /// The services that braces mention, with their places.
    pub(super) fn written_entries(&self, e: &ast::Expr) -> Vec<(Name, Span)> {
        let ast::ExprKind::Braces(items) = &e.kind else { return Vec::new() };
        items
            .iter()
            .filter_map(|i| match i {
                Item::Entry(Key::Name(k) | Key::Text(k), _) | Item::Service(k, _) => Some((k.text.clone(), k.span)),
                _ => None,
            })
            .filter(|(k, _)| !matches!(&**k, "identity" | "tenant") && self.library.has_service(k))
            .collect()
    }

    /// `@` after something that is not placed.
    pub(super) fn nothing_to_place(&mut self, tails: &[ast::Tail]) {
        for tail in tails {
            let span = match tail {
                ast::Tail::At(e) | ast::Tail::With(e) => e.span,
                ast::Tail::IfAny => continue,
            };
            self.report(
                Diagnostic::new(&codes::NOTHING_TO_PLACE, span, "only operations and calls of functions are placed")
                    .help("`at ... { ... }` places all operations in a block"),
            );
        }
        self.tails_alone(tails);
    }

    pub(super) fn tails_alone(&mut self, tails: &[ast::Tail]) {
        for tail in tails {
            match tail {
                ast::Tail::At(e) => _ = self.part(e, None),
                ast::Tail::With(e) => _ = self.policy_braces(e),
                ast::Tail::IfAny => {}
            }
        }
    }
}
