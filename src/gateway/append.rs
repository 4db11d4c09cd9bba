//! Appends, shared by the unary and the batch call.

use tonic::Streaming;

use super::{
    Gateway,
    event::ReceivedEvent,
    expectation::Expectation,
    refusal::Refusal,
    wire::{
        StreamIdentifier,
        streams::{AppendReq, AppendResp, append_req::Content, append_resp},
    },
};
use crate::{
    ledger::append::APPEND_BYTES_MAX,
    ports::event_store::{APPEND_EVENTS_MAX, AppendOutcome},
    record::stream::StreamName,
    services::{access::Caller, external_events},
};

/// An append whose events are still being received.
#[derive(Default)]
pub(super) struct GatheredAppend {
    events: Vec<ReceivedEvent>,
    bytes: usize,
}

impl GatheredAppend {
    /// Adds an event, within the limits of an append.
    pub(super) fn add(&mut self, event: ReceivedEvent) -> Result<(), Refusal> {
        self.bytes = self.bytes.saturating_add(event.bytes());
        if self.bytes > APPEND_BYTES_MAX {
            return Err(Refusal::TooLarge);
        }
        if self.events.len() >= APPEND_EVENTS_MAX {
            return Err(Refusal::Invalid(format!("an append may contain at most {APPEND_EVENTS_MAX} events")));
        }
        self.events.push(event);
        Ok(())
    }

    /// Its size so far, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The named stream.
///
/// # Errors
/// `Invalid`, with the rule for stream names.
pub(super) fn stream_of(identifier: Option<&StreamIdentifier>) -> Result<StreamName, Refusal> {
    let name = identifier.map(|it| it.stream_name.as_slice()).unwrap_or_default();
    let text = std::str::from_utf8(name).map_err(|_| Refusal::Invalid("the stream's name is not UTF-8".to_owned()))?;
    if text.starts_with('$') {
        let why = "system streams (names beginning with $) are not supported: no metadata, no limits, no links";
        return Err(Refusal::Invalid(format!("{text:?}: {why}")));
    }
    StreamName::parse(text).map_err(|error| Refusal::Invalid(error.to_string()))
}

impl Gateway {
    /// Appends the received events durably, all or none.
    pub(super) async fn write(
        &self,
        caller: &Caller,
        stream: &StreamName,
        expectation: Expectation,
        gathered: GatheredAppend,
    ) -> Result<AppendOutcome, Refusal> {
        if !caller.may_append(stream) {
            return Err(Refusal::Forbidden(format!("this token may not append to {stream}")));
        }
        let proposed = gathered.events.into_iter().map(ReceivedEvent::proposed).collect::<Result<Vec<_>, _>>()?;
        let events = external_events::prepare(&self.journal, self.accept, caller, stream, proposed).await?;
        let store = self.journal.store();
        if expectation == Expectation::Exists && store.last(stream).await?.is_none() {
            return Err(Refusal::WrongVersion(None));
        }
        Ok(store.append(stream, expectation.expected(), events).await?)
    }

    /// A unary append: the options, then the events.
    pub(super) async fn append_all(
        &self,
        caller: &Caller,
        mut requests: Streaming<AppendReq>,
    ) -> Result<AppendResp, tonic::Status> {
        let first = requests.message().await?.and_then(|request| request.content);
        let Some(Content::Options(options)) = first else {
            return Err(Refusal::Invalid("an append must begin with its options".to_owned()).status());
        };
        let stream = stream_of(options.stream_identifier.as_ref()).map_err(|refusal| refusal.status())?;
        let Some(expectation) = Expectation::of_append(&options) else {
            return Err(Refusal::Invalid("the append does not contain an expected stream version".to_owned()).status());
        };
        let mut gathered = GatheredAppend::default();
        while let Some(request) = requests.message().await? {
            let Some(Content::ProposedMessage(message)) = request.content else {
                return Err(
                    Refusal::Invalid("the options of an append must be followed only by events".to_owned()).status()
                );
            };
            gathered.add(message.into()).map_err(|refusal| refusal.status())?;
        }
        let result = match self.write(caller, &stream, expectation, gathered).await {
            Ok(appended) => append_resp::Result::Success(success(appended)),
            Err(Refusal::WrongVersion(actual)) => {
                append_resp::Result::WrongExpectedVersion(expectation.wrong_version(actual))
            }
            Err(refusal) => return Err(refusal.status()),
        };
        Ok(AppendResp { result: Some(result) })
    }
}

fn success(appended: AppendOutcome) -> append_resp::Success {
    let position = appended.position.0;
    append_resp::Success {
        current_revision_option: Some(append_resp::success::CurrentRevisionOption::CurrentRevision(appended.version.0)),
        position_option: Some(append_resp::success::PositionOption::Position(append_resp::Position {
            commit_position: position,
            prepare_position: position,
        })),
    }
}
