//! Cells that are no plain field: what the printers of the real server work out.

use serde_json::Value;
use time::OffsetDateTime;

use super::at;
use crate::sim::kubernetes::controllers::time_of;

/// The cell that `kinds.yaml` calls `@NAME` or `@NAME:PATH`.
pub fn named(named: &str, object: &Value, now: OffsetDateTime) -> Value {
    let (name, path) = named.split_once(':').unwrap_or((named, ""));
    let field = || at(object, path);
    match name {
        "age" => since(&object["metadata"]["creationTimestamp"], now),
        "since" if field().is_null() => "<none>".into(),
        "since" => since(field(), now),
        "count" => path.split('+').map(|path| count(at(object, path))).sum::<usize>().into(),
        "number" => {
            if field().is_null() {
                0.into()
            } else {
                field().clone()
            }
        }
        "boolean" => field().as_bool().unwrap_or(false).into(),
        "or-none" => or(field(), "<none>"),
        "or-na" => or(field(), "N/A"),
        "none" => "<none>".into(),
        "unset" => "<unset>".into(),
        "labels" => labels(field()).into(),
        "selector" => labels(object["spec"]["selector"].get("matchLabels").unwrap_or(&Value::Null)).into(),
        "containers" => each(field(), "name").into(),
        "images" => each(field(), "image").into(),
        "ready-of-spec" => {
            let ready = object["status"]["readyReplicas"].as_i64().unwrap_or(0);
            format!("{ready}/{}", object["spec"]["replicas"].as_i64().unwrap_or(0)).into()
        }
        "modes" => modes(&object[path]["accessModes"]).into(),
        "involved" => {
            let of = &object["involvedObject"];
            format!("{}/{}", text(&of["kind"]).to_lowercase(), text(&of["name"])).into()
        }
        "claim" => {
            let claim = &object["spec"]["claimRef"];
            if claim.is_null() {
                "".into()
            } else {
                format!("{}/{}", text(&claim["namespace"]), text(&claim["name"])).into()
            }
        }
        "role" => format!("{}/{}", text(&object["roleRef"]["kind"]), text(&object["roleRef"]["name"])).into(),
        "reference" => {
            let to = &object["spec"]["scaleTargetRef"];
            format!("{}/{}", text(&to["kind"]), text(&to["name"])).into()
        }
        "controller" => {
            let owners = object["metadata"]["ownerReferences"].as_array().map(Vec::as_slice).unwrap_or_default();
            let owner = owners.iter().find(|owner| owner["controller"] == true);
            owner
                .map_or("<none>".into(), |owner| {
                    format!("{}/{}", text(&owner["kind"]).to_lowercase(), text(&owner["name"]))
                })
                .into()
        }
        "address" => {
            let list = object["status"]["addresses"].as_array().map(Vec::as_slice).unwrap_or_default();
            or(list.iter().find(|one| one["type"] == path).map_or(&Value::Null, |one| &one["address"]), "<none>")
        }
        "node-status" => node_status(object).into(),
        "node-roles" => {
            let labels = object["metadata"]["labels"].as_object().into_iter().flatten();
            let roles: Vec<&str> = labels.filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/")).collect();
            if roles.is_empty() { "<none>".into() } else { roles.join(",").into() }
        }
        "pod-ready" => {
            let statuses = object["status"]["containerStatuses"].as_array().map(Vec::as_slice).unwrap_or_default();
            let ready = statuses.iter().filter(|status| status["ready"] == true).count();
            format!("{ready}/{}", count(&object["spec"]["containers"])).into()
        }
        "pod-status" => pod_status(object).into(),
        "pod-restarts" => {
            let statuses = object["status"]["containerStatuses"].as_array().into_iter().flatten();
            statuses.map(|status| status["restartCount"].as_i64().unwrap_or(0)).sum::<i64>().to_string().into()
        }
        "job-status" => job_status(object).into(),
        "completions" => {
            let done = object["status"]["succeeded"].as_i64().unwrap_or(0);
            match object["spec"]["completions"].as_i64() {
                Some(wanted) => format!("{done}/{wanted}").into(),
                None => format!("{done}/1 of {}", object["spec"]["parallelism"].as_i64().unwrap_or(1)).into(),
            }
        }
        "job-duration" => match time_of(&object["status"]["startTime"]) {
            Some(started) => {
                let ended = time_of(&object["status"]["completionTime"]).unwrap_or(now);
                duration((ended - started).whole_seconds()).into()
            }
            None => "".into(),
        },
        "endpoints" => endpoints(object).into(),
        "slice-ports" => each_of(&object["ports"], |port| Some(port["port"].to_string())).into(),
        "slice-addresses" => each_of(&object["endpoints"], |one| Some(text(&one["addresses"][0]).to_string())).into(),
        "external" => external(object).into(),
        "ports" => ports(&object["spec"]["ports"]).into(),
        "hosts" => {
            let rules = object["spec"]["rules"].as_array().map(Vec::as_slice).unwrap_or_default();
            let hosts: Vec<&str> = rules.iter().map(|rule| rule["host"].as_str().unwrap_or("*")).collect();
            if hosts.is_empty() { "*".into() } else { hosts.join(",").into() }
        }
        "load-balancer" => balancers(object).into(),
        "ingress-ports" => {
            if object["spec"]["tls"].is_array() {
                "80, 443".into()
            } else {
                "80".into()
            }
        }
        "pod-selector" => labels(&object["spec"]["podSelector"]["matchLabels"]).into(),
        _ => Value::Null,
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn or(value: &Value, otherwise: &str) -> Value {
    match value {
        Value::Null => otherwise.into(),
        Value::String(text) if text.is_empty() => otherwise.into(),
        Value::String(text) => text.as_str().into(),
        other => other.to_string().into(),
    }
}

fn count(value: &Value) -> usize {
    value.as_object().map_or_else(|| value.as_array().map_or(0, Vec::len), |map| map.len())
}

fn labels(value: &Value) -> String {
    let pairs = value.as_object().into_iter().flatten();
    let each: Vec<String> = pairs.map(|(key, value)| format!("{key}={}", text(value))).collect();
    if each.is_empty() { "<none>".into() } else { each.join(",") }
}

fn each(spec: &Value, key: &str) -> String {
    let containers = spec["containers"].as_array().into_iter().flatten();
    containers.map(|container| text(&container[key])).collect::<Vec<_>>().join(",")
}

fn each_of(list: &Value, show: impl Fn(&Value) -> Option<String>) -> String {
    let all: Vec<String> = list.as_array().into_iter().flatten().filter_map(show).collect();
    let more = all.len().saturating_sub(3);
    match all.len() {
        0 => "<unset>".into(),
        1..=3 => all.join(","),
        _ => format!("{} + {more} more...", all[..3].join(",")),
    }
}

fn modes(value: &Value) -> String {
    let short = |mode: &Value| match text(mode) {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        _ => "",
    };
    value.as_array().into_iter().flatten().map(short).collect::<Vec<_>>().join(",")
}

fn condition<'a>(object: &'a Value, kind: &str) -> &'a str {
    let conditions = object["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    conditions.iter().find(|one| one["type"] == kind).map_or("", |one| text(&one["status"]))
}

fn node_status(node: &Value) -> String {
    let ready = match condition(node, "Ready") {
        "True" => "Ready",
        "" => "Unknown",
        _ => "NotReady",
    };
    if node["spec"]["unschedulable"] == true { format!("{ready},SchedulingDisabled") } else { ready.into() }
}

fn pod_status(pod: &Value) -> String {
    if pod["metadata"]["deletionTimestamp"].is_string() {
        return "Terminating".into();
    }
    let statuses = pod["status"]["containerStatuses"].as_array().into_iter().flatten();
    let waiting = statuses
        .filter_map(|status| {
            let state = &status["state"];
            state["waiting"]["reason"].as_str().or_else(|| state["terminated"]["reason"].as_str())
        })
        .next_back();
    let reason = pod["status"]["reason"].as_str();
    waiting.or(reason).unwrap_or_else(|| text(&pod["status"]["phase"])).to_string()
}

fn job_status(job: &Value) -> String {
    if job["metadata"]["deletionTimestamp"].is_string() {
        return "Terminating".into();
    }
    let said = ["Complete", "Failed", "Suspended"].into_iter().find(|kind| condition(job, kind) == "True");
    said.unwrap_or("Running").into()
}

fn endpoints(object: &Value) -> String {
    let mut all = Vec::new();
    for subset in object["subsets"].as_array().into_iter().flatten() {
        for address in subset["addresses"].as_array().into_iter().flatten() {
            let ports = subset["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
            if ports.is_empty() {
                all.push(text(&address["ip"]).to_string());
            }
            all.extend(ports.iter().map(|port| format!("{}:{}", text(&address["ip"]), port["port"])));
        }
    }
    match all.len() {
        0 => "<none>".into(),
        1..=3 => all.join(","),
        more => format!("{} + {} more...", all[..3].join(","), more - 3),
    }
}

fn balancers(object: &Value) -> String {
    let list = object["status"]["loadBalancer"]["ingress"].as_array().into_iter().flatten();
    let each = list.map(|one| one["ip"].as_str().or_else(|| one["hostname"].as_str()).unwrap_or_default());
    each.collect::<Vec<_>>().join(",")
}

fn external(service: &Value) -> String {
    let spec = &service["spec"];
    let given: Vec<&str> = spec["externalIPs"].as_array().into_iter().flatten().map(text).collect();
    match text(&spec["type"]) {
        "ExternalName" => text(&spec["externalName"]).into(),
        "LoadBalancer" => match balancers(service) {
            none if none.is_empty() => "<pending>".into(),
            some => some,
        },
        _ if !given.is_empty() => given.join(","),
        _ => "<none>".into(),
    }
}

fn ports(list: &Value) -> String {
    let each = list.as_array().into_iter().flatten().map(|port| {
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        match port["nodePort"].as_i64() {
            Some(node) => format!("{}:{node}/{protocol}", port["port"]),
            None => format!("{}/{protocol}", port["port"]),
        }
    });
    let all: Vec<String> = each.collect();
    if all.is_empty() { "<none>".into() } else { all.join(",") }
}

pub fn since(time: &Value, now: OffsetDateTime) -> Value {
    match time_of(time) {
        Some(time) => duration((now - time).whole_seconds()).into(),
        None => "<unknown>".into(),
    }
}

/// A span as people read it: `95s`, `3m4s`, `17m`, `5h2m`, `2d`.
fn duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let with = |whole: i64, unit: char, rest: i64, small: char| {
        if rest == 0 { format!("{whole}{unit}") } else { format!("{whole}{unit}{rest}{small}") }
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        _ if minutes < 10 => with(minutes, 'm', seconds % 60, 's'),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => with(hours, 'h', minutes % 60, 'm'),
        _ if hours < 48 => format!("{hours}h"),
        _ if days < 8 => with(days, 'd', hours % 24, 'h'),
        _ if days < 730 => format!("{days}d"),
        _ => with(days / 365, 'y', days % 365, 'd'),
    }
}
