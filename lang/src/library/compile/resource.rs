//! Resources: their clauses, those of their shape, and what every resource has by itself.

use super::expr::{Names, Place};
use super::op::{self, Declared};
use super::{Cx, clause, expr, template, types};
use crate::library::codes;
use crate::library::expr::Root;
use crate::library::{
    Instruction, Kind, ListOp, Mark, MarkShape, Method, NamedBy, On, Operation, OperationKind, Param, Part, Resource,
    Ticket, Undo,
};
use crate::span::Span;
use crate::syntax::ast::{self, Line, LineKind, ServicePart};
use crate::types::{Name, Type};
use indexmap::IndexMap;
use std::collections::HashMap;

/// A resource being read. What a shape says is read first, and the resource's own clauses replace it.
struct Draft {
    resource: Resource,
    /// Clauses that may be given once: by whom, the shape or the resource, and where.
    given: HashMap<String, Origin>,
    own_on: Vec<On>,
    shape_on: Vec<On>,
    definition: Vec<ast::Name>,
    named_by: Vec<ast::Name>,
    fence: Option<ast::Name>,
    delete: Option<Vec<Instruction>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Shape,
    Own,
}

/// `resource NAME at "/p" like shape { lines }`, of a service of a stack.
pub fn resource(cx: &mut Cx<'_>, parts: &[ServicePart], lines: &[Line], service: (&Name, &Name)) -> Option<Resource> {
    let name = clause::name(cx, &parts[0])?;
    let mut draft = Draft {
        resource: empty(&name, service, cx.documentation(parts[0].word.span)),
        given: HashMap::new(),
        own_on: Vec::new(),
        shape_on: Vec::new(),
        definition: Vec::new(),
        named_by: Vec::new(),
        fence: None,
        delete: None,
    };
    clause::only(cx, parts, &["at", "like", "of kind"]);
    for part in &parts[1..] {
        match &*part.word.text {
            "at" => draft.resource.path = clause::text(cx, part),
            "of kind" => draft.resource.kind = kind(cx, part),
            "like" => {
                if let Some(shape) = clause::name(cx, part) {
                    let (world, (of, stack)) = (cx.world, service);
                    match world.shape(stack, of, &shape.text) {
                        Some(of_shape) => draft.lines(cx, of_shape, Origin::Shape),
                        None => {
                            let known = world.shapes(stack);
                            cx.report(&codes::UNKNOWN_SHAPE, shape.span, format!("there is no shape `{}`", shape.text))
                                .nearest(&shape.text, known);
                        }
                    }
                }
            }
            _ => {}
        }
    }
    draft.lines(cx, lines, Origin::Own);
    Some(draft.finish(cx))
}

fn empty(name: &ast::Name, (service, stack): (&Name, &Name), doc: String) -> Resource {
    Resource {
        name: name.text.clone(),
        service: service.clone(),
        stack: stack.clone(),
        kind: None,
        path: None,
        one: None,
        many: None,
        named: None,
        found_by: None,
        chosen: None,
        marks: Vec::new(),
        fields: IndexMap::new(),
        ignore: Vec::new(),
        order: Vec::new(),
        referred_by: Vec::new(),
        definition: Vec::new(),
        fixed: Vec::new(),
        parts: IndexMap::new(),
        ready: None,
        failed: None,
        follow: Vec::new(),
        because: None,
        gone: None,
        on: Vec::new(),
        get: None,
        list: None,
        delete: Vec::new(),
        ops: IndexMap::new(),
        operations: IndexMap::new(),
        extension: None,
        fence: None,
        bridge: None,
        doc,
        span: name.span,
    }
}

/// `of kind "Deployment"`, `of kind any`.
fn kind(cx: &mut Cx<'_>, part: &ServicePart) -> Option<Kind> {
    let value = clause::value(cx, part)?;
    match value.as_name() {
        Some(name) if &*name.text == "any" => Some(Kind::Any),
        _ => clause::text(cx, part).map(Kind::Named),
    }
}

