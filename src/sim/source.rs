//! Where a site's time, ids and random bytes come from: the tokio clock and the scenario's seed.
//!
//! No other clock and no other randomness is used in the simulation, which is what makes a run repeatable.

use std::time::Duration;

use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tokio::time::Instant;

#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    epoch: OffsetDateTime,
    start: Instant,
}

impl Clock {
    pub fn new(epoch: OffsetDateTime) -> Self {
        Clock { epoch, start: Instant::now() }
    }

    /// Since the start of the world.
    pub fn elapsed(&self) -> Duration {
        Instant::now().saturating_duration_since(self.start)
    }

    pub fn now(&self) -> OffsetDateTime {
        self.epoch + self.elapsed()
    }

    pub fn instant(&self, since_start: Duration) -> Instant {
        self.start + since_start
    }
}

/// splitmix64 (Steele, Lea, Flood 2014): small, and the same on every machine.
pub(super) struct Source(u64);

impl Source {
    pub fn new(seed: u64, what: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_be_bytes());
        hash.update(what.as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        Source(u64::from_be_bytes(std::array::from_fn(|i| digest[i])))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to, not including, 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn bytes(&mut self) -> [u8; 16] {
        let (a, b) = (self.next().to_be_bytes(), self.next().to_be_bytes());
        std::array::from_fn(|i| if i < 8 { a[i] } else { b[i - 8] })
    }

    pub fn uuid(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid().to_string()
    }

    /// 32 hexadecimal digits, as Keystone makes ids.
    pub fn hex(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid().simple().to_string()
    }

    /// Opaque, of the length of a Fernet token.
    pub fn token(&mut self) -> String {
        use base64::Engine;
        let bytes: Vec<u8> = (0..9).flat_map(|_| self.bytes()).collect();
        format!("gAAAAA{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// `2026-01-01T00:00:00Z`
pub(super) fn iso(at: OffsetDateTime) -> String {
    let format = time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    at.format(&format).expect("a date and time has these components")
}

/// `2026-01-01T00:00:00.000000`, without a zone.
pub(super) fn iso_micro(at: OffsetDateTime) -> String {
    let format =
        time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]");
    at.format(&format).expect("a date and time has these components")
}
