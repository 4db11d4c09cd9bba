//! A signing key as it is stored: its seed wrapped under the master key.

use data_encoding::HEXLOWER;
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    checkpoint::origin,
    note::{ParseError, SigningKey},
    wrap::{MasterKey, Place},
};

/// A signing key at rest. Only the public half can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedSigningKey {
    /// The public key: 32 bytes.
    pub public: Vec<u8>,
    /// 24 bytes.
    pub nonce: Vec<u8>,
    /// The seed, encrypted.
    pub wrapped: Vec<u8>,
}

impl WrappedSigningKey {
    /// A new key of that workspace, from a source of random bytes.
    ///
    /// # Errors
    /// [`ParseError`] where the workspace's name cannot be a key's.
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

    /// The key; `None` under another master key, or after damage.
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
