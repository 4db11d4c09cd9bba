//! Every test that needs more than one file, in one binary.
#![expect(clippy::disallowed_methods, reason = "tests stand outside the program: they meet the machine themselves")]
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "the numbers in tests are small"
)]

mod audit;
mod cli;
mod conformance;
mod gateway;
mod guards;
mod histories;
mod http;
mod imports;
mod journeys;
mod ledgers;
mod nats;
mod projections;
mod providers;
mod reconcile;
mod sandbox;
mod simulation;
mod support;
