//! Reads with an end: forwards or backwards, of a stream or the whole ledger.

use super::{
    answers::{Answers, ClientGone},
    event::answer,
    limits::PAGE_EVENTS,
    read_request::{ReadRequest, Start},
    source::Source,
    wire::{
        StreamIdentifier,
        streams::{ReadResp, read_resp},
    },
};
use crate::{ports::event_store::EventStore, record::envelope::StoredEvent};

/// Responds with at most `count` events, or that the stream does not exist.
pub(super) async fn read(
    store: &dyn EventStore,
    asked: &ReadRequest,
    count: u64,
    answers: &Answers,
) -> Result<(), ClientGone> {
    let Some(source) = &asked.source else { return answers.send(no_such_stream(asked)).await };
    let last = match asked.backwards {
        true => backwards(store, asked, source, count, answers).await?,
        false => forwards(store, asked, source, count, answers).await?,
    };
    match (source, last) {
        (Source::Stream(_), None) => answers.send(no_such_stream(asked)).await,
        (Source::Stream(_), Some(last)) if asked.tell_end => {
            answers.send(ReadResp { content: Some(read_resp::Content::LastStreamPosition(last)) }).await
        }
        _ => Ok(()),
    }
}

fn no_such_stream(asked: &ReadRequest) -> ReadResp {
    let stream_identifier = Some(StreamIdentifier { stream_name: asked.name.clone() });
    ReadResp { content: Some(read_resp::Content::StreamNotFound(read_resp::StreamNotFound { stream_identifier })) }
}

/// Number of events to read for `left` more. With a filter it is unknown how many are needed.
fn page_size(asked: &ReadRequest, left: u64) -> usize {
    let unfiltered = usize::try_from(left).unwrap_or(PAGE_EVENTS).min(PAGE_EVENTS);
    if asked.filter.is_some() { PAGE_EVENTS } else { unfiltered }
}

/// Sends the matching events of a page; returns whether more are wanted.
async fn send(
    page: Vec<StoredEvent>,
    asked: &ReadRequest,
    left: &mut u64,
    answers: &Answers,
) -> Result<bool, ClientGone> {
    for recorded in page {
        if *left == 0 {
            return Ok(false);
        }
        let wanted = match &asked.filter {
            Some(filter) => answers.or_end(filter.wants(&recorded)).await?,
            None => true,
        };
        if wanted {
            answers.send(answer(recorded, asked.ids)).await?;
            *left -= 1;
        }
    }
    Ok(*left > 0)
}

/// Version or position of the very last event.
async fn forwards(
    store: &dyn EventStore,
    asked: &ReadRequest,
    source: &Source,
    count: u64,
    answers: &Answers,
) -> Result<Option<u64>, ClientGone> {
    let (mut at, mut left) = match asked.start {
        Start::Beginning => (0, count),
        Start::At(place) => (place, count),
        Start::End => (0, 0),
    };
    while left > 0 {
        let size = page_size(asked, left);
        let page = answers.or_end(source.page(store, at, size).await).await?;
        let full = page.len() == size;
        let Some(last) = page.last().map(|recorded| source.place(recorded)) else { break };
        at = last + 1;
        if !send(page, asked, &mut left, answers).await? {
            break;
        }
        if !full {
            return Ok(Some(last));
        }
    }
    answers.or_end(source.last(store).await).await
}

async fn backwards(
    store: &dyn EventStore,
    asked: &ReadRequest,
    source: &Source,
    count: u64,
    answers: &Answers,
) -> Result<Option<u64>, ClientGone> {
    let Some(last) = answers.or_end(source.last(store).await).await? else { return Ok(None) };
    let mut left = count;
    // One past the next event to send.
    let mut upper = match asked.start {
        Start::Beginning => 1,
        Start::At(place) => place.min(last) + 1,
        Start::End => last + 1,
    };
    while left > 0 && upper > 0 {
        let size = u64::try_from(page_size(asked, left)).unwrap_or(1).min(upper);
        let lower = upper - size;
        let wanted = usize::try_from(size).unwrap_or(PAGE_EVENTS);
        let mut page = answers.or_end(source.page(store, lower, wanted).await).await?;
        page.retain(|recorded| source.place(recorded) < upper);
        page.reverse();
        upper = lower;
        if !send(page, asked, &mut left, answers).await? {
            break;
        }
    }
    Ok(Some(last))
}
