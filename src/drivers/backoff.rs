//! How long to wait before something is sent again. The jitter comes from a seed, so that a run repeats.

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// A site that asks for more is not waited for at its word.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// One second, doubling to thirty, each shortened by up to a quarter.
#[derive(Clone, Debug)]
pub struct Backoff {
    state: u64,
    next: Duration,
}

impl Backoff {
    pub fn new(seed: u64) -> Backoff {
        Backoff { state: seed, next: FIRST }
    }

    pub fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (self.next * 2).min(LONGEST);
        let quarter = wait / 4;
        wait - quarter.mul_f64(self.fraction())
    }

    /// From 0 to 1 (splitmix64).
    fn fraction(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// `Retry-After`: seconds, or a date, which is read by the clock of the site that wrote it.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok();
    let asked = text(RETRY_AFTER)?.trim();
    let wait = match asked.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let then = OffsetDateTime::parse(asked, &Rfc2822).ok()?;
            let now = OffsetDateTime::parse(text(DATE)?, &Rfc2822).ok()?;
            (then - now).try_into().unwrap_or(Duration::ZERO)
        }
    };
    Some(wait.min(LONGEST_ASKED))
}
