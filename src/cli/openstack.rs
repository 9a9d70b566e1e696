//! `edge openstack server create vm --flavor tiny --os-scope '{"compute": "Zone1 || Zone2"}'`: an openstack command line
//! translated to the one-statement program that means the same, which is then checked, planned and run like any other.
//!
//! What is known of the client's commands is a table (`COMMANDS`); a placement in the scope is text of the language and
//! is parsed by its parser before it becomes part of the program.

use super::arguments::{How, Openstack, Output};
use super::{Status, Workplace};
use edge_lang::syntax;
use serde_json::Value as Json;

pub fn openstack(mut workplace: Workplace, mut arguments: Openstack) -> Status {
    // Options of ours, wherever they stand.
    arguments.args.retain(|arg| match arg.strip_prefix("--sim") {
        Some("") => {
            workplace.simulate("");
            false
        }
        Some(file) if file.starts_with('=') => {
            workplace.simulate(&file[1..]);
            false
        }
        _ => true,
    });
    if arguments.args.is_empty() || arguments.args.iter().any(|a| a == "--help" || a == "-h") {
        print!("{}", usage());
        return Status::Done;
    }
    match translate(&arguments.args) {
        Ok(line) => super::run::run_text(workplace, "openstack command", line.program, line.how),
        Err(mistake) => {
            anstream::eprintln!("error: {}", mistake.message);
            if let Some(help) = mistake.help {
                anstream::eprintln!("help: {help}");
            }
            Status::Wrong
        }
    }
}

/// A command line, translated.
#[derive(Debug)]
pub struct Line {
    pub program: String,
    pub how: How,
}

#[derive(Debug, PartialEq)]
pub struct Mistake {
    pub message: String,
    pub help: Option<String>,
}

fn mistake(message: impl Into<String>) -> Mistake {
    Mistake { message: message.into(), help: None }
}

impl Mistake {
    fn help(mut self, text: impl Into<String>) -> Mistake {
        self.help = Some(text.into());
        self
    }
}

struct CommandForm {
    words: &'static [&'static str],
    operation: &'static str,
    positional: Positional,
    options: &'static [OptionForm],
    /// Columns shown by default, as the client shows them.
    columns: &'static [&'static str],
}

