//! Every test that needs more than one file, in one binary.
#![expect(clippy::disallowed_methods, reason = "tests stand outside the program: they meet the machine themselves")]

mod conformance;
mod guards;
mod imports;
mod journeys;
mod projections;
mod providers;
mod reconcile;
mod sandbox;
