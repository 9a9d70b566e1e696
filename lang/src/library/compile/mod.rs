//! From the trees of `service` declarations to a `Library`, and what is wrong with them.
//!
//! Two passes. The first notes which resources there are and how their fields are called; the second reads every
//! clause, and can then resolve each name of a template at once. A shape's clauses are read again for every resource
//! that is like it, because their names mean that resource's fields; a mistake in them is reported once.

mod alike;
mod clause;
mod expr;
mod op;
mod resource;
mod service;
mod template;
mod types;
mod world;

use super::Library;
use crate::diagnostic::{Code, Diagnostic};
use crate::span::Span;
use crate::syntax::Comment;
use crate::syntax::ast::{Block, StmtKind};
use world::World;

/// One parsed file that may describe services.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    pub source: &'a str,
    pub program: &'a Block,
    pub comments: &'a [Comment],
}

/// Compiles the service declarations of all texts together, so that each may refer to resources of the others. What is
/// wrong is left out of the library and reported, in the order of the texts.
pub fn compile(texts: &[Text<'_>]) -> (Library, Vec<Diagnostic>) {
    let declared: Vec<_> = texts
        .iter()
        .flat_map(|text| {
            text.program.iter().filter_map(move |s| match &s.kind {
                StmtKind::Service(service) => Some((text, service, s.span)),
                _ => None,
            })
        })
        .collect();
    let services: Vec<_> = declared.iter().map(|(_, service, _)| *service).collect();
    let world = World::of(&services);
    let functions = texts.iter().flat_map(|text| text.program).filter(|s| matches!(s.kind, StmtKind::Fn { .. }));
    let mut library = Library { functions: functions.cloned().collect(), ..Library::default() };
    let mut diagnostics = Vec::new();
    for (text, declaration, span) in declared {
        let mut cx = Cx { world: &world, text, out: &mut diagnostics };
        let service = service::service(&mut cx, declaration, span);
        for resource in service.resources.values() {
            let Some((first, how)) = alike::difference(&library, resource) else { continue };
            let title = format!("`{}` is described for {}, and otherwise than", resource.name, resource.stack);
            let message = format!("{title} in `{}` of {}: {how}", first.service, first.stack);
            cx.report(&super::codes::DESCRIBED_OTHERWISE, resource.span, message)
                .help(format!("give it another name, or describe it as `{}.{}` is", first.service, first.name))
                .push_other(first.span, "this one");
        }
        match library.service(&service.stack, &service.name) {
            Some(first) => {
                let message = format!("service `{}` of {} is described twice", service.name, service.stack);
                let first = first.span;
                cx.report(&super::codes::DECLARED_TWICE, declaration.name.span, message)
                    .push_other(first, "first here");
            }
            None => library.services.push(service),
        }
    }
    let mut seen = std::collections::HashSet::new();
    diagnostics.retain(|d: &Diagnostic| seen.insert((d.code.id, d.span)));
    (library, diagnostics)
}

/// What the passes share: what is known of all texts, the text being read, and the list of complaints.
struct Cx<'a> {
    world: &'a World<'a>,
    text: &'a Text<'a>,
    out: &'a mut Vec<Diagnostic>,
}

impl Cx<'_> {
    fn report(&mut self, code: &'static Code, span: Span, message: impl Into<String>) -> Report<'_> {
        self.out.push(Diagnostic::new(code, span, message));
        Report(self.out.last_mut().expect("just pushed"))
    }

    fn documentation(&self, declaration: Span) -> String {
        crate::syntax::documentation(self.text.source, self.text.comments, declaration).unwrap_or_default()
    }

    /// Of one in a list: what stands above a line documents what begins the line.
    fn documentation_of_line(&self, declaration: Span) -> String {
        // What a shape of another file says is read from there.
        let before = self.text.source.get(..declaration.start as usize).unwrap_or("");
        let line = before.rsplit('\n').next().unwrap_or("");
        match line.trim().is_empty() {
            true => self.documentation(declaration),
            false => String::new(),
        }
    }
}

/// Adds to the diagnostic that was just reported.
struct Report<'a>(&'a mut Diagnostic);

impl Report<'_> {
    fn help(self, text: impl Into<String>) -> Self {
        self.0.help.push(text.into());
        self
    }

    /// `did you mean`, where a candidate is near.
    fn nearest<'c>(self, word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Self {
        match crate::diagnostic::nearest(word, candidates) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self,
        }
    }

    fn push_other(self, span: Span, text: &str) -> Self {
        self.0.others.push(crate::diagnostic::Label { span, text: text.to_string() });
        self
    }
}
