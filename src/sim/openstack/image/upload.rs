//! Image data on its way in: `queued`, `saving`, then `active`, or `queued` again when it breaks off.

use std::sync::Arc;

use super::content::{Content, Gathered};
use super::{entered, error, shaped, unsupported};
use crate::sim::exchange::Arriving;
use crate::sim::openstack::identity::Who;
use crate::sim::openstack::wire::{Answer, Call, Reply};
use crate::sim::world::Site;

/// Is this the one kind of request whose body is streamed?
pub(in crate::sim::openstack) fn is_upload(call: &Call) -> bool {
    call.method == "PUT" && matches!(call.path()[..], ["v2", "images", _, "file" | "stage"])
}

pub(in crate::sim::openstack) async fn upload(site: &Site, call: &Call, body: Arriving) -> Answer {
    receive(site, call, body).await.map_err(|reply| shaped(reply, call))
}

async fn receive(site: &Site, call: &Call, mut body: Arriving) -> Answer {
    let ["v2", "images", id, what] = call.path()[..] else {
        return Err(error(404, "The resource could not be found."));
    };
    let staging = what == "stage";
    let who = begin(site, call, id, staging)?;
    // However this ends, also when the site's task is dropped, the image must not stay `saving`.
    let unfinished = Unfinished { site, id, armed: true };
    let mut gathered = Gathered::default();
    loop {
        match body.next().await {
            Some(Ok(bytes)) => gathered.add(bytes),
            Some(Err(_)) => return Err(error(400, "The image data was not received whole.")),
            None => break,
        }
        if gathered.size > site.spec.image_limit {
            let limit = site.spec.image_limit;
            return Err(error(413, &format!("Image exceeds the maximum size of {limit} bytes.")));
        }
    }
    let content = Arc::new(gathered.finish());
    within_quota(site, &who, &content)?;
    finish(site, id, staging, content, unfinished)
}

fn begin(site: &Site, call: &Call, id: &str, staging: bool) -> Result<Who, Reply> {
    let state = &mut *site.state();
    let who = entered(site, state, call)?;
    let kind = call.header("content-type").unwrap_or_default();
    if kind != "application/octet-stream" {
        return Err(unsupported(call));
    }
    let image = state.images.own(id, &who)?;
    if image.status != "queued" {
        let to = if staging { "uploading" } else { "saving" };
        return Err(error(409, &format!("Image status transition from {} to {to} is not allowed", image.status)));
    }
    if image.disk_format.is_none() || image.container_format.is_none() {
        let missing = [("disk_format", &image.disk_format), ("container_format", &image.container_format)];
        let missing: Vec<&str> = missing.iter().filter(|(_, format)| format.is_none()).map(|(name, _)| *name).collect();
        return Err(error(400, &format!("Properties {} must be set prior to saving data.", missing.join(", "))));
    }
    image.status = if staging { "uploading" } else { "saving" };
    image.updated = call.now;
    Ok(who)
}

fn within_quota(site: &Site, who: &Who, content: &Content) -> Result<(), Reply> {
    let limit = site.spec.quotas.image_bytes;
    let state = site.state();
    let own = state.images.images.values().filter(|image| image.owner == who.project);
    let used: u64 = own.filter_map(|image| Some(image.content.as_ref()?.size)).sum();
    if limit >= 0 && used + content.size > limit as u64 {
        let message = format!(
            "Resource image_size_total is over limit of {limit} due to current usage {used} and delta {}",
            content.size
        );
        return Err(error(413, &message));
    }
    Ok(())
}

fn finish(site: &Site, id: &str, staging: bool, content: Arc<Content>, mut unfinished: Unfinished) -> Answer {
    unfinished.armed = false;
    let state = &mut *site.state();
    let Some(image) = state.images.images.get_mut(id) else {
        let message =
            format!("Image {id} could not be found after upload. The image may have been deleted during the upload.");
        return Err(error(410, &message));
    };
    image.updated = site.clock.now();
    if staging {
        image.staged = Some(content);
    } else {
        image.status = "active";
        image.content = Some(content);
    }
    Ok(Reply::empty(204))
}

struct Unfinished<'a> {
    site: &'a Site,
    id: &'a str,
    armed: bool,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if self.armed
            && let Some(image) = self.site.state().images.images.get_mut(self.id)
            && image.content.is_none()
        {
            image.status = "queued";
        }
    }
}
