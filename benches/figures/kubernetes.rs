//! 500 objects applied to one API server: the whole `edge run --yes`, beside `kubectl apply --server-side`, with the same result;
//! then once more, where there is nothing to do.
//!
//! Each round has a new namespace for each of the two, so that both make what they apply. What they made is compared by
//! what kubectl reads back, without what servers and managers note down about it. It is measured once more at a distance, as
//! sites have: what is sent and what is answered then takes 10 ms to arrive. Beside them a bare loop sends the same objects, a
//! request each: what the server itself takes for them, which nobody can be faster than.

mod bare;

use crate::figure::{Aim, figure, ms, skipped};
use crate::process::{Folder, edge, installed, piped, timed, watched};
use crate::relay;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const ROUNDS: usize = 3;
const OBJECTS: usize = 500;
const IN_FLIGHT: usize = 50;
const ONE_WAY: Duration = Duration::from_millis(10);

pub fn measure() {
    let Ok(context) = std::env::var("EDGE_BENCH_CONTEXT") else {
        return skipped("EDGE_BENCH_CONTEXT names no context of the kubeconfig: no cluster is measured");
    };
    if !installed_client() {
        return skipped("`kubectl` is not installed");
    }
    if let Err(why) = compared(&context) {
        skipped(&format!("{context}: {why}"));
    }
}

fn installed_client() -> bool {
    // It knows no `--version`, and says so with an exit status of its own.
    installed("kubectl") || Command::new("kubectl").args(["version", "--client"]).output().is_ok()
}

/// ConfigMaps, Secrets, and workloads of no replicas, as they come in a file of a real application.
fn objects() -> Vec<Value> {
    let object = |n: usize| {
        let (api, kind, body) = match n % 10 {
            0 => (
                "apps/v1",
                "Deployment",
                json!({ "spec": { "replicas": 0, "selector": { "matchLabels": { "n": n.to_string() } }, "template": {
                    "metadata": { "labels": { "n": n.to_string() } },
                    "spec": { "containers": [{ "name": "main", "image": "nginx:1.27", "ports": [{ "containerPort": 80 }] }] },
                } } }),
            ),
            1..=3 => ("v1", "Secret", json!({ "stringData": { "password": format!("secret-{n}") } })),
            _ => ("v1", "ConfigMap", json!({ "data": { "colour": "blue", "number": n.to_string() } })),
        };
        let mut object = json!({ "apiVersion": api, "kind": kind, "metadata": { "name": format!("bench-{n}"), "labels": { "app": "bench" } } });
        for (key, value) in body.as_object().into_iter().flatten() {
            object[key] = value.clone();
        }
        object
    };
    (0..OBJECTS).map(object).collect()
}

fn manifest(objects: &[Value]) -> String {
    let mut text = String::new();
    for object in objects {
        let _ = writeln!(text, "---\n{object}");
    }
    text
}

/// A cluster, and how it is reached: as the user's kubeconfig says, or as one of our own does.
struct Cluster<'a> {
    context: &'a str,
    place: &'static str,
    kubeconfig: Option<PathBuf>,
}

impl Cluster<'_> {
    fn known_to(&self, mut command: Command) -> Command {
        command.envs(self.kubeconfig.iter().map(|file| ("KUBECONFIG", file)));
        command
    }

    fn kubectl(&self) -> Command {
        let mut command = self.known_to(Command::new("kubectl"));
        command.args(["--context", self.context]);
        command
    }

    /// The same, further away. It is not there that its certificate was made for, so that is not looked at.
    fn further_away(&self, folder: &Folder) -> Result<Self, String> {
        let view = |output: &[&str]| {
            let mut command = self.kubectl();
            piped(command.args(["config", "view", "--raw", "--minify", "--flatten"]).args(output), "")
        };
        let url = view(&["--output", "jsonpath={.clusters[0].cluster.server}"])?;
        let server = url.trim_start_matches("https://").trim_end_matches('/').to_string();
        let port = relay::from_afar(server, ONE_WAY).map_err(|e| e.to_string())?;
        let text = view(&[])?.replace(&url, &format!("https://127.0.0.1:{port}"));
        let line = |line: &str| match line.trim_start().starts_with("certificate-authority-data:") {
            true => format!("{}insecure-skip-tls-verify: true\n", &line[..line.len() - line.trim_start().len()]),
            false => format!("{line}\n"),
        };
        let file = folder.write("kubeconfig", &text.lines().map(line).collect::<String>());
        Ok(Cluster { context: self.context, place: "far", kubeconfig: Some(file) })
    }
}

/// The best of several rounds: when there is everything to do, and when there is nothing.
struct Times {
    kubectl: [Duration; 2],
    edge: [Duration; 2],
    /// A request for each object and nothing else.
    bare: Duration,
    memory: f64,
}

