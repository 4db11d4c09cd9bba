//! Checks recorded requests against Google's discovery document, with `tests/tools/check_google_requests.py`.

use std::{io::Write as _, path::Path, process::Command};

/// Runs the checker; answers whether it found nothing wrong, and what it said.
fn check(jsonl: &str) -> (bool, String) {
    let python = std::env::var("SYNCLEDGER_TEST_PYTHON")
        .expect("SYNCLEDGER_TEST_PYTHON names a Python that has google-api-python-client");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(jsonl.as_bytes()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/check_google_requests.py");
    let output = Command::new(python).arg(script).arg(file.path()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(matches!(output.status.code(), Some(0 | 1)), "the checker did not run: {said}");
    (output.status.success(), said)
}

/// Every call on the calendar API in the log must be one that Google's document describes.
pub fn assert_as_documented(jsonl: &str) {
    let calls = jsonl.lines().filter(|line| line.contains("/calendar/v3/")).count();
    assert!(calls > 0, "nothing was recorded");
    let (fine, said) = check(jsonl);
    assert!(fine, "{said}");
    assert!(said.contains(&format!("checked {calls}, with violations 0")), "of {calls} calls: {said}");
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let url = "https://www.googleapis.com/calendar/v3/calendars/bay1/events";
    let calls = [
        serde_json::json!({"method": "POST", "url": url, "body": {"id": "SL", "nonsense": 1}}),
        serde_json::json!({"method": "GET", "url": format!("{url}?syncToken=x&timeMin=2026-11-20T12:00:00Z")}),
        serde_json::json!({"method": "GET", "url": format!("{url}?singleEvents=false")}),
    ];
    let (fine, said) = check(&calls.map(|call| call.to_string() + "\n").concat());
    assert!(!fine && said.contains("checked 3, with violations 2"), "{said}");
    for kind in ["body.unknown", "event.id", "query.combination"] {
        assert!(said.contains(kind), "{kind}: {said}");
    }
}
