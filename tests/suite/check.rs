//! Checking, over tests/check: each statement's type, then the mistakes. The sites are three OpenStack sites and what
//! the program itself declares.

use crate::support;
use edge::stdlib;
use edge_lang::check::{self, Checked, Imports, Session};
use edge_lang::diagnostic::Diagnostic;
use edge_lang::inventory::{Inventory, Site};
use edge_lang::library::Library;
use edge_lang::program::{Block, StatementKind};
use edge_lang::span::{FileId, Sources};
use edge_lang::syntax::{self, ast};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

static LIBRARY: LazyLock<Library> = LazyLock::new(|| stdlib::library(&mut Sources::default(), &[]).0);

/// The files that programs import.
const FILES: [(&str, &str); 4] = [
    ("common.edge", "let common = 3\nfn twice(n: Int) -> Int { n * 2 }\nscope near { compute: Zone1 }\n"),
    ("acts.edge", "let quiet = 1\nserver.list() @ Zone1\n"),
    ("cycle.edge", "import \"program.edge\"\nlet round = 1\n"),
    ("typo.edge", "let fine = 1\nlet wrong = finee\n"),
];

struct Files {
    parsed: HashMap<&'static str, (FileId, ast::Block)>,
    program: ast::Block,
}

impl Imports for Files {
    fn open(&self, _: FileId, path: &str) -> Result<(FileId, &ast::Block), String> {
        if path == "program.edge" {
            return Ok((FileId(0), &self.program));
        }
        match self.parsed.get(path) {
            Some((file, block)) => Ok((*file, block)),
            None => Err("there is no such file".to_string()),
        }
    }
}

fn inventory(source: &str) -> Inventory {
    let mut inventory = Inventory::default();
    inventory.declared = !source.contains("# found");
    if source.contains("# nowhere") {
        return inventory;
    }
    for (name, region, tier) in [("Zone1", "nantes", "edge"), ("Zone2", "nantes", "edge"), ("Zone3", "rennes", "core")]
    {
        let labels = [("region", region), ("tier", tier)].map(|(k, v)| (Arc::from(k), Arc::from(v)));
        let services = match name {
            "Zone3" => vec!["identity", "compute", "network"],
            _ => vec!["identity", "compute", "image", "network"],
        };
        inventory.add(Site {
            name: name.into(),
            stack: "openstack".into(),
            labels: labels.into_iter().collect(),
            services: Some(services.into_iter().map(Arc::from).collect()),
            connection: [(Arc::from("cloud"), Arc::from(name.to_lowercase()))].into_iter().collect(),
            ..Site::default()
        });
    }
    support::people(source, &mut inventory);
    let west = ["Zone1", "Zone2"].iter().filter_map(|n| inventory.id(n)).collect();
    inventory.groups.insert("west".into(), west);
    inventory
}

fn checked(source: &str) -> (Checked, Sources) {
    let mut sources = Sources::default();
    let file = sources.add("program.edge", source);
    let parsed = syntax::parse(file, source);
    let files = FILES.map(|(name, text)| {
        let file = sources.add(name, text);
        (name, (file, syntax::parse(file, text).program))
    });
    let files = Files { parsed: files.into_iter().collect(), program: parsed.program.clone() };
    (check::check(&parsed.program, &files, &LIBRARY, &inventory(source)), sources)
}

