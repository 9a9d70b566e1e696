//! Kubernetes: who asks, by every way of a kubeconfig; what kinds a site has, in its older and newer way to say it.

use super::odd::{Inside, Seen};
use super::{limits, listing, request};
use axum::Router;
use axum::response::{IntoResponse, Response};
use edge::config::{Connection, cluster};
use edge::drivers::{Failure, Object, Session, Surroundings, Within};
use edge_lang::library::{Method, Pages};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex};

fn kubeconfig(user: &str) -> String {
    format!(
        "{{contexts: [{{name: c, context: {{cluster: k, user: u, namespace: shop}}}}],
        clusters: [{{name: k, cluster: {{server: 'http://k.test/prefix'}}}}], users: [{{name: u, user: {user}}}]}}"
    )
}

pub fn open(user: &str, router: Router) -> Result<(Box<dyn Session>, Seen), Failure> {
    let seen = Seen::default();
    let transport = Arc::new(Inside { router, seen: seen.clone() });
    let outside = Surroundings { transport, turns: super::turns(8), seed: 7 };
    let found = cluster::from_text(&kubeconfig(user), "c").map_err(Failure::Configuration)?;
    Ok((edge::drivers::open(&Connection::kubernetes("K", found), outside)?, seen))
}

pub fn paths(seen: &Seen) -> Vec<String> {
    let all = seen.lock().unwrap();
    all.iter().map(|s| s.replace("http://k.test/prefix", "").replace(" -", "")).collect()
}

fn object(group: Option<&str>, api: Option<&str>, kind: &str, name: &str) -> Object {
    let text = |t: &str| Some(t.to_string()).filter(|t| !t.is_empty());
    Object {
        group: group.and_then(text),
        api: api.and_then(text),
        kind: kind.into(),
        within: Within::Own,
        name: text(name),
    }
}

