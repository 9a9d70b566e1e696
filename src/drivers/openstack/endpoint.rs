//! Where a service is: the catalog's entry for the interface and region, and the version's path within it.
//!
//! The hard idea: catalogs hold endpoints with and without a version (`:9292`, `/v2.1`, `/v3/PROJECT`), and a library
//! text names its own (`base "/v2"`); the version must stand in the URL once.

use super::services::{names, official};
use super::token::CatalogEntry;
use crate::config::{Cloud, ServiceSettings};
use crate::drivers::place::at;
use edge_lang::library::Version;
use serde_json::Value;
use url::Url;

/// What the configuration says of a service, under any of its names.
pub fn settings<'a>(cloud: &'a Cloud, kind: &str) -> impl Iterator<Item = &'a ServiceSettings> {
    let mut names: Vec<String> = names(kind).into_iter().map(str::to_string).collect();
    // Keys are looked up from the official name on.
    names.sort_by_key(|n| n != official(kind));
    names.into_iter().filter_map(|name| cloud.services.get(&name))
}

/// The endpoint as the catalog or an override has it; the message says what there is instead.
pub fn choose(cloud: &Cloud, catalog: &[CatalogEntry], kind: &str) -> Result<Url, String> {
    let parse = |text: &str| {
        let url = Url::parse(text).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.host_str().is_some());
        url.ok_or_else(|| format!("the endpoint of `{kind}` is not a URL"))
    };
    if let Some(endpoint) = settings(cloud, kind).find_map(|s| s.endpoint.as_deref()) {
        return parse(endpoint);
    }
    let renamed = settings(cloud, kind).find_map(|s| s.kind.as_deref());
    let wanted = names(renamed.unwrap_or(kind));
    let entry = wanted.iter().find_map(|name| catalog.iter().find(|e| e.kind == *name));
    let Some(entry) = entry else {
        let mut offered: Vec<&str> = catalog.iter().map(|e| official(&e.kind)).collect();
        offered.sort_unstable();
        offered.dedup();
        return Err(match offered.is_empty() {
            true => format!("no service `{kind}`: the catalog is empty, as it is without a project"),
            false => format!("no service `{kind}`; offered are {}", offered.join(", ")),
        });
    };
    let region = settings(cloud, kind).find_map(|s| s.region.as_deref()).or(cloud.region.as_deref());
    let here = |e: &&super::token::Endpoint| region.is_none_or(|r| e.region.as_deref() == Some(r));
    let interfaces = settings(cloud, kind).find_map(|s| s.interfaces.as_ref()).unwrap_or(&cloud.interfaces);
    let plain = |interface: &str| interface.strip_suffix("URL").unwrap_or(interface).to_string();
    for interface in interfaces {
        if let Some(found) = entry.endpoints.iter().filter(here).find(|e| plain(&e.interface) == plain(interface)) {
            return parse(&found.url);
        }
    }
    let mut there: Vec<String> = entry
        .endpoints
        .iter()
        .map(|e| format!("{} in {}", plain(&e.interface), e.region.as_deref().unwrap_or("no region")))
        .collect();
    there.sort_unstable();
    there.dedup();
    let asked = format!("{} in {}", interfaces.join(" or "), region.unwrap_or("any region"));
    Err(format!(
        "`{kind}` has no endpoint {asked}; it has {}",
        if there.is_empty() { "none".into() } else { there.join(", ") }
    ))
}

/// The URL under which a template's path stands, without a slash at its end; `None` where only the site's own list of
/// versions can tell.
pub fn with_base(endpoint: &Url, base: &str) -> Option<Url> {
    let base = base.trim_matches('/');
    let (root, version, rest) = split(endpoint);
    if base.is_empty() {
        version?;
        return Some(at(endpoint, endpoint.path()));
    }
    // Cinder's `/v3/PROJECT` stays whole under the base `/v3`.
    let same = version.is_some_and(|v| Version::parse(v).map(|v| v.major) == first_version(base).map(|v| v.major));
    Some(match same && !rest.is_empty() {
        true => at(endpoint, endpoint.path()),
        false => at(endpoint, &format!("{root}/{base}")),
    })
}

fn first_version(base: &str) -> Option<Version> {
    Version::parse(base.split('/').next()?)
}

/// Where the endpoint's list of versions is, and where its own version's document is, if it has one.
pub fn documents(endpoint: &Url) -> Vec<Url> {
    let (root, version, _) = split(endpoint);
    let slash = |path: String| {
        let mut url = at(endpoint, "");
        url.set_path(&path);
        url
    };
    let own = version.map(|v| slash(format!("{root}/{v}/")));
    own.into_iter().chain([slash(format!("{root}/"))]).collect()
}

