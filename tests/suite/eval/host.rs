//! A host that answers from the world of a case and writes down what it was asked.

use super::world::{Record, World};
use edge_lang::diagnostic::{Code, Severity};
use edge_lang::eval::*;
use edge_lang::inventory::Inventory;
use edge_lang::model::{Placement, SiteId, SiteSet};
use edge_lang::plan::{Action, Plan, PlannedEffect, PlannedStep};
use edge_lang::span::Span;
use edge_lang::types::{Name, Type};
use futures_util::future::{BoxFuture, ready};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

static REFUSED: Code = Code { id: "T0001", severity: Severity::Error, title: "refused", page: "" };
static MISSING: Code = Code { id: "T0002", severity: Severity::Error, title: "missing", page: "" };

pub struct TestHost {
    pub world: World,
    pub inventory: Arc<Inventory>,
    pub log: Mutex<Log>,
}

#[derive(Default)]
pub struct Log {
    pub text: String,
    pub plan: Plan,
    /// What each step was, for `undo`.
    steps: BTreeMap<Key, String>,
    clock: Duration,
    readings: usize,
}

impl TestHost {
    fn name(&self, site: SiteId) -> String {
        self.inventory.name(site).to_owned()
    }

    fn say(&self, line: &str) {
        let mut log = self.log.lock().expect("nobody panicked with it");
        let _ = writeln!(log.text, "{line}");
    }

    fn silent(&self, site: SiteId) -> Option<Arc<str>> {
        self.world.silent.get(&self.name(site)).cloned()
    }

    fn rows(&self, resource: &str, site: SiteId) -> &[Record] {
        self.world.rows.get(&(resource.to_owned(), self.name(site))).map_or(&[], Vec::as_slice)
    }

    fn describe(&self, step: &Step) -> String {
        let show = |value: &Value| match value {
            Value::String(text) => format!("{text:?}"),
            Value::Table(table) => format!("{} rows", table.rows.len()),
            other => display(other, &self.inventory),
        };
        let placement = |p: &Placement| p.display(|site| self.name(site)).to_string();
        let mut arguments: Vec<String> = step.arguments.iter().map(|(n, v)| format!("{n}: {}", show(v))).collect();
        for (site, own) in &step.per_site {
            arguments.extend(own.iter().map(|(n, v)| format!("{n} at {}: {}", self.name(*site), show(v))));
        }
        let kind = format!("{:?}", step.kind).to_lowercase();
        let mut text = format!("{kind} {}.{}({})", step.resource, step.operation, arguments.join(", "));
        let _ = write!(text, " @ {}", placement(&step.placement));
        for (service, at) in &step.dependencies {
            let _ = write!(text, ", {service} from {}", placement(at));
        }
        if let Some(site) = step.identity {
            let _ = write!(text, ", identity {}", self.name(site));
        }
        let policy = &step.policy;
        if let Some(time) = policy.timeout {
            let _ = write!(text, ", timeout {}", display(&Value::Duration(time), &self.inventory));
        }
        if let Some(unreachable) = policy.unreachable {
            let _ = write!(text, ", unreachable {}", format!("{unreachable:?}").to_lowercase());
        }
        if let Some(prefer) = &policy.prefer {
            let _ = write!(text, ", prefer {}", prefer.name());
        }
        if !step.preferred.is_empty() {
            let order: Vec<String> =
                step.preferred.iter().map(|p| format!("{} {}", self.name(p.site), p.why)).collect();
            let _ = write!(text, " ({})", order.join(", "));
        }
        if let Some(tenant) = &policy.tenant {
            let _ = write!(text, ", tenant {tenant}");
        }
        if let Some(overlap) = policy.overlap {
            let _ = write!(text, ", overlap {overlap}");
        }
        if let Some(parallel) = policy.parallel {
            let _ = write!(text, ", {parallel} at once");
        }
        if step.single {
            text += ", single";
        }
        if step.atomic {
            text += ", atomic";
        }
        if !step.key.position.is_empty() {
            // A call of a function adds the file and the place of the call, which change with every edit.
            let _ = write!(text, " #{:?}", step.key.position.iter().filter(|n| **n < 20).collect::<Vec<_>>());
        }
        text
    }

