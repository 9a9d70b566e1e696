//! Queries: each clause sees the columns that the clauses before it left.
//!
//! In a clause a name is a column first, then a variable; `site` is the row's site, which every row has until a
//! `group by` takes it away.

use super::annotations::converted;
use super::expressions::poison;
use super::known::{Known, Typed};
use super::{Checker, codes, did_you_mean, listed, name};
use crate::diagnostic::Diagnostic;
use crate::program::{Aggregate, Clause, Expr, ExprKind, Query, Slot};
use crate::span::Span;
use crate::syntax::ast;
use crate::types::{Name, Type};
use indexmap::IndexMap;
use std::sync::Arc;

type Columns = Arc<IndexMap<Name, Type>>;

/// What names mean inside a condition on sites or a clause of a query.
pub(super) enum RowScope {
    /// Labels of the site in this slot.
    Site(Slot),
    /// Columns of the row in this slot; and of a joined row, by its own name.
    Row { slot: Slot, columns: Columns, joined: Option<(Name, Slot, Columns)> },
}

impl RowScope {
    pub fn site(slot: Slot) -> RowScope {
        RowScope::Site(slot)
    }

    pub fn site_slot(&self) -> Option<Slot> {
        match self {
            RowScope::Site(slot) => Some(*slot),
            RowScope::Row { .. } => None,
        }
    }

    /// For "did you mean".
    pub fn names(&self) -> Vec<Name> {
        match self {
            RowScope::Site(_) => Vec::new(),
            RowScope::Row { columns, joined, .. } => {
                columns.keys().cloned().chain(joined.iter().map(|(n, ..)| n.clone())).chain([name("site")]).collect()
            }
        }
    }
}

