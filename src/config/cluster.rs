//! What a context of the kubeconfig leads to: a Kubernetes site, and who we are there.
//!
//! Files are read and merged as kubectl does: of several the first that defines a thing wins, and paths are from where
//! their file is. Within a cluster, the service account of the pod is the context `in-cluster`.

use super::{Environment, Kept, kubeconfig};
use crate::transport::network::{Pem, ServerName};
use base64::Engine;
use kube::config::{AuthInfo, ExecConfig, ExecInteractiveMode, Kubeconfig};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// No kubeconfig is larger.
const MOST: u64 = 64 << 20;
/// Where a pod finds who it is.
pub const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The context that stands for it.
pub const IN_CLUSTER: &str = "in-cluster";

#[derive(Clone, Debug)]
pub struct Cluster {
    pub context: String,
    pub server: String,
    /// Where things are that nobody says a namespace of.
    pub namespace: Option<String>,
    pub verify: bool,
    pub cacert: Option<Pem>,
    pub cert: Option<Pem>,
    pub key: Option<Pem>,
    pub server_name: Option<ServerName>,
    /// Its URL may hold a password.
    pub proxy: Option<SecretString>,
    /// The user's entry, for messages.
    pub user: String,
    pub who: Who,
    /// In whose place: the headers that say it.
    pub instead_of: Vec<(String, String)>,
}

/// What proves who we are, beside a certificate.
#[derive(Clone, Debug)]
pub enum Who {
    Nobody,
    Token(Kept),
    Basic { username: String, password: SecretString },
    Plugin(Box<Plugin>),
}

/// A program that gives a token.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// The version in which it is asked and answers.
    pub api: String,
    pub command: String,
    pub args: Vec<String>,
    pub env: BTreeMap<String, SecretString>,
    /// What to do where the program is missing.
    pub hint: Option<String>,
    /// The cluster as it wants to know it.
    pub cluster: Option<serde_json::Value>,
    pub time: Duration,
}

/// The cluster of the settings of a site: `context`, `kubeconfig`, `namespace`.
pub fn cluster(settings: &BTreeMap<String, String>, environment: &Environment) -> Result<Cluster, String> {
    let file = settings.get("kubeconfig").map(|path| environment.path(path));
    let context = settings.get("context").map(String::as_str);
    let (config, broken) = merged(&kubeconfig::files(environment, file.as_deref()));
    let wanted = context.or(config.current_context.as_deref());
    let known = |name: &str| config.contexts.iter().any(|c| c.name == name);
    let mut found = match wanted {
        Some(name) if known(name) || name != IN_CLUSTER => {
            of_context(&config, name).map_err(|why| match &broken[..] {
                [] => why,
                _ => format!("{why} ({})", broken.join("; ")),
            })?
        }
        _ => in_cluster(environment, Path::new(SERVICE_ACCOUNT))?,
    };
    found.namespace = settings.get("namespace").cloned().or(found.namespace);
    Ok(found)
}

/// A kubeconfig that is no file: of simulated sites.
pub fn from_text(text: &str, context: &str) -> Result<Cluster, String> {
    let config = Kubeconfig::from_yaml(text).map_err(|_| "it is no kubeconfig".to_string())?;
    of_context(&config, context)
}

/// The files as one, and what is wrong with those that cannot be read. Never what is in them: there are secrets.
fn merged(files: &[PathBuf]) -> (Kubeconfig, Vec<String>) {
    let (mut all, mut broken) = (Kubeconfig::default(), Vec::new());
    for path in files {
        let named = |what: &str| format!("`{}` {what}", path.display());
        match std::fs::metadata(path) {
            Err(_) => continue,
            Ok(found) if found.len() > MOST => {
                broken.push(named("is larger than 64 MiB"));
                continue;
            }
            Ok(_) => {}
        }
        let read = Kubeconfig::read_from(path).ok().and_then(|config| all.clone().merge(config).ok());
        match read {
            Some(merged) => all = merged,
            None => broken.push(named("is no kubeconfig that can be read")),
        }
    }
    (all, broken)
}

