//! The documentation is true: every block of code in it is checked, and run on simulated sites, each in a fresh world.
//!
//! The mark of a block says what becomes of it:
//!
//!     ```edge                 runs, and nothing is wrong with it
//!     ```edge check-only      has nothing wrong with it, and is not run
//!     ```edge-error E0201     gives this code, when it is checked or run, and no other
//!     ```edge scenario=FILE   runs on the sites of examples/FILE
//!
//! A block marked `output` right behind one is what that one prints. The sites are Zone1, Zone2 and Zone3.

use crate::simulated::{How, run};
use crate::support;
use edge::stdlib;
use edge_lang::codes;
use edge_lang::span::Sources;
use std::fmt::Write;

struct Block {
    line: usize,
    mark: String,
    text: String,
    output: Option<String>,
}

/// The blocks of a Markdown text whose mark begins with `edge`.
fn blocks(markdown: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut open: Option<Block> = None;
    let mut last_end = 0;
    for (n, line) in markdown.lines().enumerate() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (Some(_), Some(_)) => {
                let block = open.take().expect("asked just now");
                if block.mark == "output" {
                    let of = found.last_mut().filter(|_| block.line <= last_end + 3);
                    of.expect("`output` stands right behind a program").output = Some(block.text);
                } else if block.mark.starts_with("edge") {
                    found.push(block);
                    last_end = n + 1;
                }
            }
            (Some(block), None) => block.text += &format!("{line}\n"),
            (None, Some(mark)) => {
                open = Some(Block { line: n + 2, mark: mark.trim().into(), text: String::new(), output: None });
            }
            (None, None) => {}
        }
    }
    found
}

/// What is wrong with a block, if anything.
fn judge(name: &str, block: &Block) -> Option<String> {
    let mut words = block.mark.split_whitespace();
    let kind = words.next()?;
    let words: Vec<&str> = words.collect();
    let scenario = words.iter().find_map(|w| w.strip_prefix("scenario=")).unwrap_or_default();
    let expected: Vec<&str> = words.iter().copied().filter(|w| w.starts_with('E')).collect();
    let how = How { scenario, check_only: words.contains(&"check-only"), ..How::default() };
    let ran = run(name, &block.text, how);
    let codes = ran.codes();
    let fine = match kind {
        "edge" => codes.is_empty() && ran.trouble.is_none(),
        "edge-error" => {
            !expected.is_empty()
                && expected.iter().all(|e| codes.contains(e))
                && codes.iter().all(|c| expected.contains(c))
        }
        _ => false,
    };
    if !fine {
        return Some(format!("{}\n{}(marked `{}`)", block.text, ran.wrong(), block.mark));
    }
    let expected = block.output.as_ref()?;
    let printed: String = ran.printed.iter().map(|l| format!("{l}\n")).collect();
    (printed != *expected).then(|| format!("{}\nprints\n{printed}and not\n{expected}", block.text))
}

fn judge_all(texts: impl IntoIterator<Item = (String, String)>) -> usize {
    let only = std::env::var("CASE").unwrap_or_default();
    let (mut report, mut count) = (String::new(), 0);
    for (name, text) in texts {
        for block in blocks(&text) {
            let name = format!("{name}:{}", block.line);
            if !name.contains(&only) {
                continue;
            }
            count += 1;
            if let Some(wrong) = judge(&name, &block) {
                let _ = writeln!(report, "== {name}\n{wrong}\n");
            }
        }
    }
    assert!(report.is_empty(), "{report}");
    count
}

#[test]
fn pages() {
    let root = support::root();
    let mut files = support::files(&root.join("docs"), "md");
    files.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|f| root.join(f)));
    let texts = files.iter().map(|f| {
        let name = f.strip_prefix(&root).unwrap_or(f).display().to_string();
        (name, support::read(f))
    });
    let count = judge_all(texts);
    assert!(count > 40 || std::env::var_os("CASE").is_some(), "{count} blocks");
}

/// The reference names every command of the command line and of the prompt.
#[test]
fn commands() {
    let page = support::read(&support::root().join("docs/language.md"));
    let said = |words: &[&str], input: &str| {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_edge"))
            .args(words)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut stdin, input.as_bytes()).expect("the program listens");
        drop(stdin);
        let ended = child.wait_with_output().expect("the program ends");
        String::from_utf8(ended.stdout).expect("text")
    };
    let help = said(&["--help"], "");
    let listed = help.split("Commands:").nth(1).and_then(|t| t.split("Options:").next()).expect("a list of commands");
    let words = listed.lines().filter(|l| l.starts_with("  ") && !l.starts_with("   "));
    let of_shell: Vec<&str> = words.filter_map(|l| l.split_whitespace().next()).filter(|w| *w != "help").collect();
    let prompt = said(&["--sim"], ":help\n");
    let of_prompt: Vec<&str> =
        prompt.lines().filter_map(|l| l.split_whitespace().next()).filter(|w| w.starts_with(':')).collect();
    assert!(of_shell.len() > 9 && of_prompt.len() > 9, "{help}\n{prompt}");
    let of_shell = of_shell.iter().map(|w| format!("`edge {w}"));
    let missing: Vec<String> =
        of_shell.chain(of_prompt.iter().map(|w| format!("`{w}"))).filter(|w| !page.contains(w)).collect();
    assert!(missing.is_empty(), "docs/language.md does not name {missing:?}");
}

