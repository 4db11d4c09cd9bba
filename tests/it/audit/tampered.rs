//! Whatever is changed, removed or swapped is found, with its place: in an SQLite file through SQL and byte by byte, and in
//! an exported file.

use std::{fs, path::Path};

use rusqlite::Connection;
use syncledger::{
    adapters::archive,
    ports::{event_store::EventStore as _, lines::Lines},
    services::{
        audit::{Report, VerifyOptions, verify_lines},
        transfer::{self, Range},
    },
};

use super::given::{OnDisk, fill, folder, seal};
use crate::support::size::sized;

const DROP_GUARDS: &str =
    "DROP TRIGGER events_are_dense; DROP TRIGGER events_are_not_changed; DROP TRIGGER events_are_not_removed;";

/// A ledger of 13 events, sealed at 6 and 12, and its folder.
async fn ledger() -> tempfile::TempDir {
    let folder = folder();
    let disk = OnDisk::open(folder.path()).await;
    for from in [0, 6] {
        fill(&disk.ledger, from, 6 - from / 6).await;
        seal(&disk.audit).await;
    }
    assert_eq!(disk.ledger.end().await.unwrap().0, 13);
    assert!(disk.verify(&VerifyOptions::default()).await.sound);
    disk.close().await;
    folder
}

/// The guards as they were made, to be put back behind the tamperer.
fn guards(file: &Connection) -> Vec<String> {
    let mut statement = file.prepare("SELECT sql FROM sqlite_schema WHERE type = 'trigger'").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Runs `sql` on a copy with the guards dropped and put back, and checks the copy with `kept` beside it.
async fn after(original: &Path, sql: &str, kept: bool) -> Report {
    let copy = folder();
    fs::copy(original.join("ledger.db"), copy.path().join("ledger.db")).unwrap();
    if kept {
        fs::create_dir(copy.path().join("checkpoints")).unwrap();
        for file in fs::read_dir(original.join("checkpoints")).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), copy.path().join("checkpoints").join(file.file_name())).unwrap();
        }
    }
    {
        let file = Connection::open(copy.path().join("ledger.db")).unwrap();
        let guards = guards(&file);
        file.execute_batch(DROP_GUARDS).unwrap();
        file.execute_batch(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        guards.iter().for_each(|guard| file.execute_batch(guard).unwrap());
    }
    let disk = OnDisk::open(copy.path()).await;
    let report = disk.verify(&VerifyOptions::default()).await;
    disk.close().await;
    report
}

#[tokio::test]
async fn a_change_to_any_column_of_any_event_is_found_where_it_is() {
    let original = ledger().await;
    let columns = [
        "id = randomblob(16)",
        "stream = stream || 'x'",
        "version = version + 1000",
        "type = 'booking.cancelled'",
        "schema = schema + 1",
        "recorded_at = recorded_at + 1",
        "effective_at = effective_at - 1",
        "actor_kind = actor_kind || ' '",
        "actor_id = 'another'",
        "origin = 'api'",
        "correlation = 'another'",
        "causation = randomblob(16)",
        "leaf = randomblob(32)",
        "data = '{\"n\":777}'",
        "data = data || ' '",
    ];
    for (n, change) in columns.iter().enumerate() {
        // Every position has its turn, and the ends have several.
        for position in [n % 12, 0, 5] {
            let sql = format!("UPDATE events SET {change} WHERE position = {position}");
            let report = after(original.path(), &sql, false).await;
            let at = report.faults.first().and_then(|fault| fault.position);
            assert_eq!(at, Some(position as u64), "{sql}: {report:?}");
        }
    }
}

#[tokio::test]
async fn a_removed_event_is_found_where_it_was() {
    let original = ledger().await;
    for position in [0, 1, 6, 11] {
        let report = after(original.path(), &format!("DELETE FROM events WHERE position = {position}"), false).await;
        assert_eq!(report.faults.first().and_then(|fault| fault.position), Some(position), "{report:?}");
    }
    // The newest: the ledger by itself cannot tell that they ever were, the checkpoint that was kept can.
    let newest = "DELETE FROM events WHERE position >= 8";
    assert!(after(original.path(), newest, false).await.sound);
    let report = after(original.path(), newest, true).await;
    assert!(!report.sound && report.faults[0].reason.contains("covers 12 events, but there are 8"), "{report:?}");
}

