//! The loop without Edge: one client, the same four requests at each site one after another, so many sites at once.

use super::{cpu, tell};
use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Instant;

pub fn alone(arguments: &[String]) {
    let [port, sites, abreast] = arguments else { panic!("a port, sites, and how many at once") };
    let (port, sites): (u16, usize) = (port.parse().expect("a port"), sites.parse().expect("a number"));
    let abreast: usize = abreast.parse().expect("a number");
    edge::transport::network::install_tls();
    let runtime = edge::cli::run::runtime(false);
    let (began, before) = (Instant::now(), cpu());
    runtime.block_on(async {
        // Each site is a host of its own, so that it has connections of its own.
        let here = SocketAddr::from(([127, 0, 0, 1], port));
        let mut builder = reqwest::Client::builder().tls_certs_only([]).no_proxy();
        for site in 0..sites {
            builder = builder.resolve(&host(site), here);
        }
        let client = builder.build().expect("a client");
        let all = stream::iter(0..sites).map(|site| one(&client, site, port)).buffer_unordered(abreast);
        all.for_each(|made| async move { assert_eq!(made["net"]["id"], "net1", "{made}") }).await;
    });
    tell(began, before, began.elapsed());
}

fn host(site: usize) -> String {
    format!("site-{site}.test")
}

async fn one(client: &reqwest::Client, site: usize, port: u16) -> Value {
    let base = format!("http://{}:{port}/{site}", host(site));
    let login = json!({ "auth": {
        "identity": { "methods": ["password"], "password": { "user": {
            "name": "edge", "password": "secret", "domain": { "name": "Default" } } } },
        "scope": { "project": { "name": "edge", "domain": { "name": "Default" } } },
    } });
    let answer = client.post(format!("{base}/identity/v3/auth/tokens")).body(login.to_string());
    let answer = answer.header("content-type", "application/json").send().await.expect("an answer");
    let token = answer.headers()["x-subject-token"].clone();
    let _: Value = read(answer).await;
    let nets = format!("{base}/lab/v1/nets");
    let found = client.get(format!("{nets}?name=n")).header("x-auth-token", &token).send().await.expect("an answer");
    assert_eq!(read(found).await["nets"], json!([]));
    let wanted = json!({ "net": { "name": "n", "note": "a marker of thirty-two characters" } });
    let made = client.post(&nets).header("x-auth-token", &token).header("content-type", "application/json");
    let made = read(made.body(wanted.to_string()).send().await.expect("an answer")).await;
    let id = made["net"]["id"].as_str().expect("an id");
    read(client.get(format!("{nets}/{id}")).header("x-auth-token", &token).send().await.expect("an answer")).await
}

async fn read(answer: reqwest::Response) -> Value {
    assert!(answer.status().is_success(), "{}", answer.status());
    serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("JSON")
}
