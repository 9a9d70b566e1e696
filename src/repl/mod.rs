//! The prompt: `edge`, `edge repl`. Entries of the language, one after another, and commands that begin with `:`.
//!
//! On a terminal a line editor reads them; over a pipe they come from standard input, without prompt and colours, and the
//! exit status says whether all was well. The reading blocks; what an entry asks of sites runs in between, on one runtime
//! that lives as long as the prompt.

mod anew;
mod command;
mod dialogue;
mod history;
mod interrupt;
mod line;
mod perform;
mod pipe;
mod save;
mod watch;

use crate::cli::arguments::{Explain, Output, Runs};
use crate::cli::load::Trouble;
use crate::cli::run::{interactive, runtime};
use crate::cli::{Status, Workplace, doc, explain, output, show, sites};
use command::Kind;
use dialogue::Dialogue;
use edge_lang::inventory::Site;
use edge_lang::model::SiteId;
use interrupt::{Idle, Interrupts, pressed};
use line::Line;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Behavior, ColorMode, CompletionType, Config, Editor};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

pub fn main(workplace: Workplace) -> Status {
    let places = match workplace.places() {
        Ok(places) => places,
        Err(trouble) => {
            trouble.print();
            return Status::Wrong;
        }
    };
    places.report();
    let terminal = interactive();
    let interrupts = Interrupts::listen(if terminal { Idle::Ignore } else { Idle::Exit });
    let runtime = runtime(places.simulated());
    let workplace = Arc::new(workplace);
    let dialogue = match Dialogue::new(workplace.clone(), places, runtime, interrupts, terminal) {
        Ok(dialogue) => dialogue,
        Err(trouble) => {
            trouble.print();
            return Status::Wrong;
        }
    };
    let mut repl = Repl { dialogue, workplace };
    match terminal {
        true => repl.terminal(),
        false => repl.pipe(),
    }
}

struct Repl {
    workplace: Arc<Workplace>,
    dialogue: Dialogue,
}

enum Next {
    Go(Status),
    Quit,
}

impl Repl {
    fn pipe(&mut self) -> Status {
        let mut pipe = pipe::Pipe::new(std::io::stdin().lock());
        let mut worst = Status::Done;
        loop {
            let entry = match pipe.next() {
                Ok(Some(entry)) => entry,
                Ok(None) => return worst,
                Err(message) => {
                    Trouble::new(message).print();
                    return graver(worst, Status::Wrong);
                }
            };
            match self.obey(&entry) {
                // Whoever stops one statement of a pipe does not wait for the next.
                Next::Go(status) if self.dialogue.stopped => return graver(worst, status),
                Next::Go(status) => worst = graver(worst, status),
                Next::Quit => return worst,
            }
        }
    }

    fn terminal(&mut self) -> Status {
        let mut editor = match self.editor() {
            Ok(editor) => editor,
            Err(error) => {
                Trouble::new(format!("the terminal cannot be used: {error}")).print();
                return Status::Failed;
            }
        };
        let kept = history::file(&self.dialogue.places.environment).filter(|file| history::make_folder(file).is_ok());
        if let Some(file) = &kept {
            // None yet, at the first time.
            let _ = editor.load_history(file);
        }
        self.greet();
        loop {
            let Dialogue { session, library, seen, .. } = &self.dialogue;
            editor.set_helper(Some(Line::new(session.clone(), library.clone(), seen.clone())));
            let entry = match editor.readline(&self.prompt()) {
                Ok(entry) => entry,
                Err(ReadlineError::Interrupted) => continue,
                Err(ReadlineError::Eof) => return Status::Done,
                Err(error) => {
                    Trouble::new(format!("the terminal cannot be read: {error}")).print();
                    return Status::Failed;
                }
            };
            let entry = entry.trim_end();
            if !entry.starts_with(char::is_whitespace)
                && !entry.is_empty()
                && !history::may_hold_secret(entry)
                && editor.add_history_entry(entry).unwrap_or(false)
                && let Some(file) = &kept
            {
                // A history that cannot be kept is no reason to stop.
                let _ = editor.append_history(file);
            }
            if let Next::Quit = self.obey(entry) {
                return Status::Done;
            }
        }
    }

