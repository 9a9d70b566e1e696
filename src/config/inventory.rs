//! edge.yaml: the sites that an operator has chosen, with labels, groups, accounts and guards.
//!
//! It holds no credentials: a site names an entry of clouds.yaml (`cloud`), a context of the kubeconfig (`context`), or
//! the file or variable where a secret is.
//! The hard idea is that the inventory of the language and the ways to connect come from one text, and that a site
//! declared in a program (`site A = openstack(cloud: "a")`) connects in the same way: see `connection`.

use super::application::{self, PATHS, SECRETS};
use super::guards::Guards;
use super::words::{count, files, time, unreachable, word, words};
use super::yaml::{Kind, Map, Node};
use super::{Clouds, Connection, Environment, Problem, Severity, cluster, kubeconfig, read};
use edge_lang::diagnostic::nearest;
use edge_lang::eval::Unreachable;
use edge_lang::inventory::{Inventory, Site};
use edge_lang::model::SiteId;
use edge_lang::model::names::{Names, unfold, unfold_at_most};
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Sites of one inventory.
const MOST: usize = 1_000_000;
/// How a site may be reached, by stack; the first one tells the stack where it is not written.
const WAYS: &[(&str, &[&str])] = &[
    ("openstack", &["cloud", "region", "interface", "project"]),
    ("kubernetes", &["context", "kubeconfig", "namespace"]),
    (
        "http",
        &[
            "url", "app", "auth", "header", "username", "token", "password", "api_key", "cacert", "cert", "key",
            "verify",
        ],
    ),
];

#[derive(Clone, Debug, Default)]
pub struct Sites {
    pub inventory: Inventory,
    /// By site and account: what is different from the site's own connection.
    pub accounts: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Settings>>,
    pub guards: BTreeMap<Arc<str>, Guards>,
    pub defaults: Defaults,
    /// Files that describe further services, each with the line that names it.
    pub library: Vec<(PathBuf, usize)>,
    pub problems: Vec<Problem>,
    pub file: Option<PathBuf>,
}

pub type Settings = BTreeMap<Arc<str>, Arc<str>>;

/// What holds where a program says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    pub timeout: Option<Duration>,
    pub unreachable: Option<Unreachable>,
    pub in_flight: Option<usize>,
}

/// The inventory: of the file given, of edge.yaml in the working directory, or the clouds and contexts themselves.
pub fn load(environment: &Environment, file: Option<&Path>, clouds: &Clouds) -> Sites {
    let mut sites = Sites::default();
    let path = file.map(Path::to_path_buf).unwrap_or_else(|| environment.working_directory.join("edge.yaml"));
    let path = environment.working_directory.join(path);
    match read(&path) {
        None if file.is_some() => sites.wrong(0, None, "", format!("cannot read `{}`", path.display())),
        None => {
            of_clouds(&mut sites, clouds);
            of_contexts(&mut sites, environment);
        }
        Some(node) => {
            sites.file = Some(path);
            sites.inventory.declared = true;
            match node {
                Ok(node) => sites.fill(node),
                Err(e) => sites.wrong(e.line, None, "", e.message),
            }
        }
    }
    sites
}

/// Without an inventory each cloud is a site, and each region of one that has several.
fn of_clouds(sites: &mut Sites, clouds: &Clouds) {
    for cloud in &clouds.clouds {
        let region = cloud.region.as_deref().filter(|_| cloud.one_of_many);
        let name: Arc<str> = region.map_or_else(|| cloud.name.clone(), |r| format!("{}-{r}", cloud.name)).into();
        if sites.inventory.id(&name).is_some() {
            sites.wrong(cloud.line, Some(&name), "", "two clouds have this name".into());
            continue;
        }
        let mut connection: Settings = [("cloud".into(), cloud.name.as_str().into())].into();
        connection.extend(region.map(|r| ("region".into(), r.into())));
        sites.inventory.add(Site { name, stack: "openstack".into(), connection, ..Site::default() });
    }
}

/// And each context of the kubeconfig.
fn of_contexts(sites: &mut Sites, environment: &Environment) {
    let (contexts, problems) = kubeconfig::contexts(environment, None);
    sites.problems.extend(problems);
    for name in contexts.into_iter().map(|c| c.name) {
        if sites.inventory.id(&name).is_some() {
            sites.wrong(
                0,
                Some(&name),
                "",
                "a cloud and a context have this name; an edge.yaml gives each its own".into(),
            );
            continue;
        }
        let name: Arc<str> = name.into();
        let connection = [("context".into(), name.clone())].into();
        sites.inventory.add(Site { name, stack: "kubernetes".into(), connection, ..Site::default() });
    }
}

