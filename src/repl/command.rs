//! What begins with `:`: commands to the prompt, which are no part of the language.

use edge_lang::diagnostic::nearest;

pub struct Command {
    pub name: &'static str,
    /// What follows it, as the help shows it.
    pub takes: &'static str,
    pub does: &'static str,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Help,
    Sites,
    Runs,
    Type,
    Plan,
    Outcomes,
    Scope,
    Doc,
    Load,
    Save,
    Auto,
    Explain,
    Echo,
    Quit,
}

const fn command(name: &'static str, takes: &'static str, kind: Kind, does: &'static str) -> Command {
    Command { name, takes, does, kind }
}

pub static COMMANDS: [Command; 14] = [
    command("help", "", Kind::Help, "this list"),
    command("sites", "", Kind::Sites, "the sites, what they offer, and whether they answer"),
    command("runs", "", Kind::Runs, "the runs that are not at their end, and what they owe"),
    command("type", "EXPR", Kind::Type, "the type of an expression; nothing is run"),
    command("plan", "ENTRY", Kind::Plan, "what an entry would do; nothing is changed"),
    command("outcomes", "PLACEMENT", Kind::Outcomes, "the smallest sets of sites that satisfy a placement"),
    command("scope", "[SCOPE]", Kind::Scope, "set the scope of the entries that follow; alone, clear it"),
    command("doc", "[NAME]", Kind::Doc, "the documentation of a resource, operation or word"),
    command("load", "FILE [NAME=VALUE...]", Kind::Load, "run a file as one entry, with values for its inputs"),
    command("save", "FILE", Kind::Save, "write the entries of this session to a new file"),
    command("auto", "on|off", Kind::Auto, "do what a plan shows without asking, or ask again"),
    command("explain", "[CODE]", Kind::Explain, "what a diagnostic code means"),
    command("echo", "[TEXT]", Kind::Echo, "print a text: over a pipe, where an answer ends"),
    command("quit", "", Kind::Quit, "leave"),
];

/// A command by its name, with the `:`, or by the beginning of it that no other has.
pub fn find(name: &str) -> Result<&'static Command, String> {
    let word = name.trim_start_matches(':');
    if let Some(exact) = COMMANDS.iter().find(|c| c.name == word) {
        return Ok(exact);
    }
    let beginning: Vec<&Command> = COMMANDS.iter().filter(|c| !word.is_empty() && c.name.starts_with(word)).collect();
    match &beginning[..] {
        [one] => Ok(one),
        [] => Err(match nearest(word, COMMANDS.iter().map(|c| c.name)) {
            Some(near) => format!("error: no command `:{word}`\nhelp: is `:{near}` meant? `:help` lists all"),
            None => format!("error: no command `:{word}`\nhelp: `:help` lists all"),
        }),
        several => {
            let names: Vec<String> = several.iter().map(|c| format!("`:{}`", c.name)).collect();
            Err(format!("error: `:{word}` can be {}", names.join(" or ")))
        }
    }
}

/// What follows it is in the language, and may take several lines.
pub fn takes_program(name: &str) -> bool {
    find(name).is_ok_and(|c| matches!(c.kind, Kind::Type | Kind::Plan | Kind::Outcomes | Kind::Scope))
}

pub fn takes_file(name: &str) -> bool {
    find(name).is_ok_and(|c| matches!(c.kind, Kind::Load | Kind::Save))
}

pub fn help() -> String {
    let heads: Vec<String> = COMMANDS.iter().map(|c| format!(":{} {}", c.name, c.takes)).collect();
    let widest = heads.iter().map(String::len).max().unwrap_or(0);
    let lines = COMMANDS.iter().zip(&heads).map(|(c, head)| format!("  {head:<widest$}  {}\n", c.does));
    let mut text: String = lines.collect();
    text += "\nAnything else is an entry of the language: checked, planned, shown where it\n";
    text += "changes something, and run. `it` is the last value. Tab completes, Alt-Enter\n";
    text += "begins a new line, Ctrl-C stops what runs, Ctrl-D leaves.\n";
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_by_name_and_by_beginning() {
        assert_eq!(find(":type").map(|c| c.kind), Ok(Kind::Type));
        assert_eq!(find(":q").map(|c| c.kind), Ok(Kind::Quit));
        assert_eq!(find(":s").map(|c| c.kind), Err("error: `:s` can be `:sites` or `:scope` or `:save`".into()));
        assert!(find(":tpye").is_err_and(|e| e.contains("`:type`")));
        assert!(find(":").is_err());
    }
}