fn of_context(config: &Kubeconfig, name: &str) -> Result<Cluster, String> {
    let context = config.contexts.iter().find(|c| c.name == name).and_then(|c| c.context.as_ref());
    let Some(context) = context else {
        let near = edge_lang::diagnostic::nearest(name, config.contexts.iter().map(|c| c.name.as_str()));
        let near = near.map(|near| format!("; `{near}` is there")).unwrap_or_default();
        return Err(format!("no context `{name}` in the kubeconfig{near}"));
    };
    let cluster = config.clusters.iter().find(|c| c.name == context.cluster).and_then(|c| c.cluster.as_ref());
    let wrong = |why: &str| format!("the context `{name}`: {why}");
    let cluster = cluster.ok_or_else(|| wrong(&format!("there is no cluster `{}`", context.cluster)))?;
    let server = cluster.server.clone().ok_or_else(|| wrong("its cluster has no `server`"))?;
    let none = AuthInfo::default();
    let user = context.user.clone().unwrap_or_default();
    let auth = match config.auth_infos.iter().find(|a| a.name == user) {
        Some(named) => named.auth_info.as_ref().unwrap_or(&none),
        None if user.is_empty() => &none,
        None => return Err(wrong(&format!("there is no user `{user}`"))),
    };
    let pem = |setting: &str, data: Option<&str>, file: &Option<String>| match (data, file) {
        (Some(data), _) if !data.is_empty() => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(data.split_whitespace().collect::<String>());
            let text = bytes.ok().and_then(|b| String::from_utf8(b).ok());
            text.map(|t| Some(Pem::Text(setting.to_string(), t.into())))
                .ok_or_else(|| wrong(&format!("`{setting}` is not PEM in base64")))
        }
        (_, file) => Ok(file.as_ref().filter(|f| !f.is_empty()).map(|f| Pem::File(f.into()))),
    };
    let cacert = pem(
        "certificate-authority-data",
        cluster.certificate_authority_data.as_deref(),
        &cluster.certificate_authority,
    )?;
    let cert = pem("client-certificate-data", auth.client_certificate_data.as_deref(), &auth.client_certificate)?;
    let key = auth.client_key_data.as_ref().map(|k| k.expose_secret());
    let key = pem("client-key-data", key, &auth.client_key)?;
    let verify = !cluster.insecure_skip_tls_verify.unwrap_or_default();
    let server_name = match cluster.tls_server_name.as_deref().filter(|n| !n.is_empty()) {
        None => None,
        Some(name) if name.parse::<std::net::IpAddr>().is_ok() => {
            return Err(wrong("a `tls-server-name` that is an address is not supported"));
        }
        Some(_) if cluster.proxy_url.is_some() => {
            return Err(wrong("`tls-server-name` and `proxy-url` together are not supported"));
        }
        Some(name) => {
            let host = Url::parse(&server).ok().and_then(|u| u.host_str().map(str::to_string));
            Some(ServerName { name: name.to_string(), host: host.unwrap_or_default() })
        }
    };
    Ok(Cluster {
        context: name.to_string(),
        who: who(auth, cluster, &server).map_err(|why| wrong(&why))?,
        server,
        namespace: context.namespace.clone().filter(|n| !n.is_empty()),
        verify,
        cacert,
        cert,
        key,
        server_name,
        proxy: cluster.proxy_url.clone().filter(|p| !p.is_empty()).map(SecretString::from),
        user,
        instead_of: instead_of(auth),
    })
}

