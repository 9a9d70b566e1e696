//! `copy(flavor.list() @ Zone1) @ Zone3`: the bridge, called by hand, for each row at each site.

use super::abreast::{self, abreast};
use super::approval::Approval;
use super::event::EventKind;
use super::instance::Instance;
use super::live::times;
use super::resolve::Copy;
use super::trouble::{Kind, Trouble, code_of};
use super::{Run, Who, bridge, codes, copies, rows};
use edge_lang::eval::{Failure, FailureKind, Step, Value};
use edge_lang::library::render::Row;
use edge_lang::model::{SiteId, SiteSet};
use edge_lang::plan::{Action, PlannedEffect};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is to be copied: rows, and the site of each.
pub fn sources(run: &Run, step: &Step) -> Vec<(SiteId, Row)> {
    match step.arguments.get("of") {
        Some(Value::Handle(handle)) => vec![(handle.site, rows::row_of_handle(run, handle))],
        Some(Value::Table(table)) => {
            table.rows.iter().filter_map(|r| Some((r.site?, rows::row_of(run, table, r)))).collect()
        }
        _ => Vec::new(),
    }
}

/// For each row at each site: what is there already, or the copy that is missing.
pub async fn look(run: &Run, step: &Step, site: SiteId) -> Result<Vec<Result<Row, Copy>>, Trouble> {
    let to = run.inventory.instance(site, &step.service).unwrap_or(site);
    let here = Instance::open(run, to, &step.service, Who::of(step), times(step).answer).await?;
    let resource = here.resource(&step.resource)?;
    let mut looked = Vec::new();
    for (from, row) in sources(run, step) {
        let from = run.inventory.instance(from, &step.service).unwrap_or(from);
        if from == to {
            looked.push(Ok(row));
            continue;
        }
        looked.push(match bridge::counterpart(&here, resource, &row, run.inventory.name(from)).await? {
            Some(same) => Ok(same),
            None => Err(Copy { service: step.service.clone(), resource: step.resource.clone(), from, to, row }),
        });
    }
    Ok(looked)
}

pub async fn perform(run: &Arc<Run>, step: &Arc<Step>, approval: &Arc<dyn Approval>) -> Result<Value, Failure> {
    let title = format!("copy of {} {}", sources(run, step).len(), step.resource);
    let place = step.placement.display(|s| run.inventory.name(s).to_string()).to_string();
    run.events.emit(Some(&step.key), EventKind::Began { title: title.clone(), place, span: step.span });
    let sites: Vec<SiteId> = step.placement.sites().iter().collect();
    let done = abreast(sites.iter().map(|site| at_site(run, step, *site, approval)).collect(), abreast::of(step)).await;
    let (mut found, mut failures) = (BTreeMap::new(), Vec::new());
    for (site, done) in sites.iter().zip(done) {
        match done {
            Ok(rows) => {
                found.insert(*site, rows);
            }
            Err(trouble) => failures.push((*site, trouble)),
        }
    }
    if failures.is_empty() {
        run.events.emit(Some(&step.key), EventKind::Done { outcome: step.placement.sites() });
        let stack = sites.first().and_then(|s| run.inventory.get(*s)).map(|s| s.stack.clone());
        let resource = stack.and_then(|s| run.library.resource(&s, &step.resource));
        let Some(resource) = resource else { return Ok(Value::Null) };
        let rows = found.into_iter().flat_map(|(s, rows)| rows.into_iter().map(move |r| (s, r)));
        let asked: SiteSet = sites.iter().copied().collect();
        return Ok(Value::Table(Arc::new(rows::table(resource, rows, asked))));
    }
    let owed = failures.iter().any(|(_, t)| t.kind == Kind::Silent);
    let kind = if owed { FailureKind::Owed } else { FailureKind::Failed };
    let code = code_of(failures.iter().map(|(_, t)| t.code), &codes::FAILED);
    let mut failure = Failure::new(code, step.span, format!("{title} is not complete")).kind(kind);
    for (site, trouble) in failures {
        failure.sites.push((site, trouble.message));
        failure.help.extend(trouble.help);
    }
    run.events.emit(Some(&step.key), EventKind::Failed { message: failure.message.clone() });
    Err(failure)
}

async fn at_site(
    run: &Arc<Run>,
    step: &Arc<Step>,
    site: SiteId,
    approval: &Arc<dyn Approval>,
) -> Result<Vec<Row>, Trouble> {
    let mut rows = Vec::new();
    for looked in look(run, step, site).await? {
        match looked {
            Ok(row) => {
                let name = row.fields.get("name").and_then(|n| n.as_str()).unwrap_or("?").to_string();
                run.events
                    .emit(Some(&step.key), EventKind::Already { site, what: format!("{} `{name}`", step.resource) });
                rows.push(row);
            }
            Err(copy) => {
                let action = Action::Copy { from: copy.from, size: copy.size() };
                let planned =
                    PlannedEffect::new(site, action, copy.resource.to_string(), copy.name().map(str::to_string));
                approval.effect(step, &planned).await?;
                rows.push(copies::copy(run, step, copy, times(step)).await?.row);
            }
        }
    }
    Ok(rows)
}