/// How to reach a site, declared in the inventory or in a program, with an account of it or its own.
pub fn connection(
    sites: &Sites,
    site: &Site,
    account: Option<&str>,
    clouds: &Clouds,
    environment: &Environment,
) -> Result<Connection, String> {
    let mut settings = site.connection.clone();
    if let Some(account) = account {
        let accounts = sites.accounts.get(&site.name);
        let other = accounts.and_then(|a| a.get(account)).ok_or_else(|| format!("it has no account `{account}`"))?;
        settings.extend(other.clone());
    }
    let text = |key: &str| settings.get(key).map(|v| v.to_string());
    match &*site.stack {
        "openstack" => {}
        "kubernetes" => {
            let settings = settings.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
            let found = cluster::cluster(&settings, environment)?;
            return Ok(Connection::kubernetes(site.name.to_string(), found));
        }
        "http" => {
            let settings = settings.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
            let mut found = application::application(&settings, environment)?;
            found.services = site.services.iter().flatten().map(|s| s.to_string()).collect();
            return Ok(Connection::http(site.name.to_string(), found));
        }
        stack => return Err(format!("there is no driver for sites of the kind `{stack}`")),
    }
    let name = text("cloud").ok_or_else(|| "it names no `cloud` of clouds.yaml".to_string())?;
    let region = text("region");
    let found = clouds.get(&name, region.as_deref()).or_else(|| {
        // A region that clouds.yaml does not list is still one that the catalog may have.
        clouds.get(&name, None).filter(|c| !c.one_of_many)
    });
    let mut cloud = found.cloned().ok_or_else(|| match (clouds.get(&name, None), &region) {
        (Some(_), Some(region)) => format!("the cloud `{name}` has no region `{region}`"),
        _ => clouds.why_not(&name),
    })?;
    cloud.region = region.or(cloud.region);
    if let Some(interface) = text("interface") {
        cloud.interfaces = vec![interface];
    }
    let connection = Connection::openstack(site.name.to_string(), cloud);
    text("project").map_or(Ok(connection.clone()), |project| connection.in_project(&project))
}

impl Sites {
    fn wrong(&mut self, line: usize, entry: Option<&str>, key: &str, message: String) {
        let key = Some(key).filter(|k| !k.is_empty()).map(str::to_string);
        let (file, entry) = (self.file.clone(), entry.map(str::to_string));
        self.problems.push(Problem { file, line, entry, key, message, severity: Severity::Error });
    }

    fn fill(&mut self, root: Node) {
        let Some(map) = self.map(&root, None, "") else { return };
        self.only(&map, None, &["sites", "groups", "defaults", "library"]);
        let mut trusting = Map::new();
        if let Some(sites) = map.get("sites").and_then(|node| self.map(node, None, "sites")) {
            // Composed sites name the others, which may stand below them.
            let (composed, plain): (Map, Map) =
                sites.into_iter().partition(|(_, n)| n.map().is_some_and(|m| m.contains_key("compose")));
            plain.iter().for_each(|(name, node)| self.site(name, node));
            composed.iter().for_each(|(name, node)| self.composed(name, node));
            trusting = plain;
        }
        if let Some(groups) = map.get("groups").and_then(|node| self.map(node, None, "groups")) {
            groups.iter().for_each(|(name, node)| self.group(name, node));
        }
        // Trust speaks of all sites and groups.
        trusting.iter().for_each(|(name, node)| self.trust(name, node));
        if let Some(defaults) = map.get("defaults").and_then(|node| self.map(node, None, "defaults")) {
            self.only(&defaults, None, &["timeout", "unreachable", "in_flight", "person"]);
            self.inventory.person = self.value(&defaults, None, "person", "a name", word);
            self.defaults.timeout = self.value(&defaults, None, "timeout", "a time like 90s, 2min or 1h", time);
            self.defaults.in_flight = self.value(&defaults, None, "in_flight", "a number from 1 on", count);
            self.defaults.unreachable =
                self.value(&defaults, None, "unreachable", "one of fail, defer, skip", unreachable);
        }
        if let Some(files) = self.value(&map, None, "library", "a file, or a list of files", files) {
            // They are beside this file.
            let base = self.file.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_path_buf();
            self.library = files.into_iter().map(|(file, line)| (base.join(file), line)).collect();
        }
    }

