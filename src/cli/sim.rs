//! `edge sim`: simulated sites on loopback, for real clients to talk to.

use super::Status;
use super::arguments::Sim;
use super::load::{Workplace, scenario};
use crate::sim::{Scenario, World, serve};
use std::collections::HashMap;
use time::OffsetDateTime;

pub fn sim(workplace: Workplace, arguments: Sim) -> Status {
    let scenario = match &arguments.scenario {
        Some(path) => scenario(&workplace.environment, path),
        None => Ok(Scenario::default()),
    };
    let scenario = match scenario {
        Ok(scenario) => scenario,
        Err(trouble) => {
            trouble.print();
            return Status::Wrong;
        }
    };
    super::run::in_runtime(false, async {
        let world = World::starting_at(scenario, OffsetDateTime::now_utc());
        let mut ports = HashMap::new();
        if arguments.port > 0 {
            for (i, name) in world.sites().enumerate() {
                let Some(port) = u16::try_from(i).ok().and_then(|i| arguments.port.checked_add(i)) else {
                    anstream::eprintln!("error: there are not enough ports above {}", arguments.port);
                    return Status::Wrong;
                };
                ports.insert(name, port);
            }
        }
        let serving = match serve(&world, &ports).await {
            Ok(serving) => serving,
            Err(e) => {
                anstream::eprintln!("error: a port cannot be opened: {e}");
                return Status::Failed;
            }
        };
        let clouds = Some(world.clouds_yaml()).filter(|_| !world.accounts().is_empty());
        let contexts = world.kubeconfig(serving.authority.as_deref());
        let contexts = Some(contexts).filter(|_| !world.cluster_accounts().is_empty());
        let files =
            [(clouds, &arguments.clouds, "OS_CLIENT_CONFIG_FILE"), (contexts, &arguments.kubeconfig, "KUBECONFIG")];
        for (text, file, variable) in files {
            let Some(text) = text else { continue };
            // One of the two may go to standard output: whoever names a file for the other wants just that.
            let Some(file) = file else {
                if arguments.clouds.is_none() && arguments.kubeconfig.is_none() {
                    anstream::println!("---\n{}", text.trim_end());
                }
                continue;
            };
            let path = workplace.environment.working_directory.join(file);
            if let Err(e) = std::fs::write(&path, &text) {
                anstream::eprintln!("error: `{}` cannot be written: {e}", path.display());
                return Status::Failed;
            }
            anstream::eprintln!("{variable}={}", path.display());
        }
        for site in &serving.sites {
            let scheme = world.spec(&site.site).map_or("http", |spec| spec.stack.scheme());
            anstream::eprintln!("{} at {scheme}://{}", site.site, site.address);
        }
        for site in world.applications() {
            // As edge.yaml has it; the secret stands in a variable.
            let variable = format!("{}_TOKEN", site.site.to_uppercase().replace(|c: char| !c.is_alphanumeric(), "_"));
            anstream::eprintln!(
                "{}: {{app: {}, url: \"{}\", token: {{env: {variable}}}}}",
                site.site,
                site.app,
                site.url
            );
            anstream::eprintln!("{variable}={}", site.token);
        }
        anstream::eprintln!("serving until Ctrl-C");
        tokio::select! {
            () = serving.forever() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        Status::Done
    })
}
