//! First and last line of an exported ledger. Between them are leaves, one per line, byte for byte.
//!
//! `docs/operating/export-format.md` documents the format.

use serde::{Deserialize, Serialize};

use super::{
    checkpoint::{read_hash, write_hash},
    merkle::Frontier,
    note::VerifierKey,
};

/// Format version.
const FORMAT: u32 = 1;

/// Maximum length of the first and last line, in bytes.
pub const EDGE_BYTES_MAX: usize = 1024 * 1024;

/// The first line, which describes the export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Format version: 1.
    syncledger_export: u32,
    /// Origin of the ledger's checkpoints.
    pub origin: String,
    /// First position.
    pub from: u64,
    /// Position after the last one.
    pub to: u64,
    /// Roots of the perfect subtrees before `from`, the largest first, in base64.
    frontier: Vec<String>,
    /// Public keys of the ledger.
    keys: Vec<String>,
}

/// The last line, which signs everything before it.
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

    /// Parses a first line.
    ///
    /// # Errors
    /// A message.
    pub fn read(line: &[u8]) -> Result<Self, String> {
        let header: Self = serde_json::from_slice(line).map_err(|e| format!("this is not an exported ledger: {e}"))?;
        if header.syncledger_export != FORMAT {
            let found = header.syncledger_export;
            return Err(format!(
                "the format is {found}, but this program supports format {FORMAT}: update the program"
            ));
        }
        if header.from > header.to || header.before().is_none() {
            return Err("the first line contradicts itself".to_owned());
        }
        Ok(header)
    }

    /// The tree before the first event.
    pub fn before(&self) -> Option<Frontier> {
        let nodes = self.frontier.iter().map(|node| read_hash(node)).collect::<Option<Vec<_>>>()?;
        Frontier::from_parts(self.from, nodes)
    }

    /// The public keys of the ledger.
    ///
    /// # Errors
    /// A message, if one is invalid.
    pub fn keys(&self) -> Result<Vec<VerifierKey>, String> {
        self.keys.iter().map(|key| key.parse().map_err(|e| format!("a key in the first line: {e}"))).collect()
    }
}

impl Trailer {
    /// Parses a last line.
    ///
    /// # Errors
    /// A message.
    pub fn read(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|e| format!("the checkpoint in the last line cannot be read: {e}"))
    }
}
