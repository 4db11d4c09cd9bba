//! What is kept of released programs: it is never changed, and it opens.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::open::opens;
use crate::support::postgres::Database;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

/// Every kept ledger's version, and the checksum of its list of checksums: a list that was changed with its files is found as well.
const KEPT: [(&str, &str); 1] = [("0.1.0", "ddeec9d47a29b5dc1f4892b7407ab152e3c3ffaaedf9f0085accbbe6648929ba")];

/// The largest that a kept ledger may be, in bytes: it stays in the repository for ever.
const BYTES_MAX: u64 = 2 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_of_0_1_0_in_files_opens() {
    opens(&Path::new(FIXTURES).join("ledger-0.1.0"), "sqlite", None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_of_0_1_0_in_a_database_opens() {
    let database = Database::new().await;
    opens(&Path::new(FIXTURES).join("ledger-0.1.0"), "postgres", Some(&database)).await;
}

/// What differs from the list of checksums in a folder: `sha256sum --check` says the same.
fn changed(folder: &Path) -> Vec<String> {
    let list = std::fs::read_to_string(folder.join("checksums.txt")).expect("it has checksums");
    let listed: Vec<(&str, &str)> = list.lines().filter_map(|line| line.split_once("  ")).collect();
    let mut found: Vec<String> = listed
        .iter()
        .filter_map(|(sum, file)| match std::fs::read(folder.join(file)) {
            Err(error) => Some(format!("{file}: {error}")),
            Ok(bytes) if hex(&Sha256::digest(&bytes)) != *sum => Some(format!("{file} was changed")),
            Ok(_) => None,
        })
        .collect();
    let unlisted = files(folder, "").into_iter().filter(|file| !listed.iter().any(|(_, known)| known == file));
    found.extend(unlisted.map(|file| format!("{file} is not in checksums.txt")));
    found
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The files below a folder that are frozen: all but the list itself and the words about them.
fn files(folder: &Path, below: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder.join(below)).expect("the folder is readable") {
        let entry = entry.expect("the entry is readable");
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(files(folder, &format!("{name}/")));
        } else if !["checksums.txt", "README.md"].contains(&name.as_str()) {
            found.push(name);
        }
    }
    found
}

/// Every kept ledger's folder, with the version of its program.
fn kept() -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(FIXTURES).expect("the folder is readable");
    let kept = entries.filter_map(|entry| {
        let path = entry.expect("the entry is readable").path();
        let version = path.file_name()?.to_str()?.strip_prefix("ledger-")?.to_owned();
        Some((path, version))
    });
    kept.collect()
}

#[test]
fn no_file_of_a_kept_ledger_was_changed() {
    for (path, _) in kept() {
        assert_eq!(changed(&path), [""; 0], "{}", path.display());
        let sizes = files(&path, "").into_iter().map(|file| path.join(file).metadata().expect("it is there").len());
        assert!(sizes.sum::<u64>() <= BYTES_MAX, "{} is too large", path.display());
    }
    let mut sums: Vec<(String, String)> = kept()
        .into_iter()
        .map(|(path, version)| {
            let list = std::fs::read(path.join("checksums.txt")).expect("it has checksums");
            (version, hex(&Sha256::digest(list)))
        })
        .collect();
    sums.sort();
    assert_eq!(sums, KEPT.map(|(version, sum)| (version.to_owned(), sum.to_owned())));
}

#[test]
fn a_file_that_was_changed_added_or_removed_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("a", "one");
    write("README.md", "words");
    write("checksums.txt", &format!("{}  a\n", hex(&Sha256::digest(b"one"))));
    assert_eq!(changed(folder.path()), [""; 0]);
    write("a", "two");
    assert_eq!(changed(folder.path()), ["a was changed"]);
    write("a", "one");
    write("b", "more");
    assert_eq!(changed(folder.path()), ["b is not in checksums.txt"]);
    std::fs::remove_file(folder.path().join("a")).unwrap();
    assert_eq!(changed(folder.path()).len(), 2);
}
