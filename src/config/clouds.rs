//! clouds.yaml and secure.yaml, read as openstacksdk reads them.
//!
//! The hard idea is twenty years of spellings: the same value may stand inside `auth` or beside it, with hyphens, under
//! an older name, in a vendor's profile, per region, or in `OS_*` variables. `settle` brings one entry to one form, in
//! openstacksdk's order of precedence (`spellings` has the list); tests/config compares the result with openstacksdk's own.

use super::expand::expand;
use super::spellings::{beside_wins, domains, options, rename_endings};
use super::yaml::{Kind, Map, Node};
use super::{Auth, Cloud, Environment, Problem, ServiceSettings, Severity, Tls, read};
use std::path::PathBuf;
use std::time::Duration;

/// All that was found.
#[derive(Clone, Debug, Default)]
pub struct Clouds {
    /// In written order; an entry with several regions is here once for each.
    pub clouds: Vec<Cloud>,
    pub problems: Vec<Problem>,
    /// What `OS_CLOUD` selects, else the variables' own cloud, else the only one.
    pub default: Option<String>,
    pub file: Option<PathBuf>,
}

impl Clouds {
    pub fn get(&self, name: &str, region: Option<&str>) -> Option<&Cloud> {
        self.clouds.iter().find(|c| c.name == name && region.is_none_or(|r| c.region.as_deref() == Some(r)))
    }

    /// Why there is no such cloud: what is wrong with its entry, or the nearest name.
    pub fn why_not(&self, name: &str) -> String {
        if let Some(problem) = self.problems.iter().find(|p| p.entry.as_deref() == Some(name)) {
            return problem.to_string();
        }
        let nearest = edge_lang::diagnostic::nearest(name, self.clouds.iter().map(|c| c.name.as_str()));
        match nearest {
            Some(near) => format!("no cloud named `{name}` in clouds.yaml; `{near}` is there"),
            None => format!("no cloud named `{name}` in clouds.yaml"),
        }
    }
}

/// The clouds of a text and nothing else: no files, no variables.
pub fn from_text(text: &str) -> Clouds {
    let mut found = Clouds::default();
    let main = match super::yaml::parse(text) {
        Ok(node) => Some(node),
        Err(e) => {
            found.problems.push(problem(&None, e.line, None, None, e.message));
            None
        }
    };
    let root = section(main, &None, &mut found.problems);
    fill(&mut found, root, &Environment::default(), &None);
    found
}

/// Loads what the environment leads to. Never fails: what is wrong is in `problems`.
pub fn load(environment: &Environment) -> Clouds {
    let mut found = Clouds::default();
    let (file, main) = first_file(environment, "clouds", "OS_CLIENT_CONFIG_FILE", &mut found.problems);
    let (secure_file, secure) = first_file(environment, "secure", "OS_CLIENT_SECURE_FILE", &mut found.problems);
    let mut root = section(main, &file, &mut found.problems);
    merge(&mut root, section(secure, &secure_file, &mut found.problems));
    found.file = file;
    fill(&mut found, root, environment, &secure_file);
    found
}

/// Every entry of a file, and the cloud of the variables.
fn fill(found: &mut Clouds, mut root: Map, environment: &Environment, secure_file: &Option<PathBuf>) {
    let mut entries = match root.swap_remove("clouds").map(|n| (n.line, n.kind)) {
        Some((_, Kind::Map(map))) => map,
        None | Some((_, Kind::Null)) => Map::new(),
        Some((line, kind)) => {
            let what = Node { line, kind }.what();
            let message = format!("a mapping of clouds is expected, this is {what}");
            found.problems.push(problem(&found.file, line, None, Some("clouds"), message));
            Map::new()
        }
    };
    found.default = environment.variable("OS_CLOUD").map(str::to_string);
    let variables_name = environment.variable("OS_CLOUD_NAME").unwrap_or("envvars").to_string();
    if let Some(variables) = from_variables(environment) {
        if let Some(own) = entries.get(&variables_name) {
            let message =
                "has the name that is kept for the cloud of the `OS_*` variables; rename it, or set OS_CLOUD_NAME";
            found.problems.push(problem(&found.file, own.line, Some(&variables_name), None, message));
            entries.shift_remove(&variables_name);
        } else {
            entries.insert(variables_name.clone(), variables);
            found.default.get_or_insert(variables_name.clone());
        }
    }
    if let (None, 1) = (&found.default, entries.len()) {
        found.default = entries.keys().next().cloned();
    }
    let profiles = if entries.values().any(|e| e.map().is_some_and(|m| profile_of(m).is_some())) {
        let (file, profiles) = first_file(environment, "clouds-public", "", &mut found.problems);
        let mut profiles = section(profiles, &file, &mut found.problems);
        // The main file may hold its own, for those who want one file.
        let own = root.swap_remove("public-clouds").and_then(into_map).unwrap_or_default();
        let public = profiles.swap_remove("public-clouds").and_then(into_map).unwrap_or_default();
        own.into_iter().chain(public).collect()
    } else {
        Map::new()
    };
    for (name, entry) in entries {
        let line = entry.line;
        let file = if name == variables_name { None } else { found.file.clone().or_else(|| secure_file.clone()) };
        let loaded =
            Entry { environment, file: &file, name: &name, line, variables: &variables_name }.load(entry, &profiles);
        match loaded {
            Ok((clouds, warnings)) => {
                found.clouds.extend(clouds);
                found.problems.extend(warnings);
            }
            Err(why) => found.problems.push(*why),
        }
    }
}

