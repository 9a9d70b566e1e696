//! A site that costs next to nothing: what it has, and what it answers. It knows Keystone's tokens, a catalog, and the
//! resources of lab.edge; it is asked through the real driver, so who is shown which credential is seen here.

use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;

pub const SITES: [&str; 6] = ["A", "B", "C", "D", "E", "F"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Vm,
    Pass,
    Disk,
    Net,
    Key,
    Conf,
}

impl Kind {
    const ALL: [Kind; 6] = [Kind::Vm, Kind::Pass, Kind::Disk, Kind::Net, Kind::Key, Kind::Conf];

    pub fn word(self) -> &'static str {
        match self {
            Kind::Vm => "vm",
            Kind::Pass => "pass",
            Kind::Disk => "disk",
            Kind::Net => "net",
            Kind::Key => "key",
            Kind::Conf => "conf",
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Kind::Vm => "vms",
            Kind::Pass => "passes",
            Kind::Disk => "disks",
            Kind::Net => "nets",
            Kind::Key => "keys",
            Kind::Conf => "confs",
        }
    }

    pub fn is_unique(self) -> bool {
        matches!(self, Kind::Key | Kind::Conf)
    }
}

/// Who made a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// It was there before the run.
    Before,
    /// Somebody else, while the run went on.
    Other,
    Run,
}

#[derive(Clone, Debug)]
pub struct Thing {
    pub kind: Kind,
    pub id: String,
    pub name: String,
    pub maker: Maker,
    pub text: String,
    /// Of what was there before.
    pub text_before: String,
    note: String,
    up_at: Duration,
    pub down: bool,
    breaks: bool,
    gone_at: Option<Duration>,
}

/// A request as a site reads it.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: String,
    /// Without the service's part: `/vms/3`.
    pub path: String,
    pub query: Vec<(String, String)>,
    pub body: Value,
    pub token: Option<String>,
    /// All of it, to see whose credentials are in it.
    pub raw: String,
}

impl Ask {
    pub fn changes(&self) -> bool {
        self.method != "GET" && !self.is_login()
    }

    pub fn is_login(&self) -> bool {
        self.path == "/auth/tokens"
    }

    /// What it is about, where it is about a resource.
    pub fn kind(&self) -> Option<Kind> {
        let plural = self.path.split('/').nth(1)?;
        Kind::ALL.into_iter().find(|kind| kind.plural() == plural)
    }

    pub fn id(&self) -> Option<&str> {
        self.path.split('/').nth(2)
    }

    /// The name in a request that makes something, or that looks for it.
    pub fn name(&self) -> Option<&str> {
        let kind = self.kind()?;
        let searched = self.query.iter().find(|(key, _)| key == "name").map(|(_, value)| value.as_str());
        self.body[kind.word()]["name"].as_str().or(searched)
    }

    pub fn makes(&self) -> bool {
        self.method == "POST" && self.kind().is_some() && self.id().is_none()
    }

    /// What of it arrives late is harmless for ever, because of a ticket or because it names one thing by its own id.
    pub fn is_fenced(&self) -> bool {
        match (self.method.as_str(), self.kind()) {
            ("GET", _) => true,
            ("DELETE", kind) => kind != Some(Kind::Key),
            ("POST", Some(Kind::Vm)) => self.makes() && self.body["vm"]["pass"].is_string(),
            ("POST", Some(Kind::Disk)) => true,
            // Litter under a derived name, which nobody is hurt by.
            ("POST", Some(Kind::Pass)) => true,
            _ => false,
        }
    }
}

pub struct Reply {
    pub status: u16,
    pub body: Value,
    /// Of a new token.
    pub token: Option<String>,
}

impl Reply {
    fn of(status: u16, body: Value) -> Reply {
        Reply { status, body, token: None }
    }

    pub fn failure(status: u16, why: &str) -> Reply {
        Reply::of(status, json!({ "error": { "code": status, "message": why } }))
    }
}

pub struct Site {
    pub place: usize,
    pub things: Vec<Thing>,
    /// Ids of disks that were deleted, which are never free again.
    spent: HashSet<String>,
    tokens: Vec<String>,
    next: u32,
    /// Until a vm is up, and until one that is deleted is gone.
    pub build: Duration,
    pub linger: Duration,
    /// The next vm will break.
    pub breaks: bool,
}

