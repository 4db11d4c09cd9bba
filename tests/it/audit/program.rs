//! The auditor's way, through the real program.

use std::{fs, path::Path, process::Command};

use data_encoding::BASE64;
use serde_json::Value;
use tempfile::TempDir;

use super::tree::{their_consistency, their_inclusion, their_root};
use crate::support::patience::eventually_blocking;

const BOOKINGS: &str = "id,resource,starts_at,ends_at,title,status
1001,bay-1,2027-03-01T10:00,2027-03-01T11:00,Lesson with Ann,confirmed
1002,bay-2,2027-03-02T10:00,2027-03-02T11:00,Fitting,confirmed
1003,bay-2,2027-03-03T10:00,2027-03-03T11:00,Fitting,confirmed
";

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// The exit code, and what was printed to standard output and error.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_syncledger"));
        let done = command.current_dir(self.path()).args(arguments).env_clear().output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {err}");
        out
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["--json"]].concat())).unwrap()
    }

    fn import_bookings(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
        self.ok(&["bookings", "import", name, "--zone", "America/Chicago"]);
    }
}

fn hash(value: &Value) -> [u8; 32] {
    BASE64.decode(value.as_str().unwrap().as_bytes()).unwrap().try_into().unwrap()
}

fn hashes(value: &Value) -> Vec<[u8; 32]> {
    value.as_array().unwrap().iter().map(hash).collect()
}

#[test]
fn an_auditor_seals_keeps_proves_verifies_and_moves_a_ledger() {
    let here = Place::new();
    here.import_bookings("a.csv", BOOKINGS);
    let key = here.ok(&["audit", "key"]).trim().to_owned();
    assert!(key.starts_with("syncledger/default+"), "{key}");
    let first = here.json(&["audit", "seal"]);
    assert_eq!(
        (&first["sealed"], here.json(&["audit", "seal"])["sealed"].as_bool()),
        (&Value::Bool(true), Some(false))
    );
    let kept = format!("data/checkpoints/{:012}.checkpoint", first["size"].as_u64().unwrap());
    assert_eq!(fs::read_to_string(here.path().join(&kept)).unwrap(), first["checkpoint"].as_str().unwrap());
    here.import_bookings("b.csv", &BOOKINGS.replace("100", "200"));
    let second = here.json(&["audit", "seal"]);

    let (code, out, err) = here.run(&["audit", "verify", "--key", &key, "--checkpoint", &kept]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("syncledger/default is sound: "), "{out}");

    let events = here.ok(&["events", "all", "--json"]);
    let event: Value = serde_json::from_str(events.lines().nth(2).unwrap()).unwrap();
    let proof = here.json(&["audit", "prove", event["id"].as_str().unwrap()]);
    let root = their_root(&hash(&proof["root"]), proof["size"].as_u64().unwrap());
    let leaf = proof["leaf"].as_str().unwrap().as_bytes();
    root.verify_inclusion(&leaf, 2, &their_inclusion(&hashes(&proof["proof"]))).unwrap();
    assert_eq!(proof["size"], second["size"]);
    let older = here.json(&["audit", "prove", event["id"].as_str().unwrap(), "--checkpoint", &kept]);
    assert_eq!(older["size"], first["size"]);
    assert!(here.ok(&["audit", "prove", event["id"].as_str().unwrap()]).contains("is leaf 2 of the tree below"));

    let newer = format!("data/checkpoints/{:012}.checkpoint", second["size"].as_u64().unwrap());
    let proof = here.json(&["audit", "prove", "--consistency", &kept, &newer]);
    let old = their_root(&hash(&proof["old_root"]), proof["old_size"].as_u64().unwrap());
    let new = their_root(&hash(&proof["new_root"]), proof["new_size"].as_u64().unwrap());
    new.verify_consistency(&old, &their_consistency(&hashes(&proof["proof"]))).unwrap();

    let done = here.json(&["events", "export", "ledger.zst"]);
    // Elsewhere: no ledger, and a configuration that is none.
    let there = Place::new();
    fs::write(there.path().join("syncledger.toml"), "workspace = 7").unwrap();
    let file = here.path().join("ledger.zst");
    let file = file.to_str().unwrap();
    let (code, out, _) = there.run(&["audit", "verify", file]);
    assert!(code == 0 && out.contains("its author was not checked") && out.contains(&key), "{out}");
    let known = there.json(&["audit", "verify", file, "--key", &key]);
    assert_eq!((&known["sound"], &known["authentic"], &known["root"]), (&true.into(), &true.into(), &done["root"]));
    let (code, _, err) = there.run(&["audit", "verify", file, "--key", &key.replace("default", "other")]);
    assert_eq!(code, 2, "{err}");

    fs::remove_file(there.path().join("syncledger.toml")).unwrap();
    let came = there.json(&["events", "import", file, "--key", &key]);
    assert_eq!((&came["root"], &came["events"]), (&done["root"], &done["events"]));
    assert_eq!(there.ok(&["events", "all", "--json"]), here.ok(&["events", "all", "--json"]));
    assert_eq!(
        there.json(&["audit", "verify", "--checkpoint", &format!("{}/{kept}", here.path().display())])["sound"],
        true
    );
    assert_eq!(here.run(&["events", "import", "ledger.zst"]).0, 0, "it is all there");
    assert_eq!(here.run(&["events", "export", "ledger.zst"]).0, 1, "nothing is written over");
}

