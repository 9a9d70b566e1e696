//! What needs no exchange: requests for tokens, what is missing, and error bodies in one line.

use super::cloud;
use edge::config::Connection;
use edge::drivers::complaint::complaint;
use edge::drivers::{AnswerBody, Failure, Surroundings};
use edge::transport::{Body, Transport, TransportError};
use futures_util::future::BoxFuture;
use http::HeaderMap;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Keeps the body of the first request.
#[derive(Default)]
struct Kept(Mutex<Option<(String, Value)>>);

impl Transport for Kept {
    fn send(&self, request: http::Request<Body>) -> BoxFuture<'_, Result<http::Response<Body>, TransportError>> {
        Box::pin(async move {
            let url = request.uri().to_string();
            let body = request.into_body().collect().await.map_err(|e| TransportError::Lost(e.to_string()))?;
            *self.0.lock().unwrap() = Some((url, serde_json::from_slice(&body.to_bytes()).unwrap_or_default()));
            Err(TransportError::Lost("enough".into()))
        })
    }
}

async fn asked(kind: &str, values: &[(&str, &str)]) -> Result<(String, Value), Failure> {
    let kept = Arc::new(Kept::default());
    let outside = Surroundings { transport: kept.clone(), turns: super::turns(1), seed: 0 };
    let session = edge::drivers::open(&Connection::openstack("Zone1", cloud(kind, values)), outside)?;
    let _ = session.account().await;
    let asked = kept.0.lock().unwrap().take();
    Ok(asked.unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn requests_for_tokens() {
    let url = ("auth_url", "http://k:5000");
    let user = json!({"name": "op", "domain": {"id": "default"}, "password": "pw"});
    let named = [
        url,
        ("username", "op"),
        ("password", "pw"),
        ("project_name", "demo"),
        ("user_domain_name", "U"),
        ("project_domain_id", "P"),
    ];
    let cases: [(&str, &[(&str, &str)], Value); 9] = [
        (
            "password",
            &[url, ("username", "op"), ("password", "pw"), ("project_id", "p1")],
            json!({"identity": {"methods": ["password"], "password": {"user": user}}, "scope": {"project": {"id": "p1"}}}),
        ),
        (
            "v3password",
            &named,
            json!({"identity": {"methods": ["password"], "password": {"user": {"name": "op", "domain": {"name": "U"}, "password": "pw"}}},
                "scope": {"project": {"name": "demo", "domain": {"id": "P"}}}}),
        ),
        (
            "password",
            &[url, ("user_id", "u1"), ("password", "pw"), ("domain_name", "D")],
            json!({"identity": {"methods": ["password"], "password": {"user": {"id": "u1", "password": "pw"}}}, "scope": {"domain": {"name": "D"}}}),
        ),
        (
            "password",
            &[url, ("user_id", "u1"), ("password", "pw"), ("system_scope", "all")],
            json!({"identity": {"methods": ["password"], "password": {"user": {"id": "u1", "password": "pw"}}}, "scope": {"system": {"all": true}}}),
        ),
        (
            "password",
            &[url, ("username", "op"), ("password", "pw"), ("default_domain_name", "D")],
            json!({"identity": {"methods": ["password"], "password": {"user": {"name": "op", "domain": {"name": "D"}, "password": "pw"}}}}),
        ),
        (
            "token",
            &[url, ("token", "t"), ("project_id", "p1")],
            json!({"identity": {"methods": ["token"], "token": {"id": "t"}}, "scope": {"project": {"id": "p1"}}}),
        ),
        (
            "v3applicationcredential",
            &[
                url,
                ("application_credential_id", "a"),
                ("application_credential_secret", "s"),
                ("project_id", "not sent"),
            ],
            json!({"identity": {"methods": ["application_credential"], "application_credential": {"secret": "s", "id": "a"}}}),
        ),
        (
            "v3applicationcredential",
            &[url, ("application_credential_name", "n"), ("application_credential_secret", "s"), ("user_id", "u")],
            json!({"identity": {"methods": ["application_credential"], "application_credential": {"secret": "s", "name": "n", "user": {"id": "u"}}}}),
        ),
        (
            "v3totp",
            &[url, ("username", "op"), ("passcode", "123456"), ("user_domain_id", "d")],
            json!({"identity": {"methods": ["totp"], "totp": {"user": {"name": "op", "domain": {"id": "d"}, "passcode": "123456"}}}}),
        ),
    ];
    for (kind, values, auth) in cases {
        let (to, body) = asked(kind, values).await.unwrap();
        assert_eq!((to.as_str(), &body["auth"]), ("http://k:5000/v3/auth/tokens", &auth), "{kind}");
    }
    for written in [
        "http://k/identity",
        "http://k/identity/",
        "http://k/identity/v3",
        "http://k/identity/v3/",
        "http://k/identity/v2.0",
    ] {
        let (to, _) = asked("token", &[("auth_url", written), ("token", "t")]).await.unwrap();
        assert_eq!(to, "http://k/identity/v3/auth/tokens", "{written}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_named() {
    let url = ("auth_url", "http://k:5000");
    let cases: [(&str, &[(&str, &str)], &str); 8] = [
        ("password", &[url, ("password", "pw")], "`username` is missing"),
        ("password", &[url, ("username", "op")], "`password` is missing"),
        ("password", &[("username", "op"), ("password", "pw")], "`auth_url` is missing"),
        ("password", &[("auth_url", "k:5000"), ("username", "op"), ("password", "pw")], "`auth_url` is not"),
        (
            "password",
            &[("auth_url", "http://a:hunter@k"), ("username", "op"), ("password", "pw")],
            "`auth_url` holds a user's name",
        ),
        (
            "v3applicationcredential",
            &[url, ("application_credential_secret", "s")],
            "`application_credential_id` is missing",
        ),
        ("v3oidcpassword", &[url], "authentication by `v3oidcpassword` is not supported yet"),
        ("none", &[], "`endpoint` is missing"),
    ];
    for (kind, values, why) in cases {
        match asked(kind, values).await {
            Err(Failure::Configuration(said)) => {
                assert!(said.contains(why) && said.contains("`Zone1`") && !said.contains("hunter"), "{said}");
            }
            other => panic!("{kind}: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn sites_without_identity() {
    for (kind, values, header) in [
        ("none", vec![("endpoint", "http://ironic:6385")], None),
        (
            "http_basic",
            vec![("endpoint", "http://ironic:6385"), ("username", "a"), ("password", "b")],
            Some(("authorization", "Basic YTpi")),
        ),
        ("admin_token", vec![("endpoint", "http://ironic:6385"), ("token", "t")], Some(("x-auth-token", "t"))),
    ] {
        #[derive(Default)]
        struct Headers(Mutex<Vec<(String, http::HeaderMap)>>);
        impl Transport for Headers {
            fn send(
                &self,
                request: http::Request<Body>,
            ) -> BoxFuture<'_, Result<http::Response<Body>, TransportError>> {
                self.0.lock().unwrap().push((request.uri().to_string(), request.headers().clone()));
                Box::pin(async { Ok(http::Response::new(edge::transport::full_body("{}"))) })
            }
        }
        let headers = Arc::new(Headers::default());
        let session = super::open(cloud(kind, &values), headers.clone());
        let request = edge_lang::library::Request { base: "/v1".into(), ..super::get("baremetal", "/nodes") };
        session.send(request, None, super::limits(60)).await.unwrap();
        let seen = headers.0.lock().unwrap();
        let sent: Vec<Option<&str>> =
            ["authorization", "x-auth-token"].iter().map(|n| seen[0].1.get(*n)?.to_str().ok()).collect();
        let wanted: Vec<Option<&str>> = ["authorization", "x-auth-token"]
            .iter()
            .map(|n| header.filter(|(name, _)| name == n).map(|(_, v)| v))
            .collect();
        assert_eq!((seen.len(), seen[0].0.as_str(), sent), (1, "http://ironic:6385/v1/nodes", wanted), "{kind}");
    }
}

#[test]
fn error_bodies_in_one_line() {
    let cases = [
        (
            404,
            r#"{"itemNotFound": {"code": 404, "message": "Instance x could not be found."}}"#,
            "itemNotFound",
            "Instance x could not be found.",
        ),
        (
            409,
            r#"{"NeutronError": {"type": "OverQuota", "message": "Quota exceeded", "detail": ""}}"#,
            "OverQuota",
            "Quota exceeded",
        ),
        (409, r#"{"NeutronError": {"type": "T", "message": "M", "detail": "D"}}"#, "T", "M (D)"),
        (
            401,
            r#"{"error": {"code": 401, "message": "The request you have made requires authentication.", "title": "Unauthorized"}}"#,
            "Unauthorized",
            "The request you have made requires authentication.",
        ),
        (
            403,
            r#"{"errors": [{"status": 403, "title": "Forbidden", "detail": "Access was denied\n\n  here", "code": "placement.denied"}]}"#,
            "placement.denied",
            "Forbidden: Access was denied here",
        ),
        (
            404,
            r#"{"errors": [{"code": "NAME_UNKNOWN", "message": "repository name not known"}]}"#,
            "NAME_UNKNOWN",
            "repository name not known",
        ),
        (403, r#"{"kind": "Status", "reason": "Forbidden", "message": "no", "code": 403}"#, "Forbidden", "no"),
        (409, r#"{"message": "Conflict here", "code": "409 Conflict", "title": "Conflict"}"#, "", "Conflict here"),
        (
            409,
            r#"{"message": "not allowed<br /><br />\n\n\n", "code": "409 Conflict", "title": "Conflict"}"#,
            "",
            "not allowed",
        ),
        (400, r#"{"error_message": "{\"faultstring\": \"bad node\", \"faultcode\": \"Client\"}"}"#, "", "bad node"),
        (422, r#"{"error": "Domain not found"}"#, "", "Domain not found"),
        (
            409,
            "<html><head><title>409 Conflict</title><style>p {}</style></head><body><h1>409 Conflict</h1>Image status &lt;queued&gt;<br /><br />\n</body></html>",
            "",
            "409 Conflict Image status <queued>",
        ),
        (
            413,
            "413 Request Entity Too Large\n\nQuota exceeded.\u{1b}[31m\n",
            "",
            "413 Request Entity Too Large Quota exceeded. [31m",
        ),
        (502, "", "", "bad gateway"),
        (499, "", "", "status 499"),
        (500, "[1, 2]", "", "[1,2]"),
        (500, "<a <b <script>", "", "internal server error"),
    ];
    for (status, text, code, message) in cases {
        let body = match serde_json::from_str::<Value>(text) {
            Ok(value) => AnswerBody::Json(value),
            Err(_) if text.is_empty() => AnswerBody::Empty,
            Err(_) => AnswerBody::Text(text.into()),
        };
        let found = complaint(status, &HeaderMap::new(), &body, None);
        assert_eq!((found.code.as_deref().unwrap_or(""), found.message.as_str()), (code, message), "{text}");
    }
    let long = complaint(500, &HeaderMap::new(), &AnswerBody::Text("é ".repeat(100_000)), None);
    assert!(long.message.len() < 500 && long.message.ends_with('…'));
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_reading_of_errors(text in ".{0,200}", tags in "[<>&;a-zé!-]{0,200}") {
        for body in [text, tags] {
            let found = complaint(500, &HeaderMap::new(), &AnswerBody::Text(body), None);
            proptest::prop_assert!(!found.message.is_empty() && !found.message.contains('\n'));
        }
    }
}
