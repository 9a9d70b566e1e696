//! From a command line to a checked program and the sites that it may use: texts, library, inventory, simulated or real.

use super::arguments::{self, Arguments};
use super::sessions::Opener;
use super::{Status, draw};
use crate::config::{self, Clouds, Environment, Problem};
use crate::sim::{AccountSpec, Scenario, SiteSpec, Stack, World};
use crate::stdlib;
use edge_lang::check::{Checked, Imports, check, codes, imports_of};
use edge_lang::diagnostic::Diagnostic;
use edge_lang::inventory::{Inventory, Site};
use edge_lang::library::Library;
use edge_lang::span::{FileId, Sources};
use edge_lang::syntax::{self, ast};
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a command runs: configuration, and whether the sites are simulated.
pub struct Workplace {
    pub environment: Environment,
    inventory_file: Option<PathBuf>,
    sim: Option<String>,
    state: Option<PathBuf>,
}

/// A program as it was read.
#[derive(Clone, Debug)]
pub struct Text {
    pub name: String,
    /// The files that it names are beside it.
    pub base: PathBuf,
    pub text: String,
}

/// What keeps a command from beginning.
#[derive(Debug)]
pub struct Trouble {
    pub message: String,
    pub help: Option<String>,
}

impl Trouble {
    pub fn new(message: impl Into<String>) -> Trouble {
        Trouble { message: message.into(), help: None }
    }

    pub fn help(mut self, text: impl Into<String>) -> Trouble {
        self.help = Some(text.into());
        self
    }

    pub fn print(&self) {
        anstream::eprintln!("error: {}", self.message);
        if let Some(help) = &self.help {
            anstream::eprintln!("help: {help}");
        }
    }
}

pub struct Loaded {
    pub sources: Sources,
    pub library: Arc<Library>,
    pub checked: Checked,
    pub base: PathBuf,
    pub places: Places,
    /// Which import leads to which file.
    pub imports: Vec<(u32, String, u32)>,
    /// The texts of the library that came with edge, behind all others.
    pub of_library: Vec<FileId>,
}

/// The sites of a command: what is known of them, and how they are reached.
pub struct Places {
    pub sites: Arc<config::Sites>,
    pub clouds: Arc<Clouds>,
    pub environment: Environment,
    sim: Option<Scenario>,
}

impl Loaded {
    pub fn has_errors(&self) -> bool {
        self.checked.has_errors()
    }

    /// The problems of the program on standard error; whether it may run.
    pub fn report(&self) -> Result<(), Status> {
        draw::diagnostics(&self.sources, &self.checked.diagnostics);
        if self.has_errors() { Err(Status::Wrong) } else { Ok(()) }
    }
}

impl Places {
    /// Whether time is virtual: nothing real is waited for.
    pub fn simulated(&self) -> bool {
        self.sim.is_some()
    }

    /// The simulated sites of a run, with those that the program itself declares; `None` for real ones.
    pub fn world(&self, inventory: &Inventory) -> Option<World> {
        let mut scenario = self.sim.clone()?;
        for (name, stack) in simulable(inventory) {
            let spec = scenario.sites.entry(name.clone()).or_insert_with(|| SiteSpec::of(stack));
            let Some(site) = inventory.id(&name).and_then(|id| inventory.get(id)) else { continue };
            // Further accounts of edge.yaml are users there, in the project of the first.
            for name in site.accounts.keys() {
                if spec.accounts.iter().any(|a| *a.user == **name) {
                    continue;
                }
                let like = spec.accounts.first().cloned().unwrap_or_default();
                spec.accounts.push(AccountSpec { user: name.to_string(), password: None, ..like });
            }
        }
        Some(World::new(scenario))
    }

    /// The simulated sites that an entry of a prompt has declared join those of the session.
    pub fn grow(&self, world: &World, inventory: &Inventory) {
        for (name, stack) in simulable(inventory) {
            world.add(&name, SiteSpec::of(stack));
        }
    }

    /// The sites of a run as they were when it began; how they are reached is as configured now.
    pub fn with_inventory(&mut self, inventory: Inventory) {
        self.sites = Arc::new(config::Sites { inventory, ..(*self.sites).clone() });
    }

