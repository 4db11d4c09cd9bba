//! Tables and stories as they were, and events picked by what an auditor asks.

use serde_json::Value;

use super::{BOOKINGS, Folder};

/// Two bookings; then the first is moved to bay 2 and the second called off. Positions 0 to 3, then 4, then 5.
fn changed() -> Folder {
    let folder = Folder::with_bookings();
    let moved = BOOKINGS.replace("1001,bay-1", "1001,bay-2").replace("1002,", "1003,");
    folder.write("bookings.csv", moved.lines().take(2).collect::<Vec<_>>().join("\n").as_str());
    assert_eq!(folder.run(&["bookings", "import", "bookings.csv", "--zone", "America/Chicago"]).code, 0);
    let cancel = [
        "events",
        "append",
        "booking-import.1002",
        "--type",
        "booking.cancelled",
        "--data",
        r#"{"reason":"requested"}"#,
    ];
    assert_eq!(folder.run(&[&cancel[..], &["--by", "kim"]].concat()).code, 0);
    folder
}

fn lines(folder: &Folder, arguments: &[&str]) -> Vec<Value> {
    let ran = folder.run(&[arguments, &["--json"]].concat());
    assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn positions(folder: &Folder, arguments: &[&str]) -> Vec<u64> {
    let all = [&["events", "all"], arguments].concat();
    lines(folder, &all).iter().map(|event| event["position"].as_u64().unwrap()).collect()
}

#[test]
fn tables_are_shown_as_they_were() {
    let folder = changed();
    let bay = |then: &[&str]| {
        let shown = folder.json(&[&["projections", "show", "bookings", "--key", "import.1001"], then].concat());
        shown[0]["resource"].as_str().map(str::to_owned)
    };
    assert_eq!(bay(&[]).as_deref(), Some("bay-2"));
    assert_eq!(bay(&["--as-of", "position:3"]).as_deref(), Some("bay-1"));
    assert_eq!(bay(&["--as-of", "2020-01-01"]), None);
    let at = lines(&folder, &["events", "all"])[3]["recorded_at"].as_str().unwrap().to_owned();
    assert_eq!(bay(&["--as-of", &at]).as_deref(), Some("bay-1"), "what was recorded at that very instant counts");
    let then = ["bookings", "list", "--as-of", "position:3"];
    let ran = folder.run(&then);
    insta::assert_snapshot!(ran.out);
    assert!(ran.err.starts_with("(as of 4 events, the last one recorded at "), "{}", ran.err);
    assert_eq!(
        folder.json(&["bookings", "show", "import.1002", "--as-of", "position:4"])["booking"]["status"],
        "confirmed"
    );
    assert_eq!(folder.json(&["bookings", "show", "import.1002"])["booking"]["status"], "cancelled");
    let wanted = ["projections", "show", "bookings", "--where", "status=cancelled"];
    assert_eq!(folder.json(&wanted).as_array().unwrap().len(), 1);
    assert_eq!(folder.json(&[&wanted[..], &["--as-of", "position:4"]].concat()).as_array().unwrap().len(), 0);
    for list in folder.json(&["projections", "list"]).as_array().unwrap() {
        let name = list["projection"].as_str().unwrap();
        let now = folder.json(&["projections", "show", name]);
        assert_eq!(now, folder.json(&["projections", "show", name, "--as-of", "position:999"]), "{name}");
    }
    assert_eq!(folder.json(&["attempts", "list", "--as-of", "position:3"]), serde_json::json!([]));
}

#[test]
fn a_story_ends_where_it_is_told_to() {
    let folder = changed();
    let told = |then: &[&str]| {
        folder.json(&[&["bookings", "story", "import.1001"], then].concat())["happened"].as_array().unwrap().len()
    };
    assert_eq!((told(&[]), told(&["--as-of", "position:3"])), (3, 2));
    let ran = folder.run(&["bookings", "story", "import.1002", "--as-of", "2020-01-01"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("there was no booking import.1002 at that time"), "{}", ran.err);
}

#[test]
fn what_makes_no_sense_is_refused_with_what_does() {
    let folder = changed();
    for (arguments, said) in [
        (&["projections", "show", "bookings", "--where", "colour=red"][..], "its columns are booking, source"),
        (&["projections", "show", "bookings", "--where", "colour"], "COLUMN=VALUE"),
        (&["projections", "show", "bookings", "--key", "a", "--key", "b"], "the key of bookings is: booking"),
        (&["projections", "show", "tables"], "choose one of bookings, links"),
        (&["bookings", "list", "--as-of", "yesterday"], "position:1234"),
        (&["events", "all", "--type", "bookings.x"], "types begin with one of booking"),
        (&["events", "all", "--origin", "post"], "webhook"),
        (&["events", "all", "--recorded-from", "noon"], "UTC unless"),
    ] {
        let ran = folder.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.out);
        assert!(ran.err.contains(said), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn events_are_picked_by_who_what_and_when() {
    let folder = changed();
    let all = positions(&folder, &[]);
    assert_eq!(all, [0, 1, 2, 3, 4, 5]);
    assert_eq!(positions(&folder, &["--reverse"]), [5, 4, 3, 2, 1, 0]);
    assert_eq!(positions(&folder, &["--reverse", "--limit", "2"]), [5, 4]);
    assert_eq!(positions(&folder, &["--from", "1", "--to", "3", "--reverse"]), [3, 2, 1]);
    assert_eq!(positions(&folder, &["--type", "booking.cancelled,booking.reassigned"]), [4, 5]);
    assert_eq!(positions(&folder, &["--type", "booking.cancelled", "--type", "link"]), [5]);
    // An import records several bookings at once, in whatever order.
    let of = |stream: &str| -> Vec<u64> {
        let all = lines(&folder, &["events", "all"]);
        all.iter().filter(|event| event["stream"] == stream).filter_map(|event| event["position"].as_u64()).collect()
    };
    assert_eq!(positions(&folder, &["--in", "booking-import.1002"]), of("booking-import.1002"));
    assert_eq!(positions(&folder, &["--booking", "import.1001"]), of("booking-import.1001"));
    assert_eq!((of("booking-import.1001").len(), of("booking-import.1002").len()), (3, 3));
    assert_eq!(positions(&folder, &["--actor", "operator:kim"]), [5]);
    assert_eq!(positions(&folder, &["--origin", "import"]), [0, 1, 2, 3, 4]);
    assert_eq!(positions(&folder, &["--recorded-until", "2020-01-01"]), [0_u64; 0]);
    assert_eq!(positions(&folder, &["--recorded-from", "2020-01-01T00:00+09:00"]), all);
    let root = lines(&folder, &["events", "all"])[4]["correlation"].as_str().unwrap().to_owned();
    assert!(positions(&folder, &["--correlation", &root]).contains(&4));
    let read = lines(&folder, &["events", "read", "booking-import.1002", "--reverse", "--limit", "1"]);
    assert_eq!(read[0]["type"], "booking.cancelled");
    assert_eq!(lines(&folder, &["events", "read", "booking-import.1002", "--to", "1"]).len(), 2);
}