fn problem(
    file: &Option<PathBuf>,
    line: usize,
    entry: Option<&str>,
    key: Option<&str>,
    message: impl Into<String>,
) -> Problem {
    Problem {
        file: file.clone(),
        line,
        entry: entry.map(Into::into),
        key: key.map(Into::into),
        message: message.into(),
        severity: Severity::Error,
    }
}

/// The first file of that name that can be read; a broken one is a problem, and the search goes on.
fn first_file(
    environment: &Environment,
    name: &str,
    variable: &str,
    problems: &mut Vec<Problem>,
) -> (Option<PathBuf>, Option<Node>) {
    let named = environment.variable(variable).map(|p| environment.path(p));
    let directories = std::iter::once(&environment.working_directory).chain(&environment.directories);
    let searched = directories.flat_map(|d| ["yaml", "yml", "json"].map(|suffix| d.join(format!("{name}.{suffix}"))));
    for path in named.into_iter().chain(searched) {
        match read(&path) {
            None => {}
            Some(Ok(node)) => return (Some(path), Some(node)),
            Some(Err(e)) => problems.push(problem(&Some(path), e.line, None, None, e.message)),
        }
    }
    (None, None)
}

/// The top of a file, with one spelling of keys at each level below it left to `settle`.
fn section(node: Option<Node>, file: &Option<PathBuf>, problems: &mut Vec<Problem>) -> Map {
    match node {
        None => Map::new(),
        Some(node) if node.is_null() => Map::new(),
        Some(node) => {
            let (line, what) = (node.line, node.what());
            into_map(node).unwrap_or_else(|| {
                let message = format!("a mapping with `clouds` is expected, this is {what}");
                problems.push(problem(file, line, None, None, message));
                Map::new()
            })
        }
    }
}

fn into_map(node: Node) -> Option<Map> {
    match node.kind {
        Kind::Map(map) => Some(map),
        _ => None,
    }
}

/// secure.yaml over clouds.yaml, at every depth.
fn merge(under: &mut Map, over: Map) {
    for (key, value) in over {
        match (under.get_mut(&key).map(|v| &mut v.kind), value.kind) {
            (Some(Kind::Map(inner)), Kind::Map(map)) => merge(inner, map),
            (_, kind) => {
                under.insert(key, Node { line: value.line, kind });
            }
        }
    }
}

/// `auth` is updated key by key, all else is replaced.
fn update(under: &mut Map, over: Map) -> Result<(), (usize, String)> {
    for (key, value) in over {
        if key != "auth" {
            under.insert(key, value);
            continue;
        }
        let (line, what) = (value.line, value.what());
        let map = into_map(value).ok_or_else(|| (line, format!("a mapping is expected, this is {what}")))?;
        match under.get_mut("auth").map(|v| &mut v.kind) {
            Some(Kind::Map(auth)) => auth.extend(map),
            _ => {
                under.insert(key, Node { line, kind: Kind::Map(map) });
            }
        }
    }
    Ok(())
}

