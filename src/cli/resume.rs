//! `edge resume`: goes on with runs of the journal: does what was left, pays what is owed, as sites come back.

use super::arguments::{Output, Resume};
use super::keeping::Keeping;
use super::load::{Trouble, Workplace};
use super::recorded::{self, Recalled, recall};
use super::run::{Asks, Stage, TO_THE_END, by_plan, drive, interruption};
use super::{Status, show};
use crate::run::approval::{Approval, Everything};
use crate::run::journal::{End, Entry, KeptRun, Past};
use edge_lang::model::SiteId;
use std::time::Duration;
use tokio::sync::watch;

/// Between two looks at sites that are waited for.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

pub fn resume(workplace: Workplace, arguments: Resume) -> Status {
    match all(&workplace, &arguments) {
        Ok(status) => status,
        Err(trouble) => {
            trouble.print();
            Status::Wrong
        }
    }
}

fn all(workplace: &Workplace, arguments: &Resume) -> Result<Status, Trouble> {
    let store = recorded::open(workplace)?;
    let runs = match &arguments.run {
        Some(name) => vec![store.find(name).map_err(not_found)?],
        None => {
            let mut runs = store.runs().map_err(|fault| recorded::unusable(store.folder(), &fault))?;
            runs.retain(|run| show::State::of(&store, run).goes_on());
            runs
        }
    };
    if runs.is_empty() {
        anstream::eprintln!("every run is at its end, and nothing is owed");
        return Ok(Status::Done);
    }
    let many = runs.len() > 1;
    super::run::in_runtime(false, async {
        let stop = interruption();
        let mut worst = Status::Done;
        for run in runs {
            if *stop.borrow() {
                break;
            }
            if many {
                anstream::eprintln!("run {}, {}", run.name, run.record.title);
            }
            let status = match one(workplace, &run, arguments, stop.clone()).await {
                Ok(status) => status,
                Err(trouble) if many => {
                    trouble.print();
                    Status::Wrong
                }
                Err(trouble) => return Err(trouble),
            };
            worst = worse(worst, status);
        }
        Ok(worst)
    })
}

fn not_found(fault: crate::run::journal::Fault) -> Trouble {
    Trouble::new(fault.message).help("`edge runs --all` lists them")
}

fn worse(a: Status, b: Status) -> Status {
    if a as u8 >= b as u8 { a } else { b }
}

async fn one(
    workplace: &Workplace,
    run: &KeptRun,
    arguments: &Resume,
    stop: watch::Receiver<bool>,
) -> Result<Status, Trouble> {
    let (kept, mut past) = Keeping::take(recorded::open(workplace)?, run)?;
    if !arguments.waive.is_empty() {
        waive(&kept, &run.record.sites, &past, arguments).await?;
        past = kept.past()?;
    }
    if super::undo::is_taken_back(&past) {
        anstream::eprintln!("run {} is taken back, and nothing is owed", run.name);
        return Ok(Status::Done);
    }
    if past.taking_back {
        return super::undo::take_back(workplace, &kept, run, past, &arguments.vars, stop).await;
    }
    if matches!(past.ended, Some((End::Done | End::Failed, ref owed)) if owed.is_empty())
        && past.owed().next().is_none()
    {
        kept.write_end(past.ended.as_ref().map_or(End::Done, |(end, _)| *end), String::new()).await;
        anstream::eprintln!("run {} is at its end, and nothing is owed", run.name);
        return Ok(Status::Done);
    }
    let Recalled { loaded, given, plan } = recall(workplace, kept.store(), &run.record, &arguments.vars)?;
    let mut pause = FIRST_PAUSE;
    loop {
        let asks = Asks::unless(arguments.yes);
        let approval: Box<dyn Approval> = match plan.clone() {
            Some(plan) => by_plan(&loaded, plan, asks),
            None => Box::new(Everything),
        };
        let before = past.owed().count();
        let stage = Stage::new(&loaded, None, stop.clone()).resuming(past).seeing(recorded::seen(workplace));
        let stage = stage.patient(TO_THE_END);
        let status = drive(&loaded, stage, given.clone(), approval, Some(&kept), output(arguments)).await;
        past = kept.past()?;
        // Also what is only to be removed again, wherever the program ended.
        let status = if past.owed().next().is_some() { worse(status, Status::Owed) } else { status };
        if status != Status::Owed || !arguments.watch || *stop.borrow() {
            return Ok(status);
        }
        // Something was paid: the others may soon be.
        pause = if past.owed().count() < before { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        let wait = jittered(pause);
        anstream::eprintln!("looking again in {} s", wait.as_secs());
        let mut stopped = stop.clone();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stopped.wait_for(|stop| *stop) => return Ok(status),
        }
    }
}

fn output(arguments: &Resume) -> Output {
    arguments.output
}

/// Between half and all of it, so that many runners do not knock at once.
fn jittered(pause: Duration) -> Duration {
    let random = uuid::Uuid::new_v4().as_u128() as u32;
    pause / 2 + (pause / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// `SITE/OPERATION`: what is owed of it there is given up.
async fn waive(kept: &Keeping, names: &[String], past: &Past, arguments: &Resume) -> Result<(), Trouble> {
    let reason = arguments.reason.clone().unwrap_or_default();
    for waived in &arguments.waive {
        let Some((site, operation)) = waived.split_once('/') else {
            return Err(Trouble::new(format!("`--waive {waived}` is not SITE/OPERATION"))
                .help("`edge show` lists what is owed under these names"));
        };
        let number = names.iter().position(|name| name == site).map(|at| SiteId(at as u32));
        let open = past.pursuits.iter().filter(|(_, p)| show::operation_name(&p.begin.title) == operation);
        let owed = |p: &crate::run::journal::Pursued, site| p.owed().contains(site) || p.waits().contains(site);
        let found: Vec<_> = number.map_or(Vec::new(), |site| open.filter(|(_, p)| owed(p, site)).collect());
        let Some(site) = number.filter(|_| !found.is_empty()) else {
            return Err(Trouble::new(format!("nothing is owed of `{operation}` at {site}"))
                .help("`edge show` lists what is owed"));
        };
        for (of, _) in found {
            let entry = Entry::Waived { of: of.clone(), site, reason: reason.clone() };
            kept.journal.record(entry).await.map_err(|why| Trouble::new(format!("the journal: {why}")))?;
        }
        anstream::eprintln!("given up: {operation} at {}", names[site.0 as usize]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_bounded_and_differ() {
        let pauses: Vec<Duration> = (0..64).map(|_| jittered(LONGEST_PAUSE)).collect();
        assert!(pauses.iter().all(|p| (LONGEST_PAUSE / 2..=LONGEST_PAUSE).contains(p)));
        assert!(pauses.iter().any(|p| *p != pauses[0]));
    }
}
