//! Which program can read which event: `src/record/since.rs` names every type that is newer than a released program, or has
//! grown since.
//!
//! `tests/fixtures/schemas-<version>.json.zst` has the schemas of a released program. One is added with every release:
//! `jq -nS '[inputs | {(input_filename[8:]): .}] | add' schemas/*/*.json | zstd -19`.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Value, json};
use syncledger::{
    domain::program_version::ProgramVersion,
    record::{schema, since},
};

use super::{ROOT, caught, growth::shrunk, nothing_in};

type Schemas = BTreeMap<String, Value>;

/// The schemas of every released program.
fn released() -> BTreeMap<ProgramVersion, Schemas> {
    let entries = fs::read_dir(Path::new(ROOT).join("tests/fixtures")).expect("the folder is readable");
    let kept = entries.filter_map(|entry| {
        let path = entry.expect("the entry is readable").path();
        let version = path.file_name()?.to_str()?.strip_prefix("schemas-")?.strip_suffix(".json.zst")?.to_owned();
        let text = zstd::decode_all(fs::File::open(&path).expect("it can be read")).expect("it is compressed");
        let version = version.parse().expect("the file names a version");
        Some((version, serde_json::from_slice(&text).expect("it is JSON")))
    });
    kept.collect()
}

/// The schemas of events as they are now.
fn now() -> Schemas {
    schema::all().into_iter().filter(|(path, _)| path.contains('/')).collect()
}

/// What is wrong about the versions that types are said to be readable since.
fn wrong(
    released: &BTreeMap<ProgramVersion, Schemas>,
    now: &Schemas,
    this: ProgramVersion,
    since: impl Fn(&str, u16) -> ProgramVersion,
) -> Vec<String> {
    let mut found = Vec::new();
    for (path, schema) in now {
        let name = path.strip_suffix(".json").expect("a schema is a JSON file");
        let (kind, version) = name.rsplit_once(".v").expect("it names a version");
        let kind = kind.replace('/', ".");
        let said = since(&kind, version.parse().expect("the version is a number"));
        if said > this {
            found.push(format!("{kind}: since {said}, and this is {this}"));
        }
        for (release, schemas) in released {
            // Whatever the new schema has and the old one lacks.
            let reads = schemas.get(path).is_some_and(|old| shrunk(path, schema, old).is_empty());
            match (reads, said <= *release) {
                (true, true) | (false, false) => {}
                (true, false) => {
                    found.push(format!("{kind}: {release} reads all of it, but src/record/since.rs says {said}"));
                }
                (false, true) => {
                    found.push(format!("{kind}: {release} does not read all of it: name it in src/record/since.rs"));
                }
            }
        }
    }
    found
}

fn version(text: &str) -> ProgramVersion {
    text.parse().expect("it is a version")
}

#[test]
fn every_type_says_which_program_reads_it() {
    let (released, this) = (released(), version(env!("CARGO_PKG_VERSION")));
    assert!(released.contains_key(&since::FIRST), "the schemas of the first program are kept");
    nothing_in(&wrong(&released, &now(), this, since::since));
    assert!(since::newest() <= this);
    let newer = now().keys().any(|path| !released[&since::FIRST].contains_key(path));
    assert_eq!(newer, since::newest() > since::FIRST);
}

#[test]
fn a_type_that_older_programs_cannot_read_is_caught() {
    let old = json!({"type": "object", "properties": {"a": {"enum": ["x"]}}, "required": ["a"]});
    let released = BTreeMap::from([(version("0.1.0"), Schemas::from([("link/old.v1.json".to_owned(), old.clone())]))]);
    let found = |path: &str, schema: &Value, since: &str| {
        let now = Schemas::from([(path.to_owned(), schema.clone())]);
        wrong(&released, &now, version("0.2.0"), |_, _| version(since))
    };
    nothing_in(&found("link/old.v1.json", &old, "0.1.0"));
    nothing_in(&found("link/new.v1.json", &old, "0.2.0"));
    caught(&found("link/new.v1.json", &old, "0.1.0"), "link.new: 0.1.0 does not read all of it");
    caught(&found("link/old.v2.json", &old, "0.1.0"), "link.old: 0.1.0 does not read all of it");
    caught(&found("link/old.v1.json", &old, "0.2.0"), "link.old: 0.1.0 reads all of it");
    caught(&found("link/new.v1.json", &old, "0.3.0"), "since 0.3.0, and this is 0.2.0");
    let mut grown = old.clone();
    grown["properties"]["b"] = json!({"type": "string"});
    caught(&found("link/old.v1.json", &grown, "0.1.0"), "does not read all of it");
    let mut grown = old;
    grown["properties"]["a"]["enum"] = json!(["x", "y"]);
    caught(&found("link/old.v1.json", &grown, "0.1.0"), "does not read all of it");
}
