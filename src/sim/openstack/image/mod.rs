//! Glance v2: images, their data, members and tags.
//!
//! Two things are harder than they look. An id that was used once is taken for ever, also after deletion; and an
//! image's data arrives while other requests look on (`saving`), which is why an upload is not one step.

mod change;
mod content;
mod list;
mod member;
mod schema;
mod upload;

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Value, json};
use time::OffsetDateTime;

use self::content::Content;
pub(in crate::sim) use self::content::Contents;
pub(super) use self::upload::{is_upload, upload};
use super::identity::{Identity, Who};
use super::wire::{Answer, Call, Object, Reply, Wrong};
use super::{State, authenticated};
use crate::sim::source::{Source, iso};
use crate::sim::spec::SiteSpec;
use crate::sim::world::{ImageSeen, Site};

pub(super) struct Images {
    images: IndexMap<String, Image>,
    /// Every id there ever was.
    taken: HashSet<String>,
}

struct Image {
    id: String,
    name: Option<String>,
    /// `queued`, `saving`, `active`, `deactivated`.
    status: &'static str,
    owner: String,
    visibility: String,
    protected: bool,
    hidden: bool,
    tags: Vec<String>,
    disk_format: Option<String>,
    container_format: Option<String>,
    min_disk: u64,
    min_ram: u64,
    created: OffsetDateTime,
    updated: OffsetDateTime,
    content: Option<Arc<Content>>,
    /// Data sent ahead of an import.
    staged: Option<Arc<Content>>,
    properties: IndexMap<String, String>,
    /// Project to `pending`, `accepted`, `rejected`.
    members: IndexMap<String, member::Member>,
}

/// What compute wants to know of an image before it boots from it.
pub(super) struct Bootable {
    pub active: bool,
    pub has_data: bool,
    pub min_ram: u64,
    /// GiB.
    pub min_disk: u64,
    /// Bytes.
    pub size: u64,
}

impl Images {
    pub fn new(
        spec: &SiteSpec,
        identity: &Identity,
        now: OffsetDateTime,
        ids: &mut Source,
        contents: &mut Contents,
    ) -> Self {
        let mut images = Images { images: IndexMap::new(), taken: HashSet::new() };
        for given in &spec.images {
            let id = given.id.clone().unwrap_or_else(|| ids.uuid());
            let shared = ["public", "community"].contains(&given.visibility.as_str());
            let mut image = Image::new(id.clone(), identity.owner(shared), now);
            image.name = Some(given.name.clone());
            image.status = "active";
            image.visibility = given.visibility.clone();
            image.disk_format = Some(given.disk_format.clone());
            image.container_format = Some(given.container_format.clone());
            image.content = Some(contents.of(given.content.as_deref().unwrap_or(&given.name), given.size));
            image.properties = given.properties.clone();
            images.taken.insert(id.clone());
            images.images.insert(id, image);
        }
        images
    }

    pub fn seen(&self) -> Vec<ImageSeen> {
        let seen = self.images.values().map(|image| ImageSeen {
            id: image.id.clone(),
            name: image.name.clone(),
            status: image.status.to_string(),
            size: image.content.as_ref().map(|content| content.size),
            checksum: image.content.as_ref().map(|content| content.md5.clone()),
            hash: image.content.as_ref().map(|content| content.sha512.clone()),
        });
        seen.collect()
    }

    pub fn bootable(&self, id: &str, who: &Who) -> Option<Bootable> {
        let image = self.images.get(id).filter(|image| image.visible_to(who))?;
        Some(Bootable {
            active: image.status == "active",
            has_data: image.content.as_ref().is_some_and(|content| content.size > 0),
            min_ram: image.min_ram,
            min_disk: image.min_disk,
            size: image.content.as_ref().map_or(0, |content| content.size),
        })
    }

    /// An image made of a server: a small deterministic disk, so that it has a checksum.
    pub fn snapshot(
        &mut self,
        id: String,
        name: &str,
        properties: IndexMap<String, String>,
        who: &Who,
        now: OffsetDateTime,
    ) {
        let mut image = Image::new(id.clone(), &who.project, now);
        image.name = Some(name.to_string());
        image.status = "active";
        image.visibility = "private".into();
        image.disk_format = Some("qcow2".into());
        image.container_format = Some("bare".into());
        image.content = Some(Contents::default().of(&id, 64 << 10));
        image.properties = properties;
        self.taken.insert(id.clone());
        self.images.insert(id, image);
    }

    fn visible(&self, id: &str, who: &Who) -> Result<&Image, Reply> {
        let image = self.images.get(id).filter(|image| image.visible_to(who));
        image.ok_or_else(|| error(404, &format!("No image found with ID {id}")))
    }

