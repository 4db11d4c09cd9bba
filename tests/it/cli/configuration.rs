//! Wrong configurations and wrong calls: what is said, and exit code 2.

use super::Folder;

#[test]
fn a_wrong_file_is_told_whole_with_exit_code_2() {
    let folder = Folder::new();
    folder.write("syncledger.toml", "workspce = \"loft\"\nlisten = \"3400\"\n[ledger]\nurl = \"postgres://db\"\n");
    let ran = folder.run(&["bookings", "list"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    insta::assert_snapshot!(ran.err);
    let doctor = folder.run(&["doctor"]);
    assert_eq!(doctor.code, 2);
    assert!(doctor.out.contains("did you mean workspace?"), "{}", doctor.out);
}

#[test]
fn wrong_calls_have_exit_code_2_and_help_has_0() {
    let folder = Folder::with_bookings();
    for arguments in [
        &["nonsense"][..],
        &["bookings", "list", "--config", "not-there.toml"],
        &["bookings", "import", "not-there.csv"],
        &["bookings", "import", "bookings.csv", "--zone", "Mars/Base"],
        &["bookings", "show", "not an id"],
        &["events", "read", "nonsense"],
        &["projections", "diff", "nonsense"],
        &["token", "create", "--role", "king"],
    ] {
        let ran = folder.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {}{}", ran.out, ran.err);
        assert!(!ran.err.is_empty());
    }
    let help = folder.run(&["--help"]);
    assert_eq!(help.code, 0);
    assert!(help.out.contains("Usage: syncledger"), "{}", help.out);
}

#[test]
fn a_question_makes_no_ledger() {
    let folder = Folder::new();
    let ran = folder.run(&["bookings", "list"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("there is no ledger at data/ledger.db"), "{}", ran.err);
    assert!(!folder.path().join("data").exists());
}

#[test]
fn doctor_names_what_is_missing() {
    let folder = Folder::with_bookings();
    let ran = folder.run(&["doctor"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("master key"), "{}", ran.out);
    let checks = folder.json(&["doctor"]);
    let states: Vec<&str> = checks.as_array().unwrap().iter().filter_map(|c| c["state"].as_str()).collect();
    assert!(states.contains(&"ok") && states.contains(&"warn") && !states.contains(&"fail"), "{checks:#}");
    std::fs::remove_file(folder.path().join("data/master.key")).unwrap();
    let ran = folder.run(&["doctor"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("master.key does not exist"), "{}", ran.out);
}
