//! Answers that no decent site gives. A router plays all hosts; what reached it is remembered.

use super::{at, cloud, get, limits, listing, open, post, request};
use axum::Router;
use axum::body::Body as Served;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use edge::config::ServiceSettings;
use edge::drivers::{AnswerBody, Failure, Session, Upload};
use edge::transport::{Body, Transport, TransportError, full_body};
use edge_lang::library::{Method, Pages, Payload, Request};
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

pub type Seen = Arc<Mutex<Vec<String>>>;

/// In process; every request is noted as `METHOD url token`.
pub struct Inside {
    pub router: Router,
    pub seen: Seen,
}

impl Transport for Inside {
    fn send(&self, request: http::Request<Body>) -> BoxFuture<'_, Result<http::Response<Body>, TransportError>> {
        let token = ["x-auth-token", "authorization", "x-api-key"].iter().find_map(|name| request.headers().get(*name));
        let token = token.map_or("-", |t| t.to_str().unwrap_or("?"));
        self.seen.lock().unwrap().push(format!("{} {} {token}", request.method(), request.uri()));
        let router = self.router.clone();
        Box::pin(async move {
            let response = router.oneshot(request.map(Served::new)).await.expect("a router does not fail");
            Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
        })
    }
}

/// Keystone as it should be: a token `t-1`, `t-2`, ... and a catalog with one service at `endpoint`.
fn with_keystone(kind: &'static str, endpoint: &'static str, others: Router) -> Router {
    let count = Arc::new(Mutex::new(0));
    others.route(
        "/v3/auth/tokens",
        axum::routing::post(move |body: Bytes| {
            let count = count.clone();
            async move {
                let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
                assert!(asked["auth"]["identity"]["methods"].is_array(), "{asked}");
                let mut count = count.lock().unwrap();
                *count += 1;
                let endpoints = json!([{"interface": "public", "region": "R", "url": endpoint}]);
                let token = json!({"token": {
                    "user": {"id": "u1", "name": "op"}, "project": {"id": "p1", "name": "demo"},
                    "issued_at": "2026-01-01T00:00:00.000000Z", "expires_at": "2026-01-01T01:00:00.000000Z",
                    "catalog": [{"type": kind, "name": kind, "endpoints": endpoints}],
                }});
                (http::StatusCode::CREATED, [("x-subject-token", format!("t-{count}"))], axum::Json(token))
            }
        }),
    )
}

fn password() -> edge::config::Cloud {
    let values =
        [("auth_url", "http://keystone.test"), ("username", "op"), ("password", "hunter-2"), ("project_name", "demo")];
    cloud("password", &values)
}

/// A session at a site whose image service is `router`.
fn at_image(router: Router) -> (Box<dyn Session>, Seen) {
    at_service("image", "http://image.test", router)
}

fn at_service(kind: &'static str, endpoint: &'static str, router: Router) -> (Box<dyn Session>, Seen) {
    let seen = Seen::default();
    let inside = Inside { router: with_keystone(kind, endpoint, router), seen: seen.clone() };
    (open(password(), Arc::new(inside)), seen)
}

pub fn answering(response: impl Fn() -> Response + Clone + Send + Sync + 'static) -> Router {
    Router::new().fallback(move || {
        let response = response.clone();
        async move { response() }
    })
}

fn said(seen: &Seen) -> Vec<String> {
    let requests = seen.lock().unwrap();
    requests.iter().filter(|r| !r.contains("/auth/tokens")).cloned().collect()
}

pub fn json_text(status: u16, text: &str) -> Response {
    let headers = [("content-type", "application/json")];
    (http::StatusCode::from_u16(status).unwrap(), headers, text.to_string()).into_response()
}

