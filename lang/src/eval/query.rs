//! Queries over tables. `where`, `select`, `order by` and `limit` keep which sites were asked and which did not answer;
//! a row is a handle where it is a whole resource, else a record with its site.

use super::expression::{eval, now, truth, wrong};
use super::machine::{Env, Frame, set, too_large, unknown};
use super::{Failure, Handle, MOST_ITEMS, Row, Table, Unknown, Value, arithmetic, codes, compare, shape};
use crate::model::{SiteId, SiteSet};
use crate::program::{Aggregate, Binary, Clause, Expr, Query, Slot};
use crate::span::Span;
use crate::types::{Name, Type};
use indexmap::{IndexMap, IndexSet};
use std::sync::Arc;

/// What a variable of a loop or of a clause holds.
pub(super) fn row_value(table: &Table, index: usize) -> Value {
    let Some(row) = table.rows.get(index) else { return Value::Null };
    let fields = table.columns.iter().cloned().zip(row.values.iter().cloned());
    match (&table.resource, row.site, &row.id) {
        (Some(resource), Some(site), Some(id)) => {
            // What a pending row does not know is left out: it is asked of the handle by its type.
            let fields = fields.filter(|(_, value)| !row.pending || !matches!(value, Value::Unknown(_)));
            Value::Handle(Arc::new(Handle {
                resource: resource.clone(),
                site,
                id: id.clone(),
                fields: Arc::new(fields.collect()),
                pending: row.pending,
                elsewhere: SiteSet::new(),
            }))
        }
        _ => record(&table.columns, row.site, &row.values),
    }
}

/// The first row that is planned or owed.
pub(super) fn pending(table: &Table) -> Option<Arc<Unknown>> {
    let index = table.rows.iter().position(|row| row.pending)?;
    let what = match row_value(table, index) {
        Value::Handle(handle) => super::field::handle_words(&handle),
        _ => table_words(table),
    };
    Some(Arc::new(Unknown { ty: Type::Any, what }))
}

pub(super) fn table_words(table: &Table) -> String {
    match &table.resource {
        Some(resource) => format!("this {resource}"),
        None => "this table".into(),
    }
}

/// A row on its way through the clauses: what its variables are, and what becomes of it.
struct Line {
    site: Option<SiteId>,
    id: Option<Arc<str>>,
    pending: bool,
    /// The query's own row, then those of `join`.
    bound: Vec<(Slot, Value)>,
    values: Vec<Value>,
}

/// Why a query ends early: a failure, or something that a plan does not know.
enum Stop {
    Failed(Failure),
    Unknown(Arc<Unknown>),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}

pub(super) async fn run(env: &Env<'_>, frame: &Frame, query: &Query, expr: &Expr) -> Result<Value, Failure> {
    match clauses(env, frame, query, expr).await {
        Ok(table) => Ok(Value::Table(Arc::new(table))),
        Err(Stop::Failed(failure)) => Err(failure),
        // Passed on in a run too: it is owed only where it decides something.
        Err(Stop::Unknown(what)) => Ok(unknown(&expr.ty, format!("some of {}", what.what))),
    }
}

async fn clauses(env: &Env<'_>, frame: &Frame, query: &Query, expr: &Expr) -> Result<Table, Stop> {
    let source = match eval(env, frame, &query.of).await? {
        Value::Table(table) => table,
        Value::Unknown(what) => return Err(Stop::Unknown(what)),
        Value::Sites(sites) => Arc::new(sites_table(&sites)),
        Value::List(items) => Arc::new(list_table(&items, query.of.span)?),
        other => return Err(wrong(&other, "a table", query.of.span).into()),
    };
    let mut work = Work { env, frame: frame.clone(), table: (*source).clone(), lines: Vec::new(), other: None };
    work.table.rows = Vec::new();
    work.lines = source
        .rows
        .iter()
        .enumerate()
        .map(|(i, row)| Line {
            site: row.site,
            id: row.id.clone(),
            pending: row.pending,
            bound: vec![(query.row, row_value(&source, i))],
            values: row.values.clone(),
        })
        .collect();
    for clause in &query.clauses {
        match clause {
            Clause::Where(cond) => work.keep(cond).await?,
            Clause::Select(columns) => work.select(columns, query.row).await?,
            Clause::OrderBy(keys) => work.order(keys).await?,
            Clause::GroupBy { keys, select } => work.group(keys, select, query.row).await?,
            Clause::Join { table, name, row, on } => work.join(table, name, *row, on, query.row).await?,
            Clause::Limit(count) => {
                let most = match eval(env, frame, count).await? {
                    Value::Int(n) => usize::try_from(n).map_err(|_| {
                        Failure::new(&codes::BAD_COUNT, count.span, format!("{n} is not a number of rows"))
                    })?,
                    Value::Unknown(what) => return Err(Stop::Unknown(what)),
                    other => return Err(wrong(&other, "an integer", count.span).into()),
                };
                work.lines.truncate(most);
            }
        }
        env.work(work.lines.len() as u64, expr.span)?;
    }
    let rows = work.lines.into_iter().map(|line| Row {
        site: line.site,
        values: line.values,
        id: line.id,
        pending: line.pending,
    });
    work.table.rows = rows.collect();
    Ok(work.table)
}