enum Positional {
    None,
    One(&'static str),
    /// `server delete a b`: one statement for each.
    Each(&'static str),
}

struct OptionForm {
    flag: &'static str,
    param: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    /// `--file PATH`.
    File,
    /// `--user-data PATH`: the text of the file.
    Contents,
    /// `--property k=v`, repeated.
    Map,
    /// Repeated: a list.
    List,
    /// No value: this text.
    Is(&'static str),
    /// `--status ERROR` of a listing: compared here.
    Where,
    /// Accepted and meant anyway: `--wait`.
    Nothing,
}

const fn option(flag: &'static str, param: &'static str, kind: Kind) -> OptionForm {
    OptionForm { flag, param, kind }
}

const COMMANDS: &[CommandForm] = &[
    CommandForm {
        words: &["server", "create"],
        operation: "server.create",
        positional: Positional::One("name"),
        options: &[
            option("--flavor", "flavor", Kind::Text),
            option("--image", "image", Kind::Text),
            option("--network", "networks", Kind::List),
            option("--key-name", "keypair", Kind::Text),
            option("--user-data", "user_data", Kind::Contents),
            option("--property", "metadata", Kind::Map),
            option("--tag", "tags", Kind::List),
            option("--availability-zone", "zone", Kind::Text),
            option("--wait", "", Kind::Nothing),
        ],
        columns: &[],
    },
    CommandForm {
        words: &["server", "list"],
        operation: "server.list",
        positional: Positional::None,
        options: &[
            option("--all-projects", "all_projects", Kind::Is("true")),
            option("--host", "host", Kind::Text),
            option("--status", "status", Kind::Text),
            option("--name", "name", Kind::Where),
            option("--long", "", Kind::Nothing),
        ],
        columns: &["id", "name", "status", "addresses", "flavor_name"],
    },
    CommandForm {
        words: &["server", "show"],
        operation: "server.show",
        positional: Positional::One("server"),
        options: &[],
        columns: &[],
    },
    CommandForm {
        words: &["server", "delete"],
        operation: "server.delete",
        positional: Positional::Each("server"),
        options: &[option("--wait", "", Kind::Nothing)],
        columns: &[],
    },
    CommandForm {
        words: &["image", "create"],
        operation: "image.create",
        positional: Positional::One("name"),
        options: &[
            option("--file", "file", Kind::File),
            option("--disk-format", "disk_format", Kind::Text),
            option("--container-format", "container_format", Kind::Text),
            option("--public", "visibility", Kind::Is("\"public\"")),
            option("--private", "visibility", Kind::Is("\"private\"")),
            option("--shared", "visibility", Kind::Is("\"shared\"")),
            option("--community", "visibility", Kind::Is("\"community\"")),
            option("--property", "properties", Kind::Map),
            option("--tag", "tags", Kind::List),
            option("--min-disk", "min_disk", Kind::Number),
            option("--min-ram", "min_ram", Kind::Number),
        ],
        columns: &[],
    },
    CommandForm {
        words: &["image", "list"],
        operation: "image.list",
        positional: Positional::None,
        options: &[
            option("--name", "name", Kind::Where),
            option("--status", "status", Kind::Where),
            option("--long", "", Kind::Nothing),
        ],
        columns: &["id", "name", "status"],
    },
    CommandForm {
        words: &["image", "show"],
        operation: "image.show",
        positional: Positional::One("image"),
        options: &[],
        columns: &[],
    },
    CommandForm {
        words: &["image", "delete"],
        operation: "image.delete",
        positional: Positional::Each("image"),
        options: &[],
        columns: &[],
    },
    CommandForm {
        words: &["flavor", "list"],
        operation: "flavor.list",
        positional: Positional::None,
        options: &[option("--all", "", Kind::Nothing), option("--long", "", Kind::Nothing)],
        columns: &["id", "name", "ram", "disk", "vcpus"],
    },
    CommandForm {
        words: &["network", "list"],
        operation: "network.list",
        positional: Positional::None,
        options: &[option("--name", "name", Kind::Where), option("--long", "", Kind::Nothing)],
        columns: &["id", "name", "subnets"],
    },
];

/// Global options of the client that say how to reach one cloud: here the scope says that.
const ONE_CLOUD: &[&str] = &[
    "--os-cloud",
    "--os-region-name",
    "--os-auth-url",
    "--os-username",
    "--os-password",
    "--os-project-name",
    "--os-user-domain-name",
    "--os-project-domain-name",
];

pub fn translate(args: &[String]) -> Result<Line, Mistake> {
    let (words, rest, scope, mut how) = split(args)?;
    let form = COMMANDS
        .iter()
        .find(|form| words.iter().map(String::as_str).take(form.words.len()).eq(form.words.iter().copied()))
        .ok_or_else(|| unknown_command(&words))?;
    let positional: Vec<&String> = words[form.words.len()..].iter().collect();
    let (arguments, conditions) = arguments(form, &rest)?;
    let scope = match scope {
        Some(json) => Some(scope_text(&json)?),
        None => None,
    };
    let place = scope.map(|s| format!(" @ {s}")).unwrap_or_default();
    let mut program = String::new();
    let names: Vec<Option<&String>> = match (&form.positional, positional.as_slice()) {
        (Positional::None, []) => vec![None],
        (Positional::None, [extra, ..]) => {
            return Err(mistake(format!("`{}` takes no `{extra}`", form.words.join(" "))));
        }
        (Positional::One(what), []) | (Positional::Each(what), []) => {
            return Err(mistake(format!("`{}` needs the {what}", form.words.join(" "))));
        }
        (Positional::One(_), [one]) => vec![Some(one)],
        (Positional::One(_), [_, extra, ..]) => {
            return Err(mistake(format!("`{}` takes one name, and `{extra}` is another", form.words.join(" "))));
        }
        (Positional::Each(_), many) => many.iter().map(|n| Some(*n)).collect(),
    };
    for name in names {
        let mut all = Vec::new();
        all.extend(name.map(|n| quote(n)));
        all.extend(arguments.iter().cloned());
        program += &format!("{}({}){place}", form.operation, all.join(", "));
        for condition in &conditions {
            program += &format!(" where {condition}");
        }
        if how.output == Output::Table && !form.columns.is_empty() {
            program += &format!(" select site, {}", form.columns.join(", "));
        }
        program.push('\n');
    }
    // A command line is its own approval, as with the client.
    how.yes = true;
    if form.operation.ends_with(".delete") {
        how.destroys = Some(usize::MAX);
    }
    Ok(Line { program, how })
}

type Split = (Vec<String>, Vec<(String, Option<String>)>, Option<String>, How);

/// Words, options with their values, scope, and the options that concern printing.
fn split(args: &[String]) -> Result<Split, Mistake> {
    let (mut words, mut options, mut scope, mut how) = (Vec::new(), Vec::new(), None, How::default());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if !arg.starts_with('-') || arg == "-" {
            words.push(arg.clone());
            continue;
        }
        let (flag, mut value) = match arg.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag.to_string(), Some(value.to_string())),
            _ => (arg.clone(), None),
        };
        let takes_value = match flag.as_str() {
            "--os-scope" | "--scope" | "-f" | "--format" => true,
            f if ONE_CLOUD.contains(&f) => {
                return Err(mistake(format!("`{f}` names one cloud, and here the scope does"))
                    .help("write --os-scope '{\"compute\": \"Zone1\"}', with the sites of `edge sites`"));
            }
            f => COMMANDS
                .iter()
                .flat_map(|c| c.options)
                .find(|o| o.flag == f)
                .is_some_and(|o| !matches!(o.kind, Kind::Is(_) | Kind::Nothing)),
        };
        if takes_value && value.is_none() {
            value = Some(args.next().cloned().ok_or_else(|| mistake(format!("`{flag}` needs a value")))?);
        }
        match (flag.as_str(), value) {
            ("--os-scope" | "--scope", Some(text)) => scope = Some(text),
            ("-f" | "--format", Some(text)) => {
                how.output = match text.as_str() {
                    "table" => Output::Table,
                    "json" => Output::Json,
                    "yaml" => Output::Yaml,
                    "csv" => Output::Csv,
                    other => {
                        return Err(
                            mistake(format!("no format `{other}`")).help("table, json, yaml and csv are the formats")
                        );
                    }
                };
            }
            (flag, value) => options.push((flag.to_string(), value)),
        }
    }
    Ok((words, options, scope, how))
}

