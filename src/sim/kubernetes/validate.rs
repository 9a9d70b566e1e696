//! What the API server refuses although it can read it: names, missing fields, contradictions, what cannot change.
//!
//! A small part of the real server's rules: those that people run into.

use serde_json::Value;

use super::resources::Resource;
use super::schema::Strange;
use super::selectors::Labels;
use super::status::{Cause, Status};

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                     and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                     '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
                         must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation \
                         is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
                           and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or \
                           '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

pub fn is_label(name: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    name.len() <= 63
        && ends(name.chars().next())
        && ends(name.chars().last())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(|part| is_label(part) || (part.len() > 63 && is_label(&part[..63])))
}

fn is_label_value(value: &str) -> bool {
    let ends = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    value.len() <= 63
        && ends(value.chars().next())
        && ends(value.chars().last())
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// An object that is to be stored; `before` is the one that it replaces.
pub fn check(resource: &Resource, object: &Value, before: Option<&Value>, strange: &Strange) -> Result<(), Status> {
    let mut causes = Vec::new();
    metadata(resource, &object["metadata"], &mut causes);
    let own_status = |path: &&String| !path.starts_with("status");
    causes.extend(strange.missing.iter().filter(own_status).map(Cause::required));
    if resource.custom.is_some() {
        for wrong in &strange.wrong {
            let wanted = match wrong.wanted {
                "int32" | "int64" => "integer",
                "float64" => "number",
                "bool" => "boolean",
                "slice" => "array",
                "struct" | "map" => "object",
                other => other,
            };
            let found = Value::from(wrong.found);
            let why = format!("{} in body must be of type {wanted}: {found}", wrong.path);
            causes.push(Cause::invalid(&wrong.path, &found, &why));
        }
    }
    match resource.id().as_str() {
        "deployments.apps" | "replicasets.apps" | "statefulsets.apps" | "daemonsets.apps" => {
            workload(object, before, &mut causes);
        }
        "jobs.batch" => {
            let policy = object["spec"]["template"]["spec"]["restartPolicy"].as_str().unwrap_or_default();
            if !matches!(policy, "Never" | "OnFailure") {
                let path = "spec.template.spec.restartPolicy";
                causes.push(if policy.is_empty() || policy == "Always" {
                    let message = "Required value: valid values: \"OnFailure\", \"Never\"".into();
                    Cause { field: path.into(), reason: "FieldValueRequired", message }
                } else {
                    Cause::unsupported(path, policy, &["OnFailure", "Never"])
                });
            }
            if let Some(before) = before {
                immutable(&before["spec"]["template"], &object["spec"]["template"], "spec.template", &mut causes);
                immutable(
                    &before["spec"]["completions"],
                    &object["spec"]["completions"],
                    "spec.completions",
                    &mut causes,
                );
            }
        }
        "services" => service(object, before, &mut causes),
        "configmaps" | "secrets" => {
            for field in ["data", "binaryData", "stringData"] {
                for key in object[field].as_object().into_iter().flatten().map(|(key, _)| key) {
                    if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
                        let why = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  \
                                   or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
                        causes.push(Cause::invalid(format!("{field}[{key}]"), &Value::from(key.as_str()), why));
                    }
                }
            }
            if let Some(before) = before.filter(|before| before["immutable"] == true) {
                let changed = before["data"] != object["data"] || before["binaryData"] != object["binaryData"];
                if changed || object["immutable"] != true {
                    let field = if changed { "data" } else { "immutable" };
                    causes.push(Cause::forbidden(field, "field is immutable when `immutable` is set"));
                }
            }
            if let Some(before) = before.filter(|_| resource.plural == "secrets") {
                immutable(&before["type"], &object["type"], "type", &mut causes);
            }
        }
        "pods" => {
            if let Some(before) = before {
                pod_update(before, object, &mut causes);
            }
        }
        "persistentvolumeclaims" => {
            if let Some(before) = before.filter(|before| before["spec"]["volumeName"].is_string())
                && before["spec"]["accessModes"] != object["spec"]["accessModes"]
            {
                let why = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
                causes.push(Cause::forbidden("spec", why));
            }
            if object["spec"]["resources"]["requests"]["storage"].is_null() {
                causes.push(Cause::required("spec.resources[storage]"));
            }
            if object["spec"]["accessModes"].as_array().is_none_or(Vec::is_empty) {
                let message = "Required value: at least 1 access mode is required".into();
                causes.push(Cause { field: "spec.accessModes".into(), reason: "FieldValueRequired", message });
            }
        }
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io" => {
            if let Some(before) = before.filter(|before| before["roleRef"] != object["roleRef"]) {
                debug_assert!(before["roleRef"].is_object());
                causes.push(Cause::invalid("roleRef", &object["roleRef"], "cannot change roleRef"));
            }
        }
        "customresourcedefinitions.apiextensions.k8s.io" => definition(object, &mut causes),
        _ => {}
    }
    if causes.is_empty() {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    Err(Status::invalid(resource, name, causes))
}

