//! The feed and the queue, against the real server.

mod feed;
mod loss;
mod server;
mod world;
