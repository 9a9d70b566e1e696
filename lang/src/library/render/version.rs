//! Which version a request speaks. A write goes at the lowest that carries what it uses, so that a newer one cannot
//! change what it means; a read at the highest that some field asks for and the site offers.

use crate::library::expr::Expr;
use crate::library::{Instruction, Mark, Op, Resource, Service, Template, Version};
use std::fmt;

/// What is asked for is not in the versions that the site offers. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooOld {
    /// What needs it: a parameter, an operation, the service.
    pub what: String,
    pub needs: Version,
    /// It was there until this version, and the site begins later, or something else needs a later one.
    pub gone: bool,
    pub offered: (Version, Version),
}

impl fmt::Display for TooOld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lowest, highest) = self.offered;
        let needs = if self.gone { "ends with" } else { "needs" };
        write!(f, "{} {needs} version {}, and the site offers {lowest} to {highest}", self.what, self.needs)
    }
}

/// What binds a version from below and from above.
struct Bounds {
    lowest: Version,
    highest: Version,
    offered: (Version, Version),
}

impl Bounds {
    fn of(service: &Service, offered: (Version, Version)) -> Result<Option<Bounds>, TooOld> {
        let Some((floor, ceiling)) = service.speaks else { return Ok(None) };
        let what = || format!("service `{}`", service.name);
        if offered.1 < floor {
            return Err(TooOld { what: what(), needs: floor, gone: false, offered });
        }
        if offered.0 > ceiling {
            return Err(TooOld { what: what(), needs: ceiling, gone: true, offered });
        }
        Ok(Some(Bounds { lowest: floor.max(offered.0), highest: ceiling.min(offered.1), offered }))
    }

    fn since(&mut self, what: impl Fn() -> String, version: Option<Version>) -> Result<(), TooOld> {
        let Some(version) = version else { return Ok(()) };
        if version > self.highest {
            return Err(TooOld { what: what(), needs: version, gone: false, offered: self.offered });
        }
        self.lowest = self.lowest.max(version);
        Ok(())
    }

    fn until(&mut self, what: impl Fn() -> String, version: Option<Version>) -> Result<(), TooOld> {
        let Some(version) = version else { return Ok(()) };
        if version < self.lowest {
            return Err(TooOld { what: what(), needs: version, gone: true, offered: self.offered });
        }
        self.highest = self.highest.min(version);
        Ok(())
    }

    /// Used where it can be had.
    fn perhaps(&mut self, version: Version) {
        if version <= self.highest {
            self.lowest = self.lowest.max(version);
        }
    }
}

/// The version at which an operation is sent: the lowest, not below the floor, that carries the parameters given, the
/// marker of what it makes, and what it is written for (`if version >= v`). `None` where the service has no versions.
pub fn version_for_write(
    service: &Service,
    resource: &Resource,
    op: &Op,
    given: impl Fn(&str) -> bool,
    offered: Option<(Version, Version)>,
) -> Result<Option<Version>, TooOld> {
    let Some(offered) = offered else { return Ok(None) };
    let Some(mut bounds) = Bounds::of(service, offered)? else { return Ok(None) };
    let operation = || format!("`{}.{}`", resource.name, op.name);
    bounds.since(operation, op.since)?;
    for param in op.params.iter().filter(|p| given(&p.name)) {
        bounds.since(|| format!("`{}` of {}", param.name, operation()), param.since)?;
    }
    bounds.until(operation, op.until)?;
    for param in op.params.iter().filter(|p| given(&p.name)) {
        bounds.until(|| format!("`{}` of {}", param.name, operation()), param.until)?;
    }
    let mut written = Vec::new();
    in_instructions(&op.body, &mut written);
    written.into_iter().for_each(|v| bounds.perhaps(v));
    if op.creates(&resource.name) == Some(&resource.name)
        && let Some(since) = mark(resource, bounds.highest).and_then(|m| m.since)
    {
        bounds.perhaps(since);
    }
    Ok(Some(bounds.lowest))
}

/// The lowest version that the description was written for and the site offers: for requests that ask for no more, such
/// as `delete` and those of parts.
pub fn lowest_version(service: &Service, offered: Option<(Version, Version)>) -> Result<Option<Version>, TooOld> {
    let Some(offered) = offered else { return Ok(None) };
    Ok(Bounds::of(service, offered)?.map(|b| b.lowest))
}

/// The version at which a resource is read. `given` are the parameters of `list` that narrow it; `at_least` is the
/// version of another filter, such as that of a marker.
pub fn version_for_read(
    service: &Service,
    resource: &Resource,
    given: impl Fn(&str) -> bool,
    at_least: Option<Version>,
    offered: Option<(Version, Version)>,
) -> Result<Option<Version>, TooOld> {
    let Some(offered) = offered else { return Ok(None) };
    let Some(mut bounds) = Bounds::of(service, offered)? else { return Ok(None) };
    bounds.since(|| format!("the search for `{}`", resource.name), at_least)?;
    if let Some(list) = &resource.list {
        for param in list.params.iter().filter(|p| given(&p.name)) {
            let what = || format!("`{}` of `{}.list`", param.name, resource.name);
            bounds.since(what, param.since)?;
            bounds.until(what, param.until)?;
        }
    }
    for field in resource.fields.values() {
        field.since.into_iter().chain(field.before.as_ref().map(|(v, _)| *v)).for_each(|v| bounds.perhaps(v));
    }
    Ok(Some(bounds.lowest))
}

/// How what is made is marked: the first way that the version of the site allows.
pub fn mark_for(resource: &Resource, offered: Option<(Version, Version)>) -> Option<&Mark> {
    match offered {
        Some((_, highest)) => mark(resource, highest),
        None => resource.marks.iter().find(|m| m.since.is_none()),
    }
}

fn mark(resource: &Resource, highest: Version) -> Option<&Mark> {
    resource.marks.iter().find(|m| m.since.is_none_or(|since| since <= highest))
}

fn in_instructions(body: &[Instruction], out: &mut Vec<Version>) {
    for instruction in body {
        match instruction {
            Instruction::Send(template) | Instruction::Follow { template, .. } => in_template(template, out),
            Instruction::If { cond, then, otherwise } => {
                cond.versions(out);
                in_instructions(then, out);
                in_instructions(otherwise, out);
            }
            Instruction::ReadyLike => {}
            Instruction::WaitUntil(e) | Instruction::Ready(e) | Instruction::Answer(e) => e.versions(out),
            Instruction::Failed(failed) => failed.when.versions(out),
            Instruction::Call { args, .. } => args.iter().for_each(|(_, e)| e.versions(out)),
        }
    }
}

fn in_template(template: &Template, out: &mut Vec<Version>) {
    use crate::library::BodyTemplate;
    let body = match &template.body {
        BodyTemplate::Json(e) | BodyTemplate::Form(e) | BodyTemplate::Send(e) => Some(e),
        BodyTemplate::None => None,
    };
    let all: [Option<&Expr>; 5] =
        [Some(&template.path), template.query.as_ref(), template.headers.as_ref(), template.unless.as_ref(), body];
    all.into_iter().flatten().for_each(|e| e.versions(out));
}