fn who(auth: &AuthInfo, cluster: &kube::config::Cluster, server: &str) -> Result<Who, String> {
    if let Some(file) = auth.token_file.as_deref().filter(|f| !f.is_empty()) {
        return Ok(Who::Token(Kept::File(file.into())));
    }
    if let Some(token) = auth.token.as_ref().filter(|t| !t.expose_secret().is_empty()) {
        return Ok(Who::Token(Kept::Here(token.clone())));
    }
    if let Some(username) = auth.username.as_ref().filter(|u| !u.is_empty()) {
        let password = auth.password.clone().unwrap_or_default();
        return Ok(Who::Basic { username: username.clone(), password });
    }
    match (&auth.exec, &auth.auth_provider) {
        (Some(exec), _) => plugin(exec, cluster, server).map(|p| Who::Plugin(Box::new(p))),
        (None, Some(provider)) => {
            Err(format!("the auth provider `{}` is not supported: use an exec plugin", provider.name))
        }
        (None, None) => Ok(Who::Nobody),
    }
}

fn plugin(exec: &ExecConfig, cluster: &kube::config::Cluster, server: &str) -> Result<Plugin, String> {
    let command = exec.command.clone().filter(|c| !c.is_empty()).ok_or("its `exec` has no `command`")?;
    if exec.interactive_mode == Some(ExecInteractiveMode::Always) {
        return Err(format!(
            "`{command}` wants to ask somebody (`interactiveMode: Always`), and Edge lets no plugin do so"
        ));
    }
    let pair = |entry: &std::collections::HashMap<String, String>| {
        Some((entry.get("name")?.clone(), entry.get("value").cloned().unwrap_or_default().into()))
    };
    let told = exec.provide_cluster_info.then(|| {
        serde_json::json!({
            "server": server,
            "tls-server-name": cluster.tls_server_name,
            "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
            "certificate-authority-data": cluster.certificate_authority_data,
            "proxy-url": cluster.proxy_url,
        })
    });
    Ok(Plugin {
        api: exec.api_version.clone().unwrap_or_else(|| "client.authentication.k8s.io/v1".into()),
        command,
        args: exec.args.clone().unwrap_or_default(),
        env: exec.env.iter().flatten().filter_map(pair).collect(),
        hint: exec.install_hint.clone(),
        cluster: told,
        time: Duration::from_secs(60),
    })
}

fn instead_of(auth: &AuthInfo) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    let mut say = |name: &str, value: &str| headers.push((name.to_string(), value.to_string()));
    auth.impersonate.iter().for_each(|user| say("impersonate-user", user));
    auth.impersonate_uid.iter().for_each(|uid| say("impersonate-uid", uid));
    auth.impersonate_groups.iter().flatten().for_each(|group| say("impersonate-group", group));
    let mut extra: Vec<_> = auth.impersonate_user_extra.iter().flatten().collect();
    extra.sort();
    for (key, values) in extra {
        // A key is part of a header's name.
        let key = percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC).to_string();
        values.iter().for_each(|value| say(&format!("impersonate-extra-{key}"), value));
    }
    headers
}

/// Who a pod is, by the files of its service account.
pub fn in_cluster(environment: &Environment, account: &Path) -> Result<Cluster, String> {
    let variable = |name: &str| environment.variable(name);
    let (Some(host), true) = (variable("KUBERNETES_SERVICE_HOST"), account.join("token").exists()) else {
        return Err("no context is named, and this is not inside a cluster".into());
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_string() };
    let port = variable("KUBERNETES_SERVICE_PORT").unwrap_or("443");
    let namespace = std::fs::read_to_string(account.join("namespace")).ok();
    Ok(Cluster {
        context: IN_CLUSTER.into(),
        server: format!("https://{host}:{port}"),
        namespace: namespace.map(|n| n.trim().to_string()).filter(|n| !n.is_empty()),
        verify: true,
        cacert: Some(Pem::File(account.join("ca.crt"))),
        cert: None,
        key: None,
        server_name: None,
        proxy: None,
        user: "service account".into(),
        who: Who::Token(Kept::File(account.join("token"))),
        instead_of: Vec::new(),
    })
}