impl Draft {
    fn names(&self, place: Place) -> Names {
        Names::new(self.resource.name.clone(), place)
    }

    /// Notes that a clause is given; `false` where it was, by the same.
    fn first(&mut self, cx: &mut Cx<'_>, word: &ast::Name, key: &str, origin: Origin) -> bool {
        let before = self.given.insert(key.to_string(), origin);
        if before == Some(origin) {
            cx.report(&codes::REPEATED_CLAUSE, word.span, format!("`{key}` is given twice"));
        }
        before != Some(origin)
    }

    fn lines(&mut self, cx: &mut Cx<'_>, lines: &[Line], origin: Origin) {
        for line in lines {
            match &line.kind {
                LineKind::Clause { parts, lines } => self.clause(cx, parts, lines.as_deref(), origin),
                LineKind::Fields(fields) => self.fields(cx, fields, origin),
                LineKind::Op { read, name, params, result, lines } => {
                    let declared = Declared { read: *read, name, params, result: result.as_ref(), lines };
                    self.op(cx, declared, origin);
                }
                LineKind::List { params, parts } => self.list(cx, params, parts, line.span, origin),
                LineKind::Chosen(field, value) => {
                    if self.first(cx, field, "chosen", origin) {
                        let value = expr::expr(cx, &mut self.names(Place::Resource), value);
                        self.known_field(cx, field);
                        self.resource.chosen = Some((field.text.clone(), value));
                    }
                }
                LineKind::If { .. } => {
                    cx.report(&codes::MISPLACED_CLAUSE, line.span, "`if` belongs into an operation");
                }
                LineKind::Broken(_) => {}
            }
        }
    }

    fn fields(&mut self, cx: &mut Cx<'_>, fields: &[ast::Field], origin: Origin) {
        for written in fields {
            let field = types::field(cx, written);
            let key = format!("field {}", field.name);
            if self.given.insert(key, origin) == Some(origin) {
                types::twice(cx, &written.name, "field");
            } else {
                self.resource.fields.insert(field.name.clone(), field);
            }
        }
    }

    fn op(&mut self, cx: &mut Cx<'_>, declared: Declared<'_>, origin: Origin) {
        let name = declared.name;
        if ["list", "show", "ensure", "delete", "copy"].contains(&&*name.text) {
            cx.report(&codes::RESERVED_OPERATION, name.span, format!("every resource has `{}` by itself", name.text))
                .help("`list (...) GET ...`, `get ...` and `delete ...` say how it is done");
        }
        let key = format!("op {}", name.text);
        if self.given.insert(key, origin) == Some(origin) {
            types::twice(cx, name, "operation");
            return;
        }
        let op = op::op(cx, self.names(Place::Resource), declared);
        self.resource.ops.insert(op.name.clone(), op);
    }

    fn list(&mut self, cx: &mut Cx<'_>, params: &[ast::Param], parts: &[ServicePart], span: Span, origin: Origin) {
        let word = ast::Name { text: "list".into(), span };
        if !self.first(cx, &word, "list", origin) {
            return;
        }
        let mut names = self.names(Place::Resource);
        let params = types::params(cx, &mut names, params);
        if let Some(template) = template::template(cx, &mut names, parts) {
            self.resource.list = Some(ListOp { params, template });
        }
    }

