//! Between two looks at what is not yet as it should be: until the site tells that it has changed, where it can tell that, else
//! for a while that gets longer.
//!
//! The hard idea is that a site which tells much is not asked as often as it tells.

use super::Run;
use super::instance::Watch;
use crate::drivers::Watched;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Between two looks at most, where nobody tells.
const LONGEST: Duration = Duration::from_secs(10);
/// What is told within this time is looked at together; more with every change that was told.
const TOGETHER: Duration = Duration::from_millis(50);
const LONGEST_TOGETHER: Duration = Duration::from_secs(2);

pub struct Patience {
    pause: Duration,
    told: u32,
}

impl Patience {
    /// `first`: how long the first wait is, where nobody tells.
    pub fn new(first: Duration) -> Patience {
        Patience { pause: first, told: 0 }
    }

    /// At most until the deadline. Says whether the run goes on: `false` once it was stopped.
    pub async fn wait(&mut self, run: &Run, watches: Vec<Watch<'_>>, deadline: Instant) -> bool {
        let began = Instant::now();
        let mut watches: FuturesUnordered<_> = watches.into_iter().collect();
        // Whether there is something of which nobody will tell.
        let mut blind = watches.is_empty();
        loop {
            let end = if blind { deadline.min(began + self.pause) } else { deadline };
            let watched = tokio::select! {
                biased;
                () = run.interrupted() => return false,
                Some(watched) = watches.next() => watched,
                () = sleep_until(end) => {
                    self.pause = (self.pause * 2).min(LONGEST);
                    return true;
                }
            };
            match watched {
                Watched::Unable => blind = true,
                Watched::Same => return true,
                Watched::Changed => {
                    self.told = self.told.saturating_add(1);
                    return run.pause((TOGETHER * self.told).min(LONGEST_TOGETHER)).await;
                }
            }
        }
    }
}
