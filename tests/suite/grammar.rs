//! docs/grammar.ebnf says what lang/src/syntax/grammar.lalrpop accepts: the rules in it are written from that file
//! (`BLESS=1`), without actions, places, and what is accepted only to be reported. Its head and its lexical part are
//! written by hand.

use crate::support;
use edge_lang::syntax::token;
use std::collections::BTreeSet;
use std::fmt::Write;

const FIRST: &str = "# ---- Rules";
const AFTER: &str = "# ---- Lexical";

#[test]
fn the_reference_has_the_rules_of_the_parser() {
    let path = support::root().join("docs/grammar.ebnf");
    let reference = support::read(&path);
    let (head, rest) = reference.split_once(FIRST).expect("a line that begins the rules");
    let (_, lexical) = rest.split_once(AFTER).expect("a line that begins the lexical part");
    let rules = rules(&support::read(&support::root().join("lang/src/syntax/grammar.lalrpop")));
    let made = format!("{head}{FIRST}\n\n{}\n{}\n{AFTER}{lexical}", ebnf(&rules), words());
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &made).expect("a file that can be written");
    } else {
        assert!(
            reference == made,
            "docs/grammar.ebnf is not what grammar.lalrpop says; `BLESS=1 cargo test` writes it"
        );
    }
    // What the rules call a token is explained.
    let defined: BTreeSet<&str> =
        made.lines().filter_map(|l| l.split_once(" =").map(|(name, _)| name.trim())).collect();
    for rule in &rules {
        for token in rule.alternatives.iter().flatten().flat_map(tokens) {
            assert!(defined.contains(&*token), "{token} has no line in the lexical part");
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Symbol {
    Rule(String, Vec<Symbol>),
    Token(String),
    Literal(String),
    Group(Vec<Symbol>),
    Repeated(Box<Symbol>, char),
}

struct Rule {
    /// Lines of comment above it.
    notes: Vec<String>,
    name: String,
    parameters: Vec<String>,
    alternatives: Vec<Vec<Symbol>>,
}

// ---- reading ------------------------------------------------------------------------------------------------------

fn rules(grammar: &str) -> Vec<Rule> {
    let start = grammar.find("pub Program").expect("the first rule");
    let mut reader = Reader { rest: &grammar[start..], notes: Vec::new() };
    let mut rules = Vec::new();
    reader.space();
    while !reader.rest.is_empty() {
        rules.push(reader.rule());
        reader.space();
    }
    // A rule that only reports has no alternatives left; neither have those that need it.
    loop {
        let empty: BTreeSet<String> =
            rules.iter().filter(|r| r.alternatives.is_empty()).map(|r| r.name.clone()).collect();
        let before = rules.len();
        rules.retain(|r| !r.alternatives.is_empty());
        for rule in &mut rules {
            rule.alternatives.retain(|a| !a.iter().any(|s| uses(s, &empty)));
        }
        if rules.len() == before {
            break;
        }
    }
    for rule in &mut rules {
        let mut seen = Vec::new();
        rule.alternatives.retain(|a| {
            !seen.contains(a) && {
                seen.push(a.clone());
                true
            }
        });
    }
    rules
}

fn uses(symbol: &Symbol, names: &BTreeSet<String>) -> bool {
    match symbol {
        Symbol::Rule(name, args) => names.contains(name) || args.iter().any(|a| uses(a, names)),
        Symbol::Group(inner) => inner.iter().any(|s| uses(s, names)),
        Symbol::Repeated(inner, _) => uses(inner, names),
        Symbol::Token(_) | Symbol::Literal(_) => false,
    }
}

struct Reader<'a> {
    rest: &'a str,
    notes: Vec<String>,
}

impl Reader<'_> {
    fn space(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let Some(comment) = self.rest.strip_prefix("//") else { return };
            let (line, rest) = comment.split_once('\n').unwrap_or((comment, ""));
            if line.starts_with('/') || line.starts_with(" ----") {
                self.notes.push(line.trim_start_matches('/').trim().to_string());
            }
            self.rest = rest;
        }
    }

    fn eat(&mut self, text: &str) -> bool {
        self.space();
        let found = self.rest.strip_prefix(text);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn expect(&mut self, text: &str) {
        let near = self.rest.chars().take(60).collect::<String>();
        assert!(self.eat(text), "`{text}` expected at {near}");
    }

    fn word(&mut self) -> String {
        self.space();
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_string()
    }

    fn rule(&mut self) -> Rule {
        let notes = std::mem::take(&mut self.notes);
        if self.rest.starts_with("pub ") {
            self.word();
        }
        let name = self.word();
        let mut parameters = Vec::new();
        if self.eat("<") {
            while !self.eat(">") {
                parameters.push(self.word());
                self.eat(",");
            }
        }
        self.expect(":");
        // The type, up to the `=` that is not part of it.
        let end = self.rest.find(" = ").or_else(|| self.rest.find("\n    =")).expect("a definition");
        let next = self.rest.find('=').expect("a definition");
        self.rest = &self.rest[end.min(next)..];
        self.expect("=");
        let mut alternatives = Vec::new();
        if self.eat("{") {
            while !self.eat("}") {
                alternatives.extend(self.alternative());
                self.eat(",");
            }
            self.expect(";");
        } else {
            alternatives.extend(self.alternative());
            self.expect(";");
        }
        self.notes.clear();
        Rule { notes, name, parameters, alternatives }
    }

    /// `None` for one that exists to report a mistake.
    fn alternative(&mut self) -> Option<Vec<Symbol>> {
        let mut reports = false;
        let symbols = self.symbols(&mut reports);
        if self.eat("=>") {
            let action = self.action();
            reports |= action.contains("b.slip");
        }
        (!reports).then_some(symbols)
    }

    fn action(&mut self) -> String {
        let mut depth = 0;
        let mut quoted = false;
        let end = self.rest.char_indices().find(|(_, c)| {
            match c {
                '"' => quoted = !quoted,
                '(' | '[' | '{' if !quoted => depth += 1,
                ')' | ']' | '}' if !quoted && depth > 0 => depth -= 1,
                ',' | ';' | '}' if !quoted && depth == 0 => return true,
                _ => {}
            }
            false
        });
        let (action, rest) = self.rest.split_at(end.map_or(self.rest.len(), |(at, _)| at));
        self.rest = rest;
        action.to_string()
    }

    fn symbols(&mut self, reports: &mut bool) -> Vec<Symbol> {
        let mut symbols = Vec::new();
        loop {
            self.space();
            let named = match self.rest.chars().next() {
                Some('<') => true,
                Some('"' | '(' | '@' | '!') => false,
                Some(c) if c.is_alphabetic() => false,
                _ => return symbols,
            };
            if named {
                self.expect("<");
                // `<name:Symbol>`, `<mut name:Symbol>`
                let before = self.rest;
                let mut word = self.word();
                if word == "mut" {
                    word = self.word();
                }
                if word.is_empty() || !self.eat(":") {
                    self.rest = before;
                }
            }
            symbols.extend(self.symbol(reports));
            if named {
                self.expect(">");
            }
        }
    }

    fn symbol(&mut self, reports: &mut bool) -> Option<Symbol> {
        self.space();
        let mut symbol = if self.eat("@L") || self.eat("@R") {
            return None;
        } else if self.eat("!") {
            *reports = true;
            return None;
        } else if self.eat("\"") {
            let (text, rest) = self.rest.split_once('"').expect("a closed string");
            self.rest = rest;
            terminal(text)
        } else if self.eat("(") {
            let inner = self.symbols(reports);
            self.expect(")");
            if inner.len() == 1 { inner.into_iter().next()? } else { Symbol::Group(inner) }
        } else {
            let name = self.word();
            let mut args = Vec::new();
            if self.rest.starts_with('<') && !name.is_empty() {
                self.expect("<");
                while !self.eat(">") {
                    args.extend(self.symbol(reports));
                    self.eat(",");
                }
            }
            Symbol::Rule(name, args)
        };
        while let Some(mark @ ('?' | '*' | '+')) = self.rest.chars().next() {
            self.rest = &self.rest[1..];
            symbol = Symbol::Repeated(Box::new(symbol), mark);
        }
        Some(symbol)
    }
}

