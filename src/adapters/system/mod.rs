//! The machine itself: the only folder that reads the clock, randomness or the environment.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "what others may not ask the machine is asked here"
)]

pub mod checkpoint_folder;
pub mod clock;
pub mod env;
pub mod http;
pub mod master_key;

pub use checkpoint_folder::CheckpointFolder;
pub use clock::SystemClock;
pub use http::HttpTransport;
