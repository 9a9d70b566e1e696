//! Service descriptions, over tests/library: what is wrong with broken ones, the requests that they render, the rows
//! that they read, and what they make of answers. And the standard library itself.

#[path = "library/exercise.rs"]
mod exercise;
#[path = "library/robust.rs"]
mod robust;
#[path = "library/sites.rs"]
mod sites;
#[path = "library/using.rs"]
mod using;

use crate::support;
use edge::stdlib;
use edge_lang::library::{self, Library, Operation, Text};
use edge_lang::span::{FileId, Sources};
use edge_lang::syntax;
use std::fmt::Write;

const FILE: FileId = FileId(0);

/// The services of one text alone, and what is wrong with them.
fn compiled(source: &str) -> (Library, String) {
    let mut sources = Sources::default();
    sources.add("description.edge", source);
    let parsed = syntax::parse(FILE, source);
    let text = Text { source, program: &parsed.program, comments: &parsed.comments };
    let (library, mut diagnostics) = library::compile(&[text]);
    diagnostics.splice(0..0, parsed.diagnostics);
    (library, support::diagnostics(&sources, &diagnostics))
}

/// Every operation of every resource, one a line, and what is wrong.
#[test]
fn describe() {
    support::suite("library/describe", |source, _| {
        let (library, wrong) = compiled(source);
        signatures(&library) + &wrong
    });
}

fn signatures(library: &Library) -> String {
    let mut out = String::new();
    for service in &library.services {
        let kind = service.kind.as_deref().unwrap_or("any");
        let _ = writeln!(out, "service {} for {} {kind}", service.name, service.stack);
        for resource in service.resources.values() {
            for op in resource.operations.values() {
                let _ = writeln!(out, "  {}.{}", resource.name, signature(op));
            }
        }
    }
    out
}

fn signature(op: &Operation) -> String {
    let params: Vec<String> = op
        .params
        .iter()
        .map(|p| {
            let since = p.since.map(|v| format!(" since {v}")).unwrap_or_default();
            let default = if p.default.is_some() { " = ..." } else { "" };
            format!("{}: {}{default}{since}", p.name, p.ty)
        })
        .collect();
    let subject = op.subject.as_ref().map(|s| format!(", of {s}")).unwrap_or_default();
    format!("{}({}) -> {}  {:?}{subject}", op.name, params.join(", "), op.result, op.kind)
}

fn standard_library() -> Library {
    stdlib::library(&mut Sources::default(), &[]).0
}

/// The library that comes with the program has nothing wrong in it, and everything in it is documented.
#[test]
fn standard() {
    let mut sources = Sources::default();
    let (library, diagnostics) = stdlib::library(&mut sources, &[]);
    let list = support::diagnostics(&sources, &diagnostics);
    assert!(list.is_empty(), "{list}");
    for service in &library.services {
        assert!(!service.doc.is_empty(), "service {} has no documentation", service.name);
        for resource in service.resources.values() {
            assert!(!resource.doc.is_empty(), "{} has no documentation", resource.name);
        }
    }
}

/// Each page shows the mistake first and the mended description last; what is met only in use has no such example.
#[test]
fn pages_show_their_error() {
    let mut wrong = String::new();
    for code in library::codes::ALL {
        assert!(code.page.starts_with(&format!("# {}: {}\n", code.id, code.title)), "{}", code.page);
        let blocks = support::blocks(code.page, "edge");
        let [(_, mistake), .., (_, mended)] = &blocks[..] else {
            assert!(code.id >= "E0340", "{} has no example", code.id);
            continue;
        };
        let found = compiled(mistake).1;
        let codes: Vec<&str> = found.lines().filter(|l| !l.starts_with(' ')).collect();
        if codes.len() != 1 || !codes[0].contains(code.id) {
            let _ = writeln!(wrong, "{}: the mistake:\n{found}", code.id);
        }
        let found = compiled(mended).1;
        if !found.is_empty() {
            let _ = writeln!(wrong, "{}: mended:\n{found}", code.id);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The descriptions of the reference have nothing wrong in them.
#[test]
fn reference_compiles() {
    let page = support::read(&support::root().join("docs/services.md"));
    let blocks = support::blocks(&page, "edge");
    assert!(blocks.len() > 1);
    for (line, block) in blocks {
        let wrong = compiled(&block).1;
        assert!(wrong.is_empty(), "docs/services.md:{line}\n{wrong}");
    }
}

/// Every kind of mistake is seen in some file of the suites.
#[test]
fn every_code_is_seen() {
    let files = support::files(&support::root().join("tests/library"), "expected");
    let all: String = files.iter().map(|f| support::read(f)).collect();
    for code in library::codes::ALL {
        assert!(all.contains(code.id), "{} {}", code.id, code.title);
    }
}

/// A program is checked against the texts of the stacks that it speaks of.
#[test]
fn a_text_describes_services_of_the_stack_of_its_folder() {
    for (name, text) in stdlib::TEXTS {
        let services = compiled(text).0.services;
        assert!(!services.is_empty(), "{name}");
        assert!(services.iter().all(|service| &*service.stack == stdlib::stack(name)), "{name}");
    }
}

/// Descriptions with a line or a word missing are reported, never a panic; and what is left of them can be listed.
#[test]
fn broken_descriptions() {
    for (_, text) in stdlib::TEXTS {
        let lines: Vec<&str> = text.lines().collect();
        for i in (0..lines.len()).step_by(3) {
            let without: String =
                lines.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, l)| format!("{l}\n")).collect();
            signatures(&compiled(&without).0);
        }
        for (start, word) in text.match_indices(' ').step_by(31) {
            let mut cut = text.to_string();
            let end = text[start + 1..].find(' ').map_or(text.len(), |n| start + 1 + n);
            cut.replace_range(start..end, word);
            signatures(&compiled(&cut).0);
        }
    }
}
