//! Bookings as clients ask for them, over HTTP or as messages: what they may write, what is wrong with it, and what they
//! are answered.

pub mod ask;
pub mod execute;
pub mod import;
pub mod keys;
pub mod read;
pub mod request;
pub mod view;

pub use ask::{Asked, Asker, Done, NotDone, ask};
pub use keys::Keys;

pub use super::access::API_SOURCE;

/// The largest body of a request, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// The longest key of a request, in bytes.
pub const KEY_BYTES_MAX: usize = 255;
