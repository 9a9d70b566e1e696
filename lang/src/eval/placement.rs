//! From values to sites, site sets and placements, and what must be true of a placement before a step is made of it.
//! Sets are live: a query decides them, so what the checker judges of written placements is judged again here.

use super::expression::{words, wrong};
use super::machine::Env;
use super::{Failure, StepKind, Value, codes, sites_text};
use crate::model::{Placement, Satisfiability, SiteId, SiteSet, names};
use crate::program::{CountForm, Operation, PlacementOp};
use crate::span::Span;
use crate::types::Type;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn to_site(value: &Value, span: Span) -> Result<SiteId, Failure> {
    match value {
        Value::Site(site) => Ok(*site),
        other => Err(wrong(other, "a site", span)),
    }
}

pub(super) fn to_sites(value: &Value, span: Span) -> Result<SiteSet, Failure> {
    match value {
        Value::Site(site) => Ok(SiteSet::of(*site)),
        Value::Sites(sites) => Ok(sites.clone()),
        Value::List(items) => {
            let mut all = SiteSet::new();
            for item in items.iter() {
                match item {
                    Value::Site(site) => {
                        all.insert(*site);
                    }
                    Value::Sites(sites) => all.add(sites),
                    other => return Err(wrong(other, "a site", span)),
                }
            }
            Ok(all)
        }
        other => Err(wrong(other, "a site set", span)),
    }
}

pub(super) fn to_placement(value: &Value, span: Span) -> Result<Placement, Failure> {
    match value {
        Value::Site(site) => Ok(Placement::Site(*site)),
        Value::Sites(sites) => Ok(Placement::AllOf(sites.clone())),
        Value::Placement(formula) => Ok((**formula).clone()),
        other => Err(wrong(other, "a placement", span)),
    }
}

pub(super) fn convert(value: Value, ty: &Type, span: Span) -> Result<Value, Failure> {
    let fits = match (ty, &value) {
        (Type::Optional(_), Value::Null) => return Ok(value),
        (Type::Optional(of), _) => return convert(value, of, span),
        (Type::Sites, _) => return to_sites(&value, span).map(Value::Sites),
        (Type::Choice | Type::Placement, _) => {
            return to_placement(&value, span).map(|p| Value::Placement(Arc::new(p)));
        }
        (Type::Any | Type::Error | Type::Nothing, _) => true,
        (Type::Float, Value::Int(i)) => return Ok(Value::Float(*i as f64)),
        (Type::Null, Value::Null)
        | (Type::Bool, Value::Bool(_))
        | (Type::Int, Value::Int(_))
        | (Type::Float, Value::Float(_))
        | (Type::String, Value::String(_))
        | (Type::Duration, Value::Duration(_))
        | (Type::Bytes, Value::Bytes(_))
        | (Type::Percent, Value::Percent(_))
        | (Type::File, Value::File(_))
        | (Type::Secret, Value::Secret(_))
        | (Type::Site, Value::Site(_))
        | (Type::Scope, Value::Scope(_))
        | (Type::List(_), Value::List(_))
        | (Type::Record(_) | Type::Map(_), Value::Record(_))
        | (Type::Record(_) | Type::Map(_), Value::Handle(_))
        | (Type::Table(_) | Type::Replicated(_), Value::Table(_))
        | (Type::Failure, Value::Failure(_)) => true,
        // A resource may be given by its name.
        (Type::Handle(_), Value::Handle(_) | Value::String(_)) => true,
        _ => false,
    };
    match fits {
        true => Ok(value),
        false => Err(wrong(&value, &format!("`{ty}`"), span)),
    }
}

pub(super) fn connect(op: PlacementOp, mut parts: Vec<Placement>) -> Placement {
    match op {
        PlacementOp::And => Placement::And(parts),
        PlacementOp::Or => Placement::Or(parts),
        PlacementOp::Xor => Placement::Xor(parts),
        PlacementOp::Not => match parts.pop() {
            Some(part) => Placement::Not(Box::new(part)),
            None => Placement::And(parts),
        },
    }
}

pub(super) fn form_words(form: CountForm) -> &'static str {
    match form {
        CountForm::AllOf => "all of",
        CountForm::AnyOf => "any of",
        CountForm::NoneOf => "none of",
        CountForm::Exactly => "exactly some of",
        CountForm::AtLeast => "at least some of",
        CountForm::AtMost => "at most some of",
        CountForm::AllBut => "all but some of",
    }
}

pub(super) fn count(form: CountForm, k: Option<(Value, Span)>, of: &Value, span: Span) -> Result<Value, Failure> {
    let sites = to_sites(of, span)?;
    let k = match k {
        None => 0,
        Some((Value::Int(k), at)) => usize::try_from(k)
            .map_err(|_| Failure::new(&codes::BAD_COUNT, at, format!("{k} is not a number of sites")))?,
        // A share that must be reached is rounded up, one that must not be passed is rounded down.
        Some((Value::Percent(p), at)) => share(p, sites.len(), form == CountForm::AtLeast, at)?,
        Some((other, at)) => return Err(wrong(&other, "a number or a percentage", at)),
    };
    Ok(Value::Placement(Arc::new(match form {
        CountForm::AllOf => Placement::AllOf(sites),
        CountForm::AnyOf => Placement::AnyOf(sites),
        CountForm::NoneOf => Placement::NoneOf(sites),
        CountForm::Exactly => Placement::Exactly(k, sites),
        CountForm::AtLeast => Placement::AtLeast(k, sites),
        CountForm::AtMost => Placement::AtMost(k, sites),
        CountForm::AllBut => Placement::AllBut(k, sites),
    })))
}

