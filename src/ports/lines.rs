//! A ledger as lines in a file: what an export writes and an import reads. The file's own form is an adapter's matter.

/// Why a line did not come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LineError(pub String);

/// The lines of a file, without their ends, in order. After an error there is nothing more.
pub type Lines = Box<dyn Iterator<Item = Result<Vec<u8>, LineError>> + Send>;

/// A file that is being written.
pub trait LineSink: Send {
    /// Adds a line; its end is added to it.
    ///
    /// # Errors
    /// In words.
    fn line(&mut self, bytes: &[u8]) -> Result<(), String>;

    /// Makes durable what was added: from here an interrupted export goes on.
    ///
    /// # Errors
    /// In words.
    fn settle(&mut self) -> Result<(), String>;

    /// Ends the file and gives it its name.
    ///
    /// # Errors
    /// In words.
    fn finish(self: Box<Self>) -> Result<(), String>;
}