/// Tokens that stand for many texts are written in capitals and explained in the lexical part.
fn terminal(text: &str) -> Symbol {
    match text {
        "name" | "int" | "float" | "duration" | "size" | "percent" | "string" | "string head" | "string middle"
        | "string tail" | "newline" | "clause" | "method" => Symbol::Token(text.to_uppercase().replace(' ', "_")),
        "{ lines" => Symbol::Literal("{".into()),
        _ => Symbol::Literal(text.into()),
    }
}

fn tokens(symbol: &Symbol) -> Vec<String> {
    match symbol {
        Symbol::Token(name) => vec![name.clone()],
        Symbol::Literal(_) => Vec::new(),
        Symbol::Rule(_, inner) | Symbol::Group(inner) => inner.iter().flat_map(tokens).collect(),
        Symbol::Repeated(inner, _) => tokens(inner),
    }
}

// ---- writing ------------------------------------------------------------------------------------------------------

fn ebnf(rules: &[Rule]) -> String {
    let mut out = String::new();
    for rule in rules {
        for note in &rule.notes {
            let section = note.trim_matches('-').trim();
            let _ = match note.starts_with("----") {
                true => writeln!(out, "\n# -- {section}\n"),
                false => writeln!(out, "# {note}"),
            };
        }
        let name = match &rule.parameters[..] {
            [] => snake(&rule.name),
            parameters => format!("{}({})", snake(&rule.name), parameters.join(", ").to_lowercase()),
        };
        let lines = body(rule);
        let whole = lines.join(" | ");
        if whole.len() < 95 {
            let _ = writeln!(out, "{name:<15} = {whole}");
        } else {
            let _ = writeln!(out, "{name:<15} = {}", lines.join(&format!("\n{:16}| ", "")));
        }
    }
    out
}