    fn read_step(&self, step: &Step) -> Result<Value, Failure> {
        let mut table = Table { resource: Some(step.resource.clone()), ..Table::default() };
        if let Type::Table(columns) = &step.result {
            table.columns = columns.keys().cloned().collect();
        }
        let choice = step.placement.is_single();
        for site in step.placement.sites().iter() {
            if let Some(why) = self.silent(site) {
                if step.policy.unreachable == Some(Unreachable::Skip) || self.world.plan {
                    table.asked.insert(site);
                    table.unknown.insert(site, why);
                } else if !choice {
                    let message = format!("{} does not answer", self.name(site));
                    return Err(Failure::new(&REFUSED, step.at, message).at(site, why.to_string()));
                }
                continue;
            }
            table.asked.insert(site);
            for row in self.rows(&step.resource, site) {
                let fresh: Vec<Name> = row.keys().filter(|k| !table.columns.contains(k)).cloned().collect();
                table.columns.extend(fresh);
                let values = table.columns.iter().map(|c| row.get(c).cloned().unwrap_or(Value::Null)).collect();
                table.rows.push(Row { site: Some(site), values, id: Some(self.id(row, site)), pending: false });
            }
            if choice {
                break;
            }
        }
        let width = table.columns.len();
        for row in &mut table.rows {
            row.values.resize(width, Value::Null);
        }
        Ok(self.shaped(table, step))
    }

    fn id(&self, row: &Record, site: SiteId) -> Arc<str> {
        match (row.get("id"), row.get("name")) {
            (Some(Value::String(id)), _) => id.clone(),
            (_, Some(Value::String(name))) => format!("{name}@{}", self.name(site)).into(),
            _ => "?".into(),
        }
    }

    /// As the type of the step asks for it.
    fn shaped(&self, table: Table, step: &Step) -> Value {
        match step.result.present() {
            Type::Handle(resource) => match (table.rows.first(), table.rows.first().and_then(|row| row.site)) {
                (Some(row), Some(site)) => Value::Handle(Arc::new(Handle {
                    resource: resource.clone(),
                    site,
                    id: row.id.clone().unwrap_or_default(),
                    fields: Arc::new(
                        table
                            .columns
                            .iter()
                            .cloned()
                            .zip(row.values.iter().cloned())
                            .filter(|(_, v)| !matches!(v, Value::Unknown(_)))
                            .collect(),
                    ),
                    pending: row.pending,
                    elsewhere: match row.pending && step.single {
                        true => step.placement.sites().difference(&SiteSet::of(site)),
                        false => SiteSet::new(),
                    },
                })),
                _ => Value::Null,
            },
            Type::Table(_) | Type::Replicated(_) => Value::Table(Arc::new(table)),
            Type::String => Value::String("a text".into()),
            Type::Nothing => Value::Null,
            _ => Value::List(Arc::new(Vec::new())),
        }
    }

    fn refusal(&self, step: &Step, site: SiteId) -> Option<String> {
        let operation = format!("{}.{}", step.resource, step.operation);
        let refused = self.world.refused.get(&(operation, self.name(site))).cloned();
        refused.or_else(|| self.silent(site).map(|why| why.to_string()))
    }

    fn change_step(&self, step: &Step) -> Result<Value, Failure> {
        let refused: Vec<(SiteId, String)> =
            step.placement.sites().iter().filter_map(|s| self.refusal(step, s).map(|why| (s, why))).collect();
        let out: SiteSet = refused.iter().map(|(site, _)| *site).collect();
        let outcome = match &step.placement {
            Placement::AllBut(n, sites) => (out.len() <= *n).then(|| sites.difference(&out)),
            formula => formula.minimal().map_while(Result::ok).find(|outcome| outcome.is_disjoint(&out)),
        };
        let Some(outcome) = outcome.filter(|_| step.kind != StepKind::Final || out.is_empty()) else {
            let message = format!("{} `{}` failed", step.operation, step.resource);
            let mut failure = Failure::new(&REFUSED, step.span, message);
            if step.kind == StepKind::Final {
                failure = failure.kind(FailureKind::Partial);
            }
            failure.sites = refused;
            return Err(failure);
        };
        let mut log = self.log.lock().expect("nobody panicked with it");
        let at = display(&Value::Sites(outcome.clone()), &self.inventory);
        log.steps.insert(step.key.clone(), format!("{}.{} at {at}", step.resource, step.operation));
        drop(log);
        Ok(self.shaped(self.made(step, &outcome), step))
    }

