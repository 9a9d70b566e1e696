//! Descriptions in use. A case describes services, or uses those that come with the program, and says in lines
//! `#> { ... }` what to do with them: each is a JSON record, whose first key is what is done.

use super::{compiled, standard_library};
use crate::support;
use edge_lang::library::render::{self, Chosen, Fields, Look, Reading, RenderError, Row, Scope};
use edge_lang::library::{
    Instruction, Library, Listing, Op, Payload, Request, Resource, Service, Template, Undo, Version,
};
use serde_json::Value as Json;
use std::cell::Cell;
use std::fmt::Write;

type Offered = Option<(Version, Version)>;

#[test]
fn using() {
    support::suite("library/use", |source, _| {
        let own = source.lines().any(|l| l.starts_with("service "));
        let (library, wrong) = if own { compiled(source) } else { (standard_library(), String::new()) };
        let mut out = wrong;
        for line in source.lines().filter_map(|l| l.strip_prefix("#>")) {
            let _ = writeln!(out, "#>{line}");
            let command: Json = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
            match run(&library, &command) {
                Ok(text) => out += &text,
                Err(error) => {
                    let _ = writeln!(out, "{} {error}", error.code.id);
                }
            }
        }
        out
    });
}

fn run(library: &Library, command: &Json) -> Result<String, RenderError> {
    let (what, of) = command.as_object().and_then(|c| c.iter().next()).expect("a command");
    let (resource, op) = match of.as_str().expect("what it is about").split_once('.') {
        Some((resource, op)) => (resource, Some(op)),
        None => (of.as_str().expect("a name"), None),
    };
    let resource = library.any_resource(resource).expect("a resource");
    let service = library.service_of(resource).expect("its service");
    let op = op.map(|name| resource.ops.get(name).ok_or(name));
    let creates = what == "send" && matches!(&op, Some(Ok(op)) if &*op.name == "create");
    let at = At { service, resource, command, unmarked: Cell::new(creates) };
    match (what.as_str(), op) {
        ("send", Some(Ok(op))) => at.send(op),
        ("undo", Some(Ok(op))) => at.undo(op),
        ("delete", _) => at.instructions(&resource.delete, &mut at.scope()),
        ("list", _) => at.list(),
        ("look", _) => Ok(match render::look(service, resource, &at.scope())? {
            Look::One(request) => shown(&request),
            Look::Rows(listing) => listed(&listing) + &at.ends()?,
        }),
        ("find", _) => Ok(listed(&render::found_by_name(service, resource, &at.scope())?)),
        ("probe", _) => at.probe(),
        ("read", _) => at.read(),
        ("choose", _) => at.choose(),
        ("judge", op) => at.judge(op.and_then(Result::ok)),
        ("classify", op) => at.classify(op.and_then(Result::ok)),
        ("differ", _) => Ok(at.differ()),
        ("restore", _) => Ok(changed(&render::restoration(resource, &at.fields("before"), &at.fields("row")))),
        ("copy", _) => Ok(format!("{}\n", json(&render::copied_arguments(resource, &at.fields("source"))))),
        ("part", Some(Err(part))) => at.part(part),
        (what, _) => panic!("no such command: {what} {of}"),
    }
}

/// One command, about one resource.
struct At<'a> {
    service: &'a Service,
    resource: &'a Resource,
    command: &'a Json,
    /// The creating request is still to come: the first of `create`.
    unmarked: Cell<bool>,
}