/// Left recursion is written as repetition: `a = b | a c` is `b { c }`.
fn body(rule: &Rule) -> Vec<String> {
    let recursive = |a: &&Vec<Symbol>| matches!(a.first(), Some(Symbol::Rule(name, _)) if *name == rule.name);
    let (again, first): (Vec<_>, Vec<_>) = rule.alternatives.iter().partition(recursive);
    let optional = first.iter().any(|a| a.is_empty());
    let written: Vec<String> = first.into_iter().filter(|a| !a.is_empty()).map(|a| sequence(a)).collect();
    let repeated: Vec<String> = again.into_iter().map(|a| sequence(&a[1..])).collect();
    if repeated.is_empty() && !optional {
        return written;
    }
    let mut line = match (optional, written.len()) {
        (true, _) => format!("[ {} ]", written.join(" | ")),
        (false, 1) => written[0].clone(),
        (false, _) => format!("( {} )", written.join(" | ")),
    };
    if !repeated.is_empty() {
        let _ = write!(line, " {{ {} }}", repeated.join(" | "));
    }
    vec![line]
}

fn sequence(symbols: &[Symbol]) -> String {
    symbols.iter().map(symbol).collect::<Vec<_>>().join(" ")
}

fn symbol(s: &Symbol) -> String {
    match s {
        Symbol::Rule(name, args) if args.is_empty() => snake(name),
        Symbol::Rule(name, args) => {
            format!("{}({})", snake(name), args.iter().map(symbol).collect::<Vec<_>>().join(", "))
        }
        Symbol::Token(name) => name.clone(),
        Symbol::Literal(text) => format!("\"{text}\""),
        Symbol::Group(inner) => format!("( {} )", sequence(inner)),
        Symbol::Repeated(inner, mark) => {
            let bare = match &**inner {
                Symbol::Group(inner) => sequence(inner),
                other => symbol(other),
            };
            match mark {
                '?' => format!("[ {bare} ]"),
                '*' => format!("{{ {bare} }}"),
                _ => format!("{} {{ {bare} }}", symbol(inner)),
            }
        }
    }
}

/// The words that are one token each only in a service description.
fn words() -> String {
    let k = token::keywords();
    let list = |name: &str, words: &[String]| {
        let mut out = format!("{name:<15} =");
        let mut width = out.len();
        for (n, word) in words.iter().enumerate() {
            let next = if n > 0 { format!(" | \"{word}\"") } else { format!(" \"{word}\"") };
            if width + next.len() > 110 {
                out += &format!("\n{:15}", "");
                width = 15;
            }
            width += next.len();
            out += &next;
        }
        out + "\n"
    };
    let clauses: Vec<String> =
        k.clauses.iter().filter(|w| !token::LINE_WORDS.contains(&w.as_str())).cloned().chain(["..".into()]).collect();
    list("METHOD", &k.methods) + &list("CLAUSE", &clauses)
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for (n, c) in name.chars().enumerate() {
        if c.is_uppercase() && n > 0 {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}
