//! A ledger as files: kept in a folder, and put back into another folder or database.
//!
//! What is common to all is beside the folders of the databases: `syncledger.toml`. In each of those: `story.json`, the
//! databases, the master key, the checkpoints, and the state of the sandboxes. What is large is compressed with zstd.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use syncledger::adapters::sandbox::{
    google::{self, Google},
    uschedule::{self, USchedule},
};

use super::story::Story;
use crate::{
    journeys::world::{Parts, World},
    support::postgres::{self, Database},
};

/// Where the configuration's checkpoints are.
const CHECKPOINTS: &str = "data/checkpoints";

/// What a stopped program leaves of a ledger in files. The logs of SQLite are there when it was killed.
const FILES: [&str; 4] = ["ledger.db", "ledger.db-wal", "read.db", "read.db-wal"];

/// The ledger as a file that anybody can check, from the middle of the story.
pub const EXPORT: &str = "export.zst";

/// Slower than anybody waits for but here, where it is done once.
const LEVEL: i32 = 19;

/// Keeps what is left of a ledger in `folder`, under the name of its database.
pub fn keep(world: &World, story: &Story, database: Option<&Database>, folder: &Path, name: &str) {
    let to = folder.join(name);
    fs::create_dir_all(to.join("checkpoints")).unwrap();
    let from = world.folder.path();
    // Without the last connection.
    let (configuration, _) = world.template().rsplit_once("[[connections]]").unwrap();
    fs::write(folder.join("syncledger.toml"), format!("{}\n", configuration.trim_end())).unwrap();
    fs::copy(from.join(EXPORT), to.join(EXPORT)).unwrap();
    fs::copy(from.join("master.key"), to.join("master.key")).unwrap();
    for kept in fs::read_dir(from.join(CHECKPOINTS)).unwrap() {
        let kept = kept.unwrap();
        fs::copy(kept.path(), to.join("checkpoints").join(kept.file_name())).unwrap();
    }
    match database {
        None => {
            for file in FILES.iter().filter(|file| from.join(file).exists()) {
                pack(&to.join(file), &fs::read(from.join(file)).unwrap());
            }
        }
        Some(database) => pack(&to.join("ledger.sql"), postgres::tool(&["dump", &database.url()]).as_bytes()),
    }
    let pretty = |value: &Value| serde_json::to_vec_pretty(value).unwrap();
    pack(&to.join("google.json"), &pretty(&world.google().save().unwrap()));
    pack(&to.join("uschedule.json"), &pretty(&world.uschedule().save().unwrap()));
    fs::write(to.join("story.json"), serde_json::to_string_pretty(story).unwrap() + "\n").unwrap();
}

fn pack(path: &Path, bytes: &[u8]) {
    fs::write(packed(path), zstd::encode_all(bytes, LEVEL).unwrap()).unwrap();
}

fn unpack(path: &Path) -> Vec<u8> {
    let file = fs::File::open(packed(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    zstd::decode_all(file).unwrap()
}

fn packed(path: &Path) -> PathBuf {
    path.with_added_extension("zst")
}

/// A kept ledger's story.
pub fn story(folder: &Path, name: &str) -> Story {
    serde_json::from_slice(&fs::read(folder.join(name).join("story.json")).unwrap()).unwrap()
}

/// The files of checkpoints that were kept with it.
pub fn checkpoints(folder: &Path, name: &str) -> Vec<PathBuf> {
    let kept = fs::read_dir(folder.join(name).join("checkpoints")).unwrap();
    kept.map(|file| file.unwrap().path()).collect()
}

/// The calendars as they were when the program was killed.
pub fn calendars(folder: &Path, name: &str) -> Value {
    serde_json::from_slice(&unpack(&folder.join(name).join("google.json"))).unwrap()
}

/// Puts a ledger back, for the program as it is now, with the sandboxes that belong to it.
pub async fn restore(folder: &Path, name: &str, database: Option<&Database>) -> World {
    let from = folder.join(name);
    // However old it is: deletions are listed, and sync tokens good, for longer than anybody keeps a ledger.
    let settings = google::Settings { tombstone_life: chrono::TimeDelta::days(73_000), ..google::Settings::default() };
    let appointments = serde_json::from_slice(&unpack(&from.join("uschedule.json"))).unwrap();
    let parts = Parts {
        google: Google::restore(settings, calendars(folder, name)).unwrap(),
        uschedule: USchedule::restore(uschedule::Settings::default(), appointments).unwrap(),
        program: env!("CARGO_BIN_EXE_syncledger").into(),
        template: fs::read_to_string(folder.join("syncledger.toml")).unwrap(),
    };
    let world = World::with(parts, database).await;
    let to = world.folder.path();
    match database {
        None => {
            for file in FILES.iter().filter(|file| packed(&from.join(file)).exists()) {
                fs::write(to.join(file), unpack(&from.join(file))).unwrap();
            }
        }
        Some(database) => {
            let statements = to.join("ledger.sql");
            fs::write(&statements, unpack(&from.join("ledger.sql"))).unwrap();
            postgres::tool(&["load", &database.url(), statements.to_str().unwrap()]);
            fs::remove_file(statements).unwrap();
        }
    }
    // Git keeps no permissions, and the program does not take a key that others may read.
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::copy(from.join("master.key"), to.join("master.key")).unwrap();
    fs::set_permissions(to.join("master.key"), private).unwrap();
    fs::create_dir_all(to.join(CHECKPOINTS)).unwrap();
    for kept in checkpoints(folder, name) {
        fs::copy(&kept, to.join(CHECKPOINTS).join(kept.file_name().unwrap())).unwrap();
    }
    world
}
