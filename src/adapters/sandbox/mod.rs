//! Model providers with faults, in process: for the demo, the tests and the simulation.
//!
//! Two layers. The *models* (`google`, `uschedule`) are pure: no clock, no chance, no I/O; one request and the time in,
//! one [`model::Outcome`] out. Around them stand [`wire::DirectTransport`], a transport that calls models in process, and
//! [`server`], which puts one behind a real socket on loopback. Faults and the call log are the same for every model.

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
