//! A service instance: one service of one site, under one account. What can be asked of it in terms of the library: list,
//! find by name, read, find by marker, send a request and learn what the answer means.

use super::trouble::Trouble;
use super::{Run, Who, planned, silence::Silence};
use crate::drivers::{Answer, AnswerBody, Complaint, Limits, Object, Session, Upload, Watched, Within};
use edge_lang::library::render::{self, Asked, Chosen, Fields, Headers, Look, Reading, Row, Scope as Known};
use edge_lang::library::{AnswerKind, Kind, Library, Mark, On, Op, Resource, Service, Template, Version};
use edge_lang::model::SiteId;
use edge_lang::types::Name;
use futures_util::future::BoxFuture;
use serde_json::Value as Json;
use std::sync::Arc;
use std::time::Duration;

/// Rows that are read at most, of one listing.
pub const MOST_ROWS: usize = 100_000;

/// A site is read all the same after that time: one that says nothing may have fallen silent.
const WATCH: Duration = Duration::from_secs(20);

/// Resolves when what was read may be another.
pub type Watch<'a> = BoxFuture<'a, Watched>;

#[derive(Clone)]
pub struct Instance {
    pub site_name: Arc<str>,
    site: SiteId,
    stack: Name,
    service: Name,
    library: Arc<Library>,
    session: Arc<dyn Session>,
    silence: Silence,
    offered: Option<(Version, Version)>,
    account: render::Account,
    /// As the site calls it: `alice@shop`.
    pub account_name: String,
    /// For one answer.
    pub time: Duration,
}

/// An answer, and what it means by the rules of the library.
pub struct Said {
    pub kind: AnswerKind,
    pub status: u16,
    pub body: Option<Json>,
    pub headers: Headers,
    pub request_id: Option<String>,
    pub version: Option<Version>,
    pub stream: Option<crate::transport::Body>,
    pub complaint: Complaint,
    /// It was sent more than once, and an earlier attempt may still be carried out.
    pub repeated: bool,
}

impl Instance {
    pub async fn open(
        run: &Run,
        site: SiteId,
        service: &str,
        who: Who<'_>,
        time: Duration,
    ) -> Result<Instance, Trouble> {
        let Some(info) = run.inventory.get(site) else { return Err(Trouble::refused("no such site")) };
        let Some(described) = run.library.service(&info.stack, service) else {
            return Err(Trouble::not_described(format!(
                "sites of the kind `{}` have no service `{service}`",
                info.stack
            )));
        };
        let kind = described.kind.clone().unwrap_or_else(|| described.name.clone());
        let name = described.name.clone();
        let reached = async {
            let session = run.sessions.session(site, who).await?;
            let account = session.account().await?;
            let offered = if described.speaks.is_some() { session.versions(&kind).await? } else { None };
            Ok::<_, crate::drivers::Failure>((session, account, offered))
        };
        let reached = match tokio::time::timeout(time, reached).await {
            Ok(reached) => reached.map_err(|f| Trouble::from(f).of_read()),
            Err(_) => Err(Trouble::silent(format!("no answer in {} s", time.as_secs())).of_read()),
        };
        if reached.is_err() {
            run.silence.heard(site, &name, &reached);
        }
        let (session, account, offered) = reached?;
        Ok(Instance {
            site_name: info.name.clone(),
            site,
            silence: run.silence.clone(),
            stack: info.stack.clone(),
            service: name,
            library: run.library.clone(),
            session,
            offered,
            account_name: account.to_string(),
            account: render::Account { user_id: Some(account.user_id), project_id: account.project_id },
            time,
        })
    }

    pub fn service(&self) -> &Service {
        // `open` found it, and the library does not change.
        self.library.service(&self.stack, &self.service).expect("the service that the instance was opened for")
    }

    pub fn resource(&self, name: &str) -> Result<&Resource, Trouble> {
        // What is of any kind belongs to every service of its stack.
        let found = self
            .service()
            .resources
            .get(name)
            .or_else(|| self.library.resource(&self.stack, name).filter(|r| r.kind == Some(Kind::Any)));
        found.ok_or_else(|| {
            Trouble::not_described(format!("service `{}` has no `{name}` at sites of this kind", self.service))
        })
    }