fn unknown_command(words: &[String]) -> Mistake {
    let said = words.iter().take(2).cloned().collect::<Vec<_>>().join(" ");
    let known: Vec<String> = COMMANDS.iter().map(|c| c.words.join(" ")).collect();
    let near = edge_lang::diagnostic::nearest(&said, known.iter().map(String::as_str));
    mistake(format!("no command `{said}`")).help(match near {
        Some(near) => format!("is `{near}` meant?"),
        None => {
            format!("known are: {}; everything else is written in the language itself (`edge doc`)", known.join(", "))
        }
    })
}

/// The operation's arguments and the conditions on its rows.
fn arguments(form: &CommandForm, given: &[(String, Option<String>)]) -> Result<(Vec<String>, Vec<String>), Mistake> {
    let (mut arguments, mut conditions) = (Vec::new(), Vec::new());
    let mut many: Vec<(&str, Kind, Vec<&str>)> = Vec::new();
    for (flag, value) in given {
        let Some(option) = form.options.iter().find(|o| o.flag == flag) else {
            let known = form.options.iter().map(|o| o.flag);
            let help = match edge_lang::diagnostic::nearest(flag, known.clone()) {
                Some(near) => format!("is `{near}` meant?"),
                None => format!("it takes {}", known.collect::<Vec<_>>().join(", ")),
            };
            return Err(mistake(format!("`{}` has no option `{flag}`", form.words.join(" "))).help(help));
        };
        let value = value.as_deref().unwrap_or("");
        let param = option.param;
        match option.kind {
            Kind::Text => arguments.push(format!("{param}: {}", quote(value))),
            Kind::Number => {
                value.parse::<u64>().map_err(|_| mistake(format!("`{flag}` needs a number, found `{value}`")))?;
                arguments.push(format!("{param}: {value}"));
            }
            Kind::File => arguments.push(format!("{param}: file({})", quote(value))),
            Kind::Contents => arguments.push(format!("{param}: read({})", quote(value))),
            Kind::Is(text) => arguments.push(format!("{param}: {text}")),
            Kind::Where => conditions.push(format!("{param} == {}", quote(value))),
            Kind::Nothing => {}
            Kind::Map | Kind::List => match many.iter_mut().find(|(p, _, _)| *p == param) {
                Some((_, _, values)) => values.push(value),
                None => many.push((param, option.kind, vec![value])),
            },
        }
    }
    for (param, kind, values) in many {
        let mut items = Vec::new();
        for value in values {
            items.push(match kind {
                Kind::Map => {
                    let (key, value) =
                        value.split_once('=').ok_or_else(|| mistake(format!("`{value}` is not KEY=VALUE")))?;
                    format!("{}: {}", quote(key), quote(value))
                }
                _ => quote(value),
            });
        }
        let items = items.join(", ");
        arguments.push(match kind {
            Kind::Map => format!("{param}: {{{items}}}"),
            _ => format!("{param}: [{items}]"),
        });
    }
    Ok((arguments, conditions))
}

