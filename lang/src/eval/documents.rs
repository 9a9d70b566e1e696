//! Operations whose things are written out as documents (`apply(file("shop.yaml"))`): each document is a step of its own,
//! at the place that the scope gives to its group.
//!
//! The hard idea is the order. Kinds that others need come first, one kind after the other; what is of one kind goes at
//! once. What removes goes the other way. Where a placement leaves a choice, the first document makes it for all that have
//! the same placement.

use super::expression::{eval, kind_words};
use super::machine::{Env, Frame, owed, too_large, unknown};
use super::operation::{full_policy, nothing, policy_of, send};
use super::statement::atomic_policy;
use super::{
    Document, Entry, Failure, Key, MOST_ITEMS, Row, Scope, Step, StepKind, Table, Unknown, Value, codes, placement,
    prefer, scope, shape,
};
use crate::model::{Placement, SiteId, SiteSet};
use crate::program::{Documents, Expr, Operation};
use crate::span::Span;
use crate::types::{Name, Type};
use futures_util::future::join_all;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A document, and where it goes.
struct Placed {
    written: Written,
    service: Name,
    at: Placement,
    span: Span,
    /// At each site, where they differ.
    per_site: BTreeMap<SiteId, Value>,
}

#[derive(Clone)]
struct Written {
    value: Value,
    kind: Arc<str>,
    api: Arc<str>,
    name: Arc<str>,
}

pub(super) async fn perform(
    env: &Env<'_>,
    frame: &Frame,
    op: &Operation,
    ty: &Type,
    documents: &Documents,
) -> Result<Value, Failure> {
    let own_scope = match &op.scope {
        Some(expr) => scope::from_value(env, eval(env, frame, expr).await?, expr.span)?,
        None => Scope::default(),
    };
    let at = match &op.at {
        Some(expr) => Some((eval(env, frame, expr).await?, expr.span)),
        None => None,
    };
    let (policy, unknown_policy) = policy_of(env, frame, &op.policy).await?;
    let merged = env.scope.merge(&own_scope);
    let mut later = merged.later.clone().or(unknown_policy);
    let given = match at {
        Some((Value::Unknown(what), _)) => {
            later = later.or(Some(what));
            None
        }
        Some((value, span)) => Some((placement::to_placement(&value, span)?, span)),
        None => None,
    };
    let mut others = IndexMap::new();
    let mut source = None;
    for (name, expr) in &op.args {
        match *name == documents.param {
            true => source = Some(expr),
            false => _ = others.insert(name.clone(), eval(env, frame, expr).await?),
        }
    }
    let Some(source) = source else { return Ok(nothing(op, ty)) };
    let local = op.per_site && shape::uses_here(source);
    let first = match (local, &given) {
        (false, _) => None,
        (true, Some((placement, _))) => placement.sites().first(),
        (true, None) => places(&merged, documents, op).first(),
    };
    let value = eval(&Env { here: first.or(env.here), ..env.clone() }, frame, source).await?;
    if let Value::Unknown(what) = &value {
        later = later.or_else(|| Some(what.clone()));
    }
    if let Some(what) = later {
        return known_later(env, op, ty, others, &merged, what).await;
    }
    let mut placed = Vec::new();
    for written in written(env, value, source.span)? {
        env.tick(source.span)?;
        placed.push(place(env, op, documents, &merged, given.as_ref(), written)?);
    }
    if local {
        at_each_site(env, frame, source, &mut placed).await?;
    }
    // Stable: what is of one kind stays in the order of the text.
    let rank = |kind: &str| documents.order.iter().position(|k| k == kind).unwrap_or(documents.order.len());
    match op.kind {
        StepKind::Final => placed.sort_by_key(|p| std::cmp::Reverse(rank(&p.written.kind))),
        _ => placed.sort_by_key(|p| rank(&p.written.kind)),
    }
    if placed.iter().all(|p| p.at.sites().is_empty()) {
        return Ok(nothing(op, ty));
    }
    let work = Work { env, frame, op, ty, documents, others: &others, merged: &merged, policy: &policy };
    work.all(placed).await
}

/// What the steps of all documents share.
struct Work<'w, 'a> {
    env: &'w Env<'a>,
    frame: &'w Frame,
    op: &'w Operation,
    ty: &'w Type,
    documents: &'w Documents,
    others: &'w IndexMap<Name, Value>,
    merged: &'w Scope,
    policy: &'w super::Policy,
}

