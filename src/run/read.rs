//! Reads: listings, single resources, and operations that only answer. All sites at once; one after the other where the
//! first that answers counts.

use super::abreast::{self, ABREAST, abreast};
use super::body::{Body, Stop};
use super::event::EventKind;
use super::instance::Instance;
use super::live::{any_resource, times, title};
use super::resolve::{self, Spot};
use super::seen::{Remembered, listing};
use super::trouble::{Kind, Trouble, code_of};
use super::{Run, Who, codes, rows};
use edge_lang::eval::{self, Failure, Step, Table, Unreachable, Value, from_json};
use edge_lang::library::render::{self, Fields, Row, Scope as Known};
use edge_lang::library::{Op, Param, Resource};
use edge_lang::model::{Placement, SiteId, SiteSet};
use edge_lang::span::Span;
use edge_lang::types::Type;
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// What a site answers.
enum Found {
    Rows(Vec<Row>),
    /// What was last seen, and why nothing newer is.
    Old {
        rows: Vec<Row>,
        age: Duration,
        why: String,
    },
    Value(Json),
}

pub async fn perform(run: &Arc<Run>, step: &Step) -> Result<Value, Failure> {
    if step.placement.sites().is_empty() {
        return Ok(rows::nothing(step));
    }
    let title = title(step, &run.inventory);
    let place = step.placement.display(|s| run.inventory.name(s).to_string()).to_string();
    run.events.emit(Some(&step.key), EventKind::Began { title: title.clone(), place, span: step.span });
    let layers = match &step.subject {
        Some(_) => rows::subjects(run, step).await?,
        None => vec![HashMap::new()],
    };
    let subjects = layers.into_iter().next().unwrap_or_default();
    let answers = if step.single {
        first(run, step, &subjects).await?
    } else {
        let sites: Vec<SiteId> = step.placement.sites().iter().collect();
        let all = abreast(sites.iter().map(|s| ask(run, step, *s, subjects.get(s))).collect(), abreast::of(step)).await;
        sites.into_iter().zip(all).collect()
    };
    let answers = match stale(step) {
        true => remembered(run, step, answers),
        false => answers,
    };
    let result = collect(run, step, &title, answers);
    run.events.emit(
        Some(&step.key),
        match &result {
            Ok(_) => EventKind::Done { outcome: SiteSet::new() },
            Err(failure) => EventKind::Failed { message: failure.message.clone() },
        },
    );
    result
}

/// Whether rows of an earlier listing do: its rows are records then, with their age.
fn stale(step: &Step) -> bool {
    &*step.operation == "list" && matches!(step.result.present(), Type::Table(_))
}

/// Where a site does not answer, what was last seen of it. Where the first answer counts, none is needed after it.
fn remembered(run: &Run, step: &Step, answers: Answers) -> Answers {
    if step.policy.unreachable != Some(Unreachable::Stale) {
        return answers;
    }
    let mut enough = step.single && answers.iter().any(|(_, answer)| answer.is_ok());
    let recall = |(site, answer): (SiteId, Result<Found, Trouble>)| match answer {
        Err(trouble) if trouble.kind != Kind::Refused && !enough => {
            let at = run.inventory.instance(site, &step.service).unwrap_or(site);
            let last = listing(run, step, site, at).and_then(|listing| run.seen.as_ref()?.last(&listing));
            let Some(Remembered { rows, age }) = last else { return (site, Err(trouble)) };
            enough = step.single;
            let why = trouble.message.clone();
            run.events.emit(Some(&step.key), EventKind::Remembered { site, age, why });
            (site, Ok(Found::Old { rows, age, why: trouble.message }))
        }
        answer => (site, answer),
    };
    answers.into_iter().map(recall).collect()
}

