//! The start of the whole process: `edge check` of thirty lines, beside `openstack --version`.

use crate::figure::{Aim, figure, ms, skipped};
use crate::process::{Folder, edge, installed, timed};
use std::process::Command;
use std::time::Duration;

/// Both lie between the other's runs, so that what disturbs one disturbs both.
const ROUNDS: usize = 5;
const STARTS: usize = 20;

pub fn measure() {
    let folder = Folder::new("start");
    let script = folder.write("start.edge", include_str!("start.edge"));
    folder.write("base.img", "");
    let openstack = installed("openstack");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for _ in 0..STARTS {
            match timed(edge().arg("check").arg(&script).current_dir(&folder.0)) {
                Ok(time) => ours.push(time),
                Err(why) => return skipped(&why),
            }
        }
        if openstack {
            theirs.extend(timed(Command::new("openstack").arg("--version")).ok());
        }
    }
    ours.sort();
    let median = |times: &[Duration]| times[times.len() / 2];
    figure("edge check, 30 lines: whole process, best", ms(ours[0]), "ms", Aim::Below(10.0));
    figure("edge check, 30 lines: whole process, median", ms(median(&ours)), "ms", Aim::None);
    theirs.sort();
    if theirs.is_empty() {
        return skipped("`openstack` is not installed: no comparison");
    }
    figure("openstack --version: whole process, best", ms(theirs[0]), "ms", Aim::None);
    let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
    figure("openstack --version / edge check, best of both", ratio(theirs[0], ours[0]), "times", Aim::Above(100.0));
    figure("openstack --version / edge check, medians", ratio(median(&theirs), median(&ours)), "times", Aim::None);
}