    fn names(&mut self, pattern: &str, line: usize) -> Names {
        let room = MOST - self.inventory.len();
        match unfold_at_most(pattern, room) {
            Ok(names) => names,
            Err(e) => {
                self.wrong(line, Some(pattern), "", e.to_string());
                Names::default()
            }
        }
    }

    fn site(&mut self, pattern: &str, node: &Node) {
        let empty = Node { line: node.line, kind: Kind::Map(Map::new()) };
        let Some(map) = self.map(if node.is_null() { &empty } else { node }, Some(pattern), "") else { return };
        let ways = WAYS.iter().flat_map(|(_, keys)| keys.iter().copied());
        let known: Vec<&str> = [
            "stack",
            "labels",
            "services",
            "person",
            "accounts",
            "trust",
            "protect",
            "allow",
            "deny",
            "limits",
            "in_flight",
        ]
        .into_iter()
        .chain(ways)
        .collect();
        let problems = self.problems.len();
        self.only(&map, Some(pattern), &known);
        let written = map.get("stack").and_then(Node::scalar);
        let told = WAYS.iter().find(|(_, keys)| map.contains_key(keys[0])).map(|(stack, _)| stack.to_string());
        let Some(stack) = written.or(told) else {
            let message =
                "how is it reached? `cloud: NAME` of clouds.yaml, `context: NAME` of the kubeconfig, or `url: ...`";
            return self.wrong(node.line, Some(pattern), "", message.into());
        };
        let Some((_, keys)) = WAYS.iter().find(|(name, _)| *name == stack) else {
            let near = nearest(&stack, WAYS.iter().map(|(name, _)| *name))
                .map(|n| format!("; `{n}` is one"))
                .unwrap_or_default();
            return self.wrong(map["stack"].line, Some(pattern), "stack", format!("no stack `{stack}`{near}"));
        };
        let names = self.names(pattern, node.line);
        let count = names.len();
        let labels = self.texts(&map, pattern, "labels");
        let connection: IndexMap<String, Node> =
            map.iter().filter(|(k, _)| keys.contains(&k.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect();
        let Some(connections) = self.ways(&connection, pattern, count) else { return };
        let Some(labels) = self.spread(&labels, pattern, count) else { return };
        let person = self.value(&map, Some(pattern), "person", "a name", word);
        let (mut accounts, mut people): (Vec<(String, Vec<Settings>)>, IndexMap<Arc<str>, Option<Arc<str>>>) =
            Default::default();
        if let Some(all) = map.get("accounts").and_then(|n| self.map(n, Some(pattern), "accounts")) {
            for (account, node) in &all {
                let Some(mut values) = self.map(node, Some(pattern), &format!("accounts.{account}")) else { continue };
                let whose = self.value(&values, Some(pattern), "person", "a name", word);
                people.insert(account.as_str().into(), whose);
                values.shift_remove("person");
                self.only(&values, Some(pattern), keys);
                let Some(spread) = self.ways(&values, pattern, count) else { continue };
                accounts.push((account.clone(), spread));
            }
        }
        let services = self.services(&map, pattern);
        let mut guards = Guards::of(&map, pattern, self);
        guards.unclear = self.problems[problems..].first().map(Problem::to_string);
        for (i, (name, (connection, labels))) in names.iter().zip(connections.into_iter().zip(labels)).enumerate() {
            let name: Arc<str> = name.into();
            if self.inventory.id(&name).is_some() {
                self.wrong(node.line, Some(pattern), "", format!("the site `{name}` is declared twice"));
                continue;
            }
            let of = accounts.iter().map(|(account, spread)| (account.as_str().into(), spread[i].clone()));
            let of: BTreeMap<Arc<str>, Settings> = of.collect();
            if !of.is_empty() {
                self.accounts.insert(name.clone(), of);
            }
            if guards != Guards::default() {
                self.guards.insert(name.clone(), guards.clone());
            }
            let (stack, services) = (stack.as_str().into(), services.clone());
            let (person, accounts) = (person.clone(), people.clone());
            let site = Site { name, stack, labels, services, connection, person, accounts, ..Site::default() };
            self.inventory.add(site);
        }
    }

    /// What the sites offer, as `edge init` found it; `None` where nothing is said.
    fn services(&mut self, map: &Map, pattern: &str) -> Option<Vec<Arc<str>>> {
        let node = map.get("services").filter(|n| !n.is_null())?;
        let names = node.list().map(|list| list.iter().map(Node::scalar).collect::<Option<Vec<String>>>());
        let Some(Some(names)) = names else {
            let message = format!("a list of services is expected, this is {}", node.what());
            self.wrong(node.line, Some(pattern), "services", message);
            return None;
        };
        Some(names.into_iter().map(Arc::from).collect())
    }

    /// How each site of a range is reached: secrets by their places, and paths from where the file is.
    fn ways(&mut self, map: &Map, pattern: &str, count: usize) -> Option<Vec<Settings>> {
        let mut plain = Map::new();
        for (key, node) in map {
            let text = match SECRETS.contains(&key.as_str()) {
                true => self.place_of_secret(node),
                false if PATHS.contains(&key.as_str()) => node.scalar().map(|path| self.beside(&path)),
                false => node.scalar(),
            };
            let kind = match text {
                Some(text) => Kind::Text(text),
                None if SECRETS.contains(&key.as_str()) => {
                    let message = "a secret is not written here: name its place, `{file: PATH}` or `{env: NAME}`";
                    self.wrong(node.line, Some(pattern), key, message.into());
                    return None;
                }
                None => node.kind.clone(),
            };
            plain.insert(key.clone(), Node { line: node.line, kind });
        }
        self.spread(&plain, pattern, count)
    }

    /// `{file: PATH}` or `{env: NAME}`, and the same in one text.
    fn place_of_secret(&self, node: &Node) -> Option<String> {
        let (way, place) = match node.map() {
            Some(map) if map.len() == 1 => {
                let (way, place) = map.iter().next()?;
                (way.clone(), place.scalar()?)
            }
            _ => node.scalar()?.split_once(':').map(|(way, place)| (way.to_string(), place.to_string()))?,
        };
        match way.as_str() {
            "env" => Some(format!("env:{place}")),
            "file" => Some(format!("file:{}", self.beside(&place))),
            _ => None,
        }
    }

    /// A path of the file is one from where the file is.
    fn beside(&self, path: &str) -> String {
        match self.file.as_ref().and_then(|f| f.parent()) {
            Some(directory) if !path.starts_with('~') => directory.join(path).display().to_string(),
            _ => path.to_string(),
        }
    }

    /// Values for each site of a range: a value with a range of its own gives one to each, any other is all of theirs.
    fn spread(&mut self, map: &Map, pattern: &str, count: usize) -> Option<Vec<Settings>> {
        let mut all = vec![Settings::new(); count];
        for (key, node) in map {
            let Some(text) = node.scalar() else {
                self.wrong(node.line, Some(pattern), key, format!("one value is expected, this is {}", node.what()));
                return None;
            };
            let several = if text.contains('[') && pattern.contains('[') { unfold(&text).map(Some) } else { Ok(None) };
            match several {
                Ok(Some(values)) if values.len() == count => {
                    all.iter_mut().zip(values.iter()).for_each(|(s, v)| {
                        s.insert(key.as_str().into(), v.into());
                    });
                }
                Ok(Some(values)) if values.len() != 1 => {
                    let message = format!("`{text}` gives {} values to {count} sites", values.len());
                    self.wrong(node.line, Some(pattern), key, message);
                    return None;
                }
                Ok(one) => {
                    let one = one.as_ref().map_or(text.as_str(), |values| &values[0]);
                    let (key, value): (Arc<str>, Arc<str>) = (key.as_str().into(), one.into());
                    all.iter_mut().for_each(|s| {
                        s.insert(key.clone(), value.clone());
                    });
                }
                Err(e) => {
                    self.wrong(node.line, Some(pattern), key, e.to_string());
                    return None;
                }
            }
        }
        Some(all)
    }

    fn composed(&mut self, name: &str, node: &Node) {
        let Some(map) = self.map(node, Some(name), "") else { return };
        self.only(&map, Some(name), &["compose", "labels"]);
        let mut parts = BTreeMap::new();
        for (service, of) in &self.texts(&map, name, "compose") {
            let wanted = of.scalar().unwrap_or_default();
            match self.inventory.id(&wanted) {
                Some(id) => {
                    parts.insert(Arc::from(service.as_str()), id);
                }
                None => {
                    let message = self.no_site(&wanted);
                    self.wrong(of.line, Some(name), &format!("compose.{service}"), message);
                    return;
                }
            }
        }
        if self.inventory.id(name).is_some() {
            return self.wrong(node.line, Some(name), "", format!("the site `{name}` is declared twice"));
        }
        let labels = self.texts(&map, name, "labels");
        let labels = labels.iter().filter_map(|(k, v)| Some((k.as_str().into(), v.scalar()?.into()))).collect();
        self.inventory.add(Site { name: name.into(), labels, composed: Some(parts), ..Site::default() });
    }

    fn group(&mut self, name: &str, node: &Node) {
        let Some(texts) = words(node) else {
            return self.wrong(node.line, Some(name), "groups", "a list of sites is expected".into());
        };
        let members = self.members(name, node.line, "groups", &texts);
        self.inventory.groups.insert(name.into(), members.into_iter().collect());
    }

    /// The people of which sites are let in at those of a pattern, and by which account: `[Zone1, west]`, or
    /// `{Zone1: visitors}`.
    fn trust(&mut self, pattern: &str, node: &Node) {
        let Some(node) = node.map().and_then(|m| m.get("trust")).filter(|n| !n.is_null()) else { return };
        let entries: Vec<(String, Option<Arc<str>>)> = match (words(node), node.map()) {
            (Some(texts), _) => texts.into_iter().map(|t| (t, None)).collect(),
            (None, Some(map)) => {
                map.iter().map(|(text, account)| (text.clone(), account.scalar().map(Arc::from))).collect()
            }
            (None, None) => {
                let message = format!("a list of sites is expected, or of each the account, this is {}", node.what());
                return self.wrong(node.line, Some(pattern), "trust", message);
            }
        };
        let mut trusted = BTreeMap::new();
        for (text, account) in entries {
            let sites = self.members(pattern, node.line, "trust", std::slice::from_ref(&text));
            trusted.extend(sites.into_iter().map(|site| (site, account.clone())));
        }
        let trusted = Arc::new(trusted);
        for name in unfold_at_most(pattern, MOST).unwrap_or_default().iter() {
            let Some(mut site) = self.inventory.id(name).and_then(|id| self.inventory.get(id)).cloned() else {
                continue;
            };
            let known = |account: &&Arc<str>| site.accounts.contains_key(*account);
            if let Some(unknown) = trusted.values().flatten().find(|account| !known(account)) {
                let message = format!("`{name}` has no account `{unknown}`; `accounts` declares them");
                return self.wrong(node.line, Some(pattern), "trust", message);
            }
            site.trust = trusted.clone();
            self.inventory.add(site);
        }
    }

    /// Sites and groups by name, with ranges.
    fn members(&mut self, entry: &str, line: usize, key: &str, texts: &[String]) -> Vec<SiteId> {
        let mut members = Vec::new();
        for text in texts {
            match unfold(text) {
                Err(e) => self.wrong(line, Some(entry), key, e.to_string()),
                Ok(sites) => {
                    for site in sites.iter() {
                        match (self.inventory.id(site), self.inventory.groups.get(site)) {
                            (Some(id), _) => members.push(id),
                            (None, Some(group)) => members.extend(group.iter()),
                            (None, None) => {
                                let message = self.no_site(site);
                                self.wrong(line, Some(entry), key, message);
                            }
                        }
                    }
                }
            }
        }
        members
    }

    fn no_site(&self, name: &str) -> String {
        match nearest(name, self.inventory.iter().map(|(_, s)| &*s.name)) {
            Some(near) => format!("no site named `{name}`; `{near}` is there"),
            None => format!("no site named `{name}`"),
        }
    }

    pub(super) fn map(&mut self, node: &Node, entry: Option<&str>, key: &str) -> Option<Map> {
        let map = node.map().cloned();
        if map.is_none() {
            self.wrong(node.line, entry, key, format!("a mapping is expected, this is {}", node.what()));
        }
        map
    }

    /// A mapping of words to values, empty where it is not written.
    fn texts(&mut self, map: &Map, entry: &str, key: &str) -> Map {
        map.get(key).and_then(|node| self.map(node, Some(entry), key)).unwrap_or_default()
    }

    pub(super) fn value<T>(
        &mut self,
        map: &Map,
        entry: Option<&str>,
        key: &str,
        expected: &str,
        of: impl Fn(&Node) -> Option<T>,
    ) -> Option<T> {
        let node = map.get(key)?;
        let value = of(node);
        if value.is_none() {
            self.wrong(node.line, entry, key, format!("{expected} is expected, this is {}", node.what()));
        }
        value
    }

    fn only(&mut self, map: &Map, entry: Option<&str>, known: &[&str]) {
        for (key, node) in map.iter().filter(|(k, _)| !known.contains(&k.as_str())) {
            let near = nearest(key, known.iter().copied()).map(|n| format!("; is `{n}` meant?")).unwrap_or_default();
            self.wrong(node.line, entry, key, format!("no such key{near}"));
        }
    }
}
