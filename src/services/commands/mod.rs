//! Commands received as messages: recorded first, then carried out, answered and acknowledged.
//!
//! Each command has its own stream, named after its key and created once, as deliveries from booking sources have. So a
//! redelivered command finds its first answer, a different command under the same key is refused, and what cannot be
//! carried out stays visible and can be retried. The queue redelivers commands that were never acknowledged.

mod carry_out;
mod incoming;
mod record;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::join_all;
use tokio::sync::Mutex;
use tracing::{error, info, warn};

pub(crate) use carry_out::reprocessed;
pub use incoming::{IncomingCommand, SOURCE, VERBS};

use self::{carry_out::Answer, record::DeliveryState};
use super::{
    Error,
    bookings::RequestKeys,
    journal::Journal,
    problem::{Kind, PROBLEM_JSON, Problem},
};
use crate::ports::commands::{CommandQueue, QueuedCommand, Reply, Unavailable};

/// Commands received per batch.
const BATCH: usize = 64;
/// How long to wait for a command.
const WAIT: Duration = Duration::from_secs(1);
/// Longest delay before a failed command is redelivered.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Which bookings commands may change, and when a command is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Whether they may change any booking, or only those created through the API.
    pub any: bool,
    /// A recorded command delivered more often than this is given up.
    pub deliveries_max: u64,
}

/// Receives and carries out commands.
pub struct Commands {
    journal: Journal,
    queue: Arc<dyn CommandQueue>,
    keys: Arc<RequestKeys>,
    rules: Rules,
    prepared: Mutex<bool>,
}

/// How a command ends.
enum Outcome {
    /// Respond and acknowledge.
    Answered(Answer),
    /// Ask for redelivery.
    Again(Error),
}

impl Commands {
    /// Receives commands from `queue` into `journal`.
    pub fn new(journal: Journal, queue: Arc<dyn CommandQueue>, rules: Rules) -> Self {
        Self { journal, queue, keys: Arc::default(), rules, prepared: Mutex::new(false) }
    }

    /// Receives waiting commands and carries them out: those about the same booking in order, the rest at the same time.
    /// Returns their number.
    ///
    /// # Errors
    /// The queue is unavailable.
    pub async fn step(&self) -> Result<usize, Unavailable> {
        let mut prepared = self.prepared.lock().await;
        if !*prepared {
            for differs in self.queue.prepare().await? {
                warn!("NATS: {differs}");
            }
            *prepared = true;
        }
        let handed = match self.queue.take(BATCH, WAIT).await {
            Ok(handed) => handed,
            Err(unavailable) => {
                *prepared = false;
                return Err(unavailable);
            }
        };
        let count = handed.len();
        let mut lines: BTreeMap<String, Vec<Box<dyn QueuedCommand>>> = BTreeMap::new();
        for one in handed {
            lines.entry(IncomingCommand::of(one.message(), self.rules.any).about()).or_default().push(one);
        }
        let lines = lines.into_values().map(|line| async {
            for one in line {
                if let Err(unavailable) = self.treat(&*one).await {
                    // It will be redelivered, and finds its answer.
                    warn!("A command could not be acknowledged: {unavailable}");
                }
            }
        });
        join_all(lines).await;
        Ok(count)
    }

    async fn treat(&self, handed: &dyn QueuedCommand) -> Result<(), Unavailable> {
        let message = handed.message();
        let incoming = IncomingCommand::of(message, self.rules.any);
        match self.answer(&incoming, message.deliveries).await {
            Outcome::Answered(answer) => {
                let reply = reply(answer, &incoming.correlation(&self.journal), &incoming.key);
                info!(verb = incoming.verb, status = reply.status, "Answered a command with {}", reply.status);
                handed.reply(reply).await?;
                handed.settle().await
            }
            Outcome::Again(error) => {
                let exponent = u32::try_from(message.deliveries).unwrap_or(u32::MAX).min(8);
                let pause = (Duration::from_millis(100) * 2_u32.pow(exponent)).min(PAUSE_MAX);
                error!(%error, "A command failed and will be retried in {} ms", pause.as_millis());
                handed.retry(pause).await
            }
        }
    }

    async fn answer(&self, incoming: &IncomingCommand, deliveries: u64) -> Outcome {
        match self.carried_out(incoming, deliveries).await {
            Ok(answer) => Outcome::Answered(answer),
            Err(error) => Outcome::Again(error),
        }
    }

    /// Records a command, carries it out, and records the outcome.
    async fn carried_out(&self, incoming: &IncomingCommand, deliveries: u64) -> Result<Answer, Error> {
        let received = match record::receive(&self.journal, incoming).await? {
            DeliveryState::Open(received) => received,
            DeliveryState::Applied { booking, revision, created } => {
                return carry_out::booking_answer(&self.journal, &booking, revision, created).await;
            }
            DeliveryState::Refused(problem) => {
                // A malformed request gets the full message, as it did the first time.
                let problem = incoming.problem().unwrap_or(problem);
                return Ok(Answer::Problem(problem));
            }
            DeliveryState::Other => {
                let problem: Problem = Error::from(crate::domain::booking::Refusal::KeyReused).into();
                if !incoming.awaited {
                    record::refuse_apart(&self.journal, incoming, &problem).await?;
                }
                return Ok(Answer::Problem(problem));
            }
        };
        if deliveries > self.rules.deliveries_max {
            let why = format!("given up after {} deliveries", deliveries - 1);
            let problem = Problem::new(Kind::Internal, why);
            record::refuse(&self.journal, incoming, &received, &problem, false).await?;
            return Ok(Answer::Problem(problem));
        }
        carry_out::carry_out(&self.journal, &self.keys, incoming, &received).await
    }
}

fn reply(answer: Answer, correlation: &str, key: &str) -> Reply {
    let key = key.to_owned();
    match answer {
        Answer::Booking(view, created) => {
            let body = serde_json::to_vec(&view).expect("a booking is made of texts, numbers and times");
            Reply { status: if created { 201 } else { 200 }, media: "application/json", body, key }
        }
        Answer::Problem(problem) => {
            let status = problem.kind.code();
            let body =
                serde_json::to_vec(&problem.document(correlation)).expect("a problem is made of texts and one number");
            Reply { status, media: PROBLEM_JSON, body, key }
        }
    }
}
