//! What is known of one effect when a template is rendered or a condition judged.

use crate::library::Version;
use crate::types::Name;
use indexmap::IndexMap;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Values by name. A name that is not there is left out; `null` was said by somebody.
pub type Fields = IndexMap<Name, Json>;

/// By lower-case name.
pub type Headers = BTreeMap<String, String>;

/// A resource stands in it as a record of its fields, `id` among them, or as its id alone.
#[derive(Clone, Default)]
pub struct Scope {
    /// The parameters that were given, and the defaults of the others (`fill_defaults`).
    pub args: Fields,
    /// The resource as last seen; `id` as soon as it is known or chosen. Of a link also its ends.
    pub row: Fields,
    /// The same before the change.
    pub before: Option<Fields>,
    /// The answers of `follow`.
    pub followed: Fields,
    /// The last answer.
    pub body: Option<Json>,
    pub headers: Headers,
    pub request_id: Option<String>,
    /// What the creating request carries (`marker_text`); without `,` and `/`, at most 60 characters.
    pub marker: Option<String>,
    /// The key of the effect.
    pub effect: Option<String>,
    pub account: Account,
    pub version: Option<Version>,
    /// Paths that the driver found, percent-encoded.
    pub self_path: Option<String>,
    pub kind_path: Option<String>,
    /// The version that these paths are of, as documents write it: `apps/v1`.
    pub api: Option<String>,
    /// Of a part: an item of a list, or key and value of a map.
    pub item: Option<Json>,
    pub key: Option<Json>,
    pub value: Option<Json>,
    /// What a request that is sent once for each item of a list is about (`over`).
    pub it: Option<Json>,
    /// Of a bridge: the row at the source, with its `region`.
    pub source: Option<Fields>,
    /// Of a bridge: the regions of the target's catalog.
    pub regions: Vec<String>,
    /// What `fresh_secret()` gives.
    pub fresh_secret: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    pub user_id: Option<String>,
    pub project_id: Option<String>,
}

/// Names only: arguments and rows may hold secrets.
impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope")
            .field("args", &self.args.keys())
            .field("row", &self.row.keys())
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
