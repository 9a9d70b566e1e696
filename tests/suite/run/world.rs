//! What is at simulated sites, as lines of text, and what they were asked to change.

use edge::sim::{Stack, World};
use regex::Regex;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;

/// Everything at each site, a line each.
#[derive(Clone, Default, PartialEq)]
pub struct Snapshot(BTreeMap<String, Vec<String>>);

impl Snapshot {
    pub fn of(world: &World) -> Snapshot {
        Snapshot(world.sites().map(|site| (site.clone(), things(world, &site))).collect())
    }

    /// What came (`+`) and what went (`-`), by site; nothing for a site that is as it was.
    pub fn since(&self, before: &Snapshot) -> String {
        let mut out = String::new();
        for (site, now) in &self.0 {
            let was = &before.0[site];
            let (came, went) = (without(now, was), without(was, now));
            let signs = went.into_iter().map(|l| ('-', l)).chain(came.into_iter().map(|l| ('+', l)));
            for (sign, line) in signs {
                let _ = writeln!(out, "{site} {sign} {line}");
            }
        }
        out
    }

    /// The changing requests of each site in order, and the sites that were not asked at all.
    pub fn requests(world: &World) -> String {
        let mut out = String::from("requests\n");
        let mut untouched = Vec::new();
        for site in world.sites() {
            let seen = world.requests(&site);
            if seen.is_empty() {
                // Clusters are in every world, and few programs are about them.
                if world.spec(&site).is_some_and(|spec| spec.stack == Stack::Openstack) {
                    untouched.push(site);
                }
                continue;
            }
            let mut changes: Vec<(String, usize)> = Vec::new();
            for request in seen.iter().filter(|r| changes_something(&r.method, &r.path)) {
                let path = request.path.split('?').next().unwrap_or_default();
                let said = match (request.status, &request.fault) {
                    (Some(status), _) => status.to_string(),
                    (None, Some(fault)) => format!("{fault:?}").to_lowercase(),
                    (None, None) => "no answer".into(),
                };
                let text = format!("{} {} {said}", request.method, IDS.replace_all(path, "ID"));
                match changes.last_mut() {
                    Some((last, count)) if *last == text => *count += 1,
                    _ => changes.push((text, 1)),
                }
            }
            for (text, count) in &changes {
                let times = if *count > 1 { format!(" ({count} times)") } else { String::new() };
                let _ = writeln!(out, "  {site} {text}{times}");
            }
            if changes.is_empty() {
                let _ = writeln!(out, "  {site} reads only");
            }
        }
        if !untouched.is_empty() {
            let _ = writeln!(out, "  not asked: {}", untouched.join(", "));
        }
        out
    }
}

pub fn changes_something(method: &str, path: &str) -> bool {
    !matches!(method, "GET" | "HEAD") && !path.ends_with("/auth/tokens")
}

/// The lines of `these` that are not among `those`, as often as they are more.
fn without(these: &[String], those: &[String]) -> Vec<String> {
    let mut those = those.to_vec();
    let mut left = these.to_vec();
    left.retain(|line| match those.iter().position(|other| other == line) {
        Some(at) => {
            those.swap_remove(at);
            false
        }
        None => true,
    });
    left
}

fn things(world: &World, site: &str) -> Vec<String> {
    let mut all = Vec::new();
    let images = world.images(site);
    let short = |sum: &Option<String>| sum.as_ref().map_or("no data".into(), |s| s[..8].to_string());
    for image in &images {
        let name = image.name.as_deref().unwrap_or("?");
        all.push(format!("image {name} {} {}", image.status, short(&image.checksum)));
    }
    for server in world.servers(site) {
        let from = images.iter().find(|i| Some(&i.id) == server.image.as_ref());
        let from = from.map_or("nothing".into(), |i| short(&i.checksum));
        let own = server.metadata.iter().filter(|(key, _)| !key.starts_with("edge"));
        let own: String = own.map(|(k, v)| format!(" {k}={v}")).collect();
        all.push(format!("server {} {} {} from {from}{own}", server.name, server.status, server.flavor));
    }
    all.extend(world.keypairs(site).iter().map(|k| format!("keypair {} of {}", k.name, k.user)));
    all.extend(world.flavors(site).iter().map(|f| format!("flavor {f}")));
    all.extend(world.server_groups(site).iter().map(|g| format!("server_group {g}")));
    for plural in ["networks", "subnets", "routers", "security_groups"] {
        for thing in world.network_resources(site, plural) {
            let text = |key: &str| thing[key].as_str().unwrap_or_default().to_string();
            // A project's own group, which the site makes by itself.
            if text("name") == "default" {
                continue;
            }
            let more = if plural == "subnets" { format!(" {}", text("cidr")) } else { String::new() };
            all.push(format!("{} {}{more}", plural.trim_end_matches('s'), text("name")));
        }
    }
    let ports = world.network_resources(site, "ports");
    let own = ports.iter().filter(|p| p["device_owner"].as_str().is_none_or(str::is_empty));
    all.extend(own.map(|p| format!("port {}", p["name"].as_str().unwrap_or_default())));
    for package in world.mec(site, "app_packages") {
        let text = |key: &str| package[key].as_str().unwrap_or_default().to_string();
        all.push(format!("app_package {} {} {}", text("appName"), text("onboardingState"), text("operationalState")));
    }
    for instance in world.mec(site, "app_instances") {
        let name = instance["appInstanceName"].as_str().unwrap_or_default();
        let state = instance["instantiatedAppState"]["operationalState"].as_str().unwrap_or("not instantiated");
        all.push(format!("app_instance {name} {state}"));
    }
    all.sort();
    all
}

static IDS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}").expect("a regular expression")
});

/// Ids as `#1`, `#2`, ... in the order in which they appear.
pub fn masked(text: &str) -> String {
    let mut seen: Vec<String> = Vec::new();
    let number = |found: &regex::Captures| {
        let id = found[0].to_string();
        let at = seen.iter().position(|s| *s == id).unwrap_or_else(|| {
            seen.push(id);
            seen.len() - 1
        });
        format!("#{}", at + 1)
    };
    IDS.replace_all(text, number).into_owned()
}
