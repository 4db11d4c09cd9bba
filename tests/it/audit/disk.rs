//! A disk that is full, and one whose fsync fails: nothing more is acknowledged, nothing acknowledged is lost, and writing
//! goes on by itself when the disk does.
//!
//! Faults come from libfiu, which stands between a program and the system's calls, and from a small file system where one
//! can be mounted. Where the limit is one on files' sizes, `conformance/faults.rs` has it.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use syncledger::ports::{
    event_store::{ExpectedVersion, Failure},
    upkeep::Upkeep as _,
};

use super::given::{append, event, event_of, folder, open_sqlite};
use crate::{
    conformance::given::sound,
    support::patience::{eventually, some_moments},
};

const FOLDER: &str = "SYNCLEDGER_TEST_FAULTY_DISK";

/// Appends for ever and prints what came of it: a fresh event after each acknowledgement, the same one again after a refusal.
/// Without a folder, as part of the suite, only a few.
#[tokio::test]
async fn appends() {
    let own = folder();
    let (path, most) = match std::env::var_os(FOLDER) {
        Some(path) => (PathBuf::from(path), usize::MAX),
        None => (own.path().to_owned(), 3),
    };
    let ledger = open_sqlite(&path).await;
    for n in 0..most {
        let it = event(n as u64);
        loop {
            match append(&ledger, "a", ExpectedVersion::Any, std::slice::from_ref(&it)).await {
                Ok((_, position, _)) => break println!("\nACK {} {position}", it.id),
                Err(Failure::Unavailable(_)) => println!("\nREFUSED"),
                Err(other) => panic!("{other:?}"),
            }
            some_moments(20).await;
        }
    }
}

/// A program whose calls can be made to fail.
struct Faulty {
    child: Child,
    lines: BufReader<ChildStdout>,
    control: PathBuf,
    acknowledged: BTreeMap<u64, String>,
}

impl Drop for Faulty {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Faulty {
    fn start(folder: &Path) -> Self {
        let control = folder.join("fiu");
        let preload = ["run", "posix"].map(|name| format!("/usr/lib/fiu/fiu_{name}_preload.so"));
        for library in &preload {
            assert!(Path::new(library).exists(), "{library} is missing: install Debian's fiu-utils");
        }
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "audit::disk::appends", "--nocapture"]).env(FOLDER, folder);
        command.env("LD_PRELOAD", preload.join(":")).env("FIU_CTRL_FIFO", &control);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines, control, acknowledged: BTreeMap::new() }
    }

    fn control(&self, what: &str) {
        let mut command = Command::new("fiu-ctrl");
        command.arg("-f").arg(&self.control).args(["-c", what]).arg(self.child.id().to_string());
        let done = command.output().expect("fiu-ctrl is there: install Debian's fiu-utils");
        assert!(done.status.success(), "{what}: {done:?}");
    }

    /// The next thing that came of an append: whether it was acknowledged.
    fn next(&mut self) -> bool {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the program ended");
            match line.trim_end().split(' ').collect::<Vec<_>>().as_slice() {
                ["REFUSED"] => return false,
                ["ACK", id, position] => {
                    let before = self.acknowledged.insert(position.parse().unwrap(), (*id).to_owned());
                    assert_eq!(before, None, "one position was given twice");
                    return true;
                }
                _ => {}
            }
        }
    }

    fn until(&mut self, acknowledged: bool) {
        while self.next() != acknowledged {}
    }
}

/// Has calls of these names fail, then work again, twice.
async fn fails_and_recovers(names: &[&str], errno: u32) {
    let folder = folder();
    let mut faulty = Faulty::start(folder.path());
    for _ in 0..2 {
        (0..10).for_each(|_| faulty.until(true));
        for name in names {
            faulty.control(&format!("enable name={name},failinfo={errno}"));
        }
        faulty.until(false);
        // From its first refusal on, nothing is acknowledged while the disk is as it is.
        assert!((0..3).all(|_| !faulty.next()), "it was acknowledged while {names:?} failed");
        for name in names {
            faulty.control(&format!("disable name={name}"));
        }
        faulty.until(true);
    }
    let acknowledged = faulty.acknowledged.clone();
    drop(faulty);
    let ledger = open_sqlite(folder.path()).await;
    let all = sound(&ledger).await;
    for (position, id) in acknowledged {
        assert_eq!(all[usize::try_from(position).unwrap()].event.id.to_string(), id);
    }
}

#[tokio::test]
async fn a_failing_fsync_stops_acknowledging_and_passes() {
    fails_and_recovers(&["posix/io/sync/fsync", "posix/io/sync/fdatasync"], 5).await;
}

#[tokio::test]
async fn a_write_that_finds_no_room_stops_acknowledging_and_passes() {
    fails_and_recovers(&["posix/io/rw/pwrite"], 28).await;
}

/// A small file system in memory; gone when dropped.
struct Small(tempfile::TempDir);

impl Small {
    /// `None` where mounting is not permitted.
    fn mounted() -> Option<Self> {
        let folder = folder();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1600k", "tmpfs"]).arg(folder.path());
        mount.output().is_ok_and(|done| done.status.success()).then(|| Self(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.0.path()).status());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_disk_that_fills_loses_nothing() {
    let Some(small) = Small::mounted() else {
        // The same failure, from the calls themselves.
        return fails_and_recovers(&["posix/io/rw/pwrite"], 28).await;
    };
    let ballast = small.0.path().join("ballast");
    fs::write(&ballast, vec![0; 600 * 1024]).unwrap();
    let ledger = open_sqlite(small.0.path()).await;
    let wide = || event_of(event(0).id, &format!(r#"{{"x":"{}"}}"#, "y".repeat(3_000)));
    let mut acknowledged = Vec::new();
    let refused = loop {
        let it = wide();
        match append(&ledger, "a", ExpectedVersion::Any, std::slice::from_ref(&it)).await {
            Ok((_, position, _)) => acknowledged.push((position, it.id)),
            Err(failure) => break (it, failure),
        }
        assert!(acknowledged.len() < 10_000, "it never filled");
    };
    assert!(matches!(refused.1, Failure::Unavailable(_)), "{refused:?}");
    assert!(acknowledged.len() > 5 && ledger.failing().is_some());
    fs::remove_file(ballast).unwrap();
    let recovered = eventually(async || {
        let tried = append(&ledger, "a", ExpectedVersion::Any, std::slice::from_ref(&refused.0)).await;
        assert!(matches!(tried, Ok(_) | Err(Failure::Unavailable(_))), "{tried:?}");
        tried.is_ok()
    });
    assert!(recovered.await, "it never recovered");
    assert_eq!(ledger.failing(), None);
    let all = sound(&ledger).await;
    for (position, id) in acknowledged {
        assert_eq!(all[usize::try_from(position).unwrap()].event.id, id);
    }
    ledger.close().await;
}