impl Site {
    pub fn new(place: usize) -> Site {
        Site {
            place,
            things: Vec::new(),
            spent: HashSet::new(),
            tokens: Vec::new(),
            next: 0,
            build: Duration::ZERO,
            linger: Duration::ZERO,
            breaks: false,
        }
    }

    fn name(&self) -> &'static str {
        SITES[self.place]
    }

    pub fn forget_tokens(&mut self) {
        self.tokens.clear();
    }

    pub fn put(&mut self, kind: Kind, name: &str, text: &str, maker: Maker) {
        let id = self.id_of(kind, name);
        self.things.push(Thing {
            kind,
            id,
            name: name.into(),
            maker,
            text: text.into(),
            text_before: text.into(),
            note: String::new(),
            up_at: Duration::ZERO,
            down: false,
            breaks: false,
            gone_at: None,
        });
    }

    fn id_of(&mut self, kind: Kind, name: &str) -> String {
        self.next += 1;
        match kind {
            Kind::Key => name.into(),
            _ => format!("{}{}-{}", kind.word(), self.next, self.name()),
        }
    }

    /// What is gone by now goes.
    pub fn pass_time(&mut self, now: Duration) {
        self.things.retain(|thing| thing.gone_at.is_none_or(|at| at > now));
    }

    /// Says also which credentials are in the wrong place.
    pub fn carry_out(&mut self, ask: &Ask, now: Duration, wrong: &mut Vec<String>) -> Reply {
        self.pass_time(now);
        for other in SITES.iter().filter(|other| **other != self.name()) {
            if ask.raw.contains(&format!("secret-of-{other}")) {
                wrong.push(format!("{} is shown a credential of {other}: {} {}", self.name(), ask.method, ask.path));
            }
        }
        if ask.is_login() {
            return self.login(ask);
        }
        if ask.token.as_ref().is_none_or(|token| !self.tokens.contains(token)) {
            return Reply::failure(401, "who are you?");
        }
        let Some(kind) = ask.kind() else { return Reply::failure(404, "no such path") };
        match (ask.method.as_str(), ask.id(), ask.path.split('/').nth(3)) {
            ("GET", None, _) => self.list(kind, ask, now),
            ("GET", Some(id), None) => match self.find(kind, id) {
                Some(thing) => Reply::of(200, json!({ (kind.word()): shown(thing, now) })),
                None => Reply::failure(404, "not found"),
            },
            ("POST", None, _) => self.make(kind, &ask.body[kind.word()], now),
            ("DELETE", Some(id), None) => self.delete(kind, id, now),
            ("PUT", Some(id), None) => self.change(kind, id, now, |thing| {
                if let Some(text) = ask.body[kind.word()]["text"].as_str() {
                    thing.text = text.into();
                }
            }),
            ("POST", Some(id), Some("halt")) => self.change(kind, id, now, |thing| thing.down = true),
            ("POST", Some(id), Some("start")) => self.change(kind, id, now, |thing| thing.down = false),
            _ => Reply::failure(404, "no such path"),
        }
    }

    fn login(&mut self, ask: &Ask) -> Reply {
        if !ask.raw.contains(&format!("secret-of-{}-password", self.name())) {
            return Reply::failure(401, "wrong password");
        }
        self.next += 1;
        let token = format!("secret-of-{}-{}", self.name(), self.next);
        self.tokens.push(token.clone());
        let name = self.name();
        let host = name.to_lowercase();
        let service = |kind: &str| {
            let url = format!("http://{host}.sim/{kind}");
            json!({ "type": kind, "name": kind, "endpoints": [{ "interface": "public", "region": name, "url": url }] })
        };
        let body = json!({ "token": {
            "user": { "id": "u", "name": "edge" }, "project": { "id": "p", "name": "edge" },
            "catalog": [service("lab"), service("store")],
        } });
        Reply { status: 201, body, token: Some(token) }
    }

    fn find(&self, kind: Kind, id: &str) -> Option<&Thing> {
        self.things.iter().find(|thing| thing.kind == kind && thing.id == id)
    }

    fn list(&self, kind: Kind, ask: &Ask, now: Duration) -> Reply {
        let fits = |thing: &&Thing| {
            thing.kind == kind
                && ask.query.iter().all(|(key, value)| match key.as_str() {
                    "name" => thing.name == *value,
                    "note" => thing.note == *value,
                    _ => true,
                })
        };
        let rows: Vec<Value> = self.things.iter().filter(fits).map(|thing| shown(thing, now)).collect();
        Reply::of(200, json!({ (kind.plural()): rows }))
    }

    fn make(&mut self, kind: Kind, body: &Value, now: Duration) -> Reply {
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_string();
        let name = text("name");
        if kind.is_unique() && self.things.iter().any(|thing| thing.kind == kind && thing.name == name) {
            return Reply::failure(409, "it exists");
        }
        let needs = [("pass", Kind::Pass), ("net", Kind::Net), ("conf", Kind::Conf)];
        for (key, kind) in needs {
            if body[key].is_string() && self.find(kind, &text(key)).is_none() {
                return Reply::failure(400, &format!("the {key} could not be found"));
            }
        }
        let id = match kind {
            Kind::Disk => text("id"),
            _ => self.id_of(kind, &name),
        };
        if kind == Kind::Disk && (self.spent.contains(&id) || self.find(kind, &id).is_some()) {
            return Reply::failure(409, "the id exists");
        }
        let breaks = kind == Kind::Vm && std::mem::take(&mut self.breaks);
        let slow = if kind == Kind::Vm { self.build } else { Duration::ZERO };
        self.things.push(Thing {
            kind,
            id,
            name,
            maker: Maker::Run,
            text: text("text"),
            text_before: String::new(),
            note: text("note"),
            up_at: now + slow,
            down: false,
            breaks,
            gone_at: None,
        });
        let made = self.things.last().map(|thing| shown(thing, now));
        Reply::of(201, json!({ (kind.word()): made }))
    }

    fn delete(&mut self, kind: Kind, id: &str, now: Duration) -> Reply {
        let Some(at) = self.things.iter().position(|thing| thing.kind == kind && thing.id == id) else {
            return Reply::failure(404, "not found");
        };
        if kind == Kind::Disk {
            self.spent.insert(id.to_string());
        }
        match kind == Kind::Vm && !self.linger.is_zero() {
            true => {
                let gone = now + self.linger;
                self.things[at].gone_at.get_or_insert(gone);
            }
            false => {
                self.things.remove(at);
            }
        }
        Reply::of(204, Value::Null)
    }

    fn change(&mut self, kind: Kind, id: &str, now: Duration, change: impl FnOnce(&mut Thing)) -> Reply {
        match self.things.iter_mut().find(|thing| thing.kind == kind && thing.id == id) {
            Some(thing) => {
                change(thing);
                Reply::of(200, json!({ (kind.word()): shown(thing, now) }))
            }
            None => Reply::failure(404, "not found"),
        }
    }
}

fn shown(thing: &Thing, now: Duration) -> Value {
    let status = match thing {
        Thing { gone_at: Some(_), .. } => "deleting",
        thing if now < thing.up_at => "building",
        Thing { breaks: true, .. } => "error",
        Thing { down: true, .. } => "down",
        _ => "up",
    };
    match thing.kind {
        Kind::Vm => json!({ "id": thing.id, "name": thing.name, "status": status, "note": thing.note }),
        Kind::Disk => json!({ "id": thing.id, "name": thing.name, "status": status, "note": thing.note }),
        Kind::Net => json!({ "id": thing.id, "name": thing.name, "note": thing.note }),
        Kind::Pass => json!({ "id": thing.id, "name": thing.name }),
        Kind::Key => json!({ "name": thing.name }),
        Kind::Conf => json!({ "id": thing.id, "name": thing.name, "text": thing.text }),
    }
}

impl Thing {
    /// On its way out: its deletion was accepted.
    pub fn is_going(&self) -> bool {
        self.gone_at.is_some()
    }
}