#[tokio::test]
async fn a_swapped_pair_is_found_where_it_begins() {
    let original = ledger().await;
    for (a, b) in [(0, 1), (2, 5), (7, 11)] {
        let places = format!(
            "UPDATE events SET position = 900 WHERE position = {a}; UPDATE events SET position = {a} WHERE position = {b};
             UPDATE events SET position = {b} WHERE position = 900;"
        );
        let contents = format!(
            "CREATE TABLE t AS SELECT * FROM events WHERE position IN ({a}, {b});
             UPDATE events SET data = (SELECT data FROM t WHERE t.position = {a} + {b} - events.position),
                leaf = (SELECT leaf FROM t WHERE t.position = {a} + {b} - events.position) WHERE position IN ({a}, {b});
             DROP TABLE t;"
        );
        for sql in [places, contents] {
            let report = after(original.path(), &sql, false).await;
            assert_eq!(report.faults.first().and_then(|fault| fault.position), Some(a), "{sql}: {report:?}");
        }
    }
}

#[tokio::test]
async fn one_who_hashes_anew_is_found_by_the_seal() {
    let original = ledger().await;
    // The event and its hash are changed together: each event is sound by itself, and the tree is another.
    let disk = OnDisk::open(original.path()).await;
    let mut it = disk.ledger.read_all(syncledger::domain::ids::Position(7), 1).await.unwrap().remove(0);
    disk.close().await;
    it.event.data = r#"{"n":666}"#.into();
    let leaf = syncledger::ledger::append::leaf_at(&it.stream.to_string(), it.version, it.position, &it.event);
    let hex = data_encoding::HEXLOWER.encode(&leaf);
    let sql = format!("UPDATE events SET data = '{{\"n\":666}}', leaf = unhex('{hex}') WHERE position = 7");
    let report = after(original.path(), &sql, false).await;
    let fault = &report.faults[0];
    assert!(fault.position <= Some(7) && fault.up_to >= Some(7) && fault.position >= Some(6), "{report:?}");
    assert!(fault.reason.contains("differ from those that were sealed"), "{report:?}");
}

#[tokio::test]
async fn guards_that_were_taken_away_are_missed() {
    let original = ledger().await;
    let file = Connection::open(original.path().join("ledger.db")).unwrap();
    file.execute_batch(
        "DROP TRIGGER events_are_not_changed; CREATE TRIGGER quiet AFTER INSERT ON events BEGIN SELECT 1; END",
    )
    .unwrap();
    drop(file);
    let disk = OnDisk::open(original.path()).await;
    let report = disk.verify(&VerifyOptions::default()).await;
    let told: Vec<_> = report.faults.iter().map(|fault| fault.reason.as_str()).collect();
    assert!(
        told.iter().any(|told| told.contains("trigger events_are_not_changed,") && told.contains("is missing")),
        "{told:?}"
    );
    assert!(told.iter().any(|told| told.contains("quiet was added")), "{told:?}");
}

/// Everything that the ledger is: all columns of all events.
async fn contents(disk: &OnDisk) -> Vec<syncledger::record::envelope::StoredEvent> {
    disk.ledger.read_all(syncledger::domain::ids::Position(0), 100).await.unwrap()
}

/// One byte after another: the check finds it, or the file does not open, or no event, hash or guard depends on that byte
/// (free space, the number of the last writer, another table).
#[tokio::test]
async fn a_flipped_byte_of_the_file_is_found_or_changes_nothing() {
    let original = ledger().await;
    let bytes = fs::read(original.path().join("ledger.db")).unwrap();
    let disk = OnDisk::open(original.path()).await;
    let before = contents(&disk).await;
    disk.close().await;
    // What is flipped must be the whole ledger: one whose events still stood in its log would prove nothing.
    let alone = folder();
    fs::write(alone.path().join("ledger.db"), &bytes).unwrap();
    let disk = OnDisk::open(alone.path()).await;
    assert_eq!((contents(&disk).await.len(), contents(&disk).await == before), (13, true));
    disk.close().await;
    // Used cells lie at the ends of pages, so a stride that is prime to their size meets every kind of place.
    let (near, far) = sized((9, 509), (1, 1));
    let places: Vec<usize> = (0..100).step_by(near).chain((100..bytes.len()).step_by(far)).collect();
    let (mut found, mut harmless) = (0, 0);
    for at in places {
        let copy = folder();
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        fs::write(copy.path().join("ledger.db"), &changed).unwrap();
        let options =
            syncledger::adapters::sqlite::Options { path: copy.path().join("ledger.db"), workspace: "loft".to_owned() };
        let clock = std::sync::Arc::new(syncledger::adapters::system::SystemClock::new());
        let Ok(opened) = syncledger::adapters::sqlite::SqliteLedger::open(options, clock).await else {
            found += 1;
            continue;
        };
        syncledger::ports::upkeep::Upkeep::close(&opened).await;
        let disk = OnDisk::open(copy.path()).await;
        let sound = match disk.audit.verify(&VerifyOptions::default(), &mut |_, _| {}).await {
            Ok(mut report) => {
                use syncledger::ports::upkeep::Upkeep as _;
                report.add(disk.ledger.inspect().await.unwrap_or_else(|unfinished| vec![unfinished]));
                report.sound
            }
            Err(_) => false,
        };
        if sound {
            assert_eq!(contents(&disk).await, before, "byte {at} changed an event, and nobody noticed");
            harmless += 1;
        } else {
            found += 1;
        }
        disk.close().await;
    }
    assert!(found > 20, "{found} found, {harmless} harmless");
    println!("{} bytes of {} flipped: {found} found, {harmless} harmless", found + harmless, bytes.len());
}