    /// The resource at each site of an outcome, as it was asked for.
    fn made(&self, step: &Step, outcome: &SiteSet) -> Table {
        let mut table =
            Table { resource: Some(step.resource.clone()), asked: step.placement.sites(), ..Table::default() };
        let subject = step.subject.as_ref().and_then(|s| step.arguments.get(s));
        let known = |name: &Name, value: &Value| match (subject, value) {
            (Some(Value::Handle(handle)), _) if Some(name) == step.subject.as_ref() => {
                handle.fields.get("name").cloned().unwrap_or(Value::Null)
            }
            _ => value.clone(),
        };
        for (name, value) in &step.arguments {
            table.columns.push(if Some(name) == step.subject.as_ref() { "name".into() } else { name.clone() });
            let value = known(name, value);
            if table.rows.is_empty() {
                let pending = |site| self.world.plan || self.world.owed.contains(&self.name(site));
                table.rows = outcome
                    .iter()
                    .map(|site| Row { site: Some(site), values: vec![], id: Some("".into()), pending: pending(site) })
                    .collect();
            }
            for row in &mut table.rows {
                row.values.push(value.clone());
            }
        }
        table.columns.push("status".into());
        for row in &mut table.rows {
            row.values.push(match row.pending {
                true => Value::Unknown(Arc::new(Unknown { ty: Type::String, what: "its status".into() })),
                false => Value::String("ACTIVE".into()),
            });
            let name = table.columns.iter().position(|c| &**c == "name").map(|i| row.values[i].clone());
            if let (false, Some(Value::String(name)), Some(site)) = (row.pending, name, row.site) {
                row.id = Some(format!("{name}@{}", self.name(site)).into());
            }
        }
        table
    }

    fn plan_step(&self, step: &Step) -> Result<Value, Failure> {
        if step.kind == StepKind::Read {
            let sites = step.placement.sites();
            let effects = sites.iter().map(|site| {
                let action = match self.silent(site) {
                    Some(why) => Action::Silent { why: why.to_string() },
                    None => Action::Read,
                };
                PlannedEffect::new(site, action, &*step.resource, None)
            });
            let effects = effects.collect();
            let value = self.read_step(step)?;
            self.log.lock().expect("nobody panicked with it").plan.step(step, effects, &self.inventory);
            return Ok(value);
        }
        let planned = PlannedStep::of(step, &self.inventory);
        let mut effects = Vec::new();
        for effect in planned.promised() {
            let there =
                self.rows(&step.resource, effect.site).iter().any(|row| match (row.get("name"), &planned.name) {
                    (Some(Value::String(a)), Some(b)) => **a == **b,
                    _ => false,
                });
            let action = match (step.kind, self.refusal(step, effect.site)) {
                (_, Some(why)) => Action::Refused { why },
                (StepKind::Ensure, None) if there => Action::AlreadyThere,
                _ => effect.action.clone(),
            };
            for (service, formula) in &step.dependencies {
                if let (Placement::Site(from), Some(value)) = (formula, step.arguments.get(service))
                    && *from != effect.site
                {
                    let name = display(value, &self.inventory);
                    let copy = Action::Copy { from: *from, size: Some(20 << 20) };
                    let copy = PlannedEffect::new(effect.site, copy, &**service, Some(name));
                    effects.push(if effect.fallback { copy.fallback() } else { copy });
                }
            }
            effects.push(PlannedEffect { action, ..effect });
        }
        self.log.lock().expect("nobody panicked with it").plan.step(step, effects, &self.inventory);
        Ok(self.shaped(self.made(step, &planned.aimed), step))
    }
}

