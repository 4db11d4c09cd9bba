//! Exported ledgers as files: lines in zstd frames with checksums, and a hash of the whole file at its end.
//!
//! `docs/operating/export-format.md` documents the format; `src/record/export.rs` and `src/record/leaf.rs` define the lines.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::lines;
pub use write::{Archive, begin};

/// Start of the last frame: a skippable zstd frame, which other tools ignore.
const END_MAGIC: [u8; 4] = 0x184D_2A5E_u32.to_le_bytes();

/// Length of that frame: magic number, length, SHA-256 of everything before it.
const END_BYTES: u64 = 40;

/// Maximum window of a frame, as a power of two: 8 MiB. Ours need 2 MiB; a hostile file may ask for gigabytes.
const WINDOW_LOG_MAX: u32 = 23;
