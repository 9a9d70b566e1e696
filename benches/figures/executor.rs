//! The executor at many sites, beside a bare loop that sends the same requests: wall time, processor time and memory.
//!
//! Sites, Edge and the loop are processes of their own, over real sockets, so that what is measured is the client's. A site
//! takes 50 ms for each answer. Edge makes one thing at every site: a token, a look whether the name is free, the making, a
//! look at what was made; the loop sends exactly these four, one after another, at as many sites at once.

mod bare;
mod client;
mod sites;

use crate::figure::{Aim, figure, skipped};
use crate::process::Beside;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

pub const PARTS: [(&str, fn(&[String])); 3] =
    [("executor-sites", sites::serve), ("executor-bare", bare::alone), ("executor-edge", client::alone)];

/// How long a site takes for an answer.
const ANSWER: std::time::Duration = std::time::Duration::from_millis(50);
/// As many sites at once as Edge asks by itself.
const ABREAST: &str = "256";
const ROUNDS: usize = 3;

/// What one client took.
#[derive(Clone, Copy)]
struct Took {
    /// Milliseconds.
    wall: f64,
    cpu: f64,
    /// The most that it held, in MiB.
    memory: f64,
    /// Until all sites but the slow one were done.
    others: f64,
}

pub fn measure() {
    let mut sites = Vec::new();
    for (count, many) in [(1_000, "1,000"), (3_500, "3,500"), (10_000, "10,000")] {
        let number = count.to_string();
        let bare = best("executor-bare", &[&number, ABREAST]);
        let edge = best("executor-edge", &[&number, ABREAST, "none"]);
        let (bare, edge) = match (bare, edge) {
            (Ok(bare), Ok(edge)) => (bare, edge),
            (Err(why), _) | (_, Err(why)) => return skipped(&why),
        };
        let (wall, cpu) = if count == 1_000 { (Aim::Below(1.2), Aim::Below(2.0)) } else { (Aim::None, Aim::None) };
        figure(&format!("one operation at {many} sites, 50 ms an answer"), edge.wall, "ms", Aim::None);
        figure("  against a bare loop of reqwest", edge.wall / bare.wall, "times", wall);
        figure("  processor time", edge.cpu, "ms", Aim::None);
        figure("  against the loop", edge.cpu / bare.cpu, "times", cpu);
        let most = if count == 10_000 { Aim::Below(1e9 / f64::from(1 << 20)) } else { Aim::None };
        figure("  most memory", edge.memory, "MiB", most);
        figure("  and of the loop", bare.memory, "MiB", Aim::None);
        sites.push((f64::from(count), edge));
    }
    let per = |(sites, took): &(f64, Took)| took.wall / sites;
    let cpu_per = |(sites, took): &(f64, Took)| took.cpu / sites;
    figure("wall time of a site, at 10,000 against 1,000", per(&sites[2]) / per(&sites[0]), "times", Aim::Below(1.5));
    figure("processor time of a site, likewise", cpu_per(&sites[2]) / cpu_per(&sites[0]), "times", Aim::Below(1.5));
    let grown = (sites[2].1.memory - sites[0].1.memory) * 1024.0 / 9_000.0;
    figure("memory of a further site", grown, "KiB", Aim::None);
    journal();
    straggler();
}

fn journal() {
    let off = best("executor-edge", &["1000", "64", "none"]);
    let on = best("executor-edge", &["1000", "64", "disk"]);
    match (off, on) {
        (Ok(off), Ok(on)) => {
            let more = |on: f64, off: f64| (on / off - 1.0) * 100.0;
            figure("journal on disk, 1,000 sites, 64 in flight: wall", more(on.wall, off.wall), "%", Aim::Below(15.0));
            figure("  processor time", more(on.cpu, off.cpu), "%", Aim::None);
        }
        (Err(why), _) | (_, Err(why)) => skipped(&why),
    }
}

fn straggler() {
    let others = |of_sites: &[&str]| -> Result<Took, String> {
        let rounds: Result<Vec<Took>, String> =
            (0..ROUNDS).map(|_| once("executor-edge", &["1000", ABREAST, "none"], of_sites)).collect();
        rounds?.into_iter().min_by(|a, b| a.others.total_cmp(&b.others)).ok_or_else(|| "no round".to_string())
    };
    match (others(&[]), others(&["slow"])) {
        (Ok(well), Ok(slow)) => {
            figure("one of 1,000 takes 10 s to make it: all", slow.wall, "ms", Aim::None);
            figure("  the 999 others, against a run without it", slow.others / well.others, "times", Aim::Below(1.2));
        }
        (Err(why), _) | (_, Err(why)) => skipped(&why),
    }
}

/// The round with the least wall time, which others disturbed least.
fn best(part: &str, arguments: &[&str]) -> Result<Took, String> {
    let rounds: Result<Vec<Took>, String> = (0..ROUNDS).map(|_| once(part, arguments, &[])).collect();
    rounds?.into_iter().min_by(|a, b| a.wall.total_cmp(&b.wall)).ok_or_else(|| "no round".to_string())
}

/// New sites, and one client of them.
fn once(part: &str, arguments: &[&str], of_sites: &[&str]) -> Result<Took, String> {
    let myself = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = Command::new(&myself);
    command.arg("executor-sites").args(of_sites).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut sites = Beside(command.spawn().map_err(|e| e.to_string())?);
    let told = sites.0.stdout.take().ok_or("the sites say nothing")?;
    let mut port = String::new();
    BufReader::new(told).read_line(&mut port).map_err(|e| e.to_string())?;
    let output = Command::new(&myself).arg(part).arg(port.trim()).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match (output.status.success(), &numbers[..]) {
        (true, &[wall, cpu, memory, others]) => Ok(Took { wall, cpu, memory, others }),
        _ => Err(format!("{part}: {said}{}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// What this process took for the work that began with so much of both.
fn tell(began: std::time::Instant, cpu_before: f64, others: std::time::Duration) {
    let wall = crate::figure::ms(began.elapsed());
    let memory = crate::process::peak_memory("self").unwrap_or(0.0);
    println!("{wall} {} {memory} {}", cpu() - cpu_before, crate::figure::ms(others));
}

/// The processor time of this process so far, in ms, in steps of 10 (`man 5 proc_pid_stat`).
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit(") ").next().unwrap_or_default();
    let ticks: f64 = after_name.split(' ').skip(11).take(2).filter_map(|word| word.parse::<f64>().ok()).sum();
    ticks * 10.0
}
