//! Credentials that a program gives (`exec` of the kubeconfig, client-go's credential plugins): run once for all requests
//! that wait, with nothing to read from and a time limit, and not again before what it gave has expired or was refused.

use crate::config::cluster::Plugin;
use crate::drivers::Failure;
use crate::drivers::complaint::one_line;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout, timeout_at};

/// How long its failure is believed, so that many requests do not start it many times.
const DENIAL: Duration = Duration::from_secs(30);
/// Before its end, so that no request meets it on its way.
const MARGIN: Duration = Duration::from_secs(10);
const MOST: u64 = 1 << 20;

pub struct Runner {
    plugin: Plugin,
    held: tokio::sync::Mutex<Held>,
}

#[derive(Default)]
struct Held {
    token: Option<SecretString>,
    number: u64,
    until: Option<Instant>,
    failed: Option<(Instant, Failure)>,
}

impl Runner {
    pub fn new(plugin: Plugin) -> Runner {
        Runner { plugin, held: tokio::sync::Mutex::default() }
    }

    /// The token and its number; after the site has refused that of a number, another.
    pub async fn token(&self, refused: Option<u64>, deadline: Instant) -> Result<(SecretString, u64), Failure> {
        let command = &self.plugin.command;
        let late = || Failure::NotSent(format!("no token from `{command}` within the time limit"));
        let mut held = timeout_at(deadline, self.held.lock()).await.map_err(|_| late())?;
        if let Some(token) = &held.token
            && refused != Some(held.number)
            && held.until.is_none_or(|until| Instant::now() < until)
        {
            return Ok((token.clone(), held.number));
        }
        if let Some((when, failure)) = &held.failed
            && when.elapsed() < DENIAL
        {
            return Err(failure.clone());
        }
        // What this call has no time for is no failure of the program.
        match timeout_at(deadline, run(&self.plugin)).await.map_err(|_| late())? {
            Ok((token, until)) => {
                *held = Held { token: Some(token.clone()), number: held.number + 1, until, failed: None };
                Ok((token, held.number))
            }
            Err(why) => {
                let failure = Failure::Denied(format!("no credentials from `{command}`: {why}"));
                held.token = None;
                held.failed = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }
}

async fn run(plugin: &Plugin) -> Result<(SecretString, Option<Instant>), String> {
    let mut spec = json!({ "interactive": false });
    if let Some(cluster) = &plugin.cluster {
        spec["cluster"] = cluster.clone();
    }
    let asked = json!({ "apiVersion": plugin.api, "kind": "ExecCredential", "spec": spec });
    let env = plugin.env.iter().map(|(name, value)| (name, value.expose_secret()));
    let child = tokio::process::Command::new(&plugin.command)
        .args(&plugin.args)
        .envs(env)
        .env("KUBERNETES_EXEC_INFO", asked.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = child.map_err(|e| match (&plugin.hint, e.kind()) {
        (Some(hint), std::io::ErrorKind::NotFound) => format!("there is no such program; {}", one_line(hint)),
        (None, std::io::ErrorKind::NotFound) => "there is no such program".to_string(),
        _ => e.to_string(),
    })?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let ended = timeout(plugin.time, async { tokio::join!(whole(out), whole(err), child.wait()) }).await;
    let (out, err, status) = ended.map_err(|_| format!("it did not end within {} s", plugin.time.as_secs()))?;
    let status = status.map_err(|e| e.to_string())?;
    if !status.success() {
        let said = String::from_utf8_lossy(&err);
        let last = said.lines().rev().map(str::trim).find(|l| !l.is_empty()).map(one_line);
        return Err(last.unwrap_or_else(|| format!("it ended with {status}")));
    }
    credential(&out, &plugin.api)
}

/// An `ExecCredential`. The message never has any of it.
fn credential(out: &[u8], api: &str) -> Result<(SecretString, Option<Instant>), String> {
    let answer: Value = serde_json::from_slice(out).map_err(|_| "its answer is not JSON".to_string())?;
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_string);
    if text(&answer, "kind").as_deref() != Some("ExecCredential") {
        return Err("its answer is no `ExecCredential`".into());
    }
    match text(&answer, "apiVersion") {
        Some(version) if version == api => {}
        version => {
            return Err(format!("it is asked in `{api}`, and answers in `{}`", one_line(&version.unwrap_or_default())));
        }
    }
    let status = answer.get("status").ok_or("its answer has no `status`")?;
    let Some(token) = text(status, "token").filter(|t| !t.is_empty()) else {
        return Err(match status.get("clientCertificateData") {
            Some(_) => "it gives a client certificate alone, which is not supported".into(),
            None => "its answer has no `token`".into(),
        });
    };
    // By this machine's clock, as the program had it.
    let until = text(status, "expirationTimestamp").and_then(|t| OffsetDateTime::parse(&t, &Rfc3339).ok());
    let until = until.map(|end| {
        let left: Duration = (end - OffsetDateTime::now_utc()).try_into().unwrap_or(Duration::ZERO);
        Instant::now() + left.saturating_sub(MARGIN).min(Duration::from_secs(86_400))
    });
    Ok((token.into(), until))
}

/// To its end, and what is too much thrown away: a pipe that nobody empties would hold the program up.
async fn whole(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = (&mut pipe).take(MOST).read_to_end(&mut bytes).await;
        let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    }
    bytes
}
