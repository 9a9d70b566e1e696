//! clouds.yaml against openstacksdk: each folder here holds files, and in expected.json what openstacksdk made of them
//! (`oracle.py` wrote it). The home directory is /home/op, as there.

mod inventory;

use edge::config::{Cloud, Environment, load_clouds};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

fn environment(directory: &Path) -> Environment {
    let text = std::fs::read_to_string(directory.join("env")).unwrap_or_default();
    let variables =
        text.lines().filter_map(|l| l.split_once('=')).map(|(k, v)| (k.to_string(), v.to_string())).collect();
    Environment {
        state: None,
        variables,
        working_directory: directory.to_path_buf(),
        home: Some("/home/op".into()),
        directories: Vec::new(),
    }
}

fn shown(cloud: &Cloud) -> Value {
    let mut auth: BTreeMap<&str, &str> = cloud.auth.values.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    auth.extend(cloud.auth.secrets.iter().map(|(k, v)| (k.as_str(), v.expose_secret())));
    // openstacksdk reports no bundle where it verifies nothing.
    let cacert = cloud.tls.cacert.as_ref().filter(|_| cloud.tls.verify);
    // The names under which the expectation asks, and their older ones.
    let asked = [
        ("compute", "compute"),
        ("image", "image"),
        ("network", "network"),
        ("identity", "identity"),
        ("block-storage", "block-storage"),
        ("block-storage", "volumev3"),
    ];
    let endpoints: BTreeMap<&str, &str> = asked
        .iter()
        .filter_map(|(name, spelt)| Some((*name, cloud.services.get(*spelt)?.endpoint.as_deref()?)))
        .collect();
    json!({
        "name": cloud.name, "region": cloud.region, "auth_type": cloud.auth.kind, "auth": auth,
        "interface": cloud.interfaces, "verify": cloud.tls.verify, "cacert": cacert, "cert": cloud.tls.cert,
        "key": cloud.tls.key, "timeout": cloud.api_timeout.map(|t| t.as_secs_f64()), "endpoints": endpoints,
    })
}

#[test]
fn clouds_are_read_as_openstacksdk_reads_them() {
    let mut cases = 0;
    for entry in std::fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()) {
        let expected = std::fs::read_to_string(entry.join("expected.json")).unwrap();
        let expected: Value = serde_json::from_str(&expected).unwrap();
        let found = load_clouds(&environment(&entry));
        let name = entry.file_name().unwrap().to_string_lossy().into_owned();
        let clouds: Vec<Value> = found.clouds.iter().map(shown).collect();
        let wanted = expected["clouds"].as_array().unwrap();
        for (ours, theirs) in clouds.iter().zip(wanted) {
            assert_eq!(normal(ours), normal(theirs), "{name}: {}", theirs["name"]);
        }
        let names = |list: &[Value]| list.iter().map(|c| format!("{} {}", c["name"], c["region"])).collect::<Vec<_>>();
        assert_eq!(names(&clouds), names(wanted), "{name}: {:?}", found.problems);
        assert_eq!(json!(found.default), expected["default"], "{name}");
        let broken: Vec<&str> = found
            .problems
            .iter()
            .filter(|p| p.severity == edge::config::Severity::Error)
            .filter_map(|p| p.entry.as_deref())
            .collect();
        assert_eq!(json!(broken), expected["broken"], "{name}: {:?}", found.problems);
        cases += 1;
    }
    assert!(cases >= 12, "only {cases} cases");
}

/// Interfaces are spelt in two ways; ours are the short ones.
fn normal(cloud: &Value) -> Value {
    let mut cloud = cloud.clone();
    for name in cloud["interface"].as_array_mut().unwrap() {
        *name = json!(name.as_str().unwrap().trim_end_matches("URL"));
    }
    cloud
}

#[test]
fn a_problem_names_file_line_entry_and_key() {
    let directory = tempfile::tempdir().unwrap();
    let text = "clouds:\n  good:\n    auth: {auth_url: http://k/v3}\n  bad:\n    auth:\n      auth_url: http://k/v3\n      \
                username: [a]\n  worse:\n    region_name: X\n    verify: 7\n    auth: {auth_url: http://k}\n";
    std::fs::write(directory.path().join("clouds.yaml"), text).unwrap();
    let found = load_clouds(&environment(directory.path()));
    let problems: Vec<String> = found.problems.iter().map(|p| p.to_string()).collect();
    let file = directory.path().join("clouds.yaml").display().to_string();
    assert_eq!(
        problems,
        [
            format!("{file}:7: `bad`: `auth.username`: one value is expected, this is a list"),
            format!("{file}:10: `worse`: `verify`: true or false is expected, this is a number"),
        ]
    );
    assert_eq!(found.clouds.len(), 1);
    assert!(found.why_not("goot").contains("`good` is there"), "{}", found.why_not("goot"));
}

#[test]
fn debug_shows_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let text = "clouds: {a: {auth: {auth_url: http://k, username: op, password: hunter-1, token: hunter-2, passcode: \
                hunter-3, application_credential_secret: hunter-4}}, b: {token: hunter-5, auth: {auth_url: [hunter-6]}}}";
    std::fs::write(directory.path().join("clouds.yaml"), text).unwrap();
    let shown = format!("{:?}", load_clouds(&environment(directory.path())));
    assert!(shown.contains("op") && !shown.contains("hunter"), "{shown}");
}

#[test]
fn aliases_and_depth_are_bounded() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let list = vec![format!("*a{}", i - 1); 10].join(", ");
        bomb += &format!("a{i}: &a{i} [{list}]\n");
    }
    let parse = |text: &str| edge::config::yaml::parse(text).err().map(|e| e.message);
    assert_eq!(parse(&bomb).as_deref(), Some("too large, or its aliases multiply without end"));
    assert!(parse(&"[".repeat(100_000)).is_some());
    assert!(parse(&"a: ".repeat(1000)).is_some());
    assert_eq!(parse(&format!("a: 0x{}", "f".repeat(2_000_000))), None);
}
