//! Values as text. `display` is for people: names of sites folded, tables aligned, what a server sent made harmless to
//! a terminal; `text_of` is what `"${...}"` puts into a string. Neither shows a secret, and both end at `MOST_TEXT`.

use super::compare::MOST_NESTED;
use super::{MOST_TEXT, Scope, Table, Value, query};
use crate::inventory::Inventory;
use crate::model::{SiteSet, names};
use crate::types::Name;
use std::fmt::Write;
use std::time::Duration;

/// Sites that are named one by one.
const LISTED: usize = 4;
/// Columns of a listing of whole resources that are shown unless a `select` asks for others.
const MOST_COLUMNS: usize = 8;

pub fn display(value: &Value, inventory: &Inventory) -> String {
    match value {
        Value::String(text) => harmless(text, true),
        Value::Table(table) => display_table(table, inventory),
        other => text_of(other, inventory),
    }
}

/// As in a string: texts as they are, everything else as it is displayed.
pub(super) fn text_of(value: &Value, inventory: &Inventory) -> String {
    let mut out = String::new();
    match value {
        Value::String(text) => out.push_str(text),
        other => write(&mut out, other, inventory, MOST_NESTED),
    }
    out
}

fn write(out: &mut String, value: &Value, inventory: &Inventory, depth: usize) {
    if out.len() > MOST_TEXT || depth == 0 {
        if !out.ends_with('…') {
            out.push('…');
        }
        return;
    }
    let mut put = |args: std::fmt::Arguments| out.write_fmt(args).expect("a string takes any text");
    match value {
        Value::Null => put(format_args!("null")),
        Value::Bool(b) => put(format_args!("{b}")),
        Value::Int(i) => put(format_args!("{i}")),
        Value::Float(f) if f.fract() == 0.0 && f.abs() < 1e15 => put(format_args!("{f:.1}")),
        Value::Float(f) => put(format_args!("{f}")),
        Value::String(text) => put(format_args!("{text:?}")),
        Value::Duration(time) => put(format_args!("{}", duration_text(*time))),
        Value::Bytes(n) => put(format_args!("{}", bytes_text(*n))),
        Value::Percent(p) => put(format_args!("{p}%")),
        Value::File(path) => put(format_args!("{}", harmless(path, false))),
        Value::Secret(_) => put(format_args!("(secret)")),
        Value::Site(site) => put(format_args!("{}", inventory.name(*site))),
        Value::Sites(sites) if depth == MOST_NESTED => put(format_args!("{}", sites_text(sites, inventory))),
        Value::Sites(sites) if sites.is_empty() => put(format_args!("{{}}")),
        Value::Sites(sites) => put(format_args!("{{{}}}", sites_text(sites, inventory))),
        Value::Placement(formula) => put(format_args!("{}", formula.display(|s| inventory.name(s).to_owned()))),
        Value::Scope(scope) => put(format_args!("{}", scope_text(scope, inventory))),
        Value::Failure(failure) => put(format_args!("{}", failure.message)),
        Value::Unknown(what) => put(format_args!("(known later: {})", what.what)),
        Value::Handle(handle) => {
            put(format_args!(
                "{} at {}",
                harmless(&super::field::handle_words(handle), false),
                inventory.name(handle.site)
            ));
            // What is there and is still to be changed has an id.
            if handle.pending && handle.id.is_empty() {
                put(format_args!(" (not there yet)"));
            }
        }
        Value::Table(table) => {
            out.push('[');
            for index in 0..table.rows.len() {
                if index > 0 {
                    out.push_str(", ");
                }
                write(out, &query::row_value(table, index), inventory, depth - 1);
                if out.len() > MOST_TEXT {
                    return;
                }
            }
            out.push(']');
        }
        Value::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write(out, item, inventory, depth - 1);
                if out.len() > MOST_TEXT {
                    return;
                }
            }
            out.push(']');
        }
        Value::Record(record) => {
            out.push('{');
            for (i, (name, item)) in record.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                match is_word(name) {
                    true => out.push_str(name),
                    false => *out += &format!("{name:?}"),
                }
                out.push_str(": ");
                write(out, item, inventory, depth - 1);
                if out.len() > MOST_TEXT {
                    return;
                }
            }
            out.push('}');
        }
    }
}

fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Without what a terminal would obey.
pub(crate) fn harmless(text: &str, lines: bool) -> String {
    let obeyed = |c: char| c.is_control() && !(lines && matches!(c, '\n' | '\t'));
    match text.contains(obeyed) {
        false => text.to_owned(),
        true => text.chars().map(|c| if obeyed(c) { c.escape_default().to_string() } else { c.to_string() }).collect(),
    }
}

/// Names of sites, folded where they are many: `edge-[001-500]`.
pub fn sites_text(sites: &SiteSet, inventory: &Inventory) -> String {
    let names: Vec<&str> = sites.iter().map(|site| inventory.name(site)).collect();
    match names[..] {
        [] => "no site".into(),
        _ if names.len() > LISTED => names::fold(&names),
        _ => names.join(", "),
    }
}

fn scope_text(scope: &Scope, inventory: &Inventory) -> String {
    let mut parts: Vec<String> = Vec::new();
    let entry = |name: &str, entry: &super::Entry| match (&entry.at, &entry.later) {
        (Some(at), _) => format!("{name}: {}", at.display(|s| inventory.name(s).to_owned())),
        (None, Some(what)) => format!("{name}: (known later: {})", what.what),
        (None, None) => format!("{name} {{ ... }}"),
    };
    parts.extend(scope.identity.map(|site| format!("identity: {}", inventory.name(site))));
    parts.extend(scope.tenant.as_ref().map(|tenant| format!("tenant: {tenant:?}")));
    parts.extend(scope.everywhere.iter().map(|e| entry("everything", e)));
    parts.extend(scope.entries.iter().map(|(name, e)| entry(name, e)));
    format!("{{ {} }}", parts.join(", "))
}

/// In its largest units: `90s` is `1min 30s`.
pub fn duration_text(time: Duration) -> String {
    let ms = time.as_millis();
    let units: [(u128, &str); 5] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
    for (size, unit) in units {
        if ms >= size && ms.is_multiple_of(size) {
            return format!("{}{unit}", ms / size);
        }
    }
    // Not a whole number of anything long: the two largest units say enough.
    for pair in units.windows(2) {
        let ((size, unit), (small, small_unit)) = (pair[0], pair[1]);
        if ms >= size {
            let rest = ms % size / small;
            return if rest == 0 {
                format!("{}{unit}", ms / size)
            } else {
                format!("{}{unit} {rest}{small_unit}", ms / size)
            };
        }
    }
    format!("{ms}ms")
}