/// `/image`, `v2`, `PROJECT` of `/image/v2/PROJECT`.
fn split(endpoint: &Url) -> (String, Option<&str>, String) {
    let segments: Vec<&str> = endpoint.path().split('/').filter(|s| !s.is_empty()).collect();
    let is_version = |s: &&str| {
        s.starts_with('v')
            && s.len() > 1
            && s[1..].starts_with(|c: char| c.is_ascii_digit())
            && Version::parse(s).is_some()
    };
    let path = |segments: &[&str]| segments.iter().map(|s| format!("/{s}")).collect::<String>();
    match segments.iter().rposition(is_version) {
        Some(i) => (path(&segments[..i]), Some(segments[i]), path(&segments[i + 1..])),
        None => (path(&segments), None, String::new()),
    }
}

/// One entry of a version document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    pub version: Version,
    pub current: bool,
    /// The microversions.
    pub range: Option<(Version, Version)>,
    pub path: Option<String>,
}

/// Every shape of a version document: one version, a list, and Keystone's list in `values`.
pub fn offered(document: &Value) -> Vec<Offered> {
    let versions = document.get("versions");
    let list = versions.and_then(|v| v.as_array().or_else(|| v.get("values")?.as_array()));
    let entries: Vec<&Value> =
        list.map_or_else(|| document.get("version").into_iter().collect(), |l| l.iter().collect());
    entries
        .into_iter()
        .filter_map(|entry| {
            let text = |key: &str| entry.get(key).and_then(Value::as_str).filter(|t| !t.is_empty());
            let status = text("status").unwrap_or("CURRENT").to_ascii_uppercase();
            let range = |key: &str| text(key).and_then(Version::parse);
            let links = entry.get("links").and_then(Value::as_array);
            let link = links.and_then(|l| l.iter().find(|l| l.get("rel").and_then(Value::as_str) == Some("self")));
            let path = link.and_then(|l| l.get("href")?.as_str()).map(path_of);
            Some(Offered {
                version: Version::parse(text("id")?)?,
                current: matches!(status.as_str(), "CURRENT" | "STABLE"),
                range: range("max_version")
                    .or_else(|| range("version"))
                    .zip(range("min_version"))
                    .map(|(max, min)| (min, max)),
                path,
            })
        })
        .collect()
}

fn path_of(href: &str) -> String {
    match Url::parse(href) {
        Ok(url) => url.path().to_string(),
        Err(_) => href.to_string(),
    }
}

/// The best of what is offered: the newest that is current, else the newest.
pub fn best(offered: &[Offered]) -> Option<&Offered> {
    offered.iter().max_by_key(|o| (o.current, o.version))
}

/// Where a version is that a document at `endpoint` offers. The host is the catalog's, whatever the document says; the
/// path is the link's, unless a proxy added a prefix of which the service knows nothing.
pub fn place(endpoint: &Url, offered: &Offered) -> Url {
    let own = endpoint.path().trim_end_matches('/');
    match offered.path.as_deref().map(|p| p.trim_end_matches('/')) {
        None | Some("") => at(endpoint, own),
        Some(path) if path.starts_with(own) => at(endpoint, path),
        Some(path) => at(endpoint, &format!("{own}/{}", path.rsplit('/').next().unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_once_in_the_url() {
        for (endpoint, base, whole) in [
            ("http://h:9292", "/v2", Some("http://h:9292/v2")),
            ("http://h:9292/v2/", "/v2", Some("http://h:9292/v2")),
            ("http://h/image", "/v2", Some("http://h/image/v2")),
            ("http://h/image/v1/", "/v2", Some("http://h/image/v2")),
            ("http://h/identity", "/v3", Some("http://h/identity/v3")),
            ("http://h:9696/v2.0", "/v2.0", Some("http://h:9696/v2.0")),
            ("http://h:8776/v3/0a1b", "/v3", Some("http://h:8776/v3/0a1b")),
            ("http://h:8776/v2/0a1b", "/v3", Some("http://h:8776/v3")),
            ("http://h:8774/v2.1/0a1b", "", Some("http://h:8774/v2.1/0a1b")),
            ("http://h:8774/v2.1/", "", Some("http://h:8774/v2.1")),
            ("http://h/compute", "", None),
            ("http://h/volume-v3", "", None),
        ] {
            let found = with_base(&Url::parse(endpoint).unwrap(), base);
            assert_eq!(
                found.map(|u| u.as_str().trim_end_matches('/').to_string()).as_deref(),
                whole,
                "{endpoint} {base}"
            );
        }
    }

    #[test]
    fn a_link_gives_the_path_and_never_the_host() {
        let document = serde_json::json!({"versions": [
            {"id": "v2.0", "status": "SUPPORTED", "version": "", "min_version": "", "links": [{"rel": "self", "href": "http://inner:1/v2/"}]},
            {"id": "v2.1", "status": "CURRENT", "version": "2.93", "min_version": "2.1", "links": [{"rel": "self", "href": "http://inner:1/v2.1/"}]},
        ]});
        let offered = offered(&document);
        let best = best(&offered).unwrap();
        assert_eq!(best.range, Some((Version::new(2, 1), Version::new(2, 93))));
        for (endpoint, whole) in
            [("https://out", "https://out/v2.1"), ("https://out/compute", "https://out/compute/v2.1")]
        {
            assert_eq!(place(&Url::parse(endpoint).unwrap(), best).as_str(), whole);
        }
    }
}
