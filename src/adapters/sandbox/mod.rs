//! In-process models of providers with faults: for the demo, the tests and the simulation.
//!
//! Two layers. The *models* (`google`, `uschedule`) are pure: no clock, no randomness, no I/O; one request and the time in,
//! one [`model::Outcome`] out. Around them are [`wire::DirectTransport`], a transport that calls models in process, and
//! [`server`], which serves one on a real local socket. Faults and the call log are the same for every model.

pub mod call_log;
pub mod faults;
pub mod google;
pub mod model;
pub mod outbox;
pub mod server;
pub mod target;
pub mod uschedule;
pub mod wire;

mod socket;
