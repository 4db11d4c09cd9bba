//! Stored secrets: encrypted with the master key and bound to their table, row and column, so that a secret copied to
//! another row or another ledger cannot be decrypted.

use std::fmt;

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

/// The ledger's master key, 256 bits. Not printed by `Debug`, wiped when dropped.
#[derive(Clone)]
pub struct MasterKey {
    id: String,
    bytes: Zeroizing<[u8; 32]>,
}

impl MasterKey {
    /// From the key's bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"syncledger master key id\0");
        hash.update(bytes);
        let digest: [u8; 32] = hash.finalize().into();
        Self { id: HEXLOWER.encode(&digest[..8]), bytes: Zeroizing::new(bytes) }
    }

    /// Its public name: 16 hex digits of a hash, stored next to what it encrypts.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The bytes, to be written to the key file and nowhere else.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Encrypts `secret` for `place`. `nonce` is 192 new random bits.
    pub fn wrap(&self, place: &Place<'_>, secret: &[u8], nonce: &[u8; 24]) -> Vec<u8> {
        self.cipher()
            .encrypt(&XNonce::from(*nonce), Payload { msg: secret, aad: &place.bytes() })
            .expect("a secret is far shorter than the 256 GiB this cipher takes")
    }

    /// Decrypts a secret for the same place; `None` with another key, for another place, or if damaged.
    pub fn unwrap(&self, place: &Place<'_>, wrapped: &[u8], nonce: &[u8; 24]) -> Option<Zeroizing<Vec<u8>>> {
        let payload = Payload { msg: wrapped, aad: &place.bytes() };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        let mut key = (*self.bytes).into();
        let cipher = XChaCha20Poly1305::new(&key);
        key.zeroize();
        cipher
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

/// Where a secret is stored: the associated data of its encryption.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The ledger's workspace.
    pub workspace: &'a str,
    /// `subject_keys`.
    pub table: &'a str,
    /// The row's key.
    pub row: &'a str,
    /// `wrapped`.
    pub column: &'a str,
    /// The id of the secret itself, or of the master key if it has none.
    pub key: &'a str,
}

impl Place<'_> {
    /// The parts, each with its length in front: no two places give the same bytes.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in [self.workspace, self.table, self.row, self.column, self.key] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

/// A new key for a subject and its id, from a source of random bytes.
pub fn new_subject_key(fill: impl Fn(&mut [u8])) -> (String, Zeroizing<[u8; 32]>) {
    let mut id = [0; 16];
    let mut bytes = Zeroizing::new([0; 32]);
    fill(&mut id);
    fill(bytes.as_mut());
    (HEXLOWER.encode(&id), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place { workspace: "loft", table: "t", row: "r", column: "c", key: "k" };

    #[test]
    fn a_wrapped_secret_opens_only_under_its_key_at_its_place() {
        let (key, other) = (MasterKey::new([7; 32]), MasterKey::new([8; 32]));
        let wrapped = key.wrap(&PLACE, b"secret", &[9; 24]);
        assert_eq!(key.unwrap(&PLACE, &wrapped, &[9; 24]).expect("it opens").as_slice(), b"secret");
        assert!(other.unwrap(&PLACE, &wrapped, &[9; 24]).is_none());
        assert!(key.unwrap(&PLACE, &wrapped, &[1; 24]).is_none());
        for place in [
            Place { workspace: "attic", ..PLACE },
            Place { table: "u", ..PLACE },
            Place { row: "s", ..PLACE },
            Place { column: "d", ..PLACE },
            Place { key: "l", ..PLACE },
            Place { table: "tr", row: "", ..PLACE },
        ] {
            assert!(key.unwrap(&place, &wrapped, &[9; 24]).is_none(), "{place:?}");
        }
        let mut damaged = wrapped.clone();
        damaged[0] ^= 1;
        assert!(key.unwrap(&PLACE, &damaged, &[9; 24]).is_none());
    }

    #[test]
    fn keys_are_named_not_printed() {
        let key = MasterKey::new([0xab; 32]);
        let printed = format!("{key:?}");
        assert!(!printed.contains("abab") && printed.contains(key.id()));
        assert_ne!(key.id(), MasterKey::new([0xac; 32]).id());
    }
}
