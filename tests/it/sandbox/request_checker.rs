//! The checker of recorded requests tells good ones from bad ones.

use std::{path::Path, process::Command};

use super::support::{python, tools};

/// Runs the checker; gives its exit code, what it found, and its summary.
pub fn check(requests: &Path) -> (i32, String, String) {
    let output = Command::new(python()).arg(tools().join("check_google_requests.py")).arg(requests).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn good_requests_pass() {
    let (status, out, err) = check(&tools().join("good_google.jsonl"));
    assert_eq!((status, out.as_str()), (0, ""), "{err}");
    assert!(err.starts_with("checked 9, with violations 0, skipped 1"), "{err}");
}

#[test]
fn every_bad_request_is_found() {
    let (status, out, err) = check(&tools().join("bad_google.jsonl"));
    assert_eq!(status, 1, "{out}");
    assert!(err.starts_with("checked 14, with violations 14"), "{err}");
}
