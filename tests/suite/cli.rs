//! Commands as a shell runs them: what they print where, and how they end. A line `#> run -o json` of a case is a command
//! line, in which the file stands at the end; `#> plan -e 'print 1'` is one without it. Sites are simulated.

use super::support;
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn cli() {
    support::suite("cli", |source, path| {
        let state = tempfile::tempdir().expect("a folder");
        let mut out = String::new();
        for line in source.lines().filter_map(|line| line.strip_prefix("#> ")) {
            let _ = write!(out, "$ edge {line}\n{}", ran(line, path, state.path()));
        }
        out
    });
}

fn ran(line: &str, path: &Path, state: &Path) -> String {
    let mut words = shell_words(line);
    if !words.iter().any(|word| word == "-e") {
        words.push(path.file_name().expect("a file").to_string_lossy().into_owned());
    }
    let done = Command::new(env!("CARGO_BIN_EXE_edge"))
        .args(&words)
        .arg("--sim")
        .current_dir(path.parent().expect("a folder"))
        .env("HOME", state)
        .env("NO_COLOR", "1")
        .env_remove("EDGE_INVENTORY")
        .env_remove("EDGE_STATE")
        .stdin(Stdio::null())
        .output()
        .expect("edge runs");
    let mut out = String::new();
    for (name, text) in [("output", &done.stdout), ("errors", &done.stderr)] {
        let text = String::from_utf8_lossy(text);
        if !text.is_empty() {
            let _ = writeln!(out, "{name}");
        }
        for line in text.lines() {
            let _ = writeln!(out, "{}", format!("  {line}").trim_end());
        }
    }
    let _ = writeln!(out, "status {}\n", done.status.code().unwrap_or(-1));
    out.replace(&*support::root().to_string_lossy(), "ROOT")
}

/// Words as a shell parts them: single quotes hold blanks.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().expect("there is one").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
