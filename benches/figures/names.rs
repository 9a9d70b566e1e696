//! Names of 100,000 sites folded and unfolded, beside ClusterShell's NodeSet in one run.
//!
//! `EDGE_BENCH_PYTHON` is a Python that has ClusterShell (default: `python3`). Both are measured from names in memory to
//! a text in memory and back: no start of a process is in it.

use crate::figure::{Aim, best, figure, ms, skipped};
use edge_lang::model::names;
use std::process::Command;

pub fn measure() {
    for (text, rounds) in [("edge-[000001-100000]", 3), ("r[1-100]n[1-1000]", 1)] {
        let listed = names::unfold(text).expect("it is written well");
        let unfold = ms(best(15, || names::unfold(text)));
        let fold = ms(best(15, || names::fold(listed.iter())));
        figure(&format!("{text}: unfold"), unfold, "ms", Aim::None);
        figure(&format!("{text}: fold"), fold, "ms", Aim::None);
        let (theirs, they) = match nodeset(text, rounds) {
            Ok(seconds) => seconds,
            Err(why) => {
                skipped(&format!("no comparison with ClusterShell: {why}"));
                continue;
            }
        };
        figure(&format!("{text}: ClusterShell unfolds"), theirs * 1e3, "ms", Aim::None);
        figure(&format!("{text}: ClusterShell folds"), they * 1e3, "ms", Aim::None);
        figure(&format!("{text}: unfold, times faster"), theirs * 1e3 / unfold, "times", Aim::Above(50.0));
        figure(&format!("{text}: fold, times faster"), they * 1e3 / fold, "times", Aim::Above(50.0));
        let both = (theirs + they) * 1e3 / (unfold + fold);
        figure(&format!("{text}: both, times faster"), both, "times", Aim::Above(50.0));
    }
}

/// The seconds that it takes to unfold and to fold.
fn nodeset(text: &str, rounds: usize) -> Result<(f64, f64), String> {
    let python = std::env::var("EDGE_BENCH_PYTHON").unwrap_or_else(|_| "python3".into());
    let mut command = Command::new(&python);
    let output = command.args(["-c", include_str!("nodeset.py"), text, &rounds.to_string()]).output();
    let output = output.map_err(|e| format!("`{python}`: {e}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(said.lines().last().unwrap_or("it failed without a word").to_string());
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match numbers[..] {
        [unfold, fold] => Ok((unfold, fold)),
        _ => Err(format!("it printed `{}`", said.trim())),
    }
}
