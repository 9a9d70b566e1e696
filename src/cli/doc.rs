//! `edge doc NAME`: the documentation of what is described, from its source: what comes with the program, the `library` of
//! edge.yaml, and files that are given; and of the functions and the words of the language.

use super::arguments::Doc;
use super::load::Files;
use super::{Status, Workplace, draw};
use edge_lang::check::function_docs;
use edge_lang::library::expr::{ExprKind, Piece};
use edge_lang::library::{Library, OperationKind, Param, Resource, Service};
use edge_lang::span::Sources;
use edge_lang::syntax::{foreign, token};
use edge_lang::words::word_docs;

/// The clauses of descriptions, of which the words are explained in tables.
const CLAUSES: &str = include_str!("../../docs/services.md");

pub fn doc(workplace: &Workplace, arguments: Doc) -> Status {
    let mut sources = Sources::default();
    let mut files = Files::default();
    let read = workplace.places().and_then(|places| files.library(&mut sources, &places.sites));
    let given = read.and_then(|()| arguments.file.iter().try_for_each(|file| files.add(&mut sources, workplace, file)));
    if let Err(trouble) = given {
        trouble.print();
        return Status::Wrong;
    }
    let (library, mut diagnostics) = crate::stdlib::library(&mut sources, &files.read_files());
    diagnostics.append(&mut files.diagnostics);
    draw::diagnostics(&sources, &diagnostics);
    match text(&library, arguments.name.as_deref()) {
        Ok(text) => {
            anstream::print!("{text}");
            Status::Done
        }
        Err(message) => {
            anstream::eprintln!("{message}");
            Status::Wrong
        }
    }
}

/// The page of a service, a resource, an operation or a function; of nothing, the list of them.
pub fn text(library: &Library, name: Option<&str>) -> Result<String, String> {
    let Some(name) = name else { return Ok(services(library)) };
    if let Some((resource, operation)) = name.split_once('.') {
        let found = library.any_resource(resource).ok_or_else(|| unknown(library, resource))?;
        return match found.operation(operation) {
            Some(_) => Ok(self::operation(found, operation)),
            None => {
                let near = edge_lang::diagnostic::nearest(operation, found.operations.keys().map(|n| &**n));
                let hint = near.map_or(String::new(), |n| format!("\nhelp: is `{resource}.{n}` meant?"));
                Err(format!("error: {resource} has no operation `{operation}`{hint}"))
            }
        };
    }
    // A name may mean several things: `join` is a function and a clause, `service` a word and a resource.
    let mut pages = Vec::new();
    if let Some(function) = function_docs().find(|f| f.name == name) {
        pages.push(format!("{}\n\n{}\n", function.signature, function.doc.trim()));
    }
    let called = name.split_whitespace().collect::<Vec<_>>().join(" ");
    pages.extend(word_docs().filter(|w| w.words.contains(&&*called)).map(|word| format!("{}\n", word.doc)));
    pages.extend(library.any_resource(name).map(resource));
    pages.extend(library.services.iter().filter(|s| &*s.name == name).map(service));
    if pages.is_empty() {
        // `edge doc reboot`: of whatever has it.
        let mut having: Vec<&Resource> = library.resource_names().filter_map(|r| library.any_resource(r)).collect();
        having.retain(|r| r.operations.contains_key(name));
        having.dedup_by(|a, b| a.name == b.name);
        pages.extend(having.iter().map(|r| operation(r, name)));
        pages.extend(clauses(&called));
    }
    match pages.is_empty() {
        true => Err(unknown(library, name)),
        false => Ok(pages.join("\n")),
    }
}

/// What a word of descriptions is for: the lines of the tables that have it in their first column.
fn clauses(word: &str) -> Option<String> {
    let known = token::keywords();
    if !known.clauses.iter().chain(&known.methods).any(|k| k == word) {
        return None;
    }
    let has = |clause: &str| {
        let words: Vec<&str> = clause.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
        let wanted: Vec<&str> = word.split(' ').collect();
        words.windows(wanted.len()).any(|w| w == wanted)
    };
    let row = |line: &str| {
        let (clause, says) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        has(clause).then(|| format!("  {clause}\n      {says}\n"))
    };
    let rows: String = CLAUSES.lines().filter_map(row).collect();
    Some(format!("a word of service descriptions (docs/services.md)\n\n{rows}"))
}

