//! What could stand at a place in an unfinished text. It looks at the words around the place and not at a tree, because
//! there seldom is one: `server.cr`, `server.create("x", fl`, `vm.`.

use super::names::SymbolKind;
use super::session::State;
use super::{Completion, CompletionKind, builtins, fields, scopes};
use crate::library::Library;
use crate::span::FileId;
use crate::syntax::{Tok, Token, lex};
use crate::types::{Name, Type};

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
    if let Some(of) = head.strip_suffix('.') {
        members(state, library, last_word(of), &mut adding(prefix, &mut out));
    } else {
        let ended = head.trim_end();
        if let Some(call) = Call::around(head).filter(|_| !ended.ends_with(':')) {
            parameters(state, library, &call, &mut adding(prefix, &mut out));
        }
        // Where an argument begins nothing but a parameter is worth a list of all that there is.
        if out.is_empty() || !prefix.is_empty() || !ended.ends_with(['(', ',']) {
            names(state, library, prefix, &mut out);
        }
    }
    out.sort();
    out.dedup();
    out
}

/// Takes in what begins as it is written.
fn adding<'a>(prefix: &'a str, out: &'a mut Vec<Completion>) -> impl FnMut(&str, CompletionKind, String) + 'a {
    move |text, kind, detail| {
        if text.starts_with(prefix) {
            out.push(Completion { text: text.to_string(), kind, detail });
        }
    }
}

fn names(state: &State, library: &Library, prefix: &str, out: &mut Vec<Completion>) {
    let mut add = adding(prefix, out);
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

/// Parameters by name, those that are given already left out.
fn parameters(state: &State, library: &Library, call: &Call<'_>, add: &mut impl FnMut(&str, CompletionKind, String)) {
    let mut open = |name: &str, ty: &Type| {
        if !call.named.contains(&name) {
            add(name, CompletionKind::Parameter, ty.to_string());
        }
    };
    match call.of {
        Some(resource) => {
            let operation = library.any_resource(resource).and_then(|r| r.operation(call.name));
            operation.into_iter().flat_map(|op| &op.params).for_each(|p| open(&p.name, &p.ty));
        }
        None => {
            if let Some(SymbolKind::Function(id)) = state.names.find(call.name).map(|s| &s.kind) {
                state.signatures[id.0 as usize].params.iter().for_each(|p| open(&p.name, &p.ty));
            }
        }
    }
}

/// The resource that is named by the argument in which the text stops, inside its quotes or before them.
pub(super) fn resource_at(library: &Library, text: &str) -> Option<Name> {
    let call = Call::around(text)?;
    let operation = library.any_resource(call.of?)?.operation(call.name)?;
    let param = match call.argument {
        Argument::Named(name) => operation.params.iter().find(|p| &*p.name == name),
        Argument::Nth(n) => operation.params.get(n),
    }?;
    match param.ty.present() {
        Type::Handle(resource) | Type::Replicated(resource) => Some(resource.clone()),
        Type::List(of) => match &**of {
            Type::Handle(resource) => Some(resource.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// The call in whose arguments a text stops: `server.create("x", `, `deploy(`.
struct Call<'a> {
    of: Option<&'a str>,
    name: &'a str,
    /// The parameters that were given by name.
    named: Vec<&'a str>,
    argument: Argument<'a>,
}

/// The one in which the text stops.
#[derive(Clone, Copy)]
enum Argument<'a> {
    Nth(usize),
    Named(&'a str),
}

impl<'a> Call<'a> {
    fn around(text: &'a str) -> Option<Call<'a>> {
        // The lexer closes what is open at the end, with brackets that have no width.
        let mut tokens = lex(FileId(0), text).tokens;
        tokens.retain(|t| t.span.start < t.span.end);
        let word = |t: &Token| text.get(t.span.start as usize..t.span.end as usize).unwrap_or("");
        let mut depth = 0usize;
        let at = tokens.iter().rposition(|t| match t.tok {
            tok if tok.closes() => {
                depth += 1;
                false
            }
            tok if tok.opens() && depth > 0 => {
                depth -= 1;
                false
            }
            // A list of arguments goes through the bracket of a list: `networks: ["a", `.
            Tok::LBracket => false,
            tok => tok.opens(),
        })?;
        if tokens[at].tok != Tok::LParen {
            return None;
        }
        let name = tokens[..at].last().map(word).filter(|w| w.starts_with(|c: char| c.is_alphabetic() || c == '_'))?;
        let of = match &tokens[..at - 1] {
            [.., of, dot] if dot.tok == Tok::Dot => Some(word(of)),
            _ => None,
        };
        let mut call = Call { of, name, named: Vec::new(), argument: Argument::Nth(0) };
        let mut nth = 0;
        let mut depth = 0usize;
        for (i, token) in tokens.iter().enumerate().skip(at + 1) {
            match token.tok {
                tok if tok.opens() => depth += 1,
                tok if tok.closes() => depth = depth.saturating_sub(1),
                Tok::Comma if depth == 0 => {
                    nth += 1;
                    // After one that is named the others are, too.
                    call.argument = Argument::Nth(if call.named.is_empty() { nth } else { usize::MAX });
                }
                Tok::Colon if depth == 0 => {
                    let name = word(&tokens[i - 1]);
                    call.named.push(name);
                    call.argument = Argument::Named(name);
                }
                _ => {}
            }
        }
        Some(call)
    }
}

#[cfg(test)]
mod tests {
    use super::{Argument, Call};

    #[test]
    fn the_call_around_a_place_is_found() {
        let call = Call::around("let vm = server.create(\"a(b\", flavor: f(1, 2), image: \"ci").expect("a call");
        assert_eq!((call.of, call.name), (Some("server"), "create"));
        assert_eq!(call.named, ["flavor", "image"]);
        assert!(matches!(call.argument, Argument::Named("image")));
        let call = Call::around("deploy(1, [2, ").expect("a call");
        assert_eq!((call.of, call.name), (None, "deploy"));
        assert!(matches!(call.argument, Argument::Nth(1)));
        for none in ["", "f(1)", "{ a: ", "let x = (", "f(1) @ { compute: ", "print (1, "] {
            assert!(Call::around(none).is_none_or(|c| c.name == "print"), "{none}");
        }
    }
}