pub(super) fn share(percent: f64, of: usize, up: bool, span: Span) -> Result<usize, Failure> {
    if !(0.0..=100.0).contains(&percent) {
        return Err(Failure::new(&codes::BAD_COUNT, span, format!("{percent}% is not a share of something")));
    }
    // 7% of 100 is 7.000000000000001 in binary.
    let share = of as f64 * percent / 100.0;
    let near = share.round();
    let share = if (share - near).abs() < 1e-9 { near } else { share };
    Ok(if up { share.ceil() } else { share.floor() } as usize)
}

/// `sites["edge-[1-50]"]`: every name must be that of a site of the set.
pub(super) fn named(env: &Env<'_>, of: &Value, text: &Value, span: Span) -> Result<Value, Failure> {
    let among = to_sites(of, span)?;
    let Value::String(text) = text else { return Err(wrong(text, "a string with names of sites", span)) };
    let inventory = env.host().inventory();
    let unfolded = names::unfold(text)
        .map_err(|why| Failure::new(&codes::NO_SUCH_SITE, span, format!("this does not name sites: {why}")))?;
    env.work(unfolded.len() as u64, span)?;
    let mut found = SiteSet::new();
    for name in unfolded.iter() {
        match inventory.id(name).filter(|site| among.contains(*site)) {
            Some(site) => {
                found.insert(site);
            }
            None => {
                let known = among.iter().map(|site| inventory.name(site));
                let failure = Failure::new(&codes::NO_SUCH_SITE, span, format!("there is no site `{name}` here"));
                return Err(match crate::diagnostic::nearest(name, known) {
                    Some(near) => failure.help(format!("the nearest name is `{near}`")),
                    None => failure,
                });
            }
        }
    }
    Ok(Value::Sites(found))
}

/// What the checker could not see of a live placement.
pub(super) fn admit(env: &Env<'_>, op: &Operation, placement: &Placement, span: Span) -> Result<(), Failure> {
    let inventory = env.host().inventory();
    let shown = || words(env, &Value::Placement(Arc::new(placement.clone())));
    let sites = placement.sites();
    if sites.is_empty() {
        return Err(Failure::new(&codes::EMPTY_PLACEMENT, span, "there is no site in this placement")
            .help("if nothing to do is fine, write `if any` after it"));
    }
    match placement.satisfiability() {
        Satisfiability::Fine => {}
        Satisfiability::Unsatisfiable => {
            return Err(Failure::new(&codes::UNSATISFIABLE, span, format!("no set of sites satisfies {}", shown())));
        }
        Satisfiability::AcceptsNothing => {
            let message = format!("{} is satisfied by doing nothing", shown());
            return Err(Failure::new(&codes::DOES_NOTHING, span, message)
                .help("say where it shall be: `all of`, `any of`, `exactly 1 of`, `at least 1 of`"));
        }
        Satisfiability::Tangled => {
            let message = "the parts of this placement share too many sites to be worked out";
            return Err(Failure::new(&codes::TANGLED, span, message).help("split it into several operations"));
        }
    }
    if op.kind == StepKind::Read && placement.has_not_or_xor() {
        let message =
            format!("`{}.{}` only reads, and {} asks that something be absent", op.resource, op.name, shown());
        return Err(Failure::new(&codes::READ_PLACEMENT, span, message));
    }
    if op.kind == StepKind::Final && !placement.is_conjunction() {
        let message = format!("`{}.{}` cannot be undone, and {} may end elsewhere", op.resource, op.name, shown());
        return Err(
            Failure::new(&codes::FINAL_PLACEMENT, span, message).help("it takes a site, a set, `all of` and `all but`")
        );
    }
    let lacking: SiteSet = sites.iter().filter(|s| inventory.offers(*s, &op.service) == Some(false)).collect();
    if !lacking.is_empty() {
        let verb = if lacking.len() == 1 { "does" } else { "do" };
        let message = format!("{} {verb} not offer `{}`", sites_text(&lacking, inventory), op.service);
        return Err(Failure::new(&codes::NOT_OFFERED, span, message)
            .help(format!("`sites[offers {}]` are those that do", op.service)));
    }
    let mut instances: BTreeMap<SiteId, SiteId> = BTreeMap::new();
    for site in &sites {
        let instance = inventory.instance(site, &op.service).unwrap_or(site);
        if let Some(other) = instances.insert(instance, site) {
            let (a, b) = (inventory.name(other), inventory.name(site));
            let message = format!("`{a}` and `{b}` are the same instance of `{}`", op.service);
            return Err(Failure::new(&codes::SAME_INSTANCE, span, message));
        }
    }
    Ok(())
}
