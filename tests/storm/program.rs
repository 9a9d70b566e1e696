//! A case: sites, a program over them, and what goes wrong, made up from a seed. It is data, so that a case that fails can
//! be made smaller.

use super::contest::{self, Contest};
use super::disk::Trouble;
use super::formula::{Formula, Random, bits};
use super::promise::Watch;
use super::site::{Kind, Maker, SITES, Site};
use super::weather::Fault;
use std::fmt::Write;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Case {
    pub sites: usize,
    pub statements: Vec<Statement>,
    pub weather: Vec<Fault>,
    /// From here on nothing goes wrong.
    pub heal: Duration,
    /// Stopped by its user after this time.
    pub stop: Option<Duration>,
    /// What becomes of one runner after the other; those after them live.
    pub troubles: Vec<Trouble>,
    /// Until the next runner goes on.
    pub rest: Duration,
    /// Until an entry of the journal is safe.
    pub slow_disk: Duration,
    /// How long what is tidied is waited for at the end.
    pub grace: Duration,
    pub latency: u64,
    pub before: Vec<Present>,
    pub build: Vec<Duration>,
    pub linger: Vec<Duration>,
}

/// A thing that a site has before the run, or gets from somebody else.
#[derive(Clone, Debug)]
pub struct Present {
    pub site: usize,
    pub kind: Kind,
    pub name: String,
    pub text: &'static str,
    pub maker: Maker,
    pub at: Duration,
}

#[derive(Clone, Debug)]
pub enum Statement {
    Make(Make),
    /// Of what was made under this number.
    Halt(u32),
    Delete(u32, Kind),
    Atomic(u32, Vec<Statement>),
    Try(Vec<Statement>, Vec<Statement>),
    Parallel(Vec<Make>),
    Loop(Loop),
}

#[derive(Clone, Debug)]
pub struct Loop {
    pub parallel: bool,
    pub over: u32,
    /// At the site of the iteration, else where the formula says.
    pub own: bool,
    pub make: Make,
}

#[derive(Clone, Debug)]
pub struct Make {
    pub number: u32,
    pub kind: Kind,
    pub ensure: bool,
    pub formula: Formula,
    pub with: Vec<String>,
    /// Made in the net of that number.
    pub net: Option<u32>,
    /// Made with the text of that site.
    pub conf: Option<usize>,
}

impl Make {
    fn brief(&self) -> bool {
        self.with.iter().any(|w| w == "overlap: brief")
    }
}

/// The text that is wanted, and another one.
pub const TEXT: &str = "new";
const OLD: &str = "old";

