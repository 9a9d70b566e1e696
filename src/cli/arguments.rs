//! The command line as clap reads it.

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Compose requests out of the services of many independent sites.
#[derive(Debug, Parser)]
#[command(name = "edge", version, about, propagate_version = true, max_term_width = 110)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Simulated sites of the same names instead of the real ones; FILE is a scenario.
    #[arg(long, global = true, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub sim: Option<String>,

    /// The inventory (default: edge.yaml here, else the clouds and contexts that are found).
    #[arg(long, global = true, value_name = "FILE", env = "EDGE_INVENTORY")]
    pub inventory: Option<PathBuf>,

    /// Where the journal of runs is kept (default: edge in the state directory of the user).
    #[arg(long, global = true, value_name = "FOLDER", env = "EDGE_STATE")]
    pub state: Option<PathBuf>,

    /// Colours: always, never, or when the output is a terminal.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,

    /// Say what is sent (twice: and what is decided).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check, plan, approve and execute a program.
    Run(Run),
    /// Show what a program would do.
    Plan(Plan),
    /// Parse and type-check, without any request.
    Check(Check),
    /// Lay out programs in the canonical way.
    Fmt(Fmt),
    /// Write edge.yaml from the clouds and contexts that are found.
    Init(Init),
    /// The sites, their services and versions, and whether they answer.
    Sites(Sites),
    /// The runs of this user, and what is owed.
    Runs(Runs),
    /// What a run did where, what is owed, and why.
    Show(Show),
    /// Go on with a run: do what was left, pay what is owed.
    Resume(Resume),
    /// Take a run back: remove what it made, put back what it changed.
    Undo(Undo),
    /// Serve simulated sites on loopback, for real clients to talk to.
    Sim(Sim),
    /// What a diagnostic code means, and how to mend it.
    Explain(Explain),
    /// The documentation of a service, resource or operation.
    Doc(Doc),
    /// An openstack command line with a scope: `edge openstack server create vm ... --os-scope '{"compute": "Zone1"}'`.
    #[command(disable_help_flag = true)]
    Openstack(Openstack),
    /// The interactive prompt (also without any command).
    Repl,
    /// A completion script for a shell.
    Completions(Completions),
}

/// A program, from a file, from standard input (`-`) or from the command line.
#[derive(Debug, Args, Clone)]
#[group(required = true, multiple = false)]
pub struct Text {
    /// The program; `-` is standard input.
    pub file: Option<PathBuf>,
    /// The program itself.
    #[arg(short = 'e', long = "eval", value_name = "TEXT")]
    pub eval: Option<String>,
}

#[derive(Debug, Args, Clone)]
pub struct Run {
    #[command(flatten)]
    pub text: Text,
    #[command(flatten)]
    pub how: How,
}

#[derive(Debug, Args, Clone, Default)]
pub struct How {
    /// Sets an `input` of the program.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub vars: Vec<String>,
    /// How results are printed.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// Do not ask: do what the plan shows.
    #[arg(short, long)]
    pub yes: bool,
    /// The number of things that will be destroyed, as the plan counts them.
    #[arg(long, value_name = "N")]
    pub destroys: Option<usize>,
    /// Plan only.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    pub text: Text,
    /// Sets an `input` of the program.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub vars: Vec<String>,
    /// `table` is text for people.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

#[derive(Debug, Args)]
pub struct Check {
    /// Programs; `-` is standard input.
    #[arg(required_unless_present = "eval")]
    pub files: Vec<PathBuf>,
    #[arg(short = 'e', long = "eval", value_name = "TEXT")]
    pub eval: Option<String>,
}

#[derive(Debug, Args)]
pub struct Fmt {
    /// Programs; `-` is standard input.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Change nothing; say which files are not laid out so (exit status 1).
    #[arg(long)]
    pub check: bool,
}

#[derive(Debug, Args)]
pub struct Init {
    /// Write over an edge.yaml that is there.
    #[arg(long)]
    pub force: bool,
    /// Write to standard output instead.
    #[arg(long)]
    pub stdout: bool,
}

#[derive(Debug, Args)]
pub struct Sites {
    /// Only these.
    pub names: Vec<String>,
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

#[derive(Debug, Args)]
pub struct Runs {
    /// Also those that are done and owe nothing.
    #[arg(short, long)]
    pub all: bool,
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

#[derive(Debug, Args)]
pub struct Show {
    /// Its name, the beginning of it, or `last`.
    pub run: String,
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

#[derive(Debug, Args)]
pub struct Resume {
    /// Its name, the beginning of it, or `last`.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub run: Option<String>,
    /// Every run that is not at its end.
    #[arg(long)]
    pub all: bool,
    /// Stay, and pay as sites come back.
    #[arg(long)]
    pub watch: bool,
    /// A secret input of the program: the journal keeps none.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub vars: Vec<String>,
    /// Give up what is owed there; what may be left is yours to look after.
    #[arg(long, value_name = "SITE/OPERATION", requires = "reason", conflicts_with = "all")]
    pub waive: Vec<String>,
    /// Why it is given up; kept in the journal.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Do not ask: do what the plan of the run showed.
    #[arg(short, long)]
    pub yes: bool,
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

#[derive(Debug, Args)]
pub struct Undo {
    /// Its name, the beginning of it, or `last`.
    pub run: String,
    /// A secret input of the program: the journal keeps none.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub vars: Vec<String>,
    /// Do not ask.
    #[arg(short, long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Sim {
    /// A scenario: sites, what is in them, faults.
    pub scenario: Option<PathBuf>,
    /// The first site's port; the others follow. 0: any free ports.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Where to write a clouds.yaml that reaches the sites.
    #[arg(long, value_name = "FILE")]
    pub clouds: Option<PathBuf>,
    /// Where to write a kubeconfig that reaches the Kubernetes sites.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Explain {
    /// A code such as E0201; without one, all codes are listed.
    pub code: Option<String>,
}

#[derive(Debug, Args)]
pub struct Doc {
    /// `server`, `server.create`, `compute`; without one, the services are listed.
    pub name: Option<String>,
    /// Also what this file describes.
    #[arg(short, long)]
    pub file: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Openstack {
    /// As the openstack client takes them, with `--os-scope JSON` or `--scope JSON`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Completions {
    pub shell: clap_complete::Shell,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    #[default]
    Table,
    Json,
    Yaml,
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    /// For everything that the process prints. `auto` follows NO_COLOR, CLICOLOR and the terminal.
    pub fn apply(self) {
        let choice = match self {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

pub fn completions(arguments: Completions) -> super::Status {
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "edge", &mut std::io::stdout());
    super::Status::Done
}
