//! Results on standard output: a table for people, JSON, YAML or CSV for programs. Secrets print as `(secret)` in each.

use super::arguments::Output;
use comfy_table::{ContentArrangement, Table as Grid, presets};
use edge_lang::eval::{self, Table, Value};
use edge_lang::inventory::Inventory;
use edge_lang::model::{SiteSet, names};
use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};
use std::collections::HashMap;

/// Prints the value of a statement.
pub fn print(value: &Value, inventory: &Inventory, output: Output) {
    let text = text(value, inventory, output);
    if !text.is_empty() {
        anstream::println!("{}", text.trim_end_matches('\n'));
    }
}

pub fn text(value: &Value, inventory: &Inventory, output: Output) -> String {
    match output {
        Output::Table => match value {
            Value::Table(table) => grid(table, inventory),
            Value::Handle(handle) => {
                let mut grid = new_grid();
                grid.add_row(["site".to_string(), inventory.name(handle.site).to_string()]);
                if !handle.fields.contains_key("id") {
                    grid.add_row(["id".to_string(), handle.id.to_string()]);
                }
                // What a resource does not have is not worth a line here; the other formats say it.
                for (name, value) in handle.fields.iter().filter(|(_, v)| **v != Value::Null) {
                    grid.add_row([name.to_string(), cell(value, inventory)]);
                }
                trimmed(&grid)
            }
            Value::Null => String::new(),
            other => eval::display(other, inventory),
        },
        Output::Json => serde_json::to_string_pretty(&json_of(value, inventory)).unwrap_or_default(),
        Output::Yaml => serde_yaml::to_string(&json_of(value, inventory)).unwrap_or_default(),
        Output::Csv => csv(value, inventory),
    }
}

fn new_grid() -> Grid {
    let mut grid = Grid::new();
    grid.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if grid.width() == Some(0) {
        // A terminal that does not know how wide it is.
        grid.set_content_arrangement(ContentArrangement::Disabled);
    }
    grid
}

fn trimmed(grid: &Grid) -> String {
    grid.lines().map(|l| l.trim_end().to_string()).collect::<Vec<_>>().join("\n")
}

fn grid(table: &Table, inventory: &Inventory) -> String {
    let mut lines = String::new();
    if table.rows.is_empty() {
        lines += "(no rows)";
    } else {
        let mut grid = new_grid();
        let sited = table.rows.iter().any(|r| r.site.is_some()) && !table.columns.iter().any(|c| &**c == "site");
        let name = |row: &eval::Row| row.site.map_or(String::new(), |s| inventory.name(s).to_string());
        let cells: Vec<Vec<String>> = table
            .rows
            .iter()
            .map(|row| {
                (0..table.columns.len()).map(|c| row.values.get(c).map_or(String::new(), |v| cell(v, inventory)))
            })
            .map(Iterator::collect)
            .collect();
        let mut shown = columns(table);
        let mut most = usize::MAX;
        if let Some(width) = grid.width().filter(|width| *width > 0 && table.resource.is_some()) {
            let sites = table.rows.iter().map(|row| name(row).chars().count() + BETWEEN).max().unwrap_or(0);
            let taken = if sited { sites.max("SITE".len() + BETWEEN) } else { 0 };
            shown = fitting(table, &cells, shown, usize::from(width).saturating_sub(taken));
            most = MOST_OPEN;
        }
        let left = table.columns.len() - shown.len();
        let mut head: Vec<String> = shown.iter().map(|c| table.columns[*c].to_uppercase()).collect();
        if sited {
            head.insert(0, "SITE".into());
        }
        grid.set_header(head);
        let of_site = if sited { Some(0) } else { shown.iter().position(|c| &*table.columns[*c] == "site") };
        let mut rows: Vec<Vec<String>> = Vec::with_capacity(cells.len());
        for (row, cells) in table.rows.iter().zip(&cells) {
            let mut cells: Vec<String> = shown.iter().map(|c| short(row.values.get(*c), &cells[*c], most)).collect();
            if sited {
                cells.insert(0, name(row));
            }
            rows.push(cells);
        }
        if let Some(at) = of_site.filter(|_| rows.len() > MOST_ROWS) {
            rows = gathered(rows, at);
        }
        grid.add_rows(rows);
        lines += &trimmed(&grid);
        if left > 0 {
            lines += &format!("\n({left} more columns: `select` them, or ask for -o json)");
        }
    }
    let mut unknown: IndexMap<&str, SiteSet> = IndexMap::new();
    for (site, why) in &table.unknown {
        unknown.entry(why).or_default().insert(*site);
    }
    for (why, sites) in unknown {
        lines += &format!("\n{}: unknown: {why}", eval::sites_text(&sites, inventory));
    }
    lines
}

/// Rows that are shown one by one, also where many sites say the same.
const MOST_ROWS: usize = 20;

/// Rows that differ in their site only as one, where the first of them stands, their sites folded. Where a site has several
/// of them, so has the result.
fn gathered(rows: Vec<Vec<String>>, site: usize) -> Vec<Vec<String>> {
    let mut before: HashMap<Vec<String>, usize> = HashMap::new();
    let mut groups: IndexMap<(Vec<String>, usize), Vec<String>> = IndexMap::new();
    for mut row in rows {
        let nth = before.entry(row.clone()).or_default();
        let of = std::mem::take(&mut row[site]);
        groups.entry((row, *nth)).or_default().push(of);
        *nth += 1;
    }
    let one = |((mut row, _), mut sites): ((Vec<String>, usize), Vec<String>)| {
        row[site] = if sites.len() == 1 { sites.swap_remove(0) } else { names::fold(&sites) };
        row
    };
    groups.into_iter().map(one).collect()
}

