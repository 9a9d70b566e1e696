//! A simulated MEC site: application packages and the lifecycle of application instances, by the data types that ETSI
//! publishes for GS MEC 010-2 v2.1.1 (Mm1 and Mm3): AppPkgInfo, AppInstanceInfo, AppInstanceLcmOpOcc, ProblemDetails.
//!
//! What takes time is an operation occurrence, and is worked out from the clock when the next request looks, as
//! everywhere in the simulation. The standard leaves open what is refused when; where it does, this refuses with 403 (not
//! in this state) and 409 (something is under way), the statuses that it lists.

mod instances;
mod packages;

use bytes::Bytes;
use http::request::Parts;
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex, MutexGuard};
use time::OffsetDateTime;

use super::exchange::Arriving;
use super::source::{Clock, Source};
use super::spec::{MecSpec, SiteSpec};
use super::stack;
use super::world::{Site, lock};
use crate::transport::{Body, full_body};
use instances::Instances;
use packages::Packages;

pub(super) type Object = Map<String, Value>;
type Answer = Result<Reply, Problem>;

/// Packages and their services, by what their paths begin with.
const PACKAGES: &str = "app_pkgm";
const LIFECYCLE: &str = "app_lcm";
/// Longest body of a request that is no package.
const LONGEST_BODY: usize = 1 << 20;

pub(super) struct Platform {
    token: String,
    clock: Clock,
    spec: MecSpec,
    state: Mutex<State>,
}

struct State {
    ids: Source,
    packages: Packages,
    instances: Instances,
}

struct Call {
    method: String,
    segments: Vec<String>,
    query: Vec<(String, String)>,
    body: Bytes,
    now: OffsetDateTime,
    base: String,
}

struct Reply {
    status: u16,
    location: Option<String>,
    kind: &'static str,
    body: Bytes,
}

/// ProblemDetails, as RFC 7807 has them.
struct Problem {
    status: u16,
    detail: String,
}

