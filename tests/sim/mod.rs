//! The simulated sites, through the transport door: what a driver sees of them, under virtual time.

mod client;
mod compute;
mod fault;
mod identity;
mod image;
mod network;
mod scenario;
mod served;
