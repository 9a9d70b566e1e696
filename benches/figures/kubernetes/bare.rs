//! The loop without Edge: one client, one server-side apply for each object, so many at once. Nobody who applies them with a
//! request each is faster, whatever else is saved.

use super::Cluster;
use crate::process::piped;
use base64::Engine;
use futures_util::stream::{self, StreamExt};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long it takes; the first request, which makes the connection, is part of it.
pub fn applied(at: &Cluster<'_>, namespace: &str, objects: &[Value], at_once: usize) -> Result<Duration, String> {
    let mut view = at.kubectl();
    let text = piped(view.args(["config", "view", "--raw", "--minify", "--flatten", "--output", "json"]), "")?;
    let config: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let (server, client) = client(&config).ok_or("the bare loop knows only certificates of a kubeconfig")?;
    let runtime = edge::cli::run::runtime(false);
    let began = Instant::now();
    let refused: Vec<String> = runtime.block_on(async {
        let all = stream::iter(objects).map(|object| one(&client, &server, namespace, object));
        all.buffer_unordered(at_once).filter_map(async |answer| answer.err()).collect().await
    });
    let took = began.elapsed();
    refused.into_iter().next().map_or(Ok(took), Err)
}

fn client(config: &Value) -> Option<(String, reqwest::Client)> {
    edge::transport::network::install_tls();
    let (cluster, user) = (&config["clusters"][0]["cluster"], &config["users"][0]["user"]);
    let pem = |of: &Value, key: &str| base64::engine::general_purpose::STANDARD.decode(of.get(key)?.as_str()?).ok();
    let mut identity = pem(user, "client-certificate-data")?;
    identity.push(b'\n');
    identity.extend(pem(user, "client-key-data")?);
    let mut builder = reqwest::Client::builder().no_proxy().identity(reqwest::Identity::from_pem(&identity).ok()?);
    builder = match pem(cluster, "certificate-authority-data") {
        Some(ca) => builder.tls_certs_only(reqwest::Certificate::from_pem_bundle(&ca).ok()?),
        None => builder.tls_danger_accept_invalid_certs(cluster["insecure-skip-tls-verify"] == true),
    };
    Some((cluster["server"].as_str()?.to_string(), builder.build().ok()?))
}

async fn one(client: &reqwest::Client, server: &str, namespace: &str, object: &Value) -> Result<(), String> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (api, name) = (text("/apiVersion"), text("/metadata/name"));
    let group = if api.contains('/') { "apis" } else { "api" };
    let kind = text("/kind").to_ascii_lowercase();
    let url = format!("{server}/{group}/{api}/namespaces/{namespace}/{kind}s/{name}?fieldManager=bare");
    let request = client.patch(url).header("content-type", "application/apply-patch+yaml").body(object.to_string());
    let answer = request.send().await.map_err(|e| e.to_string())?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(|e| e.to_string())?;
    match status.is_success() {
        true => Ok(()),
        false => Err(format!("{status}: {}", String::from_utf8_lossy(&body))),
    }
}
