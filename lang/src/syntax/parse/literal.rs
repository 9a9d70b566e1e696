//! Numbers and their units, from text to value. Exact: a decimal is scaled as an integer, never through a float.

use crate::diagnostic::Code;
use crate::syntax::ast::Literal;
use crate::syntax::codes;

pub(super) struct Problem {
    pub code: &'static Code,
    pub message: String,
    pub help: Option<String>,
}

/// `text` begins with a digit, as the lexer sees numbers.
pub(super) fn value(text: &str) -> Result<Literal, Problem> {
    let digits = text.find(|c: char| !matches!(c, '0'..='9' | '_' | '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let plain: String = number.chars().filter(|c| *c != '_').collect();
    let large = |most: &str| Problem {
        code: &codes::OUT_OF_RANGE,
        message: format!("`{}` is too large", shortened(text)),
        help: Some(format!("the largest {most}")),
    };
    match unit {
        "" if plain.contains('.') => {
            let value = plain.parse::<f64>().ok().filter(|f| f.is_finite());
            value.map(Literal::Float).ok_or_else(|| large("number is about 1.8e308"))
        }
        "" => plain.parse().map(Literal::Int).map_err(|_| large("integer is 9223372036854775807")),
        "%" => {
            let value = plain.parse::<f64>().ok().filter(|f| f.is_finite());
            value.map(Literal::Percent).ok_or_else(|| large("number is about 1.8e308"))
        }
        _ => {
            if let Some(ms) = milliseconds(unit) {
                // Kept below i64::MAX, so that durations can be subtracted.
                let value = scaled(&plain, ms).filter(|v| *v <= i64::MAX as u64);
                return value.map(Literal::Duration).ok_or_else(|| large("duration is 292277024 years"));
            }
            if let Some(bytes) = bytes(unit) {
                let value = scaled(&plain, bytes).filter(|v| *v <= i64::MAX as u64);
                return value.map(Literal::Size).ok_or_else(|| large("size is 9223372036854775807 bytes"));
            }
            Err(Problem {
                code: &codes::BAD_UNIT,
                message: format!("there is no unit `{}`", shortened(unit)),
                help: Some(match meant(unit) {
                    Some(meant) => format!("write `{}{meant}`", shortened(number)),
                    None => "durations have ms, s, min, h, d; sizes have B, kB, KiB, MB, MiB, GB, GiB, TB, TiB".into(),
                }),
            })
        }
    }
}

fn milliseconds(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    })
}

fn bytes(unit: &str) -> Option<u64> {
    let prefix = unit.strip_suffix('B')?;
    let (prefix, base) = match prefix.strip_suffix('i') {
        Some(prefix) => (prefix, 1024u64),
        None => (prefix, 1000),
    };
    let power = match prefix {
        "" if base == 1000 => 0,
        "k" | "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        "P" => 5,
        _ => return None,
    };
    Some(base.pow(power))
}

/// The unit that is written differently elsewhere.
fn meant(unit: &str) -> Option<&'static str> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "millis" | "msec" | "msecs" | "millisecond" | "milliseconds" => "ms",
        "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "mins" | "minute" | "minutes" => "min",
        "hr" | "hrs" | "hour" | "hours" => "h",
        "day" | "days" => "d",
        "b" | "byte" | "bytes" => "B",
        "kb" => "kB",
        "k" | "ki" | "kib" => "KiB",
        "mb" => "MB",
        "mi" | "mib" => "MiB",
        "gb" => "GB",
        "g" | "gi" | "gib" => "GiB",
        "tb" => "TB",
        "t" | "ti" | "tib" => "TiB",
        "pb" => "PB",
        "pi" | "pib" => "PiB",
        _ => return None,
    })
}

/// A decimal number times `unit`, to the nearest integer; `None` when it does not fit.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().ok()?;
    // Eighteen digits are finer than any unit here; the rest cannot be seen.
    let fraction = &fraction[..fraction.len().min(18)];
    let ten = 10u128.pow(fraction.len() as u32);
    let part = fraction.parse::<u128>().unwrap_or(0) * u128::from(unit);
    let total = u128::from(whole) * u128::from(unit) + (part + ten / 2) / ten;
    u64::try_from(total).ok()
}

/// Ten thousand digits do not belong in a message.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        None => text.to_string(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}
