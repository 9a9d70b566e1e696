//! Kubernetes' protocol: who we are by the kubeconfig, what kinds there are by discovery, and where they lie.
//!
//! A session is one user of one cluster, in a namespace. The hard idea is that no kind is known here: a description
//! names one, the site says in which version it has it and under which path, and a kind that is new is asked for anew.

mod discovery;
mod gather;
mod plugin;
mod watch;

use super::complaint::complaint;
use super::exchange::{Call, Pass, Passes, Sent, Wire, deadline};
use super::kept::Keeper;
use super::listing::{self, Paging};
use super::place::{at, host, web_url};
use super::secrets::Secrets;
use super::{
    Account, Answer, AnswerBody, Failure, Limits, Located, Object, Rows, ServiceEntry, Session, Surroundings, Upload,
    Watched, Within,
};
use crate::config::Cluster;
use crate::config::Kept;
use crate::config::cluster::Who;
use base64::Engine;
use discovery::{Groups, segment};
use edge_lang::library::{Listing, Pages, Request, Version};
use futures_util::future::{BoxFuture, join_all};
use gather::{Gathering, Read};
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderName, HeaderValue, Method};
use kube::core::discovery::v2::ACCEPT_AGGREGATED_DISCOVERY_V2;
use plugin::Runner;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

/// For what is asked outside a call with limits of its own: groups, kinds, the release.
const LOOK: Duration = Duration::from_secs(60);
/// Rows of a page, as kubectl asks for them.
const PAGE: &str = "500";
/// A kind that was just defined takes a moment to be there; one that nobody defined does not come.
const NEW_KIND: [Duration; 2] = [Duration::ZERO, Duration::from_secs(1)];
/// What descriptions say may be a refusal in plain text.
const JSON_OR_ANY: HeaderValue = HeaderValue::from_static("application/json, */*");
const REQUEST_IDS: [&str; 2] = ["audit-id", "x-request-id"];
/// What is written in no kubeconfig, and no namespace said.
const DEFAULT_NAMESPACE: &str = "default";

struct Kubernetes {
    site: String,
    cluster: Cluster,
    url: Url,
    proof: Proof,
    instead_of: Vec<(HeaderName, HeaderValue)>,
    wire: Wire,
    /// Held while the site is asked: the others wait for that answer.
    groups: tokio::sync::Mutex<Option<Arc<Groups>>>,
    release: Mutex<Option<String>>,
    gathering: Gathering,
    watching: watch::Watching,
}

enum Proof {
    None,
    Token(Keeper),
    Fixed(SecretString),
    Plugin(Box<Runner>),
}

/// `site` is its name, for messages.
pub fn open(site: &str, cluster: &Cluster, outside: Surroundings) -> Result<Box<dyn Session>, Failure> {
    let wrong = |why: String| Failure::Configuration(format!("`{site}`: context `{}`: {why}", cluster.context));
    let url = web_url(&cluster.server, "server").map_err(wrong)?;
    let mut own = Vec::new();
    let proof = match &cluster.who {
        Who::Nobody => Proof::None,
        Who::Token(kept) => {
            if let Kept::Here(token) = kept {
                own.push(token.clone());
            }
            Proof::Token(Keeper::new(kept.clone()))
        }
        Who::Basic { username, password } => {
            let both = format!("{username}:{}", password.expose_secret());
            let both: SecretString = base64::engine::general_purpose::STANDARD.encode(both).into();
            own.extend([password.clone(), both.clone()]);
            Proof::Fixed(format!("Basic {}", both.expose_secret()).into())
        }
        Who::Plugin(plugin) => Proof::Plugin(Box::new(Runner::new((**plugin).clone()))),
    };
    let mut instead_of = Vec::new();
    for (name, value) in &cluster.instead_of {
        let header = name.parse::<HeaderName>().ok().zip(HeaderValue::from_str(value).ok());
        instead_of.push(header.ok_or_else(|| wrong(format!("`{name}` cannot be sent as a header")))?);
    }
    Ok(Box::new(Kubernetes {
        site: site.to_string(),
        cluster: cluster.clone(),
        url,
        proof,
        instead_of,
        wire: Wire::new(outside, Secrets::new(own)),
        groups: tokio::sync::Mutex::default(),
        release: Mutex::default(),
        gathering: Gathering::default(),
        watching: watch::Watching::default(),
    }))
}

