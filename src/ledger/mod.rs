//! What every ledger does alike, whichever database keeps it: how an append is checked and judged, how appends are grouped
//! into one commit, how events are restored, and which version of the program may use a ledger. Adapters call it; the port is `ports/event_store.rs`.

pub mod append;
pub mod grouping;
pub mod required_version;
pub mod restore;
pub mod writer_state;
