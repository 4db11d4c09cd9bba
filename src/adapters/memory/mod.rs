//! All ports in memory: the reference for the other backends, and the environment of the simulation.
//!
//! Deterministic, and without a runtime except where a caller waits for events.

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
