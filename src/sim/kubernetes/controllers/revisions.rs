//! ControllerRevisions: the templates that a StatefulSet or DaemonSet has had, so that one can go back.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{delete, dependents, hash_of, int, make, name_of, owned_by, write};
use crate::sim::kubernetes::State;
use crate::sim::kubernetes::resources::known;

/// Writes down the present template; the name of its revision.
pub fn record(state: &mut State, plural: &str, owner: &Value, now: OffsetDateTime) -> String {
    let mut template = owner["spec"]["template"].clone();
    template["$patch"] = "replace".into();
    let data = json!({"spec": {"template": template}});
    let hash = hash_of(&data, 10);
    let name = format!("{}-{hash}", name_of(owner));
    let mut all = dependents(state, owner, "controllerrevisions.apps");
    all.sort_by_key(|(_, revision)| int(&revision["revision"], 0));
    let highest = all.last().map_or(0, |(_, revision)| int(&revision["revision"], 0));
    match all.iter().find(|(key, _)| key.name == name) {
        Some((_, revision)) if int(&revision["revision"], 0) < highest => {
            let mut after = (**revision).clone();
            after["revision"] = (highest + 1).into();
            write(state, "controllerrevisions", revision, after, now);
        }
        Some(_) => {}
        None => {
            let mut labels = owner["spec"]["template"]["metadata"]["labels"].clone();
            labels["controller-revision-hash"] = hash.into();
            let revision = json!({
                "metadata": {
                    "name": name,
                    "namespace": owner["metadata"]["namespace"],
                    "labels": labels,
                    "ownerReferences": owned_by(known(plural), owner),
                },
                "data": data,
                "revision": highest + 1,
            });
            make(state, "controllerrevisions", revision, now);
            let keep = int(&owner["spec"]["revisionHistoryLimit"], 10).max(1) as usize;
            for (key, _) in all.iter().take(all.len().saturating_sub(keep)) {
                delete(state, key, now);
            }
        }
    }
    name
}

/// The revision that a pod was made from.
pub fn of(pod: &Value) -> &str {
    pod["metadata"]["labels"]["controller-revision-hash"].as_str().unwrap_or_default()
}
