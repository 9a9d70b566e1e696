//! The instructions of an operation, carried out at one site: requests in order, waiting, and what becomes of it.
//!
//! The hard idea is the second run. After a silence the same instructions are gone through again with what a probe found:
//! the request that makes the thing is then passed over, and the later ones ask their `unless` before they are sent.

use super::event::EventKind;
use super::instance::{Instance, Said, Watch};
use super::patience::Patience;
use super::trouble::{Kind, Trouble};
use super::{Run, upload};
use crate::drivers::Upload;
use edge_lang::eval::Key;
use edge_lang::library::expr::Expr;
use edge_lang::library::render::{self, Asked, Fields, Reading, Row, Scope as Known};
use edge_lang::library::{AnswerKind, BodyTemplate, FailedWhen, Instruction, Method, Op, Request, Resource, Template};
use edge_lang::model::SiteId;
use edge_lang::types::Name;
use serde_json::Value as Json;
use std::time::Duration;
use tokio::time::Instant;

/// Why the instructions did not come to their good end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing was sent.
    NotReached(Trouble),
    /// What was sent may have been carried out.
    Silent(Trouble),
    /// Refused, and nothing is there of it.
    Refused(Trouble),
    /// It is there, and no good: the site said so, or it did not get ready in time.
    Broken(Trouble),
}

pub struct Body<'a> {
    pub run: &'a Run,
    pub key: &'a Key,
    /// As the placement names it, for events.
    pub site: SiteId,
    pub instance: &'a Instance,
    pub resource: &'a Resource,
    pub op: Option<&'a Op>,
    /// The resource that the row in `known` is: the operation's own, or the one that it makes.
    pub target: (&'a Instance, &'a Resource),
    pub known: Known,
    /// Bytes for `send`.
    pub file: Option<String>,
    /// Put into the first request.
    pub marker: Option<String>,
    /// The thing exists already: its first request is not sent again.
    pub resumed: bool,
    /// Something that changes the site has left.
    pub begun: bool,
    /// More than once, and an earlier attempt may still be carried out.
    pub repeated: bool,
    /// Nobody below sends it again: whoever asked for it has to know of each attempt.
    pub once: bool,
    /// What the first request makes was there already, under the id that is ours.
    pub existed: bool,
    /// The row is of something that this operation made.
    pub made: bool,
    /// The last answer was the row itself (`entire`): it need not be read to be known.
    pub fresh: bool,
    /// Until when it must be ready.
    pub deadline: Instant,
    /// Until when the site may say that it is busy.
    pub busy: Instant,
    pub waits: Waits<'a>,
    /// What `answer` said.
    pub answer: Option<Json>,
}

/// What is waited for once all is sent.
#[derive(Default)]
pub struct Waits<'a> {
    ready: Option<&'a Expr>,
    /// As the resource that describes its kind says.
    like_kind: bool,
    failed: Option<&'a FailedWhen>,
    follow: Vec<(&'a Name, &'a Template)>,
}

/// Characters of why something is not ready.
const LONGEST_WHY: usize = 600;

/// What a followed read has found.
fn found(template: &Template, body: Option<&Json>) -> Option<Json> {
    match (body?, &template.many, &template.one) {
        (body, Some(many), _) => body.get(&many.key).cloned(),
        (body, None, Some(one)) => body.get(one).cloned(),
        (body, ..) => Some(body.clone()),
    }
}

