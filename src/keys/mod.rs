//! What every store of keys does alike, whichever database keeps them. Adapters call it; the ports are `ports/vault.rs`,
//! `ports/signing_keys.rs`, `ports/rotation.rs` and `ports/masters.rs`.

pub mod keyring;