impl Passes for Kubernetes {
    fn pass(&self, refused: Option<u64>, deadline: Instant) -> BoxFuture<'_, Result<Pass, Failure>> {
        Box::pin(async move {
            let bearer = |token: &SecretString| SecretString::from(format!("Bearer {}", token.expose_secret()));
            let (value, number) = match &self.proof {
                Proof::None => (None, None),
                Proof::Fixed(value) => (Some(value.clone()), None),
                Proof::Token(keeper) => {
                    let (token, number) = keeper.get(refused)?;
                    self.wire.secrets.keep(token.clone());
                    (Some(bearer(&token)), number)
                }
                Proof::Plugin(runner) => {
                    let (token, number) = runner.token(refused, deadline).await?;
                    self.wire.secrets.keep(token.clone());
                    (Some(bearer(&token)), Some(number))
                }
            };
            let mut pass = match value {
                None => Pass::default(),
                Some(value) => {
                    let value = HeaderValue::from_str(value.expose_secret()).map_err(|_| {
                        Failure::Configuration(format!(
                            "`{}`: the token holds characters that no header can",
                            self.site
                        ))
                    })?;
                    Pass::of(AUTHORIZATION, value, number)
                }
            };
            pass.headers.extend(self.instead_of.iter().cloned());
            Ok(pass)
        })
    }
}

