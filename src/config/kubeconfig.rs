//! The contexts of a kubeconfig, as names of sites. What is in them is the Kubernetes driver's to read.
//!
//! `KUBECONFIG` is a list of files of which the first that defines a context wins; a file that is not there counts as
//! empty, as it does for kubectl.

use super::{Environment, Problem, Severity, read};
use std::path::{Path, PathBuf};

/// Names of contexts in the order in which they are defined; `file` alone where it is given.
pub fn contexts(environment: &Environment, file: Option<&Path>) -> (Vec<String>, Vec<Problem>) {
    let files: Vec<PathBuf> = match (file, environment.variable("KUBECONFIG")) {
        (Some(file), _) => vec![environment.working_directory.join(file)],
        (None, Some(list)) => {
            let named = std::env::split_paths(list).filter(|p| !p.as_os_str().is_empty());
            named.map(|p| environment.working_directory.join(p)).collect()
        }
        (None, None) => environment.home.iter().map(|home| home.join(".kube/config")).collect(),
    };
    let (mut names, mut problems) = (Vec::new(), Vec::new());
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
        let list = node.map().and_then(|m| m.get("contexts")).filter(|n| !n.is_null());
        for entry in list.and_then(|n| n.list()).unwrap_or_default() {
            match entry.map().and_then(|m| m.get("name")).and_then(|n| n.scalar()) {
                Some(name) if !names.contains(&name) => names.push(name),
                Some(_) => {}
                None => wrong(entry.line, "a context without a name".into()),
            }
        }
    }
    (names, problems)
}
