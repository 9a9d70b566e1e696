//! Many objects of a cluster read at once: a few by themselves, the rest by listings, with the answers that each would
//! have had.

use super::kubernetes::{open, paths};
use super::{limits, request};
use axum::Router;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use edge::drivers::{AnswerBody, Session};
use edge_lang::library::{Method, Request};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;

const MAPS: &str = "/prefix/api/v1/namespaces/shop/configmaps";

/// ConfigMaps `m000` to `m999`, of which the even ones are there; a page is of so many.
fn site(page: usize, listing: http::StatusCode) -> Router {
    Router::new().fallback(move |uri: http::Uri, query: RawQuery| async move {
        tokio::time::sleep(Duration::from_millis(10)).await;
        match uri.path().strip_prefix(MAPS) {
            Some("") if listing.is_success() => list(page, query.0.as_deref().unwrap_or_default()),
            Some("") => (listing, axum::Json(json!({"kind": "Status", "message": "no"}))).into_response(),
            Some(one) => {
                let name = one.trim_start_matches('/');
                match name[1..].parse::<usize>() {
                    Ok(n) if n % 2 == 0 => axum::Json(map(n, true)).into_response(),
                    _ => {
                        let message = format!("configmaps \"{name}\" not found");
                        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                            "message": message, "reason": "NotFound", "code": 404});
                        (http::StatusCode::NOT_FOUND, axum::Json(status)).into_response()
                    }
                }
            }
            None => http::StatusCode::NOT_FOUND.into_response(),
        }
    })
}

/// The items of a list do not say what they are.
fn map(n: usize, alone: bool) -> Value {
    let mut map = json!({"metadata": {"name": format!("m{n:03}")}, "data": {"n": n.to_string()}});
    if alone {
        map["kind"] = json!("ConfigMap");
        map["apiVersion"] = json!("v1");
    }
    map
}

fn list(page: usize, query: &str) -> Response {
    let from = query.split("continue=").nth(1).map_or(0, |t| t.parse::<usize>().unwrap());
    let items: Vec<Value> = (from..1000).filter(|n| n % 2 == 0).take(page).map(|n| map(n, false)).collect();
    let next = from + 2 * page;
    let metadata = if next < 1000 { json!({"continue": next.to_string()}) } else { json!({}) };
    axum::Json(json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": metadata, "items": items}))
        .into_response()
}

async fn one(session: &dyn Session, n: usize) -> (u16, Value) {
    let path = format!("/api/v1/namespaces/shop/configmaps/m{n:03}");
    let answer = session.send(request(Method::Get, "core", &path), None, limits(60)).await.unwrap();
    match answer.body {
        AnswerBody::Json(body) => (answer.status, body),
        _ => panic!("no JSON"),
    }
}

async fn all(session: &dyn Session, of: impl Iterator<Item = usize>) -> Vec<(u16, Value)> {
    join_all(of.map(|n| one(session, n))).await
}

#[tokio::test(start_paused = true)]
async fn reads_at_once_are_listings_and_answer_alike() {
    let (session, seen) = open("{}", site(500, http::StatusCode::OK)).unwrap();
    let together = all(&*session, 0..300).await;
    assert_eq!(paths(&seen).len(), 4 + 1, "{:?}", paths(&seen));
    let (session, _) = open("{}", site(500, http::StatusCode::OK)).unwrap();
    for (n, answer) in together.iter().enumerate() {
        assert_eq!(*answer, one(&*session, n).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_is_followed_while_it_shows_what_is_wanted() {
    let (session, seen) = open("{}", site(100, http::StatusCode::OK)).unwrap();
    let found = all(&*session, 0..1000).await;
    assert!(found.iter().enumerate().all(|(n, (status, _))| *status == if n % 2 == 0 { 200 } else { 404 }));
    assert_eq!(paths(&seen).len(), 4 + 5);
    // Of much of which little is wanted one page is read, once; the rest is asked one by one.
    let (session, seen) = open("{}", site(100, http::StatusCode::OK)).unwrap();
    for _ in 0..2 {
        let found = all(&*session, (900..920).step_by(1)).await;
        assert_eq!(found.iter().filter(|(status, _)| *status == 200).count(), 10);
    }
    assert_eq!(paths(&seen).iter().filter(|p| p.contains("limit=")).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_may_not_list_asks_one_by_one() {
    let (session, seen) = open("{}", site(500, http::StatusCode::FORBIDDEN)).unwrap();
    for _ in 0..2 {
        let found = all(&*session, 0..30).await;
        assert_eq!(found.iter().filter(|(status, _)| *status == 200).count(), 15);
    }
    assert_eq!(paths(&seen).len(), 30 + 1 + 30);
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_fails_once_is_tried_again() {
    let (session, seen) = open("{}", site(500, http::StatusCode::BAD_REQUEST)).unwrap();
    for _ in 0..2 {
        let found = all(&*session, 0..30).await;
        assert_eq!(found.iter().filter(|(status, _)| *status == 200).count(), 15);
    }
    assert_eq!(paths(&seen).iter().filter(|p| p.contains("limit=")).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_listing_is_asked_for_no_more_than_would_be_read() {
    let (session, seen) = open("{}", site(500, http::StatusCode::OK)).unwrap();
    all(&*session, 0..4 + 5).await;
    let listings: Vec<String> = paths(&seen).into_iter().filter(|p| p.contains("limit=")).collect();
    assert!(matches!(&listings[..], [one] if one.ends_with("limit=40")), "{listings:?}");
}

#[tokio::test(start_paused = true)]
async fn what_holds_secrets_is_never_listed_for_its_readers() {
    let (session, seen) = open("{}", site(500, http::StatusCode::OK)).unwrap();
    let one = |n: usize| {
        let path = format!("/api/v1/namespaces/shop/configmaps/m{n:03}");
        Request { discreet: true, ..request(Method::Get, "core", &path) }
    };
    let all = join_all((0..40).map(|n| session.send(one(n), None, limits(60)))).await;
    assert_eq!(all.iter().filter(|answer| answer.as_ref().unwrap().status == 200).count(), 20);
    assert_eq!(paths(&seen).iter().filter(|p| p.contains("limit=")).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn readers_that_are_given_up_are_not_missed() {
    let (session, _) = open("{}", site(500, http::StatusCode::OK)).unwrap();
    // Dropped at every moment of the exchange, whoever of them was asking for the others.
    for after in [1, 5, 9, 10, 11, 15, 19, 20, 21] {
        let hasty = (0..20).map(|n| tokio::time::timeout(Duration::from_millis(after), one(&*session, n)));
        let patient = all(&*session, 20..60);
        let (_, found) = tokio::join!(join_all(hasty), tokio::time::timeout(Duration::from_secs(5), patient));
        assert_eq!(found.expect("in time").iter().filter(|(status, _)| *status == 200).count(), 20);
    }
}

#[tokio::test(start_paused = true)]
async fn a_few_reads_are_not_held_up() {
    let (session, seen) = open("{}", site(500, http::StatusCode::OK)).unwrap();
    let began = tokio::time::Instant::now();
    all(&*session, 0..4).await;
    assert_eq!((paths(&seen).len(), began.elapsed().as_millis()), (4, 10));
    // What lies below an object is no object.
    let below = request(Method::Get, "core", "/api/v1/namespaces/shop/pods/p/log");
    join_all((0..10).map(|_| session.send(below.clone(), None, limits(60)))).await;
    assert_eq!(paths(&seen).iter().filter(|p| p.ends_with("/log")).count(), 10);
}
