//! With whom an image is shared. An image that was offered is listed by its member only when accepted.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Images, bad, error};
use crate::sim::openstack::identity::Who;
use crate::sim::openstack::wire::{Answer, Call, Reply, needed};
use crate::sim::source::iso;

#[derive(Clone)]
pub(super) struct Member {
    pub status: &'static str,
    created: OffsetDateTime,
    updated: OffsetDateTime,
}

pub(super) fn answer(images: &mut Images, call: &Call, who: &Who, method: &str, id: &str, rest: &[&str]) -> Answer {
    images.visible(id, who)?;
    let nobody = |member: &str| error(404, &format!("{member} not found in the member list of the image {id}."));
    match (method, rest) {
        ("GET", []) => {
            let image = images.visible(id, who)?;
            let all = who.admin || image.owner == who.project;
            let seen = image.members.iter().filter(|(member, _)| all || **member == who.project);
            let rows: Vec<Value> = seen.map(|(member, state)| shown(id, member, state)).collect();
            Ok(Reply::json(200, json!({"members": rows, "schema": "/v2/schemas/members"})))
        }
        ("GET", [member]) => {
            let image = images.visible(id, who)?;
            let state = image.members.get(*member).ok_or_else(|| nobody(member))?;
            Ok(Reply::json(200, shown(id, member, state)))
        }
        ("POST", []) => {
            let body = call.json().map_err(bad)?;
            let given = body.as_object().ok_or_else(|| error(400, "Expected a dict in the request body"))?;
            let member = needed(given, "member").map_err(bad)?;
            let image = images.own(id, who)?;
            if image.visibility != "shared" {
                return Err(error(403, "Only shared images have members."));
            }
            if image.members.contains_key(member) {
                return Err(error(409, &format!("Image member {member} already exists for image {id}")));
            }
            if image.members.len() >= 128 {
                return Err(error(
                    413,
                    "The limit has been exceeded on the number of allowed image members for this image.",
                ));
            }
            let state = Member { status: "pending", created: call.now, updated: call.now };
            let reply = shown(id, member, &state);
            image.members.insert(member.to_string(), state);
            Ok(Reply::json(200, reply))
        }
        ("PUT", [member]) => {
            let body = call.json().map_err(bad)?;
            let status = match body["status"].as_str() {
                Some("accepted") => "accepted",
                Some("rejected") => "rejected",
                Some("pending") => "pending",
                _ => return Err(error(400, "Expected a status in the request body: accepted, pending, rejected")),
            };
            if who.project != *member && !who.admin {
                return Err(error(403, "You are not authorized to complete modify_member action."));
            }
            let state = images.images.get_mut(id).and_then(|image| image.members.get_mut(*member));
            let state = state.ok_or_else(|| nobody(member))?;
            (state.status, state.updated) = (status, call.now);
            Ok(Reply::json(200, shown(id, member, state)))
        }
        ("DELETE", [member]) => {
            images.own(id, who)?.members.shift_remove(*member).ok_or_else(|| nobody(member))?;
            Ok(Reply::empty(204))
        }
        _ => Err(error(404, "The resource could not be found.")),
    }
}

fn shown(image: &str, member: &str, state: &Member) -> Value {
    json!({
        "member_id": member, "image_id": image, "status": state.status, "created_at": iso(state.created),
        "updated_at": iso(state.updated), "schema": "/v2/schemas/member",
    })
}
