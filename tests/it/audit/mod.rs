//! The audit trail: whatever is changed is found, proofs hold with others' tools, and ledgers travel whole.

mod disk;
mod exports;
pub mod given;
mod postgres;
mod program;
mod proofs;
mod seals;
mod tampered;
mod tree;