type Kinds = Arc<Mutex<Vec<(&'static str, Value)>>>;

fn kind(kind: &str, plural: &str, namespaced: bool, short: &[&str]) -> Value {
    json!({"name": plural, "kind": kind, "singularName": kind.to_lowercase(), "namespaced": namespaced, "verbs": [], "shortNames": short})
}

/// A site as those before 1.26 are; `broken.test` is served by somebody who is away.
fn older() -> (Router, Kinds) {
    let kinds: Kinds = Arc::new(Mutex::new(vec![
        (
            "/api/v1",
            json!([
                kind("ConfigMap", "configmaps", true, &["cm"]),
                kind("Node", "nodes", false, &["no"]),
                kind("Pod", "pods/log", true, &[])
            ]),
        ),
        ("/apis/extensions/v1beta1", json!([kind("Ingress", "ingresses", true, &["ing"])])),
        ("/apis/networking.k8s.io/v1", json!([kind("Ingress", "ingresses", true, &["ing"])])),
        ("/apis/batch/v1", json!([kind("Job", "jobs", true, &[])])),
        ("/apis/batch/v1beta1", json!([kind("CronJob", "cronjobs", true, &["cj"])])),
    ]));
    let known = kinds.clone();
    let router = Router::new().fallback(move |uri: http::Uri| {
        let known = known.lock().unwrap().clone();
        async move { answer_older(uri.path().strip_prefix("/prefix").unwrap_or_default(), &known) }
    });
    (router, kinds)
}

fn answer_older(path: &str, known: &[(&'static str, Value)]) -> Response {
    let group = |name: &str, versions: &[&str]| {
        let of = |v: &&str| json!({"groupVersion": format!("{name}/{v}"), "version": v});
        json!({"name": name, "versions": versions.iter().map(of).collect::<Vec<_>>(), "preferredVersion": of(&versions[0])})
    };
    match path {
        "/api" => axum::Json(json!({"kind": "APIVersions", "versions": ["v1"]})).into_response(),
        "/apis" => {
            let mut groups = vec![
                group("extensions", &["v1beta1"]),
                group("broken.test", &["v1"]),
                group("networking.k8s.io", &["v1"]),
                group("batch", &["v1", "v1beta1"]),
            ];
            let new = known.iter().any(|(path, _)| path.starts_with("/apis/new.test"));
            groups.extend(new.then(|| group("new.test", &["v1"])));
            axum::Json(json!({"kind": "APIGroupList", "groups": groups})).into_response()
        }
        "/version" => axum::Json(json!({"gitVersion": "v1.20.2"})).into_response(),
        "/apis/broken.test/v1" => (http::StatusCode::SERVICE_UNAVAILABLE, "nobody is there").into_response(),
        path => match known.iter().find(|(p, _)| *p == path) {
            Some((_, resources)) => {
                let list = json!({"kind": "APIResourceList", "groupVersion": "x", "resources": resources});
                axum::Json(list).into_response()
            }
            None => (http::StatusCode::NOT_FOUND, "404 page not found").into_response(),
        },
    }
}

#[tokio::test(start_paused = true)]
async fn kinds_are_found_where_the_site_has_them() {
    let (router, _) = older();
    let (session, seen) = open("{}", router).unwrap();
    let cases = [
        (object(Some("core"), None, "ConfigMap", "c"), "v1 /api/v1/namespaces/shop/configmaps/c"),
        (object(Some("core"), None, "Node", "n/../x"), "v1 /api/v1/nodes/n%2F..%2Fx"),
        (object(Some("batch"), None, "CronJob", "j"), "batch/v1beta1 /apis/batch/v1beta1/namespaces/shop/cronjobs/j"),
        (
            object(Some("networking"), None, "Ingress", "i"),
            "networking.k8s.io/v1 /apis/networking.k8s.io/v1/namespaces/shop/ingresses/i",
        ),
        (object(None, None, "ing", "i"), "networking.k8s.io/v1 /apis/networking.k8s.io/v1/namespaces/shop/ingresses/i"),
        (
            object(None, Some("extensions/v1beta1"), "Ingress", "i"),
            "extensions/v1beta1 /apis/extensions/v1beta1/namespaces/shop/ingresses/i",
        ),
        (
            object(None, None, "ingresses.extensions", "i"),
            "extensions/v1beta1 /apis/extensions/v1beta1/namespaces/shop/ingresses/i",
        ),
        (object(None, None, "cm", "c"), "v1 /api/v1/namespaces/shop/configmaps/c"),
    ];
    for (object, found) in cases {
        let located = session.locate(object.clone()).await.unwrap_or_else(|e| panic!("{object:?}: {e}"));
        assert_eq!(format!("{} {}", located.api, located.one.unwrap()), found);
    }
    let within = |within| Object { within, ..object(Some("core"), None, "ConfigMap", "c") };
    let all = session.locate(within(Within::All)).await.unwrap();
    assert_eq!((all.all.as_str(), all.one, all.within), ("/api/v1/configmaps", None, None));
    let other = session.locate(within(Within::Named("a/b".into()))).await.unwrap();
    assert_eq!(other.all, "/api/v1/namespaces/a%2Fb/configmaps");
    let before = paths(&seen).len();
    session.locate(object(Some("core"), None, "ConfigMap", "again")).await.unwrap();
    assert_eq!(paths(&seen).len(), before);
    for (object, why) in [
        (object(Some("core"), None, "ConfigMp", ""), "k.test has no kind `ConfigMp` in `core`; is `ConfigMap` meant?"),
        (
            object(None, Some("batch/v1"), "CronJob", ""),
            "k.test has no `CronJob` in `batch/v1`; it has it in `batch/v1beta1`",
        ),
        (object(Some("nosuch"), None, "X", ""), "k.test has no API group for `X` in `nosuch`"),
        (object(None, Some("no.such/v1"), "X", ""), "k.test has no API group for `X` in `no.such/v1`"),
    ] {
        assert_eq!(session.locate(object).await.err(), Some(Failure::NotOffered(why.into())));
    }
    for name in [".", ".."] {
        let failure = session.locate(object(Some("core"), None, "ConfigMap", name)).await.err();
        assert!(matches!(failure, Some(Failure::Protocol(_))), "{failure:?}");
    }
    let broken = session.locate(object(None, Some("broken.test/v1"), "X", "")).await.err();
    assert!(matches!(broken, Some(Failure::Refused(503, _))), "{broken:?}");
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_new_is_asked_for_anew() {
    let (router, kinds) = older();
    let (session, _) = open("{}", router).unwrap();
    let widget = || object(None, None, "Widget", "w");
    assert!(matches!(session.locate(widget()).await.err(), Some(Failure::NotOffered(_))));
    kinds.lock().unwrap().push(("/apis/new.test/v1", json!([kind("Widget", "widgets", false, &[])])));
    assert_eq!(session.locate(widget()).await.unwrap().one.as_deref(), Some("/apis/new.test/v1/widgets/w"));
}

#[tokio::test(start_paused = true)]
async fn newer_sites_tell_all_kinds_at_once() {
    let list = |items: Value| {
        axum::Json(json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": items}))
    };
    let resource = |kind: &str, plural: &str, scope: &str| {
        json!({"resource": plural, "responseKind": {"group": "", "version": "", "kind": kind}, "scope": scope,
            "singularResource": "", "verbs": ["get"], "shortNames": ["x"]})
    };
    let router = Router::new().fallback(move |uri: http::Uri, headers: http::HeaderMap| async move {
        let accept = headers["accept"].to_str().unwrap().to_string();
        match uri.path() {
            "/prefix/api" if accept.contains("APIGroupDiscoveryList") => {
                list(json!([{"metadata": {}, "versions": [{"version": "v1", "resources": [resource("Pod", "pods", "Namespaced")]}]}])).into_response()
            }
            "/prefix/apis" => list(json!([
                {"metadata": {"name": "apps"}, "versions": [{"version": "v1", "resources": [resource("Deployment", "deployments", "Namespaced")]}]},
                {"metadata": {"name": "stale.test"}, "versions": [{"version": "v1", "freshness": "Stale", "resources": []}]},
            ])).into_response(),
            "/prefix/apis/stale.test/v1" => axum::Json(json!({"kind": "APIResourceList", "groupVersion": "stale.test/v1",
                "resources": [kind("Old", "olds", false, &[])]})).into_response(),
            _ => http::StatusCode::NOT_FOUND.into_response(),
        }
    });
    let (session, seen) = open("{}", router).unwrap();
    let one = |group, kind| object(Some(group), None, kind, "o");
    assert_eq!(session.locate(one("core", "Pod")).await.unwrap().one.unwrap(), "/api/v1/namespaces/shop/pods/o");
    let found = session.locate(one("apps", "Deployment")).await.unwrap();
    assert_eq!(
        (found.group.as_str(), found.one.unwrap().as_str()),
        ("apps", "/apis/apps/v1/namespaces/shop/deployments/o")
    );
    assert_eq!(paths(&seen).len(), 2);
    assert_eq!(session.locate(one("stale.test", "Old")).await.unwrap().one.unwrap(), "/apis/stale.test/v1/olds/o");
    assert!(session.has_extension("core", "", "apps").await.unwrap());
    assert!(!session.has_extension("core", "", "metrics.k8s.io").await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_a_site_is_and_has() {
    let (router, _) = older();
    let (session, _) = open("{as: boss}", router).unwrap();
    let services = session.services().await.unwrap();
    let shown: Vec<String> =
        services.iter().map(|s| format!("{} {}", s.kind, s.version.as_deref().unwrap_or_default())).collect();
    assert_eq!(shown, ["core v1 (1.20.2)", "broken.test v1", "networking v1", "batch v1", "extensions v1beta1"]);
    assert_eq!(session.versions("core").await.unwrap().unwrap().1.to_string(), "1.20");
    let account = session.account().await.unwrap();
    assert_eq!((account.user.as_str(), account.project.as_deref()), ("boss", Some("shop")));
    for answer in [(http::StatusCode::OK, "<html>welcome"), (http::StatusCode::NOT_FOUND, "")] {
        let (session, _) = open("{}", Router::new().fallback(move || async move { answer })).unwrap();
        let failure = session.services().await.err();
        assert_eq!(failure, Some(Failure::Protocol("k.test answers, but not as Kubernetes does".into())));
    }
    let no = Router::new().fallback(|| async {
        (
            http::StatusCode::UNAUTHORIZED,
            axum::Json(json!({"kind": "Status", "message": "Unauthorized", "reason": "Unauthorized"})),
        )
    });
    let (session, _) = open("{token: tttt}", no).unwrap();
    let failure = session.services().await.err();
    assert_eq!(failure, Some(Failure::Denied("k.test does not accept the user `u`: Unauthorized".into())));
}

/// Says who asked.
fn mirror() -> Router {
    Router::new().fallback(|headers: http::HeaderMap| async move {
        let said = |name: &str| {
            let all = headers.get_all(name).iter().map(|v| v.to_str().unwrap_or("?").to_string());
            all.collect::<Vec<_>>()
        };
        let names = ["authorization", "impersonate-user", "impersonate-group", "impersonate-extra-a%2Fb"];
        axum::Json(json!(names.map(said)))
    })
}

async fn who(session: &dyn Session) -> Result<Value, Failure> {
    let answer = session.send(request(Method::Get, "core", "/x"), None, limits(60)).await?;
    match answer.body {
        edge::drivers::AnswerBody::Json(body) => Ok(body),
        _ => panic!("no JSON"),
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks() {
    for (user, said) in [
        ("{}", json!([[], [], [], []])),
        ("{token: t1}", json!([["Bearer t1"], [], [], []])),
        ("{username: op, password: pw}", json!([["Basic b3A6cHc="], [], [], []])),
        (
            "{token: t1, as: boss, as-groups: [a, b], as-user-extra: {a/b: [x]}}",
            json!([["Bearer t1"], ["boss"], ["a", "b"], ["x"]]),
        ),
    ] {
        let (session, _) = open(user, mirror()).unwrap();
        assert_eq!(who(&*session).await.unwrap(), said, "{user}");
    }
    for (user, why) in [
        (
            "{auth-provider: {name: oidc}}",
            "the context `c`: the auth provider `oidc` is not supported: use an exec plugin",
        ),
        (
            "{exec: {command: x, interactiveMode: Always}}",
            "the context `c`: `x` wants to ask somebody (`interactiveMode: Always`), and Edge lets no plugin do so",
        ),
        ("{exec: {args: []}}", "the context `c`: its `exec` has no `command`"),
        ("{client-certificate-data: '***'}", "the context `c`: `client-certificate-data` is not PEM in base64"),
    ] {
        assert_eq!(open(user, mirror()).err().unwrap().to_string(), why);
    }
    // A description does not say who asks.
    let (session, seen) = open("{token: t1}", mirror()).unwrap();
    for name in ["Impersonate-User", "authorization"] {
        let mut request = request(Method::Get, "core", "/x");
        request.headers.push((name.into(), "root".into()));
        assert!(matches!(session.send(request, None, limits(60)).await.err(), Some(Failure::Protocol(_))));
    }
    assert!(paths(&seen).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_token_stays_with_its_site() {
    let away = || async { (http::StatusCode::FOUND, [("location", "http://thief.test/x")]) };
    let (session, seen) = open("{token: t1}", Router::new().fallback(away)).unwrap();
    let failure = session.send(request(Method::Get, "core", "/x"), None, limits(60)).await.err();
    assert!(
        matches!(&failure, Some(Failure::Protocol(why)) if why.contains("redirects to http://thief.test")),
        "{failure:?}"
    );
    assert_eq!(paths(&seen), ["GET /x Bearer t1"]);
}

#[tokio::test(start_paused = true)]
async fn listings_are_read_in_pages() {
    let router = Router::new().fallback(|query: axum::extract::RawQuery| async move {
        let more = if query.0.as_deref() == Some("limit=500") { "next" } else { "" };
        axum::Json(json!({"kind": "PodList", "items": [{"a": 1}], "metadata": {"continue": more}}))
    });
    let (session, seen) = open("{}", router).unwrap();
    let rows = session.list(listing("core", "/api/v1/pods", "items", Pages::Continue), limits(60)).await.unwrap();
    assert_eq!(rows.rows.len(), 2);
    assert_eq!(paths(&seen), ["GET /api/v1/pods?limit=500", "GET /api/v1/pods?limit=500&continue=next"]);
}

/// A plugin that counts how often it ran, and answers what `text` is by then.
fn plugin(directory: &Path, script: &str) -> String {
    let path = directory.join("plugin");
    std::fs::write(&path, format!("#!/bin/sh\necho run >> {0}/runs\n{script}\n", directory.display())).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let api = "client.authentication.k8s.io/v1";
    format!(
        "{{exec: {{apiVersion: {api}, command: '{}', args: [a], env: [{{name: E, value: secret}}], installHint: 'get it'}}}}",
        path.display()
    )
}

fn runs(directory: &Path) -> usize {
    std::fs::read_to_string(directory.join("runs")).unwrap_or_default().lines().count()
}

const GIVES: &str = r#"cat >/dev/null; n=$(wc -l < "$(dirname "$0")/runs" | tr -d ' ')
echo "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"$1$E$n\"}}""#;

#[tokio::test]
async fn a_plugin_runs_once_for_all_who_wait() {
    let directory = tempfile::tempdir().unwrap();
    let (session, _) = open(&plugin(directory.path(), GIVES), mirror()).unwrap();
    let all = futures_util::future::join_all((0..8).map(|_| who(&*session))).await;
    assert!(all.iter().all(|said| said.as_ref().unwrap()[0][0] == "Bearer asecret1"), "{all:?}");
    assert_eq!(runs(directory.path()), 1);
}

#[tokio::test]
async fn a_plugin_runs_again_when_its_token_is_refused_or_old() {
    let directory = tempfile::tempdir().unwrap();
    let router = Router::new().fallback(|headers: http::HeaderMap| async move {
        let good = headers["authorization"] == "Bearer asecret2";
        if good { http::StatusCode::OK } else { http::StatusCode::UNAUTHORIZED }
    });
    let (session, _) = open(&plugin(directory.path(), GIVES), router).unwrap();
    let ask = || session.send(request(Method::Get, "core", "/x"), None, limits(60));
    assert_eq!((ask().await.unwrap().status, runs(directory.path())), (200, 2));
    assert_eq!((ask().await.unwrap().status, runs(directory.path())), (200, 2));
    let directory = tempfile::tempdir().unwrap();
    let old = GIVES.replace(r#"\"$1$E$n\""#, r#"\"$1$E$n\",\"expirationTimestamp\":\"2020-01-01T00:00:00Z\""#);
    let (session, _) = open(&plugin(directory.path(), &old), mirror()).unwrap();
    assert_eq!(who(&*session).await.unwrap()[0][0], "Bearer asecret1");
    assert_eq!(who(&*session).await.unwrap()[0][0], "Bearer asecret2");
}

#[tokio::test]
async fn a_plugin_that_fails_is_told_and_not_started_for_each() {
    for (script, why) in [
        ("echo first >&2; echo 'log in first' >&2; exit 3", "log in first"),
        ("exit 3", "it ended with exit status: 3"),
        ("echo hello", "its answer is not JSON"),
        (
            r#"echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","status":{"token":"t"}}'"#,
            "it is asked in `client.authentication.k8s.io/v1`, and answers in `client.authentication.k8s.io/v1beta1`",
        ),
        (
            r#"echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"clientCertificateData":"x"}}'"#,
            "it gives a client certificate alone, which is not supported",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let (session, seen) = open(&plugin(directory.path(), script), mirror()).unwrap();
        for _ in 0..3 {
            match who(&*session).await.err() {
                Some(Failure::Denied(said)) => assert!(said.ends_with(&format!("plugin`: {why}")), "{said}"),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((runs(directory.path()), seen.lock().unwrap().len()), (1, 0));
    }
    let (session, _) = open("{exec: {command: /no/such/program, installHint: get it}}", mirror()).unwrap();
    let failure = who(&*session).await.err().unwrap().to_string();
    assert_eq!(failure, "no credentials from `/no/such/program`: there is no such program; get it");
}

#[tokio::test]
async fn a_plugin_that_hangs_is_ended_by_the_time_limit() {
    let directory = tempfile::tempdir().unwrap();
    let script = "echo $$ > \"$(dirname \"$0\")/pid\"; exec sleep 600";
    let (session, seen) = open(&plugin(directory.path(), script), mirror()).unwrap();
    let failure = session.send(request(Method::Get, "core", "/x"), None, limits(2)).await.err();
    assert!(matches!(&failure, Some(Failure::NotSent(why)) if why.contains("within the time limit")), "{failure:?}");
    assert!(seen.lock().unwrap().is_empty());
    let pid = std::fs::read_to_string(directory.path().join("pid")).unwrap();
    for _ in 0..100 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        if stat.is_empty() || stat.contains(") Z ") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("it still runs");
}
