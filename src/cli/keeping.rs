//! A run and its journal: begun, driven by one process, ended.

use super::Status;
use super::load::Trouble;
use super::recorded::{Start, record, unusable};
use super::run::Ended;
use crate::run::journal::{Driver, End, Entry, Fault, Journal, KeptRun, Pace, Past, Store};
use edge_lang::eval::{FailureKind, Value, sites_text};
use edge_lang::inventory::Inventory;
use edge_lang::model::SiteSet;
use edge_lang::plan::Plan;
use edge_lang::types::Name;
use indexmap::IndexMap;
use std::sync::Arc;

/// A run that this process drives.
pub struct Keeping {
    pub name: Arc<str>,
    pub journal: Arc<dyn Journal>,
    store: Store,
    id: i64,
    _driver: Driver,
}

impl Keeping {
    /// A new run; when this returns, it is on disk.
    pub fn begin(
        mut store: Store,
        start: &Start<'_>,
        inputs: &IndexMap<Name, Value>,
        plan: Option<&Plan>,
    ) -> Result<Keeping, Trouble> {
        let (record, texts) = record(start, inputs, plan)?;
        let name = super::run::run_name();
        let pace = if record.simulated { Pace::AtOnce } else { Pace::Gathered };
        let begun = Driver::take(store.folder(), &name).and_then(|driver| {
            let id = store.begin(&name, &record, &texts)?;
            let journal = Arc::new(store.journal(id, pace)?);
            Ok((driver, id, journal))
        });
        let (driver, id, journal) = begun.map_err(|fault| unusable(store.folder(), &fault))?;
        Ok(Keeping { name, journal, store, id, _driver: driver })
    }

    /// A run of the journal, which nobody else drives, and what it has left.
    pub fn take(store: Store, run: &KeptRun) -> Result<(Keeping, Past), Trouble> {
        let driver = Driver::take(store.folder(), &run.name).map_err(|fault| {
            Trouble::new(fault.message).help("a run has one driver; when that one has ended, it can be resumed")
        })?;
        let read = || -> Result<_, Fault> {
            let journal = Arc::new(store.journal(run.id, Pace::Gathered)?);
            Ok((journal, store.past(run.id)?))
        };
        let (journal, past) = read().map_err(|fault| unusable(store.folder(), &fault))?;
        let name = run.name.as_str().into();
        Ok((Keeping { name, journal, store, id: run.id, _driver: driver }, past))
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub fn past(&self) -> Result<Past, Trouble> {
        let entries = self.journal.entries().and_then(|entries| Past::of(&entries));
        entries.map_err(|why| unusable(self.store.folder(), &Fault::new(why)))
    }

    /// How it ended, for `edge runs`; what cannot be written any more is found to be missing by whoever reads.
    pub async fn end(&self, ended: &Ended, inventory: &Inventory) {
        let stopped = |f: &edge_lang::eval::Failure| f.kind == FailureKind::Interrupted;
        let end = match (ended.status, &ended.result) {
            (_, Err(failure)) if stopped(failure) => End::Interrupted,
            (Status::Done, _) => End::Done,
            (Status::Owed, _) => End::Owed,
            _ => End::Failed,
        };
        let mut sites = SiteSet::new();
        ended.owed.iter().for_each(|o| sites.add(&o.sites));
        let message = if sites.is_empty() { String::new() } else { sites_text(&sites, inventory) };
        // The summary says it of what it lists as owed.
        let unsaid = ended.owed.is_empty();
        let word = match end {
            End::Interrupted => "stopped",
            End::Owed => "not all is settled",
            _ => "",
        };
        if self.write_end(end, message).await && unsaid && !word.is_empty() {
            anstream::eprintln!(
                "{word}; `edge resume {0}` goes on with it, `edge show {0}` says what it is",
                self.name
            );
        }
    }

    /// Whether it is in the journal.
    pub async fn write_end(&self, end: End, message: String) -> bool {
        let owes = !message.is_empty();
        if let Err(why) = self.journal.record(Entry::Ended { end, message }).await {
            anstream::eprintln!("warning: the end of run {} is not in the journal: {why}", self.name);
            anstream::eprintln!("help: when it can be written again, `edge resume {}` goes on", self.name);
            return false;
        }
        let over = matches!(end, End::Done | End::Failed | End::TakenBack) && !owes;
        if over
            && self.past().is_ok_and(|past| past.owed().next().is_none())
            && let Err(fault) = self.store.settle(self.id)
        {
            anstream::eprintln!("warning: the end of run {} is not in the journal: {fault}", self.name);
        }
        true
    }
}
