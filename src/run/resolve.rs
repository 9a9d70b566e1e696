//! The arguments of an operation as they are at one site: names become resources, and resources of other sites are matched
//! with what is here, or must be copied here. Only reads; a plan and a run resolve in the same way, and a run then copies.

use super::bridge;
use super::instance::Instance;
use super::planned::Called;
use super::trouble::Trouble;
use super::{Run, Who, rows};
use edge_lang::eval::{Handle, Step, Table, Value, to_json};
use edge_lang::library::render::{self, Fields, Row};
use edge_lang::library::{Param, Resource};
use edge_lang::model::{SiteId, SiteSet};
use edge_lang::types::{Name, Type};
use serde_json::Value as Json;
use std::sync::Arc;
use std::time::Duration;

/// What a parameter is at the site.
#[derive(Clone, Debug)]
pub enum Argument {
    Ready(Json),
    /// A resource that has to be copied here first.
    Copy(Copy),
    /// In a plan: what will be at one of these other sites, of which it is seen only then whether it must be copied.
    Later(Json, SiteSet),
    Many(Vec<Argument>),
}

/// A resource at another site, of which nothing is here.
#[derive(Clone, Debug)]
pub struct Copy {
    pub service: Name,
    pub resource: Name,
    pub from: SiteId,
    pub to: SiteId,
    pub row: Row,
}

impl Copy {
    pub fn name(&self) -> Option<&str> {
        self.row.fields.get("name").and_then(Json::as_str)
    }

    pub fn size(&self) -> Option<u64> {
        self.row.fields.get("size").and_then(Json::as_u64)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Arguments {
    pub all: Vec<(Name, Argument)>,
    /// The path of the `File` parameter.
    pub file: Option<String>,
}

impl Arguments {
    pub fn copies(&self) -> Vec<&Copy> {
        fn collect<'a>(argument: &'a Argument, out: &mut Vec<&'a Copy>) {
            match argument {
                Argument::Ready(_) | Argument::Later(..) => {}
                Argument::Copy(copy) => out.push(copy),
                Argument::Many(many) => many.iter().for_each(|a| collect(a, out)),
            }
        }
        let mut out = Vec::new();
        self.all.iter().for_each(|(_, a)| collect(a, &mut out));
        out
    }

    /// From where something may have to be copied that is planned, and not there yet.
    pub fn later(&self) -> SiteSet {
        fn collect(argument: &Argument, out: &mut SiteSet) {
            match argument {
                Argument::Ready(_) | Argument::Copy(_) => {}
                Argument::Later(_, from) => out.add(from),
                Argument::Many(many) => many.iter().for_each(|a| collect(a, out)),
            }
        }
        let mut out = SiteSet::new();
        self.all.iter().for_each(|(_, a)| collect(a, &mut out));
        out
    }
}

/// Where an operation takes effect, and with what patience one asks there.
#[derive(Clone, Copy)]
pub struct Spot<'a> {
    pub run: &'a Run,
    pub step: &'a Step,
    /// The site as the placement names it; it may be a composed one.
    pub atom: SiteId,
    /// The site whose service instance it is.
    pub at: SiteId,
    pub time: Duration,
}

impl<'a> Spot<'a> {
    pub fn who(&self) -> Who<'a> {
        Who::of(self.step)
    }

    pub async fn instance(&self, site: SiteId, service: &str) -> Result<Instance, Trouble> {
        Instance::open(self.run, site, service, self.who(), self.time).await
    }
}

/// Every given argument but the subject. `values` are those of the step at this site.
pub async fn resolve(spot: Spot<'_>, params: &[Param]) -> Result<Arguments, Trouble> {
    let mut arguments = Arguments::default();
    for (name, value) in spot.step.arguments_at(spot.atom) {
        if Some(&name) == spot.step.subject.as_ref() {
            continue;
        }
        let Some(param) = params.iter().find(|p| p.name == name) else { continue };
        if let Value::File(path) = &value {
            arguments.file = Some(path.to_string());
        }
        if let Some(service) = &param.needs {
            needs(spot, param, service).await?;
        }
        let argument = argument(spot, &param.ty, &value).await?;
        arguments.all.push((name, argument));
    }
    Ok(arguments)
}

