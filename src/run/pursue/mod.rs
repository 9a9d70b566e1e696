//! From decisions to deeds: does what the pursuit asks for, at all sites at once, and tells it what was seen.
//!
//! The pursuit decides from what is believed and has no sense of time; the clocks are in `chase`. A site in trouble (silent
//! or unreachable) is tried again after growing pauses; at the time limit it is given up, or the operation is deferred, or
//! stops and says what is owed where. The hard idea: nothing here decides anything about the placement.

mod chase;
mod telling;

use super::Run;
use super::journal::{self, Begin, Entry, Id, Memory, Part};
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
    /// Nothing of it is there, and nothing of it can arrive any more.
    fn closed(&mut self);
    /// The last undo found nothing of ours to undo: no request of the effect ever left for the site.
    fn left_all(&self) -> bool;
    /// What was just sent was sent more than once, and an earlier attempt may still be carried out.
    fn take_repeated(&mut self) -> bool;
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
    /// Of a copy that came to no outcome: how it stands, for whoever asks for it again.
    pub left: Option<Standing>,
}

/// A pursuit, and the sites that it touched.
pub type Standing = (Pursuit, SiteSet);

/// What was done of an operation before.
pub struct Left<E> {
    pub standing: Standing,
    pub effects: BTreeMap<SiteId, E>,
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
    let mut chase = chase::Chase::new(run.clone(), (id, title), left, make, patience, tell);
    chase.tell = None;
    run.background(chase.go());
}

/// What an earlier runner left.
fn remembered<E: Effect>(past: &journal::Pursued, make: impl Fn(SiteId) -> E) -> Left<E> {
    let mut effects = BTreeMap::new();
    for (site, memory) in &past.memories {
        let mut effect = make(*site);
        effect.remember(memory);
        effects.insert(*site, effect);
    }
    Left { standing: (past.pursuit.clone(), past.touched.clone()), effects }
}

/// Pursues until a verdict, the time limit or an interruption. What the verdict does not contain is tidied afterwards, in a
/// task of the run that nothing waits for; what is deferred goes on there too.
///
/// What this runner left of it before, or an earlier one, is gone on with; else it begins as `begin` says, which is journaled.
pub async fn pursue<E: Effect>(
    run: &Arc<Run>,
    id: Id,
    begin: Begin,
    make: impl Fn(SiteId) -> E + Send + 'static,
    patience: Patience,
    left: Option<Left<E>>,
) -> Result<Told<E>, Tangled> {
    let (tell, told) = oneshot::channel();
    let past = run.past.pursuits.get(&id);
    let title = begin.title.clone();
    let mut left = match left.or_else(|| Some(remembered(past?, &make))) {
        Some(left) => left,
        None => {
            let pursuit = Pursuit::new(begin.placement.clone(), begin.preference.clone(), begin.rules)?;
            run.journal.note(Entry::Begin { of: id.clone(), begin: Box::new(begin) });
            Left { standing: (pursuit, SiteSet::new()), effects: BTreeMap::new() }
        }
    };
    let pursuit = &mut left.standing.0;
    if run.taking_back && !pursuit.is_told() && pursuit.issued(&Action::Abandon).is_ok() {
        run.journal.note(Entry::Failing { of: id.clone() });
    }
    // What was under way when an earlier runner stopped is looked for first, but not where nobody answers.
    for site in pursuit.expected().iter().filter(|site| make(*site).is_silent()) {
        pursuit.expect_no_more(site);
    }
    // `ensure` looks before it makes anything, but not twice where nobody answers.
    let looks = if pursuit.rules().ensure { pursuit.placement().sites() } else { SiteSet::new() };
    let silent: SiteSet = looks.iter().filter(|site| make(*site).is_silent()).collect();
    // What came later may use it, and has to go first if it fails. Of a copy, the operation that it is made for decides that.
    let holds = matches!(id.part, Part::Layer(_)) && !run.taking_back;
    let holding = holds && past.is_some() && run.past.has_later(&id);
    let chase = chase::Chase::new(run.clone(), (id, title), left, make, patience, tell);
    run.background(chase.holding(holding).without_waiting_for(&silent).go());
    Ok(match told.await {
        Ok(told) => told,
        // The task ended without a word: only if the process is going down.
        Err(_) => {
            let ended = Ended::Interrupted(SiteSet::new());
            Told { ended, effects: BTreeMap::new(), unknown: SiteSet::new(), left: None }
        }
    })
}
