//! A request as data: what `render` makes of a template and a driver turns into traffic.

use super::{ErrorShape, Method, Pages, Rows, Version};
use crate::types::Name;

#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The service as its stack lists it: the catalog type, the API group, the application.
    pub service: Name,
    /// `/v2.0`; the driver puts it once between endpoint and path.
    pub base: String,
    pub method: Method,
    /// Percent-encoded, below `base`; or an absolute URL that the site itself gave (`Location`).
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub payload: Payload,
    pub content_type: Option<String>,
    /// The microversion to speak; `None` where the service has none.
    pub version: Option<Version>,
    /// How the service wants to know who asks, and where its errors say what is wrong, if the description tells.
    pub auth: Option<(Name, String)>,
    pub errors: Option<ErrorShape>,
    /// May be sent again when no answer came (GET, HEAD, DELETE, `repeatable`, a `read op`).
    pub repeatable: bool,
    /// What it reads holds secrets: it is asked for by itself, and not as one of all that lie beside it.
    pub discreet: bool,
}

#[derive(Clone, PartialEq)]
pub enum Payload {
    None,
    Json(serde_json::Value),
    Form(Vec<(String, String)>),
    /// The caller supplies the bytes as a stream.
    Stream,
}

/// Without what is sent: it may hold a secret.
impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Payload::None => "None",
            Payload::Json(_) => "Json(..)",
            Payload::Form(_) => "Form(..)",
            Payload::Stream => "Stream",
        })
    }
}

/// How a listing is read: the driver follows the pages and hands over rows.
#[derive(Clone, Debug)]
pub struct Listing {
    pub request: Request,
    pub rows: Rows,
    pub pages: Option<Pages>,
}
