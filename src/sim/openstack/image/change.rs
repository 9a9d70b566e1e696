//! Making, changing, importing and deleting images.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{Image, Images, bad, conflict, error, is_base, is_read_only, text_of, unsupported};
use crate::sim::openstack::identity::Who;
use crate::sim::openstack::wire::{Answer, Call, Object, Reply, count, flag, strings};
use crate::sim::source::Source;
use crate::sim::world::Site;

const DISK_FORMATS: &[&str] = &["ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop"];
const CONTAINER_FORMATS: &[&str] = &["ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"];
const VISIBILITIES: &[&str] = &["community", "public", "private", "shared"];
const PATCH_TYPES: &[&str] =
    &["application/openstack-images-v2.1-json-patch", "application/openstack-images-v2.0-json-patch"];
/// Properties of one image.
const MOST_PROPERTIES: usize = 128;

pub(super) fn create(images: &mut Images, site: &Site, call: &Call, who: &Who, ids: &mut Source) -> Answer {
    let body = call.json().map_err(bad)?;
    let given = body.as_object().ok_or_else(|| error(400, "Request body must be a JSON object"))?;
    let id = match text_of(given, "id")? {
        None => ids.uuid(),
        Some(id) if uuid::Uuid::parse_str(&id).is_ok() => id.to_lowercase(),
        Some(id) => {
            let message =
                format!("Provided object does not match schema 'image': '{id}' does not match the pattern of a UUID");
            return Err(error(400, &message));
        }
    };
    if let Some(key) = given.keys().find(|key| is_read_only(key)) {
        return Err(error(403, &format!("Attribute '{key}' is read-only.")));
    }
    let mut image = Image::new(id.clone(), &who.project, call.now);
    for (key, value) in given.iter().filter(|(key, _)| *key != "id") {
        assign(&mut image, key, value, who)?;
    }
    let limit = site.spec.quotas.images;
    let own = images.images.values().filter(|image| image.owner == who.project).count();
    if limit >= 0 && own as i64 >= limit {
        let message =
            format!("Resource image_count_total is over limit of {limit} due to current usage {own} and delta 1");
        return Err(error(413, &message));
    }
    if !images.taken.insert(id.clone()) {
        return Err(error(409, &format!("Image ID {id} already exists!")));
    }
    let shown = image.shown();
    images.images.insert(id.clone(), image);
    let reply = Reply::json(201, shown).header("location", format!("{}/image/v2/images/{id}", call.base));
    Ok(reply.header("openstack-image-import-methods", "glance-direct"))
}

/// Sets one attribute or property, if its value is allowed.
fn assign(image: &mut Image, key: &str, value: &Value, who: &Who) -> Result<(), Reply> {
    let as_object: Object = [(key.to_string(), value.clone())].into_iter().collect();
    let text = || text_of(&as_object, key);
    let one_of = |allowed: &[&str]| match text()? {
        Some(word) if !allowed.contains(&word.as_str()) => {
            let message = format!("Invalid {}: '{word}' is not one of {allowed:?}", key.replace('_', " "));
            Err(error(400, &message))
        }
        word => Ok(word),
    };
    match key {
        "name" => image.name = text()?,
        "disk_format" => image.disk_format = one_of(DISK_FORMATS)?,
        "container_format" => image.container_format = one_of(CONTAINER_FORMATS)?,
        "visibility" => {
            let visibility = one_of(VISIBILITIES)?.ok_or_else(|| error(400, "visibility is not nullable"))?;
            if visibility == "public" && !who.admin {
                return Err(error(403, "You are not authorized to complete publicize_image action."));
            }
            image.visibility = visibility;
        }
        "protected" => image.protected = flag_only(&as_object, key)?,
        "os_hidden" => image.hidden = flag_only(&as_object, key)?,
        "min_disk" => image.min_disk = count(&as_object, key).map_err(bad)?.unwrap_or(0),
        "min_ram" => image.min_ram = count(&as_object, key).map_err(bad)?.unwrap_or(0),
        "owner" => {
            let owner = text()?.unwrap_or_default();
            if owner != image.owner && !who.admin {
                return Err(error(403, &format!("You are not permitted to create images owned by '{owner}'.")));
            }
            image.owner = owner;
        }
        "tags" => {
            let mut seen = HashSet::new();
            let mut tags = strings(&as_object, key).map_err(bad)?.unwrap_or_default();
            tags.retain(|tag| seen.insert(tag.clone()));
            if tags.len() > MOST_PROPERTIES || tags.iter().any(|tag| tag.len() > 255) {
                return Err(error(413, "Too many or too long tags"));
            }
            image.tags = tags;
        }
        _ if is_read_only(key) => return Err(error(403, &format!("Attribute '{key}' is read-only."))),
        _ if key.starts_with("os_glance") => return Err(error(403, &format!("Property {key} is reserved."))),
        _ => {
            let Value::String(text) = value else {
                let message = format!(
                    "Provided object does not match schema 'image': {value} is not of type 'string'\n\nFailed validating \
                     'type' in schema['additionalProperties']"
                );
                return Err(error(400, &message));
            };
            if image.properties.len() >= MOST_PROPERTIES {
                return Err(error(
                    413,
                    &format!(
                        "The limit has been exceeded on the number of allowed image properties. \
                    Attempted: {}, Maximum: {MOST_PROPERTIES}",
                        MOST_PROPERTIES + 1
                    ),
                ));
            }
            if key.len() > 255 {
                return Err(error(400, "The name of a property has at most 255 characters"));
            }
            image.properties.insert(key.to_string(), text.clone());
        }
    }
    Ok(())
}

