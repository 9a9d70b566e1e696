//! What a service description says, compiled: names resolved, clauses in their places, expressions as trees of their
//! own (`expr.rs`; they are evaluated by `render` over what is known of an effect).

use super::expr::Expr;
use super::operation::Operation;
use super::{Method, Pages, Rows, Version};
use crate::inventory::{Inventory, Site};
use crate::span::Span;
use crate::types::{Name, Type};
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};

/// Every service of every stack, by name.
#[derive(Debug, Default)]
pub struct Library {
    pub services: Vec<Service>,
    /// What its texts define beside services, for `prefer`.
    pub functions: crate::syntax::ast::Block,
}

/// A service as one stack offers it: `service compute for openstack "compute" { ... }`.
#[derive(Debug)]
pub struct Service {
    pub name: Name,
    /// `openstack`, `kubernetes`, `http`.
    pub stack: Name,
    /// The type under which the stack lists it (the catalog's, the API group, the application's); `None` for `any`.
    pub kind: Option<Name>,
    /// Path put before every template's path: `/v2.0`.
    pub base: String,
    pub pages: Option<Pages>,
    /// Versions that this text was written for.
    pub speaks: Option<(Version, Version)>,
    pub on: Vec<On>,
    /// Where an error body holds its message and code, if not in a shape that the driver knows.
    pub errors: Option<ErrorShape>,
    /// Kind and header of authentication, for `http` applications: `auth header "X-API-Key"`.
    pub auth: Option<(Name, String)>,
    pub resources: IndexMap<Name, Resource>,
    pub doc: String,
    pub span: Span,
}

#[derive(Debug)]
pub struct Resource {
    pub name: Name,
    pub service: Name,
    pub stack: Name,
    /// `of kind "Deployment"`: how the stack itself calls it.
    pub kind: Option<Kind>,
    /// `at "/servers"`.
    pub path: Option<String>,
    pub one: Option<String>,
    pub many: Option<Rows>,
    pub named: Option<NamedBy>,
    /// The query that narrows a search by name; answers are compared exactly afterwards.
    pub found_by: Option<Expr>,
    /// `chosen id = uuid(effect)`: the client chooses this field.
    pub chosen: Option<(Name, Expr)>,
    /// In order of preference; the first that the site's version allows is set.
    pub marks: Vec<Mark>,
    pub fields: IndexMap<Name, Field>,
    pub ignore: Vec<String>,
    /// Of a resource that may be of any kind: the kinds that come first where several are made at once, in that order.
    pub order: Vec<String>,
    /// Where another resource says this one's name, wherever in it that stands: `configMapRef.name`.
    pub referred_by: Vec<Vec<String>>,
    /// What `ensure` compares and a bridge copies, and which of it cannot be changed.
    pub definition: Vec<Name>,
    pub fixed: Vec<Name>,
    pub parts: IndexMap<Name, Part>,
    pub ready: Option<Expr>,
    pub failed: Option<FailedWhen>,
    /// Why it is not ready: read when it is given up, and judged by.
    pub follow: Vec<(Name, Template)>,
    pub because: Option<Expr>,
    pub gone: Option<Expr>,
    pub on: Vec<On>,
    pub get: Option<Template>,
    pub list: Option<ListOp>,
    pub delete: Vec<Instruction>,
    pub ops: IndexMap<Name, Op>,
    /// Every operation as programs see it, implicit ones included: read it through `Resource::operation`.
    pub operations: IndexMap<Name, Operation>,
    /// Extension that the site must offer: `needs extension "router"`.
    pub extension: Option<String>,
    /// What makes one operation's request useless once destroyed (a ticket); `None`: the fence is *quiet*.
    pub fence: Option<Ticket>,
    pub bridge: Option<Bridge>,
    pub doc: String,
    pub span: Span,
}

/// What the stack calls a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Named(String),
    /// Any that the site has: `of kind any`.
    Any,
}

/// `named by name unique in user`.
#[derive(Clone, Debug)]
pub struct NamedBy {
    pub by: Vec<Name>,
    pub unique: bool,
    /// `in project`: where the name is looked for, and, if unique, unique.
    pub within: Option<Name>,
}

