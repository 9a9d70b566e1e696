//! `check` and `plan` of twenty statements over 3,500 sites, and counting placements over 10,000.
//!
//! The language alone is measured against a host that answers from memory, in a process of its own, so that what the
//! process held at most is that work's and nothing else's. `edge plan` on simulated sites does more: it asks every site
//! for what the plan depends on.

use crate::figure::{Aim, best, figure, ms, skipped};
use crate::language::{inventory, library};
use crate::process::{Folder, edge, peak_memory, watched};
use edge_lang::check::{NoImports, check};
use edge_lang::diagnostic::{Code, Severity};
use edge_lang::eval::{
    Failure, Given, Handle, Host, Key, Place, Row, Secret, Step, StepKind, Table, Unknown, Value, run,
};
use edge_lang::inventory::Inventory;
use edge_lang::library::Library;
use edge_lang::model::{Placement, Pursuit, Rules, SiteSet};
use edge_lang::plan::{Plan, PlannedStep};
use edge_lang::span::{FileId, Span};
use edge_lang::syntax;
use edge_lang::types::Type;
use futures_util::future::{BoxFuture, ready};
use std::fmt::Write;
use std::pin::pin;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// The argument that means: only the language's part, and print what it took.
pub const ALONE: &str = "planning-alone";

const SITES: usize = 3500;
const PROGRAM: &str = include_str!("planning.edge");

pub fn measure() {
    let myself = std::env::current_exe().expect("a process knows its program");
    match Command::new(myself).arg(ALONE).output() {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            if let [whole, check, text, peak, before] = numbers[..] {
                figure("check + plan, 20 statements, 3,500 sites, from memory", whole, "ms", Aim::Below(200.0));
                figure("  of which the check", check, "ms", Aim::None);
                figure("  and the plan as text, beside it", text, "ms", Aim::None);
                figure("  most memory of the process", peak, "MiB", Aim::Below(100.0 / 1.048576));
                figure("  and before it: library and inventory", before, "MiB", Aim::None);
            }
        }
        Ok(output) => skipped(String::from_utf8_lossy(&output.stderr).trim()),
        Err(why) => skipped(&why.to_string()),
    }
    simulated();
    counting();
}

pub fn alone() {
    let (library, inventory) = (library(), inventory(SITES));
    let before = peak_memory("self").unwrap_or(0.0);
    let (mut whole, mut checking, mut writing) = (f64::MAX, f64::MAX, f64::MAX);
    for _ in 0..7 {
        let began = Instant::now();
        let (host, checked) = planned(PROGRAM, &library, &inventory);
        whole = whole.min(ms(began.elapsed()));
        checking = checking.min(checked);
        let began = Instant::now();
        let plan = host.plan.into_inner().unwrap_or_else(PoisonError::into_inner);
        let text = plan.text(&inventory);
        writing = writing.min(ms(began.elapsed()));
        assert!(plan.counts().create > SITES, "{text}");
    }
    println!("{whole} {checking} {writing} {} {before}", peak_memory("self").unwrap_or(0.0));
}

/// Parses, checks and plans; the time of parsing and checking.
fn planned<'a>(text: &str, library: &'a Library, inventory: &'a Inventory) -> (FromMemory<'a>, f64) {
    let began = Instant::now();
    let parsed = syntax::parse(FileId(0), text);
    let checked = check(&parsed.program, &NoImports, library, inventory);
    let time = ms(began.elapsed());
    let wrong: Vec<_> = parsed.diagnostics.iter().chain(&checked.diagnostics).filter(|d| d.is_error()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let host = FromMemory { library, inventory, plan: Mutex::default() };
    // Nothing is waited for; long work only lets others run now and then.
    let result = {
        let mut work = pin!(run(&checked.program, Given::default(), &host));
        loop {
            if let Poll::Ready(outcome) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                break outcome.result;
            }
        }
    };
    if let Err(failure) = result {
        panic!("{failure:?}");
    }
    (host, time)
}

/// `edge plan` of the same program with simulated sites, in which every request is made and answered.
fn simulated() {
    let folder = Folder::new("planning");
    let mut scenario = String::from("sites:\n");
    for (_, site) in inventory(SITES).iter() {
        let _ = writeln!(scenario, "  {}: {{ labels: {{ region: {} }} }}", site.name, site.labels["region"]);
    }
    folder.write("sites.yaml", &scenario);
    folder.write("twenty.edge", PROGRAM);
    folder.write("one.edge", "keypair.ensure(\"ops\", public_key: \"ssh-ed25519 AAAA\") @ Zone7\n");
    for (what, command, script) in [
        ("edge check, 20 statements", "check", "twenty.edge"),
        ("edge plan, a statement at one site", "plan", "one.edge"),
        ("edge plan, 20 statements", "plan", "twenty.edge"),
    ] {
        match watched(edge().args([command, "--sim=sites.yaml", script]).current_dir(&folder.0)) {
            Ok((time, memory)) => {
                figure(&format!("{what}, 3,500 simulated sites: whole process"), ms(time), "ms", Aim::None);
                figure("  most memory", memory, "MiB", Aim::None);
            }
            Err(why) => skipped(&format!("{what}: {}", why.lines().next().unwrap_or("it failed without a word"))),
        }
    }
}

