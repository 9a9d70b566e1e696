use bytes::Bytes;
use edge::sim::{Scenario, World};
use edge::transport::{Body, Transport};
use http_body_util::{BodyExt, StreamBody};
use md5::Digest;
use serde_json::{Value, json};

use super::client::{Client, pass};

const PATCH: (&str, &str) = ("content-type", "application/openstack-images-v2.1-json-patch");
const DATA: (&str, &str) = ("content-type", "application/octet-stream");

async fn queued(client: &Client, more: Value) -> String {
    let mut body = json!({"name": "mine", "disk_format": "raw", "container_format": "bare"});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    let answer = client.post("/image/v2/images", body).await;
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    answer.json()["id"].as_str().unwrap().to_string()
}

#[tokio::test(start_paused = true)]
async fn data_is_kept_whole_and_checksummed() {
    let world = World::new(Scenario::default());
    let client = Client::at(&world, "Zone1").await;
    let id = queued(&client, json!({})).await;
    let data: Vec<u8> = (0..1_000_000u32).map(|n| (n * 7 % 251) as u8).collect();
    let file = format!("/image/v2/images/{id}/file");
    assert_eq!(client.get(&file).await.status, 204);
    assert_eq!(client.send("PUT", &file, &[DATA], data.clone()).await.status, 204);
    let image = client.get(&format!("/image/v2/images/{id}")).await.json();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!((&image["status"], &image["size"]), (&json!("active"), &json!(1_000_000)));
    assert_eq!(image["checksum"], hex(&md5::Md5::digest(&data)));
    assert_eq!(image["os_hash_value"], hex(&sha2::Sha512::digest(&data)));
    assert_eq!(client.get(&file).await.body, data);
    let again = client.send("PUT", &file, &[DATA], data).await;
    assert_eq!(again.status, 409);
    assert!(String::from_utf8_lossy(&again.body).contains("from active to saving"));
}

#[tokio::test(start_paused = true)]
async fn cirros_is_the_same_at_all_sites_unless_the_scenario_differs() {
    let world = World::new(Scenario::default());
    let sum = |world: &World, site: &str| world.images(site)[0].hash.clone();
    assert!(sum(&world, "Zone1").is_some());
    assert_eq!(sum(&world, "Zone1"), sum(&world, "Zone3"));
    let yaml = "sites: {A: {}, B: {images: [{name: cirros, content: other}]}, C: {images: []}}";
    let world = World::new(Scenario::from_yaml(yaml).unwrap());
    assert_ne!(sum(&world, "A"), sum(&world, "B"));
    assert_eq!(world.images("C"), []);
}

#[tokio::test(start_paused = true)]
async fn an_id_used_once_is_taken_for_ever() {
    let world = World::new(Scenario::default());
    let client = Client::at(&world, "Zone1").await;
    let id = "6a1c3a68-8a4f-4a55-9d36-f6f1b0a3f3a1";
    assert_eq!(queued(&client, json!({"id": id})).await, id);
    assert_eq!(client.delete(&format!("/image/v2/images/{id}")).await.status, 204);
    assert_eq!(client.get(&format!("/image/v2/images/{id}")).await.status, 404);
    assert_eq!(client.post("/image/v2/images", json!({"id": id})).await.status, 409);
}

#[tokio::test(start_paused = true)]
async fn data_cut_off_leaves_the_image_queued() {
    let world = World::new(Scenario::default());
    let client = Client::at(&world, "Zone1").await;
    let id = queued(&client, json!({})).await;
    let chunk = Bytes::from(vec![1u8; 100_000]);
    let frames = futures_util::stream::iter([Ok(http_body::Frame::data(chunk))]);
    let endless = futures_util::StreamExt::chain(frames, futures_util::stream::pending());
    let body: Body = BodyExt::boxed_unsync(StreamBody::new(endless));
    let request = http::Request::put(format!("{}/image/v2/images/{id}/file", client.base))
        .header("x-auth-token", &client.token)
        .header(DATA.0, DATA.1)
        .body(body)
        .unwrap();
    let status = || world.images("Zone1").into_iter().find(|image| image.id == id).unwrap().status;
    let transport = world.transport();
    tokio::select! {
        _ = transport.send(request) => panic!("an endless body was answered"),
        _ = pass(1) => assert_eq!(status(), "saving"),
    }
    // The future is dropped, and with it the connection.
    pass(1).await;
    assert_eq!(status(), "queued");
    let file = format!("/image/v2/images/{id}/file");
    assert_eq!(client.send("PUT", &file, &[DATA], "whole").await.status, 204);
    assert_eq!(status(), "active");
}

