//! The transport of real life: reqwest over TCP and TLS, one client for all sites of like settings.
//!
//! The hard idea is what *not* to leave to the HTTP client: it follows no redirect, retries nothing and takes no proxy
//! from the process's environment, because each of these could send a token elsewhere or an operation twice. What is
//! left is to tell a request that never left (`NotSent`) from one that may have (`Lost`).

use super::{Body, BoxError, Transport, TransportError};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use http::Method;
use http::header::CONTENT_LENGTH;
use http_body::Body as _;
use http_body_util::{BodyExt, BodyStream};
use secrecy::{ExposeSecret, SecretString};
use std::collections::HashMap;
use std::error::Error as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// How one site is reached. Paths are absolute.
#[derive(Clone, Debug)]
pub struct Settings {
    /// False only where the user wrote so.
    pub verify: bool,
    /// Trusted instead of the system's certificates.
    pub cacert: Option<Pem>,
    /// The client's certificate; `key` may be in the same text.
    pub cert: Option<Pem>,
    pub key: Option<Pem>,
    /// The name that the site's certificate has, where it is not that of its URL.
    pub server_name: Option<ServerName>,
    pub proxy: Proxy,
    pub connect_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            verify: true,
            cacert: None,
            cert: None,
            key: None,
            server_name: None,
            proxy: Proxy::default(),
            connect_timeout: Duration::from_secs(10),
        }
    }
}

/// Certificates or keys.
#[derive(Clone, Debug)]
pub enum Pem {
    File(PathBuf),
    /// From the setting of that name.
    Text(String, SecretString),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerName {
    pub name: String,
    /// Where the site is by its URL.
    pub host: String,
}

/// Proxies, as `http_proxy`, `https_proxy` and `no_proxy` name them. This machine is never reached through one.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Proxy {
    /// For this site and whatever it is, this machine too: somebody has written it so.
    pub always: Option<String>,
    pub http: Option<String>,
    pub https: Option<String>,
    pub except: Option<String>,
}

/// A proxy's URL may hold a password.
impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |url: &Option<String>| url.as_ref().map(|_| "(set)");
        write!(
            f,
            "Proxy {{ always: {:?}, http: {:?}, https: {:?}, except: {:?} }}",
            shown(&self.always),
            shown(&self.http),
            shown(&self.https),
            self.except
        )
    }
}

