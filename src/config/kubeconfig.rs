//! The contexts of a kubeconfig, as names of sites. What is in them is `cluster`'s to read.
//!
//! `KUBECONFIG` is a list of files of which the first that defines a context wins; a file that is not there counts as
//! empty, as it does for kubectl.

use super::yaml::Node;
use super::{Environment, Problem, Severity, read};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// A context, and the cluster that it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    pub name: String,
    /// The URL of the API server; `None` where the file does not say it.
    pub server: Option<String>,
}

/// The files in which to look: of `file` alone where it is given.
pub fn files(environment: &Environment, file: Option<&Path>) -> Vec<PathBuf> {
    match (file, environment.variable("KUBECONFIG")) {
        (Some(file), _) => vec![environment.working_directory.join(file)],
        (None, Some(list)) => {
            let named = std::env::split_paths(list).filter(|p| !p.as_os_str().is_empty());
            named.map(|p| environment.working_directory.join(p)).collect()
        }
        (None, None) => environment.home.iter().map(|home| home.join(".kube/config")).collect(),
    }
}

/// Contexts in the order in which they are defined; of `file` alone where it is given.
pub fn contexts(environment: &Environment, file: Option<&Path>) -> (Vec<Context>, Vec<Problem>) {
    let files = files(environment, file);
    let (mut contexts, mut problems): (Vec<Context>, Vec<Problem>) = (Vec::new(), Vec::new());
    // A cluster may be defined in another file than its contexts.
    let mut clusters: HashMap<String, String> = HashMap::new();
    let mut cluster_of: Vec<Option<String>> = Vec::new();
    let mut known = HashSet::new();
    for path in files {
        let mut wrong = |line: usize, message: String| {
            let severity = Severity::Warning;
            problems.push(Problem { file: Some(path.clone()), line, entry: None, key: None, message, severity });
        };
        let node = match read(&path) {
            None => continue,
            Some(Err(e)) => {
                wrong(e.line, e.message);
                continue;
            }
            Some(Ok(node)) => node,
        };
        let text = |entry: &Node, path: [&str; 2]| {
            let inner = entry.map()?.get(path[0])?;
            inner.map()?.get(path[1])?.scalar()
        };
        let name = |entry: &Node| entry.map().and_then(|m| m.get("name")).and_then(|n| n.scalar());
        let listed = |key: &str| node.map().and_then(|m| m.get(key)).filter(|n| !n.is_null()).and_then(|n| n.list());
        for entry in listed("clusters").unwrap_or_default() {
            if let (Some(name), Some(server)) = (name(entry), text(entry, ["cluster", "server"])) {
                clusters.entry(name).or_insert(server);
            }
        }
        for entry in listed("contexts").unwrap_or_default() {
            match name(entry) {
                Some(name) if known.insert(name.clone()) => {
                    contexts.push(Context { name, server: None });
                    cluster_of.push(text(entry, ["context", "cluster"]));
                }
                Some(_) => {}
                None => wrong(entry.line, "a context without a name".into()),
            }
        }
    }
    for (context, cluster) in contexts.iter_mut().zip(cluster_of) {
        context.server = cluster.and_then(|cluster| clusters.get(&cluster).cloned());
    }
    (contexts, problems)
}
