//! From a use of a library operation to a step: what it is given, where it takes effect, where its dependencies are
//! looked up, under which policy.

use super::expression::{eval, words};
use super::machine::{Env, Frame, owed, unknown};
use super::statement::atomic_policy;
use super::{
    Entry, Failure, Key, Policy, Scope, Step, StepKind, Table, Unknown, Value, codes, compare, documents, placement,
    prefer, scope, shape,
};
use crate::model::{Placement, SiteId, SiteSet};
use crate::program::{Expr, Operation, PolicyExpr};
use crate::span::Span;
use crate::types::{Name, Type};
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a step goes.
enum Target {
    Known(Placement, Span),
    Later(Arc<Unknown>),
}

pub(super) async fn perform(env: &Env<'_>, frame: &Frame, op: &Operation, ty: &Type) -> Result<Value, Failure> {
    if let Some(documents) = &op.documents {
        return documents::perform(env, frame, op, ty, documents).await;
    }
    let mut arguments = IndexMap::new();
    let mut local = Vec::new();
    for (name, expr) in &op.args {
        match op.per_site && shape::uses_here(expr) {
            true => local.push((name.clone(), expr)),
            false => {
                arguments.insert(name.clone(), eval(env, frame, expr).await?);
            }
        }
    }
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
    let entry = merged.entry(&op.service);
    let mut later = merged.later.clone().or(unknown_policy);
    if let (Some(what), false) = (&later, env.planning()) {
        return Err(owed(what, op.span));
    }
    let subject = op.subject.as_ref().and_then(|name| arguments.get(name));
    let own_place = !matches!(subject, Some(Value::Handle(_) | Value::Table(_)));
    let target = target(env, op, subject, at, entry)?;
    let (formula, at) = match target {
        Target::Known(formula, at) => (formula, at),
        Target::Later(what) if env.planning() => {
            later = later.or(Some(what));
            (Placement::AllOf(SiteSet::new()), op.span)
        }
        Target::Later(what) => return Err(owed(&what, op.span)),
    };
    if later.is_none() && formula.sites().is_empty() && op.if_any {
        return Ok(nothing(op, ty));
    }
    if later.is_none() {
        placement::admit(env, op, &formula, at)?;
    }
    if op.single && own_place && matches!(ty.present(), Type::Handle(_)) && later.is_none() && !formula.is_single() {
        let message = format!(
            "{} gives one `{}` for each site, and one is expected here",
            words(env, &Value::Placement(Arc::new(formula))),
            op.resource
        );
        return Err(Failure::new(&codes::WRONG_KIND, at, message).help("choose one: `any of`, `exactly 1 of`, `||`"));
    }
    let mut dependencies = BTreeMap::new();
    for (_, service) in op.dependencies.iter().filter(|(_, service)| *service != op.service) {
        match merged.entries.get(service) {
            Some(Entry { at: Some(formula), .. }) => {
                dependencies.insert(service.clone(), (**formula).clone());
            }
            Some(Entry { later: what, .. }) => later = later.or_else(|| what.clone()),
            None => {}
        }
    }
    let per_site = local_arguments(env, frame, &local, &formula, &mut arguments).await?;
    let mut step = Step {
        key: Key { call: op.span, position: env.position.clone() },
        place: env.place(),
        service: op.service.clone(),
        resource: op.resource.clone(),
        operation: op.name.clone(),
        kind: op.kind,
        arguments,
        per_site,
        subject: op.subject.clone(),
        document: None,
        placement: formula,
        dependencies,
        identity: merged.identity,
        policy: atomic_policy(env, full_policy(&merged, entry, &policy)),
        preferred: Vec::new(),
        single: op.single,
        if_any: op.if_any,
        atomic: env.done.is_some(),
        since: op.since,
        span: op.span,
        at,
        result: ty.clone(),
    };
    if later.is_none() {
        trusted(env, &step)?;
        step.preferred = prefer::order(env, frame, &step).await?;
    }
    send(env, step, later).await
}

