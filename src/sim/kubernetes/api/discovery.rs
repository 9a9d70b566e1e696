//! Discovery: groups, versions and resources, one by one as ever, or all at once as of 1.26.

use serde_json::{Value, json};

use crate::sim::kubernetes::State;
use crate::sim::kubernetes::resources::Resource;
use crate::sim::kubernetes::status::Status;
use crate::sim::kubernetes::wire::{Answer, Call, Reply};

pub fn version(state: &State) -> Value {
    let minor = state.minor.to_string();
    json!({
        "major": "1",
        "minor": minor,
        "gitVersion": format!("v1.{minor}.0"),
        "gitCommit": "0000000000000000000000000000000000000000",
        "gitTreeState": "clean",
        "buildDate": "2024-04-17T00:00:00Z",
        "goVersion": "go1.22.2",
        "compiler": "gc",
        "platform": "linux/amd64",
    })
}

/// `/api`, `/api/v1`, `/apis`, `/apis/GROUP`, `/apis/GROUP/VERSION`; `None` where there is no such group or version.
pub fn answer(state: &State, call: &Call, segments: &[&str]) -> Option<Answer> {
    match segments {
        ["api"] => Some(Ok(aggregated(state, call, true).unwrap_or_else(|| {
            let server = json!([{"clientCIDR": "0.0.0.0/0", "serverAddress": state.address}]);
            let body = json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": server});
            Reply::json(200, &body)
        }))),
        ["apis"] => Some(Ok(aggregated(state, call, false).unwrap_or_else(|| {
            let groups: Vec<Value> = groups(state).iter().map(|group| group_of(state, group)).collect();
            Reply::json(200, &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }))),
        ["api", "v1"] => Some(Ok(Reply::json(200, &resources(state, "", "v1")))),
        ["apis", group] => groups(state).iter().any(|own| own == group).then(|| {
            let mut body = json!({"kind": "APIGroup", "apiVersion": "v1"});
            crate::sim::kubernetes::patch::merge(&mut body, &group_of(state, group));
            Ok(Reply::json(200, &body))
        }),
        ["apis", group, version] => {
            let known = versions(state, group).iter().any(|own| own == version);
            (known && !group.is_empty()).then(|| Ok(Reply::json(200, &resources(state, group, version))))
        }
        _ => Some(Err(Status::no_such_resource())),
    }
}

/// Named groups, in the order of the server.
pub fn groups(state: &State) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    for resource in state.resources().filter(|resource| !resource.group.is_empty()) {
        if !groups.contains(&resource.group) {
            groups.push(resource.group.clone());
        }
    }
    groups
}

/// Of a group, the preferred one first.
pub fn versions(state: &State, group: &str) -> Vec<String> {
    let mut versions: Vec<String> = Vec::new();
    for resource in state.resources().filter(|resource| resource.group == group) {
        if !versions.contains(&resource.version) {
            versions.push(resource.version.clone());
        }
    }
    versions.sort_by_key(|version| std::cmp::Reverse(rank(version)));
    versions
}

/// `v2` before `v1` before `v1beta2` before `v1alpha1` before what is no such version.
fn rank(version: &str) -> (u8, u32, u32) {
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    let Some(rest) = version.strip_prefix('v') else { return (0, 0, 0) };
    let major = digits(rest);
    let Ok(number) = major.parse() else { return (0, 0, 0) };
    match &rest[major.len()..] {
        "" => (3, number, 0),
        rest => match (rest.strip_prefix("beta"), rest.strip_prefix("alpha")) {
            (Some(minor), _) => (2, number, minor.parse().unwrap_or(0)),
            (_, Some(minor)) => (1, number, minor.parse().unwrap_or(0)),
            _ => (0, 0, 0),
        },
    }
}

fn group_of(state: &State, group: &str) -> Value {
    let versions = versions(state, group);
    let listed: Vec<Value> = versions
        .iter()
        .map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
        .collect();
    json!({"name": group, "versions": listed, "preferredVersion": listed.first()})
}

