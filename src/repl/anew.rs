//! The entries of a session as one program, in which a name means one thing. An entry may say a name anew, a file may not:
//! of a name that was said several times the last one keeps it, earlier ones are numbered where something uses them, and
//! left out where nothing does. `it` becomes a name too.

use super::dialogue::Said;
use crate::cli::entered::LAST;
use edge_lang::span::{FileId, Span};
use edge_lang::syntax::ast::{Block, StmtKind};
use edge_lang::syntax::{Tok, lex, parse};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;

/// Entry and byte.
type At = (usize, usize);

struct Declared {
    entry: usize,
    /// What declares it.
    statement: Range<usize>,
    /// Where the name stands; of `it` nowhere.
    name: Option<usize>,
    /// From there on the name means this.
    from: At,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Stays the same site, however it is described.
    Site,
    Other,
    /// The value of an entry.
    Last,
}

struct Use {
    at: At,
    length: usize,
}

/// The text of each entry; `None` where what it declared was said anew, and nothing used it in between.
pub fn texts(said: &[Said]) -> Vec<Option<String>> {
    let parsed: Vec<Block> = said.iter().map(|s| parse(FileId(0), &s.text).program).collect();
    let mut declared: BTreeMap<String, Vec<Declared>> = BTreeMap::new();
    for (entry, (program, said)) in parsed.iter().zip(said).enumerate() {
        for (name, one) in declarations(entry, program, said) {
            declared.entry(name).or_default().push(one);
        }
    }
    declared.retain(|name, all| all.len() > 1 || name == LAST);
    let (mut uses, words) = uses(said, &parsed, &declared);
    let mut edits: Vec<Vec<(Range<usize>, String)>> = said.iter().map(|_| Vec::new()).collect();
    let mut dropped = HashSet::new();
    for (name, all) in &declared {
        let mut numbers = (1..).map(|n| format!("{name}_{n}")).filter(|fresh| !words.contains(fresh));
        for (i, one) in all.iter().enumerate() {
            let used = uses.remove(&(name.as_str(), i)).unwrap_or_default();
            let last = i + 1 == all.len();
            let alone = parsed[one.entry].len() == 1 && !said[one.entry].changes;
            match one.kind {
                Kind::Last if used.is_empty() => continue,
                Kind::Last => {}
                _ if last => continue,
                Kind::Site => {
                    match alone {
                        true => _ = dropped.insert(one.entry),
                        false => edits[one.entry].push((one.statement.clone(), String::new())),
                    }
                    continue;
                }
                Kind::Other if used.is_empty() && alone => {
                    dropped.insert(one.entry);
                    continue;
                }
                Kind::Other => {}
            }
            let Some(fresh) = (if last { Some(name.clone()) } else { numbers.next() }) else { continue };
            let text = match said[one.entry].text.get(one.name.map_or(0..0, |at| at..at + 1)) {
                Some("`") => format!("`{fresh}`"),
                _ => fresh,
            };
            match one.name {
                None => edits[one.entry].push((one.statement.start..one.statement.start, format!("let {text} = "))),
                Some(at) => edits[one.entry].push((at..at + written(&said[one.entry].text[at..], name), text.clone())),
            }
            for Use { at: (entry, at), length } in used {
                edits[entry].push((at..at + length, text.clone()));
            }
        }
    }
    let text = |(entry, said): (usize, &Said)| {
        let mut text = said.text.clone();
        edits[entry].sort_by_key(|(range, _)| std::cmp::Reverse((range.start, range.end)));
        for (range, new) in &edits[entry] {
            text.replace_range(range.clone(), new);
        }
        (!dropped.contains(&entry)).then_some(text)
    };
    said.iter().enumerate().map(text).collect()
}

/// The length of a name as it is written, in backquotes perhaps.
fn written(text: &str, name: &str) -> usize {
    name.len() + if text.starts_with('`') { 2 } else { 0 }
}

fn range(span: Span) -> Range<usize> {
    span.start as usize..span.end as usize
}

fn declarations(entry: usize, program: &Block, said: &Said) -> Vec<(String, Declared)> {
    let mut all = Vec::new();
    for statement in program {
        let (name, kind, from) = match &statement.kind {
            StmtKind::Let { name, .. } | StmtKind::Scope { name, .. } | StmtKind::Input { name, .. } => {
                (name, Kind::Other, statement.span.end as usize)
            }
            // Known from the beginning of the entry.
            StmtKind::Fn { name, .. } => (name, Kind::Other, 0),
            StmtKind::Site { name, .. } => (name, Kind::Site, 0),
            _ => continue,
        };
        let statement = range(statement.span);
        let one = Declared { entry, statement, name: Some(name.span.start as usize), from: (entry, from), kind };
        all.push((name.text.to_string(), one));
    }
    if let Some(last) = program.last().filter(|_| said.gave) {
        let from = (entry, said.text.len());
        let one = Declared { entry, statement: range(last.span), name: None, from, kind: Kind::Last };
        all.push((LAST.to_string(), one));
    }
    all
}

