//! What adapters of remote systems share. It names none of them.

pub mod pause;
pub mod percent;
pub mod retry_after;
