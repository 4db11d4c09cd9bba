//! Checkpoints: how many events there are and the root over them, as C2SP tlog-checkpoint says, in a signed note.

use std::fmt;

use data_encoding::BASE64;

use super::{
    merkle::Hash,
    note::{Note, ParseError, SignatureError, SigningKey, VerifierKey, read_base64},
};

/// What a ledger was at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which ledger: see [`origin`].
    pub origin: String,
    /// How many events are covered: positions below it.
    pub size: u64,
    /// The root over their leaves.
    pub root: Hash,
    /// Further lines; ours have none.
    pub extensions: Vec<String>,
}

/// The name of a workspace's ledger, in checkpoints and in its keys.
pub fn origin(workspace: &str) -> String {
    format!("syncledger/{workspace}")
}

/// Why a text is no checkpoint to be relied on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It cannot be read.
    #[error("it is no checkpoint: {0}")]
    Malformed(#[from] ParseError),
    /// Nobody known vouches for it.
    #[error(transparent)]
    Unsigned(#[from] SignatureError),
    /// It is another ledger's.
    #[error("it is a checkpoint of {found}, not of {wanted}")]
    OtherOrigin {
        /// Whose it is.
        found: String,
        /// Whose was wanted.
        wanted: String,
    },
}

impl Checkpoint {
    /// The checkpoint of that ledger.
    pub fn new(origin: impl Into<String>, size: u64, root: Hash) -> Self {
        Self { origin: origin.into(), size, root, extensions: Vec::new() }
    }

    /// Reads the text of a note.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let lines = text.strip_suffix('\n').ok_or(ParseError("a checkpoint ends with a line end"))?;
        let mut lines = lines.split('\n');
        let mut next = || lines.next().filter(|line| !line.is_empty());
        let origin = next().ok_or(ParseError("a checkpoint begins with its origin"))?.to_owned();
        let size = next().ok_or(ParseError("a checkpoint's second line is a number"))?;
        let plain = size.bytes().all(|b| b.is_ascii_digit()) && (size == "0" || !size.starts_with('0'));
        let size = size.parse().ok().filter(|_| plain).ok_or(ParseError("a checkpoint's second line is a number"))?;
        let root = next().and_then(read_hash).ok_or(ParseError("a checkpoint's third line is a root in base64"))?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if extensions.iter().any(String::is_empty) {
            return Err(ParseError("a checkpoint has no empty lines"));
        }
        Ok(Self { origin, size, root, extensions })
    }

    /// Reads a signed note that one of `known` has signed for `origin`.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn signed(note: &str, origin: &str, known: &[VerifierKey]) -> Result<Self, CheckpointError> {
        let note = Note::parse(note)?;
        let checkpoint = Self::parse(note.text())?;
        if checkpoint.origin != origin {
            return Err(CheckpointError::OtherOrigin { found: checkpoint.origin, wanted: origin.to_owned() });
        }
        note.signer(known)?;
        Ok(checkpoint)
    }

    /// The signed note.
    ///
    /// # Errors
    /// As [`SigningKey::sign`].
    pub fn sign(&self, key: &SigningKey) -> Result<String, ParseError> {
        Ok(key.sign(&self.to_string())?.to_string())
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, write_hash(&self.root))?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A hash as checkpoints and proofs write it: base64.
pub fn write_hash(hash: &Hash) -> String {
    BASE64.encode(hash)
}

/// The hash that [`write_hash`] wrote.
pub fn read_hash(text: &str) -> Option<Hash> {
    read_base64(text)?.try_into().ok()
}
