//! Application packages: created, their content uploaded, onboarded, enabled and disabled, deleted.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{Answer, Call, Object, Reply, State, needed, problem, text};
use crate::sim::spec::MecSpec;

#[derive(Default)]
pub struct Packages(Vec<Package>);

pub struct Package {
    id: String,
    pub app: String,
    pub name: String,
    pub provider: Option<String>,
    pub version: String,
    checksum: Value,
    user_data: Object,
    content: bytes::Bytes,
    /// From when on it is onboarded, once its content is there.
    onboarded: Option<OffsetDateTime>,
    state: &'static str,
    enabled: bool,
}

impl Packages {
    pub fn settle(&mut self, now: OffsetDateTime) {
        for package in &mut self.0 {
            if package.state == "PROCESSING" && package.onboarded.is_some_and(|at| now >= at) {
                package.state = "ONBOARDED";
                package.enabled = true;
            }
        }
    }

    pub fn all<'a>(&'a self, base: &'a str) -> impl Iterator<Item = Value> + 'a {
        // Whether it is in use is said to who asks over HTTP.
        self.0.iter().map(move |p| p.shown(base, false))
    }

    /// The package of an application that new instances can be made of.
    pub fn usable(&self, app: &str) -> Option<(&str, &Package)> {
        self.0.iter().find(|p| p.app == app && p.state == "ONBOARDED" && p.enabled).map(|p| (p.id.as_str(), p))
    }

    pub fn knows(&self, app: &str) -> bool {
        self.0.iter().any(|p| p.app == app)
    }
}

impl Package {
    fn shown(&self, base: &str, used: bool) -> Value {
        let here = format!("{base}/app_pkgm/v1/app_packages/{}", self.id);
        let mut info = json!({
            "id": self.id, "appDId": self.app, "appName": self.name, "appSoftwareVersion": self.version,
            "appDVersion": self.version, "checksum": self.checksum, "softwareImages": {},
            "onboardingState": self.state, "operationalState": if self.enabled { "ENABLED" } else { "DISABLED" },
            "usageState": if used { "IN_USE" } else { "NOT_IN_USE" }, "userDefinedData": self.user_data,
            "_links": {
                "self": {"href": here}, "appD": {"href": format!("{here}/appd")},
                "appPkgContent": {"href": format!("{here}/package_content")},
            },
        });
        if let Some(provider) = &self.provider {
            info["appProvider"] = provider.as_str().into();
        }
        info
    }
}

pub fn respond(state: &mut State, spec: &MecSpec, call: &Call, path: &[&str]) -> Answer {
    let State { ids, packages, instances } = state;
    let base = call.base.as_str();
    let at = |id: &str| packages.0.iter().position(|p| p.id == id);
    let used = |package: &Package| instances.uses(&package.id);
    match (call.method.as_str(), path) {
        ("GET", ["app_packages"]) => {
            Ok(Reply::json(200, call.filtered(packages.0.iter().map(|p| p.shown(base, used(p))))?))
        }
        ("POST", ["app_packages"]) => {
            if packages.0.len() >= spec.most {
                return Err(problem(403, "no more packages can be kept here"));
            }
            let asked = call.object()?;
            needed(&asked, "appPkgPath")?;
            let checksum = asked.get("checksum").filter(|c| c.get("hash").is_some_and(Value::is_string));
            let package = Package {
                id: ids.uuid(),
                app: ids.uuid(),
                name: needed(&asked, "appPkgName")?,
                provider: text(&asked, "appProvider")?,
                version: needed(&asked, "appPkgVersion")?,
                checksum: checksum.cloned().ok_or_else(|| problem(400, "`checksum` is missing, or has no `hash`"))?,
                user_data: asked.get("userDefinedData").and_then(Value::as_object).cloned().unwrap_or_default(),
                content: bytes::Bytes::new(),
                onboarded: None,
                state: "CREATED",
                enabled: false,
            };
            let shown = package.shown(base, false);
            let place = format!("{base}/app_pkgm/v1/app_packages/{}", package.id);
            packages.0.push(package);
            Ok(Reply::json(201, shown).at(place))
        }
        (method, ["app_packages", id, rest @ ..]) => {
            let Some(at) = at(id) else { return Err(problem(404, format!("there is no application package {id}"))) };
            let used = used(&packages.0[at]);
            let package = &mut packages.0[at];
            match (method, rest) {
                ("GET", []) => Ok(Reply::json(200, package.shown(base, used))),
                ("DELETE", []) if used => {
                    Err(problem(403, "the package is IN_USE: its instances must be deleted first"))
                }
                ("DELETE", []) => {
                    packages.0.remove(at);
                    Ok(Reply::empty(204))
                }
                // The standard's own tables call it so here, and `operationalState` in AppPkgInfo.
                ("PATCH", []) => {
                    let wanted = needed(&call.object()?, "operationState")?;
                    let enabled = match wanted.as_str() {
                        "ENABLED" => true,
                        "DISABLED" => false,
                        _ => return Err(problem(400, "`operationState` is ENABLED or DISABLED")),
                    };
                    if package.state != "ONBOARDED" {
                        return Err(problem(409, format!("the package is {}", package.state)));
                    }
                    if package.enabled == enabled {
                        return Err(problem(409, format!("the package is {wanted} already")));
                    }
                    package.enabled = enabled;
                    Ok(Reply::json(200, json!({ "operationState": wanted })))
                }
                ("PUT", ["package_content"]) if package.state != "CREATED" => {
                    Err(problem(409, format!("the package is {}, and its content is there", package.state)))
                }
                ("PUT", ["package_content"]) => {
                    let hash = Sha256::digest(&call.body).iter().map(|b| format!("{b:02x}")).collect::<String>();
                    let wanted = package.checksum["hash"].as_str().unwrap_or_default();
                    if !wanted.is_empty() && !wanted.eq_ignore_ascii_case(&hash) {
                        return Err(problem(400, "the content has another checksum than was announced"));
                    }
                    package.content = call.body.clone();
                    package.checksum = json!({"algorithm": "SHA-256", "hash": hash});
                    package.state = "PROCESSING";
                    package.onboarded = Some(call.now + spec.onboard);
                    Ok(Reply::empty(202))
                }
                ("GET", ["package_content"]) if package.state == "ONBOARDED" => {
                    Ok(Reply { status: 200, location: None, kind: "application/zip", body: package.content.clone() })
                }
                ("GET", ["appd"]) if package.state == "ONBOARDED" => Ok(Reply::json(
                    200,
                    json!({
                        "appDId": package.app, "appName": package.name, "appProvider": package.provider,
                        "appSoftVersion": package.version, "appDVersion": package.version,
                        "mecVersion": ["2.1.1"], "appDescription": package.name,
                    }),
                )),
                ("GET", ["package_content" | "appd"]) => Err(problem(409, format!("the package is {}", package.state))),
                _ => Err(problem(404, "there is no such resource")),
            }
        }
        _ => Err(problem(404, "there is no such resource")),
    }
}