#[test]
fn a_fault_is_told_with_its_place_and_exit_code_1() {
    let here = Place::new();
    here.import_bookings("a.csv", BOOKINGS);
    here.ok(&["audit", "seal"]);
    let file = rusqlite::Connection::open(here.path().join("data/ledger.db")).unwrap();
    file.execute_batch("DROP TRIGGER events_are_not_changed; UPDATE events SET actor_id = 'nobody' WHERE position = 2")
        .unwrap();
    drop(file);
    let (code, out, err) = here.run(&["audit", "verify"]);
    assert_eq!(code, 1);
    assert!(out.starts_with("FAULT  position 2 (booking-"), "{out}");
    assert!(out.contains("trigger events_are_not_changed, which protects the events, is missing"), "{out}");
    assert!(err.starts_with("syncledger: 2 faults; the first: position 2 (booking-"), "{err}");
    let (code, out, _) = here.run(&["audit", "verify", "--json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["sound"], &report["faults"][0]["position"]), (1, &false.into(), &2.into()));
    for (arguments, code) in [
        (vec!["audit", "prove", "no-id"], 2),
        (vec!["audit", "prove"], 2),
        (vec!["audit", "prove", "--consistency", "0", "3"], 1),
        (vec!["audit", "prove", "00000000-0000-7000-8000-000000000000"], 1),
        (vec!["audit", "verify", "none.zst"], 1),
        (vec!["events", "import", "none.zst"], 1),
    ] {
        assert_eq!(here.run(&arguments).0, code, "{arguments:?}");
    }
}

#[test]
fn a_service_seals_by_itself() {
    let here = Place::new();
    here.import_bookings("a.csv", BOOKINGS);
    let port = crate::journeys::world::free_port();
    let text = format!("listen = \"127.0.0.1:{port}\"\n[audit]\nseal_every = \"1s\"\ncheckpoints = \"kept\"\n");
    fs::write(here.path().join("syncledger.toml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_syncledger"));
    let mut service = command.current_dir(here.path()).arg("serve").env_clear().spawn().unwrap();
    let kept = || fs::read_dir(here.path().join("kept")).map_or(0, Iterator::count);
    let sealed = eventually_blocking(|| kept() > 0);
    service.kill().unwrap();
    service.wait().unwrap();
    assert!(sealed, "nothing was sealed");
    assert_eq!(here.json(&["audit", "verify"])["sound"], true);
}
