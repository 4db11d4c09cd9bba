//! Compiles the wire contract of the gateway.

fn main() {}