/// What the README shows of a terminal is what is seen there, but for ids. A command goes on in lines that begin with `> `.
#[test]
fn captures() {
    let path = support::root().join("README.md");
    let readme = support::read(&path);
    let mut now = readme.clone();
    let mut count = 0;
    for (_, block) in support::blocks(&readme, "text") {
        let Some(first) = block.strip_prefix("$ edge ") else { continue };
        let end = first.find("\n").map(|end| {
            let more = first[end + 1..].split_inclusive('\n').take_while(|line| line.starts_with("> "));
            end + 1 + more.map(str::len).sum::<usize>()
        });
        let (command, shown) = first.split_at(end.expect("a command has a line of its own"));
        let seen = seen(&words(&command.replace("\n> ", "\n")));
        if without_ids(shown) != without_ids(&seen) {
            now = now.replacen(shown, &seen, 1);
        }
        count += 1;
    }
    if support::blessing() {
        std::fs::write(&path, &now).expect("README.md can be written");
    } else {
        assert!(readme == now, "README.md\n{}", support::difference(&readme, &now));
    }
    // Whatever else is marked so is no capture.
    assert_eq!(count, readme.matches("$ edge ").count());
}

fn without_ids(text: &str) -> String {
    let ids = regex::Regex::new("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").expect("a pattern");
    ids.replace_all(text, "ID").into_owned()
}

/// The words of a command line, as a shell takes them: text in single quotes is one.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (i, part) in line.split('\'').enumerate() {
        match i % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_string)),
            _ => words.push(part.to_string()),
        }
    }
    words
}

/// What the program prints, both outputs as they come.
fn seen(words: &[String]) -> String {
    let mut output = tempfile::tempfile().expect("a file");
    let both = || std::process::Stdio::from(output.try_clone().expect("a handle of the file"));
    std::process::Command::new(env!("CARGO_BIN_EXE_edge"))
        .args(words)
        .current_dir(support::root())
        .env_remove("EDGE_INVENTORY")
        .stdin(std::process::Stdio::null())
        .stdout(both())
        .stderr(both())
        .status()
        .expect("the program runs");
    let mut seen = String::new();
    std::io::Seek::rewind(&mut output).expect("a file");
    std::io::Read::read_to_string(&mut output, &mut seen).expect("text");
    seen
}

/// Scenarios that are shown can be read.
#[test]
fn scenarios() {
    let page = support::read(&support::root().join("docs/configuration.md"));
    let shown = support::blocks(&page, "yaml scenario");
    assert!(!shown.is_empty());
    for (line, text) in shown {
        if let Err(why) = edge::sim::Scenario::from_yaml(&text) {
            panic!("docs/configuration.md:{line}: {why}");
        }
    }
}

/// The examples in the documentation of the standard library.
#[test]
fn library() {
    let (library, _) = stdlib::library(&mut Sources::default(), &[]);
    let mut texts = Vec::new();
    for service in &library.services {
        texts.push((service.name.to_string(), service.doc.clone()));
        for resource in service.resources.values() {
            texts.push((resource.name.to_string(), resource.doc.clone()));
            texts.extend(resource.ops.values().map(|op| (format!("{}.{}", resource.name, op.name), op.doc.clone())));
        }
    }
    assert!(judge_all(texts) > 5 || std::env::var_os("CASE").is_some());
}

/// The pages of the functions of the language.
#[test]
fn functions() {
    let texts = edge_lang::check::function_docs().map(|f| (f.name.to_owned(), f.doc.to_owned()));
    assert!(judge_all(texts) > 10 || std::env::var_os("CASE").is_some());
}

/// `edge doc` answers every word that somebody can write, and the programs of its answers run.
#[test]
fn every_word() {
    let texts = edge_lang::words::word_docs().map(|w| (format!("words.md {}", w.words[0]), w.doc.to_owned()));
    assert!(judge_all(texts) > 30 || std::env::var_os("CASE").is_some());
    let (library, _) = stdlib::library(&mut Sources::default(), &[]);
    let known = edge_lang::syntax::token::keywords();
    let all = [known.statements, known.operators, known.constants, known.clauses, known.methods].concat();
    let policies = ["at", "prefer", "timeout", "unreachable", "tenant", "parallel", "overlap", "identity"];
    let others = ["copy", "sites", "here", "ensure", "reboot", "skip", "present", "Secret", "&&", "order  by"];
    for word in all.iter().map(|w| &**w).chain(policies).chain(others) {
        let said = edge::cli::documentation(&library, Some(word)).unwrap_or_else(|e| panic!("{e}"));
        assert!(said.trim().lines().count() > 1 || said.len() > 30, "{word}: {said}");
    }
    let near = edge::cli::documentation(&library, Some("atomc")).expect_err("no word");
    assert!(near.contains("is `atomic` meant?"), "{near}");
}

