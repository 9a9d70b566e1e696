//! The typed program: what the checker makes of the tree and the evaluator runs. Names are resolved to slots, operations
//! to entries of the library, conversions are written out, and every expression has a type.

use crate::eval::{Unreachable, Value};
use crate::library::Version;
use crate::span::Span;
use crate::types::{Name, Type};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Debug, Default)]
pub struct Program {
    /// Shared, so that each entry of a session can carry those of the entries before.
    pub functions: Vec<Arc<Function>>,
    pub body: Block,
    pub inputs: Vec<Input>,
    /// How many slots the frame of `body` has.
    pub slots: usize,
    /// Some operation, in a function or not, is more than a read.
    pub changes: bool,
}

pub type Block = Vec<Statement>;

/// A variable's place in its function's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FunctionId(pub u32);

#[derive(Debug)]
pub struct Function {
    pub name: Name,
    pub params: Vec<(Slot, Name, Type, Option<Expr>)>,
    pub result: Type,
    pub body: Block,
    pub slots: usize,
    pub span: Span,
}

/// `input region: String = "nantes"`; set by `--var`.
#[derive(Clone, Debug)]
pub struct Input {
    pub name: Name,
    pub slot: Slot,
    pub ty: Type,
    pub default: Option<Expr>,
    pub doc: String,
    pub span: Span,
}

#[derive(Debug)]
pub struct Statement {
    pub kind: StatementKind,
    pub span: Span,
}

#[derive(Debug)]
pub enum StatementKind {
    /// Its value is what a block that ends with it gives, and what the REPL shows.
    Expr(Expr),
    Let {
        slot: Slot,
        name: Name,
        value: Expr,
    },
    /// A scope, merged entry by entry into the one around it. `scope` is of type Scope: `at Zone1 { ... }` arrives as a
    /// `ScopeExpr` with `everywhere`.
    At {
        scope: Expr,
        body: Block,
    },
    If {
        arms: Vec<(Expr, Block)>,
        otherwise: Option<Block>,
    },
    For {
        parallel: bool,
        slot: Slot,
        name: Name,
        list: Expr,
        body: Block,
    },
    /// Its statements run at once.
    Parallel(Block),
    Atomic(Block),
    Try {
        body: Block,
        slot: Option<Slot>,
        otherwise: Block,
    },
    Assert {
        cond: Expr,
        within: Option<Expr>,
        why: Option<Expr>,
    },
    Print(Expr),
}

