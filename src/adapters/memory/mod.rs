//! Everything in memory: the reference the other backends are held against, and the simulation's world.
//!
//! Deterministic, and free of any runtime except where a caller waits for events.

pub mod checkpoint_archive;
pub mod checkpoints;
pub mod clock;
pub mod event_store;
pub mod projections;
mod read_models;
pub mod signing_keys;
mod tables;
pub mod tokens;
pub mod vault;

pub use checkpoint_archive::MemoryCheckpointArchive;
pub use checkpoints::MemoryCheckpoints;
pub use clock::VirtualClock;
pub use event_store::MemoryLedger;
pub use projections::MemoryProjections;
pub use signing_keys::MemorySigningKeys;
pub use tokens::MemoryTokens;
pub use vault::MemoryVault;