struct Work<'a> {
    env: &'a Env<'a>,
    frame: Frame,
    /// Columns and sites; its rows are `lines`.
    table: Table,
    lines: Vec<Line>,
    /// The row of the other table, in a `join`.
    other: Option<usize>,
}

impl Work<'_> {
    /// The value of an expression for a row.
    async fn of_row(&mut self, index: usize, expr: &Expr, asks: bool) -> Result<Value, Failure> {
        for (slot, value) in &self.lines[index].bound {
            set(&mut self.frame, *slot, value.clone());
        }
        self.env.breathe().await;
        match asks {
            false => now(self.env, &self.frame, expr),
            true => {
                let env = self.env.iteration(index);
                let env = self.other.map_or(env.clone(), |other| env.iteration(other));
                eval(&env, &self.frame, expr).await
            }
        }
    }

    async fn column(&mut self, expr: &Expr) -> Result<Vec<Value>, Failure> {
        let asks = shape::needs_host(expr);
        let mut column = Vec::with_capacity(self.lines.len());
        for index in 0..self.lines.len() {
            column.push(self.of_row(index, expr, asks).await?);
        }
        Ok(column)
    }

    async fn keep(&mut self, cond: &Expr) -> Result<(), Stop> {
        let mut keep = Vec::with_capacity(self.lines.len());
        for value in self.column(cond).await? {
            let kept = match &value {
                // A comparison with what a row does not have is no match.
                Value::Null => false,
                Value::Unknown(what) => return Err(Stop::Unknown(what.clone())),
                value => truth(self.env, value, cond.span)?.map_err(Stop::Unknown)?,
            };
            keep.push(kept);
        }
        let mut kept = keep.into_iter();
        self.lines.retain(|_| kept.next().unwrap_or(false));
        Ok(())
    }

    async fn select(&mut self, columns: &[(Name, Expr)], row: Slot) -> Result<(), Stop> {
        let mut chosen = Vec::with_capacity(columns.len());
        for (name, expr) in columns {
            chosen.push((name.clone(), self.column(expr).await?));
        }
        self.replace(chosen, row);
        Ok(())
    }

    /// The rows are made of new columns; one named `site` says where they are.
    fn replace(&mut self, mut columns: Vec<(Name, Vec<Value>)>, row: Slot) {
        if let Some(at) = columns.iter().position(|(name, _)| &**name == "site") {
            let (_, sites) = columns.remove(at);
            for (line, site) in self.lines.iter_mut().zip(sites) {
                line.site = if let Value::Site(site) = site { Some(site) } else { None };
            }
        }
        let mut iterators: Vec<_> = Vec::new();
        self.table.columns = Vec::new();
        for (name, values) in columns {
            self.table.columns.push(name);
            iterators.push(values.into_iter());
        }
        self.table.resource = None;
        for line in &mut self.lines {
            line.id = None;
            line.values = iterators.iter_mut().map(|i| i.next().unwrap_or(Value::Null)).collect();
            line.bound = vec![(row, record(&self.table.columns, line.site, &line.values))];
        }
    }

    async fn order(&mut self, keys: &[(Expr, bool)]) -> Result<(), Stop> {
        let mut sorted: Vec<Vec<Value>> = vec![Vec::with_capacity(keys.len()); self.lines.len()];
        for (expr, _) in keys {
            for (row, value) in sorted.iter_mut().zip(self.column(expr).await?) {
                if let Value::Unknown(what) = value {
                    return Err(Stop::Unknown(what));
                }
                row.push(value);
            }
        }
        let mut failed = None;
        let mut lines: Vec<(Vec<Value>, Line)> = sorted.into_iter().zip(std::mem::take(&mut self.lines)).collect();
        lines.sort_by(|(a, _), (b, _)| {
            for ((a, b), (expr, descending)) in a.iter().zip(b).zip(keys) {
                let order = by_name(self.env, a, b).map_or_else(|| compare::order(a, b, expr.span), Ok);
                match order {
                    Ok(order) if order.is_eq() => {}
                    // Null stays last.
                    Ok(order) if *descending && *a != Value::Null && *b != Value::Null => return order.reverse(),
                    Ok(order) => return order,
                    Err(failure) => {
                        failed.get_or_insert(failure);
                    }
                }
            }
            std::cmp::Ordering::Equal
        });
        self.lines = lines.into_iter().map(|(_, line)| line).collect();
        failed.map_or(Ok(()), |failure| Err(failure.into()))
    }

    async fn group(&mut self, keys: &[(Name, Expr)], select: &[(Name, Aggregate)], row: Slot) -> Result<(), Stop> {
        let mut key_columns = Vec::with_capacity(keys.len());
        for (_, expr) in keys {
            key_columns.push(self.column(expr).await?);
        }
        let mut groups: IndexMap<String, Vec<usize>> = IndexMap::new();
        for index in 0..self.lines.len() {
            let mut text = String::new();
            for column in &key_columns {
                if let Value::Unknown(what) = &column[index] {
                    return Err(Stop::Unknown(what.clone()));
                }
                identity(&column[index], &mut text);
            }
            groups.entry(text).or_default().push(index);
        }
        // Without keys all rows are one group, and no rows are one too: `count()` of nothing is 0.
        if keys.is_empty() && groups.is_empty() {
            groups.insert(String::new(), Vec::new());
        }
        let mut columns = Vec::with_capacity(select.len());
        for (name, aggregate) in select {
            let of = match shape::aggregate_part(aggregate) {
                Some(expr) => self.column(expr).await?,
                None => Vec::new(),
            };
            let mut column = Vec::with_capacity(groups.len());
            for members in groups.values() {
                column.push(match aggregate {
                    Aggregate::Key(key) => match (key_columns.get(*key), members.first()) {
                        (Some(column), Some(first)) => column[*first].clone(),
                        _ => Value::Null,
                    },
                    Aggregate::Count => Value::Int(members.len() as i64),
                    Aggregate::Sum(e) => self.sum(members.iter().map(|i| &of[*i]), e.span)?,
                    Aggregate::Average(e) => self.average(members.iter().map(|i| &of[*i]), e.span)?,
                    Aggregate::Min(e) => extreme(members.iter().map(|i| &of[*i]), e.span, false)?,
                    Aggregate::Max(e) => extreme(members.iter().map(|i| &of[*i]), e.span, true)?,
                });
            }
            columns.push((name.clone(), column));
        }
        self.lines = groups
            .values()
            .map(|_| Line { site: None, id: None, pending: false, bound: Vec::new(), values: Vec::new() })
            .collect();
        self.replace(columns, row);
        Ok(())
    }

    fn sum<'v>(&self, values: impl Iterator<Item = &'v Value>, span: Span) -> Result<Value, Stop> {
        let mut total: Option<Value> = None;
        for value in values {
            total = match (total, value) {
                (_, Value::Unknown(what)) => return Err(Stop::Unknown(what.clone())),
                (total, Value::Null) => total,
                (None, value) => Some(value.clone()),
                (Some(total), value) => arithmetic::binary(self.env, Binary::Add, &total, value, &Type::Any, span)?,
            };
        }
        Ok(total.unwrap_or(Value::Int(0)))
    }

    fn average<'v>(&self, values: impl Iterator<Item = &'v Value>, span: Span) -> Result<Value, Stop> {
        let known: Vec<&Value> = values.filter(|v| !matches!(v, Value::Null)).collect();
        if known.is_empty() {
            return Ok(Value::Null);
        }
        let count = Value::Int(known.len() as i64);
        let total = self.sum(known.into_iter(), span)?;
        let ty = if matches!(total, Value::Int(_) | Value::Float(_)) { Type::Float } else { Type::Any };
        Ok(arithmetic::binary(self.env, Binary::Divide, &total, &count, &ty, span)?.unwrap_or(Value::Null))
    }

    /// The other table's row is one more column, under its name.
    async fn join(&mut self, table: &Expr, name: &Name, slot: Slot, on: &Expr, row: Slot) -> Result<(), Stop> {
        let other = match eval(self.env, &self.frame, table).await? {
            Value::Table(other) => other,
            Value::Unknown(what) => return Err(Stop::Unknown(what)),
            other => return Err(wrong(&other, "a table", table.span).into()),
        };
        let asks = shape::needs_host(on);
        let others: Vec<Value> = (0..other.rows.len()).map(|i| row_value(&other, i)).collect();
        self.table.columns.push(name.clone());
        self.table.resource = None;
        let mut joined = Vec::new();
        for index in 0..self.lines.len() {
            for (i, value) in others.iter().enumerate() {
                self.other = Some(i);
                set(&mut self.frame, slot, value.clone());
                let fits = match &self.of_row(index, on, asks).await? {
                    Value::Null => false,
                    answer => truth(self.env, answer, on.span)?.map_err(Stop::Unknown)?,
                };
                if !fits {
                    continue;
                }
                let line = &self.lines[index];
                let mut values = line.values.clone();
                values.push(value.clone());
                let whole = record(&self.table.columns, line.site, &values);
                joined.push(Line {
                    site: line.site,
                    id: None,
                    pending: line.pending,
                    bound: vec![(row, whole)],
                    values,
                });
                if joined.len() > MOST_ITEMS {
                    return Err(too_large(on.span, "the joined table").into());
                }
            }
        }
        // A row may be missing because the other side of its site did not answer.
        for (site, why) in &other.unknown {
            if self.table.asked.contains(*site) {
                self.table.unknown.entry(*site).or_insert_with(|| why.clone());
            }
        }
        self.lines = joined;
        self.other = None;
        Ok(())
    }
}

