//! Against simulated sites, in process and under virtual time: waiting costs nothing.

use super::{at, get, limits, listing, open, post, request};
use edge::config::{Environment, load_clouds};
use edge::drivers::{Answer, AnswerBody, Failure, Session};
use edge::sim::{Action, Fault, Scenario, World};
use edge_lang::library::{Method, Pages, Version};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const SITE: &str = "Zone1";

fn world(yaml: &str) -> World {
    World::new(Scenario::from_yaml(yaml).unwrap_or_else(|e| panic!("{e}")))
}

fn zones() -> World {
    World::new(Scenario::of_sites(["Zone1", "Zone2"]))
}

/// As a user has it: through a clouds.yaml, changed by `edit`.
fn session_with(world: &World, edit: impl Fn(String) -> String) -> Box<dyn Session> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("clouds.yaml"), edit(world.clouds_yaml())).unwrap();
    let environment = Environment { working_directory: directory.path().into(), ..Environment::default() };
    let clouds = load_clouds(&environment);
    let cloud = clouds.get(SITE, None).unwrap_or_else(|| panic!("{:?}", clouds.problems)).clone();
    open(cloud, Arc::new(world.transport()))
}

fn session(world: &World) -> Box<dyn Session> {
    session_with(world, |text| text)
}

fn fault(action: Action) -> Fault {
    Fault::at(SITE, action)
}

/// Requests that a service got, as `GET 200`; those without an answer have 0.
fn seen(world: &World, service: &str) -> Vec<String> {
    let of = world.requests(SITE).into_iter().filter(|r| r.service == service);
    of.map(|r| format!("{} {}", r.method, r.status.unwrap_or(0))).collect()
}

fn json_of(answer: Result<Answer, Failure>) -> Value {
    match answer.unwrap_or_else(|e| panic!("{e}")) {
        Answer { status: 200..=299, body: AnswerBody::Json(value), .. } => value,
        Answer { status, .. } => panic!("{status}"),
    }
}

fn server() -> Value {
    json!({"server": {"name": "vm", "flavorRef": "nothing", "imageRef": "", "networks": "auto"}})
}

fn image() -> Value {
    json!({"name": "mine", "disk_format": "raw", "container_format": "bare"})
}

