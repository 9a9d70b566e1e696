//! edge.yaml, through the doors that commands use: load, then connect.

use super::environment;
use edge::config::cluster::Who;
use edge::config::inventory::{self, Sites};
use edge::config::{Clouds, Environment, Kept, load_clouds};
use edge::transport::network::Pem;
use edge_lang::eval::Unreachable;
use std::time::Duration;

const CLOUDS: &str = "
clouds:
  zone1: {region_name: RegionOne, auth: {auth_url: http://k1/v3, username: op, password: secret, project_name: demo}}
  zone1-admin: {auth: {auth_url: http://k1/v3, username: root, password: secret}}
  many: {regions: [A, B], auth: {auth_url: http://k2/v3, username: op, password: secret}}
  edge-001: {auth: {auth_url: http://e1/v3, username: op, password: secret}}
  edge-002: {auth: {auth_url: http://e2/v3, username: op, password: secret}}
";

fn load(text: Option<&str>) -> (Sites, Clouds) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("clouds.yaml"), CLOUDS).unwrap();
    if let Some(text) = text {
        std::fs::write(directory.path().join("edge.yaml"), text).unwrap();
    }
    let environment = environment(directory.path());
    let clouds = load_clouds(&environment);
    let mut sites = inventory::load(&environment, None, &clouds);
    // Where the file is does not matter to the messages below.
    sites.problems.iter_mut().for_each(|p| p.file = None);
    (sites, clouds)
}

fn names(sites: &Sites) -> Vec<String> {
    sites.inventory.iter().map(|(_, s)| s.name.to_string()).collect()
}

#[test]
fn without_an_inventory_the_clouds_are_the_sites() {
    let (sites, clouds) = load(None);
    assert_eq!(names(&sites), ["zone1", "zone1-admin", "many-A", "many-B", "edge-001", "edge-002"]);
    assert!(!sites.inventory.declared && sites.problems.is_empty());
    let site = sites.inventory.iter().find(|(_, s)| &*s.name == "many-B").unwrap().1;
    let connection = inventory::connection(&sites, site, None, &clouds, &Environment::default()).unwrap();
    assert_eq!(connection.cloud().unwrap().region.as_deref(), Some("B"));
}

#[test]
fn sites_ranges_groups_accounts_and_guards() {
    let (sites, clouds) = load(Some(
        "
sites:
  Zone1:
    cloud: zone1
    labels: {region: nantes, rack: 7}
    accounts: {admin: {cloud: zone1-admin}, other: {project: shop}}
    protect: yes
    deny: [server.delete, 'image.*']
    limits: {server.create: 5}
  'edge-[001-002]': {cloud: 'edge-[001-002]', labels: {tier: edge, rack: 'r[1-2]'}, in_flight: 2}
  Mix: {compose: {compute: Zone1, image: edge-001}}
  K1: {context: k-1}
groups:
  west: [Zone1, 'edge-[001-002]']
  all: [west, K1]
defaults: {timeout: 2min, unreachable: defer, in_flight: 8}
",
    ));
    assert_eq!(sites.problems, []);
    assert_eq!(names(&sites), ["Zone1", "edge-001", "edge-002", "K1", "Mix"]);
    assert!(sites.inventory.declared);
    let site = |name: &str| sites.inventory.get(sites.inventory.id(name).unwrap()).unwrap();
    assert_eq!(site("edge-002").labels.get("rack").map(|v| &**v), Some("r2"));
    assert_eq!(site("Zone1").labels.get("rack").map(|v| &**v), Some("7"));
    assert_eq!(site("K1").stack.as_ref(), "kubernetes");
    assert_eq!(sites.inventory.instance(sites.inventory.id("Mix").unwrap(), "image"), sites.inventory.id("edge-001"));
    assert_eq!(sites.inventory.groups["all"].iter().count(), 4);
    let connect =
        |name: &str, account| inventory::connection(&sites, site(name), account, &clouds, &Environment::default());
    let auth_url = |name: &str, account| {
        connect(name, account).unwrap().cloud().unwrap().auth.value("auth_url").unwrap().to_string()
    };
    assert_eq!(auth_url("edge-002", None), "http://e2/v3");
    let of = |account| connect("Zone1", account).unwrap().cloud().unwrap().auth.clone();
    assert_eq!(of(None).value("username"), Some("op"));
    assert_eq!(of(Some("admin")).value("username"), Some("root"));
    assert_eq!(of(Some("other")).value("project_name"), Some("shop"));
    assert_eq!(connect("Zone1", Some("nobody")).unwrap_err(), "it has no account `nobody`");
    let guards = &sites.guards["Zone1"];
    assert!(guards.protect && guards.limits["server.create"] == 5);
    let permit = |resource, operation| guards.forbids(&[resource], &[operation]).is_none();
    assert!(permit("server", "create") && !permit("server", "delete") && !permit("image", "create"));
    assert_eq!(guards.forbids(&["server"], &["ensure", "create"]), None, "one of what it comes to is allowed");
    assert_eq!(guards.forbids(&["server"], &["rebuild", "delete", "create"]), Some(("server", "delete")));
    assert_eq!(sites.guards["edge-001"].in_flight, Some(2));
    assert_eq!(sites.defaults.timeout, Some(Duration::from_secs(120)));
    assert_eq!(sites.defaults.unreachable, Some(Unreachable::Defer));
}

#[test]
fn an_entry_that_is_not_understood_guards_its_site() {
    let (sites, _) = load(Some(
        "{sites: {A: {cloud: zone1, protct: true}, B: {cloud: zone1, protect: yes please}, C: {cloud: zone1, person: p}}}",
    ));
    let unclear = |name: &str| sites.guards.get(name).and_then(|guards| guards.unclear.clone());
    assert!(unclear("A").is_some_and(|why| why.contains("is `protect` meant?")));
    assert!(unclear("B").is_some_and(|why| why.contains("true or false")));
    assert_eq!(unclear("C"), None);
}

#[test]
fn one_mistake_does_not_hide_the_next() {
    let (sites, clouds) = load(Some(
        "
sites:
  A: {clod: zone1}
  B: {cloud: zone9}
  C: {cloud: zone1, labels: [x]}
  'n[1-3]': {cloud: 'm[1-2]'}
  D: {stack: opnstack, cloud: zone1}
  M: {compose: {image: Z}}
  'huge[1-99999999]': {cloud: zone1}
groups: {g: [B, Bb]}
defaults: {timeout: soon, unreachable: maybe}
sits: {}
",
    ));
    let problems: Vec<String> = sites.problems.iter().map(|p| format!("{}: {p}", p.line)).collect();
    assert_eq!(
        problems,
        [
            "12: `sits`: no such key; is `sites` meant?",
            "3: `A`: `clod`: no such key; is `cloud` meant?",
            "3: `A`: how is it reached? `cloud: NAME` of clouds.yaml, `context: NAME` of the kubeconfig, or `url: ...`",
            "5: `C`: `labels`: a mapping is expected, this is a list",
            "6: `n[1-3]`: `cloud`: `m[1-2]` gives 2 values to 3 sites",
            "7: `D`: `stack`: no stack `opnstack`; `openstack` is one",
            "9: `huge[1-99999999]`: this stands for more than 999998 names",
            "8: `M`: `compose.image`: no site named `Z`",
            "10: `g`: `groups`: no site named `Bb`",
            "11: `timeout`: a time like 90s, 2min or 1h is expected, this is text",
            "11: `unreachable`: one of fail, defer, skip is expected, this is text",
        ]
    );
    let site = sites.inventory.iter().find(|(_, s)| &*s.name == "B").unwrap().1;
    let why = inventory::connection(&sites, site, None, &clouds, &Environment::default()).unwrap_err();
    assert_eq!(why, "no cloud named `zone9` in clouds.yaml; `zone1` is there");
}

#[test]
fn contexts_are_sites_too() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("clouds.yaml", CLOUDS);
    write("one", "contexts: [{name: k-1, context: {cluster: a}}, {name: zone1}]\nclusters: [{name: a}]\n");
    write("two", "contexts: [{name: k-1}, {name: k-2}, {context: {}}]\n");
    write("three", "contexts: [");
    let mut environment = environment(directory.path());
    environment.variables.insert("KUBECONFIG".into(), "one:none:two:three".into());
    let clouds = load_clouds(&environment);
    let sites = inventory::load(&environment, None, &clouds);
    assert_eq!(names(&sites)[6..], ["k-1", "k-2"]);
    let problems: Vec<String> = sites.problems.iter().map(|p| p.message.clone()).collect();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems.iter().any(|p| p.contains("a cloud and a context")), "{problems:?}");
    let site = sites.inventory.iter().find(|(_, s)| &*s.name == "k-2").unwrap().1;
    let why = inventory::connection(&sites, site, None, &clouds, &environment).unwrap_err();
    assert!(why.starts_with("no context `k-2` in the kubeconfig; `k-1` is there (") && why.contains("three"), "{why}");
}

#[test]
fn applications_name_the_places_of_their_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    std::fs::create_dir(here.join("keys")).unwrap();
    let text = "
sites:
  P: {app: powerdns, url: 'https://d:8081', api_key: {file: keys/p}, cacert: keys/ca, verify: yes, accounts: {other: {api_key: {env: OTHER}}}}
  'n-[1-2]': {app: x, url: 'http://n-[1-2]', token: {file: 'keys/n-[1-2]'}}
  A: {url: 'http://a', app: x, api_key: hunter2}
  B: {url: 'http://a', app: x, api_key: {vault: v}}
  C: {url: 'http://a'}
";
    std::fs::write(here.join("edge.yaml"), text).unwrap();
    let mut environment = environment(here);
    environment.variables.insert("OTHER".into(), "other-key".into());
    let sites = inventory::load(&environment, None, &Clouds::default());
    let problems: Vec<String> = sites.problems.iter().map(|p| p.message.clone()).collect();
    let written = "a secret is not written here: name its place, `{file: PATH}` or `{env: NAME}`";
    assert_eq!(problems, [written, written]);
    let connect = |name: &str, account| {
        let site = sites.inventory.iter().find(|(_, s)| &*s.name == name).unwrap().1;
        inventory::connection(&sites, site, account, &Clouds::default(), &environment)
    };
    let application = |name: &str, account| match connect(name, account).unwrap().way {
        edge::config::Way::Http(application) => application,
        other => panic!("{other:?}"),
    };
    let place = |name: &str, account| match application(name, account).secret.unwrap().kept {
        edge::config::Kept::File(path) => path.strip_prefix(here).unwrap().display().to_string(),
        edge::config::Kept::Here(_) => "here".into(),
    };
    assert_eq!((place("P", None), place("P", Some("other"))), ("keys/p".into(), "here".into()));
    assert_eq!((place("n-2", None), application("n-2", None).url), ("keys/n-2".into(), "http://n-2".into()));
    assert_eq!(application("P", None).tls.cacert, Some(here.join("keys/ca")));
    assert_eq!(connect("C", None).unwrap_err(), "it is not said which `app` it is, as descriptions call it");
}

/// What a program that says `order.list() @ A` gets, in a folder with an edge.yaml and files beside it.
fn loaded(inventory: &str, files: &[(&str, &str)]) -> Result<Vec<String>, String> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("edge.yaml"), inventory).unwrap();
    files.iter().for_each(|(name, text)| std::fs::write(directory.path().join(name), text).unwrap());
    let text = edge::cli::Text { name: "-e".into(), base: directory.path().into(), text: "order.list() @ A\n".into() };
    let loaded = edge::cli::Workplace::new(environment(directory.path()), None, None).load(text);
    let loaded = loaded.map_err(|t| t.message.replace(&directory.path().display().to_string(), "FOLDER"))?;
    let place = |d: &edge_lang::diagnostic::Diagnostic| {
        let file = &loaded.sources.get(d.span.file).unwrap().name;
        format!("{} {}", d.code.id, file.rsplit('/').next().unwrap())
    };
    Ok(loaded.checked.diagnostics.iter().map(place).collect())
}

#[test]
fn a_library_describes_services_for_every_program() {
    let shop =
        "service shop for http \"shop\" { resource order at \"/orders\" { many \"\"; fields { id: String } } }\n";
    let sites = "sites: {A: {app: shop, url: 'http://127.0.0.1:1'}}\n";
    let with = |library: &str, files: &[(&str, &str)]| loaded(&format!("{library}\n{sites}"), files);
    assert!(with("", &[("shop.edge", shop)]).unwrap().contains(&"E0201 -e".to_string()));
    assert_eq!(with("library: shop.edge", &[("shop.edge", shop)]), Ok(vec![]));
    let importing = [("all.edge", "import \"shop.edge\"\n"), ("shop.edge", shop)];
    assert_eq!(with("library: [all.edge, shop.edge]", &importing), Ok(vec![]));
    let acts = format!("{shop}print \"x\"\n");
    assert_eq!(with("library: shop.edge", &[("shop.edge", &acts)]), Ok(vec!["E0211 shop.edge".to_string()]));
    let wrong = shop.replace("String", "Strin");
    assert_eq!(with("library: shop.edge", &[("shop.edge", &wrong)]), Ok(vec!["E0308 shop.edge".to_string()]));
    let missing = with("library: [shop.edge, more.edge]", &[("shop.edge", shop)]).unwrap_err();
    assert_eq!(missing, "FOLDER/edge.yaml:1: the library `FOLDER/more.edge` cannot be read: there is no such file");
}

#[test]
fn a_context_is_read_as_kubectl_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    std::fs::create_dir(here.join("sub")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(here.join(name), text).unwrap();
    let pem = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, "PEM");
    write(
        "sub/one",
        &format!(
            "current-context: a
contexts:
- {{name: a, context: {{cluster: k, user: cert, namespace: shop}}}}
- {{name: t, context: {{cluster: k, user: file}}}}
- {{name: lost, context: {{cluster: nowhere, user: file}}}}
- {{name: e, context: {{cluster: k, user: exec}}}}
clusters: [{{name: k, cluster: {{server: 'https://10.0.0.1:6443', certificate-authority: pki/ca, tls-server-name: kube, extra: 1}}}}]
users:
- {{name: cert, user: {{client-certificate: pki/c, client-key-data: {pem}}}}}
- {{name: file, user: {{tokenFile: tok, token: no}}}}
- {{name: exec, user: {{exec: {{command: ./plugin, apiVersion: v, env: [{{name: A, value: b}}], interactiveMode: Never}}}}}}
"
        ),
    );
    write("two", "contexts: [{name: a, context: {cluster: other}}, {name: b, context: {cluster: o}}]
clusters: [{name: k, cluster: {server: 'http://wrong'}}, {name: o, cluster: {server: 'http://two', insecure-skip-tls-verify: true, proxy-url: 'socks5://p:1'}}]");
    let mut environment = environment(here);
    environment.variables.insert("KUBECONFIG".into(), "sub/one::none:two".into());
    let cluster = |settings: &[(&str, &str)]| {
        let settings = settings.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        edge::config::cluster::cluster(&settings, &environment)
    };
    let a = cluster(&[]).unwrap();
    assert_eq!(
        (a.context.as_str(), a.server.as_str(), a.namespace.as_deref()),
        ("a", "https://10.0.0.1:6443", Some("shop"))
    );
    let file = |pem: &Option<Pem>| match pem {
        Some(Pem::File(path)) => path.strip_prefix(here).unwrap().display().to_string(),
        other => format!("{other:?}"),
    };
    assert_eq!((file(&a.cacert), file(&a.cert)), ("sub/pki/ca".into(), "sub/pki/c".into()));
    assert!(matches!(&a.key, Some(Pem::Text(_, text)) if secrecy::ExposeSecret::expose_secret(text) == "PEM"));
    assert_eq!(a.server_name.as_ref().map(|n| (n.name.as_str(), n.host.as_str())), Some(("kube", "10.0.0.1")));
    // Nothing that is printed has a key.
    assert!(!format!("{a:?}").contains("PEM\""), "{a:?}");
    match cluster(&[("context", "t")]).unwrap().who {
        Who::Token(Kept::File(path)) => assert_eq!(path, here.join("sub/tok")),
        other => panic!("{other:?}"),
    }
    match cluster(&[("context", "e")]).unwrap().who {
        Who::Plugin(plugin) => {
            assert_eq!(std::path::PathBuf::from(&plugin.command), here.join("sub/./plugin"));
            assert!(!format!("{plugin:?}").contains("\"b\""));
        }
        other => panic!("{other:?}"),
    }
    let b = cluster(&[("context", "b"), ("namespace", "mine")]).unwrap();
    assert!(!b.verify && b.server == "http://two" && b.namespace.as_deref() == Some("mine") && b.proxy.is_some());
    assert_eq!(cluster(&[("context", "b"), ("kubeconfig", "two")]).unwrap().server, "http://two");
    assert_eq!(
        cluster(&[("context", "a"), ("kubeconfig", "two")]).unwrap_err(),
        "the context `a`: there is no cluster `other`"
    );
    assert_eq!(cluster(&[("context", "lost")]).unwrap_err(), "the context `lost`: there is no cluster `nowhere`");
    assert_eq!(cluster(&[("context", "lots")]).unwrap_err(), "no context `lots` in the kubeconfig; `lost` is there");
    let connection = edge::config::Connection::kubernetes("K", b).in_project("other").unwrap();
    let network = connection.network(&environment);
    assert!(!network.verify && network.proxy.always.as_deref() == Some("socks5://p:1"));
}

#[test]
fn within_a_cluster_the_service_account_is_who_we_are() {
    let account = tempfile::tempdir().unwrap();
    let mut environment = environment(account.path());
    let found = |environment: &Environment| edge::config::cluster::in_cluster(environment, account.path());
    assert_eq!(found(&environment).unwrap_err(), "no context is named, and this is not inside a cluster");
    environment.variables.insert("KUBERNETES_SERVICE_HOST".into(), "fd00::1".into());
    environment.variables.insert("KUBERNETES_SERVICE_PORT".into(), "6443".into());
    assert!(found(&environment).is_err());
    std::fs::write(account.path().join("token"), "t").unwrap();
    std::fs::write(account.path().join("namespace"), "shop\n").unwrap();
    let cluster = found(&environment).unwrap();
    assert_eq!((cluster.server.as_str(), cluster.namespace.as_deref()), ("https://[fd00::1]:6443", Some("shop")));
    assert!(matches!(cluster.who, Who::Token(Kept::File(_))));
}

#[test]
fn people_accounts_and_trust() {
    let (sites, _) = load(Some(
        "
sites:
  Zone1: {cloud: zone1, person: alice, accounts: {admin: {cloud: zone1-admin, person: root}}}
  'edge-[001-002]': {cloud: 'edge-[001-002]', trust: [west]}
  Zone2: {cloud: many, region: A, person: bob, trust: {Zone1: guests}, accounts: {guests: {cloud: many, region: B}}}
  Zone3: {cloud: many, region: B, person: bob, trust: [Zone9, Zone1]}
  Zone4: {cloud: many, region: B, person: bob, trust: {Zone1: guests}}
groups: {west: [Zone1]}
defaults: {person: op}
",
    ));
    let said: Vec<String> = sites.problems.iter().map(|p| p.to_string()).collect();
    assert_eq!(
        said,
        [
            "`Zone3`: `trust`: no site named `Zone9`; `Zone1` is there",
            "`Zone4`: `trust`: `Zone4` has no account `guests`; `accounts` declares them"
        ]
    );
    let site = |name: &str| sites.inventory.id(name).unwrap();
    let account = |of: &str, at: &str| sites.inventory.account(Some(site(of)), site(at));
    assert_eq!(account("Zone1", "Zone1"), Ok(None));
    assert_eq!(account("Zone1", "edge-002"), Ok(None), "it trusts Zone1");
    assert_eq!(account("Zone1", "Zone2"), Ok(Some("guests".into())));
    assert_eq!(account("edge-001", "edge-002"), Ok(None), "both are op's");
    assert_eq!(account("edge-001", "Zone2"), Ok(Some("guests".into())), "nothing else is said of it: it is op's");
    assert_eq!(sites.inventory.account(None, site("Zone2")), Ok(None));
    let distrust = account("Zone2", "Zone1").unwrap_err();
    assert_eq!((&*distrust.site, &*distrust.of, distrust.person.as_deref()), ("Zone1", "Zone2", Some("bob")));
}
