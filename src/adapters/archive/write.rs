//! Writes an exported ledger to a temporary name, frame by frame, so that an interrupted export can continue.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use zstd::stream::{read::Decoder, write::Encoder};

use super::{END_MAGIC, WINDOW_LOG_MAX, read::decoded};
use crate::ports::lines::{LineSink, Lines};

/// zstd's default level, about 400 MB/s.
const LEVEL: i32 = 3;

/// A frame is closed once its lines have this many bytes.
const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A file being written, and the lines already in it.
pub struct Archive {
    /// Lines written by an interrupted export.
    pub already: Lines,
    /// Where to add lines.
    pub sink: Box<dyn LineSink>,
}

/// Starts to write `path`, or continues an interrupted export of it.
///
/// # Errors
/// A message; an existing file is never overwritten.
pub fn begin(path: &Path) -> Result<Archive, String> {
    let mut name = path.file_name().map(OsString::from).ok_or("the path has no file name")?;
    name.push(".partial");
    let partial = path.with_file_name(name);
    if path.exists() {
        return Err(format!("{} already exists: choose another file, or delete it", path.display()));
    }
    open_archive(path, &partial).map_err(|e| format!("{}: {e}", partial.display()))
}

fn open_archive(path: &Path, partial: &Path) -> io::Result<Archive> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    // Events contain who did what and when, so only the owner may read the file.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(partial)?;
    // Two exports to the same file would overwrite each other.
    file.try_lock().map_err(|_| io::Error::other("another export is writing it"))?;
    let whole = whole_frames(&file)?;
    file.set_len(whole)?;
    let mut hash = Sha256::new();
    file.rewind()?;
    io::copy(&mut (&file).take(whole), &mut HashWriter(&mut hash))?;
    file.seek(SeekFrom::Start(whole))?;
    let already = decoded(File::open(partial)?.take(whole), None)?;
    let sink = Sink { path: path.to_owned(), partial: partial.to_owned(), file, hash, frame: Vec::new() };
    Ok(Archive { already: Box::new(already), sink: Box::new(sink) })
}

/// End of the last complete frame.
fn whole_frames(file: &File) -> io::Result<u64> {
    let mut end = 0;
    let mut reader = BufReader::new(file);
    reader.rewind()?;
    let length = file.metadata()?.len();
    while end < length {
        let mut frame = Decoder::with_buffer(reader)?.single_frame();
        frame.window_log_max(WINDOW_LOG_MAX)?;
        // An incomplete or foreign frame is written again.
        if io::copy(&mut frame, &mut io::sink()).is_err() {
            break;
        }
        reader = frame.finish();
        end = reader.stream_position()?;
    }
    Ok(end)
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Sink {
    path: PathBuf,
    partial: PathBuf,
    file: File,
    hash: Sha256,
    /// Lines of the present frame.
    frame: Vec<u8>,
}

impl Sink {
    fn end_frame(&mut self) -> io::Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        let mut encoder = Encoder::new(Vec::new(), LEVEL)?;
        encoder.include_checksum(true)?;
        encoder.write_all(&self.frame)?;
        let bytes = encoder.finish()?;
        self.hash.update(&bytes);
        self.file.write_all(&bytes)?;
        self.frame.clear();
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.end_frame()?;
        let digest: [u8; 32] = self.hash.clone().finalize().into();
        self.file.write_all(&[END_MAGIC, 32_u32.to_le_bytes()].concat())?;
        self.file.write_all(&digest)?;
        self.file.sync_all()?;
        fs::rename(&self.partial, &self.path)?;
        // The new name must survive a power failure, too.
        let folder = self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

impl LineSink for Sink {
    fn line(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.frame.extend_from_slice(bytes);
        self.frame.push(b'\n');
        if self.frame.len() >= FRAME_BYTES_MAX { self.end_frame().map_err(|e| e.to_string()) } else { Ok(()) }
    }

    fn settle(&mut self) -> Result<(), String> {
        self.end_frame().and_then(|()| self.file.sync_data()).map_err(|e| e.to_string())
    }

    fn finish(mut self: Box<Self>) -> Result<(), String> {
        self.end().map_err(|e| e.to_string())
    }
}