#[derive(Debug)]
pub struct Mark {
    /// The member of the creating request's resource: `metadata.edge_effect`.
    pub at: Vec<String>,
    pub shape: MarkShape,
    pub since: Option<Version>,
    pub found_by: Option<Expr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkShape {
    Whole,
    /// An item of a list.
    Item,
    /// Appended to what the user wrote: `text edge:KEY`.
    Suffix,
    Record,
}

/// A field of a row, or a column of a listing.
#[derive(Debug)]
pub struct Field {
    pub name: Name,
    pub ty: Type,
    /// Where the answer holds it.
    pub from: Source,
    /// `from a when "2.47" else b`: below the version, `b`.
    pub before: Option<(Version, Source)>,
    pub since: Option<Version>,
    pub until: Option<Version>,
    /// Only in the answer of the creation, or for templates alone: no column, and nothing that is shown.
    pub once: bool,
    /// The answer has it in base64 (each member of a map).
    pub base64: bool,
    pub doc: String,
    pub span: Span,
}

/// Where an answer holds a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A path of keys; with `each`, that path of every item of the list there.
    Body {
        path: Vec<String>,
        each: Option<Vec<String>>,
    },
    Header(String),
    /// All of it, our markers too, but for what `ignore` matches.
    Whole,
    /// Every top-level key that no field names and `ignore` does not match.
    Rest,
}

/// A set or map that hangs on a resource: `part tags { add ... remove ... }`.
#[derive(Debug)]
pub struct Part {
    pub add: Option<Template>,
    pub remove: Option<Template>,
}

#[derive(Debug)]
pub struct ListOp {
    pub params: Vec<Param>,
    pub template: Template,
}

#[derive(Debug)]
pub struct Op {
    pub name: Name,
    /// Changes nothing, though it may be a POST.
    pub read: bool,
    pub params: Vec<Param>,
    pub result: Option<Type>,
    pub body: Vec<Instruction>,
    pub already: Option<Expr>,
    pub undo: Undo,
    pub on: Vec<On>,
    pub since: Option<Version>,
    pub until: Option<Version>,
    pub doc: String,
    pub span: Span,
}

impl Op {
    /// Cannot be taken back: conjunctions only, never in `atomic`.
    pub fn is_final(&self) -> bool {
        !self.read && matches!(self.undo, Undo::Final)
    }

    /// The resource that it makes: `create` makes its own, `server.create_image` an image.
    pub fn creates(&self, resource: &str) -> Option<&Name> {
        let Some(Type::Handle(made)) = self.result.as_ref().map(Type::present) else { return None };
        (!self.read && (&**made != resource || self.subject(resource).is_none())).then_some(made)
    }

    /// The parameter that takes the resource itself: `server.stop(server: server)`.
    pub fn subject(&self, resource: &str) -> Option<&Param> {
        self.params.first().filter(|p| matches!(&p.ty, Type::Handle(r) if &**r == resource))
    }
}

impl Resource {
    /// Of what may be of any kind, the parameter that is the thing itself: the first, of type `Any`.
    pub fn documents<'a>(&self, op: &'a Op) -> Option<&'a Param> {
        let first = op.params.first().filter(|p| p.ty == Type::Any);
        first.filter(|_| self.kind == Some(Kind::Any) && !op.read)
    }
}

#[derive(Clone, Debug)]
pub struct Param {
    pub name: Name,
    /// A resource is `Type::Handle`, optional ones are `Type::Optional`.
    pub ty: Type,
    pub default: Option<Expr>,
    pub since: Option<Version>,
    pub until: Option<Version>,
    /// A service without which the parameter has no effect: `needs volume`.
    pub needs: Option<Name>,
    /// It may be given as a secret: `as secret`.
    pub secret: bool,
    pub doc: String,
    pub span: Span,
}

impl Param {
    /// Whether it is one word or number, and no record or list.
    pub(crate) fn plain(&self) -> bool {
        let ty = match &self.ty {
            Type::Optional(inner) => inner,
            ty => ty,
        };
        matches!(ty, Type::Bool | Type::Int | Type::Float | Type::String | Type::Choice)
    }

    pub fn required(&self) -> bool {
        self.default.is_none() && !matches!(self.ty, Type::Optional(_))
    }
}

