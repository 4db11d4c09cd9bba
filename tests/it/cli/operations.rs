//! Events, tokens, tables and plans.

use std::process::Stdio;

use chrono::{TimeDelta, Utc};
use syncledger::adapters::sandbox::google::service_account;

use super::{BOOKINGS, Folder};

#[test]
fn events_are_read_by_stream_and_as_a_whole() {
    let folder = Folder::with_bookings();
    let lines = |arguments: &[&str]| -> Vec<serde_json::Value> {
        let out = folder.run(&[arguments, &["--json"]].concat()).out;
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let stream = lines(&["events", "read", "booking-import.1001"]);
    assert_eq!(stream[0]["type"], "booking.registered");
    assert!(stream[0]["data"]["details"]["title"]["sealed"].is_string(), "personal texts are shown as they are stored");
    let open = lines(&["events", "read", "booking-import.1001", "--open"]);
    assert_eq!(open[0]["data"]["details"]["title"]["text"], "Lesson with Ann");
    let all = lines(&["events", "all"]);
    let positions: Vec<u64> = all.iter().filter_map(|event| event["position"].as_u64()).collect();
    assert_eq!(positions, (0..4).collect::<Vec<u64>>());
    assert_eq!(lines(&["events", "all", "--type", "booking.confirmed"]).len(), 2);
    assert_eq!(lines(&["events", "all", "--from", "1", "--to", "2"]).len(), 2);
}

#[test]
fn an_event_by_hand_is_checked_against_its_type() {
    let folder = Folder::with_bookings();
    let append = |stream: &str, kind: &str, data: &str| {
        folder.run(&["events", "append", stream, "--type", kind, "--data", data, "--by", "ann"])
    };
    for (stream, kind, data) in [
        ("booking-import.1001", "booking.canceled", r#"{"reason":"requested"}"#),
        ("booking-import.1001", "booking.cancelled", r#"{"reason":"mood"}"#),
        ("booking-import.1001", "booking.cancelled", "{"),
        ("link-import.1001", "booking.cancelled", r#"{"reason":"requested"}"#),
    ] {
        let ran = append(stream, kind, data);
        assert_eq!(ran.code, 2, "{kind} {data}: {}", ran.out);
    }
    assert_eq!(append("booking-import.9", "booking.cancelled", r#"{"reason":"requested"}"#).code, 1);
    assert_eq!(folder.run(&["events", "all"]).out.lines().count(), 8, "nothing of that was written");
    let ran = append("booking-import.1001", "booking.cancelled", r#"{"reason":"requested"}"#);
    assert_eq!((ran.code, ran.out.as_str()), (0, "booking-import.1001@2 at position 4\n"), "{}", ran.err);
    let story = folder.json(&["bookings", "story", "import.1001"]);
    assert_eq!(story["happened"][2]["root"], "Operator ann");
    let from_input = ["events", "append", "booking-import.1001", "--type", "booking.restored", "--data", "-"];
    assert_eq!(folder.fed(&from_input, "{}"), 0);
    assert_eq!(folder.json(&["bookings", "show", "import.1001"])["booking"]["status"], "confirmed");
}

#[test]
fn a_token_is_made_listed_and_revoked_and_its_secret_is_shown_once() {
    let folder = Folder::new();
    let made = folder.json(&["token", "create", "--role", "operator"]);
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let listed = folder.run(&["token", "list"]).out;
    assert!(listed.contains(id) && listed.contains("operator") && !listed.contains(secret), "{listed}");
    assert_eq!(folder.run(&["token", "revoke", id]).code, 0);
    assert!(folder.json(&["token", "list"])[0]["revoked_at"].is_string());
    assert_eq!(folder.run(&["token", "revoke", "tok_none"]).code, 1);
}

#[test]
fn a_table_is_rebuilt_and_found_equal() {
    let folder = Folder::with_bookings();
    let rebuilt = folder.json(&["projections", "rebuild", "bookings"]);
    assert_eq!((rebuilt["events"].as_u64(), rebuilt["comparison"]["differing"].as_u64()), (Some(4), Some(0)));
    let told = folder.run(&["events", "all", "--type", "operations.projection_rebuilt", "--json"]).out;
    assert_eq!(told.lines().count(), 1, "the rebuild is on record");
    assert_eq!(folder.json(&["projections", "diff", "bookings"])["comparison"]["differing"], 0);
    let lags = folder.json(&["projections", "list"]);
    assert!(lags.as_array().unwrap().iter().any(|lag| lag["projection"] == "links"), "{lags}");
}

/// Bay 1 tomorrow, and its way to a calendar that cannot be reached.
fn route(folder: &Folder) {
    let credentials = service_account::credentials("http://127.0.0.1:9");
    folder.write("bot.json", &credentials.to_string());
    folder.write(
        "syncledger.toml",
        "[[connections]]\nid = \"loft-bot\"\nprovider = \"google\"\nservice_account_file = \"bot.json\"\n\
         api_base = \"http://127.0.0.1:9/calendar/v3\"\n\
         [[routes]]\nresource = \"bay-1\"\nconnection = \"loft-bot\"\ncalendar = \"bay1\"\n",
    );
    let day = (Utc::now() + TimeDelta::days(1)).format("%Y-%m-%d");
    let moved = BOOKINGS.replace("2027-03-01", &day.to_string());
    folder.write("bookings.csv", &moved);
    assert_eq!(folder.run(&["bookings", "import", "bookings.csv", "--zone", "America/Chicago"]).code, 0);
}

#[test]
fn a_provider_that_cannot_be_reached_fails_the_check() {
    let folder = Folder::with_bookings();
    route(&folder);
    let ran = folder.run(&["doctor", "--json"]);
    assert_eq!(ran.code, 1);
    let checks: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let failed: Vec<&str> =
        checks.as_array().unwrap().iter().filter(|c| c["state"] == "fail").filter_map(|c| c["name"].as_str()).collect();
    assert_eq!(failed, ["connection loft-bot"]);
}

#[test]
fn a_plan_is_made_without_calling_anybody() {
    let folder = Folder::with_bookings();
    let plan = folder.json(&["reconcile", "plan"]);
    assert_eq!(plan, serde_json::json!({"links": 0, "plan": []}), "without routes there is nothing to plan");
    route(&folder);
    let before = folder.run(&["events", "all"]).out;
    let plan = folder.json(&["reconcile", "plan"]);
    assert_eq!(plan["links"], 1, "bay-1 is routed, bay-2 is not");
    assert!(plan["plan"][0]["what"].as_str().unwrap().starts_with("create sl"), "{plan}");
    folder.write("draft.toml", "create = false\n");
    let drafted = folder.json(&["reconcile", "plan", "--profile", "draft.toml"]);
    assert_eq!(drafted["plan"][0]["why"], "the profile does not send this to the calendar");
    assert_eq!(folder.json(&["reconcile", "plan", "--since", "2100-01-01T00:00:00Z"])["links"], 0);
    assert_eq!(folder.run(&["events", "all"]).out, before, "a plan records nothing");
    folder.write("draft.toml", "craete = false\n");
    let ran = folder.run(&["reconcile", "plan", "--profile", "draft.toml"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("did you mean create?"), "{}", ran.err);
}

#[test]
fn every_list_is_json_and_has_a_word_for_nothing() {
    let folder = Folder::with_bookings();
    for list in
        [&["attempts", "list", "--failed"][..], &["attempts", "dead"], &["approvals", "list"], &["held", "list"]]
    {
        assert_eq!(folder.json(list), serde_json::json!([]), "{list:?}");
        let said = folder.run(list);
        assert_eq!(said.code, 0);
        assert_eq!(said.out.lines().count(), 1, "{list:?}: {}", said.out);
    }
    for answer in [
        &["approvals", "grant", "removals-1"][..],
        &["held", "accept", "import.1001.x"],
        &["attempts", "reprocess", "import.1001.x"],
    ] {
        let ran = folder.run(answer);
        assert_eq!(ran.code, 1, "{answer:?}: {}", ran.err);
        assert!(ran.err.starts_with("syncledger: there is no "), "{}", ran.err);
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let folder = Folder::with_bookings();
    let mut child = folder
        .command(&["events", "tail", "--from", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Nobody listens any more: the next event ends the program, quietly.
    drop(child.stdout.take());
    let more = [
        "events",
        "append",
        "booking-import.1001",
        "--type",
        "booking.cancelled",
        "--data",
        r#"{"reason":"requested"}"#,
    ];
    assert_eq!(folder.run(&more).code, 0);
    let done = child.wait_with_output().unwrap();
    assert_eq!((done.status.code(), String::from_utf8_lossy(&done.stderr).as_ref()), (Some(0), ""));
}

/// A back-up that copies the file of a stopped ledger, without its log, has everything.
#[test]
fn the_file_of_a_ledger_is_complete_after_every_command() {
    let (folder, copy) = (Folder::with_bookings(), Folder::new());
    for name in ["ledger.db", "master.key"] {
        copy.write(&format!("data/{name}"), "");
        std::fs::copy(folder.path().join("data").join(name), copy.path().join("data").join(name)).unwrap();
    }
    let [all, copied] = [&folder, &copy].map(|from| from.run(&["events", "all", "--json"]));
    assert_eq!((all.code, copied.code), (0, 0), "{}{}", all.err, copied.err);
    assert!(all.out.lines().count() >= 4, "{}", all.out);
    assert_eq!(all.out, copied.out);
}
