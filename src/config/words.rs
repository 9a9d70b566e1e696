//! Single values of edge.yaml: each reads a node, or says that it is not one of its kind.

use super::yaml::Node;
use edge_lang::eval::Unreachable;
use std::sync::Arc;
use std::time::Duration;

pub fn files(node: &Node) -> Option<Vec<(String, usize)>> {
    let one = |node: &Node| Some((node.scalar()?, node.line));
    match node.list() {
        Some(list) => list.iter().map(one).collect(),
        None => one(node).map(|file| vec![file]),
    }
}

pub fn words(node: &Node) -> Option<Vec<String>> {
    match node.list() {
        Some(list) => list.iter().map(Node::scalar).collect(),
        None => node.scalar().map(|text| vec![text]),
    }
}

pub fn word(node: &Node) -> Option<Arc<str>> {
    node.scalar().filter(|text| !text.is_empty()).map(Arc::from)
}

pub fn count(node: &Node) -> Option<usize> {
    node.scalar()?.parse().ok().filter(|n| *n > 0)
}

pub fn unreachable(node: &Node) -> Option<Unreachable> {
    Some(match node.scalar()?.as_str() {
        "fail" => Unreachable::Fail,
        "defer" => Unreachable::Defer,
        "skip" => Unreachable::Skip,
        _ => return None,
    })
}

/// As the language writes it: `90s`, `2min`, `1h`.
pub fn time(node: &Node) -> Option<Duration> {
    let text = node.scalar()?;
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..unit].parse().ok()?;
    let seconds = match text[unit..].trim() {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}