/// Columns of whole resources that a person looks at first: those that some row has, and not too many of them.
fn columns(table: &Table) -> Vec<usize> {
    const MOST: usize = 7;
    let all: Vec<usize> = (0..table.columns.len()).collect();
    if table.resource.is_none() || all.len() <= MOST {
        return all;
    }
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::List(items) => items.is_empty(),
        Value::Record(fields) => fields.is_empty(),
        _ => false,
    };
    let filled = |c: &usize| table.rows.iter().any(|r| r.values.get(*c).is_some_and(|v| !empty(v)));
    let mut shown: Vec<usize> = all.iter().copied().filter(filled).collect();
    shown.truncate(MOST);
    shown
}

/// What is between two columns.
const BETWEEN: usize = 2;
/// Letters of a list or a record that are shown on a terminal, in a table of whole resources.
const MOST_OPEN: usize = 30;

/// Those of the columns that have room beside one another, so that no id is broken; at least the first.
fn fitting(table: &Table, cells: &[Vec<String>], columns: Vec<usize>, mut room: usize) -> Vec<usize> {
    let mut shown = Vec::new();
    for c in columns {
        let open = |row: &eval::Row| matches!(row.values.get(c), Some(Value::List(_) | Value::Record(_)));
        let most = if table.rows.iter().any(open) { MOST_OPEN } else { usize::MAX };
        let longest = cells.iter().map(|row| row[c].chars().count()).max().unwrap_or(0).min(most);
        let needed = longest.max(table.columns[c].chars().count()) + BETWEEN;
        if needed <= room || shown.is_empty() {
            room = room.saturating_sub(needed);
            shown.push(c);
        }
    }
    shown
}

/// A cell, of open JSON no more than so many letters.
fn short(value: Option<&Value>, cell: &str, most: usize) -> String {
    if !matches!(value, Some(Value::List(_) | Value::Record(_))) || cell.chars().count() <= most {
        return cell.to_string();
    }
    cell.chars().take(most - 1).chain(['…']).collect()
}

fn cell(value: &Value, inventory: &Inventory) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(s) => s.to_string(),
        Value::List(_) | Value::Record(_) => json_of(value, inventory).to_string(),
        other => eval::display(other, inventory),
    }
}

/// Sites by name; durations, sizes and percentages as they are written in the language.
pub fn json_of(value: &Value, inventory: &Inventory) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(b) => json!(b),
        Value::Int(i) => json!(i),
        Value::Float(f) => json!(f),
        Value::String(s) => json!(&**s),
        Value::Bytes(n) => json!(n),
        Value::Sites(sites) => sites.iter().map(|s| json!(inventory.name(s))).collect(),
        Value::List(items) => items.iter().map(|v| json_of(v, inventory)).collect(),
        Value::Record(fields) => {
            Json::Object(fields.iter().map(|(k, v)| (k.to_string(), json_of(v, inventory))).collect())
        }
        Value::Handle(handle) => {
            let mut object = Map::new();
            object.insert("site".into(), json!(inventory.name(handle.site)));
            object.insert("id".into(), json!(&*handle.id));
            object.extend(handle.fields.iter().map(|(k, v)| (k.to_string(), json_of(v, inventory))));
            Json::Object(object)
        }
        Value::Table(table) => rows(table, inventory).into_iter().map(Json::Object).collect(),
        other => json!(eval::display(other, inventory)),
    }
}

fn rows(table: &Table, inventory: &Inventory) -> Vec<Map<String, Json>> {
    let row = |row: &eval::Row| {
        let mut object = Map::new();
        if let Some(site) = row.site {
            object.insert("site".into(), json!(inventory.name(site)));
        }
        let values = table.columns.iter().zip(&row.values);
        object.extend(values.map(|(c, v)| (c.to_string(), json_of(v, inventory))));
        object
    };
    table.rows.iter().map(row).collect()
}

fn csv(value: &Value, inventory: &Inventory) -> String {
    let rows = match value {
        Value::Table(table) => rows(table, inventory),
        other => match json_of(other, inventory) {
            Json::Object(object) => vec![object],
            Json::Null => return String::new(),
            single => vec![Map::from_iter([("value".to_string(), single)])],
        },
    };
    let Some(first) = rows.first() else { return String::new() };
    let columns: Vec<String> = first.keys().cloned().collect();
    let mut out = line(columns.iter().map(|c| Json::String(c.clone())));
    for row in &rows {
        out += &line(columns.iter().map(|c| row.get(c).cloned().unwrap_or(Json::Null)));
    }
    out
}

/// RFC 4180: quoted where it must be.
fn line(cells: impl Iterator<Item = Json>) -> String {
    let cells: Vec<String> = cells
        .map(|cell| match cell {
            Json::Null => String::new(),
            Json::String(s) => s,
            other => other.to_string(),
        })
        .map(|s| if s.contains([',', '"', '\n', '\r']) { format!("\"{}\"", s.replace('"', "\"\"")) } else { s })
        .collect();
    cells.join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::gathered;

    #[test]
    fn equal_rows_of_many_sites_are_one() {
        let row = |site: &str, name: &str| vec![site.to_string(), name.to_string()];
        let rows = vec![
            row("a-1", "tiny"),
            row("a-1", "small"),
            row("a-2", "tiny"),
            row("a-3", "tiny"),
            row("a-2", "small"),
            row("a-1", "tiny"),
            row("b", "odd"),
        ];
        let shown = [("a-[1-3]", "tiny"), ("a-[1-2]", "small"), ("a-1", "tiny"), ("b", "odd")];
        assert_eq!(gathered(rows, 0), shown.map(|(site, name)| row(site, name)), "a site has two of `tiny`");
    }
}