fn resources(state: &State, group: &str, version: &str) -> Value {
    let mut listed = Vec::new();
    for resource in state.resources().filter(|own| own.group == group && own.version == version) {
        let mut entry = json!({
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": resource.verbs,
        });
        if !resource.short.is_empty() {
            entry["shortNames"] = json!(resource.short);
        }
        if !resource.categories.is_empty() {
            entry["categories"] = json!(resource.categories);
        }
        listed.push(entry);
        for sub in &resource.subs {
            let (kind, verbs) = sub_of(resource, sub);
            let mut entry = json!({
                "name": format!("{}/{sub}", resource.plural),
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": kind.kind,
                "verbs": verbs,
            });
            if !kind.group.is_empty() {
                entry["group"] = kind.group.into();
                entry["version"] = kind.version.into();
            }
            listed.push(entry);
        }
    }
    let group_version = if group.is_empty() { version.to_string() } else { format!("{group}/{version}") };
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed})
}

/// The kind behind a subresource where it is another than the resource's: else group and version are empty.
struct SubKind<'a> {
    kind: &'a str,
    group: &'a str,
    version: &'a str,
}

fn sub_of<'a>(resource: &'a Resource, sub: &str) -> (SubKind<'a>, &'static [&'static str]) {
    let other = |kind, group, version| SubKind { kind, group, version };
    match sub {
        "scale" => (other("Scale", "autoscaling", "v1"), &["get", "patch", "update"]),
        "eviction" => (other("Eviction", "policy", "v1"), &["create"]),
        "token" => (other("TokenRequest", "authentication.k8s.io", "v1"), &["create"]),
        "binding" => (other("Binding", "", ""), &["create"]),
        "finalize" => (other(&resource.kind, "", ""), &["update"]),
        "log" => (other(&resource.kind, "", ""), &["get"]),
        _ => (other(&resource.kind, "", ""), &["get", "patch", "update"]),
    }
}

/// Everything in one answer, where the client can read it and the site is new enough.
fn aggregated(state: &State, call: &Call, core: bool) -> Option<Reply> {
    if state.minor < 26 {
        return None;
    }
    let version = call.accepts().find_map(|(kind, parameters)| {
        let is = |key: &str, value: &str| parameters.contains(&(key, value));
        let discovery = is("g", "apidiscovery.k8s.io") && is("as", "APIGroupDiscoveryList");
        let version = parameters.iter().find(|(key, _)| *key == "v").map(|(_, version)| *version)?;
        let known = version == "v2beta1" || (version == "v2" && state.minor >= 30);
        (kind == "application/json" && discovery && known).then_some(version)
    })?;
    let names = if core { vec![String::new()] } else { groups(state) };
    let items: Vec<Value> = names.iter().map(|group| aggregated_group(state, group)).collect();
    let body = json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": format!("apidiscovery.k8s.io/{version}"),
        "metadata": {},
        "items": items,
    });
    let kind = match version {
        "v2" => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        _ => "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
    };
    Some(Reply::typed(200, kind, body.to_string()))
}

fn aggregated_group(state: &State, group: &str) -> Value {
    let versions: Vec<Value> = versions(state, group)
        .iter()
        .map(|version| {
            let own = state.resources().filter(|own| own.group == group && own.version == *version);
            let resources: Vec<Value> = own.map(|resource| aggregated_resource(resource)).collect();
            json!({"version": version, "resources": resources, "freshness": "Current"})
        })
        .collect();
    let metadata = if group.is_empty() {
        json!({"creationTimestamp": null})
    } else {
        json!({"name": group, "creationTimestamp": null})
    };
    json!({"metadata": metadata, "versions": versions})
}

fn aggregated_resource(resource: &Resource) -> Value {
    let subresources: Vec<Value> = resource
        .subs
        .iter()
        .map(|sub| {
            let (kind, verbs) = sub_of(resource, sub);
            let (group, version) = match kind.group {
                "" => (resource.group.as_str(), resource.version.as_str()),
                group => (group, kind.version),
            };
            json!({
                "subresource": sub,
                "responseKind": {"group": group, "version": version, "kind": kind.kind},
                "verbs": verbs,
            })
        })
        .collect();
    let mut entry = json!({
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    });
    if !resource.short.is_empty() {
        entry["shortNames"] = json!(resource.short);
    }
    if !resource.categories.is_empty() {
        entry["categories"] = json!(resource.categories);
    }
    if !subresources.is_empty() {
        entry["subresources"] = subresources.into();
    }
    entry
}
