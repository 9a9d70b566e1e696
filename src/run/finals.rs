//! Operations that cannot be undone: deletions, reboots, rebuilds. They are carried out wherever they can be, and end
//! *partial* where some sites did not: listed, and never called undone.

use super::approval::Approval;
use super::effect::{SiteEffect, What};
use super::event::EventKind;
use super::instance::Instance;
use super::journal::{self, Begin, Entry, Id};
use super::live::{patience, rules, times, title};
use super::pursue::{Deed, Effect, Patience, Seen};
use super::resolve::{self, Spot, pending_at};
use super::trouble::{Kind, Trouble, code_of};
use super::{Due, Owed, Run, Who, change::Pursued, codes, remove, rows};
use edge_lang::eval::{Failure, FailureKind, Step, Unreachable, Value};
use edge_lang::library::render::{self, Row};
use edge_lang::model::{Belief, Observation, Placement, SiteId, SiteSet, State};
use edge_lang::plan::{Action, PlannedEffect};
use futures_util::stream::{self, StreamExt};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

pub async fn perform(
    run: &Arc<Run>,
    step: &Arc<Step>,
    layers: Vec<HashMap<SiteId, Row>>,
    approval: &Arc<dyn Approval>,
) -> Result<Value, Failure> {
    let title = title(step, &run.inventory);
    let place = step.placement.display(|s| run.inventory.name(s).to_string()).to_string();
    run.events.emit(Some(&step.key), EventKind::Began { title: title.clone(), place, span: step.span });
    let patience = patience(step);
    let debtor = run.debtor();
    let layers = match &step.subject {
        // A link is spoken of by its ends, which are looked up at each site.
        None if &*step.operation == "delete" => {
            vec![step.placement.sites().iter().map(|site| (site, Row::default())).collect()]
        }
        _ => layers,
    };
    let absent = rows::absent(step, &layers);
    for site in &absent {
        run.events.emit(Some(&step.key), EventKind::Already { site, what: rows::ABSENT.into() });
    }
    let mut all = Vec::new();
    for (i, layer) in layers.into_iter().enumerate() {
        let id = Id::layer(&step.key, i);
        if !run.past.pursuits.contains_key(&id) {
            let begin = Box::new(begin(run, step, &title, &layer));
            run.journal.note(Entry::Begin { of: id.clone(), begin });
        }
        all.extend(layer.into_iter().map(|(site, row)| (id.clone(), site, row)));
    }
    // In order, so that a simulated run repeats.
    all.sort_by_key(|(_, site, _)| *site);
    let works = all.into_iter().map(|(id, site, row)| {
        let act = Act { run: run.clone(), id, step: step.clone(), site, row, approval: approval.clone(), debtor };
        async move {
            let (effect, done) = act.persist(patience).await;
            (site, effect, done)
        }
    });
    let ended: Vec<_> = stream::iter(works).buffer_unordered(patience.parallel).collect().await;
    let mut effects = BTreeMap::new();
    let (mut done, mut left, mut owed) = (absent, Vec::new(), false);
    for (site, effect, ended) in ended {
        match ended {
            Ok(()) => {
                done.insert(site);
            }
            Err(trouble) => {
                owed |= trouble.kind == Kind::Silent;
                left.push((site, trouble));
            }
        }
        effects.extend(effect.map(|e| (site, e)));
    }
    let lost: SiteSet = left.iter().map(|(s, _)| *s).collect();
    done = done.difference(&lost);
    if left.is_empty() || tolerated(&step.placement, &done) {
        run.events.emit(Some(&step.key), EventKind::Done { outcome: done.clone() });
        return Ok(rows::value(run, step, &[Pursued { effects, ..Pursued::default() }]));
    }
    left.sort_by_key(|(s, _)| *s);
    let answered = left.iter().any(|(_, t)| t.kind == Kind::Refused);
    if patience.unreachable == Unreachable::Defer && !answered && !run.is_interrupted() {
        let at = lost.iter().map(|s| run.inventory.instance(s, &step.service).unwrap_or(s)).collect();
        run.events.emit(Some(&step.key), EventKind::Deferred { sites: lost.clone() });
        run.owe(debtor, Owed { key: step.key.clone(), title, sites: lost, at, due: Due::Deferred });
        let done = Pursued { effects, ..Pursued::default() };
        return Ok(rows::value(run, step, &[done]));
    }
    let message = match done.is_empty() {
        true => format!("{title} was not carried out"),
        false => format!(
            "{title} was carried out at {}, and not at every site",
            edge_lang::eval::sites_text(&done, &run.inventory)
        ),
    };
    let code = match done.is_empty() {
        true => code_of(left.iter().map(|(_, t)| t.code), &codes::PARTIAL),
        false => &codes::PARTIAL,
    };
    let mut failure = Failure::new(code, step.span, message).kind(match (owed, done.is_empty()) {
        (true, _) => FailureKind::Owed,
        _ if left.iter().any(|(_, t)| t.stopped) => FailureKind::Interrupted,
        (false, true) => FailureKind::Failed,
        (false, false) => FailureKind::Partial,
    });
    for (site, trouble) in left {
        failure.sites.push((site, trouble.message));
        failure.help.extend(trouble.help);
    }
    failure.help.dedup();
    run.events.emit(Some(&step.key), EventKind::Failed { message: failure.message.clone() });
    Err(failure)
}

