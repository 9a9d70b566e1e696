//! What a cluster tells of changes: a watch ends when anything is told, in time, and does no harm whatever is told.

use super::kubernetes::{open, paths};
use super::request;
use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use edge::drivers::{Session, Watched};
use edge_lang::library::{Method, Request};
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

const ONE: &str = "/apis/apps/v1/namespaces/shop/deployments/web";

/// A site whose watches go as `how` says.
fn site<F>(how: impl Fn() -> F + Clone + Send + Sync + 'static) -> Router
where
    F: Future<Output = Response> + Send,
{
    Router::new().fallback(how)
}

/// Pieces of a body, each so many seconds after the one before; at last it is closed, or left open.
fn told(pieces: Vec<(u64, &'static str)>, closed: bool) -> Response {
    let told = stream::iter(pieces).then(|(after, piece)| async move {
        sleep(Duration::from_secs(after)).await;
        Ok::<_, std::io::Error>(piece)
    });
    match closed {
        true => Body::from_stream(told).into_response(),
        false => Body::from_stream(told.chain(stream::pending())).into_response(),
    }
}

fn read(revision: Value) -> (Request, Value) {
    let answer = json!({"kind": "Deployment", "metadata": {"name": "web", "resourceVersion": revision}});
    (request(Method::Get, "apps", ONE), answer)
}

async fn watched(session: &dyn Session) -> (Watched, u64) {
    let (read, answer) = read(json!("17"));
    let began = Instant::now();
    let watch = session.watch(&read, &answer, Duration::from_secs(20)).expect("a watch");
    let came = timeout(Duration::from_secs(60), watch).await.expect("in time");
    (came, began.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn what_changes_is_told() {
    let line = "{\"type\":\"MODIFIED\",\"object\":{}}\n";
    let (session, seen) = open("{}", site(move || async move { told(vec![(7, line)], false) })).unwrap();
    assert_eq!(watched(&*session).await, (Watched::Changed, 7));
    let asked = "GET /apis/apps/v1/namespaces/shop/deployments?fieldSelector=metadata.name%3Dweb&watch=1&resourceVersion=17\
                 &timeoutSeconds=21";
    assert_eq!(paths(&seen), [asked]);
}

#[tokio::test(start_paused = true)]
async fn of_a_listing_all_of_it_is_watched() {
    let (session, seen) = open("{}", site(|| async { told(vec![(1, "{")], false) })).unwrap();
    let mut read = request(Method::Get, "core", "/api/v1/pods");
    read.query = vec![("fieldSelector".into(), "spec.nodeName=n1".into()), ("limit".into(), "500".into())];
    let answer = json!({"kind": "PodList", "metadata": {"resourceVersion": "5"}, "items": []});
    let watch = session.watch(&read, &answer, Duration::from_secs(3)).expect("a watch");
    assert_eq!(watch.await, Watched::Changed);
    let asked = "GET /api/v1/pods?fieldSelector=spec.nodeName%3Dn1&watch=1&resourceVersion=5&timeoutSeconds=4";
    assert_eq!(paths(&seen), [asked]);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_in_time() {
    let (session, _) = open("{}", site(|| async { told(Vec::new(), false) })).unwrap();
    assert_eq!(watched(&*session).await, (Watched::Same, 20));
    // Also where not even headers come.
    let (session, _) = open("{}", site(std::future::pending::<Response>)).unwrap();
    assert_eq!(watched(&*session).await, (Watched::Same, 20));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_closed_is_begun_again() {
    let (session, seen) = open("{}", site(|| async { told(vec![(4, "\n \n")], true) })).unwrap();
    assert_eq!(watched(&*session).await.0, Watched::Same);
    assert_eq!(paths(&seen).len(), 4);
    // One that is always closed at once is none.
    let (session, seen) = open("{}", site(|| async { told(Vec::new(), true) })).unwrap();
    assert_eq!(watched(&*session).await, (Watched::Unable, 2));
    assert_eq!(paths(&seen).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_read_again() {
    let gone = || async { http::StatusCode::GONE.into_response() };
    let (session, _) = open("{}", site(gone)).unwrap();
    assert_eq!(watched(&*session).await, (Watched::Changed, 0));
    let line = "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410}}\n";
    let (session, _) = open("{}", site(move || async move { told(vec![(0, line)], true) })).unwrap();
    assert_eq!(watched(&*session).await, (Watched::Changed, 0));
}

#[tokio::test(start_paused = true)]
async fn who_may_not_watch_asks_once() {
    let (session, seen) = open("{}", site(|| async { http::StatusCode::FORBIDDEN.into_response() })).unwrap();
    for _ in 0..3 {
        assert_eq!(watched(&*session).await, (Watched::Unable, 0));
    }
    assert_eq!(paths(&seen).len(), 1);
    // What has gone wrong once may go the next time.
    let (session, seen) = open("{}", site(|| async { http::StatusCode::BAD_REQUEST.into_response() })).unwrap();
    for _ in 0..3 {
        assert_eq!(watched(&*session).await, (Watched::Unable, 0));
    }
    assert_eq!(paths(&seen).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn however_much_is_told_little_is_held() {
    // A line without an end: its first piece is enough, and no more of it is taken.
    let endless = || async {
        let piece = stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 1 << 20]));
        Body::from_stream(piece).into_response()
    };
    let (session, _) = open("{}", site(endless)).unwrap();
    assert_eq!(watched(&*session).await, (Watched::Changed, 0));
}

#[tokio::test(start_paused = true)]
async fn watches_leave_room_for_requests() {
    let quiet = |uri: http::Uri| async move {
        match uri.query().unwrap_or_default().contains("watch=1") {
            true => told(Vec::new(), false),
            false => axum::Json(json!({})).into_response(),
        }
    };
    let (session, seen) = open("{}", Router::new().fallback(quiet)).unwrap();
    let all = join_all((0..100).map(|_| watched(&*session)));
    let meanwhile = async {
        sleep(Duration::from_secs(1)).await;
        session.send(request(Method::Get, "core", "/api/v1/x"), None, super::limits(5)).await.unwrap().status
    };
    let (came, status) = tokio::join!(all, meanwhile);
    assert_eq!(status, 200);
    assert_eq!(came.iter().filter(|(came, _)| *came == Watched::Same).count(), 16);
    assert_eq!(paths(&seen).len(), 16 + 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_read_of_an_object_is_not_watched() {
    let (session, _) = open("{}", site(|| async { told(Vec::new(), true) })).unwrap();
    let none = |read: &Request, answer: &Value| session.watch(read, answer, Duration::from_secs(1)).is_none();
    let (whole, answer) = read(json!("17"));
    assert!(!none(&whole, &answer));
    for revision in [json!(null), json!(""), json!(17)] {
        assert!(none(&whole, &read(revision).1));
    }
    // A Secret is asked for by itself; a part is no object; a request that acts is no read.
    assert!(none(&Request { discreet: true, ..whole.clone() }, &answer));
    assert!(none(&Request { path: format!("{ONE}/scale"), ..whole.clone() }, &answer));
    assert!(none(&Request { method: Method::Post, ..whole }, &answer));
}
