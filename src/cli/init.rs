//! `edge init`: edge.yaml from the clouds and contexts that are found. Entries that lead to one endpoint are accounts of one
//! site. Clouds are asked what they offer; those that do not answer are written all the same.

use super::Status;
use super::arguments::Init;
use super::load::Workplace;
use super::sessions::Opener;
use crate::config::{self, Clouds, Environment, kubeconfig};
use crate::run::{Sessions, Who};
use edge_lang::inventory::{Inventory, Site};
use futures_util::future::join_all;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// A site that has not said by then what it offers is written without it.
const PATIENCE: Duration = Duration::from_secs(10);

/// One entry of a configuration file.
struct Account {
    name: String,
    /// `cloud` and `region`, or `context`.
    connection: BTreeMap<Arc<str>, Arc<str>>,
    region: Option<String>,
}

pub fn init(workplace: Workplace, arguments: Init) -> Status {
    let environment = workplace.environment.clone();
    let path = environment.working_directory.join("edge.yaml");
    if !arguments.force && !arguments.stdout && path.exists() {
        anstream::eprintln!("error: there is an edge.yaml already; nothing was written");
        anstream::eprintln!("help: --stdout shows what would be written, --force writes over it");
        return Status::Wrong;
    }
    let clouds = config::load_clouds(&environment);
    let (contexts, problems) = kubeconfig::contexts(&environment, None);
    for problem in clouds.problems.iter().chain(&problems) {
        anstream::eprintln!("warning: {problem}");
    }
    let sites = by_endpoint(&clouds, contexts);
    if sites.is_empty() {
        anstream::eprintln!(
            "error: there is neither a clouds.yaml with clouds nor a kubeconfig with contexts, and OS_AUTH_URL is not set"
        );
        anstream::eprintln!(
            "help: clouds.yaml is looked for here, in ~/.config/openstack and in /etc/openstack, the kubeconfig in KUBECONFIG and ~/.kube/config"
        );
        return Status::Wrong;
    }
    let mut inventory = Inventory::default();
    for ((stack, _), accounts) in &sites {
        let first = &accounts[0];
        let (name, connection) = (first.name.as_str().into(), first.connection.clone());
        inventory.add(Site { name, stack: (*stack).into(), connection, ..Site::default() });
    }
    let inventory = Arc::new(inventory);
    let person = owner(&environment, &clouds);
    let offered = offered(&inventory, clouds, &environment);
    for ((_, site), offered) in inventory.iter().zip(&offered) {
        if let Err(why) = offered {
            anstream::eprintln!("warning: {} does not say what it offers: {why}", site.name);
        }
    }
    let text = written(&inventory, sites.values(), &offered, person.as_deref());
    if arguments.stdout {
        anstream::print!("{text}");
        return Status::Done;
    }
    if let Err(e) = std::fs::write(&path, &text) {
        anstream::eprintln!("error: `{}` cannot be written: {e}", path.display());
        return Status::Failed;
    }
    anstream::eprintln!("wrote edge.yaml: {} sites; `edge sites` shows them", inventory.len());
    Status::Done
}

