//! Exported ledgers as files: lines in zstd frames, each with its checksum, and a hash over the whole file at its end.
//!
//! `docs/operating/export-format.md` is the format for others; `src/record/export.rs` and `src/record/leaf.rs` have the lines.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::lines;
pub use write::{Archive, begin};

/// What begins the frame that ends a file: a skippable frame of zstd, which other tools pass over.
const END_MAGIC: [u8; 4] = 0x184D_2A5E_u32.to_le_bytes();

/// The length of that frame: magic, length, SHA-256 of everything before it.
const END_BYTES: u64 = 40;

/// Windows that a frame may ask for, as a power of two: 8 MiB. Ours need 2 MiB; a hostile file may ask for gigabytes.
const WINDOW_LOG_MAX: u32 = 23;
