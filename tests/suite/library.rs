//! Service descriptions, over tests/library: what is wrong with broken ones, the requests that they render, the rows
//! that they read, and what they make of answers. And the standard library itself.

#[path = "library/exercise.rs"]
mod exercise;
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
