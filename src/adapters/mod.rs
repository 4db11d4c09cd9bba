//! Floor 3: one folder per outside thing. Adapters never see services or each other.

pub mod files;
pub mod google;
pub mod memory;
pub mod nats;
pub mod sandbox;
pub mod sqlite;
pub mod system;
pub mod uschedule;
