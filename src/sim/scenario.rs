//! What the simulated world is made of: sites, what each offers and holds, and the faults that befall them.
//!
//! Read from YAML. Everything has a default, so that `sites: [A, B]` is a whole scenario; `defaults` holds what all
//! sites share, and a site's own keys replace it key by key.

use indexmap::IndexMap;
use serde::Deserialize;

use super::fault::Fault;
use super::spec::{SiteSpec, Stack};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioError(String);

/// What is wrong may be quoted, and as long as the file.
const MOST_SAID: usize = 300;

impl std::fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.char_indices().nth(MOST_SAID) {
            None => f.write_str(&self.0),
            Some((end, _)) => write!(f, "{}...", &self.0[..end]),
        }
    }
}

/// Brackets in brackets. What reads the file takes time by their square.
const MOST_NESTED: usize = 200;

fn is_too_deep(text: &str) -> bool {
    let mut depth = 0usize;
    text.bytes().any(|byte| {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > MOST_NESTED
    })
}

impl std::error::Error for ScenarioError {}

#[derive(Clone, Debug)]
pub struct Scenario {
    /// Every id, token and random fault follows from it.
    pub seed: u64,
    pub sites: IndexMap<String, SiteSpec>,
    pub faults: Vec<Fault>,
}

impl Default for Scenario {
    fn default() -> Self {
        let mut scenario = Scenario::of_sites(["Zone1", "Zone2", "Zone3"]);
        for name in ["K1", "K2"] {
            scenario.sites.insert(name.into(), SiteSpec::of(Stack::Kubernetes));
        }
        scenario
    }
}

impl Scenario {
    pub fn of_sites<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let sites = names.into_iter().map(|name| (name.to_string(), SiteSpec::default())).collect();
        Scenario { seed: 1, sites, faults: Vec::new() }
    }

    pub fn from_yaml(text: &str) -> Result<Self, ScenarioError> {
        let wrong = |error: serde_yaml::Error| ScenarioError(error.to_string());
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Ok(Scenario::default());
        }
        if is_too_deep(text) {
            return Err(ScenarioError("nested too deeply".into()));
        }
        let file: File = serde_yaml::from_str(text).map_err(wrong)?;
        let named: Vec<(String, serde_yaml::Mapping)> = match file.sites {
            Sites::Count(count) if count <= 10_000 => {
                (1..=count).map(|k| (format!("Zone{k}"), serde_yaml::Mapping::new())).collect()
            }
            Sites::Count(count) => return Err(ScenarioError(format!("{count} sites are more than 10000"))),
            Sites::Names(names) => names.into_iter().map(|name| (name, serde_yaml::Mapping::new())).collect(),
            Sites::Specs(specs) => specs.into_iter().map(|(name, own)| (name, own.unwrap_or_default())).collect(),
        };
        let mut sites = IndexMap::new();
        for (name, own) in named {
            let mut merged = file.defaults.clone();
            merged.extend(own);
            let spec: SiteSpec = serde_yaml::from_value(serde_yaml::Value::Mapping(merged))
                .map_err(|error| ScenarioError(format!("site `{name}`: {error}")))?;
            if spec.max_microversion().is_none() {
                return Err(ScenarioError(format!("site `{name}`: microversion `{}` is not 2.N", spec.microversion)));
            }
            if spec.cluster.minor().is_none() {
                return Err(ScenarioError(format!(
                    "site `{name}`: version `{}` is not 1.20 or later",
                    spec.cluster.version
                )));
            }
            if spec.cluster.users.is_empty() {
                return Err(ScenarioError(format!("site `{name}`: at least one user is needed")));
            }
            if spec.octet == Some(0) {
                return Err(ScenarioError(format!("site `{name}`: octet is 1 to 255")));
            }
            if spec.accounts.is_empty() {
                return Err(ScenarioError(format!("site `{name}`: at least one account is needed")));
            }
            sites.insert(name, spec);
        }
        for fault in &file.faults {
            if let Some(site) = fault.site.as_ref().filter(|site| !sites.contains_key(*site)) {
                return Err(ScenarioError(format!("a fault names site `{site}`, which is not in the scenario")));
            }
        }
        Ok(Scenario { seed: file.seed, sites, faults: file.faults })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "one")]
    seed: u64,
    #[serde(default)]
    defaults: serde_yaml::Mapping,
    #[serde(default = "three")]
    sites: Sites,
    #[serde(default)]
    faults: Vec<Fault>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Sites {
    Count(u64),
    Names(Vec<String>),
    Specs(IndexMap<String, Option<serde_yaml::Mapping>>),
}

fn one() -> u64 {
    1
}

fn three() -> Sites {
    Sites::Count(3)
}
