//! One resource name, described for several stacks or services. A program is checked before anybody asks of which kind a site is, so
//! what programs see of a resource has to be the same wherever it is described: fields, operations, parameters.

use crate::library::{Library, Operation, Param, Resource};

/// The description of the same name that came first, and how this one differs from it in what programs see.
pub fn difference<'l>(library: &'l Library, resource: &Resource) -> Option<(&'l Resource, String)> {
    let mut others = library.services.iter().filter_map(|service| service.resources.get(&resource.name));
    others.find_map(|first| Some((first, between(first, resource)?)))
}

fn between(first: &Resource, second: &Resource) -> Option<String> {
    for (name, field) in &first.fields {
        match second.fields.get(name) {
            None => return Some(format!("it has no field `{name}`")),
            Some(own) if own.ty != field.ty => {
                return Some(format!("its field `{name}` is `{}`, and not `{}`", own.ty, field.ty));
            }
            Some(_) => {}
        }
    }
    if let Some(more) = second.fields.keys().find(|name| !first.fields.contains_key(*name)) {
        return Some(format!("it has a field `{more}`, which that has not"));
    }
    for (name, operation) in &first.operations {
        // One that is missing is missed when a program comes to such a site.
        if let Some(own) = second.operations.get(name)
            && let Some(how) = between_operations(operation, own)
        {
            return Some(format!("`{name}` {how}"));
        }
    }
    let more = second.operations.keys().find(|name| !first.operations.contains_key(*name))?;
    Some(format!("it has `{more}`, which that has not"))
}

fn between_operations(first: &Operation, second: &Operation) -> Option<String> {
    let find = |of: &Operation, param: &Param| of.params.iter().find(|p| p.name == param.name).cloned();
    for param in &first.params {
        let Some(own) = find(second, param) else { return Some(format!("has no parameter `{}`", param.name)) };
        if own.ty != param.ty {
            return Some(format!("takes `{}` as `{}`, and not as `{}`", param.name, own.ty, param.ty));
        }
        if own.default.is_some() != param.default.is_some() {
            let (with, without) = ("may be left out", "has to be given");
            let (own, that) = if own.default.is_some() { (with, without) } else { (without, with) };
            return Some(format!("has a parameter `{}` that {own}, and there it {that}", param.name));
        }
    }
    if let Some(more) = second.params.iter().find(|p| find(first, p).is_none()) {
        return Some(format!("has a parameter `{}`, which that has not", more.name));
    }
    if first.result != second.result {
        return Some(format!("gives `{}`, and not `{}`", second.result, first.result));
    }
    (first.kind != second.kind).then(|| "changes what that only reads, or the other way round".to_string())
}
