//! Applications that are known by descriptions alone: who asks and how, where requests go, what errors say.

use super::odd::{Inside, Seen, answering, json_text};
use super::{limits, listing, request};
use axum::Router;
use axum::response::{IntoResponse, Response};
use edge::config::{Connection, Environment, application::application};
use edge::drivers::{Failure, Session, Surroundings};
use edge_lang::library::{ErrorShape, Method, Pages, Request, Source};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

fn connection(settings: &[(&str, &str)], directory: &Path) -> Result<Connection, String> {
    let mut all: BTreeMap<String, String> =
        [("app", "dns"), ("url", "http://dns.test/api/")].map(|(k, v)| (k.to_string(), v.to_string())).into();
    all.extend(settings.iter().map(|(k, v)| (k.to_string(), v.to_string())));
    let environment = Environment {
        variables: [("KEY".to_string(), "from-env".to_string())].into(),
        working_directory: directory.to_path_buf(),
        ..Environment::default()
    };
    application(&all, &environment).map(|a| Connection::http("P", a))
}

fn open(settings: &[(&str, &str)], router: Router) -> Result<(Box<dyn Session>, Seen), Failure> {
    open_in(Path::new("/"), settings, router)
}

fn open_in(directory: &Path, settings: &[(&str, &str)], router: Router) -> Result<(Box<dyn Session>, Seen), Failure> {
    let seen = Seen::default();
    let transport = Arc::new(Inside { router, seen: seen.clone() });
    let outside = Surroundings { transport, turns: super::turns(4), seed: 7 };
    let connection = connection(settings, directory).map_err(Failure::Configuration)?;
    Ok((edge::drivers::open(&connection, outside)?, seen))
}

fn get(path: &str) -> Request {
    Request { base: "/v1".into(), ..request(Method::Get, "dns", path) }
}

fn with_auth(kind: &str, header: &str) -> Request {
    Request { auth: Some((kind.into(), header.into())), ..get("/zones") }
}

fn fine() -> Router {
    answering(|| axum::Json(json!({})).into_response())
}

