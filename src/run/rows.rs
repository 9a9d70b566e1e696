//! Between values of the language and rows of the library: what an operation is about, and what it gives.

use super::abreast::{self, abreast};
use super::change::Pursued;
use super::effect::SiteEffect;
use super::instance::Instance;
use super::live::{any_resource, times};
use super::planned::Called;
use super::trouble::Kind;
use super::{Run, Who, codes, rehearse};
use edge_lang::eval::{self, Failure, Handle, Step, StepKind, Table, Value, from_json, to_json};
use edge_lang::inventory::Inventory;
use edge_lang::library::Resource;
use edge_lang::library::render::{Fields, Row};
use edge_lang::model::{SiteId, SiteSet};
use edge_lang::types::{Name, Type};
use indexmap::IndexMap;
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// What a step is about, in layers: at most one thing per site in each. One empty layer where it is about nothing that
/// is there yet; none where there is nothing to do.
pub async fn subjects(run: &Arc<Run>, step: &Step) -> Result<Vec<HashMap<SiteId, Row>>, Failure> {
    let Some(subject) = &step.subject else {
        return Ok(if step.placement.sites().is_empty() { Vec::new() } else { vec![HashMap::new()] });
    };
    match step.arguments.get(subject) {
        Some(Value::Handle(handle)) if handle.pending => Ok(vec![HashMap::from([(handle.site, pending(handle))])]),
        Some(Value::Unknown(_)) => Ok(Vec::new()),
        Some(Value::Handle(handle)) => Ok(vec![HashMap::from([(handle.site, row_of_handle(run, handle))])]),
        Some(Value::Table(table)) => {
            Ok(layers(table.rows.iter().filter_map(|r| Some((r.site?, any_row_of(run, table, r))))))
        }
        _ if step.document.is_some() => named(run, step, step.document.as_ref().map_or("", |d| &*d.name)).await,
        Some(Value::String(name)) => named(run, step, name).await,
        Some(Value::List(items)) => {
            let handles = items.iter().filter_map(|i| match i {
                Value::Handle(h) => Some((h.site, row_of_handle(run, h))),
                _ => None,
            });
            Ok(layers(handles))
        }
        _ => Ok(Vec::new()),
    }
}

/// What a plan and a summary say of it.
pub const ABSENT: &str = "absent already";

/// The sites at which a deletion by name, or of a document, found nothing to delete.
pub fn absent(step: &Step, layers: &[HashMap<SiteId, Row>]) -> SiteSet {
    let deletes = step.kind == StepKind::Final && &*step.operation == "delete";
    let named = matches!(step.subject.as_ref().and_then(|s| step.arguments.get(s)), Some(Value::String(_)));
    match deletes && (named || step.document.is_some()) {
        true => step.placement.sites().iter().filter(|site| !layers.iter().any(|l| l.contains_key(site))).collect(),
        false => SiteSet::new(),
    }
}

/// Of a plan: it will be there, and little is known of it.
pub fn is_pending(value: &Value) -> bool {
    match value {
        Value::Handle(handle) => handle.pending,
        Value::Table(table) => table.rows.iter().any(|r| r.pending),
        Value::Unknown(_) => true,
        _ => false,
    }
}

/// What is planned or owed, by the name that it will have.
fn pending(handle: &Handle) -> Row {
    named_only(handle.fields.get("name"))
}

fn any_row_of(run: &Run, table: &Table, row: &eval::Row) -> Row {
    if !row.pending {
        return row_of(run, table, row);
    }
    let at = table.columns.iter().position(|c| &**c == "name");
    named_only(at.and_then(|at| row.values.get(at)))
}

fn named_only(name: Option<&Value>) -> Row {
    let name = match name {
        Some(Value::String(name)) => Some(("name".into(), Json::from(&**name))),
        _ => None,
    };
    Row { id: None, fields: name.into_iter().collect() }
}

fn layers(all: impl Iterator<Item = (SiteId, Row)>) -> Vec<HashMap<SiteId, Row>> {
    let mut layers: Vec<HashMap<SiteId, Row>> = Vec::new();
    for (site, row) in all {
        match layers.iter_mut().find(|l| !l.contains_key(&site)) {
            Some(layer) => {
                layer.insert(site, row);
            }
            None => layers.push(HashMap::from([(site, row)])),
        }
    }
    layers
}

pub fn row_of_handle(run: &Run, handle: &Handle) -> Row {
    let mut fields: Fields = handle.fields.iter().map(|(k, v)| (k.clone(), wire(v, &run.inventory))).collect();
    fields.entry("id".into()).or_insert_with(|| (&*handle.id).into());
    Row { id: Some(handle.id.to_string()), fields }
}

