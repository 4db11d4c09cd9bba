//! The read models: projected, rebuilt, compared, shown as of a past time, and read with decrypted texts.

pub mod diff;
pub mod past;
pub mod project;
pub mod reader;
pub mod rebuild;
mod texts;