impl Checker<'_> {
    pub(super) fn row_has(&self, name: &str) -> bool {
        self.rows.iter().any(|r| match r {
            RowScope::Site(_) => false,
            RowScope::Row { columns, joined, .. } => {
                columns.contains_key(name) || joined.as_ref().is_some_and(|(n, ..)| &**n == name)
            }
        })
    }

    /// A name as a column or a label.
    pub(super) fn row_name(&mut self, text: &Arc<str>, span: Span) -> Option<Typed> {
        for i in (0..self.rows.len()).rev() {
            match &self.rows[i] {
                RowScope::Site(slot) => {
                    let slot = *slot;
                    if let Some(typed) = self.label(slot, text, span) {
                        return Some(typed);
                    }
                }
                RowScope::Row { slot, columns, joined } => {
                    let row = |slot: Slot, columns: &Columns| Expr {
                        kind: ExprKind::Slot(slot),
                        ty: super::fields::row_type(columns),
                        span,
                    };
                    if let Some((alias, slot, columns)) = joined
                        && alias == text
                    {
                        return Some(Typed { expr: row(*slot, columns), known: Known::Nothing });
                    }
                    let ty = match columns.get(text) {
                        Some(ty) => ty.clone(),
                        None if &**text == "site" => Type::Site,
                        None => continue,
                    };
                    let kind = ExprKind::Field { of: Box::new(row(*slot, columns)), name: text.clone() };
                    return Some(Typed { expr: Expr { kind, ty, span }, known: Known::Nothing });
                }
            }
        }
        None
    }

    /// `where name == name`: both are the column, though one was meant to be a variable.
    pub(super) fn warn_same_column(&mut self, left: &Typed, right: &Typed, span: Span) {
        let column = |t: &Typed| match &t.expr.kind {
            ExprKind::Field { of, name } => match of.kind {
                ExprKind::Slot(slot) => Some((slot, name.clone())),
                _ => None,
            },
            ExprKind::Label { site, label } => match site.kind {
                ExprKind::Slot(slot) => Some((slot, label.clone())),
                _ => None,
            },
            _ => None,
        };
        let (Some(a), Some(b)) = (column(left), column(right)) else { return };
        if a == b && !self.rows.is_empty() {
            let d = Diagnostic::new(
                &codes::SAME_COLUMN,
                span,
                format!("both sides are the column `{}` of the same row", a.1),
            );
            let d = match self.state.names.find(&a.1) {
                Some(symbol) => {
                    let at = symbol.span;
                    d.other(at, "the column hides this").help("give the variable another name")
                }
                None => d,
            };
            self.report(d);
        }
    }

    pub(super) fn query(&mut self, of: &ast::Expr, clauses: &[ast::Clause], span: Span) -> Typed {
        let typed = self.part(of, None);
        if matches!(typed.ty(), Type::Site | Type::Sites) {
            return self.site_query(typed, clauses, span);
        }
        let Some(columns) = self.columns_of(typed.ty()) else {
            if !typed.is_error() {
                let message = format!("a query is asked of a table, and this is `{}`", typed.ty());
                let mut d = Diagnostic::new(&codes::NOT_A_TABLE, typed.span(), message);
                if matches!(typed.ty(), Type::Choice | Type::Placement) {
                    d = d.help("sites are chosen from a set, not from a placement");
                }
                self.report(d);
            }
            return poison(span);
        };
        if clauses.len() > super::MOST_LINKS {
            return self.too_long(span);
        }
        let row = self.slot();
        let mut state = Asked { row, columns, ty: typed.expr.ty.clone(), out: Vec::new(), failed: false };
        let mut i = 0;
        while i < clauses.len() {
            i += self.clause(&mut state, &clauses[i], clauses.get(i + 1));
        }
        if state.failed {
            return poison(span);
        }
        state.ty = self.bounded(state.ty, span);
        let keeps_places = matches!(state.ty, Type::Replicated(_) | Type::Table(_));
        let known = match typed.known {
            Known::At(sites) if keeps_places => Known::At(sites),
            _ => Known::Nothing,
        };
        let query = Query { of: typed.expr, row, clauses: state.out };
        Typed { expr: Expr { kind: ExprKind::Query(Arc::new(query)), ty: state.ty, span }, known }
    }

    /// A set of sites knows `where` only.
    fn site_query(&mut self, mut typed: Typed, clauses: &[ast::Clause], span: Span) -> Typed {
        if clauses.len() > super::MOST_LINKS {
            return self.too_long(span);
        }
        for clause in clauses {
            match clause {
                ast::Clause::Where(cond) => {
                    let of = converted(typed, &Type::Sites);
                    typed = self.filter_sites(of, cond, span);
                }
                _ => {
                    self.report(
                        Diagnostic::new(&codes::NOT_A_TABLE, span, "a set of sites is asked by `where` only")
                            .help("a table comes from an operation, such as `server.list() @ ...`"),
                    );
                    return poison(span);
                }
            }
        }
        typed
    }

    /// Checks one clause, and says how many it took: a `select` belongs to the `group by` before it.
    fn clause(&mut self, q: &mut Asked, clause: &ast::Clause, next: Option<&ast::Clause>) -> usize {
        match clause {
            ast::Clause::Where(cond) => {
                let cond = self.in_row(q, |c| {
                    let typed = c.part(cond, None);
                    // A column that may be null is not true where it is null.
                    match typed.ty() {
                        Type::Optional(of) if **of == Type::Bool => typed,
                        _ => c.coerce(typed, &Type::Bool, "a condition"),
                    }
                });
                q.out.push(Clause::Where(cond.expr));
            }
            ast::Clause::Limit(n) => {
                let n = self.expect(n, &Type::Int, "`limit`");
                if matches!(n.known, Known::Int(n) if n < 0) {
                    self.error(&codes::BAD_COUNT, n.span(), "a number of rows is not negative");
                }
                q.out.push(Clause::Limit(n.expr));
            }
            ast::Clause::OrderBy(keys) => {
                let keys = keys
                    .iter()
                    .map(|key| {
                        let typed = self.in_row(q, |c| c.part(&key.value, None));
                        let many = matches!(
                            typed.ty().present(),
                            Type::List(_) | Type::Record(_) | Type::Map(_) | Type::Table(_) | Type::Replicated(_)
                        );
                        let without_order = matches!(
                            typed.ty().present(),
                            Type::Secret | Type::Scope | Type::Placement | Type::Choice | Type::Sites
                        );
                        if many || without_order {
                            let message = format!("rows are not ordered by {}", super::a(typed.ty()));
                            self.error(&codes::NO_SUCH_OPERATION, typed.span(), message);
                        }
                        (typed.expr, key.descending)
                    })
                    .collect();
                q.out.push(Clause::OrderBy(keys));
            }
            ast::Clause::Join { table, name, on } => self.join(q, table, name.as_ref(), on),
            ast::Clause::GroupBy(keys) => {
                let keys: Vec<(Name, Typed)> = keys
                    .iter()
                    .map(|key| {
                        let typed = self.in_row(q, |c| c.part(key, None));
                        (column_name(key).unwrap_or_else(|| name("key")), typed)
                    })
                    .collect();
                if let Some(ast::Clause::Select(columns)) = next {
                    self.group(q, keys, Some(columns));
                    return 2;
                }
                self.group(q, keys, None);
            }
            ast::Clause::Select(columns) => {
                if columns.iter().any(|c| aggregate_of(&c.value).is_some()) {
                    self.group(q, Vec::new(), Some(columns));
                } else {
                    self.select(q, columns);
                }
            }
        }
        1
    }

    fn in_row<T>(&mut self, q: &Asked, inside: impl FnOnce(&mut Self) -> T) -> T {
        self.rows.push(RowScope::Row { slot: q.row, columns: q.columns.clone(), joined: None });
        let result = inside(self);
        self.rows.pop();
        result
    }

    fn select(&mut self, q: &mut Asked, columns: &[ast::Column]) {
        let mut chosen: IndexMap<Name, Type> = IndexMap::new();
        let mut out = Vec::new();
        for column in columns {
            let typed = self.in_row(q, |c| c.part(&column.value, None));
            if *typed.ty() == Type::Secret {
                self.error(&codes::SECRET_SHOWN, typed.span(), "a secret cannot be a column");
            }
            let name = self.name_of_column(column, column_name(&column.value));
            // The row's site stays with it, whether it is named or not.
            if &*name == "site" && *typed.ty() == Type::Site {
                continue;
            }
            self.add_column(&mut chosen, name.clone(), typed.expr.ty.clone(), column);
            out.push((name, typed.expr));
        }
        q.out.push(Clause::Select(out));
        q.columns = Arc::new(chosen);
        q.ty = Type::Table(q.columns.clone());
    }

    fn name_of_column(&mut self, column: &ast::Column, own: Option<Name>) -> Name {
        if let Some(name) = column.name.as_ref().map(|n| n.text.clone()).or(own) {
            return name;
        }
        self.report(
            Diagnostic::new(&codes::COLUMN_UNNAMED, column.value.span, "this column has no name")
                .help("name it: `... as name`"),
        );
        name("column")
    }

    fn add_column(&mut self, columns: &mut IndexMap<Name, Type>, name: Name, ty: Type, column: &ast::Column) {
        if columns.insert(name.clone(), ty).is_some() {
            let span = column.name.as_ref().map_or(column.value.span, |n| n.span);
            self.report(
                Diagnostic::new(&codes::COLUMN_TWICE, span, format!("there are two columns `{name}`"))
                    .help("name one of them otherwise: `... as other`"),
            );
        }
    }

    fn group(&mut self, q: &mut Asked, keys: Vec<(Name, Typed)>, columns: Option<&Vec<ast::Column>>) {
        let mut chosen: IndexMap<Name, Type> = IndexMap::new();
        let mut select = Vec::new();
        let Some(columns) = columns else {
            for (i, (name, key)) in keys.iter().enumerate() {
                if !(&**name == "site" && *key.ty() == Type::Site) {
                    chosen.insert(name.clone(), key.expr.ty.clone());
                }
                select.push((name.clone(), Aggregate::Key(i)));
            }
            self.grouped(q, keys, select, chosen);
            return;
        };
        for column in columns {
            let (own, ty, aggregate) = match aggregate_of(&column.value) {
                Some((function, args)) => {
                    let (ty, aggregate) = self.aggregate(q, function, args, column.value.span);
                    (Some(name(function)), ty, aggregate)
                }
                None => {
                    let own = column_name(&column.value);
                    match own.as_ref().and_then(|n| keys.iter().position(|(k, _)| k == n)) {
                        Some(i) => (own, keys[i].1.expr.ty.clone(), Aggregate::Key(i)),
                        None => {
                            let of = own.as_ref().map_or("this".to_string(), |n| format!("`{n}`"));
                            let mut d = Diagnostic::new(
                                &codes::NOT_IN_GROUP,
                                column.value.span,
                                format!("{of} differs within a group: a column is a key of the group or an aggregate"),
                            );
                            d = match &own {
                                Some(n) if self.in_row(q, |c| c.row_has(n)) => {
                                    d.help(format!("group by `{n}` too, or take `min({n})`, `max({n})`"))
                                }
                                _ => d.help("aggregates are `count()`, `sum(x)`, `min(x)`, `max(x)`, `avg(x)`, each a column of its own"),
                            };
                            self.report(d);
                            q.failed = true;
                            continue;
                        }
                    }
                }
            };
            let name = self.name_of_column(column, own);
            if !(&*name == "site" && ty == Type::Site) {
                self.add_column(&mut chosen, name.clone(), ty, column);
            }
            select.push((name, aggregate));
        }
        self.grouped(q, keys, select, chosen);
    }

    fn grouped(
        &mut self,
        q: &mut Asked,
        keys: Vec<(Name, Typed)>,
        select: Vec<(Name, Aggregate)>,
        columns: IndexMap<Name, Type>,
    ) {
        let keys = keys.into_iter().map(|(n, t)| (n, t.expr)).collect();
        q.out.push(Clause::GroupBy { keys, select });
        q.columns = Arc::new(columns);
        q.ty = Type::Table(q.columns.clone());
    }

    fn aggregate(&mut self, q: &Asked, function: &str, args: &[ast::Arg], span: Span) -> (Type, Aggregate) {
        if function == "count" {
            if let Some(ast::Arg::Positional(e) | ast::Arg::Named(_, e)) = args.first() {
                self.error(
                    &codes::TOO_MANY_ARGUMENTS,
                    e.span,
                    "`count()` counts the rows of a group, and takes nothing",
                );
            }
            return (Type::Int, Aggregate::Count);
        }
        let [ast::Arg::Positional(value)] = args else {
            self.error(&codes::MISSING_ARGUMENT, span, format!("`{function}` takes one column"));
            return (Type::Error, Aggregate::Count);
        };
        let typed = self.in_row(q, |c| c.part(value, None));
        let present = typed.ty().present().clone();
        let number =
            matches!(present, Type::Int | Type::Float | Type::Bytes | Type::Duration | Type::Any | Type::Error);
        let ordered = number || matches!(present, Type::String | Type::Percent);
        let fine = if matches!(function, "sum" | "avg") { number } else { ordered };
        if !fine {
            let message = format!("`{function}` is not for a column of `{}`", typed.ty());
            self.error(&codes::NO_SUCH_OPERATION, typed.span(), message);
        }
        let ty = match function {
            "avg" if matches!(present, Type::Int) => Type::Float,
            _ => present,
        };
        let e = typed.expr;
        match function {
            "sum" => (ty, Aggregate::Sum(e)),
            "min" => (Type::optional(ty), Aggregate::Min(e)),
            "max" => (Type::optional(ty), Aggregate::Max(e)),
            _ => (Type::optional(ty), Aggregate::Average(e)),
        }
    }

    fn join(&mut self, q: &mut Asked, table: &ast::Expr, alias: Option<&ast::Name>, on: &ast::Expr) {
        let table = self.part(table, None);
        let Some(columns) = self.columns_of(table.ty()) else {
            if !table.is_error() {
                let message = format!("`join` takes a table, and this is `{}`", table.ty());
                self.error(&codes::NOT_A_TABLE, table.span(), message);
            }
            q.failed = true;
            return;
        };
        let own = match table.ty() {
            Type::Replicated(resource) => Some(resource.clone()),
            _ => None,
        };
        let Some(alias) = alias.map(|n| n.text.clone()).or(own) else {
            self.report(
                Diagnostic::new(&codes::COLUMN_UNNAMED, table.span(), "the joined rows have no name")
                    .help("name them: `join (...) as other on ...`"),
            );
            q.failed = true;
            return;
        };
        if q.columns.contains_key(&alias) {
            self.report(
                Diagnostic::new(&codes::COLUMN_TWICE, table.span(), format!("there is a column `{alias}` already"))
                    .help("name the joined rows otherwise: `join (...) as other on ...`"),
            );
        }
        let row = self.slot();
        self.rows.push(RowScope::Row {
            slot: q.row,
            columns: q.columns.clone(),
            joined: Some((alias.clone(), row, columns.clone())),
        });
        let on = self.condition(on);
        self.rows.pop();
        q.out.push(Clause::Join { table: table.expr, name: alias.clone(), row, on: on.expr });
        let mut all = (*q.columns).clone();
        all.insert(alias, super::fields::row_type(&columns));
        q.columns = Arc::new(all);
        q.ty = Type::Table(q.columns.clone());
    }

    /// For a name that no column has, inside a query.
    pub(super) fn unknown_column(&mut self, text: &str, span: Span) -> Option<Diagnostic> {
        match self.rows.last()? {
            RowScope::Site(_) => {
                let d = Diagnostic::new(&codes::NO_SUCH_LABEL, span, format!("no site has a label `{text}`"));
                let labels = self.places.labels(&self.state.inventory);
                Some(did_you_mean(d, text, labels.keys().map(|l| &**l).chain(["name", "kind"])))
            }
            RowScope::Row { columns, .. } => {
                let d = Diagnostic::new(
                    &codes::UNKNOWN_COLUMN,
                    span,
                    format!("there is no column `{text}`, and nothing else of that name"),
                );
                let names = self.rows.last()?.names();
                let near = did_you_mean(d.clone(), text, names.iter().map(|n| &**n));
                Some(if near == d { d.help(format!("there are {}", listed(columns.keys(), 12))) } else { near })
            }
        }
    }
}

