//! What could stand at a place in an unfinished text. It looks at the words around the place and not at a tree, because
//! there seldom is one: `server.cr`, `server.create("x", fl`, `vm.`.

use super::names::SymbolKind;
use super::session::State;
use super::{Completion, CompletionKind, builtins, fields, scopes};
use crate::library::Library;
use crate::types::Type;

const WORDS: [&str; 35] = [
    "all but", "all of", "any of", "assert", "at", "at least", "at most", "atomic", "compose", "else", "exactly",
    "false", "fn", "for", "group by", "if", "if any", "import", "input", "join", "let", "limit", "none of", "null",
    "offers", "order by", "parallel", "print", "scope", "select", "site", "true", "try", "where", "with",
];

pub(super) fn completions(state: &State, library: &Library, text: &str, offset: usize) -> Vec<Completion> {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let start = before.char_indices().rev().take_while(|(_, c)| is_word(*c)).last().map_or(offset, |(i, _)| i);
    let (head, prefix) = before.split_at(start);
    let mut out = Vec::new();
    let mut add = |text: &str, kind, detail: String| {
        if text.starts_with(prefix) {
            out.push(Completion { text: text.to_string(), kind, detail });
        }
    };
    if let Some(of) = head.strip_suffix('.') {
        members(state, library, last_word(of), &mut add);
    } else {
        if let Some((resource, operation)) = open_call(head)
            && let Some(op) = library.any_resource(resource).and_then(|r| r.operation(operation))
        {
            for param in &op.params {
                add(&param.name, CompletionKind::Parameter, param.ty.to_string());
            }
        }
        names(state, library, &mut add);
    }
    out.sort();
    out.dedup();
    out
}

fn names(state: &State, library: &Library, add: &mut impl FnMut(&str, CompletionKind, String)) {
    // Of a name said anew only the last meaning can be meant.
    for symbol in state.names.iter().filter(|s| state.names.find(&s.name).is_some_and(|last| std::ptr::eq(last, *s))) {
        match &symbol.kind {
            SymbolKind::Variable { ty, .. } => add(&symbol.name, CompletionKind::Variable, ty.to_string()),
            SymbolKind::Function(id) => {
                add(&symbol.name, CompletionKind::Function, state.signatures[id.0 as usize].to_string());
            }
        }
    }
    for (_, site) in state.inventory.iter() {
        add(&site.name, CompletionKind::Site, site.stack.to_string());
    }
    for group in state.inventory.groups.keys() {
        add(group, CompletionKind::Set, "Sites".to_string());
    }
    add("sites", CompletionKind::Set, "Sites".to_string());
    for function in builtins::names() {
        add(function, CompletionKind::Function, String::new());
    }
    for resource in library.services.iter().flat_map(|s| s.resources.values()) {
        let first = resource.doc.lines().next().unwrap_or("").to_string();
        add(&resource.name, CompletionKind::Resource, first);
    }
    for service in library.service_names() {
        add(service, CompletionKind::Service, String::new());
    }
    for word in WORDS {
        add(word, CompletionKind::Word, String::new());
    }
    for word in scopes::POLICY {
        add(word, CompletionKind::Word, String::new());
    }
}

fn members(state: &State, library: &Library, of: &str, add: &mut impl FnMut(&str, CompletionKind, String)) {
    let ty = match state.names.find(of).map(|s| &s.kind) {
        Some(SymbolKind::Variable { ty, .. }) => Some(ty.clone()),
        _ if state.inventory.id(of).is_some() => Some(Type::Site),
        _ => None,
    };
    match &ty {
        Some(Type::Handle(resource)) => {
            add("site", CompletionKind::Field, "Site".to_string());
            let fields = library.any_resource(resource).map(|r| r.columns()).unwrap_or_default();
            for (name, ty) in fields {
                add(&name, CompletionKind::Field, ty.to_string());
            }
        }
        Some(Type::Replicated(_) | Type::Table(_)) => {
            for field in fields::TABLE_FIELDS {
                add(field, CompletionKind::Field, "Sites".to_string());
            }
            add("at", CompletionKind::Operation, "the one of a site".to_string());
            add("count", CompletionKind::Operation, "Int".to_string());
        }
        Some(Type::Record(record)) => {
            for (name, ty) in record.iter() {
                add(name, CompletionKind::Field, ty.to_string());
            }
        }
        Some(Type::Failure) => {
            for field in ["message", "code", "sites"] {
                add(field, CompletionKind::Field, String::new());
            }
        }
        Some(Type::Site) => {
            add("name", CompletionKind::Field, "String".to_string());
            add("kind", CompletionKind::Field, "String".to_string());
            let labels = state.inventory.iter().flat_map(|(_, s)| s.labels.keys());
            for label in labels.collect::<std::collections::BTreeSet<_>>() {
                add(label, CompletionKind::Field, "String".to_string());
            }
        }
        _ => {
            if let Some(resource) = library.any_resource(of) {
                for op in resource.operations.values() {
                    let first = op.doc.lines().next().unwrap_or("").to_string();
                    add(&op.name, CompletionKind::Operation, first);
                }
            }
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

fn last_word(text: &str) -> &str {
    let start = text.char_indices().rev().take_while(|(_, c)| is_word(*c)).last().map_or(text.len(), |(i, _)| i);
    &text[start..]
}

/// The call whose arguments the text stops in: `server.create("x", `.
fn open_call(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0usize;
    for (i, c) in text.char_indices().rev() {
        match c {
            ')' | ']' | '}' => depth += 1,
            '[' | '{' => depth = depth.checked_sub(1)?,
            '(' if depth == 0 => {
                let operation = last_word(&text[..i]);
                let resource = last_word(text[..i - operation.len()].strip_suffix('.')?);
                return Some((resource, operation));
            }
            '(' => depth -= 1,
            '\n' if depth == 0 && text[..i].trim_end().is_empty() => return None,
            _ => {}
        }
    }
    None
}
