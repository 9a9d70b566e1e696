//! From tree to typed program. Names, types, sites, placements, scopes, operations and queries each have a file; this
//! one holds what they share.
//!
//! Checking never fails: broken trees are accepted, every mistake is reported where it stands, and what depends on it
//! has `Type::Error`, which agrees with everything, so that one mistake does not cause a second message. The hard idea
//! is `Known`: beside its type, each expression carries what is certain about its value before anything runs (this
//! site, this set, this placement), and all rules about places are asked of that.

mod annotations;
mod builtins;
pub mod codes;
mod complete;
pub mod composition;
mod expressions;
mod fields;
mod functions;
mod imports;
mod known;
mod names;
mod operations;
mod operators;
mod placements;
mod places;
mod preferences;
mod queries;
mod records;
mod scopes;
mod session;
mod sites;
mod statements;
mod targets;

pub use builtins::{FunctionDoc, function_docs};
pub use imports::{Imports, NoImports, imports_of};
pub use session::{Completion, CompletionKind, Session};

use crate::diagnostic::{Code, Diagnostic};
use crate::inventory::Inventory;
use crate::library::Library;
use crate::program::Program;
use crate::span::Span;
use crate::syntax::ast;
use crate::types::{Name, Type};
use known::KnownScope;
use names::Unused;
use std::sync::Arc;

/// What checking gives, whatever the program.
#[derive(Debug)]
pub struct Checked {
    /// To be run only where `diagnostics` has no error.
    pub program: Program,
    /// The inventory with the sites that the script declares.
    pub inventory: Arc<Inventory>,
    /// In the order of the text, imported files first.
    pub diagnostics: Vec<Diagnostic>,
}

impl Checked {
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Checks a program. `imports` has the parsed files that it may import.
pub fn check(program: &ast::Block, imports: &dyn Imports, library: &Library, inventory: &Inventory) -> Checked {
    let mut state = session::State::new(Arc::new(inventory.clone()));
    let (program, diagnostics) = run(&mut state, program, imports, library, Mode::File);
    Checked { program, inventory: state.inventory, diagnostics }
}

/// A file says everything once; an entry of a session may say a name anew, and what it does not use is used later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    File,
    Session,
}

fn run(
    state: &mut session::State,
    program: &ast::Block,
    imports: &dyn Imports,
    library: &Library,
    mode: Mode,
) -> (Program, Vec<Diagnostic>) {
    let mut checker = Checker::new(state, imports, library, mode);
    let mut body = Vec::new();
    checker.file(program, Unused::Warn, &mut body);
    checker.unused(checker.state.block);
    let broken = checker.broken;
    let mut diagnostics = checker.diagnostics;
    diagnostics.retain(|d| !(broken && d.code == &codes::UNUSED));
    diagnostics.sort_by_key(|d| (std::cmp::Reverse(d.span.file), d.span.start));
    let inputs = std::mem::take(&mut state.inputs);
    let (functions, slots, changes) = (state.functions.clone(), state.slots as usize, state.changes);
    let program = Program { functions, body, inputs, slots, changes };
    (program, diagnostics)
}

struct Checker<'a> {
    library: &'a Library,
    imports: &'a dyn Imports,
    mode: Mode,
    /// What stays from one entry of a session to the next.
    state: &'a mut session::State,
    diagnostics: Vec<Diagnostic>,
    /// Site sets asked for again and again.
    places: places::Places,
    /// The rows and sites that a condition speaks of, innermost last.
    rows: Vec<queries::RowScope>,
    /// In the arguments of an operation: whether `here` was used.
    here: Option<bool>,
    /// What becomes of the expression that is being checked.
    usage: Usage,
    atomic: bool,
    /// The functions whose bodies are being checked, innermost last.
    functions: Vec<functions::Frame>,
    /// The scope around the statement.
    scope: Arc<KnownScope>,
    /// The files that are being imported, outermost first.
    importing: Vec<crate::span::FileId>,
    /// The operand of an `xor` in parentheses is judged with the whole.
    in_parity: bool,
    /// Part of the text could not be read: what is used there is not known.
    broken: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Usage {
    /// Needed where it stands.
    Value,
    /// What a function gives back; a caller may drop it.
    Result,
    /// A statement for its effect.
    Dropped,
}

