//! `edge init`: what is made of a clouds.yaml and a kubeconfig, by the program itself in a folder of its own.

use std::process::Command;
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn with(clouds: &str, kubeconfig: &str) -> Folder {
        let folder = Folder(tempfile::tempdir().expect("a folder"));
        for (name, text) in [("clouds.yaml", clouds), ("config", kubeconfig)].into_iter().filter(|(_, t)| !t.is_empty())
        {
            folder.write(name, text);
        }
        folder
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).expect("it is written");
    }

    fn read(&self) -> String {
        std::fs::read_to_string(self.0.path().join("edge.yaml")).unwrap_or_default()
    }

    /// Status, standard output, standard error.
    fn edge(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_edge"));
        command.args(arguments).current_dir(self.0.path()).env_clear();
        command.env("KUBECONFIG", "config").env("HOME", self.0.path()).env("USER", "ada");
        let ended = command.output().expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (ended.status.code().unwrap_or(-1), text(&ended.stdout), text(&ended.stderr))
    }
}

/// Nobody listens there.
const CLOUDS: &str = "
clouds:
  lab:
    auth: {auth_url: 'http://127.0.0.1:9/identity/v3', username: ada, password: pw-lab-4711, project_name: shop}
    region_name: north
  lab-admin:
    auth: {auth_url: 'http://127.0.0.1:9/identity/', username: root, password: pw-admin-4711, project_name: admin}
    region_name: north
  other:
    auth: {auth_url: 'http://127.0.0.1:9/other/v3', username: ada, password: pw-other-4711, project_name: shop}
";

const CONTEXTS: &str = "
apiVersion: v1
kind: Config
clusters:
- {name: a, cluster: {server: 'https://127.0.0.1:9'}}
- {name: b, cluster: {server: 'https://127.0.0.1:10'}}
users:
- {name: ada, user: {token: token-4711}}
contexts:
- {name: edge-1, context: {cluster: a, user: ada}}
- {name: admin@edge-1, context: {cluster: a, user: ada, namespace: shop}}
- {name: other, context: {cluster: b, user: ada}}
current-context: edge-1
";

#[test]
fn entries_of_one_endpoint_are_accounts_of_one_site() {
    let folder = Folder::with(CLOUDS, CONTEXTS);
    let (status, _, said) = folder.edge(&["init"]);
    assert_eq!(status, 0, "{said}");
    let sites: String = folder.read().lines().skip_while(|l| *l != "sites:").map(|l| format!("{l}\n")).collect();
    assert_eq!(
        sites,
        r#"sites:
  "lab":
    cloud: "lab"
    labels: { region: "north" }
    accounts:
      "lab-admin": { cloud: "lab-admin" }
  "other":
    cloud: "other"
    labels: {}
  "edge-1":
    context: "edge-1"
    labels: {}
    accounts:
      "admin@edge-1": { context: "admin@edge-1" }
  "other-k8s":
    context: "other"
    labels: {}

defaults:
  person: "ada"
"#
    );
    for text in [&sites, &said] {
        assert!(!text.contains("4711"), "a secret is shown or copied: {text}");
    }
    assert!(said.contains("lab does not say what it offers"), "{said}");
    // What was written is an inventory.
    folder.write("p.edge", "print count(sites)\nserver.list() @ lab\nnamespace.list() @ other-k8s\n");
    let (status, _, said) = folder.edge(&["check", "p.edge"]);
    assert_eq!(status, 0, "{said}");
}

#[test]
fn what_is_there_is_not_written_over() {
    let folder = Folder::with(CLOUDS, "");
    folder.write("edge.yaml", "sites: {mine: {cloud: lab}}\n");
    let (status, _, said) = folder.edge(&["init"]);
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("there is an edge.yaml already"), "{said}");
    assert_eq!(folder.read(), "sites: {mine: {cloud: lab}}\n");
    let (status, shown, _) = folder.edge(&["init", "--stdout"]);
    assert_eq!(status, 0);
    assert!(shown.contains("\"lab-admin\""), "{shown}");
    assert_eq!(folder.read(), "sites: {mine: {cloud: lab}}\n", "it is only shown");
    let (status, _, said) = folder.edge(&["init", "--force"]);
    assert_eq!(status, 0, "{said}");
    assert_eq!(folder.read(), shown);
}

#[test]
fn sites_of_one_name_get_numbers() {
    let clouds = "
clouds:
  a-north:
    auth: {auth_url: 'http://127.0.0.1:9/one', username: u, password: p, project_name: q}
  a:
    auth: {auth_url: 'http://127.0.0.1:9/two', username: u, password: p, project_name: q}
    regions: [north, south]
";
    let contexts = "
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:9'}}, {name: d, cluster: {server: 'https://127.0.0.1:10'}}]
contexts: [{name: a-south-k8s, context: {cluster: c}}, {name: a-south, context: {cluster: d}}]
";
    let (status, shown, said) = Folder::with(clouds, contexts).edge(&["init", "--stdout"]);
    assert_eq!(status, 0, "{said}");
    let names: Vec<&str> = shown.lines().filter(|l| l.starts_with("  \"")).map(str::trim).collect();
    let wanted = ["\"a-north\":", "\"a-north-2\":", "\"a-south\":", "\"a-south-k8s\":", "\"a-south-k8s-2\":"];
    assert_eq!(names, wanted, "{shown}");
}

#[test]
fn without_anything_it_says_where_it_looked() {
    let folder = Folder::with("", "");
    let (status, _, said) = folder.edge(&["init"]);
    assert_eq!(status, 2);
    assert!(said.contains("neither a clouds.yaml") && said.contains("~/.kube/config"), "{said}");
    assert_eq!(folder.read(), "");
}