#[tokio::test(start_paused = true)]
async fn lists_come_in_pages_that_lead_on() {
    let world = World::new(Scenario::default());
    let client = Client::at(&world, "Zone1").await;
    for n in 0..7 {
        queued(&client, json!({"name": format!("image-{n}"), "tags": ["ours"]})).await;
        pass(1).await;
    }
    let (mut next, mut names, mut pages) =
        (Some("/v2/images?limit=3&tag=ours&sort=name:asc".to_string()), Vec::new(), 0);
    while let Some(path) = next {
        let body = client.get(&format!("/image{path}")).await.json();
        names
            .extend(body["images"].as_array().unwrap().iter().map(|image| image["name"].as_str().unwrap().to_string()));
        next = body["next"].as_str().map(str::to_string);
        pages += 1;
    }
    assert_eq!(pages, 3);
    assert_eq!(names, (0..7).map(|n| format!("image-{n}")).collect::<Vec<_>>());
    let none = client.get("/image/v2/images?nosuch=1").await.json();
    assert_eq!(none["images"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn patches_have_their_own_type_and_rules() {
    let world = World::new(Scenario::default());
    let client = Client::at(&world, "Zone1").await;
    let id = queued(&client, json!({"edge_effect": "k1"})).await;
    let path = format!("/image/v2/images/{id}");
    let patch = async |changes: Value, kind| client.send("PATCH", &path, &[kind], changes.to_string()).await;
    let add = json!([{"op": "add", "path": "/note", "value": "x"}]);
    assert_eq!(patch(add.clone(), ("content-type", "application/json")).await.status, 415);
    assert_eq!(patch(add, PATCH).await.json()["note"], "x");
    assert_eq!(patch(json!([{"op": "replace", "path": "/absent", "value": "x"}]), PATCH).await.status, 409);
    assert_eq!(patch(json!([{"op": "replace", "path": "/size", "value": 3}]), PATCH).await.status, 403);
    assert_eq!(patch(json!([{"op": "add", "path": "/flag", "value": true}]), PATCH).await.status, 400);
    assert_eq!(patch(json!([{"op": "replace", "path": "/protected", "value": true}]), PATCH).await.status, 200);
    assert_eq!(client.delete(&path).await.status, 403);
    assert_eq!(client.get("/image/v2/images?edge_effect=k1").await.json()["images"][0]["id"], id);
}

#[tokio::test(start_paused = true)]
async fn quotas_and_limits_refuse_with_413() {
    let yaml = "sites: {A: {quotas: {images: 2}, image_limit: 1000}}";
    let world = World::new(Scenario::from_yaml(yaml).unwrap());
    let client = Client::at(&world, "A").await;
    let id = queued(&client, json!({})).await;
    assert_eq!(client.post("/image/v2/images", json!({"name": "third"})).await.status, 413);
    let file = format!("/image/v2/images/{id}/file");
    assert_eq!(client.send("PUT", &file, &[DATA], vec![0u8; 1001]).await.status, 413);
    assert_eq!(client.get(&format!("/image/v2/images/{id}")).await.json()["status"], "queued");
}

#[tokio::test(start_paused = true)]
async fn versions_need_no_token_and_are_answered_300() {
    let world = World::new(Scenario::default());
    let client = Client::stranger(&world, "Zone1");
    assert_eq!(client.get("/image/").await.status, 300);
    assert_eq!(client.get("/image/versions").await.status, 200);
    assert_eq!(client.get("/image/v2/images").await.status, 401);
    let unknown = Client::at(&world, "Zone1").await.get("/image/v2/images/nosuch").await;
    assert_eq!((unknown.status, &unknown.json()["title"]), (404, &json!("Not Found")));
}
