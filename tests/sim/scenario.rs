use edge::sim::{Scenario, World};

use super::client::Client;

#[test]
fn a_scenario_is_as_short_as_it_can_be() {
    let names = |yaml: &str| Scenario::from_yaml(yaml).unwrap().sites.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(""), ["Zone1", "Zone2", "Zone3", "K1", "K2"]);
    assert_eq!(names("# nothing\n"), ["Zone1", "Zone2", "Zone3", "K1", "K2"]);
    assert_eq!(names("sites: 2"), ["Zone1", "Zone2"]);
    assert_eq!(names("sites: [paris-1, b]"), ["paris-1", "b"]);
    assert_eq!(names("sites: {A: , B: {latency: 20ms}}"), ["A", "B"]);
}

#[test]
fn what_is_wrong_is_told_with_its_site() {
    let error = |yaml: &str| Scenario::from_yaml(yaml).unwrap_err().to_string();
    assert!(error("sites: {A: {flavours: []}}").starts_with("site `A`: unknown field `flavours`"));
    assert!(error("sites: {A: {microversion: '3.1'}}").contains("is not 2.N"));
    assert!(error("sites: {K: {stack: kubernetes, cluster: {version: '1.19'}}}").contains("is not 1.20 or later"));
    assert!(error("sites: {K: {stack: kubernetes, cluster: {users: []}}}").contains("at least one user"));
    assert!(error("{sites: [A], faults: [{site: B, do: refuse}]}").contains("`B`"));
    assert!(error("faults: [{do: explode}]").contains("`explode` is no fault"));
    assert!(error("faults: [{do: refuse, path: '['}]").contains("regular expression"));
    assert!(error("defaults: {latency: fast}").contains("`fast` is not a duration"));
}

#[tokio::test(start_paused = true)]
async fn a_site_is_what_the_scenario_says() {
    let yaml = "
defaults: {labels: {country: fr}, accounts: [{user: ada, project: lovelace, roles: [admin], password: pw}]}
sites:
  A:
    services: [compute, network]
    flavors: [{name: big, ram: 4096, vcpus: 4}]
    networks: [{name: n1}, {name: n2, cidr: 172.16.0.0/24}]
    octet: 77
  B: {labels: {country: de, gpu: true}}
";
    let world = World::new(Scenario::from_yaml(yaml).unwrap());
    assert_eq!(world.sites().collect::<Vec<_>>(), ["A", "B"]);
    let labels = |site: &str| world.spec(site).unwrap().labels.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        (labels("A"), labels("B")),
        (vec!["country".to_string()], vec!["country".to_string(), "gpu".to_string()])
    );
    let account = &world.accounts()[0];
    assert_eq!(
        (account.username.as_str(), account.password.as_str(), account.project.as_str()),
        ("ada", "pw", "lovelace")
    );
    let demo = &World::new(Scenario::default()).accounts_of("Zone2")[1];
    assert_eq!((demo.username.as_str(), demo.password.as_str()), ("demo", "zone2-secret"));
    let mut client = Client::stranger(&world, "A");
    let answer = client.post("/identity/v3/auth/tokens", super::client::by_password("ada", "pw", "lovelace")).await;
    client.token = answer.header("x-subject-token").to_string();
    let catalog = answer.json()["token"]["catalog"].as_array().unwrap().clone();
    assert_eq!(
        catalog.iter().map(|service| service["type"].as_str().unwrap()).collect::<Vec<_>>(),
        ["identity", "compute", "network"]
    );
    assert_eq!(client.get("/image/v2/images").await.status, 404);
    assert_eq!(client.get("/compute/v2.1/flavors").await.json()["flavors"][0]["name"], "big");
    let cidrs: Vec<_> = world.network_resources("A", "subnets").iter().map(|subnet| subnet["cidr"].clone()).collect();
    assert_eq!(cidrs, ["10.77.0.0/24", "172.16.0.0/24"]);
}

#[test]
fn clouds_yaml_has_a_cloud_for_each_site() {
    let world = World::new(Scenario::default());
    let clouds: serde_yaml::Value = serde_yaml::from_str(&world.clouds_yaml()).unwrap();
    let auth = &clouds["clouds"]["Zone2"]["auth"];
    assert_eq!(auth["auth_url"], "http://zone2.sim/identity/v3");
    assert_eq!(auth["password"], "zone2-secret");
    assert_eq!(clouds["clouds"]["Zone3"]["region_name"], "Zone3");
}
