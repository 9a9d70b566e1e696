//! Serves simulated sites on loopback until its input ends: `sites [SCENARIO.yaml]` prints a clouds.yaml.

use std::collections::HashMap;
use std::io::Read;

use edge::sim::{Scenario, World, serve};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scenario = match std::env::args().nth(1) {
        Some(path) => Scenario::from_yaml(&std::fs::read_to_string(path)?)?,
        None => Scenario::default(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let world = World::starting_at(scenario, std::time::SystemTime::now().into());
    let serving = runtime.block_on(serve(&world, &HashMap::new()))?;
    println!("{}", world.clouds_yaml());
    println!("# end");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    drop(serving);
    Ok(())
}
