//! Floor 2: what the shell needs from the world, as traits with their failures. No vendor is named here.

pub mod append;
pub mod checkpoints;
pub mod clock;
pub mod commands;
pub mod event_store;
pub mod grouping;
pub mod kept_checkpoints;
pub mod lines;
pub mod projection_store;
pub mod provider;
pub mod publisher;
pub mod questions;
pub mod read_models;
pub mod restore;
pub mod signing_keys;
pub mod source;
pub mod tokens;
pub mod transport;
pub mod upkeep;
pub mod vault;
pub mod webhooks;
pub mod writer_state;
