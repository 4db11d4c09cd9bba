//! Files that were interrupted, cut, or made to hurt.

use std::{fs, io::Write as _};

use zstd::stream::write::Encoder;

use super::*;
use crate::{ports::lines::Lines, record::leaf::LEAF_BYTES_MAX};

fn read(path: &std::path::Path) -> Result<Vec<String>, String> {
    lines(path).map_err(|e| e.to_string())?.map(|line| text(line.map_err(|e| e.to_string())?)).collect()
}

fn text(line: Vec<u8>) -> Result<String, String> {
    String::from_utf8(line).map_err(|e| e.to_string())
}

fn all(lines: Lines) -> Vec<String> {
    lines.map(|line| text(line.unwrap()).unwrap()).collect()
}

#[test]
fn an_interrupted_file_goes_on_after_its_last_whole_frame() {
    let folder = tempfile::tempdir().unwrap();
    let (path, partial) = (folder.path().join("x.zst"), folder.path().join("x.zst.partial"));
    let Archive { already, mut sink } = begin(&path).unwrap();
    assert_eq!(all(already), Vec::<String>::new());
    for n in 0..3 {
        sink.line(format!("line {n}").as_bytes()).unwrap();
        sink.settle().unwrap();
    }
    assert!(begin(&path).is_err_and(|e| e.contains("another export")));
    drop(sink);
    // The last frame is cut in the middle, as a crash would.
    let bytes = fs::read(&partial).unwrap();
    fs::write(&partial, &bytes[..bytes.len() - 3]).unwrap();
    let Archive { already, mut sink } = begin(&path).unwrap();
    assert_eq!(all(already), ["line 0", "line 1"]);
    sink.line(b"line 2, again").unwrap();
    assert!(read(&path).is_err());
    sink.finish().unwrap();
    assert_eq!(read(&path).unwrap(), ["line 0", "line 1", "line 2, again"]);
    assert!(!partial.exists());
    assert!(begin(&path).is_err_and(|e| e.contains("already exists")));
    // Any zstd tool reads it: the frame at its end is one that they pass over.
    assert_eq!(zstd::decode_all(&*fs::read(&path).unwrap()).unwrap(), b"line 0\nline 1\nline 2, again\n");
}

#[test]
fn every_changed_byte_and_every_cut_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.zst");
    let Archive { mut sink, .. } = begin(&path).unwrap();
    sink.line(b"one line").unwrap();
    sink.settle().unwrap();
    sink.line(b"another line").unwrap();
    sink.finish().unwrap();
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        for bit in [1, 16, 128] {
            let mut changed = bytes.clone();
            changed[at] ^= bit;
            fs::write(&path, &changed).unwrap();
            assert!(read(&path).is_err(), "byte {at}, bit {bit}");
        }
        fs::write(&path, &bytes[..at]).unwrap();
        assert!(read(&path).is_err(), "cut at {at}");
    }
}

/// A file with a good end over these frames.
fn sealed(path: &std::path::Path, frames: &[u8]) {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(frames);
    fs::write(path, [frames, &END_MAGIC, &32_u32.to_le_bytes(), digest.as_slice()].concat()).unwrap();
}

#[test]
fn a_file_cannot_ask_for_much_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.zst");
    // A line of 256 MiB in a few kilobytes.
    let mut encoder = Encoder::new(Vec::new(), 3).unwrap();
    let block = vec![b'a'; 1 << 20];
    for _ in 0..256 {
        encoder.write_all(&block).unwrap();
    }
    sealed(&path, &encoder.finish().unwrap());
    assert!(read(&path).is_err_and(|e| e.contains(&LEAF_BYTES_MAX.to_string())));
    // A window of 128 MiB.
    let mut encoder = Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(b"short\n").unwrap();
    encoder.flush().unwrap();
    sealed(&path, &encoder.finish().unwrap());
    assert!(read(&path).is_err_and(|e| e.contains("damaged")));
    // Frames of other kinds, rubbish, nothing.
    for bytes in [vec![], vec![0; 100], b"PK\x03\x04 and more, but no frame of zstd at all ................".to_vec()] {
        fs::write(&path, &bytes).unwrap();
        assert!(read(&path).is_err());
        sealed(&path, &bytes);
        assert!(read(&path).is_err() || bytes.is_empty());
    }
}
