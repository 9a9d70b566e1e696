//! Scopes as values: what each service's placement and policy are, and what of them a plan does not know yet.

use super::expression::wrong;
use super::machine::{Env, owed};
use super::{Entry, Failure, Policy, Scope, Unknown, Value, codes, placement};
use crate::program::{EntryExpr, PolicyExpr, ScopeExpr};
use crate::span::Span;
use std::sync::Arc;

/// What `at` and `@` of a call take: a scope, or a placement for every service.
pub(super) fn from_value(env: &Env<'_>, value: Value, span: Span) -> Result<Scope, Failure> {
    match value {
        Value::Scope(scope) => Ok((*scope).clone()),
        Value::Unknown(what) => Ok(Scope { everywhere: Some(later(env, what, span)?), ..Scope::default() }),
        other => {
            let at = placement::to_placement(&other, span)?;
            let entry = Entry { at: Some(Arc::new(at)), ..Entry::default() };
            Ok(Scope { everywhere: Some(entry), ..Scope::default() })
        }
    }
}

fn later(env: &Env<'_>, what: Arc<Unknown>, span: Span) -> Result<Entry, Failure> {
    match env.planning() {
        true => Ok(Entry { later: Some(what), ..Entry::default() }),
        false => Err(owed(&what, span)),
    }
}

/// From the values of its parts, in the order of `shape::scope_parts`.
pub(super) fn build(env: &Env<'_>, expr: &ScopeExpr, values: Vec<Value>) -> Result<Scope, Failure> {
    let mut values = values.into_iter();
    let mut scope = Scope::default();
    for (service, entry) in &expr.entries {
        let (entry, unknown) = build_entry(env, entry, &mut values)?;
        scope.later = scope.later.or(unknown);
        scope.entries.insert(service.clone(), entry);
    }
    if let Some(entry) = &expr.everywhere {
        let (entry, unknown) = build_entry(env, entry, &mut values)?;
        scope.later = scope.later.or(unknown);
        scope.everywhere = Some(entry);
    }
    let mut next = || values.next().unwrap_or(Value::Null);
    if let Some(identity) = &expr.identity {
        match next() {
            Value::Unknown(what) => scope.later = Some(what),
            value => scope.identity = Some(placement::to_site(&value, identity.span)?),
        }
    }
    if let Some(tenant) = &expr.tenant {
        match next() {
            Value::Unknown(what) => scope.later = Some(what),
            value => scope.tenant = text(value, tenant.span)?,
        }
    }
    match &scope.later {
        Some(what) if !env.planning() => Err(owed(what, expr_span(expr))),
        _ => Ok(scope),
    }
}

fn expr_span(expr: &ScopeExpr) -> Span {
    let own = [&expr.identity, &expr.tenant].into_iter().flatten().map(|e| e.span);
    own.chain(expr.entries.iter().map(|(_, e)| e.span)).next().unwrap_or_default()
}

fn build_entry(
    env: &Env<'_>,
    expr: &EntryExpr,
    values: &mut impl Iterator<Item = Value>,
) -> Result<(Entry, Option<Arc<Unknown>>), Failure> {
    let mut entry = Entry::default();
    if let Some(at) = &expr.at {
        match values.next().unwrap_or(Value::Null) {
            Value::Unknown(what) => entry = later(env, what, at.span)?,
            value => entry.at = Some(Arc::new(placement::to_placement(&value, at.span)?)),
        }
    }
    let (policy, unknown) = build_policy(&expr.policy, values)?;
    entry.policy = policy;
    Ok((entry, unknown))
}

/// From the values of its parts, in the order of `shape::policy_parts`; and what of it is not known yet.
pub(super) fn build_policy(
    expr: &PolicyExpr,
    values: &mut impl Iterator<Item = Value>,
) -> Result<(Policy, Option<Arc<Unknown>>), Failure> {
    let mut policy = Policy { unreachable: expr.unreachable, prefer: expr.prefer.clone(), ..Policy::default() };
    let mut unknown = None;
    let mut known = |values: &mut dyn Iterator<Item = Value>| match values.next().unwrap_or(Value::Null) {
        Value::Unknown(what) => {
            unknown = Some(what);
            None
        }
        Value::Null => None,
        value => Some(value),
    };
    if let Some(at) = &expr.timeout {
        policy.timeout = match known(values) {
            None => None,
            Some(Value::Duration(time)) => Some(time),
            Some(other) => return Err(wrong(&other, "a duration", at.span)),
        };
    }
    if let Some(at) = &expr.tenant
        && let Some(value) = known(values)
    {
        policy.tenant = text(value, at.span)?;
    }
    if let Some(at) = &expr.overlap {
        policy.overlap = match known(values) {
            None => None,
            Some(Value::Bool(overlap)) => Some(overlap),
            Some(Value::String(word)) if &*word == "brief" => Some(true),
            Some(Value::String(word)) if &*word == "none" => Some(false),
            Some(other) => return Err(wrong(&other, "true or false", at.span)),
        };
    }
    if let Some(at) = &expr.parallel {
        policy.parallel = match known(values) {
            None => None,
            Some(Value::Int(n)) if (1..=i64::from(u32::MAX)).contains(&n) => Some(n as u32),
            Some(Value::Int(n)) => {
                return Err(Failure::new(&codes::BAD_COUNT, at.span, format!("{n} sites at once make no sense")));
            }
            Some(other) => return Err(wrong(&other, "a number", at.span)),
        };
    }
    Ok((policy, unknown))
}

fn text(value: Value, span: Span) -> Result<Option<Arc<str>>, Failure> {
    match value {
        Value::String(text) => Ok(Some(text)),
        Value::Null => Ok(None),
        other => Err(wrong(&other, "a string", span)),
    }
}
