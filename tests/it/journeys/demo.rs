//! `syncledger demo --once`: the studio's check-list, on a machine with nothing set up.

use std::process::Command;

#[test]
fn the_check_list_passes_and_says_so() {
    let out = Command::new(env!("CARGO_BIN_EXE_syncledger"))
        .args(["demo", "--once", "--json"])
        .output()
        .expect("the program starts");
    let text = String::from_utf8_lossy(&out.stdout);
    let told: serde_json::Value = serde_json::from_str(text.trim()).unwrap_or_else(|e| {
        panic!("{e}: {text}\n{}", String::from_utf8_lossy(&out.stderr));
    });
    let checks = told["checks"].as_array().expect("a list of checks");
    for bay in ["bay-1", "bay-2"] {
        assert_eq!(checks.iter().filter(|c| c["resource"] == bay).count(), 6, "{told:#}");
    }
    for check in checks {
        assert_eq!(check["passed"], true, "{check:#}");
        assert!(check["name"].as_str().is_some_and(|name| !name.is_empty()), "{check:#}");
    }
    assert!(out.status.success(), "{:?}", out.status);
}
