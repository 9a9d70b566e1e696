//! What no transport in process can show: headers that never end, over a socket.

use super::{Key, Stack};
use edge::transport::network::{Network, Settings, install_tls};
use edge::transport::{Body, Transport, TransportError};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Every request goes to one socket, whatever host it names.
struct Rerouted {
    network: Network,
    port: u16,
}

impl Transport for Rerouted {
    fn send(&self, mut request: http::Request<Body>) -> BoxFuture<'_, Result<http::Response<Body>, TransportError>> {
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
        let there = format!("http://127.0.0.1:{}{path}", self.port).parse();
        *request.uri_mut() = there.expect("a path of a request is one of a URL");
        self.network.send(request)
    }
}

/// A driver whose server answers with headers alone, for ever, gives up soon, and without growing.
pub async fn headers(stack: &Stack) -> Result<(), String> {
    // Real sockets need real time.
    tokio::time::resume();
    install_tls();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(|e| e.to_string())?;
    let port = listener.local_addr().map_err(|e| e.to_string())?.port();
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counted = counted.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
                let line = format!("x-more: {}\r\n", "a".repeat(4000));
                while stream.write_all(line.as_bytes()).await.is_ok() {
                    counted.fetch_add(line.len(), Ordering::Relaxed);
                }
            });
        }
    });
    let network = Network::new(&Settings::default()).map_err(|e| e.to_string())?;
    let served = (stack.serve)(0);
    let opened = (served.open)("A", Key::Right, super::surroundings(Arc::new(Rerouted { network, port })));
    let session = opened.map_err(|e| e.to_string())?;
    let asked = tokio::time::timeout(Duration::from_secs(60), session.services()).await;
    serving.abort();
    match asked {
        Err(_) => Err("it waited longer than a minute".into()),
        Ok(Ok(services)) => Err(format!("it took that for an answer: {services:?}")),
        Ok(Err(_)) if sent.load(Ordering::Relaxed) > 256 << 20 => Err("it read more than 256 MiB of headers".into()),
        Ok(Err(_)) => Ok(()),
    }
}