/// From where what the step needs may have to be copied to the site, as the step says itself: nobody is asked.
/// `may`: whether that of a resource is allowed there.
pub fn origins(spot: Spot<'_>, params: &[Param], may: &dyn Fn(&str) -> bool) -> SiteSet {
    let step = spot.step;
    let own = step.per_site.get(&spot.atom);
    let common = step.arguments.iter().filter(|(name, _)| !own.is_some_and(|own| own.contains_key(*name)));
    let mut from = SiteSet::new();
    for (name, value) in common.chain(own.into_iter().flatten()) {
        let param = params.iter().find(|p| p.name == *name && Some(name) != step.subject.as_ref());
        if let Some(param) = param.filter(|p| of_resource(&p.ty).is_none_or(|resource| may(resource))) {
            from.add(&origins_of(spot, &param.ty, value));
        }
    }
    from
}

fn of_resource(ty: &Type) -> Option<&Name> {
    match ty.present() {
        Type::List(of) => of_resource(of),
        Type::Handle(resource) => Some(resource),
        _ => None,
    }
}

fn origins_of(spot: Spot<'_>, ty: &Type, value: &Value) -> SiteSet {
    let resource = match (ty.present(), value) {
        (Type::List(of), Value::List(items)) => {
            return items.iter().flat_map(|item| origins_of(spot, of, item).iter().collect::<Vec<_>>()).collect();
        }
        (Type::Handle(resource), _) => resource,
        _ => return SiteSet::new(),
    };
    // What cannot be copied is refused where it would have to be.
    let Some(described) = spot.run.library.any_resource(resource).filter(|r| r.bridge.is_some()) else {
        return SiteSet::new();
    };
    let inventory = &spot.run.inventory;
    let instance = |site: SiteId| inventory.instance(site, &described.service).unwrap_or(site);
    let from: SiteSet = match value {
        Value::String(_) => sources(spot, &described.service).into_iter().collect(),
        Value::Handle(handle) => {
            let elsewhere = handle.elsewhere.iter().filter(|_| handle.pending);
            return without(elsewhere.chain([handle.site]).map(instance).collect(), spot.at);
        }
        Value::Table(table) => {
            let sites: Vec<SiteId> = table.rows.iter().filter_map(|r| r.site).map(instance).collect();
            // Of what is planned it is not known for certain at which of its sites it will be.
            let open = table.rows.iter().any(|r| r.pending) && sites.len() < table.asked.len();
            match open {
                true => return without(table.asked.iter().map(instance).collect(), spot.at),
                false if sites.contains(&spot.at) => SiteSet::new(),
                false => sites.into_iter().take(1).collect(),
            }
        }
        _ => SiteSet::new(),
    };
    match from.contains(spot.at) {
        true => SiteSet::new(),
        false => from,
    }
}

fn without(sites: SiteSet, site: SiteId) -> SiteSet {
    sites.difference(&SiteSet::of(site))
}

/// The link that is deleted, by its ends as they are at the site.
pub async fn link(spot: Spot<'_>, resource: &Resource) -> Result<Row, Trouble> {
    let params = resource.operation("delete").map_or(Vec::new(), |o| o.params.clone());
    let mut fields = Fields::new();
    for (name, argument) in resolve(spot, &params).await?.all {
        fields.insert(name, ready(argument)?);
    }
    let fields = render::ends(resource, &params, &fields)?;
    Ok(Row { id: render::link_id(resource, &fields), fields })
}