impl<'a> Body<'a> {
    /// Nothing sent yet, of no operation; it has so much time to get ready and to say that it is busy.
    pub fn new(
        run: &'a Run,
        key: &'a Key,
        site: SiteId,
        instance: &'a Instance,
        resource: &'a Resource,
        known: Known,
        time: Duration,
    ) -> Body<'a> {
        Body {
            run,
            key,
            site,
            instance,
            resource,
            op: None,
            target: (instance, resource),
            known,
            file: None,
            marker: None,
            resumed: false,
            begun: false,
            repeated: false,
            once: false,
            existed: false,
            made: false,
            fresh: false,
            deadline: Instant::now() + time,
            busy: Instant::now() + time,
            waits: Waits::default(),
            answer: None,
        }
    }

    /// All instructions, then readiness.
    pub async fn go(&mut self, instructions: &'a [Instruction]) -> Result<(), Stop> {
        self.run_all(instructions).await?;
        self.known_by_id()?;
        self.settle().await
    }

    /// All instructions, without waiting for readiness.
    pub async fn begin(&mut self, instructions: &'a [Instruction]) -> Result<(), Stop> {
        self.run_all(instructions).await?;
        self.known_by_id()
    }

    /// An answer that does not say what was made, such as the page of a proxy with status 200: whether anything is there
    /// is for a probe to say, and nothing more can be asked of it before.
    fn known_by_id(&mut self) -> Result<(), Stop> {
        let unnamed = self.target.1.fields.contains_key("id") && !self.known.row.contains_key("id");
        if !self.made || !unnamed {
            return Ok(());
        }
        self.made = false;
        let why = format!("the answer does not show the {} that was asked for", self.target.1.name);
        Err(Stop::Silent(Trouble { answered: true, ..Trouble::silent(why) }))
    }

    async fn run_all(&mut self, instructions: &'a [Instruction]) -> Result<(), Stop> {
        for instruction in instructions {
            match instruction {
                Instruction::Send(template) => self.send(template).await?,
                Instruction::If { cond, then, otherwise } => {
                    let branch = if self.judge(cond)? { then } else { otherwise };
                    Box::pin(self.run_all(branch)).await?;
                }
                Instruction::Follow { name, template } => self.waits.follow.push((name, template)),
                Instruction::WaitUntil(until) => self.poll(Some(until)).await?,
                Instruction::Ready(ready) => self.waits.ready = Some(ready),
                Instruction::ReadyLike => self.waits.like_kind = true,
                Instruction::Failed(failed) => self.waits.failed = Some(failed),
                Instruction::Answer(answer) => self.take_answer(answer)?,
                Instruction::Call { op, args, .. } => Box::pin(self.call(op, args)).await?,
            }
        }
        Ok(())
    }

    /// Waits for the operation's own `ready`, else for the resource's.
    pub async fn settle(&mut self) -> Result<(), Stop> {
        let resource = self.target.1;
        if self.waits.ready.is_none() && self.returns_target() {
            self.waits.ready = resource.ready.as_ref();
            self.waits.failed = self.waits.failed.or(resource.failed.as_ref());
        }
        if self.waits.like_kind {
            return self.settle_like_kind().await;
        }
        let ready = self.waits.ready;
        if ready.is_none() && self.waits.failed.is_none() {
            return self.know().await;
        }
        self.poll(ready).await
    }

    /// Of what may be of any kind: waits as the resource that describes this kind would, if there is one.
    async fn settle_like_kind(&mut self) -> Result<(), Stop> {
        let own = self.target;
        let row = self.known.row.clone();
        if let Some(described) = own.0.described(&self.known.row)
            && described.ready.is_some()
        {
            self.target = (own.0, described);
            self.waits.ready = described.ready.as_ref();
            self.waits.failed = described.failed.as_ref();
            let settled = self.poll(self.waits.ready).await;
            self.target = own;
            settled?;
            self.fresh = false;
        }
        self.known.row = row;
        self.know().await
    }

    /// The row as it is now, unless the last answer was just that.
    async fn know(&mut self) -> Result<(), Stop> {
        if self.fresh { Ok(()) } else { self.refresh().await }
    }

    fn returns_target(&self) -> bool {
        use edge_lang::types::Type;
        self.op
            .and_then(|op| op.result.as_ref())
            .is_some_and(|t| matches!(t.present(), Type::Handle(r) if *r == self.target.1.name))
    }

    /// Once, or once for each item.
    async fn send(&mut self, template: &'a Template) -> Result<(), Stop> {
        if self.begun {
            self.known_by_id()?;
        }
        match render::items(template, &self.known).map_err(|e| self.stopped(e.into()))? {
            None => self.send_one(template).await,
            Some(items) => {
                for item in items {
                    self.known.it = Some(item);
                    self.send_one(template).await?;
                }
                self.known.it = None;
                Ok(())
            }
        }
    }

    async fn send_one(&mut self, template: &'a Template) -> Result<(), Stop> {
        let makes = self.makes();
        if makes && self.resumed && !self.begun {
            // This is the request that made it.
            self.begun = true;
            return Ok(());
        }
        self.locate().await?;
        let wanted = render::wanted(template, &self.known).map_err(|e| self.stopped(e.into()))?;
        if !wanted {
            return Ok(());
        }
        let mut pause = Duration::from_secs(1);
        let mut stale = 0;
        // Sent instead, once: the same, over the objections of our own kind.
        let mut insisted: Option<Request> = None;
        let mut insists = template.insist.is_some();
        loop {
            let again = insisted.is_some();
            let mut request = match insisted.take() {
                Some(request) => request,
                None => render::render(self.instance.service(), template, &self.known)
                    .map_err(|e| self.stopped(e.into()))?,
            };
            if makes
                && !self.begun
                && !again
                && let Some(marker) = &self.marker
                && let Some(mark) = render::mark_for(self.resource, self.instance.offered())
            {
                render::place_marker(&mut request, self.resource, mark, marker).map_err(|e| self.stopped(e.into()))?;
            }
            request.repeatable &= !self.once;
            let sent = insists.then(|| request.clone());
            let (changes, repeatable) = (template.method != Method::Get, request.repeatable);
            // It was looked up, or its ticket was made, when the run was stopped.
            if makes && self.run.is_interrupted() {
                return Err(self.stopped(Trouble::unsent()));
            }
            let upload = self.upload(template).await.map_err(|t| self.stopped(t))?;
            let what = format!("{} {}", request.method.text(), request.path);
            self.emit(EventKind::Sent { site: self.site, what });
            let asked = if template.method == Method::Delete { Asked::Itself } else { Asked::Else };
            let said = match self.instance.send(request, upload, template, self.op, self.resource, asked).await {
                Ok(said) => said,
                Err(trouble) => {
                    let left = trouble.kind == Kind::Silent && changes;
                    self.begun |= left;
                    self.repeated |= left && repeatable;
                    return Err(self.stopped(trouble));
                }
            };
            self.repeated |= said.repeated && changes;
            match said.kind {
                AnswerKind::Done | AnswerKind::Already => {
                    // What was so already is not of this operation, and nothing is to be taken back.
                    self.begun |= makes || said.kind == AnswerKind::Done;
                    return self.take(template, said, makes).map_err(|t| self.stopped(t));
                }
                AnswerKind::Exists if makes && self.known.row.contains_key("id") => {
                    // The id is ours, so what exists is ours: an earlier attempt arrived.
                    self.begun = true;
                    self.made = true;
                    self.existed = true;
                    return Ok(());
                }
                AnswerKind::Absent if template.method == Method::Delete => return Ok(()),
                AnswerKind::Busy if Instant::now() + pause < self.busy => {
                    self.emit(EventKind::Waiting { site: self.site, why: said.complaint.message.clone() });
                    if !self.run.pause(pause).await {
                        return Err(self.stopped(Trouble { kind: Kind::NotReached, ..said.trouble() }));
                    }
                    pause = (pause * 2).min(Duration::from_secs(30));
                }
                AnswerKind::Stale if stale < 5 => {
                    stale += 1;
                    self.refresh().await?;
                    // What is taken back goes back to what was before the change.
                    if self.op.is_some() {
                        self.known.before = Some(self.known.row.clone());
                    }
                }
                AnswerKind::Conflict if insists => {
                    insists = false;
                    let objecting = render::objecting(&said.complaint.message);
                    let more = sent.map(|s| render::insistence(template, &s, &objecting, &self.known)).transpose();
                    insisted = more.map_err(|e| self.stopped(e.into()))?.flatten();
                    if insisted.is_none() {
                        return Err(self.stopped(self.of_conflict(said)));
                    }
                }
                AnswerKind::Conflict => return Err(self.stopped(self.of_conflict(said))),
                AnswerKind::Unknown => {
                    self.begun = true;
                    return Err(self.stopped(said.trouble()));
                }
                _ => return Err(self.stopped(said.trouble())),
            }
        }
    }

    /// Paths, where the stack's kinds are found at the site.
    async fn locate(&mut self) -> Result<(), Stop> {
        if self.resource.kind.is_some() {
            let known = std::mem::take(&mut self.known);
            match self.instance.located(self.resource, known.clone()).await {
                Ok(located) => self.known = located,
                Err(trouble) => {
                    self.known = known;
                    return Err(self.stopped(trouble));
                }
            }
        }
        Ok(())
    }

    /// Somebody else manages it: who, and how it is taken over all the same.
    fn of_conflict(&self, said: Said) -> Trouble {
        let trouble = said.trouble();
        let force = self.op.is_some_and(|op| op.params.iter().any(|p| &*p.name == "force"));
        if force { trouble.help("`force: true` takes it over") } else { trouble }
    }

    /// Whether the operation makes the thing that its first request asks for.
    fn makes(&self) -> bool {
        self.op.is_some_and(|op| op.creates(&self.resource.name).is_some()) && !self.begun
    }

    async fn upload(&self, template: &Template) -> Result<Option<Upload>, Trouble> {
        if !matches!(template.body, BodyTemplate::Send(_)) {
            return Ok(None);
        }
        let Some(path) = &self.file else { return Err(Trouble::refused("no file to send")) };
        Ok(Some(upload::of_file(self.run, self.key, self.site, path).await?))
    }

    /// What an answer tells of the row.
    fn take(&mut self, template: &Template, said: Said, makes: bool) -> Result<(), Trouble> {
        let (_, resource) = self.target;
        if makes {
            self.made = true;
        }
        self.fresh = false;
        let same = resource.name == self.resource.name;
        let reading = if template.entire { Reading::Whole } else { Reading::Partial };
        if let (true, Some(body)) = (same, &said.body)
            && let Some(record) = render::item(Some(template), resource, body).filter(|r| r.is_object())
            && let Ok(row) = render::row(resource, record, &said.headers, said.version, reading)
        {
            match template.entire && row.id.is_some() {
                true => {
                    self.replace(row);
                    self.fresh = true;
                }
                false => self.known.row.extend(row.fields),
            }
        }
        self.known.request_id = said.request_id;
        self.known.headers = said.headers;
        self.known.body = said.body;
        Ok(())
    }

    fn take_answer(&mut self, answer: &Expr) -> Result<(), Stop> {
        let value = render::evaluate(answer, &self.known).map_err(|e| self.stopped(e.into()))?;
        if let (true, Some(Json::Object(members))) = (self.makes() || self.made, &value) {
            self.known.row.extend(members.iter().map(|(k, v)| (Name::from(k.as_str()), v.clone())));
        }
        self.answer = value;
        Ok(())
    }

    /// Another operation of the resource, as a part of this one.
    async fn call(&mut self, op: &Name, args: &'a [(Option<Name>, Expr)]) -> Result<(), Stop> {
        let resource = self.resource;
        let Some(called) = resource.ops.get(op) else {
            return Err(self.stopped(Trouble::refused(format!("no operation `{op}` to call"))));
        };
        let mut given = Fields::new();
        for (i, (name, value)) in args.iter().enumerate() {
            let name = name.clone().or_else(|| called.params.get(i).map(|p| p.name.clone()));
            let value = render::evaluate(value, &self.known).map_err(|e| self.stopped(e.into()))?;
            if let (Some(name), Some(value)) = (name, value) {
                given.insert(name, value);
            }
        }
        let outer = std::mem::replace(&mut self.known.args, given);
        render::fill_defaults(&called.params, &mut self.known).map_err(|e| self.stopped(e.into()))?;
        let went = self.run_all(&called.body).await;
        self.known.args = outer;
        went
    }

    /// Reads the row, and what is followed, until the condition holds. `failed` is asked first.
    async fn poll(&mut self, until: Option<&Expr>) -> Result<(), Stop> {
        let mut patience = Patience::new(Duration::from_millis(250));
        let mut silent = 0;
        loop {
            let mut watches = Vec::new();
            match self.look(&mut watches).await {
                Ok(()) => {
                    silent = 0;
                    if let Some(failed) = self.waits.failed
                        && self.judge(&failed.when)?
                    {
                        let because =
                            failed.because.as_ref().and_then(|b| render::evaluate(b, &self.known).ok().flatten());
                        let told = because.as_ref().and_then(Json::as_str);
                        let why = match (told, self.why().await) {
                            (Some(told), Some(why)) if !told.contains(&why) => format!("{told}: {why}"),
                            (Some(told), _) => told.to_string(),
                            (None, why) => why.unwrap_or_else(|| "the site does not say why".into()),
                        };
                        return Err(Stop::Broken(Trouble::refused(why)));
                    }
                    match until {
                        Some(until) if !self.judge(until)? => {}
                        _ => return Ok(()),
                    }
                }
                Err(Stop::Silent(t) | Stop::NotReached(t)) => {
                    silent += 1;
                    // A site that fell silent while it was waited for: the pursuit decides what that means.
                    if silent >= 3 {
                        return Err(Stop::Silent(t));
                    }
                }
                Err(stop) => return Err(stop),
            }
            if Instant::now() >= self.deadline {
                let status = self.known.row.get("status").and_then(Json::as_str).unwrap_or("not ready");
                let told = match self.why().await {
                    Some(why) => format!("not ready in time: {why}"),
                    None => format!("not ready in time: it is {status}"),
                };
                return Err(Stop::Broken(Trouble::refused(told)));
            }
            let status = self.known.row.get("status").and_then(Json::as_str).unwrap_or("waiting").to_string();
            self.emit(EventKind::Waiting { site: self.site, why: status });
            if !patience.wait(self.run, watches, self.deadline).await {
                return Err(Stop::Silent(Trouble::unready()));
            }
        }
    }

    /// Reads what readiness is judged by; `watches` tell when it is another.
    async fn look(&mut self, watches: &mut Vec<Watch<'a>>) -> Result<(), Stop> {
        watches.extend(self.refresh_watched().await?);
        if !self.waits.follow.is_empty() {
            self.locate().await?;
        }
        for i in 0..self.waits.follow.len() {
            let (name, template) = self.waits.follow[i];
            if !render::wanted(template, &self.known).map_err(|e| self.stopped(e.into()))? {
                continue;
            }
            let request =
                render::render(self.instance.service(), template, &self.known).map_err(|e| self.stopped(e.into()))?;
            let said = self
                .instance
                .send(request.clone(), None, template, self.op, self.resource, Asked::Else)
                .await
                .map_err(|t| self.stopped(t.of_read()))?;
            watches.extend(said.body.as_ref().and_then(|answer| self.instance.watch(&request, answer)));
            if let (AnswerKind::Done, Some(found)) = (said.kind, found(template, said.body.as_ref())) {
                self.known.followed.insert(name.clone(), found);
            }
        }
        Ok(())
    }

    /// Why it is not ready, as far as its description finds that out. What cannot be read is no part of it.
    async fn why(&self) -> Option<String> {
        let (instance, resource) = self.target;
        let because = resource.because.as_ref()?;
        let mut known = self.known.clone();
        for (name, template) in &resource.follow {
            if !render::wanted(template, &known).unwrap_or(false) {
                continue;
            }
            let Ok(request) = render::render(instance.service(), template, &known) else { continue };
            let Ok(said) = instance.send(request, None, template, None, resource, Asked::Else).await else { continue };
            if let (AnswerKind::Done, Some(found)) = (said.kind, found(template, said.body.as_ref())) {
                known.followed.insert(name.clone(), found);
            }
        }
        let told = render::evaluate(because, &known).ok()??;
        let text = told.as_str()?.split_whitespace().collect::<Vec<_>>().join(" ");
        let short = text.chars().take(LONGEST_WHY).collect::<String>();
        (!short.is_empty()).then_some(short)
    }

    /// The row as it is now.
    pub async fn refresh(&mut self) -> Result<(), Stop> {
        self.refresh_watched().await.map(|_| ())
    }

    async fn refresh_watched(&mut self) -> Result<Option<Watch<'a>>, Stop> {
        let (instance, resource) = self.target;
        if resource.get.is_none() || self.known.row.is_empty() && resource.fields.contains_key("id") {
            return Ok(None);
        }
        match instance.read_watched(resource, self.known.row.clone(), self.known.args.clone()).await {
            Ok((Some(row), watch)) => {
                self.replace(row);
                Ok(watch)
            }
            Ok((None, _)) if self.begun => {
                Err(Stop::Broken(Trouble::refused(format!("the {} is gone again", resource.name))))
            }
            Ok((None, _)) => Ok(None),
            Err(trouble) => Err(self.stopped(trouble)),
        }
    }

    /// What the answer does not say any more is not so any more; what is told only once is kept, and the ends of a link.
    fn replace(&mut self, row: Row) {
        let (_, resource) = self.target;
        let old = std::mem::replace(&mut self.known.row, row.fields);
        let kept = old.into_iter().filter(|(name, _)| resource.fields.get(name).is_none_or(|f| f.once));
        for (name, value) in kept {
            self.known.row.entry(name).or_insert(value);
        }
    }

    fn judge(&self, condition: &Expr) -> Result<bool, Stop> {
        render::holds(condition, &self.known).map_err(|e| self.stopped(e.into()))
    }

    /// What trouble means here: before anything left, after, or with the thing there already.
    fn stopped(&self, trouble: Trouble) -> Stop {
        match trouble.kind {
            Kind::NotReached if !self.begun => Stop::NotReached(trouble),
            Kind::NotReached | Kind::Silent => Stop::Silent(trouble),
            // The first request succeeded: what it made is there, and will not become what was asked for.
            Kind::Refused if self.made => Stop::Broken(trouble),
            Kind::Refused => Stop::Refused(trouble),
        }
    }

    fn emit(&self, kind: EventKind) {
        self.run.events.emit(Some(self.key), kind);
    }

    pub fn row(&self) -> Row {
        let id = self.known.row.get("id").and_then(render::plain);
        let id = id.or_else(|| render::link_id(self.target.1, &self.known.row));
        Row { id, fields: self.known.row.clone() }
    }
}