    fn clause(&mut self, cx: &mut Cx<'_>, parts: &[ServicePart], inner: Option<&[Line]>, origin: Origin) {
        let Some(head) = parts.first() else { return };
        let word = &*head.word.text;
        if inner.is_some() && !["part", "delete"].contains(&word) {
            cx.report(&codes::MISPLACED_CLAUSE, head.word.span, format!("`{word}` has no lines here"));
            return;
        }
        let repeats = ["marked at", "on", "part", "follow"].contains(&word);
        if !repeats && !self.first(cx, &head.word, word, origin) {
            return;
        }
        let mut names = self.names(Place::Resource);
        let mut sole = |cx: &mut Cx<'_>| {
            clause::only(cx, parts, &[]);
            clause::value(cx, head).map(|e| expr::expr(cx, &mut names, e))
        };
        match word {
            "one" => {
                clause::only(cx, parts, &[]);
                self.resource.one = clause::text(cx, head);
            }
            "many" => {
                clause::only(cx, parts, &[]);
                self.resource.many = template::rows(cx, head);
            }
            "named by" => self.named(cx, parts),
            "found by" => self.resource.found_by = sole(cx),
            "ready when" => self.resource.ready = sole(cx),
            "gone when" => self.resource.gone = sole(cx),
            "unready because" => {
                names.followed = self.resource.follow.iter().map(|(name, _)| name.clone()).collect();
                clause::only(cx, parts, &[]);
                self.resource.because = clause::value(cx, head).map(|e| expr::expr(cx, &mut names, e));
            }
            "follow" => {
                let followed = op::followed(cx, &mut names, parts);
                self.resource.follow.extend(followed);
            }
            "failed when" => self.resource.failed = op::failed(cx, &mut names, parts),
            "marked at" => {
                if self.given.insert("marked at".into(), origin) == Some(Origin::Shape) && origin == Origin::Own {
                    self.resource.marks.clear();
                }
                let mark = self.mark(cx, parts);
                self.resource.marks.extend(mark);
            }
            "fenced by" => {
                clause::only(cx, parts, &[]);
                self.fence = clause::name(cx, head);
            }
            "ignore" => {
                clause::only(cx, parts, &[]);
                let paths = head.values.iter().filter_map(|v| clause::keys(cx, v)).map(|keys| keys.join("."));
                self.resource.ignore = paths.collect();
            }
            "order" => {
                clause::only(cx, parts, &[]);
                self.resource.order = clause::texts(cx, head);
            }
            "referred by" => {
                clause::only(cx, parts, &[]);
                self.resource.referred_by = head.values.iter().filter_map(|v| clause::keys(cx, v)).collect();
            }
            "definition" => {
                clause::only(cx, parts, &["fixed"]);
                let fields = clause::name_set(cx, head);
                let fixed = clause::part(parts, "fixed").map(|p| clause::name_set(cx, p)).unwrap_or_default();
                self.resource.definition = fields.iter().map(|n| n.text.clone()).collect();
                self.resource.fixed = fixed.iter().map(|n| n.text.clone()).collect();
                self.definition = fields.into_iter().chain(fixed).collect();
            }
            "needs" => {
                clause::only(cx, parts, &["extension"]);
                match clause::part(parts, "extension") {
                    Some(part) => self.resource.extension = clause::text(cx, part),
                    None => {
                        cx.report(&codes::CLAUSE_VALUE, head.word.span, "a resource `needs extension \"name\"`");
                    }
                }
            }
            "get" => self.resource.get = template::template(cx, &mut names, &parts[1..]).or_else(|| missing(cx, head)),
            "delete" => {
                let body = match inner {
                    Some(inner) => op::instructions(cx, &mut names, inner),
                    None if parts.len() > 1 => {
                        let template = template::template(cx, &mut names, &parts[1..]);
                        template.map(Instruction::Send).into_iter().collect()
                    }
                    None => {
                        missing::<()>(cx, head);
                        Vec::new()
                    }
                };
                self.delete = Some(body);
            }
            "on" => {
                let on = template::on(cx, parts);
                let list = if origin == Origin::Own { &mut self.own_on } else { &mut self.shape_on };
                list.extend(on);
            }
            "part" => self.part(cx, parts, inner),
            _ => {
                cx.report(&codes::MISPLACED_CLAUSE, head.word.span, format!("`{word}` has no meaning in a resource"));
            }
        }
    }

    fn named(&mut self, cx: &mut Cx<'_>, parts: &[ServicePart]) {
        clause::only(cx, parts, &["unique", "unique in", "in"]);
        let unique = clause::part(parts, "unique").inspect(|p| clause::bare(cx, p)).is_some();
        let unique_in = clause::part(parts, "unique in").and_then(|p| clause::name(cx, p));
        let within = clause::part(parts, "in").and_then(|p| clause::name(cx, p));
        self.named_by = clause::names(cx, &parts[0]);
        let by = self.named_by.iter().map(|n| n.text.clone()).collect();
        self.resource.named =
            Some(NamedBy { by, unique: unique || unique_in.is_some(), within: unique_in.or(within).map(|n| n.text) });
    }

    /// `marked at tags as item since "2.52" found by { tags: marker }`.
    fn mark(&mut self, cx: &mut Cx<'_>, parts: &[ServicePart]) -> Option<Mark> {
        clause::only(cx, parts, &["as", "since", "found by"]);
        let at = clause::value(cx, &parts[0]).and_then(|v| clause::keys(cx, v))?;
        let shape = match clause::part(parts, "as").and_then(|p| clause::name(cx, p)) {
            None => MarkShape::Whole,
            Some(name) => match &*name.text {
                "item" => MarkShape::Item,
                "suffix" => MarkShape::Suffix,
                "record" => MarkShape::Record,
                other => {
                    cx.report(&codes::CLAUSE_VALUE, name.span, format!("a marker has no shape `{other}`"))
                        .help("it is an `item` of a list, a `suffix` of a text, or a `record`");
                    return None;
                }
            },
        };
        let since = clause::part(parts, "since").and_then(|p| clause::version(cx, p));
        let found_by = clause::part(parts, "found by").and_then(|p| clause::value(cx, p));
        // The search may use what the marked member will be: `found by { description: description }`.
        let found_by = found_by.map(|e| expr::expr(cx, &mut self.names(Place::Resource), e));
        Some(Mark { at, shape, since, found_by })
    }

    fn part(&mut self, cx: &mut Cx<'_>, parts: &[ServicePart], inner: Option<&[Line]>) {
        clause::only(cx, parts, &[]);
        let Some(name) = clause::name(cx, &parts[0]) else { return };
        self.known_field(cx, &name);
        let mut part = Part { add: None, remove: None };
        for line in inner.unwrap_or_default() {
            let LineKind::Clause { parts, lines: None } = &line.kind else {
                cx.report(&codes::MISPLACED_CLAUSE, line.span, "a part has `add` and `remove`");
                continue;
            };
            let place = match parts.first().map(|p| &*p.word.text) {
                Some("add") => &mut part.add,
                Some("remove") => &mut part.remove,
                _ => {
                    cx.report(&codes::MISPLACED_CLAUSE, line.span, "a part has `add` and `remove`");
                    continue;
                }
            };
            if place.is_some() {
                op::repeated(cx, &parts[0]);
            } else {
                let mut names = Names::new(self.resource.name.clone(), Place::Part);
                *place = template::template(cx, &mut names, &parts[1..]).or_else(|| missing(cx, &parts[0]));
            }
        }
        self.resource.parts.insert(name.text, part);
    }

    fn known_field(&self, cx: &mut Cx<'_>, name: &ast::Name) {
        let world = cx.world;
        if !world.knows(&self.resource.name, &name.text) {
            let message = format!("`{}` has no field `{}`", self.resource.name, name.text);
            cx.report(&codes::UNKNOWN_RESOURCE_FIELD, name.span, message)
                .nearest(&name.text, world.known(&self.resource.name));
        }
    }

    /// What `at` stands for, what hangs together, and the operations as programs see them.
    fn finish(mut self, cx: &mut Cx<'_>) -> Resource {
        for name in std::mem::take(&mut self.definition) {
            if &*name.text != "rest" {
                self.known_field(cx, &name);
            }
        }
        for name in std::mem::take(&mut self.named_by) {
            let taken = |op: &crate::library::Op| op.params.iter().any(|p| p.name == name.text);
            if !self.resource.fields.contains_key(&name.text) && !self.resource.ops.get("create").is_some_and(taken) {
                let message = format!("`{}` is neither a field nor a parameter of `create`", name.text);
                let fields = self.resource.fields.keys().map(|k| &**k);
                cx.report(&codes::UNKNOWN_RESOURCE_FIELD, name.span, message).nearest(&name.text, fields);
            }
        }
        let r = &mut self.resource;
        r.on = self.own_on;
        r.on.append(&mut self.shape_on);
        let span = r.span;
        let path = r.path.clone();
        let of_kind = r.kind.is_some();
        let default = |method, with_id| match &path {
            Some(path) => Some(template::at(method, path, with_id, span)),
            None if of_kind => Some(template::found(method, if with_id { Root::SelfPath } else { Root::Kind }, span)),
            None => None,
        };
        r.get = r.get.take().or_else(|| default(Method::Get, true));
        if r.list.is_none() {
            r.list = default(Method::Get, false).map(|template| ListOp { params: Vec::new(), template });
        }
        r.delete =
            self.delete.unwrap_or_else(|| default(Method::Delete, true).map(Instruction::Send).into_iter().collect());
        if r.get.is_none() {
            cx.report(&codes::INCOMPLETE, span, format!("`{}` cannot be read", r.name))
                .help("say where it lies, `resource x at \"/path\" { ... }`, or how it is read, `get GET \"/path\"`");
        }
        if let Some(list) = &r.list
            && list.template.many.is_none()
            && r.many.is_none()
        {
            cx.report(&codes::INCOMPLETE, span, format!("`{}` does not say where the rows of its list lie", r.name))
                .help("add `many \"key\"`, the key of the answer that holds them");
        }
        if let Some(fence) = self.fence.take() {
            r.fence = ticket(cx, r, &fence);
        }
        check_undo(cx, r);
        r.operations = operations(cx, r);
        self.resource
    }
}