/// Of a listing that goes by what was last seen, in words.
pub fn told_old(run: &Run, step: &Step, value: &Value) -> Option<String> {
    let Value::Table(table) = value else { return None };
    let asked = step.policy.unreachable == Some(Unreachable::Stale) && !table.unknown.is_empty();
    let at = |(site, why): (&SiteId, &Arc<str>)| format!("{}: {why}", run.inventory.name(*site));
    asked.then(|| {
        format!("{}, {}", title(step, &run.inventory), table.unknown.iter().map(at).collect::<Vec<_>>().join("; "))
    })
}

type Answers = Vec<(SiteId, Result<Found, Trouble>)>;

/// In order of preference, until one answers.
async fn first(run: &Arc<Run>, step: &Step, subjects: &HashMap<SiteId, Row>) -> Result<Answers, Failure> {
    let order = super::prefer::order(run, step, &step.placement).await;
    let mut order = super::prefer::sites(run, step, &step.placement, &order);
    if order.is_empty() {
        order = step.placement.written_order();
    }
    let mut answers = Vec::new();
    for site in order {
        let answer = ask(run, step, site, subjects.get(&site)).await;
        let answered = answer.is_ok();
        answers.push((site, answer));
        if answered {
            break;
        }
    }
    Ok(answers)
}

async fn ask(run: &Arc<Run>, step: &Step, atom: SiteId, subject: Option<&Row>) -> Result<Found, Trouble> {
    let time = times(step).answer;
    let at = run.inventory.instance(atom, &step.service).unwrap_or(atom);
    let instance = Instance::open(run, at, &step.service, Who::of(step), time).await?;
    let resource = instance.resource(&step.resource)?;
    let spot = Spot { run, step, atom, at, time };
    match &*step.operation {
        "list" => {
            let params: &[Param] = resource.list.as_ref().map_or(&[], |l| &l.params);
            let args = arguments(spot, params).await?;
            let rows = instance.list(resource, args).await?;
            if let Some(seen) = &run.seen
                && let Some(listing) = listing(run, step, atom, at)
            {
                seen.note(&listing, &rows, resource);
            }
            Ok(Found::Rows(rows))
        }
        "show" => {
            let found = match subject {
                Some(row) => instance.read(resource, row.fields.clone(), row.fields.clone()).await?,
                None => match step.arguments.get(&resource.name) {
                    // A name, whose finding is the reading.
                    Some(Value::String(name)) if !resource.is_link() => Some(instance.must_find(resource, name).await?),
                    _ => {
                        let params = resource.operation("show").map_or(Vec::new(), |o| o.params.clone());
                        let ends = arguments(spot, &params).await?;
                        instance.read(resource, ends.clone(), ends).await?
                    }
                },
            };
            found
                .map(|row| Found::Rows(vec![row]))
                .ok_or_else(|| Trouble::refused(format!("the {} is not there any more", resource.name)))
        }
        name => {
            let Some(op) = resource.ops.get(name) else {
                return Err(Trouble::not_described(format!("{} has no `{name}` at sites of this kind", resource.name)));
            };
            answer(spot, &instance, resource, op, subject).await
        }
    }
}

/// The arguments of a read: what is not here cannot be copied for it.
async fn arguments(spot: Spot<'_>, params: &[Param]) -> Result<Fields, Trouble> {
    let resolved = resolve::resolve(spot, params).await?;
    let mut args = Fields::new();
    for (name, argument) in resolved.all {
        args.insert(name, resolve::ready(argument)?);
    }
    Ok(args)
}