impl Kubernetes {
    fn namespace(&self) -> &str {
        self.cluster.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE)
    }

    fn call(&self, request: Request, body: Option<Upload>) -> Result<Call, Failure> {
        if let Some((name, _)) =
            request.headers.iter().find(|(n, _)| n.to_ascii_lowercase().starts_with("impersonate-"))
        {
            return Err(Failure::Protocol(format!("the header `{name}` is not the library's to set")));
        }
        let own = request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(ACCEPT.as_str()));
        let mut call = listing::call(&self.url, request, body, &[])?;
        if !own {
            call.headers.insert(ACCEPT, JSON_OR_ANY);
        }
        Ok(call)
    }

    async fn pages(&self, listing: Listing, most: usize, deadline: Instant) -> Result<Rows, Failure> {
        let Listing { mut request, rows, pages } = listing;
        if pages == Some(Pages::Continue) && request.query.iter().all(|(name, _)| name != "limit") {
            request.query.push(("limit".into(), PAGE.into()));
        }
        let errors = request.errors.clone();
        let mut paging = Paging::new(self.call(request, None)?, rows, pages, errors, most);
        while let Some(call) = paging.call() {
            let sent = self.wire.exchange(call, self, deadline).await.map_err(Failure::of_read)?;
            paging.read(sent)?;
        }
        Ok(paging.rows())
    }

    /// What the site tells of itself, below its URL. `None` where it has no such thing.
    async fn told(&self, path: &str, accept: &'static str, deadline: Instant) -> Result<Option<Value>, Failure> {
        let base = self.url.path().trim_end_matches('/');
        let mut call = Call::new(Method::GET, at(&self.url, &format!("{base}{path}")));
        call.repeatable = true;
        call.headers.insert(ACCEPT, HeaderValue::from_static(accept));
        let Sent { status, headers, body, .. } =
            self.wire.exchange(&call, self, deadline).await.map_err(Failure::of_read)?;
        match (status.as_u16(), body) {
            (200, AnswerBody::Json(body)) => Ok(Some(body)),
            (200..=299, _) => {
                Err(Failure::Protocol(format!("{} answers, but not as Kubernetes does", host(&self.url))))
            }
            (404, _) => Ok(None),
            (status @ (401 | 403), body) => {
                let why = complaint(status, &headers, &body, None).message;
                let who = if self.cluster.user.is_empty() { "nobody" } else { &self.cluster.user };
                Err(Failure::Denied(format!("{} does not accept the user `{who}`: {why}", host(&self.url))))
            }
            (status, body) => Err(Failure::Refused(status, complaint(status, &headers, &body, None))),
        }
    }

    /// The groups as they are now.
    async fn ask_groups(&self, deadline: Instant) -> Result<Groups, Failure> {
        let (core, named) = tokio::join!(
            self.told("/api", ACCEPT_AGGREGATED_DISCOVERY_V2, deadline),
            self.told("/apis", ACCEPT_AGGREGATED_DISCOVERY_V2, deadline)
        );
        let groups = core?.zip(named?).and_then(|(core, named)| Groups::read(&core, &named));
        groups.ok_or_else(|| Failure::Protocol(format!("{} answers, but not as Kubernetes does", host(&self.url))))
    }

    /// The kinds of these groups, those that are not known yet. What cannot be told of a group whose own server is
    /// away does not keep the others from being found.
    async fn ask_kinds(
        &self,
        groups: &mut Groups,
        among: &[usize],
        version: Option<&str>,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let mut wanted = Vec::new();
        for &g in among {
            let group = &groups.0[g];
            for (v, of) in group.versions.iter().enumerate() {
                if of.kinds.is_none() && version.is_none_or(|only| of.version == only) {
                    wanted.push((g, v, group.path(&of.version)));
                }
            }
        }
        let asked = wanted.iter().map(|(_, _, path)| self.told(path, "application/json", deadline));
        let answers = join_all(asked).await;
        let mut failed = None;
        for ((g, v, _), answer) in wanted.into_iter().zip(answers) {
            match answer {
                Ok(answer) => {
                    groups.0[g].versions[v].kinds = Some(answer.and_then(discovery::kinds).unwrap_or_default())
                }
                Err(failure) => failed = Some(failure),
            }
        }
        match failed {
            Some(failure) if among.len() == 1 || !matches!(failure, Failure::Refused(..)) => Err(failure),
            _ => Ok(()),
        }
    }

    async fn find(&self, object: Object, deadline: Instant) -> Result<Located, Failure> {
        let late = || Failure::NotSent(format!("no answer from {} within the time limit", host(&self.url)));
        let mut known = timeout_at(deadline, self.groups.lock()).await.map_err(|_| late())?;
        if let Some(groups) = &*known {
            let looked = Looked::of(&object, groups);
            if let Some((group, version, kind)) = groups.find(&looked.among, looked.version.as_deref(), &looked.kind) {
                return self.located(&object, group, version, kind);
            }
        }
        let mut missing = None;
        let tries = std::iter::once(None).chain(NEW_KIND.map(Some));
        for wait in tries {
            let mut groups = match (&*known, wait) {
                (Some(groups), None) => (**groups).clone(),
                (None, None) => self.ask_groups(deadline).await?,
                (_, Some(wait)) => {
                    if Instant::now() + wait >= deadline {
                        break;
                    }
                    sleep(wait).await;
                    self.ask_groups(deadline).await?
                }
            };
            let looked = Looked::of(&object, &groups);
            self.ask_kinds(&mut groups, &looked.among, looked.version.as_deref(), deadline).await?;
            let located = groups
                .find(&looked.among, looked.version.as_deref(), &looked.kind)
                .map(|(group, version, kind)| self.located(&object, group, version, kind));
            if located.is_none() {
                // Whether another version has it.
                self.ask_kinds(&mut groups, &looked.among, None, deadline).await?;
                missing = Some(self.no_such(&object, &looked, &groups));
            }
            *known = Some(Arc::new(groups));
            if let Some(located) = located {
                return located;
            }
        }
        Err(Failure::NotOffered(missing.unwrap_or_default()))
    }

    fn located(
        &self,
        object: &Object,
        group: &discovery::Group,
        version: &str,
        kind: &discovery::Kind,
    ) -> Result<Located, Failure> {
        let named = |text: &str| match text {
            "" | "." | ".." => Err(Failure::Protocol(format!("`{text}` is no name of a `{}`", kind.kind))),
            text => Ok(segment(text)),
        };
        let within = match &object.within {
            _ if !kind.namespaced => None,
            Within::Own => Some(self.namespace().to_string()),
            Within::Named(name) => Some(name.clone()),
            Within::All => None,
        };
        let place = within.as_deref().map(named).transpose()?.map(|w| format!("/namespaces/{w}")).unwrap_or_default();
        let all = format!("{}{place}/{}", group.path(version), segment(&kind.plural));
        let one = match &object.name {
            // In all namespaces there may be many of one name.
            Some(_) if kind.namespaced && within.is_none() => None,
            Some(name) => Some(format!("{all}/{}", named(name)?)),
            None => None,
        };
        Ok(Located {
            group: group.called().to_string(),
            api: group.api(version),
            kind: kind.kind.clone(),
            all,
            one,
            within,
        })
    }

    fn no_such(&self, object: &Object, looked: &Looked, groups: &Groups) -> String {
        let at = host(&self.url);
        let kind = &looked.kind;
        let of = match (&object.api, &object.group) {
            (Some(api), _) => format!(" in `{api}`"),
            (None, Some(group)) => format!(" in `{group}`"),
            (None, None) => String::new(),
        };
        if looked.among.is_empty() {
            return format!("{at} has no API group for `{kind}`{of}");
        }
        // The kind may be there in another version.
        if let Some((group, version, _)) = groups.find(&looked.among, None, kind) {
            return format!("{at} has no `{kind}`{of}; it has it in `{}`", group.api(version));
        }
        match groups.nearest(&looked.among, kind) {
            Some(near) => format!("{at} has no kind `{kind}`{of}; is `{near}` meant?"),
            None => format!("{at} has no kind `{kind}`{of}"),
        }
    }

    /// `1.20.2`.
    async fn release(&self, deadline: Instant) -> Result<Option<String>, Failure> {
        let kept = self.release.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if kept.is_some() {
            return Ok(kept);
        }
        let told = self.told("/version", "application/json", deadline).await?;
        let text = told.as_ref().and_then(|v| v.get("gitVersion")?.as_str());
        let release = text.map(|t| t.trim_start_matches('v').chars().take(40).collect::<String>());
        *self.release.lock().unwrap_or_else(PoisonError::into_inner) = release.clone();
        Ok(release)
    }

    async fn groups(&self, deadline: Instant) -> Result<Arc<Groups>, Failure> {
        let late = || Failure::NotSent(format!("no answer from {} within the time limit", host(&self.url)));
        let mut known = timeout_at(deadline, self.groups.lock()).await.map_err(|_| late())?;
        if let Some(groups) = &*known {
            return Ok(groups.clone());
        }
        let groups = Arc::new(self.ask_groups(deadline).await?);
        *known = Some(groups.clone());
        Ok(groups)
    }
}

