//! Files made to break readers: no input makes one panic, run away, or say nothing.

use proptest::prelude::*;
use syncledger::adapters::files::{Kind, parse};

use super::options;

/// Words that calendars are made of, to reach deeper than chance would.
const WORDS: [&str; 40] = [
    "BEGIN:VCALENDAR\n",
    "END:VCALENDAR\n",
    "BEGIN:VEVENT\n",
    "END:VEVENT\n",
    "BEGIN:VTIMEZONE\n",
    "END:VTIMEZONE\n",
    "BEGIN:STANDARD\n",
    "END:STANDARD\n",
    "UID:a\n",
    "UID:b\n",
    "TZID:Z\n",
    "DTSTART;TZID=Z:20250610T180000\n",
    "DTSTART:00010101T000000Z\n",
    "DTSTART:99991231T235959Z\n",
    "DTSTART;VALUE=DATE:20250610\n",
    "DTEND:20250610T190000Z\n",
    "DTEND;VALUE=DATE:99991231\n",
    "DURATION:PT4294967295S\n",
    "DURATION:P4294967295W\n",
    "RRULE:FREQ=DAILY\n",
    "RRULE:FREQ=DAILY;INTERVAL=65535;COUNT=4294967295\n",
    "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\n",
    "RRULE:FREQ=YEARLY;BYWEEKNO=-53;BYDAY=MO;WKST=SU\n",
    "RRULE:FREQ=MONTHLY;BYDAY=-5FR;BYSETPOS=-366\n",
    "RRULE:FREQ=WEEKLY;UNTIL=99991231T000000Z;BYSECOND=60\n",
    "RRULE:FREQ=SECONDLY\n",
    "RDATE;VALUE=PERIOD:99991231T235959Z/P1W,20250610T180000Z/PT0S\n",
    "EXDATE:20250610T180000Z\n",
    "EXDATE:\n",
    "RECURRENCE-ID;RANGE=THISANDFUTURE:20250611T180000Z\n",
    "RECURRENCE-ID:00000000\n",
    "SEQUENCE:-9223372036854775808\n",
    "TZOFFSETFROM:-9999\n",
    "TZOFFSETTO:+2359\n",
    "SUMMARY;ENCODING=BASE64:////\n",
    "ATTENDEE;CN=\":mailto:\n",
    ";:=\"",
    "\r\n ",
    "\u{feff}",
    "\\",
];

fn kinds() -> [Kind; 3] {
    [Kind::Ics, Kind::Csv, Kind::Jsonl]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_bytes_get_a_report(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for kind in kinds() {
            prop_assert!(!parse("x", &bytes, kind, &options()).is_empty());
        }
    }

    #[test]
    fn any_heap_of_calendar_words_gets_the_same_report_twice(words in prop::collection::vec(0..WORDS.len(), 0..40)) {
        let text: String = words.iter().map(|word| WORDS[*word]).collect();
        let once = parse("x.ics", text.as_bytes(), Kind::Ics, &options());
        prop_assert!(!once.is_empty());
        prop_assert_eq!(once, parse("x.ics", text.as_bytes(), Kind::Ics, &options()));
    }

    #[test]
    fn a_damaged_file_gets_a_report(
        file in 0..4_usize, cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
    ) {
        let (name, kind) =
            [("plain.ics", Kind::Ics), ("series.ics", Kind::Ics), ("sheet.csv", Kind::Csv), ("lines.jsonl", Kind::Jsonl)][file];
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/imports/");
        let mut bytes = std::fs::read(format!("{folder}{name}")).unwrap();
        for (place, byte) in cuts {
            let place = place.index(bytes.len());
            if byte < 64 { bytes.truncate(place.max(1)) } else { bytes[place] = byte }
        }
        prop_assert!(!parse(name, &bytes, kind, &options()).is_empty());
    }
}

#[test]
fn rules_without_end_come_to_an_end() {
    let entry = |number: usize, rule: &str| {
        format!("BEGIN:VEVENT\nUID:{number}\nDTSTART:00010101T100000Z\nDURATION:PT1H\nRRULE:{rule}\nEND:VEVENT\n")
    };
    // Each would be looked at for two thousand years, because of its count; together for millions.
    let counted: String =
        (0..5_000).map(|number| entry(number, "FREQ=DAILY;COUNT=4294967295;BYMONTH=2;BYMONTHDAY=30")).collect();
    let lines = parse("x.ics", format!("BEGIN:VCALENDAR\n{counted}END:VCALENDAR\n").as_bytes(), Kind::Ics, &options());
    assert_eq!(lines.len(), 5_000);
    let last = lines.last().unwrap().outcome.as_ref().unwrap_err();
    assert!(last.reason.contains("too expensive to expand"), "{last}");
}