async fn answer(
    spot: Spot<'_>,
    instance: &Instance,
    resource: &Resource,
    op: &Op,
    subject: Option<&Row>,
) -> Result<Found, Trouble> {
    let mut args = arguments(spot, &op.params).await?;
    if let (Some(param), Some(row)) = (op.subject(&resource.name), subject) {
        args.insert(param.name.clone(), resolve::record(row.clone()));
    }
    let given = |name: &str| args.contains_key(name);
    let version = render::version_for_write(instance.service(), resource, op, given, instance.offered())?;
    let row = subject.map(|r| r.fields.clone()).unwrap_or_default();
    let mut known = Known { args, row, version, ..instance.known() };
    render::fill_defaults(&op.params, &mut known)?;
    let mut body =
        Body { op: Some(op), ..Body::new(spot.run, &spot.step.key, spot.atom, instance, resource, known, spot.time) };
    match body.begin(&op.body).await {
        Ok(()) => match (body.answer, op.result.as_ref().map(Type::present)) {
            // What gives the resource, and says no other answer, gives what was read of it.
            (None, Some(Type::Handle(given))) if *given == resource.name => {
                let fields = body.known.row;
                let id = fields.get("id").and_then(Json::as_str).map(str::to_string);
                Ok(Found::Rows(vec![Row { id, fields }]))
            }
            (answer, _) => Ok(Found::Value(answer.unwrap_or(Json::Null))),
        },
        Err(Stop::NotReached(t) | Stop::Silent(t) | Stop::Refused(t) | Stop::Broken(t)) => Err(t),
    }
}

fn collect(run: &Run, step: &Step, title: &str, answers: Answers) -> Result<Value, Failure> {
    let asked: SiteSet = answers.iter().map(|(s, _)| *s).collect();
    let (mut found, mut values, mut unknown) = (Vec::new(), Vec::new(), BTreeMap::new());
    let (mut answered, mut ages) = (SiteSet::new(), HashMap::new());
    let mut troubles = Vec::new();
    for (site, answer) in answers {
        match answer {
            Ok(Found::Rows(rows)) => {
                answered.insert(site);
                found.extend(rows.into_iter().map(|r| (site, r)));
            }
            Ok(Found::Old { rows, age, why }) => {
                answered.insert(site);
                found.extend(rows.into_iter().map(|r| (site, r)));
                // It stays unknown what is there now.
                let why = format!("{why}; what is shown of it was seen {} ago", eval::duration_text(age));
                unknown.insert(site, why.into());
                ages.insert(site, age);
            }
            Ok(Found::Value(value)) => {
                answered.insert(site);
                values.push((site, value));
            }
            Err(trouble) => {
                unknown.insert(site, Arc::from(trouble.message.as_str()));
                troubles.push((site, trouble));
            }
        }
    }
    let skip = step.policy.unreachable == Some(Unreachable::Skip);
    let refused = troubles.iter().any(|(_, t)| t.kind == Kind::Refused);
    // `all but n of` and the like hold without some of their sites; a single form wants one.
    let enough =
        if step.single { !answered.is_empty() } else { troubles.is_empty() || reads_hold(&step.placement, &answered) };
    if !enough && (!skip || refused && &*step.operation != "list") {
        return Err(unanswered(step, title, troubles, refused));
    }
    match step.result.present() {
        Type::Handle(_) => {
            let resource = any_resource(run, step);
            Ok(match (found.first(), resource) {
                (Some((site, row)), Some(resource)) => Value::Handle(Arc::new(rows::handle(resource, *site, row))),
                _ => Value::Null,
            })
        }
        Type::Replicated(_) | Type::Table(_) => {
            let Some(resource) = any_resource(run, step) else { return Ok(rows::nothing(step)) };
            let mut table = match values.is_empty() {
                true => rows::table(resource, found.into_iter(), asked),
                false => values_table(values, asked),
            };
            if stale(step) {
                table = rows::aged(table, &ages);
            }
            table.unknown = unknown;
            Ok(Value::Table(Arc::new(table)))
        }
        _ => Ok(values.into_iter().next().map_or(Value::Null, |(_, v)| from_json(v))),
    }
}

fn reads_hold(placement: &Placement, answered: &SiteSet) -> bool {
    placement.holds(answered)
}

/// Answers that are no rows, of several sites.
fn values_table(values: Vec<(SiteId, Json)>, asked: SiteSet) -> Table {
    let row = |(site, value)| eval::Row { site: Some(site), values: vec![from_json(value)], id: None, pending: false };
    Table { columns: vec!["value".into()], rows: values.into_iter().map(row).collect(), asked, ..Table::default() }
}