impl At<'_> {
    fn fields(&self, key: &str) -> Fields {
        let record = self.command.get(key).and_then(Json::as_object);
        record.into_iter().flatten().map(|(k, v)| (k.as_str().into(), v.clone())).collect()
    }

    fn text(&self, key: &str) -> Option<String> {
        self.command.get(key).and_then(Json::as_str).map(str::to_string)
    }

    fn offered(&self) -> Offered {
        let pair = self.command.get("offered")?.as_array()?;
        let version = |i: usize| Version::parse(pair.get(i)?.as_str()?);
        version(0).zip(version(1))
    }

    fn scope(&self) -> Scope {
        let headers = self.fields("headers");
        Scope {
            args: self.fields("args"),
            row: self.fields("row"),
            before: self.command.get("before").map(|_| self.fields("before")),
            followed: self.fields("followed"),
            body: self.command.get("body").cloned(),
            headers: headers.iter().map(|(k, v)| (k.to_lowercase(), v.as_str().unwrap_or_default().into())).collect(),
            request_id: self.text("request_id"),
            marker: Some(render::marker_text("k1")),
            effect: Some("k1".into()),
            account: render::Account { user_id: Some("u1".into()), project_id: Some("p1".into()) },
            version: self.text("version").and_then(|v| Version::parse(&v)),
            source: self.command.get("source").map(|_| self.fields("source")),
            self_path: self.text("self"),
            kind_path: self.text("kind"),
            api: self.text("api"),
            item: self.command.get("item").cloned(),
            key: self.command.get("key").cloned(),
            value: self.command.get("value").cloned(),
            fresh_secret: Some("made-up".into()),
            ..Scope::default()
        }
    }

    /// As an executor would: the version first, then the defaults and the chosen id, then each request.
    fn send(&self, op: &Op) -> Result<String, RenderError> {
        let mut scope = self.scope();
        let given = |name: &str| scope.args.contains_key(name);
        match render::version_for_write(self.service, self.resource, op, given, self.offered()) {
            Ok(version) => scope.version = version.or(scope.version),
            Err(error) => return Ok(format!("E0342 {error}\n")),
        }
        render::fill_defaults(&op.params, &mut scope)?;
        let creates = op.creates(&self.resource.name) == Some(&self.resource.name);
        if let Some((field, id)) = self.resource.chosen.as_ref().filter(|_| creates)
            && let Some(id) = render::evaluate(id, &scope)?
        {
            scope.row.insert(field.clone(), id);
        }
        let text = self.instructions(&op.body, &mut scope)?;
        Ok(text)
    }

    fn instructions(&self, body: &[Instruction], scope: &mut Scope) -> Result<String, RenderError> {
        let mut out = String::new();
        let mark = render::mark_for(self.resource, self.offered());
        for instruction in body {
            match instruction {
                Instruction::Send(template) => {
                    out += &self.request(template, scope, mark.filter(|_| self.unmarked.replace(false)))?;
                }
                Instruction::If { cond, then, otherwise } => {
                    let branch = if render::holds(cond, scope)? { then } else { otherwise };
                    out += &self.instructions(branch, scope)?;
                }
                Instruction::Follow { name, template } => {
                    let _ = write!(out, "follow {name} {}", self.request(template, scope, None)?);
                }
                Instruction::WaitUntil(_) => out += "wait\n",
                Instruction::Ready(_) => out += "ready\n",
                Instruction::ReadyLike => out += "ready like its kind\n",
                Instruction::Failed(_) => out += "failed\n",
                Instruction::Answer(e) => {
                    let _ = writeln!(out, "answer {}", json(&render::evaluate(e, scope)?));
                }
                Instruction::Call { op, args, .. } => {
                    let mut given = Vec::new();
                    for (name, e) in args {
                        let value = json(&render::evaluate(e, scope)?);
                        given.push(name.as_ref().map_or(value.clone(), |n| format!("{n}: {value}")));
                    }
                    let _ = writeln!(out, "call {op}({})", given.join(", "));
                }
            }
        }
        Ok(out)
    }

    fn request(
        &self,
        template: &Template,
        scope: &Scope,
        mark: Option<&edge_lang::library::Mark>,
    ) -> Result<String, RenderError> {
        if let Some(items) = render::items(template, scope)? {
            let mut out = String::new();
            for item in items {
                let scope = Scope { it: Some(item), ..scope.clone() };
                out += &self.one_request(template, &scope, None)?;
            }
            return Ok(out);
        }
        self.one_request(template, scope, mark)
    }

    fn one_request(
        &self,
        template: &Template,
        scope: &Scope,
        mark: Option<&edge_lang::library::Mark>,
    ) -> Result<String, RenderError> {
        if !render::wanted(template, scope)? {
            return Ok("not sent\n".into());
        }
        let mut request = render::render(self.service, template, scope)?;
        if let (Some(mark), Some(marker)) = (mark, &scope.marker) {
            render::place_marker(&mut request, self.resource, mark, marker)?;
        }
        let mut out = shown(&request);
        if let Some(rehearsal) = render::rehearsal(self.service, template, scope)? {
            let _ = write!(out, "rehearsed by {}", shown(&rehearsal));
        }
        Ok(out)
    }

    fn undo(&self, op: &Op) -> Result<String, RenderError> {
        match &op.undo {
            Undo::Block(body) => self.instructions(body, &mut self.scope()),
            other => Ok(format!("{other:?}\n")),
        }
    }

    fn list(&self) -> Result<String, RenderError> {
        let mut scope = self.scope();
        let given = |name: &str| scope.args.contains_key(name);
        match render::version_for_read(self.service, self.resource, given, None, self.offered()) {
            Ok(version) => scope.version = version,
            Err(error) => return Ok(format!("E0342 {error}\n")),
        }
        Ok(listed(&render::listing(self.service, self.resource, &scope, None)?))
    }

    fn probe(&self) -> Result<String, RenderError> {
        let Some(mark) = render::mark_for(self.resource, self.offered()) else { return Ok("no mark\n".into()) };
        let mut scope = self.scope();
        match render::version_for_read(self.service, self.resource, |_| false, mark.since, self.offered()) {
            Ok(version) => scope.version = version,
            Err(error) => return Ok(format!("E0342 {error}\n")),
        }
        let mut out = listed(&render::found_by_marker(self.service, self.resource, mark, &scope)?);
        for row in self.command.get("rows").and_then(Json::as_array).into_iter().flatten() {
            let marker = render::marker_text("k1");
            let _ = writeln!(out, "{}  {row}", render::carries_marker(mark, row, &marker));
        }
        Ok(out)
    }

    fn row(&self, record: &Json) -> Result<Row, RenderError> {
        let reading = if self.command.get("partial").is_some() { Reading::Partial } else { Reading::Whole };
        let scope = self.scope();
        let record = render::item(None, self.resource, record).cloned().unwrap_or_default();
        render::row(self.resource, &record, &scope.headers, scope.version, reading)
    }

    fn read(&self) -> Result<String, RenderError> {
        let row = self.row(&self.command["record"])?;
        let mut out = format!("id {}\n", row.id.as_deref().unwrap_or("-"));
        for (name, value) in &row.fields {
            let _ = writeln!(out, "  {name}: {value}");
        }
        Ok(out)
    }

    /// Which of the rows that a search for the ends found have them.
    fn ends(&self) -> Result<String, RenderError> {
        let mut out = String::new();
        for record in self.command.get("rows").and_then(Json::as_array).into_iter().flatten() {
            let row = self.row(record)?;
            let same = render::same_ends(self.resource, &row, &self.fields("args"));
            let _ = writeln!(out, "{same}  {record}");
        }
        Ok(out)
    }

    fn choose(&self) -> Result<String, RenderError> {
        let rows = self.command["rows"].as_array().expect("rows");
        let rows = rows.iter().map(|r| self.row(r)).collect::<Result<Vec<_>, _>>()?;
        let name = self.text("name").expect("a name");
        let looks = render::looks_like_id(self.resource, &name);
        let chosen = match render::choose(self.resource, &rows, &name) {
            Chosen::One(i) => format!("row {i}"),
            Chosen::None(near) => format!("none, nearest {}", near.as_deref().unwrap_or("nothing")),
            Chosen::Several(all) => format!("rows {all:?}"),
        };
        Ok(format!("{chosen}{}\n", if looks { "; looks like an id" } else { "" }))
    }

    fn judge(&self, op: Option<&Op>) -> Result<String, RenderError> {
        let scope = self.scope();
        let (mut out, mut reasons) = (String::new(), String::new());
        let mut say = |what: &str, holds: bool| {
            let _ = writeln!(out, "{what} {holds}");
        };
        if let Some(op) = op {
            if let Some(already) = &op.already {
                say("already", render::holds(already, &scope)?);
            }
            for instruction in &op.body {
                match instruction {
                    Instruction::Ready(e) => say("ready", render::holds(e, &scope)?),
                    Instruction::WaitUntil(e) => say("waited", render::holds(e, &scope)?),
                    Instruction::Failed(f) => {
                        say("failed", render::holds(&f.when, &scope)?);
                        if let Some(because) = &f.because {
                            let _ = writeln!(reasons, "because {}", json(&render::evaluate(because, &scope)?));
                        }
                    }
                    _ => {}
                }
            }
        } else {
            for (what, e) in [("ready", &self.resource.ready), ("gone", &self.resource.gone)] {
                if let Some(e) = e {
                    say(what, render::holds(e, &scope)?);
                }
            }
            if let Some(failed) = &self.resource.failed {
                say("failed", render::holds(&failed.when, &scope)?);
            }
            if let Some(same) = self.resource.bridge.as_ref().and_then(|b| b.same.as_ref()) {
                say("same", render::holds(same, &scope)?);
            }
        }
        Ok(out + &reasons)
    }

    fn classify(&self, op: Option<&Op>) -> Result<String, RenderError> {
        let status = self.command["status"].as_u64().expect("a status") as u16;
        let asked = if self.command.get("itself").is_some() { render::Asked::Itself } else { render::Asked::Else };
        let mut rules: Vec<&[_]> = Vec::new();
        if let Some(op) = op {
            rules.extend(op.body.iter().filter_map(|i| match i {
                Instruction::Send(template) => Some(&template.on[..]),
                _ => None,
            }));
            rules.push(&op.on);
        }
        rules.extend([&self.resource.on[..], &self.service.on[..]]);
        let (mut text, mut code) = (self.text("text").unwrap_or_default(), self.text("code"));
        let mut said = String::new();
        if let (Some(shape), Some(body)) = (&self.service.errors, self.command.get("body")) {
            let (message, found) = render::complaint(shape, body, &self.scope().headers);
            text = message.unwrap_or_default();
            said = format!(": {text}");
            code = found;
        }
        Ok(format!("{:?}{said}\n", render::classify(status, code.as_deref(), &text, asked, &rules)))
    }

    fn differ(&self) -> String {
        let differences = render::differences(self.resource, &self.fields("args"), &self.fields("row"));
        let mut out = String::new();
        for d in &differences {
            let fixed = if d.fixed { " (fixed)" } else { "" };
            let _ = writeln!(out, "{}{fixed}: {} -> {}", d.field, d.found, d.wanted);
        }
        if differences.is_empty() {
            out += "the same\n";
        }
        out + &changed(&render::changes(self.resource, &differences, &self.fields("row")))
    }

    fn part(&self, part: &str) -> Result<String, RenderError> {
        let part = self.resource.parts.get(part).expect("a part");
        let mut out = String::new();
        for template in [&part.add, &part.remove].into_iter().flatten() {
            out += &self.request(template, &self.scope(), None)?;
        }
        Ok(out)
    }
}

