//! What a site says of itself: versions, discovery, OpenAPI.

pub mod discovery;
pub mod openapi;