impl Work<'_, '_> {
    async fn all(&self, placed: Vec<Placed>) -> Result<Value, Failure> {
        let begin = self.env.next();
        // Where a placement leaves a choice: what the first document that had it chose.
        let mut chosen: Vec<(Placement, SiteSet)> = Vec::new();
        let mut gathered = Table { resource: Some(self.op.resource.clone()), ..Table::default() };
        let mut unsure = None;
        let mut placed = placed.into_iter().enumerate().peekable();
        while let Some((index, document)) = placed.next() {
            let kind = document.written.kind.clone();
            let choice = (!document.at.is_conjunction()).then(|| document.at.clone());
            let open = choice.as_ref().is_some_and(|c| chosen.iter().all(|(formula, _)| formula != c));
            let mut tier = vec![self.one(begin, index, document, &chosen)];
            // A choice that is still open is made by one alone.
            while !open && placed.peek().is_some_and(|(_, d)| d.written.kind == kind) {
                let Some((index, document)) = placed.next() else { break };
                tier.push(self.one(begin, index, document, &chosen));
            }
            let (mut failures, mut outcome) = (Vec::new(), SiteSet::new());
            for done in join_all(tier).await {
                match done {
                    Ok(Value::Table(table)) => {
                        outcome.add(&table.present());
                        gather(&mut gathered, &table);
                    }
                    Ok(Value::Unknown(what)) => unsure = Some(what),
                    Ok(_) => {}
                    Err(failure) => failures.push(failure),
                }
            }
            if let Some(failure) = Failure::together(failures) {
                return Err(failure);
            }
            if let (Some(choice), true) = (choice, open && !self.env.planning() && !outcome.is_empty()) {
                chosen.push((choice, outcome));
            }
        }
        match unsure {
            Some(what) => Ok(Value::Unknown(what)),
            None if *self.ty == Type::Nothing => Ok(Value::Null),
            None => Ok(Value::Table(Arc::new(gathered))),
        }
    }

    async fn one(
        &self,
        begin: u32,
        index: usize,
        document: Placed,
        chosen: &[(Placement, SiteSet)],
    ) -> Result<Value, Failure> {
        let env = self.env.strand(begin, index);
        let Placed { written, service, at, span, per_site } = document;
        let at = match chosen.iter().find(|(formula, _)| *formula == at) {
            Some((_, sites)) => Placement::AllOf(sites.clone()),
            None => at,
        };
        let mut arguments = self.others.clone();
        arguments.insert(self.documents.param.clone(), written.value);
        let mut dependencies = BTreeMap::new();
        for (_, needed) in self.op.dependencies.iter().filter(|(_, needed)| *needed != service) {
            if let Some(Entry { at: Some(formula), .. }) = self.merged.entries.get(needed) {
                dependencies.insert(needed.clone(), (**formula).clone());
            }
        }
        let own = |value| IndexMap::from([(self.documents.param.clone(), value)]);
        let mut step = Step {
            key: Key { call: self.op.span, position: env.position.clone() },
            place: env.place(),
            resource: self.op.resource.clone(),
            operation: self.op.name.clone(),
            kind: self.op.kind,
            arguments,
            per_site: per_site.into_iter().map(|(site, value)| (site, own(value))).collect(),
            // What cannot be undone is about what is there.
            subject: (self.op.kind == StepKind::Final).then(|| self.documents.param.clone()),
            document: Some(Document {
                param: self.documents.param.clone(),
                kind: written.kind,
                name: written.name,
                described: None,
            }),
            placement: at,
            dependencies,
            identity: self.merged.identity,
            policy: atomic_policy(&env, full_policy(self.merged, entry(self.merged, &service, self.op), self.policy)),
            preferred: Vec::new(),
            single: false,
            if_any: self.op.if_any,
            atomic: env.done.is_some(),
            since: self.op.since,
            span: self.op.span,
            at: span,
            result: self.ty.clone(),
            service,
        };
        step.preferred = prefer::order(&env, self.frame, &step).await?;
        send(&env, step, None).await
    }
}

/// The entry of a group's service, else that of the operation's own, which stands for every group.
fn entry<'s>(scope: &'s Scope, service: &str, op: &Operation) -> Option<&'s Entry> {
    let placed = |entry: &&Entry| entry.at.is_some() || entry.later.is_some();
    let own = || scope.entries.get(&op.service).or(scope.everywhere.as_ref());
    scope.entries.get(service).filter(placed).or_else(own)
}

