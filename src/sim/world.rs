//! The sites of a scenario, alive: each with its state, its faults and a log of what it was asked.
//!
//! Sites share nothing but the clock and the bytes of equal images. A lock is held for one synchronous step and
//! never across an await.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::request::Parts;
use indexmap::IndexMap;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::watch;

use super::fault::{Action, Befalls, Fault, Faults};
use super::kubernetes;
use super::mec;
use super::openstack;
use super::scenario::Scenario;
use super::source::{Clock, Source};
use super::spec::{SiteSpec, Stack};
use super::stack::{self, State};
use super::transport::SimTransport;

/// Requests that a site remembers; the oldest are forgotten.
const REMEMBERED: usize = 20_000;

/// 2026-01-01T00:00:00Z, where nobody asks for the time of day.
const EPOCH: i64 = 1_767_225_600;

#[derive(Clone)]
pub struct World(Arc<Inner>);

struct Inner {
    clock: Clock,
    seed: u64,
    sites: Mutex<IndexMap<String, Arc<Site>>>,
    /// Of the scenario: they befall sites that join later, too.
    faults: Vec<Fault>,
    contents: Mutex<openstack::Contents>,
    /// Authority to site: in process `zone1.sim`, when served `127.0.0.1:PORT` too.
    hosts: Mutex<HashMap<String, String>>,
}

/// What a configuration needs to know to use a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub site: String,
    pub auth_url: String,
    pub region: String,
    pub username: String,
    pub password: String,
    pub project: String,
    pub user_domain: String,
    pub project_domain: String,
}

/// What a configuration needs to know to use a Kubernetes site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterAccount {
    pub site: String,
    /// In process `https://k1.sim`.
    pub server: String,
    pub user: String,
    pub token: String,
}

/// What a configuration needs to know to use a site that is an HTTP application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    pub site: String,
    pub app: String,
    pub url: String,
    pub token: String,
}

