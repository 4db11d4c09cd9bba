//! What needs no other side: mapping, the matrix of refusals, push headers.

mod errors;
mod mapping;
mod push;
