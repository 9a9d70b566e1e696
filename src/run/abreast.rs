//! Asking many sites at once, and not all of ten thousand at once. A site that is slow holds one place and nobody else.

use edge_lang::eval::Step;
use futures_util::stream::{FuturesUnordered, StreamExt};

/// Sites in flight at once for one operation, if nobody says otherwise.
pub const ABREAST: usize = 256;

/// As the policy of a step says.
pub fn of(step: &Step) -> usize {
    step.policy.parallel.map_or(ABREAST, |most| usize::try_from(most).unwrap_or(1).max(1))
}

/// Does all of these, at most so many at once; what came of each, in the order given.
pub async fn abreast<F: Future>(works: Vec<F>, most: usize) -> Vec<F::Output> {
    let mut done: Vec<Option<F::Output>> = works.iter().map(|_| None).collect();
    let mut waiting = works.into_iter().enumerate();
    let mut working = FuturesUnordered::new();
    loop {
        while working.len() < most
            && let Some((at, work)) = waiting.next()
        {
            working.push(async move { (at, work.await) });
        }
        match working.next().await {
            Some((at, value)) => done[at] = Some(value),
            None => return done.into_iter().flatten().collect(),
        }
    }
}
