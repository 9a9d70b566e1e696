//! A change at a placement: one pursuit for each layer of what it is about, and what comes of them: a handle, a replicated
//! handle, or a failure that says how each site stands.

use super::effect::{SiteEffect, what_of};
use super::event::EventKind;
use super::journal::{self, Begin, Id, Part};
use super::live::{Live, any_resource, patience, rules, times, title};
use super::pursue::{Effect, Ended, Told, pursue, tidy};
use super::trouble::code_of;
use super::{Due, Owed, Run, codes, pending, rows};
use edge_lang::eval::{Failure, FailureKind, Step, StepKind, Unreachable, Value};
use edge_lang::library::render::Row;
use edge_lang::model::{Overlap, Placement, Rules, SiteId, SiteSet};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// An operation that is done, or that the program goes on without: what is there at the sites of its outcome, and where
/// nobody knows.
#[derive(Default)]
pub struct Pursued {
    pub effects: BTreeMap<SiteId, SiteEffect>,
    pub unknown: SiteSet,
    /// It aims at these sites, and is owed at some of them.
    pub aim: Option<SiteSet>,
}

impl Live {
    pub(super) async fn change(&self, mut step: Step) -> Result<Value, Failure> {
        // What needs something that is owed is owed behind it.
        let waits = |site: SiteId| super::resolve::pending_at(&step, site).is_some();
        if !step.atomic && step.placement.sites().iter().any(waits) {
            step.policy.unreachable = Some(Unreachable::Defer);
        }
        let step = Arc::new(step);
        let run = &self.run;
        let title = title(&step, &run.inventory);
        let layers = match earlier_subjects(run, &step) {
            Some(layers) => layers,
            None => rows::subjects(run, &step).await?,
        };
        if layers.is_empty() {
            let nothing = Ok(rows::nothing(&step));
            self.replay.note(&step.key, &nothing);
            return nothing;
        }
        began(run, &step, &title);
        let pursued = layers.into_iter().enumerate().map(|(i, layer)| self.pursue(step.clone(), i, layer));
        let pursued = futures_util::future::join_all(pursued).await;
        let mut effects = Vec::new();
        let mut failures = Vec::new();
        for outcome in pursued {
            match outcome {
                Ok(done) => effects.push(done),
                Err(failure) => failures.push(failure),
            }
        }
        if let Some(failure) = Failure::together(failures) {
            // What stopped goes on; what has failed leaves nothing.
            if matches!(failure.kind, FailureKind::Failed | FailureKind::Partial) {
                for done in effects.into_iter().filter(|e| e.aim.is_none()) {
                    self.take_back(done.effects.into_values()).await;
                }
            }
            run.events.emit(Some(&step.key), EventKind::Failed { message: failure.message.clone() });
            return Err(failure);
        }
        let value = match effects.iter().any(|e| e.aim.is_some()) {
            false => rows::value(run, &step, &effects),
            true => deferred(run, &step, &effects),
        };
        let done: Vec<SiteEffect> =
            effects.into_iter().filter(|e| e.aim.is_none()).flat_map(|e| e.effects.into_values()).collect();
        self.completed().entry(step.key.clone()).or_default().extend(done);
        Ok(value)
    }

