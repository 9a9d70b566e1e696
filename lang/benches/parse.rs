//! Lexing, parsing and formatting of large programs, printed and never asserted: `cargo bench -p edge-lang --bench parse`.
//! The aim is 100,000 statements (3.4 MB and more) lexed, parsed and checked in 1.5 s, linear in size.

// A benchmark reads the clock; the crate itself does not.
#![allow(clippy::disallowed_methods)]

use edge_lang::span::FileId;
use edge_lang::syntax;
use std::fmt::Write;
use std::time::{Duration, Instant};

fn main() {
    println!("{:24} {:>9} {:>10} {:>9} {:>9} {:>9}", "program", "bytes", "tokens", "lex", "parse", "format");
    for statements in [25_000, 50_000, 100_000] {
        let mut source = String::new();
        for i in 0..statements {
            let _ = writeln!(source, "server.create(\"vm-{i}\", flavor: \"tiny\") @ Z{i} || Z2");
        }
        measure(&format!("{statements} creations"), &source);
    }
    let mixed = include_str!("../../tests/parse/tour.edge");
    measure("the tour, 1000 times", &mixed.repeat(1000));
    let service = include_str!("../../tests/parse/service-compute.edge");
    measure("a service, 300 times", &service.repeat(300));
}

fn measure(name: &str, source: &str) {
    let (lex, lexed) = best(|| syntax::lex(FileId(0), source));
    let (parse, parsed) = best(|| syntax::parse(FileId(0), source));
    let (format, formatted) = best(|| syntax::format(FileId(0), source));
    let ms = |d: Duration| format!("{:.0} ms", d.as_secs_f64() * 1000.0);
    let wrong = if parsed.diagnostics.is_empty() && formatted.is_ok() { "" } else { "  with mistakes" };
    let (bytes, tokens) = (source.len(), lexed.tokens.len());
    println!("{name:24} {bytes:>9} {tokens:>10} {:>9} {:>9} {:>9}{wrong}", ms(lex), ms(parse), ms(format));
}

/// The best of three, and what it gave. `parse` includes lexing, `format` both, twice.
fn best<T>(run: impl Fn() -> T) -> (Duration, T) {
    let mut times = Vec::new();
    for _ in 0..2 {
        let start = Instant::now();
        std::hint::black_box(run());
        times.push(start.elapsed());
    }
    let start = Instant::now();
    let made = run();
    times.push(start.elapsed());
    (times.into_iter().min().unwrap_or_default(), made)
}
