//! From the `auth` of a cloud to Keystone's request for a token (Identity API v3, `POST /v3/auth/tokens`).
//!
//! Secrets leave their wrapper in one place, `request`, whose result is sent and dropped.

use crate::config::Auth;
use crate::drivers::place::web_url;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

/// How we get in.
pub enum Credentials {
    Keystone(Box<Keystone>),
    /// No identity service: every service is at one endpoint.
    Fixed {
        endpoint: Url,
        authorization: Option<(&'static str, SecretString)>,
    },
}

pub struct Keystone {
    /// `.../v3`
    pub url: Url,
    auth: Auth,
    method: Method,
}

enum Method {
    Password,
    Token,
    ApplicationCredential,
    Totp,
}

impl Credentials {
    /// Checks that all that is needed is there; the message says what is missing, and never a secret.
    pub fn of(auth: &Auth) -> Result<Credentials, String> {
        let method = match auth.kind.as_str() {
            "password" | "v3password" => Method::Password,
            "token" | "v3token" => Method::Token,
            "v3applicationcredential" => Method::ApplicationCredential,
            "v3totp" => Method::Totp,
            "none" => return fixed(auth, None),
            "http_basic" => {
                let user = needed(auth.value("username"), "username")?;
                let password = needed(auth.secret("password"), "password")?.expose_secret();
                use base64::Engine;
                let both = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
                return fixed(auth, Some(("authorization", format!("Basic {both}").into())));
            }
            "admin_token" => {
                let token = needed(auth.secret("token"), "token")?.clone();
                return fixed(auth, Some(("x-auth-token", token)));
            }
            other => return Err(format!("authentication by `{other}` is not supported yet")),
        };
        match method {
            Method::Password => {
                user_given(auth)?;
                needed(auth.secret("password"), "password")?;
            }
            Method::Totp => {
                user_given(auth)?;
                needed(auth.secret("passcode"), "passcode")?;
            }
            Method::Token => {
                needed(auth.secret("token"), "token")?;
            }
            Method::ApplicationCredential => {
                needed(auth.secret("application_credential_secret"), "application_credential_secret")?;
                if auth.value("application_credential_id").is_none() {
                    needed(auth.value("application_credential_name"), "application_credential_id")?;
                    user_given(auth)?;
                }
            }
        }
        let url = identity_url(needed(auth.value("auth_url"), "auth_url")?)?;
        Ok(Credentials::Keystone(Box::new(Keystone { url, auth: auth.clone(), method })))
    }
}

fn needed<'a, T: ?Sized>(value: Option<&'a T>, name: &str) -> Result<&'a T, String> {
    value.ok_or_else(|| format!("`{name}` is missing in the cloud's `auth`"))
}

fn user_given(auth: &Auth) -> Result<(), String> {
    needed(auth.value("user_id").or(auth.value("username")), "username").map(|_| ())
}

fn fixed(auth: &Auth, authorization: Option<(&'static str, SecretString)>) -> Result<Credentials, String> {
    let endpoint = web_url(needed(auth.value("endpoint"), "endpoint")?, "endpoint")?;
    Ok(Credentials::Fixed { endpoint, authorization })
}

/// With `/v3` at its end, whether or not the file says so; an older `/v2.0` gives way to it.
fn identity_url(text: &str) -> Result<Url, String> {
    let mut url = web_url(text, "auth_url")?;
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/v2.0").or_else(|| path.strip_suffix("/v3")).unwrap_or(path);
    let path = format!("{path}/v3");
    url.set_path(&path);
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

impl Keystone {
    /// Who asks, in messages.
    pub fn person(&self) -> String {
        let value = |name| self.auth.value(name);
        match self.method {
            Method::ApplicationCredential => {
                let name = value("application_credential_name").or(value("application_credential_id"));
                format!("the application credential `{}`", name.unwrap_or("?"))
            }
            Method::Token => "the token of the configuration".into(),
            _ => format!("the user `{}`", value("username").or(value("user_id")).unwrap_or("?")),
        }
    }

    /// The body of the request: there are secrets in it.
    pub fn request(&self) -> Value {
        let secret = |name: &str| self.auth.secret(name).map(|s| s.expose_secret()).unwrap_or("");
        let (method, content) = match self.method {
            Method::Password => {
                let mut user = self.user();
                user["password"] = secret("password").into();
                ("password", json!({ "user": user }))
            }
            Method::Totp => {
                let mut user = self.user();
                user["passcode"] = secret("passcode").into();
                ("totp", json!({ "user": user }))
            }
            Method::Token => ("token", json!({ "id": secret("token") })),
            Method::ApplicationCredential => {
                let mut credential = json!({ "secret": secret("application_credential_secret") });
                match self.auth.value("application_credential_id") {
                    Some(id) => credential["id"] = id.into(),
                    None => {
                        credential["name"] = self.auth.value("application_credential_name").into();
                        credential["user"] = self.user();
                    }
                }
                ("application_credential", credential)
            }
        };
        let mut auth = json!({ "identity": { "methods": [method], (method): content } });
        if let Some(scope) = self.scope() {
            auth["scope"] = scope;
        }
        json!({ "auth": auth })
    }

    fn user(&self) -> Value {
        match self.auth.value("user_id") {
            Some(id) => json!({ "id": id }),
            None => json!({ "name": self.auth.value("username"), "domain": self.domain("user_domain") }),
        }
    }

    /// What is not said is the domain that Keystone itself makes first, as the `openstack` command assumes.
    fn domain(&self, of: &str) -> Value {
        for prefix in [of, "default_domain"] {
            for key in ["id", "name"] {
                if let Some(value) = self.auth.value(&format!("{prefix}_{key}")) {
                    return json!({ (key): value });
                }
            }
        }
        json!({ "id": "default" })
    }

    /// `None` where Keystone decides: an application credential has its project, an unscoped user a default one.
    fn scope(&self) -> Option<Value> {
        let value = |name| self.auth.value(name);
        if matches!(self.method, Method::ApplicationCredential) {
            return None;
        }
        if let Some(id) = value("project_id") {
            Some(json!({ "project": { "id": id } }))
        } else if let Some(name) = value("project_name") {
            Some(json!({ "project": { "name": name, "domain": self.domain("project_domain") } }))
        } else if let Some(id) = value("domain_id") {
            Some(json!({ "domain": { "id": id } }))
        } else if let Some(name) = value("domain_name") {
            Some(json!({ "domain": { "name": name } }))
        } else if let Some(id) = value("trust_id") {
            Some(json!({ "OS-TRUST:trust": { "id": id } }))
        } else {
            value("system_scope").map(|_| json!({ "system": { "all": true } }))
        }
    }
}
