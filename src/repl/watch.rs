//! The host of an entry, with somebody looking on: what statements give is shown as it comes, and the names of what the
//! sites have are remembered, for completion. Everything else is the host's.

use edge_lang::eval::{Failure, Host, Key, Place, Secret, Step, Unknown, Value};
use edge_lang::inventory::Inventory;
use edge_lang::program::Statement;
use edge_lang::span::Span;
use edge_lang::types::Name;
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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

pub struct Watched<'a> {
    pub host: &'a dyn Host,
    pub seen: &'a Seen,
    /// Shows what a statement gave that is not the last.
    pub show: &'a (dyn Fn(&Statement, &Value) + Send + Sync),
}

impl Host for Watched<'_> {
    fn inventory(&self) -> &Inventory {
        self.host.inventory()
    }

    fn perform(&self, step: Step) -> BoxFuture<'_, Result<Value, Failure>> {
        Box::pin(async move {
            let value = self.host.perform(step).await?;
            self.seen.take(&value);
            Ok(value)
        })
    }

    fn gave(&self, statement: &Statement, value: &Value) {
        (self.show)(statement, value);
    }

    fn refresh(&self, value: Value, key: Key) -> BoxFuture<'_, Result<Value, Failure>> {
        self.host.refresh(value, key)
    }

    fn later(&self, step: Step, placement: &Unknown) {
        self.host.later(step, placement);
    }

    fn undo(&self, steps: Vec<Key>) -> BoxFuture<'_, Result<String, Failure>> {
        self.host.undo(steps)
    }

    fn print(&self, text: &str, span: Span, place: &Place) {
        self.host.print(text, span, place);
    }

    fn note(&self, text: &str, span: Span, place: &Place) {
        self.host.note(text, span, place);
    }

    fn file(&self, path: &str, span: Span) -> Result<Arc<str>, Failure> {
        self.host.file(path, span)
    }

    fn read(&self, path: &str, span: Span) -> Result<Arc<str>, Failure> {
        self.host.read(path, span)
    }

    fn documents(&self, text: &str, span: Span) -> Result<Vec<Value>, Failure> {
        self.host.documents(text, span)
    }

    fn secret(&self, name: &str, span: Span) -> Result<Secret, Failure> {
        self.host.secret(name, span)
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        self.host.sleep(time)
    }

    fn elapsed(&self) -> Duration {
        self.host.elapsed()
    }

    fn planning(&self) -> bool {
        self.host.planning()
    }
}
