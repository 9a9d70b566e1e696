pub mod config;
pub mod drivers;
pub mod sim;
pub mod stdlib;
pub mod transport;
