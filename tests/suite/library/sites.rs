//! The standard library against a simulated site; tests/real does the same to a real one.

use super::exercise::exercise;
use edge::config::{Environment, load_clouds};
use edge::sim::{Scenario, World};
use std::sync::Arc;

#[tokio::test(start_paused = true)]
async fn simulated() {
    let world = World::new(Scenario::of_sites(["Zone1"]));
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("clouds.yaml"), world.clouds_yaml()).unwrap();
    let environment = Environment { working_directory: directory.path().into(), ..Environment::default() };
    let cloud = load_clouds(&environment).get("Zone1", None).unwrap().clone();
    exercise(cloud, Arc::new(world.transport()), "cirros").await;
    // The server came and went again.
    assert!(world.servers("Zone1").is_empty());
    assert!(world.requests("Zone1").iter().any(|r| r.method == "POST" && r.path.ends_with("/servers")));
}
