//! Opens sites: one session per site and tenant, made when first needed, over the network or to simulated sites.

use crate::config::{self, Clouds, Connection, Environment};
use crate::drivers::{self, Failure, IN_FLIGHT, Session, Surroundings};
use crate::run::Sessions;
use crate::sim::World;
use crate::transport::Transport;
use crate::transport::network::Network;
use edge_lang::inventory::Inventory;
use edge_lang::model::SiteId;
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

type Key = (SiteId, Option<String>);

pub struct Opener {
    sites: Arc<config::Sites>,
    clouds: Arc<Clouds>,
    environment: Environment,
    inventory: Arc<Inventory>,
    /// Instead of the network, and with its own clouds.
    simulated: Option<(Arc<dyn Transport>, Arc<Clouds>)>,
    sessions: Mutex<HashMap<Key, Arc<dyn Session>>>,
    in_flight: Mutex<HashMap<SiteId, Arc<Semaphore>>>,
}

impl Opener {
    pub fn new(
        sites: Arc<config::Sites>,
        clouds: Arc<Clouds>,
        environment: Environment,
        inventory: Arc<Inventory>,
        world: Option<&World>,
    ) -> Opener {
        let simulated = world.map(|w| {
            let transport: Arc<dyn Transport> = Arc::new(w.transport());
            (transport, Arc::new(config::clouds_from_text(&w.clouds_yaml())))
        });
        Opener {
            sites,
            clouds,
            environment,
            inventory,
            simulated,
            sessions: Mutex::default(),
            in_flight: Mutex::default(),
        }
    }

    fn open(&self, site: SiteId, tenant: Option<&str>) -> Result<Arc<dyn Session>, Failure> {
        let wrong = |m: String| Failure::Configuration(m);
        let Some(info) = self.inventory.get(site) else { return Err(wrong("no such site".into())) };
        let (connection, transport) = match &self.simulated {
            Some((transport, clouds)) => {
                let cloud = clouds.get(&info.name, None).cloned();
                let cloud = cloud.ok_or_else(|| wrong(format!("{} is not among the simulated sites", info.name)))?;
                (Connection::openstack(info.name.to_string(), cloud), transport.clone())
            }
            None => {
                let connection = config::connection(&self.sites, info, None, &self.clouds).map_err(wrong)?;
                let network = Network::new(&connection.network(&self.environment)).map_err(wrong)?;
                let transport: Arc<dyn Transport> = Arc::new(network);
                (connection, transport)
            }
        };
        let connection = match tenant {
            Some(tenant) => connection.in_project(tenant).map_err(wrong)?,
            None => connection,
        };
        let in_flight = self.limit(site, &info.name);
        let outside = Surroundings { transport, in_flight, seed: u64::from(site.0) };
        Ok(Arc::from(drivers::open(&connection, outside)?))
    }

    fn limit(&self, site: SiteId, name: &str) -> Arc<Semaphore> {
        let guards = self.sites.guards.get(name).and_then(|g| g.in_flight);
        let at_once = guards.or(self.sites.defaults.in_flight).unwrap_or(IN_FLIGHT).max(1);
        let mut all = self.in_flight.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        all.entry(site).or_insert_with(|| Arc::new(Semaphore::new(at_once))).clone()
    }
}

impl Sessions for Opener {
    fn session<'a>(
        &'a self,
        site: SiteId,
        tenant: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<dyn Session>, Failure>> {
        let key = (site, tenant.map(str::to_string));
        let mut sessions = self.sessions.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let found = match sessions.get(&key) {
            Some(session) => Ok(session.clone()),
            None => self.open(site, tenant).inspect(|session| {
                sessions.insert(key, session.clone());
            }),
        };
        Box::pin(std::future::ready(found))
    }
}
