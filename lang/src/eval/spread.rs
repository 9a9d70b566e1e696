//! `spread(n, sites, by: label)`: so many of something divided over sites, evenly or by what a label says of them.
//!
//! Where all sites have the label and all its values are whole numbers, they are weights. Otherwise the values part the
//! sites: first they share evenly, then the sites of each. What does not divide goes to the largest fractions, among
//! equal ones in the order of the sites; so no two shares that should be equal differ by more than one.

use super::machine::Env;
use super::{Failure, Row, Table, Value, codes, field};
use crate::model::{SiteId, SiteSet};
use crate::span::Span;
use std::sync::Arc;

pub(super) fn spread(env: &Env<'_>, n: i64, sites: &SiteSet, by: Option<&str>, at: Span) -> Result<Value, Failure> {
    let Ok(n) = u64::try_from(n) else {
        return Err(Failure::new(&codes::BAD_COUNT, at, format!("{n} cannot be divided over sites")));
    };
    if n > 0 && sites.is_empty() {
        return Err(Failure::new(&codes::BAD_COUNT, at, "there is no site to divide this over"));
    }
    env.work(sites.len() as u64, at)?;
    let all: Vec<SiteId> = sites.iter().collect();
    let shares = match by {
        None => divide(n, &vec![1; all.len()]),
        Some(by) => {
            let labels: Vec<Value> = all.iter().map(|site| field::label(env, *site, by)).collect();
            match labels.iter().map(weight).collect::<Option<Vec<u64>>>() {
                Some(weights) if n > 0 && weights.iter().all(|w| *w == 0) => {
                    return Err(Failure::new(&codes::BAD_COUNT, at, format!("the `{by}` of every site is 0")));
                }
                Some(weights) => divide(n, &weights),
                None => within(n, &labels),
            }
        }
    };
    let row = |(site, share): (&SiteId, u64)| Row {
        site: Some(*site),
        values: vec![Value::Int(i64::try_from(share).unwrap_or(i64::MAX))],
        id: None,
        pending: false,
    };
    let rows = all.iter().zip(shares).map(row).collect();
    let table = Table { columns: vec!["share".into()], rows, asked: sites.clone(), ..Table::default() };
    Ok(Value::Table(Arc::new(table)))
}

fn weight(label: &Value) -> Option<u64> {
    match label {
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Evenly over the values, then over the sites of each.
fn within(n: u64, labels: &[Value]) -> Vec<u64> {
    let mut values: Vec<&Value> = Vec::new();
    let place: Vec<usize> = labels
        .iter()
        .map(|label| {
            values.iter().position(|known| *known == label).unwrap_or_else(|| {
                values.push(label);
                values.len() - 1
            })
        })
        .collect();
    let mut shares = vec![0; labels.len()];
    for (value, share) in divide(n, &vec![1; values.len()]).into_iter().enumerate() {
        let members: Vec<usize> = (0..labels.len()).filter(|site| place[*site] == value).collect();
        for (site, part) in members.iter().zip(divide(share, &vec![1; members.len()])) {
            shares[*site] = part;
        }
    }
    shares
}

/// `n` in these proportions. Their sum is not 0, unless `n` is.
fn divide(n: u64, weights: &[u64]) -> Vec<u64> {
    let total: u128 = weights.iter().map(|w| u128::from(*w)).sum();
    if total == 0 {
        return vec![0; weights.len()];
    }
    let exact = |w: &u64| u128::from(n) * u128::from(*w);
    let mut shares: Vec<u64> = weights.iter().map(|w| (exact(w) / total) as u64).collect();
    let left = n - shares.iter().sum::<u64>();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|site| std::cmp::Reverse(exact(&weights[*site]) % total));
    for site in order.into_iter().take(left as usize) {
        shares[site] += 1;
    }
    shares
}
