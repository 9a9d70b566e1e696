//! What kinds a site has: its API groups, their versions in the order of its preference, and the kinds of each.
//!
//! From 1.26 on a site tells it in two answers; below that, each version of a group is asked for by itself, when
//! something of it is looked for.

use edge_lang::diagnostic::nearest;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroupList, APIResourceList};
use kube::core::discovery::v2::APIGroupDiscoveryList;
use serde_json::Value;

/// Kinds that are known only in part: an answer of more than this is not read further.
const MOST_KINDS: usize = 20_000;

/// The groups of a site, `core` (without a name) first.
#[derive(Clone, Debug, Default)]
pub struct Groups(pub Vec<Group>);

#[derive(Clone, Debug)]
pub struct Group {
    /// As the site writes it, empty for the core.
    pub name: String,
    /// The one that the site prefers first.
    pub versions: Vec<GroupVersion>,
}

#[derive(Clone, Debug)]
pub struct GroupVersion {
    pub version: String,
    /// `None` until they were asked for.
    pub kinds: Option<Vec<Kind>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    pub kind: String,
    /// In paths.
    pub plural: String,
    pub singular: String,
    pub short: Vec<String>,
    pub namespaced: bool,
}

impl Group {
    /// As descriptions and inventories call it: `core`, `networking` for `networking.k8s.io`, others by their whole name.
    pub fn called(&self) -> &str {
        match self.name.as_str() {
            "" => "core",
            name if name.ends_with(".k8s.io") => name.split('.').next().unwrap_or(name),
            name => name,
        }
    }

    pub fn goes_by(&self, name: &str) -> bool {
        self.name == name || self.called() == name
    }

    /// `v1`, `apps/v1`.
    pub fn api(&self, version: &str) -> String {
        if self.name.is_empty() { version.to_string() } else { format!("{}/{version}", self.name) }
    }

    /// From the root of the site.
    pub fn path(&self, version: &str) -> String {
        match self.name.as_str() {
            "" => format!("/api/{}", segment(version)),
            name => format!("/apis/{}/{}", segment(name), segment(version)),
        }
    }
}

impl Kind {
    /// Whether a person may mean it: `Deployment`, `deployments`, `deploy`.
    fn goes_by(&self, name: &str) -> bool {
        let same = |other: &str| !other.is_empty() && other.eq_ignore_ascii_case(name);
        same(&self.kind) || same(&self.plural) || same(&self.singular) || self.short.iter().any(|s| same(s))
    }
}

impl Groups {
    /// The answers to `/api` and `/apis`, in either form.
    pub fn read(core: &Value, named: &Value) -> Option<Groups> {
        let mut groups = Vec::new();
        match whole(core) {
            Some(list) => groups.extend(list),
            None => {
                let versions = core.get("versions")?.as_array()?;
                let versions = versions.iter().filter_map(Value::as_str).map(version).collect();
                groups.push(Group { name: String::new(), versions });
            }
        }
        match whole(named) {
            Some(list) => groups.extend(list),
            None => {
                let list: APIGroupList = serde_json::from_value(named.clone()).ok()?;
                groups.extend(list.groups.into_iter().map(|group| {
                    let preferred = group.preferred_version.map(|v| v.version);
                    let mut names: Vec<String> = group.versions.into_iter().map(|v| v.version).collect();
                    names.sort_by_key(|name| Some(name) != preferred.as_ref());
                    Group { name: group.name, versions: names.iter().map(|n| version(n)).collect() }
                }));
            }
        }
        // What is left of it in old sites is elsewhere too, and better.
        groups.sort_by_key(|g| g.name == "extensions");
        Some(Groups(groups))
    }

    /// The groups in which a kind is looked for: of one name, or all.
    pub fn among(&self, group: Option<&str>) -> Vec<usize> {
        let exact = self.0.iter().position(|g| group == Some(g.name.as_str()) && !g.name.is_empty());
        match (exact, group) {
            (Some(at), _) => vec![at],
            (None, Some(name)) => (0..self.0.len()).filter(|i| self.0[*i].goes_by(name)).collect(),
            (None, None) => (0..self.0.len()).collect(),
        }
    }

    /// Group, version and kind by their places; `None` where there is none among those that were asked for.
    pub fn find(&self, among: &[usize], version: Option<&str>, name: &str) -> Option<(&Group, &str, &Kind)> {
        // Exactly as written first: `Event` of one group is not `event` of another.
        for exact in [true, false] {
            for group in among.iter().map(|i| &self.0[*i]) {
                for v in group.versions.iter().filter(|v| version.is_none_or(|wanted| v.version == wanted)) {
                    let fits = |k: &&Kind| if exact { k.kind == name } else { k.goes_by(name) };
                    if let Some(kind) = v.kinds.iter().flatten().find(fits) {
                        return Some((group, &v.version, kind));
                    }
                }
            }
        }
        None
    }

    /// The kind that was probably meant.
    pub fn nearest(&self, among: &[usize], name: &str) -> Option<String> {
        let versions = among.iter().flat_map(|i| &self.0[*i].versions);
        let kinds = versions.flat_map(|v| v.kinds.iter().flatten()).map(|k| k.kind.as_str());
        nearest(name, kinds).map(str::to_string)
    }
}

fn version(name: &str) -> GroupVersion {
    GroupVersion { version: name.to_string(), kinds: None }
}

/// The aggregated form.
fn whole(answer: &Value) -> Option<Vec<Group>> {
    if answer.get("kind").and_then(Value::as_str) != Some("APIGroupDiscoveryList") {
        return None;
    }
    let list: APIGroupDiscoveryList = serde_json::from_value(answer.clone()).ok()?;
    let groups = list.items.into_iter().map(|group| {
        let versions = group.versions.into_iter().filter_map(|v| {
            let kinds = v.resources.into_iter().filter_map(|r| {
                Some(Kind {
                    kind: r.response_kind?.kind?,
                    plural: r.resource?,
                    singular: r.singular_resource.unwrap_or_default(),
                    short: r.short_names,
                    namespaced: r.scope.as_deref() == Some("Namespaced"),
                })
            });
            // What the site itself could not learn has to be asked for.
            let fresh = v.freshness.as_deref() != Some("Stale");
            let kinds: Vec<Kind> = kinds.take(MOST_KINDS).collect();
            Some(GroupVersion { version: v.version?, kinds: fresh.then_some(kinds) })
        });
        let versions = versions.collect();
        Group { name: group.metadata.and_then(|m| m.name).unwrap_or_default(), versions }
    });
    Some(groups.collect())
}

/// The answer of one version of a group.
pub fn kinds(answer: Value) -> Option<Vec<Kind>> {
    let list: APIResourceList = serde_json::from_value(answer).ok()?;
    // `pods/log` is a part of a pod, and no kind.
    let own = list.resources.into_iter().filter(|r| !r.name.contains('/'));
    let kinds = own.map(|r| Kind {
        kind: r.kind,
        plural: r.name,
        singular: r.singular_name,
        short: r.short_names.unwrap_or_default(),
        namespaced: r.namespaced,
    });
    Some(kinds.take(MOST_KINDS).collect())
}

/// One segment of a path, whatever it holds.
pub fn segment(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(text, KEPT).to_string()
}
