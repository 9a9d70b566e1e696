//! What is there already, as a plan sees it: what `ensure` accepts or changes, what a deletion has nothing to do for, a link
//! by its ends.

use super::super::instance::Instance;
use super::super::planned::Called;
use super::super::resolve::{self, Spot};
use super::super::trouble::{Kind, Trouble};
use super::super::{planned, rows};
use super::{Looked, Planning};
use edge_lang::eval::{Step, Value};
use edge_lang::library::Resource;
use edge_lang::library::render::{self, Fields, Row};
use edge_lang::model::SiteId;
use edge_lang::plan::{Action, PlannedEffect};
use edge_lang::types::{Name, Type};

impl Planning {
    /// What a deletion would delete, or that there is nothing to delete.
    pub(super) async fn deleted(
        &self,
        spot: Spot<'_>,
        instance: &Instance,
        resource: &Resource,
        subject: Option<&Row>,
        named: &impl Fn(Action, Option<&str>, Option<&str>) -> PlannedEffect,
    ) -> Looked {
        let Spot { run, step, atom, at, .. } = spot;
        let row_name = |row: &Row| row.fields.get("name").and_then(|n| n.as_str()).map(str::to_string);
        if let Some((row, name)) = subject.and_then(|row| Some((row, row_name(row)?))) {
            let called = match &step.document {
                Some(document) => Called::of_document(instance, run, spot.who(), at, document, &row.fields).await,
                None => Called::new(run, spot.who(), at, &step.resource, &row.fields, &name).await,
            };
            if step_names(step) && run.is_planned_gone(&called) {
                return Ok(vec![not_there(step, atom)]);
            }
            run.plan_gone(called);
        }
        Ok(match subject {
            Some(row) => vec![named(Action::Delete, row_name(row).as_deref(), row.id.as_deref())],
            None => {
                let link = resolve::link(spot, resource).await?;
                let called = render::link_name(resource, &link.fields);
                let params = resource.operation("delete").map_or(&[][..], |o| &o.params);
                let (mut planned, mut gone) = (false, false);
                if let Some(called) = &called {
                    let called = Called::new(run, spot.who(), at, &step.resource, &Fields::new(), called).await;
                    planned = run.is_planned(&called);
                    gone = run.is_planned_gone(&called);
                    run.plan_gone(called);
                }
                let there = planned || !gone && link_there(instance, resource, params, &link.fields).await?.is_some();
                let action = if there { Action::Delete } else { Action::Nothing { why: rows::ABSENT.into() } };
                vec![named(action, called.as_deref(), None)]
            }
        })
    }

    pub(super) fn ensured(
        &self,
        resource: &Resource,
        args: &Fields,
        found: Option<Row>,
        name: &Option<String>,
        named: &impl Fn(Action, Option<&str>, Option<&str>) -> PlannedEffect,
    ) -> Result<PlannedEffect, Trouble> {
        let Some(row) = found else { return Ok(named(Action::Create, name.as_deref(), None)) };
        let differences = render::differences(resource, args, &row.fields);
        if let Some(fixed) = differences.iter().find(|d| d.fixed) {
            let name = name.as_deref().unwrap_or("?");
            let message =
                format!("{} `{name}` is there with another `{}`, which cannot be changed", resource.name, fixed.field);
            return Err(Trouble::refused(message).help("delete it first, or give what it has"));
        }
        let action = match differences.is_empty() {
            true => Action::AlreadyThere,
            false => Action::Change { fields: planned::field_changes(resource, &differences) },
        };
        Ok(named(action, name.as_deref(), row.id.as_deref()))
    }
}

/// A link as it is there; one of which an end is still to be made is not.
pub(super) async fn link_there(
    instance: &Instance,
    resource: &edge_lang::library::Resource,
    params: &[edge_lang::library::Param],
    args: &Fields,
) -> Result<Option<Row>, Trouble> {
    let ends = render::ends(resource, params, args)?;
    let made = |end: &Name| {
        let param = params.iter().find(|p| p.name == *end);
        match (ends.get(end), param.map(|p| &p.ty)) {
            (Some(value), Some(ty)) if matches!(ty.present(), Type::Handle(_)) => value.get("id").is_some(),
            (Some(value), _) if !value.is_null() => true,
            (_, ty) => ty.is_some_and(|ty| ty.present() != ty),
        }
    };
    if !resource.named.iter().flat_map(|n| &n.by).all(made) {
        return Ok(None);
    }
    instance.read(resource, ends.clone(), ends).await
}

/// Whether what it is about is named, and not held by a handle or a row.
fn step_names(step: &Step) -> bool {
    matches!(step.subject.as_ref().and_then(|s| step.arguments.get(s)), Some(Value::String(_)))
}

/// A deletion of what is not there.
pub(super) fn not_there(step: &Step, site: SiteId) -> PlannedEffect {
    let planned = match (&step.document, step.subject.as_ref().and_then(|s| step.arguments.get(s))) {
        (Some(document), _) => (document.kind.to_string(), Some(document.name.to_string())),
        (None, Some(Value::String(name))) => (step.resource.to_string(), Some(name.to_string())),
        _ => (step.resource.to_string(), None),
    };
    PlannedEffect::new(site, Action::Nothing { why: rows::ABSENT.into() }, planned.0, planned.1)
}

pub(super) fn troubled(step: &Step, site: SiteId, subject: Option<&Row>, trouble: &Trouble) -> PlannedEffect {
    let why = trouble.message.clone();
    let action = match trouble.kind {
        Kind::Refused => Action::Refused { why },
        Kind::NotReached | Kind::Silent => Action::Silent { why },
    };
    let name = match (subject.and_then(|row| row.fields.get("name")), step.arguments.get("name")) {
        (Some(serde_json::Value::String(name)), _) => Some(name.clone()),
        (_, Some(Value::String(name))) => Some(name.to_string()),
        _ => None,
    };
    let (of, name) = match &step.document {
        Some(document) => (document.kind.to_string(), Some(document.name.to_string())),
        None => (step.resource.to_string(), name),
    };
    let planned = PlannedEffect::new(site, action, of, name);
    match subject.and_then(|row| row.id.clone()) {
        Some(id) => planned.id(id),
        None => planned,
    }
}