impl Platform {
    pub fn new(name: &str, spec: &SiteSpec, clock: Clock, ids: Source) -> Platform {
        let state = State { ids, packages: Packages::default(), instances: Instances::default() };
        Platform { token: token_of(name, &spec.mec), clock, spec: spec.mec.clone(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Its packages or instances, as they are shown.
    pub fn seen(&self, plural: &str) -> Vec<Value> {
        let (state, now) = (&mut *self.state(), self.clock.now());
        state.settle(now);
        match plural {
            "app_packages" => state.packages.all("").collect(),
            "app_instances" => state.instances.all("").collect(),
            _ => state.instances.occurrences("").collect(),
        }
    }
}

impl State {
    fn settle(&mut self, now: OffsetDateTime) {
        self.packages.settle(now);
        self.instances.settle(now);
    }
}

/// By default the site's name in lower case and `-secret`: no two sites share one.
pub(super) fn token_of(site: &str, spec: &MecSpec) -> String {
    spec.token.clone().unwrap_or_else(|| format!("{}-secret", site.to_lowercase()))
}

pub(super) async fn answer(site: &Arc<Site>, parts: Parts, mut body: Arriving) -> http::Response<Body> {
    let stack::State::Mec(platform) = site.stack() else { unreachable!("this stack answers for MEC sites alone") };
    let given =
        parts.headers.get("authorization").and_then(|t| t.to_str().ok()).and_then(|t| t.strip_prefix("Bearer "));
    if given != Some(platform.token.as_str()) {
        return problem(401, "the request has no valid bearer token").response();
    }
    let longest = match parts.uri.path().ends_with("/package_content") {
        true => usize::try_from(platform.spec.package_limit).unwrap_or(usize::MAX),
        false => LONGEST_BODY,
    };
    let mut held = bytes::BytesMut::new();
    loop {
        match body.next().await {
            Some(Ok(bytes)) if held.len() + bytes.len() > longest => {
                return problem(400, "the content of the request is too large").response();
            }
            Some(Ok(bytes)) => held.extend_from_slice(&bytes),
            Some(Err(_)) => return problem(400, "the request broke off").response(),
            None => break,
        }
    }
    let decoded = |segment: &str| percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned();
    let call = Call {
        method: parts.method.to_string(),
        segments: parts.uri.path().split('/').filter(|s| !s.is_empty()).map(decoded).collect(),
        query: url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect(),
        body: held.freeze(),
        now: platform.clock.now(),
        base: site.base(),
    };
    let state = &mut *platform.state();
    state.settle(call.now);
    match respond(state, &platform.spec, &call) {
        Ok(reply) => reply.response(),
        Err(problem) => problem.response(),
    }
}

fn respond(state: &mut State, spec: &MecSpec, call: &Call) -> Answer {
    let path: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    match &path[..] {
        [PACKAGES, "v1", rest @ ..] => packages::respond(state, spec, call, rest),
        [LIFECYCLE, "v1", rest @ ..] => instances::respond(state, spec, call, rest),
        _ => Err(problem(404, "there is no such resource")),
    }
}

/// For faults that are narrowed to a service.
pub(super) fn service_of(path: &str) -> &'static str {
    [PACKAGES, LIFECYCLE].into_iter().find(|s| path.trim_start_matches('/').starts_with(s)).unwrap_or_default()
}

/// What a fault answers.
pub(super) fn failure(status: u16) -> http::Response<Body> {
    let mut response = problem(status, "this was made to fail").response();
    if status == 429 {
        response.headers_mut().insert("retry-after", http::HeaderValue::from_static("1"));
    }
    response
}

fn problem(status: u16, detail: impl Into<String>) -> Problem {
    Problem { status, detail: detail.into() }
}

impl Problem {
    fn response(self) -> http::Response<Body> {
        let title = http::StatusCode::from_u16(self.status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Error");
        let details = json!({"type": "about:blank", "title": title, "status": self.status, "detail": self.detail});
        let body = details.to_string().into();
        Reply { status: self.status, location: None, kind: "application/problem+json", body }.response()
    }
}

impl Reply {
    fn json(status: u16, body: Value) -> Reply {
        Reply { status, location: None, kind: "application/json", body: body.to_string().into() }
    }

    fn empty(status: u16) -> Reply {
        Reply { status, location: None, kind: "", body: Bytes::new() }
    }

    fn at(self, location: String) -> Reply {
        Reply { location: Some(location), ..self }
    }

    fn response(self) -> http::Response<Body> {
        let mut response = http::Response::new(full_body(self.body));
        *response.status_mut() = http::StatusCode::from_u16(self.status).unwrap_or(http::StatusCode::IM_A_TEAPOT);
        let headers = [("content-type", self.kind.to_string()), ("location", self.location.unwrap_or_default())];
        for (name, value) in headers.into_iter().filter(|(_, value)| !value.is_empty()) {
            if let Ok(value) = http::HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

impl Call {
    fn object(&self) -> Result<Object, Problem> {
        serde_json::from_slice(&self.body).map_err(|_| problem(400, "the content of the request is no JSON object"))
    }

    /// Rows that the attribute-based `filter` of GS MEC 009 lets through: `(eq,userDefinedData/key,value);(cont,..)`.
    fn filtered(&self, rows: impl Iterator<Item = Value>) -> Result<Value, Problem> {
        let Some((_, filter)) = self.query.iter().find(|(key, _)| key == "filter") else { return Ok(rows.collect()) };
        let mut all = Vec::new();
        for part in filter.split(';').filter(|p| !p.is_empty()) {
            let inner = part.strip_prefix('(').and_then(|p| p.strip_suffix(')'));
            let mut words = inner.unwrap_or_default().splitn(3, ',');
            match (words.next(), words.next(), words.next()) {
                (Some(op @ ("eq" | "neq" | "cont")), Some(path), Some(value)) => all.push((op, path, value)),
                _ => return Err(problem(400, format!("the filter `{part}` is not understood"))),
            }
        }
        let fits = |row: &Value, (op, path, value): &(&str, &str, &str)| {
            let found = path.split('/').try_fold(row, |found, key| found.get(key));
            let text = found.map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_string));
            match *op {
                "eq" => text.as_deref() == Some(*value),
                "neq" => text.as_deref() != Some(*value),
                _ => text.is_some_and(|t| t.contains(*value)),
            }
        };
        Ok(rows.filter(|row| all.iter().all(|part| fits(row, part))).collect())
    }
}

fn text(object: &Object, key: &str) -> Result<Option<String>, Problem> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(problem(400, format!("`{key}` is not a text"))),
    }
}

fn needed(object: &Object, key: &str) -> Result<String, Problem> {
    text(object, key)?.ok_or_else(|| problem(400, format!("`{key}` is missing")))
}

fn time_stamp(at: OffsetDateTime) -> Value {
    json!({"seconds": at.unix_timestamp(), "nanoSeconds": at.nanosecond()})
}
