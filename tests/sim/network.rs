use edge::sim::{Scenario, World};
use serde_json::{Value, json};

use super::client::Client;

const V2: &str = "/networking/v2.0";

async fn made(client: &Client, path: &str, singular: &str, body: Value) -> Value {
    let answer = client.post(&format!("{V2}/{path}"), json!({singular: body})).await;
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    answer.json()[singular].clone()
}

fn kind(body: &Value) -> &str {
    body["NeutronError"]["type"].as_str().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_in_use_cannot_be_deleted() {
    let world = World::new(Scenario::default());
    let client = Client::named(&world, "Zone1", "demo", "demo").await;
    let network = made(&client, "networks", "network", json!({"name": "n"})).await;
    let subnet = json!({"network_id": network["id"], "ip_version": 4, "cidr": "192.168.7.0/29"});
    let subnet = made(&client, "subnets", "subnet", subnet).await;
    assert_eq!(
        (&subnet["gateway_ip"], &subnet["allocation_pools"][0]["end"]),
        (&json!("192.168.7.1"), &json!("192.168.7.6"))
    );
    let port = made(&client, "ports", "port", json!({"network_id": network["id"]})).await;
    assert_eq!(port["fixed_ips"][0]["ip_address"], "192.168.7.2");
    let delete = async |path: &str, id: &Value| client.delete(&format!("{V2}/{path}/{}", id.as_str().unwrap())).await;
    assert_eq!(kind(&delete("networks", &network["id"]).await.json()), "NetworkInUse");
    assert_eq!(kind(&delete("subnets", &subnet["id"]).await.json()), "SubnetInUse");
    assert_eq!(delete("ports", &port["id"]).await.status, 204);
    assert_eq!(delete("networks", &network["id"]).await.status, 204);
    assert_eq!(delete("subnets", &subnet["id"]).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_subnet_runs_out_of_addresses() {
    let world = World::new(Scenario::default());
    let client = Client::named(&world, "Zone1", "demo", "demo").await;
    let network = made(&client, "networks", "network", json!({})).await;
    made(&client, "subnets", "subnet", json!({"network_id": network["id"], "ip_version": 4, "cidr": "10.9.9.0/30"}))
        .await;
    let port = json!({"port": {"network_id": network["id"]}});
    assert_eq!(client.post(&format!("{V2}/ports"), port.clone()).await.status, 201);
    let second = client.post(&format!("{V2}/ports"), port).await;
    assert_eq!((second.status, kind(&second.json())), (409, "IpAddressGenerationFailure"));
}

#[tokio::test(start_paused = true)]
async fn filters_are_exact_and_unknown_ones_refused() {
    let world = World::new(Scenario::default());
    let client = Client::at(&world, "Zone1").await;
    made(&client, "networks", "network", json!({"name": "n", "description": "x edge:K1"})).await;
    let count = async |query: &str| {
        let body = client.get(&format!("{V2}/networks?{query}")).await.json();
        body["networks"].as_array().unwrap().len()
    };
    assert_eq!(count("description=x%20edge:K1").await, 1);
    assert_eq!(count("description=edge:K1").await, 0);
    assert_eq!(count("name=n&name=private").await, 2);
    let unknown = client.get(&format!("{V2}/networks?nosuch=1")).await;
    assert_eq!((unknown.status, kind(&unknown.json())), (400, "HTTPBadRequest"));
    let tagged = client.post(&format!("{V2}/networks"), json!({"network": {"tags": ["a"]}})).await;
    assert_eq!(tagged.status, 400);
}

#[tokio::test(start_paused = true)]
async fn tags_are_put_afterwards() {
    let world = World::new(Scenario::default());
    let client = Client::at(&world, "Zone1").await;
    let network = made(&client, "networks", "network", json!({"name": "n"})).await;
    let path = format!("{V2}/networks/{}", network["id"].as_str().unwrap());
    assert_eq!(client.put(&format!("{path}/tags"), json!({"tags": ["a", "b"]})).await.status, 200);
    assert_eq!(client.get(&path).await.json()["network"]["tags"], json!(["a", "b"]));
    let found = client.get(&format!("{V2}/networks?tags=a,b")).await.json();
    assert_eq!(found["networks"].as_array().unwrap().len(), 1);
    assert_eq!(client.delete(&format!("{path}/tags/c")).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_change_may_name_the_revision_it_was_decided_on() {
    let world = World::new(Scenario::default());
    let client = Client::at(&world, "Zone1").await;
    let network = made(&client, "networks", "network", json!({"name": "n"})).await;
    let path = format!("{V2}/networks/{}", network["id"].as_str().unwrap());
    let rename = async |revision: i64| {
        let condition = format!("revision_number={revision}");
        client.send("PUT", &path, &[("if-match", &condition)], json!({"network": {"name": "m"}}).to_string()).await
    };
    let read = network["revision_number"].as_i64().unwrap();
    assert_eq!(rename(read).await.status, 200);
    let stale = rename(read).await;
    assert_eq!((stale.status, kind(&stale.json())), (412, "RevisionNumberConstraintFailed"));
}

#[tokio::test(start_paused = true)]
async fn a_router_interface_is_linked_once() {
    let world = World::new(Scenario::default());
    let client = Client::at(&world, "Zone1").await;
    let subnet = world.network_resources("Zone1", "subnets")[0]["id"].clone();
    let router = made(&client, "routers", "router", json!({"name": "r"})).await;
    let path = format!("{V2}/routers/{}", router["id"].as_str().unwrap());
    let link =
        async |verb: &str| client.put(&format!("{path}/{verb}_router_interface"), json!({"subnet_id": subnet})).await;
    let port = link("add").await.json()["port_id"].as_str().unwrap().to_string();
    let twice = link("add").await;
    assert_eq!(twice.status, 400);
    assert!(twice.json()["NeutronError"]["message"].as_str().unwrap().contains("already has a port"));
    assert_eq!(client.delete(&format!("{V2}/ports/{port}")).await.status, 409);
    assert_eq!(client.delete(&path).await.status, 409);
    assert_eq!(link("remove").await.status, 200);
    assert_eq!(link("remove").await.status, 404);
    assert_eq!(client.delete(&path).await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn every_project_has_a_default_security_group() {
    let world = World::new(Scenario::default());
    let client = Client::named(&world, "Zone1", "demo", "demo").await;
    let groups = client.get(&format!("{V2}/security-groups")).await.json()["security_groups"].clone();
    assert_eq!(groups.as_array().unwrap().len(), 1);
    assert_eq!(
        (&groups[0]["name"], groups[0]["security_group_rules"].as_array().unwrap().len()),
        (&json!("default"), 4)
    );
    let group = made(&client, "security-groups", "security_group", json!({"name": "web"})).await;
    assert_eq!(group["security_group_rules"].as_array().unwrap().len(), 2);
    let rule = json!({"security_group_id": group["id"], "direction": "ingress", "protocol": "TCP", "port_range_min": 80, "port_range_max": 80});
    assert_eq!(made(&client, "security-group-rules", "security_group_rule", rule.clone()).await["protocol"], "tcp");
    let twin = client.post(&format!("{V2}/security-group-rules"), json!({"security_group_rule": rule})).await;
    assert_eq!((twin.status, kind(&twin.json())), (409, "SecurityGroupRuleExists"));
}

#[tokio::test(start_paused = true)]
async fn several_at_once_are_all_made_or_none() {
    let world = World::new(Scenario::from_yaml("sites: {A: {quotas: {networks: 3}}}").unwrap());
    let client = Client::at(&world, "A").await;
    let many = |count: usize| json!({"networks": vec![json!({"name": "n"}); count]});
    let over = client.post(&format!("{V2}/networks"), many(3)).await;
    assert_eq!((over.status, kind(&over.json())), (409, "OverQuota"));
    assert_eq!(world.network_resources("A", "networks").len(), 1);
    assert_eq!(client.post(&format!("{V2}/networks"), many(2)).await.status, 201);
    let page = client.get(&format!("{V2}/networks?limit=2")).await.json();
    let next = page["networks_links"][0]["href"].as_str().unwrap().strip_prefix(&client.base).unwrap().to_string();
    assert_eq!(client.get(&next).await.json()["networks"].as_array().unwrap().len(), 1);
}
