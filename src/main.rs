use std::process::ExitCode;

fn main() -> ExitCode {
    edge::cli::main()
}
