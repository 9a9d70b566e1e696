//! What lies between the runner and the sites: requests go by host name, meet what befalls them, and are carried out, at
//! once or later. The hard idea: a request that is late belongs to its site, not to whoever sent it. So it is carried out
//! whether or not the runner still waits, lives, or has looked meanwhile.

use super::formula::Random;
use super::promise::Promises;
use super::site::{Ask, Reply, SITES, Site};
use super::weather::{Fault, What, When};
use edge::transport::{Body, Transport, TransportError, empty_body, full_body};
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The quiet time that the executor counts on: what a site that answers has not carried out by then, it never will.
const QUIET: Duration = Duration::from_secs(55);

/// No case needs so many requests.
const MOST: u64 = 30_000;

#[derive(Clone)]
pub struct Ether(Arc<Mutex<State>>);

pub struct State {
    began: Instant,
    pub sites: Vec<Site>,
    faults: Vec<(Fault, u32)>,
    heal: Duration,
    late: Vec<Late>,
    answers: Vec<(u64, Reply)>,
    random: Random,
    /// At most so long is a request, or its answer, on its way.
    latency: u64,
    /// The runner that lives; what others send goes nowhere.
    runner: u32,
    pub promises: Promises,
    pub trace: Option<String>,
    pub requests: u64,
    numbers: u64,
}

struct Late {
    at: Duration,
    site: usize,
    ask: Ask,
    /// Its answer is waited for under this number.
    awaited: Option<u64>,
    /// A site that answers carries it out soon.
    quiet: bool,
}

impl Ether {
    pub fn new(sites: Vec<Site>, faults: Vec<Fault>, heal: Duration, latency: u64, promises: Promises) -> Ether {
        Ether(Arc::new(Mutex::new(State {
            began: Instant::now(),
            sites,
            faults: faults.into_iter().map(|fault| (fault, 0)).collect(),
            heal,
            late: Vec::new(),
            answers: Vec::new(),
            random: Random(latency),
            latency,
            runner: 0,
            promises,
            trace: None,
            requests: 0,
            numbers: 0,
        })))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The door of the runner that lives from now on.
    pub fn door(&self) -> Door {
        let mut state = self.state();
        state.runner += 1;
        Door { ether: self.clone(), runner: state.runner }
    }
}

impl State {
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub fn note(&mut self, line: impl FnOnce() -> String) {
        let now = self.now();
        if let Some(trace) = &mut self.trace {
            let _ = writeln!(trace, "{:>9.3} {}", now.as_secs_f64(), line());
        }
    }

    /// No runner lives: what it has in flight gets no further.
    pub fn kill(&mut self) {
        self.runner += 1;
    }

    fn befalls(&mut self, site: usize, ask: &Ask) -> Option<What> {
        let now = self.now();
        if now >= self.heal {
            return None;
        }
        let mut found = None;
        for (fault, count) in &mut self.faults {
            let during = match fault.when {
                When::During(from, to) => now >= from && now < to,
                _ => true,
            };
            if fault.site != site || !during || !fault.on.covers(ask) {
                continue;
            }
            *count += 1;
            let applies = match fault.when {
                When::Nth(n) => *count == n,
                When::First(n) => *count <= n,
                _ => true,
            };
            if applies && found.is_none() {
                found = Some(fault.what);
            }
        }
        found
    }

    /// Everything that is due by now is carried out, in the order in which it is due.
    pub fn catch_up(&mut self) {
        let now = self.now();
        loop {
            let due = self.late.iter().enumerate().filter(|(_, late)| late.at <= now);
            let Some((first, _)) = due.min_by_key(|(_, late)| late.at) else { break };
            let late = self.late.remove(first);
            let reply = self.carry_out(late.site, &late.ask, late.at, "late: ");
            if let Some(number) = late.awaited {
                self.answers.push((number, reply));
            }
        }
        for site in &mut self.sites {
            site.pass_time(now);
        }
    }

    fn hold(&mut self, site: usize, ask: Ask, at: Duration, awaited: bool) -> u64 {
        self.numbers += 1;
        let quiet = !ask.is_fenced();
        self.late.push(Late { at, site, ask, awaited: awaited.then_some(self.numbers), quiet });
        self.numbers
    }

    fn carry_out(&mut self, site: usize, ask: &Ask, now: Duration, how: &str) -> Reply {
        let mut wrong = Vec::new();
        let reply = self.sites[site].carry_out(ask, now, &mut wrong);
        self.promises.broken.extend(wrong);
        self.note(|| format!("{how}{} {} {}{} -> {}", SITES[site], ask.method, ask.path, about(ask), reply.status));
        self.promises.asked(site, ask);
        if ask.changes() && reply.status < 300 {
            self.promises.look(&self.sites);
        }
        reply
    }

    /// The site answers: what it has received is carried out soon.
    fn answers(&mut self, site: usize) {
        let now = self.now();
        for late in self.late.iter_mut().filter(|late| late.site == site && late.quiet) {
            let soon = now + Duration::from_millis(self.random.below(QUIET.as_millis() as u64));
            late.at = late.at.min(soon);
            late.quiet = false;
        }
    }