/// `{"Compute": "Zone1 || Zone2"}` as a scope of the language. Service names are lower-cased.
fn scope_text(json: &str) -> Result<String, Mistake> {
    let shape = "a scope is a JSON object of services and placements: '{\"compute\": \"Zone1 || Zone2\", \"image\": \"Zone1\"}'";
    let value: Json = serde_json::from_str(json)
        .map_err(|e| mistake(format!("the scope is not JSON: {e}, in `{}`", short(json))).help(shape))?;
    if !value.is_object() {
        return Err(mistake(format!("the scope is not a JSON object: `{}`", short(json))).help(shape));
    }
    let Entries(entries) =
        serde_json::from_str(json).map_err(|e| mistake(format!("the scope cannot be read: {e}")).help(shape))?;
    if entries.is_empty() {
        return Err(mistake("the scope is empty: nothing says where this is to happen").help(shape));
    }
    let mut items = Vec::new();
    for (service, placement) in &entries {
        let Json::String(placement) = placement else {
            return Err(mistake(format!("the placement of `{service}` is not text: `{placement}`")).help(shape));
        };
        if !service.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_') || service.is_empty() {
            return Err(mistake(format!("`{service}` is no name of a service")).help(shape));
        }
        items.push(format!("{}: {}", service.to_lowercase(), expression(service, placement)?));
    }
    Ok(format!("{{ {} }}", items.join(", ")))
}

/// The entries of an object as they are written, also one that is there twice: the checker refuses it then, where a map
/// would keep the last in silence.
struct Entries(Vec<(String, Json)>);

impl<'de> serde::Deserialize<'de> for Entries {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> serde::de::Visitor<'de> for Object {
            type Value = Entries;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut all = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    all.push(entry);
                }
                Ok(Entries(all))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// The placement text, when it is one expression and nothing else.