#[tokio::test(start_paused = true)]
async fn a_redirect_to_another_host_carries_no_token() {
    for location in ["http://thief.test/v2/images", "https://image.test/v2/images", "http://image.test:81/v2/images"] {
        let (session, seen) =
            at_image(answering(move || (http::StatusCode::FOUND, [("location", location)]).into_response()));
        match session.send(get("image", "/images"), None, limits(60)).await.err() {
            Some(Failure::Protocol(why)) => assert!(why.contains("redirects to"), "{why}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(said(&seen), ["GET http://image.test/v2/images t-1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_within_the_site_is_followed_for_reads_alone() {
    let router = Router::new()
        .route(
            "/v2/old",
            axum::routing::any(|| async { (http::StatusCode::TEMPORARY_REDIRECT, [("location", "/v2/new?a=1")]) }),
        )
        .route("/v2/new", axum::routing::get(|| async { axum::Json(json!({"here": true})) }))
        .route("/v2/loop", axum::routing::get(|| async { (http::StatusCode::FOUND, [("location", "/v2/loop")]) }));
    let (session, seen) = at_image(router);
    assert_eq!(session.send(get("image", "/old"), None, limits(60)).await.unwrap().status, 200);
    assert_eq!(said(&seen), ["GET http://image.test/v2/old t-1", "GET http://image.test/v2/new?a=1 t-1"]);
    assert_eq!(session.send(post("image", "/old", json!({})), None, limits(60)).await.unwrap().status, 307);
    assert_eq!(said(&seen).len(), 3);
    let failure = session.send(get("image", "/loop"), None, limits(60)).await.err();
    assert!(matches!(failure, Some(Failure::Protocol(_))), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn a_page_elsewhere_is_read_here_and_a_loop_ends() {
    let page = |query: &str, rows: Value, next: &str| {
        let body = json!({"images": rows, "next": next});
        (query.to_string(), body)
    };
    let pages = [
        page("", json!([{"id": "1"}]), "http://inner:9292/wrong/prefix/images?marker=1"),
        page("marker=1", json!([{"id": "2"}]), "/v2/images?marker=2"),
        page("marker=2", json!([{"id": "3"}]), ""),
        page("loop=1", json!([{"id": "1"}]), "/v2/images?loop=1"),
        page("away=1", json!([{"id": "1"}]), "http://thief.test/elsewhere?marker=1"),
    ];
    let router = Router::new().route(
        "/v2/images",
        axum::routing::get(move |query: axum::extract::RawQuery| async move {
            let query = query.0.unwrap_or_default();
            let found = pages.into_iter().find(|(q, _)| *q == query);
            axum::Json(found.map_or(json!({}), |(_, body)| body))
        }),
    );
    let (session, seen) = at_image(router);
    let images = |path: &str| listing("image", path, "images", Pages::Next);
    let rows = session.list(images("/images"), limits(60)).await.unwrap();
    assert_eq!(rows.rows.len(), 3);
    assert!(said(&seen).iter().all(|r| r.starts_with("GET http://image.test/v2/images")), "{:?}", said(&seen));
    for (path, why) in
        [("/images?loop=1", "no end"), ("/images?away=1", "another host"), ("/images?gone=1", "no rows under `images`")]
    {
        match session.list(images(path), limits(60)).await.err() {
            Some(Failure::Protocol(said)) => assert!(said.contains(why), "{said}"),
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pages_that_grow_for_ever_without_rows_end() {
    let router = Router::new().route(
        "/v2/images",
        axum::routing::get(|query: axum::extract::RawQuery| async move {
            let n = query.0.and_then(|q| q.rsplit('=').next().and_then(|n| n.parse::<u64>().ok())).unwrap_or(0);
            axum::Json(json!({"images": [], "next": format!("/v2/images?n={}", n + 1)}))
        }),
    );
    let (session, seen) = at_image(router);
    let failure = session.list(listing("image", "/images", "images", Pages::Next), limits(60)).await.err();
    assert!(matches!(failure, Some(Failure::Protocol(_))), "{failure:?}");
    assert!(said(&seen).len() < 50);
}

#[tokio::test(start_paused = true)]
async fn other_paging_protocols() {
    let router = Router::new()
        .route(
            "/header",
            axum::routing::get(|query: axum::extract::RawQuery| async move {
                match query.0.as_deref() {
                    None => (
                        [("link", "</other?x=1>; rel=\"prev\", </header?last=b>; rel=\"next\"")],
                        axum::Json(json!(["a", "b"])),
                    )
                        .into_response(),
                    _ => axum::Json(json!(["c"])).into_response(),
                }
            }),
        )
        .route(
            "/last",
            axum::routing::get(|query: axum::extract::RawQuery| async move {
                match query.0.as_deref() {
                    Some("limit=2") => axum::Json(json!([{"name": "a"}, {"name": "b"}])).into_response(),
                    Some("limit=2&marker=b") => axum::Json(json!([{"name": "c"}])).into_response(),
                    // Swift's empty listing.
                    _ => http::StatusCode::NO_CONTENT.into_response(),
                }
            }),
        )
        .route(
            "/continue",
            axum::routing::get(|query: axum::extract::RawQuery| async move {
                let more = if query.0.is_none() { "a b+c" } else { "" };
                axum::Json(json!({"items": [1], "metadata": {"continue": more}}))
            }),
        );
    let (session, seen) = at_service("odd", "http://odd.test/v1", Router::new().nest("/v1", router));
    for (path, key, pages, count) in [
        ("/header", "", Pages::Header, 3),
        ("/last?limit=2", "", Pages::Last, 3),
        ("/continue", "items", Pages::Continue, 2),
    ] {
        let rows =
            session.list(listing("odd", path, key, pages), limits(60)).await.unwrap_or_else(|e| panic!("{path}: {e}"));
        assert_eq!(rows.rows.len(), count, "{path} {:?}", said(&seen));
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_is_unknown_for_a_change_and_an_error_for_a_read() {
    let endless = || {
        let chunk: Bytes = vec![b' '; 1 << 20].into();
        let frames = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()));
        ([("content-type", "application/json")], Served::from_stream(frames)).into_response()
    };
    let cut = || {
        let frames = futures_util::stream::iter([Ok(Bytes::from("{\"a\":")), Err(std::io::Error::other("gone"))]);
        ([("content-type", "application/json")], Served::from_stream(frames)).into_response()
    };
    let answers: [(&str, Arc<dyn Fn() -> Response + Send + Sync>); 4] = [
        ("not JSON", Arc::new(|| json_text(200, "<html>surprise</html>"))),
        ("not JSON", Arc::new(|| json_text(200, &"[".repeat(100_000)))),
        ("larger than 64 MiB", Arc::new(endless)),
        ("broke off", Arc::new(cut)),
    ];
    for (why, answer) in answers {
        let (session, seen) = at_image(answering(move || answer()));
        match session.send(post("image", "/images", json!({})), None, limits(60)).await.err() {
            Some(Failure::Unknown(said)) => assert!(said.contains(why), "{said}"),
            other => panic!("{why}: {other:?}"),
        }
        assert_eq!(said(&seen).len(), 1, "{why}");
        match session.send(get("image", "/images"), None, limits(60)).await.err() {
            Some(Failure::Protocol(said)) => assert!(said.contains(why) && why != "broke off", "{said}"),
            Some(Failure::Unknown(said)) => assert!(said.contains(why) && why == "broke off", "{said}"),
            other => panic!("{why}: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn come_later_is_obeyed_within_the_limit() {
    for (status, headers, text) in [
        (429, vec![("retry-after", "20")], "seconds"),
        (
            503,
            vec![("retry-after", "Thu, 01 Jan 2026 00:00:20 GMT"), ("date", "Thu, 01 Jan 2026 00:00:00 GMT")],
            "a date",
        ),
        (429, vec![], "nothing said"),
    ] {
        let count = Arc::new(Mutex::new(0));
        let times = count.clone();
        let router = answering(move || {
            let mut count = times.lock().unwrap();
            *count += 1;
            if *count > 2 {
                return json_text(201, "{}");
            }
            let mut response = http::StatusCode::from_u16(status).unwrap().into_response();
            for (name, value) in &headers {
                response.headers_mut().insert(*name, value.parse().unwrap());
            }
            response
        });
        let (session, _) = at_image(router);
        let began = tokio::time::Instant::now();
        let answer = session.send(post("image", "/images", json!({})), None, limits(60)).await.unwrap();
        assert_eq!((answer.status, *count.lock().unwrap()), (201, 3), "{text}");
        if text != "nothing said" {
            assert_eq!(began.elapsed().as_secs(), 40, "{text}");
        }
    }
    // Not within the limit: the answer is handed over at once.
    let (session, seen) = at_image(answering(|| {
        (http::StatusCode::TOO_MANY_REQUESTS, [("retry-after", "999999999999")]).into_response()
    }));
    assert_eq!(session.send(post("image", "/images", json!({})), None, limits(60)).await.unwrap().status, 429);
    assert_eq!(said(&seen).len(), 1);
    // A 503 without it may have been carried out.
    let (session, seen) = at_image(answering(|| http::StatusCode::SERVICE_UNAVAILABLE.into_response()));
    assert_eq!(session.send(post("image", "/images", json!({})), None, limits(60)).await.unwrap().status, 503);
    assert_eq!(said(&seen).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_path_leads_out_and_no_header_takes_over() {
    let (session, seen) = at_image(answering(|| json_text(200, "{}")));
    let with_header = |name: &str, value: &str| Request {
        headers: vec![(name.to_string(), value.to_string())],
        ..get("image", "/images")
    };
    for (request, why) in [
        (request(Method::Delete, "image", "/images/%2e%2E"), "leads out"),
        (request(Method::Delete, "image", "/images/../../x"), "leads out"),
        (get("image", "http://thief.test/v2/images"), "another host"),
        (get("image", "https://image.test/v2/images"), "another host"),
        (with_header("X-Auth-Token", "mine"), "not the library's"),
        (with_header("Host", "thief.test"), "not the library's"),
        (with_header("X-Odd", "a\r\nX-Auth-Token: mine"), "not a header"),
    ] {
        match session.send(request, None, limits(60)).await.err() {
            Some(Failure::Protocol(said)) => assert!(said.contains(why), "{said}"),
            other => panic!("{why}: {other:?}"),
        }
    }
    assert_eq!(said(&seen), Vec::<String>::new());
    session.send(get("image", "http://image.test/v2/tasks/1?a=b"), None, limits(60)).await.unwrap();
    assert_eq!(said(&seen), ["GET http://image.test/v2/tasks/1?a=b t-1"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_a_site_echoes_gives_a_secret_away() {
    let keystone = Router::new().route(
        "/v3/auth/tokens",
        axum::routing::post(|body: Bytes| async move { (http::StatusCode::BAD_REQUEST, body) }),
    );
    let seen = Seen::default();
    let session = open(password(), Arc::new(Inside { router: keystone, seen }));
    match session.account().await.err() {
        Some(Failure::Configuration(why)) => assert!(!why.contains("hunter-2") && why.contains("***"), "{why}"),
        other => panic!("{other:?}"),
    }
    let echo = Router::new().fallback(|headers: http::HeaderMap| async move {
        let token = headers["x-auth-token"].to_str().unwrap().to_string();
        let body = json!({"error": {"message": format!("bad token {token}-long"), "deep": [{"x": token}]}});
        (http::StatusCode::FORBIDDEN, axum::Json(body))
    });
    let long = with_keystone("image", "http://image.test", echo).layer(axum::middleware::map_response(
        |mut r: Response| async move {
            if let Some(token) = r.headers_mut().get_mut("x-subject-token") {
                *token = "gAAAA-secret-token".parse().unwrap();
            }
            r
        },
    ));
    let session = open(password(), Arc::new(Inside { router: long, seen: Seen::default() }));
    let answer = session.send(get("image", "/images"), None, limits(60)).await.unwrap();
    let AnswerBody::Json(body) = &answer.body else { panic!("no JSON") };
    assert!(!body.to_string().contains("gAAAA"), "{body}");
    assert_eq!(answer.complaint(None).message, "bad token ***-long");
}

#[tokio::test(start_paused = true)]
async fn endpoints_without_a_version_are_discovered() {
    let versions = json!({"versions": [
        {"id": "v2.0", "status": "SUPPORTED", "version": "", "min_version": "", "links": [{"rel": "self", "href": "http://inner:8774/v2/"}]},
        {"id": "v2.1", "status": "CURRENT", "version": "2.93", "min_version": "2.1", "links": [{"rel": "self", "href": "http://inner:8774/v2.1/"}]},
    ]});
    let list = versions.clone();
    let router = Router::new()
        .route(
            "/compute/",
            axum::routing::get(move || async move { (http::StatusCode::MULTIPLE_CHOICES, axum::Json(list)) }),
        )
        .route("/compute/v2.1/servers", axum::routing::get(|| async { axum::Json(json!({"servers": []})) }));
    let (session, seen) = at_service("compute", "http://site.test/compute", router);
    let rows = session.list(listing("compute", "/servers", "servers", Pages::Links), limits(60)).await.unwrap();
    assert_eq!(rows.rows.len(), 0);
    let found = session.versions("compute").await.unwrap().map(|(lowest, highest)| format!("{lowest} {highest}"));
    assert_eq!(found.as_deref(), Some("2.1 2.93"));
    assert!(said(&seen).iter().all(|r| r.contains(" http://site.test/compute/")), "{:?}", said(&seen));
}

#[tokio::test(start_paused = true)]
async fn older_names_overrides_regions_and_interfaces() {
    let (session, seen) = at_service("volumev3", "http://cinder.test/v3/p1", answering(|| json_text(200, "{}")));
    let volumes = |kind: &str| Request { base: "/v3".into(), ..get(kind, "/volumes") };
    for kind in ["block-storage", "volume", "volumev3"] {
        session.send(at("3.27", volumes(kind)), None, limits(60)).await.unwrap();
    }
    assert!(said(&seen).iter().all(|r| r == "GET http://cinder.test/v3/p1/volumes t-1"), "{:?}", said(&seen));
    assert_eq!(session.services().await.unwrap()[0].kind, "block-storage");

    let open_with = |edit: &dyn Fn(&mut edge::config::Cloud)| {
        let (mut cloud, seen) = (password(), Seen::default());
        edit(&mut cloud);
        let router = with_keystone("image", "http://image.test", answering(|| json_text(200, "{}")));
        (open(cloud, Arc::new(Inside { router, seen: seen.clone() })), seen)
    };
    let (session, seen) = open_with(&|cloud| {
        let endpoint = Some("http://other.test/images/v2".to_string());
        cloud.services.insert("image".into(), ServiceSettings { endpoint, ..ServiceSettings::default() });
    });
    session.send(get("image", "/images"), None, limits(60)).await.unwrap();
    assert_eq!(said(&seen), ["GET http://other.test/images/v2/images t-1"]);
    for (edit, why) in [
        (
            (&|c: &mut edge::config::Cloud| c.region = Some("X".into())) as &dyn Fn(&mut _),
            "`image` has no endpoint public in X; it has public in R",
        ),
        (
            &|c: &mut edge::config::Cloud| c.interfaces = vec!["internal".into()],
            "`image` has no endpoint internal in any region; it has public in R",
        ),
    ] {
        let (session, _) = open_with(edit);
        match session.send(get("image", "/images"), None, limits(60)).await.err() {
            Some(Failure::NotOffered(said)) => assert_eq!(said, why),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn uploads_are_opened_again_for_a_new_token_and_downloads_stay_streams() {
    let refused = Arc::new(Mutex::new(false));
    let router = Router::new().route(
        "/v2/images/1/file",
        axum::routing::put(move |headers: http::HeaderMap, body: Bytes| {
            let refused = refused.clone();
            async move {
                assert_eq!(headers["content-type"], "application/octet-stream");
                assert_eq!((&body[..], headers["content-length"].to_str().unwrap()), (&b"bytes"[..], "5"));
                let first = !std::mem::replace(&mut *refused.lock().unwrap(), true);
                if first { http::StatusCode::UNAUTHORIZED } else { http::StatusCode::NO_CONTENT }
            }
        })
        .get(|| async { ([("content-type", "application/octet-stream")], "image") }),
    );
    let (session, seen) = at_image(router);
    let opened = Arc::new(Mutex::new(0));
    let count = opened.clone();
    let open: edge::drivers::Upload = Upload {
        length: Some(5),
        open: Box::new(move || {
            *count.lock().unwrap() += 1;
            Box::pin(async { Ok(full_body("bytes")) })
        }),
    };
    let put = Request { payload: Payload::Stream, ..request(Method::Put, "image", "/images/1/file") };
    assert_eq!(session.send(put.clone(), Some(open), limits(60)).await.unwrap().status, 204);
    assert_eq!(*opened.lock().unwrap(), 2);
    assert_eq!(said(&seen).len(), 2);
    let unreadable =
        Upload { length: None, open: Box::new(|| Box::pin(async { Err(std::io::Error::other("no such file")) })) };
    match session.send(put, Some(unreadable), limits(60)).await.err() {
        Some(Failure::NotSent(why)) => assert!(why.contains("no such file"), "{why}"),
        other => panic!("{other:?}"),
    }
    match session.send(get("image", "/images/1/file"), None, limits(60)).await.unwrap().body {
        AnswerBody::Stream(body) => assert_eq!(body.collect().await.unwrap().to_bytes(), "image"),
        _ => panic!("no stream"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_keystone_is_not() {
    for (router, why) in [
        (answering(|| json_text(201, "{}")), "not with a token"),
        (answering(|| (http::StatusCode::OK, "hello").into_response()), "not as the Identity API"),
        (answering(|| http::StatusCode::NOT_FOUND.into_response()), "no Identity API v3 at keystone.test/v3"),
        (
            answering(|| {
                json_text(
                    400,
                    r#"{"error": {"code": 400, "message": "Expecting to find domain in user.", "title": "Bad Request"}}"#,
                )
            }),
            "(400): Expecting to find domain in user.",
        ),
        (answering(|| http::StatusCode::BAD_GATEWAY.into_response()), "gives no token: bad gateway"),
    ] {
        let session = open(password(), Arc::new(Inside { router, seen: Seen::default() }));
        let failure = session.account().await.unwrap_err();
        assert!(failure.to_string().contains(why), "{failure}");
        assert!(!matches!(failure, Failure::Unknown(_)), "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_stops_and_an_answer_without_a_type() {
    let stalls = || {
        let frames = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from("begin"))]);
        let body = Served::from_stream(futures_util::StreamExt::chain(frames, futures_util::stream::pending()));
        ([("content-type", "application/octet-stream")], body).into_response()
    };
    let (session, _) = at_image(answering(stalls));
    match session.send(get("image", "/images/1/file"), None, limits(60)).await.unwrap().body {
        AnswerBody::Stream(body) => {
            let why = body.collect().await.err().map(|e| e.to_string());
            assert_eq!(why.as_deref(), Some("nothing came for 60 seconds"));
        }
        _ => panic!("no stream"),
    }
    let untyped = || Response::new(Served::from("{\"images\": [{\"id\": \"1\"}]}"));
    let (session, _) = at_image(answering(untyped));
    let rows = session.list(listing("image", "/images", "images", Pages::Next), limits(60)).await.unwrap();
    assert_eq!(rows.rows.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_users_time_for_an_answer_is_kept() {
    let hangs = Router::new().fallback(std::future::pending::<Response>);
    let mut cloud = password();
    cloud.api_timeout = Some(std::time::Duration::from_secs(5));
    let inside = Inside { router: with_keystone("image", "http://image.test", hangs), seen: Seen::default() };
    let session = open(cloud, Arc::new(inside));
    let began = tokio::time::Instant::now();
    let failure = session.send(post("image", "/images", json!({})), None, limits(600)).await.err();
    assert!(matches!(failure, Some(Failure::Unknown(_))), "{failure:?}");
    assert_eq!(began.elapsed().as_secs(), 5);
}
