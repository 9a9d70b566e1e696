//! `{region_name}` and the like in values, as Python's `str.format` fills them in.

use super::yaml::Map;

/// `{{` and `}}` are braces. The message names the key that is not there.
pub(super) fn expand(text: &str, keys: &Map) -> Result<String, String> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        result.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        let after = &rest[at + 1..];
        if let Some(doubled) = after.strip_prefix(brace) {
            result.push_str(brace);
            rest = doubled;
        } else if brace == "}" {
            return Err("a single `}` (a brace is written twice)".into());
        } else {
            let (key, after) = after.split_once('}').ok_or("`{` is not closed (a brace is written twice)")?;
            let value = keys.get(key).and_then(|v| v.scalar()).ok_or_else(|| format!("`{{{key}}}` is set nowhere"))?;
            result.push_str(&value);
            rest = after;
        }
    }
    result.push_str(rest);
    Ok(result)
}
