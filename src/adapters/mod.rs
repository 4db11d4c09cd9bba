//! Floor 3: one folder per outside thing. Adapters never see services or each other.

pub mod files;
pub mod sandbox;
