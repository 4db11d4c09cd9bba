//! What people are told about their files.

use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use syncledger::{
    adapters::files::{FileReport, Kind, LINE_BYTES_MAX, Line, Options, ResourceFrom, files, parse},
    domain::ids::ResourceId,
};

use super::{options, shown};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/imports").join(name)
}

fn report(name: &str, options: &Options) -> String {
    let bytes = std::fs::read(fixture(name)).expect("the fixture is part of the repository");
    shown(&parse(name, &bytes, Kind::of_name(name).expect("fixtures are named by their kind"), options))
}

#[test]
fn a_plain_calendar() {
    insta::assert_snapshot!(report("plain.ics", &options()));
}

#[test]
fn a_calendar_full_of_mistakes() {
    insta::assert_snapshot!(report("refused.ics", &options()));
}

#[test]
fn repeating_entries_become_one_booking_per_occurrence() {
    insta::assert_snapshot!(report("series.ics", &options()));
}

#[test]
fn zones_by_every_name_they_go_by() {
    insta::assert_snapshot!(report("zones.ics", &options()));
}

#[test]
fn a_spreadsheet() {
    insta::assert_snapshot!(report("sheet.csv", &options()));
}

#[test]
fn a_spreadsheet_with_a_column_of_its_own() {
    insta::assert_snapshot!(report("unknown-column.csv", &options()));
}

#[test]
fn json_lines() {
    insta::assert_snapshot!(report("lines.jsonl", &options()));
}

fn ics(text: &str, options: &Options) -> Vec<Line> {
    parse("a.ics", text.as_bytes(), Kind::Ics, options)
}

fn entry(lines: &str) -> String {
    format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u\n{lines}\nEND:VEVENT\nEND:VCALENDAR\n")
}

fn reason(line: &Line) -> &str {
    line.outcome.as_ref().map_or_else(|refused| refused.reason.as_str(), |_| panic!("{} was imported", line.at))
}

#[test]
fn a_default_zone_settles_floating_times() {
    let zoned = Options { zone: Some(Tz::Asia__Tokyo), ..options() };
    let lines = ics(&entry("DTSTART:20250610T180000\nDTEND:20250610T190000"), &zoned);
    let slot = &lines[0].outcome.as_ref().unwrap().slot;
    assert_eq!(slot.to_string(), "2025-06-10 18:00 to 19:00 (Asia/Tokyo)");
    assert_eq!(slot.widest().0.to_rfc3339(), "2025-06-10T09:00:00+00:00");
}

#[test]
fn the_place_names_the_resource_where_that_is_asked_for() {
    let from = Options { resource_from: ResourceFrom::Location, ..options() };
    let at = |place: &str| entry(&format!("DTSTART;VALUE=DATE:20250610\nLOCATION:{place}"));
    let resource = |lines: &[Line]| lines[0].outcome.as_ref().unwrap().resource.to_string();
    assert_eq!(resource(&ics(&at("bay-7"), &from)), "bay-7");
    assert!(reason(&ics(&at("Bay 7"), &from)[0]).contains("--map"));
    let mapped = Options { resources: [("Bay 7".into(), ResourceId::new("bay-7").unwrap())].into(), ..from.clone() };
    assert_eq!(resource(&ics(&at("Bay 7"), &mapped)), "bay-7");
    assert_eq!(resource(&ics(&at("Bay 7"), &options())), "bay-1", "not asked for: the place is not looked at");
    assert!(reason(&ics(&at(""), &Options { resource: None, ..from })[0]).contains("names no resource"));
}

#[test]
fn a_cancelled_calendar_cancels_and_an_answer_to_an_invitation_is_no_booking() {
    let with = |method: &str| {
        entry("DTSTART;VALUE=DATE:20250610").replacen("BEGIN:VEVENT", &format!("METHOD:{method}\nBEGIN:VEVENT"), 1)
    };
    assert!(ics(&with("CANCEL"), &options())[0].outcome.as_ref().unwrap().cancelled);
    assert!(!ics(&with("PUBLISH"), &options())[0].outcome.as_ref().unwrap().cancelled);
    assert!(reason(&ics(&with("REPLY"), &options())[0]).contains("REPLY"));
}

#[test]
fn occurrences_are_cut_at_the_limit_and_the_cut_is_told() {
    let daily = entry("DTSTART:20200101T100000Z\nDTEND:20200101T110000Z\nRRULE:FREQ=DAILY;BYHOUR=10,14");
    let lines = ics(&daily, &options());
    assert_eq!(lines.len(), 1_001);
    assert!(lines[..1_000].iter().all(|line| line.outcome.is_ok()));
    assert!(reason(&lines[1_000]).contains("more than 1000 times"));
}

#[test]
fn encodings_are_decoded_by_their_marks_and_never_guessed() {
    let text = "id,starts_at,title\n1,2025-06-10,Übung\n";
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let lines = parse("a.csv", &wide, Kind::Csv, &options());
    assert_eq!(lines[0].outcome.as_ref().unwrap().details.title.display_text(), "Übung");
    let latin = parse("a.csv", b"id,starts_at,title\n1,2025-06-10,\xdcbung\n", Kind::Csv, &options());
    assert!(reason(&latin[0]).starts_with("line 2 is not UTF-8"));
}

#[test]
fn what_is_too_large_is_refused_by_its_limit() {
    let long = "x".repeat(LINE_BYTES_MAX + 1);
    let jsonl = parse("a.jsonl", format!("{{}}\n{long}\n").as_bytes(), Kind::Jsonl, &options());
    assert!(reason(&jsonl[1]).contains("longer than"));
    let csv = parse("a.csv", format!("id,starts_at\n{long},2025-06-10\n").as_bytes(), Kind::Csv, &options());
    assert!(reason(&csv[0]).contains("longer than") && csv[0].at == "a.csv:2");
    assert!(reason(&ics(&entry(&format!("SUMMARY:{long}")), &options())[0]).contains("longer than"));
    let deep = ics(&"BEGIN:VEVENT\n".repeat(1_000), &options());
    assert!(reason(&deep[0]).contains("deep"));
}

#[test]
fn every_file_of_a_folder_is_told_of_in_the_same_order() {
    let folder = tempfile::tempdir().unwrap();
    let day = entry("DTSTART;VALUE=DATE:20250610");
    std::fs::create_dir(folder.path().join("b")).unwrap();
    for (name, text) in [("z.ics", day.as_str()), ("b/inner.ics", &day), ("notes.txt", "hello"), ("a.csv", "")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
    let reports: Vec<FileReport> = files(folder.path(), options()).unwrap().collect();
    let told: Vec<(&str, bool)> =
        reports.iter().map(|report| (report.lines[0].at.as_str(), report.lines[0].outcome.is_ok())).collect();
    assert_eq!(
        told,
        [("a.csv:1", false), ("b/inner.ics:u", true), ("loop", false), ("notes.txt", false), ("z.ics:u", true)]
    );
    assert!(files(&folder.path().join("missing"), options()).is_err());
}
