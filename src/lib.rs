pub mod config;
pub mod drivers;
pub mod sim;
pub mod transport;
