//! Batch appends: many appends on one call, answered as they are done.
//!
//! Appends to one stream are carried out and answered in the order they came; those to different streams at the same
//! time, so that the ledger's writer can put them into one durable step.

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

/// Appends that wait in a lane.
const LANE_WAITING: usize = 64;

/// An append of which the last piece has not come.
struct UnfinishedAppend {
    identifier: Option<StreamIdentifier>,
    expectation: Expectation,
    deadline: Pin<Box<Sleep>>,
    gathered: GatheredAppend,
    refused: Option<Refusal>,
}

/// An append to carry out.
struct Job {
    id: Uuid,
    unfinished: UnfinishedAppend,
    /// Holds its bytes' share of what the session may have under way.
    _room: Option<OwnedSemaphorePermit>,
}

/// Serves one call until the client has no more to say, goes away, or the gateway is stopped.
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
            // The last word is said already: it is what stands behind answers that were never finished.
            () = stop.cancelled() => break None,
            status = &mut revoked => break Some(status),
        };
        // A client that breaks off is gone; what it said in whole is carried out.
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
    // Those who wait for an answer get theirs first.
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
    /// Takes a piece. A refusal inside is one after which the call makes no sense any more.
    async fn take(&mut self, request: BatchAppendReq) -> Result<Result<(), Refusal>, ClientGone> {
        let invalid = |why: &str| Ok(Err(Refusal::Invalid(why.to_owned())));
        let Some(id) = read_id(request.correlation_id.as_ref()) else {
            return invalid("a piece of a batch append has no correlation id that is a UUID");
        };
        if let Some(options) = request.options {
            let Some(begun) = self.begin(options) else {
                return invalid("a batch append does not say where it expects the stream to end");
            };
            self.unfinished.insert(id, begun);
        }
        if self.unfinished.len() > UNFINISHED_MAX {
            return invalid("too many batch appends were begun and not ended");
        }
        let Some(unfinished) = self.unfinished.get_mut(&id) else {
            return invalid("the first piece of a batch append has no options");
        };
        for message in request.proposed_messages {
            // Once it is refused its events are passed over, up to its end.
            if unfinished.refused.is_none()
                && let Err(refusal) = unfinished.gathered.add(message.into())
            {
                unfinished.refused = Some(refusal);
                unfinished.gathered = GatheredAppend::default();
            }
        }
        let held: usize = self.unfinished.values().map(|it| it.gathered.bytes()).sum();
        if u32::try_from(held).unwrap_or(u32::MAX) > SESSION_BYTES {
            return invalid("the batch appends that were begun and not ended have too many bytes");
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
            // A timer takes a moment to notice that its time was over before it began.
            refused: time.is_zero().then_some(Refusal::DeadlineExceeded),
        })
    }

    /// Puts it behind those to the same stream.
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

/// Carries out what comes into a lane, one after the other.
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
        // What is late already is not begun.
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
        // Some clients fall over where it is missing.
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

/// How long until the deadline. One client sends the time of day as a duration, which is none that ever ends.
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

/// FNV-1a: spreads names over the lanes, the same name always to the same.
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
