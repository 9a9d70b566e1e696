//! A session checks one entry after another against what the entries before it declared; an entry with errors leaves
//! nothing behind.

use super::known::{Known, KnownScope};
use super::names::{Names, Symbol, SymbolKind, Unused};
use super::{Checker, Imports, Mode, functions, run};
use crate::diagnostic::Diagnostic;
use crate::inventory::Inventory;
use crate::library::Library;
use crate::model::SiteSet;
use crate::program::{Function, FunctionId, Input, Program, Slot};
use crate::span::{FileId, Span};
use crate::syntax::ast;
use crate::types::{Name, Type};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What stays from one entry to the next.
#[derive(Clone)]
pub(super) struct State {
    pub inventory: Arc<Inventory>,
    pub names: Names,
    /// Where the names of the innermost block begin.
    pub block: usize,
    pub slots: u32,
    pub functions: Vec<Arc<Function>>,
    pub signatures: Vec<functions::Signature>,
    /// Of the entry that is being checked.
    pub inputs: Vec<Input>,
    pub imported: HashSet<FileId>,
    /// The sites that the script itself declares.
    pub declared_sites: HashMap<Name, Span>,
    /// Those of earlier entries, each of which this one may describe anew, once.
    pub earlier_sites: HashSet<Name>,
    /// Sites that the program speaks of by name.
    pub named_sites: SiteSet,
    /// Some operation of the entry, or of a function that it calls, is more than a read.
    pub changes: bool,
    /// The functions of earlier entries whose calls may change something.
    pub changing: HashSet<FunctionId>,
    /// Those of the library that the program uses.
    pub library_functions: HashMap<Name, FunctionId>,
    /// The sticky scope of a session; empty for a file.
    pub scope: Arc<KnownScope>,
}

impl State {
    pub fn new(inventory: Arc<Inventory>) -> State {
        State {
            inventory,
            names: Names::default(),
            block: 0,
            slots: 0,
            functions: Vec::new(),
            signatures: Vec::new(),
            inputs: Vec::new(),
            imported: HashSet::new(),
            declared_sites: HashMap::new(),
            earlier_sites: HashSet::new(),
            named_sites: SiteSet::new(),
            changes: false,
            changing: HashSet::new(),
            library_functions: HashMap::new(),
            scope: Arc::default(),
        }
    }
}

#[derive(Clone)]
pub struct Session {
    state: State,
}

/// What could stand at a place in an entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Completion {
    pub text: String,
    pub kind: CompletionKind,
    /// Its type or signature, for display.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CompletionKind {
    Variable,
    Function,
    Site,
    Set,
    Resource,
    Operation,
    Parameter,
    Field,
    Service,
    Word,
}

impl Session {
    pub fn new(inventory: &Inventory) -> Session {
        Session { state: State::new(Arc::new(inventory.clone())) }
    }

    /// Checks one entry. Its program has the functions of all entries so far, and runs in the frame that the entries
    /// before it left. Without errors its names stay.
    pub fn check(
        &mut self,
        entry: &ast::Block,
        imports: &dyn Imports,
        library: &Library,
    ) -> (Program, Vec<Diagnostic>) {
        let mut state = self.state.clone();
        state.block = state.names.mark();
        state.changes = false;
        state.earlier_sites = state.declared_sites.keys().cloned().collect();
        let earlier = state.functions.len();
        let (program, diagnostics) = run(&mut state, entry, imports, library, Mode::Session);
        if state.changes {
            state.changing.extend((earlier..state.functions.len()).map(|id| FunctionId(id as u32)));
        }
        if !diagnostics.iter().any(Diagnostic::is_error) {
            self.state = state;
        }
        (program, diagnostics)
    }

    /// The inventory with the sites that entries declared.
    pub fn inventory(&self) -> &Arc<Inventory> {
        &self.state.inventory
    }

    /// Sets the scope around the entries that follow, from an expression such as `{ compute: Zone1 }` or `local`. Gives
    /// the statements' scope as the program that computes it, which the caller keeps around the entries' programs.
    pub fn set_scope(
        &mut self,
        scope: &ast::Expr,
        imports: &dyn Imports,
        library: &Library,
    ) -> (Option<crate::program::Expr>, Vec<Diagnostic>) {
        let mut state = self.state.clone();
        state.scope = Arc::default();
        let mut checker = Checker::new(&mut state, imports, library, Mode::Session);
        let (typed, known) = checker.scope_around(scope);
        let diagnostics = checker.diagnostics;
        if diagnostics.iter().any(Diagnostic::is_error) {
            return (None, diagnostics);
        }
        state.scope = Arc::<KnownScope>::default().merge(&known);
        self.state = state;
        (Some(typed), diagnostics)
    }

    /// Takes the sticky scope away.
    pub fn clear_scope(&mut self) {
        self.state.scope = Arc::default();
    }

    /// Gives a value that no entry named a name for the entries that follow; it is theirs once it stands in the slot.
    pub fn remember(&mut self, name: &str, ty: Type, span: Span) -> Slot {
        let slot = Slot(self.state.slots);
        self.state.slots += 1;
        let kind = SymbolKind::Variable { slot, ty, known: Known::Nothing, unused: Unused::Fine };
        self.state.names.add(Symbol { name: name.into(), span, kind, level: 0, used: false });
        slot
    }

    /// The variables and functions declared so far, with their types.
    pub fn names(&self) -> Vec<(Name, String)> {
        let mut all: Vec<(Name, String)> = Vec::new();
        for symbol in self.state.names.iter() {
            let detail = match &symbol.kind {
                SymbolKind::Variable { ty, .. } => ty.to_string(),
                SymbolKind::Function(id) => self.state.signatures[id.0 as usize].to_string(),
            };
            all.retain(|(name, _)| *name != symbol.name);
            all.push((symbol.name.clone(), detail));
        }
        all
    }

    /// The type of a variable.
    pub fn type_of(&self, name: &str) -> Option<&Type> {
        match &self.state.names.find(name)?.kind {
            SymbolKind::Variable { ty, .. } => Some(ty),
            SymbolKind::Function(_) => None,
        }
    }

    /// What could stand at byte `offset` of `text`, those that begin with what is written there.
    pub fn completions(&self, library: &Library, text: &str, offset: usize) -> Vec<Completion> {
        super::complete::completions(&self.state, library, text, offset)
    }

    /// The resource that is named by the argument in which a text stops: in `server.create("vm", image: "ci`, `image`.
    pub fn resource_at(&self, library: &Library, text: &str) -> Option<Name> {
        super::complete::resource_at(library, text)
    }
}
