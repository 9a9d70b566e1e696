pub mod cli;
pub mod config;
pub mod drivers;
pub mod repl;
pub mod run;
pub mod sim;
pub mod stdlib;
pub mod transport;
