//! A disk that refuses: the writer stops acknowledging, recovers by itself, and has lost nothing it acknowledged.
//!
//! The failing disk is a limit on the size of files, set on a helper process by the shell and lifted by `prlimit`: SQLite's
//! write into its log fails with EFBIG, as it does with ENOSPC on a full disk.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};

use syncledger::ports::event_store::{EventStore as _, ExpectedVersion, Failure};

use super::given::{append, event, event_of, folder, open_sqlite, sound};
use crate::support::patience::eventually;

const FOLDER: &str = "SYNCLEDGER_TEST_FULL_DISK";
const KIB_MAX: u32 = 600;

/// Appends until the disk refuses, says so, waits until it is told that there is room again, and goes on. Without a folder
/// it is told so from the start.
#[tokio::test]
async fn helper() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        let own = folder();
        let ledger = open_sqlite(own.path()).await;
        append(&ledger, "a", ExpectedVersion::Any, &[event(0)]).await.unwrap();
        assert_eq!(ledger.writer_state().failures, 0);
        return;
    };
    let ledger = open_sqlite(folder.as_ref()).await;
    let wide = |n: u64| event_of(event(n).id, &format!(r#"{{"x":"{}"}}"#, "y".repeat(3_000)));
    let mut acknowledged = Vec::new();
    let failure = loop {
        let it = wide(0);
        match append(&ledger, "a", ExpectedVersion::Any, std::slice::from_ref(&it)).await {
            Ok((_, position, _)) => acknowledged.push((position, it.id)),
            Err(failure) => break failure,
        }
        assert!(acknowledged.len() < 10_000, "the limit was never met");
    };
    assert!(matches!(failure, Failure::Unavailable(_)), "{failure:?}");
    assert!(acknowledged.len() > 20);
    assert!(ledger.writer_state().failures > 0);
    // Reading goes on while writing is refused.
    assert!(ledger.read_all(syncledger::domain::ids::Position(0), 10).await.unwrap().len() == 10);
    println!("\nREFUSED");
    tokio::task::spawn_blocking(|| std::io::stdin().lines().next()).await.unwrap();
    let it = wide(1);
    let recovered = eventually(async || {
        // The same id each time: whether an earlier try was written after all does not matter.
        let tried = append(&ledger, "b", ExpectedVersion::Any, std::slice::from_ref(&it)).await;
        assert!(matches!(tried, Ok(_) | Err(Failure::Unavailable(_))), "{tried:?}");
        tried.is_ok()
    });
    assert!(recovered.await, "it never recovered");
    assert_eq!(ledger.writer_state().failing, None);
    let all = sound(&ledger).await;
    for (position, id) in acknowledged {
        assert_eq!(all[usize::try_from(position).unwrap()].event.id, id);
    }
    println!("\nRECOVERED {}", all.len());
}

#[tokio::test]
async fn a_full_disk_stops_acknowledging_and_passes() {
    let folder = folder();
    let exe = std::env::current_exe().unwrap();
    let script =
        format!("trap '' XFSZ; ulimit -S -f {KIB_MAX}; exec \"$0\" --exact conformance::faults::helper --nocapture");
    let mut helper = Command::new("bash")
        .args(["-c", &script])
        .arg(exe)
        .env(FOLDER, folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(helper.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "REFUSED"), "the helper ended before the disk refused");
    let pid = helper.id().to_string();
    let lifted = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().unwrap();
    assert!(lifted.success());
    helper.stdin.take().unwrap().write_all(b"go on\n").unwrap();
    let recovered = lines.find_map(|line| line.strip_prefix("RECOVERED ").map(|n| n.parse::<usize>().unwrap()));
    assert!(helper.wait().unwrap().success());
    let ledger = open_sqlite(folder.path()).await;
    assert_eq!(Some(sound(&ledger).await.len()), recovered);
}