fn missing<T>(cx: &mut Cx<'_>, head: &ServicePart) -> Option<T> {
    let message = format!("`{}` needs a request, such as `GET \"/path\"`", head.word.text);
    cx.report(&codes::CLAUSE_VALUE, head.word.span, message);
    None
}

/// `fenced by group`: a parameter of `create` that is a resource made for one attempt alone; `fenced by id`: the chosen
/// id, used up by creating and deleting it.
fn ticket(cx: &mut Cx<'_>, r: &Resource, name: &ast::Name) -> Option<Ticket> {
    if r.chosen.as_ref().is_some_and(|(field, _)| *field == name.text) {
        return Some(Ticket { resource: r.name.clone(), param: None });
    }
    let params = r.ops.get("create").map(|op| &op.params[..]).unwrap_or_default();
    let param = params.iter().find(|p| p.name == name.text);
    if let Some(Type::Handle(of)) = param.map(|p| p.ty.present()) {
        return Some(Ticket { resource: of.clone(), param: Some(name.text.clone()) });
    }
    let message = format!("`{}` is neither a chosen field nor a resource that `create` takes", name.text);
    cx.report(&codes::UNKNOWN_RESOURCE_FIELD, name.span, message).nearest(&name.text, params.iter().map(|p| &*p.name));
    None
}