/// One line for each statement, with its type where it has one.
fn types(sources: &Sources, block: &Block, depth: usize, out: &mut String) {
    for statement in block {
        let (own, bodies): (String, Vec<&Block>) = match &statement.kind {
            StatementKind::Expr(e) => (e.ty.to_string(), vec![]),
            StatementKind::Let { name, value, .. } => (format!("{name}: {}", value.ty), vec![]),
            StatementKind::Print(e) => (format!("print {}", e.ty), vec![]),
            StatementKind::At { body, .. } => ("at".into(), vec![body]),
            StatementKind::If { arms, otherwise } => {
                ("if".into(), arms.iter().map(|(_, b)| b).chain(otherwise).collect())
            }
            StatementKind::For { name, list, body, .. } => (format!("for {name} in {}", list.ty), vec![body]),
            StatementKind::Parallel(body) => ("parallel".into(), vec![body]),
            StatementKind::Atomic(body) => ("atomic".into(), vec![body]),
            StatementKind::Try { body, otherwise, .. } => ("try".into(), vec![body, otherwise]),
            StatementKind::Assert { .. } => ("assert".into(), vec![]),
        };
        let at = sources.position(statement.span);
        let file = sources.get(statement.span.file).filter(|_| statement.span.file != FileId(0));
        let file = file.map_or(String::new(), |s| format!("{}:", s.name));
        let _ = writeln!(out, "{}{file}{}: {own}", "  ".repeat(depth), at.line);
        for body in bodies {
            types(sources, body, depth + 1, out);
        }
    }
}

#[test]
fn check() {
    support::suite("check", |source, _| {
        let (checked, sources) = checked(source);
        let mut out = String::new();
        types(&sources, &checked.program.body, 0, &mut out);
        for function in &checked.program.functions {
            let params: Vec<String> = function.params.iter().map(|(_, n, t, _)| format!("{n}: {t}")).collect();
            let _ = writeln!(out, "fn {}({}) -> {}", function.name, params.join(", "), function.result);
        }
        out + &support::diagnostics(&sources, &checked.diagnostics)
    });
}

fn listed(source: &str, list: &[Diagnostic]) -> String {
    let mut sources = Sources::default();
    sources.add("program.edge", source);
    support::diagnostics(&sources, list)
}

