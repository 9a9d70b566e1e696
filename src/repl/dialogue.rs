//! What stays between entries: names and their values, sites and their sessions, the sticky scope; and how an entry is
//! checked against it. An entry that is wrong, or refused by the user, leaves nothing behind.

use super::interrupt::Interrupts;
use super::watch::Seen;
use crate::cli::Status;
use crate::cli::draw;
use crate::cli::entered::Among;
use crate::cli::keeping::Keeping;
use crate::cli::load::{Files, Places, Text, Trouble, Workplace};
use crate::cli::recorded::{self, Start};
use crate::cli::sessions::Opener;
use crate::run::journal::{Before as Earlier, Store};
use crate::run::seen::Seen as LastSeen;
use crate::sim::World;
use crate::stdlib;
use edge_lang::check::Session;
use edge_lang::diagnostic::Diagnostic;
use edge_lang::eval::{Frame, Scope, Value};
use edge_lang::inventory::Inventory;
use edge_lang::library::Library;
use edge_lang::plan::Plan;
use edge_lang::program::Program;
use edge_lang::span::{FileId, Sources};
use edge_lang::syntax::ast::{self, StmtKind};
use edge_lang::syntax::{lex, parse};
use edge_lang::types::Name;
use indexmap::IndexMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Runtime;

pub struct Dialogue {
    pub(super) workplace: Arc<Workplace>,
    pub places: Places,
    pub library: Arc<Library>,
    pub session: Session,
    pub scope: Option<Sticky>,
    /// Do what a plan shows without asking.
    pub auto: bool,
    pub interactive: bool,
    /// The user has stopped a statement.
    pub stopped: bool,
    pub(super) sources: Sources,
    pub(super) frame: Frame,
    /// Of the last entry: it has the functions of all.
    pub(super) program: Arc<Program>,
    pub(super) runtime: Runtime,
    pub(super) world: Option<World>,
    pub(super) opener: Arc<Opener>,
    /// What sites were seen to have, also by earlier processes.
    pub(super) last_seen: Option<Arc<LastSeen>>,
    pub(super) interrupts: Interrupts,
    pub(super) said: Vec<Said>,
    /// Names of what the sites have.
    pub(super) seen: Seen,
    /// The texts that describe services, by path or name; one that is read again replaces what it said before.
    described: Vec<(PathBuf, FileId)>,
    /// Those of the library that comes with edge.
    of_library: Vec<FileId>,
    /// What was said and still matters to what names mean, in order, and what it imported: for the journal.
    pub(super) earlier: Vec<Earlier>,
    imports: Vec<(u32, String, u32)>,
    entries: usize,
}

/// Whether a text can only go on with something before it: `@ Zone1`.
fn goes_on(file: FileId, text: &str) -> bool {
    lex(file, text).tokens.first().is_some_and(|token| token.tok.continues() && !token.tok.opens())
}

