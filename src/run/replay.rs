//! What an earlier runner of the run learned and said, while the program is gone through again: answers come from the
//! journal first, then from the sites; what was printed is not printed again, and what was waited for not waited for.

use super::journal::Entry;
use super::{Run, codes};
use edge_lang::eval::{Failure, FailureKind, Kept, Key, Value};
use edge_lang::span::Span;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};

pub struct Replay {
    run: Arc<Run>,
    /// Answers that were asked for again.
    used: Mutex<HashSet<Key>>,
}

impl Replay {
    pub fn of(run: Arc<Run>) -> Replay {
        Replay { run, used: Mutex::default() }
    }

    fn used(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.used.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn answer(&self, key: &Key, span: Span) -> Option<Result<Value, Failure>> {
        let kept = self.run.past.answers.get(key)?;
        self.used().insert(key.clone());
        Some(kept.answer().unwrap_or_else(|why| {
            Err(Failure::new(&codes::JOURNAL, span, format!("the journal cannot be read: {why}")))
        }))
    }

    /// Remembers an answer by which the program goes on.
    pub fn note(&self, key: &Key, result: &Result<Value, Failure>) {
        if let Some(answer) = Kept::of(result) {
            self.run.journal.note(Entry::Answer { key: key.clone(), answer });
        }
    }

    /// Some answers have not been asked for yet.
    pub fn is_under_way(&self) -> bool {
        self.used().len() < self.run.past.answers.len()
    }

    /// Whether it is to be printed now.
    pub fn prints(&self, span: Span, order: &[u32]) -> bool {
        let printed = self.run.past.printed.contains(&(span, order.to_vec()));
        if !printed {
            self.run.journal.note(Entry::Printed { span, order: order.to_vec() });
        }
        !printed
    }

    /// A resumed run uses the files that it was started with.
    pub fn same_file(&self, path: &str, seen: String, span: Span) -> Result<(), Failure> {
        match self.run.past.files.get(path) {
            Some(before) if *before == seen => Ok(()),
            Some(_) => Err(Failure::new(&codes::NO_FILE, span, format!("file `{path}` has changed since the run began"))
                .kind(FailureKind::Owed)
                .help("a run goes on with the files that it was started with: put that one back, or take the run back with `edge undo`")),
            None => {
                self.run.journal.note(Entry::File { path: path.to_string(), seen });
                Ok(())
            }
        }
    }
}