type Sites = IndexMap<(&'static str, String), Vec<Account>>;

/// The first entry of an endpoint names the site, the others are its further accounts.
fn by_endpoint(clouds: &Clouds, contexts: Vec<kubeconfig::Context>) -> Sites {
    let mut sites = Sites::new();
    for cloud in &clouds.clouds {
        let region = cloud.region.clone().filter(|_| cloud.one_of_many);
        let endpoint = cloud.auth.value("auth_url").unwrap_or(&cloud.name).trim_end_matches('/');
        let endpoint = endpoint.strip_suffix("/v3").unwrap_or(endpoint);
        let place = format!("{endpoint} {}", cloud.region.as_deref().unwrap_or_default());
        let mut connection = BTreeMap::from([("cloud".into(), cloud.name.as_str().into())]);
        connection.extend(region.iter().map(|r| ("region".into(), r.as_str().into())));
        let name = region.map_or_else(|| cloud.name.clone(), |r| format!("{}-{r}", cloud.name));
        let account = Account { name: free(&sites, name), connection, region: cloud.region.clone() };
        sites.entry(("openstack", place)).or_default().push(account);
    }
    for context in contexts {
        let connection = BTreeMap::from([("context".into(), context.name.as_str().into())]);
        let place = context.server.as_deref().unwrap_or(&context.name).trim_end_matches('/').to_string();
        // A cloud and a context may have one name; sites may not.
        let name = match is_taken(&sites, &context.name) {
            true => free(&sites, format!("{}-k8s", context.name)),
            false => context.name,
        };
        sites.entry(("kubernetes", place)).or_default().push(Account { name, connection, region: None });
    }
    sites
}

fn is_taken(sites: &Sites, name: &str) -> bool {
    sites.values().flatten().any(|account| account.name == name)
}

/// `name`, or with a number behind it: the region `r` of a cloud `a` is called as a cloud `a-r` may be, too.
fn free(sites: &Sites, name: String) -> String {
    let numbered = (2..).map(|n| format!("{name}-{n}"));
    let mut all = std::iter::once(name.clone()).chain(numbered);
    all.find(|name| !is_taken(sites, name)).unwrap_or(name)
}

type Offered = Result<Option<Vec<String>>, String>;

/// What each cloud offers; of other stacks nobody is asked.
fn offered(inventory: &Arc<Inventory>, clouds: Clouds, environment: &Environment) -> Vec<Offered> {
    let known = config::Sites { inventory: (**inventory).clone(), ..config::Sites::default() };
    let opener = Opener::new(Arc::new(known), Arc::new(clouds), environment.clone(), inventory.clone(), None);
    let ask = async |id, site: &Site| {
        if &*site.stack != "openstack" {
            return Ok(None);
        }
        let services = async { opener.session(id, Who::default()).await?.services().await };
        match tokio::time::timeout(PATIENCE, services).await {
            Ok(Ok(services)) => Ok(Some(services.into_iter().map(|s| s.kind).collect())),
            Ok(Err(failure)) => Err(failure.to_string()),
            Err(_) => Err(format!("no answer in {} s", PATIENCE.as_secs())),
        }
    };
    super::run::in_runtime(false, async { join_all(inventory.iter().map(|(id, site)| ask(id, site))).await })
}

/// All that is in one person's files is theirs, until they say otherwise.
fn owner(environment: &Environment, clouds: &Clouds) -> Option<String> {
    let of_clouds = || clouds.clouds.iter().find_map(|c| c.auth.value("username"));
    environment.variable("USER").filter(|u| !u.is_empty()).or_else(of_clouds).map(str::to_string)
}

fn written<'a>(
    inventory: &Inventory,
    accounts: impl Iterator<Item = &'a Vec<Account>>,
    offered: &[Offered],
    person: Option<&str>,
) -> String {
    let text = |t: &str| serde_json::Value::from(t).to_string();
    let ways = |connection: &BTreeMap<Arc<str>, Arc<str>>| {
        connection.iter().map(|(key, value)| format!("{key}: {}", text(value))).collect::<Vec<_>>()
    };
    let mut out = String::from(HEAD);
    for (((_, site), accounts), offered) in inventory.iter().zip(accounts).zip(offered) {
        // Writing to a String does not fail.
        let _ = writeln!(out, "  {}:", text(&site.name));
        for way in ways(&site.connection) {
            let _ = writeln!(out, "    {way}");
        }
        let labels = accounts[0].region.as_ref().map(|r| format!("{{ region: {} }}", text(r)));
        let _ = writeln!(out, "    labels: {}", labels.as_deref().unwrap_or("{}"));
        if let Ok(Some(services)) = offered {
            let services: Vec<String> = services.iter().map(|s| text(s)).collect();
            let _ = writeln!(out, "    services: [{}]", services.join(", "));
        }
        if accounts.len() > 1 {
            let _ = writeln!(out, "    accounts:");
            for other in &accounts[1..] {
                let _ = writeln!(out, "      {}: {{ {} }}", text(&other.name), ways(&other.connection).join(", "));
            }
        }
    }
    if let Some(person) = person {
        let _ = writeln!(out, "\ndefaults:\n  person: {}", text(person));
    }
    out
}

const HEAD: &str = "\
# The sites that programs may name. Credentials stay in clouds.yaml and in the kubeconfig.
#
# labels: anything to choose sites by: `sites[tier == \"edge\"]`
# protect: true, allow, deny, limits: what may be done at a site
# person: whose account it is, where it is another's than below; trust: [SITE]: whose people it lets in

sites:
";
