//! Application instances and the operations on them: each is an occurrence that is STARTING, PROCESSING, and then
//! COMPLETED or FAILED.

use serde_json::{Value, json};
use std::time::Duration;
use time::OffsetDateTime;

use super::{Answer, Call, Reply, State, needed, problem, text, time_stamp};
use crate::sim::spec::MecSpec;

/// Occurrences that are remembered; the oldest are forgotten.
const REMEMBERED: usize = 10_000;

#[derive(Default)]
pub struct Instances {
    all: Vec<Instance>,
    occurrences: Vec<Occurrence>,
}

struct Instance {
    id: String,
    name: Option<String>,
    description: Option<String>,
    app: String,
    package: String,
    provider: String,
    app_name: String,
    version: String,
    /// `STARTED` or `STOPPED` where it is instantiated.
    state: Option<&'static str>,
}

struct Occurrence {
    id: String,
    instance: String,
    operation: &'static str,
    params: Value,
    begun: OffsetDateTime,
    ends: OffsetDateTime,
    fails: bool,
    state: &'static str,
    entered: OffsetDateTime,
    /// What the instance is when it has ended well.
    becomes: Option<&'static str>,
}

impl Occurrence {
    fn open(&self) -> bool {
        matches!(self.state, "STARTING" | "PROCESSING")
    }

    fn shown(&self, base: &str) -> Value {
        json!({
            "id": self.id, "operationState": self.state, "stateEnteredTime": time_stamp(self.entered),
            "startTime": time_stamp(self.begun), "lcmOperation": self.operation, "operationParams": self.params,
            "_links": {
                "self": {"href": format!("{base}/app_lcm/v1/app_lcm_op_occs/{}", self.id)},
                "appInstance": {"href": format!("{base}/app_lcm/v1/app_instances/{}", self.instance)},
            },
        })
    }
}

impl Instance {
    fn shown(&self, base: &str) -> Value {
        let here = format!("{base}/app_lcm/v1/app_instances/{}", self.id);
        let mut links = json!({"self": {"href": here}});
        let possible: &[&str] = if self.state.is_some() { &["terminate", "operate"] } else { &["instantiate"] };
        possible.iter().for_each(|word| links[*word] = json!({"href": format!("{here}/{word}")}));
        let mut info = json!({
            "id": self.id, "appDId": self.app, "appProvider": self.provider, "appName": self.app_name,
            "appSoftVersion": self.version, "appDVersion": self.version, "appPkgId": self.package,
            "instantiationState": if self.state.is_some() { "INSTANTIATED" } else { "NOT_INSTANTIATED" },
            "_links": links,
        });
        for (key, value) in [("appInstanceName", &self.name), ("appInstanceDescription", &self.description)] {
            if let Some(value) = value {
                info[key] = value.as_str().into();
            }
        }
        if let Some(state) = self.state {
            info["instantiatedAppState"] = json!({ "operationalState": state });
        }
        info
    }
}

impl Instances {
    pub fn settle(&mut self, now: OffsetDateTime) {
        for occurrence in self.occurrences.iter_mut().filter(|o| o.open()) {
            if now >= occurrence.ends {
                occurrence.state = if occurrence.fails { "FAILED" } else { "COMPLETED" };
                occurrence.entered = occurrence.ends;
                let of = self.all.iter_mut().find(|i| i.id == occurrence.instance).filter(|_| !occurrence.fails);
                if let Some(instance) = of {
                    instance.state = occurrence.becomes;
                }
            } else if now > occurrence.begun && occurrence.state == "STARTING" {
                occurrence.state = "PROCESSING";
                occurrence.entered = now;
            }
        }
    }

    pub fn all<'a>(&'a self, base: &'a str) -> impl Iterator<Item = Value> + 'a {
        self.all.iter().map(move |i| i.shown(base))
    }

    pub fn occurrences<'a>(&'a self, base: &'a str) -> impl Iterator<Item = Value> + 'a {
        self.occurrences.iter().map(move |o| o.shown(base))
    }

    pub fn uses(&self, package: &str) -> bool {
        self.all.iter().any(|i| i.package == package)
    }

    fn running(&self) -> usize {
        let begun = self.occurrences.iter().filter(|o| o.open() && o.operation == "INSTANTIATE" && !o.fails).count();
        self.all.iter().filter(|i| i.state.is_some()).count() + begun
    }
}

