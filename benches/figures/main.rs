//! What is promised about speed and size, measured: a line for each figure with its aim, printed and never asserted.
//!
//! `cargo bench --bench figures` measures all that can be measured on this machine; `-- start listing` only those parts.
//! benches/README.md says what each part needs, and what was measured.

mod bridge;
mod executor;
mod figure;
mod kubernetes;
mod language;
mod listing;
mod names;
mod openstack;
mod planning;
mod process;
mod relay;
mod start;

const PARTS: &[(&str, fn())] = &[
    ("start", start::measure),
    ("language", language::measure),
    ("names", names::measure),
    ("planning", planning::measure),
    ("executor", executor::measure),
    ("listing", listing::measure),
    ("bridge", bridge::measure),
    ("kubernetes", kubernetes::measure),
];

fn main() {
    // Cargo adds options of its own.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if wanted == [planning::ALONE] {
        return planning::alone();
    }
    if let Some((part, arguments)) = wanted.split_first()
        && let Some((_, alone)) = executor::PARTS.iter().find(|(name, _)| name == part)
    {
        return alone(arguments);
    }
    if let Some(unknown) = wanted.iter().find(|word| PARTS.iter().all(|(name, _)| name != word)) {
        let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
        eprintln!("no part `{unknown}`; there are {}", names.join(", "));
        std::process::exit(2);
    }
    for (name, measure) in PARTS.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| w == name)) {
        println!("{name} (load average {})", figure::load_average());
        measure();
    }
}