pub(crate) fn bytes_text(bytes: u64) -> String {
    let exact = [(1u64 << 50, "PiB"), (1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let decimal = [(10u64.pow(12), "TB"), (10u64.pow(9), "GB"), (10u64.pow(6), "MB"), (1_000, "kB")];
    // The largest unit of which it is a whole number, else about so many of the largest that it reaches.
    let whole = exact.iter().chain(&decimal).filter(|(size, _)| bytes >= *size && bytes.is_multiple_of(*size)).max();
    if let Some((size, unit)) = whole {
        return format!("{}{unit}", bytes / size);
    }
    for (size, unit) in exact {
        if bytes >= size {
            return format!("{:.1}{unit}", bytes as f64 / size as f64);
        }
    }
    format!("{bytes}B")
}

/// Rows under their columns; below them the sites that did not answer.
pub fn display_table(table: &Table, inventory: &Inventory) -> String {
    let shown = shown_columns(table);
    let has_sites = table.rows.iter().any(|row| row.site.is_some());
    let mut grid: Vec<Vec<String>> = Vec::with_capacity(table.rows.len() + 1);
    let site_column = has_sites.then(|| "site".to_owned());
    grid.push(site_column.into_iter().chain(shown.iter().map(|i| table.columns[*i].to_string())).collect());
    let mut size = 0;
    for row in &table.rows {
        let site = has_sites.then(|| row.site.map_or_else(|| "-".into(), |site| inventory.name(site).to_owned()));
        let cells = shown.iter().map(|i| cell(row.values.get(*i).unwrap_or(&Value::Null), inventory));
        let line: Vec<String> = site.into_iter().chain(cells).collect();
        size += line.iter().map(|cell| cell.len() + 2).sum::<usize>();
        if size > MOST_TEXT {
            break;
        }
        grid.push(line);
    }
    let columns = grid.first().map_or(0, Vec::len);
    let widths: Vec<usize> =
        (0..columns).map(|i| grid.iter().map(|line| line[i].chars().count()).max().unwrap_or(0)).collect();
    let mut out = String::new();
    for line in grid.iter().filter(|line| !line.is_empty()) {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            text += cell;
            text.extend(std::iter::repeat_n(' ', width + 2 - cell.chars().count()));
            // One very wide cell must not make every line as wide.
            if out.len() + text.len() > MOST_TEXT {
                break;
            }
        }
        out += text.trim_end();
        out.push('\n');
    }
    if table.rows.is_empty() {
        out += "(no rows)\n";
    }
    if grid.len() <= table.rows.len() {
        out += "…\n";
    }
    for (site, why) in &table.unknown {
        out += &format!("(unknown at {}: {})\n", inventory.name(*site), harmless(why, false));
    }
    out.pop();
    out
}

/// All columns of a `select`; of whole resources those that tell them apart, in a handful.
fn shown_columns(table: &Table) -> Vec<usize> {
    let all: Vec<usize> = (0..table.columns.len()).collect();
    if table.resource.is_none() || all.len() <= 3 {
        return all;
    }
    let first = ["name", "id", "status"];
    let rank = |i: &usize| first.iter().position(|f| *f == &*table.columns[*i]);
    let mut chosen: Vec<usize> = all.iter().copied().filter(|i| rank(i).is_some()).collect();
    chosen.sort_by_key(|i| rank(i));
    let simple = |i: &usize| {
        let values = table.rows.iter().map(|row| row.values.get(*i).unwrap_or(&Value::Null));
        let composite = |v: &Value| matches!(v, Value::List(_) | Value::Record(_) | Value::Table(_));
        values.clone().any(|v| *v != Value::Null) && !values.clone().any(composite)
    };
    chosen.extend(all.into_iter().filter(|i| rank(i).is_none() && simple(i)));
    chosen.truncate(MOST_COLUMNS);
    chosen
}

fn cell(value: &Value, inventory: &Inventory) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => harmless(text, false),
        Value::Unknown(_) => "(known later)".into(),
        other => text_of(other, inventory),
    }
}

/// `name "web", size 4`: arguments in a line, for plans.
pub(crate) fn argument_text(name: &Name, value: &Value, inventory: &Inventory) -> String {
    let text = match value {
        Value::Record(record) if record.len() > 3 => format!("{{{} members}}", record.len()),
        Value::List(items) if items.len() > 4 => format!("[{} items]", items.len()),
        Value::Table(table) => format!("{} rows", table.rows.len()),
        Value::String(text) if text.chars().count() > 48 || text.contains('\n') => {
            let line = text.lines().next().unwrap_or("");
            format!("{:?}…", line.chars().take(40).collect::<String>())
        }
        Value::Unknown(what) => format!("({})", what.what),
        other => {
            let mut out = String::new();
            write(&mut out, other, inventory, 4);
            match out.chars().count() > 60 {
                true => format!("{}…", out.chars().take(59).collect::<String>()),
                false => out,
            }
        }
    };
    format!("{name}: {text}")
}