    /// The step at each site, about what is there.
    fn effects(
        &self,
        step: &Arc<Step>,
        id: &Id,
        subjects: HashMap<SiteId, Row>,
    ) -> impl Fn(SiteId) -> SiteEffect + Send + 'static {
        let (run, step, approval, id) = (self.run.clone(), step.clone(), self.approval.clone(), id.clone());
        let times = times(&step);
        move |site| {
            let subject = subjects.get(&site).cloned();
            SiteEffect::new(run.clone(), id.clone(), step.clone(), what_of(&step), site, subject, times)
                .approved_by(approval.clone())
        }
    }

    /// The step is taken back: what its verdict has spared goes too. The journal knows where that is.
    pub(super) fn tidy_spared(&self, step: &Arc<Step>) -> Result<(), String> {
        if !step.placement.spares() {
            return Ok(());
        }
        let past = journal::Past::of(&self.run.journal.entries()?)?;
        for (id, pursued) in past.of_step(&step.key).filter(|(id, _)| matches!(id.part, Part::Layer(_))) {
            if pursued.pursuit.is_told() && !pursued.owed().is_empty() {
                let subjects = pursued.begin.subjects.iter().map(|(site, known)| (*site, known.row())).collect();
                tidy(&self.run, id, pursued, self.effects(step, id, subjects), patience(step));
            }
        }
        Ok(())
    }

    /// One pursuit: an effect at each site of the placement, about at most one thing there.
    async fn pursue(&self, step: Arc<Step>, layer: usize, subjects: HashMap<SiteId, Row>) -> Result<Pursued, Failure> {
        let run = &self.run;
        let id = Id::layer(&step.key, layer);
        let named = step.subject.as_ref().and_then(|s| step.arguments.get(s));
        let placement = match named {
            // An operation on things goes where they are, all of them; on a name, where the scope says.
            Some(value) if !matches!(value, Value::String(_)) => Placement::AllOf(subjects.keys().copied().collect()),
            _ => step.placement.clone(),
        };
        let Some(resource) = any_resource(run, &step) else {
            return Err(Failure::new(&codes::NOT_DESCRIBED, step.span, format!("no resource `{}`", step.resource)));
        };
        let preference = match run.past.pursuits.contains_key(&id) {
            true => Vec::new(),
            false => {
                let order = super::prefer::order(run, &step, &placement).await;
                super::prefer::sites(run, &step, &placement, &order)
            }
        };
        let known = |row: &Row| journal::Known::of(row, Some(resource));
        let overlap = if step.policy.overlap == Some(true) { Overlap::Brief } else { Overlap::Never };
        let operation = if step.kind == StepKind::Ensure { "create" } else { &*step.operation };
        let begin = Begin {
            title: title(&step, &run.inventory),
            place: placement.display(|s| run.inventory.name(s).to_string()).to_string(),
            span: step.span,
            placement,
            preference,
            rules: Rules { overlap, ..rules(resource, operation, step.kind) },
            last: false,
            subjects: subjects.iter().map(|(site, row)| (*site, known(row))).collect(),
            source: None,
        };
        let make = self.effects(&step, &id, subjects);
        let told = pursue(run, id, begin, make, patience(&step), None).await;
        let Told { ended, effects, unknown, .. } =
            told.map_err(|e| Failure::new(&edge_lang::eval::codes::TANGLED, step.at, e.to_string()))?;
        match ended {
            Ended::Done(outcome) => {
                run.events.emit(Some(&step.key), EventKind::Done { outcome });
                Ok(Pursued { effects, unknown, aim: None })
            }
            Ended::Deferred(aim) => Ok(Pursued { effects, unknown, aim: Some(aim) }),
            // What was copied for it and could not be removed again.
            Ended::Failed if !run.owed_of(&step.key).is_empty() => {
                Err(failure(run, &step, Ended::Unsettled(run.owed_of(&step.key)), &effects))
            }
            ended => Err(failure(run, &step, ended, &effects)),
        }
    }
}

fn began(run: &Run, step: &Step, title: &str) {
    let place = step.placement.display(|s| run.inventory.name(s).to_string()).to_string();
    run.events.emit(Some(&step.key), EventKind::Began { title: title.to_string(), place, span: step.span });
}

/// By name or by a document, a resumed run is about what was found when it began: another thing may have that name by now.
pub(super) fn earlier_subjects(run: &Run, step: &Step) -> Option<Vec<HashMap<SiteId, Row>>> {
    let named = step.subject.as_ref().and_then(|s| step.arguments.get(s));
    let described = step.subject.is_some() && step.document.is_some();
    if !described && !matches!(named, Some(Value::String(_))) {
        return None;
    }
    let layers: Vec<HashMap<SiteId, Row>> = run
        .past
        .of_step(&step.key)
        .filter(|(id, _)| matches!(id.part, Part::Layer(_)))
        .map(|(_, p)| p.begin.subjects.iter().map(|(site, known)| (*site, known.row())).collect())
        .collect();
    (!layers.is_empty()).then_some(layers)
}

/// The sites at which nothing can be begun, where that is so at every site, whatever happens: the operation is about a
/// thing of which the site is not known yet, or is given a value that is not.
fn waits_at(step: &Step) -> Option<SiteSet> {
    let about = step.subject.as_ref().and_then(|s| step.arguments.get(s));
    if let Some(Value::Handle(handle)) = about.filter(|v| rows::is_pending(v)) {
        let mut sites = handle.elsewhere.clone();
        sites.insert(handle.site);
        return Some(sites);
    }
    // What cannot be undone waits until the thing is settled: if that fails, what used it has to go first.
    if step.kind == StepKind::Final && about.is_some_and(rows::is_pending) {
        return Some(step.placement.sites());
    }
    let unknown = |value: &Value| matches!(value, Value::Unknown(_));
    step.arguments.values().any(unknown).then(|| step.placement.sites())
}

/// A step as the journal tells it.
pub(super) enum Recalled {
    Done(Value),
    Open(Value),
}

/// What the journal tells of a change, without a look at any site.
pub(super) fn recalled(run: &Arc<Run>, step: &Arc<Step>) -> Option<Recalled> {
    let (mut layers, mut open) = (Vec::new(), false);
    for (id, past) in run.past.of_step(&step.key).filter(|(id, _)| matches!(id.part, Part::Layer(_))) {
        let outcome = past.pursuit.outcome();
        open |= outcome.is_none();
        let aim = outcome.clone().or_else(|| past.pursuit.wanted());
        // Of what has failed, all that was tried.
        let aim = aim.unwrap_or_else(|| past.pursuit.placement().sites());
        let mut effects = BTreeMap::new();
        for (site, memory) in past.memories.iter().filter(|(site, m)| aim.contains(**site) && m.row.is_some()) {
            let subject = past.begin.subjects.get(site).map(|known| known.row());
            let mut effect =
                SiteEffect::new(run.clone(), id.clone(), step.clone(), what_of(step), *site, subject, times(step));
            effect.remember(memory);
            effects.insert(*site, effect);
        }
        layers.push(Pursued { effects, unknown: SiteSet::new(), aim: outcome.is_none().then_some(aim) });
    }
    match (layers.is_empty(), open) {
        (true, _) => None,
        (false, true) => Some(Recalled::Open(deferred(run, step, &layers))),
        (false, false) => Some(Recalled::Done(rows::value(run, step, &layers))),
    }
}

