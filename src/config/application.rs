//! Sites that are plain HTTP applications: where one is, and who we are there.
//!
//! What tells it stands in edge.yaml or in a program, and is no secret; secrets stand in a file or a variable that it
//! names: `file:PATH`, `env:NAME`.

use super::{Environment, Tls};
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Clone, Debug)]
pub struct Application {
    /// What descriptions are for: `service dns for http "powerdns"`.
    pub app: String,
    pub url: String,
    /// The names of its services, as far as they are known.
    pub services: Vec<String>,
    /// `none`, `bearer`, `basic`, `header`; else what the description says, or what the secret is called.
    pub auth: Option<String>,
    pub header: Option<String>,
    pub username: Option<String>,
    pub secret: Option<Secret>,
    pub tls: Tls,
}

/// The secret that proves who we are.
#[derive(Clone, Debug)]
pub struct Secret {
    /// What the configuration calls it: `token`, `password`, `api_key`.
    pub name: &'static str,
    pub kept: Kept,
}

/// Where a secret is.
#[derive(Clone, Debug)]
pub enum Kept {
    Here(SecretString),
    /// Read anew from time to time: it may be rotated.
    File(PathBuf),
}

impl Application {
    /// At a URL, by a bearer token that is known.
    pub fn with_token(app: String, url: String, token: SecretString) -> Application {
        let secret = Some(Secret { name: "token", kept: Kept::Here(token) });
        let tls = Tls::default();
        Application { app, url, services: Vec::new(), auth: None, header: None, username: None, secret, tls }
    }
}

/// The settings that are secrets.
pub const SECRETS: [&str; 3] = ["token", "password", "api_key"];
/// The settings that are paths, of any kind of site.
pub const PATHS: [&str; 4] = ["cacert", "cert", "key", "kubeconfig"];

/// From settings as an inventory has them.
pub fn application(settings: &BTreeMap<String, String>, environment: &Environment) -> Result<Application, String> {
    let text = |key: &str| settings.get(key).cloned();
    let path = |key: &str| settings.get(key).map(|p| environment.path(p));
    let mut secret = None;
    for name in SECRETS {
        let Some(written) = settings.get(name) else { continue };
        if secret.is_some() {
            return Err(format!("one secret is enough: {}", SECRETS.map(|s| format!("`{s}`")).join(" or ")));
        }
        let kept = kept(written, environment).map_err(|why| format!("`{name}`: {why}"))?;
        secret = Some(Secret { name, kept });
    }
    // In YAML it may be any spelling of true and false, which is written out as `True` and `False`.
    let verify = match settings.get("verify").map(|text| text.to_ascii_lowercase()).as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(_) => return Err("`verify` is `true` or `false`".into()),
    };
    Ok(Application {
        app: text("app").ok_or("it is not said which `app` it is, as descriptions call it")?,
        url: text("url").ok_or("the `url` is missing")?,
        services: Vec::new(),
        auth: text("auth"),
        header: text("header"),
        username: text("username"),
        secret,
        tls: Tls { verify, cacert: path("cacert"), cert: path("cert"), key: path("key") },
    })
}

fn kept(written: &str, environment: &Environment) -> Result<Kept, String> {
    match written.split_once(':') {
        Some(("env", name)) => match environment.variable(name) {
            Some(value) => Ok(Kept::Here(value.into())),
            None => Err(format!("the variable `{name}` is not set")),
        },
        Some(("file", path)) => Ok(Kept::File(environment.path(path))),
        _ => Err("a secret is not written here: name its place, `file:PATH` or `env:NAME`".into()),
    }
}
