//! Batch appends: many appends on one call, answered as they complete.
//!
//! Appends to the same stream are executed and answered in order; those to different streams run at the same
//! time, so that the ledger's writer can commit them together.

use std::{collections::HashMap, pin::Pin, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures::{FutureExt as _, StreamExt as _};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
    time::Sleep,
};
use tonic::Streaming;
use uuid::Uuid;

use super::{
    Service,
    answers::{Answers, ClientGone},
    append::{GatheredAppend, stream_of},
    credentials::AdmittedCaller,
    event::{Ids, read_id, write_id},
    expectation::Expectation,
    limits::{LANES, SESSION_BYTES, UNFINISHED_MAX},
    refusal::Refusal,
    wire::{
        AllStreamPosition, StreamIdentifier,
        streams::{BatchAppendReq, BatchAppendResp, batch_append_req, batch_append_resp},
    },
};
use crate::{ports::event_store::AppendOutcome, record::stream::StreamName, services::access::Caller};

/// Appends waiting per lane.
const LANE_WAITING: usize = 64;

/// An append whose last part has not arrived.
struct UnfinishedAppend {
    identifier: Option<StreamIdentifier>,
    expectation: Expectation,
    deadline: Pin<Box<Sleep>>,
    gathered: GatheredAppend,
    refused: Option<Refusal>,
}

/// An append ready to run.
struct Job {
    id: Uuid,
    unfinished: UnfinishedAppend,
    /// Holds its bytes of the session's memory limit.
    _room: Option<OwnedSemaphorePermit>,
}

/// Serves a call until the client is done or gone, or the gateway is stopped.
pub(super) async fn session(
    service: Service,
    admitted: AdmittedCaller,
    mut requests: Streaming<BatchAppendReq>,
    answers: Answers<BatchAppendResp>,
) {
    let mut session = Session {
        lanes: vec![None; LANES],
        running: JoinSet::new(),
        room: Arc::new(Semaphore::new(usize::try_from(SESSION_BYTES).unwrap_or(Semaphore::MAX_PERMITS))),
        unfinished: HashMap::new(),
        service,
        caller: Arc::new(admitted.caller.clone()),
        answers,
    };
    let stop = session.service.stop.clone();
    let tokens = Arc::clone(&session.service.tokens);
    let revoked = admitted.revoked(tokens.as_ref(), session.service.limits.recheck);
    let mut revoked = std::pin::pin!(revoked);
    let ended = loop {
        let request = tokio::select! {
            request = requests.next() => request,
            () = session.answers.closed() => return,
            // The final status is already set: it follows responses that were never finished.
            () = stop.cancelled() => break None,
            status = &mut revoked => break Some(status),
        };
        // A client that disconnects is gone, but its complete appends are still executed.
        let Some(Ok(request)) = request else {
            session.answers.finish();
            break None;
        };
        match session.take(request).await {
            Ok(Ok(())) => {}
            Ok(Err(refusal)) => break Some(refusal.status()),
            Err(ClientGone) => return,
        }
    };
    session.lanes.clear();
    while session.running.join_next().await.is_some() {}
    // Appends that are running get their answers first.
    if let Some(status) = ended {
        session.answers.end(status).await;
    }
}

struct Session {
    lanes: Vec<Option<mpsc::Sender<Job>>>,
    running: JoinSet<()>,
    room: Arc<Semaphore>,
    unfinished: HashMap<Uuid, UnfinishedAppend>,
    service: Service,
    caller: Arc<Caller>,
    answers: Answers<BatchAppendResp>,
}

impl Session {
    /// Adds a part. The inner error ends the call.
    async fn take(&mut self, request: BatchAppendReq) -> Result<Result<(), Refusal>, ClientGone> {
        let invalid = |why: &str| Ok(Err(Refusal::Invalid(why.to_owned())));
        let Some(id) = read_id(request.correlation_id.as_ref()) else {
            return invalid("a part of a batch append has no valid correlation id (a UUID)");
        };
        if let Some(options) = request.options {
            let Some(begun) = self.begin(options) else {
                return invalid("the batch append does not contain an expected stream version");
            };
            self.unfinished.insert(id, begun);
        }
        if self.unfinished.len() > UNFINISHED_MAX {
            return invalid("too many unfinished batch appends");
        }
        let Some(unfinished) = self.unfinished.get_mut(&id) else {
            return invalid("the first part of a batch append has no options");
        };
        for message in request.proposed_messages {
            // After a refusal, its remaining events are skipped.
            if unfinished.refused.is_none()
                && let Err(refusal) = unfinished.gathered.add(message.into())
            {
                unfinished.refused = Some(refusal);
                unfinished.gathered = GatheredAppend::default();
            }
        }
        let held: usize = self.unfinished.values().map(|it| it.gathered.bytes()).sum();
        if u32::try_from(held).unwrap_or(u32::MAX) > SESSION_BYTES {
            return invalid("the unfinished batch appends have too many bytes");
        }
        match request.is_final.then(|| self.unfinished.remove(&id)).flatten() {
            Some(unfinished) => self.queue(id, unfinished).await.map(Ok),
            None => Ok(Ok(())),
        }
    }

