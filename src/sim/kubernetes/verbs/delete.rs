//! Deleting: preconditions, grace, finalizers, what becomes of dependents; collections; evictions.

use std::sync::Arc;

use serde_json::{Value, json};

use super::read::{Narrowed, versioned, within};
use super::{Place, mode};
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::persist::{self, Mode, finalizers, is_deleted};
use crate::sim::kubernetes::resources::{Resource, known};
use crate::sim::kubernetes::selectors::Labels;
use crate::sim::kubernetes::status::Status;
use crate::sim::kubernetes::store::Key;
use crate::sim::kubernetes::table;
use crate::sim::kubernetes::wire::{Answer, Call, Reply};

/// What `DeleteOptions` and the query say.
struct Options {
    uid: Option<String>,
    version: Option<String>,
    grace: Option<i64>,
    policy: Option<String>,
    mode: Mode,
}

fn options(call: &Call) -> Result<Options, Status> {
    let mut mode = mode(call)?;
    let body = if call.body.is_empty() { Value::Null } else { call.object()? };
    if !body.is_null() && !body.is_object() {
        return Err(Status::bad_request("expected an object of kind DeleteOptions"));
    }
    if body["dryRun"].as_array().is_some_and(|all| all.iter().any(|one| one == "All")) {
        mode = Mode::Dry;
    }
    let text = |value: &Value| value.as_str().map(str::to_string);
    let policy = text(&body["propagationPolicy"]).or_else(|| call.query("propagationPolicy").map(str::to_string));
    if let Some(other) = policy.as_deref().filter(|p| !matches!(*p, "Background" | "Foreground" | "Orphan")) {
        let message =
            format!("DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: {other:?}");
        return Err(Status { code: 422, reason: "Invalid", message, details: None });
    }
    let orphans = body["orphanDependents"].as_bool().unwrap_or(false);
    Ok(Options {
        uid: text(&body["preconditions"]["uid"]),
        version: text(&body["preconditions"]["resourceVersion"]),
        grace: body["gracePeriodSeconds"]
            .as_i64()
            .or_else(|| call.query("gracePeriodSeconds").and_then(|text| text.parse().ok())),
        policy: policy.or_else(|| orphans.then(|| "Orphan".into())),
        mode,
    })
}

pub fn delete(state: &mut State, call: &Call, place: &Place) -> Answer {
    let options = options(call)?;
    let object = place.object(state)?;
    match end(state, &place.resource, &object, &options, call)? {
        Some(still) => Ok(table::shown(call, &place.resource, 200, &still)),
        None => Ok(Reply::json(200, &success(&place.resource, &object))),
    }
}

fn success(resource: &Resource, object: &Value) -> Value {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let mut details = crate::sim::kubernetes::status::details(name, &resource.group, &resource.plural);
    details["uid"] = object["metadata"]["uid"].clone();
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

/// Ends an object, or begins to; gives it back where it is still there.
fn end(
    state: &mut State,
    resource: &Arc<Resource>,
    object: &Arc<Value>,
    options: &Options,
    call: &Call,
) -> Result<Option<Arc<Value>>, Status> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let own = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
    if let Some(uid) = options.uid.as_deref().filter(|uid| *uid != own("uid")) {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", own("uid"));
        return Err(Status::conflict(resource, name, &why));
    }
    if let Some(version) = options.version.as_deref().filter(|version| *version != own("resourceVersion")) {
        let why = format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). The \
             object might have been modified",
            own("resourceVersion")
        );
        return Err(Status::conflict(resource, name, &why));
    }
    if resource.id() == "namespaces" && matches!(name, "default" | "kube-system" | "kube-public") {
        let message = format!("namespaces {name:?} is forbidden: this namespace may not be deleted");
        let details = crate::sim::kubernetes::status::details(name, "", "namespaces");
        return Err(Status::forbidden(message, details));
    }
    let grace = match resource.id().as_str() {
        "pods" if object["spec"]["nodeName"].is_string() && !finished(object) => {
            let own = object["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
            options.grace.unwrap_or(own).clamp(0, 31_536_000)
        }
        _ => 0,
    };
    let finalizer = match options.policy.as_deref() {
        Some("Foreground") => Some("foregroundDeletion"),
        Some("Orphan") => Some("orphan"),
        _ => None,
    };
    let waits = grace > 0
        || finalizer.is_some()
        || finalizers(object).next().is_some()
        || (resource.id() == "namespaces" && object["spec"]["finalizers"].as_array().is_some_and(|f| !f.is_empty()));
    if options.mode == Mode::Dry {
        return Ok(waits.then(|| object.clone()));
    }
    if waits {
        return Ok(Some(persist::mark_deleted(state, resource, object, grace, finalizer, call.now)));
    }
    state.store.remove(&persist::key_of(resource, object), call.now);
    Ok(None)
}

fn finished(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

pub fn collection(state: &mut State, call: &Call, place: &Place) -> Answer {
    let options = options(call)?;
    let resource = &place.resource;
    let narrowed = Narrowed::of(call, resource)?;
    let matching: Vec<Arc<Value>> = state
        .store
        .list(&resource.id(), within(place))
        .filter(|(_, object)| narrowed.matches(object))
        .map(|(_, object)| object.clone())
        .collect();
    let mut items = Vec::new();
    for object in matching {
        let still = end(state, resource, &object, &options, call)?;
        items.push(versioned(resource, &still.unwrap_or(object)));
    }
    let body = json!({
        "kind": resource.list_kind,
        "apiVersion": resource.api_version(),
        "metadata": {"resourceVersion": state.store.revision().to_string()},
        "items": items,
    });
    Ok(Reply::json(200, &body))
}

/// A deletion that asks the disruption budgets first; also when it is only tried.
pub fn evict(state: &mut State, call: &Call, place: &Place) -> Answer {
    let body = call.object()?;
    let pod = place.object(state)?;
    let asked = &body["deleteOptions"];
    let mut mode = mode(call)?;
    if asked["dryRun"].as_array().is_some_and(|all| all.iter().any(|one| one == "All")) {
        mode = Mode::Dry;
    }
    let done = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    if is_deleted(&pod) {
        return Ok(Reply::json(201, &done));
    }
    let budgets: Vec<(Key, Arc<Value>)> = state
        .store
        .list("poddisruptionbudgets.policy", within(place))
        .filter(|(_, budget)| Labels::of(&budget["spec"]["selector"]).is_some_and(|labels| labels.matches(&pod)))
        .map(|(key, budget)| (key.clone(), budget.clone()))
        .collect();
    let running = pod["status"]["phase"] == "Running";
    for (key, budget) in budgets.iter().filter(|_| running) {
        let allowed = budget["status"]["disruptionsAllowed"].as_i64().unwrap_or(0);
        if allowed < 1 {
            let wanted = budget["status"]["desiredHealthy"].as_i64().unwrap_or(0);
            let healthy = budget["status"]["currentHealthy"].as_i64().unwrap_or(0);
            let why =
                format!("The disruption budget {} needs {wanted} healthy pods and has {healthy} currently", key.name);
            let details = json!({"causes": [{"reason": "DisruptionBudget", "message": why}]});
            let message = "Cannot evict pod as it would violate the pod's disruption budget.";
            return Err(Status::too_many(message, details));
        }
    }
    let text = |value: &Value| value.as_str().map(str::to_string);
    let options = Options {
        uid: text(&asked["preconditions"]["uid"]),
        version: None,
        grace: asked["gracePeriodSeconds"].as_i64(),
        policy: None,
        mode,
    };
    end(state, known("pods"), &pod, &options, call)?;
    Ok(Reply::json(201, &done))
}