type Uses<'a> = BTreeMap<(&'a str, usize), Vec<Use>>;

/// Where each meaning of each name is used, and all words that there are.
fn uses<'a>(
    said: &[Said],
    parsed: &[Block],
    declared: &'a BTreeMap<String, Vec<Declared>>,
) -> (Uses<'a>, BTreeSet<String>) {
    let mut uses: Uses<'a> = BTreeMap::new();
    let mut words = BTreeSet::new();
    for (entry, said) in said.iter().enumerate() {
        let tokens = lex(FileId(0), &said.text).tokens;
        for (i, token) in tokens.iter().enumerate() {
            let at = range(token.span);
            let text = said.text.get(at.clone()).unwrap_or("").trim_matches('`');
            let before = i.checked_sub(1).map(|i| tokens[i].tok);
            let field = before == Some(Tok::Dot) || tokens.get(i + 1).is_some_and(|t| t.tok == Tok::Colon);
            if token.tok != Tok::Name || field {
                continue;
            }
            words.insert(text.to_string());
            let Some((name, all)) = declared.get_key_value(text) else { continue };
            let own = all.iter().any(|d| d.entry == entry && d.name == Some(at.start));
            if own || is_parameter(&parsed[entry], text, at.start) {
                continue;
            }
            let place = (entry, at.start);
            // The one that came last before it; what is known from the beginning of an entry is of that entry.
            let Some(of) = all.iter().rposition(|d| d.from <= place) else { continue };
            uses.entry((name, of)).or_default().push(Use { at: place, length: at.len() });
        }
    }
    (uses, words)
}

/// Whether a function around the place has a parameter of this name.
fn is_parameter(program: &Block, name: &str, at: usize) -> bool {
    program.iter().any(|statement| match &statement.kind {
        StmtKind::Fn { params, .. } => {
            range(statement.span).contains(&at) && params.iter().any(|p| &*p.name.text == name)
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(entries: &[&str]) -> Vec<Said> {
        let gives =
            |text: &str| matches!(parse(FileId(0), text).program.last().map(|s| &s.kind), Some(StmtKind::Expr(_)));
        let one = |text: &&str| Said {
            text: text.to_string(),
            scope: None,
            declares: true,
            changes: text.contains("create"),
            gave: gives(text),
        };
        entries.iter().map(one).collect()
    }

    fn saved(entries: &[&str]) -> Vec<String> {
        texts(&said(entries)).into_iter().flatten().collect()
    }

    #[test]
    fn what_was_said_anew_and_never_used_is_left_out() {
        assert_eq!(saved(&["let a = 1", "let a = 2", "print a"]), ["let a = 2", "print a"]);
        assert_eq!(saved(&["fn f() { 1 }", "fn f() { 2 }", "f()"]), ["fn f() { 2 }", "f()"]);
        let sites = ["site A = openstack(cloud: \"a\")", "let s = {A}", "site A = openstack(cloud: \"b\")"];
        assert_eq!(saved(&sites), ["let s = {A}", "site A = openstack(cloud: \"b\")"]);
    }

    #[test]
    fn what_was_used_in_between_gets_a_number() {
        assert_eq!(
            saved(&["let a = 1", "print a + x.a", "let a = a + 1", "print \"${a}\""]),
            ["let a_1 = 1", "print a_1 + x.a", "let a = a_1 + 1", "print \"${a}\""]
        );
        assert_eq!(
            saved(&["let a = 1", "fn f(a: Int) { a }", "f(a: a)", "let a = 2"]),
            ["let a_1 = 1", "fn f(a: Int) { a }", "f(a: a_1)", "let a = 2"]
        );
        let made = ["let vm = server.create(\"vm\")", "let vm = server.create(\"other\")", "let vm_1 = 1"];
        assert_eq!(saved(&made)[0], "let vm_2 = server.create(\"vm\")", "it changed something, so it stays");
        assert_eq!(saved(&["let `a b` = 1", "print `a b`", "let `a b` = 2"])[1], "print `a b_1`");
    }

    #[test]
    fn the_last_value_becomes_a_name() {
        assert_eq!(saved(&["1 + 2", "it * 2", "print it"]), ["let it_1 = 1 + 2", "let it = it_1 * 2", "print it"]);
        assert_eq!(saved(&["1 + 2", "print 3"]), ["1 + 2", "print 3"]);
    }
}
