//! How much of a proof is played. `./test` plays enough to find a mistake; `.ci/long` sets `SYNCLEDGER_TEST_SIZE=full` and plays all
//! of it. Both assert the same.

const SIZE: &str = "SYNCLEDGER_TEST_SIZE";

/// `short`, or `full` where the whole proof was asked for.
pub fn sized<T>(short: T, full: T) -> T {
    match std::env::var(SIZE).as_deref() {
        Err(_) | Ok("" | "short") => short,
        Ok("full") => full,
        Ok(other) => panic!("{SIZE} is short or full, not {other}"),
    }
}
