//! The machine: the only folder that reads the clock, randomness or the environment.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the only folder that may ask the machine")]

pub mod checkpoint_folder;
pub mod clock;
pub mod env;
pub mod http;
pub mod key_file;
pub mod master_key;

pub use checkpoint_folder::CheckpointFolder;
pub use clock::SystemClock;
pub use http::HttpTransport;
pub use key_file::KeyFile;
