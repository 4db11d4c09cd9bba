//! What every ledger does alike, whichever database keeps it: how an append is checked and judged, how appends are grouped
//! into one commit, and how events are restored. Adapters call it; the port is `ports/event_store.rs`.

pub mod append;
pub mod grouping;
pub mod restore;
pub mod writer_state;
