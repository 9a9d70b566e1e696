//! What a request would change, found by having the site try it without doing it (`rehearse`), for plans and for deciding
//! whether there is anything to send.
//!
//! The answer is compared with what is there, member by member. Of kinds that hold secrets only the names of what changes
//! are told.

use super::instance::Instance;
use super::planned;
use super::trouble::Trouble;
use edge_lang::library::render::{self, Asked, Fields, Headers, Reading, Row, Scope as Known};
use edge_lang::library::{AnswerKind, Instruction, Mark, Op, Resource, Source, Template};
use edge_lang::plan::FieldChange;
use edge_lang::types::Name;
use serde_json::Value as Json;

/// What the site says of the attempt.
pub enum Tried {
    /// It cannot be tried there.
    Untried,
    /// It would be made: nothing of that name is there.
    Create,
    /// What is there would be this.
    Would(Row),
    /// It knows nothing of what this needs: its kind, or what it lies in. Something that is made before may bring it.
    Lacking(Trouble),
}

/// The status with which something new is answered, and nothing else.
const CREATED: u16 = 201;

/// The first request of an operation that can be tried.
pub fn template(op: &Op) -> Option<&Template> {
    op.body.iter().find_map(|i| match i {
        Instruction::Send(template) if template.rehearse.is_some() => Some(template),
        _ => None,
    })
}

pub async fn attempt(instance: &Instance, resource: &Resource, op: &Op, known: Known) -> Result<Tried, Trouble> {
    let Some(template) = template(op) else { return Ok(Tried::Untried) };
    let known = instance.located(resource, known).await?;
    let Some(mut request) = render::rehearsal(instance.service(), template, &known)? else {
        return Ok(Tried::Untried);
    };
    let mark = render::mark_for(resource, instance.offered());
    if let (Some(mark), Some(marker)) = (mark, &known.marker) {
        render::place_marker(&mut request, resource, mark, marker)?;
    }
    let mut said = instance.send(request.clone(), None, template, Some(op), resource, Asked::Else).await?;
    if said.kind == AnswerKind::Conflict {
        let objecting = render::objecting(&said.complaint.message);
        if let Some(insisted) = render::insistence(template, &request, &objecting, &known)? {
            said = instance.send(insisted, None, template, Some(op), resource, Asked::Else).await?;
        }
    }
    match said.kind {
        AnswerKind::Done | AnswerKind::Already => {}
        AnswerKind::Conflict => {
            let force = op.params.iter().any(|p| &*p.name == "force");
            let trouble = said.trouble().of_read();
            return Err(if force { trouble.help("`force: true` takes it over") } else { trouble });
        }
        _ if said.status == 404 => return Ok(Tried::Lacking(said.trouble().of_read())),
        // An error of the site that it answers to a mere attempt is about what was asked.
        AnswerKind::Unknown => return Err(Trouble::refused(said.trouble().message)),
        _ => return Err(said.trouble().of_read()),
    }
    if said.status == CREATED {
        return Ok(Tried::Create);
    }
    let answered = said.body.as_ref().and_then(|b| render::item(Some(template), resource, b));
    let Some(answered) = answered.filter(|a| a.is_object()) else { return Ok(Tried::Untried) };
    Ok(Tried::Would(render::row(resource, answered, &Headers::new(), said.version, Reading::Partial)?))
}

/// What would be another way than it is; nothing, if it is so already.
pub fn differences(instance: &Instance, resource: &Resource, now: &Fields, then: &Row) -> Vec<FieldChange> {
    let mark = render::mark_for(resource, instance.offered());
    changes(resource, mark, now, &then.fields, holds_secrets(instance, now))
}

/// All of a thing, as its resource's templates know it.
fn whole<'a>(resource: &Resource, fields: &'a Fields) -> Option<&'a Json> {
    let field = resource.fields.values().find(|f| f.from == Source::Whole)?;
    fields.get(&field.name)
}

/// Whether a thing carries a marker, where all of it is known.
pub fn carries(resource: &Resource, mark: &Mark, row: &Row, marker: &str) -> bool {
    whole(resource, &row.fields).is_some_and(|whole| render::carries_marker(mark, whole, marker))
}

pub fn holds_secrets(instance: &Instance, row: &Fields) -> bool {
    instance.described(row).is_some_and(planned::has_secrets)
}

/// Changes of one thing that are told; more are counted.
const MOST: usize = 60;
/// Characters of a value that are told.
const LONGEST: usize = 160;

