//! A stack that is added by library text alone: a help desk with an API of its own kind, and its server. Its key stands in
//! a header, a list goes on by `Link`, what is made is named by `Location`, and errors have a shape that no driver knows.

use super::hostile::answer;
use super::{Key, Served, Stack};
use edge::config::{Clouds, Environment, Sites, connection};
use edge::transport::{Body, Transport, TransportError, empty_body};
use edge_lang::inventory::Site;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const DESCRIBED: &str = include_str!("desk.edge");
const PAGE: usize = 25;

pub fn stack() -> Stack {
    Stack {
        name: "desk",
        described: Some(("desk.edge", DESCRIBED)),
        rust: 0,
        site: |name| format!("http(app: \"desk\", url: \"http://{}.desk.test/v3\")", name.to_lowercase()),
        create: "ticket.create(NAME)",
        ensure: "ticket.ensure(NAME)",
        delete: "ticket.delete(NAME)",
        list: "ticket.list()",
        making: ("POST", "/tickets$"),
        listing: ("GET", r"/tickets(\?|$)"),
        ticket: false,
        refusal: (400, "{\"fault\": {\"reason\": \"WHY\", \"kind\": \"bad\"}}", "application/json"),
        looping: Some(|url| {
            let mut page = answer(200, "application/json", "[]");
            let link = format!("<{url}>; rel=\"next\"").parse().expect("a header");
            page.headers_mut().insert("link", link);
            page
        }),
        many: 60,
        serve: |seeds| {
            let desks = Desks(
                ["a", "b"].into_iter().map(|name| (format!("{name}.desk.test"), Desk::new(name, seeds))).collect(),
            );
            Served {
                transport: Arc::new(desks),
                open: Arc::new(|site, key, outside| {
                    let key = match key {
                        Key::Right => secret(site),
                        Key::Wrong => "not-the-password".into(),
                    };
                    let environment =
                        Environment { variables: BTreeMap::from([("KEY".into(), key)]), ..Environment::default() };
                    let url = format!("http://{}.desk.test/v3", site.to_lowercase());
                    let settings = [("app", "desk"), ("url", &url), ("api_key", "env:KEY")];
                    let settings = settings.map(|(k, v)| (k.into(), v.into())).into();
                    let site =
                        Site { name: site.into(), stack: "http".into(), connection: settings, ..Site::default() };
                    let connection = connection(&Sites::default(), &site, None, &Clouds::default(), &environment);
                    edge::drivers::open(&connection.expect("settings of an application"), outside)
                }),
                secrets: |site| vec![secret(site)],
            }
        },
    }
}

fn secret(site: &str) -> String {
    format!("key-of-{}", site.to_lowercase())
}

/// By host.
struct Desks(BTreeMap<String, Desk>);

struct Desk {
    key: String,
    /// The number of the newest ticket, and all by number.
    tickets: Mutex<(u64, BTreeMap<u64, Map<String, Value>>)>,
}

impl Transport for Desks {
    fn send(&self, request: Request<Body>) -> BoxFuture<'_, Result<Response<Body>, TransportError>> {
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let host = parts.uri.host().unwrap_or_default().to_string();
            let Some(desk) = self.0.get(&host) else {
                return Err(TransportError::NotSent(format!("no host named `{host}`")));
            };
            let body = body.collect().await.map_err(|e| TransportError::Lost(e.to_string()))?.to_bytes();
            Ok(desk.answer(&parts, &body))
        })
    }
}

fn fault(status: u16, reason: &str) -> Response<Body> {
    answer(status, "application/json", json!({"fault": {"reason": reason, "kind": status.to_string()}}).to_string())
}

impl Desk {
    fn new(name: &str, seeds: usize) -> Desk {
        let seed = |n: u64| (n, json!({"subject": format!("seed-{n}"), "state": "open"}).as_object().unwrap().clone());
        let tickets = (1..=seeds as u64).map(seed).collect();
        Desk { key: secret(name), tickets: Mutex::new((seeds as u64, tickets)) }
    }

    fn answer(&self, parts: &http::request::Parts, body: &[u8]) -> Response<Body> {
        if parts.headers.get("x-desk-key").is_none_or(|key| key != self.key.as_str()) {
            return fault(401, "who are you?");
        }
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let path: Vec<&str> = parts.uri.path().trim_start_matches("/v3/").split('/').collect();
        let (newest, tickets) = &mut *self.tickets.lock().unwrap();
        let json = |value: Value| answer(200, "application/json", value.to_string());
        let shown = |number: u64, ticket: &Map<String, Value>| {
            let mut ticket = ticket.clone();
            ticket.insert("number".into(), number.into());
            Value::Object(ticket)
        };
        let said = || serde_json::from_slice::<Map<String, Value>>(body).ok();
        let number = path.get(1).and_then(|n| n.parse::<u64>().ok());
        match (parts.method.as_str(), &path[..], number) {
            ("GET", ["tickets"], _) => {
                let fits = |ticket: &Map<String, Value>| {
                    let has = |key: &str| ticket.get(key).and_then(Value::as_str).unwrap_or_default();
                    query.get("q").is_none_or(|words| has("remark").contains(words) || has("subject").contains(words))
                };
                let from: usize = query.get("from").and_then(|n| n.parse().ok()).unwrap_or(0);
                let rows: Vec<Value> = tickets.iter().filter(|(_, t)| fits(t)).map(|(n, t)| shown(*n, t)).collect();
                let mut page = json(rows.iter().skip(from).take(PAGE).cloned().collect());
                if rows.len() > from + PAGE {
                    let next = format!("</v3/tickets?from={}>; rel=\"next\"", from + PAGE);
                    page.headers_mut().insert("link", next.parse().expect("a header"));
                }
                page
            }
            ("POST", ["tickets"], _) => match said() {
                Some(mut ticket) if ticket.get("subject").is_some_and(Value::is_string) => {
                    ticket.insert("state".into(), "open".into());
                    *newest += 1;
                    tickets.insert(*newest, ticket);
                    let mut made = Response::builder().status(201).body(empty_body()).expect("a response");
                    let place = format!("/v3/tickets/{newest}").parse().expect("a header");
                    made.headers_mut().insert("location", place);
                    made
                }
                _ => fault(422, "a ticket has a subject"),
            },
            (method, ["tickets", _], Some(number)) => match (method, tickets.get_mut(&number)) {
                (_, None) => fault(404, "no such ticket"),
                ("GET", Some(ticket)) => json(json!({ "ticket": shown(number, ticket) })),
                ("PATCH", Some(ticket)) => {
                    ticket.extend(said().unwrap_or_default());
                    json(json!({ "ticket": shown(number, ticket) }))
                }
                ("DELETE", Some(_)) => {
                    tickets.remove(&number);
                    Response::builder().status(204).body(empty_body()).expect("a response")
                }
                _ => fault(405, "not so"),
            },
            _ => fault(404, "nothing here"),
        }
    }
}
