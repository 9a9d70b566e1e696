//! What a step gives that is not there yet: in a plan because nothing was sent, in a run because it is owed. What it was asked
//! to be is known already.

use super::live::any_resource;
use super::{Run, rows};
use edge_lang::eval::{Handle, Row as TableRow, Step, StepKind, Table, Unknown, Value};
use edge_lang::library::Resource;
use edge_lang::library::render::Row;
use edge_lang::model::{SiteId, SiteSet};
use edge_lang::types::{Name, Type};
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// `there`: the sites where it is there after all. `id`: of what is to be.
pub fn value(
    run: &Run,
    step: &Step,
    aimed: &SiteSet,
    id: impl Fn(SiteId) -> Option<String>,
    there: &BTreeMap<SiteId, Row>,
) -> Value {
    let inventory = &run.inventory;
    let unknown = |what: String, ty: Type| Value::Unknown(Arc::new(Unknown { ty, what }));
    match step.result.present() {
        Type::Nothing | Type::Null => Value::Null,
        Type::Handle(name) => {
            let Some(site) = aimed.iter().next() else { return Value::Null };
            if let (Some(row), Some(resource)) = (there.get(&site), made(run, step, name)) {
                return Value::Handle(Arc::new(rows::handle(resource, site, row)));
            }
            Value::Handle(Arc::new(Handle {
                resource: name.clone(),
                site,
                id: id(site).unwrap_or_default().into(),
                fields: Arc::new(known_fields(step, site, made(run, step, name))),
                pending: true,
                elsewhere: step.placement.sites().difference(aimed),
            }))
        }
        Type::Replicated(name) => {
            let Some(resource) = made(run, step, name) else { return rows::nothing(step) };
            let real = there.iter().map(|(site, row)| (*site, row.clone()));
            let mut table = rows::table(resource, real, step.placement.sites());
            for site in aimed.iter().filter(|site| !there.contains_key(site)) {
                let known = known_fields(step, site, Some(resource));
                let value = |c: &Name| {
                    let what = || format!("the {c} of the {name} at {}", inventory.name(site));
                    known.get(c).cloned().unwrap_or_else(|| unknown(what(), resource.fields[c].ty.clone()))
                };
                let values = table.columns.iter().map(value).collect();
                table.rows.push(TableRow {
                    site: Some(site),
                    values,
                    id: Some(id(site).unwrap_or_default().into()),
                    pending: true,
                });
            }
            table.rows.sort_by_key(|row| row.site);
            Value::Table(Arc::new(Table { resource: Some(name.clone()), ..table }))
        }
        other => unknown(format!("what {}.{} gives", step.resource, step.operation), other.clone()),
    }
}

fn made<'a>(run: &'a Run, step: &Step, name: &str) -> Option<&'a Resource> {
    any_resource(run, step).filter(|r| &*r.name == name).or_else(|| run.library.any_resource(name))
}

fn known_fields(step: &Step, site: SiteId, resource: Option<&Resource>) -> IndexMap<Name, Value> {
    let about = step.subject.is_some() && resource.is_none_or(|r| r.name == step.resource);
    let creates = matches!(step.kind, StepKind::Change | StepKind::Ensure) && !about;
    let mut known = IndexMap::new();
    if let Some(subject) = step.subject.as_ref().filter(|_| about)
        && let Some(Value::Handle(handle)) = step.arguments.get(subject)
        && let Some(name) = handle.fields.get("name")
    {
        known.insert("name".into(), name.clone());
    }
    if let (true, Some(resource)) = (creates, resource) {
        for (name, value) in step.arguments_at(site) {
            let same = resource.fields.get(&name).is_some_and(|f| !matches!(f.ty.present(), Type::Any | Type::Secret));
            let plain = matches!(value, Value::String(_) | Value::Int(_) | Value::Bool(_));
            if same && plain {
                known.insert(name, value);
            }
        }
    }
    known
}
