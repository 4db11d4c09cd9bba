//! The gateway, met by clients that nobody here wrote.

mod appends;
mod batches;
mod hostile;
mod pitfalls;
mod python;
mod reads;
mod security;
mod subscriptions;
mod world;