/// The table of what the library describes is that of the library.
#[test]
fn described() {
    let (library, _) = stdlib::library(&mut Sources::default(), &[]);
    let mut table = String::from("| service | resource | operations | bridge | ticket |\n|---|---|---|---|---|\n");
    for service in &library.services {
        for resource in service.resources.values() {
            let own = resource.operations.keys().filter(|o| !matches!(&***o, "list" | "show" | "delete"));
            let own: Vec<String> = own.map(|o| format!("`{o}`")).collect();
            let yes = |b: bool| if b { "yes" } else { "" };
            let (bridge, ticket) = (yes(resource.bridge.is_some()), yes(resource.fence.is_some()));
            let _ =
                writeln!(table, "| {} | `{}` | {} | {bridge} | {ticket} |", service.name, resource.name, own.join(" "));
        }
    }
    let path = support::root().join("docs/services.md");
    let page = support::read(&path);
    let (before, rest) = page.split_once("<!-- library:").expect("the mark of the table");
    let (mark, rest) = rest.split_once("-->\n").expect("the end of the mark");
    let (shown, after) = rest.split_once("<!-- end -->").expect("the end of the table");
    if shown != table && std::env::var_os("BLESS").is_some_and(|v| v != "0") {
        let page = format!("{before}<!-- library:{mark}-->\n{table}<!-- end -->{after}");
        std::fs::write(&path, page).expect("docs/services.md can be written");
        return;
    }
    assert_eq!(shown, table, "`BLESS=1 cargo test --test suite docs::described` writes it");
}

/// Links between the pages lead somewhere.
#[test]
fn links() {
    let root = support::root();
    let mut files = support::files(&root.join("docs"), "md");
    files.extend(support::files(&root.join("tests"), "md"));
    files.extend(
        support::files(&root.join("editors"), "md")
            .into_iter()
            .filter(|f| !f.components().any(|c| c.as_os_str() == "node_modules")),
    );
    files.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|f| root.join(f)));
    let mut broken = String::new();
    for file in &files {
        let text = support::read(file);
        for (start, _) in text.match_indices("](") {
            let target = text[start + 2..].split(')').next().unwrap_or("");
            let path = target.split('#').next().unwrap_or("");
            if path.is_empty() || path.contains("://") {
                continue;
            }
            let folder = file.parent().unwrap_or(&root);
            if !folder.join(path).exists() {
                let _ = writeln!(broken, "{}: {target}", file.display());
            }
        }
    }
    assert!(broken.is_empty(), "{broken}");
}

/// Codes of the run that no program brings about: what it takes.
const SPECIAL: [(&str, &str); 2] =
    [("E0603", "a user who stops the run"), ("E0611", "a journal that cannot be written")];

/// The sites, and what befalls them, in which the example of a page gives its code.
const TROUBLE: [(&str, &str); 4] = [
    (
        "E0602",
        "faults: [{site: Zone1, service: compute, do: hang, after: 1s}, {site: Zone1, service: compute, method: POST, path: /servers$, do: hang}]",
    ),
    (
        "E0604",
        "faults: [{site: Zone2, method: POST, path: keypairs, do: {status: 403}}, {site: Zone1, method: DELETE, do: {status: 403}}]",
    ),
    ("E0605", "faults: [{site: Zone2, method: DELETE, do: {status: 403}}]"),
    ("E0606", "faults: [{site: Zone2, do: refuse}]"),
];

/// The first example of a page of E06 gives that code; where the page shows an edge.yaml, with that. The suites of the
/// other stages show theirs.
#[test]
fn run_time_codes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let written = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file in a temporary folder");
        path.display().to_string()
    };
    let mut wrong = String::new();
    for code in codes::run::ALL {
        if SPECIAL.iter().any(|(id, _)| *id == code.id) {
            continue;
        }
        let Some(block) = blocks(code.page).into_iter().next() else {
            let _ = writeln!(wrong, "{} has no example", code.id);
            continue;
        };
        let inventory = support::blocks(code.page, "yaml").first().map(|(_, text)| written("edge.yaml", text));
        let scenario = TROUBLE.iter().find(|(id, _)| *id == code.id);
        let scenario = scenario.map(|(_, text)| written("scenario.yaml", text)).unwrap_or_default();
        let how = How { scenario: &scenario, inventory: inventory.as_deref(), ..How::default() };
        let ran = run(code.id, &block.text, how);
        if !ran.codes().contains(&code.id) {
            let _ = writeln!(
                wrong,
                "== {}\n{}{}value {} printed {:?}\n",
                code.id,
                block.text,
                ran.wrong(),
                ran.value,
                ran.printed
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