fn changed(changes: &render::Changes) -> String {
    let mut out = String::new();
    if !changes.set.is_empty() {
        let _ = writeln!(out, "set {}", json(&changes.set));
    }
    if !changes.create.is_empty() {
        let _ = writeln!(out, "create {}", json(&changes.create));
    }
    for part in &changes.parts {
        let verb = if part.add { "add" } else { "remove" };
        let value = part.value.as_ref().map(|v| format!(" = {v}")).unwrap_or_default();
        let of = part.item.as_ref().or(part.key.as_ref()).cloned().unwrap_or_default();
        let _ = writeln!(out, "{verb} {} {of}{value}", part.part);
    }
    for name in &changes.impossible {
        let _ = writeln!(out, "cannot change {name}");
    }
    out
}

fn listed(listing: &Listing) -> String {
    let each = listing.rows.each.as_ref().map(|e| format!(" each {e}")).unwrap_or_default();
    format!("{}  rows {}{each}, pages {:?}\n", shown(&listing.request), listing.rows.key, listing.pages)
}

fn shown(request: &Request) -> String {
    let query: Vec<String> = request.query.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let mut out = format!("{} [{}]{}", request.method.text(), request.base, request.path);
    if !query.is_empty() {
        let _ = write!(out, " ?{}", query.join(" &"));
    }
    if let Some(version) = request.version {
        let _ = write!(out, " at {version}");
    }
    if request.repeatable {
        out += " repeatable";
    }
    out.push('\n');
    for (key, value) in &request.headers {
        let _ = writeln!(out, "  {key}: {value}");
    }
    if let Some(content) = &request.content_type {
        let _ = writeln!(out, "  as {content}");
    }
    match &request.payload {
        Payload::None => {}
        Payload::Json(body) => {
            let _ = writeln!(out, "  {body}");
        }
        Payload::Form(pairs) => {
            let _ = writeln!(out, "  form {pairs:?}");
        }
        Payload::Stream => out += "  (stream)\n",
    }
    out
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("JSON")
}