    fn own(&mut self, id: &str, who: &Who) -> Result<&mut Image, Reply> {
        self.visible(id, who)?;
        let image = self.images.get_mut(id).filter(|image| who.admin || image.owner == who.project);
        image.ok_or_else(|| error(403, "You do not own this image"))
    }
}

impl Image {
    fn new(id: String, owner: &str, now: OffsetDateTime) -> Self {
        Image {
            id,
            name: None,
            status: "queued",
            owner: owner.to_string(),
            visibility: "shared".into(),
            protected: false,
            hidden: false,
            tags: Vec::new(),
            disk_format: None,
            container_format: None,
            min_disk: 0,
            min_ram: 0,
            created: now,
            updated: now,
            content: None,
            staged: None,
            properties: IndexMap::new(),
            members: IndexMap::new(),
        }
    }

    fn visible_to(&self, who: &Who) -> bool {
        who.admin
            || self.owner == who.project
            || self.visibility == "public"
            || self.visibility == "community"
            || self.visibility == "shared" && self.members.contains_key(&who.project)
    }

    fn shown(&self) -> Value {
        let content = self.content.as_ref();
        let mut shown = json!({
            "name": self.name, "disk_format": self.disk_format, "container_format": self.container_format,
            "visibility": self.visibility, "size": content.map(|content| content.size),
            "virtual_size": content.map(|content| content.size), "status": self.status,
            "checksum": content.map(|content| &content.md5), "protected": self.protected,
            "min_ram": self.min_ram, "min_disk": self.min_disk, "owner": self.owner, "os_hidden": self.hidden,
            "os_hash_algo": content.map(|_| "sha512"), "os_hash_value": content.map(|content| &content.sha512),
            "id": self.id, "created_at": iso(self.created), "updated_at": iso(self.updated), "tags": self.tags,
            "self": format!("/v2/images/{}", self.id), "file": format!("/v2/images/{}/file", self.id),
            "schema": "/v2/schemas/image",
        });
        for (name, value) in &self.properties {
            shown[name] = json!(value);
        }
        shown
    }
}

pub(super) fn answer(site: &Site, state: &mut State, call: &Call) -> Answer {
    let path = call.path();
    let method = if call.method == "HEAD" { "GET" } else { call.method.as_str() };
    if method == "GET" {
        match &path[..] {
            [] | [""] => return Ok(versions(call, 300)),
            ["versions"] => return Ok(versions(call, 200)),
            ["v2", ..] => {}
            _ => return Ok(versions(call, 300)),
        }
    }
    let who = entered(site, state, call).map_err(|reply| shaped(reply, call))?;
    respond(site, state, call, method, &path, &who).map_err(|reply| shaped(reply, call))
}

/// Glance says 401 in words of its own.
fn entered(site: &Site, state: &mut State, call: &Call) -> Result<Who, Reply> {
    authenticated(site, state, call).map_err(|refused| {
        let message = "This server could not verify that you are authorized to access the document you requested. Either \
                       you supplied the wrong credentials (e.g., bad password), or your browser does not understand how \
                       to supply the credentials required.";
        Reply { headers: refused.headers, ..error(401, message) }
    })
}

/// The error of a body whose type the service does not read.
fn unsupported(call: &Call) -> Reply {
    let kind = call.header("content-type").unwrap_or_default();
    error(415, &format!("The request media type {kind} is not supported by this server."))
}

fn conflict(message: &str) -> Reply {
    error(409, &format!("There was a conflict when trying to complete your request.<br /><br />\n{message}"))
}