/// What `undo` and `call` name must be there.
fn check_undo(cx: &mut Cx<'_>, r: &Resource) {
    let mut named: Vec<(Name, Span)> = Vec::new();
    for op in r.ops.values() {
        match &op.undo {
            Undo::Op(name) => named.push((name.clone(), op.span)),
            Undo::Delete if r.delete.is_empty() && op.creates(&r.name) == Some(&r.name) => {
                cx.report(
                    &codes::INCOMPLETE,
                    op.span,
                    format!("`{}` is undone by a `delete` that is not there", op.name),
                );
            }
            Undo::Block(body) => calls(body, &mut named),
            _ => {}
        }
        calls(&op.body, &mut named);
    }
    for (name, span) in named {
        if !r.ops.contains_key(&name) {
            cx.report(&codes::UNKNOWN_DESCRIBED, span, format!("`{}` has no operation `{name}`", r.name))
                .nearest(&name, r.ops.keys().map(|k| &**k));
        }
    }
}

fn calls(body: &[Instruction], named: &mut Vec<(Name, Span)>) {
    for instruction in body {
        match instruction {
            Instruction::Call { op, span, .. } => named.push((op.clone(), *span)),
            Instruction::If { then, otherwise, .. } => {
                calls(then, named);
                calls(otherwise, named);
            }
            _ => {}
        }
    }
}

