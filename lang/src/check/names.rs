//! The names of a program: which of them are visible, and which are never used.
//!
//! One table maps a name to all its meanings, innermost last, and leaving a block takes its meanings back; so a look-up
//! costs the same however many names and blocks there are.

use super::known::Known;
use super::{Checker, Mode, codes};
use crate::diagnostic::Diagnostic;
use crate::program::{FunctionId, Slot};
use crate::span::Span;
use crate::types::{Name, Type};
use std::collections::HashMap;

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    symbols: Vec<Symbol>,
    table: HashMap<Name, Vec<usize>>,
}

#[derive(Clone, Debug)]
pub(super) struct Symbol {
    pub name: Name,
    pub span: Span,
    pub kind: SymbolKind,
    /// How many functions are around it: 0 is the program's own frame.
    pub level: usize,
    pub used: bool,
}

#[derive(Clone, Debug)]
pub(super) enum SymbolKind {
    Variable { slot: Slot, ty: Type, known: Known, unused: Unused },
    Function(FunctionId),
}

/// Whether it is worth saying that a name is never used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unused {
    Warn,
    Fine,
}

impl Names {
    pub fn find(&self, name: &str) -> Option<&Symbol> {
        let at = self.table.get(name)?.last()?;
        self.symbols.get(*at)
    }

    /// The meaning that was declared at this place.
    pub fn declared_at(&self, name: &str, span: Span) -> Option<&Symbol> {
        self.table.get(name)?.iter().map(|at| &self.symbols[*at]).find(|s| s.span == span)
    }

    pub fn mark_used(&mut self, name: &str) {
        if let Some(at) = self.table.get(name).and_then(|all| all.last()) {
            self.symbols[*at].used = true;
        }
    }

    /// Where blocks begin: to be given to `leave`.
    pub fn mark(&self) -> usize {
        self.symbols.len()
    }

    pub fn add(&mut self, symbol: Symbol) {
        self.table.entry(symbol.name.clone()).or_default().push(self.symbols.len());
        self.symbols.push(symbol);
    }

    /// The symbol of this name that was added since `mark`.
    pub fn since(&self, mark: usize, name: &str) -> Option<&Symbol> {
        let at = *self.table.get(name)?.last()?;
        (at >= mark).then(|| &self.symbols[at])
    }

    pub fn from(&self, mark: usize) -> &[Symbol] {
        &self.symbols[mark..]
    }

    pub fn leave(&mut self, mark: usize) {
        for symbol in self.symbols.drain(mark..) {
            if let Some(all) = self.table.get_mut(&symbol.name) {
                all.pop();
                if all.is_empty() {
                    self.table.remove(&symbol.name);
                }
            }
        }
    }

    /// The names declared last, so many at most.
    pub fn latest(&self, most: usize) -> impl Iterator<Item = &str> {
        self.symbols.iter().rev().take(most).map(|s| &*s.name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Symbol> {
        self.symbols.iter()
    }
}

impl Checker<'_> {
    /// A new place in the frame that is being filled.
    pub(super) fn slot(&mut self) -> Slot {
        let slots = match self.functions.last_mut() {
            Some(frame) => &mut frame.slots,
            None => &mut self.state.slots,
        };
        *slots += 1;
        Slot(*slots - 1)
    }

    pub(super) fn declare(&mut self, name: &crate::syntax::ast::Name, ty: Type, known: Known, unused: Unused) -> Slot {
        let slot = self.slot();
        self.declare_at(name, slot, ty, known, unused);
        slot
    }

    pub(super) fn declare_at(
        &mut self,
        name: &crate::syntax::ast::Name,
        slot: Slot,
        ty: Type,
        known: Known,
        unused: Unused,
    ) {
        self.refuse_second(name);
        let unused = if name.text.starts_with('_') || self.mode == Mode::Session { Unused::Fine } else { unused };
        self.state.names.add(Symbol {
            name: name.text.clone(),
            span: name.span,
            kind: SymbolKind::Variable { slot, ty, known, unused },
            level: self.functions.len(),
            used: false,
        });
    }

    /// A block says a name once; an inner block may say it anew, and so may the next entry of a session.
    pub(super) fn refuse_second(&mut self, name: &crate::syntax::ast::Name) {
        let mark = self.state.block;
        if let Some(first) = self.state.names.since(mark, &name.text) {
            let (text, first) = (&name.text, first.span);
            self.state.names.mark_used(text);
            self.report(
                Diagnostic::new(&codes::DEFINED_TWICE, name.span, format!("`{text}` is defined twice"))
                    .other(first, "first here")
                    .help("give one of them another name"),
            );
        }
    }

    /// Runs `inside` with names of its own.
    pub(super) fn block_of_names<T>(&mut self, inside: impl FnOnce(&mut Self) -> T) -> T {
        let mark = self.state.names.mark();
        let outer = std::mem::replace(&mut self.state.block, mark);
        let result = inside(self);
        self.unused(mark);
        self.state.names.leave(mark);
        self.state.block = outer;
        result
    }

    pub(super) fn unused(&mut self, mark: usize) {
        for symbol in self.state.names.from(mark) {
            let SymbolKind::Variable { unused: Unused::Warn, .. } = symbol.kind else { continue };
            if !symbol.used {
                let text = &symbol.name;
                self.diagnostics.push(
                    Diagnostic::new(&codes::UNUSED, symbol.span, format!("`{text}` is never used"))
                        .help(format!("remove it, or call it `_{text}` to say that this is meant")),
                );
            }
        }
    }
}