/// A ledger of 40 events, exported.
async fn exported(folder: &Path) -> std::path::PathBuf {
    let disk = OnDisk::open(folder).await;
    fill(&disk.ledger, 0, 30).await;
    seal(&disk.audit).await;
    fill(&disk.ledger, 30, 9).await;
    let path = folder.join("ledger.zst");
    let archive::Archive { already, sink } = archive::begin(&path).unwrap();
    let done = transfer::export(&disk.audit, Range::default(), already, sink, &mut |_, _| {}).await.unwrap();
    assert_eq!((done.events, done.resumed), (40, 0));
    disk.close().await;
    path
}

fn verified(path: &Path) -> Report {
    match archive::lines(path) {
        Ok(lines) => verify_lines(lines, &[], &[], &mut |_, _| {}).report,
        Err(_) => Report::default(),
    }
}

#[tokio::test]
async fn a_flipped_byte_of_an_export_is_found() {
    let folder = folder();
    let path = exported(folder.path()).await;
    assert!(verified(&path).sound);
    let bytes = fs::read(&path).unwrap();
    for at in (0..bytes.len()).step_by(sized(3, 1)).chain(bytes.len() - 60..bytes.len()) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        fs::write(&path, &changed).unwrap();
        assert!(!verified(&path).sound, "byte {at}");
    }
}

/// The lines of an export, changed by one who compresses them anew and ends the file as it should be.
fn checked(lines: Vec<Vec<u8>>) -> Report {
    let lines: Lines = Box::new(lines.into_iter().map(Ok));
    verify_lines(lines, &[], &[], &mut |_, _| {}).report
}

#[tokio::test]
async fn a_changed_line_of_an_export_is_found_where_it_is() {
    let folder = folder();
    let path = exported(folder.path()).await;
    let lines: Vec<Vec<u8>> = archive::lines(&path).unwrap().map(Result::unwrap).collect();
    assert!(checked(lines.clone()).sound);
    let place = |report: &Report| report.faults.first().map(|fault| (fault.line, fault.position));
    // Line 1 is the head: position 7 stands on line 9.
    let mut removed = lines.clone();
    removed.remove(8);
    assert_eq!(place(&checked(removed)), Some((Some(9), Some(7))));
    let mut swapped = lines.clone();
    swapped.swap(8, 10);
    assert_eq!(place(&checked(swapped)), Some((Some(9), Some(7))));
    let mut twice = lines.clone();
    twice.insert(8, lines[7].clone());
    assert_eq!(place(&checked(twice)), Some((Some(9), Some(7))));
    for at in (0..lines[8].len()).step_by(sized(5, 1)) {
        let mut flipped = lines.clone();
        flipped[8][at] ^= 1;
        let report = checked(flipped);
        // Some changes make another event, which only the root knows: then the seal's range is told.
        let fault = report.faults.first().unwrap_or_else(|| panic!("byte {at} of the line"));
        let near = fault.position.is_none_or(|position| position <= 7) && fault.line >= Some(9);
        assert!(near || fault.position == Some(7), "byte {at}: {report:?}");
    }
    for edge in [0, lines.len() - 1] {
        for at in 0..lines[edge].len() {
            let mut flipped = lines.clone();
            flipped[edge][at] ^= 1;
            assert!(
                !checked(flipped).sound,
                "byte {at} of line {}: {}",
                edge + 1,
                String::from_utf8_lossy(&lines[edge])
            );
        }
    }
    for cut in 0..lines.len() {
        assert!(!checked(lines[..cut].to_vec()).sound, "{cut} lines");
    }
    assert!(!checked([lines.as_slice(), &[b"{}".to_vec()]].concat()).sound);
}
