//! A signing key as stored: its seed is encrypted with the master key.

use data_encoding::HEXLOWER;
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    checkpoint::origin,
    note::{ParseError, SigningKey},
    wrap::{MasterKey, Place},
};

/// A stored signing key. Only the public half is readable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedSigningKey {
    /// The public key: 32 bytes.
    pub public: Vec<u8>,
    /// Nonce, 24 bytes.
    pub nonce: Vec<u8>,
    /// The encrypted seed.
    pub wrapped: Vec<u8>,
}

impl WrappedSigningKey {
    /// Creates a key for a workspace, from a source of random bytes.
    ///
    /// # Errors
    /// [`ParseError`] if the workspace's name is not valid in a key's name.
    pub fn make(master: &MasterKey, workspace: &str, fill: impl Fn(&mut [u8])) -> Result<Self, ParseError> {
        let mut seed = Zeroizing::new([0; 32]);
        fill(seed.as_mut());
        let mut nonce = [0; 24];
        fill(&mut nonce);
        let key = SigningKey::new(&origin(workspace), *seed)?;
        let public = key.verifier().public();
        let wrapped = master.wrap(&place(workspace, &HEXLOWER.encode(public)), key.seed(), &nonce);
        Ok(Self { public: public.to_vec(), nonce: nonce.to_vec(), wrapped })
    }

    /// Decrypts the key; `None` with another master key, or if damaged.
    pub fn open(&self, master: &MasterKey, workspace: &str) -> Option<SigningKey> {
        let nonce = self.nonce.as_slice().try_into().ok()?;
        let opened = master.unwrap(&place(workspace, &HEXLOWER.encode(&self.public)), &self.wrapped, nonce)?;
        let mut seed: [u8; 32] = opened.as_slice().try_into().ok()?;
        let key = SigningKey::new(&origin(workspace), seed).ok();
        seed.zeroize();
        key.filter(|key| key.verifier().public().as_slice() == self.public)
    }
}

fn place<'a>(workspace: &'a str, public: &'a str) -> Place<'a> {
    Place { workspace, table: "signing_keys", row: public, column: "wrapped", key: public }
}
