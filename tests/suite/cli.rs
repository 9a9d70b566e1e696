//! Commands as a shell runs them: what they print where, and how they end. A line `#> run -o json` of a case is a command
//! line, in which the file stands at the end; `#> plan -e 'print 1'` is one without it. Sites are simulated.

use super::support;
use std::fmt::Write as _;
use std::io::Write as _;
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

#[test]
fn fmt_of_files_and_of_standard_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("p.edge");
    let fmt = |words: &[&str], input: &[u8]| {
        let mut edge = Command::new(env!("CARGO_BIN_EXE_edge"));
        edge.arg("fmt").args(words).current_dir(folder.path()).env("NO_COLOR", "1");
        edge.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut edge = edge.spawn().expect("edge runs");
        // It may have heard enough before the end.
        let _ = edge.stdin.take().expect("its input").write_all(input);
        let done = edge.wait_with_output().expect("it ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    };
    let (rough, smooth, broken) = ("let  a=1 # one\nprint a", "let a = 1  # one\nprint a\n", "let a = {\n");
    let holds = |text: &str| std::fs::read_to_string(&file).expect("the file") == text;

    let (status, out, errors) = fmt(&["-"], rough.as_bytes());
    assert_eq!((status, &*out), (Some(0), smooth), "{errors}");
    let _ = std::fs::write(&file, rough);
    let (status, _, errors) = fmt(&["--check", "p.edge"], b"");
    assert!(status == Some(1) && holds(rough), "{errors}");
    let (status, _, errors) = fmt(&["p.edge"], b"");
    assert!(status == Some(0) && holds(smooth), "{errors}");
    assert_eq!(fmt(&["--check", "p.edge"], b"").0, Some(0));

    let _ = std::fs::write(&file, broken);
    let (status, _, errors) = fmt(&["p.edge"], b"");
    assert!(status != Some(0) && holds(broken) && errors.contains("p.edge:1"), "{errors}");
    let (status, out, errors) = fmt(&["-"], &vec![b' '; (64 << 20) + 1]);
    assert!(status != Some(0) && out.is_empty() && errors.contains("larger than 64 MiB"), "{errors}");
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