impl Case {
    pub fn of(seed: u64) -> Case {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5_707a);
        let sites = random.one_of(&[2, 3, 3, 4, 4, 5, 6]);
        let mut maker = Writer { random: &mut random, sites, numbers: 0 };
        let mut statements = Vec::new();
        let count = 1 + maker.random.below(3);
        let mut known = Vec::new();
        for _ in 0..count {
            maker.statement(&mut statements, &mut known, 2);
        }
        let weather = (0..random.below(7)).map(|_| Fault::random(&mut random, sites)).collect();
        let heal = Duration::from_secs(random.one_of(&[20, 60, 100, 250, 700]));
        let stop = random.chance(12).then(|| Duration::from_millis(random.one_of(&[5, 700, 1_300, 5_000, 40_000])));
        let times = [0, 0, 0, 300, 10_000, 50_000];
        let time = |random: &mut Random| Duration::from_millis(random.one_of(&times));
        let mut case = Case {
            sites,
            statements,
            weather,
            heal,
            stop,
            troubles: troubles(&mut random),
            rest: Duration::from_millis(random.one_of(&[0, 0, 100, 30_000, 200_000])),
            slow_disk: Duration::from_millis(random.one_of(&[0, 0, 0, 5, 2_000])),
            grace: Duration::from_secs(random.one_of(&[3600, 3600, 5])),
            latency: random.one_of(&[0, 0, 20, 300]),
            before: Vec::new(),
            build: (0..sites).map(|_| time(&mut random)).collect(),
            linger: (0..sites).map(|_| time(&mut random) / 10).collect(),
        };
        match contest::of(seed) {
            Some(Contest::InTheWay) => contest::stage(&mut case, &mut random),
            Some(Contest::Surplus) => contest::surplus(&mut case, &mut random),
            None => {}
        }
        case.before(&mut random);
        case
    }

    /// Some of what is ensured is there already, some with another text, and now and then a name is somebody else's.
    fn before(&mut self, random: &mut Random) {
        let mut all = Vec::new();
        for make in makes(&self.statements) {
            if let Some(site) = make.conf {
                all.push((site, Kind::Conf, "base".into(), TEXT, Maker::Before, 0));
            }
            for site in bits(make.formula.sites()) {
                let name = format!("n{}", make.number);
                if make.ensure && random.chance(25) {
                    let text = if make.kind == Kind::Conf { random.one_of(&[TEXT, OLD]) } else { "" };
                    all.push((site, make.kind, name, text, Maker::Before, 0));
                } else if !make.ensure && !make.kind.is_unique() && random.chance(3) {
                    // Not under a unique name, by which alone ours is known.
                    let at = random.one_of(&[0, 5, 1_000, 20_000]);
                    all.push((site, make.kind, name, "", Maker::Other, at));
                }
            }
        }
        for (site, kind, name, text, maker, at) in all {
            let known = |p: &Present| p.site == site && p.kind == kind && p.name == name;
            if !self.before.iter().any(known) {
                self.before.push(Present { site, kind, name, text, maker, at: Duration::from_millis(at) });
            }
        }
    }

    pub fn sites(&self) -> Vec<Site> {
        let mut all: Vec<Site> = (0..SITES.len()).map(Site::new).collect();
        for (site, (build, linger)) in all.iter_mut().zip(self.build.iter().zip(&self.linger)) {
            (site.build, site.linger) = (*build, *linger);
        }
        for present in self.before.iter().filter(|p| p.at.is_zero()) {
            all[present.site].put(present.kind, &present.name, present.text, present.maker);
        }
        all
    }

    pub fn text(&self) -> String {
        let mut out = String::new();
        write(&mut out, &self.statements, 0);
        out
    }

    pub fn watches(&self) -> Vec<Watch> {
        let mut all = Vec::new();
        watch(&mut all, &self.statements, &mut Vec::new());
        let deleted = deleted(&self.statements);
        for watch in &mut all {
            watch.may_go |= deleted.contains(&watch.number);
            watch.before = self
                .before
                .iter()
                .filter(|p| p.maker == Maker::Before && p.kind == watch.kind && p.name == watch.name)
                .fold(0, |all, p| all | 1 << p.site);
        }
        all
    }

    pub fn told(&self) -> String {
        let mut out = self.text();
        for present in &self.before {
            let site = SITES[present.site];
            let _ = writeln!(
                out,
                "{site} has {} {:?} {:?} ({:?}, {:?})",
                present.kind.word(),
                present.name,
                present.text,
                present.maker,
                present.at
            );
        }
        for fault in &self.weather {
            let _ = writeln!(out, "{fault}");
        }
        let _ = writeln!(
            out,
            "healed after {:?}, stopped {:?}, runners {:?}, rest {:?}, disk {:?}, grace {:?}, latency {} ms, vms up after {:?}, gone after {:?}",
            self.heal,
            self.stop,
            self.troubles,
            self.rest,
            self.slow_disk,
            self.grace,
            self.latency,
            self.build,
            self.linger
        );
        out
    }
}

/// Half of all runs go through without a crash; the others die up to three times.
fn troubles(random: &mut Random) -> Vec<Trouble> {
    let deaths = random.one_of(&[0, 0, 0, 0, 1, 1, 1, 2, 3]);
    let one = |random: &mut Random| {
        let most = random.one_of(&[5, 15, 40]);
        let at = 1 + random.below(most);
        match random.below(20) {
            0 => Trouble::Full(at),
            1..=9 => Trouble::DiesBefore(at),
            _ => Trouble::DiesAfter(at),
        }
    };
    (0..deaths).map(|_| one(random)).collect()
}

struct Writer<'a> {
    random: &'a mut Random,
    sites: usize,
    numbers: u32,
}