#[derive(Debug)]
pub enum Instruction {
    Send(Template),
    If {
        cond: Expr,
        then: Vec<Instruction>,
        otherwise: Vec<Instruction>,
    },
    /// `follow tasks GET ...`: read anew at each poll, under this name.
    Follow {
        name: Name,
        template: Template,
    },
    WaitUntil(Expr),
    Ready(Expr),
    /// `ready like kind`: as the resource that describes this kind says.
    ReadyLike,
    Failed(FailedWhen),
    /// What the operation gives: a record of fields of the new resource, or a value.
    Answer(Expr),
    Call {
        op: Name,
        args: Vec<(Option<Name>, Expr)>,
        span: Span,
    },
}

#[derive(Debug)]
pub struct FailedWhen {
    pub when: Expr,
    pub because: Option<Expr>,
}

#[derive(Debug)]
pub enum Undo {
    Delete,
    /// Put the definition back as it was, or delete what was not there.
    Restore,
    /// Another operation of the resource.
    Op(Name),
    Block(Vec<Instruction>),
    /// Harmless to leave: `undo none "it runs elsewhere, unharmed"`.
    None(String),
    /// `undo final`: cannot be taken back (reboot, rebuild). `delete` is final too.
    Final,
}

/// One request, as written.
#[derive(Debug)]
pub struct Template {
    pub method: Method,
    pub path: Expr,
    pub query: Option<Expr>,
    pub headers: Option<Expr>,
    pub body: BodyTemplate,
    pub content_type: Option<String>,
    pub one: Option<String>,
    pub many: Option<Rows>,
    pub unless: Option<Expr>,
    /// Sending it twice is as good as once.
    pub repeatable: bool,
    /// Its answer is the thing itself, whole and as it then is.
    pub entire: bool,
    pub rehearse: Option<Expr>,
    /// `insist query { .. } over "edge*"`: with this query it is sent again where all who object are named so.
    pub insist: Option<(Expr, String)>,
    /// Once for each item of this list, which is `it`.
    pub each: Option<Expr>,
    pub on: Vec<On>,
    pub span: Span,
}

#[derive(Debug)]
pub enum BodyTemplate {
    None,
    Json(Expr),
    Form(Expr),
    /// The bytes of a `File` parameter.
    Send(Expr),
}

/// `on 409 text "task_state" -> busy`.
#[derive(Clone, Debug)]
pub struct On {
    pub status: u16,
    pub code: Option<String>,
    pub text: Option<String>,
    pub kind: AnswerKind,
}

/// What an answer that is no success means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    Refused,
    Denied,
    Absent,
    Exists,
    Already,
    Busy,
    Stale,
    Conflict,
    /// Never written in a description: it was done (2xx).
    Done,
    /// Never written in a description: it may have been done (5xx, 408).
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorShape {
    pub message: Option<Source>,
    pub code: Option<Source>,
}

/// An ingredient that only one attempt needs: made before the request under a name derived from its key, destroyed to
/// fence it.
#[derive(Debug)]
pub struct Ticket {
    /// The resource that is the ingredient, or the resource itself when its chosen id is the ticket.
    pub resource: Name,
    /// The parameter of the operation that carries the ingredient; `None` for a chosen id.
    pub param: Option<Name>,
}

#[derive(Debug)]
pub struct Bridge {
    pub same: Option<Expr>,
    /// Made anew at the target, from the definition.
    pub recreate: bool,
    /// What cannot be copied, and why not.
    pub failed: Option<FailedWhen>,
    /// Fields of the definition that a copy does not take over.
    pub ignore: Vec<Name>,
    pub tries: Vec<BridgeTry>,
    /// `stream GET ... to PUT ...`: from the source's site, to the operation's.
    pub stream: Option<(Template, Template)>,
    pub refers_to: Vec<(Name, Vec<String>)>,
    pub span: Span,
}

#[derive(Debug)]
pub struct BridgeTry {
    pub name: String,
    pub when: Option<Expr>,
    pub body: Vec<Instruction>,
}

impl Library {
    /// The resource of that name at sites of `stack`.
    pub fn resource(&self, stack: &str, name: &str) -> Option<&Resource> {
        self.services.iter().filter(|s| &*s.stack == stack).find_map(|s| s.resources.get(name))
    }