    fn begin(&self, options: batch_append_req::Options) -> Option<UnfinishedAppend> {
        let expectation = Expectation::of_batch(&options)?;
        let now = self.service.journal.clock().now();
        let time = time_left(options.deadline_option.as_ref(), now).min(self.service.limits.append_time);
        Some(UnfinishedAppend {
            identifier: options.stream_identifier,
            expectation,
            deadline: Box::pin(tokio::time::sleep(time)),
            gathered: GatheredAppend::default(),
            // A timer that has already expired takes a moment to fire.
            refused: time.is_zero().then_some(Refusal::DeadlineExceeded),
        })
    }

    /// Queues it behind those to the same stream.
    async fn queue(&mut self, id: Uuid, unfinished: UnfinishedAppend) -> Result<(), ClientGone> {
        let name = unfinished.identifier.as_ref().map(|it| it.stream_name.as_slice()).unwrap_or_default();
        let lane = lane_of(name);
        let bytes = u32::try_from(unfinished.gathered.bytes()).unwrap_or(SESSION_BYTES).clamp(1, SESSION_BYTES);
        let room = tokio::select! {
            room = self.room.clone().acquire_many_owned(bytes) => room.ok(),
            () = self.answers.closed() => return Err(ClientGone),
        };
        let job = Job { id, unfinished, _room: room };
        let Some(slot) = self.lanes.get_mut(lane) else { return Err(ClientGone) };
        let sender = slot.get_or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(LANE_WAITING);
            let (service, caller) = (self.service.clone(), self.caller.clone());
            self.running.spawn(drive(service, caller, receiver, self.answers.clone()));
            sender
        });
        sender.send(job).await.map_err(|_| ClientGone)
    }
}

/// Executes the appends of a lane in order.
async fn drive(
    service: Service,
    caller: Arc<Caller>,
    mut jobs: mpsc::Receiver<Job>,
    answers: Answers<BatchAppendResp>,
) {
    while let Some(job) = jobs.recv().await {
        let answer = carry_out(&service, &caller, job).await;
        if answers.send(answer).await.is_err() {
            return;
        }
    }
}

async fn carry_out(service: &Service, caller: &Caller, job: Job) -> BatchAppendResp {
    let UnfinishedAppend { identifier, expectation, mut deadline, gathered, refused } = job.unfinished;
    let stream = refused.map_or_else(|| stream_of(identifier.as_ref()), Err);
    let written = match stream {
        Err(refusal) => Err(refusal),
        // An append that is already late is not started.
        Ok(_) if deadline.as_mut().now_or_never().is_some() => Err(Refusal::DeadlineExceeded),
        Ok(stream) => in_time(service, caller, &stream, expectation, gathered, deadline).await,
    };
    let result = match written {
        Ok(appended) => batch_append_resp::Result::Success(success(appended)),
        Err(refusal) => batch_append_resp::Result::Error(refusal.error(expectation)),
    };
    BatchAppendResp {
        correlation_id: Some(write_id(job.id, Ids::Text)),
        result: Some(result),
        // Some clients crash if it is missing.
        stream_identifier: Some(identifier.unwrap_or_default()),
        expected_stream_position: Some(expectation.in_answer()),
    }
}

async fn in_time(
    service: &Service,
    caller: &Caller,
    stream: &StreamName,
    expectation: Expectation,
    gathered: GatheredAppend,
    deadline: Pin<Box<Sleep>>,
) -> Result<AppendOutcome, Refusal> {
    tokio::select! {
        written = service.write(caller, stream, expectation, gathered) => written,
        () = deadline => Err(Refusal::DeadlineExceeded),
    }
}

/// Time until the deadline. One client sends the time of day as a duration, which never expires.
fn time_left(deadline: Option<&batch_append_req::options::DeadlineOption>, now: DateTime<Utc>) -> Duration {
    use batch_append_req::options::DeadlineOption;
    let (seconds, nanos) = match deadline {
        None => return Duration::MAX,
        Some(DeadlineOption::Deadline(time)) => (time.seconds, time.nanos),
        Some(DeadlineOption::Deadline21100(at)) => {
            let at = DateTime::from_timestamp(at.seconds, u32::try_from(at.nanos).unwrap_or(0));
            return at.map_or(Duration::MAX, |at| (at - now).to_std().unwrap_or(Duration::ZERO));
        }
    };
    let (Ok(seconds), Ok(nanos)) = (u64::try_from(seconds), u32::try_from(nanos)) else { return Duration::ZERO };
    Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos.into()))
}

/// FNV-1a: distributes names over the lanes, the same name always to the same lane.
fn lane_of(name: &[u8]) -> usize {
    let hash = name
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    usize::try_from(hash % LANES as u64).unwrap_or(0)
}

fn success(appended: AppendOutcome) -> batch_append_resp::Success {
    let position = appended.position.0;
    batch_append_resp::Success {
        current_revision_option: Some(batch_append_resp::success::CurrentRevisionOption::CurrentRevision(
            appended.version.0,
        )),
        position_option: Some(batch_append_resp::success::PositionOption::Position(AllStreamPosition {
            commit_position: position,
            prepare_position: position,
        })),
    }
}