/// Each page shows the mistake first and the mended program last.
#[test]
fn pages_show_their_error() {
    let mut wrong = String::new();
    for code in check::codes::ALL {
        assert!(code.page.starts_with(&format!("# {}: {}\n", code.id, code.title)), "{}", code.page);
        let blocks = support::blocks(code.page, "edge");
        let [(_, mistake), .., (_, mended)] = &blocks[..] else {
            // No short program shows it.
            let long = [&check::codes::TANGLED, &check::codes::TOO_LARGE];
            assert!(long.contains(code), "{} has no example", code.id);
            continue;
        };
        let found = |text: &str| match code == &&check::codes::FOUND_SITES {
            true => checked(&format!("{text}\n# found")).0.diagnostics,
            false => checked(text).0.diagnostics,
        };
        let diagnostics = found(mistake);
        if !diagnostics.iter().any(|d| d.code == *code) || diagnostics.len() > 1 {
            let _ = writeln!(wrong, "{}: the mistake:\n{}", code.id, listed(mistake, &diagnostics));
        }
        let diagnostics = found(mended);
        if !diagnostics.is_empty() {
            let _ = writeln!(wrong, "{}: mended:\n{}", code.id, listed(mended, &diagnostics));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Entries of a session see what earlier ones declared, and those with mistakes leave nothing behind.
#[test]
fn a_session_goes_on() {
    let mut session = Session::new(&inventory(""));
    let mut entry = |text: &str| {
        let parsed = syntax::parse(FileId(0), text);
        let (program, diagnostics) = session.check(&parsed.program, &check::NoImports, &LIBRARY);
        (
            program.slots,
            diagnostics.iter().map(|d| d.code.id).collect::<Vec<_>>(),
            session.type_of("a").map(|t| t.to_string()),
        )
    };
    assert_eq!(entry("let a = 1"), (1, vec![], Some("Int".into())));
    assert_eq!(entry("let a = \"x\" + 1"), (2, vec![check::codes::NO_SUCH_OPERATION.id], Some("Int".into())));
    assert_eq!(entry("let a = \"x${a}\""), (2, vec![], Some("String".into())));
    assert_eq!(entry("fn f(n: Int) { n }\nsite More = openstack(cloud: \"more\")").1, Vec::<&str>::new());
    assert_eq!(entry("let a = f(1)\nserver.list() @ More"), (3, vec![], Some("Int".into())));
    assert!(session.inventory().id("More").is_some());
    assert_eq!(
        session.names().iter().map(|(n, t)| format!("{n} {t}")).collect::<Vec<_>>(),
        ["f fn(n: Int) -> Int", "a Int"]
    );
}

#[test]
fn a_session_has_a_scope() {
    let mut session = Session::new(&inventory(""));
    let parsed = |text: &str| syntax::parse(FileId(0), text).program;
    let scope = |text: &str| match &parsed(text)[0].kind {
        ast::StmtKind::Expr(e) => e.clone(),
        other => panic!("{other:?}"),
    };
    let codes = |list: &[Diagnostic]| list.iter().map(|d| d.code.id).collect::<Vec<_>>();
    assert_eq!(
        codes(&session.check(&parsed("server.list()"), &check::NoImports, &LIBRARY).1),
        [check::codes::NO_SCOPE.id]
    );
    let (expr, diagnostics) = session.set_scope(&scope("{ compute: Zone1 };"), &check::NoImports, &LIBRARY);
    assert!(expr.is_some() && diagnostics.is_empty(), "{diagnostics:?}");
    assert!(session.check(&parsed("server.list()"), &check::NoImports, &LIBRARY).1.is_empty());
    let (expr, diagnostics) =
        session.set_scope(&scope("{ compote: Zone1, image: Zone1 };"), &check::NoImports, &LIBRARY);
    assert!(expr.is_none());
    assert_eq!(codes(&diagnostics), [check::codes::UNKNOWN_SERVICE.id]);
    session.clear_scope();
    assert_eq!(
        codes(&session.check(&parsed("server.list()"), &check::NoImports, &LIBRARY).1),
        [check::codes::NO_SCOPE.id]
    );
}

#[test]
fn completions_fit_their_place() {
    let mut session = Session::new(&inventory(""));
    let parsed = syntax::parse(FileId(0), "let vm = server.show(\"a\") @ Zone1");
    assert!(session.check(&parsed.program, &check::NoImports, &LIBRARY).1.is_empty());
    let at = |text: &str| -> Vec<String> {
        session.completions(&LIBRARY, text, text.len()).into_iter().map(|c| c.text).collect()
    };
    assert!(at("Zon").contains(&"Zone1".to_string()));
    assert!(at("server.cr").contains(&"create".to_string()));
    assert!(at("vm.sta").contains(&"status".to_string()));
    assert!(at("server.create(\"x\", fla").contains(&"flavor".to_string()));
    assert!(at("Zone1.reg").contains(&"region".to_string()));
    assert_eq!(at("vm.zzz"), Vec::<String>::new());
    session.completions(&LIBRARY, "é", 1);
    let begun = at("server.create(");
    assert!(begun.iter().any(|c| c == "flavor") && !begun.iter().any(|c| c == "atomic"), "{begun:?}");
    assert!(at("server.create(\"a\", flavor: ").iter().any(|c| c == "count"), "a value may be anything");
}
/// Each code is seen in a file of the suite, too.
#[test]
fn every_code_is_in_the_suite() {
    let files = support::files(&support::root().join("tests/check"), "expected");
    let all: String = files.iter().map(|f| support::read(f)).collect();
    let missing: Vec<&str> = check::codes::ALL.iter().map(|c| c.id).filter(|id| !all.contains(id)).collect();
    assert!(missing.is_empty(), "no file shows {missing:?}");
}

/// Whatever the text, checking ends, says something about a place in the text, and gives the same again.
fn survives(source: &str) {
    let (checked, sources) = checked(source);
    for d in &checked.diagnostics {
        let text = sources.get(d.span.file).map_or("", |s| &s.text);
        assert!(text.get(d.span.start as usize..d.span.end as usize).is_some(), "{d:?} in {source:?}");
        assert!(!d.message.is_empty() && !d.message.ends_with('.'), "{d:?}");
    }
}

fn words_of_the_suite() -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for file in support::files(&support::root().join("tests/check"), "edge") {
        if file.ends_with("wrong-tangled.edge") {
            continue;
        }
        let source = support::read(&file);
        let lexed = syntax::lex(FileId(0), &source);
        words.extend(lexed.tokens.iter().map(|t| source[t.span.start as usize..t.span.end as usize].to_string()));
    }
    words.retain(|w| !w.trim().is_empty() && !w.contains('"'));
    words.extend(["\"a\"", "\"b\"", "\n", "\n"].map(String::from));
    words.sort();
    words.dedup();
    words
}

fn lines_of_the_suite() -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for file in support::files(&support::root().join("tests/check"), "edge") {
        if !file.ends_with("wrong-tangled.edge") {
            lines.extend(support::read(&file).lines().map(String::from));
        }
    }
    lines
}

static WORDS: LazyLock<Vec<String>> = LazyLock::new(words_of_the_suite);
static LINES: LazyLock<Vec<String>> = LazyLock::new(lines_of_the_suite);

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn soup_is_checked(words in prop::collection::vec(0usize..10_000, 1..60)) {
        let text: Vec<&str> = words.iter().map(|w| &*WORDS[w % WORDS.len()]).collect();
        survives(&text.join(" "));
    }

    #[test]
    fn shuffled_lines_are_checked(lines in prop::collection::vec((0usize..10_000, 0usize..40, 0usize..10_000), 1..30)) {
        let mut text = String::new();
        for (line, at, word) in lines {
            // A line with one word put in, where it falls.
            let line = &LINES[line % LINES.len()];
            let parts: Vec<&str> = line.split(' ').collect();
            let at = at % (parts.len() + 1);
            text += &format!("{} {} {}\n", parts[..at].join(" "), WORDS[word % WORDS.len()], parts[at..].join(" "));
        }
        survives(&text);
    }
}

