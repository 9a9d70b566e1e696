pub mod config;
pub mod drivers;
pub mod transport;
