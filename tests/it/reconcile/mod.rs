//! Reconciliation scenarios: files in `tests/scenarios/`, each a history in words, snapshotted as decisions and commands.

mod play;
mod stage;

use std::{fs, path::Path};

/// Every scenario, in the order of their names. The snapshot is what a person reviews.
#[test]
fn scenarios() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("tests/scenarios is there")
        .map(|entry| entry.expect("a folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .collect();
    files.sort();
    assert!(files.len() >= 30, "only {} scenarios are left", files.len());
    for file in files {
        let name = file.file_stem().and_then(|s| s.to_str()).expect("scenarios have plain names").to_owned();
        let text = fs::read_to_string(&file).expect("a scenario can be read");
        let told = play::play(&text).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(folder.join("snapshots"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, told));
    }
}

/// After every scenario, deciding again without anything new records nothing and calls nobody.
#[test]
fn deciding_again_is_a_no_op() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    for entry in fs::read_dir(folder).expect("tests/scenarios is there") {
        let path = entry.expect("a folder can be listed").path();
        if path.extension().is_some_and(|e| e == "txt") {
            let text = fs::read_to_string(&path).expect("a scenario can be read");
            let mut stage = play::played(&text).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
            let first = stage.decide_only();
            if first.is_rest_without_facts() {
                continue;
            }
            // A scenario may end in the middle of a call or a look; it never ends in a decision that was not taken.
            assert!(first.facts.is_empty(), "{}: {:?}", path.display(), first.facts);
        }
    }
}
