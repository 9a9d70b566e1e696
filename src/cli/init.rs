//! `edge init`: edge.yaml from the clouds that are found. Entries that lead to one endpoint and region are accounts of one
//! site. Sites are asked what they offer; those that do not answer are written all the same.

use super::Status;
use super::arguments::Init;
use super::load::Workplace;
use super::sessions::Opener;
use crate::config::{self, Cloud};
use crate::run::Sessions;
use edge_lang::inventory::{Inventory, Site};
use futures_util::future::join_all;
use indexmap::IndexMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

pub fn init(workplace: Workplace, arguments: Init) -> Status {
    let environment = workplace.environment.clone();
    let path = environment.working_directory.join("edge.yaml");
    if !arguments.force && !arguments.stdout && path.exists() {
        anstream::eprintln!("error: there is an edge.yaml already; nothing was written");
        anstream::eprintln!("help: --stdout shows what would be written, --force writes over it");
        return Status::Wrong;
    }
    let clouds = config::load_clouds(&environment);
    for problem in &clouds.problems {
        anstream::eprintln!("warning: {problem}");
    }
    if clouds.clouds.is_empty() {
        anstream::eprintln!("error: no clouds are found: there is no clouds.yaml, and OS_AUTH_URL is not set");
        anstream::eprintln!("help: clouds.yaml is looked for here, in ~/.config/openstack and in /etc/openstack");
        return Status::Wrong;
    }
    // By endpoint and region: the first entry names the site, the others are its further accounts.
    let mut sites: IndexMap<(String, Option<String>), Vec<&Cloud>> = IndexMap::new();
    for cloud in &clouds.clouds {
        let endpoint = cloud.auth.value("auth_url").unwrap_or(&cloud.name).trim_end_matches('/');
        let endpoint = endpoint.strip_suffix("/v3").unwrap_or(endpoint).to_string();
        sites.entry((endpoint, cloud.region.clone())).or_default().push(cloud);
    }
    let mut inventory = Inventory::default();
    for entries in sites.values() {
        let mut connection = std::collections::BTreeMap::from([("cloud".into(), Arc::from(entries[0].name.as_str()))]);
        if let Some(region) = entries[0].region.as_ref().filter(|_| entries[0].one_of_many) {
            connection.insert("region".into(), region.as_str().into());
        }
        inventory.add(Site {
            name: site_name(entries[0]).into(),
            stack: "openstack".into(),
            connection,
            ..Site::default()
        });
    }
    let inventory = Arc::new(inventory);
    let known = config::Sites { inventory: (*inventory).clone(), ..config::Sites::default() };
    let opener = Opener::new(Arc::new(known), Arc::new(clouds.clone()), environment.clone(), inventory.clone(), None);
    let offered = super::run::in_runtime(false, async {
        let asked = inventory.iter().map(|(id, _)| {
            let opener = &opener;
            async move {
                let services = async { opener.session(id, None).await?.services().await };
                match tokio::time::timeout(Duration::from_secs(10), services).await {
                    Ok(Ok(services)) => Ok(services.into_iter().map(|s| s.kind).collect::<Vec<_>>()),
                    Ok(Err(failure)) => Err(failure.to_string()),
                    Err(_) => Err("no answer in 10 s".to_string()),
                }
            }
        });
        join_all(asked).await
    });
    let text = written(&inventory, sites.values(), &offered);
    for ((_, site), offered) in inventory.iter().zip(&offered) {
        if let Err(why) = offered {
            anstream::eprintln!("warning: {} does not say what it offers: {why}", site.name);
        }
    }
    if arguments.stdout {
        anstream::print!("{text}");
        return Status::Done;
    }
    if let Err(e) = std::fs::write(&path, &text) {
        anstream::eprintln!("error: `{}` cannot be written: {e}", path.display());
        return Status::Failed;
    }
    anstream::eprintln!("wrote edge.yaml: {} sites", inventory.len());
    Status::Done
}

fn site_name(cloud: &Cloud) -> String {
    match cloud.region.as_ref().filter(|_| cloud.one_of_many) {
        Some(region) => format!("{}-{region}", cloud.name),
        None => cloud.name.clone(),
    }
}

fn written<'a>(
    inventory: &Inventory,
    entries: impl Iterator<Item = &'a Vec<&'a Cloud>>,
    offered: &[Result<Vec<String>, String>],
) -> String {
    let text = |t: &str| serde_json::Value::from(t).to_string();
    let mut out = String::from(
        "# The sites that programs may name. Credentials stay in clouds.yaml.\n#\n# labels: anything to choose sites by, `sites[tier == \"edge\"]`\n# protect: true, allow, deny, limits: what may be done there\n\nsites:\n",
    );
    for (((_, site), entries), offered) in inventory.iter().zip(entries).zip(offered) {
        // Writing to a String does not fail.
        let _ = writeln!(out, "  {}:", text(&site.name));
        for (key, value) in &site.connection {
            let _ = writeln!(out, "    {key}: {}", text(value));
        }
        let labels = entries[0].region.as_ref().map(|r| format!("{{ region: {} }}", text(r)));
        let _ = writeln!(out, "    labels: {}", labels.as_deref().unwrap_or("{}"));
        if let Ok(services) = offered {
            let services: Vec<String> = services.iter().map(|s| text(s)).collect();
            let _ = writeln!(out, "    services: [{}]", services.join(", "));
        }
        if entries.len() > 1 {
            let _ = writeln!(out, "    accounts:");
            for other in &entries[1..] {
                let _ = writeln!(out, "      {}: {{ cloud: {} }}", text(&other.name), text(&other.name));
            }
        }
    }
    out
}