/// Chooses the process's TLS provider. First thing in `main` and in tests; a second call changes nothing.
pub fn install_tls() {
    // An error says only that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[derive(Clone)]
pub struct Network {
    /// For `http`: it trusts no certificate, and so needs not load those of the system.
    plain: reqwest::Client,
    /// For `https`: made when it is first needed, unless there are files that could be wrong.
    secure: Arc<OnceLock<Result<reqwest::Client, String>>>,
    settings: Arc<Settings>,
}

impl Network {
    /// Reads the certificate files. The message names the file that cannot be used.
    pub fn new(settings: &Settings) -> Result<Network, String> {
        install_tls();
        let plain = build(builder(settings)?.tls_certs_only([]))?;
        let network = Network { plain, secure: Arc::default(), settings: Arc::new(settings.clone()) };
        if settings.cacert.is_some() || settings.cert.is_some() {
            network.secure()?;
        }
        Ok(network)
    }

    fn secure(&self) -> Result<&reqwest::Client, String> {
        self.secure.get_or_init(|| secure(&self.settings)).as_ref().map_err(String::clone)
    }
}

/// The clients of a process. Sites of like settings share one: it holds connections, each to one host, and what is trusted, and
/// nothing of anybody's account. A thousand sites have one pool then and load the system's certificates once. A site that has a
/// certificate or a key of its own, or another name, has a client of its own.
#[derive(Default)]
pub struct Networks(Mutex<HashMap<Likeness, Network>>);

#[derive(PartialEq, Eq, Hash)]
struct Likeness {
    verify: bool,
    cacert: Option<PathBuf>,
    proxy: Proxy,
    connect_timeout: Duration,
}

impl Likeness {
    fn of(settings: &Settings) -> Option<Likeness> {
        let Settings { verify, cacert, cert, key, server_name, proxy, connect_timeout } = settings;
        let cacert = match cacert {
            None => None,
            Some(Pem::File(path)) => Some(path.clone()),
            Some(Pem::Text(..)) => return None,
        };
        let own = cert.is_some() || key.is_some() || server_name.is_some();
        let (proxy, connect_timeout) = (proxy.clone(), *connect_timeout);
        (!own).then_some(Likeness { verify: *verify, cacert, proxy, connect_timeout })
    }
}

impl Networks {
    pub fn of(&self, settings: &Settings) -> Result<Network, String> {
        let Some(like) = Likeness::of(settings) else { return Network::new(settings) };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(network) = all.get(&like) {
            return Ok(network.clone());
        }
        let network = Network::new(settings)?;
        all.insert(like, network.clone());
        Ok(network)
    }
}

fn builder(settings: &Settings) -> Result<reqwest::ClientBuilder, String> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("edge/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .connect_timeout(settings.connect_timeout)
        // Below the five seconds after which Apache closes an idle connection: a request that crosses such a
        // closing is lost, and for a POST that means *unknown*.
        .pool_idle_timeout(Duration::from_secs(4))
        .tcp_keepalive(Duration::from_secs(30));
    for proxy in proxies(&settings.proxy)? {
        builder = builder.proxy(proxy);
    }
    if let Some(renamed) = &settings.server_name {
        builder = builder.dns_resolver(Renaming(renamed.clone()));
    }
    Ok(builder)
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, String> {
    builder.build().map_err(|e| format!("the HTTP client cannot be set up: {}", root(&e)))
}

fn secure(settings: &Settings) -> Result<reqwest::Client, String> {
    let mut builder = builder(settings)?.tls_danger_accept_invalid_certs(!settings.verify);
    if let Some(pem) = settings.cacert.as_ref().filter(|_| settings.verify) {
        let certificates = reqwest::Certificate::from_pem_bundle(&read(pem)?)
            .map_err(|_| format!("{} holds no certificates that can be read", named(pem)))?;
        if certificates.is_empty() {
            return Err(format!("{} holds no certificate", named(pem)));
        }
        builder = builder.tls_certs_only(certificates);
    }
    if let Some(cert) = &settings.cert {
        let mut pem = read(cert)?;
        if let Some(key) = &settings.key {
            pem.push(b'\n');
            pem.extend(read(key)?);
        }
        let identity = reqwest::Identity::from_pem(&pem)
            .map_err(|_| format!("{} and its key are no client certificate that can be used", named(cert)))?;
        builder = builder.identity(identity);
    }
    build(builder)
}

fn read(pem: &Pem) -> Result<Vec<u8>, String> {
    match pem {
        Pem::File(path) => std::fs::read(path).map_err(|e| format!("cannot read `{}`: {e}", path.display())),
        Pem::Text(_, text) => Ok(text.expose_secret().as_bytes().to_vec()),
    }
}

fn named(pem: &Pem) -> String {
    match pem {
        Pem::File(path) => format!("`{}`", path.display()),
        Pem::Text(setting, _) => format!("`{setting}`"),
    }
}

/// Looks the site up where it is, and not where the name of its certificate would lead.
struct Renaming(ServerName);

impl reqwest::dns::Resolve for Renaming {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let host = if name.as_str().eq_ignore_ascii_case(&self.0.name) { &self.0.host } else { name.as_str() };
        let host = host.trim_matches(['[', ']']).to_string();
        Box::pin(async move {
            let found: Vec<std::net::SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

/// The same request to the name that the site's certificate has; its `Host` stays.
fn renamed(request: http::Request<Body>, to: &ServerName) -> http::Request<Body> {
    let (mut parts, body) = request.into_parts();
    let port = parts.uri.port_u16().map_or(String::new(), |port| format!(":{port}"));
    let mut uri = parts.uri.clone().into_parts();
    if let (Some(was), Ok(authority)) = (&uri.authority, format!("{}{port}", to.name).parse()) {
        if let Ok(host) = http::HeaderValue::from_str(was.as_str()) {
            parts.headers.entry(http::header::HOST).or_insert(host);
        }
        uri.authority = Some(authority);
    }
    if let Ok(uri) = http::Uri::from_parts(uri) {
        parts.uri = uri;
    }
    http::Request::from_parts(parts, body)
}

fn proxies(settings: &Proxy) -> Result<Vec<reqwest::Proxy>, String> {
    if let Some(url) = &settings.always {
        let proxy = reqwest::Proxy::all(url.clone()).map_err(|_| "the proxy's address is not a URL".to_string())?;
        return Ok(vec![proxy]);
    }
    let here = "localhost,127.0.0.0/8,::1";
    let except = settings.except.as_deref().map_or(here.to_string(), |list| format!("{here},{list}"));
    let except = reqwest::NoProxy::from_string(&except);
    let mut proxies = Vec::new();
    for (url, of) in [
        (&settings.http, reqwest::Proxy::http as fn(String) -> reqwest::Result<reqwest::Proxy>),
        (&settings.https, reqwest::Proxy::https),
    ] {
        if let Some(url) = url.as_ref().filter(|url| !url.is_empty()) {
            let proxy = of(url.clone()).map_err(|_| "the proxy's address is not a URL".to_string())?;
            proxies.push(proxy.no_proxy(except.clone()));
        }
    }
    Ok(proxies)
}

impl Transport for Network {
    fn send(&self, request: http::Request<Body>) -> BoxFuture<'_, Result<http::Response<Body>, TransportError>> {
        Box::pin(async move {
            let host = request.uri().authority().map_or_else(String::new, |a| host_of(a.as_str()).to_string());
            let request = match &self.settings.server_name {
                Some(name) => renamed(request, name),
                None => request,
            };
            let request = outgoing(request).map_err(|e| TransportError::NotSent(describe(&host, &e)))?;
            let proxy = &self.settings.proxy;
            let tls_proxy = [&proxy.always, &proxy.http].into_iter().flatten().any(|p| p.starts_with("https:"));
            let client = match request.url().scheme() {
                "https" => self.secure().map_err(TransportError::NotSent)?,
                _ if tls_proxy => self.secure().map_err(TransportError::NotSent)?,
                _ => &self.plain,
            };
            let response = client.execute(request).await.map_err(|e| classify(&host, &e))?;
            let response: http::Response<reqwest::Body> = response.into();
            Ok(response.map(|body| body.map_err(|e| BoxError::from(root(&e))).boxed_unsync()))
        })
    }
}

/// The authority without a user's name and password.
fn host_of(authority: &str) -> &str {
    authority.rsplit('@').next().unwrap_or(authority)
}

fn outgoing(request: http::Request<Body>) -> reqwest::Result<reqwest::Request> {
    let (mut parts, body) = request.into_parts();
    let body = match body.size_hint().exact() {
        Some(0) => {
            // Some servers answer 411 to a POST of nothing that does not say so.
            if [Method::POST, Method::PUT, Method::PATCH].contains(&parts.method) {
                parts.headers.entry(CONTENT_LENGTH).or_insert(0.into());
            }
            reqwest::Body::from(bytes::Bytes::new())
        }
        length => {
            if let Some(length) = length {
                parts.headers.entry(CONTENT_LENGTH).or_insert(length.into());
            }
            let frames = BodyStream::new(body)
                .filter_map(|frame| async { frame.map(|frame| frame.into_data().ok()).transpose() });
            reqwest::Body::wrap_stream(frames.boxed())
        }
    };
    reqwest::Request::try_from(http::Request::from_parts(parts, body))
}

fn classify(host: &str, error: &reqwest::Error) -> TransportError {
    let why = describe(host, error);
    // Connecting covers name resolution, TCP, a proxy's CONNECT and the TLS handshake.
    if error.is_connect() || error.is_builder() { TransportError::NotSent(why) } else { TransportError::Lost(why) }
}

fn describe(host: &str, error: &reqwest::Error) -> String {
    if error.is_connect() && error.is_timeout() {
        return format!("cannot connect to {host}: no answer in time");
    }
    let what = if error.is_connect() { "cannot connect to" } else { "no answer from" };
    format!("{what} {host}: {}", root(error))
}

/// The innermost cause, which is the one that says something; the outer ones repeat the URL.
fn root(error: &reqwest::Error) -> String {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = error.source();
    let mut text = cause.map_or_else(|| "the request failed".to_string(), |e| e.to_string());
    while let Some(inner) = cause.and_then(|e| e.source()) {
        text = inner.to_string();
        cause = Some(inner);
    }
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}
