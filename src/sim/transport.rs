//! The transport door of a simulated world: requests go by authority to its sites, in process, bodies streamed.

use futures_util::future::BoxFuture;

use super::exchange::exchange;
use super::world::World;
use crate::transport::{Body, Transport, TransportError};

#[derive(Clone)]
pub struct SimTransport {
    world: World,
}

impl SimTransport {
    pub(super) fn new(world: World) -> Self {
        SimTransport { world }
    }
}

impl Transport for SimTransport {
    fn send(&self, request: http::Request<Body>) -> BoxFuture<'_, Result<http::Response<Body>, TransportError>> {
        Box::pin(async move {
            let authority = request.uri().authority().map(|authority| authority.as_str()).unwrap_or_default();
            match self.world.site_of(authority) {
                Some(site) => exchange(site, request).await,
                None => Err(TransportError::NotSent(format!("no host named `{authority}`"))),
            }
        })
    }
}
