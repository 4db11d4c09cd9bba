//! What operators ask for and do: answers to approvals, repetitions, health, checks of the set-up, profiles, tokens.

pub mod answer;
pub mod doctor;
pub mod health;
pub mod publish_profiles;
pub mod reprocess;
pub mod resync;
pub mod tokens;
