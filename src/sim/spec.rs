//! What one simulated site is made of. Everything has a default; durations are written as in `5s`.

use std::time::Duration;

use indexmap::IndexMap;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    Identity,
    Image,
    Compute,
    Placement,
    Network,
}

impl Service {
    pub const ALL: [Service; 5] =
        [Service::Identity, Service::Image, Service::Compute, Service::Placement, Service::Network];

    /// The type in the catalog.
    pub fn kind(self) -> &'static str {
        match self {
            Service::Identity => "identity",
            Service::Image => "image",
            Service::Compute => "compute",
            Service::Placement => "placement",
            Service::Network => "network",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stack {
    #[default]
    Openstack,
    Kubernetes,
    /// An application that speaks HTTP: the interfaces of ETSI MEC 010-2.
    Mec,
}

impl Stack {
    /// Of a site in an inventory; of applications only those that are simulated.
    pub fn of(stack: &str, app: Option<&str>) -> Option<Stack> {
        let all = [Stack::Openstack, Stack::Kubernetes, Stack::Mec];
        all.into_iter().find(|known| known.name() == stack && known.app().is_none_or(|own| app == Some(own)))
    }

    /// What descriptions call the application.
    pub fn app(self) -> Option<&'static str> {
        (self == Stack::Mec).then_some("mec")
    }

    /// A Kubernetes site is always behind TLS: kubectl sends no token without it.
    pub fn scheme(self) -> &'static str {
        match self {
            Stack::Openstack | Stack::Mec => "http",
            Stack::Kubernetes => "https",
        }
    }

