//! What a run is started with, into the journal and out of it again, so that a resumed run is the one that was started:
//! the same texts, the same sites under the same numbers, the same plan. Secrets are asked for again.

use super::entered;
use super::load::{Files, Loaded, Places, Trouble, Workplace};
use super::run::inputs;
use crate::run::journal::{Fault, Record, Store, hash};
use crate::run::seen::Seen;
use crate::stdlib;
use edge_lang::check::{Checked, check};
use edge_lang::eval::{Given, Plain, Value};
use edge_lang::inventory::Inventory;
use edge_lang::plan::Plan;
use edge_lang::program::Program;
use edge_lang::span::{FileId, Sources};
use edge_lang::syntax;
use edge_lang::types::{Name, Type};
use indexmap::IndexMap;
use std::path::Path;
use std::sync::Arc;

/// The journal of this user, opened and checked.
pub fn open(workplace: &Workplace) -> Result<Store, Trouble> {
    open_in(&workplace.state_folder()?)
}

pub fn open_in(folder: &Path) -> Result<Store, Trouble> {
    Store::open(folder).map_err(|fault| unusable(folder, &fault))
}

/// What sites were last seen to have; of simulated ones only where the state is said to be kept.
pub fn seen(workplace: &Workplace) -> Option<Arc<Seen>> {
    let folder = workplace.keeps_runs().then(|| workplace.state_folder().ok()).flatten();
    folder.map(Seen::of)
}

pub fn unusable(folder: &Path, fault: &Fault) -> Trouble {
    let file = folder.join("journal.db");
    Trouble::new(format!("E0611: the journal `{}` cannot be used: {fault}", file.display())).help(format!(
        "nothing was sent; {}, and `edge explain E0611` says more",
        fault.help.unwrap_or("`--state FOLDER` keeps it elsewhere")
    ))
}

/// What a run is started with.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    pub title: &'a str,
    /// All texts, those of the library among them.
    pub sources: &'a Sources,
    pub imports: &'a [(u32, String, u32)],
    pub base: &'a Path,
    pub places: &'a Places,
    pub program: &'a Program,
    /// With the sites that the program declares.
    pub inventory: &'a Inventory,
    /// The texts of the library that came with edge, which for a program are the last.
    pub of_library: &'a [FileId],
    /// It is an entry of a prompt.
    pub among: Option<entered::Among<'a>>,
}

