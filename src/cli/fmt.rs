//! `edge fmt`: one canonical layout. A file that cannot be read as a program is left as it is.

use super::arguments::Fmt;
use super::load::bounded;
use super::{Status, draw};
use edge_lang::span::Sources;
use edge_lang::syntax;
use std::path::Path;

pub fn fmt(arguments: Fmt) -> Status {
    let mut worst = Status::Done;
    for file in &arguments.files {
        let status = one(file, arguments.check);
        if worst != Status::Wrong && status != Status::Done {
            worst = status;
        }
    }
    worst
}

fn one(file: &Path, only_check: bool) -> Status {
    let standard_input = file == Path::new("-");
    let read = match standard_input {
        true => bounded(std::io::stdin().lock()),
        false => std::fs::File::open(file).and_then(bounded),
    };
    let text = match read {
        Ok(text) => text,
        Err(e) => {
            anstream::eprintln!("error: `{}` cannot be read: {e}", file.display());
            return Status::Wrong;
        }
    };
    let mut sources = Sources::default();
    let id = sources.add(file.display().to_string(), text.as_str());
    let formatted = match syntax::format(id, &text) {
        Ok(formatted) => formatted,
        Err(refused) => {
            draw::diagnostics(&sources, &refused.diagnostics);
            return Status::Wrong;
        }
    };
    if only_check {
        if formatted == text {
            return Status::Done;
        }
        anstream::println!("{}", file.display());
        return Status::Failed;
    }
    if standard_input {
        anstream::print!("{formatted}");
        return Status::Done;
    }
    if formatted != text
        && let Err(e) = replace(file, &formatted)
    {
        anstream::eprintln!("error: `{}` cannot be written: {e}", file.display());
        return Status::Failed;
    }
    Status::Done
}

/// Beside it and then over it, so that a full disk or a crash loses nothing.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let file = file.canonicalize()?;
    let mut beside = file.clone().into_os_string();
    beside.push(format!(".{}.tmp", std::process::id()));
    let written = std::fs::write(&beside, text)
        .and_then(|()| std::fs::metadata(&file))
        .and_then(|metadata| std::fs::set_permissions(&beside, metadata.permissions()))
        .and_then(|()| std::fs::rename(&beside, &file));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}
