//! The host of a plan: performs reads, looks at the sites for what changes would do there, and changes nothing.
//!
//! It resolves names and copies as a run does, so that a mistake that a site would refuse (an unknown flavor, a taken
//! name) is known before anything is sent. A site that does not answer is noted, and decided about in the run.

mod document;
mod there;

use super::abreast::{self, abreast};
use super::effect::with_article;
use super::instance::Instance;
use super::live::{prepared, times};
use super::planned::{self, Called, Earlier};
use super::resolve::{self, Spot};
use super::trouble::{Kind, Trouble, code_of};
use super::{Run, Who, codes, copying, guards, pending, prefer, read, refer, rows};
use edge_lang::eval::{Failure, Host, Key, Place, Secret, Step, StepKind, Unknown, Value};
use edge_lang::inventory::Inventory;
use edge_lang::library::render::{self, Fields, Row, Scope as Known};
use edge_lang::model::{SiteId, SiteSet};
use edge_lang::plan::{Action, Plan, PlannedEffect, PlannedStep};
use edge_lang::span::Span;
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use there::{link_there, not_there, troubled};

pub struct Planning {
    run: Arc<Run>,
    files: crate::run::files::Files,
    plan: Mutex<Plan>,
    guards: guards::Guards,
    earlier: Earlier,
    /// What `ensure` found to be as it is asked for.
    found: Mutex<HashMap<(Key, SiteId), Row>>,
}

/// What a step would do at a site.
type Looked = Result<Vec<PlannedEffect>, Trouble>;

impl Planning {
    pub fn new(run: Arc<Run>, files: crate::run::files::Files, guards: &guards::Guards) -> Planning {
        Planning {
            run,
            files,
            plan: Mutex::default(),
            guards: guards.apart(),
            earlier: Earlier::default(),
            found: Mutex::default(),
        }
    }