fn unknown(library: &Library, name: &str) -> String {
    let functions = function_docs().map(|f| f.name);
    let words: Vec<&str> = word_docs().flat_map(|w| w.words).collect();
    let known = library.service_names().chain(library.resource_names()).map(|n| &**n).chain(functions).chain(words);
    let elsewhere = foreign::service(name).filter(|n| library.service_names().any(|s| **s == **n));
    let elsewhere = elsewhere.or(foreign::resource(name).filter(|n| library.any_resource(n).is_some()));
    let near = elsewhere.or_else(|| edge_lang::diagnostic::nearest(name, known));
    let hint = near.map_or(String::new(), |n| format!("\nhelp: is `{n}` meant?"));
    format!("error: neither the library nor the language has `{name}`{hint}")
}

fn first_line(doc: &str) -> &str {
    doc.lines().next().unwrap_or("")
}

fn services(library: &Library) -> String {
    let mut out = String::new();
    for service in &library.services {
        out += &format!("{} ({})  {}\n", service.name, service.stack, first_line(&service.doc));
        let names: Vec<&str> = service.resources.keys().map(|n| &**n).collect();
        out += &format!("    {}\n", names.join(", "));
    }
    let functions: Vec<&str> = function_docs().map(|f| f.name).collect();
    let words: Vec<&str> = word_docs().flat_map(|w| w.words).collect();
    out += &format!("functions of the language\n    {}\n", functions.join(", "));
    out + &format!("words of the language\n    {}\n", words.join(", "))
}

fn service(service: &Service) -> String {
    let mut out = format!("service {} of {} sites\n\n", service.name, service.stack);
    if !service.doc.is_empty() {
        out += &format!("{}\n\n", service.doc);
    }
    for resource in service.resources.values() {
        out += format!("  {:<24} {}", resource.name, first_line(&resource.doc)).trim_end();
        out.push('\n');
    }
    out
}

fn resource(resource: &Resource) -> String {
    let mut out =
        format!("{} (service {}, {} sites)\n\n{}\n", resource.name, resource.service, resource.stack, resource.doc);
    out += "\nFields\n";
    for field in resource.fields.values() {
        let since = field.since.map_or(String::new(), |v| format!(" (since {v})"));
        out += &format!("  {:<20} {:<12} {}{since}\n", field.name, field.ty.to_string(), first_line(&field.doc));
    }
    out += "\nOperations\n";
    for (name, operation) in &resource.operations {
        out += &format!("  {:<20} {}\n", name, first_line(&operation.doc));
    }
    if resource.bridge.is_some() {
        out += "\nIt can be copied to another site.\n";
    }
    out
}

/// `direction: String = "ingress"`; a default that is more than a word is not spelt out.
fn param(param: &Param) -> String {
    let default = match param.default.as_ref().map(|d| &d.kind) {
        Some(ExprKind::Const(value)) => format!(" = {value}"),
        Some(ExprKind::Text(pieces)) => match &pieces[..] {
            [Piece::Text(text)] => format!(" = {text:?}"),
            _ => String::new(),
        },
        Some(ExprKind::List(items)) if items.is_empty() => " = []".into(),
        _ => String::new(),
    };
    format!("{}: {}{default}", param.name, param.ty)
}

fn operation(resource: &Resource, name: &str) -> String {
    let Some(operation) = resource.operation(name) else { return String::new() };
    let params: Vec<String> = operation.params.iter().map(param).collect();
    let mut out = format!("{}.{name}({}) -> {}\n", resource.name, params.join(", "), operation.result);
    if !operation.doc.is_empty() {
        out += &format!("\n{}\n", operation.doc);
    }
    if operation.params.iter().any(|p| !p.doc.is_empty() || p.since.is_some()) {
        out.push('\n');
        for param in operation.params.iter().filter(|p| !p.doc.is_empty() || p.since.is_some()) {
            let since = param.since.map_or(String::new(), |v| format!(" (since {v})"));
            out += &format!("  {:<20} {}{since}\n", param.name, param.doc.replace('\n', " "));
        }
    }
    let kind = match operation.kind {
        OperationKind::Read => "It changes nothing.",
        OperationKind::Change => "It is undone when the placement cannot hold.",
        OperationKind::Ensure => "It accepts what is there, and changes what is missing or different.",
        OperationKind::Final => "It cannot be undone: conjunctions only, and never in `atomic`.",
    };
    out += &format!("\n{kind}\n");
    out
}
