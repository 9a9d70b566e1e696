//! Names and ids. Servers find by name loosely (substrings, any case, regular expressions, or not at all), so what they
//! find is compared here, exactly.

use super::answer::Row;
use super::{Fields, RenderError, Scope};
use crate::diagnostic::nearest;
use crate::library::{Param, Resource};
use serde_json::Value as Json;

/// What a name leads to among rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Chosen {
    /// The place of the only row.
    One(usize),
    /// None; the name that was most likely meant.
    None(Option<String>),
    /// Several, by their places.
    Several(Vec<usize>),
}

/// Whether a row has exactly that name.
pub fn has_name(resource: &Resource, row: &Row, name: &str) -> bool {
    match &resource.named {
        Some(named) if named.by.len() == 1 => row.fields.get(&named.by[0]).and_then(Json::as_str) == Some(name),
        _ => row.fields.get("name").and_then(Json::as_str) == Some(name),
    }
}

/// Of all rows that a search found, the one that is meant: by its name, and where none has it by its id.
pub fn choose(resource: &Resource, rows: &[Row], name: &str) -> Chosen {
    let places = |fits: &dyn Fn(&Row) -> bool| -> Vec<usize> {
        rows.iter().enumerate().filter(|(_, r)| fits(r)).map(|(i, _)| i).collect()
    };
    let mut found = places(&|r| has_name(resource, r, name));
    if found.is_empty() {
        found = places(&|r| r.id.as_deref() == Some(name));
    }
    match &found[..] {
        [one] => Chosen::One(*one),
        [] => {
            let by = resource.named.as_ref().and_then(|n| n.by.first()).map_or("name", |n| n);
            let names = rows.iter().filter_map(|r| r.fields.get(by)?.as_str());
            Chosen::None(nearest(name, names).map(str::to_string))
        }
        _ => Chosen::Several(found),
    }
}

/// What stands for the id of a link: its ends, which `fields` (a row, or arguments) has as ids, texts or resources.
/// `None` for what is no link, and where the first end is missing.
pub fn link_id(resource: &Resource, fields: &Fields) -> Option<String> {
    let named = resource.named.as_ref().filter(|n| n.by.len() > 1)?;
    let end = |name: &crate::types::Name| {
        let value = fields.get(name)?;
        super::evaluate::plain(value.get("id").unwrap_or(value))
    };
    end(&named.by[0])?;
    Some(named.by.iter().map(|name| end(name).unwrap_or_default()).collect::<Vec<_>>().join("/"))
}

/// Arguments with the ends that are not given, and so are what the operation makes them: a rule for all protocols is
/// another than one for `tcp`.
pub fn ends(resource: &Resource, params: &[Param], args: &Fields) -> Result<Fields, RenderError> {
    let is_end = |param: &&Param| resource.named.as_ref().is_some_and(|n| n.by.len() > 1 && n.by.contains(&param.name));
    let ends: Vec<Param> = params.iter().filter(is_end).cloned().collect();
    let mut known = Scope { args: args.clone(), ..Scope::default() };
    super::fill_defaults(&ends, &mut known)?;
    Ok(known.args)
}

/// A row of a link with the ends that its answer does not show.
pub fn with_ends(resource: &Resource, row: Row, known: &Fields) -> Row {
    let Row { id, mut fields } = row;
    if resource.named.as_ref().is_some_and(|n| n.by.len() > 1) {
        for (name, value) in known.iter().filter(|(name, _)| !resource.fields.contains_key(*name)) {
            fields.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    Row { id: id.or_else(|| link_id(resource, &fields)), fields }
}

/// What a person calls a link: its ends, by their names where they are resources, as far as there are any.
pub fn link_name(resource: &Resource, fields: &Fields) -> Option<String> {
    let named = resource.named.as_ref().filter(|n| n.by.len() > 1)?;
    let end = |name: &crate::types::Name| {
        let value = fields.get(name)?;
        super::evaluate::plain(value.get("name").or_else(|| value.get("id")).unwrap_or(value))
    };
    end(&named.by[0])?;
    Some(named.by.iter().filter_map(end).collect::<Vec<_>>().join(" "))
}

/// Whether a row of a link has the ends that `fields` gives, as far as it shows its ends: a search for them may have found
/// more.
pub fn same_ends(resource: &Resource, row: &Row, fields: &Fields) -> bool {
    let text = |value: Option<&Json>| value.and_then(|v| super::evaluate::plain(v.get("id").unwrap_or(v)));
    resource.named.iter().flat_map(|n| &n.by).all(|end| {
        let shown = row.fields.get(end);
        !resource.fields.contains_key(end) || text(shown) == text(fields.get(end))
    })
}

/// Whether a text looks like an id of the resource, to be read as one before it is searched as a name: a UUID, with or
/// without dashes, or whatever names a resource whose name is its id.
pub fn looks_like_id(resource: &Resource, text: &str) -> bool {
    use crate::library::Source;
    let path = |name: &str| match resource.fields.get(name).map(|f| &f.from) {
        Some(Source::Body { path, each: None }) => Some(path.clone()),
        _ => None,
    };
    let by = resource.named.as_ref().and_then(|n| n.by.first());
    if let Some(by) = by
        && path("id").is_some_and(|id| Some(id) == path(by))
    {
        return true;
    }
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|g| g.len()).collect();
    matches!(lengths[..], [32] | [8, 4, 4, 4, 12]) && groups.iter().all(|g| g.bytes().all(|b| b.is_ascii_hexdigit()))
}
