//! Floor 3: the imperative shell: load, ask the core, store, call. One verb per file.

pub mod answer;
pub mod approve;
pub mod authorise;
pub mod calendars;
pub mod diff;
pub mod doctor;
pub mod error;
pub mod execute;
pub mod gate;
pub mod health;
pub mod import;
pub mod intake;
pub mod journal;
pub mod listen;
pub mod lists;
mod log;
pub mod poll;
pub mod project;
pub mod publish_profiles;
pub mod pull;
pub mod react;
pub mod reader;
pub mod rebuild;
pub mod reconcile;
pub mod relay;
pub mod reprocess;
pub mod resync;
pub mod routing;
pub mod run;
pub mod story;
pub mod tokens;
pub mod watch;
pub mod worklist;

pub use error::Error;
