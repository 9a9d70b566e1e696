//! What a site says of itself: versions, discovery, OpenAPI.

pub mod discovery;
mod gnostic;
pub mod openapi;
