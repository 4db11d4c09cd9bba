//! Read models: what facts become in tables, and that every store keeps them alike.

mod choices;
mod forgotten;
mod laws;
mod rebuild;
mod story;
mod world;