#[derive(Debug, Clone)]
pub struct Expr {
    pub kind: ExprKind,
    pub ty: Type,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub enum ExprKind {
    Const(Value),
    Slot(Slot),
    /// A variable of the outermost frame, read from a function.
    Global(Slot),
    /// `"text ${e} text"`.
    Text(Vec<Piece>),
    List(Vec<Expr>),
    Record(Vec<RecordItem>),
    /// `{A, B}`: the union of sites and site sets.
    SiteSet(Vec<Expr>),
    /// A scope literal; `identity` and `tenant` apart from the services.
    Scope(Arc<ScopeExpr>),
    Field {
        of: Box<Expr>,
        name: Name,
    },
    /// `t.present`, `.absent`, `.unknown`, `.sites` of tables and replicated handles; `.site` of a handle.
    Index {
        of: Box<Expr>,
        index: Box<Expr>,
    },
    /// `handle.at(Zone1)`.
    AtSite {
        of: Box<Expr>,
        site: Box<Expr>,
    },
    Unary {
        op: Unary,
        of: Box<Expr>,
    },
    Binary {
        op: Binary,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// To the expression's own type: Site to Choice, Site to Sites, Sites to Placement (all of), Choice to Placement; from
    /// `Any` to what is asked for, a located failure where it is something else; from `T?` to `T`, a failure at null.
    Convert(Box<Expr>),
    /// Connectives of placements, as written.
    Placement(PlacementOp, Vec<Expr>),
    Count {
        form: CountForm,
        k: Option<Box<Expr>>,
        of: Box<Expr>,
    },
    /// `sites[cond]`, `S where cond` on site sets: `cond` is evaluated with each site in `slot`.
    FilterSites {
        of: Box<Expr>,
        slot: Slot,
        cond: Box<Expr>,
    },
    /// `sites["edge-[1-50]"]`.
    NamedSites {
        of: Box<Expr>,
        names: Box<Expr>,
    },
    /// The site of a condition's row offers a service.
    Offers {
        site: Box<Expr>,
        service: Name,
    },
    /// A site's label; null where it has none.
    Label {
        site: Box<Expr>,
        label: Name,
    },
    /// `here`: the site at which the operation takes effect.
    Here,
    Call {
        function: FunctionId,
        args: Vec<Expr>,
    },
    Builtin {
        name: Builtin,
        args: Vec<Expr>,
    },
    Operation(Arc<Operation>),
    Query(Arc<Query>),
    /// A call of a function in the scope of its `@` and `with`: `f() @ local`. `scope` is of type Scope. Also written out
    /// where a function leaves services open and the only site that is known serves them.
    Within {
        scope: Box<Expr>,
        of: Box<Expr>,
    },
}

#[derive(Debug, Clone)]
pub enum Piece {
    Text(Arc<str>),
    Value(Expr),
}

#[derive(Debug, Clone)]
pub enum RecordItem {
    Member(Name, Expr),
    Computed(Expr, Expr),
    Spread(Expr),
}

#[derive(Debug, Clone, Default)]
pub struct ScopeExpr {
    pub entries: Vec<(Name, EntryExpr)>,
    /// `at Zone1 { ... }`, `f() @ Zone1`: every service that `entries` do not mention. It replaces all entries of the
    /// scope around it.
    pub everywhere: Option<EntryExpr>,
    pub identity: Option<Expr>,
    pub tenant: Option<Expr>,
}

#[derive(Debug, Clone)]
pub struct EntryExpr {
    pub at: Option<Expr>,
    pub policy: PolicyExpr,
    pub span: Span,
}

#[derive(Debug, Clone, Default)]
pub struct PolicyExpr {
    pub timeout: Option<Expr>,
    pub unreachable: Option<Unreachable>,
    pub prefer: Option<crate::eval::Prefer>,
    pub tenant: Option<Expr>,
    pub overlap: Option<Expr>,
    pub parallel: Option<Expr>,
}

/// A use of a library operation.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The target service.
    pub service: Name,
    pub resource: Name,
    pub name: Name,
    pub kind: crate::eval::StepKind,
    /// By parameter, in the library's order; defaults of the library are not here.
    pub args: IndexMap<Name, Expr>,
    /// The parameter whose handle or rows say where the operation goes.
    pub subject: Option<Name>,
    /// `@ placement`: replaces the entry of the operation's own service.
    pub at: Option<Expr>,
    /// `@ { ... }`: merged into the scope around it.
    pub scope: Option<Expr>,
    pub policy: PolicyExpr,
    pub if_any: bool,
    /// Some argument uses `here`.
    pub per_site: bool,
    /// Its value is one handle. In a function that leaves its service open this is what the body expects of it, and the
    /// form of the placement decides.
    pub single: bool,
    /// The highest version that the given parameters ask for.
    pub since: Option<Version>,
    /// Its documents go where their groups are.
    pub documents: Option<Arc<Documents>>,
    /// Resource services that the arguments refer to, for lookups and bridges: (parameter, service).
    pub dependencies: Vec<(Name, Name)>,
    pub span: Span,
}

/// An operation of which each document is an effect of its own.
#[derive(Debug, Clone)]
pub struct Documents {
    /// The parameter that they are given by.
    pub param: Name,
    /// The group of each service, and the service.
    pub services: Vec<(Name, Name)>,
    /// The kinds that come first, in this order.
    pub order: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Query {
    pub of: Expr,
    /// Where the clauses find the row: its columns are `Field`s of this slot.
    pub row: Slot,
    pub clauses: Vec<Clause>,
}

#[derive(Debug, Clone)]
pub enum Clause {
    Where(Expr),
    Select(Vec<(Name, Expr)>),
    OrderBy(Vec<(Expr, bool)>),
    /// Keys with their names; the aggregates of the `select` that follows see the group's rows.
    GroupBy {
        keys: Vec<(Name, Expr)>,
        select: Vec<(Name, Aggregate)>,
    },
    Join {
        table: Expr,
        name: Name,
        row: Slot,
        on: Expr,
    },
    Limit(Expr),
}

#[derive(Debug, Clone)]
pub enum Aggregate {
    Key(usize),
    Count,
    Sum(Expr),
    Min(Expr),
    Max(Expr),
    Average(Expr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    Not,
    Negate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    And,
    Or,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Like,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    /// On site sets, and on tables with equal columns.
    Union,
    Intersect,
    Difference,
    Parity,
    /// `a else b`: b where a is null.
    Else,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlacementOp {
    And,
    Or,
    Xor,
    Not,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountForm {
    AllOf,
    AnyOf,
    NoneOf,
    Exactly,
    AtLeast,
    AtMost,
    AllBut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    File,
    Read,
    Empty,
    Count,
    Minimal,
    Holds,
    Waves,
    Spread,
    Now,
    Secret,
    Json,
    Join,
    Split,
    Range,
    Len,
}
