//! One request at one site: what befalls it, and carrying it out.
//!
//! The request is carried out by a task of its own, which goes on when the client gives up, as a server does. What
//! the client had already sent is then in the server's buffer (here the first 64 KiB) and counts; the rest of a
//! streamed body breaks off with its client.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http_body_util::BodyExt;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, sleep_until};

use super::fault::{Action, Befalls};
use super::stack;
use super::world::Site;
use crate::transport::{Body, TransportError, empty_body};

/// What a kernel holds for a process that does not read.
const SOCKET_BUFFER: usize = 64 << 10;

pub(super) async fn exchange(
    site: Arc<Site>,
    request: http::Request<Body>,
) -> Result<http::Response<Body>, TransportError> {
    let healed = site.healed();
    let (parts, body) = request.into_parts();
    let befalls = site.befalls(&parts);
    let entry = site.record(&parts, befalls.action.clone());
    if befalls.action == Some(Action::Refuse) {
        return Err(TransportError::NotSent("connection refused".into()));
    }
    if let Some(Action::Late(after)) = befalls.action {
        tokio::spawn(late(site, parts, body, after));
        return Err(TransportError::Lost("connection closed before an answer".into()));
    }
    let (answer, answered) = oneshot::channel();
    // Dropped together with this future: so the task learns that the client is gone.
    let (_client, gone) = oneshot::channel();
    let body = Arriving { body, gone: Some(gone), buffered: VecDeque::new(), broken: false };
    tokio::spawn(async move {
        let result = carry_out(&site, parts, body, befalls, healed).await;
        site.record_answer(entry, result.as_ref().ok().map(|response| response.status().as_u16()));
        // Nobody waits any more: the effect stays, the answer goes nowhere.
        let _ = answer.send(result);
    });
    answered.await.unwrap_or_else(|_| Err(TransportError::Lost("the site broke off".into())))
}

async fn carry_out(
    site: &Arc<Site>,
    parts: Parts,
    mut body: Arriving,
    befalls: Befalls,
    mut healed: watch::Receiver<u64>,
) -> Result<http::Response<Body>, TransportError> {
    let lost = |why: &str| Err(TransportError::Lost(why.into()));
    body.fill().await;
    match befalls.action {
        Some(Action::Hang) => {
            // An error means that the world is gone, and then so is whoever waits.
            let _ = healed.changed().await;
            return lost("connection reset by the site");
        }
        Some(Action::LoseRequest) => return lost("connection closed before an answer"),
        Some(Action::Freeze) => match befalls.until {
            Some(until) => {
                tokio::select! { _ = sleep_until(site.clock.instant(until)) => (), _ = healed.changed() => () }
            }
            None => {
                let _ = healed.changed().await;
            }
        },
        _ => {}
    }
    let delay = site.spec.latency + befalls.delay;
    if !delay.is_zero() {
        sleep(delay).await;
    }
    if let Some(Action::Status(status)) = befalls.action {
        return Ok(stack::failure(site, &parts, status));
    }
    let ill = match befalls.action {
        Some(Action::ActThenStatus(status)) => Some(stack::failure(site, &parts, status)),
        _ => None,
    };
    let response = stack::answer(site, parts, body).await;
    site.observed();
    if befalls.action == Some(Action::DropAnswer) {
        return lost("connection closed before an answer");
    }
    Ok(ill.unwrap_or(response))
}

/// The client sees its connection break at once; what it had sent is carried out long after.
async fn late(site: Arc<Site>, parts: Parts, body: Body, after: Duration) {
    let mut body = Arriving { body, gone: None, buffered: VecDeque::new(), broken: false };
    body.fill().await;
    // The rest would have come from a client that has gone.
    body.body = empty_body();
    sleep(after).await;
    stack::answer(&site, parts, body).await;
    site.observed();
}

/// A request's body on its way in.
pub(super) struct Arriving {
    body: Body,
    gone: Option<oneshot::Receiver<()>>,
    buffered: VecDeque<Bytes>,
    broken: bool,
}

/// The client broke off before its body was complete.
#[derive(Debug)]
pub(super) struct BrokenOff;

impl Arriving {
    /// Takes in what fits the socket's buffer, whether or not anybody reads.
    async fn fill(&mut self) {
        let mut held = 0;
        while held < SOCKET_BUFFER {
            match self.read().await {
                Some(Ok(bytes)) => {
                    held += bytes.len();
                    self.buffered.push_back(bytes);
                }
                Some(Err(BrokenOff)) => {
                    self.broken = true;
                    return;
                }
                None => return,
            }
        }
    }

    pub async fn next(&mut self) -> Option<Result<Bytes, BrokenOff>> {
        match self.buffered.pop_front() {
            Some(bytes) => Some(Ok(bytes)),
            None if self.broken => Some(Err(BrokenOff)),
            None => self.read().await,
        }
    }

    async fn read(&mut self) -> Option<Result<Bytes, BrokenOff>> {
        loop {
            let frame = Tethered { body: &mut self.body, gone: &mut self.gone }.await?;
            match frame {
                // Trailers are no data.
                Ok(frame) => match frame.into_data() {
                    Ok(bytes) if bytes.is_empty() => continue,
                    Ok(bytes) => return Some(Ok(bytes)),
                    Err(_) => continue,
                },
                Err(_) => return Some(Err(BrokenOff)),
            }
        }
    }
}

/// The next frame of a body, or an error when the client is gone.
struct Tethered<'a> {
    body: &'a mut Body,
    gone: &'a mut Option<oneshot::Receiver<()>>,
}

impl Future for Tethered<'_> {
    type Output = Option<Result<http_body::Frame<Bytes>, BrokenOff>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // What has arrived counts, even from a client that has left since.
        if let Poll::Ready(frame) = pin!(self.body.frame()).poll(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(|_| BrokenOff)));
        }
        if let Some(gone) = self.gone.as_mut() {
            if Pin::new(gone).poll(context).is_pending() {
                return Poll::Pending;
            }
            *self.gone = None;
        }
        Poll::Ready(Some(Err(BrokenOff)))
    }
}
