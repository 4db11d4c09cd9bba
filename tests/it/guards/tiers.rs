//! What a test of `./test` leaves to others: figures of speed to `cargo bench`, and what a whole process shares to a process of
//! its own, since `cargo test` runs all tests in one.

use super::{
    caught, nothing_in,
    source::{Source, rust},
};

/// The one file of tests that may look at the time and wait.
const WAITS: &str = "tests/it/support/patience.rs";

/// What measures time or waits for it.
const CLOCKS: [&str; 5] = ["sleep(", "timeout(", "Instant::", "SystemTime::", "elapsed("];

/// What looks at, or changes, something that every test in a process shares.
const SHARED: [&str; 7] = [
    "install_default(",
    "CryptoProvider::get_default(",
    "set_var(",
    "set_current_dir(",
    "set_global_default(",
    "set_hook(",
    "/proc/self/",
];

fn found_in(source: &Source) -> Vec<String> {
    let path = &source.path;
    let (is_test, tests_at) = (path.starts_with("tests/"), source.tests_at());
    let tests = match path.as_str() {
        _ if is_test || path.starts_with("src/") && !source.ships() => 0,
        _ if path.starts_with("src/") => tests_at,
        _ => return Vec::new(),
    };
    let (code, spoken) = (&source.code[tests..], &source.spoken[tests..]);
    let mut found = Vec::new();
    for clock in CLOCKS.iter().filter(|clock| path != WAITS && names(code, clock)) {
        found.push(format!("{path}: {clock} measures time or waits: count, move a clock of your own, or see {WAITS}"));
    }
    let alone = names(code, "alone(");
    for shared in SHARED.iter().filter(|shared| !alone && is_test && names(spoken, shared)) {
        found.push(format!("{path}: {shared} is shared by all tests of a process: see tests/it/support/alone.rs"));
    }
    found
}

/// Whether `code` has the word, from its beginning.
fn names(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[test]
fn tests_measure_no_time_and_share_no_process() {
    let sources = rust().into_iter().filter(|source| source.path != "tests/it/guards/tiers.rs");
    nothing_in(&sources.flat_map(|source| found_in(&source)).collect::<Vec<_>>());
}

#[test]
fn a_test_that_measures_or_shares_is_caught() {
    let found = |path: &str, code: &str| found_in(&Source::new(path, code));
    caught(&found("tests/it/a.rs", "fn a() { tokio::time::sleep(A).await }"), "sleep(");
    caught(&found("src/a/tests/b.rs", "fn a() { assert!(began.elapsed() < B) }"), "elapsed(");
    caught(&found("src/a.rs", "\n#[cfg(test)]\nmod tests { fn a() { Instant::now() } }"), "Instant::");
    caught(&found("tests/it/a.rs", "fn a() { std::env::set_var(A, B) }"), "set_var(");
    caught(&found("tests/it/a.rs", "fn a() { read(\"/proc/self/stat\") }"), "/proc/self/");
    nothing_in(&found(
        "tests/it/a.rs",
        "fn a() { alone(NAME, async || install_default()).await; shutdown_timeout(1) }",
    ));
    nothing_in(&found("tests/it/a.rs", "// sleep(1)\nfn a() { \"sleep(1)\" }"));
    nothing_in(&found("src/a.rs", "fn a() { sleep(A) }\n#[cfg(test)]\nmod tests { fn a() {} }"));
    nothing_in(&found("benches/a.rs", "fn a() { sleep(A) }"));
}