fn flag_only(object: &Object, key: &str) -> Result<bool, Reply> {
    match object.get(key) {
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::String(_)) | None => {
            let value = object.get(key).unwrap_or(&Value::Null);
            Err(error(400, &format!("Provided object does not match schema 'image': {value} is not of type 'boolean'")))
        }
        _ => flag(object, key).map_err(bad).map(|flag| flag.unwrap_or(false)),
    }
}

pub(super) fn patch(images: &mut Images, call: &Call, who: &Who, id: &str) -> Answer {
    let kind = call.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !PATCH_TYPES.contains(&kind) {
        let accepted = PATCH_TYPES.join(", ");
        return Err(unsupported(call).header("accept-patch", accepted));
    }
    let body = call.json().map_err(bad)?;
    let changes =
        body.as_array().ok_or_else(|| error(400, "Request body must be a JSON array of operation objects."))?;
    images.visible(id, who)?;
    if who.project != images.images[id].owner && !who.admin {
        return Err(error(403, "You are not authorized to complete modify_image action."));
    }
    // All or nothing: the changes are tried on a copy.
    let image = images.own(id, who)?;
    let mut changed = copy(image);
    for change in changes {
        apply(&mut changed, change, who)?;
    }
    changed.updated = call.now;
    *image = changed;
    Ok(Reply::json(200, image.shown()))
}

fn apply(image: &mut Image, change: &Value, who: &Who) -> Result<(), Reply> {
    let wrong = || error(400, "Operations must be JSON objects with `op` and `path`.");
    let (op, path) = match (change["op"].as_str(), change["path"].as_str()) {
        (Some(op), Some(path)) => (op, path),
        // The 2.0 form names the path by the operation.
        _ => ["add", "replace", "remove"]
            .into_iter()
            .find_map(|op| Some((op, change[op].as_str()?)))
            .ok_or_else(wrong)?,
    };
    let key =
        path.strip_prefix('/').ok_or_else(|| error(400, &format!("Pointer `{path}` does not start with \"/\".")))?;
    let key = key.replace("~1", "/").replace("~0", "~");
    if key == "id" || is_read_only(&key) {
        return Err(error(403, &format!("Attribute '{key}' is read-only.")));
    }
    let known = is_base(&key) || image.properties.contains_key(&key);
    match op {
        "remove" if !known => Err(conflict(&format!("Property {key} does not exist."))),
        "remove" if is_base(&key) => Err(error(403, &format!("Property {key} may not be removed."))),
        "remove" => {
            image.properties.shift_remove(&key);
            Ok(())
        }
        "replace" if !known => Err(conflict(&format!("Property {key} does not exist."))),
        "add" | "replace" => {
            let value = change.get("value").ok_or_else(|| error(400, "Operation is missing the `value`."))?;
            let formats = ["disk_format", "container_format"];
            if formats.contains(&key.as_str()) && image.status != "queued" {
                return Err(error(
                    403,
                    &format!("Attribute '{key}' cannot be replaced if the image is not in the queued status."),
                ));
            }
            assign(image, &key, value, who)
        }
        _ => Err(error(400, &format!("Operation `{op}` is not one of add, replace, remove."))),
    }
}

fn copy(image: &Image) -> Image {
    Image {
        id: image.id.clone(),
        name: image.name.clone(),
        owner: image.owner.clone(),
        visibility: image.visibility.clone(),
        tags: image.tags.clone(),
        disk_format: image.disk_format.clone(),
        container_format: image.container_format.clone(),
        content: image.content.clone(),
        staged: image.staged.clone(),
        properties: image.properties.clone(),
        members: image.members.clone(),
        ..*image
    }
}

pub(super) fn delete(images: &mut Images, who: &Who, id: &str) -> Answer {
    images.visible(id, who).map_err(|_| error(404, &format!("Failed to find image {id} to delete")))?;
    let image = images.own(id, who)?;
    if image.protected {
        return Err(error(403, &format!("Image {id} is protected and cannot be deleted.")));
    }
    images.images.shift_remove(id);
    Ok(Reply::empty(204))
}

/// What was staged becomes the data. The site fetches nothing by itself: other methods are refused.
pub(super) fn import(images: &mut Images, call: &Call, who: &Who, id: &str) -> Answer {
    let body = call.json().map_err(bad)?;
    let image = images.own(id, who)?;
    match body["method"]["name"].as_str() {
        Some("glance-direct") => match image.staged.take() {
            Some(content) => {
                image.content = Some(content);
                image.status = "active";
                image.updated = call.now;
                Ok(Reply::json(202, json!("")))
            }
            None => Err(error(
                409,
                &format!(
                    "Image needs to be in 'uploading' state to use 'glance-direct' method, image status is {}",
                    image.status
                ),
            )),
        },
        Some(other) => Err(error(400, &format!("Unknown import method name '{other}'."))),
        None => Err(error(400, "'method' is a required property")),
    }
}