/// A parameter that has no effect at a site without some other service.
async fn needs(spot: Spot<'_>, param: &Param, service: &str) -> Result<(), Trouble> {
    let kinds: Vec<&str> =
        spot.run.library.services.iter().filter(|s| &*s.name == service).filter_map(|s| s.kind.as_deref()).collect();
    let offers = async {
        let session = spot.run.sessions.session(spot.at, spot.who()).await?;
        session.services().await
    };
    let offered = offers.await.map_err(|f| Trouble::from(f).of_read())?;
    if offered.iter().any(|o| kinds.contains(&o.kind.as_str()) || o.kind == service) {
        return Ok(());
    }
    Err(Trouble::refused(format!("`{}` needs a {service} service, and the site offers none", param.name)))
}

async fn argument(spot: Spot<'_>, ty: &Type, value: &Value) -> Result<Argument, Trouble> {
    match (ty.present(), value) {
        (Type::Handle(resource), value) => Box::pin(resource_argument(spot, resource, value)).await,
        (Type::List(of), Value::List(items)) if matches!(of.present(), Type::Handle(_)) => {
            let mut many = Vec::new();
            for item in items.iter() {
                many.push(Box::pin(argument(spot, of, item)).await?);
            }
            Ok(Argument::Many(many))
        }
        // What is sent is what was meant, secrets too.
        (_, value) if edge_lang::eval::has_secret(value) => Ok(Argument::Ready(rows::wire(value, &spot.run.inventory))),
        (_, Value::File(path)) => Ok(Argument::Ready((&**path).into())),
        (_, value) => Ok(Argument::Ready(to_json(value, &spot.run.inventory))),
    }
}

async fn resource_argument(spot: Spot<'_>, resource: &Name, value: &Value) -> Result<Argument, Trouble> {
    let service = service_of(spot.run, resource)?;
    match value {
        Value::Null => Ok(Argument::Ready(Json::Null)),
        Value::String(text) => named(spot, &service, resource, text).await,
        Value::Handle(handle) => from_handle(spot, &service, resource, handle).await,
        Value::Table(table) => from_table(spot, &service, resource, table).await,
        other => Err(Trouble::refused(format!(
            "a {resource} is expected, found {}",
            edge_lang::eval::display(other, &spot.run.inventory)
        ))),
    }
}

fn service_of(run: &Run, resource: &str) -> Result<Name, Trouble> {
    let found = run.library.any_resource(resource).map(|r| r.service.clone());
    found.ok_or_else(|| Trouble::refused(format!("no resource `{resource}`")))
}

/// The sites where a name of another service is looked for, in order.
fn sources(spot: Spot<'_>, service: &str) -> Vec<SiteId> {
    let inventory = &spot.run.inventory;
    match spot.step.dependencies.get(service) {
        Some(placement) => placement.sites().iter().filter_map(|s| inventory.instance(s, service)).collect(),
        // Not mentioned: local, or what the composed site says.
        None => match inventory.get(spot.atom) {
            Some(site) if site.composed.is_some() => vec![inventory.instance(spot.atom, service).unwrap_or(spot.at)],
            _ => vec![spot.at],
        },
    }
}

pub async fn named(spot: Spot<'_>, service: &str, resource: &str, text: &str) -> Result<Argument, Trouble> {
    let mut sources = sources(spot, service);
    let local = sources.contains(&spot.at) || sources.is_empty();
    if local {
        sources = vec![spot.at];
    }
    for at in &sources {
        let called = called(spot, *at, resource, text).await;
        if let Some(mut planned) = spot.run.planned(&called) {
            planned.insert("name".into(), text.into());
            return Ok(to_be(
                record(Row { id: None, fields: planned }),
                without(sources.into_iter().collect(), spot.at),
            ));
        }
    }
    if local {
        let here = spot.instance(spot.at, service).await?;
        let row = here.must_find(here.resource(resource)?, text).await?;
        return Ok(Argument::Ready(record(row)));
    }
    let mut last = None;
    for from in sources {
        let looked = async {
            let there = spot.instance(from, service).await?;
            there.must_find(there.resource(resource)?, text).await
        };
        match looked.await {
            Ok(row) => return from_row(spot, service, resource, from, row).await,
            Err(trouble) => {
                let name = spot.run.inventory.name(from).to_string();
                last = Some(Trouble { message: format!("at {name}: {}", trouble.message), ..trouble });
            }
        }
    }
    Err(last.unwrap_or_else(|| Trouble::refused(format!("no site to look for {resource} `{text}` at"))))
}

