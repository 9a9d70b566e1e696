//! Simulated OpenStack, Kubernetes and MEC sites over real HTTP, with faults.
//!
//! A [`Scenario`] says which sites there are and what goes wrong; a [`World`] is those sites, alive for the process.
//! The same sites answer in process ([`World::transport`]) and on loopback ([`serve()`]): nothing else in this crate
//! knows that a site is simulated. All time is tokio's clock and all randomness comes from the scenario's seed, so a
//! run repeats exactly. The one hard idea is that a request lives apart from the caller who waits for its answer
//! (see `exchange`): only so can a frozen site carry out what its client gave up long ago.

mod exchange;
pub mod fault;
mod kubernetes;
mod mec;
mod openstack;
pub mod scenario;
mod serve;
mod source;
pub mod spec;
mod stack;
mod tls;
mod transport;
mod world;

pub use fault::{Action, Fault};
pub use scenario::{Scenario, ScenarioError};
pub use serve::{ServedSite, Serving, serve};
pub use spec::{AccountSpec, ClusterSpec, MecSpec, Service, SiteSpec, Stack};
pub use transport::SimTransport;
pub use world::{Account, Application, ClusterAccount, ImageSeen, KeypairSeen, RequestSeen, ServerSeen, World};