impl Writer<'_> {
    /// Adds a statement; `known` are those whose variables it may use.
    fn statement(&mut self, out: &mut Vec<Statement>, known: &mut Vec<Make>, depth: u32) {
        let nested = depth > 0;
        match self.random.below(20) {
            0 | 1 if nested => {
                self.numbers += 1;
                let number = self.numbers;
                let body = self.block(known, depth - 1, 1 + self.random.clone().below(3));
                out.push(Statement::Atomic(number, without_final(body)));
            }
            2 if nested => {
                let body = self.block(known, depth - 1, 1 + self.random.clone().below(2));
                let other = self.block(known, depth - 1, 1);
                out.push(Statement::Try(body, other));
            }
            3 if nested => {
                let body = (0..2).map(|_| self.make(&[])).collect();
                out.push(Statement::Parallel(body));
            }
            4 | 5 if nested => {
                let over = self.random.some((1 << self.sites) - 1);
                let mut make = self.make(&[]);
                make.ensure = false;
                let own = self.random.chance(60);
                out.push(Statement::Loop(Loop { parallel: self.random.chance(60), over, own, make }));
            }
            6..=8 if !known.is_empty() => {
                let make = self.random.one_of(known);
                match make.kind == Kind::Vm && self.random.chance(50) {
                    true => out.push(Statement::Halt(make.number)),
                    false => {
                        known.retain(|k| k.number != make.number);
                        out.push(Statement::Delete(make.number, make.kind));
                    }
                }
            }
            _ => {
                let make = self.make(known);
                known.push(make.clone());
                out.push(Statement::Make(make));
            }
        }
    }

    fn block(&mut self, known: &[Make], depth: u32, count: u64) -> Vec<Statement> {
        // What is done inside is not known outside; what is deleted inside is not deleted outside again.
        let mut inner = Vec::new();
        let mut out = Vec::new();
        for _ in 0..count {
            self.statement(&mut out, &mut inner, depth);
        }
        if known.is_empty() || !self.random.chance(20) {
            return out;
        }
        let vms: Vec<&Make> = known.iter().filter(|k| k.kind == Kind::Vm).collect();
        if !vms.is_empty() {
            let number = self.random.one_of(&vms).number;
            out.insert(0, Statement::Halt(number));
        }
        out
    }

    fn make(&mut self, known: &[Make]) -> Make {
        self.numbers += 1;
        let random = &mut *self.random;
        let kind =
            random.one_of(&[Kind::Vm, Kind::Vm, Kind::Vm, Kind::Disk, Kind::Net, Kind::Net, Kind::Key, Kind::Conf]);
        let ensure = random.chance(match kind {
            Kind::Conf => 70,
            Kind::Disk | Kind::Net | Kind::Key => 20,
            _ => 0,
        });
        let mut formula = Formula::random(random, self.sites);
        let mut with = Vec::new();
        if random.chance(35) {
            with.push(format!("timeout: {}", random.one_of(&["15s", "40s", "3min"])));
        }
        if random.chance(8) {
            with.push("overlap: brief".into());
        } else if random.chance(12) {
            with.push("unreachable: defer".into());
        }
        if random.chance(5) {
            with.push("parallel: 1".into());
        }
        let nets: Vec<&Make> = known.iter().filter(|k| k.kind == Kind::Net).collect();
        let net = (kind == Kind::Vm && !nets.is_empty() && random.chance(60)).then(|| random.one_of(&nets));
        if let Some(net) = net {
            // Where the net is, as far as that is known.
            formula = net.formula.clone();
        }
        let conf =
            (kind == Kind::Vm && net.is_none() && random.chance(20)).then(|| random.below(self.sites as u64) as usize);
        Make { number: self.numbers, kind, ensure, formula, with, net: net.map(|n| n.number), conf }
    }
}

pub fn makes(statements: &[Statement]) -> Vec<&Make> {
    let mut all = Vec::new();
    for statement in statements {
        match statement {
            Statement::Make(make) | Statement::Loop(Loop { make, .. }) => all.push(make),
            Statement::Parallel(body) => all.extend(body),
            Statement::Atomic(_, body) => all.extend(makes(body)),
            Statement::Try(body, other) => {
                all.extend(makes(body));
                all.extend(makes(other));
            }
            Statement::Halt(_) | Statement::Delete(..) => {}
        }
    }
    all
}

fn deleted(statements: &[Statement]) -> Vec<u32> {
    let mut all = Vec::new();
    for statement in statements {
        match statement {
            Statement::Delete(number, _) => all.push(*number),
            Statement::Atomic(_, body) => all.extend(deleted(body)),
            Statement::Try(body, other) => {
                all.extend(deleted(body));
                all.extend(deleted(other));
            }
            _ => {}
        }
    }
    all
}

/// What cannot be undone may not stand in `atomic`.
fn without_final(mut statements: Vec<Statement>) -> Vec<Statement> {
    statements.retain(|s| !matches!(s, Statement::Delete(..)));
    for statement in &mut statements {
        match statement {
            Statement::Atomic(_, body) => *body = without_final(std::mem::take(body)),
            Statement::Try(body, other) => {
                *body = without_final(std::mem::take(body));
                *other = without_final(std::mem::take(other));
            }
            _ => {}
        }
    }
    statements
}