/// A cloud made of `OS_*` variables; `None` when there are only such as select one.
fn from_variables(environment: &Environment) -> Option<Node> {
    let selectors = ["OS_CLOUD", "OS_REGION_NAME", "OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE", "OS_CLOUD_NAME"];
    let others = ["OS_TEST", "OS_STD", "OS_LOG"];
    let variables = || {
        environment
            .variables
            .iter()
            .filter(|(k, _)| k.starts_with("OS_") && k.len() > 3 && !others.iter().any(|o| k.starts_with(o)))
    };
    variables().find(|(k, _)| !selectors.contains(&k.as_str()))?;
    let map = variables().map(|(k, v)| (k[3..].to_lowercase(), Node::text(0, v.as_str()))).collect();
    Some(Node { line: 0, kind: Kind::Map(map) })
}

fn profile_of(entry: &Map) -> Option<&Node> {
    entry.get("profile").or_else(|| entry.get("cloud")).filter(|p| !p.is_null())
}

/// `region-name` is `region_name`, at every depth.
fn normalize(map: Map) -> Map {
    map.into_iter()
        .map(|(key, value)| {
            let kind = match value.kind {
                Kind::Map(inner) => Kind::Map(normalize(inner)),
                kind => kind,
            };
            (key.replace('-', "_"), Node { line: value.line, kind })
        })
        .collect()
}

struct Entry<'a> {
    environment: &'a Environment,
    file: &'a Option<PathBuf>,
    name: &'a str,
    line: usize,
    variables: &'a str,
}

type Outcome<T> = Result<T, Box<Problem>>;