    pub fn opener(&self, inventory: &Arc<Inventory>, world: Option<&World>) -> Opener {
        Opener::new(self.sites.clone(), self.clouds.clone(), self.environment.clone(), inventory.clone(), world)
    }

    /// Problems of the configuration; those of entries that are not used are warnings.
    pub fn problems(&self) -> Vec<&Problem> {
        self.sites.problems.iter().chain(&self.clouds.problems).collect()
    }

    pub fn report(&self) {
        for problem in self.problems() {
            anstream::eprintln!("warning: {problem}");
        }
    }

    /// Those of the inventory alone, which its user wrote for these sites.
    pub fn report_inventory(&self) {
        for problem in &self.sites.problems {
            anstream::eprintln!("warning: {problem}");
        }
    }
}

/// No program is larger, and no text beside one.
const LARGEST: u64 = 64 << 20;

/// All of a text in UTF-8, if it is no larger than a program may be.
pub fn bounded(from: impl Read) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    from.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(std::io::Error::other("it is larger than 64 MiB"));
    }
    String::from_utf8(bytes).map_err(|e| std::io::Error::new(std::io::ErrorKind::InvalidData, e))
}

impl Workplace {
    /// `sim` is a scenario file, the empty text for the default one, `None` for real sites.
    pub fn new(environment: Environment, inventory_file: Option<PathBuf>, sim: Option<String>) -> Workplace {
        Workplace { environment, inventory_file, sim, state: None }
    }

    pub fn from_process(arguments: &Arguments) -> Workplace {
        Workplace {
            environment: Environment::of_process(),
            inventory_file: arguments.inventory.clone(),
            sim: arguments.sim.clone(),
            state: arguments.state.clone(),
        }
    }

    /// Runs are kept in this folder.
    pub fn keeping(mut self, state: PathBuf) -> Workplace {
        self.state = Some(state);
        self
    }

    /// Simulated sites from here on; of a scenario file, or the default ones.
    pub fn simulate(&mut self, scenario: &str) {
        self.sim = Some(scenario.to_string());
    }

    /// The text that a command line means.
    pub fn text(&self, from: &arguments::Text) -> Result<Text, Trouble> {
        match (&from.eval, &from.file) {
            (Some(text), _) => {
                Ok(Text { name: "-e".into(), base: self.environment.working_directory.clone(), text: text.clone() })
            }
            (None, Some(file)) => self.read(file),
            (None, None) => Err(Trouble::new("no program")),
        }
    }

    pub fn read(&self, file: &Path) -> Result<Text, Trouble> {
        let unreadable = |e: std::io::Error| {
            let why = match e.kind() {
                std::io::ErrorKind::NotFound => "there is no such file".to_string(),
                std::io::ErrorKind::InvalidData => "it is not text in UTF-8".to_string(),
                _ => e.to_string(),
            };
            Trouble::new(format!("`{}` cannot be read: {why}", file.display()))
        };
        let text = match file == Path::new("-") {
            true => bounded(std::io::stdin().lock()),
            false => std::fs::File::open(file).and_then(bounded),
        };
        let text = text.map_err(unreadable)?;
        let base = file.parent().filter(|p| file != Path::new("-") && !p.as_os_str().is_empty());
        let base = base
            .map_or_else(|| self.environment.working_directory.clone(), |p| self.environment.working_directory.join(p));
        let name = if file == Path::new("-") { "standard input".to_string() } else { file.display().to_string() };
        Ok(Text { name, base, text })
    }