impl Host for TestHost {
    fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    fn perform(&self, step: Step) -> BoxFuture<'_, Result<Value, Failure>> {
        if self.world.plan {
            // The first sites answer last: a plan is in the order of the program all the same.
            let late = step.placement.sites().first().map_or(0, |site| 3u32.saturating_sub(site.0));
            return Box::pin(async move {
                for _ in 0..late {
                    later().await;
                }
                self.plan_step(&step)
            });
        }
        self.say(&self.describe(&step));
        Box::pin(ready(match step.kind {
            StepKind::Read => self.read_step(&step),
            _ => self.change_step(&step),
        }))
    }

    fn refresh(&self, value: Value, _: Key) -> BoxFuture<'_, Result<Value, Failure>> {
        let mut log = self.log.lock().expect("nobody panicked with it");
        log.readings += 1;
        let readings = log.readings;
        drop(log);
        let newer = |resource: &str, fields: &mut dyn Iterator<Item = (&Name, &mut Value)>| {
            let mut fields: Vec<(&Name, &mut Value)> = fields.collect();
            let name = fields.iter().find(|(n, _)| &***n == "name").map(|(_, v)| display(v, &self.inventory));
            let Some((from, changes)) = self.world.after.get(&(resource.to_owned(), name.unwrap_or_default())) else {
                return;
            };
            if readings >= *from {
                for (name, value) in &mut fields {
                    if let Some(change) = changes.get(*name) {
                        **value = change.clone();
                    }
                }
            }
        };
        let value = match value {
            Value::Handle(handle) => {
                let mut handle = (*handle).clone();
                let mut fields = (*handle.fields).clone();
                newer(&handle.resource, &mut fields.iter_mut());
                handle.fields = Arc::new(fields);
                Value::Handle(Arc::new(handle))
            }
            Value::Table(table) => {
                let mut table = (*table).clone();
                let resource = table.resource.clone().unwrap_or_default();
                for row in &mut table.rows {
                    newer(&resource, &mut table.columns.iter().zip(row.values.iter_mut()));
                }
                Value::Table(Arc::new(table))
            }
            other => other,
        };
        Box::pin(ready(Ok(value)))
    }

    fn later(&self, step: Step, placement: &Unknown) {
        let mut log = self.log.lock().expect("nobody panicked with it");
        log.plan.later(&step, placement, &self.inventory);
    }

    fn undo(&self, steps: Vec<Key>) -> BoxFuture<'_, Result<String, Failure>> {
        let log = self.log.lock().expect("nobody panicked with it");
        let said: Vec<String> = steps.iter().map(|key| log.steps.get(key).cloned().unwrap_or("?".into())).collect();
        drop(log);
        for step in &said {
            self.say(&format!("undo {step}"));
        }
        Box::pin(ready(Ok(said.join(", "))))
    }

    fn print(&self, text: &str, span: Span, place: &Place) {
        match self.world.plan {
            true => self.log.lock().expect("nobody panicked with it").plan.print(text, span, place),
            false => text.lines().for_each(|line| self.say(&format!("| {line}"))),
        }
    }

    fn note(&self, text: &str, span: Span, place: &Place) {
        self.log.lock().expect("nobody panicked with it").plan.note(text, span, place);
    }

    fn file(&self, path: &str, span: Span) -> Result<Arc<str>, Failure> {
        self.read(path, span).map(|_| path.into())
    }

    fn read(&self, path: &str, span: Span) -> Result<Arc<str>, Failure> {
        self.world
            .files
            .get(path)
            .cloned()
            .ok_or_else(|| Failure::new(&MISSING, span, format!("there is no file `{path}`")))
    }

    fn secret(&self, _: &str, _: Span) -> Result<Secret, Failure> {
        Ok(Secret::new("s3cret"))
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        self.say(&format!("sleep {}", display(&Value::Duration(time), &self.inventory)));
        self.log.lock().expect("nobody panicked with it").clock += time;
        Box::pin(ready(()))
    }

    fn elapsed(&self) -> Duration {
        self.log.lock().expect("nobody panicked with it").clock
    }

    fn planning(&self) -> bool {
        self.world.plan
    }
}

/// Lets everything else go first.
async fn later() {
    let mut polled = false;
    std::future::poll_fn(|context| match std::mem::replace(&mut polled, true) {
        true => std::task::Poll::Ready(()),
        false => {
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        }
    })
    .await
}
