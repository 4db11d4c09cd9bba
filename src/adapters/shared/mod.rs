//! Code shared by adapters of remote systems. Names none of them.

pub mod pause;
pub mod percent;
pub mod retry_after;
