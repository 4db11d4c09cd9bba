//! Logic shared by all key stores, whatever the database: which master key encrypts what, how long a decrypted key is
//! cached, and how the master key is rotated. Adapters provide the statements; the ports are
//! `ports/vault.rs`, `ports/signing_keys.rs`, `ports/rotation.rs` and `ports/master_keys.rs`.

mod cache;
pub mod keyring;
mod rotation;
pub mod signing;
pub mod tables;
pub mod vault;
pub mod wrapped;
