//! Where entries are kept between sessions, and which are not: those in which a secret may stand as text.

use crate::config::Environment;
use edge_lang::span::FileId;
use edge_lang::syntax::{Tok, lex};
use std::path::{Path, PathBuf};

/// Entries that are kept.
pub const MOST: usize = 10_000;

/// `$XDG_STATE_HOME/edge/history`, by default in `~/.local/state`.
pub fn file(environment: &Environment) -> Option<PathBuf> {
    let absolute = |p: &&str| Path::new(p).is_absolute();
    let state = match environment.variable("XDG_STATE_HOME").filter(absolute) {
        Some(folder) => PathBuf::from(folder),
        None => environment.home.as_ref()?.join(".local/state"),
    };
    Some(state.join("edge/history"))
}

/// Makes the folder of the file, for the user alone.
pub fn make_folder(file: &Path) -> std::io::Result<()> {
    let Some(folder) = file.parent() else { return Ok(()) };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Words in the names of what is secret.
const SECRET: [&str; 7] = ["password", "passphrase", "passcode", "secret", "token", "private", "credential"];

/// Whether a secret may stand in the entry as text: some name in it speaks of one, and it is not `secret("NAME")`, which
/// is where the secret is. Better one entry too few in a file than one password in it.
pub fn may_hold_secret(entry: &str) -> bool {
    let lexed = lex(FileId(0), entry);
    let speaks = |text: &str| {
        let text = text.to_lowercase();
        SECRET.iter().any(|word| text.contains(word))
    };
    let texts: Vec<&str> = lexed
        .tokens
        .iter()
        .map(|token| entry.get(token.span.start as usize..token.span.end as usize).unwrap_or(""))
        .collect();
    let calls = |at: usize| texts.get(at) == Some(&"secret") && texts.get(at + 1) == Some(&"(");
    lexed.tokens.iter().enumerate().any(|(at, token)| {
        let text = texts[at];
        // `secret`, `password: secret(`, and the name in its parentheses.
        let elsewhere = calls(at)
            || matches!(texts.get(at + 1), Some(&":" | &"=")) && calls(at + 2)
            || at >= 2 && calls(at - 2) && texts.get(at + 1) == Some(&")");
        // A word is judged by its letters, whatever it is here; of a text only what may be a key in JSON or a header.
        let word = !matches!(token.tok, Tok::Text | Tok::TextHead | Tok::TextMiddle | Tok::TextTail);
        let key = text.starts_with('"') && text.len() < 64 && !text.contains(' ');
        !elsewhere && (word || key) && speaks(text)
    }) || lexed.comments.iter().any(|c| entry.get(c.span.start as usize..c.span.end as usize).is_some_and(speaks))
}

#[cfg(test)]
mod tests {
    use super::may_hold_secret;

    #[test]
    fn entries_with_secrets_are_not_kept() {
        for entry in [
            r#"user.create("a", password: "hunter2")"#,
            r#"secret.create("keys", data: { key: "hunter2" })"#,
            r#"let p = secret("PW" + "hunter2") + admin_token"#,
            r#"let admin_token = "abc""#,
            r#"apply({ "api-token": "x" })"#,
            "let x = 1 # the password is x",
            r#"let x = { clientSecret: "x" }"#,
        ] {
            assert!(may_hold_secret(entry), "{entry}");
        }
        for entry in [
            r#"server.create("vm", flavor: "tiny")"#,
            r#"print "no word of a password here""#,
            r#"user.create("a", password: secret("ADMIN_PASSWORD"))"#,
            r#"let token = secret("PW")"#,
            ":sites",
        ] {
            assert!(!may_hold_secret(entry), "{entry}");
        }
    }
}
