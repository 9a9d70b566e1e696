//! The order in which the sites of a placement are preferred: as written, as in the inventory, by how soon they answer, or as a
//! function has put them.

use super::abreast::{ABREAST, abreast};
use super::instance::Instance;
use super::live::times;
use super::{Run, Who};
use edge_lang::eval::{Prefer, Preferred, Step, Value, display};
use edge_lang::model::{Placement, SiteId};
use std::time::Duration;
use tokio::time::Instant;

/// Without an order, that in which the sites are written holds.
pub async fn order(run: &Run, step: &Step, placement: &Placement) -> Vec<Preferred> {
    let sites = placement.sites();
    match &step.policy.prefer {
        None | Some(Prefer::Written) => Vec::new(),
        Some(Prefer::Inventory) => sites.iter().map(|site| Preferred { site, why: String::new() }).collect(),
        Some(Prefer::Latency) => by_latency(run, step, placement).await,
        Some(Prefer::By(..)) => step.preferred.iter().filter(|p| sites.contains(p.site)).cloned().collect(),
    }
}

/// That order, whatever made it, but for sites that were silent just now: they come last.
pub fn sites(run: &Run, step: &Step, placement: &Placement, order: &[Preferred]) -> Vec<SiteId> {
    let order = order.iter().map(|p| p.site).collect();
    run.silence.last(order, placement, |site| run.is_silent(site, &step.service))
}

/// The soonest first; sites that do not answer come last, in written order.
async fn by_latency(run: &Run, step: &Step, placement: &Placement) -> Vec<Preferred> {
    let sites = placement.written_order();
    let measures = abreast(sites.iter().map(|s| latency(run, step, *s)).collect(), ABREAST).await;
    let mut all: Vec<(Option<Duration>, SiteId)> = measures.into_iter().zip(sites).collect();
    all.sort_by_key(|(measure, _)| measure.unwrap_or(Duration::MAX));
    let why = |measure: Option<Duration>| match measure {
        Some(time) => display(&Value::Duration(Duration::from_millis(time.as_millis() as u64)), &run.inventory),
        None => "no answer".to_string(),
    };
    all.into_iter().map(|(measure, site)| Preferred { site, why: why(measure) }).collect()
}

async fn latency(run: &Run, step: &Step, site: SiteId) -> Option<Duration> {
    let at = run.inventory.instance(site, &step.service)?;
    // Once to be known there, then the time of one small question.
    let instance = Instance::open(run, at, &step.service, Who::of(step), times(step).answer).await.ok()?;
    let resource = instance.resource(&step.resource).ok()?;
    let began = Instant::now();
    instance.find(resource, "edge-latency").await.ok()?;
    Some(began.elapsed())
}
