use std::time::Duration;

use edge::sim::{Action, Fault, Scenario, World};
use edge::transport::TransportError;
use serde_json::json;
use tokio::time::timeout;

use super::client::{Answered, Client, pass};

const SERVERS: &str = "/compute/v2.1/servers";

/// Sends the request for a server and gives up after five seconds.
async fn boot(client: &Client) -> Option<Result<Answered, TransportError>> {
    let body = client.server("vm", json!({})).await.to_string();
    let headers = [("openstack-api-version", "compute 2.93"), ("content-type", "application/json")];
    timeout(Duration::from_secs(5), client.try_send("POST", SERVERS, &headers, body)).await.ok()
}

fn on_boot(action: Action) -> Fault {
    Fault::at("Zone1", action).on("POST", "/servers$")
}

#[tokio::test(start_paused = true)]
async fn refused_is_not_sent() {
    let world = World::new(Scenario::default());
    let client = Client::at(&world, "Zone1").await;
    world.inject(on_boot(Action::Refuse));
    assert!(matches!(boot(&client).await, Some(Err(TransportError::NotSent(_)))));
    assert_eq!(world.servers("Zone1"), []);
    world.heal("Zone1");
    assert_eq!(boot(&client).await.unwrap().unwrap().status, 202);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_host_is_not_sent() {
    let world = World::new(Scenario::default());
    let mut client = Client::at(&world, "Zone1").await;
    client.base = "http://zone9.sim".into();
    assert!(matches!(client.try_send("GET", "/", &[], "").await, Err(TransportError::NotSent(_))));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_answer_leaves_the_effect_and_a_lost_request_none() {
    let world = World::new(Scenario::default());
    let client = Client::at(&world, "Zone1").await;
    world.inject(on_boot(Action::LoseRequest).times(1));
    world.inject(on_boot(Action::DropAnswer).times(1));
    assert!(matches!(boot(&client).await, Some(Err(TransportError::Lost(_)))));
    assert_eq!(world.servers("Zone1").len(), 0);
    assert!(matches!(boot(&client).await, Some(Err(TransportError::Lost(_)))));
    assert_eq!(world.servers("Zone1").len(), 1);
    assert_eq!(boot(&client).await.unwrap().unwrap().status, 202);
    assert_eq!(world.servers("Zone1").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_frozen_site_was_sent_is_carried_out_after_the_thaw() {
    let world = World::new(Scenario::default());
    let client = Client::at(&world, "Zone1").await;
    world.inject(Fault::at("Zone1", Action::Freeze).service("compute"));
    assert!(boot(&client).await.is_none());
    assert_eq!(world.servers("Zone1"), []);
    world.heal("Zone1");
    pass(1).await;
    assert_eq!(world.servers("Zone1").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_freeze_ends_by_itself_at_its_time() {
    let yaml = "{sites: [Zone1], faults: [{site: Zone1, service: compute, do: freeze, until: 30s}]}";
    let world = World::new(Scenario::from_yaml(yaml).unwrap());
    let client = Client::at(&world, "Zone1").await;
    assert!(boot(&client).await.is_none());
    pass(20).await;
    assert_eq!(world.servers("Zone1").len(), 0);
    pass(10).await;
    assert_eq!(world.servers("Zone1").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hung_request_is_never_carried_out() {
    let world = World::new(Scenario::default());
    let client = Client::at(&world, "Zone1").await;
    world.inject(on_boot(Action::Hang));
    assert!(boot(&client).await.is_none());
    world.heal("Zone1");
    pass(60).await;
    assert_eq!(world.servers("Zone1"), []);
}

#[tokio::test(start_paused = true)]
async fn delays_add_up_and_a_status_carries_nothing_out() {
    let world = World::new(Scenario::default());
    let client = Client::at(&world, "Zone1").await;
    world.inject(on_boot(Action::Delay(Duration::from_secs(2))));
    world.inject(on_boot(Action::Delay(Duration::from_secs(1))));
    let before = world.elapsed();
    assert_eq!(boot(&client).await.unwrap().unwrap().status, 202);
    assert_eq!(world.elapsed() - before, Duration::from_secs(3));
    world.inject(on_boot(Action::Status(503)).nth(2));
    assert_eq!(boot(&client).await.unwrap().unwrap().status, 202);
    assert_eq!(boot(&client).await.unwrap().unwrap().status, 503);
    world.inject(on_boot(Action::Status(429)));
    let busy = boot(&client).await.unwrap().unwrap();
    assert_eq!((busy.status, busy.header("retry-after")), (429, "1"));
    assert_eq!(world.servers("Zone1").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn chance_follows_from_the_seed() {
    let statuses = async |seed: u64| {
        let yaml = format!(
            "{{seed: {seed}, sites: [Zone1], faults: [{{service: compute, probability: 0.5, do: {{status: 503}}}}]}}"
        );
        let world = World::new(Scenario::from_yaml(&yaml).unwrap());
        let client = Client::at(&world, "Zone1").await;
        let mut statuses = Vec::new();
        for _ in 0..40 {
            statuses.push(client.get(SERVERS).await.status);
        }
        (client.token, statuses)
    };
    let (first, again, other) = (statuses(7).await, statuses(7).await, statuses(8).await);
    assert_eq!(first, again);
    assert_ne!(first.1, other.1);
    assert!(first.1.contains(&200) && first.1.contains(&503));
}

#[tokio::test(start_paused = true)]
async fn every_request_is_on_record() {
    let world = World::new(Scenario::default());
    let client = Client::at(&world, "Zone1").await;
    world.forget_requests();
    world.inject(on_boot(Action::Status(503)));
    pass(3).await;
    boot(&client).await;
    let seen = world.requests("Zone1");
    let rows: Vec<_> =
        seen.iter().map(|seen| (&*seen.service, seen.method.as_str(), seen.path.as_str(), seen.status)).collect();
    assert_eq!(
        rows,
        [("image", "GET", "/image/v2/images?name=cirros", Some(200)), ("compute", "POST", SERVERS, Some(503)),]
    );
    assert_eq!((seen[1].at.as_secs(), &seen[1].fault), (3, &Some(Action::Status(503))));
    assert_eq!(world.requests("Zone3"), []);
}
