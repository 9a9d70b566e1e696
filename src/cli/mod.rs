//! The command line: one file per command, thin. Exit status: 0 done, 1 a statement failed, 2 the program or the command
//! line is wrong, 3 something is owed.

pub(crate) mod arguments;
mod check;
mod consent;
pub(crate) mod doc;
pub(crate) mod draw;
pub(crate) mod entered;
pub(crate) mod explain;
mod fmt;
mod init;
pub(crate) mod keeping;
pub(crate) mod load;
mod openstack;
pub(crate) mod output;
mod plan;
pub(crate) mod progress;
pub(crate) mod recorded;
mod report;
mod resume;
pub mod run;
pub(crate) mod sessions;
pub(crate) mod show;
mod sim;
pub(crate) mod sites;
mod stage;
pub(crate) mod summary;
mod undo;

use arguments::{Arguments, Command};
use clap::Parser;
use std::process::ExitCode;

pub use doc::text as documentation;
pub use load::{Loaded, Text, Trouble, Workplace};

/// What a command ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Done,
    Failed,
    Wrong,
    Owed,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> ExitCode {
        ExitCode::from(match status {
            Status::Done => 0,
            Status::Failed => 1,
            Status::Wrong => 2,
            Status::Owed => 3,
        })
    }
}

pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // `--help` and `--version` come this way too, and are no mistake.
            let status = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            return ExitCode::from(status);
        }
    };
    arguments.color.apply();
    crate::transport::network::install_tls();
    log(arguments.verbose);
    dispatch(arguments).into()
}

fn dispatch(arguments: Arguments) -> Status {
    let workplace = Workplace::from_process(&arguments);
    match arguments.command {
        None | Some(Command::Repl) => crate::repl::main(workplace),
        Some(Command::Run(a)) => run::run(workplace, a),
        Some(Command::Plan(a)) => plan::plan(workplace, a),
        Some(Command::Check(a)) => check::check(workplace, a),
        Some(Command::Fmt(a)) => fmt::fmt(a),
        Some(Command::Init(a)) => init::init(workplace, a),
        Some(Command::Sites(a)) => sites::sites(workplace, a),
        Some(Command::Runs(a)) => show::runs(&workplace, a),
        Some(Command::Show(a)) => show::show(workplace, a),
        Some(Command::Resume(a)) => resume::resume(workplace, a),
        Some(Command::Undo(a)) => undo::undo(workplace, a),
        Some(Command::Sim(a)) => sim::sim(workplace, a),
        Some(Command::Explain(a)) => explain::explain(a),
        Some(Command::Doc(a)) => doc::doc(&workplace, a),
        Some(Command::Openstack(a)) => openstack::openstack(workplace, a),
        Some(Command::Completions(a)) => arguments::completions(a),
    }
}

/// `-v` shows what is sent; bodies and headers are never logged, so no secret is.
fn log(verbose: u8) {
    use tracing_subscriber::EnvFilter;
    let level = match verbose {
        0 => "off",
        1 => "edge=info",
        2 => "edge=debug",
        _ => "edge=trace",
    };
    let filter = EnvFilter::try_from_env("EDGE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().try_init();
}