pub fn row_of(run: &Run, table: &Table, row: &eval::Row) -> Row {
    let values = table.columns.iter().zip(&row.values);
    let mut fields: Fields = values.map(|(c, v)| (c.clone(), wire(v, &run.inventory))).collect();
    let id = row.id.as_ref().map(|i| i.to_string());
    if let Some(id) = &id {
        fields.entry("id".into()).or_insert_with(|| id.as_str().into());
    }
    Row { id, fields }
}

/// A name, or a document, is looked up at every site of the scope. A deletion passes over the sites where there is none.
async fn named(run: &Arc<Run>, step: &Step, name: &str) -> Result<Vec<HashMap<SiteId, Row>>, Failure> {
    let sites: Vec<SiteId> = step.placement.sites().iter().collect();
    let deletes = step.kind == StepKind::Final && &*step.operation == "delete";
    let looked = sites.iter().map(|site| async move {
        let at = run.inventory.instance(*site, &step.service).unwrap_or(*site);
        let who = Who::of(step);
        if step.document.is_none() {
            let called = Called::new(run, who, at, &step.resource, &Fields::new(), name).await;
            if run.is_planned(&called) {
                return Ok(Some(Row { id: None, fields: Fields::from_iter([("name".into(), name.into())]) }));
            }
        }
        let instance = Instance::open(run, at, &step.service, who, times(step).answer).await?;
        let resource = instance.resource(&step.resource)?;
        if let (Some(document), Some(subject)) = (&step.document, &step.subject) {
            let said = step.arguments_at(*site).get(subject).map(|v| wire(v, &run.inventory)).unwrap_or_default();
            let identity = rehearse::identity(resource, &said)?;
            let called = Called::of_document(&instance, run, who, at, document, &identity).await;
            if run.is_planned(&called) {
                return Ok(Some(Row { id: None, fields: identity }));
            }
            // Of a kind that a site does not have, not any more perhaps, nothing is there.
            if deletes && !instance.has_kind(resource, &identity).await? {
                return Ok(None);
            }
            return instance.read(resource, identity, Fields::new()).await;
        }
        if deletes { instance.find(resource, name).await } else { instance.must_find(resource, name).await.map(Some) }
    });
    let looked = abreast(looked.collect(), abreast::of(step)).await;
    let mut found = HashMap::new();
    let mut failure: Option<Failure> = None;
    for (site, looked) in sites.into_iter().zip(looked) {
        match looked {
            Ok(Some(row)) => {
                found.insert(site, row);
            }
            Ok(None) => {}
            Err(trouble) => {
                let code = if trouble.kind == Kind::Refused { &codes::NOT_FOUND } else { &codes::SILENT_READ };
                let new = || {
                    Failure::new(
                        code,
                        step.span,
                        format!("{}.{} of `{name}` cannot begin", step.resource, step.operation),
                    )
                };
                let whole = failure.take().unwrap_or_else(new).at(site, trouble.message);
                failure = Some(match trouble.help {
                    Some(help) if !whole.help.contains(&help) => whole.help(help),
                    _ => whole,
                });
            }
        }
    }
    match failure {
        Some(failure) => Err(failure),
        None if found.is_empty() => Ok(Vec::new()),
        None => Ok(vec![found]),
    }
}

/// The value of a step that had nothing to do.
pub fn nothing(step: &Step) -> Value {
    match step.result.present() {
        Type::Replicated(resource) => {
            Value::Table(Arc::new(Table { resource: Some(resource.clone()), ..Table::default() }))
        }
        Type::Table(columns) => {
            Value::Table(Arc::new(Table { columns: columns.keys().cloned().collect(), ..Table::default() }))
        }
        _ => Value::Null,
    }
}

/// The handle, the replicated handle or the value that completed effects give.
pub fn value(run: &Run, step: &Step, layers: &[Pursued]) -> Value {
    let mut effects: Vec<&SiteEffect> = layers.iter().flat_map(|e| e.effects.values()).collect();
    effects.sort_by_key(|e| e.atom());
    match step.result.present() {
        Type::Handle(_) => match effects.first().and_then(|e| Some((e.atom(), e.described()?, e.row()?))) {
            Some((site, resource, row)) => Value::Handle(Arc::new(handle(resource, site, row))),
            None => Value::Null,
        },
        Type::Replicated(name) => {
            let rows = effects.iter().filter_map(|e| Some((e.atom(), e.row()?.clone())));
            let described = effects.iter().find_map(|e| e.described()).or_else(|| any_resource(run, step));
            match described {
                Some(resource) => {
                    let mut table = table(resource, rows, step.placement.sites());
                    let unknown = layers.iter().flat_map(|e| e.unknown.iter());
                    table.unknown = unknown.map(|s| (s, "it has not answered".into())).collect();
                    Value::Table(Arc::new(table))
                }
                None => Value::Table(Arc::new(Table { resource: Some(name.clone()), ..Table::default() })),
            }
        }
        Type::Nothing => Value::Null,
        _ => effects.first().and_then(|e| e.answer.clone()).map_or(Value::Null, from_json),
    }
}

