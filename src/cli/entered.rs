//! An entry of a prompt, as the journal keeps it: the entries before it are checked again, in order, so that its names
//! mean what they meant; what those were is kept. Nothing of the earlier entries is run again.

use super::load::{Files, Trouble};
use super::recorded::unwritable;
use crate::run::journal::{Before, Entered, Store, hash};
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
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The name of the last value.
pub const LAST: &str = "it";

/// A value of more text than this is not kept.
const MOST: usize = 1 << 20;

/// What an entry is run among.
#[derive(Clone, Copy)]
pub struct Among<'a> {
    pub entry: FileId,
    pub before: &'a [Before],
    pub described: &'a [FileId],
    pub frame: &'a Frame,
    pub scope: &'a Scope,
}

/// What stands in a slot.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kept {
    Nothing,
    Value(Plain),
    /// It was not kept: known only later, or too large.
    Lost,
}

impl Kept {
    fn of(slot: &Option<Value>) -> Kept {
        let Some(value) = slot else { return Kept::Nothing };
        let small = |plain: &Plain| serde_json::to_string(plain).is_ok_and(|text| text.len() <= MOST);
        Plain::of(value).filter(small).map_or(Kept::Lost, Kept::Value)
    }

    fn value(&self) -> Result<Option<Value>, String> {
        Ok(match self {
            Kept::Nothing => None,
            Kept::Value(plain) => Some(plain.value()?),
            Kept::Lost => {
                let what = "the value of an earlier entry of the prompt, which was not kept".to_string();
                Some(Value::Unknown(Arc::new(Unknown { ty: Type::Any, what })))
            }
        })
    }
}

/// As the journal has it; what belongs to it is added to `texts`.
pub fn keep(among: &Among<'_>, of_library: &[FileId], texts: &mut Vec<String>) -> Result<Entered, Trouble> {
    let numbers = |files: &[FileId]| files.iter().map(|file| file.0).collect();
    let frame: Vec<Kept> = among.frame.iter().map(Kept::of).collect();
    let frame = serde_json::to_string(&frame).map_err(|e| unwritable(&e))?;
    let scope = serde_json::to_string(among.scope).map_err(|e| unwritable(&e))?;
    let entered = Entered {
        entry: among.entry.0,
        before: among.before.to_vec(),
        library: numbers(of_library),
        described: numbers(among.described),
        frame: hash(&frame),
        scope: hash(&scope),
    };
    texts.extend([frame, scope]);
    Ok(entered)
}

/// Names, values and scope, as they were.
pub fn given(entered: &Entered, store: &Store) -> Result<Given, Trouble> {
    let text = |hash: &str| store.text(hash).map_err(|fault| Trouble::new(fault.message));
    let unreadable = |why: String| Trouble::new(format!("what came before it cannot be read from the journal: {why}"));
    let frame: Vec<Kept> = serde_json::from_str(&text(&entered.frame)?).map_err(|e| unreadable(e.to_string()))?;
    let frame = frame.iter().map(Kept::value).collect::<Result<_, _>>().map_err(unreadable)?;
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
