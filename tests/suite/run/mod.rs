//! Whole runs at simulated sites under virtual time: each NAME.edge of tests/run, with NAME.yaml as the scenario and
//! NAME.inventory.yaml as edge.yaml where they exist. What is expected is all that a user would see, and what is at the
//! sites afterwards.
//!
//! Lines `#> ...` at the top of a program say how it is run; [`Directions::of`] lists them.

mod crash;
mod scene;
mod storm;
mod world;

use scene::{Directions, Scene};
use std::path::Path;

use super::support;

#[test]
fn run() {
    support::suite("run", perform);
}

fn perform(source: &str, path: &Path) -> String {
    let directions = Directions::of(source);
    let scene = Scene::load(source, path, &directions);
    scene.perform(&directions)
}