    /// Of a thing that may be of any kind: the resource that describes its kind, if one does.
    pub fn described<'a>(&'a self, row: &Fields) -> Option<&'a Resource> {
        let text = |name: &str| row.get(name).and_then(Json::as_str);
        self.library.described_kind(&self.stack, text("api")?, text("kind")?)
    }

    /// Whether what is meant holds secrets, as far as a description tells.
    fn holds_secrets(&self, resource: &Resource, known: &Known) -> bool {
        let kind = known.row.get("kind").and_then(Json::as_str);
        let described = match (&resource.kind, known.api.as_deref().zip(kind)) {
            (Some(Kind::Any), Some((api, kind))) => self.library.described_kind(&self.stack, api, kind),
            _ => Some(resource),
        };
        described.is_some_and(planned::has_secrets)
    }

    /// What things of its kind are called: as the resource that describes the kind, else by the kind itself.
    pub fn kind_name(&self, row: &Fields, kind: &str) -> Name {
        self.described(row).map_or_else(|| kind.into(), |described| described.name.clone())
    }

    pub fn offered(&self) -> Option<(Version, Version)> {
        self.offered
    }

    /// What is known of an effect before anything is.
    pub fn known(&self) -> Known {
        Known { account: self.account.clone(), ..Known::default() }
    }

    pub fn limits(&self) -> Limits {
        Limits { time: self.time, rows: MOST_ROWS }
    }

    /// A resource that needs an extension, at a site without it.
    pub async fn require(&self, resource: &Resource) -> Result<(), Trouble> {
        let Some(extension) = &resource.extension else { return Ok(()) };
        let service = self.service();
        let kind = service.kind.as_deref().unwrap_or(&service.name);
        let has =
            self.session.has_extension(kind, &service.base, extension).await.map_err(|f| Trouble::from(f).of_read())?;
        if has {
            return Ok(());
        }
        Err(Trouble::refused(format!("the site has no extension `{extension}`, which `{}` needs", resource.name)))
    }

    /// Whether the site has the kind of what a row names.
    pub async fn has_kind(&self, resource: &Resource, row: &Fields) -> Result<bool, Trouble> {
        let known = Known { row: row.clone(), ..self.known() };
        let Some(object) = object(self.service(), resource, &known) else { return Ok(true) };
        match tokio::time::timeout(self.time, self.session.locate(object)).await {
            Ok(Err(crate::drivers::Failure::NotOffered(_))) => Ok(false),
            // What else is wrong is told by what is asked next.
            _ => Ok(true),
        }
    }

    /// The same with the paths of the kind and of the one that is meant, where the stack's kinds are found at the site.
    pub async fn located(&self, resource: &Resource, mut known: Known) -> Result<Known, Trouble> {
        let Some(object) = object(self.service(), resource, &known) else { return Ok(known) };
        let located = match tokio::time::timeout(self.time, self.session.locate(object)).await {
            Ok(located) => located.map_err(|f| Trouble::from(f).of_read()),
            Err(_) => Err(Trouble::silent(format!("no answer in {} s", self.time.as_secs())).of_read()),
        };
        if located.is_err() {
            self.silence.heard(self.site, &self.service, &located);
        }
        let located = located?;
        known.self_path = located.one;
        known.kind_path = Some(located.all);
        known.api = Some(located.api);
        if resource.kind == Some(Kind::Any) {
            known.row.insert("kind".into(), located.kind.into());
        }
        Ok(known)
    }

    /// A row of an answer. Of a resource that may be of any kind, rows of a listing do not say which: the paths do.
    fn row(&self, resource: &Resource, record: &Json, version: Option<Version>, known: &Known) -> Result<Row, Trouble> {
        let mut row = render::row(resource, record, &Headers::new(), version, Reading::Whole)?;
        complete(resource, &mut row, known);
        Ok(render::with_ends(resource, row, &known.args))
    }

    /// All rows, narrowed by the list's parameters.
    pub async fn list(&self, resource: &Resource, args: Fields) -> Result<Vec<Row>, Trouble> {
        self.require(resource).await?;
        let given = |name: &str| args.contains_key(name);
        let version = render::version_for_read(self.service(), resource, given, None, self.offered)?;
        let known = self.located(resource, Known { args, version, ..self.known() }).await?;
        let listing = render::listing(self.service(), resource, &known, None)?;
        let rows = self.rows(listing).await?;
        rows.iter().map(|(record, v)| self.row(resource, record, *v, &known)).collect()
    }

    async fn rows(&self, listing: edge_lang::library::Listing) -> Result<Vec<(Json, Option<Version>)>, Trouble> {
        let read = self.session.list(listing, self.limits()).await.map_err(|f| Trouble::from(f).of_read());
        self.silence.heard(self.site, &self.service, &read);
        let read = read?;
        if read.cut {
            return Err(Trouble::refused(format!("more than {MOST_ROWS} rows: narrow the listing")));
        }
        Ok(read.rows.into_iter().map(|r| (r, read.version)).collect())
    }

    /// The one that a text means: by id where it looks like one, then by exact name.
    pub async fn find(&self, resource: &Resource, text: &str) -> Result<Option<Row>, Trouble> {
        self.require(resource).await?;
        if render::looks_like_id(resource, text) {
            let row = Fields::from_iter([("id".into(), text.into()), ("name".into(), text.into())]);
            if let Some(row) = self.read(resource, row, Fields::new()).await? {
                return Ok(Some(row));
            }
        }
        let rows = self.search(resource, text).await?;
        match render::choose(resource, &rows, text) {
            Chosen::One(at) => Ok(rows.into_iter().nth(at)),
            Chosen::None(_) => Ok(None),
            Chosen::Several(places) => {
                let ids: Vec<String> = places.iter().filter_map(|i| describe(&rows[*i])).collect();
                let message =
                    format!("{} {} are named `{text}`: {}", ids.len(), plural(&resource.name), ids.join(", "));
                Err(Trouble::refused(message).help("write the id instead of the name"))
            }
        }
    }

    /// Every row that has exactly this name.
    pub async fn named(&self, resource: &Resource, name: &str) -> Result<Vec<Row>, Trouble> {
        let rows = self.search(resource, name).await?;
        Ok(rows.into_iter().filter(|r| render::has_name(resource, r, name)).collect())
    }

    /// The rows among which one of that name is, if any is.
    async fn search(&self, resource: &Resource, name: &str) -> Result<Vec<Row>, Trouble> {
        let by: Name = resource.named.as_ref().and_then(|n| n.by.first().cloned()).unwrap_or_else(|| "name".into());
        let version = render::version_for_read(self.service(), resource, |_| false, None, self.offered)?;
        let known = Known { args: Fields::from_iter([(by, name.into())]), version, ..self.known() };
        let known = self.located(resource, known).await?;
        let listing = render::found_by_name(self.service(), resource, &known)?;
        let records = self.rows(listing).await?;
        records.iter().map(|(record, v)| self.row(resource, record, *v, &known)).collect()
    }

    /// As `find`; that there is none is trouble, with the name that was probably meant.
    pub async fn must_find(&self, resource: &Resource, text: &str) -> Result<Row, Trouble> {
        if let Some(row) = self.find(resource, text).await? {
            return Ok(row);
        }
        let trouble = Trouble::refused(format!("no {} named `{text}`", resource.name));
        // The names that are there, for the hint only.
        let names: Vec<String> = self
            .list(resource, Fields::new())
            .await
            .unwrap_or_default()
            .iter()
            .filter_map(|r| Some(r.fields.get("name")?.as_str()?.to_string()))
            .collect();
        Err(match edge_lang::diagnostic::nearest(text, names.iter().map(String::as_str)) {
            Some(near) => trouble.help(format!("is `{near}` meant?")),
            None if names.is_empty() => trouble.help(format!("there is no {} at all", resource.name)),
            None if names.len() <= 8 => trouble.help(format!("there are: {}", names.join(", "))),
            None => trouble.help(format!("`{}.list()` shows those that are there", resource.name)),
        })
    }

    /// The resource as it is now; `row` holds its id or its ends.
    pub async fn read(&self, resource: &Resource, row: Fields, args: Fields) -> Result<Option<Row>, Trouble> {
        self.read_watched(resource, row, args).await.map(|(row, _)| row)
    }

    /// The same, with what tells when it is another, where the site can tell that.
    pub async fn read_watched(
        &self,
        resource: &Resource,
        row: Fields,
        args: Fields,
    ) -> Result<(Option<Row>, Option<Watch<'_>>), Trouble> {
        let version = render::version_for_read(self.service(), resource, |_| false, None, self.offered)?;
        let known = self.located(resource, Known { row, args, version, ..self.known() }).await?;
        match render::look(self.service(), resource, &known)? {
            Look::One(mut request) => {
                request.discreet = self.holds_secrets(resource, &known);
                let asked = request.clone();
                let said = self
                    .ask(request, None, &[&resource.on, &self.service().on], Asked::Itself)
                    .await
                    .map_err(Trouble::of_read)?;
                match said.kind {
                    AnswerKind::Done => {
                        let template = resource.get.as_ref();
                        let record = said.body.as_ref().and_then(|b| render::item(template, resource, b));
                        let empty = Json::Object(Default::default());
                        let reading = if said.body.is_some() { Reading::Whole } else { Reading::Partial };
                        let mut found = render::row(
                            resource,
                            record.unwrap_or(&empty),
                            &said.headers,
                            said.version.or(version),
                            reading,
                        )?;
                        complete(resource, &mut found, &known);
                        let watch = said.body.as_ref().and_then(|answer| self.watch(&asked, answer));
                        Ok((Some(render::with_ends(resource, found, &known.row)), watch))
                    }
                    AnswerKind::Absent => Ok((None, None)),
                    _ => Err(said.trouble().of_read()),
                }
            }
            Look::Rows(listing) => {
                for (record, v) in &self.rows(listing).await? {
                    let found = render::row(resource, record, &Headers::new(), *v, Reading::Whole)?;
                    // A search for the ends of a link may find more than was asked for.
                    if render::same_ends(resource, &found, &known.row) {
                        return Ok((Some(render::with_ends(resource, found, &known.row)), None));
                    }
                }
                Ok((None, None))
            }
        }
    }

    /// What tells when a read would be answered differently.
    pub fn watch(&self, read: &edge_lang::library::Request, answer: &Json) -> Option<Watch<'_>> {
        self.session.watch(read, answer, WATCH)
    }

    /// Everything that carries the marker.
    pub async fn marked(
        &self,
        resource: &Resource,
        mark: &Mark,
        marker: &str,
        args: &Fields,
    ) -> Result<Vec<Row>, Trouble> {
        let version = render::version_for_read(self.service(), resource, |_| false, mark.since, self.offered)?;
        let known = Known { args: args.clone(), marker: Some(marker.to_string()), version, ..self.known() };
        let known = self.located(resource, known).await?;
        let listing = render::found_by_marker(self.service(), resource, mark, &known)?;
        let rows = self.rows(listing).await?;
        let ours = rows.iter().filter(|(record, _)| render::carries_marker(mark, record, marker));
        ours.map(|(record, v)| Ok(render::row(resource, record, &Headers::new(), *v, Reading::Whole)?)).collect()
    }

    /// One request of an operation, and what its answer means.
    pub async fn send(
        &self,
        request: edge_lang::library::Request,
        upload: Option<Upload>,
        template: &Template,
        op: Option<&Op>,
        resource: &Resource,
        asked: Asked,
    ) -> Result<Said, Trouble> {
        let none: &[On] = &[];
        let of_op = op.map_or(none, |o| &o.on);
        self.ask(request, upload, &[&template.on, of_op, &resource.on, &self.service().on], asked).await
    }

    async fn ask(
        &self,
        request: edge_lang::library::Request,
        upload: Option<Upload>,
        rules: &[&[On]],
        asked: Asked,
    ) -> Result<Said, Trouble> {
        let limits = self.limits();
        let what = format!("{} {}", request.method.text(), request.path);
        tracing::info!(target: "edge", site = %self.site_name, "{what}");
        let ours = upload.is_some();
        let answer = self.session.send(request, upload, limits).await.map_err(Trouble::from);
        // What is sent along may be what failed.
        if !ours {
            self.silence.heard(self.site, &self.service, &answer);
        }
        let answer = answer?;
        tracing::info!(target: "edge", site = %self.site_name, status = answer.status, "{what}");
        Ok(self.said(answer, rules, asked))
    }

    fn said(&self, answer: Answer, rules: &[&[On]], asked: Asked) -> Said {
        let headers: Headers = answer
            .headers
            .iter()
            .filter_map(|(k, v)| Some((k.as_str().to_ascii_lowercase(), v.to_str().ok()?.to_string())))
            .collect();
        let complaint =
            if answer.ok() { Complaint::default() } else { answer.complaint(self.service().errors.as_ref()) };
        let (body, stream) = match answer.body {
            AnswerBody::Json(json) => (Some(json), None),
            AnswerBody::Text(text) => (Some(Json::String(text)), None),
            AnswerBody::Empty => (None, None),
            AnswerBody::Stream(stream) => (None, Some(stream)),
        };
        let kind = render::classify(answer.status, complaint.code.as_deref(), &complaint.message, asked, rules);
        Said {
            kind,
            status: answer.status,
            body,
            headers,
            request_id: answer.request_id,
            version: answer.version,
            stream,
            complaint,
            repeated: answer.repeated,
        }
    }
}

