//! Opens sites: one session per site and tenant, made when first needed, over the network or to simulated sites.

use crate::config::{self, Clouds, Connection, Environment};
use crate::drivers::turns::{AllTurns, IN_FLIGHT, Turns};
use crate::drivers::{self, Failure, Session, Surroundings};
use crate::run::{Sessions, Who};
use crate::sim::World;
use crate::transport::Transport;
use crate::transport::network::Networks;
use edge_lang::inventory::{Inventory, Site};
use edge_lang::model::SiteId;
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard};

/// Site, account, tenant.
type Key = (SiteId, Option<Arc<str>>, Option<String>);

pub struct Opener {
    sites: Arc<config::Sites>,
    clouds: Arc<Clouds>,
    environment: Environment,
    inventory: RwLock<Arc<Inventory>>,
    /// Instead of the network, and with its own clouds.
    simulated: Option<Simulated>,
    sessions: Mutex<HashMap<Key, Arc<dyn Session>>>,
    turns: AllTurns,
    networks: Networks,
}

struct Simulated {
    world: World,
    transport: Arc<dyn Transport>,
    clouds: RwLock<Arc<Clouds>>,
}

impl Simulated {
    /// How a driver reaches a simulated site: as its own configuration says, no driver knows more.
    fn connection(&self, site: &Site, account: Option<&str>) -> Result<Connection, Failure> {
        let name = site.name.to_string();
        let missing = || Failure::Configuration(format!("{name} is not among the simulated sites"));
        match &*site.stack {
            "http" => {
                let found = self.world.applications().into_iter().find(|a| a.site == name);
                let found = found.ok_or_else(|| {
                    let which = "of applications `mec` is simulated";
                    Failure::Configuration(format!("{name} is not among the simulated sites; {which}"))
                })?;
                let application = config::Application::with_token(found.app, found.url, found.token.into());
                Ok(Connection::http(name, application))
            }
            "kubernetes" => {
                let contexts = self.world.kubeconfig(None);
                let mut cluster = config::cluster::from_text(&contexts, &name).map_err(|_| missing())?;
                let asked = site.connection.get("namespace").map(|n| n.to_string());
                cluster.namespace = asked.or(cluster.namespace);
                Ok(Connection::kubernetes(name, cluster))
            }
            _ => {
                let mut cloud = read(&self.clouds).get(&name, None).cloned().ok_or_else(missing)?;
                if let Some(account) = account {
                    let all = self.world.accounts_of(&name);
                    let other = all.into_iter().find(|a| a.username == account);
                    let other =
                        other.ok_or_else(|| Failure::Configuration(format!("it has no account `{account}`")))?;
                    cloud.auth.set("username", other.username);
                    cloud.auth.set("password", other.password);
                    cloud.auth = cloud.auth.in_project(&other.project);
                }
                Ok(Connection::openstack(name, cloud))
            }
        }
    }
}

impl Opener {
    pub fn new(
        sites: Arc<config::Sites>,
        clouds: Arc<Clouds>,
        environment: Environment,
        inventory: Arc<Inventory>,
        world: Option<&World>,
    ) -> Opener {
        let simulated = world.map(|world| Simulated {
            transport: Arc::new(world.transport()),
            clouds: RwLock::new(Arc::new(config::clouds_from_text(&world.clouds_yaml()))),
            world: world.clone(),
        });
        Opener {
            sites,
            clouds,
            environment,
            inventory: RwLock::new(inventory),
            simulated,
            sessions: Mutex::default(),
            turns: AllTurns::default(),
            networks: Networks::default(),
        }
    }

    /// The inventory has grown: an entry of a prompt declared a site. What is open stays open, unless it is another
    /// site now.
    pub fn follow(&self, inventory: &Arc<Inventory>) {
        let before = std::mem::replace(&mut *write(&self.inventory), inventory.clone());
        if Arc::ptr_eq(&before, inventory) {
            return;
        }
        if let Some(simulated) = &self.simulated {
            *write(&simulated.clouds) = Arc::new(config::clouds_from_text(&simulated.world.clouds_yaml()));
        }
        let same = |site: SiteId| match (before.get(site), inventory.get(site)) {
            (Some(a), Some(b)) => a.name == b.name && a.stack == b.stack && a.connection == b.connection,
            _ => false,
        };
        let mut sessions = self.sessions.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        sessions.retain(|(site, ..), _| same(*site));
        self.turns.retain(same);
    }

    fn open(&self, key: &Key, inventory: &Inventory) -> Result<Arc<dyn Session>, Failure> {
        let (site, account, tenant) = (key.0, key.1.as_deref(), key.2.as_deref());
        let wrong = |m: String| Failure::Configuration(m);
        let Some(info) = inventory.get(site) else { return Err(wrong("no such site".into())) };
        let (connection, transport) = match &self.simulated {
            Some(simulated) => (simulated.connection(info, account)?, simulated.transport.clone()),
            None => {
                let connection =
                    config::connection(&self.sites, info, account, &self.clouds, &self.environment).map_err(wrong)?;
                let network = self.networks.of(&connection.network(&self.environment)).map_err(wrong)?;
                let transport: Arc<dyn Transport> = Arc::new(network);
                (connection, transport)
            }
        };
        let connection = match tenant {
            Some(tenant) => connection.in_project(tenant).map_err(wrong)?,
            None => connection,
        };
        let outside = Surroundings { transport, turns: self.turns(site, &info.name), seed: u64::from(site.0) };
        Ok(Arc::from(drivers::open(&connection, outside)?))
    }

    fn turns(&self, site: SiteId, name: &str) -> Turns {
        let guards = self.sites.guards.get(name).and_then(|g| g.in_flight);
        self.turns.of(site, guards.or(self.sites.defaults.in_flight).unwrap_or(IN_FLIGHT))
    }
}

fn read<T>(lock: &RwLock<Arc<T>>) -> Arc<T> {
    lock.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl Sessions for Opener {
    fn session<'a>(&'a self, site: SiteId, who: Who<'a>) -> BoxFuture<'a, Result<Arc<dyn Session>, Failure>> {
        let inventory = read(&self.inventory);
        let account = match inventory.account(who.identity, site) {
            Ok(account) => account,
            Err(distrust) => return Box::pin(std::future::ready(Err(Failure::Configuration(distrust.message())))),
        };
        let key = (site, account, who.tenant.map(str::to_string));
        let mut sessions = self.sessions.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let found = match sessions.get(&key) {
            Some(session) => Ok(session.clone()),
            None => self.open(&key, &inventory).inspect(|session| {
                sessions.insert(key, session.clone());
            }),
        };
        Box::pin(std::future::ready(found))
    }
}
