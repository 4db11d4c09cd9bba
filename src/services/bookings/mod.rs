//! Bookings for clients, over HTTP or NATS: the format of requests, their validation, and responses.
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

/// Maximum size of a request body, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Maximum length of an idempotency key, in bytes.
pub const KEY_BYTES_MAX: usize = 255;
