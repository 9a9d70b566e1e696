//! The `scale` subresource: how many there are to be, in the same words for every kind that has many.

use serde_json::{Value, json};

use super::{Place, mode};
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::managed::Writer;
use crate::sim::kubernetes::patch::{Patch, merge};
use crate::sim::kubernetes::persist;
use crate::sim::kubernetes::resources::Resource;
use crate::sim::kubernetes::status::{Cause, Status};
use crate::sim::kubernetes::wire::{Answer, Call, Reply};

/// Where an object says how many: wanted, there, and by which labels.
struct Paths {
    wanted: String,
    there: String,
    selector: Option<String>,
}

fn paths(resource: &Resource) -> Paths {
    let pointer = |path: &Value| path.as_str().map(|path| path.replace('.', "/"));
    match resource.custom.as_ref().and_then(|custom| custom.scale.as_ref()) {
        Some(scale) => Paths {
            wanted: pointer(&scale["specReplicasPath"]).unwrap_or_else(|| "/spec/replicas".into()),
            there: pointer(&scale["statusReplicasPath"]).unwrap_or_else(|| "/status/replicas".into()),
            selector: pointer(&scale["labelSelectorPath"]),
        },
        None => Paths { wanted: "/spec/replicas".into(), there: "/status/replicas".into(), selector: None },
    }
}

fn scale(resource: &Resource, object: &Value) -> Value {
    let paths = paths(resource);
    let metadata = &object["metadata"];
    let mut shown = json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": {"replicas": object.pointer(&paths.wanted).cloned().unwrap_or_else(|| 0.into())},
        "status": {"replicas": object.pointer(&paths.there).cloned().unwrap_or_else(|| 0.into())},
    });
    let selector = match &paths.selector {
        Some(path) => object.pointer(path).and_then(Value::as_str).map(str::to_string),
        None => {
            let selector = &object["spec"]["selector"];
            let labels = selector.get("matchLabels").unwrap_or(selector).as_object();
            let pairs = labels.into_iter().flatten();
            let each: Vec<String> =
                pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
            Some(each.join(","))
        }
    };
    if let Some(selector) = selector {
        shown["status"]["selector"] = selector.into();
    }
    shown
}

pub fn get(state: &mut State, place: &Place) -> Answer {
    let object = place.object(state)?;
    Ok(Reply::json(200, &scale(&place.resource, &object)))
}

pub fn change(state: &mut State, call: &Call, place: &Place) -> Answer {
    let mode = mode(call)?;
    let resource = &place.resource;
    let live = place.object(state)?;
    let now = scale(resource, &live);
    let mut writer = Writer::update(call.manager()).through("scale");
    let wanted = match call.method.as_str() {
        "PUT" => call.object()?,
        _ => match Patch::read(call, resource)? {
            Patch::Apply(applied) | Patch::Strategic(applied) => {
                writer.apply = false;
                let mut wanted = now.clone();
                merge(&mut wanted, &applied);
                wanted
            }
            patch => patch.to(&now, resource, &place.name)?,
        },
    };
    let version = wanted["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    if !version.is_empty() && live["metadata"]["resourceVersion"] != *version {
        return Err(Status::modified(resource, &place.name));
    }
    let replicas = match &wanted["spec"]["replicas"] {
        Value::Null => 0,
        value => value.as_i64().filter(|count| (0..=i64::from(i32::MAX)).contains(count)).ok_or_else(|| {
            let cause = Cause::invalid("spec.replicas", value, "must be greater than or equal to 0");
            Status::invalid(resource, &place.name, vec![cause])
        })?,
    };
    let mut object = (*live).clone();
    let path = paths(resource).wanted;
    let (above, last) = path.rsplit_once('/').unwrap_or(("/spec", "replicas"));
    if object.pointer(above).is_none()
        && let Some(key) = above.strip_prefix('/').filter(|key| !key.contains('/'))
    {
        object[key] = json!({});
    }
    if let Some(above) = object.pointer_mut(above).and_then(Value::as_object_mut) {
        above.insert(last.into(), replicas.into());
    }
    let stored = persist::update(state, resource, &live, object, &writer, mode, call.now);
    Ok(Reply::json(200, &scale(resource, &stored)))
}
