//! Checkpoints: number of events and root hash, in the format of C2SP tlog-checkpoint, as a signed note.

use std::fmt;

use data_encoding::BASE64;

use super::{
    merkle::Hash,
    note::{Note, ParseError, SignatureError, SigningKey, VerifierKey, read_base64},
};

/// State of a ledger at some size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Identifies the ledger: see [`origin`].
    pub origin: String,
    /// Number of events covered: all positions below it.
    pub size: u64,
    /// Root hash over their leaves.
    pub root: Hash,
    /// Extension lines; ours have none.
    pub extensions: Vec<String>,
}

/// Origin line of a workspace's ledger, also the name of its keys.
pub fn origin(workspace: &str) -> String {
    format!("syncledger/{workspace}")
}

/// Why a checkpoint cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It cannot be parsed.
    #[error("not a checkpoint: {0}")]
    Malformed(#[from] ParseError),
    /// No known key signed it.
    #[error(transparent)]
    Unsigned(#[from] SignatureError),
    /// It belongs to another ledger.
    #[error("it is a checkpoint of {found}, not of {wanted}")]
    OtherOrigin {
        /// Its origin.
        found: String,
        /// The expected origin.
        wanted: String,
    },
}

impl Checkpoint {
    /// A checkpoint without extension lines.
    pub fn new(origin: impl Into<String>, size: u64, root: Hash) -> Self {
        Self { origin: origin.into(), size, root, extensions: Vec::new() }
    }

    /// Parses the text of a note.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let lines = text.strip_suffix('\n').ok_or(ParseError("a checkpoint must end with a line break"))?;
        let mut lines = lines.split('\n');
        let mut next = || lines.next().filter(|line| !line.is_empty());
        let origin = next().ok_or(ParseError("a checkpoint must begin with its origin"))?.to_owned();
        let size = next().ok_or(ParseError("a checkpoint's second line must be a number"))?;
        let plain = size.bytes().all(|b| b.is_ascii_digit()) && (size == "0" || !size.starts_with('0'));
        let size =
            size.parse().ok().filter(|_| plain).ok_or(ParseError("a checkpoint's second line must be a number"))?;
        let root =
            next().and_then(read_hash).ok_or(ParseError("a checkpoint's third line must be a root hash in base64"))?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if extensions.iter().any(String::is_empty) {
            return Err(ParseError("a checkpoint must not contain empty lines"));
        }
        Ok(Self { origin, size, root, extensions })
    }

    /// Parses a note signed by one of `known` for `origin`.
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

/// A hash in base64, as in checkpoints and proofs.
pub fn write_hash(hash: &Hash) -> String {
    BASE64.encode(hash)
}

/// Parses a hash written by [`write_hash`].
pub fn read_hash(text: &str) -> Option<Hash> {
    read_base64(text)?.try_into().ok()
}