fn compared(context: &str) -> Result<(), String> {
    let folder = Folder::new("kubernetes");
    let objects = objects();
    let file = folder.write("objects.yaml", &manifest(&objects));
    let here = Cluster { context, place: "near", kubeconfig: None };
    let near = times(&here, &folder, &file, &objects)?;
    let ratio = |times: &Times, which: usize| times.kubectl[which].as_secs_f64() / times.edge[which].as_secs_f64();
    figure(&format!("kubectl apply --server-side, {OBJECTS} objects"), ms(near.kubectl[0]), "ms", Aim::None);
    figure("edge run --yes of the same, with its plan", ms(near.edge[0]), "ms", Aim::Below(ms(near.kubectl[0]) / 5.0));
    figure("  times faster, with the same result", ratio(&near, 0), "", Aim::Above(5.0));
    beside(&near);
    figure("kubectl apply --server-side, nothing to change", ms(near.kubectl[1]), "ms", Aim::None);
    figure("edge run --yes, nothing to change", ms(near.edge[1]), "ms", Aim::None);
    figure(
        &format!("memory of edge, {IN_FLIGHT} requests in flight"),
        near.memory,
        "MiB",
        Aim::Below(100e6 / 1024.0 / 1024.0),
    );
    let far = times(&here.further_away(&folder)?, &folder, &file, &objects)?;
    let trip = 2 * ONE_WAY.as_millis();
    figure(&format!("kubectl, a round trip of {trip} ms away"), ms(far.kubectl[0]), "ms", Aim::None);
    figure("edge run --yes there", ms(far.edge[0]), "ms", Aim::Below(ms(far.kubectl[0]) / 5.0));
    figure("  times faster, with the same result", ratio(&far, 0), "", Aim::Above(5.0));
    beside(&far);
    figure("  times faster, nothing to change", ratio(&far, 1), "", Aim::None);
    Ok(())
}

/// What is left to be saved.
fn beside(times: &Times) {
    let [kubectl, edge, bare] = [times.kubectl[0], times.edge[0], times.bare].map(|time| time.as_secs_f64());
    figure(&format!("a request for each and nothing else, {IN_FLIGHT} in flight"), ms(times.bare), "ms", Aim::None);
    figure("  times faster than kubectl, which is the most that can be had", kubectl / bare, "", Aim::None);
    figure("  edge takes, times that", edge / bare, "", Aim::None);
}

fn times(at: &Cluster<'_>, folder: &Folder, file: &Path, objects: &[Value]) -> Result<Times, String> {
    let most = Duration::MAX;
    let mut best = Times { kubectl: [most; 2], edge: [most; 2], bare: most, memory: 0.0 };
    for round in 0..ROUNDS {
        let names = ["kubectl", "edge", "bare"]
            .map(|who| format!("edge-bench-{}-{}-{round}-{who}", std::process::id(), at.place));
        let _cleaning = Cleaning(at, &names);
        for name in &names {
            timed(at.kubectl().args(["create", "namespace", name]))?;
        }
        let inventory = folder.write(
            format!("edge-{}-{round}.yaml", at.place),
            &format!(
                "sites: {{Bench: {{context: {}, namespace: {}, in_flight: {IN_FLIGHT}}}}}\n",
                json!(at.context),
                names[1]
            ),
        );
        for again in [0, 1] {
            let mut kubectl = at.kubectl();
            kubectl.args(["--namespace", &names[0], "apply", "--server-side", "--filename"]);
            best.kubectl[again] = best.kubectl[again].min(timed(kubectl.arg(file))?);
            let mut apply = at.known_to(edge());
            apply.args(["run", "--yes", "--inventory"]).arg(&inventory);
            apply.env("EDGE_STATE", folder.0.join("state"));
            apply.args(["-e", &format!("apply(file({})) @ Bench", json!(file.to_string_lossy()))]);
            let (took, held) = watched(&mut apply)?;
            best.edge[again] = best.edge[again].min(took);
            best.memory = best.memory.max(held);
        }
        best.bare = best.bare.min(bare::applied(at, &names[2], objects, IN_FLIGHT)?);
        same(at, &names, &folder.0)?;
    }
    Ok(best)
}

/// Whether all namespaces have the same objects with the same content.
fn same(at: &Cluster<'_>, names: &[String; 3], folder: &Path) -> Result<(), String> {
    let read = |name: &String| {
        let mut command = at.kubectl();
        command.current_dir(folder).args(["--namespace", name, "--selector", "app=bench"]);
        let text = piped(command.args(["get", "configmaps,secrets,deployments", "--output", "json"]), "")?;
        let answer: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
        let mut items = answer["items"].as_array().cloned().unwrap_or_default();
        for item in &mut items {
            let (name, labels) = (item["metadata"]["name"].clone(), item["metadata"]["labels"].clone());
            item["metadata"] = json!({ "name": name, "labels": labels });
            item["status"] = Value::Null;
        }
        items.sort_by_key(|item| format!("{} {}", item["kind"], item["metadata"]["name"]));
        Ok::<_, String>(items)
    };
    let (theirs, ours, bare) = (read(&names[0])?, read(&names[1])?, read(&names[2])?);
    match theirs == ours && bare == ours && ours.len() == OBJECTS {
        true => Ok(()),
        false => Err(format!("edge left {} objects, kubectl {}, and they are not the same", ours.len(), theirs.len())),
    }
}

/// Takes the namespaces away again.
struct Cleaning<'a>(&'a Cluster<'a>, &'a [String; 3]);

impl Drop for Cleaning<'_> {
    fn drop(&mut self) {
        let _ = self.0.kubectl().args(["delete", "namespace", "--wait=false"]).args(self.1).output();
    }
}
