use edge::sim::{Scenario, World};
use serde_json::json;

use super::client::{Client, by_password, pass};

#[tokio::test(start_paused = true)]
async fn a_token_names_its_user_and_the_endpoints_of_its_site() {
    let world = World::new(Scenario::default());
    let client = Client::stranger(&world, "Zone2");
    let answer = client.post("/identity/v3/auth/tokens", by_password("demo", "zone2-secret", "demo")).await;
    assert_eq!(answer.status, 201);
    let token = &answer.json()["token"];
    assert_eq!((&token["user"]["name"], &token["project"]["name"]), (&json!("demo"), &json!("demo")));
    assert_eq!(token["expires_at"], "2026-01-01T01:00:00.000000Z");
    let catalog = token["catalog"].as_array().unwrap();
    let compute = catalog.iter().find(|service| service["type"] == "compute").unwrap();
    let public = compute["endpoints"].as_array().unwrap().iter().find(|one| one["interface"] == "public").unwrap();
    assert_eq!((&public["url"], &public["region"]), (&json!("http://zone2.sim/compute/v2.1"), &json!("Zone2")));
}

#[tokio::test(start_paused = true)]
async fn wrong_passwords_and_other_sites_tokens_are_refused() {
    let world = World::new(Scenario::default());
    let mut client = Client::stranger(&world, "Zone1");
    let answer = client.post("/identity/v3/auth/tokens", by_password("admin", "zone2-secret", "admin")).await;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &json!(401)));
    let answer = client.post("/identity/v3/auth/tokens", json!({"auth": {}})).await;
    assert_eq!(answer.status, 400);
    client.token = Client::at(&world, "Zone2").await.token;
    for path in ["/compute/v2.1/servers", "/image/v2/images", "/networking/v2.0/networks", "/identity/v3/projects"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.header("www-authenticate").starts_with("Keystone uri="), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_expires_on_the_virtual_clock_and_dies_when_revoked() {
    let world = World::new(Scenario::from_yaml("defaults: {token_lifetime: 10s}").unwrap());
    let client = Client::at(&world, "Zone1").await;
    assert_eq!(client.get("/compute/v2.1/servers").await.status, 200);
    pass(11).await;
    assert_eq!(client.get("/compute/v2.1/servers").await.status, 401);
    let client = Client::at(&world, "Zone1").await;
    let answer = client.send("DELETE", "/identity/v3/auth/tokens", &[("x-subject-token", &client.token)], "").await;
    assert_eq!(answer.status, 204);
    assert_eq!(client.get("/compute/v2.1/servers").await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn an_application_credential_makes_tokens_until_it_is_deleted() {
    let world = World::new(Scenario::default());
    let client = Client::named(&world, "Zone1", "demo", "demo").await;
    let me = client.send("GET", "/identity/v3/auth/tokens", &[("x-subject-token", &client.token)], "").await.json();
    let user = me["token"]["user"]["id"].as_str().unwrap().to_string();
    let path = format!("/identity/v3/users/{user}/application_credentials");
    let made = client.post(&path, json!({"application_credential": {"name": "edge"}})).await;
    assert_eq!(made.status, 201);
    let credential = made.json()["application_credential"].clone();
    let listed = client.get(&path).await.json();
    assert!(listed["application_credentials"][0].get("secret").is_none());
    let auth = json!({"auth": {"identity": {"methods": ["application_credential"], "application_credential": {
        "id": credential["id"], "secret": credential["secret"],
    }}}});
    let mut other = Client::stranger(&world, "Zone1");
    let answer = other.post("/identity/v3/auth/tokens", auth.clone()).await;
    assert_eq!((answer.status, &answer.json()["token"]["project"]["name"]), (201, &json!("demo")));
    other.token = answer.header("x-subject-token").to_string();
    assert_eq!(other.get("/compute/v2.1/servers").await.status, 200);
    let id = credential["id"].as_str().unwrap();
    assert_eq!(client.delete(&format!("{path}/{id}")).await.status, 204);
    assert_eq!(other.get("/compute/v2.1/servers").await.status, 401);
    assert_eq!(other.post("/identity/v3/auth/tokens", auth).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn names_are_found_without_case_and_unknown_filters_are_ignored() {
    let world = World::new(Scenario::default());
    let client = Client::at(&world, "Zone1").await;
    let count = async |query: &str| {
        let body = client.get(&format!("/identity/v3/projects?{query}")).await.json();
        body["projects"].as_array().unwrap().len()
    };
    assert_eq!(count("name=DEMO").await, 1);
    assert_eq!(count("name=dem").await, 0);
    assert_eq!(count("nosuch=1").await, 2);
    let member = Client::named(&world, "Zone1", "demo", "demo").await;
    assert_eq!(member.get("/identity/v3/users").await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn a_new_password_voids_the_tokens() {
    let world = World::new(Scenario::default());
    let admin = Client::at(&world, "Zone1").await;
    let demo = Client::named(&world, "Zone1", "demo", "demo").await;
    let users = admin.get("/identity/v3/users?name=demo").await.json();
    let path = format!("/identity/v3/users/{}", users["users"][0]["id"].as_str().unwrap());
    let change = json!({"user": {"password": "new"}}).to_string();
    assert_eq!(admin.send("PATCH", &path, &[], change).await.status, 200);
    assert_eq!(demo.get("/compute/v2.1/servers").await.status, 401);
    let answer = demo.post("/identity/v3/auth/tokens", by_password("demo", "new", "demo")).await;
    assert_eq!(answer.status, 201);
}