/// What a plan knows a thing by that the step speaks of.
async fn called(spot: Spot<'_>, site: SiteId, resource: &str, name: &str) -> Called {
    Called::new(spot.run, spot.who(), site, &resource.into(), &Fields::new(), name).await
}

/// What is planned, and from where it may have to be copied.
fn to_be(value: Json, from: SiteSet) -> Argument {
    match from.is_empty() {
        true => Argument::Ready(value),
        false => Argument::Later(value, from),
    }
}

/// No more than its name is known, and its id where it is there and is still to be changed.
fn only(name: Option<&Value>, id: &str) -> Json {
    match name {
        Some(Value::String(name)) if id.is_empty() => serde_json::json!({ "name": &**name }),
        Some(Value::String(name)) => serde_json::json!({ "name": &**name, "id": id }),
        _ => Json::Null,
    }
}

async fn from_handle(spot: Spot<'_>, service: &str, resource: &str, handle: &Handle) -> Result<Argument, Trouble> {
    if handle.pending {
        // A plan: it will be there. What it is made of is not known, so neither is whether it must be copied.
        let ty = Type::Handle(resource.into());
        let from = origins_of(spot, &ty, &Value::Handle(Arc::new(handle.clone())));
        return Ok(to_be(only(handle.fields.get("name"), &handle.id), from));
    }
    let from = spot.run.inventory.instance(handle.site, service).unwrap_or(handle.site);
    let mut fields: Fields =
        handle.fields.iter().map(|(k, v)| (k.clone(), rows::wire(v, &spot.run.inventory))).collect();
    fields.entry("id".into()).or_insert_with(|| (&*handle.id).into());
    from_row(spot, service, resource, from, Row { id: Some(handle.id.to_string()), fields }).await
}

async fn from_table(spot: Spot<'_>, service: &str, resource: &str, table: &Table) -> Result<Argument, Trouble> {
    let inventory = &spot.run.inventory;
    let instance = |site: Option<SiteId>| site.and_then(|s| inventory.instance(s, service));
    let here = table.rows.iter().find(|r| instance(r.site) == Some(spot.at));
    let Some(row) = here.or(table.rows.first()) else {
        return Err(Trouble::refused(format!("no {resource} is in the table")));
    };
    if row.pending {
        let name = table.columns.iter().position(|c| &**c == "name").and_then(|at| row.values.get(at));
        let ty = Type::Handle(resource.into());
        let from = origins_of(spot, &ty, &Value::Table(Arc::new(table.clone())));
        return Ok(to_be(only(name, row.id.as_deref().unwrap_or_default()), from));
    }
    let mut fields: Fields =
        table.columns.iter().zip(&row.values).map(|(c, v)| (c.clone(), rows::wire(v, inventory))).collect();
    if let Some(id) = &row.id {
        fields.entry("id".into()).or_insert_with(|| (&**id).into());
    }
    let from = instance(row.site).unwrap_or(spot.at);
    from_row(spot, service, resource, from, Row { id: row.id.as_ref().map(|i| i.to_string()), fields }).await
}

