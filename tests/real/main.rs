//! Checks against a real OpenStack site, which `tests/real/openstack-sites` starts. Not part of `cargo test`:
//!
//!     EDGE_TRY_CLOUD=zone2 EDGE_TRY_IMAGE=cirros cargo test --test real
//!
//! with a cloud of your clouds.yaml that has the flavor `tiny` and the image. What it makes is called `try-...`.

#[path = "../suite/library/exercise.rs"]
mod exercise;

use edge::config::{Connection, Environment, load_clouds};
use edge::transport::network::{Network, install_tls};
use std::sync::Arc;

#[tokio::test]
async fn standard_library() {
    let environment = Environment::of_process();
    let variable = |name: &str| environment.variable(name).unwrap_or_else(|| panic!("{name} is not set")).to_string();
    let (name, image) = (variable("EDGE_TRY_CLOUD"), variable("EDGE_TRY_IMAGE"));
    install_tls();
    let clouds = load_clouds(&environment);
    let cloud = clouds.get(&name, None).unwrap_or_else(|| panic!("{}", clouds.why_not(&name))).clone();
    let network = Network::new(&Connection::openstack(&*name, cloud.clone()).network(&environment));
    exercise::exercise(cloud, Arc::new(network.unwrap_or_else(|e| panic!("{e}"))), &image).await;
}
