//! What kind of site it is: each stack's state, and its functions by which a request is answered.
//!
//! A stack is a folder beside this file with `answer`, `failure` (what a fault answers, in the stack's own words) and
//! `service_of` (for faults that are narrowed to a service); nothing else of the simulation knows the stacks apart.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};

use http::request::Parts;

use super::exchange::Arriving;
use super::source::{Clock, Source};
use super::spec::{SiteSpec, Stack};
use super::world::Site;
use super::{kubernetes, mec, openstack};
use crate::transport::Body;

pub(super) enum State {
    OpenStack(Box<Mutex<openstack::State>>),
    Kubernetes(Box<kubernetes::Cluster>),
    Mec(Box<mec::Platform>),
}

impl State {
    pub fn new(name: &str, spec: &SiteSpec, clock: Clock, ids: Source, contents: &mut openstack::Contents) -> State {
        match spec.stack {
            Stack::Openstack => {
                State::OpenStack(Box::new(Mutex::new(openstack::State::new(name, spec, clock.now(), ids, contents))))
            }
            Stack::Kubernetes => State::Kubernetes(Box::new(kubernetes::Cluster::new(name, spec, clock, ids))),
            Stack::Mec => State::Mec(Box::new(mec::Platform::new(name, spec, clock, ids))),
        }
    }
}

pub(super) async fn answer(site: &Arc<Site>, parts: Parts, body: Arriving) -> http::Response<Body> {
    match site.stack() {
        State::OpenStack(_) => openstack::answer(site, parts, body).await,
        State::Kubernetes(_) => kubernetes::answer(site, parts, body).await,
        State::Mec(_) => mec::answer(site, parts, body).await,
    }
}

pub(super) fn failure(site: &Site, parts: &Parts, status: u16) -> http::Response<Body> {
    match site.stack() {
        State::OpenStack(_) => openstack::failure(parts, status),
        State::Kubernetes(_) => kubernetes::failure(parts, status),
        State::Mec(_) => mec::failure(status),
    }
}

pub(super) fn service_of(site: &Site, path: &str) -> Cow<'static, str> {
    match site.stack() {
        State::OpenStack(_) => openstack::service_of(path).into(),
        State::Kubernetes(_) => kubernetes::service_of(path),
        State::Mec(_) => mec::service_of(path).into(),
    }
}
