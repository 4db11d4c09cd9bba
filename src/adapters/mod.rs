//! Floor 3: one folder per external system. Adapters never use services or each other.

pub mod archive;
pub mod eventstoredb;
pub mod files;
pub mod google;
pub mod memory;
pub mod nats;
pub mod postgres;
pub mod sandbox;
pub mod shared;
pub mod sqlite;
pub mod system;
pub mod uschedule;