    fn editor(&self) -> rustyline::Result<Editor<Line, DefaultHistory>> {
        let colours = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
        let config = Config::builder()
            .max_history_size(history::MOST)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .auto_add_history(false)
            .bracketed_paste(true)
            .color_mode(if colours { ColorMode::Enabled } else { ColorMode::Disabled })
            // Results that go elsewhere are not mixed with the prompt.
            .behavior(if std::io::stdout().is_terminal() { Behavior::Stdio } else { Behavior::PreferTerm })
            .build();
        let mut editor = Editor::with_config(config)?;
        editor.bind_sequence(
            rustyline::KeyEvent(rustyline::KeyCode::Enter, rustyline::Modifiers::ALT),
            rustyline::Cmd::Newline,
        );
        Ok(editor)
    }

    fn greet(&self) {
        let names: Vec<&str> = plain(&self.dialogue).into_iter().map(|(_, site)| &*site.name).collect();
        let kind = if self.dialogue.places.simulated() { "simulated sites" } else { "sites" };
        match names.is_empty() {
            true => anstream::eprintln!("no sites: `edge init` looks for some, --sim shows simulated ones"),
            false => anstream::eprintln!("{kind}: {}", edge_lang::model::names::fold(&names)),
        }
        anstream::eprintln!(":help lists the commands; Ctrl-D leaves");
    }

    /// The sticky scope is in it.
    fn prompt(&self) -> String {
        match &self.dialogue.scope {
            None => "edge> ".into(),
            Some(scope) => {
                let short: String = scope.text.chars().take(40).collect();
                let dots = if short.len() < scope.text.len() { "…" } else { "" };
                format!("edge @ {short}{dots}> ")
            }
        }
    }

    /// Carries out an entry or a command.
    fn obey(&mut self, entry: &str) -> Next {
        let trimmed = entry.trim();
        if pipe::is_nothing(entry) {
            return Next::Go(Status::Done);
        }
        if trimmed.starts_with(':') {
            let (name, rest) = trimmed.split_once(char::is_whitespace).unwrap_or((trimmed, ""));
            return match command::find(name) {
                Ok(command) => self.command(command.kind, rest.trim()),
                Err(message) => {
                    anstream::eprintln!("{message}");
                    Next::Go(Status::Wrong)
                }
            };
        }
        if matches!(trimmed, "quit" | "exit" | "help") && self.dialogue.session.type_of(trimmed).is_none() {
            let command = if trimmed == "help" { ":help" } else { ":quit" };
            anstream::eprintln!("help: `{command}` is the command");
            return Next::Go(Status::Wrong);
        }
        let text = self.dialogue.typed(entry);
        Next::Go(self.dialogue.enter(&text, &[]))
    }