/// Every operation as programs see it.
fn operations(cx: &Cx<'_>, r: &Resource) -> IndexMap<Name, Operation> {
    let handle = Type::Handle(r.name.clone());
    let implicit = |name: &str, kind, params, subject, result, doc: String| Operation {
        name: name.into(),
        kind,
        params,
        subject,
        result,
        documents: None,
        left: None,
        doc,
        span: r.span,
    };
    // A link is spoken of by its ends, all else by itself.
    let (itself, subject): (Vec<Param>, Option<Name>) = match &r.named {
        Some(named) if named.by.len() > 1 => (named.by.iter().map(|end| of_end(cx, r, end)).collect(), None),
        _ => (vec![param(&r.name, handle.clone(), r.span)], Some(r.name.clone())),
    };
    let mut all = IndexMap::new();
    let mut add = |op: Operation| all.insert(op.name.clone(), op);
    if let Some(list) = &r.list {
        let table = Type::Table(r.columns().into());
        let doc = format!("Every {} that the account may see there.", r.name);
        add(implicit("list", OperationKind::Read, list.params.clone(), None, table, doc));
    }
    if r.get.is_some() {
        let doc = format!("One {}, as it is now.", r.name);
        add(implicit("show", OperationKind::Read, itself.clone(), subject.clone(), handle.clone(), doc));
    }
    for op in r.ops.values() {
        let kind = match () {
            () if op.read => OperationKind::Read,
            () if op.is_final() => OperationKind::Final,
            () => OperationKind::Change,
        };
        add(Operation {
            name: op.name.clone(),
            kind,
            params: op.params.clone(),
            subject: op.subject(&r.name).map(|p| p.name.clone()),
            result: op.result.clone().unwrap_or(Type::Nothing),
            documents: r.documents(op).map(|p| p.name.clone()),
            left: if let Undo::None(why) = &op.undo { Some(why.clone()) } else { None },
            doc: op.doc.clone(),
            span: op.span,
        });
    }
    if let (Some(create), Some(_)) = (r.ops.get("create"), &r.named) {
        let doc = format!("Create the {} where it is missing, change it where it differs, else leave it.", r.name);
        add(implicit("ensure", OperationKind::Ensure, create.params.clone(), None, handle, doc));
    }
    if !r.delete.is_empty() {
        let doc = format!("Delete the {}. Where it is absent this is done.", r.name);
        // What may be of any kind may also be written out, as for the operations that make it.
        let documents = (r.kind == Some(Kind::Any)).then(|| r.name.clone());
        let (itself, doc) = match &documents {
            None => (itself, doc),
            Some(name) => {
                let doc = format!(
                    "{doc} It is one that was read, or documents: a file, a text, a record. Kinds go in the reverse order."
                );
                (vec![param(name, Type::Any, r.span)], doc)
            }
        };
        let delete = implicit("delete", OperationKind::Final, itself, subject, Type::Nothing, doc);
        add(Operation { documents, ..delete });
    }
    all
}

fn param(name: &Name, ty: Type, span: Span) -> Param {
    Param {
        name: name.clone(),
        ty,
        default: None,
        since: None,
        until: None,
        needs: None,
        secret: false,
        doc: String::new(),
        span,
    }
}

/// What an end of a link is: as `create` takes it, or the resource of its name, or a text.
fn of_end(cx: &Cx<'_>, r: &Resource, end: &Name) -> Param {
    let declared = r.ops.get("create").and_then(|op| op.params.iter().find(|p| p.name == *end));
    if let Some(declared) = declared {
        return declared.clone();
    }
    let known = cx.world.has(end).then(|| Type::Handle(end.clone()));
    let ty = known.or_else(|| r.field_type(end)).unwrap_or(Type::String);
    param(end, ty, r.span)
}
