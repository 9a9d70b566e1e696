//! Microversions: which one a request speaks, and the documents that say which there are.

use serde_json::{Value, json};

use super::error;
use crate::sim::openstack::wire::{Call, Reply};

/// The minor number of 2.N.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub u32);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "2.{}", self.0)
    }
}

pub(super) fn asked(call: &Call, newest: Version) -> Result<Version, Reply> {
    let new = call
        .header("openstack-api-version")
        .and_then(|text| text.split(',').find_map(|one| one.trim().strip_prefix("compute ").map(str::trim)));
    let text = match new.or_else(|| call.header("x-openstack-nova-api-version")) {
        None => return Ok(Version(1)),
        Some("latest") => return Ok(newest),
        Some(text) => text,
    };
    let numbers =
        text.split_once('.').and_then(|(major, minor)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?)));
    let (major, minor) = numbers.ok_or_else(|| {
        error(400, &format!("API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum."))
    })?;
    let version = Version(minor);
    if major != 2 || version < Version(1) || version > newest {
        let message =
            format!("Version {text} is not supported by the API. Minimum is {} and maximum is {newest}.", Version(1));
        return Err(error(406, &message));
    }
    Ok(version)
}

pub(super) fn all(call: &Call, newest: Version) -> Value {
    let old = json!({
        "id": "v2.0", "status": "SUPPORTED", "version": "", "min_version": "", "updated": "2011-01-21T11:33:21Z",
        "links": [{"rel": "self", "href": format!("{}/compute/v2/", call.base)}],
    });
    json!({"versions": [old, document(call, newest)]})
}

pub(super) fn current(call: &Call, newest: Version) -> Value {
    let mut document = document(call, newest);
    document["media-types"] =
        json!([{"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}]);
    json!({"version": document})
}

fn document(call: &Call, newest: Version) -> Value {
    json!({
        "id": "v2.1", "status": "CURRENT", "version": newest.to_string(), "min_version": "2.1",
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": format!("{}/compute/v2.1/", call.base)}],
    })
}