pub fn respond(state: &mut State, spec: &MecSpec, call: &Call, path: &[&str]) -> Answer {
    let base = call.base.as_str();
    match (call.method.as_str(), path) {
        ("GET", ["app_instances"]) => Ok(Reply::json(200, call.filtered(state.instances.all(base))?)),
        ("POST", ["app_instances"]) => create(state, spec, call),
        ("GET", ["app_lcm_op_occs"]) => Ok(Reply::json(200, call.filtered(state.instances.occurrences(base))?)),
        ("GET", ["app_lcm_op_occs", id]) => match state.instances.occurrences.iter().find(|o| o.id == **id) {
            Some(occurrence) => Ok(Reply::json(200, occurrence.shown(base))),
            None => Err(problem(404, format!("there is no operation occurrence {id}"))),
        },
        (method, ["app_instances", id, rest @ ..]) => {
            let Some(at) = state.instances.all.iter().position(|i| i.id == **id) else {
                return Err(problem(404, format!("there is no application instance {id}")));
            };
            let instance = &state.instances.all[at];
            match (method, rest) {
                ("GET", []) => Ok(Reply::json(200, instance.shown(base))),
                ("DELETE", []) if instance.state.is_some() => {
                    Err(problem(409, "the instance is INSTANTIATED: it must be terminated first"))
                }
                ("DELETE", []) if state.instances.occurrences.iter().any(|o| o.open() && o.instance == **id) => {
                    Err(problem(409, "an operation on the instance is in progress"))
                }
                ("DELETE", []) => {
                    state.instances.all.remove(at);
                    Ok(Reply::empty(204))
                }
                ("POST", [task @ ("instantiate" | "operate" | "terminate")]) => begin(state, spec, call, at, task),
                _ => Err(problem(404, "there is no such resource")),
            }
        }
        _ => Err(problem(404, "there is no such resource")),
    }
}

fn create(state: &mut State, spec: &MecSpec, call: &Call) -> Answer {
    if state.instances.all.len() >= spec.most {
        return Err(problem(403, "no more application instances can be kept here"));
    }
    let asked = call.object()?;
    let app = needed(&asked, "appDId")?;
    let Some((package, of)) = state.packages.usable(&app) else {
        return Err(match state.packages.knows(&app) {
            true => problem(403, "the application package is not onboarded and enabled"),
            false => problem(404, format!("no application package has the descriptor {app}")),
        });
    };
    let instance = Instance {
        id: state.ids.uuid(),
        name: text(&asked, "appInstanceName")?,
        description: text(&asked, "appInstanceDescription")?,
        package: package.to_string(),
        provider: of.provider.clone().unwrap_or_default(),
        app_name: of.name.clone(),
        version: of.version.clone(),
        app,
        state: None,
    };
    let shown = instance.shown(&call.base);
    let place = format!("{}/app_lcm/v1/app_instances/{}", call.base, instance.id);
    state.instances.all.push(instance);
    Ok(Reply::json(201, shown).at(place))
}

fn begin(state: &mut State, spec: &MecSpec, call: &Call, at: usize, task: &str) -> Answer {
    let asked = call.object()?;
    let instance = &state.instances.all[at];
    if state.instances.occurrences.iter().any(|o| o.open() && o.instance == instance.id) {
        return Err(problem(409, "an operation on the instance is in progress"));
    }
    let (operation, time, becomes): (_, Duration, Option<&'static str>) = match task {
        "instantiate" => {
            if instance.state.is_some() {
                return Err(problem(409, "the instance is INSTANTIATED already"));
            }
            if asked.get("selectedMECHostInfo").and_then(Value::as_array).is_none_or(Vec::is_empty) {
                return Err(problem(400, "`selectedMECHostInfo` is missing"));
            }
            ("INSTANTIATE", spec.instantiate, Some("STARTED"))
        }
        "terminate" => {
            if instance.state.is_none() {
                return Err(problem(409, "the instance is NOT_INSTANTIATED already"));
            }
            match needed(&asked, "terminationType")?.as_str() {
                "GRACEFUL" | "FORCEFUL" => ("TERMINATE", spec.terminate, None),
                _ => return Err(problem(400, "`terminationType` is GRACEFUL or FORCEFUL")),
            }
        }
        _ => {
            let Some(now) = instance.state else { return Err(problem(409, "the instance is NOT_INSTANTIATED")) };
            let wanted = match needed(&asked, "changeStateTo")?.as_str() {
                "STARTED" => "STARTED",
                "STOPPED" => "STOPPED",
                _ => return Err(problem(400, "`changeStateTo` is STARTED or STOPPED")),
            };
            if now == wanted {
                return Err(problem(409, format!("the instance is {wanted} already")));
            }
            ("OPERATE", spec.operate, Some(wanted))
        }
    };
    let fails = operation == "INSTANTIATE" && state.instances.running() >= spec.capacity;
    let id = state.ids.uuid();
    let place = format!("{}/app_lcm/v1/app_lcm_op_occs/{id}", call.base);
    let occurrence = Occurrence {
        id,
        instance: instance.id.clone(),
        operation,
        params: Value::Object(asked),
        begun: call.now,
        ends: call.now + time,
        fails,
        state: "STARTING",
        entered: call.now,
        becomes,
    };
    state.instances.occurrences.push(occurrence);
    if state.instances.occurrences.len() > REMEMBERED {
        state.instances.occurrences.remove(0);
    }
    Ok(Reply::empty(202).at(place))
}