/// Long and deep programs, and types that grow from one variable to the next.
#[test]
fn large_programs_are_checked() {
    let deep =
        |open: &str, inner: &str, close: &str| format!("print {}{inner}{}\n", open.repeat(180), close.repeat(180));
    let long = |link: &str| format!("print 1{}\n", link.repeat(20_000));
    let grown = |step: &str| {
        let mut text = "let v0 = 1\n".to_string();
        for i in 0..300 {
            text += &format!("let v{} = {}\n", i + 1, step.replace('v', &format!("v{i}")));
        }
        text + "print v300 == v299\n"
    };
    for source in [
        deep("(", "1", ")"),
        deep("[", "1", "]"),
        deep("{a: ", "1", "}"),
        deep("empty(", "1", ")"),
        deep("!(", "true", ")"),
        deep("(Zone1 && ", "Zone2", ")"),
        format!("{}print 1{}", "if true { ".repeat(180), " }".repeat(180)),
        format!("{}server.list(){}", "at Zone1 { ".repeat(180), " }".repeat(180)),
        long(" + 1"),
        long(" && true"),
        long(" else 2"),
        long(".a"),
        long(" == 1"),
        long(" where a == 1"),
        format!("print Zone1{}\n", " | Zone2".repeat(20_000)),
        format!("print sites{}\n", " where tier == \"edge\"".repeat(20_000)),
        format!("server.list() @ Zone1{}\n", " && Zone2".repeat(20_000)),
        format!("server.create(\"a\", flavor: \"tiny\") @ Zone1{}\n", " || (Zone2 && Zone3)".repeat(200)),
        grown("[v]"),
        grown("{a: v, b: v}"),
        (0..3000).map(|i| format!("fn f{i}() {{ f{}() }}\n", i + 1)).collect::<String>() + "f0()\n",
        (0..3000).rev().map(|i| format!("fn f{i}() {{ f{}() }}\n", i + 1)).collect::<String>() + "f0()\n",
        (0..3000).map(|i| format!("fn f{i}() -> Int {{ f{}() }}\n", i + 1)).collect::<String>() + "f0()\n",
    ] {
        survives(&source);
    }
}