/// Every site that the scope has for the documents' services.
fn places(scope: &Scope, documents: &Documents, op: &Operation) -> SiteSet {
    let mut all = SiteSet::new();
    let services = documents.services.iter().map(|(_, service)| service).chain([&op.service]);
    for placement in services.filter_map(|service| entry(scope, service, op)?.at.as_ref()) {
        all.add(&placement.sites());
    }
    all
}

fn place(
    env: &Env<'_>,
    op: &Operation,
    documents: &Documents,
    merged: &Scope,
    given: Option<&(Placement, Span)>,
    written: Written,
) -> Result<Placed, Failure> {
    let group = written.api.split_once('/').map_or("core", |(group, _)| group);
    let described = documents.services.iter().find(|(kind, _)| &**kind == group).map(|(_, service)| service.clone());
    let service = described.clone().unwrap_or_else(|| op.service.clone());
    let (at, span) = match (given, entry(merged, &service, op)) {
        (Some((placement, span)), _) => (placement.clone(), *span),
        (None, Some(Entry { at: Some(placement), .. })) => ((**placement).clone(), op.span),
        (None, _) => {
            let plain = env.host().inventory().plain();
            match (merged.entries.is_empty(), plain.len(), plain.first()) {
                (true, 1, Some(site)) => (Placement::Site(site), op.span),
                _ => return Err(out_of_scope(op, described.as_ref(), group, &written)),
            }
        }
    };
    if at.sites().is_empty() && op.if_any {
        return Ok(Placed { written, service, at, span, per_site: BTreeMap::new() });
    }
    placement::admit(env, &Operation { service: service.clone(), ..op.clone() }, &at, span)?;
    Ok(Placed { written, service, at, span, per_site: BTreeMap::new() })
}

fn out_of_scope(op: &Operation, described: Option<&Name>, group: &str, written: &Written) -> Failure {
    let what = format!("{} `{}`", written.kind, written.name);
    let failure = |message: String| Failure::new(&codes::OUT_OF_SCOPE, op.span, message);
    match described {
        Some(service) => failure(format!("{what} belongs to `{service}`, and the scope has no place for it"))
            .help(format!("add `{service}: SITE` to the scope, or `{}: SITE` for every group", op.service)),
        None => failure(format!("{what} belongs to the group `{group}`, and the scope has no place for it"))
            .help(format!("add `{}: SITE` to the scope, for every group that it does not name", op.service)),
    }
}

/// The documents as they are at each site, where they use `here`: the same things, in the same order.
async fn at_each_site(env: &Env<'_>, frame: &Frame, source: &Expr, placed: &mut [Placed]) -> Result<(), Failure> {
    let mut sites = SiteSet::new();
    placed.iter().for_each(|p| sites.add(&p.at.sites()));
    for site in &sites {
        let env = Env { here: Some(site), ..env.iteration(site.index()) };
        let own = written(&env, eval(&env, frame, source).await?, source.span)?;
        let same = |(a, b): (&Placed, &Written)| a.written.kind == b.kind && a.written.name == b.name;
        if own.len() != placed.len() || !placed.iter().zip(&own).all(same) {
            let message = "what is described is not the same at every site";
            return Err(Failure::new(&codes::BAD_DOCUMENT, source.span, message)
                .help("kinds and names are the same everywhere; the rest may use `here`"));
        }
        for (placed, own) in placed.iter_mut().zip(own) {
            placed.per_site.insert(site, own.value);
        }
    }
    Ok(())
}

/// Of a plan, where documents or places are not known yet: one step, known later.
async fn known_later(
    env: &Env<'_>,
    op: &Operation,
    ty: &Type,
    arguments: IndexMap<Name, Value>,
    merged: &Scope,
    what: Arc<Unknown>,
) -> Result<Value, Failure> {
    if !env.planning() {
        return Err(owed(&what, op.span));
    }
    let step = Step {
        key: Key { call: op.span, position: env.position.clone() },
        place: env.place(),
        service: op.service.clone(),
        resource: op.resource.clone(),
        operation: op.name.clone(),
        kind: op.kind,
        arguments,
        per_site: BTreeMap::new(),
        subject: None,
        document: None,
        placement: Placement::AllOf(SiteSet::new()),
        dependencies: BTreeMap::new(),
        identity: merged.identity,
        policy: full_policy(merged, None, &super::Policy::default()),
        preferred: Vec::new(),
        single: false,
        if_any: op.if_any,
        atomic: env.done.is_some(),
        since: op.since,
        span: op.span,
        at: op.span,
        result: ty.clone(),
    };
    let described = format!("what `{}.{}` at {} gives", op.resource, op.name, what.what);
    let given = unknown(ty, described);
    send(env, step, Some(what)).await?;
    Ok(given)
}

