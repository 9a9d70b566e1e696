//! The one place that draws diagnostics: ariadne, from our own plain data.

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use ariadne::{Cache, CharSet, Color, Config, IndexType, Label, Report, ReportKind, Source};
use edge_lang::diagnostic::{Diagnostic, Severity};
use edge_lang::eval::Failure;
use edge_lang::inventory::Inventory;
use edge_lang::span::{FileId, Sources, Span};
use std::collections::HashMap;
use std::fmt;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

/// Draws each to standard error, and says how many there were.
pub fn diagnostics(sources: &Sources, all: &[Diagnostic]) {
    each(sources, all);
    let errors = all.iter().filter(|d| d.is_error()).count();
    let warnings = all.len() - errors;
    let count = |n: usize, what: &str| match n {
        0 => None,
        1 => Some(format!("1 {what}")),
        n => Some(format!("{n} {what}s")),
    };
    let parts: Vec<String> = [count(errors, "error"), count(warnings, "warning")].into_iter().flatten().collect();
    if !parts.is_empty() {
        anstream::eprintln!("{}", parts.join(", "));
    }
}

/// Draws each to standard error, in the order of the text.
pub fn each(sources: &Sources, all: &[Diagnostic]) {
    let mut all: Vec<&Diagnostic> = all.iter().collect();
    all.sort_by_key(|d| (d.span.file, d.span.start));
    let mut texts = Texts::new(sources);
    for diagnostic in all {
        put(&text(&mut texts, diagnostic));
    }
}

/// A diagnostic as text with colour codes (anstream drops them where they are not wanted).
fn text(texts: &mut Texts<'_>, diagnostic: &Diagnostic) -> String {
    let (kind, color) = match diagnostic.code.severity {
        Severity::Error => (ReportKind::Error, Color::Red),
        Severity::Warning => (ReportKind::Warning, Color::Yellow),
    };
    let sources = texts.sources;
    let place = |span: Span| (span.file, clamp(sources, span));
    let charset = if std::io::stderr().is_terminal() { CharSet::Unicode } else { CharSet::Ascii };
    let mut report = Report::build(kind, place(diagnostic.span))
        .with_config(Config::default().with_index_type(IndexType::Byte).with_char_set(charset).with_compact(false))
        .with_code(diagnostic.code.id)
        .with_message(&diagnostic.message);
    let mut main = Label::new(place(diagnostic.span)).with_color(color).with_priority(10);
    // Without words ariadne draws no line under the text.
    main = main.with_message(if diagnostic.label.is_empty() { "here" } else { &diagnostic.label });
    report.add_label(main);
    for other in &diagnostic.others {
        report.add_label(Label::new(place(other.span)).with_color(Color::Blue).with_message(&other.text));
    }
    let mut out = Vec::new();
    match report.finish().write(texts, &mut out) {
        Ok(()) => {
            let notes = diagnostic.notes.iter().map(|n| format!("  {n}\n"));
            let help = diagnostic.help.iter().map(|h| format!("  help: {h}\n"));
            String::from_utf8_lossy(&out).into_owned() + &notes.chain(help).collect::<String>()
        }
        // Drawing failed; what is wrong is said all the same.
        Err(_) => format!("{}: {}\n", diagnostic.code.id, diagnostic.message),
    }
}

/// The texts as ariadne wants them: each is split into lines once, when it is first drawn.
struct Texts<'a> {
    sources: &'a Sources,
    split: HashMap<FileId, Source<Arc<str>>>,
}

impl Texts<'_> {
    fn new(sources: &Sources) -> Texts<'_> {
        Texts { sources, split: HashMap::new() }
    }
}

impl Cache<FileId> for &mut Texts<'_> {
    type Storage = Arc<str>;

    fn fetch(&mut self, file: &FileId) -> Result<&Source<Arc<str>>, impl fmt::Debug> {
        let source = self.sources.get(*file).ok_or("no such text")?;
        Ok::<_, &str>(self.split.entry(*file).or_insert_with(|| Source::from(source.text.clone())))
    }

    fn display<'a>(&self, file: &'a FileId) -> Option<impl fmt::Display + 'a> {
        Some(self.sources.get(*file).map_or_else(|| "?".to_string(), |s| s.name.to_string()))
    }
}

/// In one piece: what takes the colours out of a text writes what is between them bit by bit.
fn put(text: &str) {
    let wanted = AutoStream::choice(&std::io::stderr());
    let text = if wanted == ColorChoice::Never { strip_str(text).to_string() } else { text.to_string() };
    anstream::eprint!("{text}");
}

/// Within the text and on character boundaries, or the drawing would panic.
fn clamp(sources: &Sources, span: Span) -> std::ops::Range<usize> {
    let text = sources.get(span.file).map_or("", |s| &*s.text);
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (start, end) = (floor(span.start as usize), floor(span.end as usize));
    start..end.max(start)
}

/// A failed statement, and what happened at each site.
pub fn failure(sources: &Sources, failure: &Failure, inventory: &Inventory) {
    let mut texts = Texts::new(sources);
    for diagnostic in &failure.diagnostics(inventory) {
        put(&text(&mut texts, diagnostic));
    }
}

/// A plan's text with the colours that its signs have elsewhere; anstream drops them where they are not wanted. Files
/// below `folder` are named as one there names them.
pub fn plan(text: &str, folder: &Path) -> String {
    use owo_colors::OwoColorize;
    let mut out = String::new();
    let below = format!(": {}/", folder.display());
    for line in text.replace(&below, ": ").lines() {
        let sign = line.trim_start();
        let sign = sign.strip_prefix("else ").unwrap_or(sign);
        out += &match sign.split(' ').next().unwrap_or_default() {
            "+" => line.green().to_string(),
            "~" | "+/-" | "?" => line.yellow().to_string(),
            "-" | "!" | "x" => line.red().to_string(),
            "<=" => line.cyan().to_string(),
            "=" | "note:" | "prints" => line.dimmed().to_string(),
            "Plan:" => line.bold().to_string(),
            _ => line.to_string(),
        };
        out.push('\n');
    }
    out
}
