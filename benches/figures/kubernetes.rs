//! 500 objects applied to one API server: the whole `edge run --yes`, beside `kubectl apply --server-side`, with the same result;
//! then once more, where there is nothing to do.
//!
//! Each round has a new namespace for each of the two, so that both make what they apply. What they made is compared by
//! what kubectl reads back, without what servers and managers note down about it.

use crate::figure::{Aim, figure, ms, skipped};
use crate::process::{Folder, edge, installed, piped, timed, watched};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const ROUNDS: usize = 3;
const OBJECTS: usize = 500;
const IN_FLIGHT: usize = 50;

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
fn manifest() -> String {
    let mut text = String::new();
    for n in 0..OBJECTS {
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
        let _ = writeln!(text, "---\n{object}");
    }
    text
}

fn compared(context: &str) -> Result<(), String> {
    let folder = Folder::new("kubernetes");
    let file = folder.write("objects.yaml", &manifest());
    let (mut theirs, mut ours) = ([Duration::MAX; 2], [Duration::MAX; 2]);
    let mut memory = 0f64;
    for round in 0..ROUNDS {
        let names = ["kubectl", "edge"].map(|who| format!("edge-bench-{}-{round}-{who}", std::process::id()));
        let _cleaning = Cleaning(context, &names);
        for name in &names {
            timed(Command::new("kubectl").args(["--context", context, "create", "namespace", name]))?;
        }
        let inventory = folder.write(
            format!("edge-{round}.yaml"),
            &format!(
                "sites: {{Bench: {{context: {}, namespace: {}, in_flight: {IN_FLIGHT}}}}}\n",
                json!(context),
                names[1]
            ),
        );
        for again in [0, 1] {
            let mut kubectl = Command::new("kubectl");
            kubectl.args(["--context", context, "--namespace", &names[0], "apply", "--server-side", "--filename"]);
            theirs[again] = theirs[again].min(timed(kubectl.arg(&file))?);
            let mut apply = edge();
            apply.args(["run", "--yes", "--inventory"]).arg(&inventory);
            apply.env("EDGE_STATE", folder.0.join("state"));
            apply.args(["-e", &format!("apply(file({})) @ Bench", json!(file.to_string_lossy()))]);
            let (took, held) = watched(&mut apply)?;
            ours[again] = ours[again].min(took);
            memory = memory.max(held);
        }
        same(context, &names, &folder.0)?;
    }
    figure(&format!("kubectl apply --server-side, {OBJECTS} objects"), ms(theirs[0]), "ms", Aim::None);
    figure("edge run --yes of the same, with its plan", ms(ours[0]), "ms", Aim::Below(ms(theirs[0]) / 5.0));
    figure(
        "  times faster, with the same result",
        theirs[0].as_secs_f64() / ours[0].as_secs_f64(),
        "",
        Aim::Above(5.0),
    );
    figure("kubectl apply --server-side, nothing to change", ms(theirs[1]), "ms", Aim::None);
    figure("edge run --yes, nothing to change", ms(ours[1]), "ms", Aim::None);
    figure(
        &format!("memory of edge, {IN_FLIGHT} requests in flight"),
        memory,
        "MiB",
        Aim::Below(100e6 / 1024.0 / 1024.0),
    );
    Ok(())
}

/// Whether both namespaces have the same objects with the same content.
fn same(context: &str, names: &[String; 2], folder: &Path) -> Result<(), String> {
    let read = |name: &String| {
        let mut command = Command::new("kubectl");
        command.current_dir(folder).args(["--context", context, "--namespace", name, "--selector", "app=bench"]);
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
    let (theirs, ours) = (read(&names[0])?, read(&names[1])?);
    match theirs == ours && ours.len() == OBJECTS {
        true => Ok(()),
        false => Err(format!("edge left {} objects, kubectl {}, and they are not the same", ours.len(), theirs.len())),
    }
}

/// Takes the namespaces away again.
struct Cleaning<'a>(&'a str, &'a [String; 2]);

impl Drop for Cleaning<'_> {
    fn drop(&mut self) {
        let mut command = Command::new("kubectl");
        let _ = command.args(["--context", self.0, "delete", "namespace", "--wait=false"]).args(self.1).output();
    }
}
