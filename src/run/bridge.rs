//! Making a resource of one site usable at another, by existing APIs of both: look for the same content first, then copy.
//! What has the name and other content is never shadowed.

use super::body::{Body, Stop};
use super::event::EventKind;
use super::instance::Instance;
use super::resolve::Copy;
use super::trouble::Trouble;
use super::upload;
use crate::drivers::Upload;
use edge_lang::library::render::{self, Asked, Fields, Row, Scope as Known};
use edge_lang::library::{AnswerKind, Bridge, Payload, Request, Resource, Template};
use serde_json::Value as Json;

/// The resource here that is the same as `source`, which is at another site; `None` where it would have to be copied.
pub async fn counterpart(
    here: &Instance,
    resource: &Resource,
    source: &Row,
    from: &str,
) -> Result<Option<Row>, Trouble> {
    let Some(bridge) = &resource.bridge else { return Ok(None) };
    let name =
        resource.named.as_ref().and_then(|n| n.by.first()).and_then(|by| source.fields.get(by)).and_then(Json::as_str);
    let named = match name {
        Some(name) => here.named(resource, name).await?,
        None => Vec::new(),
    };
    for row in &named {
        if same(here, bridge, resource, source, row)? {
            return Ok(Some(row.clone()));
        }
    }
    if !named.is_empty() {
        let name = name.unwrap_or_default();
        let message = format!("{} `{name}` is here with other content than at {from}", resource.name);
        return Err(Trouble::refused(message).help("rename or delete one of them, or use the one that is here"));
    }
    if bridge.same.is_some() {
        // Under another name, the same content serves as well.
        for row in here.list(resource, Fields::new()).await? {
            if same(here, bridge, resource, source, &row)? {
                return Ok(Some(row));
            }
        }
    }
    Ok(None)
}

fn same(here: &Instance, bridge: &Bridge, resource: &Resource, source: &Row, row: &Row) -> Result<bool, Trouble> {
    match &bridge.same {
        Some(condition) => {
            let known = Known { row: row.fields.clone(), source: Some(source.fields.clone()), ..here.known() };
            Ok(render::holds(condition, &known)?)
        }
        None => Ok(render::differences(resource, &definition(resource, source), &row.fields).is_empty()),
    }
}

/// The fields that make it what it is.
fn definition(resource: &Resource, row: &Row) -> Fields {
    let ignored = resource.bridge.as_ref().map(|b| &b.ignore[..]).unwrap_or_default();
    let names = resource.definition.iter().chain(&resource.fixed).filter(|n| !ignored.contains(n));
    names.filter_map(|n| Some((n.clone(), row.fields.get(n)?.clone()))).collect()
}

/// The content, once the thing itself is made: what the site can fetch by itself, else a stream through here.
pub async fn fill(body: &mut Body<'_>, copy: &Copy, source: &Instance, bridge: &Bridge) -> Result<(), Stop> {
    let Some((get, put)) = &bridge.stream else { return Ok(()) };
    body.known.source = Some(copy.row.fields.clone());
    if !render::wanted(put, &body.known).map_err(|e| Stop::Broken(e.into()))? {
        return Ok(());
    }
    let described = source.resource(&copy.resource).map_err(Stop::Broken)?;
    let known = Known { source: Some(copy.row.fields.clone()), row: copy.row.fields.clone(), ..source.known() };
    let known = Known { version: body.known.version.filter(|_| source.offered().is_some()), ..known };
    let request = render::render(source.service(), get, &known).map_err(|e| Stop::Broken(e.into()))?;
    let request = Request { headers: accept_bytes(request.headers), ..request };
    // The source fell silent: what was made here is half a copy, which is no good.
    let said = source.send(request, None, get, None, described, Asked::Else).await.map_err(Stop::Broken)?;
    if said.kind != AnswerKind::Done {
        return Err(Stop::Broken(said.trouble()));
    }
    let Some(stream) = said.stream else {
        return Err(Stop::Broken(Trouble::refused(format!("the {} has no data at its site", copy.resource))));
    };
    let length = said.headers.get("content-length").and_then(|l| l.parse().ok()).or(copy.size());
    let what = format!("copying {} `{}`", copy.resource, copy.name().unwrap_or("?"));
    let upload = upload::of_stream(body.run, body.key, copy.from, body.site, what, stream, length);
    put_content(body, put, upload).await
}

fn accept_bytes(mut headers: Vec<(String, String)>) -> Vec<(String, String)> {
    headers.retain(|(k, _)| !k.eq_ignore_ascii_case("accept"));
    headers.push(("accept".into(), "application/octet-stream".into()));
    headers
}

async fn put_content(body: &mut Body<'_>, put: &Template, upload: Upload) -> Result<(), Stop> {
    let instance = body.instance;
    let request = render::render(instance.service(), put, &body.known).map_err(|e| Stop::Broken(e.into()))?;
    let request = Request { payload: Payload::Stream, ..request };
    let what = format!("{} {}", request.method.text(), request.path);
    body.run.events.emit(Some(body.key), EventKind::Sent { site: body.site, what });
    match instance.send(request, Some(upload), put, None, body.resource, Asked::Else).await {
        Ok(said) if said.kind == AnswerKind::Done => Ok(()),
        Ok(said) if said.kind == AnswerKind::Unknown => Err(Stop::Silent(said.trouble())),
        Ok(said) => Err(Stop::Broken(said.trouble())),
        Err(trouble) => Err(Stop::Silent(trouble)),
    }
}

/// That what arrived is what was sent for.
pub fn verify(body: &Body<'_>, copy: &Copy, bridge: &Bridge) -> Result<(), Stop> {
    let Some(condition) = &bridge.same else { return Ok(()) };
    let known = Known { source: Some(copy.row.fields.clone()), ..body.known.clone() };
    match render::holds(condition, &known) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Stop::Broken(Trouble::refused("the copy is not the same as its source"))),
        Err(error) => Err(Stop::Broken(error.into())),
    }
}