    fn command(&mut self, kind: Kind, rest: &str) -> Next {
        let needed = |what: &str| {
            anstream::eprintln!("error: {what} is missing");
            Status::Wrong
        };
        Next::Go(match kind {
            Kind::Quit => return Next::Quit,
            Kind::Help => {
                anstream::print!("{}", command::help());
                Status::Done
            }
            Kind::Sites => self.sites(),
            Kind::Runs => {
                let open = Runs { all: false, output: Output::Table };
                show::runs(&self.workplace, open)
            }
            Kind::Type if rest.is_empty() => needed("the expression"),
            Kind::Plan if rest.is_empty() => needed("the entry"),
            Kind::Outcomes if rest.is_empty() => needed("the placement"),
            Kind::Load if rest.is_empty() => needed("the file"),
            Kind::Save if rest.is_empty() => needed("the file"),
            Kind::Type => {
                let text = self.dialogue.typed(rest);
                self.dialogue.show_type(&text)
            }
            Kind::Plan => {
                let text = self.dialogue.typed(rest);
                self.dialogue.show_plan(&text)
            }
            Kind::Outcomes => {
                let text = self.dialogue.typed(rest);
                self.dialogue.show_outcomes(&text)
            }
            Kind::Scope if rest.is_empty() => {
                self.dialogue.clear_scope();
                Status::Done
            }
            Kind::Scope => {
                let text = self.dialogue.typed(rest);
                self.dialogue.set_scope(&text)
            }
            Kind::Doc => match doc::text(&self.dialogue.library, Some(rest).filter(|n| !n.is_empty())) {
                Ok(text) => {
                    anstream::print!("{text}");
                    Status::Done
                }
                Err(message) => {
                    anstream::eprintln!("{message}");
                    Status::Wrong
                }
            },
            Kind::Explain => explain::explain(Explain { code: Some(rest.to_string()).filter(|c| !c.is_empty()) }),
            Kind::Echo => {
                anstream::println!("{rest}");
                Status::Done
            }
            Kind::Auto => self.auto(rest),
            Kind::Load => self.load(rest),
            Kind::Save => match save::save(&self.file(rest), &self.dialogue.said) {
                Ok(said) => {
                    anstream::eprintln!("{said}");
                    self.judge(rest);
                    Status::Done
                }
                Err(trouble) => {
                    trouble.print();
                    Status::Failed
                }
            },
        })
    }

    fn auto(&mut self, rest: &str) -> Status {
        match rest {
            "on" => self.dialogue.auto = true,
            "off" => self.dialogue.auto = false,
            "" => anstream::println!("{}", if self.dialogue.auto { "on" } else { "off" }),
            other => {
                anstream::eprintln!("error: `:auto {other}` is neither `:auto on` nor `:auto off`");
                return Status::Wrong;
            }
        }
        Status::Done
    }

    fn load(&mut self, rest: &str) -> Status {
        // A name with spaces stands in quotes.
        let (file, vars) = match rest.strip_prefix('"').and_then(|r| r.split_once('"')) {
            Some(quoted) => quoted,
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        let vars: Vec<String> = vars.split_whitespace().map(str::to_string).collect();
        match self.workplace.read(&self.dialogue.places.environment.path(file)) {
            Ok(mut text) => {
                text.name = file.to_string();
                self.dialogue.enter(&text, &vars)
            }
            Err(trouble) => {
                trouble.print();
                Status::Failed
            }
        }
    }

    /// A session is more than a program: a scope that was set, or a secret that is left out, can be missing in one.
    fn judge(&self, rest: &str) {
        let wrong = match self.workplace.read(&self.file(rest)) {
            Ok(text) => self.workplace.load(text).is_ok_and(|loaded| loaded.has_errors()),
            Err(_) => false,
        };
        if wrong {
            anstream::eprintln!("help: something is missing in it to be run as it is; `edge check {rest}` says what");
        }
    }

    fn file(&self, rest: &str) -> PathBuf {
        self.dialogue.places.environment.path(rest.trim_matches('"'))
    }

    fn sites(&mut self) -> Status {
        let mut running = self.dialogue.begin();
        let dialogue = &self.dialogue;
        let wanted = plain(dialogue);
        let asked = dialogue.runtime.block_on(async {
            tokio::select! {
                (table, _) = sites::table(&*dialogue.opener, &wanted) => Some(table),
                () = pressed(&mut running.stop) => None,
            }
        });
        dialogue.interrupts.end();
        match asked {
            Some(table) => {
                output::print(&table, dialogue.inventory(), Output::Table);
                Status::Done
            }
            None => Status::Failed,
        }
    }
}

/// The sites that are no composition of others.
fn plain(dialogue: &Dialogue) -> Vec<(SiteId, &Site)> {
    dialogue.inventory().iter().filter(|(_, site)| site.composed.is_none()).collect()
}

/// What is owed weighs most, then what failed, then what was wrong from the beginning.
fn graver(a: Status, b: Status) -> Status {
    let rank = |status: Status| match status {
        Status::Done => 0,
        Status::Wrong => 1,
        Status::Failed => 2,
        Status::Owed => 3,
    };
    if rank(b) > rank(a) { b } else { a }
}