impl<'a> Start<'a> {
    pub fn of(loaded: &'a Loaded) -> Start<'a> {
        Start {
            title: loaded.sources.get(FileId(0)).map_or("", |s| titled(&s.name, &s.text)),
            sources: &loaded.sources,
            imports: &loaded.imports,
            base: &loaded.base,
            places: &loaded.places,
            program: &loaded.checked.program,
            inventory: &loaded.checked.inventory,
            of_library: &loaded.of_library,
            among: None,
        }
    }
}

/// A file by its name; a text that has none by its first line.
fn titled<'a>(name: &'a str, text: &'a str) -> &'a str {
    const LONGEST: usize = 60;
    if !matches!(name, "-e" | "standard input") {
        return name;
    }
    let said = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let line = text.lines().map(str::trim).find(said).unwrap_or(name);
    line.char_indices().nth(LONGEST).map_or(line, |(at, _)| &line[..at])
}

pub(super) fn unwritable(error: &serde_json::Error) -> Trouble {
    Trouble::new(format!("the journal cannot hold this run: {error}"))
}

/// What the journal keeps of it, and the texts that belong to that.
pub fn record(
    start: &Start<'_>,
    inputs: &IndexMap<Name, Value>,
    plan: Option<&Plan>,
) -> Result<(Record, Vec<String>), Trouble> {
    let needed = start.among.as_ref().map(|among| entered::needed(among, start.of_library, start.imports));
    let needed = |file: FileId| needed.as_ref().is_none_or(|needed| needed.contains(&file));
    let all: Vec<(String, String)> = start
        .sources
        .iter()
        .map(|(file, s)| if needed(file) { (s.name.to_string(), s.text.to_string()) } else { Default::default() })
        .collect();
    let of_library = if start.among.is_none() { start.of_library.len() } else { 0 };
    let (own, library) = all.split_at(all.len().saturating_sub(of_library));
    let hash_of = |text: &str| if text.is_empty() { String::new() } else { hash(text) };
    let hashed = |texts: &[(String, String)]| texts.iter().map(|(n, t)| (n.clone(), hash_of(t))).collect();
    let inventory = serde_json::to_string(&start.places.sites.inventory).map_err(|e| unwritable(&e))?;
    let plan = plan.map(serde_json::to_string).transpose().map_err(|e| unwritable(&e))?;
    let (mut kept, mut secrets) = (Vec::new(), Vec::new());
    for (name, value) in inputs {
        let of = start.program.inputs.iter().find(|i| i.name == *name);
        let secret = of.is_some_and(|i| *i.ty.present() == Type::Secret);
        match Plain::of(value).filter(|_| !secret) {
            Some(plain) => kept.push((name.to_string(), plain)),
            None => secrets.push(name.to_string()),
        }
    }
    let mut texts = Vec::new();
    let entered = start.among.as_ref().map(|among| entered::keep(among, start.of_library, &mut texts)).transpose()?;
    let record = Record {
        title: start.title.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        sources: hashed(own),
        imports: start.imports.to_vec(),
        library: hashed(library),
        base: start.base.to_path_buf(),
        inventory: hash(&inventory),
        sites: start.inventory.iter().map(|(_, s)| s.name.to_string()).collect(),
        inputs: kept,
        secrets,
        plan: plan.as_deref().map(hash),
        simulated: start.places.simulated(),
        entered,
    };
    texts.extend(all.into_iter().map(|(_, text)| text).filter(|text| !text.is_empty()));
    texts.push(inventory);
    texts.extend(plan);
    Ok((record, texts))
}

/// The program of a run, with its sites, all that it is given, and its plan.
pub struct Recalled {
    pub loaded: Loaded,
    pub given: Given,
    pub plan: Option<Plan>,
}

/// `vars` gives the secret inputs.
pub fn recall(workplace: &Workplace, store: &Store, record: &Record, vars: &[String]) -> Result<Recalled, Trouble> {
    if record.simulated {
        return Err(Trouble::new("its sites were simulated, and went with the process that ran it"));
    }
    let text = |hash: &str| store.text(hash).map_err(|fault| Trouble::new(fault.message));
    let mut sources = Sources::default();
    for (name, hash) in &record.sources {
        let text = if hash.is_empty() { String::new() } else { text(hash)? };
        sources.add(name.as_str(), text);
    }
    let mut files = Files::recalled(&sources, &record.imports);
    let (own, described): (Vec<FileId>, Vec<FileId>) = match &record.entered {
        Some(entered) => {
            let files = |numbers: &[u32]| numbers.iter().map(|n| FileId(*n)).collect();
            (files(&entered.library), files(&entered.described))
        }
        None => {
            let described: Vec<_> = sources.iter().map(|(file, _)| file).skip(1).chain([FileId(0)]).collect();
            let library: Vec<(String, String)> = record
                .library
                .iter()
                .map(|(name, hash)| Ok((name.clone(), text(hash)?)))
                .collect::<Result<_, Trouble>>()?;
            (stdlib::add(&mut sources, library.iter().map(|(name, text)| (&**name, &**text))), described)
        }
    };
    let (library, of_library) = stdlib::compile(&sources, &own, &described);
    let mut places = workplace.places()?;
    let inventory: Inventory = serde_json::from_str(&text(&record.inventory)?)
        .map_err(|e| Trouble::new(format!("its sites cannot be read from the journal: {e}")))?;
    places.with_inventory(inventory.clone());
    let mut inventory = inventory;
    library.complete(&mut inventory);
    let entry = FileId(record.entered.as_ref().map_or(0, |entered| entered.entry));
    let Some(program) = sources.get(entry) else {
        return Err(Trouble::new("the journal has no program for it"));
    };
    let parsed = syntax::parse(entry, &program.text);
    let mut checked = match &record.entered {
        None => check(&parsed.program, &files, &library, &inventory),
        Some(entered) => entered::check(entered, &parsed.program, &sources, &files, &library, &inventory)?,
    };
    let mut diagnostics = parsed.diagnostics;
    diagnostics.append(&mut files.diagnostics);
    diagnostics.extend(of_library);
    diagnostics.append(&mut checked.diagnostics);
    checked.diagnostics = diagnostics;
    let loaded = Loaded {
        sources,
        library: Arc::new(library),
        checked,
        base: record.base.clone(),
        places,
        imports: record.imports.clone(),
        of_library: own,
    };
    if loaded.has_errors() {
        let _ = loaded.report();
        return Err(not_accepted(record));
    }
    let mut given = match &record.entered {
        None => Given::default(),
        Some(entered) => entered::given(entered, store)?,
    };
    given.inputs = all_inputs(&loaded.checked, record, vars)?;
    let plan = match &record.plan {
        None => None,
        Some(hash) => Some(
            serde_json::from_str(&text(hash)?)
                .map_err(|e| Trouble::new(format!("its plan cannot be read from the journal: {e}")))?,
        ),
    };
    Ok(Recalled { loaded, given, plan })
}

fn not_accepted(record: &Record) -> Trouble {
    let (then, now) = (&record.version, env!("CARGO_PKG_VERSION"));
    Trouble::new(format!("its program, which edge {then} accepted, is not accepted by edge {now}"))
        .help("resume it with the edge that started it")
}

fn all_inputs(checked: &Checked, record: &Record, vars: &[String]) -> Result<IndexMap<Name, Value>, Trouble> {
    let mut all = inputs(&checked.program, &checked.inventory, vars).map_err(Trouble::new)?;
    if let Some(name) = all.keys().find(|name| !record.secrets.iter().any(|s| **s == ***name)) {
        return Err(Trouble::new(format!("the input `{name}` is kept with the run, and cannot be another now")));
    }
    if let Some(missing) = record.secrets.iter().find(|s| !all.contains_key(s.as_str())) {
        return Err(Trouble::new(format!("the secret input `{missing}` is not kept with the run"))
            .help(format!("give it again with `--var {missing}=...`")));
    }
    for (name, plain) in &record.inputs {
        let value =
            plain.value().map_err(|why| Trouble::new(format!("an input cannot be read from the journal: {why}")))?;
        all.insert(name.as_str().into(), value);
    }
    Ok(all)
}
