//! Namespaces: what each begins with, and how one ends: first its contents, then itself.

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::{delete, make, set_condition, write_status};
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::managed::Writer;
use crate::sim::kubernetes::persist::{self, Mode, is_deleted};
use crate::sim::kubernetes::resources::known;
use crate::sim::kubernetes::store::Key;

pub fn step(state: &mut State, key: &Key, now: OffsetDateTime) {
    let Some(namespace) = state.store.get(key).cloned() else { return };
    let name = key.name.as_str();
    if !is_deleted(&namespace) {
        make(state, "serviceaccounts", json!({"metadata": {"name": "default", "namespace": name}}), now);
        let authority = json!({
            "metadata": {
                "name": "kube-root-ca.crt",
                "namespace": name,
                "annotations": {"kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver."},
            },
            "data": {"ca.crt": "of the simulation"},
        });
        make(state, "configmaps", authority, now);
        return;
    }
    if !namespace["spec"]["finalizers"].as_array().is_some_and(|all| all.iter().any(|own| own == "kubernetes")) {
        return;
    }
    // It is seen for a while also when it is empty, as controllers take their time.
    let since = state.work.mark(&namespace, "terminating", now);
    let least = since + Duration::try_from(state.spec.stop).unwrap_or_default();
    let contents: Vec<Key> = contents(state, name);
    for key in &contents {
        delete(state, key, now);
    }
    let left: Vec<Key> = contents.into_iter().filter(|key| state.store.get(key).is_some()).collect();
    if left.is_empty() && now >= least {
        let mut after = (*namespace).clone();
        after["spec"]["finalizers"] = json!([]);
        let writer = Writer::update(super::MANAGER).through("finalize");
        persist::update(state, known("namespaces"), &namespace, after, &writer, Mode::Real, now);
        return;
    }
    if now < least {
        state.work.again(key, least);
    }
    let mut status = namespace["status"].clone();
    report(&mut status, &left, now);
    write_status(state, "namespaces", &namespace, status, super::MANAGER, now);
}

fn contents(state: &State, namespace: &str) -> Vec<Key> {
    let namespaced: Vec<String> =
        state.resources().filter(|resource| resource.namespaced).map(|resource| resource.id()).collect();
    let mut all: Vec<Key> = Vec::new();
    for id in namespaced {
        all.extend(state.store.list(&id, Some(namespace)).map(|(key, _)| key.clone()));
    }
    // A custom resource with two versions is listed twice.
    all.dedup();
    all
}

fn report(status: &mut Value, left: &[Key], now: OffsetDateTime) {
    let conditions = &mut status["conditions"];
    let good = [
        ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
    ];
    for (kind, reason, message) in good {
        set_condition(conditions, kind, "False", reason, message, now);
    }
    let (state, reason, message) = match left.len() {
        0 => ("False", "ContentRemoved", "All content successfully removed".to_string()),
        _ => {
            let first = &left[0].resource;
            let same = left.iter().filter(|key| key.resource == *first).count();
            let message = format!("Some resources are remaining: {first} has {same} resource instances");
            ("True", "SomeResourcesRemain", message)
        }
    };
    set_condition(conditions, "NamespaceContentRemaining", state, reason, &message, now);
}
