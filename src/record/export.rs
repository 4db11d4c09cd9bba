//! An exported ledger's first and last line. Between them stand leaves, one a line, byte for byte.
//!
//! `docs/operating/export-format.md` is the format for others.

use serde::{Deserialize, Serialize};

use super::{
    checkpoint::{read_hash, write_hash},
    merkle::Frontier,
    note::VerifierKey,
};

/// The format's number.
const FORMAT: u32 = 1;

/// The longest first or last line, in bytes.
pub const EDGE_BYTES_MAX: usize = 1024 * 1024;

/// The first line: what follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The format: 1.
    syncledger_export: u32,
    /// Which ledger, as in its checkpoints.
    pub origin: String,
    /// The first position.
    pub from: u64,
    /// The position after the last.
    pub to: u64,
    /// The roots of the perfect subtrees that cover what is before `from`, the largest first, in base64.
    frontier: Vec<String>,
    /// The public keys that the ledger knows.
    keys: Vec<String>,
}

/// The last line: what vouches for all before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trailer {
    /// A signed checkpoint over exactly `to` events.
    pub checkpoint: String,
    /// The public key that signed it.
    pub key: String,
}

impl Header {
    /// The header of an export that begins where `before` ends.
    pub fn new(origin: String, before: &Frontier, to: u64, keys: &[VerifierKey]) -> Self {
        Self {
            syncledger_export: FORMAT,
            origin,
            from: before.size(),
            to,
            frontier: before.nodes().iter().map(write_hash).collect(),
            keys: keys.iter().map(ToString::to_string).collect(),
        }
    }

    /// Reads a first line.
    ///
    /// # Errors
    /// In words.
    pub fn read(line: &[u8]) -> Result<Self, String> {
        let header: Self = serde_json::from_slice(line).map_err(|e| format!("this is no export of a ledger: {e}"))?;
        if header.syncledger_export != FORMAT {
            let found = header.syncledger_export;
            return Err(format!("it is in format {found}; this program knows format {FORMAT}: update the program"));
        }
        if header.from > header.to || header.before().is_none() {
            return Err("its first line contradicts itself".to_owned());
        }
        Ok(header)
    }

    /// The tree before the first event.
    pub fn before(&self) -> Option<Frontier> {
        let nodes = self.frontier.iter().map(|node| read_hash(node)).collect::<Option<Vec<_>>>()?;
        Frontier::from_parts(self.from, nodes)
    }

    /// The public keys that the ledger knew.
    ///
    /// # Errors
    /// In words, where one is none.
    pub fn keys(&self) -> Result<Vec<VerifierKey>, String> {
        self.keys.iter().map(|key| key.parse().map_err(|e| format!("a key in its first line: {e}"))).collect()
    }
}

impl Trailer {
    /// Reads a last line.
    ///
    /// # Errors
    /// In words.
    pub fn read(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|e| format!("the checkpoint that should end the file cannot be read: {e}"))
    }
}