/// The value of a step that cannot begin anywhere. It is owed behind what it waits for; nothing is written, and when that
/// is there, it is computed anew.
pub(super) fn waiting(run: &Run, step: &Step) -> Option<Value> {
    let sites = waits_at(step)?;
    let title = title(step, &run.inventory);
    began(run, step, &title);
    for site in &sites {
        let why = super::resolve::pending_at(step, site).unwrap_or_else(|| "it waits for what is owed".into());
        run.events.emit(Some(&step.key), EventKind::PutOff { site, why });
    }
    let aim = match step.single {
        true => sites.iter().take(1).collect(),
        false => sites.clone(),
    };
    let at = sites.iter().map(|s| run.inventory.instance(s, &step.service).unwrap_or(s)).collect();
    run.owe(run.debtor(), Owed { key: step.key.clone(), title, sites, at, due: Due::Deferred });
    Some(pending::value(run, step, &aim, |_| None, &BTreeMap::new()))
}

/// What a read gives that asks for what is owed.
pub(super) fn waiting_read(step: &Step) -> Option<Value> {
    let site = step.placement.sites().iter().find(|site| super::resolve::pending_at(step, *site).is_some())?;
    let why = super::resolve::pending_at(step, site)?;
    let what = format!("what {}.{} gives: {why}", step.resource, step.operation);
    let ty = step.result.clone();
    Some(Value::Unknown(Arc::new(edge_lang::eval::Unknown { ty, what })))
}

/// The value of a step of which something is owed.
fn deferred(run: &Run, step: &Step, layers: &[Pursued]) -> Value {
    let mut aim = SiteSet::new();
    let mut there = BTreeMap::new();
    for layer in layers {
        let own = layer.effects.keys().copied().collect();
        aim.add(layer.aim.as_ref().unwrap_or(&own));
        there.extend(layer.effects.iter().filter_map(|(site, e)| Some((*site, e.row()?.clone()))));
    }
    pending::value(run, step, &aim, |_| None, &there)
}

/// What is told when an operation did not come to its verdict.
fn failure(run: &Run, step: &Step, ended: Ended, effects: &BTreeMap<SiteId, SiteEffect>) -> Failure {
    let title = title(step, &run.inventory);
    let folded = |sites: &SiteSet| edge_lang::eval::sites_text(sites, &run.inventory);
    let open = match &ended {
        Ended::Unsettled(owed) | Ended::Interrupted(owed) => owed.clone(),
        _ => SiteSet::new(),
    };
    let mut failure = match ended {
        Ended::Failed | Ended::Done(_) | Ended::Deferred(_) => {
            let refusals = effects.values().filter(|e| e.refused).map(|e| e.code);
            let code = code_of(refusals, &codes::FAILED);
            Failure::new(code, step.span, format!("{title} failed, and nothing of it is left"))
        }
        Ended::Unsettled(owed) if owed.is_empty() => {
            Failure::new(&codes::UNSETTLED, step.span, format!("{title} is not done: sites do not answer"))
                .kind(FailureKind::Owed)
        }
        Ended::Unsettled(owed) => {
            let message = format!("{title} is unsettled: something of it may be at {}", folded(&owed));
            Failure::new(&codes::UNSETTLED, step.span, message).kind(FailureKind::Owed)
        }
        Ended::Interrupted(owed) if owed.is_empty() => {
            Failure::new(&codes::INTERRUPTED, step.span, format!("{title} was stopped; nothing of it is left"))
                .kind(FailureKind::Interrupted)
        }
        Ended::Interrupted(owed) => {
            let message = format!("{title} was stopped; something of it may be at {}", folded(&owed));
            Failure::new(&codes::INTERRUPTED, step.span, message).kind(FailureKind::Interrupted)
        }
        Ended::Unjournaled(why) => {
            Failure::new(&codes::JOURNAL, step.span, format!("the journal cannot be written: {why}"))
                .kind(FailureKind::Interrupted)
        }
    };
    let sites: Vec<&SiteEffect> = effects.values().filter(|e| !e.word.is_empty()).collect();
    let silent: SiteSet = open.difference(&sites.iter().map(|e| e.atom()).collect());
    failure.sites.extend(sites.iter().map(|e| (e.atom(), e.word.clone())));
    failure.sites.extend(silent.iter().map(|s| (s, "it was being asked".to_string())));
    failure.sites.sort_by_key(|(s, _)| *s);
    // The same help from many sites is said once.
    let mut helps: Vec<String> = sites.iter().filter_map(|e| e.help.clone()).collect();
    helps.dedup();
    failure.help.extend(helps.into_iter().take(3));
    failure
}