    /// The sites, without any request.
    pub fn places(&self) -> Result<Places, Trouble> {
        if let Some(file) = &self.inventory_file {
            let path = self.environment.working_directory.join(file);
            std::fs::File::open(&path).map_err(|e| {
                Trouble::new(format!("the inventory `{}` cannot be read: {e}", path.display()))
                    .help("`--inventory FILE` and `EDGE_INVENTORY` name it; without them it is edge.yaml beside you")
            })?;
        }
        let mut clouds = config::load_clouds(&self.environment);
        let mut sites = config::load_inventory(&self.environment, self.inventory_file.as_deref(), &clouds);
        let sim = match &self.sim {
            None => None,
            Some(file) => {
                let scenario = match file.as_str() {
                    "" if sites.inventory.declared => {
                        let mut scenario = Scenario::of_sites([]);
                        let declared = simulable(&sites.inventory);
                        scenario.sites.extend(declared.map(|(name, stack)| (name, SiteSpec::of(stack))));
                        scenario
                    }
                    "" => Scenario::default(),
                    path => scenario(&self.environment, Path::new(path))?,
                };
                if !sites.inventory.declared {
                    // The clouds of this machine have no part in it.
                    sites = config::Sites::default();
                    sites.inventory.declared = true;
                    clouds = Clouds::default();
                }
                simulate(&mut sites.inventory, &scenario);
                Some(scenario)
            }
        };
        Ok(Places { sites: Arc::new(sites), clouds: Arc::new(clouds), environment: self.environment.clone(), sim })
    }

    /// Reads, parses and checks, without any request.
    pub fn load(&self, text: Text) -> Result<Loaded, Trouble> {
        let places = self.places()?;
        let mut sources = Sources::default();
        let file = sources.add(text.name.as_str(), text.text.as_str());
        let parsed = syntax::parse(file, &text.text);
        let mut files = Files::default();
        files.library(&mut sources, &places.sites)?;
        files.take_in(&mut sources, file, &text.base, &parsed.program);
        let mut described = files.read_files();
        described.push(file);
        // Most users have sites of one stack, and reading the other's services would be half of the time to start. Who
        // is told of a mistake is told by all that there is; and who describes services must not contradict any of it.
        let describes = |program: &ast::Block| program.iter().any(|s| matches!(s.kind, ast::StmtKind::Service(_)));
        let describes = describes(&parsed.program) || files.parsed.values().any(describes);
        let spoken_of = |stack: &str| {
            describes
                || places.sites.inventory.iter().any(|(_, site)| &*site.stack == stack)
                || sources.iter().any(|(_, source)| source.text.contains(stack))
        };
        let (needed, further): (Vec<_>, Vec<_>) =
            stdlib::TEXTS.iter().copied().partition(|(name, _)| spoken_of(stdlib::stack(name)));
        let mut of_library = stdlib::add(&mut sources, needed.into_iter());
        let mut known = Known::new(&sources, &of_library, &described, &parsed.program, &files, &places);
        if known.checked.has_errors() && !further.is_empty() {
            of_library.extend(stdlib::add(&mut sources, further.into_iter()));
            known = Known::new(&sources, &of_library, &described, &parsed.program, &files, &places);
        }
        let Known { library, found, mut checked } = known;
        let mut diagnostics = parsed.diagnostics;
        let imports = files.imports();
        diagnostics.extend(files.diagnostics);
        diagnostics.extend(found);
        diagnostics.append(&mut checked.diagnostics);
        checked.diagnostics = diagnostics;
        Ok(Loaded { sources, library: Arc::new(library), checked, base: text.base, places, imports, of_library })
    }

    /// Where the journal is; for simulated sites only where that was said.
    pub fn state_folder(&self) -> Result<PathBuf, Trouble> {
        let folder = self.state.as_ref().map(|s| self.environment.working_directory.join(s));
        folder.or_else(|| self.environment.state.clone()).ok_or_else(|| {
            Trouble::new("there is no place for the journal of runs: this machine names no state directory")
                .help("`--state FOLDER` names one")
        })
    }

    /// Whether runs at these sites are written to disk.
    pub fn keeps_runs(&self) -> bool {
        self.sim.is_none() || self.state.is_some()
    }
}

/// A program, checked against some texts of the library.
struct Known {
    library: Library,
    found: Vec<Diagnostic>,
    checked: Checked,
}

impl Known {
    fn new(
        sources: &Sources,
        of_library: &[FileId],
        described: &[FileId],
        program: &ast::Block,
        files: &Files,
        places: &Places,
    ) -> Known {
        let (library, found) = stdlib::compile(sources, of_library, described);
        let mut inventory = places.sites.inventory.clone();
        library.complete(&mut inventory);
        let checked = check(program, files, &library, &inventory);
        Known { library, found, checked }
    }
}