impl Said {
    /// An answer that is no success, as trouble.
    pub fn trouble(&self) -> Trouble {
        let text = match self.complaint.message.as_str() {
            "" => format!("status {}", self.status),
            message => message.to_string(),
        };
        match self.kind {
            AnswerKind::Unknown => Trouble { answered: true, ..Trouble::silent(format!("{text} ({})", self.status)) },
            AnswerKind::Denied => Trouble::refused(format!("denied: {text}")),
            AnswerKind::Conflict => Trouble::refused(format!("another manager holds it: {text}")),
            _ => Trouble::refused(text),
        }
    }
}

/// What is meant, where the stack's kinds are found at the site: by the row, else by the arguments.
fn object(service: &Service, resource: &Resource, known: &Known) -> Option<Object> {
    let said = |name: &str| {
        let of =
            |fields: &Fields| fields.get(name).and_then(Json::as_str).filter(|t| !t.is_empty()).map(str::to_string);
        of(&known.row).or_else(|| of(&known.args))
    };
    let (group, api, kind) = match resource.kind.as_ref()? {
        Kind::Named(kind) => (service.kind.as_deref().map(str::to_string), None, kind.clone()),
        Kind::Any => (None, said("api"), said("kind").unwrap_or_default()),
    };
    let named = resource.named.as_ref();
    let within = match named.and_then(|n| n.within.as_ref()).and_then(|n| said(n)) {
        None => Within::Own,
        Some(all) if all == "*" => Within::All,
        Some(name) => Within::Named(name),
    };
    let name = named.and_then(|n| n.by.first()).and_then(|n| said(n));
    Some(Object { group, api, kind, within, name })
}

/// Of a resource that may be of any kind: which it is.
fn complete(resource: &Resource, row: &mut Row, known: &Known) {
    if resource.kind != Some(Kind::Any) {
        return;
    }
    let kind = known.row.get("kind").cloned();
    for (name, value) in [("kind", kind), ("api", known.api.clone().map(Json::from))] {
        if let (true, Some(value)) = (resource.fields.contains_key(name), value)
            && row.fields.get(name).is_none_or(Json::is_null)
        {
            row.fields.insert(name.into(), value);
        }
    }
}

/// `3f2a... (ACTIVE)`.
fn describe(row: &Row) -> Option<String> {
    let id = row.id.as_ref()?;
    let more = ["status", "owner", "project"].iter().find_map(|f| row.fields.get(*f)?.as_str());
    Some(more.map_or_else(|| id.clone(), |m| format!("{id} ({m})")))
}

fn plural(name: &str) -> String {
    match name.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{name}s"),
    }
}