fn expression(service: &str, text: &str) -> Result<String, Mistake> {
    if text.trim().is_empty() {
        return Err(mistake(format!("the placement of `{service}` is empty"))
            .help("name a site, such as `Zone1`, or leave the service out: it is then that of the site itself"));
    }
    let parsed = syntax::parse(Default::default(), text);
    let single = matches!(parsed.program.as_slice(), [one] if matches!(one.kind, syntax::ast::StmtKind::Expr(_)));
    if let Some(wrong) = parsed.diagnostics.iter().find(|d| d.is_error()) {
        return Err(mistake(format!(
            "the placement of `{service}` cannot be read: {}, in `{}`",
            wrong.message,
            short(text)
        ))
        .help(wrong.help.first().cloned().unwrap_or_else(|| {
            "`Zone1 && Zone2`, `Zone1 || Zone2` and `exactly 1 of {Zone1, Zone2}` are placements".to_string()
        })));
    }
    if !single {
        return Err(mistake(format!("the placement of `{service}` is not one placement: `{}`", short(text))));
    }
    Ok(format!("({})", text.trim()))
}

fn short(text: &str) -> String {
    let mut cut: String = text.chars().take(60).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

/// A string literal of the language.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            '\t' => out += "\\t",
            '$' => out += "\\$",
            c if c.is_control() => out += &format!("\\u{{{:x}}}", c as u32),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn usage() -> String {
    let mut text = String::from(
        "An openstack command line with a scope.\n\nUsage: edge openstack COMMAND [OPTIONS] --os-scope JSON\n\nCommands:\n",
    );
    for form in COMMANDS {
        let options: Vec<&str> = form.options.iter().map(|o| o.flag).collect();
        text += &format!("  {:<16} {}\n", form.words.join(" "), options.join(" "));
    }
    text += "\n  --os-scope JSON  services and placements: '{\"compute\": \"Zone1 || Zone2\", \"image\": \"Zone1\"}' (also --scope)\n  -f FORMAT        table, json, yaml or csv\n";
    text
}

#[cfg(test)]
mod tests {
    use super::scope_text;

    #[test]
    fn a_scope_in_json_is_one_of_the_language() {
        for (json, text) in [
            (r#"{"Compute": "Zone1", "Image": "Zone2"}"#, "{ compute: (Zone1), image: (Zone2) }"),
            (r#"{"COMPUTE":"Zone1||Zone2"}"#, "{ compute: (Zone1||Zone2) }"),
            (r#"{"compute": "all of (sites - Zone2)"}"#, "{ compute: (all of (sites - Zone2)) }"),
            (r#"{"compute": "A", "compute": "B"}"#, "{ compute: (A), compute: (B) }"),
        ] {
            assert_eq!(scope_text(json).map_err(|m| m.message), Ok(text.to_string()));
        }
    }

    #[test]
    fn what_is_no_scope_is_said() {
        for (json, message) in [
            ("{}", "the scope is empty: nothing says where this is to happen"),
            (r#"{"compute": " "}"#, "the placement of `compute` is empty"),
            (r#"{"compute": null}"#, "the placement of `compute` is not text: `null`"),
            (r#"["Zone1"]"#, r#"the scope is not a JSON object: `["Zone1"]`"#),
            (r#"{"com pute": "A"}"#, "`com pute` is no name of a service"),
            (
                r#"{"compute": "A) @ (B"}"#,
                "the placement of `compute` cannot be read: nothing is open that this could close, in `A) @ (B`",
            ),
            (r#"{"compute": "A; B"}"#, "the placement of `compute` is not one placement: `A; B`"),
        ] {
            assert_eq!(scope_text(json).map_err(|m| m.message), Err(message.to_string()));
        }
        let xor = scope_text(r#"{"compute": "A XOR B"}"#).expect_err("a word of another language");
        assert!(xor.help.is_some_and(|help| help.contains("`A xor B`")));
    }
}
