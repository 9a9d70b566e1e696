//! The editors colour the words that the lexer knows, no more and no fewer. `BLESS=1` writes the lists.

use crate::support;
use edge_lang::syntax::token::{Keywords, keywords};
use serde_json::Value;

fn bless() -> bool {
    std::env::var_os("BLESS").is_some_and(|v| v != "0")
}

/// The rules of the TextMate grammar by name, each with the pattern that it must have. Words of clauses that are also
/// words of statements keep the colour of those.
fn textmate(k: &Keywords) -> Vec<(&'static str, String)> {
    let (pairs, single): (Vec<_>, Vec<_>) = k.operators.iter().cloned().partition(|w| w.contains(' '));
    let alone = |words: &[String]| {
        let list: Vec<String> = words.iter().map(|w| w.replace(' ', "\\s+")).collect();
        format!("(?<![\\w.-])(?:{})(?![\\w-])(?!\\s*:)", list.join("|"))
    };
    // A pair before the words that begin it.
    let (double, lone): (Vec<String>, Vec<String>) = k.clauses.iter().cloned().partition(|w| w.contains(' '));
    let clauses: Vec<String> = double.into_iter().chain(lone).collect();
    vec![
        ("pairs", alone(&pairs)),
        ("statements", alone(&k.statements)),
        ("operators", alone(&single)),
        ("constants", alone(&k.constants)),
        ("clauses", format!("{}(?!\\s*[.,(=])", alone(&clauses))),
        ("methods", format!("{}(?=\\s*\")", alone(&k.methods))),
    ]
}

#[test]
fn vscode_has_the_words_of_the_lexer() {
    let path = support::root().join("editors/vscode/syntaxes/edge.tmLanguage.json");
    let mut grammar: Value = serde_json::from_str(&support::read(&path)).expect("JSON");
    let before = grammar.clone();
    for (rule, pattern) in textmate(&keywords()) {
        let found = &mut grammar["repository"][rule]["match"];
        if bless() {
            *found = Value::String(pattern);
        } else {
            assert_eq!(found.as_str(), Some(&*pattern), "{rule}; `BLESS=1 cargo test --test suite editors` writes it");
        }
    }
    if grammar != before {
        let text = serde_json::to_string_pretty(&grammar).expect("JSON") + "\n";
        std::fs::write(&path, text).expect("a file that can be written");
    }
    // What the rules include is there.
    for include in grammar["patterns"].as_array().expect("a list") {
        let name = include["include"].as_str().expect("an include").trim_start_matches('#');
        assert!(!grammar["repository"][name].is_null(), "no rule {name}");
    }
}

/// A match for the single words of a group, and one for each pair. Of those that match at one place Vim takes the
/// last: pairs come after the words that begin them, statements after clauses.
fn vim(k: &Keywords) -> String {
    let groups = [
        ("Clause", &k.clauses),
        ("Method", &k.methods),
        ("Operator", &k.operators),
        ("Constant", &k.constants),
        ("Statement", &k.statements),
    ];
    let mut out = String::new();
    for (group, words) in groups {
        let single: Vec<&str> = words.iter().filter(|w| !w.contains(' ')).map(|w| w.as_str()).collect();
        // Not `syn keyword`: it would win over fields, and some words are its options.
        out += &format!("syn match edge{group} \"\\<\\%({}\\)\\>\"\n", single.join("\\|"));
    }
    for (group, words) in groups {
        for pair in words.iter().filter(|w| w.contains(' ')) {
            out += &format!("syn match edge{group} \"\\<{}\\>\"\n", pair.replace(' ', "\\s\\+"));
        }
    }
    out
}

#[test]
fn vim_has_the_words_of_the_lexer() {
    let path = support::root().join("editors/vim/syntax/edge.vim");
    let text = support::read(&path);
    let (head, rest) = text.split_once("\" Words begin\n").expect("a line that begins the words");
    let (_, tail) = rest.split_once("\" Words end\n").expect("a line that ends the words");
    let made = format!("{head}\" Words begin\n{}\" Words end\n{tail}", vim(&keywords()));
    if bless() {
        std::fs::write(&path, made).expect("a file that can be written");
    } else {
        assert!(
            text == made,
            "editors/vim is not what the lexer says; `BLESS=1 cargo test --test suite editors` writes it"
        );
    }
}
