//! An exported ledger as lines: written by an export, read by an import. Adapters define the file format.

/// Why a line could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LineError(pub String);

/// The lines of a file in order, without line breaks. After an error the iterator ends.
pub type Lines = Box<dyn Iterator<Item = Result<Vec<u8>, LineError>> + Send>;

/// A file being written.
pub trait LineSink: Send {
    /// Adds a line and a line break.
    ///
    /// # Errors
    /// A message.
    fn line(&mut self, bytes: &[u8]) -> Result<(), String>;

    /// Makes the lines so far durable: an interrupted export continues from here.
    ///
    /// # Errors
    /// A message.
    fn settle(&mut self) -> Result<(), String>;

    /// Finishes the file and renames it to its final name.
    ///
    /// # Errors
    /// A message.
    fn finish(self: Box<Self>) -> Result<(), String>;
}