fn respond(site: &Site, state: &mut State, call: &Call, method: &str, path: &[&str], who: &Who) -> Answer {
    let State { images, ids, .. } = state;
    match (method, path) {
        ("GET", ["v2", "schemas", name]) => schema::answer(name),
        ("GET", ["v2", "info", "import"]) => {
            let methods =
                json!({"description": "Import methods available.", "type": "array", "value": ["glance-direct"]});
            Ok(Reply::json(200, json!({"import-methods": methods})))
        }
        ("GET", ["v2", "info", "stores"]) => Err(error(404, "Multi backend is not supported at this site.")),
        ("GET", ["v2", "images"]) => list::list(images, call, who),
        ("POST", ["v2", "images"]) => change::create(images, site, call, who, ids),
        ("GET", ["v2", "images", id]) => Ok(Reply::json(200, images.visible(id, who)?.shown())),
        ("PATCH", ["v2", "images", id]) => change::patch(images, call, who, id),
        ("DELETE", ["v2", "images", id]) => change::delete(images, who, id),
        ("GET", ["v2", "images", id, "file"]) => download(images, who, id),
        ("PUT", ["v2", "images", id, "tags", tag]) => {
            let image = images.own(id, who)?;
            if tag.len() > 255 {
                return Err(error(400, "Tag is longer than 255 characters."));
            }
            if !image.tags.iter().any(|known| known == tag) {
                image.tags.push(tag.to_string());
            }
            Ok(Reply::empty(204))
        }
        ("DELETE", ["v2", "images", id, "tags", tag]) => {
            let image = images.own(id, who)?;
            let at = image.tags.iter().position(|known| known == tag);
            image.tags.remove(at.ok_or_else(|| error(404, "The resource could not be found."))?);
            Ok(Reply::empty(204))
        }
        ("POST", ["v2", "images", id, "actions", action @ ("deactivate" | "reactivate")]) => {
            let image = images.own(id, who)?;
            let (from, to) =
                if *action == "deactivate" { ("active", "deactivated") } else { ("deactivated", "active") };
            if image.status != from && image.status != to {
                let message = format!("Image status transition from {} to {to} is not allowed", image.status);
                return Err(error(403, &message));
            }
            image.status = to;
            Ok(Reply::empty(204))
        }
        ("POST", ["v2", "images", id, "import"]) => change::import(images, call, who, id),
        ("GET", ["v2", "images", id, "tasks"]) => {
            images.visible(id, who)?;
            Ok(Reply::json(200, json!({"tasks": []})))
        }
        (_, ["v2", "images", id, "members", rest @ ..]) => member::answer(images, call, who, method, id, rest),
        _ => Err(error(404, "The resource could not be found.")),
    }
}

fn download(images: &Images, who: &Who, id: &str) -> Answer {
    let image = images.visible(id, who)?;
    if image.status == "deactivated" && !who.admin {
        return Err(error(403, "The requested image has been deactivated. Image data download is forbidden."));
    }
    match &image.content {
        Some(content) => {
            Ok(Reply::chunks(content.chunks.clone(), content.size).header("content-md5", content.md5.clone()))
        }
        None => Ok(Reply::empty(204)),
    }
}

fn versions(call: &Call, status: u16) -> Reply {
    let version = |minor: u32| {
        let state = if minor == 15 { "CURRENT" } else { "SUPPORTED" };
        let links = json!([{"rel": "self", "href": format!("{}/image/v2/", call.base)}]);
        json!({"id": format!("v2.{minor}"), "status": state, "links": links})
    };
    let versions: Vec<Value> = std::iter::once(15).chain((0..=9).rev()).map(version).collect();
    Reply::json(status, json!({"versions": versions}))
}

/// An error whose shape waits for the client's `Accept` header.
pub(super) fn error(status: u16, message: &str) -> Reply {
    Reply::text(status, "text/plain", message)
}

/// The same, for where no header is at hand.
pub(super) fn plain_error(status: u16, message: &str) -> Reply {
    html(status, message)
}

fn bad(wrong: Wrong) -> Reply {
    error(400, &wrong.0)
}

/// Glance's errors are JSON only for clients that accept nothing but JSON.
fn shaped(reply: Reply, call: &Call) -> Reply {
    let super::wire::Content::Text("text/plain", message) = &reply.body else {
        return reply;
    };
    let accept = call.header("accept").unwrap_or("*/*");
    if accept.contains("json") {
        // Where there is an explanation and a detail, the break stands between the two.
        let message = match message.as_str() {
            text if text.contains("<br />") => format!("{text}\n\n"),
            text if reply.status == 415 => format!("{text}\n<br /><br />\n"),
            text => format!("{text}<br /><br />\n\n\n"),
        };
        let body = json!({
            "message": message,
            "code": format!("{} {}", reply.status, title(reply.status)), "title": title(reply.status),
        });
        return Reply { headers: reply.headers, ..Reply::json(reply.status, body) };
    }
    let headers = reply.headers;
    Reply { headers, ..html(reply.status, message) }
}

fn html(status: u16, message: &str) -> Reply {
    let title = title(status);
    let escaped =
        message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace("&lt;br /&gt;", "<br />");
    Reply::text(
        status,
        "text/html",
        format!(
            "<html>\n <head>\n  <title>{status} {title}</title>\n </head>\n <body>\n  <h1>{status} {title}</h1>\n  \
             {escaped}<br /><br />\n\n\n </body>\n</html>"
        ),
    )
}

fn title(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason()).unwrap_or("Error")
}

/// The properties of an image that the service knows by name; every other key is the client's.
fn is_base(key: &str) -> bool {
    schema::BASE.iter().any(|(name, ..)| *name == key)
}

fn is_read_only(key: &str) -> bool {
    schema::BASE.iter().any(|(name, _, read_only)| *name == key && *read_only)
}

fn text_of(object: &Object, key: &str) -> Result<Option<String>, Reply> {
    super::wire::text(object, key).map(|text| text.map(str::to_string)).map_err(bad)
}