#[tokio::test(start_paused = true)]
async fn lists_and_says_who_we_are() {
    let world = zones();
    let session = session(&world);
    let account = session.account().await.unwrap();
    assert!(account.project_id.is_some() && !account.user_id.is_empty(), "{account:?}");
    let kinds: Vec<String> = session.services().await.unwrap().into_iter().map(|s| s.kind).collect();
    for kind in ["identity", "compute", "image", "network", "placement"] {
        assert!(kinds.iter().any(|k| k == kind), "{kind} in {kinds:?}");
    }
    for (service, path, key, pages) in [
        ("compute", "/flavors", "flavors", Pages::Links),
        ("image", "/images", "images", Pages::Next),
        ("network", "/networks", "networks", Pages::Links),
    ] {
        let rows = session.list(listing(service, path, key, pages), limits(60)).await.unwrap();
        assert!(!rows.rows.is_empty() && !rows.cut, "{service}");
    }
    // One token serves them all.
    assert_eq!(seen(&world, "identity"), ["POST 201"]);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_denied_and_not_tried_again() {
    let world = zones();
    let session = session_with(&world, |text| text.replace("zone1-secret", "hunter-2"));
    for _ in 0..3 {
        match session.send(get("compute", "/servers"), None, limits(60)).await.err() {
            Some(Failure::Denied(why)) => {
                assert!(why.contains("does not accept the user") && why.contains("zone1.sim"), "{why}");
                assert!(!why.contains("hunter-2") && !why.contains('\n'), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen(&world, "identity"), ["POST 401"]);
    assert_eq!(seen(&world, "compute"), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_renewed_once_for_all() {
    let world = zones();
    let session = session(&world);
    session.account().await.unwrap();
    world.inject(fault(Action::Status(401)).service("compute").times(5));
    let calls = (0..5).map(|_| session.send(get("compute", "/servers"), None, limits(60)));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.unwrap().status, 200);
    }
    assert_eq!(seen(&world, "identity"), ["POST 201", "POST 201"]);
}

#[tokio::test(start_paused = true)]
async fn a_post_refused_for_its_token_is_sent_again_once() {
    let world = zones();
    let session = session(&world);
    world.inject(fault(Action::Status(401)).on("POST", "/images$").times(1));
    assert_eq!(json_of(session.send(post("image", "/images", image()), None, limits(60)).await)["name"], "mine");
    assert_eq!(world.images(SITE).iter().filter(|i| i.name.as_deref() == Some("mine")).count(), 1);
    world.inject(fault(Action::Status(401)).on("POST", "/images$"));
    // For ever: the answer is handed over.
    assert_eq!(session.send(post("image", "/images", image()), None, limits(60)).await.unwrap().status, 401);
    assert_eq!(seen(&world, "image"), ["POST 401", "POST 201", "POST 401", "POST 401"]);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_before_its_end() {
    let world = world("sites: {Zone1: {token_lifetime: 10m}}");
    let session = session(&world);
    session.account().await.unwrap();
    tokio::time::sleep(Duration::from_secs(8 * 60)).await;
    session.send(get("compute", "/servers"), None, limits(60)).await.unwrap();
    assert_eq!(seen(&world, "identity").len(), 1);
    tokio::time::sleep(Duration::from_secs(90)).await;
    session.send(get("compute", "/servers"), None, limits(60)).await.unwrap();
    assert_eq!(seen(&world, "identity").len(), 2);
    assert_eq!(seen(&world, "compute"), ["GET 200", "GET 200"], "none met an expired token");
    // Without an identity service it serves to its end, and no longer.
    for action in [Action::Refuse, Action::Hang] {
        tokio::time::sleep(Duration::from_secs(9 * 60 + 10)).await;
        world.inject(fault(action).service("identity"));
        assert_eq!(session.send(get("compute", "/servers"), None, limits(60)).await.unwrap().status, 200);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let failure = session.send(get("compute", "/servers"), None, limits(60)).await.err();
        assert!(matches!(failure, Some(Failure::NotSent(_))), "{failure:?}");
        world.heal(SITE);
        assert_eq!(session.send(get("compute", "/servers"), None, limits(60)).await.unwrap().status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_site_is_not_sent_to() {
    let world = zones();
    let session = session(&world);
    session.account().await.unwrap();
    world.inject(fault(Action::Refuse));
    match session.send(post("compute", "/servers", server()), None, limits(60)).await.err() {
        Some(Failure::NotSent(why)) => assert!(why.contains("zone1.sim"), "{why}"),
        other => panic!("{other:?}"),
    }
    // Back during the call.
    world.heal(SITE);
    world.inject(fault(Action::Refuse).times(2));
    assert_eq!(session.send(get("compute", "/servers"), None, limits(60)).await.unwrap().status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_hung_site_is_unknown_at_the_time_limit() {
    let world = zones();
    let session = session(&world);
    session.account().await.unwrap();
    world.inject(fault(Action::Hang));
    let began = tokio::time::Instant::now();
    let failure = session.send(post("compute", "/servers", server()), None, limits(60)).await.err();
    assert!(matches!(failure, Some(Failure::Unknown(_))), "{failure:?}");
    assert_eq!(began.elapsed().as_secs(), 60);
    assert_eq!(seen(&world, "compute"), ["POST 0"]);
    // A listing that got no answer has done nothing.
    let failure = session.list(listing("compute", "/servers", "servers", Pages::Links), limits(60)).await.err();
    assert!(matches!(failure, Some(Failure::NotSent(_))), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_identity_service_sends_nothing() {
    let world = zones();
    let session = session(&world);
    world.inject(fault(Action::Hang).service("identity"));
    let failure = session.send(post("compute", "/servers", server()), None, limits(60)).await.err();
    assert!(matches!(failure, Some(Failure::NotSent(_))), "{failure:?}");
    assert_eq!(seen(&world, "compute"), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_unknown_and_a_post_is_not_sent_twice() {
    let world = zones();
    let session = session(&world);
    world.inject(fault(Action::DropAnswer).on("POST", "/images$"));
    let failure = session.send(post("image", "/images", image()), None, limits(60)).await.err();
    assert!(matches!(failure, Some(Failure::Unknown(_))), "{failure:?}");
    assert_eq!(world.images(SITE).iter().filter(|i| i.name.as_deref() == Some("mine")).count(), 1);
    assert_eq!(seen(&world, "image"), ["POST 0"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_repeatable_is_sent_again_after_silence() {
    let world = zones();
    let session = session(&world);
    world.inject(fault(Action::DropAnswer).on("GET", "/images").times(2));
    assert_eq!(session.send(get("image", "/images"), None, limits(60)).await.unwrap().status, 200);
    world.inject(fault(Action::LoseRequest).on("DELETE", "/images").times(1));
    let absent = request(Method::Delete, "image", "/images/0a");
    assert_eq!(session.send(absent, None, limits(60)).await.unwrap().status, 404);
    assert_eq!(seen(&world, "image"), ["GET 0", "GET 0", "GET 200", "DELETE 0", "DELETE 404"]);
}

#[tokio::test(start_paused = true)]
async fn after_silence_a_refused_connection_is_still_unknown() {
    let world = zones();
    let session = session(&world);
    session.account().await.unwrap();
    world.inject(fault(Action::DropAnswer).on("DELETE", "/images").times(1));
    world.inject(fault(Action::Refuse).on("DELETE", "/images"));
    let failure = session.send(request(Method::Delete, "image", "/images/0a"), None, limits(60)).await.err();
    assert!(matches!(failure, Some(Failure::Unknown(_))), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn the_same_server_error_again_is_a_refusal() {
    let world = zones();
    let session = session(&world);
    session.account().await.unwrap();
    world.inject(fault(Action::Status(500)).service("compute"));
    assert_eq!(session.send(get("compute", "/servers"), None, limits(600)).await.unwrap().status, 500);
    assert_eq!(seen(&world, "compute"), ["GET 500", "GET 500"]);
    // A POST may have been carried out: it is handed over at once.
    assert_eq!(session.send(post("compute", "/servers", server()), None, limits(600)).await.unwrap().status, 500);
    assert_eq!(seen(&world, "compute").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn microversions_are_asked_for_told_and_refused() {
    let world = world("sites: {Zone1: {microversion: '2.60'}}");
    let session = session(&world);
    assert_eq!(session.versions("compute").await, Ok(Some((Version::new(2, 1), Version::new(2, 60)))));
    assert_eq!(session.versions("image").await, Ok(None));
    let answer = session.send(at("2.37", get("compute", "/servers")), None, limits(60)).await.unwrap();
    assert_eq!(answer.version, Some(Version::new(2, 37)));
    assert!(answer.request_id.is_some_and(|id| id.starts_with("req-")));
    match session.send(at("2.61", post("compute", "/servers", server())), None, limits(60)).await.err() {
        Some(Failure::NotOffered(why)) => {
            assert_eq!(why, "zone1.sim does not speak version 2.61 of `compute`; it speaks 2.1 to 2.60");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_there_is_told_with_those_that_are() {
    let world = world("sites: {Zone1: {services: [identity, image]}}");
    let session = session(&world);
    match session.send(get("compute", "/servers"), None, limits(60)).await.err() {
        Some(Failure::NotOffered(why)) => assert_eq!(why, "no service `compute`; offered are identity, image"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn pages_are_followed_and_limited() {
    let world = zones();
    let session = session(&world);
    for i in 0..7 {
        let body = json!({"name": format!("i{i}"), "disk_format": "raw", "container_format": "bare"});
        session.send(post("image", "/images", body), None, limits(60)).await.unwrap();
    }
    world.forget_requests();
    let all = session.list(listing("image", "/images?limit=3", "images", Pages::Next), limits(60)).await.unwrap();
    let mut names: Vec<&str> = all.rows.iter().filter_map(|r| r["name"].as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!((names.len(), all.cut), (all.rows.len(), false));
    assert_eq!(seen(&world, "image").len(), all.rows.len().div_ceil(3) + usize::from(all.rows.len() % 3 == 0));
    let few = edge::drivers::Limits { rows: 4, ..limits(60) };
    let some = session.list(listing("image", "/images?limit=3", "images", Pages::Next), few).await.unwrap();
    assert_eq!((some.rows.len(), some.cut), (4, true));
    let flavors =
        session.list(listing("compute", "/flavors?limit=1", "flavors", Pages::Links), limits(60)).await.unwrap();
    assert_eq!(flavors.rows.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_is_refused_says_why() {
    let world = zones();
    let session = session(&world);
    match session.list(listing("compute", "/servers/detail?nosuch", "servers", Pages::Links), limits(60)).await {
        Ok(rows) => assert_eq!(rows.rows.len(), 0),
        Err(e) => panic!("{e}"),
    }
    match session.list(listing("compute", "/nowhere", "servers", Pages::Links), limits(60)).await.err() {
        Some(Failure::Refused(404, complaint)) => assert!(!complaint.message.is_empty()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn only_so_many_requests_are_in_flight() {
    let world = zones();
    let session = session(&world);
    session.account().await.unwrap();
    world.inject(fault(Action::Hang).service("compute"));
    let many =
        futures_util::future::join_all((0..10).map(|_| session.send(get("compute", "/servers"), None, limits(60))));
    let failures = many.await;
    assert!(failures.iter().all(|f| f.is_err()));
    // Four got through, which is the limit of these tests; the others never left.
    let left = failures.iter().filter(|f| matches!(f, Err(Failure::Unknown(_)))).count();
    let waited = failures.iter().filter(|f| matches!(f, Err(Failure::NotSent(_)))).count();
    assert_eq!((left, waited, seen(&world, "compute").len()), (4, 6, 4));
}

#[tokio::test(start_paused = true)]
async fn extensions_are_asked_for_once() {
    let world = zones();
    let session = session(&world);
    for _ in 0..2 {
        assert_eq!(session.has_extension("network", "/v2.0", "no-such-extension").await, Ok(false));
    }
    assert_eq!(seen(&world, "network").len(), 1);
}