/// What an object's words come to at this site.
struct Looked {
    among: Vec<usize>,
    version: Option<String>,
    kind: String,
}

impl Looked {
    fn of(object: &Object, groups: &Groups) -> Looked {
        if let Some(api) = &object.api {
            let (group, version) = api.split_once('/').unwrap_or(("", api));
            let among = (0..groups.0.len()).filter(|i| groups.0[*i].name == group).collect();
            return Looked { among, version: Some(version.to_string()), kind: object.kind.clone() };
        }
        // `deployments.apps`, as kubectl has it.
        if let Some((kind, group)) = object.kind.split_once('.')
            && object.group.is_none()
        {
            let among: Vec<usize> = (0..groups.0.len()).filter(|i| groups.0[*i].name == group).collect();
            if !among.is_empty() {
                return Looked { among, version: None, kind: kind.to_string() };
            }
        }
        Looked { among: groups.among(object.group.as_deref()), version: None, kind: object.kind.clone() }
    }
}

impl Session for Kubernetes {
    fn send(&self, request: Request, body: Option<Upload>, limits: Limits) -> BoxFuture<'_, Result<Answer, Failure>> {
        Box::pin(async move {
            let deadline = deadline(limits.time);
            let _alone = match self.together(&request, deadline).await {
                Read::Answered(answer) => return Ok(*answer),
                Read::Alone(held) => held,
            };
            let sent = async {
                let call = self.call(request, body)?;
                self.wire.exchange(&call, self, deadline).await
            };
            let sent = sent.await.map_err(|f| self.wire.secrets.discreet(f))?;
            // A field that nobody knows is dropped with a warning.
            for warning in sent.headers.get_all("warning").iter().filter_map(|w| w.to_str().ok()) {
                let said = super::complaint::one_line(warning.trim_start_matches("299 - "));
                tracing::warn!(target: "edge", site = %self.site, "{said}");
            }
            Ok(listing::answer(sent, &REQUEST_IDS))
        })
    }

    fn watch(&self, read: &Request, answer: &Value, time: Duration) -> Option<BoxFuture<'_, Watched>> {
        let watch = watch::of(read, answer)?;
        Some(Box::pin(self.watched(watch, time)))
    }

    fn list(&self, listing: Listing, limits: Limits) -> BoxFuture<'_, Result<Rows, Failure>> {
        Box::pin(async move {
            let deadline = deadline(limits.time);
            self.pages(listing, limits.rows, deadline).await.map_err(|f| self.wire.secrets.discreet(f))
        })
    }

    /// By the kubeconfig: the site says it only from 1.28 on. The project is the namespace.
    fn account(&self) -> BoxFuture<'_, Result<Account, Failure>> {
        let instead = self.cluster.instead_of.iter().find(|(name, _)| name == "impersonate-user");
        let user = instead.map_or(&self.cluster.user, |(_, user)| user).clone();
        let namespace = Some(self.namespace().to_string());
        let account = Account { user_id: user.clone(), user, project: namespace.clone(), project_id: namespace };
        Box::pin(std::future::ready(Ok(account)))
    }

    fn services(&self) -> BoxFuture<'_, Result<Vec<ServiceEntry>, Failure>> {
        Box::pin(async move {
            let deadline = deadline(LOOK);
            let groups = self.groups(deadline).await.map_err(|f| self.wire.secrets.discreet(f))?;
            let release = self.release(deadline).await.map_err(|f| self.wire.secrets.discreet(f))?;
            let entries = groups.0.iter().map(|group| {
                let version = group.versions.first().map(|v| v.version.clone());
                let endpoint = version.as_deref().map(|v| group.path(v)).unwrap_or_default();
                let version = match (&release, group.name.as_str(), version) {
                    (Some(release), "", Some(version)) => Some(format!("{version} ({release})")),
                    (_, _, version) => version,
                };
                let (kind, name) = (group.called().to_string(), group.name.clone());
                let base = self.url.as_str().trim_end_matches('/');
                ServiceEntry { kind, name, endpoint: format!("{base}{endpoint}"), region: None, version }
            });
            Ok(entries.collect())
        })
    }

    /// The release, for what is written of releases: `since "1.21"`. Nothing is negotiated.
    fn versions(&self, _: &str) -> BoxFuture<'_, Result<Option<(Version, Version)>, Failure>> {
        Box::pin(async move {
            let release = self.release(deadline(LOOK)).await.map_err(|f| self.wire.secrets.discreet(f))?;
            Ok(release.as_deref().and_then(Version::parse).map(|version| (Version::new(version.major, 0), version)))
        })
    }

    /// An extension is a group of the API.
    fn has_extension(&self, _: &str, _: &str, name: &str) -> BoxFuture<'_, Result<bool, Failure>> {
        let name = name.to_string();
        Box::pin(async move {
            let groups = self.groups(deadline(LOOK)).await.map_err(|f| self.wire.secrets.discreet(f))?;
            Ok(groups.0.iter().any(|group| group.goes_by(&name)))
        })
    }

    fn locate(&self, object: Object) -> BoxFuture<'_, Result<Located, Failure>> {
        Box::pin(async move { self.find(object, deadline(LOOK)).await.map_err(|f| self.wire.secrets.discreet(f)) })
    }
}
