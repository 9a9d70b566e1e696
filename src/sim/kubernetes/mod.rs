//! One simulated Kubernetes site: an API server, and controllers that make what is asked for so.
//!
//! A request is a synchronous step from the site's state to a reply. Controllers do not run in the background: what is
//! due by the clock happens when the next request looks, or when a watch waits for it ([`State::settle`]), in order of
//! its time, so that a run repeats from its seed. `schema/` and `kinds.yaml` know the API's types; the code knows none
//! but those that controllers work on.

mod access;
mod api;
mod controllers;
mod managed;
mod patch;
mod persist;
mod protobuf;
mod resources;
mod schema;
mod selectors;
mod status;
mod store;
mod table;
mod validate;
mod verbs;
mod wire;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use http::request::Parts;
use indexmap::IndexMap;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::watch;

use self::access::Who;
pub(super) use self::access::token_of;
use self::resources::Resource;
use self::status::Status;
use self::store::{Key, Store};
use self::wire::{Call, Reply};
use super::exchange::Arriving;
use super::source::{Clock, Source};
use super::spec::{ClusterSpec, SiteSpec};
use super::stack;
use super::world::{ClusterAccount, Site, lock};
use crate::transport::Body;

/// Longest body of a request, as the real server has it.
const LONGEST_BODY: usize = 3 << 20;

pub(super) struct Cluster {
    clock: Clock,
    state: Mutex<State>,
    /// The revision, for whoever watches.
    changed: watch::Sender<u64>,
}

pub(super) struct State {
    pub spec: ClusterSpec,
    pub minor: u32,
    /// Authority under which the site is reached.
    pub address: String,
    pub store: Store,
    pub ids: Source,
    pub tokens: Vec<(String, Who)>,
    /// What CustomResourceDefinitions add, by their names: the versions served.
    pub custom: IndexMap<String, Vec<Arc<Resource>>>,
    pub work: controllers::Work,
}

impl Cluster {
    pub fn new(name: &str, spec: &SiteSpec, clock: Clock, mut ids: Source) -> Cluster {
        let spec = spec.cluster.clone();
        let tokens = spec.users.iter().map(|user| {
            let who = Who { name: user.name.clone(), groups: user.groups.clone() };
            (token_of(name, user), who)
        });
        let tokens: Vec<_> = tokens.collect();
        let history = time::Duration::try_from(spec.history).unwrap_or(time::Duration::MINUTE);
        let mut state = State {
            minor: spec.minor().unwrap_or(30),
            address: format!("{}.sim:443", name.to_lowercase()),
            store: Store::new(history),
            tokens,
            custom: IndexMap::new(),
            work: controllers::Work::default(),
            ids: Source::new(ids.next(), "cluster"),
            spec,
        };
        controllers::bootstrap::begin(&mut state, name, clock.now());
        state.settle(clock.now());
        Cluster { clock, changed: watch::Sender::new(state.store.revision()), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Tells whoever watches.
    fn announce(&self, state: &State) {
        let revision = state.store.revision();
        self.changed.send_if_modified(|known| std::mem::replace(known, revision) != revision);
    }

    /// The objects of a resource such as `deployments` or `widgets.example.com`, as they are now.
    pub fn seen(&self, resource: &str) -> Vec<Value> {
        let state = &mut *self.state();
        state.settle(self.clock.now());
        self.announce(state);
        let mut known = state.resources();
        let found = known.find(|own| own.id() == resource || own.plural == resource).map(|own| own.id());
        drop(known);
        found.map(|id| state.store.list(&id, None).map(|(_, object)| (**object).clone()).collect()).unwrap_or_default()
    }
}

impl State {
    /// Lets happen what is due.
    pub fn settle(&mut self, now: OffsetDateTime) {
        controllers::settle(self, now);
        self.store.age(now);
    }

    /// Everything that the site offers, in the order of discovery.
    pub fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        resources::built_in(self.minor).chain(self.custom.values().flatten())
    }

    pub fn resource(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        let mut known = self.resources();
        known.find(|own| own.plural == plural && own.group == group && own.version == version).cloned()
    }

    /// Any version of a resource, by its id.
    pub fn resource_of(&self, id: &str) -> Option<Arc<Resource>> {
        self.resources().find(|own| own.id() == id).cloned()
    }

    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.store.get(&Key::new(resource, namespace, name)).cloned()
    }
}

