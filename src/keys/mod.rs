//! What every store of keys does alike, whichever database keeps them: what is wrapped under which master key, how long a
//! key is kept unwrapped, and how the master key is changed. Adapters bring the statements; the ports are
//! `ports/vault.rs`, `ports/signing_keys.rs`, `ports/rotation.rs` and `ports/master_keys.rs`.

mod cache;
pub mod keyring;
mod rotation;
pub mod signing;
pub mod tables;
pub mod vault;
pub mod wrapped;
