//! `edge undo`: takes a run back, in the reverse order of its program: what it made is removed, what it changed is put back.

use super::arguments::Undo;
use super::keeping::Keeping;
use super::load::{Trouble, Workplace};
use super::progress::Progress;
use super::recorded::{self, Recalled, recall};
use super::run::{Stage, TO_THE_END, interactive, interruption, yes};
use super::{Status, draw};
use crate::run::journal::{End, Entry, KeptRun, Past};
use edge_lang::eval::sites_text;
use edge_lang::model::SiteSet;
use std::sync::Arc;
use tokio::sync::watch;

pub fn undo(workplace: Workplace, arguments: Undo) -> Status {
    let done = || -> Result<Status, Trouble> {
        let store = recorded::open(&workplace)?;
        let run =
            store.find(&arguments.run).map_err(|f| Trouble::new(f.message).help("`edge runs --all` lists them"))?;
        super::run::in_runtime(false, async {
            let (kept, past) = Keeping::take(store, &run)?;
            if is_taken_back(&past) {
                anstream::eprintln!("run {} is taken back already, and nothing is owed", run.name);
                return Ok(Status::Done);
            }
            if !arguments.yes && !past.taking_back {
                if !interactive() {
                    return Err(Trouble::new("nobody is here to say that the run is to be taken back")
                        .help("--yes takes it back; `edge show` says what it did"));
                }
                if !yes(&format!("Take back run {}, {}?", run.name, run.record.title)) {
                    anstream::eprintln!("nothing was changed");
                    return Ok(Status::Failed);
                }
            }
            take_back(&workplace, &kept, &run, past, &arguments.vars, interruption()).await
        })
    };
    done().unwrap_or_else(|trouble| {
        trouble.print();
        Status::Wrong
    })
}

/// Whether nothing is left to take back.
pub fn is_taken_back(past: &Past) -> bool {
    matches!(&past.ended, Some((End::TakenBack, owed)) if owed.is_empty()) && past.owed().next().is_none()
}

/// Takes it back, or goes on with that.
pub async fn take_back(
    workplace: &Workplace,
    kept: &Keeping,
    run: &KeptRun,
    past: Past,
    vars: &[String],
    stop: watch::Receiver<bool>,
) -> Result<Status, Trouble> {
    let Recalled { loaded, given, .. } = recall(workplace, kept.store(), &run.record, vars)?;
    if !past.taking_back {
        let taking = kept.journal.record(Entry::TakingBack).await;
        taking.map_err(|why| Trouble::new(format!("the journal cannot be written: {why}; nothing was changed")))?;
    }
    let stage = Stage::new(&loaded, None, stop).named(&run.name).journaled(kept.journal.clone()).resuming(past);
    let stage = stage.patient(TO_THE_END);
    let progress = Arc::new(Progress::new(stage.inventory.clone()));
    let (taken, owed, summary) = stage.take_back(&loaded.checked.program, given, vec![progress.clone()]).await;
    progress.clear();
    for failure in &taken.failures {
        draw::failure(&loaded.sources, failure, &stage.inventory);
    }
    if !taken.failures.is_empty() || !owed.is_empty() {
        anstream::eprint!("{summary}");
    }
    if taken.said.is_empty() && taken.stays.is_empty() && taken.failures.is_empty() {
        anstream::println!("there was nothing to take back");
    }
    for said in &taken.said {
        anstream::println!("taken back: {said}");
    }
    for stays in &taken.stays {
        anstream::println!("not taken back: {stays}, which cannot be undone");
    }
    let mut sites = SiteSet::new();
    owed.iter().for_each(|o| sites.add(&o.sites));
    taken.failures.iter().for_each(|f| sites.add(&f.site_set()));
    if taken.failures.is_empty() && sites.is_empty() {
        kept.write_end(End::TakenBack, String::new()).await;
        return Ok(Status::Done);
    }
    kept.write_end(End::Owed, sites_text(&sites, &stage.inventory)).await;
    anstream::eprintln!("`edge resume {}` goes on with taking it back", run.name);
    Ok(Status::Owed)
}
