//! The feed and the queue, against the real server.

mod access;
mod commands;
mod document;
mod feed;
mod journey;
mod loss;
mod server;
mod world;