    pub fn into_plan(self) -> Plan {
        self.plan.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    async fn look(&self, step: Step) -> Result<Value, Failure> {
        let run = &self.run;
        let step = Arc::new(step);
        let most = abreast::of(&step);
        if step.placement.sites().is_empty() {
            return Ok(rows::nothing(&step));
        }
        let layers = match step.subject.as_ref().and_then(|s| step.arguments.get(s)) {
            Some(Value::Unknown(_)) => vec![HashMap::new()],
            _ => rows::subjects(run, &step).await?,
        };
        let absent = rows::absent(&step, &layers);
        let mut effects: Vec<PlannedEffect> = absent.iter().map(|site| not_there(&step, site)).collect();
        if layers.is_empty() {
            self.plan().step(&step, effects, &run.inventory);
            return Ok(rows::nothing(&step));
        }
        let (mut refused, mut aimed) = (SiteSet::new(), SiteSet::new());
        let (mut troubles, mut preferred) = (Vec::new(), Vec::new());
        if step.subject.is_some() || step.kind == StepKind::Copy {
            aimed = step.placement.sites();
            for layer in &layers {
                let sites: Vec<SiteId> = aimed.iter().filter(|s| layer.is_empty() || layer.contains_key(s)).collect();
                let looked = abreast(sites.iter().map(|s| self.at_site(&step, *s, layer.get(s))).collect(), most).await;
                for (site, looked) in sites.into_iter().zip(looked) {
                    match looked.and_then(|found| self.within_limits(&step, found)) {
                        Ok(found) => effects.extend(found),
                        Err(trouble) => {
                            effects.push(self.troubled(&step, site, layer.get(&site), &trouble));
                            troubles.push((site, trouble));
                        }
                    }
                }
            }
        } else {
            preferred = prefer::order(run, &step, &step.placement).await;
            let order = prefer::sites(run, &step, &step.placement, &preferred);
            let mut known = HashMap::new();
            if step.kind == StepKind::Ensure {
                // Where the placement holds of what is there, nothing is sent.
                let all: Vec<SiteId> = step.placement.sites().iter().collect();
                let looked = abreast(all.iter().map(|s| self.at_site(&step, *s, None)).collect(), most).await;
                known.extend(all.into_iter().zip(looked));
                let lacks = |looked: &Looked| !looked.as_ref().is_ok_and(|l| l.iter().all(|e| !e.action.changes()));
                let lacking: SiteSet = known.iter().filter(|(_, l)| lacks(l)).map(|(s, _)| *s).collect();
                if let Ok(Some(there)) = step.placement.first_minimal(&SiteSet::new(), &lacking, &order) {
                    known.retain(|site, _| there.contains(*site));
                    refused = step.placement.sites().difference(&there);
                }
            }
            // The first outcome that no site refuses; those that are refused are shown with it.
            loop {
                let candidate = step.placement.first_minimal(&SiteSet::new(), &refused, &order);
                let candidate = match candidate {
                    Ok(Some(candidate)) => candidate,
                    Ok(None) => return Err(self.refused(&step, troubles, effects).await),
                    Err(tangled) => return Err(Failure::new(&codes::FAILED, step.at, tangled.to_string())),
                };
                let fresh: Vec<SiteId> = candidate.iter().filter(|s| !aimed.contains(*s)).collect();
                let looked = fresh.iter().map(|s| {
                    let known = known.remove(s);
                    let step = &step;
                    async move {
                        match known {
                            Some(known) => known,
                            None => self.at_site(step, *s, None).await,
                        }
                    }
                });
                let looked = abreast(looked.collect(), most).await;
                let mut again = false;
                for (site, looked) in fresh.into_iter().zip(looked) {
                    aimed.insert(site);
                    match looked.and_then(|found| self.within_limits(&step, found)) {
                        Ok(found) => effects.extend(found),
                        Err(trouble) => {
                            effects.push(self.troubled(&step, site, None, &trouble));
                            if trouble.kind == Kind::Refused {
                                refused.insert(site);
                                again = true;
                            }
                            troubles.push((site, trouble));
                        }
                    }
                }
                if !again {
                    aimed = candidate;
                    break;
                }
            }
            effects.extend(self.fallbacks(&step, &aimed, &refused).await);
        }
        let hard = troubles.iter().any(|(_, t)| t.kind == Kind::Refused);
        if hard && (step.subject.is_some() || step.kind == StepKind::Copy) {
            return Err(self.refused(&step, troubles, effects).await);
        }
        for effect in effects.iter().filter(|e| e.action == Action::Create) {
            let at = run.inventory.instance(effect.site, &step.service).unwrap_or(effect.site);
            // What a document makes was noted down by its kind.
            if let Some(name) = effect.name.as_ref().filter(|_| step.document.is_none()) {
                let called = Called::new(run, Who::of(&step), at, &step.resource, &Fields::new(), name).await;
                run.plan_name(called, Fields::new());
            }
            self.earlier.note_brought(at);
        }
        for effect in effects.iter().filter(|e| e.action.changes()) {
            let at = run.inventory.instance(effect.site, &step.service).unwrap_or(effect.site);
            if let Some(id) = &effect.id {
                self.earlier.note_change(&step.resource, at, id);
            }
        }
        let id = |site| effects.iter().find(|e| e.site == site).and_then(|e| e.id.clone());
        let mut found = self.found.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let there = aimed.iter().filter_map(|site| Some((site, found.remove(&(step.key.clone(), site))?))).collect();
        drop(found);
        let value = pending::value(run, &step, &aimed, id, &there);
        let by = step.policy.prefer.as_ref().map_or("", |p| p.name());
        let mut planned = PlannedStep::of(&step, &run.inventory).preferring(by, preferred);
        if effects.iter().any(|effect| effect.action == Action::Create) {
            planned.content = self.content(&step);
        }
        if planned.more {
            let shown: SiteSet = effects.iter().map(|e| e.site).collect();
            for site in &step.placement.sites().difference(&shown) {
                planned.brings.add(&self.origins(&step, site));
            }
        }
        self.plan().looked_at(&step, planned, effects);
        Ok(value)
    }

    fn within_limits(&self, step: &Step, effects: Vec<PlannedEffect>) -> Looked {
        self.guards.count(step, effects.iter().filter(|e| e.action.changes()), &self.run.inventory)?;
        Ok(effects)
    }

    /// What would be done at sites that are not aimed at first, as the step itself says. A site is asked for nothing but the
    /// account that would be used there, where the scope names a person.
    async fn fallbacks(&self, step: &Step, aimed: &SiteSet, refused: &SiteSet) -> Vec<PlannedEffect> {
        let promised = PlannedStep::of(step, &self.run.inventory).promised();
        let others = promised.into_iter().filter(|e| !aimed.contains(e.site) && !refused.contains(e.site));
        let known = others.map(|effect| async move {
            if let Err(trouble) = self.guards.check(step, &effect, &self.run.inventory) {
                return PlannedEffect { action: Action::Refused { why: trouble.message }, ..effect }.fallback();
            }
            let brings = self.origins(step, effect.site);
            let effect = effect.fallback().brings(brings);
            if step.identity.is_none() {
                return effect;
            }
            let at = self.run.inventory.instance(effect.site, &step.service).unwrap_or(effect.site);
            match Instance::open(&self.run, at, &step.service, Who::of(step), times(step).answer).await {
                Ok(instance) => as_whom(step, effect, &instance),
                // It is found out when it is come to; until then nothing else is known.
                Err(_) => effect,
            }
        });
        abreast(known.collect(), abreast::of(step)).await
    }

    /// From where what the step needs at a site may have to be copied, as far as is known without asking anybody.
    fn origins(&self, step: &Step, atom: SiteId) -> SiteSet {
        let run = &*self.run;
        let at = run.inventory.instance(atom, &step.service).unwrap_or(atom);
        let resource = run.inventory.get(at).and_then(|s| run.library.resource(&s.stack, &step.resource));
        let operation = if step.kind == StepKind::Ensure { "create" } else { &*step.operation };
        let Some((resource, op)) = resource.and_then(|r| Some((r, r.ops.get(operation)?))) else {
            return SiteSet::new();
        };
        let spot = Spot { run, step, atom, at, time: times(step).answer };
        let may = |resource: &str| self.guards.may_come_along(at, resource, &run.inventory);
        let mut from = resolve::origins(spot, &op.params, &may);
        from.add(&refer::origins(spot, resource, &may));
        from
    }

    fn troubled(&self, step: &Step, site: SiteId, subject: Option<&Row>, trouble: &Trouble) -> PlannedEffect {
        let effect = troubled(step, site, subject, trouble);
        match effect.action {
            Action::Silent { .. } => effect.brings(self.origins(step, site)),
            _ => effect,
        }
    }

    async fn refused(&self, step: &Step, troubles: Vec<(SiteId, Trouble)>, effects: Vec<PlannedEffect>) -> Failure {
        // What would have that name is asked for by statements that are planned all the same.
        if let Some(name) = PlannedStep::of(step, &self.run.inventory).name
            && step.subject.is_none()
        {
            for site in &step.placement.sites() {
                let at = self.run.inventory.instance(site, &step.service).unwrap_or(site);
                let called = Called::new(&self.run, Who::of(step), at, &step.resource, &Fields::new(), &name).await;
                if !self.run.is_planned(&called) {
                    self.run.plan_name(called, Fields::new());
                }
            }
        }
        self.plan().step(step, effects, &self.run.inventory);
        let title = crate::run::live::title(step, &self.run.inventory);
        let refusals = troubles.iter().filter(|(_, t)| t.kind == Kind::Refused).map(|(_, t)| t.code);
        let code = code_of(refusals, &codes::FAILED);
        let mut failure = Failure::new(code, step.span, format!("{title} cannot be done; nothing was sent"));
        for (site, trouble) in troubles {
            failure.sites.push((site, trouble.message));
            failure.help.extend(trouble.help);
        }
        failure.help.dedup();
        failure
    }

    /// Whether what the step promises may be at a site.
    fn permitted(&self, step: &Step, site: SiteId) -> Result<(), Trouble> {
        let promised = PlannedStep::of(step, &self.run.inventory).promised();
        let Some(effect) = promised.into_iter().next() else { return Ok(()) };
        self.guards.check(step, &PlannedEffect { site, ..effect }, &self.run.inventory)
    }

    /// What the step would do at one site. Where that cannot be seen, what it promises is judged.
    async fn at_site(&self, step: &Step, atom: SiteId, subject: Option<&Row>) -> Looked {
        let looked = self.seen_at(step, atom, subject).await;
        if looked.as_ref().is_err_and(|trouble| trouble.kind != Kind::Refused) {
            self.permitted(step, atom)?;
        }
        looked
    }

    async fn seen_at(&self, step: &Step, atom: SiteId, subject: Option<&Row>) -> Looked {
        let run = &self.run;
        // Of what may be there already it is seen first whether anything would be done.
        if !matches!(step.kind, StepKind::Ensure | StepKind::Copy) {
            self.permitted(step, atom)?;
        }
        let at = run.inventory.instance(atom, &step.service).unwrap_or(atom);
        // Nobody waits twice in a plan for a site that does not answer.
        if let Some(trouble) = run.silence.of(at, &step.service) {
            return Err(trouble);
        }
        let time = times(step).answer;
        let instance = Instance::open(run, at, &step.service, Who::of(step), time).await?;
        let resource = instance.resource(&step.resource)?;
        instance.require(resource).await?;
        let called = step.document.as_ref().map_or_else(|| step.resource.to_string(), |d| d.kind.to_string());
        let named = |action, name: Option<&str>, id: Option<&str>| {
            let effect = PlannedEffect::new(atom, action, called.clone(), name.map(str::to_string));
            let effect = as_whom(step, effect, &instance);
            match id {
                Some(id) => effect.id(id),
                None => effect,
            }
        };
        let row_name = |row: &Row| row.fields.get("name").and_then(|n| n.as_str()).map(str::to_string);
        if step.kind == StepKind::Copy {
            let looked = copying::look(run, step, atom).await?;
            return Ok(looked
                .into_iter()
                .map(|looked| match looked {
                    Ok(row) => named(Action::AlreadyThere, row_name(&row).as_deref(), row.id.as_deref()),
                    Err(copy) => named(Action::Copy { from: copy.from, size: copy.size() }, copy.name(), None),
                })
                .collect());
        }
        let spot = Spot { run, step, atom, at, time };
        if step.kind == StepKind::Final && &*step.operation == "delete" {
            return self.deleted(spot, &instance, resource, subject, &named).await;
        }
        let operation = if step.kind == StepKind::Ensure { "create" } else { &*step.operation };
        let Some(op) = resource.ops.get(operation) else {
            return Err(Trouble::not_described(format!(
                "{} has no `{operation}` at sites of this kind",
                resource.name
            )));
        };
        let resolved = resolve::resolve(spot, &op.params).await?;
        let copies: Vec<PlannedEffect> = resolved
            .copies()
            .into_iter()
            .map(|copy| {
                let action = Action::Copy { from: copy.from, size: copy.size() };
                let name = copy.name().map(str::to_string);
                as_whom(step, PlannedEffect::new(atom, action, copy.resource.to_string(), name), &instance)
            })
            .collect();
        let mut later = resolved.later();
        let args: Fields =
            resolved.all.iter().filter_map(|(n, a)| Some((n.clone(), resolve::ready(a.clone()).ok()?))).collect();
        if let Some(document) = &step.document {
            return self.document(spot, &instance, resource, op, document, args).await;
        }
        let given = |name: &str| step.arguments.contains_key(name);
        render::version_for_write(instance.service(), resource, op, given, instance.offered())?;
        let by = resource.named.as_ref().and_then(|n| n.by.first());
        let name = by.and_then(|by| args.get(by)).and_then(|n| n.as_str()).map(str::to_string);
        // A link is called by its ends.
        let called = match resource.is_link() {
            true => render::link_name(resource, &render::ends(resource, &op.params, &args)?),
            false => name,
        };
        let known_by = match &called {
            Some(name) => Some(Called::new(run, Who::of(step), at, &step.resource, &args, name).await),
            None => None,
        };
        let gone = known_by.as_ref().is_some_and(|called| run.is_planned_gone(called));
        let mut there = None;
        let own = match (step.kind, subject) {
            (StepKind::Ensure, _) => {
                let planned = known_by.as_ref().and_then(|called| run.planned(called));
                let found = match &called {
                    _ if gone => None,
                    _ if planned.is_some() => planned.map(|fields| Row { id: None, fields }),
                    Some(name) if !resource.is_link() => instance.find(resource, name).await?,
                    _ => link_there(&instance, resource, &op.params, &args).await?,
                };
                there = found.as_ref().map(|row| row.fields.clone());
                let seen = found.as_ref().filter(|row| row.id.is_some()).cloned();
                let ensured = self.ensured(resource, &args, found, &called, &named)?;
                if let (Some(row), Action::AlreadyThere) = (seen, &ensured.action) {
                    let mut found = self.found.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                    found.insert((step.key.clone(), atom), row);
                }
                ensured
            }
            (_, Some(row)) => {
                let known = Known {
                    row: row.fields.clone(),
                    before: Some(row.fields.clone()),
                    args: args.clone(),
                    // It is no earlier one's; that of the run is not known yet.
                    effect: Some(run.name.to_string()),
                    ..instance.known()
                };
                let changed = row.id.as_ref().is_some_and(|id| self.earlier.changes(&step.resource, at, id));
                // Of what is still to be made too little is known.
                let holds = |already| row.id.is_some() && !changed && render::holds(already, &known).unwrap_or(false);
                let already = op.already.as_ref().is_some_and(holds);
                let action = match already {
                    true => Action::Nothing { why: "it is so already".into() },
                    false => planned::action(step, op, resource),
                };
                named(action, row_name(row).as_deref(), row.id.as_deref())
            }
            (_, None) if step.subject.is_some() => named(planned::action(step, op, resource), None, None),
            (_, None) => {
                if let Some(name) = called.as_ref().filter(|_| !resource.is_link())
                    && !gone
                    && op.creates(&resource.name) == Some(&resource.name)
                    && let Some(taken) = instance.named(resource, name).await?.first()
                {
                    let id = taken.id.as_deref().unwrap_or("?");
                    let message = format!("{} named `{name}` is there already ({id})", with_article(&resource.name));
                    return Err(
                        Trouble::refused(message).help(format!("`{}.ensure` accepts what is there", resource.name))
                    );
                }
                if resource.is_link()
                    && op.creates(&resource.name) == Some(&resource.name)
                    && !gone
                    && link_there(&instance, resource, &op.params, &args).await?.is_some()
                {
                    let called = called.as_deref().unwrap_or("?");
                    let message = format!("{} `{called}` is there already", with_article(&resource.name));
                    return Err(
                        Trouble::refused(message).help(format!("`{}.ensure` accepts what is there", resource.name))
                    );
                }
                named(planned::action(step, op, resource), called.as_deref(), None)
            }
        };
        if let (Some(called), Action::Create | Action::Change { .. }) = (known_by, &own.action) {
            // What is changed stays what it is otherwise.
            let fields = there.unwrap_or_default().into_iter().chain(args.clone()).collect();
            run.plan_name(called, fields);
        }
        for copy in resolved.copies() {
            if let Some(name) = copy.name() {
                let none = Fields::new();
                let called = Called::new(run, Who::of(step), copy.to, &copy.resource, &none, name).await;
                run.plan_name(called, copy.row.fields.clone());
            }
        }
        let mut copies = copies;
        if own.action == Action::Create && op.creates(&resource.name) == Some(&resource.name) {
            let mut known = Known { args: args.clone(), ..instance.known() };
            render::fill_defaults(&op.params, &mut known)?;
            let (referred, from) = self.referred(spot, &instance, resource, op, &known).await?;
            copies.extend(referred);
            later.add(&from);
        }
        // Of what is there and as it should be nothing is sent.
        let own = if own.action.changes() { own.brings(later) } else { own };
        Ok(copies.into_iter().chain([own]).collect())
    }

    /// A read of something, by name, that an earlier step of the plan makes.
    async fn asks_for_planned(&self, step: &Step) -> bool {
        let Some(Value::String(name)) = step.subject.as_ref().and_then(|s| step.arguments.get(s)) else { return false };
        if self.run.all_planned().is_empty() {
            return false;
        }
        for site in &step.placement.sites() {
            let at = self.run.inventory.instance(site, &step.service).unwrap_or(site);
            let said = step.arguments.iter().filter_map(|(name, value)| match value {
                Value::String(text) => Some((name.clone(), text.as_ref().into())),
                _ => None,
            });
            let called = Called::new(&self.run, Who::of(step), at, &step.resource, &said.collect(), name).await;
            if self.run.is_planned(&called) {
                return true;
            }
        }
        false
    }
}

/// Where a scope names a person, the plan says by which account each site is asked.
fn as_whom(step: &Step, effect: PlannedEffect, at: &Instance) -> PlannedEffect {
    match step.identity {
        Some(_) => effect.account(at.account_name.as_str()),
        None => effect,
    }
}

impl Host for Planning {
    fn inventory(&self) -> &Inventory {
        &self.run.inventory
    }

