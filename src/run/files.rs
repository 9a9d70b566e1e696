//! Files and secrets that a program names. Paths are relative to the program's own folder.

use super::codes;
use crate::config::yaml::{self, Node};
use edge_lang::eval::{Failure, MOST_TEXT, Secret, Value};
use edge_lang::span::Span;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

// No `Debug`: passwords may stand in variables.
#[derive(Clone)]
pub struct Files {
    pub base: PathBuf,
    /// The environment, where secrets are.
    pub variables: Arc<BTreeMap<String, String>>,
}

impl Files {
    fn path(&self, path: &str) -> PathBuf {
        let path = Path::new(path);
        if path.is_absolute() { path.to_path_buf() } else { self.base.join(path) }
    }

    /// The path as it will be opened.
    pub fn file(&self, path: &str, span: Span) -> Result<Arc<str>, Failure> {
        let full = self.path(path);
        let seen = std::fs::metadata(&full).map_err(|e| self.unreadable(path, span, &e))?;
        if !seen.is_file() {
            return Err(Failure::new(&codes::NO_FILE, span, format!("`{path}` is not a file")));
        }
        std::fs::File::open(&full).map_err(|e| self.unreadable(path, span, &e))?;
        Ok(full.to_string_lossy().into())
    }

    pub fn read(&self, path: &str, span: Span) -> Result<Arc<str>, Failure> {
        let full = self.path(path);
        let file = std::fs::File::open(&full).map_err(|e| self.unreadable(path, span, &e))?;
        let mut bytes = Vec::new();
        file.take(MOST_TEXT as u64 + 1).read_to_end(&mut bytes).map_err(|e| self.unreadable(path, span, &e))?;
        if bytes.len() > MOST_TEXT {
            let message = format!("`{path}` is larger than a text may be ({MOST_TEXT} bytes)");
            return Err(Failure::new(&codes::NO_FILE, span, message).help("`file(...)` sends a file of any size"));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(text.into()),
            Err(_) => Err(Failure::new(&codes::NO_FILE, span, format!("`{path}` is not text (UTF-8)"))
                .help("`file(...)` sends a file as it is")),
        }
    }

    pub fn secret(&self, name: &str, span: Span) -> Result<Secret, Failure> {
        match self.variables.get(name) {
            Some(value) => Ok(Secret::new(value.as_str())),
            None => Err(Failure::new(&codes::NO_SECRET, span, format!("environment variable `{name}` is not set"))
                .help(format!("set it where edge runs: `{name}=... edge run FILE`"))),
        }
    }

    fn unreadable(&self, path: &str, span: Span, error: &std::io::Error) -> Failure {
        let failure = Failure::new(&codes::NO_FILE, span, format!("file `{path}` cannot be read: {}", reason(error)));
        if Path::new(path).is_absolute() {
            return failure;
        }
        failure.help(format!("paths are relative to the program's folder, `{}`", self.base.display()))
    }
}

/// The documents of a YAML text, as kubectl reads them: `---` between them, numbers and truths as YAML 1.1 has them.
pub fn documents(text: &str, span: Span) -> Result<Vec<Value>, Failure> {
    let read = yaml::documents(text).map_err(|wrong| {
        let message = format!("this is no YAML: line {}: {}", wrong.line, wrong.message);
        Failure::new(&edge_lang::eval::codes::BAD_DOCUMENT, span, message)
    })?;
    Ok(read.into_iter().map(value).collect())
}

/// Depth is bounded by the reader.
fn value(node: Node) -> Value {
    match node.kind {
        yaml::Kind::Null => Value::Null,
        yaml::Kind::Bool(b) => Value::Bool(b),
        yaml::Kind::Int(digits) => match digits.parse() {
            Ok(n) => Value::Int(n),
            Err(_) => digits.parse().map_or_else(|_| Value::String(digits.as_str().into()), Value::Float),
        },
        yaml::Kind::Float(n) => Value::Float(n),
        yaml::Kind::Text(text) => Value::String(text.into()),
        yaml::Kind::List(items) => Value::List(Arc::new(items.into_iter().map(value).collect())),
        yaml::Kind::Map(map) => {
            Value::Record(Arc::new(map.into_iter().map(|(key, node)| (key.into(), value(node))).collect()))
        }
    }
}

fn reason(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file",
        std::io::ErrorKind::PermissionDenied => "permission denied",
        _ => "it is no readable file",
    }
}

/// By which a file of any size is known again: how large it is, and when it was last written.
pub fn looks(path: &str) -> String {
    let Ok(seen) = std::fs::metadata(path) else { return String::new() };
    let written = seen.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok()).unwrap_or_default();
    format!("{} bytes, written {}.{:09}", seen.len(), written.as_secs(), written.subsec_nanos())
}

/// By which a text is known again. Its words are not kept: it may be a private key.
pub fn fingerprint(text: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