fn counting() {
    let (library, inventory) = (library(), inventory(10_000));
    let sites = SiteSet::below(10_000);
    let below = Aim::Below(50.0);
    let forms = [
        ("exactly 1", Placement::Exactly(1, sites.clone())),
        ("at least 1", Placement::AtLeast(1, sites.clone())),
        ("at least 100", Placement::AtLeast(100, sites.clone())),
        ("at least 5000", Placement::AtLeast(5_000, sites.clone())),
        ("at least 9999", Placement::AtLeast(9_999, sites)),
    ];
    for (form, placement) in forms {
        let begin = || Pursuit::new(placement.clone(), Vec::new(), Rules::default()).expect("it is not tangled");
        figure(&format!("{form} of 10,000: what to send first"), ms(best(7, || begin().actions())), "ms", below);
        let text = format!("server.create(\"vm\", flavor: \"tiny\", image: \"cirros\") @ {form} of sites");
        let whole = ms(best(5, || planned(&text, &library, &inventory).0));
        figure(&format!("{form} of 10,000: parsed, checked and planned"), whole, "ms", below);
    }
}

/// Every site has one row of everything; what is made is pending, as a plan's host says.
struct FromMemory<'a> {
    library: &'a Library,
    inventory: &'a Inventory,
    plan: Mutex<Plan>,
}

impl FromMemory<'_> {
    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, step: &Step) -> Value {
        let pending = step.kind != StepKind::Read;
        let resource = self.library.any_resource(&step.resource);
        let fields = || resource.into_iter().flat_map(|r| r.fields.values()).filter(|f| !f.once);
        let given = |name: &str| step.arguments.get(name).filter(|v| matches!(v, Value::String(_))).cloned();
        let cell = |name: &str, ty: &Type| match (name, ty.present()) {
            ("name", _) => given(name).unwrap_or(Value::String("cirros".into())),
            ("status", _) if !pending => Value::String("ACTIVE".into()),
            (_, Type::String) if !pending => Value::String("some text".into()),
            (_, ty) if pending => Value::Unknown(Arc::new(Unknown { ty: ty.clone(), what: format!("the {name}") })),
            _ => Value::Null,
        };
        let at = match pending {
            true => PlannedStep::of(step, self.inventory).aimed,
            false => step.placement.sites(),
        };
        let id: Arc<str> = if pending { "".into() } else { "0001".into() };
        match step.result.present() {
            Type::Handle(name) => match at.first() {
                None => Value::Null,
                Some(site) => Value::Handle(Arc::new(Handle {
                    resource: name.clone(),
                    site,
                    id,
                    fields: Arc::new(fields().map(|f| (f.name.clone(), cell(&f.name, &f.ty))).collect()),
                    pending,
                    elsewhere: step.placement.sites().difference(&at),
                })),
            },
            Type::Replicated(_) | Type::Table(_) => {
                let values: Vec<Value> = fields().map(|f| cell(&f.name, &f.ty)).collect();
                let row = |site| Row { site: Some(site), values: values.clone(), id: Some(id.clone()), pending };
                Value::Table(Arc::new(Table {
                    resource: Some(step.resource.clone()),
                    columns: fields().map(|f| f.name.clone()).collect(),
                    rows: at.iter().map(row).collect(),
                    asked: step.placement.sites(),
                    ..Table::default()
                }))
            }
            _ => Value::Null,
        }
    }
}

/// What this host never does.
static REFUSED: Code = Code { id: "B0001", severity: Severity::Error, title: "not in a bench", page: "" };

fn refused<T>(span: Span) -> Result<T, Failure> {
    Err(Failure::new(&REFUSED, span, "a bench has no files, no secrets and takes nothing back"))
}

impl Host for FromMemory<'_> {
    fn inventory(&self) -> &Inventory {
        self.inventory
    }

    fn perform(&self, step: Step) -> BoxFuture<'_, Result<Value, Failure>> {
        let value = self.answer(&step);
        let effects = if step.changes() { PlannedStep::of(&step, self.inventory).promised() } else { Vec::new() };
        self.plan().step(&step, effects, self.inventory);
        Box::pin(ready(Ok(value)))
    }

    fn refresh(&self, value: Value, _: Key) -> BoxFuture<'_, Result<Value, Failure>> {
        Box::pin(ready(Ok(value)))
    }

    fn later(&self, step: Step, placement: &Unknown) {
        self.plan().later(&step, placement, self.inventory);
    }

    fn undo(&self, _: Vec<Key>) -> BoxFuture<'_, Result<String, Failure>> {
        Box::pin(ready(refused(Span::default())))
    }

    fn print(&self, text: &str, span: Span, place: &Place) {
        self.plan().print(text, span, place);
    }

    fn note(&self, text: &str, span: Span, place: &Place) {
        self.plan().note(text, span, place);
    }

    fn file(&self, _: &str, span: Span) -> Result<Arc<str>, Failure> {
        refused(span)
    }

    fn read(&self, _: &str, span: Span) -> Result<Arc<str>, Failure> {
        refused(span)
    }

    fn secret(&self, _: &str, span: Span) -> Result<Secret, Failure> {
        refused(span)
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn planning(&self) -> bool {
        true
    }
}
