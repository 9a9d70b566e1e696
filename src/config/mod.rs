//! Where the sites are and who we are there: clouds.yaml and secure.yaml, kubeconfig, edge.yaml.
//!
//! Loading reads files and nothing else: no network, no global environment (an `Environment` is passed in). The hard
//! idea is that files are many people's work: what is wrong with one entry is a `Problem` of that entry, and the others
//! are used as if it were not there. Secrets are `SecretString` from here on.

pub mod application;
pub mod clouds;
pub mod cluster;
mod expand;
mod guards;
pub mod inventory;
pub mod kubeconfig;
mod spellings;
mod words;
pub mod yaml;

use crate::transport::network;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use application::{Application, Kept};
pub use clouds::{Clouds, from_text as clouds_from_text, load as load_clouds};
pub use cluster::Cluster;
pub use guards::Guards;
pub use inventory::{Sites, connection, load as load_inventory};

/// What loading may look at. No `Debug`: passwords may stand in variables.
#[derive(Clone, Default)]
pub struct Environment {
    pub variables: BTreeMap<String, String>,
    pub working_directory: PathBuf,
    pub home: Option<PathBuf>,
    /// OpenStack's configuration directories in the order in which they are searched, after the working directory.
    pub directories: Vec<PathBuf>,
    /// Where this program keeps what outlives its processes.
    pub state: Option<PathBuf>,
}

impl Environment {
    /// The process's own. Called by `main`, never by the library.
    pub fn of_process() -> Environment {
        use etcetera::BaseStrategy;
        let strategy = etcetera::choose_base_strategy().ok();
        let home = strategy.as_ref().map(|s| s.home_dir().to_path_buf());
        let variables: BTreeMap<String, String> =
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect();
        let mut directories = Vec::new();
        directories.extend(strategy.as_ref().map(|s| s.config_dir().join("openstack")));
        directories.extend(home.as_ref().map(|h| h.join(".config/openstack")));
        let shared = variables.get("XDG_CONFIG_DIRS").filter(|d| !d.is_empty()).map_or("/etc/xdg", |d| d.as_str());
        directories.extend(std::env::split_paths(shared).map(|d| d.join("openstack")));
        directories.push("/etc/openstack".into());
        let working_directory = std::env::current_dir().unwrap_or_default();
        let state = strategy.as_ref().map(|s| s.state_dir().unwrap_or_else(|| s.data_dir()).join("edge"));
        Environment { variables, working_directory, home, directories, state }
    }

    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// Absolute, with `~` as the user's home.
    pub fn path(&self, text: &str) -> PathBuf {
        match (text.strip_prefix('~'), &self.home) {
            (Some(""), Some(home)) => home.clone(),
            (Some(rest), Some(home)) if rest.starts_with('/') => home.join(&rest[1..]),
            _ => self.working_directory.join(text),
        }
    }
}

/// What is wrong with a file, or with one entry of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    pub file: Option<PathBuf>,
    /// From 1; 0 where it is not known.
    pub line: usize,
    /// The cloud or the site.
    pub entry: Option<String>,
    pub key: Option<String>,
    pub message: String,
    pub severity: Severity,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Severity {
    /// The entry, or the file, cannot be used.
    #[default]
    Error,
    Warning,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
            if self.line > 0 {
                write!(f, "{}:", self.line)?;
            }
            f.write_str(" ")?;
        }
        // A name may be as long as the file.
        let named = |f: &mut fmt::Formatter<'_>, name: &str| match name.char_indices().nth(100) {
            None => write!(f, "`{name}`: "),
            Some((end, _)) => write!(f, "`{}...`: ", &name[..end]),
        };
        if let Some(entry) = &self.entry {
            named(f, entry)?;
        }
        if let Some(key) = &self.key {
            named(f, key)?;
        }
        f.write_str(&self.message)
    }
}

/// One cloud in one region: an account at a site.
#[derive(Clone, Debug)]
pub struct Cloud {
    /// The entry's name in the file.
    pub name: String,
    pub region: Option<String>,
    /// The entry has more regions than this one.
    pub one_of_many: bool,
    pub auth: Auth,
    /// In order of preference: `public`, `internal`, `admin`.
    pub interfaces: Vec<String>,
    pub tls: Tls,
    /// What is said of single services, by the prefix of their keys with `-` for `_`: `compute`, `block-storage`.
    pub services: BTreeMap<String, ServiceSettings>,
    pub api_timeout: Option<Duration>,
    pub file: Option<PathBuf>,
    pub line: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceSettings {
    pub endpoint: Option<String>,
    pub interfaces: Option<Vec<String>>,
    pub region: Option<String>,
    pub kind: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    pub verify: bool,
    pub cacert: Option<PathBuf>,
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

impl Default for Tls {
    fn default() -> Tls {
        Tls { verify: true, cacert: None, cert: None, key: None }
    }
}

/// The `auth` of an entry: the type of authentication, and its values by openstacksdk's names.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    pub kind: String,
    pub values: BTreeMap<String, String>,
    pub secrets: BTreeMap<String, SecretString>,
}

impl Auth {
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    pub fn secret(&self, name: &str) -> Option<&SecretString> {
        self.secrets.get(name)
    }

