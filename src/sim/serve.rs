//! The same sites on loopback sockets, for real clients.
//!
//! HTTP is spoken by hyper itself and not by a web framework, because some faults are below HTTP: a request whose
//! answer is lost must end in a broken connection, not in a response.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::exchange::exchange;
use super::spec::Stack;
use super::tls::{self, Authority};
use super::world::{Site, World};
use crate::transport::BoxError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedSite {
    pub site: String,
    pub address: SocketAddr,
}

/// The listeners of a world; dropped, they close.
pub struct Serving {
    pub sites: Vec<ServedSite>,
    /// The certificate, in PEM, of whoever signed for the sites that are behind TLS.
    pub authority: Option<String>,
    accepting: JoinSet<()>,
}

impl Serving {
    /// Serves until the listeners end, which they do only with the process or with this value.
    pub async fn forever(mut self) {
        while self.accepting.join_next().await.is_some() {}
    }
}

/// Starts one listener on 127.0.0.1 for each site: on the given port, or on a free one where none is given.
pub async fn serve(world: &World, ports: &HashMap<String, u16>) -> io::Result<Serving> {
    let mut serving = Serving { sites: Vec::new(), authority: None, accepting: JoinSet::new() };
    let mut authority: Option<Authority> = None;
    for name in world.sites() {
        let Some(site) = world.site(&name) else { continue };
        let port = ports.get(&name).copied().unwrap_or(0);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        world.served_at(&name, &address.to_string());
        serving.sites.push(ServedSite { site: name.to_string(), address });
        let signed = match (site.spec.stack, &authority) {
            (Stack::Openstack | Stack::Mec, _) => None,
            (Stack::Kubernetes, Some(authority)) => Some(authority.clone()),
            (Stack::Kubernetes, None) => Some(authority.insert(tls::authority()?).clone()),
        };
        serving.accepting.spawn(accept(site, Some(listener), address, signed));
    }
    serving.authority = authority.map(|authority| authority.pem);
    Ok(serving)
}

/// How often a closed or idle listener looks whether the site's faults have changed.
const LOOK: Duration = Duration::from_millis(50);

async fn accept(site: Arc<Site>, mut listener: Option<TcpListener>, address: SocketAddr, authority: Option<Authority>) {
    let mut connections = JoinSet::new();
    loop {
        if site.refuses_all() {
            // A refused connection is one that finds nobody listening.
            listener = None;
            connections.abort_all();
            sleep(LOOK).await;
            continue;
        }
        let Some(open) = &listener else {
            listener = TcpListener::bind(address).await.ok();
            sleep(if listener.is_none() { LOOK } else { Duration::ZERO }).await;
            continue;
        };
        match timeout(LOOK, open.accept()).await {
            Ok(Ok((stream, _))) => {
                connections.spawn(speak(site.clone(), stream, authority.clone()));
            }
            // Out of descriptors, as a rule: it passes when connections close.
            Ok(Err(_)) => sleep(LOOK).await,
            Err(_) => {}
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn speak(site: Arc<Site>, stream: TcpStream, authority: Option<Authority>) {
    // An answer in several pieces must not wait for the client's acknowledgement; without it, it is only slower.
    let _ = stream.set_nodelay(true);
    match authority {
        Some(authority) if tls::begins(&stream).await => {
            // Who does not trust us breaks off here.
            if let Ok(stream) = authority.acceptor.accept(stream).await {
                converse(site, stream).await;
            }
        }
        _ => converse(site, stream).await,
    }
}

async fn converse(site: Arc<Site>, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let site = site.clone();
        async move {
            let request = request.map(|body| body.map_err(|error| Box::new(error) as BoxError).boxed_unsync());
            exchange(site, request).await
        }
    });
    // An error here is a connection that ended, which is what faults are for.
    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}
