//! OpenStack without Edge: who we are at a cloud, a token by curl, and where its services are.
//!
//! Tokens and passwords go to curl by its standard input, never by its arguments, which every user of a machine can
//! read.

use crate::process::{Beside, Folder, edge, piped};
use edge::config::{self, Cloud, Environment};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Clouds to measure at, and the environment in which every program finds them.
pub struct Clouds {
    pub title: String,
    pub names: Vec<String>,
    pub file: PathBuf,
    found: config::Clouds,
}

/// A token, and what it opens.
pub struct Access {
    pub token: String,
    catalog: Value,
    region: Option<String>,
}

impl Clouds {
    /// `EDGE_BENCH_CLOUDS` names them, in the clouds.yaml that openstack itself would read.
    pub fn real() -> Result<Clouds, String> {
        let named = std::env::var("EDGE_BENCH_CLOUDS").unwrap_or_default();
        let names: Vec<String> = named.split([',', ' ']).filter(|n| !n.is_empty()).map(str::to_string).collect();
        if names.len() < 3 {
            return Err("EDGE_BENCH_CLOUDS names no three clouds of clouds.yaml: nothing real is measured".into());
        }
        let found = config::load_clouds(&Environment::of_process());
        if let Some(unknown) = names.iter().find(|n| found.get(n, None).is_none()) {
            return Err(found.why_not(unknown));
        }
        let file = found.file.clone().ok_or("there is no clouds.yaml")?;
        let file = std::path::absolute(file).map_err(|e| e.to_string())?;
        Ok(Clouds { title: names.join(", "), names, file, found })
    }

    /// `edge sim` on loopback, with what a scenario says.
    pub fn simulated(folder: &Folder, scenario: &str) -> Result<(Clouds, Beside), String> {
        let file = folder.0.join("clouds.yaml");
        let scenario = folder.write("sites.yaml", scenario);
        let mut command = edge();
        command.arg("sim").arg(scenario).arg("--clouds").arg(&file);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(|e| e.to_string())?;
        let stderr = child.stderr.take();
        let beside = Beside(child);
        let lines = stderr.into_iter().flat_map(|s| BufReader::new(s).lines()).map_while(Result::ok);
        let mut said = Vec::new();
        for line in lines {
            if line.contains("until Ctrl-C") {
                let text = std::fs::read_to_string(&file).map_err(|e| e.to_string())?;
                let found = config::clouds_from_text(&text);
                let names = found.clouds.iter().map(|c| c.name.clone()).collect();
                return Ok((Clouds { title: "edge sim".into(), names, file, found }, beside));
            }
            said.push(line);
        }
        Err(said.join("; "))
    }

    /// An inventory in which they are `Bench1`, `Bench2`, ..., whatever characters their names have.
    pub fn inventory(&self) -> String {
        let site = |(i, name): (usize, &String)| format!("  Bench{}:\n    cloud: {}\n", i + 1, json!(name));
        format!("sites:\n{}", self.names.iter().enumerate().map(site).collect::<String>())
    }

    /// With the clouds' file, and without variables that would choose another cloud.
    pub fn of<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("OS_CLIENT_CONFIG_FILE", &self.file).env_remove("OS_CLOUD")
    }

    pub fn access(&self, name: &str) -> Result<Access, String> {
        let cloud = self.found.get(name, None).ok_or("it is not in clouds.yaml")?;
        let url = cloud.auth.value("auth_url").unwrap_or_default().trim_end_matches('/').trim_end_matches("/v3");
        let head = format!(
            "url = {}\nheader = \"Content-Type: application/json\"\ninclude\nsilent\ndata = {}\n",
            json!(format!("{url}/v3/auth/tokens")),
            json!(password(cloud)?.to_string())
        );
        let answer = piped(Command::new("curl").args(["--config", "-"]), &head)?;
        let (headers, body) = answer.split_once("\r\n\r\n").ok_or("no answer from the identity service")?;
        let token = headers.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("x-subject-token").then(|| value.trim().to_string())
        });
        let body: Value = serde_json::from_str(body).map_err(|e| e.to_string())?;
        let token = token.ok_or_else(|| format!("no token: {}", body["error"]["message"]))?;
        Ok(Access { token, catalog: body["token"]["catalog"].clone(), region: cloud.region.clone() })
    }
}

/// Keystone's request for a token. Other ways in than a password are not measured.
fn password(cloud: &Cloud) -> Result<Value, String> {
    let value = |name: &str| cloud.auth.value(name);
    let password = cloud.auth.secret("password").ok_or("only clouds with a password are measured")?;
    let domain = |of: &str| match (value(&format!("{of}_id")), value(&format!("{of}_name"))) {
        (None, Some(name)) => json!({ "name": name }),
        (id, _) => json!({ "id": id.unwrap_or("default") }),
    };
    let user =
        json!({ "name": value("username"), "password": password.expose_secret(), "domain": domain("user_domain") });
    let project = match value("project_id") {
        Some(id) => json!({ "id": id }),
        None => json!({ "name": value("project_name"), "domain": domain("project_domain") }),
    };
    let identity = json!({ "methods": ["password"], "password": { "user": user } });
    Ok(json!({ "auth": { "identity": identity, "scope": { "project": project } } }))
}

impl Access {
    /// The public endpoint of a service in the cloud's region.
    pub fn endpoint(&self, kind: &str) -> Result<String, String> {
        let entries = self.catalog.as_array().map(Vec::as_slice).unwrap_or_default();
        let here = |e: &&Value| {
            e["interface"] == "public"
                && self.region.as_ref().is_none_or(|r| e["region"] == **r || e["region_id"] == **r)
        };
        let of_kind = entries.iter().filter(|e| e["type"] == kind);
        let found = of_kind.flat_map(|e| e["endpoints"].as_array().into_iter().flatten()).find(here);
        let url = found.and_then(|e| e["url"].as_str()).ok_or_else(|| format!("the catalog has no `{kind}`"))?;
        Ok(url.trim_end_matches('/').to_string())
    }

    /// The configuration of a curl that asks for `url`, with our token.
    pub fn curl(&self, url: &str, more: &str) -> String {
        format!("url = {}\nheader = \"X-Auth-Token: {}\"\nsilent\nfail\n{more}\n", json!(url), self.token)
    }
}