pub fn handle(resource: &Resource, site: SiteId, row: &Row) -> Handle {
    let mut fields = IndexMap::new();
    for (name, field) in &resource.fields {
        fields.insert(name.clone(), cell(row.fields.get(name), &field.ty));
    }
    let id = row.id.clone().unwrap_or_default().into();
    Handle {
        resource: resource.name.clone(),
        site,
        id,
        fields: Arc::new(fields),
        pending: false,
        elsewhere: SiteSet::new(),
    }
}

/// As it is sent, and as rows hold it: the one place where secrets are told.
pub fn wire(value: &Value, inventory: &Inventory) -> Json {
    match value {
        Value::Secret(secret) => secret.reveal().into(),
        Value::List(items) => items.iter().map(|item| wire(item, inventory)).collect(),
        Value::Record(record) => {
            Json::Object(record.iter().map(|(name, value)| (name.to_string(), wire(value, inventory))).collect())
        }
        other => to_json(other, inventory),
    }
}

/// A field as programs see it. What its type says is a secret is one, whatever it holds, also within a map or a list.
fn cell(value: Option<&Json>, ty: &Type) -> Value {
    match (value, ty.present()) {
        (None | Some(Json::Null), _) => Value::Null,
        (Some(Json::String(text)), Type::Secret) => Value::Secret(eval::Secret::new(text.as_str())),
        (Some(other), Type::Secret) => Value::Secret(eval::Secret::new(other.to_string())),
        (Some(Json::Object(members)), Type::Map(of)) => {
            let member = |(name, value): (&String, &Json)| (name.as_str().into(), cell(Some(value), of));
            Value::Record(Arc::new(members.iter().map(member).collect()))
        }
        (Some(Json::Array(items)), Type::List(of)) => {
            Value::List(Arc::new(items.iter().map(|item| cell(Some(item), of)).collect()))
        }
        (Some(value), _) => from_json(value.clone()),
    }
}

/// Whole rows of one resource, each with its site.
pub fn table(resource: &Resource, rows: impl Iterator<Item = (SiteId, Row)>, asked: SiteSet) -> Table {
    let columns: Vec<Name> = resource.fields.values().filter(|f| !f.once).map(|f| f.name.clone()).collect();
    let rows = rows
        .map(|(site, row)| eval::Row {
            site: Some(site),
            values: columns.iter().map(|c| cell(row.fields.get(c), &resource.fields[c].ty)).collect(),
            id: Some(row.id.unwrap_or_default().into()),
            pending: false,
        })
        .collect();
    Table { resource: Some(resource.name.clone()), columns, rows, asked, ..Table::default() }
}

/// Rows that are no resources, with how long ago each was seen: no time, where its site answered.
pub fn aged(table: Table, ages: &HashMap<SiteId, Duration>) -> Table {
    let own: Vec<usize> = (0..table.columns.len()).filter(|i| !matches!(&*table.columns[*i], "id" | "age")).collect();
    let named = own.iter().map(|i| table.columns[*i].clone());
    let columns = named.chain(["id".into(), "age".into()]).collect();
    let row = |row: eval::Row| {
        let age = row.site.and_then(|site| ages.get(&site)).copied().unwrap_or_default();
        let id = row.id.map_or(Value::Null, Value::String);
        let values = own.iter().map(|i| row.values[*i].clone()).chain([id, Value::Duration(age)]).collect();
        eval::Row { id: None, values, ..row }
    };
    Table { columns, rows: table.rows.into_iter().map(row).collect(), resource: None, ..table }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edge_lang::eval::{display, has_secret};
    use serde_json::json;

    #[test]
    fn a_map_of_secrets_shows_none_and_is_sent_whole() {
        let held = json!({ "password": "hunter2" });
        for ty in [Type::Map(Type::Secret.into()), Type::Secret] {
            let value = cell(Some(&held), &ty);
            let inventory = Inventory::default();
            assert!(has_secret(&value));
            assert!(!display(&value, &inventory).contains("hunter2"));
            assert!(!to_json(&value, &inventory).to_string().contains("hunter2"));
            assert!(wire(&value, &inventory).to_string().contains("hunter2"));
        }
    }
}
