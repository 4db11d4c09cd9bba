//! Floor 2: what the shell needs from the outside, as traits and their failures. Names no vendor.

pub mod checkpoint_archive;
pub mod checkpoints;
pub mod clock;
pub mod commands;
pub mod deliveries;
pub mod event_store;
pub mod lines;
pub mod master_keys;
pub mod notifications;
pub mod projection_store;
pub mod provider;
pub mod publisher;
pub mod rotation;
pub mod signing_keys;
pub mod source;
pub mod tokens;
pub mod transport;
pub mod upkeep;
pub mod vault;
pub mod webhooks;
