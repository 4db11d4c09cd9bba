//! The program as people run it: real processes, real sockets, and `kill -9`.

mod demo;
mod during_a_call;
mod far_ahead;
mod forgotten;
mod killed;
mod rotated;
mod single_flight;
mod two_processes;
pub mod world;
