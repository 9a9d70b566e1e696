//! The order in which the sites of a placement are preferred: as written, or by a rule that asks the sites.

use super::abreast::{ABREAST, abreast};
use super::instance::Instance;
use super::live::times;
use super::{Run, Who, codes};
use edge_lang::eval::{Failure, Step};
use edge_lang::library::render::Fields;
use edge_lang::model::{Placement, SiteId};
use tokio::time::Instant;

/// The rules that `prefer` knows.
pub const RULES: &[&str] = &["written", "inventory", "latency", "most_free_vcpus"];

pub async fn order(run: &Run, step: &Step, placement: &Placement) -> Result<Vec<SiteId>, Failure> {
    match step.policy.prefer.as_deref() {
        None | Some("written") => Ok(Vec::new()),
        Some("inventory") => Ok(placement.sites().iter().collect()),
        Some("latency") => Ok(sorted(placement, |site| latency(run, step, site)).await),
        Some("most_free_vcpus") => Ok(sorted(placement, |site| free_vcpus(run, step, site)).await),
        Some(other) => {
            let mut failure = Failure::new(&codes::UNKNOWN_RULE, step.at, format!("no rule of preference `{other}`"));
            failure = failure.help(match edge_lang::diagnostic::nearest(other, RULES.iter().copied()) {
                Some(near) => format!("is `{near}` meant?"),
                None => format!("the rules are {}", RULES.join(", ")),
            });
            Err(failure)
        }
    }
}

/// Least first; sites that do not say come last, in written order.
async fn sorted<F: Future<Output = Option<i64>>>(placement: &Placement, measure: impl Fn(SiteId) -> F) -> Vec<SiteId> {
    let sites = placement.written_order();
    let measures = abreast(sites.iter().map(|s| measure(*s)).collect(), ABREAST).await;
    let mut all: Vec<(i64, SiteId)> =
        measures.into_iter().zip(sites).map(|(m, s)| (m.unwrap_or(i64::MAX), s)).collect();
    all.sort_by_key(|(m, _)| *m);
    all.into_iter().map(|(_, s)| s).collect()
}

async fn latency(run: &Run, step: &Step, site: SiteId) -> Option<i64> {
    let at = run.inventory.instance(site, &step.service)?;
    // Once to be known there, then the time of one small question.
    let instance = Instance::open(run, at, &step.service, Who::of(step), times(step).answer).await.ok()?;
    let resource = instance.resource(&step.resource).ok()?;
    let began = Instant::now();
    instance.find(resource, "edge-latency").await.ok()?;
    Some(began.elapsed().as_micros() as i64)
}

/// What the quota leaves, as a plain user may see it.
async fn free_vcpus(run: &Run, step: &Step, site: SiteId) -> Option<i64> {
    let at = run.inventory.instance(site, "compute")?;
    let instance = Instance::open(run, at, "compute", Who::of(step), times(step).answer).await.ok()?;
    let resource = instance.resource("compute_limits").ok()?;
    let limits = instance.read(resource, Fields::new(), Fields::new()).await.ok()??;
    let number = |name: &str| limits.fields.get(name)?.as_i64();
    let (all, used) = (number("cores")?, number("cores_used")?);
    Some(-(if all < 0 { i64::MAX / 2 } else { all - used }))
}