/// A resource that is known to be at `from`: itself there, elsewhere the same content or a copy of it.
async fn from_row(spot: Spot<'_>, service: &str, resource: &str, from: SiteId, row: Row) -> Result<Argument, Trouble> {
    if from == spot.at {
        return Ok(Argument::Ready(record(row)));
    }
    let here = spot.instance(spot.at, service).await?;
    let described = here.resource(resource)?;
    if described.bridge.is_none() {
        return Err(no_bridge(spot, described, from));
    }
    if let Some(failed) = described.bridge.as_ref().and_then(|b| b.failed.as_ref()) {
        let known = edge_lang::library::render::Scope { source: Some(row.fields.clone()), ..here.known() };
        if edge_lang::library::render::holds(&failed.when, &known)? {
            let because =
                failed.because.as_ref().map(|b| edge_lang::library::render::evaluate(b, &known)).transpose()?;
            let because = because.flatten().and_then(|b| b.as_str().map(|b| format!(": {b}"))).unwrap_or_default();
            let (at, from) = (spot.run.inventory.name(spot.at), spot.run.inventory.name(from));
            let name = row.fields.get("name").and_then(Json::as_str).unwrap_or("?");
            return Err(Trouble::refused(format!("{resource} `{name}` of {from} cannot be brought to {at}{because}")));
        }
    }
    // An earlier step of a plan brings it, or makes one; only where it does not is it brought for this one.
    let name = |row: &Row| row.fields.get("name").and_then(Json::as_str).map(str::to_string);
    if let Some(name) = name(&row)
        && spot.run.is_planned(&called(spot, spot.at, resource, &name).await)
    {
        return Ok(Argument::Later(record(row), SiteSet::of(from)));
    }
    let same = bridge::counterpart(&here, described, &row, spot.run.inventory.name(from)).await?;
    // What an earlier step of a plan removes will not be here.
    let gone = match same.as_ref().and_then(name) {
        Some(name) => spot.run.is_planned_gone(&called(spot, spot.at, resource, &name).await),
        None => false,
    };
    match same.filter(|_| !gone) {
        Some(same) => Ok(Argument::Ready(record(same))),
        None => Ok(Argument::Copy(Copy { service: service.into(), resource: resource.into(), from, to: spot.at, row })),
    }
}

fn no_bridge(spot: Spot<'_>, resource: &Resource, from: SiteId) -> Trouble {
    let (at, from) = (spot.run.inventory.name(spot.at), spot.run.inventory.name(from));
    let (step, name) = (spot.step, &resource.name);
    Trouble::refused(format!(
        "{}.{} at {at} expects a {name} of {at}, but got one of {from}",
        step.resource, step.operation
    ))
    .help(format!("a {name} cannot be brought to another site"))
}

/// What a step needs at a site and is not there yet, in words: what was deferred, and whatever follows from it.
pub fn pending_at(step: &Step, atom: SiteId) -> Option<String> {
    step.arguments_at(atom).values().find_map(|value| pending(value, atom))
}

fn pending(value: &Value, at: SiteId) -> Option<String> {
    match value {
        Value::Unknown(what) => Some(format!("it waits for {}", what.what)),
        Value::Handle(handle) if handle.pending => Some(format!("it waits for the {}, which is owed", handle.resource)),
        Value::Table(table) => {
            let here = table.rows.iter().find(|r| r.site == Some(at)).or(table.rows.first())?;
            let what = table.resource.as_deref().unwrap_or("row");
            here.pending.then(|| format!("it waits for the {what}, which is owed"))
        }
        Value::List(items) => items.iter().find_map(|item| pending(item, at)),
        Value::Record(record) => record.values().find_map(|value| pending(value, at)),
        _ => None,
    }
}

/// A row as an argument: its fields, `id` among them.
pub fn record(row: Row) -> Json {
    let mut fields = row.fields;
    if let Some(id) = row.id {
        fields.entry("id".into()).or_insert_with(|| id.into());
    }
    Json::Object(fields.into_iter().map(|(k, v)| (k.to_string(), v)).collect())
}

/// The value of an argument of which nothing has to be copied.
pub fn ready(argument: Argument) -> Result<Json, Trouble> {
    match argument {
        Argument::Ready(value) | Argument::Later(value, _) => Ok(value),
        Argument::Many(many) => many.into_iter().map(ready).collect::<Result<_, _>>().map(Json::Array),
        Argument::Copy(copy) => {
            let name = copy.name().unwrap_or("?");
            Err(Trouble::refused(format!("{} `{name}` is at another site, and a read copies nothing", copy.resource)))
        }
    }
}
