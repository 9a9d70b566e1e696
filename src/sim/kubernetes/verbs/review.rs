//! Questions to the server that are asked by creating an object: who am I, and may I.

use serde_json::{Value, json};

use super::Place;
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::access::{self, Deed, MOST_TOKENS, Who};
use crate::sim::kubernetes::status::Status;
use crate::sim::kubernetes::wire::{Answer, Call, Reply};
use crate::sim::source::iso;

pub fn answer(state: &mut State, call: &Call, who: &Who, place: &Place) -> Answer {
    let mut body = call.object()?;
    if !body.is_object() {
        return Err(Status::bad_request("the object provided is unrecognized (must be of type an object)"));
    }
    body["kind"] = place.resource.kind.clone().into();
    body["apiVersion"] = place.resource.api_version().into();
    body["status"] = match place.resource.kind.as_str() {
        "SelfSubjectAccessReview" => verdict(state, who, &body["spec"]),
        "SubjectAccessReview" | "LocalSubjectAccessReview" => {
            let name = body["spec"]["user"].as_str().unwrap_or_default().to_string();
            let groups = body["spec"]["groups"].as_array().into_iter().flatten();
            let mut groups: Vec<String> = groups.filter_map(Value::as_str).map(str::to_string).collect();
            groups.push("system:authenticated".into());
            verdict(state, &Who { name, groups }, &body["spec"])
        }
        "SelfSubjectRulesReview" => {
            let namespace = body["spec"]["namespace"].as_str().unwrap_or("default").to_string();
            let rules = access::rules(state, who, &namespace);
            let masters = who.groups.iter().any(|group| group == "system:masters");
            let all = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
            let (paths, resources): (Vec<Value>, Vec<Value>) =
                rules.into_iter().partition(|rule| rule["nonResourceURLs"].is_array());
            let resources = if masters { vec![all] } else { resources };
            json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false})
        }
        "TokenReview" => {
            let token = body["spec"]["token"].as_str().unwrap_or_default().to_string();
            match access::of_token(state, &token) {
                Some(who) => json!({"authenticated": true, "user": {"username": who.name, "groups": who.groups}}),
                None => json!({"authenticated": false, "user": {}, "error": "invalid bearer token"}),
            }
        }
        _ => json!({"userInfo": {"username": who.name, "groups": who.groups}}),
    };
    Ok(Reply::json(201, &body))
}

fn verdict(state: &State, who: &Who, spec: &Value) -> Value {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let allowed = if spec["nonResourceAttributes"].is_object() {
        let path = text(&spec["nonResourceAttributes"]["path"]);
        access::reads_path(state, who, &path).is_ok()
    } else {
        let asked = &spec["resourceAttributes"];
        let (mut resource, sub) = (text(&asked["resource"]), text(&asked["subresource"]));
        if !sub.is_empty() {
            resource = format!("{resource}/{sub}");
        }
        let (verb, group) = (text(&asked["verb"]), text(&asked["group"]));
        let (namespace, name) = (text(&asked["namespace"]), text(&asked["name"]));
        let deed = Deed { verb: &verb, group: &group, resource: &resource, namespace: &namespace, name: &name };
        access::allowed(state, who, &deed)
    };
    json!({"allowed": allowed})
}

/// A token of a service account.
pub fn token(state: &mut State, call: &Call, place: &Place) -> Answer {
    let mut body = call.object()?;
    place.object(state)?;
    let seconds = body["spec"]["expirationSeconds"].as_i64().unwrap_or(3600).clamp(600, 1 << 32);
    let token = state.ids.token();
    let who = Who {
        name: format!("system:serviceaccount:{}:{}", place.namespace, place.name),
        groups: vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{}", place.namespace)],
    };
    let users = state.spec.users.len();
    if state.tokens.len() >= users + MOST_TOKENS {
        state.tokens.remove(users);
    }
    state.tokens.push((token.clone(), who));
    body["kind"] = "TokenRequest".into();
    body["apiVersion"] = "authentication.k8s.io/v1".into();
    let ends = iso(call.now + time::Duration::seconds(seconds));
    body["status"] = json!({"token": token, "expirationTimestamp": ends});
    Ok(Reply::json(201, &body))
}
