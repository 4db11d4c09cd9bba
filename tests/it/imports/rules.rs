//! Recurrence rules: the examples of RFC 5545 §3.8.5.3, and agreement with another expander where both are sound.

use std::collections::BTreeSet;

use calcard::{Entry, Parser};
use proptest::prelude::*;
use syncledger::{
    adapters::files::{Kind, Options, Window, parse},
    domain::slot::Slot,
};

use super::options;

fn calendar(start: &str, rule: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u\nDTSTART:{start}\nDURATION:PT1H\nRRULE:{rule}\nEND:VEVENT\nEND:VCALENDAR\n"
    )
}

/// The starts that a rule gives between two days.
fn starts(start: &str, rule: &str, from: &str, until: &str) -> Vec<String> {
    let at = |day: &str| format!("{day}T00:00:00Z").parse().expect("a day");
    let options = Options { window: Window { from: at(from), until: at(until) }, ..options() };
    let lines = parse("a.ics", calendar(start, rule).as_bytes(), Kind::Ics, &options);
    let booked = lines.iter().filter_map(|line| line.outcome.as_ref().ok());
    booked
        .map(|snapshot| match &snapshot.slot {
            Slot::Timed { starts_at, .. } => starts_at.format("%Y-%m-%d %H:%M").to_string(),
            Slot::AllDay { from, .. } => from.to_string(),
        })
        .collect()
}

fn days(start: &str, rule: &str) -> Vec<String> {
    let all = starts(&format!("{start}T090000Z"), rule, "1990-01-01", "2005-01-01");
    all.into_iter().map(|at| at[..10].to_owned()).collect()
}

#[test]
fn the_examples_of_the_standard() {
    let examples: [(&str, &str, &[&str]); 11] = [
        ("19970922", "FREQ=MONTHLY;COUNT=4;BYDAY=-2MO", &["1997-09-22", "1997-10-20", "1997-11-17", "1997-12-22"]),
        (
            "19970805",
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
            &["1997-08-05", "1997-08-10", "1997-08-19", "1997-08-24"],
        ),
        (
            "19970805",
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
            &["1997-08-05", "1997-08-17", "1997-08-19", "1997-08-31"],
        ),
        ("19970519", "FREQ=YEARLY;COUNT=3;BYDAY=20MO", &["1997-05-19", "1998-05-18", "1999-05-17"]),
        ("19970512", "FREQ=YEARLY;COUNT=3;BYWEEKNO=20;BYDAY=MO", &["1997-05-12", "1998-05-11", "1999-05-17"]),
        (
            "19970101",
            "FREQ=YEARLY;INTERVAL=3;COUNT=4;BYYEARDAY=1,100,200",
            &["1997-01-01", "1997-04-10", "1997-07-19", "2000-01-01"],
        ),
        (
            "19980213",
            "FREQ=MONTHLY;COUNT=4;BYDAY=FR;BYMONTHDAY=13",
            &["1998-02-13", "1998-03-13", "1998-11-13", "1999-08-13"],
        ),
        (
            "19961105",
            "FREQ=YEARLY;INTERVAL=4;COUNT=3;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
            &["1996-11-05", "2000-11-07", "2004-11-02"],
        ),
        ("19970904", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", &["1997-09-04", "1997-10-07", "1997-11-06"]),
        ("19970928", "FREQ=MONTHLY;COUNT=3;BYMONTHDAY=-3", &["1997-09-28", "1997-10-29", "1997-11-28"]),
        ("20000229", "FREQ=YEARLY;UNTIL=20041231", &["2000-02-29", "2004-02-29"]),
    ];
    for (start, rule, expected) in examples {
        assert_eq!(days(start, rule), expected, "{rule} from {start}");
    }
}

#[test]
fn a_rule_from_long_ago_is_entered_in_the_middle() {
    // 1 June 2025 is 45,807 days after 1 January 1900: the 15,270th of every third day.
    let every_third = starts("19000101T090000Z", "FREQ=DAILY;INTERVAL=3", "2025-06-01", "2025-06-10");
    assert_eq!(every_third, ["2025-06-01 09:00", "2025-06-04 09:00", "2025-06-07 09:00"]);
    let counted = starts("19000101T090000Z", "FREQ=DAILY;INTERVAL=3;COUNT=15271", "2025-06-01", "2025-06-10");
    assert_eq!(counted, ["2025-06-01 09:00", "2025-06-04 09:00"], "the count began in 1900");
}

fn list(part: &'static str, values: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just(String::new()),
        1 => prop::sample::subsequence(values, 1..=values.len().min(3)).prop_map(move |some| format!(";{part}={}", some.join(","))),
    ]
}

fn rules() -> impl Strategy<Value = String> {
    let plain = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"].as_slice();
    let numbered = ["1MO", "-1TU", "2WE", "-2TH", "5FR", "SA"].as_slice();
    let freq = prop_oneof![
        (Just("DAILY"), list("BYDAY", plain)),
        (Just("WEEKLY"), list("BYDAY", plain)),
        (Just("MONTHLY"), list("BYDAY", numbered)),
        (Just("YEARLY"), list("BYDAY", plain)),
    ];
    let rest = (
        1..4_u8,
        list("BYMONTH", &["1", "2", "6", "12"]),
        list("BYMONTHDAY", &["1", "13", "28", "31", "-1", "-30"]),
        list("BYHOUR", &["0", "9", "23"]),
        prop_oneof![4 => Just(""), 1 => Just(";WKST=SU")],
        prop_oneof![2 => Just(""), 1 => Just(";COUNT=7"), 1 => Just(";UNTIL=20260310T090000Z")],
    );
    (freq, rest).prop_map(|((freq, by_day), (interval, month, month_day, hour, week, end))| {
        // RFC 5545 gives weekly rules no days of the month; what expanders make of them differs.
        let month_day = if freq == "WEEKLY" { String::new() } else { month_day };
        format!("FREQ={freq};INTERVAL={interval}{by_day}{month}{month_day}{hour}{week}{end}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    /// The other expander is calcard's. It takes a start that the rule does not name for no occurrence and does not count
    /// it; so the comparison starts at the first occurrence that it finds.
    #[test]
    fn another_expander_finds_the_same_starts(rule in rules(), day in 1..29_u32, month in 1..13_u32) {
        let expanded = |start: &str, limit| {
            let text = calendar(start, &rule);
            let Entry::ICalendar(calendar) = Parser::new(&text).entry() else { panic!("not a calendar") };
            let found = calendar.expand_dates(chrono_tz::Tz::UTC, limit).events;
            found.iter().map(|event| event.start.naive_local()).collect::<BTreeSet<_>>()
        };
        let first = expanded(&format!("2024{month:02}{day:02}T090000Z"), 1).into_iter().next();
        prop_assume!(first.is_some_and(|first| first.and_utc().timestamp() < 1_780_000_000));
        let start = first.unwrap().format("%Y%m%dT%H%M%SZ").to_string();
        let theirs: Vec<String> = expanded(&start, 1_500)
            .into_iter()
            .map(|at| at.format("%Y-%m-%d %H:%M").to_string())
            // Years beyond 9999 are written with a plus sign, which sorts before every digit.
            .filter(|at| !at.starts_with('+') && at.as_str() < "2026-07-01")
            .take(1_000)
            .collect();
        prop_assert_eq!(starts(&start, &rule, "2024-01-01", "2026-07-01"), theirs, "{} from {}", rule, start);
    }
}