    /// The resource of that name, whichever stack describes it; several stacks may, and then agree in their signatures.
    pub fn any_resource(&self, name: &str) -> Option<&Resource> {
        self.services.iter().find_map(|s| s.resources.get(name))
    }

    /// The resource that stands for every kind of a stack.
    pub fn of_any_kind(&self, stack: &str) -> Option<&Resource> {
        let services = self.services.iter().filter(|s| &*s.stack == stack);
        services.flat_map(|s| s.resources.values()).find(|r| r.kind == Some(Kind::Any))
    }

    /// The resource that describes a kind, of an API such as `apps/v1`: its group is the service's kind; `v1` is `core`.
    pub fn described_kind(&self, stack: &str, api: &str, kind: &str) -> Option<&Resource> {
        let group = api.split_once('/').map_or("core", |(group, _)| group);
        let services = self.services.iter().filter(|s| &*s.stack == stack && s.kind.as_deref() == Some(group));
        services.flat_map(|s| s.resources.values()).find(|r| matches!(&r.kind, Some(Kind::Named(k)) if k == kind))
    }

    /// The resource of a service that describes a kind, whichever stack the service is of.
    pub fn kind_in(&self, service: &str, kind: &str) -> Option<&Resource> {
        let services = self.services.iter().filter(|s| &*s.name == service);
        services.flat_map(|s| s.resources.values()).find(|r| matches!(&r.kind, Some(Kind::Named(k)) if k == kind))
    }

    /// The services that describe a resource with this operation. `copy` is one of all that have a bridge.
    pub fn describing(&self, resource: &str, operation: &str) -> impl Iterator<Item = &Service> {
        let fits =
            move |r: &&Resource| r.operations.contains_key(operation) || operation == "copy" && r.bridge.is_some();
        // What may be of any kind belongs to every service of its stack.
        let of_any = move |stack: &Name| {
            let mut all = self.services.iter().filter(|s| s.stack == *stack);
            all.any(|s| s.resources.get(resource).filter(fits).is_some_and(|r| r.kind == Some(Kind::Any)))
        };
        self.services.iter().filter(move |s| s.resources.get(resource).filter(fits).is_some() || of_any(&s.stack))
    }

    pub fn service(&self, stack: &str, name: &str) -> Option<&Service> {
        self.services.iter().find(|s| &*s.stack == stack && &*s.name == name)
    }

    /// The service that a resource of it belongs to.
    pub fn service_of(&self, resource: &Resource) -> Option<&Service> {
        self.service(&resource.stack, &resource.service)
    }

    /// The services that are described, by stack.
    pub fn described(&self) -> BTreeMap<Name, BTreeSet<Name>> {
        let mut all: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
        for service in &self.services {
            all.entry(service.stack.clone()).or_default().insert(service.name.clone());
        }
        all
    }

    /// The services described for a site's application, where it is one and some are.
    pub fn services_of(&self, site: &Site) -> Option<Vec<Name>> {
        let app = site.connection.get("app")?;
        let of = self.services.iter().filter(|s| s.stack == site.stack && s.kind.as_ref() == Some(app));
        let names: Vec<Name> = of.map(|s| s.name.clone()).collect();
        Some(names).filter(|names| !names.is_empty())
    }

    /// What the site descriptions say, where the inventory says nothing: of applications.
    pub fn complete(&self, inventory: &mut Inventory) {
        inventory.described = self.described();
        let unsaid = inventory.iter().filter(|(_, site)| site.services.is_none());
        let found: Vec<Site> = unsaid
            .filter_map(|(_, site)| Some(Site { services: Some(self.services_of(site)?), ..site.clone() }))
            .collect();
        found.into_iter().for_each(|site| {
            inventory.add(site);
        });
    }

    pub fn has_service(&self, name: &str) -> bool {
        self.services.iter().any(|s| &*s.name == name)
    }

    pub fn resource_names(&self) -> impl Iterator<Item = &Name> {
        self.services.iter().flat_map(|s| s.resources.keys())
    }

    pub fn service_names(&self) -> impl Iterator<Item = &Name> {
        self.services.iter().map(|s| &s.name)
    }
}
