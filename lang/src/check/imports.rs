//! `import "file.edge"`: whoever reads files parses them first and hands them over; here they are put in order.
//!
//! An imported file declares (site, scope, let, fn, input, import), it does not act. Its names join those of the
//! program. Each file is taken in once.

use super::{Checker, Unused, codes};
use crate::diagnostic::Diagnostic;
use crate::program::Statement;
use crate::span::{FileId, Span};
use crate::syntax::ast::{self, StmtKind};

/// Parsed files, by the path as written and the file that says it.
pub trait Imports {
    fn open(&self, from: FileId, path: &str) -> Result<(FileId, &ast::Block), String>;
}

/// For programs that stand alone.
pub struct NoImports;

impl Imports for NoImports {
    fn open(&self, _: FileId, _: &str) -> Result<(FileId, &ast::Block), String> {
        Err("files cannot be imported here".to_string())
    }
}

/// The paths that a program imports, with their places, for whoever reads the files.
pub fn imports_of(program: &ast::Block) -> Vec<(String, Span)> {
    program
        .iter()
        .filter_map(|statement| match &statement.kind {
            StmtKind::Import(path) => Some((path.as_text()?.to_string(), path.span)),
            _ => None,
        })
        .collect()
}

impl Checker<'_> {
    pub(super) fn import(&mut self, path: &ast::Expr, out: &mut Vec<Statement>) {
        let Some(text) = path.as_text() else {
            if !matches!(path.kind, ast::ExprKind::Broken) {
                self.error(&codes::IMPORT_UNREADABLE, path.span, "the path of an import is a plain string");
            }
            return;
        };
        let imports = self.imports;
        let (file, program) = match imports.open(path.span.file, text) {
            Ok(found) => found,
            Err(why) => {
                let message = format!("`{text}` cannot be imported: {why}");
                self.error(&codes::IMPORT_UNREADABLE, path.span, message);
                return;
            }
        };
        if file == path.span.file || self.importing.contains(&file) {
            self.report(
                Diagnostic::new(
                    &codes::IMPORT_CYCLE,
                    path.span,
                    format!("`{text}` imports this file, so neither can be first"),
                )
                .help("move what both need to a third file"),
            );
            return;
        }
        if !self.state.imported.insert(file) {
            return;
        }
        self.importing.push(path.span.file);
        for statement in program {
            let declares = matches!(
                statement.kind,
                StmtKind::Let { .. }
                    | StmtKind::Site { .. }
                    | StmtKind::Scope { .. }
                    | StmtKind::Fn { .. }
                    | StmtKind::Input { .. }
                    | StmtKind::Import(_)
                    | StmtKind::Service(_)
                    | StmtKind::Broken(_)
            );
            if !declares {
                self.report(
                    Diagnostic::new(&codes::IMPORT_ACTS, statement.span, "an imported file declares, it does not act")
                        .other(path.span, "imported here")
                        .help("put this into a function, and call it from the program"),
                );
            }
        }
        self.file(program, Unused::Fine, out);
        self.importing.pop();
    }
}
