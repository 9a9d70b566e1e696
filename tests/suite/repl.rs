//! The prompt over a pipe, as a process: transcripts in tests/repl, and those of docs/repl.md.
//!
//! The first line is a command line. Lines that begin with `> ` are entries, those with `. ` go on with the one above; what
//! is printed stands below. `exit N` ends it. Both outputs are shown as they come, as on a terminal; ids are not.

use crate::support;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// Ends what an entry prints: over a pipe nothing says to which entry an output belongs.
const MARK: &str = "-- end of answer --";

/// A description of somebody's own, for transcripts that use one.
const SHOP: &str = "\
## A shop.
service shop for http \"shop\" {
  ## What somebody ordered.
  resource order at \"/orders\" {
    many \"orders\"
    named by name unique
    fields { id: String, name: String }
    ## Open an order.
    op create(name: String) -> order { POST \"/orders\" json { name }; undo delete }
  }
}
";

struct Transcript {
    arguments: Vec<String>,
    entries: Vec<String>,
}

fn read(text: &str) -> Transcript {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or("");
    let command = first.strip_prefix("$ edge").unwrap_or_else(|| panic!("`$ edge ...` begins it, not `{first}`"));
    let mut entries: Vec<String> = Vec::new();
    for line in lines {
        if let Some(entry) = line.strip_prefix("> ") {
            entries.push(entry.to_string());
        } else if let Some(more) = line.strip_prefix(". ").or((line == ".").then_some("")) {
            let last = entries.last_mut().unwrap_or_else(|| panic!("`{line}` goes on with nothing"));
            *last += &format!("\n{more}");
        }
    }
    Transcript { arguments: command.split_whitespace().map(str::to_string).collect(), entries }
}

/// The program in a folder of its own, without the configuration of this machine.
fn edge(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edge"));
    command.current_dir(folder).env_clear().env("HOME", folder).stdin(Stdio::piped());
    command
}

/// The transcript as it is now.
fn play(text: &str) -> String {
    let Transcript { arguments, entries } = read(text);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(
        folder.path().join("more.edge"),
        "input n: Int\nfn twice(x: Int) -> Int { x * 2 }\nprint twice(n)\n",
    )
    .expect("a file in the folder");
    std::fs::write(folder.path().join("shop.edge"), SHOP).expect("a file in the folder");
    let mut output = tempfile::tempfile().expect("a file");
    let both = || Stdio::from(output.try_clone().expect("a handle of the file"));
    let mut child =
        edge(folder.path()).args(&arguments).stdout(both()).stderr(both()).spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    for entry in &entries {
        // A `:quit` closes the pipe before its mark.
        let _ = write!(stdin, "{entry}\n\n:echo {MARK}\n");
    }
    drop(stdin);
    let status = child.wait().expect("the program ends");
    let mut printed = String::new();
    output.rewind().expect("a file");
    output.read_to_string(&mut printed).expect("text");
    let printed = printed.replace(&folder.path().display().to_string(), "FOLDER");
    let ids = regex::Regex::new("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").expect("a pattern");
    let printed = ids.replace_all(&printed, "ID");
    let mark = format!("{MARK}\n");
    let mut parts = printed.split(mark.as_str());
    let mut out = format!("{}\n", text.lines().next().unwrap_or(""));
    for entry in &entries {
        for (i, line) in entry.lines().enumerate() {
            let _ = writeln!(out, "{}{line}", if i == 0 { "> " } else { ". " });
        }
        out += parts.next().unwrap_or("");
    }
    // What came after the last entry.
    out += &parts.collect::<String>();
    let _ = writeln!(out, "exit {}", status.code().unwrap_or(-1));
    out
}

#[test]
fn transcripts() {
    let files = support::files(&support::root().join("tests/repl"), "txt");
    assert!(!files.is_empty());
    let mut wrong = String::new();
    for file in files {
        let before = support::read(&file);
        let now = play(&before);
        if before == now {
            continue;
        }
        if support::blessing() {
            std::fs::write(&file, &now).expect("the file can be written");
        } else {
            let _ = writeln!(wrong, "== {}\n{}", file.display(), support::difference(&before, &now));
        }
    }
    assert!(wrong.is_empty(), "{wrong}\n`BLESS=1 cargo test` writes them");
}

/// Those of the page for users; it does not show how they end.
#[test]
fn documentation() {
    let file = support::root().join("docs/repl.md");
    let page = support::read(&file);
    let blocks = support::blocks(&page, "console");
    assert!(!blocks.is_empty());
    let mut now = page.clone();
    for (_, block) in blocks {
        let played = play(&block);
        let (shown, _) = played.rsplit_once("exit ").expect("how it ended");
        now = now.replacen(&format!("```console\n{block}```"), &format!("```console\n{shown}```"), 1);
    }
    if support::blessing() {
        std::fs::write(&file, &now).expect("the page can be written");
    } else {
        assert!(page == now, "docs/repl.md\n{}", support::difference(&page, &now));
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_stops_the_statement_and_those_after_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = edge(folder.path())
        .args(["--sim", "repl"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let endless = "if true {\n  print \"begun\"\n  for i in range(1000000) { for j in range(1000000) { i + j } }\n}\n";
    write!(stdin, "{endless}\nprint \"after\"\n").expect("it reads");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut first = String::new();
    stdout.read_line(&mut first).expect("it prints");
    assert_eq!(first, "begun\n");
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("`kill` is there");
    assert!(sent.success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("text");
    let mut said = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
    // The pipe is open still: it ends by itself.
    let status = child.wait().expect("the program ends");
    drop(stdin);
    assert_eq!((rest.as_str(), said.as_str(), status.code()), ("", "stopped; nothing was changed\n", Some(1)));
}
