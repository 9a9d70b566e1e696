//! From decisions to deeds: does what the pursuit asks for, at all sites at once, and tells it what was seen.
//!
//! The pursuit decides from what is believed and has no sense of time; the clocks are in `chase`. A site in trouble (silent
//! or unreachable) is tried again after growing pauses; at the time limit it is given up, or the operation is deferred, or
//! stops and says what is owed where. The hard idea: nothing here decides anything about the placement.

mod chase;
mod telling;

use super::Run;
use super::journal::{self, Begin, Entry, Id, Memory};
use edge_lang::eval::Unreachable;
use edge_lang::model::{Action, Observation, Pursuit, SiteId, SiteSet, Tangled};
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// What the pursuit asks of one site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Send,
    /// Look for it, and see it through if it is there.
    Probe,
    /// Look for it, only to remove it.
    Look,
    Fence,
    Quiet,
    Undo,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    Observed(Observation),
    /// No answer, and so nothing learnt: to be tried again.
    Nothing,
}

/// The operation at one site: does deeds; keeps ids, arguments and tickets between them.
pub trait Effect: Clone + Send + 'static {
    fn act(&mut self, deed: Deed) -> BoxFuture<'_, Seen>;
    /// The site is in no outcome and nothing of the effect is there: gives back what was made on its behalf.
    fn release(&mut self) -> BoxFuture<'_, ()>;
    /// Whether there is something to give back.
    fn holds(&self) -> bool;
    /// The last undo found nothing of ours to undo: no request of the effect ever left for the site.
    fn left_all(&self) -> bool;
    /// It is there, and an older request for it may still come.
    fn note_unclosed(&self);
    /// Asking the site again would come to the same.
    fn is_hopeless(&self) -> bool;
    /// What the journal keeps of it.
    fn memory(&self) -> Memory;
    /// An earlier runner of the run left it so.
    fn remember(&mut self, memory: &Memory);
    /// The site whose service instance is meant.
    fn at(&self) -> SiteId;
    /// The site did not answer just now: nothing else waits for a look at it.
    fn is_silent(&self) -> bool;
    /// What has to be done first, in words, where nothing may be sent before that.
    fn waits_for(&self) -> Option<String>;
    /// Nothing was sent, because of what it waits for.
    fn put_off(&mut self, why: String);
}

#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the start: when sites in trouble are given up (`fail`) or left (`defer`).
    pub limit: Duration,
    /// After that, or after the verdict: for closing and tidying.
    pub closing: Duration,
    pub unreachable: Unreachable,
    /// Sites in flight at once.
    pub parallel: usize,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    Done(SiteSet),
    Failed,
    /// Open, and left so for the time being: it aims at these sites, and the program goes on.
    Deferred(SiteSet),
    /// Stopped with something owed at these sites.
    Unsettled(SiteSet),
    Interrupted(SiteSet),
    /// The journal could not be written; nothing was done that it does not know of.
    Unjournaled(String),
}

/// What is told of an operation, once; with the effects of the outcome, or all of them where there is none.
pub struct Told<E> {
    pub ended: Ended,
    pub effects: BTreeMap<SiteId, E>,
    /// Outside of the outcome, where it is not known whether something is there.
    pub unknown: SiteSet,
}

/// What a verdict spared is closed and undone too, now that all of it is taken back. Nothing waits for that; what is not closed
/// in time is owed.
pub fn tidy<E: Effect>(
    run: &Arc<Run>,
    id: &Id,
    past: &journal::Pursued,
    make: impl Fn(SiteId) -> E + Send + 'static,
    patience: Patience,
) {
    let left = remembered(past, &make);
    let (tell, _) = oneshot::channel();
    let (id, title) = (id.clone(), past.begin.title.clone());
    let mut chase = chase::Chase::new(run.clone(), (id, title), past.pursuit.clone(), make, patience, left, tell);
    chase.tell = None;
    run.background(chase.go());
}

/// The effects that an earlier runner left, and the sites that it touched.
fn remembered<E: Effect>(past: &journal::Pursued, make: impl Fn(SiteId) -> E) -> (BTreeMap<SiteId, E>, SiteSet) {
    let mut effects = BTreeMap::new();
    for (site, memory) in &past.memories {
        let mut effect = make(*site);
        effect.remember(memory);
        effects.insert(*site, effect);
    }
    (effects, past.touched.clone())
}

/// Pursues until a verdict, the time limit or an interruption. What the verdict does not contain is tidied afterwards, in a
/// task of the run that nothing waits for; what is deferred goes on there too.
///
/// What an earlier runner left of it is gone on with; else it begins as `begin` says, which is journaled.
pub async fn pursue<E: Effect>(
    run: &Arc<Run>,
    id: Id,
    begin: Begin,
    make: impl Fn(SiteId) -> E + Send + 'static,
    patience: Patience,
) -> Result<Told<E>, Tangled> {
    let (tell, told) = oneshot::channel();
    let past = run.past.pursuits.get(&id);
    let title = begin.title.clone();
    let pursuit = match past {
        Some(past) => past.pursuit.clone(),
        None => {
            let pursuit = Pursuit::new(begin.placement.clone(), begin.preference.clone(), begin.rules)?;
            run.journal.note(Entry::Begin { of: id.clone(), begin: Box::new(begin) });
            pursuit
        }
    };
    let mut pursuit = pursuit;
    if run.taking_back && !pursuit.is_told() && pursuit.issued(&Action::Abandon).is_ok() {
        run.journal.note(Entry::Failing { of: id.clone() });
    }
    let left = past.map(|past| remembered(past, &make)).unwrap_or_default();
    // `ensure` looks before it makes anything, but not twice where nobody answers.
    let looks = if pursuit.rules().ensure { pursuit.placement().sites() } else { SiteSet::new() };
    let silent: SiteSet = looks.iter().filter(|site| make(*site).is_silent()).collect();
    // What came later may use it, and has to go first if it fails.
    let holding = past.is_some() && !run.taking_back && run.past.has_later(&id);
    let chase = chase::Chase::new(run.clone(), (id, title), pursuit, make, patience, left, tell);
    run.background(chase.holding(holding).without_waiting_for(&silent).go());
    Ok(match told.await {
        Ok(told) => told,
        // The task ended without a word: only if the process is going down.
        Err(_) => Told { ended: Ended::Interrupted(SiteSet::new()), effects: BTreeMap::new(), unknown: SiteSet::new() },
    })
}