fn metadata(resource: &Resource, metadata: &Value, causes: &mut Vec<Cause>) {
    let name = metadata["name"].as_str().unwrap_or_default();
    let rbac = resource.group == "rbac.authorization.k8s.io";
    if name.is_empty() {
        let message = "Required value: name or generateName is required".into();
        causes.push(Cause { field: "metadata.name".into(), reason: "FieldValueRequired", message });
    } else if rbac {
        if name.contains(['/', '%']) {
            causes.push(Cause::invalid("metadata.name", &name.into(), "may not contain '/'"));
        }
    } else if matches!(resource.id().as_str(), "namespaces" | "services") {
        if !is_label(name) {
            causes.push(Cause::invalid("metadata.name", &name.into(), LABEL));
        }
    } else if !is_subdomain(name) {
        causes.push(Cause::invalid("metadata.name", &name.into(), SUBDOMAIN));
    }
    for (key, value) in metadata["labels"].as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        let plain = |part: &str| !part.is_empty() && is_label_value(part);
        let good = match key.split_once('/') {
            Some((prefix, name)) => is_subdomain(prefix) && plain(name),
            None => plain(key),
        };
        if !good {
            let why = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                       alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
                       '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
            causes.push(Cause::invalid("metadata.labels", &key.as_str().into(), why));
        }
        if !is_label_value(value) {
            causes.push(Cause::invalid("metadata.labels", &value.into(), LABEL_VALUE));
        }
    }
    let annotations = metadata["annotations"].as_object().into_iter().flatten();
    let size: usize = annotations.map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    if size > 256 << 10 {
        let message = "Too long: must have at most 262144 bytes".into();
        causes.push(Cause { field: "metadata.annotations".into(), reason: "FieldValueTooLong", message });
    }
}

fn workload(object: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    let (selector, template) = (&object["spec"]["selector"], &object["spec"]["template"]);
    if let Some(labels) = Labels::of(selector) {
        let own = &template["metadata"]["labels"];
        if labels.is_empty() {
            causes.push(Cause::invalid("spec.selector", selector, "empty selector is invalid for deployment"));
        } else if !labels.matches_map(own) {
            causes.push(Cause::invalid(
                "spec.template.metadata.labels",
                own,
                "`selector` does not match template `labels`",
            ));
        }
    }
    if let Some(before) = before {
        immutable(&before["spec"]["selector"], selector, "spec.selector", causes);
    }
    if object["spec"]["replicas"].as_i64().is_some_and(|replicas| replicas < 0) {
        causes.push(Cause::invalid("spec.replicas", &object["spec"]["replicas"], "must be greater than or equal to 0"));
    }
    let containers = template["spec"]["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if containers.is_empty() && template["spec"].is_object() {
        causes.push(Cause::required("spec.template.spec.containers"));
    }
    for (at, container) in containers.iter().enumerate() {
        if container["image"].as_str().is_none_or(str::is_empty) {
            causes.push(Cause::required(format!("spec.template.spec.containers[{at}].image")));
        }
    }
}

fn service(object: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    let kind = spec["type"].as_str().unwrap_or_default();
    let kinds = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    if !kinds.contains(&kind) {
        causes.push(Cause::unsupported("spec.type", kind, &kinds));
    }
    let ports = spec["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
    if ports.is_empty() && kind != "ExternalName" && spec["clusterIP"] != "None" {
        causes.push(Cause::required("spec.ports"));
    }
    for (at, port) in ports.iter().enumerate() {
        if !port["port"].as_i64().is_some_and(|port| (1..=65_535).contains(&port)) {
            let why = "must be between 1 and 65535, inclusive";
            causes.push(Cause::invalid(format!("spec.ports[{at}].port"), &port["port"], why));
        }
        if ports.len() > 1 && port["name"].as_str().is_none_or(str::is_empty) {
            causes.push(Cause::required(format!("spec.ports[{at}].name")));
        }
    }
    if let Some(before) = before
        && before["spec"]["clusterIP"].is_string()
        && before["spec"]["type"] == spec["type"]
        && spec["clusterIP"].is_string()
    {
        let (old, new) = (&before["spec"]["clusterIP"], &spec["clusterIP"]);
        if old != new {
            causes.push(Cause::invalid("spec.clusterIPs[0]", &serde_json::json!([new]), "may not change once set"));
        }
    }
}

fn pod_update(before: &Value, after: &Value, causes: &mut Vec<Cause>) {
    let frame = |pod: &Value| {
        let mut spec = pod["spec"].clone();
        for list in ["containers", "initContainers"] {
            for container in spec[list].as_array_mut().into_iter().flatten() {
                container["image"] = Value::Null;
            }
        }
        for open in
            ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName", "schedulingGates"]
        {
            spec[open] = Value::Null;
        }
        spec["initContainers"] = spec["initContainers"].clone();
        spec
    };
    if frame(before) != frame(after) {
        let why = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
                   `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
                   `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
        causes.push(Cause::forbidden("spec", why));
    }
}

fn definition(object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let (plural, group) = (text(&spec["names"]["plural"]), text(&spec["group"]));
    let name = text(&object["metadata"]["name"]);
    if name != format!("{plural}.{group}") {
        let why = "must be spec.names.plural+\".\"+spec.group";
        causes.push(Cause::invalid("metadata.name", &name.into(), why));
    }
    if !matches!(spec["scope"].as_str(), Some("Namespaced" | "Cluster")) {
        causes.push(Cause::unsupported("spec.scope", &text(&spec["scope"]), &["Cluster", "Namespaced"]));
    }
    if !group.contains('.') {
        causes.push(Cause::invalid("spec.group", &group.into(), "should be a domain with at least one dot"));
    }
    let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let stored = versions.iter().filter(|version| version["storage"] == true).count();
    if stored != 1 {
        let why = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid("spec.versions", &spec["versions"], why));
    }
    for (at, version) in versions.iter().enumerate() {
        if version["schema"]["openAPIV3Schema"].is_null() {
            let message = "Required value: schemas are required".into();
            let field = format!("spec.versions[{at}].schema.openAPIV3Schema");
            causes.push(Cause { field, reason: "FieldValueRequired", message });
        }
    }
}

fn immutable(before: &Value, after: &Value, field: &str, causes: &mut Vec<Cause>) {
    if before != after {
        causes.push(Cause::invalid(field, after, "field is immutable"));
    }
}
