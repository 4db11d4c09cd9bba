//! Every test that needs more than one file, in one binary.

mod conformance;
mod guards;
mod imports;
mod projections;
mod providers;
mod reconcile;
mod sandbox;
