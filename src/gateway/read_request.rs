//! A read request, parsed from the wire and validated.

use super::{
    event::Ids,
    filter::Filter,
    refusal::Refusal,
    source::Source,
    wire::streams::{
        ReadReq,
        read_req::{
            Options,
            options::{
                CountOption, FilterOption, ReadDirection, StreamOption, StreamOptions, all_options::AllOption,
                stream_options::RevisionOption, uuid_option,
            },
        },
    },
};
use crate::record::stream::StreamName;

/// Where a read starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// At the first event.
    Beginning,
    /// At the last event; for a subscription, after it.
    End,
    /// At this version or position; for a subscription, after it.
    At(u64),
}

/// How much to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadExtent {
    /// This number of events.
    Events(u64),
    /// All present and future events.
    Live,
}

/// A validated read request.
#[derive(Debug)]
pub(super) struct ReadRequest {
    /// Stream name as received, for responses; empty for the whole ledger.
    pub(super) name: Vec<u8>,
    /// What to read; `None` if no stream can have that name.
    pub(super) source: Option<Source>,
    /// Where to start.
    pub(super) start: Start,
    /// Whether to read backwards.
    pub(super) backwards: bool,
    /// How much to read.
    pub(super) want: ReadExtent,
    /// Filter, for reads of the whole ledger.
    pub(super) filter: Option<Filter>,
    /// Format of ids.
    pub(super) ids: Ids,
    /// Whether the client understands the end-of-stream message.
    pub(super) tell_end: bool,
}

impl ReadRequest {
    /// Parses a request. Links are never resolved, because there are none.
    ///
    /// # Errors
    /// `Invalid`, with what is missing.
    pub(super) fn read(request: ReadReq) -> Result<Self, Refusal> {
        let invalid = |why: &str| Refusal::Invalid(why.to_owned());
        let options = request.options.ok_or_else(|| invalid("the request has no options"))?;
        let backwards = options.read_direction() == ReadDirection::Backwards;
        let ids = ids(&options);
        let tell_end = options.control_option.is_some_and(|control| control.compatibility >= 1);
        let want = match options.count_option {
            Some(CountOption::Count(count)) => ReadExtent::Events(count),
            Some(CountOption::Subscription(_)) => ReadExtent::Live,
            None => return Err(invalid("the request contains neither a count nor a subscription")),
        };
        let filter = match options.filter_option {
            Some(FilterOption::Filter(filter)) => Some(Filter::read(filter)?),
            Some(FilterOption::NoFilter(_)) | None => None,
        };
        let (name, source, start) = match options.stream_option {
            Some(StreamOption::All(all)) => (Vec::new(), Some(Source::All), of_all(all.all_option)?),
            Some(StreamOption::Stream(stream)) => of_stream(stream)?,
            None => return Err(invalid("the request names neither a stream nor $all")),
        };
        if backwards && want == ReadExtent::Live {
            return Err(invalid("a subscription must read forwards"));
        }
        if filter.is_some() && source != Some(Source::All) {
            return Err(invalid("a filter is only allowed for $all"));
        }
        Ok(Self { name, source, start, backwards, want, filter, ids, tell_end })
    }

    /// The name of the stream, for messages.
    pub(super) fn stream_name(&self) -> String {
        String::from_utf8_lossy(&self.name).chars().take(200).collect()
    }
}

fn ids(options: &Options) -> Ids {
    match options.uuid_option.as_ref().and_then(|option| option.content.as_ref()) {
        Some(uuid_option::Content::String(_)) => Ids::Text,
        Some(uuid_option::Content::Structured(_)) | None => Ids::Numbers,
    }
}

/// Some clients write "the end" as the largest number.
fn at(place: u64) -> Start {
    if place == u64::MAX { Start::End } else { Start::At(place) }
}

fn of_all(option: Option<AllOption>) -> Result<Start, Refusal> {
    Ok(match option {
        Some(AllOption::Position(position)) => at(position.commit_position),
        Some(AllOption::Start(_)) => Start::Beginning,
        Some(AllOption::End(_)) => Start::End,
        None => return Err(Refusal::Invalid("the request does not contain a start position in $all".to_owned())),
    })
}

fn of_stream(options: StreamOptions) -> Result<(Vec<u8>, Option<Source>, Start), Refusal> {
    let start = match options.revision_option {
        Some(RevisionOption::Revision(revision)) => at(revision),
        Some(RevisionOption::Start(_)) => Start::Beginning,
        Some(RevisionOption::End(_)) => Start::End,
        None => return Err(Refusal::Invalid("the request does not contain a start version".to_owned())),
    };
    let name = options.stream_identifier.map(|it| it.stream_name).filter(|name| !name.is_empty());
    let Some(name) = name else { return Err(Refusal::Invalid("the request names no stream".to_owned())) };
    let source = std::str::from_utf8(&name).ok().and_then(|text| StreamName::parse(text).ok()).map(Source::Stream);
    Ok((name, source, start))
}