/// The documents that a value is: a file's, a text's, a record, or several of them.
fn written(env: &Env<'_>, value: Value, span: Span) -> Result<Vec<Written>, Failure> {
    let (mut open, mut found) = (vec![value], Vec::new());
    while let Some(value) = open.pop() {
        env.tick(span)?;
        let more = match value {
            Value::File(path) => env.host().documents(&env.host().read(&path, span)?, span)?,
            Value::String(text) => env.host().documents(&text, span)?,
            Value::List(items) => items.to_vec(),
            // An empty document says nothing.
            Value::Null => Vec::new(),
            Value::Record(_) => match items(&value) {
                Some(items) => items,
                None => {
                    found.push(document(value, span)?);
                    Vec::new()
                }
            },
            other => {
                let message = format!("a document is a record, and this is {}", kind_words(&other));
                return Err(Failure::new(&codes::BAD_DOCUMENT, span, message));
            }
        };
        if found.len() + open.len() + more.len() > MOST_ITEMS {
            return Err(too_large(span, "this list of documents"));
        }
        open.extend(more.into_iter().rev());
    }
    let mut seen = std::collections::HashSet::new();
    for document in &found {
        let namespace = member(&document.value, &["metadata", "namespace"]).and_then(text).unwrap_or_default();
        if !seen.insert((document.api.clone(), document.kind.clone(), document.name.clone(), namespace)) {
            let message = format!("{} `{}` is described twice", document.kind, document.name);
            return Err(Failure::new(&codes::BAD_DOCUMENT, span, message));
        }
    }
    Ok(found)
}

/// Of a list (`kind: List`, `kind: ConfigMapList`), what is in it.
fn items(value: &Value) -> Option<Vec<Value>> {
    let kind = member(value, &["kind"]).and_then(text)?;
    let Value::List(items) = member(value, &["items"])? else { return None };
    let of = kind.strip_suffix("List")?;
    let api = member(value, &["apiVersion"])?;
    let named = |item: &Value| match item {
        // The items of a list of one kind need not say it.
        Value::Record(record) if !of.is_empty() && !record.contains_key("kind") => {
            let mut record = (**record).clone();
            record.insert("kind".into(), Value::String(of.into()));
            record.entry("apiVersion".into()).or_insert_with(|| api.clone());
            Value::Record(Arc::new(record))
        }
        other => other.clone(),
    };
    Some(items.iter().map(named).collect())
}

fn document(value: Value, span: Span) -> Result<Written, Failure> {
    let said = |path: &[&str]| match member(&value, path) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(Value::Unknown(what)) => Err(owed(what, span)),
        _ => {
            let known = ["kind", "name"].map(|key| {
                let path: &[&str] = if key == "kind" { &["kind"] } else { &["metadata", "name"] };
                member(&value, path).and_then(text)
            });
            let what = match known {
                [Some(kind), Some(name)] => format!("{kind} `{name}`"),
                [Some(kind), None] => format!("a {kind}"),
                [None, Some(name)] => format!("the document of `{name}`"),
                [None, None] => "a document".to_string(),
            };
            Err(Failure::new(&codes::BAD_DOCUMENT, span, format!("{what} has no `{}`", path.join(".")))
                .help("a document says `apiVersion`, `kind` and `metadata.name`"))
        }
    };
    let (api, kind, name) = (said(&["apiVersion"])?, said(&["kind"])?, said(&["metadata", "name"])?);
    Ok(Written { kind, api, name, value })
}

fn member<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, key| match value {
        Value::Record(record) => record.get(*key),
        _ => None,
    })
}

fn text(value: &Value) -> Option<Arc<str>> {
    match value {
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// Rows of the same resource, of further sites or further documents.
fn gather(all: &mut Table, more: &Table) {
    if all.columns.is_empty() {
        all.columns = more.columns.clone();
    }
    let row = |row: &Row| {
        let value = |column: &Name| {
            let at = more.columns.iter().position(|c| c == column);
            at.and_then(|at| row.values.get(at)).cloned().unwrap_or(Value::Null)
        };
        Row { values: all.columns.iter().map(value).collect(), ..row.clone() }
    };
    let rows: Vec<Row> = more.rows.iter().map(row).collect();
    all.rows.extend(rows);
    all.asked.add(&more.asked);
    all.unknown.extend(more.unknown.iter().map(|(site, why)| (*site, why.clone())));
}