/// Every site that the step touches accepts the person that the scope names: where it goes, where its dependencies are
/// looked up, where what it is given comes from.
fn trusted(env: &Env<'_>, step: &Step) -> Result<(), Failure> {
    let Some(identity) = step.identity else { return Ok(()) };
    let mut touched = vec![(step.service.clone(), step.placement.sites())];
    touched.extend(step.dependencies.iter().map(|(service, formula)| (service.clone(), formula.sites())));
    touched.extend(step.arguments.values().filter_map(|value| match value {
        Value::Handle(handle) => Some((step.service.clone(), SiteSet::of(handle.site))),
        Value::Table(table) => Some((step.service.clone(), table.present())),
        _ => None,
    }));
    let inventory = env.host().inventory();
    match touched.iter().find_map(|(service, sites)| inventory.distrust(identity, service, sites)) {
        None => Ok(()),
        Some(distrust) => {
            let mut failure = Failure::new(&codes::DISTRUST, step.at, distrust.message());
            failure.help.extend(distrust.help());
            Err(failure)
        }
    }
}

pub(super) async fn policy_of(
    env: &Env<'_>,
    frame: &Frame,
    expr: &PolicyExpr,
) -> Result<(Policy, Option<Arc<Unknown>>), Failure> {
    let (mut parts, mut values) = (Vec::new(), Vec::new());
    shape::policy_parts(expr, &mut parts);
    for part in parts {
        values.push(eval(env, frame, part).await?);
    }
    scope::build_policy(expr, &mut values.into_iter())
}

/// The operation's own `with`, then the service's entry, then the scope's tenant.
pub(super) fn full_policy(scope: &Scope, entry: Option<&Entry>, own: &Policy) -> Policy {
    let mut policy = match entry {
        Some(entry) => own.over(&entry.policy),
        None => own.clone(),
    };
    policy.tenant = policy.tenant.or_else(|| scope.tenant.clone());
    policy
}

/// An operation on a handle or on rows goes where they are; else `@`, else the scope, else the only site there is.
fn target(
    env: &Env<'_>,
    op: &Operation,
    subject: Option<&Value>,
    at: Option<(Value, Span)>,
    entry: Option<&Entry>,
) -> Result<Target, Failure> {
    let own = match subject {
        Some(Value::Handle(handle)) => Some(Placement::Site(handle.site)),
        Some(Value::Table(table)) => Some(Placement::AllOf(table.present())),
        Some(Value::Null) => {
            let message = format!("there is no `{}` here: this is null", op.resource);
            return Err(Failure::new(&codes::OF_NULL, op.span, message));
        }
        Some(Value::Unknown(what)) if !matches!(what.ty.present(), Type::String) => {
            return Ok(Target::Later(what.clone()));
        }
        _ => None,
    };
    let given = match at {
        Some((Value::Unknown(what), _)) => return Ok(Target::Later(what)),
        Some((value, span)) => Some((placement::to_placement(&value, span)?, span)),
        None => None,
    };
    match (own, given) {
        (Some(own), None) => Ok(Target::Known(own, op.span)),
        (Some(own), Some((given, span))) => {
            let (there, asked) = (own.sites(), given.sites());
            if !asked.is_subset(&there) {
                let (subject, there) = (subject.map(|s| words(env, s)).unwrap_or_default(), sites(env, &there));
                let message =
                    format!("{subject} is at {there}, and not at {}", sites(env, &asked.difference(&own.sites())));
                return Err(Failure::new(&codes::ELSEWHERE, span, message)
                    .help("an operation on a resource goes where the resource is: leave the `@` out"));
            }
            Ok(Target::Known(given, span))
        }
        (None, Some((given, span))) => Ok(Target::Known(given, span)),
        (None, None) => match entry {
            Some(Entry { at: Some(formula), .. }) => Ok(Target::Known((**formula).clone(), op.span)),
            Some(Entry { later: Some(what), .. }) => Ok(Target::Later(what.clone())),
            _ => only_site(env, op),
        },
    }
}

