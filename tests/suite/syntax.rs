//! Lexing, parsing and formatting, over tests/lex, tests/parse and tests/format.

use crate::support;
use edge_lang::diagnostic::Diagnostic;
use edge_lang::span::{FileId, Sources};
use edge_lang::syntax::{self, Tok, codes, show};
use std::fmt::Write;

const FILE: FileId = FileId(0);

fn sources(source: &str) -> Sources {
    let mut sources = Sources::default();
    sources.add("program.edge", source);
    sources
}

fn listed(source: &str, diagnostics: &[Diagnostic]) -> String {
    support::diagnostics(&sources(source), diagnostics)
}

/// The tokens of each line, with their text where it is not always the same.
#[test]
fn lex() {
    support::suite("lex", |source, _| {
        let lexed = syntax::lex(FILE, source);
        let sources = sources(source);
        let mut out = String::new();
        let mut line = 0;
        for token in &lexed.tokens {
            let at = sources.position(token.span).line;
            if at != line {
                let _ = write!(out, "{}{at}:", if line > 0 { "\n" } else { "" });
                line = at;
            }
            let _ = match sources.text(token.span) {
                _ if token.tok == Tok::Newline => write!(out, " Newline"),
                "" => write!(out, " {:?}", token.tok),
                text => write!(out, " {:?}`{}`", token.tok, text.replace('\n', "\\n")),
            };
        }
        for comment in &lexed.comments {
            let kind = if comment.doc { "doc" } else { "comment" };
            let _ = write!(out, "\n{kind} {}", sources.text(comment.span).trim_end());
        }
        out.push('\n');
        out + &listed(source, &lexed.diagnostics)
    });
}

#[test]
fn parse() {
    support::suite("parse", |source, path| {
        let parsed = syntax::parse(FILE, source);
        let broken = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("broken"));
        assert_eq!(broken, !parsed.diagnostics.is_empty(), "{}: {:?}", path.display(), parsed.diagnostics);
        let mut out = show::show(&parsed.program);
        out += &listed(source, &parsed.diagnostics);
        let _ = writeln!(
            out,
            "-- {} statements, {} comments, {} errors{}",
            parsed.program.len(),
            parsed.comments.len(),
            parsed.diagnostics.len(),
            if parsed.incomplete { ", incomplete" } else { "" }
        );
        out
    });
}

#[test]
fn a_repl_knows_when_to_ask_for_more() {
    let more = [
        "at local {",
        "f(",
        "let x =",
        "let x",
        "a &&",
        "if x",
        "try { a() }",
        "a() @",
        "\"\"\"abc",
        "let x = # why",
        "fn f(x: Int,",
        "at a {\n  if x {\n  }",
        "scope s {\n  compute { at: A }",
        "a() @ exactly 2",
        "[1,\n",
    ];
    let enough = [
        "",
        "# only a comment",
        "print 1",
        "\"abc",
        "f(1))",
        "let = 3",
        "at a { let = 3",
        "print \"${x",
        "a b",
        "a() @ A",
        "}",
        "let x = 30sec",
        "let x = 1 xor 2 xor 3",
    ];
    for source in more {
        assert!(syntax::parse(FILE, source).incomplete, "{source}");
    }
    for source in enough {
        assert!(!syntax::parse(FILE, source).incomplete, "{source}");
    }
}

/// Each page shows the mistake first and the mended program last.
#[test]
fn error_pages_show_their_error() {
    for code in codes::ALL {
        let blocks = support::blocks(code.page, "edge");
        assert!(code.page.starts_with(&format!("# {}: ", code.id)), "{}", code.page);
        let [(_, wrong), .., (_, mended)] = &blocks[..] else {
            // No short program shows these.
            assert!(["E0120", "E0190"].contains(&code.id), "{} has no example", code.id);
            continue;
        };
        let found = syntax::parse(FILE, wrong).diagnostics;
        assert!(found.iter().any(|d| d.code == *code), "{}: {}", code.id, listed(wrong, &found));
        let mended_errors = syntax::parse(FILE, mended).diagnostics;
        assert!(mended_errors.is_empty(), "{}: {}", code.id, listed(mended, &mended_errors));
    }
}

/// A word is coloured by what it is where it stands.
#[test]
fn tokens_have_a_kind() {
    use syntax::token::Kind::*;
    let source = "let limit = \"a ${vm.limit} b\" limit 3; x(null, at: 30s) @ {A} §";
    let kinds: Vec<_> = syntax::lex(FILE, source)
        .tokens
        .iter()
        .map(|t| (&source[t.span.start as usize..t.span.end as usize], t.tok.kind()))
        .collect();
    let expected = [
        ("let", Word),
        ("limit", Name),
        ("=", Sign),
        ("\"a ${", Text),
        ("vm", Name),
        (".", Sign),
        ("limit", Name),
        ("} b\"", Text),
        ("limit", Word),
        ("3", Number),
        (";", Separator),
        ("x", Name),
        ("(", Bracket),
        ("null", Constant),
        (",", Sign),
        ("at", Name),
        (":", Sign),
        ("30s", Number),
        (")", Bracket),
        ("@", Sign),
        ("{", Bracket),
        ("A", Name),
        ("}", Bracket),
        ("§", Unreadable),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn documentation_stands_right_above() {
    let source = "## Not this.\n\n## Makes it.\n##\n## Slowly.\nfn make() { }\n\nservice s for http {\n  ## Reads.\n  read op show() { GET \"/\" }\n  # plain\n  op other() { undo delete }\n}\nlet x = 1 ## after\nlet y = 2\n";
    let parsed = syntax::parse(FILE, source);
    let doc = |at: &str| {
        let start = source.find(at).expect("it is there");
        let span = edge_lang::span::Span::new(FILE, start, start + at.len());
        syntax::documentation(source, &parsed.comments, span)
    };
    assert_eq!(doc("fn make"), Some("Makes it.\n\nSlowly.".into()));
    assert_eq!(doc("make()"), Some("Makes it.\n\nSlowly.".into()));
    assert_eq!(doc("read op"), Some("Reads.".into()));
    assert_eq!(doc("op other"), None);
    assert_eq!(doc("service s"), None);
    assert_eq!(doc("let y"), None);
}

/// The canonical layout of each program.
#[test]
fn format() {
    support::suite("format", |source, _| match syntax::format(FILE, source) {
        Ok(formatted) => formatted,
        Err(refused) => listed(source, &refused.diagnostics),
    });
}

/// Every program of the repository can be formatted, and what is formatted stays as it is.
#[test]
fn formatting_is_stable() {
    let mut count = 0;
    for folder in ["tests", "examples", "stdlib"] {
        for path in support::files(&support::root().join(folder), "edge") {
            let source = support::read(&path);
            if !syntax::parse(FILE, &source).diagnostics.is_empty() {
                assert!(syntax::format(FILE, &source).is_err(), "{}", path.display());
                continue;
            }
            let once = match syntax::format(FILE, &source) {
                Ok(once) => once,
                Err(refused) => panic!("{}: {}", path.display(), listed(&source, &refused.diagnostics)),
            };
            let twice = syntax::format(FILE, &once).expect("its own layout");
            assert_eq!(once, twice, "{}", path.display());
            count += 1;
        }
    }
    assert!(count > 50, "{count} programs");
}