struct Asked {
    row: Slot,
    columns: Columns,
    ty: Type,
    out: Vec<Clause>,
    failed: bool,
}

/// What a column is called when `as` does not say: a name, or the last field of a path.
fn column_name(e: &ast::Expr) -> Option<Name> {
    match &e.kind {
        ast::ExprKind::Name(name) => Some(name.clone()),
        ast::ExprKind::Paren(inner) => column_name(inner),
        ast::ExprKind::Path { suffixes, .. } => match suffixes.last()? {
            ast::Suffix::Field(name) => Some(name.text.clone()),
            ast::Suffix::Key(key) => key.as_text().map(name),
            _ => None,
        },
        _ => None,
    }
}

pub(super) const AGGREGATES: [&str; 5] = ["count", "sum", "min", "max", "avg"];

fn aggregate_of(e: &ast::Expr) -> Option<(&'static str, &[ast::Arg])> {
    let ast::ExprKind::Path { head, suffixes } = &e.kind else { return None };
    let (ast::ExprKind::Name(function), [ast::Suffix::Call(args)]) = (&head.kind, &suffixes[..]) else { return None };
    let function = AGGREGATES.iter().find(|a| **a == &**function)?;
    // `count(x)` of a list in a column is the builtin function.
    (*function != "count" || args.is_empty()).then_some((*function, args))
}