pub fn scenario(environment: &Environment, path: &Path) -> Result<Scenario, Trouble> {
    let path = environment.working_directory.join(path);
    let text = std::fs::File::open(&path)
        .and_then(bounded)
        .map_err(|e| Trouble::new(format!("the scenario `{}` cannot be read: {e}", path.display())))?;
    Scenario::from_yaml(&text).map_err(|e| Trouble::new(format!("the scenario `{}`: {e}", path.display())))
}

/// The sites of an inventory that the simulation has an equal of.
fn simulable(inventory: &Inventory) -> impl Iterator<Item = (String, Stack)> {
    let plain = inventory.iter().filter(|(_, site)| site.composed.is_none());
    plain.filter_map(|(_, site)| {
        let app = site.connection.get("app").map(|app| &**app);
        Some((site.name.to_string(), Stack::of(&site.stack, app)?))
    })
}

/// The inventory speaks of the scenario's sites: their labels and services are known.
fn simulate(inventory: &mut Inventory, scenario: &Scenario) {
    for (name, spec) in &scenario.sites {
        let known = inventory.id(name).and_then(|id| inventory.get(id)).cloned();
        let mut site = known.unwrap_or_else(|| Site { name: name.as_str().into(), ..Site::default() });
        site.stack = spec.stack.name().into();
        site.services = match spec.stack {
            Stack::Openstack => {
                let offered = crate::sim::Service::ALL.into_iter().filter(|s| spec.offers(*s));
                Some(offered.map(|s| s.kind().into()).collect())
            }
            // Those that the library describes: all simulated clusters have them.
            Stack::Kubernetes | Stack::Mec => None,
        };
        if let Some(app) = spec.stack.app() {
            site.connection.insert("app".into(), app.into());
        }
        for (label, value) in &spec.labels {
            site.labels.entry(label.as_str().into()).or_insert_with(|| value.text().into());
        }
        inventory.add(site);
    }
}

/// Imported files, parsed.
#[derive(Default)]
pub struct Files {
    parsed: HashMap<FileId, ast::Block>,
    /// What each file's imports lead to.
    found: HashMap<(FileId, String), Result<FileId, String>>,
    by_path: HashMap<PathBuf, FileId>,
    pub diagnostics: Vec<Diagnostic>,
}

impl Files {
    /// The files that were read, in the order of their reading.
    pub fn read_files(&self) -> Vec<FileId> {
        let mut all: Vec<FileId> = self.parsed.keys().copied().collect();
        all.sort();
        all
    }

    /// Where each file that was read lies.
    pub fn paths(&self) -> impl Iterator<Item = (&Path, FileId)> {
        self.by_path.iter().map(|(path, file)| (path.as_path(), *file))
    }

    /// Reads the files that edge.yaml names as its library: they describe services, and do nothing else.
    pub fn library(&mut self, sources: &mut Sources, sites: &config::Sites) -> Result<(), Trouble> {
        for (path, line) in &sites.library {
            let full = path.canonicalize().unwrap_or_else(|_| path.clone());
            if self.by_path.contains_key(&full) {
                continue;
            }
            let file = self.read(sources, &full).map_err(|why| {
                let of = sites.file.as_deref().unwrap_or(Path::new("edge.yaml")).display();
                Trouble::new(format!("{of}:{line}: the library `{}` cannot be read: {why}", path.display()))
                    .help("`library` names files that lie beside it, each with `service` declarations")
            })?;
            for statement in &self.parsed[&file] {
                use ast::StmtKind::{Broken, Fn, Import, Service};
                if !matches!(statement.kind, Service(_) | Import(_) | Fn { .. } | Broken(_)) {
                    let message =
                        "a file of the `library` describes services and defines functions, and does nothing else";
                    let wrong = Diagnostic::new(&codes::IMPORT_ACTS, statement.span, message);
                    self.diagnostics.push(wrong.help("put this into a file that programs `import`"));
                }
            }
        }
        Ok(())
    }