fn changes(resource: &Resource, mark: Option<&Mark>, now: &Fields, then: &Fields, secret: bool) -> Vec<FieldChange> {
    let (Some(now), Some(then)) = (whole(resource, now), whole(resource, then)) else { return Vec::new() };
    let mut found = Vec::new();
    compare(&mut Vec::new(), now, then, &mut found);
    // Our marker is news only where nothing else is.
    let of_mark = |path: &[String]| mark.is_some_and(|m| path == &m.at[..] || m.at.starts_with(path));
    if found.iter().any(|(path, ..)| !of_mark(path)) {
        found.retain(|(path, ..)| !of_mark(path));
    }
    let open = ["type", "kind"];
    let text = |path: &[String], value: Option<&Json>| match value {
        None => "nothing".to_string(),
        Some(_) if secret && !path.first().is_some_and(|p| open.contains(&p.as_str())) => "(secret)".to_string(),
        Some(value) => {
            let text = value.to_string();
            match text.chars().count() > LONGEST {
                true => text.chars().take(LONGEST - 1).chain(['…']).collect(),
                false => text,
            }
        }
    };
    let more = found.len().saturating_sub(MOST);
    let told = found.into_iter().take(MOST).map(|(path, from, to)| FieldChange {
        from: text(&path, from),
        to: text(&path, to),
        field: named(&path),
    });
    let mut told: Vec<FieldChange> = told.collect();
    if more > 0 {
        told.push(FieldChange { field: "others".into(), from: more.to_string(), to: "as described".into() });
    }
    told
}

type Change<'a> = (Vec<String>, Option<&'a Json>, Option<&'a Json>);

/// Depth is bounded by what an answer may have.
fn compare<'a>(path: &mut Vec<String>, now: &'a Json, then: &'a Json, out: &mut Vec<Change<'a>>) {
    let mut one = |key: String, a: Option<&'a Json>, b: Option<&'a Json>, out: &mut Vec<Change<'a>>| {
        path.push(key);
        match (a, b) {
            (Some(a), Some(b)) => compare(path, a, b, out),
            (a, b) => out.push((path.clone(), a, b)),
        }
        path.pop();
    };
    match (now, then) {
        (a, b) if a == b => {}
        (Json::Object(a), Json::Object(b)) => {
            for (key, value) in a {
                one(key.clone(), Some(value), b.get(key), out);
            }
            for (key, value) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
                one(key.clone(), None, Some(value), out);
            }
        }
        // Items that have names are told apart by them.
        (Json::Array(a), Json::Array(b)) => match (names(a), names(b)) {
            (Some(of_a), Some(of_b)) => {
                for (name, item) in of_a.iter().zip(a) {
                    let other = of_b.iter().position(|n| n == name).map(|at| &b[at]);
                    one((*name).to_string(), Some(item), other, out);
                }
                for (name, item) in of_b.iter().zip(b).filter(|(name, _)| !of_a.contains(name)) {
                    one((*name).to_string(), None, Some(item), out);
                }
            }
            _ if a.len() == b.len() => {
                for (i, (a, b)) in a.iter().zip(b).enumerate() {
                    one(i.to_string(), Some(a), Some(b), out);
                }
            }
            _ => out.push((path.clone(), Some(now), Some(then))),
        },
        _ => out.push((path.clone(), Some(now), Some(then))),
    }
}

fn names(items: &[Json]) -> Option<Vec<&str>> {
    let names: Option<Vec<&str>> = items.iter().map(|i| i.get("name")?.as_str()).collect();
    let names = names.filter(|n| !n.is_empty())?;
    let distinct: std::collections::HashSet<&str> = names.iter().copied().collect();
    (distinct.len() == names.len()).then_some(names)
}

/// `metadata.labels."x/y"`.
fn named(path: &[String]) -> String {
    let plain = |key: &String| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "-_".contains(c));
    let keys = path.iter().map(|key| if plain(key) { key.clone() } else { format!("{key:?}") });
    let all: Vec<String> = keys.collect();
    if all.is_empty() { "all".into() } else { all.join(".") }
}

/// What a document says of itself: what it is found by.
pub fn identity(resource: &Resource, document: &Json) -> Result<Fields, Trouble> {
    let row = render::row(resource, document, &Headers::new(), None, Reading::Partial)?;
    let named = resource.named.iter().flat_map(|n| n.by.iter().chain(&n.within));
    let wanted: Vec<Name> = named.cloned().chain(["kind".into(), "api".into()]).collect();
    Ok(row.fields.into_iter().filter(|(name, _)| wanted.contains(name)).collect())
}
