//! Suites as data: each NAME.edge of a folder beside NAME.expected. One command shows all that differ, one writes
//! them anew (`BLESS=1`), so that a change of wording is read as a diff in the commit.

use edge_lang::diagnostic::Diagnostic;
use edge_lang::span::{FileId, Sources, Span};
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares what `produce` makes of each NAME.edge under tests/`folder` with NAME.expected. Fails with a diff for each
/// that differs, for an `.expected` without a program, for a panic, and for an empty folder.
pub fn suite(folder: &str, produce: impl Fn(&str, &Path) -> String) {
    let folder = root().join("tests").join(folder);
    let bless = blessing();
    let only = std::env::var("CASE").unwrap_or_default();
    let programs = files(&folder, "edge");
    assert!(!programs.is_empty(), "no .edge files under {}", folder.display());
    let mut report = String::new();
    let mut wrong = 0;
    for expected in files(&folder, "expected").iter().filter(|e| !e.with_extension("edge").exists()) {
        wrong += 1;
        let _ = writeln!(report, "== {} has no program", expected.display());
    }
    for program in programs.iter().filter(|p| p.to_string_lossy().contains(&only)) {
        let source = read(program);
        let expected = program.with_extension("expected");
        let got = match catch_unwind(AssertUnwindSafe(|| produce(&source, program))) {
            Ok(got) => got,
            Err(_) => {
                wrong += 1;
                let _ = writeln!(report, "== {} panicked", program.display());
                continue;
            }
        };
        let before = if expected.exists() { read(&expected) } else { String::new() };
        if bless {
            if before != got || !expected.exists() {
                std::fs::write(&expected, &got).unwrap_or_else(|e| panic!("{}: {e}", expected.display()));
            }
        } else if before != got {
            wrong += 1;
            let _ = writeln!(report, "== {}\n{}", program.display(), difference(&before, &got));
        }
    }
    assert!(wrong == 0, "{report}\n{wrong} differ in {}; `BLESS=1 cargo test` writes them", folder.display());
}

/// Whether expected files are to be written anew.
pub fn blessing() -> bool {
    std::env::var_os("BLESS").is_some_and(|v| v != "0")
}

/// All files with this extension, folders in folders included, in order.
pub fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.expect("a folder that can be read").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The blocks of a Markdown text that are marked `language`, each with the line on which it begins.
pub fn blocks(markdown: &str, language: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    let mut other = false;
    for (n, line) in markdown.lines().enumerate() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some((_, text)), None) => *text += &format!("{line}\n"),
            (None, Some(_)) if other => other = false,
            (None, Some(mark)) if mark.trim() == language => open = Some((n + 2, String::new())),
            (None, Some(_)) => other = true,
            (None, None) => {}
        }
    }
    blocks
}

/// `line:column [text] CODE message`, and below it what else is said.
pub fn diagnostics(sources: &Sources, list: &[Diagnostic]) -> String {
    let mut out = String::new();
    for d in list {
        let _ = writeln!(out, "{} {} {}", place(sources, d.span), d.code.id, d.message);
        if !d.label.is_empty() {
            let _ = writeln!(out, "    here: {}", d.label);
        }
        for other in &d.others {
            let _ = writeln!(out, "    {} {}", place(sources, other.span), other.text);
        }
        for note in &d.notes {
            let _ = writeln!(out, "    note: {note}");
        }
        for help in &d.help {
            let _ = writeln!(out, "    help: {help}");
        }
    }
    out
}

/// The first file needs no name: it is the program of the case.
fn place(sources: &Sources, span: Span) -> String {
    let at = sources.position(span);
    let text = sources.text(span).lines().next().unwrap_or("");
    let short: String = text.chars().take(60).collect();
    let dots = if short.len() < text.len() { "..." } else { "" };
    let file = match sources.get(span.file) {
        Some(source) if span.file != FileId(0) => format!("{}:", source.name),
        _ => String::new(),
    };
    format!("{file}{}:{} [{short}{dots}]", at.line, at.column)
}

/// The lines that differ, with one line of what is common around them.
pub fn difference(before: &str, after: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let tail = a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(x, y)| x == y).count();
    let mut out = String::new();
    let mut list = |mark: &str, lines: &[&str]| {
        for line in lines {
            let _ = writeln!(out, "{mark} {line}");
        }
    };
    list(" ", &a[head.saturating_sub(1)..head]);
    list("-", &a[head..a.len() - tail]);
    list("+", &b[head..b.len() - tail]);
    list(" ", &a[a.len() - tail..a.len().min(a.len() - tail + 1)]);
    if head == a.len() && head == b.len() {
        out += "(only the end of the last line differs)";
    }
    out
}

/// `# person Zone1: alice` and `# trust Zone2: Zone1`, as edge.yaml says it.
pub fn people(source: &str, inventory: &mut edge_lang::inventory::Inventory) {
    for line in source.lines().filter_map(|l| l.strip_prefix("# ")) {
        let Some((head, value)) = line.split_once(": ") else { continue };
        let Some((word, name)) = head.split_once(' ').filter(|(word, _)| matches!(*word, "person" | "trust")) else {
            continue;
        };
        let Some(mut site) = inventory.id(name).and_then(|id| inventory.get(id)).cloned() else { continue };
        match word {
            "person" => site.person = Some(value.into()),
            _ => site.trust = std::sync::Arc::new(inventory.id(value).map(|of| (of, None)).into_iter().collect()),
        }
        inventory.add(site);
    }
}
