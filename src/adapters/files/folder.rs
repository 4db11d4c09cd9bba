//! A file or folder on disk, read file by file, always in the same order.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{FILE_BYTES_MAX, Kind, Line, Options, parse};

/// Maximum number of files per import.
pub const FILES_MAX: usize = 10_000;
/// Maximum nesting of folders.
pub const FOLDERS_DEEP_MAX: usize = 32;

/// The result of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// The file.
    pub path: PathBuf,
    /// Its bookings and refusals; never empty.
    pub lines: Vec<Line>,
}

/// The files of an import, read lazily.
#[derive(Debug)]
pub struct Files {
    root: PathBuf,
    waiting: std::vec::IntoIter<(PathBuf, Option<&'static str>)>,
    options: Options,
}

/// Lists a file, or all files in a folder. Symbolic links in it are not followed: they could lead outside, or in circles.
///
/// # Errors
/// `root` does not exist, or a folder cannot be listed.
pub fn files(root: &Path, options: Options) -> io::Result<Files> {
    let mut found = Vec::new();
    if fs::metadata(root)?.is_dir() {
        list(root, 0, &mut found)?;
    } else {
        found.push((root.to_owned(), None));
    }
    Ok(Files { root: root.to_owned(), waiting: found.into_iter(), options })
}

fn list(folder: &Path, deep: usize, found: &mut Vec<(PathBuf, Option<&'static str>)>) -> io::Result<()> {
    if deep >= FOLDERS_DEEP_MAX {
        found.push((folder.to_owned(), Some("skipped: folders are nested too deeply")));
        return Ok(());
    }
    let mut inside = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    inside.sort_by_key(fs::DirEntry::file_name);
    for item in inside {
        let (path, kind) = (item.path(), item.file_type()?);
        if found.len() >= FILES_MAX {
            // Reports it once, and stops the walk in the parent folders as well.
            if found.last().is_none_or(|(_, why)| why != &Some(TOO_MANY)) {
                found.push((path, Some(TOO_MANY)));
            }
            return Ok(());
        }
        if kind.is_dir() {
            list(&path, deep + 1, found)?;
        } else if kind.is_file() {
            found.push((path, None));
        } else {
            found.push((path, Some("skipped: a link or a device, not a file")));
        }
    }
    Ok(())
}

const TOO_MANY: &str = "skipped with all following files: an import reads at most 10,000 files";

impl Iterator for Files {
    type Item = FileReport;

    fn next(&mut self) -> Option<FileReport> {
        let (path, skipped) = self.waiting.next()?;
        let below = path.strip_prefix(&self.root).ok().filter(|rest| !rest.as_os_str().is_empty());
        let name = match below {
            Some(rest) => rest.to_string_lossy().into_owned(),
            None => path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        };
        let lines = match skipped {
            Some(reason) => vec![Line::refused(name, reason)],
            None => read(&name, &path, &self.options),
        };
        Some(FileReport { path, lines })
    }
}

fn read(name: &str, path: &Path, options: &Options) -> Vec<Line> {
    let Some(kind) = Kind::of_name(name) else {
        return vec![Line::refused(name, "skipped: the name must end in .ics, .csv or .jsonl")];
    };
    // Checked before reading, so that a huge file is never in memory.
    let large = fs::metadata(path).is_ok_and(|about| about.len() > FILE_BYTES_MAX as u64);
    if large {
        return vec![Line::refused(name, format!("the file is larger than {FILE_BYTES_MAX} bytes"))];
    }
    match fs::read(path) {
        Ok(bytes) => parse(name, &bytes, kind, options),
        Err(wrong) => vec![Line::refused(name, format!("the file could not be read: {wrong}"))],
    }
}
