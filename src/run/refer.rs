//! What a request refers to by name: the ConfigMaps of a workload, for example. Where the scope says that such things are
//! at another site than what refers to them, they come along by their bridge; what has none is an error that names it.

use super::instance::Instance;
use super::resolve::{self, Argument, Copy, Spot};
use super::trouble::{Kind, Trouble};
use super::{rehearse, rows};
use edge_lang::eval::Step;
use edge_lang::library::render::{self, Scope as Known};
use edge_lang::library::{BodyTemplate, Instruction, Kind as OfKind, Op, Resource};
use edge_lang::model::{SiteId, SiteSet};
use edge_lang::types::Name;
use serde_json::Value as Json;
use std::sync::Arc;

/// A thing that is referred to.
struct Reference {
    resource: Name,
    name: String,
    /// It may be missing.
    optional: bool,
}

/// What is referred to, and not at the site.
pub enum Missing {
    Copy(Copy),
    /// In a plan: it will be at one of these sites.
    Later(SiteSet),
}

/// What has to be copied to the site, and under which step: of the same namespace as what refers to it.
pub async fn missing(
    spot: Spot<'_>,
    instance: &Instance,
    resource: &Resource,
    op: &Op,
    known: &Known,
) -> Result<Vec<(Step, Missing)>, Trouble> {
    let referring = match resource.kind {
        Some(OfKind::Any) => instance.described(&known.row),
        _ => Some(resource),
    };
    let Some(bridge) = referring.and_then(|r| r.bridge.as_ref()).filter(|b| !b.refers_to.is_empty()) else {
        return Ok(Vec::new());
    };
    let Some(body) = body(op, known)? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for (name, path) in &bridge.refers_to {
        let Some(described) = spot.run.library.resource(&resource.stack, name) else { continue };
        let from = elsewhere(spot, &described.service);
        if from.is_empty() {
            continue;
        }
        let Some(inside) = path.iter().try_fold(&body, |found, key| found.get(key)) else { continue };
        let mut references = Vec::new();
        collect(described, inside, &mut references);
        let step = of_namespace(spot.step, &known.row);
        let spot = Spot { step: &step, ..spot };
        for reference in references {
            if let Some(missing) = bring(spot, described, &reference, &from).await? {
                all.push((step.clone(), missing));
            }
        }
    }
    Ok(all)
}

/// From where what the step refers to may have to be copied to the site, as the scope says: nobody is asked.
/// `may`: whether that of a resource is allowed there.
pub fn origins(spot: Spot<'_>, resource: &Resource, may: &dyn Fn(&str) -> bool) -> SiteSet {
    let described = spot.run.library.clone();
    let referring = match (&resource.kind, &spot.step.document) {
        (Some(OfKind::Any), Some(document)) => {
            let said =
                spot.step.arguments_at(spot.atom).get(&document.param).map(|v| rows::wire(v, &spot.run.inventory));
            let row = said.and_then(|said| rehearse::identity(resource, &said).ok()).unwrap_or_default();
            let text = |name: &str| row.get(name).and_then(Json::as_str).unwrap_or_default().to_string();
            described.described_kind(&resource.stack, &text("api"), &text("kind"))
        }
        _ => Some(resource),
    };
    let mut all = SiteSet::new();
    for (name, _) in referring.and_then(|r| r.bridge.as_ref()).iter().flat_map(|b| &b.refers_to).filter(|(n, _)| may(n))
    {
        if let Some(described) = described.resource(&resource.stack, name).filter(|r| r.bridge.is_some()) {
            all.extend(elsewhere(spot, &described.service));
        }
    }
    all
}

/// The sites at which the scope says that a service is, where that is not the site of the operation.
fn elsewhere(spot: Spot<'_>, service: &str) -> Vec<SiteId> {
    let Some(sources) = spot.step.dependencies.get(service) else { return Vec::new() };
    let from: Vec<_> = sources.sites().iter().filter_map(|s| spot.run.inventory.instance(s, service)).collect();
    match from.contains(&spot.at) {
        true => Vec::new(),
        false => from,
    }
}

/// What the request will say.
fn body(op: &Op, known: &Known) -> Result<Option<Json>, Trouble> {
    let template = op.body.iter().find_map(|i| match i {
        Instruction::Send(template) => Some(template),
        _ => None,
    });
    match template.map(|t| &t.body) {
        Some(BodyTemplate::Json(expr)) => Ok(render::evaluate(expr, known)?),
        _ => Ok(None),
    }
}

/// In the namespace that a document says.
fn of_namespace(step: &Step, row: &render::Fields) -> Step {
    let mut step = step.clone();
    if let Some(namespace) = row.get("namespace").and_then(Json::as_str) {
        step.policy.tenant = Some(Arc::from(namespace));
    }
    step
}

async fn bring(
    spot: Spot<'_>,
    described: &Resource,
    reference: &Reference,
    from: &[SiteId],
) -> Result<Option<Missing>, Trouble> {
    let Reference { resource, name, optional } = reference;
    let inventory = &spot.run.inventory;
    if described.bridge.is_none() {
        let (at, from) = (inventory.name(spot.at), from.iter().map(|s| inventory.name(*s)).collect::<Vec<_>>());
        let message = format!("{resource} `{name}` of {} cannot be brought to {at}", from.join(", "));
        return Err(Trouble::refused(message)
            .help(format!("place `{}` at {at} for this, or do it where the {resource} is", described.service)));
    }
    match resolve::named(spot, &described.service, resource, name).await {
        Ok(Argument::Copy(copy)) => Ok(Some(Missing::Copy(copy))),
        Ok(Argument::Later(_, from)) => Ok(Some(Missing::Later(from))),
        Ok(_) => Ok(None),
        Err(trouble) if *optional && trouble.kind == Kind::Refused => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

/// The names at the places that the resource says it is referred by, wherever they stand.
fn collect(resource: &Resource, inside: &Json, out: &mut Vec<Reference>) {
    match inside {
        Json::Array(items) => items.iter().for_each(|i| collect(resource, i, out)),
        Json::Object(members) => {
            for path in &resource.referred_by {
                let Some((first, rest)) = path.split_first() else { continue };
                let Some(found) = members.get(first) else { continue };
                let each = match found {
                    Json::Array(items) => items.iter().collect(),
                    one => vec![one],
                };
                for one in each {
                    let name = rest.iter().try_fold(one, |found, key| found.get(key)).and_then(Json::as_str);
                    let Some(name) = name else { continue };
                    let optional = one.get("optional").and_then(Json::as_bool) == Some(true);
                    match out.iter_mut().find(|r| r.name == name) {
                        // Once needed, it is needed.
                        Some(known) => known.optional &= optional,
                        None => {
                            let name = name.to_string();
                            out.push(Reference { resource: resource.name.clone(), name, optional });
                        }
                    }
                }
            }
            members.values().for_each(|m| collect(resource, m, out));
        }
        _ => {}
    }
}
