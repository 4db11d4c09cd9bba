//! Importing, listing and explaining bookings.

use super::{BOOKINGS, Folder};

#[test]
fn importing_twice_changes_nothing() {
    let folder = Folder::with_bookings();
    let events = folder.run(&["events", "all"]).out;
    let again = folder.json(&["bookings", "import", "bookings.csv", "--zone", "America/Chicago"]);
    assert_eq!(
        (again["registered"].as_u64(), again["changed"].as_u64(), again["unchanged"].as_u64()),
        (Some(0), Some(0), Some(2))
    );
    assert_eq!(folder.run(&["events", "all"]).out, events);
}

#[test]
fn a_dry_run_says_what_would_be_and_appends_nothing() {
    let folder = Folder::with_bookings();
    folder.write("bookings.csv", &BOOKINGS.replace("2027-03-01T11:00", "2027-03-01T12:00"));
    let import = ["bookings", "import", "bookings.csv", "--zone", "America/Chicago"];
    let dry = folder.json(&[&import[..], &["--dry-run"]].concat());
    assert_eq!(
        (dry["changed"].as_u64(), dry["unchanged"].as_u64(), dry["dry_run"].as_bool()),
        (Some(1), Some(1), Some(true))
    );
    assert_eq!(dry["lines"][0]["detail"], "rescheduled");
    let done = folder.json(&import);
    assert_eq!(
        (done["changed"].as_u64(), done["unchanged"].as_u64()),
        (Some(1), Some(1)),
        "the dry run had changed nothing"
    );
}

#[test]
fn refused_lines_are_told_and_the_others_imported() {
    let folder = Folder::new();
    folder.write("bookings.csv", &format!("{BOOKINGS}1003,bay-1,nonsense,2027-03-01T11:00,Broken,confirmed\n"));
    let ran = folder.run(&["bookings", "import", "bookings.csv", "--zone", "America/Chicago"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("bookings.csv:4: refused"), "{}", ran.out);
    assert!(ran.out.ends_with("2 registered, 0 changed, 0 unchanged, 1 refused\n"), "{}", ran.out);
}

#[test]
fn two_lines_about_one_booking_are_carried_out_in_order() {
    let folder = Folder::new();
    let moved = "1001,bay-2,2027-03-01T10:00,2027-03-01T11:00,Lesson with Ann,confirmed\n";
    folder.write("in/1.csv", BOOKINGS);
    folder.write("in/2.csv", &format!("{}\n{moved}", BOOKINGS.lines().next().unwrap()));
    let import = ["bookings", "import", "in", "--zone", "America/Chicago"];
    let dry = folder.json(&[&import[..], &["--dry-run"]].concat());
    let done = folder.json(&import);
    assert_eq!(dry["lines"], done["lines"]);
    assert_eq!(done["lines"][2]["detail"], "reassigned");
    assert_eq!(folder.json(&["bookings", "show", "import.1001"])["booking"]["resource"], "bay-2");
}

#[test]
fn bookings_are_listed_shown_and_explained() {
    let folder = Folder::with_bookings();
    let list = folder.run(&["bookings", "list"]);
    insta::assert_snapshot!(list.out);
    assert!(!list.out.contains('\u{1b}'), "no colours where nobody watches");
    let bay = folder.json(&["bookings", "list", "--resource", "bay-2"]);
    assert_eq!(bay.as_array().unwrap().len(), 1);
    assert_eq!(bay[0]["title"], "Fitting");
    assert_eq!(folder.json(&["bookings", "list", "--limit", "1"]).as_array().unwrap().len(), 1);
    let shown = folder.json(&["bookings", "show", "import.1001"]);
    assert_eq!((&shown["booking"]["status"], &shown["links"]), (&"confirmed".into(), &serde_json::json!([])));
    let story = folder.json(&["bookings", "story", "import.1001"]);
    assert_eq!(story["zone"], "America/Chicago");
    assert_eq!(story["happened"][0]["root"], "An import (cli)");
    let told = folder.run(&["bookings", "story", "import.1001"]).out;
    assert!(
        told.contains("Booking registered: \"Lesson with Ann\" on bay-1, 2027-03-01 10:00 to 11:00 -06:00"),
        "{told}"
    );
}

#[test]
fn what_is_not_there_is_refused() {
    let folder = Folder::with_bookings();
    for arguments in
        [["bookings", "show", "import.9"], ["bookings", "story", "import.9"], ["events", "read", "booking-import.9"]]
    {
        let ran = folder.run(&arguments);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{arguments:?}");
        assert!(ran.err.contains("import.9"), "{}", ran.err);
    }
}
