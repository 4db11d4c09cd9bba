//! Every test that needs more than one file, in one binary.

mod conformance;
mod imports;
mod projections;
mod reconcile;
mod sandbox;
mod simulation;
