//! An entry of a prompt, as the journal keeps it: the entries before it are checked again, in order, so that its names
//! mean what they meant; what those were is kept. Nothing of the earlier entries is run again.

use super::load::{Files, Trouble};
use super::recorded::unwritable;
use crate::run::journal::{Before, Entered, Slot, Store, hash};
use edge_lang::check::{Checked, Session};
use edge_lang::diagnostic::Diagnostic;
use edge_lang::eval::{Frame, Given, Plain, Scope, Unknown, Value};
use edge_lang::inventory::Inventory;
use edge_lang::library::Library;
use edge_lang::program::{Program, StatementKind};
use edge_lang::span::{FileId, Sources};
use edge_lang::syntax::ast::{Block, Expr, StmtKind};
use edge_lang::syntax::parse;
use edge_lang::types::Type;
use std::collections::HashSet;
use std::sync::Arc;

/// The name of the last value.
pub const LAST: &str = "it";

/// Values of more text than this are kept apart, once for all entries that see them.
const LARGE: usize = 1 << 10;
/// A value of more is not kept.
const MOST: usize = 1 << 20;
/// Nor are the oldest, where all of them are more.
const MOST_IN_ALL: usize = 8 << 20;

/// What an entry is run among.
#[derive(Clone, Copy)]
pub struct Among<'a> {
    pub entry: FileId,
    pub before: &'a [Before],
    pub described: &'a [FileId],
    pub frame: &'a Frame,
    pub scope: &'a Scope,
}

/// The values, the newest first as far as there is room; large ones are added to `texts`.
fn keep_frame(frame: &Frame, texts: &mut Vec<String>) -> Vec<Slot> {
    let mut room = MOST_IN_ALL;
    let mut keep = |value: &Value| -> Option<Slot> {
        let plain = Plain::of(value)?;
        let text = serde_json::to_string(&plain).ok().filter(|text| text.len() <= MOST.min(room))?;
        room -= text.len();
        if text.len() <= LARGE {
            return Some(Slot::Value(plain));
        }
        let slot = Slot::Text(hash(&text));
        texts.push(text);
        Some(slot)
    };
    let newest_first = frame.iter().rev();
    let mut slots: Vec<Slot> =
        newest_first.map(|slot| slot.as_ref().map_or(Slot::Empty, |value| keep(value).unwrap_or(Slot::Lost))).collect();
    slots.reverse();
    slots
}

/// As the journal has it; what belongs to it is added to `texts`.
pub fn keep(among: &Among<'_>, of_library: &[FileId], texts: &mut Vec<String>) -> Result<Entered, Trouble> {
    let numbers = |files: &[FileId]| files.iter().map(|file| file.0).collect();
    let frame = keep_frame(among.frame, texts);
    let scope = serde_json::to_string(among.scope).map_err(|e| unwritable(&e))?;
    let entered = Entered {
        entry: among.entry.0,
        before: among.before.to_vec(),
        library: numbers(of_library),
        described: numbers(among.described),
        frame,
        scope: hash(&scope),
    };
    texts.push(scope);
    Ok(entered)
}

/// The texts without which it cannot be checked again. No others are kept: what was refused may be a password.
pub fn needed(among: &Among<'_>, of_library: &[FileId], imports: &[(u32, String, u32)]) -> HashSet<FileId> {
    let said = among.before.iter().filter_map(|before| match before {
        Before::Entry { text, .. } | Before::Scope { text } => Some(FileId(*text)),
        Before::NoScope => None,
    });
    let imported = imports.iter().map(|(_, _, to)| FileId(*to));
    said.chain(imported)
        .chain([among.entry])
        .chain([of_library, among.described].into_iter().flatten().copied())
        .collect()
}

/// Names, values and scope, as they were.
pub fn given(entered: &Entered, store: &Store) -> Result<Given, Trouble> {
    let text = |hash: &str| store.text(hash).map_err(|fault| Trouble::new(fault.message));
    let unreadable = |why: String| Trouble::new(format!("what came before it cannot be read from the journal: {why}"));
    let value = |slot: &Slot| -> Result<Option<Value>, Trouble> {
        let plain = match slot {
            Slot::Empty => return Ok(None),
            Slot::Value(plain) => plain.value(),
            Slot::Text(hash) => {
                serde_json::from_str::<Plain>(&text(hash)?).map_err(|e| e.to_string()).and_then(|p| p.value())
            }
            Slot::Lost => {
                let what = "the value of an earlier entry of the prompt, which was not kept".to_string();
                Ok(Value::Unknown(Arc::new(Unknown { ty: Type::Any, what })))
            }
        };
        plain.map(Some).map_err(unreadable)
    };
    let frame = entered.frame.iter().map(value).collect::<Result<_, _>>()?;
    let scope = serde_json::from_str(&text(&entered.scope)?).map_err(|e| unreadable(e.to_string()))?;
    Ok(Given { frame, scope, ..Given::default() })
}

/// Checks the entry among those before it.
pub fn check(
    entered: &Entered,
    entry: &Block,
    sources: &Sources,
    files: &Files,
    library: &Library,
    inventory: &Inventory,
) -> Result<Checked, Trouble> {
    let mut session = Session::new(inventory);
    for before in &entered.before {
        let found = match before {
            Before::NoScope => {
                session.clear_scope();
                continue;
            }
            Before::Scope { text } => match the_expression(&tree(sources, *text)) {
                Some(scope) => session.set_scope(scope, files, library).1,
                None => return Err(lost()),
            },
            Before::Entry { text, gave } => {
                let (program, found) = session.check(&tree(sources, *text), files, library);
                if *gave {
                    remember(&mut session, &program);
                }
                found
            }
        };
        if found.iter().any(Diagnostic::is_error) {
            return Err(lost());
        }
    }
    let (program, diagnostics) = session.check(entry, files, library);
    Ok(Checked { program, inventory: session.inventory().clone(), diagnostics })
}

/// The value of an entry is `it` in those that follow: its slot.
pub fn remember(session: &mut Session, program: &Program) -> Option<usize> {
    let Some(StatementKind::Expr(expr)) = program.body.last().map(|s| &s.kind) else { return None };
    Some(session.remember(LAST, expr.ty.clone(), expr.span).0 as usize)
}

fn tree(sources: &Sources, text: u32) -> Block {
    let file = FileId(text);
    parse(file, sources.get(file).map_or("", |s| &s.text)).program
}

fn the_expression(program: &Block) -> Option<&Expr> {
    match &program[..] {
        [statement] => match &statement.kind {
            StmtKind::Expr(expr) => Some(expr),
            _ => None,
        },
        _ => None,
    }
}

fn lost() -> Trouble {
    Trouble::new("what was said at the prompt before it is not accepted by this edge any more")
        .help("resume it with the edge that started it; `edge show` says what is there, and what is owed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_as_far_as_there_is_room_the_newest_first() {
        let text = |length: usize| Some(Value::String("x".repeat(length).into()));
        let mut texts = Vec::new();
        let frame = vec![text(3), None, text(LARGE), text(MOST)];
        let slots = keep_frame(&frame, &mut texts);
        let large = Slot::Text(hash(&texts[0]));
        assert_eq!(slots, [Slot::Value(Plain::Text("xxx".into())), Slot::Empty, large, Slot::Lost]);
        let many: Frame = std::iter::repeat_n(text(MOST - 100), 10).collect();
        let slots = keep_frame(&many, &mut Vec::new());
        let lost = slots.iter().take_while(|slot| **slot == Slot::Lost).count();
        assert_eq!(lost, 2, "{slots:?}");
    }
}
