//! A process of its own, for a test of what a whole process shares. `cargo test` runs all tests in one process, where
//! another test may have installed a cryptography for TLS already; nextest gives each test a process.

use std::process::Command;

/// Names the test that a process was started for.
const ALONE: &str = "SYNCLEDGER_TEST_ALONE";

/// Runs `body` in a process that runs nothing but `test`, which is the full name of the test that calls this.
pub async fn alone(test: &str, body: impl AsyncFnOnce()) {
    if std::env::var_os(ALONE).is_some_and(|name| name == test) {
        return body().await;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--exact", test, "--nocapture"]).env(ALONE, test).output().unwrap();
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // A name that fits no test is no success.
    assert!(output.status.success() && out.contains(" 1 passed;"), "{test}:\n{out}{errors}");
}
