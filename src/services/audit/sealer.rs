//! The loop that seals the ledger of a running service at intervals.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::{Audit, Outcome};
use crate::{
    record::envelope::{Actor, Origin},
    services::{current_failures::CurrentFailures, journal::Context},
};

/// Name of the loop in `/health`.
const NAME: &str = "sealer";

/// Seals at every interval until `stop`. A failure is reported and retried at the next interval.
pub async fn run(audit: Audit, every: Duration, current_failures: CurrentFailures, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = sleep(every) => {}
            () = stop.cancelled() => return,
        }
        let clock = audit.journal.clock();
        let context = Context::root(Actor::new("operator", NAME), Origin::Admin, clock.event_id());
        let failure = match audit.seal(&context).await {
            Ok(Outcome::Sealed(sealed)) => {
                let size = sealed.checkpoint.size;
                info!(audit.size = size, "Sealed the first {size} events");
                None
            }
            Ok(Outcome::Nothing(_)) => None,
            Err(failure) => {
                error!(error = %failure, "Sealing the ledger failed: {failure}");
                Some(failure.to_string())
            }
        };
        current_failures.note(NAME, clock.now(), failure);
    }
}