/// An entry in one short line, for lists of runs.
fn title(text: &str) -> String {
    const LONGEST: usize = 60;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// The scope around all entries.
#[derive(Clone)]
pub struct Sticky {
    pub text: String,
    pub value: Scope,
}

/// An entry that was done, for `:save`.
pub struct Said {
    pub text: String,
    pub scope: Option<String>,
    pub declares: bool,
    pub changes: bool,
    /// Its value became `it`.
    pub gave: bool,
}

/// An entry that may be run.
pub struct Entry {
    pub program: Arc<Program>,
    pub base: PathBuf,
    pub declares: bool,
    pub(super) file: FileId,
    pub(super) imports: Vec<(u32, String, u32)>,
    pub(super) before: Before,
}

/// What an entry is taken back to.
#[derive(Clone)]
pub struct Before {
    session: Session,
    library: Arc<Library>,
    described: Vec<(PathBuf, FileId)>,
}

impl Before {
    pub fn inventory(&self) -> &Arc<Inventory> {
        self.session.inventory()
    }
}

impl Dialogue {
    pub fn new(
        workplace: Arc<Workplace>,
        places: Places,
        runtime: Runtime,
        interrupts: Interrupts,
        interactive: bool,
    ) -> Result<Dialogue, Trouble> {
        let mut sources = Sources::default();
        let mut files = Files::default();
        files.library(&mut sources, &places.sites)?;
        let of_library = stdlib::add(&mut sources, stdlib::TEXTS.iter().copied());
        let (library, mut diagnostics) = stdlib::compile(&sources, &of_library, &files.read_files());
        diagnostics.append(&mut files.diagnostics);
        draw::each(&sources, &diagnostics);
        let mut inventory = places.sites.inventory.clone();
        library.complete(&mut inventory);
        let inventory = Arc::new(inventory);
        // The clock of the simulated sites is the runtime's.
        let world = runtime.block_on(async { places.world(&inventory) });
        Ok(Dialogue {
            opener: Arc::new(places.opener(&inventory, world.as_ref())),
            last_seen: recorded::seen(&workplace),
            session: Session::new(&inventory),
            library: Arc::new(library),
            program: Arc::default(),
            frame: Frame::new(),
            scope: None,
            auto: false,
            stopped: false,
            said: Vec::new(),
            seen: Seen::default(),
            described: files.paths().map(|(path, file)| (path.to_path_buf(), file)).collect(),
            imports: files.imports(),
            earlier: Vec::new(),
            of_library,
            entries: 0,
            workplace,
            places,
            interactive,
            sources,
            runtime,
            world,
            interrupts,
        })
    }

    pub fn inventory(&self) -> &Arc<Inventory> {
        self.session.inventory()
    }

    /// What is typed, as a text beside the working directory.
    pub fn typed(&mut self, text: &str) -> Text {
        self.entries += 1;
        let base = self.places.environment.working_directory.clone();
        Text { name: format!("entry {}", self.entries), base, text: text.to_string() }
    }

    pub fn before(&self) -> Before {
        Before { session: self.session.clone(), library: self.library.clone(), described: self.described.clone() }
    }

    pub fn go_back(&mut self, before: Before) {
        self.session = before.session;
        self.library = before.library;
        self.described = before.described;
    }

    /// Parses and checks an entry; what is wrong is drawn, and nothing of it stays then. `shape` may change the tree.
    pub fn check(
        &mut self,
        text: &Text,
        shape: impl FnOnce(ast::Block) -> Result<ast::Block, Trouble>,
    ) -> Option<Entry> {
        let before = self.before();
        let file = self.sources.add(text.name.as_str(), text.text.as_str());
        let parsed = parse(file, &text.text);
        let mut diagnostics = parsed.diagnostics;
        let broken = !diagnostics.is_empty();
        let program = match shape(parsed.program) {
            Ok(program) => program,
            Err(_) if broken => Vec::new(),
            Err(trouble) => {
                trouble.print();
                return None;
            }
        };
        let mut files = Files::default();
        files.take_in(&mut self.sources, file, &text.base, &program);
        diagnostics.append(&mut files.diagnostics);
        diagnostics.extend(self.describe(text, file, &files, &program));
        let (typed, found) = self.session.check(&program, &files, &self.library);
        diagnostics.extend(found);
        self.draw(&diagnostics);
        if diagnostics.iter().any(Diagnostic::is_error) {
            if goes_on(file, &text.text) && self.interactive {
                anstream::eprintln!(
                    "help: the entry before ended with its line; Alt-Enter begins a new line within one"
                );
            }
            self.go_back(before);
            return None;
        }
        let declares = |s: &ast::Stmt| {
            matches!(
                s.kind,
                StmtKind::Let { .. }
                    | StmtKind::Site { .. }
                    | StmtKind::Scope { .. }
                    | StmtKind::Fn { .. }
                    | StmtKind::Import(_)
                    | StmtKind::Input { .. }
                    | StmtKind::Service(_)
            )
        };
        let declares = program.iter().any(declares);
        let imports = files.imports();
        Some(Entry { program: Arc::new(typed), base: text.base.clone(), declares, file, imports, before })
    }

    /// Takes the services into the library that an entry describes, or a file that it imports.
    fn describe(&mut self, text: &Text, file: FileId, files: &Files, program: &ast::Block) -> Vec<Diagnostic> {
        let mut read: Vec<(PathBuf, FileId)> = files.paths().map(|(path, file)| (path.to_path_buf(), file)).collect();
        read.sort_by_key(|(_, file)| *file);
        if program.iter().any(|s| matches!(s.kind, StmtKind::Service(_))) {
            let name = Path::new(&text.name).file_name().map(|name| text.base.join(name));
            let path = name.and_then(|path| path.canonicalize().ok()).unwrap_or_else(|| text.name.as_str().into());
            read.push((path, file));
        }
        if read.is_empty() {
            return Vec::new();
        }
        for (path, file) in read {
            match self.described.iter_mut().find(|(known, _)| *known == path) {
                Some((_, before)) => *before = file,
                None => self.described.push((path, file)),
            }
        }
        let (library, diagnostics) = stdlib::compile(&self.sources, &self.of_library, &self.described_texts());
        self.library = Arc::new(library);
        diagnostics
    }

    fn described_texts(&self) -> Vec<FileId> {
        self.described.iter().map(|(_, file)| *file).collect()
    }

    /// An entry was run: its names stay.
    pub(super) fn stays(&mut self, file: FileId, imports: Vec<(u32, String, u32)>, gave: bool) {
        self.imports.extend(imports);
        self.earlier.push(Earlier::Entry { text: file.0, gave });
    }

    /// The journal of an entry, begun, where changes are kept: there is the plan, and somebody has agreed.
    pub(super) fn keep(
        &self,
        store: Store,
        entry: &Entry,
        inputs: &IndexMap<Name, Value>,
        plan: &Plan,
    ) -> Result<Keeping, Trouble> {
        let described = self.described_texts();
        let imports: Vec<_> = self.imports.iter().chain(&entry.imports).cloned().collect();
        let around = self.around();
        let among = Among {
            entry: entry.file,
            before: &self.earlier,
            described: &described,
            frame: &self.frame,
            scope: &around,
        };
        let text = self.sources.get(entry.file).map_or("", |s| s.text.trim());
        let start = Start {
            title: &title(text),
            sources: &self.sources,
            imports: &imports,
            base: &entry.base,
            places: &self.places,
            program: &entry.program,
            inventory: self.inventory(),
            of_library: &self.of_library,
            among: Some(among),
        };
        Keeping::begin(store, &start, inputs, Some(plan))
    }

    /// Sets the scope of the entries that follow.
    pub fn set_scope(&mut self, text: &Text) -> Status {
        let file = self.sources.add(text.name.as_str(), text.text.as_str());
        let parsed = parse(file, &text.text);
        self.draw(&parsed.diagnostics);
        let expr = match &parsed.program[..] {
            _ if !parsed.diagnostics.is_empty() => return Status::Wrong,
            [ast::Stmt { kind: StmtKind::Expr(expr), .. }] => expr,
            _ => {
                Trouble::new("a scope is one expression")
                    .help("such as `{ compute: Zone1, image: Zone2 }`, a placement, or the name of a `scope`")
                    .print();
                return Status::Wrong;
            }
        };
        let before = self.before();
        let (typed, diagnostics) = self.session.set_scope(expr, &Files::default(), &self.library);
        self.draw(&diagnostics);
        let Some(typed) = typed else { return Status::Wrong };
        match self.scope_value(&typed, &text.base) {
            Ok(value) => {
                let text = text.text.split_whitespace().collect::<Vec<_>>().join(" ");
                self.scope = Some(Sticky { text, value });
                self.earlier.push(Earlier::Scope { text: file.0 });
                Status::Done
            }
            Err(status) => {
                self.go_back(before);
                status
            }
        }
    }

    pub fn clear_scope(&mut self) {
        self.session.clear_scope();
        self.scope = None;
        self.earlier.push(Earlier::NoScope);
    }

    pub fn draw(&self, diagnostics: &[Diagnostic]) {
        draw::each(&self.sources, diagnostics);
    }
}
