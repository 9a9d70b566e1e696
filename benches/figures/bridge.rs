//! The image bridge: a gibibyte from one site's Glance to another's through Edge, beside `curl | curl` with ready tokens.
//!
//! Edge's time is that of the whole `edge run`: plan, look for the same content, copy, comparison of the checksums.
//! The image is made before and removed after; at real clouds this needs room for it twice, and a quota that allows it.

use crate::figure::{Aim, figure, ms, skipped};
use crate::openstack::{Access, Clouds};
use crate::process::{Folder, edge, installed, piped, timed, watched};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 3;

pub fn measure() {
    if !installed("curl") {
        return skipped("`curl` is not installed");
    }
    let size = std::env::var("EDGE_BENCH_MIB").ok().and_then(|m| m.parse::<u64>().ok()).unwrap_or(1024) << 20;
    let name = format!("edge-bench-{}", std::process::id());
    let folder = Folder::new("bridge");
    let scenario = format!(
        "sites:\n  Zone1: {{ images: [] }}\n  Zone2: {{ images: [{{ name: {name}, size: {size}, disk_format: raw }}] }}\n"
    );
    match Clouds::simulated(&folder, &scenario) {
        Ok((clouds, _serving)) => said(&clouds, compared(&clouds, &folder, &name, size)),
        Err(why) => skipped(&why),
    }
    match Clouds::real() {
        Ok(clouds) => said(&clouds, at_real(&clouds, &folder, &name, size)),
        Err(why) => skipped(&why),
    }
}

fn said(clouds: &Clouds, measured: Result<(), String>) {
    if let Err(why) = measured {
        skipped(&format!("{}: {why}", clouds.title));
    }
}

/// With a source that is made for it.
fn at_real(clouds: &Clouds, folder: &Folder, name: &str, size: u64) -> Result<(), String> {
    let source = clouds.access(&clouds.names[1])?;
    let images = format!("{}/v2/images", source.endpoint("image")?);
    let id = made(&source, &images, name)?;
    let filled = filled(&source, &format!("{images}/{id}/file"), folder, size);
    let measured = filled.and_then(|()| compared(clouds, folder, name, size));
    removed(&source, &images, &id)?;
    measured
}

/// From the second cloud to the first, by turns.
fn compared(clouds: &Clouds, folder: &Folder, name: &str, size: u64) -> Result<(), String> {
    let (from, to) = (clouds.access(&clouds.names[1])?, clouds.access(&clouds.names[0])?);
    let (get, put) = (format!("{}/v2/images", from.endpoint("image")?), format!("{}/v2/images", to.endpoint("image")?));
    let source = named(&from, &get, name)?.ok_or("the image to be copied is not there")?;
    let inventory = folder.write("edge.yaml", &clouds.inventory());
    let program = format!("copy(image.list() @ Bench2 where name == \"{name}\") @ Bench1");
    let (mut ours, mut theirs, mut plan, mut memory) = (Duration::MAX, Duration::MAX, Duration::MAX, 0f64);
    for _ in 0..ROUNDS {
        let run = |how: &str| {
            let mut command = edge();
            command.args(["run", how, "--inventory"]).arg(&inventory).args(["-e", &program]);
            watched(clouds.of(&mut command))
        };
        plan = plan.min(run("--dry-run")?.0);
        let (time, peak) = run("--yes")?;
        let copy = named(&to, &put, name)?.ok_or("Edge ended well and there is no copy")?;
        removed(&to, &put, &copy)?;
        (ours, memory) = (ours.min(time), memory.max(peak));

        let id = made(&to, &put, name)?;
        let began = Instant::now();
        let piped =
            curl_to_curl(&from.curl(&format!("{get}/{source}/file"), ""), &to, &format!("{put}/{id}/file"), folder);
        let time = began.elapsed();
        removed(&to, &put, &id)?;
        piped?;
        theirs = theirs.min(time);
    }
    let speed = |time: Duration| (size >> 20) as f64 / time.as_secs_f64();
    let at = format!("{}, {} MiB", clouds.title, size >> 20);
    figure(&format!("{at}: by Edge"), speed(ours), "MiB/s", Aim::None);
    figure(&format!("{at}: its plan alone, tokens included"), ms(plan), "ms", Aim::None);
    figure(&format!("{at}: by curl | curl"), speed(theirs), "MiB/s", Aim::None);
    figure(&format!("{at}: Edge against curl | curl"), speed(ours) / speed(theirs), "times", Aim::Above(0.9));
    figure(&format!("{at}: most memory of Edge"), memory, "MiB", Aim::Below(64.0));
    Ok(())
}

fn curl_to_curl(get: &str, to: &Access, url: &str, folder: &Folder) -> Result<(), String> {
    let (get, put) = (folder.write("get.curl", get), folder.write("put.curl", &to.curl(url, UPLOAD)));
    let mut first = curl(&get).stdout(Stdio::piped()).spawn().map_err(|e| e.to_string())?;
    let bytes = first.stdout.take().ok_or("curl has no output")?;
    let second = curl(&put).stdin(bytes).status().map_err(|e| e.to_string())?;
    let first = first.wait().map_err(|e| e.to_string())?;
    if first.success() && second.success() { Ok(()) } else { Err(format!("curl | curl: {first}, {second}")) }
}

/// From its input, without asking first whether it may.
const UPLOAD: &str = "upload-file = \"-\"\nheader = \"Content-Type: application/octet-stream\"\nheader = \"Expect:\"";

fn curl(config: &Path) -> Command {
    let mut command = Command::new("curl");
    command.arg("--config").arg(config);
    command
}

/// Uploads bytes that no server can make smaller.
fn filled(access: &Access, url: &str, folder: &Folder, size: u64) -> Result<(), String> {
    let path = folder.0.join("image.raw");
    let mut file = File::create(&path).map_err(|e| e.to_string())?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..size >> 20 {
        let piece: Vec<u8> = (0..(1 << 20) / 8)
            .flat_map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()
            })
            .collect();
        file.write_all(&piece).map_err(|e| e.to_string())?;
    }
    let config = folder.write("fill.curl", &access.curl(url, &UPLOAD.replace("\"-\"", &json!(path).to_string())));
    let uploaded = timed(&mut curl(&config)).map(drop);
    let _ = std::fs::remove_file(path);
    uploaded
}

fn made(access: &Access, images: &str, name: &str) -> Result<String, String> {
    let body = json!({ "name": name, "disk_format": "raw", "container_format": "bare" }).to_string();
    let more = format!("header = \"Content-Type: application/json\"\ndata = {}", json!(body));
    let image: Value = serde_json::from_str(&asked(&access.curl(images, &more))?).map_err(|e| e.to_string())?;
    image["id"].as_str().map(str::to_string).ok_or_else(|| "the image has no id".to_string())
}

fn removed(access: &Access, images: &str, id: &str) -> Result<(), String> {
    asked(&access.curl(&format!("{images}/{id}"), "request = \"DELETE\"")).map(drop)
}

fn named(access: &Access, images: &str, name: &str) -> Result<Option<String>, String> {
    let answer = asked(&access.curl(&format!("{images}?name={name}"), ""))?;
    let list: Value = serde_json::from_str(&answer).map_err(|e| e.to_string())?;
    Ok(list["images"][0]["id"].as_str().map(str::to_string))
}

fn asked(config: &str) -> Result<String, String> {
    piped(Command::new("curl").args(["--config", "-"]), config)
}