/// A row that is not a resource.
fn record(columns: &[Name], site: Option<SiteId>, values: &[Value]) -> Value {
    let site = (Name::from("site"), site.map_or(Value::Null, Value::Site));
    let fields = columns.iter().cloned().zip(values.iter().cloned());
    Value::Record(Arc::new([site].into_iter().chain(fields).collect()))
}

/// Sites are in the order of their names where people read them.
fn by_name(env: &Env<'_>, a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Value::Site(a), Value::Site(b)) => {
            let inventory = env.host().inventory();
            Some(inventory.name(*a).cmp(inventory.name(*b)))
        }
        _ => None,
    }
}

fn extreme<'v>(values: impl Iterator<Item = &'v Value>, span: Span, largest: bool) -> Result<Value, Stop> {
    let mut best: Option<&Value> = None;
    for value in values {
        match value {
            Value::Null => continue,
            Value::Unknown(what) => return Err(Stop::Unknown(what.clone())),
            _ => {}
        }
        let better = match best {
            None => true,
            Some(best) => compare::order(value, best, span)?.is_gt() == largest && value != best,
        };
        if better {
            best = Some(value);
        }
    }
    Ok(best.cloned().unwrap_or(Value::Null))
}

fn sites_table(sites: &SiteSet) -> Table {
    let rows = sites.iter().map(|site| Row { site: Some(site), values: Vec::new(), id: None, pending: false });
    Table { rows: rows.collect(), asked: sites.clone(), ..Table::default() }
}

