//! Braces: a set of sites, a record or a scope, told apart by what is in them and by what is wanted.

use super::expressions::poison;
use super::known::{Known, Typed};
use super::{Checker, codes, scopes};
use crate::diagnostic::Diagnostic;
use crate::eval::Value;
use crate::program::{Expr, ExprKind, RecordItem};
use crate::span::Span;
use crate::syntax::ast::{self, Item, Key};
use crate::types::{Name, Type};
use indexmap::IndexMap;
use std::sync::Arc;

enum Braces {
    Set,
    Record,
    Scope,
}

impl Checker<'_> {
    pub(super) fn braces(&mut self, items: &[Item], span: Span, wanted: Option<&Type>) -> Typed {
        match self.kind_of_braces(items, wanted) {
            Braces::Set => {
                let elements = items
                    .iter()
                    .filter_map(|item| match item {
                        Item::Element(e) => Some(self.part(e, Some(&Type::Sites))),
                        _ => None,
                    })
                    .collect();
                self.site_set(elements, span)
            }
            Braces::Scope => {
                let (expr, known) = self.scope_items(items, span);
                Typed { expr, known: Known::Scope(known) }
            }
            Braces::Record => self.record(items, span, wanted),
        }
    }

    fn kind_of_braces(&mut self, items: &[Item], wanted: Option<&Type>) -> Braces {
        let elements = items.iter().filter(|i| matches!(i, Item::Element(_))).count();
        let others = items.iter().filter(|i| !matches!(i, Item::Element(_) | Item::Broken(_))).count();
        match wanted.map(Type::present) {
            Some(Type::Scope) if elements == 0 => return Braces::Scope,
            Some(Type::Sites | Type::Site | Type::Choice | Type::Placement) if others == 0 => return Braces::Set,
            Some(Type::Record(_) | Type::Map(_)) if elements == 0 => return Braces::Record,
            _ => {}
        }
        if elements > 0 && others == 0 {
            return Braces::Set;
        }
        if items.iter().any(|i| matches!(i, Item::Service(..))) {
            return Braces::Scope;
        }
        let entries = items.iter().filter_map(|i| match i {
            Item::Entry(Key::Name(key) | Key::Text(key), value) => Some((&*key.text, value)),
            _ => None,
        });
        let mut placed = false;
        for (key, value) in entries {
            let literal =
                matches!(value.kind, ast::ExprKind::Literal(_) | ast::ExprKind::Text(_) | ast::ExprKind::List(_));
            match key {
                "tenant" => {}
                _ if literal => return Braces::Record,
                "identity" => placed = true,
                _ if self.library.has_service(key) => placed = true,
                _ => return Braces::Record,
            }
        }
        let other = items.iter().any(|i| matches!(i, Item::Element(_) | Item::Entry(Key::Computed(_), _)));
        if placed && !other { Braces::Scope } else { Braces::Record }
    }

    fn record(&mut self, items: &[Item], span: Span, wanted: Option<&Type>) -> Typed {
        let wanted = wanted.map(Type::present);
        let wanted_of = |key: &str| match wanted {
            Some(Type::Record(fields)) => fields.get(key),
            Some(Type::Map(of)) => Some(&**of),
            _ => None,
        };
        let mut fields: IndexMap<Name, Type> = IndexMap::new();
        let mut at: IndexMap<Name, Span> = IndexMap::new();
        // Keys that are known only later make it a map.
        let mut computed: Option<Vec<Typed>> = None;
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Item::Entry(Key::Name(key) | Key::Text(key), value) => {
                    let mut typed = self.part(value, wanted_of(&key.text));
                    if let Some(of) = wanted_of(&key.text)
                        && typed.ty().fits(of)
                    {
                        typed = super::annotations::converted(typed, of);
                    }
                    if *typed.ty() == Type::Nothing {
                        self.gives_nothing(typed.span());
                        typed.expr.ty = Type::Error;
                    }
                    if let Some(first) = at.insert(key.text.clone(), key.span) {
                        self.report(
                            Diagnostic::new(&codes::KEY_TWICE, key.span, format!("`{}` is given twice", key.text))
                                .other(first, "first here"),
                        );
                    }
                    fields.insert(key.text.clone(), typed.expr.ty.clone());
                    out.push(RecordItem::Member(key.text.clone(), typed.expr));
                }
                Item::Entry(Key::Computed(key), value) => {
                    let key = self.expect(key, &Type::String, "a key");
                    let value = self.part(value, None);
                    computed.get_or_insert_default().push(value.clone());
                    out.push(RecordItem::Computed(key.expr, value.expr));
                }
                Item::Spread(e) => {
                    let typed = self.part(e, wanted);
                    match typed.ty() {
                        Type::Record(more) => fields.extend(more.iter().map(|(k, t)| (k.clone(), t.clone()))),
                        Type::Map(of) => {
                            let of = Typed {
                                expr: Expr { ty: (**of).clone(), ..typed.expr.clone() },
                                known: Known::Nothing,
                            };
                            computed.get_or_insert_default().push(of);
                        }
                        Type::Any => computed.get_or_insert_default().push(typed.clone()),
                        Type::Error => {}
                        other => {
                            let message = format!("`...` takes over the fields of a record, and this is `{other}`");
                            self.error(&codes::MIXED_BRACES, typed.span(), message);
                        }
                    }
                    out.push(RecordItem::Spread(typed.expr));
                }
                Item::Element(e) => {
                    // `{name}` beside entries: what `name: name` says shorter in service descriptions.
                    let mut d =
                        Diagnostic::new(&codes::MIXED_BRACES, e.span, "braces hold either sites, or names with values");
                    if let Some(name) = e.as_name() {
                        d = d.help(format!("a field is written `{0}: {0}`", name.text));
                    }
                    self.report(d);
                    self.part(e, None);
                }
                Item::Service(service, policy) => {
                    self.error(&codes::MIXED_BRACES, service.span, "a block of a service stands in a scope only");
                    self.part(policy, None);
                }
                Item::Broken(_) => self.broken = true,
            }
        }
        let ty = match computed {
            None => Type::Record(Arc::new(fields)),
            Some(mut values) => {
                values.extend(
                    fields
                        .into_values()
                        .map(|ty| Typed { expr: Expr { ty, ..poison(span).expr }, known: Known::Nothing }),
                );
                let first = values[0].ty().clone();
                let of = if values.iter().all(|v| *v.ty() == first) { first } else { Type::Any };
                Type::Map(Arc::new(of))
            }
        };
        if out.is_empty() {
            let kind = ExprKind::Const(Value::Record(Arc::default()));
            return Typed { expr: Expr { kind, ty, span }, known: Known::Nothing };
        }
        let ty = self.bounded(ty, span);
        Typed { expr: Expr { kind: ExprKind::Record(out), ty, span }, known: Known::Nothing }
    }

    /// The braces that follow `scope name`, and those after `@`.
    pub(super) fn scope_literal(&mut self, entries: &ast::Expr) -> (Expr, Arc<super::known::KnownScope>) {
        match &entries.kind {
            ast::ExprKind::Braces(items) => self.scope_items(items, entries.span),
            _ => scopes::nothing(entries.span),
        }
    }
}