fn sites(env: &Env<'_>, set: &SiteSet) -> String {
    super::sites_text(set, env.host().inventory())
}

fn only_site(env: &Env<'_>, op: &Operation) -> Result<Target, Failure> {
    let plain = env.host().inventory().plain();
    match (plain.len(), plain.first()) {
        (1, Some(site)) => Ok(Target::Known(Placement::Site(site), op.span)),
        _ => {
            let message = format!("`{}.{}` has no scope: where shall it go?", op.resource, op.name);
            Err(Failure::new(&codes::NO_SCOPE, op.span, message)
                .help("write `@ Site` after it")
                .help(format!("or put it into `at {{ {}: Site }} {{ ... }}`", op.service)))
        }
    }
}

/// The arguments that use `here`, at each site; without sites they are unknown.
async fn local_arguments(
    env: &Env<'_>,
    frame: &Frame,
    local: &[(Name, &Expr)],
    formula: &Placement,
    arguments: &mut IndexMap<Name, Value>,
) -> Result<BTreeMap<SiteId, IndexMap<Name, Value>>, Failure> {
    let mut per_site: BTreeMap<SiteId, IndexMap<Name, Value>> = BTreeMap::new();
    if local.is_empty() {
        return Ok(per_site);
    }
    let sites = formula.sites();
    for (name, expr) in local {
        if sites.is_empty() {
            let env = Env { here: None, ..env.clone() };
            arguments.insert(name.clone(), eval(&env, frame, expr).await?);
        }
        for site in &sites {
            let env = Env { here: Some(site), ..env.iteration(site.index()) };
            let value = eval(&env, frame, expr).await?;
            per_site.entry(site).or_default().insert(name.clone(), value);
        }
    }
    Ok(per_site)
}

pub(super) async fn send(env: &Env<'_>, step: Step, later: Option<Arc<Unknown>>) -> Result<Value, Failure> {
    let inventory = env.host().inventory();
    let instance = |site| inventory.instance(site, &step.service).unwrap_or(site);
    let (key, changes) = (step.key.clone(), step.changes());
    if let Some(what) = later {
        if changes {
            env.run.will_change(&step.resource, &SiteSet::below(inventory.len()));
        }
        let described = format!("what `{}.{}` at {} gives", step.resource, step.operation, what.what);
        let value = unknown(&step.result, described);
        env.host().later(step, &what);
        return Ok(value);
    }
    if !env.planning() {
        let value = env.host().perform(step).await?;
        if let (Some(done), true) = (env.done, changes) {
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(key);
        }
        return Ok(value);
    }
    let sites: SiteSet = step.placement.sites().iter().map(instance).collect();
    // Of a resource by name the host knows whether it is a planned one.
    if !changes && step.subject.is_none() && env.run.changes_at(&step.resource, &sites) {
        let what = format!("what `{}.{}` finds", step.resource, step.operation);
        return Ok(unknown(&step.result, what));
    }
    let (resource, kind) = (step.resource.clone(), step.kind);
    let value = env.host().perform(step).await?;
    // What is already as it is asked for stays as it is.
    let stays = matches!(kind, StepKind::Ensure | StepKind::Copy) && compare::unsettled(&value).is_none();
    if changes && !stays {
        env.run.will_change(&resource, &sites);
    }
    Ok(value)
}

/// What an operation gives that has nothing to do: `if any`.
pub(super) fn nothing(op: &Operation, ty: &Type) -> Value {
    match ty {
        Type::Table(columns) => Value::Table(Arc::new(Table {
            columns: columns.keys().cloned().collect(),
            resource: Some(op.resource.clone()),
            ..Table::default()
        })),
        Type::Replicated(resource) => {
            Value::Table(Arc::new(Table { resource: Some(resource.clone()), ..Table::default() }))
        }
        _ => Value::Null,
    }
}