    /// Puts a value where it belongs: what could be used to get in is a secret.
    pub fn set(&mut self, name: &str, value: String) {
        let secret = ["password", "secret", "token", "passcode", "private"].iter().any(|word| name.contains(word));
        if secret && !name.ends_with("_endpoint") {
            self.secrets.insert(name.into(), value.into());
        } else {
            self.values.insert(name.into(), value);
        }
    }

    /// The same person in another project of the same domain.
    pub fn in_project(&self, project: &str) -> Auth {
        let mut auth = self.clone();
        for scope in ["project_id", "domain_id", "domain_name", "system_scope", "trust_id"] {
            auth.values.remove(scope);
        }
        auth.values.insert("project_name".into(), project.into());
        auth
    }

    /// Every secret, to keep it out of messages.
    pub fn exposed(&self) -> impl Iterator<Item = &str> {
        self.secrets.values().map(|s| s.expose_secret())
    }
}

/// How one account at a site is reached: what a driver opens a session from.
#[derive(Clone, Debug)]
pub struct Connection {
    pub site: String,
    pub way: Way,
}

/// By stack.
#[derive(Clone, Debug)]
pub enum Way {
    OpenStack(Box<Cloud>),
    Kubernetes(Box<Cluster>),
    Http(Box<Application>),
}

impl Connection {
    pub fn openstack(site: impl Into<String>, cloud: Cloud) -> Connection {
        Connection { site: site.into(), way: Way::OpenStack(Box::new(cloud)) }
    }

    /// The cloud, of an OpenStack site.
    pub fn cloud(&self) -> Option<&Cloud> {
        match &self.way {
            Way::OpenStack(cloud) => Some(cloud),
            _ => None,
        }
    }

    pub fn kubernetes(site: impl Into<String>, cluster: Cluster) -> Connection {
        Connection { site: site.into(), way: Way::Kubernetes(Box::new(cluster)) }
    }

    pub fn http(site: impl Into<String>, application: Application) -> Connection {
        Connection { site: site.into(), way: Way::Http(Box::new(application)) }
    }

    /// The same person in another tenant.
    pub fn in_project(&self, project: &str) -> Result<Connection, String> {
        let mut connection = self.clone();
        let site = &self.site;
        match &mut connection.way {
            Way::OpenStack(cloud) if cloud.auth.kind == "v3applicationcredential" => {
                return Err(format!(
                    "`{site}`: an application credential belongs to one project; `{project}` needs another"
                ));
            }
            Way::OpenStack(cloud) => cloud.auth = cloud.auth.in_project(project),
            Way::Kubernetes(cluster) => cluster.namespace = Some(project.to_string()),
            Way::Http(application) => {
                return Err(format!("`{site}`: `{}` has no tenants, and `{project}` is asked for", application.app));
            }
        }
        Ok(connection)
    }

    /// What a transport must know to reach it. Proxies are those of the environment.
    pub fn network(&self, environment: &Environment) -> network::Settings {
        let variable = |names: [&str; 2]| names.iter().find_map(|n| environment.variable(n)).map(str::to_string);
        let proxy = network::Proxy {
            always: None,
            http: variable(["http_proxy", "HTTP_PROXY"]),
            https: variable(["https_proxy", "HTTPS_PROXY"]),
            except: variable(["no_proxy", "NO_PROXY"]),
        };
        let file = |path: &Option<PathBuf>| path.clone().map(network::Pem::File);
        let of_tls = |tls: &Tls| network::Settings {
            verify: tls.verify,
            cacert: file(&tls.cacert),
            cert: file(&tls.cert),
            key: file(&tls.key),
            proxy: proxy.clone(),
            ..network::Settings::default()
        };
        match &self.way {
            Way::OpenStack(cloud) => of_tls(&cloud.tls),
            Way::Http(application) => of_tls(&application.tls),
            Way::Kubernetes(cluster) => network::Settings {
                verify: cluster.verify,
                cacert: cluster.cacert.clone(),
                cert: cluster.cert.clone(),
                key: cluster.key.clone(),
                server_name: cluster.server_name.clone(),
                proxy: network::Proxy {
                    always: cluster.proxy.as_ref().map(|p| p.expose_secret().to_string()),
                    ..proxy
                },
                ..network::Settings::default()
            },
        }
    }
}

/// Reads a configuration file; `None` where it does not exist or may not be read.
fn read(path: &Path) -> Option<Result<yaml::Node, yaml::YamlError>> {
    const MAX_SIZE: u64 = 64 << 20;
    let line_less = |message: String| yaml::YamlError { line: 0, message };
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > MAX_SIZE => return Some(Err(line_less("larger than 64 MiB".into()))),
        Ok(metadata) if !metadata.is_file() && metadata.is_dir() => return None,
        Ok(_) => {}
        Err(_) => return None,
    }
    let text = match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(_) => return Some(Err(line_less("not UTF-8 text".into()))),
        },
        Err(_) => return None,
    };
    let json = path.extension().is_some_and(|e| e == "json");
    Some(if json { yaml::from_json(&text) } else { yaml::parse(&text) })
}
