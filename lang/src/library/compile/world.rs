//! What is declared, before anything is read: resources, and the names that a row of each knows.

use crate::syntax::ast::{Line, LineKind, Service};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Debug, Default)]
pub struct World {
    resources: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
}

impl World {
    pub fn of<'a>(services: impl Iterator<Item = &'a Service>) -> World {
        let mut world = World::default();
        for service in services {
            for (name, lines) in blocks(&service.lines, "resource") {
                let known = world.resources.entry(name.clone()).or_default();
                known.insert("id".into());
                note(lines.1, known);
                if let Some(shape) = like(lines.0) {
                    for (_, of_shape) in blocks(&service.lines, "shape").filter(|(n, _)| **n == *shape) {
                        note(of_shape.1, known);
                    }
                }
            }
        }
        world
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