    fn take(&mut self, number: u64) -> Option<Reply> {
        let at = self.answers.iter().position(|(of, _)| *of == number)?;
        Some(self.answers.swap_remove(at).1)
    }
}

fn about(ask: &Ask) -> String {
    let mut out = String::new();
    for (key, value) in &ask.query {
        let _ = write!(out, " {key}={value}");
    }
    if ask.changes() && !ask.body.is_null() {
        let _ = write!(out, " {}", ask.body);
    }
    out
}

#[derive(Clone)]
pub struct Door {
    ether: Ether,
    runner: u32,
}

type Answer = Result<http::Response<Body>, TransportError>;

impl Transport for Door {
    fn send(&self, request: http::Request<Body>) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            let Some((site, ask)) = read(request).await else {
                return Err(TransportError::NotSent("no such host".into()));
            };
            let answer = self.exchange(site, ask).await;
            let back = self.pause();
            if !back.is_zero() {
                sleep(back).await;
            }
            self.is_alive().await;
            answer.map(response)
        })
    }
}

impl Door {
    /// Never returns to a runner that is dead.
    async fn is_alive(&self) {
        let alive = self.ether.state().runner == self.runner;
        if !alive {
            std::future::pending::<()>().await;
        }
    }

    fn pause(&self) -> Duration {
        let mut state = self.ether.state();
        match state.latency {
            0 => Duration::ZERO,
            most => Duration::from_millis(state.random.below(most)),
        }
    }

    async fn exchange(&self, site: usize, ask: Ask) -> Result<Reply, TransportError> {
        self.is_alive().await;
        let lost = || Err(TransportError::Lost("the connection broke".into()));
        let on_its_way = self.pause();
        if !on_its_way.is_zero() {
            sleep(on_its_way).await;
        }
        let (what, heal) = {
            let mut state = self.ether.state();
            state.requests += 1;
            if state.requests == MOST {
                state.promises.broken.insert(format!("it asks without end: {MOST} requests"));
                state.kill();
            }
            state.catch_up();
            let what = state.befalls(site, &ask);
            if let Some(what) = what {
                state.note(|| format!("{what:?}: {} {} {}{}", SITES[site], ask.method, ask.path, about(&ask)));
            }
            (what, state.heal)
        };
        let act = |how| {
            let mut state = self.ether.state();
            let now = state.now();
            let reply = state.carry_out(site, &ask, now, how);
            state.answers(site);
            reply
        };
        // What only reads does nothing when it comes late, and a token is no effect.
        let idle = !ask.changes();
        match what {
            None => Ok(act("")),
            Some(What::Unreachable) => Err(TransportError::NotSent("connection refused".into())),
            Some(What::Lost) => lost(),
            Some(What::Late(_)) if idle => lost(),
            Some(What::Swallowed) => std::future::pending().await,
            Some(What::Frozen) if idle => std::future::pending().await,
            Some(What::AnswerLost) => {
                act("unheard: ");
                lost()
            }
            Some(What::Mute) => {
                act("unheard: ");
                std::future::pending().await
            }
            Some(What::Slow(time)) => {
                let number = {
                    let mut state = self.ether.state();
                    let at = state.now() + time;
                    state.hold(site, ask, at, true)
                };
                sleep(time).await;
                let mut state = self.ether.state();
                state.catch_up();
                state.answers(site);
                state.take(number).map_or_else(lost, Ok)
            }
            Some(What::Late(time)) => {
                let mut state = self.ether.state();
                let at = state.now() + time;
                state.hold(site, ask, at, false);
                lost()
            }
            Some(What::Frozen) => {
                self.ether.state().hold(site, ask, heal, false);
                std::future::pending().await
            }
            Some(What::Twice(time)) => {
                let reply = act("");
                let mut state = self.ether.state();
                if ask.method == "DELETE" && ask.is_fenced() {
                    let at = state.now() + time;
                    state.hold(site, ask, at, false);
                } else if matches!(ask.method.as_str(), "GET" | "PUT") {
                    let now = state.now();
                    state.carry_out(site, &ask, now, "twice: ");
                }
                Ok(reply)
            }
            Some(What::Answer(409)) => Ok(Reply::failure(409, "busy")),
            Some(What::Answer(status)) => Ok(Reply::failure(status, "no")),
            Some(What::ActsAndAnswers(status)) => {
                act("unheard: ");
                Ok(Reply::failure(status, "it broke"))
            }
            Some(What::Breaks) => {
                self.ether.state().sites[site].breaks = true;
                Ok(act(""))
            }
            Some(What::Forgets) => {
                self.ether.state().sites[site].forget_tokens();
                Ok(act(""))
            }
        }
    }
}

async fn read(request: http::Request<Body>) -> Option<(usize, Ask)> {
    let (parts, body) = request.into_parts();
    let host = parts.uri.host()?;
    let site = SITES.iter().position(|name| host.strip_suffix(".sim").is_some_and(|h| h.eq_ignore_ascii_case(name)))?;
    let bytes = body.collect().await.ok()?.to_bytes();
    let mut raw = String::from_utf8_lossy(&bytes).into_owned();
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    for (name, value) in &parts.headers {
        let _ = write!(raw, "\n{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    let path = parts.uri.path();
    let path = ["/identity/v3", "/lab/v1", "/store/v1"].iter().find_map(|base| path.strip_prefix(base))?.to_string();
    let query = parts.uri.query().unwrap_or_default();
    let query = url::form_urlencoded::parse(query.as_bytes()).map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
    let token = parts.headers.get("x-auth-token").and_then(|t| t.to_str().ok()).map(str::to_string);
    Some((site, Ask { method: parts.method.to_string(), path, query, body, token, raw }))
}

fn response(reply: Reply) -> http::Response<Body> {
    let builder = http::Response::builder().status(reply.status).header("content-type", "application/json");
    let builder = match &reply.token {
        Some(token) => builder.header("x-subject-token", token),
        None => builder,
    };
    let body = match reply.body.is_null() {
        true => empty_body(),
        false => full_body(reply.body.to_string()),
    };
    builder.body(body).expect("status and headers are plain")
}