    /// As in an inventory.
    pub fn name(self) -> &'static str {
        match self {
            Stack::Openstack => "openstack",
            Stack::Kubernetes => "kubernetes",
            Stack::Mec => "http",
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SiteSpec {
    pub stack: Stack,
    /// What a Kubernetes site is made of; the keys below it but `labels` and `latency` are OpenStack's.
    pub cluster: ClusterSpec,
    /// What a MEC site is made of.
    pub mec: MecSpec,
    pub labels: IndexMap<String, Scalar>,
    /// What the site offers; identity is always there, for without it there is no site.
    pub services: Vec<Service>,
    /// The first one is the account that a configuration for this world uses.
    pub accounts: Vec<AccountSpec>,
    pub flavors: Vec<FlavorSpec>,
    pub images: Vec<ImageSpec>,
    pub networks: Vec<NetworkSpec>,
    pub quotas: Quotas,
    pub hosts: Vec<HostSpec>,
    /// The newest microversion that compute speaks, for old sites.
    pub microversion: String,
    /// Added to every answer.
    #[serde(deserialize_with = "span")]
    pub latency: Duration,
    pub timings: Timings,
    #[serde(deserialize_with = "span")]
    pub token_lifetime: Duration,
    /// Largest image data accepted, in bytes: what is uploaded is held in memory.
    pub image_limit: u64,
    /// Second octet of the addresses at this site; its place in the scenario by default.
    pub octet: Option<u8>,
}

impl Default for SiteSpec {
    fn default() -> Self {
        let flavor = |id: &str, name: &str, vcpus, ram, disk| FlavorSpec {
            id: Some(id.into()),
            name: name.into(),
            vcpus,
            ram,
            disk,
        };
        SiteSpec {
            stack: Stack::Openstack,
            cluster: ClusterSpec::default(),
            mec: MecSpec::default(),
            labels: IndexMap::new(),
            services: Service::ALL.to_vec(),
            accounts: vec![
                AccountSpec {
                    user: "admin".into(),
                    project: "admin".into(),
                    roles: vec!["admin".into()],
                    password: None,
                },
                AccountSpec::default(),
            ],
            flavors: vec![
                flavor("tiny", "tiny", 1, 64, 1),
                flavor("1", "m1.tiny", 1, 512, 1),
                flavor("2", "m1.small", 1, 2048, 20),
            ],
            images: vec![ImageSpec::default()],
            networks: vec![NetworkSpec::default()],
            quotas: Quotas::default(),
            hosts: vec![HostSpec::default()],
            microversion: "2.93".into(),
            latency: Duration::ZERO,
            timings: Timings::default(),
            token_lifetime: Duration::from_secs(3600),
            image_limit: 2 << 30,
            octet: None,
        }
    }
}

impl SiteSpec {
    pub fn of(stack: Stack) -> SiteSpec {
        SiteSpec { stack, ..SiteSpec::default() }
    }

    pub fn offers(&self, service: Service) -> bool {
        service == Service::Identity || self.services.contains(&service)
    }

    pub(super) fn max_microversion(&self) -> Option<u32> {
        self.microversion.strip_prefix("2.")?.parse().ok().filter(|minor| (1..=93).contains(minor))
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountSpec {
    pub user: String,
    pub project: String,
    pub roles: Vec<String>,
    /// By default the site's name in lower case and `-secret`: no two sites share a password.
    pub password: Option<String>,
}

impl Default for AccountSpec {
    fn default() -> Self {
        let roles = vec!["member".into(), "reader".into()];
        AccountSpec { user: "demo".into(), project: "demo".into(), roles, password: None }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlavorSpec {
    pub id: Option<String>,
    pub name: String,
    #[serde(default = "one")]
    pub vcpus: u64,
    /// MiB.
    pub ram: u64,
    /// GiB.
    #[serde(default)]
    pub disk: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageSpec {
    pub id: Option<String>,
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Equal words are equal bytes, at whatever site; the image's name by default.
    pub content: Option<String>,
    pub visibility: String,
    pub disk_format: String,
    pub container_format: String,
    pub properties: IndexMap<String, String>,
}

impl Default for ImageSpec {
    fn default() -> Self {
        ImageSpec {
            id: None,
            name: "cirros".into(),
            size: 256 << 10,
            content: None,
            visibility: "public".into(),
            disk_format: "qcow2".into(),
            container_format: "bare".into(),
            properties: IndexMap::new(),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSpec {
    pub name: String,
    /// Seen by every project.
    pub shared: bool,
    /// 10.OCTET.K.0/24 by default, K counting the networks of the site.
    pub cidr: Option<String>,
    pub external: bool,
}

impl Default for NetworkSpec {
    fn default() -> Self {
        NetworkSpec { name: "private".into(), shared: true, cidr: None, external: false }
    }
}

/// Per project; -1 is no limit.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    pub instances: i64,
    pub cores: i64,
    /// MiB.
    pub ram: i64,
    pub key_pairs: i64,
    pub server_groups: i64,
    pub server_group_members: i64,
    pub metadata_items: i64,
    pub images: i64,
    /// Bytes of all images together.
    pub image_bytes: i64,
    pub networks: i64,
    pub subnets: i64,
    pub ports: i64,
    pub routers: i64,
    pub security_groups: i64,
    pub security_group_rules: i64,
}

impl Default for Quotas {
    fn default() -> Self {
        Quotas {
            instances: 10,
            cores: 20,
            ram: 51_200,
            key_pairs: 100,
            server_groups: 10,
            server_group_members: 10,
            metadata_items: 128,
            images: 100,
            image_bytes: -1,
            networks: 100,
            subnets: 100,
            ports: 500,
            routers: 10,
            security_groups: 10,
            security_group_rules: 100,
        }
    }
}

/// A hypervisor. Where no host has room, a server is accepted and then becomes ERROR.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostSpec {
    pub name: String,
    pub vcpus: u64,
    /// MiB.
    pub ram: u64,
    /// GiB.
    pub disk: u64,
}

impl Default for HostSpec {
    fn default() -> Self {
        HostSpec { name: "host1".into(), vcpus: 256, ram: 1 << 20, disk: 10_000 }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timings {
    /// How long a server is BUILD.
    #[serde(deserialize_with = "span")]
    pub build: Duration,
    /// How long a server that is being deleted is still shown.
    #[serde(deserialize_with = "span")]
    pub delete: Duration,
    /// How long an action such as stop or reboot takes.
    #[serde(deserialize_with = "span")]
    pub action: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Timings {
            build: Duration::from_secs(1),
            delete: Duration::from_millis(500),
            action: Duration::from_millis(500),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterSpec {
    /// What it says of itself. Below 1.26 there is no aggregated discovery, below 1.27 no OpenAPI v3, below 1.25 no
    /// validation of fields by the server.
    pub version: String,
    pub nodes: u64,
    /// The first one is the account that a configuration for this world uses.
    pub users: Vec<UserSpec>,
    /// From the creation of a pod until its containers run.
    #[serde(deserialize_with = "span")]
    pub start: Duration,
    /// How long a pod takes to end, if it is given the time.
    #[serde(deserialize_with = "span")]
    pub stop: Duration,
    /// How long a job's pod runs.
    #[serde(deserialize_with = "span")]
    pub work: Duration,
    /// How long changes are remembered, for watches and the pages of a list that began before them.
    #[serde(deserialize_with = "span")]
    pub history: Duration,
    /// The most objects that it holds; a creation beyond it is refused.
    pub most_objects: usize,
}

impl Default for ClusterSpec {
    fn default() -> Self {
        let user = |name: &str, groups: &[&str]| UserSpec {
            name: name.into(),
            groups: groups.iter().map(|group| group.to_string()).collect(),
            token: None,
        };
        ClusterSpec {
            version: "1.30".into(),
            nodes: 2,
            users: vec![user("admin", &["system:masters"]), user("viewer", &[])],
            start: Duration::from_secs(1),
            stop: Duration::from_millis(500),
            work: Duration::from_secs(2),
            history: Duration::from_secs(300),
            most_objects: 20_000,
        }
    }
}

impl ClusterSpec {
    /// The minor version, of 1.N.
    pub(super) fn minor(&self) -> Option<u32> {
        let minor = self.version.strip_prefix("1.")?.split('.').next()?;
        minor.parse().ok().filter(|minor| (20..=99).contains(minor))
    }
}

/// Who may ask a Kubernetes site; what he may do is for its roles to say.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSpec {
    pub name: String,
    #[serde(default)]
    pub groups: Vec<String>,
    /// By default the site's name in lower case, the user's and `-secret`.
    #[serde(default)]
    pub token: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MecSpec {
    /// By default the site's name in lower case and `-secret`.
    pub token: Option<String>,
    /// How long each takes.
    #[serde(deserialize_with = "span")]
    pub onboard: Duration,
    #[serde(deserialize_with = "span")]
    pub instantiate: Duration,
    #[serde(deserialize_with = "span")]
    pub operate: Duration,
    #[serde(deserialize_with = "span")]
    pub terminate: Duration,
    /// Instances that can run at once; the instantiation of one more fails.
    pub capacity: usize,
    /// Packages, and instances, that are kept at once.
    pub most: usize,
    /// Bytes of one package: they are held in memory.
    pub package_limit: u64,
}

impl Default for MecSpec {
    fn default() -> Self {
        MecSpec {
            token: None,
            onboard: Duration::from_secs(2),
            instantiate: Duration::from_secs(3),
            operate: Duration::from_secs(1),
            terminate: Duration::from_secs(2),
            capacity: 100,
            most: 1000,
            package_limit: 64 << 20,
        }
    }
}

/// A label's value: whatever one writes in YAML without quotes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

impl Scalar {
    pub fn text(&self) -> String {
        match self {
            Scalar::Bool(b) => b.to_string(),
            Scalar::Int(i) => i.to_string(),
            Scalar::Float(f) => f.to_string(),
            Scalar::Text(t) => t.clone(),
        }
    }
}

fn one() -> u64 {
    1
}

/// A duration: a number of seconds, or `200ms`, `5s`, `2min`, `1h`.
pub(super) fn span<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Span::deserialize(deserializer)?.read().map_err(serde::de::Error::custom)
}

pub(super) fn optional_span<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let span = Option::<Span>::deserialize(deserializer)?;
    span.map(|span| span.read().map_err(serde::de::Error::custom)).transpose()
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Span {
    Seconds(f64),
    Text(String),
}

impl Span {
    pub(super) fn read(&self) -> Result<Duration, String> {
        let (number, unit) = match self {
            Span::Seconds(seconds) => (*seconds, 1.0),
            Span::Text(text) => {
                let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
                let unit = match text[at..].trim() {
                    "ms" => 0.001,
                    "" | "s" => 1.0,
                    "m" | "min" => 60.0,
                    "h" => 3600.0,
                    _ => return Err(format!("`{text}` is not a duration such as 200ms, 5s, 2min, 1h")),
                };
                let number: f64 =
                    text[..at].trim().parse().map_err(|_| format!("`{text}` is not a duration such as 200ms, 5s"))?;
                (number, unit)
            }
        };
        // A year is longer than any run; the bound keeps every later sum of times in range.
        Some(number * unit)
            .filter(|seconds| (0.0..=31_536_000.0).contains(seconds))
            .map(Duration::from_secs_f64)
            .ok_or_else(|| "a duration is between 0 and one year".to_string())
    }
}
