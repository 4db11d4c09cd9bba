//! Bookings as clients ask for them, over HTTP or as messages: what they may write, what is wrong with it, and what they
//! are answered.

pub mod bodies;
pub mod execute;
pub mod handle;
pub mod import;
pub mod keys;
pub mod read;
pub mod view;

pub use handle::{BookingRequest, RequestFailure, RequestOutcome, Requester, handle};
pub use keys::RequestKeys;

pub use super::access::API_SOURCE;

/// The largest body of a request, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// The longest key of a request, in bytes.
pub const KEY_BYTES_MAX: usize = 255;