    fn perform(&self, step: Step) -> BoxFuture<'_, Result<Value, Failure>> {
        Box::pin(async move {
            let step = prepared(&self.run, step)?;
            if step.kind == StepKind::Read {
                let pending =
                    step.subject.as_ref().and_then(|s| step.arguments.get(s)).filter(|v| rows::is_pending(v)).cloned();
                if let Some(value) = pending {
                    self.plan().step(&step, Vec::new(), &self.run.inventory);
                    return Ok(value);
                }
                if self.asks_for_planned(&step).await {
                    self.plan().step(&step, Vec::new(), &self.run.inventory);
                    return Ok(pending::value(&self.run, &step, &step.placement.sites(), |_| None, &BTreeMap::new()));
                }
                let value = read::perform(&self.run, &step).await?;
                self.plan().step(&step, Vec::new(), &self.run.inventory);
                if let Some(told) = read::told_old(&self.run, &step, &value) {
                    self.plan().note(&told, step.span, &step.place);
                }
                return Ok(value);
            }
            self.look(step).await
        })
    }

    fn refresh(&self, value: Value, _: Key) -> BoxFuture<'_, Result<Value, Failure>> {
        Box::pin(std::future::ready(Ok(value)))
    }

    fn later(&self, step: Step, placement: &Unknown) {
        self.plan().later(&step, placement, &self.run.inventory);
    }

    fn undo(&self, _: Vec<Key>) -> BoxFuture<'_, Result<String, Failure>> {
        Box::pin(std::future::ready(Ok(String::new())))
    }

    fn print(&self, text: &str, span: Span, place: &Place) {
        self.plan().print(text, span, place);
    }

    fn note(&self, text: &str, span: Span, place: &Place) {
        self.plan().note(text, span, place);
    }

    fn file(&self, path: &str, span: Span) -> Result<Arc<str>, Failure> {
        self.files.file(path, span)
    }

    fn read(&self, path: &str, span: Span) -> Result<Arc<str>, Failure> {
        self.files.read(path, span)
    }

    fn documents(&self, text: &str, span: Span) -> Result<Vec<Value>, Failure> {
        crate::run::files::documents(text, span)
    }

    fn secret(&self, name: &str, span: Span) -> Result<Secret, Failure> {
        self.files.secret(name, span)
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn elapsed(&self) -> Duration {
        self.run.elapsed()
    }

    fn planning(&self) -> bool {
        true
    }
}
