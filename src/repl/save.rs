//! `:save`: the entries that were done, as a program. A scope that was set around them is written into it, and entries in
//! which a secret may stand are left out.

use super::anew;
use super::dialogue::Said;
use super::history::may_hold_secret;
use crate::cli::load::Trouble;
use std::io::Write;
use std::path::Path;

/// Writes a new file, and says what is in it.
pub fn save(file: &Path, said: &[Said]) -> Result<String, Trouble> {
    if said.is_empty() {
        return Err(Trouble::new("nothing was done yet that could be saved"));
    }
    let (text, written, left_out) = text(said);
    let shown = file.display();
    let cannot = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Trouble::new(format!("`{shown}` is there already")).help("give another name, or remove it first")
        }
        _ => Trouble::new(format!("`{shown}` cannot be written: {e}")),
    };
    let mut opened = std::fs::File::options().write(true).create_new(true).open(file).map_err(cannot)?;
    opened.write_all(text.as_bytes()).map_err(cannot)?;
    let count = |n: usize| if n == 1 { "1 entry".to_string() } else { format!("{n} entries") };
    let left = if left_out == 0 { String::new() } else { format!("; {} left out, for secrets in it", count(left_out)) };
    Ok(format!("{} written to {shown}{left}", count(written)))
}

/// The program, how many entries are in it, and how many are not for secrets in them.
fn text(said: &[Said]) -> (String, usize, usize) {
    let mut text = String::new();
    let (mut written, mut left_out) = (0, 0);
    for (entry, Said { scope, declares, .. }) in anew::texts(said).into_iter().zip(said) {
        let Some(entry) = &entry else { continue };
        let entry = entry.trim_end();
        written += 1;
        match scope {
            _ if may_hold_secret(entry) => {
                written -= 1;
                left_out += 1;
                text += "# an entry is left out here: there may be a secret in it\n";
            }
            None => text += &format!("{entry}\n"),
            // Names must not end with the block.
            Some(scope) if *declares || entry.starts_with("let ") => {
                text += &format!("# in the scope {scope}\n{entry}\n")
            }
            Some(scope) => {
                // Indenting would change a text of several lines.
                let indent = if entry.contains("\"\"\"") { "" } else { "  " };
                let lines: Vec<String> = entry.lines().map(|l| format!("{indent}{l}")).collect();
                text += &format!("at {scope} {{\n{}\n}}\n", lines.join("\n"));
            }
        }
    }
    (text, written, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, scope: Option<&str>, declares: bool) -> Said {
        Said { text: text.into(), scope: scope.map(str::to_string), declares, changes: false, gave: false }
    }

    #[test]
    fn what_was_done_is_a_program() {
        let all = [
            said("let a = 1", None, true),
            said("server.list()", Some("{ compute: Zone1 }"), false),
            said("let b = server.list()", Some("Zone1"), true),
            said("user.create(\"x\", password: \"hunter2\")", None, false),
        ];
        let (text, written, left_out) = text(&all);
        assert_eq!((written, left_out), (3, 1));
        assert_eq!(
            text,
            "let a = 1\nat { compute: Zone1 } {\n  server.list()\n}\n# in the scope Zone1\nlet b = server.list()\n\
             # an entry is left out here: there may be a secret in it\n"
        );
    }

    #[test]
    fn a_file_that_is_there_stays_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.edge");
        save(&file, &[said("let a = 1", None, true)]).expect("a new file");
        assert!(save(&file, &[said("let a = 2", None, true)]).is_err());
        assert_eq!(std::fs::read_to_string(&file).expect("it was written"), "let a = 1\n");
    }
}