/// Records as rows: their keys are the columns.
fn list_table(items: &[Value], span: Span) -> Result<Table, Failure> {
    let mut columns: IndexSet<Name> = IndexSet::new();
    for item in items {
        match item {
            Value::Record(record) => columns.extend(record.keys().filter(|k| &***k != "site").cloned()),
            other => return Err(wrong(other, "a record", span)),
        }
    }
    let rows = items.iter().filter_map(|item| if let Value::Record(record) = item { Some(record) } else { None });
    let rows = rows.map(|record| Row {
        site: if let Some(Value::Site(site)) = record.get("site") { Some(*site) } else { None },
        values: columns.iter().map(|c| record.get(c).cloned().unwrap_or(Value::Null)).collect(),
        id: None,
        pending: false,
    });
    let rows: Vec<Row> = rows.collect();
    let asked = rows.iter().filter_map(|row| row.site).collect();
    Ok(Table { columns: columns.into_iter().collect(), rows, asked, ..Table::default() })
}

/// `|`, `&`, `-` on tables with equal columns: rows are compared by their columns, without their sites and ids, so that
/// `a - b` is what `a` has and `b` has not, wherever. `|` keeps one row of each site.
pub(super) fn combined(env: &Env<'_>, op: Binary, a: &Table, b: &Table, span: Span) -> Result<Option<Value>, Failure> {
    let ours: IndexSet<&Name> = a.columns.iter().collect();
    if ours != b.columns.iter().collect::<IndexSet<&Name>>() {
        let failure = Failure::new(&codes::WRONG_KIND, span, "these tables have different columns");
        return Err(failure.help("give both the same with `select`"));
    }
    env.work((a.rows.len() + b.rows.len()) as u64 * (1 + a.columns.len() as u64), span)?;
    let places: Vec<usize> = a.columns.iter().filter_map(|c| b.columns.iter().position(|d| c == d)).collect();
    let key = |values: &mut dyn Iterator<Item = &Value>, site: Option<SiteId>| {
        let mut text = String::new();
        if op == Binary::Union {
            text = format!("{site:?} ");
        }
        for value in values {
            if matches!(value, Value::Unknown(_)) {
                return None;
            }
            identity(value, &mut text);
        }
        Some(text)
    };
    let (mut left, mut right) = (IndexMap::new(), IndexMap::new());
    for row in &a.rows {
        let Some(key) = key(&mut row.values.iter(), row.site) else { return Ok(None) };
        left.entry(key).or_insert_with(Vec::new).push(row.clone());
    }
    for row in &b.rows {
        let Some(key) = key(&mut places.iter().map(|i| &row.values[*i]), row.site) else { return Ok(None) };
        let values = places.iter().map(|i| row.values[*i].clone()).collect();
        right.entry(key).or_insert_with(Vec::new).push(Row { values, ..row.clone() });
    }
    let mut table = Table { rows: Vec::new(), ..a.clone() };
    if a.resource != b.resource {
        table.resource = None;
    }
    match op {
        Binary::Union => {
            for (key, rows) in right {
                left.entry(key).or_insert(rows);
            }
            table.asked.add(&b.asked);
            table.unknown.extend(b.unknown.iter().map(|(s, why)| (*s, why.clone())));
        }
        Binary::Intersect => left.retain(|key, _| right.contains_key(key)),
        Binary::Difference => left.retain(|key, _| !right.contains_key(key)),
        _ => {
            let message = "`^` is for site sets";
            return Err(Failure::new(&codes::WRONG_KIND, span, message));
        }
    }
    table.rows = left.into_values().flatten().collect();
    Ok(Some(Value::Table(Arc::new(table))))
}

/// A text that equal values share. Bounded: what is longer than any column of a table is cut.
fn identity(value: &Value, out: &mut String) {
    let from = out.len();
    match value {
        Value::String(text) => *out += &format!("{text:?}"),
        Value::Float(f) if f.fract() == 0.0 => *out += &format!("{f}"),
        Value::Int(i) => *out += &i.to_string(),
        Value::Handle(handle) => *out += &format!("{}/{:?}/{:?}", handle.resource, handle.site, handle.id),
        Value::Secret(secret) => *out += &format!("secret {:?}", secret.reveal()),
        Value::Record(record) => {
            let mut members: Vec<(&Name, &Value)> = record.iter().collect();
            members.sort_by_key(|(name, _)| (*name).clone());
            out.push('{');
            for (name, value) in members {
                *out += &format!("{name:?}:");
                identity(value, out);
                if out.len() - from > super::MOST_TEXT {
                    return;
                }
            }
            out.push('}');
        }
        Value::List(items) => {
            out.push('[');
            for item in items.iter() {
                identity(item, out);
                if out.len() - from > super::MOST_TEXT {
                    return;
                }
            }
            out.push(']');
        }
        other => *out += &format!("{other:?}"),
    }
    out.push(' ');
}
