//! Everything in memory: the reference the other backends are held against, and the simulation's world.
//!
//! Deterministic, and free of any runtime except where a caller waits for events.

pub mod checkpoints;
pub mod clock;
pub mod event_store;
pub mod kept_checkpoints;
pub mod projections;
mod read_models;
pub mod signing_keys;
mod tables;
pub mod tokens;
pub mod vault;

pub use checkpoints::MemoryCheckpoints;
pub use clock::VirtualClock;
pub use event_store::MemoryLedger;
pub use kept_checkpoints::MemoryCheckpointsKept;
pub use projections::MemoryProjections;
pub use signing_keys::MemorySigningKeys;
pub use tokens::MemoryTokens;
pub use vault::MemoryVault;
