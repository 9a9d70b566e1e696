//! A figure: what, how much, what was aimed at, and whether it was met.

use std::hint::black_box;
use std::time::{Duration, Instant};

#[derive(Clone, Copy)]
pub enum Aim {
    Below(f64),
    Above(f64),
    /// Beside the others, for comparison.
    None,
}

pub fn figure(what: &str, measured: f64, unit: &str, aim: Aim) {
    let (aimed, verdict) = match aim {
        Aim::Below(most) => (format!("below {} {unit}", number(most)), if measured < most { "met" } else { "MISSED" }),
        Aim::Above(least) => {
            (format!("above {} {unit}", number(least)), if measured > least { "met" } else { "MISSED" })
        }
        Aim::None => (String::new(), ""),
    };
    let line = format!("  {what:<72} {:>10} {unit:<6} {aimed:<18} {verdict}", number(measured));
    println!("{}", line.trim_end());
}

/// Why a part is not measured.
pub fn skipped(why: &str) {
    println!("  skipped: {why}");
}

fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 || v.fract() == 0.0 => format!("{value:.0}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The shortest of several runs, which is the one that others disturbed least.
pub fn best<T>(rounds: usize, mut work: impl FnMut() -> T) -> Duration {
    let once = |_| {
        let began = Instant::now();
        let made = black_box(work());
        let took = began.elapsed();
        // Freeing what was made is not part of it.
        drop(made);
        took
    };
    (0..rounds).map(once).min().unwrap_or_default()
}

/// Of the last minute; other work on the machine makes every figure worse.
pub fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|word| !word.is_empty()).unwrap_or("not known").to_string()
}
