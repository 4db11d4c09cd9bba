//! Reads an exported ledger, even from a hostile file: one line in memory at a time, of limited length.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read, Seek as _, SeekFrom},
    path::Path,
};

use sha2::{Digest as _, Sha256};
use zstd::stream::read::Decoder;

use super::{END_BYTES, END_MAGIC, WINDOW_LOG_MAX};
use crate::{
    ports::lines::{LineError, Lines},
    record::leaf::LEAF_BYTES_MAX,
};

/// The lines of a finished file. Its hash is verified after the last line.
///
/// # Errors
/// The file cannot be opened, or is unfinished.
pub fn lines(path: &Path) -> Result<Lines, LineError> {
    let failed = |e: io::Error| LineError(format!("{} cannot be read: {e}", path.display()));
    let mut file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let unfinished = || LineError(format!("{} is not a complete export of a ledger", path.display()));
    let content = length.checked_sub(END_BYTES).ok_or_else(unfinished)?;
    let mut end = [0; 40];
    file.seek(SeekFrom::Start(content)).and_then(|_| file.read_exact(&mut end)).map_err(failed)?;
    let (head, digest) = end.split_at(8);
    if head != [END_MAGIC, 32_u32.to_le_bytes()].concat() {
        return Err(unfinished());
    }
    file.rewind().map_err(failed)?;
    let digest = digest.try_into().ok();
    Ok(Box::new(decoded(file.take(content), digest).map_err(failed)?))
}

/// The lines in complete frames; `digest` is the expected hash, if there is one.
pub(super) fn decoded(content: io::Take<File>, digest: Option<[u8; 32]>) -> io::Result<DecodedLines> {
    if content.limit() == 0 {
        // The decoder fails without a frame.
        return Ok(DecodedLines { from: None, digest });
    }
    let hashed = HashReader { content, hash: Sha256::new() };
    let mut decoder = Decoder::new(hashed)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(DecodedLines { from: Some(BufReader::with_capacity(256 * 1024, decoder)), digest })
}

/// Decodes lines.
pub(super) struct DecodedLines {
    /// `None` after the last line, and after an error.
    from: Option<BufReader<Decoder<'static, BufReader<HashReader>>>>,
    digest: Option<[u8; 32]>,
}

/// Hashes the bytes that are read.
struct HashReader {
    content: io::Take<File>,
    hash: Sha256,
}

impl Read for HashReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(into)?;
        self.hash.update(&into[..count]);
        Ok(count)
    }
}

impl Iterator for DecodedLines {
    type Item = Result<Vec<u8>, LineError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut from = self.from.take()?;
        let most = LEAF_BYTES_MAX as u64 + 1;
        let mut line = Vec::new();
        match (&mut from).take(most).read_until(b'\n', &mut line) {
            Err(error) => Some(Err(LineError(format!("the compressed data is damaged: {error}")))),
            Ok(0) => self.ended(from),
            Ok(_) if line.pop_if(|last| *last == b'\n').is_some() => {
                self.from = Some(from);
                Some(Ok(line))
            }
            Ok(count) if count as u64 == most => {
                Some(Err(LineError(format!("the line is longer than {LEAF_BYTES_MAX} bytes"))))
            }
            Ok(_) => Some(Err(LineError("the file ends in the middle of a line".to_owned()))),
        }
    }
}

impl DecodedLines {
    /// After the last line: verifies the file's hash.
    fn ended(&self, from: BufReader<Decoder<'static, BufReader<HashReader>>>) -> Option<Result<Vec<u8>, LineError>> {
        let wanted = self.digest?;
        let mut content = from.into_inner().finish();
        // Trailing frames without a line, such as empty ones.
        if let Err(error) = io::copy(&mut content, &mut io::sink()) {
            return Some(Err(LineError(format!("the file cannot be read: {error}"))));
        }
        let found: [u8; 32] = content.into_inner().hash.finalize().into();
        (found != wanted).then(|| {
            Err(LineError("the file's checksum does not match: it was changed after it was written".to_owned()))
        })
    }
}