/// One request as a site got it, or, with [`Action::Refuse`], would have got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestSeen {
    /// Since the start of the world.
    pub at: Duration,
    /// The service's catalog type, or the API group.
    pub service: Cow<'static, str>,
    pub method: String,
    /// With the query.
    pub path: String,
    /// None while nothing was answered, and for ever when the answer was dropped.
    pub status: Option<u16>,
    pub fault: Option<Action>,
    /// Who asks: to see that no site is shown what belongs to another.
    pub token: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSeen {
    pub id: String,
    pub name: String,
    pub status: String,
    pub image: Option<String>,
    pub flavor: String,
    pub tags: Vec<String>,
    pub metadata: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSeen {
    pub id: String,
    pub name: Option<String>,
    pub status: String,
    pub size: Option<u64>,
    /// md5, in hexadecimal.
    pub checksum: Option<String>,
    /// sha512, in hexadecimal.
    pub hash: Option<String>,
}

/// Called with the site's name.
type Observer = Arc<dyn Fn(&str) + Send + Sync>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeypairSeen {
    pub user: String,
    pub name: String,
    pub fingerprint: String,
}

pub(super) struct Site {
    pub name: String,
    pub spec: SiteSpec,
    pub clock: Clock,
    base: Mutex<String>,
    stack: State,
    faults: Mutex<(Faults, Source)>,
    heals: watch::Sender<u64>,
    observer: Mutex<Option<Observer>>,
    log: Mutex<(u64, VecDeque<RequestSeen>)>,
}

impl World {
    pub fn new(scenario: Scenario) -> Self {
        let epoch = OffsetDateTime::from_unix_timestamp(EPOCH).expect("the epoch is a valid time");
        World::starting_at(scenario, epoch)
    }

    /// For real clients, which compare expiry with their own clock.
    pub fn starting_at(scenario: Scenario, epoch: OffsetDateTime) -> Self {
        let world = World(Arc::new(Inner {
            clock: Clock::new(epoch),
            seed: scenario.seed,
            sites: Mutex::default(),
            faults: scenario.faults,
            contents: Mutex::default(),
            hosts: Mutex::default(),
        }));
        for (name, spec) in scenario.sites {
            world.add(&name, spec);
        }
        world
    }

    /// A site joins; one of that name stays as it is.
    pub fn add(&self, name: &str, mut spec: SiteSpec) {
        let inner = &*self.0;
        let mut sites = lock(&inner.sites);
        if sites.contains_key(name) {
            return;
        }
        let mut hosts = lock(&inner.hosts);
        let place = sites.len();
        spec.octet.get_or_insert((place % 255 + 1) as u8);
        let host = host_of(name, place, &hosts);
        let mut faults = Faults::default();
        for fault in inner.faults.iter().filter(|fault| fault.site.as_ref().is_none_or(|site| site == name)) {
            faults.add(fault.clone());
        }
        let (clock, source) = (inner.clock, Source::new(inner.seed, &format!("ids of {name}")));
        let state = State::new(name, &spec, clock, source, &mut lock(&inner.contents));
        let site = Site {
            name: name.to_string(),
            clock,
            base: Mutex::new(format!("{}://{host}", spec.stack.scheme())),
            stack: state,
            faults: Mutex::new((faults, Source::new(inner.seed, &format!("faults of {name}")))),
            heals: watch::Sender::new(0),
            observer: Mutex::default(),
            log: Mutex::default(),
            spec,
        };
        hosts.insert(host, name.to_string());
        sites.insert(name.to_string(), Arc::new(site));
    }

    pub fn transport(&self) -> SimTransport {
        SimTransport::new(self.clone())
    }

    pub fn sites(&self) -> impl Iterator<Item = String> + use<> {
        self.all().into_iter().map(|site| site.name.clone())
    }

    pub fn spec(&self, site: &str) -> Option<SiteSpec> {
        self.site(site).map(|site| site.spec.clone())
    }

    fn all(&self) -> Vec<Arc<Site>> {
        lock(&self.0.sites).values().cloned().collect()
    }

    /// Since the start of the world.
    pub fn elapsed(&self) -> Duration {
        self.0.clock.elapsed()
    }

    /// Adds a fault: at its site, or at all where it names none. A site that does not exist has no faults.
    pub fn inject(&self, fault: Fault) {
        for site in self.all().iter().filter(|site| fault.site.as_ref().is_none_or(|name| *name == site.name)) {
            lock(&site.faults).0.add(fault.clone());
        }
    }

    /// Ends every fault at a site: frozen requests are carried out, hung ones break.
    pub fn heal(&self, site: &str) {
        if let Some(site) = self.site(site) {
            lock(&site.faults).0.clear();
            site.heals.send_modify(|heals| *heals += 1);
        }
    }

    /// Calls `observer` after each request that a site has carried out, whether or not its answer is heard.
    pub fn observe(&self, observer: impl Fn(&str) + Send + Sync + 'static) {
        let observer: Observer = Arc::new(observer);
        self.all().iter().for_each(|site| *lock(&site.observer) = Some(observer.clone()));
    }

    /// What a site was asked, oldest first.
    pub fn requests(&self, site: &str) -> Vec<RequestSeen> {
        self.site(site).map(|site| lock(&site.log).1.iter().cloned().collect()).unwrap_or_default()
    }

    pub fn forget_requests(&self) {
        for site in self.all() {
            let mut log = lock(&site.log);
            log.0 += log.1.len() as u64;
            log.1.clear();
        }
    }

    pub fn servers(&self, site: &str) -> Vec<ServerSeen> {
        self.look(site, |state, site| state.servers_seen(site.clock.now()))
    }

    pub fn images(&self, site: &str) -> Vec<ImageSeen> {
        self.look(site, |state, _| state.images_seen())
    }

    pub fn keypairs(&self, site: &str) -> Vec<KeypairSeen> {
        self.look(site, |state, _| state.keypairs_seen())
    }

    pub fn flavors(&self, site: &str) -> Vec<String> {
        self.look(site, |state, _| state.flavors_seen())
    }

    pub fn server_groups(&self, site: &str) -> Vec<String> {
        self.look(site, |state, _| state.server_groups_seen())
    }

    /// The network service's resources of one kind, such as `ports`, as its administrator sees them.
    pub fn network_resources(&self, site: &str, plural: &str) -> Vec<Value> {
        self.look(site, |state, _| state.network_seen(plural))
    }

    /// The objects of a Kubernetes site, of a resource such as `deployments` or `widgets.example.com`.
    pub fn objects(&self, site: &str, resource: &str) -> Vec<Value> {
        let Some(site) = self.site(site) else { return Vec::new() };
        match &site.stack {
            State::Kubernetes(cluster) => cluster.seen(resource),
            State::OpenStack(_) | State::Mec(_) => Vec::new(),
        }
    }

    /// Every site that is an HTTP application, in the order of the scenario.
    pub fn applications(&self) -> Vec<Application> {
        let of = |site: &Arc<Site>| {
            Some(Application {
                site: site.name.clone(),
                app: site.spec.stack.app()?.to_string(),
                url: site.base(),
                token: mec::token_of(&site.name, &site.spec.mec),
            })
        };
        self.all().iter().filter_map(of).collect()
    }

    /// What a MEC site has: `app_packages`, `app_instances`, `app_lcm_op_occs`.
    pub fn mec(&self, site: &str, plural: &str) -> Vec<Value> {
        match self.site(site) {
            Some(site) => match &site.stack {
                State::Mec(platform) => platform.seen(plural),
                State::OpenStack(_) | State::Kubernetes(_) => Vec::new(),
            },
            None => Vec::new(),
        }
    }

    fn look<T>(&self, site: &str, look: impl FnOnce(&mut openstack::State, &Site) -> Vec<T>) -> Vec<T> {
        let Some(site) = self.site(site) else { return Vec::new() };
        match &site.stack {
            State::OpenStack(state) => look(&mut lock(state), &site),
            State::Kubernetes(_) | State::Mec(_) => Vec::new(),
        }
    }

    /// Each site's first account, in the order of the scenario.
    pub fn accounts(&self) -> Vec<Account> {
        self.all().iter().filter_map(|site| site.accounts().next()).collect()
    }

    /// Every account of one site, in the order of the scenario.
    pub fn accounts_of(&self, site: &str) -> Vec<Account> {
        self.site(site).map(|site| site.accounts().collect()).unwrap_or_default()
    }

    /// A clouds.yaml with one cloud for each site, named like the site.
    pub fn clouds_yaml(&self) -> String {
        let mut text = String::from("clouds:\n");
        for account in self.accounts() {
            let quoted = |text: &str| Value::from(text).to_string();
            text += &format!(
                "  {}:\n    auth:\n      auth_url: {}\n      username: {}\n      password: {}\n      project_name: {}\n      \
                 user_domain_name: {}\n      project_domain_name: {}\n    region_name: {}\n    identity_api_version: 3\n",
                quoted(&account.site),
                quoted(&account.auth_url),
                quoted(&account.username),
                quoted(&account.password),
                quoted(&account.project),
                quoted(&account.user_domain),
                quoted(&account.project_domain),
                quoted(&account.region),
            );
        }
        text
    }

    /// Every account of every Kubernetes site, in the order of the scenario.
    pub fn cluster_accounts(&self) -> Vec<ClusterAccount> {
        self.all().iter().flat_map(|site| site.cluster_accounts()).collect()
    }

    /// A kubeconfig with a context for each Kubernetes site, named like the site, and `SITE-USER` for its other users.
    /// `authority` is the certificate authority that signed for the sites, in PEM, where they are served by TLS.
    pub fn kubeconfig(&self, authority: Option<&str>) -> String {
        kubernetes::kubeconfig(&self.cluster_accounts(), authority)
    }

    pub(super) fn site_of(&self, authority: &str) -> Option<Arc<Site>> {
        let name = {
            let hosts = lock(&self.0.hosts);
            hosts
                .get(authority)
                .or_else(|| hosts.get(authority.strip_suffix(":80").or_else(|| authority.strip_suffix(":443"))?))?
                .clone()
        };
        self.site(&name)
    }

    pub(super) fn site(&self, name: &str) -> Option<Arc<Site>> {
        lock(&self.0.sites).get(name).cloned()
    }

    /// The site is served here from now on, and says so in its catalog and links.
    pub(super) fn served_at(&self, name: &str, authority: &str) {
        if let Some(site) = self.site(name) {
            *lock(&site.base) = format!("{}://{authority}", site.spec.stack.scheme());
            lock(&self.0.hosts).insert(authority.to_string(), name.to_string());
        }
    }
}

impl Site {
    pub fn base(&self) -> String {
        lock(&self.base).clone()
    }

    pub fn stack(&self) -> &State {
        &self.stack
    }

    /// Of an OpenStack site: its own services alone ask for it.
    pub fn state(&self) -> MutexGuard<'_, openstack::State> {
        match &self.stack {
            State::OpenStack(state) => lock(state),
            State::Kubernetes(_) | State::Mec(_) => unreachable!("OpenStack services answer for OpenStack sites alone"),
        }
    }

    pub fn healed(&self) -> watch::Receiver<u64> {
        self.heals.subscribe()
    }

    pub fn befalls(&self, request: &Parts) -> Befalls {
        let path = path_and_query(request);
        let service = stack::service_of(self, request.uri.path());
        let (faults, source) = &mut *lock(&self.faults);
        faults.befalls(self.clock.elapsed(), &service, request.method.as_str(), path, source)
    }

    pub fn observed(&self) {
        let observer = lock(&self.observer).clone();
        if let Some(observer) = observer {
            observer(&self.name);
        }
    }

    pub fn refuses_all(&self) -> bool {
        lock(&self.faults).0.refuses_all(self.clock.elapsed())
    }

    pub fn record(&self, request: &Parts, fault: Option<Action>) -> u64 {
        let seen = RequestSeen {
            at: self.clock.elapsed(),
            service: stack::service_of(self, request.uri.path()),
            method: request.method.to_string(),
            path: path_and_query(request).to_string(),
            status: None,
            fault,
            token: token_of(request).map(str::to_string),
        };
        let (forgotten, log) = &mut *lock(&self.log);
        log.push_back(seen);
        if log.len() > REMEMBERED {
            log.pop_front();
            *forgotten += 1;
        }
        *forgotten + log.len() as u64 - 1
    }

    pub fn record_answer(&self, entry: u64, status: Option<u16>) {
        let (forgotten, log) = &mut *lock(&self.log);
        if let Some(seen) = entry.checked_sub(*forgotten).and_then(|at| log.get_mut(at as usize)) {
            seen.status = status;
        }
    }

    fn cluster_accounts(&self) -> impl Iterator<Item = ClusterAccount> {
        let users = self.spec.cluster.users.iter().filter(|_| self.spec.stack == Stack::Kubernetes);
        users.map(|user| ClusterAccount {
            site: self.name.clone(),
            server: self.base(),
            user: user.name.clone(),
            token: kubernetes::token_of(&self.name, user),
        })
    }

    fn accounts(&self) -> impl Iterator<Item = Account> {
        self.spec.accounts.iter().filter(|_| self.spec.stack == Stack::Openstack).map(|account| {
            // A user's password is the one that was given with its first account.
            let first = self.spec.accounts.iter().find(|other| other.user == account.user).unwrap_or(account);
            Account {
                site: self.name.clone(),
                auth_url: format!("{}/identity/v3", self.base()),
                region: self.name.clone(),
                username: account.user.clone(),
                password: password_of(&self.name, first.password.as_deref()),
                project: account.project.clone(),
                user_domain: "Default".into(),
                project_domain: "Default".into(),
            }
        })
    }
}

/// A lock whose holder panicked is still a lock: one broken request must not stop the site.
pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn password_of(site: &str, given: Option<&str>) -> String {
    given.map(str::to_string).unwrap_or_else(|| format!("{}-secret", site.to_lowercase()))
}

fn token_of(request: &Parts) -> Option<&str> {
    let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
    header("x-auth-token").or_else(|| header("authorization")?.strip_prefix("Bearer "))
}

fn path_and_query(request: &Parts) -> &str {
    request.uri.path_and_query().map(|path| path.as_str()).unwrap_or("/")
}

/// A host name for a site whose name need not be one.
fn host_of(name: &str, place: usize, taken: &HashMap<String, String>) -> String {
    let plain: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let host = format!("{}.sim", plain.trim_matches('-'));
    if host == ".sim" || taken.contains_key(&host) { format!("site{}.sim", place + 1) } else { host }
}
