//! The resources of a site: those of `kinds.yaml`, and those that its CustomResourceDefinitions add.
//!
//! A resource is one version of one plural name in one group; the objects of its versions are the same objects.

use std::sync::{Arc, LazyLock};

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;

use super::schema::{self, Shape, custom};

#[derive(Clone, Debug)]
pub struct Resource {
    pub group: String,
    pub version: String,
    pub plural: String,
    pub singular: String,
    pub kind: String,
    pub list_kind: String,
    pub short: Vec<String>,
    pub categories: Vec<String>,
    pub namespaced: bool,
    pub verbs: Vec<String>,
    pub subs: Vec<String>,
    pub shape: Shape,
    /// Counts generations; its status is written through its subresource alone.
    pub generations: bool,
    pub columns: Vec<Column>,
    /// The first column is not the name.
    pub unnamed: bool,
    /// The version of whole Kubernetes, 1.N, that has it.
    pub since: u32,
    /// Of a custom resource: its schema in OpenAPI, and where its scale is.
    pub custom: Option<Custom>,
}

#[derive(Clone, Debug)]
pub struct Custom {
    pub schema: Value,
    pub scale: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub path: String,
    pub wide: bool,
    /// `string`, `integer`, `date`, `boolean`.
    pub kind: String,
    pub description: String,
}

impl Resource {
    /// `pods`, `deployments.apps`: what objects are kept by, and what messages say.
    pub fn id(&self) -> String {
        id(&self.group, &self.plural)
    }

    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    pub fn has(&self, sub: &str) -> bool {
        self.subs.iter().any(|own| own == sub)
    }

    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|own| own == verb)
    }
}

pub fn id(group: &str, plural: &str) -> String {
    if group.is_empty() { plural.to_string() } else { format!("{plural}.{group}") }
}

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// Those that every site has, in the order of discovery.
pub fn built_in<'a>(minor: u32) -> impl Iterator<Item = &'a Arc<Resource>> {
    BUILT_IN.iter().filter(move |resource| resource.since <= minor)
}

/// A built-in resource that controllers know by its plural name.
pub fn known(plural: &str) -> &'static Arc<Resource> {
    let named = |resource: &&Arc<Resource>| resource.plural == plural;
    BUILT_IN.iter().find(named).expect("controllers name resources of kinds.yaml")
}

static BUILT_IN: LazyLock<Vec<Arc<Resource>>> = LazyLock::new(|| {
    let groups: Vec<Group> = serde_yaml::from_str(include_str!("kinds.yaml")).expect("kinds.yaml is valid");
    let mut all = Vec::new();
    for group in groups {
        for (plural, kind) in group.resources {
            all.push(Arc::new(resource(&group.group, &group.version, plural, kind)));
        }
    }
    all
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    group: String,
    version: String,
    resources: IndexMap<String, Kind>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    kind: String,
    #[serde(default)]
    singular: Option<String>,
    #[serde(default)]
    short: Vec<String>,
    #[serde(default)]
    categories: Vec<String>,
    #[serde(default)]
    cluster: bool,
    #[serde(rename = "type")]
    type_name: String,
    #[serde(default)]
    subs: Vec<String>,
    #[serde(default)]
    spec: bool,
    #[serde(default)]
    verbs: Option<Vec<String>>,
    #[serde(default)]
    no_collection: bool,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    unnamed: bool,
    #[serde(default)]
    since: u32,
}

fn resource(group: &str, version: &str, plural: String, kind: Kind) -> Resource {
    let all = VERBS.iter().filter(|verb| !kind.no_collection || **verb != "deletecollection");
    Resource {
        group: group.into(),
        version: version.into(),
        singular: kind.singular.unwrap_or_else(|| kind.kind.to_lowercase()),
        list_kind: format!("{}List", kind.kind),
        namespaced: !kind.cluster,
        verbs: kind.verbs.unwrap_or_else(|| all.map(|verb| verb.to_string()).collect()),
        shape: schema::named(&kind.type_name).expect("kinds.yaml names types of types.txt"),
        columns: kind.columns.iter().map(|text| column(text)).collect(),
        plural,
        kind: kind.kind,
        short: kind.short,
        categories: kind.categories,
        subs: kind.subs,
        generations: kind.spec,
        unnamed: kind.unnamed,
        since: kind.since,
        custom: None,
    }
}

/// `Node+ .spec.nodeName`: the name may have spaces, the path has none.
fn column(text: &str) -> Column {
    let (name, path) = text.rsplit_once(' ').expect("kinds.yaml: a column has a path");
    let wide = name.ends_with('+');
    let whole = ["replicas", "desiredNumberScheduled", "currentNumberScheduled", "numberReady"];
    let integer = path.starts_with("@number") || path.starts_with("@count") || whole.iter().any(|w| path.ends_with(w));
    let kind = if integer { "integer" } else { "string" };
    Column {
        name: name.trim_end_matches('+').into(),
        path: path.into(),
        wide,
        kind: kind.into(),
        description: String::new(),
    }
}

/// The versions that a CustomResourceDefinition serves.
pub fn of_definition(definition: &Value) -> Vec<Resource> {
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let texts = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<String>>();
    let names = &spec["names"];
    let kind = text(&names["kind"]);
    let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let served = versions.iter().filter(|version| version["served"].as_bool().unwrap_or(false));
    served
        .map(|version| {
            let schema = &version["schema"]["openAPIV3Schema"];
            let subresources = version["subresources"].as_object();
            let subs = subresources.map(|subs| subs.keys().cloned().collect::<Vec<String>>()).unwrap_or_default();
            let columns = version["additionalPrinterColumns"].as_array().map(Vec::as_slice).unwrap_or_default();
            let mut columns: Vec<Column> = columns
                .iter()
                .map(|column| Column {
                    name: text(&column["name"]),
                    path: text(&column["jsonPath"]),
                    wide: column["priority"].as_i64().unwrap_or(0) > 0,
                    kind: text(&column["type"]),
                    description: text(&column["description"]),
                })
                .collect();
            if columns.is_empty() {
                columns.push(column("Age @age"));
            }
            let singular = text(&names["singular"]);
            let list_kind = text(&names["listKind"]);
            Resource {
                group: text(&spec["group"]),
                version: text(&version["name"]),
                plural: text(&names["plural"]),
                singular: if singular.is_empty() { kind.to_lowercase() } else { singular },
                list_kind: if list_kind.is_empty() { format!("{kind}List") } else { list_kind },
                kind: kind.clone(),
                short: texts(&names["shortNames"]),
                categories: texts(&names["categories"]),
                namespaced: spec["scope"] == "Namespaced",
                verbs: VERBS.iter().map(|verb| verb.to_string()).collect(),
                generations: true,
                shape: custom::object(Some(schema)),
                columns,
                unnamed: false,
                since: 0,
                custom: Some(Custom {
                    schema: schema.clone(),
                    scale: subresources.and_then(|subs| subs.get("scale")).cloned(),
                }),
                subs,
            }
        })
        .collect()
}
