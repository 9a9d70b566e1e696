//! What stands between a driver and a server, and does harm: a transport that carries requests to another one, but for
//! those that a rule befalls. It remembers every request, so that no secret of one host is shown to another.

use edge::transport::{Body, Transport, TransportError, full_body};
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::StreamBody;
use regex::Regex;
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Answer = Arc<dyn Fn(&Parts) -> Response<Body> + Send + Sync>;

#[derive(Clone)]
pub enum Harm {
    /// Carried out; the connection breaks before the answer.
    LoseAnswer,
    /// The connection breaks, and nothing is carried out.
    LoseRequest,
    /// No connection.
    Refuse,
    /// Carried out at once, and answered so late.
    SlowAnswer(Duration),
    /// Carried out so late, whether or not anybody waits.
    Late(Duration),
    /// Not carried out, and answered so.
    Instead(Answer),
    /// Carried out, and answered so.
    After(Answer),
}

struct Rule {
    host: String,
    method: String,
    path: Regex,
    times: usize,
    harm: Harm,
}

/// One request: where to, what for, and all that its headers say.
#[derive(Clone)]
pub struct Seen {
    pub host: String,
    pub method: String,
    pub path: String,
    pub headers: String,
}

pub struct Hostile {
    inner: Arc<dyn Transport>,
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<Seen>>,
}

impl Hostile {
    pub fn before(inner: Arc<dyn Transport>) -> Hostile {
        Hostile { inner, rules: Mutex::default(), seen: Mutex::default() }
    }

    /// Befalls so many requests of a method, to a host whose name begins so, whose path and query fit.
    pub fn befall(&self, host: &str, (method, path): (&str, &str), times: usize, harm: Harm) {
        let path = Regex::new(path).expect("a rule's path is a regular expression");
        let rule = Rule { host: host.to_lowercase(), method: method.into(), path, times, harm };
        self.rules.lock().unwrap().push(rule);
    }

    /// No harm from here on.
    pub fn heal(&self) {
        self.rules.lock().unwrap().clear();
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }

    fn harm(&self, host: &str, parts: &Parts) -> Option<Harm> {
        let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
        let mut rules = self.rules.lock().unwrap();
        let rule = rules.iter_mut().find(|rule| {
            rule.times > 0
                && host.starts_with(&rule.host)
                && parts.method.as_str() == rule.method
                && rule.path.is_match(path)
        })?;
        rule.times -= 1;
        Some(rule.harm.clone())
    }
}

impl Transport for Hostile {
    fn send(&self, request: Request<Body>) -> BoxFuture<'_, Result<Response<Body>, TransportError>> {
        let (parts, body) = request.into_parts();
        let host = parts.uri.authority().map_or(String::new(), |a| a.to_string());
        let headers = parts.headers.iter().map(|(k, v)| format!("{k}: {}\n", String::from_utf8_lossy(v.as_bytes())));
        self.seen.lock().unwrap().push(Seen {
            host: host.clone(),
            method: parts.method.to_string(),
            path: parts.uri.path_and_query().map_or(String::new(), |p| p.to_string()),
            headers: headers.collect(),
        });
        let harm = self.harm(&host, &parts);
        let inner = self.inner.clone();
        let lost = || Err(TransportError::Lost("connection closed before an answer".into()));
        Box::pin(async move {
            let again = parts.clone();
            let carry = |inner: Arc<dyn Transport>| async move { inner.send(Request::from_parts(parts, body)).await };
            match harm {
                None => carry(inner).await,
                Some(Harm::Refuse) => Err(TransportError::NotSent("connection refused".into())),
                Some(Harm::LoseRequest) => lost(),
                Some(Harm::LoseAnswer) => {
                    let _ = carry(inner).await;
                    lost()
                }
                Some(Harm::SlowAnswer(time)) => {
                    let answer = carry(inner).await;
                    tokio::time::sleep(time).await;
                    answer
                }
                Some(Harm::Late(time)) => {
                    let late = tokio::spawn(async move {
                        tokio::time::sleep(time).await;
                        carry(inner).await
                    });
                    late.await.unwrap_or_else(|_| lost())
                }
                Some(Harm::Instead(answer)) => Ok(answer(&again)),
                Some(Harm::After(answer)) => {
                    let _ = carry(inner).await;
                    Ok(answer(&again))
                }
            }
        })
    }
}

pub fn answer(status: u16, content_type: &str, body: impl Into<bytes::Bytes>) -> Response<Body> {
    let response = Response::builder().status(status).header("content-type", content_type);
    response.body(full_body(body)).expect("a response")
}

/// JSON that never ends, piece after piece.
pub fn endless() -> Response<Body> {
    use http_body_util::BodyExt;
    let piece: bytes::Bytes = vec![b' '; 1 << 20].into();
    let frames = futures_util::stream::repeat_with(move || Ok(http_body::Frame::data(piece.clone())));
    let response = Response::builder().header("content-type", "application/json");
    response.body(StreamBody::new(frames).boxed_unsync()).expect("a response")
}
