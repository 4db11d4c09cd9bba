//! Waiting for what must happen: as long as a slow machine takes, and not for ever. This is the only place where a test asks the
//! machine for time. A test asserts counts, or moves a clock of its own; how fast something is, `cargo bench` prints.

use std::time::{Duration, Instant};

/// After this, what was waited for does not come. No test asserts that anything is faster.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// What comes of `future`, which has to end.
#[track_caller]
pub fn soon<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    async move {
        let Ok(value) = tokio::time::timeout(PATIENCE, future).await else { panic!("{place}: it does not end") };
        value
    }
}

/// Whether it becomes so.
pub async fn eventually(mut so: impl AsyncFnMut() -> bool) -> bool {
    let until = Instant::now() + PATIENCE;
    while !so().await {
        if Instant::now() > until {
            return false;
        }
        tokio::time::sleep(PAUSE).await;
    }
    true
}

/// The same, in a test without a runtime.
pub fn eventually_blocking(mut so: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + PATIENCE;
    while !so() {
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
    true
}

/// Lets time pass for a server whose clock cannot be moved by hand. More of it does no harm.
pub async fn time_passes(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// A pause of no meaning, so that what happens next does so at one of many moments: nothing may depend on which.
pub async fn some_moments(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