impl<'a> Checker<'a> {
    fn new(state: &'a mut session::State, imports: &'a dyn Imports, library: &'a Library, mode: Mode) -> Checker<'a> {
        Checker {
            library,
            imports,
            mode,
            diagnostics: Vec::new(),
            places: places::Places::default(),
            rows: Vec::new(),
            here: None,
            usage: Usage::Value,
            atomic: false,
            functions: Vec::new(),
            scope: state.scope.clone(),
            importing: Vec::new(),
            in_parity: false,
            broken: false,
            state,
        }
    }
}

impl Checker<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn error(&mut self, code: &'static Code, span: Span, message: impl Into<String>) {
        self.report(Diagnostic::new(code, span, message));
    }

    /// Types in messages are in backquotes, as code is.
    fn mismatch(&mut self, span: Span, wanted: &Type, found: &Type, what: &str) {
        let mut d =
            Diagnostic::new(&codes::WRONG_TYPE, span, format!("{what} is to be `{wanted}`, but this is `{found}`"));
        if let Some(help) = annotations::mend(wanted, found) {
            d = d.help(help);
        }
        self.report(d);
    }
}

/// `a`, `a and b`, `a, b and c`, at most so many.
fn listed<S: AsRef<str>>(names: impl IntoIterator<Item = S>, most: usize) -> String {
    let all: Vec<String> = names.into_iter().map(|n| format!("`{}`", n.as_ref())).collect();
    match &all[..] {
        [] => String::new(),
        [one] => one.clone(),
        all if all.len() > most => format!("{} and {} more", all[..most].join(", "), all.len() - most),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// `did you mean ...`, for a name that nothing has.
fn did_you_mean<'a>(d: Diagnostic, word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    match crate::diagnostic::nearest(word, candidates) {
        Some(near) => d.help(format!("did you mean `{near}`?")),
        None => d,
    }
}

/// Links of one chain of operators, fields or clauses: each is a level of the typed tree. Unions and placements are
/// flat, and have no limit.
const MOST_LINKS: usize = 1000;
/// Parts that one type may have, and levels. Types grow from variable to variable, in width even twofold each time.
const MOST_PARTS: usize = 4000;
const MOST_LEVELS: usize = 64;

fn is_bounded(ty: &Type, levels: usize, parts: &mut usize) -> bool {
    if levels == 0 || *parts == 0 {
        return false;
    }
    *parts -= 1;
    match ty {
        Type::List(of) | Type::Optional(of) | Type::Map(of) => is_bounded(of, levels - 1, parts),
        Type::Record(fields) | Type::Table(fields) => fields.values().all(|t| is_bounded(t, levels - 1, parts)),
        _ => true,
    }
}

impl Checker<'_> {
    /// A type that was put together from others, or a report that it is too large to go on with.
    fn bounded(&mut self, ty: Type, span: Span) -> Type {
        if is_bounded(&ty, MOST_LEVELS, &mut MOST_PARTS.clone()) {
            return ty;
        }
        self.report(
            Diagnostic::new(&codes::TOO_LARGE, span, "the type of this is too large, or nested too deeply")
                .help("a value of type `Any` may hold anything: `let x: Any = ...`"),
        );
        Type::Error
    }
}

/// `an Int`, as messages speak of types.
fn a(ty: &Type) -> String {
    let text = ty.to_string();
    let article = if text.starts_with(['A', 'E', 'I', 'O', 'a', 'e', 'i', 'o']) { "an" } else { "a" };
    format!("{article} `{text}`")
}

fn name(text: &str) -> Name {
    Arc::from(text)
}

/// An operand as it is written, where it is short enough for a message.
fn source_form(e: &ast::Expr) -> String {
    match &e.kind {
        ast::ExprKind::Name(name) => name.to_string(),
        ast::ExprKind::Paren(inner) => source_form(inner),
        ast::ExprKind::Braces(items) => {
            let names: Option<Vec<String>> = items
                .iter()
                .map(|i| match i {
                    ast::Item::Element(e) => e.as_name().map(|n| n.text.to_string()),
                    _ => None,
                })
                .collect();
            names.map_or("S".to_string(), |names| format!("{{{}}}", names.join(", ")))
        }
        _ => "S".to_string(),
    }
}