/// `all but n of`: some may lack it.
fn tolerated(placement: &Placement, done: &SiteSet) -> bool {
    matches!(placement, Placement::AllBut(..)) && placement.holds(done)
}

fn begin(run: &Run, step: &Step, title: &str, layer: &HashMap<SiteId, Row>) -> Begin {
    let resource = super::live::any_resource(run, step);
    let placement = Placement::AllOf(layer.keys().copied().collect());
    Begin {
        title: title.to_string(),
        place: placement.display(|s| run.inventory.name(s).to_string()).to_string(),
        span: step.span,
        placement,
        preference: Vec::new(),
        rules: resource.map(|r| rules(r, &step.operation, step.kind)).unwrap_or_default(),
        last: true,
        subjects: layer.iter().map(|(site, row)| (*site, journal::Known::of(row, resource))).collect(),
        source: None,
    }
}

/// The operation on one thing at one site.
struct Act {
    run: Arc<Run>,
    id: Id,
    step: Arc<Step>,
    site: SiteId,
    row: Row,
    approval: Arc<dyn Approval>,
    debtor: u64,
}

impl Act {
    /// Until it is done, refused, or the time is over.
    async fn persist(&self, patience: Patience) -> (Option<SiteEffect>, Result<(), Trouble>) {
        let Act { run, step, site, .. } = self;
        let deletes = &*step.operation == "delete";
        let past = run.past.pursuits.get(&self.id);
        let mut begun = past.is_some_and(|p| p.touched.contains(*site));
        let mut effect = (!deletes).then(|| {
            let (row, times) = (Some(self.row.clone()), times(step));
            SiteEffect::new(run.clone(), self.id.clone(), step.clone(), What::Operation, *site, row, times)
                .approved_by(self.approval.clone())
        });
        if let Some(belief) = past.and_then(|p| p.pursuit.belief(*site)).filter(|_| begun) {
            if belief.state == State::There {
                let what = past.and_then(|p| p.memories.get(site)).map_or(String::new(), |m| m.word.clone());
                run.events.emit(Some(&step.key), EventKind::There { site: *site, what });
                return (effect, Ok(()));
            }
            if !deletes && belief.state == State::Open {
                return (effect, Err(unsaid("the run was stopped before it answered")));
            }
        }
        if !begun && deletes && step.subject.is_none() && matches!(self.link().await, Ok(None)) {
            run.events.emit(Some(&step.key), EventKind::Already { site: *site, what: rows::ABSENT.into() });
            return (None, Ok(()));
        }
        if !begun
            && deletes
            && let Err(trouble) = self.approved().await
        {
            return (None, Err(trouble));
        }
        if run.is_interrupted() {
            let trouble = Trouble::unsent();
            run.events.emit(Some(&step.key), EventKind::Stopped { site: *site, why: trouble.message.clone() });
            return (effect, Err(trouble));
        }
        let end = Instant::now() + patience.limit;
        let at = run.inventory.instance(*site, &step.service).unwrap_or(*site);
        let mut pause = Duration::from_millis(500);
        loop {
            if let Some(why) = pending_at(step, *site).or_else(|| run.comes_first(at, self.debtor)) {
                run.events.emit(Some(&step.key), EventKind::PutOff { site: *site, why: why.clone() });
                return (effect, Err(Trouble { kind: Kind::NotReached, ..Trouble::silent(why) }));
            }
            let once = match &mut effect {
                None => self.delete(&mut begun).await,
                Some(effect) => act(effect).await,
            };
            self.note(&once, effect.as_ref().is_some_and(|e| e.changed()) || begun);
            match once {
                Err(trouble)
                    if trouble.kind != Kind::Refused && Instant::now() + pause < end && !run.is_interrupted() =>
                {
                    let why = trouble.message.clone();
                    run.events.emit(Some(&step.key), EventKind::Silent { site: *site, why });
                    if !run.pause(pause).await {
                        return (effect, Err(trouble));
                    }
                    pause = (pause * 2).min(Duration::from_secs(10));
                }
                once => return (effect, once),
            }
        }
    }

