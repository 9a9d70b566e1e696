//! Somebody looks on while an entry runs: what statements give is shown as it comes, and the names of what the sites have
//! are remembered, for completion.

use crate::cli::arguments::Output;
use crate::cli::output;
use crate::cli::progress::Progress;
use crate::run::live::Onlooker;
use edge_lang::eval::{StepKind, Value};
use edge_lang::inventory::Inventory;
use edge_lang::program::{ExprKind, Statement, StatementKind};
use edge_lang::span::Span;
use edge_lang::types::Name;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Names by resource, of all sites.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<BTreeMap<Name, BTreeSet<Arc<str>>>>>);

/// Names of one resource that are remembered.
const MOST: usize = 10_000;

impl Seen {
    /// Takes in a handle, or the rows of a table of resources.
    pub fn take(&self, value: &Value) {
        match value {
            Value::Handle(handle) if !handle.pending => {
                if let Some(Value::String(name)) = handle.fields.get("name") {
                    self.add(&handle.resource, name);
                }
            }
            Value::Table(table) => {
                let Some(resource) = &table.resource else { return };
                let Some(column) = table.columns.iter().position(|c| &**c == "name") else { return };
                for row in &table.rows {
                    if let Some(Value::String(name)) = row.values.get(column) {
                        self.add(resource, name);
                    }
                }
            }
            _ => {}
        }
    }

    pub(super) fn add(&self, resource: &Name, name: &Arc<str>) {
        let mut all = self.lock();
        let names = all.entry(resource.clone()).or_default();
        if names.len() < MOST && !name.is_empty() {
            names.insert(name.clone());
        }
    }

    /// Those that begin with `prefix`, in order.
    pub fn names(&self, resource: &str, prefix: &str) -> Vec<Arc<str>> {
        let all = self.lock();
        let names = all.get(resource).into_iter().flatten();
        names.filter(|name| name.starts_with(prefix)).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, BTreeSet<Arc<str>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an entry gives, as it comes.
pub struct Watch {
    pub seen: Seen,
    pub progress: Arc<Progress>,
    pub inventory: Arc<Inventory>,
    /// Statements whose values were shown: an entry may be gone through again.
    shown: Mutex<HashSet<Span>>,
}

impl Watch {
    pub fn new(seen: Seen, progress: Arc<Progress>, inventory: Arc<Inventory>) -> Watch {
        Watch { seen, progress, inventory, shown: Mutex::default() }
    }
}

impl Onlooker for Watch {
    fn answered(&self, value: &Value) {
        self.seen.take(value);
    }

    fn gave(&self, statement: &Statement, value: &Value) {
        let first = self.shown.lock().unwrap_or_else(PoisonError::into_inner).insert(statement.span);
        if first && !told_by_summary(statement) {
            self.progress.aside(|| output::print(value, &self.inventory, Output::Table));
        }
    }
}

/// A change says itself what it made, and where; `it` has the fields.
pub fn told_by_summary(statement: &Statement) -> bool {
    let StatementKind::Expr(expr) = &statement.kind else { return false };
    matches!(&expr.kind, ExprKind::Operation(op) if op.kind != StepKind::Read)
}
