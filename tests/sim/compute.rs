use edge::sim::{Scenario, World};
use serde_json::{Value, json};

use super::client::{Client, pass};

const SERVERS: &str = "/compute/v2.1/servers";

fn message(body: &Value) -> String {
    body.as_object().unwrap().values().next().unwrap()["message"].as_str().unwrap().to_string()
}

#[tokio::test(start_paused = true)]
async fn a_server_is_built_used_and_gone_on_the_virtual_clock() {
    let world = World::new(Scenario::default());
    let client = Client::at(&world, "Zone1").await;
    let id = client.boot("vm", json!({})).await;
    let path = format!("{SERVERS}/{id}");
    let show = async || client.get_at("2.93", &path).await.json()["server"].clone();
    let building = show().await;
    assert_eq!((&building["status"], &building["addresses"]), (&json!("BUILD"), &json!({})));
    pass(2).await;
    let active = show().await;
    assert_eq!((&active["status"], &active["OS-EXT-STS:task_state"]), (&json!("ACTIVE"), &json!(null)));
    let address = active["addresses"]["private"][0]["addr"].as_str().unwrap().to_string();
    let ports = client.get(&format!("/networking/v2.0/ports?device_id={id}")).await.json();
    assert_eq!(ports["ports"][0]["fixed_ips"][0]["ip_address"], address);
    assert_eq!(client.delete(&path).await.status, 204);
    assert_eq!(show().await["OS-EXT-STS:task_state"], "deleting");
    pass(2).await;
    assert_eq!(client.get(&path).await.status, 404);
    assert_eq!(world.network_resources("Zone1", "ports"), Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn microversions_are_negotiated() {
    let yaml = "sites: {New: {}, Old: {microversion: '2.53'}}";
    let world = World::new(Scenario::from_yaml(yaml).unwrap());
    let client = Client::at(&world, "Old").await;
    let document = client.get("/compute/v2.1/").await.json();
    assert_eq!((&document["version"]["min_version"], &document["version"]["version"]), (&json!("2.1"), &json!("2.53")));
    let answer = client.get_at("2.93", SERVERS).await;
    assert_eq!(answer.status, 406);
    assert!(message(&answer.json()).contains("maximum is 2.53"));
    let answer = client.get_at("latest", SERVERS).await;
    assert_eq!((answer.status, answer.header("openstack-api-version")), (200, "compute 2.53"));
    let answer = client.send("GET", SERVERS, &[("x-openstack-nova-api-version", "2.30")], "").await;
    assert_eq!(answer.header("x-openstack-nova-api-version"), "2.30");
    assert_eq!(client.get_at("nonsense", SERVERS).await.status, 400);
    assert_eq!(client.get_at("2.93", "/compute/v2.1/flavors/tiny").await.status, 406);
}

#[tokio::test(start_paused = true)]
async fn shapes_follow_the_version() {
    let world = World::new(Scenario::default());
    let client = Client::at(&world, "Zone1").await;
    let id = client.boot("vm", json!({"tags": ["a"], "description": "d"})).await;
    let show = async |version: &str| client.get_at(version, &format!("{SERVERS}/{id}")).await.json()["server"].clone();
    let (old, new) = (show("2.1").await, show("2.47").await);
    assert_eq!((&old["flavor"]["id"], old.get("tags"), old.get("description")), (&json!("tiny"), None, None));
    assert_eq!((&new["flavor"]["original_name"], &new["tags"]), (&json!("tiny"), &json!(["a"])));
    assert_eq!(client.get_at("2.25", &format!("{SERVERS}/{id}/tags")).await.status, 404);
    let body = client.server("x", json!({"tags": ["a"]})).await;
    assert_eq!(client.post_at("2.51", SERVERS, body).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn filters_lie_as_novas_do() {
    let world = World::new(Scenario::default());
    let client = Client::at(&world, "Zone1").await;
    client.boot("d-s1", json!({"tags": ["k1"]})).await;
    client.boot("d-s1x", json!({"tags": ["k1", "k2"]})).await;
    let names = async |version: &str, query: &str| {
        let body =
            client.get_at(version, &format!("{SERVERS}?{query}&sort_key=display_name&sort_dir=asc")).await.json();
        let servers = body["servers"].as_array().unwrap().clone();
        servers.iter().map(|server| server["name"].as_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names("2.1", "name=d-s1").await, ["d-s1", "d-s1x"]);
    assert_eq!(names("2.1", "name=%5Ed-s1$").await, ["d-s1"]);
    assert_eq!(names("2.25", "tags=k2").await, ["d-s1", "d-s1x"]);
    assert_eq!(names("2.26", "tags=k2").await, ["d-s1x"]);
    assert_eq!(names("2.74", "nosuch=1").await.len(), 2);
    assert_eq!(client.get_at("2.75", &format!("{SERVERS}?nosuch=1")).await.status, 400);
    assert_eq!(client.get(&format!("{SERVERS}?name=%2Ba%5B")).await.status, 400);
    let page = client.get(&format!("{SERVERS}?limit=1")).await.json();
    let next = page["servers_links"][0]["href"].as_str().unwrap().strip_prefix(&client.base).unwrap().to_string();
    let second = client.get(&next).await.json();
    assert_ne!(page["servers"][0]["id"], second["servers"][0]["id"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_server_needs_must_be_there() {
    let world = World::new(Scenario::default());
    let client = Client::at(&world, "Zone1").await;
    let refused = async |change: Value, hints: Value| {
        let mut body = client.server("vm", change).await;
        body["os:scheduler_hints"] = hints;
        let answer = client.post_at("2.93", SERVERS, body).await;
        (answer.status, message(&answer.json()))
    };
    let nobody = "00000000-0000-4000-8000-000000000000";
    assert_eq!(refused(json!({"flavorRef": "huge"}), json!({})).await, (400, "Flavor huge could not be found.".into()));
    assert_eq!(refused(json!({"imageRef": nobody}), json!({})).await, (400, "Can not find requested image".into()));
    assert_eq!(refused(json!({"key_name": "none"}), json!({})).await, (400, "Invalid key_name provided.".into()));
    let networks = json!({"networks": [{"uuid": nobody}]});
    assert_eq!(refused(networks, json!({})).await, (400, format!("Network {nobody} could not be found.")));
    let empty = client.post("/image/v2/images", json!({"disk_format": "raw", "container_format": "bare"})).await.json();
    let (status, why) = refused(json!({"imageRef": empty["id"]}), json!({})).await;
    assert_eq!((status, why.ends_with("is not active.")), (400, true));
    assert_eq!(refused(json!({"user_data": "plain text"}), json!({})).await.0, 400);
    let group = json!({"server_group": {"name": "ticket", "policy": "soft-affinity"}});
    let group = client.post_at("2.64", "/compute/v2.1/os-server-groups", group).await.json();
    let group = group["server_group"]["id"].as_str().unwrap().to_string();
    assert_eq!(client.delete(&format!("/compute/v2.1/os-server-groups/{group}")).await.status, 204);
    let why = format!("Instance group {group} could not be found.");
    assert_eq!(refused(json!({}), json!({"group": group})).await, (400, why));
    assert_eq!(world.servers("Zone1"), []);
    assert_eq!(world.network_resources("Zone1", "ports"), Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_quota_refuses_and_a_full_host_breaks() {
    let yaml = "sites: {Small: {quotas: {instances: 1}}, Full: {hosts: [{vcpus: 0}]}}";
    let world = World::new(Scenario::from_yaml(yaml).unwrap());
    let small = Client::at(&world, "Small").await;
    small.boot("one", json!({})).await;
    let answer = small.post_at("2.93", SERVERS, small.server("two", json!({})).await).await;
    let why = "Quota exceeded for instances: Requested 1, but already used 1 of 1 instances";
    assert_eq!((answer.status, message(&answer.json())), (403, why.to_string()));
    let full = Client::at(&world, "Full").await;
    let id = full.boot("vm", json!({})).await;
    pass(2).await;
    let broken = full.get(&format!("{SERVERS}/{id}")).await.json()["server"].clone();
    assert_eq!(broken["status"], "ERROR");
    assert!(broken["fault"]["message"].as_str().unwrap().starts_with("No valid host was found."));
}

#[tokio::test(start_paused = true)]
async fn actions_need_the_right_state() {
    let world = World::new(Scenario::default());
    let client = Client::named(&world, "Zone1", "demo", "demo").await;
    let id = client.boot("vm", json!({})).await;
    pass(2).await;
    let act = async |action: Value| client.post(&format!("{SERVERS}/{id}/action"), action).await;
    let start = act(json!({"os-start": null})).await;
    assert_eq!(start.status, 409);
    assert!(message(&start.json()).contains("vm_state active"));
    assert_eq!(act(json!({"os-stop": null})).await.status, 202);
    let early = act(json!({"os-start": null})).await;
    assert_eq!(early.status, 409);
    assert!(message(&early.json()).contains("task_state powering-off"));
    pass(1).await;
    assert_eq!(world.servers("Zone1")[0].status, "SHUTOFF");
    assert_eq!(act(json!({"lock": null})).await.status, 202);
    assert_eq!(client.delete(&format!("{SERVERS}/{id}")).await.status, 409);
    assert_eq!(act(json!({"unlock": null})).await.status, 202);
    // A resize with nowhere to go is accepted, and only the history tells.
    let resize = act(json!({"resize": {"flavorRef": "1"}})).await;
    assert_eq!(resize.status, 202);
    pass(1).await;
    let request = resize.header("x-openstack-request-id").to_string();
    let action = client.get(&format!("{SERVERS}/{id}/os-instance-actions/{request}")).await.json();
    assert_eq!(
        (&action["instanceAction"]["action"], &action["instanceAction"]["message"]),
        (&json!("resize"), &json!("Error"))
    );
    assert_eq!(world.servers("Zone1")[0].flavor, "tiny");
}

#[tokio::test(start_paused = true)]
async fn keypairs_are_named_once_per_user() {
    let world = World::new(Scenario::default());
    let client = Client::named(&world, "Zone1", "demo", "demo").await;
    let key = json!({"keypair": {"name": "k", "public_key": "ssh-ed25519 QUJD me"}});
    let keypairs = "/compute/v2.1/os-keypairs";
    assert_eq!(client.post(keypairs, key.clone()).await.status, 200);
    assert_eq!(client.post_at("2.2", keypairs, key).await.status, 409);
    let shown = client.get(&format!("{keypairs}/k")).await.json();
    assert_eq!(shown["keypair"]["fingerprint"], "90:2f:bd:d2:b1:df:0c:4f:70:b4:a5:d2:35:25:e9:32");
    let row = client.get(keypairs).await.json()["keypairs"][0].clone();
    assert_eq!(row["keypair"]["name"], "k");
    assert_eq!(client.delete(&format!("{keypairs}/k")).await.status, 202);
    assert_eq!(client.delete(&format!("{keypairs}/k")).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_sent_makes_a_site_panic() {
    let world = World::new(Scenario::default());
    let client = Client::at(&world, "Zone1").await;
    let bodies = [
        "",
        "{",
        "null",
        "[]",
        "3",
        "{\"server\": 3}",
        "{\"server\": {\"name\": [], \"flavorRef\": {}}}",
        "{\"server\":{\"name\":\"a\",\"flavorRef\":\"tiny\",\"imageRef\":\"\",\"networks\":[3],\"block_device_mapping_v2\":[1]}}",
        "{\"flavor\": {\"name\": \"a\", \"ram\": 1e300, \"vcpus\": -1, \"disk\": 99999999999}}",
        "{\"network\": {\"name\": 3}}",
        "{\"subnet\": {\"network_id\": \"x\", \"ip_version\": 4, \"cidr\": \"10.0.0.0/99\"}}",
        "{\"port\": {\"network_id\": \"x\", \"fixed_ips\": [3]}}",
        "{\"auth\": {\"identity\": {\"methods\": [3]}}}",
        "{\"user\": {\"name\": 3}}",
        "{\"keypair\": {\"name\": \"\", \"public_key\": \"x\"}}",
        "{\"id\": \"x\", \"tags\": 3}",
    ];
    let paths = [
        "/identity/v3/auth/tokens",
        "/identity/v3/users",
        "/identity/v3/users/x/application_credentials",
        "/image/v2/images",
        "/image/v2/images/x/members",
        "/compute/v2.1/servers",
        "/compute/v2.1/servers/x/action",
        "/compute/v2.1/flavors",
        "/compute/v2.1/os-keypairs",
        "/compute/v2.1/os-server-groups",
        "/networking/v2.0/networks",
        "/networking/v2.0/subnets",
        "/networking/v2.0/ports",
        "/networking/v2.0/routers",
        "/networking/v2.0/security-groups",
        "/networking/v2.0/security-group-rules",
        "/placement/resource_providers",
        "/nowhere",
        "/compute/v2.1/%ff//",
    ];
    for path in paths {
        for body in bodies {
            for method in ["POST", "PUT", "PATCH"] {
                let answer = client.send(method, path, &[("openstack-api-version", "compute 2.93")], body).await;
                assert!((200..500).contains(&answer.status), "{method} {path} {body}: {}", answer.status);
            }
        }
    }
}
