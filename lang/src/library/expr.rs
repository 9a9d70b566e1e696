//! Expressions of descriptions, compiled: names resolved to where their value comes from, literals read, functions
//! known. They are a small language of JSON values; what differs from JSON is that a value may be *left out*
//! (`render/evaluate.rs`). Chains are flat, so that only brackets make a tree deep, and the lexer bounds those.

use super::Version;
use crate::span::Span;
use crate::types::Name;
use serde_json::Value as Json;

#[derive(Clone, Debug)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum ExprKind {
    Const(Json),
    Text(Vec<Piece>),
    Root(Root),
    /// `head.a."b"[0]`
    Path(Box<Expr>, Vec<PathStep>),
    List(Vec<Expr>),
    Record(Vec<Member>),
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// `version >= "2.25"`.
    Version(Comparison, Version),
    /// Sums and products of whole numbers, from the left.
    Arithmetic(Box<Expr>, Vec<(Arithmetic, Expr)>),
    /// `a each e else b`, from the left.
    Chain(Box<Expr>, Vec<(Link, Expr)>),
    Call(Function, Vec<Expr>),
}

#[derive(Clone, Debug)]
pub enum Piece {
    Text(String),
    Value(Expr),
}

#[derive(Clone, Debug)]
pub enum PathStep {
    Member(Name, Span),
    Index(Expr),
}

#[derive(Clone, Debug)]
pub enum Member {
    Named(Name, Expr),
    /// `(key): value`, `"x-${n}": value`
    Computed(Expr, Expr),
    Spread(Expr),
}

/// Where a name's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// A parameter of the operation; hides a field of its name, also when nobody gave it.
    Param(Name),
    /// Something that names the resource, a followed read, or a field of the row as last seen.
    Known(Name),
    /// The row as it was before the change.
    Before,
    Body,
    Headers,
    Answer,
    Marker,
    Effect,
    Account,
    Version,
    /// Paths that the driver finds.
    SelfPath,
    Kind,
    /// The version that these are of.
    Api,
    /// Of a part: an item of a list, or key and value of a map.
    Item,
    Key,
    Value,
    /// Of a bridge.
    Source,
    Regions,
    /// Of `each`.
    It,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    Else,
    Each,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Text to base64; of a record each member.
    Base64,
    /// Escapes what a regular expression would read as more than itself.
    Regex,
    /// An identifier that is always the same for one text (UUID, version 5).
    Uuid,
    /// What follows the last `/` of a path or URL.
    Tail,
    /// The item of a list that was made last, by its `created_at` or the like.
    Newest,
    /// A record as a JSON patch that adds each member.
    Additions,
    /// The item of a list of conditions whose `type` is the given one.
    Condition,
    /// A secret that the caller makes up, once for an operation.
    FreshSecret,
    /// How many items a list or record has.
    Count,
    /// A record as a list of `key` and `value`.
    Entries,
    /// Two lists as one.
    Concat,
    /// The items of a list for which another list has `true`, place by place: `those(all, all each it.size > 5)`.
    Those,
    /// A record as servers narrow listings by it: `app=web,tier=front`.
    Selector,
    /// A record with another laid over it (RFC 7396): records in records are merged, `null` takes a member away.
    Merge,
}

impl Function {
    pub const ALL: [(&'static str, Function, usize); 14] = [
        ("base64", Function::Base64, 1),
        ("regex", Function::Regex, 1),
        ("uuid", Function::Uuid, 1),
        ("tail", Function::Tail, 1),
        ("newest", Function::Newest, 1),
        ("additions", Function::Additions, 1),
        ("condition", Function::Condition, 2),
        ("fresh_secret", Function::FreshSecret, 0),
        ("count", Function::Count, 1),
        ("merge", Function::Merge, 2),
        ("concat", Function::Concat, 2),
        ("those", Function::Those, 2),
        ("entries", Function::Entries, 1),
        ("selector", Function::Selector, 1),
    ];
}

impl Expr {
    /// Every version that the expression compares with.
    pub fn versions(&self, out: &mut Vec<Version>) {
        match &self.kind {
            ExprKind::Version(_, v) => out.push(*v),
            ExprKind::Const(_) | ExprKind::Root(_) => {}
            ExprKind::Text(pieces) => {
                for piece in pieces {
                    if let Piece::Value(e) = piece {
                        e.versions(out);
                    }
                }
            }
            ExprKind::Path(head, steps) => {
                head.versions(out);
                for step in steps {
                    if let PathStep::Index(e) = step {
                        e.versions(out);
                    }
                }
            }
            ExprKind::List(items) | ExprKind::And(items) | ExprKind::Or(items) | ExprKind::Call(_, items) => {
                items.iter().for_each(|e| e.versions(out));
            }
            ExprKind::Record(members) => {
                for member in members {
                    match member {
                        Member::Named(_, e) | Member::Spread(e) => e.versions(out),
                        Member::Computed(k, e) => {
                            k.versions(out);
                            e.versions(out);
                        }
                    }
                }
            }
            ExprKind::Not(e) => e.versions(out),
            ExprKind::Compare(_, a, b) => {
                a.versions(out);
                b.versions(out);
            }
            ExprKind::Arithmetic(e, rest) => {
                e.versions(out);
                rest.iter().for_each(|(_, e)| e.versions(out));
            }
            ExprKind::Chain(e, rest) => {
                e.versions(out);
                rest.iter().for_each(|(_, e)| e.versions(out));
            }
        }
    }
}
