//! The standard library: the texts of `stdlib/`, part of the program, and the descriptions compiled from them.

use edge_lang::diagnostic::Diagnostic;
use edge_lang::library::{self, Library, Text};
use edge_lang::span::{FileId, Sources};
use edge_lang::syntax;

/// Name and text of every file of the library. A folder describes the services of the stack of its name.
pub static TEXTS: &[(&str, &str)] = &[
    ("stdlib/openstack/identity.edge", include_str!("../stdlib/openstack/identity.edge")),
    ("stdlib/openstack/image.edge", include_str!("../stdlib/openstack/image.edge")),
    ("stdlib/openstack/compute.edge", include_str!("../stdlib/openstack/compute.edge")),
    ("stdlib/openstack/network.edge", include_str!("../stdlib/openstack/network.edge")),
    ("stdlib/kubernetes/kubernetes.edge", include_str!("../stdlib/kubernetes/kubernetes.edge")),
    ("stdlib/kubernetes/core.edge", include_str!("../stdlib/kubernetes/core.edge")),
    ("stdlib/kubernetes/apps.edge", include_str!("../stdlib/kubernetes/apps.edge")),
    ("stdlib/kubernetes/batch.edge", include_str!("../stdlib/kubernetes/batch.edge")),
    ("stdlib/kubernetes/more.edge", include_str!("../stdlib/kubernetes/more.edge")),
];

/// Adds the library's texts to `sources` and compiles them, together with the services that the given files of
/// `sources` describe. The diagnostics are of those files: the library itself has none, which a test shows.
pub fn library(sources: &mut Sources, described: &[FileId]) -> (Library, Vec<Diagnostic>) {
    let own = add(sources, TEXTS.iter().copied());
    compile(sources, &own, described)
}

/// The stack whose services a text of the library describes.
pub fn stack(name: &str) -> &str {
    name.split('/').nth(1).unwrap_or(name)
}

/// Adds the texts of a library, which for a resumed run are those with which it was started.
pub fn add<'a>(sources: &mut Sources, texts: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<FileId> {
    texts.map(|(name, text)| sources.add(name, text)).collect()
}

/// Compiles the library's `own` texts together with what `described` describe.
pub fn compile(sources: &Sources, own: &[FileId], described: &[FileId]) -> (Library, Vec<Diagnostic>) {
    let files = own.iter().chain(described).filter_map(|file| Some((*file, &*sources.get(*file)?.text)));
    let parsed: Vec<_> = files.map(|(file, text)| (syntax::parse(file, text), text)).collect();
    let texts: Vec<Text<'_>> = parsed
        .iter()
        .map(|(parsed, text)| Text { source: text, program: &parsed.program, comments: &parsed.comments })
        .collect();
    let (library, mut diagnostics) = library::compile(&texts);
    // Those of described files' syntax are their reader's to report.
    diagnostics.extend(parsed.iter().take(own.len()).flat_map(|(parsed, _)| parsed.diagnostics.iter().cloned()));
    (library, diagnostics)
}
