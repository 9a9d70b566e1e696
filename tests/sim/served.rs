//! The same sites over sockets, with faults that are below HTTP.

use std::collections::HashMap;
use std::time::Duration;

use edge::sim::{Action, Fault, Scenario, World, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

async fn raw(address: std::net::SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Waits for what happens soon; the time is a bound for a broken build, not a measure.
async fn until(happened: impl AsyncFn() -> bool) {
    let wait = async {
        while !happened().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(30), wait).await.unwrap();
}

#[tokio::test]
async fn a_served_site_answers_under_its_own_address() {
    let world = World::new(Scenario::of_sites(["A", "B"]));
    let serving = serve(&world, &HashMap::new()).await.unwrap();
    assert_eq!(serving.sites.iter().map(|served| served.site.as_str()).collect::<Vec<_>>(), ["A", "B"]);
    let address = serving.sites[1].address;
    let answer = raw(address, "/compute/v2.1").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains(&format!("http://{address}/compute/v2.1/")), "{answer}");
    assert!(world.clouds_yaml().contains(&format!("http://{address}/identity/v3")));
    assert_eq!((world.requests("A").len(), world.requests("B").len()), (0, 1));
}

#[tokio::test]
async fn a_lost_answer_is_a_broken_connection_and_a_refusal_none() {
    let world = World::new(Scenario::of_sites(["A"]));
    let serving = serve(&world, &HashMap::new()).await.unwrap();
    let address = serving.sites[0].address;
    world.inject(Fault::at("A", Action::DropAnswer));
    assert_eq!(raw(address, "/compute/").await.unwrap(), "");
    world.heal("A");
    assert!(raw(address, "/compute/").await.unwrap().starts_with("HTTP/1.1 200"));
    world.inject(Fault::at("A", Action::Refuse));
    until(async || TcpStream::connect(address).await.is_err()).await;
    world.heal("A");
    until(async || TcpStream::connect(address).await.is_ok()).await;
    assert!(raw(address, "/compute/").await.unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_request_buffered_by_a_frozen_server_outlives_its_client() {
    let world = World::new(Scenario::of_sites(["A"]));
    let serving = serve(&world, &HashMap::new()).await.unwrap();
    let address = serving.sites[0].address;
    let auth = r#"{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"admin",
        "domain":{"id":"default"},"password":"a-secret"}}},"scope":{"project":{"name":"admin","domain":{"id":"default"}}}}}"#;
    let post = |path: &str, token: &str, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nx-auth-token: {token}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(post("/identity/v3/auth/tokens", "", auth).as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains("\r\n\r\n") {
        stream.read_buf(&mut answer).await.unwrap();
    }
    let answer = String::from_utf8_lossy(&answer).to_string();
    let token = answer.lines().find_map(|line| line.strip_prefix("x-subject-token: ")).unwrap();
    world.inject(Fault::at("A", Action::Freeze).service("network"));
    let mut client = TcpStream::connect(address).await.unwrap();
    let body = r#"{"network":{"name":"late"}}"#;
    client.write_all(post("/networking/v2.0/networks", token, body).as_bytes()).await.unwrap();
    until(async || world.requests("A").len() == 2).await;
    drop(client);
    let late = || world.network_resources("A", "networks").iter().any(|network| network["name"] == "late");
    assert!(!late());
    world.heal("A");
    until(async || late()).await;
}
