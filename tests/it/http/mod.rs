//! The service over HTTP: who may do what, what is answered, and what nobody may break.

mod access;
mod audit;
mod bookings;
mod documents;
mod hooks;
mod lists;
mod problems;
mod sockets;
mod states;
mod world;