#[tokio::test(start_paused = true)]
async fn who_asks_is_said_in_the_way_of_the_description() {
    let described = |kind: &str, header: &str| with_auth(kind, header);
    let cases: [(&[(&str, &str)], Request, &str); 9] = [
        (&[], get("/zones"), "-"),
        (&[("api_key", "env:KEY")], described("header", "X-API-Key"), "from-env"),
        (&[("token", "env:KEY")], described("header", "X-API-Key"), "from-env"),
        (&[("api_key", "env:KEY"), ("header", "X-API-Key")], get("/zones"), "from-env"),
        (&[("token", "env:KEY")], get("/zones"), "Bearer from-env"),
        (&[("api_key", "env:KEY")], described("bearer", ""), "Bearer from-env"),
        (&[("username", "op"), ("password", "env:KEY")], get("/zones"), "Basic b3A6ZnJvbS1lbnY="),
        (&[("username", "op"), ("password", "env:KEY")], described("bearer", ""), "Basic b3A6ZnJvbS1lbnY="),
        (&[("token", "env:KEY"), ("auth", "none")], described("bearer", ""), "-"),
    ];
    for (settings, request, said) in cases {
        let (session, seen) = open(settings, fine()).unwrap();
        session.send(request, None, limits(60)).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), [format!("GET http://dns.test/api/v1/zones {said}")], "{settings:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_work_is_said_before_anything_is_sent() {
    let cases: [(&[(&str, &str)], &str); 9] = [
        (&[("url", "dns.test")], "`P`: `url` is not a URL"),
        (&[("url", "http://op:secret@dns.test")], "`P`: `url` holds a user's name; it belongs beside it"),
        (&[("url", "ftp://dns.test")], "`P`: `url` is not an http or https URL"),
        (&[("api_key", "plain")], "`api_key`: a secret is not written here: name its place, `file:PATH` or `env:NAME`"),
        (&[("api_key", "env:NONE")], "`api_key`: the variable `NONE` is not set"),
        (&[("api_key", "env:KEY"), ("token", "env:KEY")], "one secret is enough: `token` or `password` or `api_key`"),
        (&[("auth", "digest")], "`P`: there is no `auth` `digest`: it is none, bearer, basic or header"),
        (&[("password", "env:KEY")], "`P`: the `username` is missing"),
        (&[("verify", "perhaps")], "`verify` is `true` or `false`"),
    ];
    for (settings, why) in cases {
        assert_eq!(open(settings, fine()).err().unwrap().to_string(), why);
    }
    for (settings, request, why) in [
        (vec![], with_auth("header", "X-API-Key"), "`P`: no credentials are given: `api_key` is missing"),
        (
            vec![("auth", "header"), ("api_key", "file:none"), ("header", "a b")],
            get("/"),
            "`P`: `a b` is not the name of a header",
        ),
        (vec![("token", "file:none")], get("/"), "`/none` cannot be read: No such file or directory (os error 2)"),
    ] {
        let failure = match open(&settings, fine()) {
            Ok((session, seen)) => {
                let failure = session.send(request, None, limits(60)).await.err();
                assert!(seen.lock().unwrap().is_empty());
                failure
            }
            Err(failure) => Some(failure),
        };
        assert_eq!(failure.unwrap().to_string(), why);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotated_secret_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let write = |text: &str| std::fs::write(directory.path().join("key"), text).unwrap();
    write("first\n");
    let router = Router::new().fallback(|headers: http::HeaderMap| async move {
        let good = headers["authorization"] == "Bearer second";
        if good { http::StatusCode::OK } else { http::StatusCode::UNAUTHORIZED }
    });
    let (session, seen) = open_in(directory.path(), &[("token", "file:key")], router).unwrap();
    // The file says the same again: the answer is the answer.
    assert_eq!(session.send(get("/a"), None, limits(60)).await.unwrap().status, 401);
    write("second");
    assert_eq!(session.send(get("/b"), None, limits(60)).await.unwrap().status, 200);
    // It may not be there for a moment.
    std::fs::remove_file(directory.path().join("key")).unwrap();
    tokio::time::advance(std::time::Duration::from_secs(90)).await;
    assert_eq!(session.send(get("/c"), None, limits(60)).await.unwrap().status, 200);
    let seen: Vec<String> = seen.lock().unwrap().iter().map(|s| s.replace("http://dns.test/api/v1", "")).collect();
    let bearer = |path: &str, token: &str| format!("GET {path} Bearer {token}");
    assert_eq!(seen, [bearer("/a", "first"), bearer("/b", "first"), bearer("/b", "second"), bearer("/c", "second")]);
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_kept_by_its_site() {
    let key = [("api_key", "env:KEY"), ("header", "X-API-Key")];
    for location in ["http://thief.test/x", "https://dns.test/x", "//thief.test/x"] {
        let away = move || (http::StatusCode::FOUND, [("location", location)]).into_response();
        let (session, seen) = open(&key, answering(away)).unwrap();
        let failure = session.send(get("/zones"), None, limits(60)).await.err();
        assert!(matches!(&failure, Some(Failure::Protocol(why)) if why.contains("redirects to")), "{failure:?}");
        assert_eq!(seen.lock().unwrap().len(), 1);
    }
    let (session, seen) = open(&key, fine()).unwrap();
    let own = |name: &str| Request { headers: vec![(name.into(), "x".into())], ..get("/zones") };
    for request in [
        get("http://thief.test/api/v1/zones"),
        get("/../../admin"),
        get("/%2e%2e/admin"),
        own("x-api-key"),
        own("Authorization"),
        own("Host"),
    ] {
        let failure = session.send(request, None, limits(60)).await.err();
        assert!(matches!(failure, Some(Failure::Protocol(_))), "{failure:?}");
    }
    let other = Request { service: "shop".into(), ..get("/zones") };
    let failure = session.send(other, None, limits(60)).await.err();
    assert_eq!(failure, Some(Failure::NotOffered("`P` is `dns`, and no `shop`".into())));
    assert!(seen.lock().unwrap().is_empty());
    // And what the site makes of it is not shown.
    let echo = || (http::StatusCode::BAD_REQUEST, "the key from-env is wrong").into_response();
    let (session, _) = open(&key, answering(echo)).unwrap();
    let answer = session.send(get("/zones"), None, limits(60)).await.unwrap();
    assert_eq!(answer.complaint(None).message, "the key *** is wrong");
}

#[tokio::test(start_paused = true)]
async fn the_base_stands_once() {
    for (url, path) in [
        ("http://dns.test", "/v1/zones"),
        ("http://dns.test/v1/", "/v1/zones"),
        ("http://dns.test/a/v1", "/a/v1/zones"),
    ] {
        let (session, seen) = open(&[("url", url)], fine()).unwrap();
        session.send(get("/zones"), None, limits(60)).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), [format!("GET http://dns.test{path} -")]);
    }
}

