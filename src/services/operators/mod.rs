//! What operators ask for: answers to approvals, retries, health, checks, profiles, tokens.

pub mod answer;
pub mod doctor;
pub mod health;
pub mod publish_profiles;
pub mod reprocess;
pub mod resync;
pub mod tokens;
