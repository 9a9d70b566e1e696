//! `prefer: f`: the function is called for each site of the placement, and what it gives orders them, least first as
//! `order by` does. A site of which it cannot tell comes last; that is no failure, as the site may never be needed.

use super::expression::{apply, words};
use super::machine::{Env, Frame};
use super::{Failure, FailureKind, Prefer, Preferred, Step, Value, compare};
use futures_util::stream::{StreamExt, iter};
use std::cmp::Ordering;

/// Calls at once. What one call asks a site is bounded by the host.
const ABREAST: usize = 256;

/// The order for a step, where a function gives it.
pub(super) async fn order(env: &Env<'_>, frame: &Frame, step: &Step) -> Result<Vec<Preferred>, Failure> {
    let Some(Prefer::By(function, _, span)) = &step.policy.prefer else { return Ok(Vec::new()) };
    let sites = step.placement.written_order();
    if step.placement.is_conjunction() || sites.len() < 2 {
        return Ok(Vec::new());
    }
    let begin = env.next();
    let calls = sites.iter().enumerate().map(|(index, site)| {
        let env = Env { done: None, ..env.strand(begin, index) };
        async move { apply(&env, frame, *function, vec![Some(Value::Site(*site))], *span).await }
    });
    let told: Vec<Result<Value, Failure>> = iter(calls.collect::<Vec<_>>()).buffered(ABREAST).collect().await;
    let mut all = Vec::new();
    for (site, told) in sites.into_iter().zip(told) {
        all.push(match told {
            Ok(value @ (Value::Null | Value::Unknown(_))) => (Value::Null, Preferred { site, why: words(env, &value) }),
            Ok(value) => {
                let why = words(env, &value);
                (value, Preferred { site, why })
            }
            Err(failure) => match reason(&failure) {
                Some(why) => (Value::Null, Preferred { site, why }),
                None => return Err(failure),
            },
        });
    }
    let mut wrong = None;
    // Stable: what is equal stays as written.
    all.sort_by(|(a, _), (b, _)| {
        compare::order(a, b, *span).unwrap_or_else(|failure| {
            wrong.get_or_insert(failure);
            Ordering::Equal
        })
    });
    match wrong {
        Some(failure) => Err(failure),
        None => Ok(all.into_iter().map(|(_, preferred)| preferred).collect()),
    }
}

/// Where it is a site that gave no answer, or not the one that was asked for: what it said.
fn reason(failure: &Failure) -> Option<String> {
    let of_a_site = matches!(failure.kind, FailureKind::Failed | FailureKind::Owed);
    failure.sites.first().filter(|_| of_a_site).map(|(_, why)| why.clone())
}
