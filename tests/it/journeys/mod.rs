//! The program as people run it: real processes, real sockets, and `kill -9`.

mod demo;
mod forgotten;
mod killed;
mod single_flight;
mod two_processes;
pub mod world;
