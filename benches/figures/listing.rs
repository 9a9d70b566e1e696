//! `server.list()` at three sites: the whole `edge run`, beside three runs of `openstack server list`, and beside three
//! raw requests by curl that have their tokens already.
//!
//! The raw requests are made at once, as Edge makes its own: the aim is 1.3 times their time and one request for a token.
//! A service asks Keystone about a token that it has not seen and remembers the answer, so the same request is dearer
//! with a new token. Edge gets new ones in every run; the raw requests are measured with new ones and with known ones.

use crate::figure::{Aim, best, figure, ms, skipped};
use crate::openstack::{Access, Clouds};
use crate::process::{Folder, edge, installed, piped, timed};
use std::process::Command;
use std::time::{Duration, Instant};

const ROUNDS: usize = 15;

pub fn measure() {
    if !installed("curl") {
        return skipped("`curl` is not installed");
    }
    let folder = Folder::new("listing");
    match Clouds::real() {
        Ok(clouds) => measured(&clouds, &folder),
        Err(why) => skipped(&why),
    }
    match Clouds::simulated(&folder, "sites: 3\n") {
        Ok((clouds, _serving)) => measured(&clouds, &folder),
        Err(why) => skipped(&why),
    }
}

fn measured(clouds: &Clouds, folder: &Folder) {
    if let Err(why) = compared(clouds, folder) {
        skipped(&format!("{}: {why}", clouds.title));
    }
}

fn compared(clouds: &Clouds, folder: &Folder) -> Result<(), String> {
    let names = &clouds.names[..3];
    let inventory = folder.write("edge.yaml", &clouds.inventory());
    let listing = || {
        let mut command = edge();
        command.arg("run").arg("--inventory").arg(&inventory);
        command.args(["-o", "json", "-e", "server.list() @ Bench1 && Bench2 && Bench3"]);
        timed(clouds.of(&mut command))
    };
    listing()?;
    let mut requests = Vec::new();
    let [mut ours, mut token, mut tokens, mut new, mut known] = [Duration::MAX; 5];
    // By turns, so that what disturbs one disturbs all.
    for _ in 0..ROUNDS {
        ours = ours.min(listing()?);
        let began = Instant::now();
        clouds.access(&names[0])?;
        token = token.min(began.elapsed());
        let began = Instant::now();
        let accesses = all_at_once(names, |name| clouds.access(name))?;
        tokens = tokens.min(began.elapsed());
        requests = accesses.iter().map(raw).collect::<Result<Vec<_>, _>>()?;
        for least in [&mut new, &mut known] {
            let began = Instant::now();
            all_at_once(&requests, asked)?;
            *least = (*least).min(began.elapsed());
        }
    }
    let at = &clouds.title;
    let what = format!("{at}: edge run, server.list() at three sites");
    figure(&what, ms(ours), "ms", Aim::Below(ms(new) * 1.3 + ms(token)));
    figure("  against tokens that the sites know already", ms(ours), "ms", Aim::Below(ms(known) * 1.3 + ms(token)));
    figure("  three raw requests by curl at once, with new tokens", ms(new), "ms", Aim::None);
    figure("  the same with tokens that the sites know already", ms(known), "ms", Aim::None);
    let in_turn = best(3, || requests.iter().try_for_each(|request| asked(request)));
    figure("  and one after the other", ms(in_turn), "ms", Aim::None);
    figure("  one request for a token by curl", ms(token), "ms", Aim::None);
    figure("  three requests for a token by curl at once, as Edge has to make them", ms(tokens), "ms", Aim::None);
    if !installed("openstack") {
        skipped("`openstack` is not installed: no comparison");
        return Ok(());
    }
    let mut least = Duration::MAX;
    for _ in 0..2 {
        let mut sum = Duration::ZERO;
        for name in names {
            let mut command = Command::new("openstack");
            sum += timed(clouds.of(command.args(["--os-cloud", name, "server", "list", "-f", "json"])))?;
        }
        least = least.min(sum);
    }
    figure("  three runs of openstack server list", ms(least), "ms", Aim::None);
    figure("  of which Edge takes one in", least.as_secs_f64() / ours.as_secs_f64(), "", Aim::None);
    Ok(())
}

/// What the listing asks Nova for, in the version in which Edge asks.
fn raw(access: &Access) -> Result<String, String> {
    let url = format!("{}/servers/detail", access.endpoint("compute")?);
    Ok(access.curl(&url, "header = \"OpenStack-API-Version: compute 2.79\"\noutput = \"/dev/null\""))
}

fn asked(request: &str) -> Result<(), String> {
    piped(Command::new("curl").args(["--config", "-"]), request).map(drop)
}

fn all_at_once<T: Send>(of: &[String], ask: impl Fn(&str) -> Result<T, String> + Sync) -> Result<Vec<T>, String> {
    std::thread::scope(|scope| {
        let asked: Vec<_> = of.iter().map(|one| scope.spawn(|| ask(one))).collect();
        asked.into_iter().map(|one| one.join().map_err(|_| "curl was lost".to_string())?).collect()
    })
}
