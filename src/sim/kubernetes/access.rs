//! Who asks, and what he may: tokens, and the roles that are bound to them.
//!
//! Roles and bindings are objects of the site like all others, so a test that binds a role changes what is allowed.

use serde_json::{Value, json};

use super::State;
use super::resources::Resource;
use super::status::{Status, details};
use super::store::Key;
use super::wire::Call;
use crate::sim::spec::UserSpec;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    pub name: String,
    pub groups: Vec<String>,
}

/// What somebody wants to do.
#[derive(Clone, Debug, Default)]
pub struct Deed<'a> {
    pub verb: &'a str,
    pub group: &'a str,
    /// The plural name, and `/` and the subresource where there is one.
    pub resource: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
}

/// Tokens of service accounts that were asked for; the oldest ends when there are more.
pub const MOST_TOKENS: usize = 1000;

pub fn token_of(site: &str, user: &UserSpec) -> String {
    user.token.clone().unwrap_or_else(|| format!("{}-{}-secret", site.to_lowercase(), user.name))
}

/// Without a token one is nobody; with a wrong one, no one.
pub fn who(state: &State, call: &Call) -> Result<Who, Status> {
    let header = call.header("authorization");
    if header.is_empty() {
        return Ok(Who { name: "system:anonymous".into(), groups: vec!["system:unauthenticated".into()] });
    }
    let token = header.strip_prefix("Bearer ").unwrap_or_default();
    of_token(state, token).ok_or_else(Status::unauthorized)
}

pub fn of_token(state: &State, token: &str) -> Option<Who> {
    let mut known = state.tokens.iter().filter(|(own, _)| own == token);
    let (_, who) = known.next()?;
    let mut who = who.clone();
    // A service account's token ends with it.
    if let Some((namespace, name)) =
        who.name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'))
    {
        state.store.get(&Key::new("serviceaccounts", namespace, name))?;
    }
    who.groups.push("system:authenticated".into());
    Some(who)
}

pub fn allowed(state: &State, who: &Who, deed: &Deed) -> bool {
    if who.groups.iter().any(|group| group == "system:masters") {
        return true;
    }
    let bindings = |resource: &str, namespace: Option<&str>| {
        let bound: Vec<(Key, Value)> = state
            .store
            .list(resource, namespace)
            .filter(|(key, binding)| subjects(binding).any(|subject| is(subject, who, &key.namespace)))
            .map(|(key, binding)| (key.clone(), binding["roleRef"].clone()))
            .collect();
        bound
    };
    let mut bound = bindings("clusterrolebindings.rbac.authorization.k8s.io", None);
    if !deed.namespace.is_empty() {
        bound.extend(bindings("rolebindings.rbac.authorization.k8s.io", Some(deed.namespace)));
    }
    bound.iter().any(|(binding, role)| {
        rules_of(state, role, &binding.namespace).is_some_and(|rules| rules.iter().any(|rule| covers(rule, deed)))
    })
}

/// The rules that hold for somebody in a namespace.
pub fn rules(state: &State, who: &Who, namespace: &str) -> Vec<Value> {
    let mut rules = Vec::new();
    let lists = [
        ("clusterrolebindings.rbac.authorization.k8s.io", None),
        ("rolebindings.rbac.authorization.k8s.io", Some(namespace)),
    ];
    for (resource, namespace) in lists {
        for (key, binding) in state.store.list(resource, namespace) {
            if subjects(binding).any(|subject| is(subject, who, &key.namespace)) {
                rules.extend(rules_of(state, &binding["roleRef"], &key.namespace).unwrap_or_default());
            }
        }
    }
    rules
}

fn subjects(binding: &Value) -> impl Iterator<Item = &Value> {
    binding["subjects"].as_array().into_iter().flatten()
}

fn is(subject: &Value, who: &Who, namespace: &str) -> bool {
    let name = subject["name"].as_str().unwrap_or_default();
    match subject["kind"].as_str().unwrap_or_default() {
        "User" => who.name == name,
        "Group" => who.groups.iter().any(|group| group == name),
        "ServiceAccount" => {
            let namespace = subject["namespace"].as_str().unwrap_or(namespace);
            who.name == format!("system:serviceaccount:{namespace}:{name}")
        }
        _ => false,
    }
}

fn rules_of(state: &State, role: &Value, namespace: &str) -> Option<Vec<Value>> {
    let name = role["name"].as_str()?;
    let key = match role["kind"].as_str()? {
        "ClusterRole" => Key::new("clusterroles.rbac.authorization.k8s.io", "", name),
        _ => Key::new("roles.rbac.authorization.k8s.io", namespace, name),
    };
    state.store.get(&key)?["rules"].as_array().cloned()
}

fn covers(rule: &Value, deed: &Deed) -> bool {
    let has = |field: &str, wanted: &str| {
        let list = rule[field].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().any(|item| item == "*" || item == wanted)
    };
    let sub = deed.resource.split_once('/').map(|(_, sub)| format!("*/{sub}"));
    let names = rule["resourceNames"].as_array().map(Vec::as_slice).unwrap_or_default();
    has("verbs", deed.verb)
        && has("apiGroups", deed.group)
        && (has("resources", deed.resource) || sub.is_some_and(|sub| has("resources", &sub)))
        && (names.is_empty() || names.iter().any(|name| name == deed.name))
}

/// What anybody who is known may ask without asking for an object.
pub fn reads_path(state: &State, who: &Who, path: &str) -> Result<(), Status> {
    let open = ["/healthz", "/livez", "/readyz", "/version"];
    let known = who.groups.iter().any(|group| group == "system:authenticated");
    if known || open.iter().any(|prefix| path.starts_with(prefix)) {
        return Ok(());
    }
    debug_assert!(!state.tokens.is_empty());
    let message = format!("forbidden: User {:?} cannot get path {path:?}", who.name);
    Err(Status::forbidden(message, json!({})))
}

pub fn require(state: &State, who: &Who, resource: &Resource, deed: &Deed) -> Result<(), Status> {
    if allowed(state, who, deed) {
        return Ok(());
    }
    let id = super::resources::id(deed.group, &resource.plural);
    let subject = if deed.name.is_empty() { id } else { format!("{id} {:?}", deed.name) };
    let place = if deed.namespace.is_empty() {
        "at the cluster scope".to_string()
    } else {
        format!("in the namespace {:?}", deed.namespace)
    };
    let message = format!(
        "{subject} is forbidden: User {:?} cannot {} resource {:?} in API group {:?} {place}",
        who.name, deed.verb, deed.resource, deed.group
    );
    Err(Status::forbidden(message, details(deed.name, &resource.group, &resource.plural)))
}
