//! The machine itself: the only folder that reads the clock, randomness or the environment.

pub mod clock;
pub mod http;
pub mod master_key;

pub use clock::SystemClock;
pub use http::HttpTransport;
