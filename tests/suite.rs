//! The suites: a folder per stage, each case a file beside what is expected of it. See README.md.

#[path = "suite/support.rs"]
mod support;

#[path = "suite/check.rs"]
mod check;

#[path = "suite/eval/mod.rs"]
mod eval;

#[path = "suite/library.rs"]
mod library;

#[path = "suite/run/mod.rs"]
mod run;

#[path = "suite/syntax.rs"]
mod syntax;

#[path = "suite/codes.rs"]
mod codes;

mod config;
mod conformance;
mod driver;
mod sim;
mod storm;

#[path = "suite/syntax_fuzz.rs"]
mod syntax_fuzz;

#[path = "suite/foreign_fuzz.rs"]
mod foreign_fuzz;

#[path = "suite/grammar.rs"]
mod grammar;

#[path = "suite/editors.rs"]
mod editors;

#[path = "suite/crowd.rs"]
mod crowd;

#[path = "suite/cli.rs"]
mod cli;

#[path = "suite/repl.rs"]
mod repl;
#[path = "suite/simulated.rs"]
mod simulated;

#[path = "suite/init.rs"]
mod init;

#[path = "suite/kept.rs"]
mod kept;

#[cfg(unix)]
#[path = "suite/terminal.rs"]
mod terminal;

#[path = "suite/docs.rs"]
mod docs;