#[tokio::test(start_paused = true)]
async fn errors_say_what_they_say_where_they_say_it() {
    let of = |message: &[&str], code: Source| ErrorShape {
        message: Some(Source::Body { path: message.iter().map(|k| k.to_string()).collect(), each: None }),
        code: Some(code),
    };
    let header = || Source::Header("X-Amzn-ErrorType".into());
    let json = |text: &'static str| move || json_text(409, text);
    let cases: [(Response, Option<ErrorShape>, &str, &str); 5] = [
        (
            json(r#"{"why": {"text": "taken"}, "error": "x"}"#)(),
            Some(of(&["why", "text"], header())),
            "Conflict",
            "taken",
        ),
        (json(r#"{"error": "no such place"}"#)(), Some(of(&["why"], header())), "Conflict", "no such place"),
        ((http::StatusCode::CONFLICT, "Conflict\n").into_response(), None, "", "Conflict"),
        ((http::StatusCode::CONFLICT, "<html><body><h1>no</h1>luck").into_response(), None, "", "no luck"),
        (
            json(
                r#"{"kind": "Status", "message": "conflict with \"kubectl\"", "reason": "Conflict",
                "details": {"causes": [{"reason": "FieldManagerConflict", "message": "m", "field": ".f"}]}}"#,
            )(),
            None,
            "FieldManagerConflict",
            "conflict with \"kubectl\"",
        ),
    ];
    for (mut response, shape, code, message) in cases {
        response.headers_mut().insert("x-amzn-errortype", "Conflict".parse().unwrap());
        let kept = Arc::new(std::sync::Mutex::new(Some(response)));
        let router = answering(move || kept.lock().unwrap().take().unwrap());
        let (session, _) = open(&[], router).unwrap();
        let answer = session.send(get("/zones"), None, limits(60)).await.unwrap();
        let found = answer.complaint(shape.as_ref());
        assert_eq!((found.code.as_deref().unwrap_or_default(), found.message.as_str()), (code, message));
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_begins_anew_when_its_pages_are_gone() {
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let router = Router::new().route(
        "/api/v1/things",
        axum::routing::get(move |query: axum::extract::RawQuery| {
            let count = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async move {
                match (query.0, count) {
                    (None, _) => axum::Json(json!({"items": [1], "metadata": {"continue": "c"}})).into_response(),
                    (Some(_), 1) => (http::StatusCode::GONE, axum::Json(json!({"message": "too old"}))).into_response(),
                    _ => axum::Json(json!({"items": [2], "metadata": {}})).into_response(),
                }
            }
        }),
    );
    let (session, seen) = open(&[], router).unwrap();
    let mut things = listing("dns", "/things", "items", Pages::Continue);
    things.request.base = "/v1".into();
    let rows = session.list(things.clone(), limits(60)).await.unwrap();
    assert_eq!(rows.rows, [json!(1), json!(2)]);
    assert_eq!(seen.lock().unwrap().len(), 4);
    let gone = || (http::StatusCode::GONE, axum::Json(json!({"message": "too old"}))).into_response();
    let (session, seen) = open(&[], answering(gone)).unwrap();
    assert!(matches!(session.list(things, limits(60)).await.err(), Some(Failure::Refused(410, _))));
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_it_is_and_whether_it_answers() {
    let known = || (http::StatusCode::NOT_FOUND, [("server", "PowerDNS/4.7.3 (x)")]).into_response();
    let (session, _) = open(&[], answering(known)).unwrap();
    let services = session.services().await.unwrap();
    assert_eq!((services[0].kind.as_str(), services[0].version.as_deref()), ("dns", Some("PowerDNS/4.7.3")));
    assert!(session.versions("dns").await.unwrap().is_none());
    let refused = || (http::StatusCode::UNAUTHORIZED, "who are you?").into_response();
    let (session, _) = open(&[("token", "env:KEY")], answering(refused)).unwrap();
    let failure = session.services().await.err();
    assert_eq!(failure, Some(Failure::Denied("dns.test does not accept us: who are you?".into())));
    assert!(connection(&[], Path::new("/")).unwrap().in_project("demo").is_err());
}