fn write(out: &mut String, statements: &[Statement], depth: usize) {
    let pad = "  ".repeat(depth);
    let block = |out: &mut String, head: &str, body: &[Statement], end: &str| {
        let _ = writeln!(out, "{pad}{head} {{");
        write(out, body, depth + 1);
        let _ = write!(out, "{pad}}}{end}");
    };
    for statement in statements {
        match statement {
            Statement::Make(make) => {
                let number = make.number;
                let _ = writeln!(out, "{pad}let x{number} = {}", making(make, &format!("n{number}"), None));
            }
            Statement::Halt(number) => {
                let _ = writeln!(out, "{pad}vm.halt(x{number})");
            }
            Statement::Delete(number, kind) => {
                let _ = writeln!(out, "{pad}{}.delete(x{number})", kind.word());
            }
            Statement::Atomic(number, body) => {
                block(out, "atomic", body, "\n");
                let _ = writeln!(out, "{pad}print \"kept {number}\"");
            }
            Statement::Try(body, other) => {
                block(out, "try", body, "");
                block(out, " else e", other, "\n");
            }
            Statement::Parallel(body) => {
                let _ = writeln!(out, "{pad}parallel {{");
                for make in body {
                    let _ = writeln!(out, "{pad}  {}", making(make, &format!("n{}", make.number), None));
                }
                let _ = writeln!(out, "{pad}}}");
            }
            Statement::Loop(of) => {
                let names: Vec<&str> = bits(of.over).map(|i| SITES[i]).collect();
                let word = if of.parallel { "parallel for" } else { "for" };
                let _ = writeln!(out, "{pad}{word} s in {{{}}} {{", names.join(", "));
                let name = format!("n{}-${{s.name}}", of.make.number);
                let _ = writeln!(out, "{pad}  {}", making(&of.make, &name, of.own.then_some("s")));
                let _ = writeln!(out, "{pad}}}");
            }
        }
    }
}

/// `vm.create("n1", net: x2) @ (A || B) with { timeout: 15s }`.
fn making(make: &Make, name: &str, own: Option<&str>) -> String {
    let kind = make.kind.word();
    let operation = if make.ensure { "ensure" } else { "create" };
    let mut out = format!("{kind}.{operation}(\"{name}\"");
    if make.kind == Kind::Conf {
        let _ = write!(out, ", text: \"{TEXT}\"");
    }
    if let Some(net) = make.net {
        let _ = write!(out, ", net: x{net}");
    }
    let at = own.map_or_else(|| make.formula.text(&SITES), str::to_string);
    match make.conf {
        Some(source) => {
            let _ = write!(out, ", conf: \"base\") @ {{ lab: {at}, store: {} }}", SITES[source]);
        }
        None => {
            let _ = write!(out, ") @ ({at})");
        }
    }
    if !make.with.is_empty() {
        let _ = write!(out, " with {{ {} }}", make.with.join(", "));
    }
    out
}

fn watch(all: &mut Vec<Watch>, statements: &[Statement], atomics: &mut Vec<u32>) {
    for statement in statements {
        match statement {
            Statement::Make(make) => {
                all.push(watched(make, format!("n{}", make.number), make.formula.clone(), atomics))
            }
            Statement::Parallel(body) => {
                all.extend(body.iter().map(|m| watched(m, format!("n{}", m.number), m.formula.clone(), atomics)));
            }
            Statement::Loop(of) => all.extend(bits(of.over).map(|site| {
                let formula = if of.own { Formula::Site(site) } else { of.make.formula.clone() };
                watched(&of.make, format!("n{}-{}", of.make.number, SITES[site]), formula, atomics)
            })),
            Statement::Atomic(number, body) => {
                atomics.push(*number);
                watch(all, body, atomics);
                atomics.pop();
            }
            Statement::Try(body, other) => {
                watch(all, body, atomics);
                watch(all, other, atomics);
            }
            Statement::Halt(_) | Statement::Delete(..) => {}
        }
    }
}

fn watched(make: &Make, name: String, formula: Formula, atomics: &[u32]) -> Watch {
    let brief = make.brief();
    let text = (make.kind == Kind::Conf).then_some(TEXT);
    Watch {
        number: make.number,
        kind: make.kind,
        name,
        text,
        ensure: make.ensure,
        brief,
        // The source of a copy is looked at.
        source: make.conf,
        may_go: !atomics.is_empty(),
        atomics: atomics.to_vec(),
        formula,
        ..Watch::default()
    }
}