    /// What is deleted; a link is spoken of by its ends, which are looked up at the site.
    async fn deleted(&self) -> Result<(Instance, Row), Trouble> {
        let Act { run, step, site, row, .. } = self;
        let time = times(step).answer;
        let at = run.inventory.instance(*site, &step.service).unwrap_or(*site);
        let instance = Instance::open(run, at, &step.service, Who::of(step), time).await?;
        let row = match &step.subject {
            Some(_) => row.clone(),
            None => {
                resolve::link(Spot { run, step, atom: *site, at, time }, instance.resource(&step.resource)?).await?
            }
        };
        Ok((instance, row))
    }

    /// The link as it is there, if it is.
    async fn link(&self) -> Result<Option<Row>, Trouble> {
        let (instance, row) = self.deleted().await?;
        instance.read(instance.resource(&self.step.resource)?, row.fields.clone(), row.fields).await
    }

    async fn approved(&self) -> Result<(), Trouble> {
        let (step, text) = (&self.step, |value: &serde_json::Value| value.as_str().map(str::to_string));
        let (name, id) = match &step.subject {
            Some(_) => (self.row.fields.get("name").and_then(text), self.row.id.clone()),
            None => {
                let (instance, row) = self.deleted().await?;
                (render::link_name(instance.resource(&step.resource)?, &row.fields), None)
            }
        };
        let what = step.document.as_ref().map_or_else(|| step.resource.to_string(), |d| d.kind.to_string());
        let mut planned = PlannedEffect::new(self.site, Action::Delete, what, name);
        if let Some(id) = id {
            planned = planned.id(id);
        }
        self.approval.effect(step, &planned).await
    }

    async fn delete(&self, begun: &mut bool) -> Result<(), Trouble> {
        let Act { run, step, site, .. } = self;
        let times = times(step);
        let (instance, mut row) = self.deleted().await?;
        let resource = instance.resource(&step.resource)?;
        if step.subject.is_none() && resource.get.is_some() {
            // The ends say which it is; the site may call it by an id of its own.
            match instance.read(resource, row.fields.clone(), row.fields.clone()).await? {
                Some(there) => {
                    row.id = there.id.or(row.id);
                    for (field, value) in there.fields {
                        row.fields.entry(field).or_insert(value);
                    }
                }
                None if *begun => {
                    run.events.emit(Some(&step.key), EventKind::There { site: *site, what: "deleted".into() });
                    return Ok(());
                }
                None => {}
            }
        }
        let at = run.inventory.instance(*site, &step.service).unwrap_or(*site);
        remove::outlast(run, at, &instance, resource, &row, times.quiet).await?;
        if !*begun {
            let memory = Box::new(journal::Memory { attempt: 1, ..journal::Memory::default() });
            let sent = Entry::Send { of: self.id.clone(), site: *site, memory };
            run.journal.record(sent).await.map_err(|e| Trouble::refused(format!("the journal: {e}")))?;
            *begun = true;
        }
        let ready = times.ready.min(Duration::from_secs(600));
        remove::delete(run, &step.key, *site, &instance, resource, &row, ready).await?;
        let what = format!("deleted ({})", row.id.as_deref().unwrap_or("?"));
        run.events.emit(Some(&step.key), EventKind::There { site: *site, what });
        Ok(())
    }

    fn note(&self, once: &Result<(), Trouble>, begun: bool) {
        let (observation, state, out, word) = match once {
            Ok(()) => {
                let word = format!("{} done ({})", self.step.operation, self.row.id.as_deref().unwrap_or("?"));
                (Observation::Done, State::There, false, word)
            }
            Err(t) if t.kind == Kind::Refused && !t.answered => {
                (Observation::Refused, State::New, true, t.message.clone())
            }
            Err(t) if begun => (Observation::Silent, State::Open, false, t.message.clone()),
            Err(_) => return,
        };
        let belief = Belief { state, out, ..Belief::default() };
        let memory = Box::new(journal::Memory { attempt: 1, word, ..journal::Memory::default() });
        let (of, site) = (self.id.clone(), self.site);
        self.run.journal.note(Entry::Seen { of, site, observation, belief, memory });
    }
}

/// It may have been carried out, and must not be twice.
fn unsaid(why: &str) -> Trouble {
    let message = format!("not known whether it was carried out: {why}");
    Trouble { answered: true, ..Trouble::refused(message) }
}

async fn act(effect: &mut SiteEffect) -> Result<(), Trouble> {
    match effect.act(Deed::Send).await {
        Seen::Observed(Observation::Done) => Ok(()),
        Seen::Observed(Observation::Refused | Observation::Broken) => {
            Err(Trouble { help: effect.help.clone(), code: effect.code, ..Trouble::refused(effect.word.clone()) })
        }
        Seen::Observed(Observation::Silent) => Err(unsaid(&effect.word)),
        _ => Err(Trouble { kind: Kind::NotReached, ..Trouble::silent(effect.word.clone()) }),
    }
}