    /// Reads a file that a command line names.
    pub fn add(&mut self, sources: &mut Sources, workplace: &Workplace, file: &Path) -> Result<(), Trouble> {
        let full = workplace.environment.working_directory.join(file);
        let full = full.canonicalize().unwrap_or(full);
        if !self.by_path.contains_key(&full) {
            let unreadable = |why| Trouble::new(format!("`{}` cannot be read: {why}", file.display()));
            self.read(sources, &full).map_err(unreadable)?;
        }
        Ok(())
    }

    /// Which import leads to which file, to know them again.
    pub fn imports(&self) -> Vec<(u32, String, u32)> {
        let found = self.found.iter();
        let mut all: Vec<_> =
            found.filter_map(|((from, path), to)| Some((from.0, path.clone(), to.as_ref().ok()?.0))).collect();
        all.sort();
        all
    }

    /// What a run that was started imports, as it was then: `sources` has it.
    pub fn recalled(sources: &Sources, imports: &[(u32, String, u32)]) -> Files {
        let mut files = Files::default();
        for (from, path, to) in imports {
            let to = FileId(*to);
            files.found.insert((FileId(*from), path.clone()), Ok(to));
            if let Some(source) = sources.get(to).filter(|_| !files.parsed.contains_key(&to)) {
                let parsed = syntax::parse(to, &source.text);
                files.diagnostics.extend(parsed.diagnostics);
                files.parsed.insert(to, parsed.program);
            }
        }
        files
    }

    /// Reads what a program imports, and what that imports.
    pub fn take_in(&mut self, sources: &mut Sources, file: FileId, base: &Path, program: &ast::Block) {
        for (path, _) in imports_of(program) {
            let full = base.join(&path);
            let full = full.canonicalize().unwrap_or(full);
            let found = match self.by_path.get(&full) {
                Some(known) => Ok(*known),
                None => self.read(sources, &full),
            };
            self.found.insert((file, path), found);
        }
    }

    fn read(&mut self, sources: &mut Sources, path: &Path) -> Result<FileId, String> {
        let text = std::fs::File::open(path).and_then(bounded).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_string(),
            std::io::ErrorKind::InvalidData => "it is not text in UTF-8".to_string(),
            _ => e.to_string(),
        })?;
        let id = sources.add(path.display().to_string(), text.as_str());
        self.by_path.insert(path.to_path_buf(), id);
        let parsed = syntax::parse(id, &text);
        self.diagnostics.extend(parsed.diagnostics);
        let base = path.parent().unwrap_or(Path::new("."));
        self.take_in(sources, id, base, &parsed.program);
        self.parsed.insert(id, parsed.program);
        Ok(id)
    }
}

impl Imports for Files {
    fn open(&self, from: FileId, path: &str) -> Result<(FileId, &ast::Block), String> {
        let found = self.found.get(&(from, path.to_string())).cloned();
        let id = found.unwrap_or_else(|| Err("it was not read".into()))?;
        // A file that imports itself is being read and has no tree yet.
        static NOTHING: ast::Block = Vec::new();
        Ok((id, self.parsed.get(&id).unwrap_or(&NOTHING)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str) -> Loaded {
        let workplace = Workplace::new(Environment::default(), None, None);
        let text = Text { name: "p.edge".into(), base: PathBuf::new(), text: text.into() };
        workplace.load(text).unwrap_or_else(|trouble| panic!("{trouble:?}"))
    }

    #[test]
    fn the_library_is_that_of_the_stacks_spoken_of_and_all_of_it_where_something_is_wrong() {
        let site = "site A = openstack(cloud: \"a\")\n";
        let right = loaded(&format!("{site}server.list() @ A"));
        assert!(!right.has_errors() && right.of_library.len() < stdlib::TEXTS.len());
        let both = loaded(&format!("{site}site K = kubernetes(context: \"k\")\npod.list() @ K"));
        assert!(!both.has_errors(), "{:?}", both.checked.diagnostics);
        let wrong = loaded(&format!("{site}pod.list() @ A"));
        assert_eq!(wrong.of_library.len(), stdlib::TEXTS.len());
        assert!(wrong.checked.diagnostics.iter().any(|d| d.message.contains("resource of `kubernetes`")));
    }
}
