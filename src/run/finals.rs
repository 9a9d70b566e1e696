//! Operations that cannot be undone: deletions, reboots, rebuilds. They are carried out wherever they can be, and end
//! *partial* where some sites did not: listed, and never called undone.

use super::approval::Approval;
use super::effect::{SiteEffect, Times, What};
use super::event::EventKind;
use super::instance::Instance;
use super::live::{Pursued, patience, times, title};
use super::pursue::{Deed, Effect, Patience, Seen};
use super::trouble::{Kind, Trouble};
use super::{Run, codes, remove, rows};
use edge_lang::eval::{Failure, FailureKind, Step, Value};
use edge_lang::library::render::Row;
use edge_lang::model::{Observation, Placement, SiteId, SiteSet};
use edge_lang::plan::{Action, PlannedEffect};
use futures_util::stream::{self, StreamExt};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

pub async fn perform(
    run: &Arc<Run>,
    step: &Arc<Step>,
    layers: Vec<HashMap<SiteId, Row>>,
    approval: &Arc<dyn Approval>,
) -> Result<Value, Failure> {
    let title = title(step, &run.inventory);
    let place = step.placement.display(|s| run.inventory.name(s).to_string()).to_string();
    run.events.emit(Some(&step.key), EventKind::Began { title: title.clone(), place, span: step.span });
    let patience = patience(step);
    let all: Vec<(SiteId, Row)> = layers.into_iter().flatten().collect();
    let works = all.into_iter().map(|(site, row)| {
        let (run, step, approval) = (run.clone(), step.clone(), approval.clone());
        async move {
            let (effect, done) = persist(&run, &step, site, row, patience, &approval).await;
            (site, effect, done)
        }
    });
    let ended: Vec<_> = stream::iter(works).buffer_unordered(patience.parallel).collect().await;
    let mut effects = BTreeMap::new();
    let (mut done, mut left, mut owed) = (SiteSet::new(), Vec::new(), false);
    for (site, effect, ended) in ended {
        match ended {
            Ok(()) => {
                done.insert(site);
            }
            Err(trouble) => {
                owed |= trouble.kind == Kind::Silent;
                left.push((site, trouble));
            }
        }
        effects.extend(effect.map(|e| (site, e)));
    }
    let lost: SiteSet = left.iter().map(|(s, _)| *s).collect();
    done = done.difference(&lost);
    if left.is_empty() || tolerated(&step.placement, &done) {
        run.events.emit(Some(&step.key), EventKind::Done { outcome: done.clone() });
        return Ok(rows::value(run, step, &[Pursued { effects, unknown: SiteSet::new() }]));
    }
    left.sort_by_key(|(s, _)| *s);
    let message = match done.is_empty() {
        true => format!("{title} was not carried out"),
        false => format!(
            "{title} was carried out at {}, and not at every site",
            edge_lang::eval::sites_text(&done, &run.inventory)
        ),
    };
    let mut failure = Failure::new(&codes::PARTIAL, step.span, message).kind(match (owed, done.is_empty()) {
        (true, _) => FailureKind::Owed,
        (false, true) => FailureKind::Failed,
        (false, false) => FailureKind::Partial,
    });
    for (site, trouble) in left {
        failure.sites.push((site, trouble.message));
        failure.help.extend(trouble.help);
    }
    failure.help.dedup();
    run.events.emit(Some(&step.key), EventKind::Failed { message: failure.message.clone() });
    Err(failure)
}

/// `all but n of`: some may lack it.
fn tolerated(placement: &Placement, done: &SiteSet) -> bool {
    matches!(placement, Placement::AllBut(..)) && placement.holds(done)
}

/// Until it is done, refused, or the time is over.
async fn persist(
    run: &Arc<Run>,
    step: &Arc<Step>,
    site: SiteId,
    row: Row,
    patience: Patience,
    approval: &Arc<dyn Approval>,
) -> (Option<SiteEffect>, Result<(), Trouble>) {
    let end = Instant::now() + patience.limit;
    let deletes = &*step.operation == "delete";
    let mut effect = (!deletes).then(|| {
        SiteEffect::new(run.clone(), step.clone(), What::Operation, site, Some(row.clone()), times(step))
            .approved_by(approval.clone())
    });
    if deletes && let Err(trouble) = approved(step, site, &row, approval).await {
        return (None, Err(trouble));
    }
    let mut pause = Duration::from_millis(500);
    loop {
        let once = match &mut effect {
            None => delete(run, step, site, &row, times(step)).await,
            Some(effect) => act(effect).await,
        };
        match once {
            Err(trouble) if trouble.kind != Kind::Refused && Instant::now() + pause < end && !run.is_interrupted() => {
                run.events.emit(Some(&step.key), EventKind::Silent { site, why: trouble.message });
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(10));
            }
            once => return (effect, once),
        }
    }
}

async fn approved(step: &Step, site: SiteId, row: &Row, approval: &Arc<dyn Approval>) -> Result<(), Trouble> {
    let name = row.fields.get("name").and_then(|n| n.as_str()).map(str::to_string);
    let mut planned = PlannedEffect::new(site, Action::Delete, step.resource.to_string(), name);
    if let Some(id) = &row.id {
        planned = planned.id(id.clone());
    }
    approval.effect(step, &planned).await
}

async fn delete(run: &Arc<Run>, step: &Step, site: SiteId, row: &Row, times: Times) -> Result<(), Trouble> {
    let at = run.inventory.instance(site, &step.service).unwrap_or(site);
    let instance = Instance::open(run, at, &step.service, step.policy.tenant.as_deref(), times.answer).await?;
    let resource = instance.resource(&step.resource)?;
    remove::delete(run, &step.key, site, &instance, resource, row, times.ready.min(Duration::from_secs(600))).await?;
    let what = format!("deleted ({})", row.id.as_deref().unwrap_or("?"));
    run.events.emit(Some(&step.key), EventKind::There { site, what });
    Ok(())
}

async fn act(effect: &mut SiteEffect) -> Result<(), Trouble> {
    match effect.act(Deed::Send).await {
        Seen::Observed(Observation::Done) => Ok(()),
        Seen::Observed(Observation::Refused | Observation::Broken) => {
            Err(Trouble { help: effect.help.clone(), ..Trouble::refused(effect.word.clone()) })
        }
        // It may have been carried out, and must not be twice.
        Seen::Observed(Observation::Silent) => {
            Err(Trouble::refused(format!("not known whether it was carried out: {}", effect.word)))
        }
        _ => Err(Trouble { kind: Kind::NotReached, ..Trouble::silent(effect.word.clone()) }),
    }
}
