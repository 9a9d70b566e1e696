//! What is declared, before anything is read: resources, and the names that a row of each knows.

use crate::syntax::ast::{Line, LineKind, Service};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Debug, Default)]
pub struct World<'a> {
    resources: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// By stack, service and name.
    shapes: Vec<(&'a str, &'a str, Arc<str>, &'a [Line])>,
}

impl<'a> World<'a> {
    pub fn of(services: &[&'a Service]) -> World<'a> {
        let mut world = World::default();
        for service in services {
            let (stack, of) = (&*service.stack.text, &*service.name.text);
            world.shapes.extend(blocks(&service.lines, "shape").map(|(name, (_, lines))| (stack, of, name, lines)));
        }
        for service in services {
            for (name, (line, lines)) in blocks(&service.lines, "resource") {
                let shape = like(line).and_then(|shape| world.shape(&service.stack.text, &service.name.text, &shape));
                let known = world.resources.entry(name).or_default();
                known.insert("id".into());
                note(lines, known);
                note(shape.unwrap_or_default(), known);
            }
        }
        world
    }

    /// The lines of a shape: of the service itself, else of another of its stack.
    pub fn shape(&self, stack: &str, service: &str, name: &str) -> Option<&'a [Line]> {
        let of_stack = || self.shapes.iter().filter(|(s, _, n, _)| *s == stack && **n == *name);
        of_stack().find(|(_, s, ..)| *s == service).or_else(|| of_stack().next()).map(|(.., lines)| *lines)
    }

    pub fn shapes(&self, stack: &str) -> impl Iterator<Item = &str> {
        self.shapes.iter().filter(move |(s, ..)| *s == stack).map(|(_, _, name, _)| &**name)
    }

    pub fn has(&self, resource: &str) -> bool {
        self.resources.contains_key(resource)
    }

    pub fn resources(&self) -> impl Iterator<Item = &str> {
        self.resources.keys().map(|k| &**k)
    }

    /// The names that a row of the resource knows: its fields, its ends, its id.
    pub fn known(&self, resource: &str) -> impl Iterator<Item = &str> {
        self.resources.get(resource).into_iter().flatten().map(|k| &**k)
    }

    pub fn knows(&self, resource: &str, field: &str) -> bool {
        self.resources.get(resource).is_some_and(|known| known.contains(field))
    }
}

/// The clauses `WORD name ... { lines }`, as the name, the line that declares it and its lines.
pub fn blocks<'a>(lines: &'a [Line], word: &'a str) -> impl Iterator<Item = (Arc<str>, (&'a Line, &'a [Line]))> {
    lines.iter().filter_map(move |line| match &line.kind {
        LineKind::Clause { parts, lines: Some(inner) } => {
            let head = parts.first().filter(|p| &*p.word.text == word)?;
            Some((head.values.first()?.as_name()?.text, (line, &inner[..])))
        }
        _ => None,
    })
}

/// The shape of `resource r like shape`.
fn like(line: &Line) -> Option<Arc<str>> {
    let LineKind::Clause { parts, .. } = &line.kind else { return None };
    let part = parts.iter().find(|p| &*p.word.text == "like")?;
    Some(part.values.first()?.as_name()?.text)
}

fn note(lines: &[Line], known: &mut BTreeSet<Arc<str>>) {
    for line in lines {
        match &line.kind {
            LineKind::Fields(fields) => known.extend(fields.iter().map(|f| f.name.text.clone())),
            LineKind::Clause { parts, .. } if parts.first().is_some_and(|p| &*p.word.text == "named by") => {
                known.extend(parts[0].values.iter().filter_map(|v| Some(v.as_name()?.text)));
            }
            _ => {}
        }
    }
}
