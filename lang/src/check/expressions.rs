//! Expressions: literals, names, text, lists, and the paths that lead to fields, functions and operations.

use super::known::{Known, Typed};
use super::names::SymbolKind;
use super::{Checker, Usage, annotations, codes, did_you_mean};
use crate::diagnostic::{Diagnostic, nearest};
use crate::eval::Value;
use crate::program::{Expr, ExprKind, Piece};
use crate::span::Span;
use crate::syntax::ast::{self, Literal};
use crate::syntax::foreign;
use crate::types::{Name, Type};
use std::sync::Arc;
use std::time::Duration;

impl Checker<'_> {
    /// Checks an expression. `wanted` helps where its form alone leaves open what it is (`{}`); it is not enforced.
    pub(super) fn expr(&mut self, e: &ast::Expr, wanted: Option<&Type>) -> Typed {
        let span = e.span;
        match &e.kind {
            ast::ExprKind::Name(name) => self.name_or_text(name, wanted, span),
            ast::ExprKind::Literal(literal) => constant(*literal, span),
            ast::ExprKind::Text(parts) => self.text(parts, span),
            ast::ExprKind::Paren(inner) => {
                let mut typed = self.expr(inner, wanted);
                typed.expr.span = span;
                typed
            }
            ast::ExprKind::List(items) => self.list(items, span, wanted),
            ast::ExprKind::Braces(items) => self.braces(items, span, wanted),
            ast::ExprKind::Compose(inner) => {
                self.report(
                    Diagnostic::new(&codes::COMPOSE_HERE, span, "a site is composed where it is declared")
                        .help("write `site Mix = compose { ... }` at the top of the file, and use `Mix` here"),
                );
                if let ast::ExprKind::Braces(items) = &inner.kind {
                    for item in items {
                        if let ast::Item::Entry(_, value) = item {
                            self.expr(value, None);
                        }
                    }
                }
                poison(span)
            }
            ast::ExprKind::Path { head, suffixes } => self.path(head, suffixes, span, &[]),
            ast::ExprKind::Minus { times, of } => self.minus(*times, of, span),
            ast::ExprKind::Not { times, of } => self.not(*times, of, span),
            ast::ExprKind::Chain { first, rest } => self.chain(first, rest, span, wanted),
            ast::ExprKind::Count { form, k, of } => self.count_form(*form, k.as_deref(), of, span),
            ast::ExprKind::Offers(service) => self.offers(service, span),
            ast::ExprKind::Placed { of, tails } => self.placed(of, tails, span),
            ast::ExprKind::Query { of, clauses } => self.query(of, clauses, span),
            ast::ExprKind::Broken => {
                self.broken = true;
                poison(span)
            }
        }
    }

    /// An expression that has to be a `wanted`. `what` begins the message.
    pub(super) fn expect(&mut self, e: &ast::Expr, wanted: &Type, what: &str) -> Typed {
        let typed = self.used_as(Usage::Value, |c| c.expr(e, Some(wanted)));
        self.coerce(typed, wanted, what)
    }

    /// A part of an expression: its value is needed.
    pub(super) fn part(&mut self, e: &ast::Expr, wanted: Option<&Type>) -> Typed {
        self.used_as(Usage::Value, |c| c.expr(e, wanted))
    }

    fn name(&mut self, name: &Arc<str>, span: Span) -> Typed {
        match self.named_value(name, span) {
            Some(typed) => typed,
            None => {
                self.unknown_name(name, span);
                poison(span)
            }
        }
    }

    /// What a name stands for: a column, a label, a variable, a site, a group, `sites`, `here`.
    pub(super) fn named_value(&mut self, name: &Arc<str>, span: Span) -> Option<Typed> {
        if let Some(typed) = self.row_name(name, span) {
            return Some(typed);
        }
        if let Some(symbol) = self.state.names.find(name) {
            let level = symbol.level;
            match &symbol.kind {
                SymbolKind::Variable { slot, ty, known, .. } => {
                    let (slot, ty, known, declared) = (*slot, ty.clone(), known.clone(), symbol.span);
                    self.state.names.mark_used(name);
                    let kind = match level {
                        level if level == self.functions.len() => ExprKind::Slot(slot),
                        0 => ExprKind::Global(slot),
                        _ => {
                            self.report(
                                Diagnostic::new(
                                    &codes::CAPTURED,
                                    span,
                                    format!("`{name}` belongs to the function around this one"),
                                )
                                .other(declared, "declared here")
                                .help("give the inner function a parameter for it"),
                            );
                            return Some(poison(span));
                        }
                    };
                    return Some(Typed { expr: Expr { kind, ty, span }, known });
                }
                SymbolKind::Function(_) => {
                    self.report(
                        Diagnostic::new(&codes::NOT_A_VALUE, span, format!("`{name}` is a function"))
                            .help(format!("a call is written `{name}(...)`")),
                    );
                    return Some(poison(span));
                }
            }
        }
        if let Some(id) = self.state.inventory.id(name) {
            self.state.named_sites.insert(id);
            let kind = ExprKind::Const(Value::Site(id));
            return Some(Typed { expr: Expr { kind, ty: Type::Site, span }, known: Known::Site(id) });
        }
        if let Some(set) = self.state.inventory.groups.get(name) {
            let set = Arc::new(set.clone());
            let kind = ExprKind::Const(Value::Sites((*set).clone()));
            return Some(Typed { expr: Expr { kind, ty: Type::Sites, span }, known: Known::Sites(set) });
        }
        match &**name {
            "sites" => {
                let set = self.places.plain(&self.state.inventory);
                let kind = ExprKind::Const(Value::Sites((*set).clone()));
                Some(Typed { expr: Expr { kind, ty: Type::Sites, span }, known: Known::Sites(set) })
            }
            "here" => Some(self.here(span)),
            _ => None,
        }
    }

    fn here(&mut self, span: Span) -> Typed {
        match &mut self.here {
            Some(used) => {
                *used = true;
                Typed { expr: Expr { kind: ExprKind::Here, ty: Type::Site, span }, known: Known::Nothing }
            }
            None => {
                self.report(
                    Diagnostic::new(
                        &codes::HERE_OUTSIDE,
                        span,
                        "`here` is the site of an operation, and this is none's argument",
                    )
                    .help("in a loop the site is the loop's variable: `for s in west { ... }`"),
                );
                poison(span)
            }
        }
    }

    fn unknown_name(&mut self, name: &str, span: Span) {
        if let Some(mut d) = self.unknown_column(name, span) {
            if d.help.is_empty()
                && let Some(near) = self.near_name(name)
            {
                d = d.help(format!("did you mean `{near}`?"));
            }
            self.report(d);
            return;
        }
        let mut d = Diagnostic::new(&codes::UNKNOWN_NAME, span, format!("there is nothing called `{name}`"));
        let halves = name.match_indices('-').map(|(i, _)| (&name[..i], &name[i + 1..]));
        let known = |c: &Self, n: &str| {
            c.state.names.find(n).is_some()
                || c.state.inventory.id(n).is_some()
                || c.state.inventory.groups.contains_key(n)
                || n == "sites"
        };
        if let Some((a, b)) = halves.clone().find(|(a, b)| known(self, a) && known(self, b)) {
            d = d.help(format!("`-` joins words into one name: a difference is written with spaces, `{a} - {b}`"));
        } else if self.library.any_resource(name).is_some() {
            d = Diagnostic::new(&codes::NOT_A_VALUE, span, format!("`{name}` is a kind of resource"))
                .help(format!("its operations are `{name}.list()`, `{name}.create(...)` and so on"));
        } else if super::builtins::find(name).is_some() {
            d = Diagnostic::new(&codes::NOT_A_VALUE, span, format!("`{name}` is a function"))
                .help(format!("a call is written `{name}(...)`"));
        } else if let Some(near) = self.near_name(name) {
            d = d.help(format!("did you mean `{near}`?"));
            let numbered =
                near.strip_prefix(name).is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()));
            if numbered && self.state.inventory.id(&near).is_some() {
                d = d.help(format!("several sites by their names: `sites[\"{name}[1-3]\"]`"));
            }
        } else if let Some(resource) = self.near_resource(name) {
            d = d.help(format!("did you mean the resource `{resource}`?"));
        } else if let Some(said) = foreign::value(name) {
            d = d.help(said);
        } else if self.state.inventory.is_empty() && name.chars().next().is_some_and(char::is_uppercase) {
            d = d.help("no site is known: `edge init` writes edge.yaml, and a script may declare `site ...` itself");
        }
        self.report(d);
    }

    /// A name; where a text is wanted and nothing is called so, quotes may have been forgotten. Not in `expr`, of which each
    /// bracket that is open needs a frame.
    fn name_or_text(&mut self, name: &Name, wanted: Option<&Type>, span: Span) -> Typed {
        let before = self.diagnostics.len();
        let typed = self.name(name, span);
        let text = |ty: &Type| matches!(ty.present(), Type::String | Type::Handle(_));
        if wanted.is_some_and(text)
            && let Some(said) = self.diagnostics.get_mut(before).filter(|d| d.code == &codes::UNKNOWN_NAME)
            && said.help.is_empty()
        {
            said.help.push(format!("a text is written in quotes: `\"{name}\"`"));
        }
        typed
    }

    /// What was said of an unknown name before it was seen what follows it.
    fn unknown_head(&mut self, before: usize, suffixes: &[ast::Suffix]) {
        let Some(said) = self.diagnostics.get_mut(before).filter(|d| d.code == &codes::UNKNOWN_NAME) else { return };
        if said.help.is_empty() && matches!(suffixes, [ast::Suffix::Field(_), ast::Suffix::Call(_), ..]) {
            let help =
                "`edge doc` lists the resources; those of another application are described by `service ... { }`";
            said.help.push(help.into());
        }
    }

    /// A resource by another tool's name for it, or by its own written otherwise: `deployments`, `securityGroup`.
    fn near_resource(&self, name: &str) -> Option<Name> {
        if let Some(found) = foreign::resource(name).and_then(|r| self.library.any_resource(r)) {
            return Some(found.name.clone());
        }
        let plain = |text: &str| text.replace(['-', '_'], "").to_lowercase();
        let wanted = plain(name);
        let singular = [wanted.strip_suffix("es"), wanted.strip_suffix('s'), Some(&*wanted)];
        self.library.resource_names().find(|r| singular.contains(&Some(&*plain(r)))).cloned()
    }

    fn near_name(&self, name: &str) -> Option<String> {
        // A text with so many mistakes is no text with a slip.
        if self.diagnostics.len() > 500 {
            return None;
        }
        let rows: Vec<_> = self.rows.iter().rev().flat_map(|r| r.names()).collect();
        let near = nearest(name, rows.iter().map(|n| &**n));
        // Of many thousand sites the nearest name says little, and takes long to find.
        let sites = self.state.inventory.iter().take(5000).map(|(_, s)| &*s.name);
        let groups = self.state.inventory.groups.keys().map(|n| &**n);
        let variables = self.state.names.latest(5000);
        near.or_else(|| nearest(name, variables.chain(sites).chain(groups).chain(["sites", "here"])))
            .map(str::to_string)
    }

    fn text(&mut self, parts: &[ast::Part], span: Span) -> Typed {
        let mut pieces = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                ast::Part::Text(text) => pieces.push(Piece::Text(Arc::from(&**text))),
                ast::Part::Expr(e) => {
                    let typed = self.part(e, None);
                    match typed.ty() {
                        Type::Secret => self.report(
                            Diagnostic::new(&codes::SECRET_SHOWN, typed.span(), "a secret cannot be part of a text")
                                .help("give it to a parameter of type `Secret` as it is"),
                        ),
                        Type::Nothing => self.gives_nothing(typed.span()),
                        _ => {}
                    }
                    pieces.push(Piece::Value(typed.expr));
                }
            }
        }
        if let [Piece::Text(text)] = &pieces[..] {
            let text = text.clone();
            let kind = ExprKind::Const(Value::String(text.clone()));
            return Typed { expr: Expr { kind, ty: Type::String, span }, known: Known::Text(text) };
        }
        Typed { expr: Expr { kind: ExprKind::Text(pieces), ty: Type::String, span }, known: Known::Nothing }
    }

    fn list(&mut self, items: &[ast::Expr], span: Span, wanted: Option<&Type>) -> Typed {
        let wanted = match wanted.map(Type::present) {
            Some(Type::List(of)) => Some(&**of),
            _ => None,
        };
        let mut typed: Vec<Typed> = items.iter().map(|e| self.part(e, wanted)).collect();
        let of = match wanted {
            // Each item is judged by itself, where it stands.
            Some(wanted) if typed.iter().all(|t| t.ty().fits(wanted)) => wanted.clone(),
            _ => self.common(&typed, "items of a list"),
        };
        typed = typed.into_iter().map(|t| annotations::converted(t, &of)).collect();
        let kind = ExprKind::List(typed.into_iter().map(|t| t.expr).collect());
        let ty = self.bounded(Type::list(of), span);
        Typed { expr: Expr { kind, ty, span }, known: Known::Nothing }
    }

    /// The one type of several values: that of the first that all others fit, or that fits them all.
    pub(super) fn common(&mut self, all: &[Typed], what: &str) -> Type {
        let mut common: Option<Type> = None;
        for typed in all {
            let ty = typed.ty();
            common = Some(match common {
                None => ty.clone(),
                Some(c) if ty.fits(&c) && c != Type::Error => c,
                Some(c) if c.fits(ty) => ty.clone(),
                Some(Type::Null) => Type::optional(ty.clone()),
                Some(c) if *ty == Type::Null => Type::optional(c),
                // A percentage beside numbers: waves.
                Some(Type::Int) if *ty == Type::Percent => Type::Any,
                Some(Type::Percent) if *ty == Type::Int => Type::Any,
                Some(c) => {
                    let message = format!("{what} have one type, but this is `{ty}` after `{c}`");
                    self.error(&codes::MIXED_TYPES, typed.span(), message);
                    Type::Error
                }
            });
        }
        common.unwrap_or(Type::Error)
    }

    /// `head.field(args)[index]...`, with the `@`, `with` and `if any` that follow it.
    pub(super) fn path(
        &mut self,
        head: &ast::Expr,
        suffixes: &[ast::Suffix],
        span: Span,
        tails: &[ast::Tail],
    ) -> Typed {
        if suffixes.len() > super::MOST_LINKS {
            return self.too_long(span);
        }
        let (mut typed, used) = match self.called(head, suffixes, span, tails) {
            Some(found) => found,
            None => {
                let before = self.diagnostics.len();
                let typed = self.part(head, None);
                self.unknown_head(before, suffixes);
                match typed.is_error() {
                    true => self.tails_alone(tails),
                    false if !tails.is_empty() => self.nothing_to_place(tails),
                    false => {}
                }
                (typed, 0)
            }
        };
        let mut rest = suffixes[used..].iter().peekable();
        if used > 0 && rest.peek().is_some() && !tails.is_empty() {
            self.report(
                Diagnostic::new(&codes::NOTHING_TO_PLACE, span, "`@` belongs to the operation, not to what it gives")
                    .help("put the operation in parentheses: `(server.create(...) @ Zone1).id`"),
            );
        }
        while let Some(suffix) = rest.next() {
            typed = match suffix {
                ast::Suffix::Field(name) => match rest.peek() {
                    Some(ast::Suffix::Call(args)) => {
                        rest.next();
                        self.method(typed, name, args, span)
                    }
                    _ => self.field(typed, &name.text, name.span),
                },
                ast::Suffix::Key(key) => match key.as_text() {
                    Some(text) => self.field(typed, &Arc::from(text), key.span),
                    None => {
                        let key = self.part(key, None);
                        self.index_value(typed, key, span)
                    }
                },
                ast::Suffix::Index(index) => self.index(typed, index, span),
                ast::Suffix::Call(args) => {
                    if !typed.is_error() {
                        let message = format!("this is no function but `{}`", typed.ty());
                        self.error(&codes::NOT_A_FUNCTION, typed.span(), message);
                    }
                    self.arguments_alone(args);
                    poison(span)
                }
            };
        }
        typed
    }

    /// The beginning of a path that is a call: of a function, of a builtin one, of an operation. Says how many suffixes
    /// it took.
    fn called(
        &mut self,
        head: &ast::Expr,
        suffixes: &[ast::Suffix],
        span: Span,
        tails: &[ast::Tail],
    ) -> Option<(Typed, usize)> {
        let ast::ExprKind::Name(first) = &head.kind else { return None };
        match suffixes {
            [ast::Suffix::Call(args), rest @ ..] => {
                let span = if rest.is_empty() { span } else { head.span };
                // What does not end the path is a value.
                let usage = if rest.is_empty() { self.usage } else { Usage::Value };
                let name = ast::Name { text: first.clone(), span: head.span };
                Some((self.used_as(usage, |c| c.call(&name, args, span, tails)), 1))
            }
            [ast::Suffix::Field(operation), ast::Suffix::Call(args), rest @ ..] => {
                let resource = self.library.any_resource(first)?;
                let hidden = self.row_has(first)
                    || self.state.names.find(first).is_some()
                    || self.state.inventory.id(first).is_some();
                // A variable of that name (`let image = image.ensure(...)`) has no operations, so there is no doubt.
                if hidden && super::operations::operation_of(resource, &operation.text).is_none() {
                    return None;
                }
                let usage = if rest.is_empty() { self.usage } else { Usage::Value };
                let resource_name = ast::Name { text: first.clone(), span: head.span };
                let span = if rest.is_empty() { span } else { head.span.to(operation.span) };
                let tails = if rest.is_empty() { tails } else { &[] };
                Some((self.used_as(usage, |c| c.operation(&resource_name, operation, args, span, tails)), 2))
            }
            _ => None,
        }
    }

    /// `f(args)`.
    fn call(&mut self, name: &ast::Name, args: &[ast::Arg], span: Span, tails: &[ast::Tail]) -> Typed {
        if let Some(symbol) = self.state.names.find(&name.text)
            && let SymbolKind::Function(id) = symbol.kind
        {
            self.state.names.mark_used(&name.text);
            return self.placed_call(id, args, span, tails);
        }
        if self.state.names.find(&name.text).is_none() {
            if &*name.text == "copy" {
                return self.copy(name, args, span, tails);
            }
            if let Some(builtin) = super::builtins::find(&name.text) {
                if !tails.is_empty() {
                    self.nothing_to_place(tails);
                }
                return self.builtin(builtin, name, args, span);
            }
            if let Some(resource) = self.resource_of_operation(&name.text) {
                let resource = ast::Name { text: resource, span: name.span };
                return self.operation(&resource, name, args, span, tails);
            }
        }
        self.not_a_function(name);
        self.arguments_alone(args);
        self.tails_alone(tails);
        poison(span)
    }

    fn not_a_function(&mut self, name: &ast::Name) {
        let text = &name.text;
        let values =
            self.row_has(text) || self.state.names.find(text).is_some() || self.state.inventory.id(text).is_some();
        if values {
            self.state.names.mark_used(text);
            self.error(&codes::NOT_A_FUNCTION, name.span, format!("`{text}` is no function"));
            return;
        }
        let d = Diagnostic::new(&codes::UNKNOWN_FUNCTION, name.span, format!("there is no function `{text}`"));
        if let Some(resource) = self.library.any_resource(text) {
            let op = if resource.ops.contains_key("create") { "create" } else { "list" };
            self.report(
                d.help(format!("`{text}` is a kind of resource, and its operations are `{text}.{op}(...)` and so on")),
            );
            return;
        }
        let functions = self.state.names.iter().filter(|s| matches!(s.kind, SymbolKind::Function(_))).map(|s| &*s.name);
        let mut all: Vec<&str> = functions.collect();
        for builtin in super::builtins::names() {
            all.push(builtin);
        }
        let d = match foreign::function(text) {
            Some(said) if !all.contains(&&**text) => d.help(said),
            _ => did_you_mean(d, text, all),
        };
        self.report(d);
    }

    /// The arguments of a call that means nothing: their own mistakes are still reported.
    pub(super) fn arguments_alone(&mut self, args: &[ast::Arg]) {
        let outer = self.here;
        self.here = Some(false);
        for arg in args {
            match arg {
                ast::Arg::Positional(e) | ast::Arg::Named(_, e) => _ = self.part(e, None),
                ast::Arg::Broken(_) => self.broken = true,
            }
        }
        self.here = outer;
    }
}

pub(super) fn poison(span: Span) -> Typed {
    Typed { expr: Expr { kind: ExprKind::Const(Value::Null), ty: Type::Error, span }, known: Known::Nothing }
}

fn constant(literal: Literal, span: Span) -> Typed {
    let (value, ty, known) = match literal {
        Literal::Null => (Value::Null, Type::Null, Known::Nothing),
        Literal::Bool(b) => (Value::Bool(b), Type::Bool, Known::Bool(b)),
        Literal::Int(n) => (Value::Int(n), Type::Int, Known::Int(n)),
        Literal::Float(x) => (Value::Float(x), Type::Float, Known::Nothing),
        Literal::Duration(ms) => (Value::Duration(Duration::from_millis(ms)), Type::Duration, Known::Nothing),
        Literal::Size(bytes) => (Value::Bytes(bytes), Type::Bytes, Known::Nothing),
        Literal::Percent(p) => (Value::Percent(p), Type::Percent, Known::Percent(p)),
    };
    Typed { expr: Expr { kind: ExprKind::Const(value), ty, span }, known }
}
