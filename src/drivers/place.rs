//! Where a request goes: below a service's own URL and nowhere else, whatever a description, a name or an answer says.

use http::HeaderMap;
use http::header::LOCATION;
use url::Url;

const REDIRECTS: u32 = 5;

/// `name:port`, for messages.
pub fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or("?");
    url.port().map_or_else(|| name.to_string(), |port| format!("{name}:{port}"))
}

/// The same origin, another path.
pub fn at(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_path(path.trim_end_matches('/'));
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// An http or https URL, without anybody's name in it; `name` is the setting that has it.
pub fn web_url(text: &str, name: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| format!("`{name}` is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("`{name}` is not an http or https URL"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("`{name}` holds a user's name; it belongs beside it"));
    }
    Ok(url)
}

/// A path below the base, or a whole URL that the site itself gave: of its own origin only.
pub fn below(base: &Url, path: &str) -> Result<Url, String> {
    if path.starts_with("http://") || path.starts_with("https://") {
        let url = Url::parse(path).map_err(|_| format!("`{path}` is not a URL"))?;
        return match url.origin() == base.origin() {
            true => Ok(url),
            false => {
                Err(format!("{} leads to another host, {}, which gets no credentials of ours", host(base), host(&url)))
            }
        };
    }
    let (route, query) = path.split_once('?').map_or((path, None), |(route, query)| (route, Some(query)));
    // A URL's parser takes `..` out together with what is before it, also when it is percent-encoded.
    let dots = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if route.split(['/', '\\']).any(dots) {
        return Err(format!("`{route}` leads out of its place"));
    }
    let slash = if route.starts_with('/') || route.is_empty() { "" } else { "/" };
    let mut url = at(base, "");
    url.set_path(&format!("{}{slash}{route}", base.path().trim_end_matches('/')));
    url.set_query(query);
    Ok(url)
}

/// Where a GET is sent on to: the same origin only, because the credentials go along.
pub fn redirected(url: &Url, headers: &HeaderMap, redirects: u32) -> Result<Url, String> {
    let at = host(url);
    let location = headers.get(LOCATION).and_then(|l| l.to_str().ok());
    let target = location.and_then(|l| url.join(l).ok()).ok_or_else(|| format!("{at} redirects to nowhere"))?;
    if target.origin() != url.origin() {
        let to = format!("{}://{}", target.scheme(), host(&target));
        return Err(format!("{at} redirects to {to}, which is another site as far as credentials go"));
    }
    if redirects > REDIRECTS {
        return Err(format!("{at} redirects without end"));
    }
    Ok(target)
}
