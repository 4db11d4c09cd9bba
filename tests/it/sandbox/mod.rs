//! The sandbox over real sockets: Google's own client, lost answers, notifications, control calls.

mod direct;
mod google_client;
mod request_checker;
mod servers;
pub mod support;