impl Entry<'_> {
    fn wrong(&self, line: usize, key: &str, message: impl Into<String>) -> Box<Problem> {
        let line = if line == 0 { self.line } else { line };
        Box::new(problem(self.file, line, Some(self.name), Some(key).filter(|k| !k.is_empty()), message))
    }

    fn load(&self, entry: Node, profiles: &Map) -> Outcome<(Vec<Cloud>, Vec<Problem>)> {
        let what = entry.what();
        let own = into_map(entry)
            .ok_or_else(|| self.wrong(self.line, "", format!("a mapping is expected, this is {what}")))?;
        let mut warnings = Vec::new();
        let mut base = Map::new();
        let profile = self.profile(&own, profiles, &mut warnings)?;
        let own = normalize(own);
        let regions = self.regions(&own, &profile)?;
        update(&mut base, profile).map_err(|(line, why)| self.wrong(line, "auth", why))?;
        update(&mut base, own).map_err(|(line, why)| self.wrong(line, "auth", why))?;
        base.shift_remove("regions");
        base.shift_remove("cloud");
        let many = regions.len() > 1;
        let mut clouds = Vec::new();
        for (region, values) in regions {
            let mut merged = base.clone();
            let given: Map = values.into_iter().filter(|(_, v)| !v.is_null()).collect();
            update(&mut merged, given).map_err(|(line, why)| self.wrong(line, "auth", why))?;
            merged.insert("region_name".into(), Node::text(self.line, region));
            clouds.push(self.settle(merged, many)?);
        }
        Ok((clouds, warnings))
    }

    fn profile(&self, own: &Map, profiles: &Map, warnings: &mut Vec<Problem>) -> Outcome<Map> {
        let Some(node) = profile_of(own) else { return Ok(Map::new()) };
        let name =
            node.scalar().ok_or_else(|| self.wrong(node.line, "profile", "the name of a profile is expected"))?;
        if name == self.variables {
            return Ok(Map::new());
        }
        if let Some(profile) = profiles.get(&name).and_then(Node::map) {
            return Ok(normalize(profile.clone()));
        }
        let mut problem = self.wrong(
            node.line,
            "profile",
            format!("no profile `{name}` in the `public-clouds` of clouds-public.yaml"),
        );
        let complete = own.contains_key("auth_url")
            || own.get("auth").and_then(Node::map).is_some_and(|a| a.contains_key("auth_url"));
        if !complete {
            problem.message += ", and the entry has no `auth_url` of its own";
            return Err(problem);
        }
        problem.severity = Severity::Warning;
        warnings.push(*problem);
        Ok(Map::new())
    }

    /// Names and their own values; one without a name where none is known.
    fn regions(&self, own: &Map, profile: &Map) -> Outcome<Vec<(String, Map)>> {
        let known = [own, profile].into_iter().find_map(|map| {
            let named = |key: &str| map.get(key).filter(|n| !n.is_null()).map(|n| (key.to_string(), n));
            named("regions").or_else(|| named("region_name"))
        });
        let Some((key, node)) = known else { return Ok(vec![(String::new(), Map::new())]) };
        let wrong = |line: usize, message: &str| self.wrong(line, &key, message);
        let items: Vec<Node> = match &node.kind {
            Kind::List(items) => items.clone(),
            Kind::Map(_) => return Err(wrong(node.line, "a list of regions is expected")),
            _ if key == "regions" => return Err(wrong(node.line, "a list of regions is expected")),
            _ => node.scalar().unwrap_or_default().split(',').map(|name| Node::text(node.line, name)).collect(),
        };
        let mut regions = Vec::new();
        for item in items {
            let line = item.line;
            match item.kind {
                Kind::Map(mut map) => {
                    let name = map.shift_remove("name").and_then(|n| n.scalar());
                    let values = map.shift_remove("values");
                    let name = name.filter(|_| map.is_empty());
                    let name =
                        name.ok_or_else(|| wrong(line, "a region has a `name` and may have `values`, nothing else"))?;
                    let values = match values.map(|v| v.kind) {
                        None | Some(Kind::Null) => Map::new(),
                        Some(Kind::Map(values)) => normalize(values),
                        Some(_) => return Err(wrong(line, "the `values` of a region are a mapping")),
                    };
                    regions.push((name, values));
                }
                kind => {
                    let name =
                        Node { line, kind }.scalar().ok_or_else(|| wrong(line, "the name of a region is expected"))?;
                    regions.push((name, Map::new()));
                }
            }
        }
        if regions.is_empty() {
            regions.push((String::new(), Map::new()));
        }
        Ok(regions)
    }

    /// One entry in one region, all spellings brought to one.
    fn settle(&self, mut config: Map, one_of_many: bool) -> Outcome<Cloud> {
        let mut auth_map = match config.shift_remove("auth").map(|n| (n.line, n.kind)) {
            Some((_, Kind::Map(map))) => map,
            None => Map::new(),
            Some((line, _)) => return Err(self.wrong(line, "auth", "a mapping is expected")),
        };
        rename_endings(&mut config);
        // The older `auth_plugin` never wins in openstacksdk: its default for `auth_type` is always there.
        let kind = config.get("auth_type").map_or(Some("password".into()), |node| {
            if node.is_null() { Some("none".to_string()) } else { node.scalar() }
        });
        let kind = kind.ok_or_else(|| self.wrong(0, "auth_type", "a word is expected"))?;
        let kind = match kind.as_str() {
            "" | "None" => "none".to_string(),
            "token_endpoint" => "admin_token".to_string(),
            _ => kind,
        };
        beside_wins(&mut config, &mut auth_map);
        domains(&mut config, &mut auth_map);
        for map in [&mut auth_map, &mut config] {
            if let Some(value) = map.shift_remove("user_name") {
                map.entry("username".into()).or_insert(value);
            }
        }
        for option in options(&kind) {
            let given = |n: &&Node| !n.is_null() && n.scalar().is_none_or(|s| !s.is_empty());
            if let (None, Some(beside)) = (auth_map.get(*option).filter(given), config.get(*option).filter(given)) {
                auth_map.insert((*option).to_string(), beside.clone());
            }
        }
        let mut auth = Auth { kind, ..Auth::default() };
        for (key, node) in &auth_map {
            if node.is_null() {
                continue;
            }
            let text = node.scalar().ok_or_else(|| {
                self.wrong(node.line, &format!("auth.{key}"), format!("one value is expected, this is {}", node.what()))
            })?;
            if key == "auth_url" {
                let text = expand(&text, &config).map_err(|why| self.wrong(node.line, &format!("auth.{key}"), why))?;
                auth.set(key, text);
            } else if !text.is_empty() {
                auth.set(key, text);
            }
        }
        let keystone = !["none", "http_basic", "admin_token"].contains(&auth.kind.as_str());
        if keystone && auth.value("auth_url").is_none_or(str::is_empty) {
            return Err(self.wrong(0, "auth.auth_url", "is missing: the address of the identity service"));
        }
        let region = self.text(&config, "region_name")?.filter(|r| !r.is_empty());
        Ok(Cloud {
            name: self.name.into(),
            region,
            one_of_many,
            auth,
            interfaces: self.interfaces(&config, "interface")?.unwrap_or_else(|| vec!["public".into()]),
            tls: self.tls(&config)?,
            services: self.services(&config)?,
            api_timeout: self.timeout(&config)?,
            file: self.file.clone(),
            line: self.line,
        })
    }

    fn text(&self, config: &Map, key: &str) -> Outcome<Option<String>> {
        let Some(node) = config.get(key).filter(|n| !n.is_null()) else { return Ok(None) };
        let text = node
            .scalar()
            .ok_or_else(|| self.wrong(node.line, key, format!("one value is expected, this is {}", node.what())))?;
        expand(&text, config).map(Some).map_err(|why| self.wrong(node.line, key, why))
    }

    fn interfaces(&self, config: &Map, key: &str) -> Outcome<Option<Vec<String>>> {
        let short = |name: String| name.strip_suffix("URL").map_or(name.clone(), str::to_string);
        match config.get(key).and_then(Node::list) {
            Some(list) => {
                let names: Option<Vec<String>> = list.iter().map(|n| n.scalar().map(short)).collect();
                names.map(Some).ok_or_else(|| self.wrong(config[key].line, key, "names of interfaces are expected"))
            }
            None => Ok(self.text(config, key)?.map(|name| vec![short(name)])),
        }
    }

    fn services(&self, config: &Map) -> Outcome<std::collections::BTreeMap<String, ServiceSettings>> {
        let mut services = std::collections::BTreeMap::<String, ServiceSettings>::new();
        for key in config.keys() {
            let of = |suffix: &str| key.strip_suffix(suffix).filter(|p| !p.is_empty()).map(|p| p.replace('_', "-"));
            if let Some(service) = of("_endpoint_override") {
                services.entry(service).or_default().endpoint = self.text(config, key)?;
            } else if let Some(service) = of("_endpoint") {
                let endpoint = self.text(config, key)?;
                services.entry(service).or_default().endpoint = services_endpoint(config, key).or(endpoint);
            } else if let Some(service) = of("_interface") {
                services.entry(service).or_default().interfaces = self.interfaces(config, key)?;
            } else if let Some(service) = of("_region_name") {
                services.entry(service).or_default().region = self.text(config, key)?;
            } else if let Some(service) = of("_service_type") {
                services.entry(service).or_default().kind = self.text(config, key)?;
            }
        }
        Ok(services)
    }

    fn tls(&self, config: &Map) -> Outcome<Tls> {
        let path = |key: &str| {
            Ok::<_, Box<Problem>>(self.text(config, key)?.filter(|p| !p.is_empty()).map(|p| self.environment.path(&p)))
        };
        let mut cacert = path("cacert")?;
        let insecure = match config.get("insecure") {
            None => false,
            Some(node) => match &node.kind {
                Kind::Null => false,
                Kind::Bool(value) => *value,
                Kind::Text(text) => text.eq_ignore_ascii_case("true"),
                _ => {
                    return Err(self.wrong(
                        node.line,
                        "insecure",
                        format!("true or false is expected, this is {}", node.what()),
                    ));
                }
            },
        };
        let verify = match config.get("verify") {
            None => true,
            Some(node) => match &node.kind {
                Kind::Bool(value) => *value,
                Kind::Text(text) if text.eq_ignore_ascii_case("false") => false,
                Kind::Text(text) if text.eq_ignore_ascii_case("true") => true,
                // `requests` takes the path of a bundle here.
                Kind::Text(text) if !text.is_empty() => {
                    cacert.get_or_insert_with(|| self.environment.path(text));
                    true
                }
                // Nothing said is no reason to trust everyone.
                _ => {
                    return Err(self.wrong(
                        node.line,
                        "verify",
                        format!("true or false is expected, this is {}", node.what()),
                    ));
                }
            },
        };
        Ok(Tls { verify: verify && !insecure, cacert, cert: path("cert")?, key: path("key")? })
    }

    fn timeout(&self, config: &Map) -> Outcome<Option<Duration>> {
        let Some(node) = config.get("api_timeout").filter(|n| !n.is_null()) else { return Ok(None) };
        let seconds = node.scalar().and_then(|t| t.parse::<f64>().ok()).filter(|s| *s > 0.0);
        let time = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
        time.map(Some).ok_or_else(|| self.wrong(node.line, "api_timeout", "a number of seconds is expected"))
    }
}

/// An override said in full wins over the short spelling.
fn services_endpoint(config: &Map, key: &str) -> Option<String> {
    config.get(&format!("{key}_override")).and_then(Node::scalar)
}
