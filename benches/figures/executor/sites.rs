//! As many sites as are asked for, at one port: which one is meant stands in the path. They know a token, a catalog and one
//! resource, take 50 ms for each answer, and cost as little as they can. Where they are to be `slow`, the first one takes ten
//! seconds to make a thing.

use super::ANSWER;
use std::io::Write;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SLOW: Duration = Duration::from_secs(10);

pub fn serve(arguments: &[String]) {
    let slow = arguments.iter().any(|word| word == "slow");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        println!("{port}");
        let _ = std::io::stdout().flush();
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                // It ends with its client.
                let _ = converse(stream, port, slow).await;
            });
        }
    });
}

/// Request after request of one connection.
async fn converse(mut stream: TcpStream, port: u16, slow: bool) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut held = Vec::new();
    loop {
        let Some(end) = whole(&held) else {
            if stream.read_buf(&mut held).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let text = String::from_utf8_lossy(&held[..end]).into_owned();
        held.drain(..end);
        let (answer, pause) = answer(&text, port, slow);
        tokio::time::sleep(pause).await;
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// The length of the first request, where all of it is here.
fn whole(held: &[u8]) -> Option<usize> {
    let head = held.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&held[..head]).to_ascii_lowercase();
    let length = text.split("content-length:").nth(1).and_then(|rest| rest.split("\r\n").next());
    let all = head + length.and_then(|text| text.trim().parse::<usize>().ok()).unwrap_or(0);
    (held.len() >= all).then_some(all)
}

fn answer(request: &str, port: u16, slow: bool) -> (String, Duration) {
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    // `/7/identity/v3/auth/tokens`
    let site = path.split('/').nth(1).unwrap_or_default();
    let making = method == "POST" && path.contains("/nets");
    let pause = if slow && making && site == "0" { SLOW } else { ANSWER };
    let net = r#"{"id": "net1", "name": "n", "note": ""}"#;
    let (status, headers, body) = match (method, path) {
        ("POST", path) if path.ends_with("/auth/tokens") => {
            let url = format!("http://127.0.0.1:{port}/{site}/lab");
            let body = format!(
                r#"{{"token": {{"user": {{"id": "u", "name": "edge"}}, "project": {{"id": "p", "name": "edge"}},
                "catalog": [{{"type": "lab", "name": "lab", "endpoints": [{{"interface": "public", "region": "R", "url": "{url}"}}]}}]}}}}"#
            );
            (201, "x-subject-token: t\r\n", body)
        }
        ("POST", _) => (201, "", format!(r#"{{"net": {net}}}"#)),
        (_, path) if path.ends_with("/net1") => (200, "", format!(r#"{{"net": {net}}}"#)),
        _ => (200, "", r#"{"nets": []}"#.to_string()),
    };
    let head = format!(
        "HTTP/1.1 {status} Fine\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    (head + &body, pause)
}
