//! Checks over the repository itself. Beside each stands a test that plants a violation and sees it caught.
//!
//! Files that are generated or frozen are written by `SYNCLEDGER_BLESS=1 ./test guards`; without that they are compared.

mod catalogue;
mod circles;
mod documents;
pub mod fixtures;
mod floors;
mod glossary;
mod growth;
mod instances;
mod instances_link;
mod migrations;
mod paths;
mod schemas;
mod since;
mod source;
mod tidy;
mod tiers;
mod words;

use std::{fs, path::Path};

/// The repository.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Whether generated files are to be written instead of compared.
fn blessing() -> bool {
    std::env::var_os("SYNCLEDGER_BLESS").is_some_and(|value| value == "1")
}

/// A file's text by its path in the repository; `None` where there is none.
fn read(path: &str) -> Option<String> {
    fs::read_to_string(Path::new(ROOT).join(path)).ok()
}

/// What the names of files begin with that are about to take their place.
const BESIDE: &str = ".blessing-";

/// Writes a generated file, unless it is so already. Other tests read meanwhile, so it is put in place as a whole.
fn write(path: &str, text: &str) {
    if read(path).is_some_and(|before| before == text) {
        return;
    }
    let path = Path::new(ROOT).join(path);
    let folder = path.parent().expect("the path has a folder");
    let name = path.file_name().expect("the path names a file").to_string_lossy();
    let beside = folder.join(format!("{BESIDE}{}-{name}", std::process::id()));
    let placed =
        fs::create_dir_all(folder).and_then(|()| fs::write(&beside, text)).and_then(|()| fs::rename(&beside, &path));
    placed.unwrap_or_else(|e| panic!("{} cannot be written: {e}", path.display()));
}

/// Fails with all that was found, one line each.
#[track_caller]
fn nothing_in(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// Fails unless exactly one thing was found and it says `part`: for planted violations.
#[track_caller]
fn caught(found: &[String], part: &str) {
    assert!(found.len() == 1 && found[0].contains(part), "expected one finding with {part:?}, got {found:?}");
}