fn unanswered(step: &Step, title: &str, troubles: Vec<(SiteId, Trouble)>, refused: bool) -> Failure {
    let (code, what) = match refused {
        true => {
            let refusals = troubles.iter().filter(|(_, t)| t.kind == Kind::Refused).map(|(_, t)| t.code);
            (code_of(refusals, &codes::NOT_FOUND), "was refused")
        }
        false => (&codes::SILENT_READ, "is not complete"),
    };
    let mut failure = Failure::new(code, step.span, format!("{title} {what}"));
    let mut helps = Vec::new();
    for (site, trouble) in troubles {
        failure.sites.push((site, trouble.message));
        // Of a silent site a read has a remedy of its own.
        helps.extend(trouble.help.filter(|_| trouble.kind == Kind::Refused));
    }
    helps.dedup();
    failure.help.extend(helps.into_iter().take(3));
    if refused {
        return failure;
    }
    let failure = match step.policy.unreachable {
        Some(Unreachable::Stale) => {
            failure.help("nothing was ever seen of it under this account, so there is nothing old to show")
        }
        _ => failure,
    };
    failure.help("`with { unreachable: skip }` reads what can be read; `.unknown` then lists the others")
}

/// A handle, or the rows of a table, as they are now.
pub async fn again(run: &Arc<Run>, value: Value, span: Span) -> Result<Value, Failure> {
    match value {
        Value::Handle(handle) if !handle.pending => {
            let row = rows::row_of_handle(run, &handle);
            let found =
                reread(run, &handle.resource, handle.site, row).await.map_err(|t| lost(t, handle.site, span))?;
            Ok(found.map_or(Value::Null, |(resource, row)| {
                Value::Handle(Arc::new(rows::handle(resource, handle.site, &row)))
            }))
        }
        Value::Table(table) => {
            let Some(name) = table.resource.clone() else { return Ok(Value::Table(table)) };
            let each = table.rows.iter().filter_map(|r| Some((r.site?, rows::row_of(run, &table, r))));
            let read = each.map(|(site, row)| {
                let name = &name;
                async move { (site, reread(run, name, site, row).await) }
            });
            let (mut found, mut described) = (Vec::new(), None);
            for (site, read) in abreast(read.collect(), ABREAST).await {
                if let Some((resource, row)) = read.map_err(|t| lost(t, site, span))? {
                    described = Some(resource);
                    found.push((site, row));
                }
            }
            let Some(resource) = described else {
                return Ok(Value::Table(Arc::new(Table { rows: Vec::new(), ..(*table).clone() })));
            };
            let mut now = rows::table(resource, found.into_iter(), table.asked.clone());
            now.unknown = table.unknown.clone();
            Ok(Value::Table(Arc::new(now)))
        }
        other => Ok(other),
    }
}

async fn reread<'a>(
    run: &'a Arc<Run>,
    name: &str,
    site: SiteId,
    row: Row,
) -> Result<Option<(&'a Resource, Row)>, Trouble> {
    let Some(service) = run.library.any_resource(name).map(|r| r.service.clone()) else { return Ok(None) };
    let at = run.inventory.instance(site, &service).unwrap_or(site);
    let time = std::time::Duration::from_secs(30);
    let who = Who { tenant: run.defaults.tenant.as_deref(), ..Who::default() };
    let instance = Instance::open(run, at, &service, who, time).await?;
    let resource = instance.resource(name)?;
    let found = instance.read(resource, row.fields.clone(), row.fields).await?;
    let stack = run.inventory.get(at).map(|s| s.stack.clone()).unwrap_or_default();
    Ok(found.and_then(|row| Some((run.library.resource(&stack, name)?, row))))
}

fn lost(trouble: Trouble, site: SiteId, span: Span) -> Failure {
    Failure::new(&codes::SILENT_READ, span, "it cannot be read again").at(site, trouble.message)
}
