//! The paging protocols by name: where an answer says that there is more.
//!
//! A page is only ever read where the first one was: of a link that leads to another host (sites behind a proxy often
//! write their inner name), the query is used and the host is not.

use edge_lang::library::{Pages, Rows};
use http::HeaderMap;
use serde_json::Value;
use url::Url;

/// Takes the rows out of an answer; `None` where they are not where the description says.
pub fn rows(at: &Rows, body: &mut Value) -> Option<Vec<Value>> {
    let mut found = body;
    // A key with points in it is rather a key than a path.
    let whole = found.get(&at.key).is_some();
    let path: Vec<&str> = if whole { vec![&at.key] } else { at.key.split('.').filter(|k| !k.is_empty()).collect() };
    for key in path {
        found = found.get_mut(key)?;
    }
    let rows = match found.take() {
        Value::Array(rows) => rows,
        // Kubernetes writes an empty list so.
        Value::Null => Vec::new(),
        _ => return None,
    };
    match &at.each {
        None => Some(rows),
        Some(each) => rows.into_iter().map(|mut row| row.get_mut(each).map(Value::take)).collect(),
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    Done,
    /// A link, as the site wrote it.
    Link(String),
    /// The same request with this parameter.
    With(&'static str, String),
}

/// What follows a page. `last` is the name or id of its last row.
pub fn next(pages: Pages, rows: &Rows, body: &Value, headers: &HeaderMap, last: Option<&str>) -> Next {
    let link = |found: Option<&Value>| match found.and_then(Value::as_str) {
        Some(href) if !href.is_empty() => Next::Link(href.to_string()),
        _ => Next::Done,
    };
    match pages {
        Pages::Links => {
            let links = body.get(format!("{}_links", rows.key)).or_else(|| body.get("links")).and_then(Value::as_array);
            let next =
                links.and_then(|links| links.iter().find(|l| l.get("rel").and_then(Value::as_str) == Some("next")));
            link(next.and_then(|l| l.get("href")))
        }
        Pages::Next => link(body.get("next").or_else(|| body.get("links")?.get("next"))),
        Pages::Continue => match body.get("metadata").and_then(|m| m.get("continue")).and_then(Value::as_str) {
            Some(token) if !token.is_empty() => Next::With("continue", token.to_string()),
            _ => Next::Done,
        },
        Pages::Header => {
            let lines = headers.get_all(http::header::LINK).iter().filter_map(|v| v.to_str().ok());
            lines.flat_map(|l| l.split(',')).find_map(next_of_header).map_or(Next::Done, Next::Link)
        }
        Pages::Last => last.map_or(Next::Done, |last| Next::With("marker", last.to_string())),
    }
}

/// `<https://.../?last=x>; rel="next"`.
fn next_of_header(entry: &str) -> Option<String> {
    let (target, parameters) = entry.trim().strip_prefix('<')?.split_once('>')?;
    let next = parameters.split(';').any(|p| p.replace([' ', '"'], "").eq_ignore_ascii_case("rel=next"));
    next.then(|| target.to_string())
}

/// Where the next page is; an error where it cannot be read at the place of this one.
pub fn follow(here: &Url, next: &Next) -> Result<Option<Url>, String> {
    let link = match next {
        Next::Done => return Ok(None),
        Next::With(key, value) => {
            let mut url = here.clone();
            let others: Vec<(String, String)> = here
                .query_pairs()
                .into_owned()
                .filter(|(k, _)| k != key)
                .chain([(key.to_string(), value.clone())])
                .collect();
            url.query_pairs_mut().clear().extend_pairs(others);
            return Ok(Some(url));
        }
        Next::Link(link) => here.join(link).map_err(|_| "the link to the next page is not a URL".to_string())?,
    };
    // Behind a proxy that adds a prefix, a link of the same origin has the wrong path too.
    let last = |url: &Url| url.path().trim_end_matches('/').rsplit('/').next().map(str::to_string);
    match link.query().filter(|q| last(&link) == last(here) && !q.is_empty()) {
        Some(query) => {
            let mut url = here.clone();
            url.set_query(Some(query));
            Ok(Some(url))
        }
        None if link.origin() == here.origin() => Ok(Some(link)),
        None => Err(format!("the next page is at another host, `{}`", link.host_str().unwrap_or("?"))),
    }
}
