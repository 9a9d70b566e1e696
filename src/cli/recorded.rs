//! What a run is started with, into the journal and out of it again, so that a resumed run is the one that was started:
//! the same texts, the same sites under the same numbers, the same plan. Secrets are asked for again.

use super::load::{Files, Loaded, Trouble, Workplace};
use super::run::inputs;
use crate::run::journal::{Fault, Record, Store, hash};
use crate::run::seen::Seen;
use edge_lang::check::check;
use edge_lang::eval::{Kept, Plain, Value};
use edge_lang::inventory::Inventory;
use edge_lang::plan::Plan;
use edge_lang::span::Sources;
use edge_lang::syntax;
use edge_lang::types::{Name, Type};
use indexmap::IndexMap;
use std::path::Path;
use std::sync::Arc;

/// The journal of this user, opened and checked.
pub fn open(workplace: &Workplace) -> Result<Store, Trouble> {
    let folder = workplace.state_folder()?;
    Store::open(&folder).map_err(|fault| unusable(&folder, &fault))
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

/// What a run is started with, and the texts that belong to it.
pub fn record(
    loaded: &Loaded,
    inputs: &IndexMap<Name, Value>,
    plan: Option<&Plan>,
) -> Result<(Record, Vec<String>), Trouble> {
    let unwritable = |e: serde_json::Error| Trouble::new(format!("the journal cannot hold this run: {e}"));
    let library = crate::stdlib::TEXTS.len();
    let all: Vec<(String, String)> =
        loaded.sources.iter().map(|(_, s)| (s.name.to_string(), s.text.to_string())).collect();
    let (own, library) = all.split_at(all.len().saturating_sub(library));
    let hashed = |texts: &[(String, String)]| texts.iter().map(|(n, t)| (n.clone(), hash(t))).collect();
    let inventory = serde_json::to_string(&loaded.places.sites.inventory).map_err(unwritable)?;
    let plan = plan.map(serde_json::to_string).transpose().map_err(unwritable)?;
    let (mut kept, mut secrets) = (Vec::new(), Vec::new());
    for (name, value) in inputs {
        let of = loaded.checked.program.inputs.iter().find(|i| i.name == *name);
        let secret = of.is_some_and(|i| *i.ty.present() == Type::Secret);
        match Kept::of(&Ok(value.clone())) {
            Some(Kept::Value(plain)) if !secret => kept.push((name.to_string(), plain)),
            _ => secrets.push(name.to_string()),
        }
    }
    let record = Record {
        title: own.first().map(|(name, _)| name.clone()).unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").into(),
        sources: hashed(own),
        imports: loaded.imports.clone(),
        library: hashed(library),
        base: loaded.base.clone(),
        inventory: hash(&inventory),
        sites: loaded.checked.inventory.iter().map(|(_, s)| s.name.to_string()).collect(),
        inputs: kept,
        secrets,
        plan: plan.as_deref().map(hash),
        simulated: loaded.places.simulated(),
    };
    let mut texts: Vec<String> = all.into_iter().map(|(_, text)| text).collect();
    texts.push(inventory);
    texts.extend(plan);
    Ok((record, texts))
}

/// The program of a run, with its sites, its inputs and its plan.
pub struct Recalled {
    pub loaded: Loaded,
    pub inputs: IndexMap<Name, Value>,
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
        sources.add(name.as_str(), text(hash)?);
    }
    let Some((file, program)) = sources.iter().next().map(|(file, s)| (file, s.text.clone())) else {
        return Err(Trouble::new("the journal has no program for it"));
    };
    let mut files = Files::recalled(&sources, &record.imports);
    let parsed = syntax::parse(file, &program);
    let described: Vec<_> = sources.iter().map(|(file, _)| file).skip(1).chain([file]).collect();
    let library: Vec<(String, String)> =
        record.library.iter().map(|(name, hash)| Ok((name.clone(), text(hash)?))).collect::<Result<_, Trouble>>()?;
    let texts = library.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let (library, of_library) = crate::stdlib::library_of(texts, &mut sources, &described);
    let mut places = workplace.places()?;
    let inventory: Inventory = serde_json::from_str(&text(&record.inventory)?)
        .map_err(|e| Trouble::new(format!("its sites cannot be read from the journal: {e}")))?;
    places.with_inventory(inventory.clone());
    let mut inventory = inventory;
    library.complete(&mut inventory);
    let mut checked = check(&parsed.program, &files, &library, &inventory);
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
    };
    if loaded.has_errors() {
        let _ = loaded.report();
        return Err(Trouble::new(format!(
            "its program, which edge {} accepted, is not accepted by edge {}",
            record.version,
            env!("CARGO_PKG_VERSION")
        ))
        .help("resume it with the edge that started it"));
    }
    let inputs = all_inputs(&loaded, record, vars)?;
    let plan = match &record.plan {
        None => None,
        Some(hash) => Some(
            serde_json::from_str(&text(hash)?)
                .map_err(|e| Trouble::new(format!("its plan cannot be read from the journal: {e}")))?,
        ),
    };
    Ok(Recalled { loaded, inputs, plan })
}

fn all_inputs(loaded: &Loaded, record: &Record, vars: &[String]) -> Result<IndexMap<Name, Value>, Trouble> {
    let program = &loaded.checked.program;
    let mut all = inputs(program, &loaded.checked.inventory, vars).map_err(Trouble::new)?;
    if let Some(name) = all.keys().find(|name| !record.secrets.iter().any(|s| **s == ***name)) {
        return Err(Trouble::new(format!("the input `{name}` is kept with the run, and cannot be another now")));
    }
    if let Some(missing) = record.secrets.iter().find(|s| !all.contains_key(s.as_str())) {
        return Err(Trouble::new(format!("the secret input `{missing}` is not kept with the run"))
            .help(format!("give it again with `--var {missing}=...`")));
    }
    for (name, plain) in &record.inputs {
        all.insert(name.as_str().into(), value(plain)?);
    }
    Ok(all)
}

fn value(plain: &Plain) -> Result<Value, Trouble> {
    match Kept::Value(plain.clone()).answer() {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(_)) => Err(Trouble::new("an input of the run cannot be read from the journal")),
        Err(why) => Err(Trouble::new(why)),
    }
}