pub(super) async fn answer(site: &Arc<Site>, parts: Parts, mut body: Arriving) -> http::Response<Body> {
    let stack::State::Kubernetes(cluster) = site.stack() else {
        unreachable!("this stack answers for Kubernetes sites alone")
    };
    let method = parts.method.to_string();
    let mut held = bytes::BytesMut::new();
    loop {
        match body.next().await {
            Some(Ok(bytes)) if held.len() + bytes.len() > LONGEST_BODY => {
                return Reply::from(Status::too_large()).response(&method);
            }
            Some(Ok(bytes)) => held.extend_from_slice(&bytes),
            Some(Err(_)) => return Reply::from(Status::bad_request("unexpected EOF")).response(&method),
            None => break,
        }
    }
    let call = Call {
        method: if method == "HEAD" { "GET".into() } else { method.clone() },
        path: parts.uri.path().to_string(),
        query: url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect(),
        headers: parts.headers,
        body: held.freeze(),
        now: cluster.clock.now(),
    };
    let reply = {
        let state = &mut *cluster.state();
        if let Some(address) = site.base().split("://").nth(1) {
            state.address = address.to_string();
        }
        state.settle(call.now);
        let reply = verbs::respond(site, state, &call).unwrap_or_else(Reply::from);
        state.settle(call.now);
        cluster.announce(state);
        reply
    };
    let audit = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, format!("{}{:?}", call.path, call.now).as_bytes());
    reply.header("audit-id", audit.to_string()).header("cache-control", "no-cache, private").response(&method)
}

/// What a fault answers: a `Status` where the API server itself would speak, text where a proxy would.
pub(super) fn failure(parts: &Parts, status: u16) -> http::Response<Body> {
    Reply::from(Status::plain(status)).response(parts.method.as_str())
}

/// The API group, `core` for the one without a name; for faults and the log of requests.
pub(super) fn service_of(path: &str) -> Cow<'static, str> {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    match (segments.next(), segments.next()) {
        (Some("api"), _) => "core".into(),
        (Some("apis"), Some(group)) => {
            // `rbac`, `networking`, as the library names its services.
            let short = group.strip_suffix(".k8s.io").unwrap_or(group);
            short.strip_suffix(".authorization").unwrap_or(short).to_string().into()
        }
        _ => "".into(),
    }
}

/// Contexts named like their sites, and `SITE-USER` for the accounts behind the first.
pub(super) fn kubeconfig(accounts: &[ClusterAccount], authority: Option<&str>) -> String {
    use base64::Engine;
    let authority = authority.map(|pem| base64::engine::general_purpose::STANDARD.encode(pem));
    let mut clusters: BTreeMap<&str, Value> = BTreeMap::new();
    let (mut users, mut contexts) = (Vec::new(), Vec::new());
    for account in accounts {
        let first = !clusters.contains_key(account.site.as_str());
        let user = format!("{}-{}", account.site, account.user);
        let context = if first { account.site.clone() } else { user.clone() };
        let mut cluster = json!({"server": account.server});
        if let Some(authority) = &authority {
            cluster["certificate-authority-data"] = authority.as_str().into();
        }
        clusters.insert(&account.site, json!({"name": account.site, "cluster": cluster}));
        users.push(json!({"name": user, "user": {"token": account.token}}));
        contexts.push(json!({
            "name": context,
            "context": {"cluster": account.site, "user": user, "namespace": "default"},
        }));
    }
    let current = contexts.first().map(|context| context["name"].clone()).unwrap_or_else(|| "".into());
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": current,
        "clusters": clusters.into_values().collect::<Vec<_>>(),
        "users": users,
        "contexts": contexts,
    });
    serde_yaml::to_string(&config).expect("a kubeconfig is plain data")
}
