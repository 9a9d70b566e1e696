//! The one seam below the drivers: an HTTP request in, a response with a streamed body out.
//!
//! In life it is reqwest; in simulation the same drivers talk in process to the simulated sites, under virtual time.
//! What a caller must know of a failure is only whether the request may have reached the site: `NotSent` may be
//! sent again, after `Lost` the effect is unknown.

pub mod network;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportError {
    /// Nothing reached the site: name resolution, connection or TLS failed.
    NotSent(String),
    /// The request, or a part of it, left; what became of it is not known.
    Lost(String),
}

impl std::fmt::Display for TransportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TransportError::NotSent(why) | TransportError::Lost(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for TransportError {}

pub trait Transport: Send + Sync {
    /// One exchange. Redirects are not followed; there is no retry, and no time limit but the caller's.
    fn send(&self, request: http::Request<Body>) -> BoxFuture<'_, Result<http::Response<Body>, TransportError>>;
}

pub fn empty_body() -> Body {
    full_body(Bytes::new())
}

pub fn full_body(bytes: impl Into<Bytes>) -> Body {
    http_body_util::Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}
